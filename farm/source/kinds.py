"""Floor 2: the kinds of sources that a package may be configured with, registered by name."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from farm.base.errors import InputError
from farm.source.archive import Archive
from farm.source.resolve import ArchiveSource, DscSource, FolderSource, Source


class Configured(Protocol):
    """What the configuration says about the source of a package; ``kind`` says which part counts.

    The keys of :data:`KINDS` are the kinds, and the names of the attributes.
    """

    @property
    def name(self) -> str:
        """The package's name in the configuration."""
        ...

    @property
    def kind(self) -> str:
        """One of the keys of :data:`KINDS`."""
        ...

    @property
    def debian(self) -> str | None:
        """The name of a source package in the distribution's archive."""
        ...

    @property
    def dsc(self) -> str | None:
        """The path or address of a ``.dsc``."""
        ...

    @property
    def sha256(self) -> str | None:
        """The pinned digest of that."""
        ...

    @property
    def folder(self) -> Path | None:
        """A folder with ``debian/``."""
        ...


def make_source(
    package: Configured,
    *,
    workspace: Path,
    archive: Callable[[], Archive],
    without: Collection[Path] = (),
) -> Source:
    """Give the source of a configured package.

    :param workspace: the folder that paths are shown relative to.
    :param archive: gives the target's archive, fresh enough; asked only by kinds that need it.
    :param without: what no folder's source package ever holds, such as the farm's own state.
    :raises InputError: when the configuration has a kind that nobody has registered.
    """
    maker = KINDS.get(package.kind)
    if maker is None:
        raise InputError(
            f"The source of {package.name} is of the unknown kind {package.kind!r}.",
            hint=f"Known are: {', '.join(KINDS)}.",
        )
    return maker(package, _Surroundings(workspace, archive, tuple(without)))


class _Surroundings:
    def __init__(
        self, workspace: Path, archive: Callable[[], Archive], without: tuple[Path, ...]
    ) -> None:
        self.workspace = workspace
        self.archive = archive
        self.without = without


def _from_archive(package: Configured, around: _Surroundings) -> Source:
    return ArchiveSource(package.debian or package.name, around.archive())


def _from_dsc(package: Configured, around: _Surroundings) -> Source:
    del around
    return DscSource(package.dsc or "", package.sha256 or "")


def _from_folder(package: Configured, around: _Surroundings) -> Source:
    path = package.folder or around.workspace / package.name
    inside = path.is_relative_to(around.workspace)
    label = f"folder {path.relative_to(around.workspace)}" if inside else ""
    return FolderSource(path, without=around.without, label=label)


KINDS: dict[str, Callable[[Configured, _Surroundings], Source]] = {
    "debian": _from_archive,
    "dsc": _from_dsc,
    "folder": _from_folder,
}
