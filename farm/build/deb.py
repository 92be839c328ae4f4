"""Floor 3: how a Debian source package becomes binary packages inside an overlay."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from debian.deb822 import Changes, Deb822

from farm.base.activity import Tell
from farm.base.errors import BuildFailed, FarmError, PlaceError
from farm.base.files import sha256_of
from farm.base.run import Result, Watch
from farm.model.artifact import BinaryPackage, SourcePackage, StoredFile
from farm.model.names import check_architecture, check_file, check_package, check_version
from farm.model.target import Target
from farm.place.overlay import USER, Overlay

FORMAT = 1
"""Part of every key: raise it when the same inputs would give another result."""

SOURCE_INSIDE = "/farm/source"
_WORK = "/build"
_SHORT = timedelta(minutes=5)
_TROUBLE = re.compile(r"\berror\b|\*\*\*|\bFAIL|undefined reference|No such file|cannot |not found",
                      re.IGNORECASE)  # fmt: skip
_EXCERPT_LINES = 20


@dataclass(frozen=True)
class Order:
    """What to build and within which bounds.

    :param expected: the binary packages that must come out, by name.
    :param options: further words of ``DEB_BUILD_OPTIONS`` (Debian Policy 4.9.1).
    :param disk: bytes that the build may write.
    :param log_limit: bytes that it may print.
    """

    source: SourcePackage
    target: Target
    expected: tuple[str, ...]
    options: tuple[str, ...]
    profiles: tuple[str, ...]
    parallel: int
    timeout: timedelta
    disk: int
    log_limit: int

    @property
    def directory(self) -> str:
        """The source tree inside the overlay."""
        return f"{_WORK}/{self.source.name}-{upstream_version(self.source.version)}"

    @property
    def environment(self) -> dict[str, str]:
        """What dpkg-buildpackage(1) reads; it sets ``SOURCE_DATE_EPOCH`` from the changelog."""
        words = [f"parallel={self.parallel}", *self.options]
        env = {"DEB_BUILD_OPTIONS": " ".join(words), "DEBIAN_FRONTEND": "noninteractive"}
        return env | ({"DEB_BUILD_PROFILES": " ".join(self.profiles)} if self.profiles else {})

    @property
    def command(self) -> tuple[str, ...]:
        """The command that builds, for the farm and for people."""
        return ("dpkg-buildpackage", "-us", "-uc", "-b")


@dataclass(frozen=True)
class Product:
    """The files of a good build, in one folder."""

    binaries: tuple[BinaryPackage, ...]
    changes: StoredFile
    buildinfo: StoredFile


def upstream_version(version: str) -> str:
    """Give the upstream part of a version: no epoch, no revision (Debian Policy 5.6.12)."""
    return version.split(":", 1)[-1].rsplit("-", 1)[0]


def build(
    order: Order, overlay: Overlay, *, log: Path, into: Path, watch: Watch, tell: Tell
) -> Product:
    """Build in an overlay that has the build dependencies and the source bound in.

    :param into: an empty folder, which gets the files.
    :raises BuildFailed: when the package is to blame.
    """
    tell("unpacking the source")
    overlay.file_limit = order.disk
    overlay.run(["install", "-d", "-o", USER, "-g", USER, _WORK], timeout=_SHORT, log=log)
    dsc = f"{SOURCE_INSIDE}/{order.source.dsc.name}"
    unpack = ["dpkg-source", "--no-check", "-x", dsc, order.directory]
    done = overlay.run(unpack, timeout=_SHORT, user=USER, cwd=_WORK, ok=None, log=log)
    _demand(done, log, "its source does not unpack")
    tell("compiling")
    done = overlay.run(
        order.command, timeout=order.timeout, user=USER, cwd=order.directory, ok=None,
        env=order.environment, log=log, log_limit=order.log_limit, watch=watch,
    )  # fmt: skip
    _demand(done, log, f"{shlex.join(order.command)} ended with exit status {done.returncode}")
    tell("taking the packages")
    return _Collector(order, overlay, into, log).collect()


def _demand(done: Result, log: Path, why: str) -> None:
    if done.stopped or done.returncode:
        raise BuildFailed(f"{done.stopped or why}", details=excerpt(log))


def excerpt(log: Path) -> str:
    """Give the last lines of a log that say what went wrong, a few lines around included."""
    lines = _last_lines(log, 400)
    marks = [number for number, line in enumerate(lines) if _TROUBLE.search(line)]
    start = max(0, (marks[-1] if marks else len(lines)) - _EXCERPT_LINES + 5)
    return "\n".join(line[:300] for line in lines[start : start + _EXCERPT_LINES])


def _last_lines(path: Path, count: int) -> list[str]:
    if not path.exists():
        return []
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - count * 200))
        return stream.read().decode(errors="replace").splitlines()[-count:]


class _Collector:
    """Takes out what the ``.changes`` file lists, believing nothing of it unchecked."""

    def __init__(self, order: Order, overlay: Overlay, into: Path, log: Path) -> None:
        self._order = order
        self._overlay = overlay
        self._into = into
        self._log = log

    def collect(self) -> Product:
        order = self._order
        version = order.source.version.split(":", 1)[-1]
        stem = f"{order.source.name}_{version}_{order.target.architecture}"
        changes = self._take(f"{stem}.changes")
        listed = self._listed(changes)
        taken = {name: self._take(name, sha256=digest) for name, digest in listed.items()}
        debs = [file for name, file in taken.items() if name.endswith((".deb", ".ddeb"))]
        binaries = tuple(sorted((self._read(file) for file in debs), key=lambda each: each.name))
        self._check_complete(binaries)
        infos = [file for name, file in taken.items() if name.endswith(".buildinfo")]
        if not infos:
            raise self._failure("the build left no .buildinfo file")
        return Product(binaries, changes, infos[0])

    def _failure(self, why: str) -> BuildFailed:
        return BuildFailed(why, details=excerpt(self._log))

    def _take(self, name: str, *, sha256: str = "") -> StoredFile:
        to = self._into / name
        try:
            self._overlay.copy_out(f"{_WORK}/{name}", to)
        except PlaceError as error:
            raise self._failure(f"the build left no file {name}") from error
        found = sha256_of(to)
        if sha256 and found != sha256:
            raise self._failure(f"{name} is not the file that the .changes file describes")
        to.chmod(0o444)
        return StoredFile(name, found, to.stat().st_size, to)

    def _listed(self, changes: StoredFile) -> dict[str, str]:
        try:
            with changes.path.open("rb") as stream:
                fields = Changes(stream)
            rows = [(check_file(row["name"]), row["sha256"]) for row in fields["Checksums-Sha256"]]
        except (KeyError, TypeError, ValueError, FarmError) as error:
            raise self._failure(f"{changes.name} cannot be read: {error}") from error
        return dict(rows)

    def _read(self, file: StoredFile) -> BinaryPackage:
        """Read a control paragraph with dpkg-deb inside the overlay: the file is hostile."""
        argv = ["dpkg-deb", "--field", f"{_WORK}/{file.name}"]
        done = self._overlay.run(argv, timeout=_SHORT, user=USER, ok=None)
        fields = Deb822(done.stdout)
        try:
            name = check_package(fields.get("Package", ""))
            version = check_version(fields.get("Version", ""))
            architecture = check_architecture(fields.get("Architecture", ""))
        except FarmError as error:
            raise self._failure(f"{file.name} is not a proper binary package: {error}") from error
        if architecture not in ("all", self._order.target.architecture):
            raise self._failure(f"{file.name} is for {architecture}, not {self._order.target}")
        pairs = tuple((str(key), str(value)) for key, value in fields.items())
        return BinaryPackage(name, version, architecture, file, pairs)

    def _check_complete(self, binaries: Sequence[BinaryPackage]) -> None:
        missing = sorted(set(self._order.expected) - {each.name for each in binaries})
        if missing:
            raise self._failure(
                f"the build left out {', '.join(missing)}, which debian/control declares"
            )
