"""Trees are put in place whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import FarmFault, InputError
from farm.release.scaffold import render_tree, whole_tree, write_tree


def snapshot(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def make_nothing(place: Path) -> None:
    with whole_tree(place):
        pass


def test_a_tree_comes_into_being_with_the_folders_above(tmp_path: Path) -> None:
    with whole_tree(tmp_path / "a" / "b" / "c") as tree:
        write_tree(tree, {"x/run": "#!/bin/sh\n", "x/text": "words\n"})
        assert snapshot(tmp_path)[0].startswith(".new-"), "nothing is in its place yet"

    assert snapshot(tmp_path) == ["a", "a/b", "a/b/c", "a/b/c/x", "a/b/c/x/run", "a/b/c/x/text"]
    assert (tmp_path / "a/b/c/x/run").stat().st_mode & 0o111
    assert not (tmp_path / "a/b/c/x/text").stat().st_mode & 0o111


@pytest.mark.parametrize("there", ["nothing", "a/b"])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, there: str) -> None:
    if there != "nothing":
        (tmp_path / there).mkdir(parents=True)
    before = snapshot(tmp_path)

    def fail() -> None:
        with whole_tree(tmp_path / "a" / "b") as tree:
            write_tree(tree, {"text": "half of it"})
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="/a/b cannot be made: No space left on device"):
        fail()

    assert snapshot(tmp_path) == before


def test_an_empty_folder_is_filled_and_stays_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As somebody expects who stands in it."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)

    with whole_tree(Path.cwd()) as tree:
        write_tree(tree, {"text": "words\n", "folder/.hidden": ""})

    assert snapshot(Path()) == [".git", "folder", "folder/.hidden", "text"]


def test_what_cannot_all_be_moved_up_goes_back(tmp_path: Path) -> None:
    def fail() -> None:
        with whole_tree(tmp_path) as tree:
            write_tree(tree, {"a": "", "b": "", "c/d": ""})
            write_tree(tmp_path, {"c/somebody": "was faster"})

    with pytest.raises(InputError, match="cannot be made"):
        fail()

    assert snapshot(tmp_path) == ["c", "c/somebody"]


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    for name in ("e", "d", "c", "b", "a"):
        (tmp_path / name).write_text("")

    with pytest.raises(InputError, match="is not empty: it holds a, b, c and 2 more"):
        make_nothing(tmp_path)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "exists already, and is not a folder"),
        ("file/below", "cannot be made: Not a directory"),
        ("n" * 256, "cannot be made: File name too long"),
    ],
)
def test_where_nothing_can_be_made(tmp_path: Path, place: str, reason: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(InputError, match=reason):
        make_nothing(tmp_path / place)

    assert snapshot(tmp_path) == ["file"]


def test_a_template_that_asks_for_too_much_is_a_fault_of_the_farm() -> None:
    with pytest.raises(FarmFault, match=r"\{\{name\}\}"):
        render_tree("howto", {})


def test_names_in_paths_are_filled_in() -> None:
    words = dict.fromkeys(("version", "distribution", "maintainer", "date", "year", "roff_name",
                           "roff_title"), "x")  # fmt: skip
    assert "my-own.1.in" in render_tree("package", {"name": "my-own", **words})
