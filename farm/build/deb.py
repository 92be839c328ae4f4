"""Floor 3: how a Debian source package becomes binary packages inside an overlay."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.activity import Tell
from farm.base.errors import BuildFailed, CommandTimeout
from farm.base.run import Watch
from farm.build.collect import Collector, Product, Wanted
from farm.build.excerpt import excerpt, tail
from farm.model.artifact import SourcePackage
from farm.model.target import Target
from farm.place.overlay import USER, Overlay

FORMAT = 1
"""Part of every key: raise it when the same inputs would give another result."""

SOURCE_INSIDE = "/farm/source"
_WORK = "/build"
_SHORT = timedelta(minutes=5)
_UNPACK = timedelta(minutes=10)


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


def upstream_version(version: str) -> str:
    """Give the upstream part of a version: no epoch, no revision (Debian Policy 5.6.12)."""
    return version.split(":", 1)[-1].rsplit("-", 1)[0]


def build(
    order: Order, overlay: Overlay, *, log: Path, into: Path, watch: Watch, tell: Tell
) -> Product:
    """Build in an overlay that has the build dependencies and the source bound in.

    :param into: an empty folder, which gets the files.
    :raises BuildFailed: when the package is to blame; the details are of its log.
    """
    run = _Steps(order, overlay, log=log, watch=watch)
    tell("unpacking the source")
    overlay.file_limit = order.disk
    overlay.run(["install", "-d", "-o", USER, "-g", USER, _WORK], timeout=_SHORT, log=log)
    dsc = f"{SOURCE_INSIDE}/{order.source.dsc.name}"
    unpack = ("dpkg-source", "--no-check", "-x", dsc, order.directory)
    run(unpack, cwd=_WORK, timeout=_UNPACK, what="unpacking its source")
    tell("compiling")
    run(order.command, cwd=order.directory, timeout=order.timeout, what="building")
    tell("taking the packages")
    wanted = Wanted(order.source, order.target, order.expected, order.disk)
    try:
        return Collector(wanted, overlay, folder=_WORK, into=into).collect()
    except BuildFailed as error:
        raise BuildFailed(error.brief, details=tail(log)) from error


class _Steps:
    """Runs commands of a package inside: bounded, and to blame on the package."""

    def __init__(self, order: Order, overlay: Overlay, *, log: Path, watch: Watch) -> None:
        self._order = order
        self._overlay = overlay
        self._log = log
        self._watch = watch

    def __call__(self, argv: tuple[str, ...], *, cwd: str, timeout: timedelta, what: str) -> None:
        try:
            done = self._overlay.run(
                argv, timeout=timeout, user=USER, cwd=cwd, ok=None, log=self._log,
                env=self._order.environment, log_limit=self._order.log_limit, watch=self._watch,
            )  # fmt: skip
        except CommandTimeout as error:
            why = f"it was still {what} after {timeout} and was ended"
            raise BuildFailed(why, details=tail(self._log)) from error
        if done.stopped:
            raise BuildFailed(done.stopped, details=tail(self._log))
        if done.returncode:
            why = f"{shlex.join(argv)} ended with exit status {done.returncode}"
            raise BuildFailed(why, details=excerpt(self._log))
