"""Floor 2: what the newest entry of a ``debian/changelog`` says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

from debian.changelog import ChangeBlock, Changelog, ChangelogParseError, VersionError

from farm.base.errors import InputError, SourceError
from farm.model.names import check_package, check_version


@dataclass(frozen=True)
class NewestEntry:
    """The newest entry of a changelog: deb-changelog(5).

    :param epoch: its date, in seconds since 1970.
    """

    name: str
    version: str
    epoch: int

    @property
    def upstream(self) -> str:
        """The version as file names of the original source have it: no epoch, no revision."""
        return self.bare.rpartition("-")[0] or self.bare

    @property
    def bare(self) -> str:
        """The version without its epoch, as file names have it."""
        return self.version.partition(":")[2] or self.version

    @property
    def has_revision(self) -> bool:
        """Whether there is a Debian revision: Debian Policy 5.6.12."""
        return "-" in self.version


def read_changelog(path: Path) -> NewestEntry:
    """Read the newest entry of a ``debian/changelog``; older ones are not looked at.

    :raises SourceError: with file and line, when it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise SourceError(
            f"There is no {path}, so the folder is not a Debian source package.",
            hint="dch --create writes one.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}.") from error
    reader = _Lines(lines)
    try:
        block = _first_block(reader)
    except ChangelogParseError as error:
        raise SourceError(f"{path}:{max(reader.number, 1)}: {error}", hint=_HINT) from error
    try:
        name, version = check_package(block.package or ""), check_version(str(block.version))
    except (InputError, VersionError, ValueError) as error:
        heading = next(number for number, line in enumerate(lines, 1) if line.strip())
        reason = error.brief if isinstance(error, InputError) else str(error)
        raise SourceError(f"{path}:{heading}: {reason}", hint=_HINT) from error
    return NewestEntry(name, version, _epoch(block, path=path, lines=lines))


_HINT = "deb-changelog(5) has the form; dch writes it."


class _Lines:
    """Lines that know how far they were read: python-debian does not tell."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.number += 1
            yield line


def _first_block(lines: _Lines) -> ChangeBlock:
    changelog = Changelog()
    changelog.parse_changelog(iter(lines), max_blocks=1, strict=True)
    if not len(changelog):
        raise ChangelogParseError("there is no entry")
    block: ChangeBlock = changelog[0]
    return block


def _epoch(block: ChangeBlock, *, path: Path, lines: list[str]) -> int:
    number = next(index for index, line in enumerate(lines, 1) if line.startswith(" -- "))
    try:
        date = parsedate_to_datetime(str(block.date))
    except (ValueError, TypeError) as error:
        raise SourceError(
            f"{path}:{number}: {str(block.date)!r} is not a date.",
            hint="It is written as date -R prints it: Mon, 01 Jan 2024 10:00:00 +0100",
        ) from error
    return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
