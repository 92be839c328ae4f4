from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.repo.pointer import Pointer, published


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / "snapshots" / name / "tree").mkdir(parents=True)
    return tmp_path / "repositories"


def pointer(folder: Path, repository: str = "rc") -> Pointer:
    return Pointer(repository, folder=folder, records=folder.parent / "records")


def tree(folder: Path, name: str) -> Path:
    return folder.parent / "snapshots" / name / "tree"


def test_it_points_where_it_was_pointed(folder: Path) -> None:
    assert pointer(folder).target() is None
    pointer(folder).point(tree(folder, "one"), back=False)
    pointer(folder).point(tree(folder, "two"), back=False)
    assert pointer(folder).target() == "two"
    assert (folder / "rc").resolve() == tree(folder, "two")


def test_it_remembers_where_it_pointed(folder: Path) -> None:
    for name, back in (("one", False), ("two", False), ("one", True)):
        pointer(folder).point(tree(folder, name), back=back)
    found = [(switch.snapshot, switch.back) for switch in pointer(folder).history()]
    assert found == [("one", False), ("two", False), ("one", True)]


def test_a_switch_whose_process_was_killed_is_remembered_too(folder: Path) -> None:
    pointer(folder).point(tree(folder, "one"), back=False)
    (folder / "rc").unlink()
    (folder / "rc").symlink_to("../snapshots/two/tree")
    assert [switch.snapshot for switch in pointer(folder).history()] == ["one", "two"]
    pointer(folder).point(tree(folder, "one"), back=True)
    assert [switch.snapshot for switch in pointer(folder).history()] == ["one", "two", "one"]


def test_links_of_killed_processes_are_swept(folder: Path) -> None:
    folder.mkdir()
    left = [folder / ".rc.123.0123abcd", folder / ".rc.1.123.0123abcd", folder / ".rc"]
    for path in left:
        path.symlink_to("nowhere")
    pointer(folder).point(tree(folder, "one"), back=False)
    assert [path for path in left if path.is_symlink()] == left[1:]


def test_published_repositories_are_found(folder: Path) -> None:
    assert published(folder) == ()
    for name in ("rc", "private/alice"):
        pointer(folder, name).point(tree(folder, "one"), back=False)
    (folder / ".rc.1.0123abcd").symlink_to("nowhere")
    (tree(folder, "one") / "link").symlink_to("nowhere")
    assert published(folder) == ("private/alice", "rc")


def test_repositories_do_not_lie_within_each_other(folder: Path) -> None:
    pointer(folder, "private/alice").point(tree(folder, "one"), back=False)
    pointer(folder, "rc").point(tree(folder, "one"), back=False)
    for name in ("private", "rc/own"):
        with pytest.raises(InputError, match=f"'{name}' would lie within another one"):
            pointer(folder, name)


def test_names_that_lead_out_are_refused(folder: Path) -> None:
    for name in ("../rc", "/rc", "a/b/c", ""):
        with pytest.raises(InputError, match="is not a repository name"):
            pointer(folder, name)
