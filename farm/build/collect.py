"""Floor 3: taking the files of a build out of its overlay, believing nothing of them unchecked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from debian.deb822 import Changes, Deb822

from farm.base.errors import BuildFailed, FarmError, PlaceError
from farm.base.files import sha256_of
from farm.model.artifact import BinaryPackage, SourcePackage, StoredFile
from farm.model.names import check_architecture, check_file, check_package, check_version
from farm.model.target import Target
from farm.place.overlay import USER, Overlay

_SHORT = timedelta(minutes=5)
_CHANGES_BYTES = 16 * 2**20
_FIELDS_BYTES = 2**20
_FILES = 10_000
# NAME_VERSION_ARCHITECTURE.KIND, see dpkg-genchanges(1); dpkg-distaddfile(1) adds archives. Beside
# them lie the farm's own "log" and "build.json", which have no underscore.
_LISTED = re.compile(
    r"[a-z0-9][a-z0-9+.-]+_.+\.(?:deb|ddeb|udeb|buildinfo|tar\.(?:gz|bz2|xz|zst))"
)


@dataclass(frozen=True)
class Wanted:
    """What must come out of a build.

    :param expected: the binary packages, by name.
    :param limit: how many bytes all files together may have.
    """

    source: SourcePackage
    target: Target
    expected: tuple[str, ...]
    limit: int


@dataclass(frozen=True)
class Product:
    """The files of a good build, in one folder."""

    binaries: tuple[BinaryPackage, ...]
    changes: StoredFile
    buildinfo: StoredFile


class Collector:
    """Takes out what the ``.changes`` file lists.

    :param folder: where the build left its files, inside.
    :param into: an empty folder, which gets them.
    """

    def __init__(self, wanted: Wanted, overlay: Overlay, *, folder: str, into: Path) -> None:
        self._wanted = wanted
        self._overlay = overlay
        self._folder = folder
        self._into = into
        self._left = wanted.limit

    def collect(self) -> Product:
        """Take the files and look at each.

        :raises BuildFailed: when one is missing or not what it should be.
        """
        source = self._wanted.source
        version = source.version.split(":", 1)[-1]
        stem = f"{source.name}_{version}_{self._wanted.target.architecture}"
        changes = self._take(f"{stem}.changes", limit=_CHANGES_BYTES)
        listed = self._listed(changes)
        taken = {name: self._take(name, sha256=digest) for name, digest in listed.items()}
        debs = [file for name, file in taken.items() if name.endswith((".deb", ".ddeb"))]
        binaries = tuple(sorted((self._read(file) for file in debs), key=lambda each: each.name))
        self._check_names(binaries)
        infos = [file for name, file in taken.items() if name.endswith(".buildinfo")]
        if not infos:
            raise BuildFailed("the build left no .buildinfo file")
        return Product(binaries, changes, infos[0])

    def _take(self, name: str, *, sha256: str = "", limit: int | None = None) -> StoredFile:
        to = self._into / name
        most = self._left if limit is None else min(limit, self._left)
        try:
            size = self._overlay.copy_out(f"{self._folder}/{name}", to, limit=most)
        except PlaceError as error:
            raise BuildFailed(
                f"the build left no proper file {name}: {error.brief.rstrip('.')}"
            ) from error
        self._left -= size
        found = sha256_of(to)
        if sha256 and found != sha256:
            raise BuildFailed(f"{name} is not the file that the .changes file describes")
        to.chmod(0o444)
        return StoredFile(name, found, size, to)

    def _listed(self, changes: StoredFile) -> dict[str, str]:
        try:
            with changes.path.open("rb") as stream:
                fields = Changes(stream)
            rows = [(check_file(row["name"]), row["sha256"]) for row in fields["Checksums-Sha256"]]
        except (KeyError, TypeError, ValueError, FarmError) as error:
            raise BuildFailed(f"{changes.name} cannot be read: {error}") from error
        listed = dict(rows)
        if len(rows) != len(listed) or changes.name in listed:
            raise BuildFailed(f"{changes.name} lists a file twice, or itself")
        if len(rows) > _FILES:
            raise BuildFailed(f"{changes.name} lists {len(rows)} files, more than {_FILES}")
        strange = sorted(name for name in listed if not _LISTED.fullmatch(name))
        if strange:
            raise BuildFailed(
                f"{changes.name} lists {', '.join(strange[:3])}, which is not called as "
                "a package, a .buildinfo file or an archive of a build is"
            )
        return listed

    def _read(self, file: StoredFile) -> BinaryPackage:
        """Read a control paragraph with dpkg-deb inside the overlay: the file is hostile."""
        argv = ["dpkg-deb", "--field", f"{self._folder}/{file.name}"]
        done = self._overlay.run(argv, timeout=_SHORT, user=USER, ok=None, log_limit=_FIELDS_BYTES)
        if done.stopped or done.returncode:
            why = done.stopped or done.tail
            raise BuildFailed(f"{file.name} is not a proper binary package: {why}")
        fields = Deb822(done.stdout)
        try:
            name = check_package(fields.get("Package", ""))
            version = check_version(fields.get("Version", ""))
            architecture = check_architecture(fields.get("Architecture", ""))
        except FarmError as error:
            raise BuildFailed(f"{file.name} is not a proper binary package: {error}") from error
        if architecture not in ("all", self._wanted.target.architecture):
            raise BuildFailed(f"{file.name} is for {architecture}, not {self._wanted.target}")
        pairs = tuple((str(key), str(value)) for key, value in fields.items())
        return BinaryPackage(name, version, architecture, file, pairs)

    def _check_names(self, binaries: Sequence[BinaryPackage]) -> None:
        names = [each.name for each in binaries]
        missing = sorted(set(self._wanted.expected) - set(names))
        if missing:
            raise BuildFailed(
                f"the build left out {', '.join(missing)}, which debian/control declares"
            )
        declared = set(self._wanted.source.binaries)
        strange = sorted({each for each in names if each.removesuffix("-dbgsym") not in declared})
        if strange:
            raise BuildFailed(
                f"the build made {', '.join(strange)}, which debian/control does not declare"
            )
        twice = sorted({each for each in names if names.count(each) > 1})
        if twice:
            raise BuildFailed(f"the build made {', '.join(twice)} twice")
