"""What of a folder a source package holds."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from farm.base.errors import SourceError
from farm.source.tree import Entry, copy_tree, digest_entries, scan_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "debian").mkdir(parents=True)
    (root / "debian" / "control").write_text("Source: tree\n")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o755)
    (root / "empty").mkdir()
    (root / "link").symlink_to("debian/control")
    return root


def digest(root: Path) -> str:
    return digest_entries(root, scan_tree(root))


def test_files_programs_folders_and_links_count(tree: Path) -> None:
    assert scan_tree(tree) == [
        Entry("debian", "folder"),
        Entry("debian/control", "file"),
        Entry("empty", "folder"),
        Entry("link", "link", "debian/control"),
        Entry("run", "program"),
    ]


def test_version_control_and_compiled_python_do_not(tree: Path) -> None:
    before = digest(tree)
    (tree / ".git").mkdir()
    (tree / ".git" / "HEAD").write_text("x")
    (tree / "debian" / ".svn").mkdir()
    (tree / "debian" / "__pycache__").mkdir()
    (tree / "empty" / ".git").write_text("gitdir: elsewhere")
    assert digest(tree) == before
    (tree / ".gitignore").write_text("x")
    assert digest(tree) != before


def test_what_the_caller_names_is_left_out(tree: Path) -> None:
    (tree / ".farm").mkdir()
    (tree / ".farm" / "log").write_text("x")
    assert [entry.path for entry in scan_tree(tree) if "farm" in entry.path] != []
    assert not any("farm" in entry.path for entry in scan_tree(tree, without=[tree / ".farm"]))


def test_times_and_modes_do_not_matter_but_the_executable_bit_does(tree: Path) -> None:
    before = digest(tree)
    (tree / "run").chmod(0o700)
    (tree / "debian" / "control").chmod(0o600)
    (tree / "empty").chmod(0o777)
    os.utime(tree / "run", (1, 1))
    assert digest(tree) == before
    (tree / "run").chmod(0o644)
    assert digest(tree) != before


@pytest.mark.parametrize("change", ["content", "name", "target", "folder", "kind"])
def test_a_change_is_seen(tree: Path, change: str) -> None:
    before = digest(tree)
    if change == "content":
        (tree / "run").write_text("#!/bin/sh \n")
    elif change == "name":
        (tree / "run").rename(tree / "ran")
    elif change == "target":
        (tree / "link").unlink()
        (tree / "link").symlink_to("debian")
    elif change == "folder":
        (tree / "empty").rmdir()
    else:
        (tree / "link").unlink()
        (tree / "link").write_text("debian/control")
    assert digest(tree) != before


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "../outside", "../tree/run", "debian/../../outside", "empty/../../tree/run"],
)
def test_a_link_that_points_outside_is_refused(tree: Path, target: str) -> None:
    (tree / "bad").symlink_to(target)
    with pytest.raises(SourceError, match="bad points outside of its folder"):
        scan_tree(tree)


def test_a_link_that_leads_outside_through_another_is_refused(tree: Path) -> None:
    deep = tree / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "up").symlink_to("../../debian")
    # As written this stays in a/; as it resolves, `up` is two floors higher, and `..` leads out.
    (deep / "bad").symlink_to("up/../../secret")
    with pytest.raises(SourceError, match="bad points outside"):
        scan_tree(tree)


def test_a_link_to_nothing_inside_is_fine(tree: Path) -> None:
    (tree / "dangling").symlink_to("debian/made-later")
    assert Entry("dangling", "link", "debian/made-later") in scan_tree(tree)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_pipes_and_sockets_are_refused(
    tree: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "pipe":
        os.mkfifo(tree / "odd")
    else:
        monkeypatch.chdir(tree)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("odd")
    with pytest.raises(SourceError, match="odd is neither a file, a folder nor a link"):
        scan_tree(tree)


def test_a_copy_has_plain_modes_and_one_time(tree: Path, tmp_path: Path) -> None:
    (tree / "run").chmod(0o4711)
    (tree / "empty").chmod(0o700)
    copy = tmp_path / "copy"
    copy_tree(tree, copy, entries=scan_tree(tree), epoch=1704103200)
    found = {path.name: path.lstat() for path in [copy, *copy.rglob("*")]}
    assert {stat.st_mtime for stat in found.values()} == {1704103200.0}
    modes = {name: oct(stat.st_mode & 0o7777) for name, stat in found.items() if name != "link"}
    assert modes == {
        "copy": "0o755", "debian": "0o755", "empty": "0o755", "run": "0o755", "control": "0o644",
    }  # fmt: skip
    assert digest(copy) == digest(tree)
