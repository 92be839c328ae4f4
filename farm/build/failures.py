"""Floor 3: what is remembered of builds that failed, and their kept environments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.errors import InputError, WaitTimeout
from farm.base.files import locked, read_json, write_json
from farm.model.layout import Layout
from farm.place.namespace import end_processes, remove_tree
from farm.place.overlay import label_of, lock_of

DEPENDENCIES_LOG = "dependencies.log"
"""Beside the records of a package: why its build dependencies could not be installed."""

_PATIENCE = timedelta(seconds=3)  # what a shell has left behind is gone by then


@dataclass(frozen=True)
class Failure:
    """One failed build.

    :param name: ``PACKAGE@TARGET``.
    :param environment: the name of the kept overlay.
    :param layers: names of the trees below it, topmost first.
    :param directory: the source tree inside.
    :param command: what failed, to be run again by hand.
    :param variables: the environment variables of the build.
    :param source: the folder of the source package on the host.
    :param log: its whole log, on the host.
    :param when: ISO 8601, UTC.
    """

    name: str
    key: str
    run: str
    environment: str
    layers: tuple[str, ...]
    directory: str
    command: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    source: str
    reason: str
    excerpt: str
    log: str
    when: str


class Failures:
    """Keeps one record a failed build, until it is released."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def _path(self, failure: Failure) -> Path:
        return self._layout.failures / failure.name / f"{failure.environment}.json"

    def folder(self, failure: Failure) -> Path:
        """Give the folder of the kept environment."""
        return self._layout.environments / failure.environment

    def add(self, failure: Failure) -> None:
        """Remember a failure; from now on its environment is kept."""
        write_json(self._path(failure), asdict(failure))

    def all(self) -> Iterator[Failure]:
        """Give every failure that is remembered, by name."""
        for path in sorted(self._layout.failures.glob("*/*.json")):
            try:
                record = read_json(path)
            except FileNotFoundError:  # somebody has just released it
                continue
            record["variables"] = tuple((name, value) for name, value in record["variables"])
            yield Failure(**record | {name: tuple(record[name]) for name in ("layers", "command")})

    def of(self, name: str) -> list[Failure]:
        """Give the failures of ``PACKAGE@TARGET``, the latest first."""
        found = [failure for failure in self.all() if failure.name == name]
        return sorted(found, key=lambda failure: failure.when, reverse=True)

    def find(self, name: str, *, key: str, run: str) -> Failure | None:
        """Give the failure of a key in one run: nobody tries it again there."""
        hits = [each for each in self.of(name) if each.key == key and each.run == run]
        return hits[0] if hits else None

    def environments(self) -> frozenset[str]:
        """Give the names of all kept environments."""
        return frozenset(failure.environment for failure in self.all())

    def release(self, failure: Failure) -> None:
        """Remove a kept environment with its log, and forget the failure.

        :raises InputError: while a shell is open in it.
        """
        folder = self.folder(failure)
        try:
            with locked(lock_of(folder), timeout=_PATIENCE, what=f"looking into {failure.name}"):
                # Killed from here on, it leaves an environment that the next sweep takes.
                self._path(failure).unlink(missing_ok=True)
                end_processes(label_of(folder))
                remove_tree(folder)
                lock_of(folder).unlink(missing_ok=True)
        except WaitTimeout as error:
            raise InputError(
                f"A shell is open in the failed build of {failure.name}.",
                hint="Leave the shell, then release the environment.",
            ) from error
