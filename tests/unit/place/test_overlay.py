"""Overlays, as far as they can be seen without entering one."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from farm.base.errors import FarmFault, PlaceError
from farm.base.files import Lock
from farm.base.run import Result
from farm.place import namespace
from farm.place import overlay as module
from farm.place.overlay import (
    Bind,
    Overlay,
    label_of,
    lock_of,
    make_mount_points,
    new_name,
    sweep,
    variables_of,
)

MIB = 2**20


@pytest.fixture
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Overlay:
    """Give an overlay on two layers, whose top layer is a plain folder."""
    monkeypatch.setattr(namespace, "_user_namespace", lambda: 99)
    monkeypatch.setattr(namespace, "_system_calls", lambda: "mount=1")
    folder = tmp_path / "environments" / "tool-1"
    (folder / "upper/build").mkdir(parents=True)
    layers = [tmp_path / "trees/layer", tmp_path / "trees/base"]
    return Overlay(folder, layers=layers, binds=[Bind(tmp_path / "sources/x", "/farm/source")])


def given(argv: list[str | os.PathLike[str]]) -> dict[str, str]:
    """Give what the words before the first ``--`` say."""
    words = [str(word) for word in argv]
    return dict(word.split("=", 1) for word in words[2 : words.index("--")])


# The command that enters.


def test_paths_are_relative_to_its_folder(overlay: Overlay) -> None:
    mounts = given(overlay.argv(["true"]))["mounts"].splitlines()
    assert mounts[0] == (
        "farm-tool-1 root overlay 0 volatile,userxattr,"
        "lowerdir=../../trees/layer:../../trees/base,upperdir=upper,workdir=work"
    )
    assert mounts[-1] == "../../sources/x root/farm/source none 4096"


def test_nothing_else_of_the_host_is_mounted_but_harmless_devices(overlay: Overlay) -> None:
    mounts = given(overlay.argv(["true"]))["mounts"].splitlines()
    shown = {line.split()[0] for line in mounts[1:-1]}
    assert shown == {
        "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
        "devpts", "tmpfs", "proc",
    }  # fmt: skip


@pytest.mark.parametrize(("user", "number"), [("root", "0"), ("farm", "1000")])
def test_users(overlay: Overlay, user: str, number: str) -> None:
    argv = overlay.argv(["make", "all"], user=user, cwd="/build", env={"X": "a b"})
    assert given(argv)["user"] == number
    assert given(argv)["directory"] == "/build"
    assert {f"USER={user}", "X=a b", "TZ=UTC"} <= {str(word) for word in argv}
    assert argv[-3:] == ["--", "make", "all"]


def test_bounds(overlay: Overlay) -> None:
    assert "filesize" not in given(overlay.argv(["true"]))
    overlay.file_limit = MIB
    words = given(overlay.argv(["true"]))
    assert words["filesize"] == str(MIB)
    assert 4096 <= int(words["processes"]) < 10**6


def test_it_dies_with_this_process_unless_said(overlay: Overlay) -> None:
    assert given(overlay.argv(["true"]))["caller"] == str(os.getpid())
    assert given(overlay.argv(["true"], caller=0))["caller"] == "0"


@pytest.mark.parametrize("name", ["a:b", "a,b", "a b", "a\\b", "a\nb"])
def test_names_that_overlayfs_would_misread_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PlaceError, match="holds a character that overlayfs reserves"):
        Overlay(tmp_path / "one", layers=[tmp_path / name]).argv(["true"])


def test_variables() -> None:
    assert variables_of("root")["HOME"] == "/root"
    assert variables_of("farm", {"HOME": "/elsewhere"})["HOME"] == "/elsewhere"


# How the command ended.


def answer(monkeypatch: pytest.MonkeyPatch, returncode: int) -> None:
    result = Result((), returncode, "", "mount: No such device", 0.0)
    monkeypatch.setattr(module, "run", lambda *_args, **_settings: result)


def test_what_cannot_be_entered_is_a_fault_of_the_place(
    overlay: Overlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, -10)
    with pytest.raises(PlaceError, match="tool-1 cannot be entered") as caught:
        overlay.run(["true"], timeout=module._SYNC, ok=None)
    assert "No such device" in caught.value.details


@pytest.mark.parametrize("returncode", [0, 10, 125, 138, 255])
def test_no_exit_status_of_the_command_looks_like_that(
    overlay: Overlay, monkeypatch: pytest.MonkeyPatch, returncode: int
) -> None:
    answer(monkeypatch, returncode)
    assert overlay.run(["x"], timeout=module._SYNC, ok=None).returncode == returncode


# Taking files out.


def test_a_regular_file_is_copied(overlay: Overlay, tmp_path: Path) -> None:
    (overlay.folder / "upper/build/file").write_bytes(b"content")
    assert overlay.copy_out("/build/file", tmp_path / "copy", limit=7) == 7
    assert (tmp_path / "copy").read_bytes() == b"content"


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_socket(path: Path) -> None:
    # By its bare name: unix(7) allows no long paths.
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


@pytest.mark.parametrize(("make", "why"), [
    (make_link, "it is a link"), (os.mkfifo, "is not a regular file"),
    (Path.mkdir, "is not a regular file"), (make_socket, "cannot be taken out"),
    (lambda _: None, "No such file or directory"),
    (lambda path: path.write_bytes(bytes(8)), "has 8 bytes; 7 are allowed"),
], ids=["link", "fifo", "folder", "socket", "nothing", "large"])  # fmt: skip
def test_anything_else_is_refused(
    overlay: Overlay, tmp_path: Path, make: Callable[[Path], object], why: str
) -> None:
    make(overlay.folder / "upper/build/file")
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(PlaceError, match=why):
        overlay.copy_out("/build/file", tmp_path / "copy", limit=7)
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
    assert not (tmp_path / "copy").exists()


def test_a_link_on_the_way_is_refused(overlay: Overlay, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hidden")
    (overlay.folder / "upper/link").symlink_to(tmp_path)
    with pytest.raises(PlaceError):
        overlay.copy_out("/link/file", tmp_path / "copy", limit=MIB)


def test_holds(overlay: Overlay) -> None:
    assert overlay.holds("/build")
    assert not overlay.holds("/build/none")


# Leftovers.


def test_locks_without_an_environment_are_swept(tmp_path: Path) -> None:
    lock_of(tmp_path / "gone").touch()
    held = Lock(lock_of(tmp_path / "held"))
    assert held.try_acquire()
    lock_of(tmp_path / "kept").touch()
    assert sweep(tmp_path, is_kept=lambda name: name == "kept") == ["gone"]
    assert {path.name for path in tmp_path.iterdir()} == {"held.lock", "kept.lock"}
    held.release()


def test_there_may_be_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none", is_kept=lambda _: False) == []


def test_names(tmp_path: Path) -> None:
    assert new_name("tool") != new_name("tool")
    assert label_of(tmp_path / "tool-1") == "farm-tool-1"


def test_what_has_no_dev_is_no_root(tmp_path: Path) -> None:
    with pytest.raises(FarmFault, match="is not a root file system"):
        make_mount_points(tmp_path)
