"""Floor 5: reading the distribution's archive anew, and the chroot that is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from debian.deb822 import Deb822

from farm.base.errors import FarmError, FarmFault
from farm.build.aptview import AptView
from farm.build.chroots import Base, Chroots
from farm.config.choices import SourceKind
from farm.model.target import Target
from farm.release.workshop import Workshop
from farm.source.archive import Archive


@dataclass(frozen=True)
class Move:
    """A package that has another version than before; an empty one means that it was not there."""

    name: str
    before: str
    now: str


@dataclass(frozen=True)
class Renewal:
    """What has become of a target.

    :param news: whether the archive has changed since it was last read.
    :param sources: packages of the workspace whose version in the archive has changed.
    :param made: whether there is a new chroot.
    :param packages: what is in the new chroot and was not in the old one, or the other way.
    """

    target: str
    news: bool
    sources: tuple[Move, ...]
    made: bool
    packages: tuple[Move, ...]


def renew(workshop: Workshop, target: Target, *, anew: bool) -> Renewal:
    """Read the archive of a target, and make its chroot anew when the archive has newer packages.

    :param anew: make the chroot anew in any case.
    :raises FarmError: when the archive cannot be read or trusted, or the chroot not be made; what
        was there before stays then.
    """
    archive = workshop.known_archive(target)
    identity, before = _identity(archive), _sources(workshop, archive)
    workshop.tell(f"reading the archive of {target}")
    archive.update()
    news = archive.identity() != identity
    sources = _moves(before, _sources(workshop, archive)) if identity else ()
    made, packages = _renew_chroot(workshop, archive, anew=anew)
    return Renewal(str(target), news, sources, made, packages)


def _identity(archive: Archive) -> str:
    try:
        return archive.identity()
    except FarmFault:  # never read
        return ""


def _sources(workshop: Workshop, archive: Archive) -> dict[str, str]:
    """Give the versions that the archive has of what the workspace takes from there."""
    versions = {}
    for package in workshop.workspace.packages.values():
        targets = [config.target for config in package.targets_in(workshop.workspace)]
        if package.kind is SourceKind.DEBIAN and archive.target in targets:
            try:
                versions[package.name] = archive.find_source(str(package.debian)).version
            except FarmError:  # not there, or the archive was never read
                versions[package.name] = ""
    return versions


def _renew_chroot(
    workshop: Workshop, archive: Archive, *, anew: bool
) -> tuple[bool, tuple[Move, ...]]:
    chroots = Chroots(workshop.layout, tell=workshop.tell)
    known = set(workshop.layout.chroots.glob("*.tar.zst"))
    base = chroots.ensure(archive)
    if set(workshop.layout.chroots.glob("*.tar.zst")) - known:
        return True, ()  # it is the first one
    if not anew and not _is_outdated(workshop, archive, base):
        return False, ()
    before = _installed(base.status)
    workshop.tell(f"making the chroot of {archive.target}")
    return True, _moves(before, _installed(chroots.renew(archive).status))


def _is_outdated(workshop: Workshop, archive: Archive, base: Base) -> bool:
    workshop.tell(f"comparing the chroot of {archive.target} with the archive")
    view = AptView(workshop.layout, archive=archive, status=base.status)
    return bool(view.solve("dist-upgrade"))


def _installed(status: Path) -> dict[str, str]:
    with status.open(encoding="utf-8") as stream:
        paragraphs = Deb822.iter_paragraphs(stream, use_apt_pkg=False)
        return {one["Package"]: one["Version"] for one in paragraphs if "Version" in one}


def _moves(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[Move, ...]:
    return tuple(
        Move(name, before.get(name, ""), now.get(name, ""))
        for name in sorted(before.keys() | now.keys())
        if before.get(name, "") != now.get(name, "")
    )
