"""Floor 2: the Source seam: where a package's source comes from, whatever kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from farm.base.files import digest_of
from farm.source.archive import Archive
from farm.source.dsc import check_pin, fetch_dsc
from farm.source.folder import folder_digest, make_source


class Source(Protocol):
    """Where the source of one package comes from; a new kind is one more class like those below.

    :mod:`farm.source.kinds` is where it is registered.
    """

    def fingerprint(self) -> str:
        """Say what would be fetched now, without fetching it: same text, same content.

        :raises InputError: when there is nothing to fetch.
        """
        ...

    def fetch(self, into: Path) -> None:
        """Fill an empty folder with a ``.dsc`` and the files that it names, and nothing else.

        :raises FarmError: when that cannot be done, or what comes is not what was promised.
        """
        ...

    def describe(self) -> str:
        """Say where it comes from, for people."""
        ...


@dataclass(frozen=True)
class ArchiveSource:
    """A source package by name from a distribution's signed archive, in its highest version.

    :param archive: which must have been read: :meth:`Archive.ensure_fresh`.
    """

    name: str
    archive: Archive

    def fingerprint(self) -> str:
        """Give the digest of the ``.dsc`` that the archive's index names."""
        record = self.archive.find_source(self.name)
        return f"archive {record.name} {record.version} {record.dsc.sha256}"

    def fetch(self, into: Path) -> None:
        """Let apt download and verify it."""
        self.archive.fetch_source(self.name, into)

    def describe(self) -> str:
        """Name the package and the distribution."""
        return f"source package {self.name} of {self.archive.target.distribution}"


@dataclass(frozen=True)
class DscSource:
    """A ``.dsc`` at a path or an address.

    :param sha256: the pinned digest of the ``.dsc``.
    """

    location: str
    sha256: str

    def fingerprint(self) -> str:
        """Give the pin: whatever is fetched has to fit it."""
        return f"dsc {check_pin(self.sha256)}"

    def fetch(self, into: Path) -> None:
        """Copy it and the files beside it."""
        fetch_dsc(self.location, into, sha256=self.sha256)

    def describe(self) -> str:
        """Give the location."""
        return self.location


@dataclass(frozen=True)
class FolderSource:
    """A folder with ``debian/``.

    :param name: the source package that it has to be; None for any.
    :param without: what in it is not part of it, such as the farm's own state.
    :param label: how people know it; its path when empty.
    """

    path: Path
    name: str | None = None
    without: tuple[Path, ...] = ()
    label: str = ""

    def fingerprint(self) -> str:
        """Digest the folder as it is now."""
        digest = folder_digest(self.path, without=self.without)
        return f"folder {digest_of([self.name, digest])}"

    def fetch(self, into: Path) -> None:
        """Make its source package."""
        make_source(self.path, into, name=self.name, without=self.without)

    def describe(self) -> str:
        """Give the label."""
        return self.label or f"folder {self.path}"
