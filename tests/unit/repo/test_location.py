from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.repo.location import open_location


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rc" / "dists" / "bookworm").mkdir(parents=True)
    (tmp_path / "rc" / "a+b").write_bytes(b"text")
    return tmp_path / "rc"


def test_paths_and_file_addresses_are_the_same(folder: Path) -> None:
    for text in (folder, str(folder), f"file:{folder}", f"file://{folder}", f"file:{folder}/"):
        location = open_location(text)
        assert location.read("a+b", limit=4) == b"text"
        assert location.sum("a+b", limit=4) == (hashlib.sha256(b"text").hexdigest(), 4)
        assert location.size("a+b") == 4
        assert location.folders("dists") == ("bookworm",)


def test_a_file_address_may_be_quoted(tmp_path: Path) -> None:
    (tmp_path / "with space").mkdir()
    (tmp_path / "with space" / "x").write_text("text")
    assert open_location(f"file:{tmp_path}/with%20space").size("x") == 4


def test_a_pointer_is_followed_once(folder: Path, tmp_path: Path) -> None:
    pointer = tmp_path / "pointer"
    pointer.symlink_to(folder)
    location = open_location(pointer)
    pointer.unlink()
    assert location.size("a+b") == 4


@pytest.mark.parametrize(
    "text",
    [
        "ftp://example.org/rc", "http:///rc", "https://alice:secret@example.org/rc",
        "https://example.org/rc?x=1", "https://example.org/rc#x", "file://example.org/rc",
        "javascript:x",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not the address of a repository"):
        open_location(text)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing is not a folder"):
        open_location(tmp_path / "nothing")


def test_a_folder_is_not_a_file(folder: Path) -> None:
    with pytest.raises(InputError, match="dists is missing in"):
        open_location(folder).read("dists", limit=10)


def test_an_address_of_the_web_is_not_asked_before_it_is_read() -> None:
    location = open_location("https://example.org/rc")
    assert str(location) == "https://example.org/rc/"
    assert location.folders("dists") is None
