"""The newest entry of debian/changelog."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import SourceError
from farm.source.changelog import NewestEntry, read_changelog

TEXT = """ipbx (1:2.0-1) unstable; urgency=medium

  * Second.

 -- A Maintainer <maintainer@example.org>  Mon, 01 Jan 2024 11:00:00 +0100

ipbx (1.0) unstable; urgency=medium
  something that no changelog should hold
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "changelog"
    path.write_text(text)
    return path


def test_the_newest_entry_counts_and_no_older_one(tmp_path: Path) -> None:
    newest = read_changelog(write(tmp_path, TEXT))
    assert newest == NewestEntry("ipbx", "1:2.0-1", 1704103200)
    assert (newest.bare, newest.upstream, newest.has_revision) == ("2.0-1", "2.0", True)


def test_a_native_version_has_no_revision() -> None:
    newest = NewestEntry("ipbx", "2.0", 0)
    assert (newest.bare, newest.upstream, newest.has_revision) == ("2.0", "2.0", False)


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (("ipbx (1:2.0-1)", "ipbx 1:2.0-1"), 1, "Unexpected line"),
        (("  * Second.", "* Second."), 3, "Unexpected line"),
        (("  Mon, 01", " Mon, 01"), 5, "Badly formatted trailer"),
        (("Mon, 01 Jan", "Mon, 41 Jan"), 5, "is not a date"),
        (("1:2.0-1", "beta"), 1, "'beta' is not a version"),
        (("ipbx (1:", "Ipbx (1:"), 1, "'Ipbx' is not a package name"),
        (("1:2.0-1", "1:2.0_1"), 1, "version"),
    ],
)
def test_mistakes_are_told_with_their_line(
    tmp_path: Path, change: tuple[str, str], line: int, message: str
) -> None:
    path = write(tmp_path, TEXT.replace(*change))
    with pytest.raises(SourceError, match=message) as caught:
        read_changelog(path)
    assert caught.value.brief.startswith(f"{path}:{line}: ")
    assert caught.value.hint


@pytest.mark.parametrize("text", ["", "\n\n", TEXT.partition(" --")[0]])
def test_an_entry_that_does_not_end_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match=r"changelog:\d+: "):
        read_changelog(write(tmp_path, text))


def test_a_missing_or_unreadable_one_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="so the folder is not a Debian source package"):
        read_changelog(tmp_path / "changelog")
    (tmp_path / "latin").write_bytes("Jürgen".encode("latin-1"))
    with pytest.raises(SourceError, match="latin cannot be read"):
        read_changelog(tmp_path / "latin")
