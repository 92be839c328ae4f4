"""Floor 4: what the processes of a run are doing, told by them and seen from outside."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farm.base.files import Lock, read_json, write_json


class Activity:
    """What one process is doing, written where others look; kept for as long as it lives.

    :param folder: of the run.
    :param worker: the name of the process in its run.
    """

    def __init__(self, folder: Path, *, worker: str) -> None:
        self._path = folder / f"{worker}.activity"
        self._alive = Lock(folder / f"{worker}.alive")
        self._locked = False
        self.item = ""

    def __call__(self, what: str) -> None:
        """Say what is being done now."""
        self._locked = self._locked or self._alive.try_acquire()
        write_json(self._path, {"item": self.item, "what": what, "since": time.time()})

    def rest(self) -> None:
        """Say that nothing is being done."""
        self._path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Doing:
    """What one process of a run is doing, and for how long."""

    worker: str
    what: str
    seconds: float

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for what another one does."""
        return "waiting for" in self.what

    def __str__(self) -> str:
        minutes, seconds = divmod(int(self.seconds), 60)
        clock = f"{minutes}:{seconds:02}" if minutes else f"{seconds}s"
        return f"{self.worker}: {self.what} ({clock})"


@dataclass(frozen=True)
class Running:
    """A run of which at least one process is alive.

    :param name: of its folder.
    :param seconds: since it began.
    :param doings: of its processes that are busy.
    """

    name: str
    seconds: float
    doings: tuple[Doing, ...]


def read_activities(folder: Path, *, now: float) -> list[Doing]:
    """Give what every living process of a run is doing.

    :param now: in seconds since 1970.
    """
    found = []
    for path in sorted(folder.glob("*.activity")):
        if not _is_alive(path.with_suffix(".alive")):
            continue
        try:
            record = read_json(path)
        except FileNotFoundError:  # it has just finished
            continue
        subject = str(record["item"])
        what = str(record["what"])
        text = what if not subject or subject in what else f"{subject}: {what}"
        found.append(Doing(path.stem, text, max(0.0, now - float(record["since"]))))
    return found


def find_running(runs: Path, *, now: float) -> Iterator[Running]:
    """Give the runs that go on now, the oldest first.

    :param runs: the folder that holds a folder for each run.
    :param now: in seconds since 1970.
    """
    for folder in sorted(path for path in runs.glob("*") if path.is_dir()):
        alive = [path for path in folder.glob("*.alive") if _is_alive(path)]
        if alive:
            began = min(path.stat().st_mtime for path in alive)
            doings = tuple(read_activities(folder, now=now))
            yield Running(folder.name, max(0.0, now - began), doings)


def _is_alive(path: Path) -> bool:
    """Say whether the process that locked a file lives; the kernel drops the lock when it dies."""
    lock = Lock(path)
    if not path.exists() or not lock.try_acquire():
        return path.exists()
    lock.release()
    return False
