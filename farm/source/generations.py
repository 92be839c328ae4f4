"""Floor 2: states of an archive, each in a folder of its own, and which of them counts."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.files import digest_of, read_json, settle, write_json

# How long a state is kept after a newer one came: a long build may still read it.
_KEEP = timedelta(days=3)


@dataclass(frozen=True)
class Generation:
    """One state of an archive.

    :param identity: a digest of the signed Release files.
    """

    path: Path
    identity: str


class Generations:
    """Immutable folders below ``root/generations``; ``root/current.json`` names the one in use.

    No update ever touches a folder that is in use. So readers need no lock, and an update that
    fails or is killed changes nothing. The time stamp of ``current.json`` is when the archive was
    last looked at.

    :param settings: a digest of what the states were made with; others do not count.
    """

    def __init__(self, root: Path, *, settings: str) -> None:
        self.root = root
        self._settings = settings
        self._pointer = root / "current.json"

    def current(self) -> Generation | None:
        """Give the state in use, or None when there is none that fits the settings."""
        if not self._pointer.is_file():
            return None
        pointer = read_json(self._pointer)
        path = self._folder(pointer["name"])
        if pointer["settings"] != self._settings or not path.is_dir():
            return None
        return Generation(path, pointer["identity"])

    def is_fresh(self, max_age: timedelta) -> bool:
        """Say whether the archive was looked at in the last ``max_age``.

        A time stamp in the future is not fresh: the clock has been put right since.
        """
        if self.current() is None:
            return False
        age = time.time() - self._pointer.stat().st_mtime
        return 0 <= age <= max_age.total_seconds()

    def place_of(self, identity: str) -> Path:
        """Say where the state with this identity belongs."""
        return self._folder(digest_of([self._settings, identity])[:32])

    def adopt(self, made: Path, *, identity: str) -> Generation:
        """Put a finished folder in its place, unless it is there already; it is not in use yet."""
        place = self.place_of(identity)
        settle(made, place)
        return Generation(place, identity)

    def switch(self, to: Generation) -> None:
        """Put a state into use, and remove those that nobody can be reading any more."""
        before = self.current()
        pointer = {"name": to.path.name, "identity": to.identity, "settings": self._settings}
        write_json(self._pointer, pointer)
        if before is not None and before.path.is_dir():
            os.utime(before.path)
        oldest = time.time() - _KEEP.total_seconds()
        for path in to.path.parent.iterdir():
            if path != to.path and path.stat().st_mtime < oldest:
                shutil.rmtree(path, ignore_errors=True)

    def _folder(self, name: str) -> Path:
        return self.root / "generations" / name
