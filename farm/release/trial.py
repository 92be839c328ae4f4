"""Floor 5: trying a package: a fresh chroot into which real apt installs it from the candidate."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from farm.base.activity import Tell
from farm.build.deb import upstream_version
from farm.model.layout import Layout
from farm.place.overlay import USER, Overlay, new_name
from farm.place.protocol import Place
from farm.release.chroot import Installation, installed


@dataclass(frozen=True)
class Trial:
    """Where a package is installed, and what a HOWTO may want to know."""

    place: Place
    package: str
    version: str
    user: str = USER

    @property
    def upstream_version(self) -> str:
        """The version without epoch and Debian revision."""
        return upstream_version(self.version)


@contextlib.contextmanager
def try_package(layout: Layout, what: Installation, *, tell: Tell) -> Iterator[Trial]:
    """Give a fresh chroot in which everything is installed, for as long as the block runs.

    apt installs it once; every trial has an overlay of its own on that.

    :raises InstallFailed: when apt cannot install it, in apt's own words.
    """
    layers = installed(layout, what, tell=tell)
    tell(f"trying {what.unit}")
    build = what.candidate.builds[what.unit]
    name = new_name(f"trial-{what.unit.package}")
    overlay = Overlay(layout.environments / name, layers=layers).create()
    try:
        yield Trial(overlay, build.package, build.version)
    finally:
        overlay.remove()
