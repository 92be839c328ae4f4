"""Floor 1: what goes into a build and what comes out of it, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from farm.model.target import Target


@dataclass(frozen=True, order=True)
class StoredFile:
    """A file whose content is known; ``path`` is where it lies now.

    :param sha256: of its bytes, in hex.
    :param size: in bytes.
    """

    name: str
    sha256: str
    size: int
    path: Path

    @property
    def identity(self) -> tuple[str, str]:
        """What it is, wherever it lies."""
        return (self.name, self.sha256)


@dataclass(frozen=True)
class SourcePackage:
    """A Debian source package in the store: a ``.dsc`` and the files that it names.

    :param name: the ``Source`` field, which may differ from the package's name in ``farm.toml``.
    :param digest: of names and contents of all its files; equal sources have equal digests.
    :param origin: where it came from, for people.
    """

    name: str
    version: str
    digest: str
    dsc: StoredFile
    files: tuple[StoredFile, ...]
    binaries: tuple[str, ...]
    origin: str


@dataclass(frozen=True)
class BinaryPackage:
    """One ``.deb``; ``fields`` is its control paragraph."""

    name: str
    version: str
    architecture: str
    file: StoredFile
    fields: tuple[tuple[str, str], ...]

    def field(self, name: str) -> str:
        """Give one field of the control paragraph, or an empty text."""
        return dict(self.fields).get(name, "")


@dataclass(frozen=True)
class Build:
    """What building one package for one target gave.

    :param package: its name in ``farm.toml``.
    :param key: the digest of all that went in.
    :param seconds: how long it took when it was built.
    """

    package: str
    target: Target
    key: str
    source: SourcePackage
    binaries: tuple[BinaryPackage, ...]
    changes: StoredFile
    buildinfo: StoredFile
    log: Path
    seconds: float

    @property
    def name(self) -> str:
        """The build's name in reports: ``libre@bookworm-amd64``."""
        return f"{self.package}@{self.target}"

    @property
    def version(self) -> str:
        """The version of the source package."""
        return self.source.version
