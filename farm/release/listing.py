"""Floor 5: which files are in packages, and how two such lists differ."""

from __future__ import annotations

import hashlib
import lzma
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from debian.arfile import ArError
from debian.debfile import DebError, DebFile

from farm.base.errors import FarmFault
from farm.model.artifact import SourcePackage

_BLOCK = 1 << 20
_UNREADABLE = (tarfile.TarError, ArError, DebError, OSError, EOFError, lzma.LZMAError, zlib.error)

Listing = Mapping[str, str]
"""Paths of files, and for each what it is and holds."""


@dataclass(frozen=True)
class Changes:
    """How two lists of files differ: paths, sorted."""

    only_first: tuple[str, ...] = ()
    only_second: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.only_first or self.only_second or self.changed)


def compare(first: Listing, second: Listing) -> Changes:
    """Say how two lists of files differ."""
    return Changes(
        tuple(sorted(first.keys() - second.keys())),
        tuple(sorted(second.keys() - first.keys())),
        tuple(sorted(path for path in first.keys() & second.keys()
                     if first[path] != second[path])),
    )  # fmt: skip


def list_deb(path: Path) -> Listing:
    """List the files that a ``.deb`` installs; folders are left out.

    :raises FarmFault: when it cannot be read.
    """
    try:
        with DebFile(str(path)) as deb:
            return _list_tar(deb.data.tgz(), skip=0)
    except _UNREADABLE as error:
        raise FarmFault(f"{path} cannot be read: {error}.") from error


def list_source(source: SourcePackage) -> Listing:
    """List the files of a source package, without the folder that all of them are in.

    :raises FarmFault: when it cannot be read.
    """
    found: dict[str, str] = {}
    for file in source.files:
        name = file.name
        if ".tar." not in name or name.endswith(".asc"):
            continue
        # dpkg-source(1): debian.tar holds debian/, the others a folder of any name; what an
        # orig-COMPONENT.tar holds is unpacked as COMPONENT.
        skip = 0 if ".debian.tar." in name else 1
        component = re.search(r"\.orig-([A-Za-z0-9-]+)\.tar\.", name)
        below = f"{component[1]}/" if component else ""
        try:
            with tarfile.open(file.path) as tar:
                found |= {below + path: what for path, what in _list_tar(tar, skip=skip).items()}
        except _UNREADABLE as error:
            raise FarmFault(f"{file.path} cannot be read: {error}.") from error
    return found


def _list_tar(tar: tarfile.TarFile, *, skip: int) -> dict[str, str]:
    found = {}
    for member in tar:
        parts = [part for part in member.name.split("/") if part not in ("", ".")][skip:]
        if parts and not member.isdir():
            found["/".join(parts)] = _describe(tar, member)
    return found


def _describe(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    owner = f"{member.uname or member.uid}:{member.gname or member.gid} {member.mode:o}"
    if member.issym() or member.islnk():
        return f"link to {member.linkname}"
    stream = tar.extractfile(member) if member.isreg() else None
    if stream is None:
        return f"{owner} device {member.devmajor},{member.devminor}"
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return f"{owner} {digest.hexdigest()}"
