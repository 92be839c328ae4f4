"""Floor 3: how much of the disk a build may take, and that it takes no more."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_LOW = 512 * 2**20
_LAST = 128 * 2**20
_PAUSE_SECONDS = 10.0
_AT_MOST = 0.05  # of the time may go into measuring


@dataclass
class DiskWatch:
    """Ends a build that fills the disk: its own share, or what is left for everybody.

    Builds run beside each other, so it is measured what the build itself has written. Measuring
    takes a while, therefore it is done now and then, and when the free space shrinks so much that
    it could be this build.

    :param folder: on the disk.
    :param share: how many bytes the build may write.
    :param measure: gives how many it has written.
    """

    folder: Path
    share: int
    measure: Callable[[], int]
    free: Callable[[Path], int] = field(default=lambda path: _free(path))
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._own = 0
        self._free_then = self.free(self.folder)
        self._next = self.clock() + _PAUSE_SECONDS
        self._earliest = 0.0

    def __call__(self) -> str | None:
        """Say why the build has to end, if it has to: see :data:`farm.base.run.Watch`."""
        free = self.free(self.folder)
        if free < _LAST:
            return f"the disk is full: {free // 2**20} MiB are left"
        now = self.clock()
        could_be_too_much = self._own + max(0, self._free_then - free) > self.share
        if now >= self._next or ((could_be_too_much or free < _LOW) and now >= self._earliest):
            self._look(free, now)
        if self._own > self.share:
            return f"it filled its share of the disk: {show_size(self.share)}"
        if free < _LOW and self._own > _LOW:
            return f"it filled the disk: {free // 2**20} MiB are left"
        return None

    def _look(self, free: int, now: float) -> None:
        self._own = self.measure()
        self._free_then = free
        rest = (self.clock() - now) / _AT_MOST
        self._earliest = self.clock() + rest
        self._next = self.clock() + max(_PAUSE_SECONDS, rest)


def show_size(size: int) -> str:
    """Give an amount of bytes for people."""
    return f"{size / 2**30:.3g} GiB" if size >= 2**30 else f"{size / 2**20:.3g} MiB"


def _free(path: Path) -> int:
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize
