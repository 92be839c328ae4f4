"""Floor 2: the content-addressed home of source packages."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from farm.base.errors import FarmFault, SourceError
from farm.base.files import (
    link_or_copy,
    locked,
    read_json,
    settle,
    sha256_of,
    sweep,
    temporary,
    write_json,
)
from farm.model.artifact import SourcePackage, StoredFile
from farm.source.package import read_source_package
from farm.source.resolve import Source

_TRIES = 3
_LOCK_TIMEOUT = timedelta(hours=1)


class SourceStore:
    """Source packages by what they contain, and an index from fingerprints to them.

    ``DIGEST/`` holds the files of one source package, read-only, and never changes.
    ``by-digest/`` says what it is, and ``by-fingerprint/`` which one a source's fingerprint stands
    for, so that nothing is fetched twice. Any process may be killed at any moment; the next one
    goes on.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def ensure(self, source: Source, *, timeout: timedelta = _LOCK_TIMEOUT) -> SourcePackage:
        """Give the source package of a source, which is fetched if it is not here yet.

        When it is here, this costs the source's fingerprint and a look at the files' sizes.

        :param timeout: how long to wait for another process that fetches the same.
        :raises FarmError: when it cannot be fetched, or is not a good source package.
        """
        for _ in range(_TRIES):
            fingerprint = source.fingerprint()
            index = self._index(fingerprint)
            package = self._look_up(index)
            if package is None:
                with locked(index.with_suffix(".lock"), timeout=timeout, what=source.describe()):
                    package = self._look_up(index) or self._fetch(source, fingerprint=fingerprint)
            if package is not None:
                return replace(package, origin=source.describe())
        raise SourceError(
            f"The {source.describe()} keeps changing while it is read.",
            hint="Try again when nobody is writing there.",
        )

    def find(self, source: Source) -> SourcePackage | None:
        """Give the source package of a source if it is here; fetches nothing.

        :raises FarmError: when nothing is known of the source.
        """
        package = self._look_up(self._index(source.fingerprint()))
        return replace(package, origin=source.describe()) if package else None

    def load(self, digest: str) -> SourcePackage:
        """Give a source package that was fetched before.

        :param digest: of the source package, as :meth:`ensure` gave it.
        :raises FarmFault: when it is no longer in the store.
        """
        package = self._find(digest)
        if package is None:
            raise FarmFault(
                f"The source package {digest[:16]} is no longer in the store.",
                hint="Run what needs it again: its source is fetched anew.",
            )
        return package

    def _index(self, fingerprint: str) -> Path:
        name = hashlib.sha256(fingerprint.encode()).hexdigest()
        return self.root / "by-fingerprint" / f"{name}.json"

    def _look_up(self, index: Path) -> SourcePackage | None:
        return self._find(read_json(index)["digest"]) if index.is_file() else None

    def _find(self, digest: str) -> SourcePackage | None:
        path = self.root / "by-digest" / f"{digest}.json"
        if not path.is_file():
            return None
        package = _from_json(read_json(path), place=self.root / digest)
        return package if all(map(_is_whole, (package.dsc, *package.files))) else None

    def _fetch(self, source: Source, *, fingerprint: str) -> SourcePackage | None:
        """Fetch a source; None when it changed meanwhile, so that nobody knows what this is."""
        sweep(self.root / "tmp")
        with temporary(self.root / "tmp") as work:
            made = work / "files"
            made.mkdir()
            source.fetch(made)
            package = read_source_package(made, origin=source.describe())
            if source.fingerprint() != fingerprint:
                return None
            for path in made.iterdir():
                path.chmod(0o444)
            made.chmod(0o755)
            place = self.root / package.digest
            if place.is_dir():
                _repair(place, made=made, package=package)
            else:
                settle(made, place)
        write_json(self.root / "by-digest" / f"{package.digest}.json", _as_json(package))
        write_json(self._index(fingerprint), {"digest": package.digest, "of": fingerprint})
        return self._find(package.digest)


def _is_whole(file: StoredFile) -> bool:
    return file.path.is_file() and file.path.stat().st_size == file.size


def _repair(place: Path, *, made: Path, package: SourcePackage) -> None:
    """Put back what is missing or damaged in a folder of the store; usually nothing is."""
    for file in (package.dsc, *package.files):
        path = place / file.name
        if not path.is_file() or sha256_of(path) != file.sha256:
            beside = made / f"{file.name}.again"
            link_or_copy(made / file.name, beside)
            beside.replace(path)


def _as_json(package: SourcePackage) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "digest": package.digest,
        "origin": package.origin,
        "binaries": list(package.binaries),
        "files": [[file.name, file.sha256, file.size] for file in (package.dsc, *package.files)],
    }


def _from_json(value: dict[str, Any], *, place: Path) -> SourcePackage:
    dsc, *files = (
        StoredFile(name, sha256, size, place / name) for name, sha256, size in value["files"]
    )
    return SourcePackage(
        name=value["name"],
        version=value["version"],
        digest=value["digest"],
        dsc=dsc,
        files=tuple(files),
        binaries=tuple(value["binaries"]),
        origin=value["origin"],
    )
