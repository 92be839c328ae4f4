"""Floor 5: conffiles, as an administrator changes them, and what becomes of that."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from farm.place.protocol import Place

_SHORT = timedelta(minutes=2)
_CHANGE = "# changed by the administrator"
_CHANGE_ALL = 'line=$1; shift; for file; do printf "%s\\n" "$line" >> "$file"; done'
_FIND_LOST = 'line=$1; shift; for file; do grep -qsxF "$line" "$file" || echo "$file"; done'
# What dpkg writes behind a conffile that is of no matter any more, or not there yet.
_NOT_THERE = ("newconffile", "obsolete", "remove-on-upgrade")

KEEP = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
"""How apt is told that what was changed stays, and that nobody is asked: docs/machines.md."""


def conffiles_of(place: Place, packages: Iterable[str]) -> list[str]:
    """Give the paths of the conffiles that installed packages have: dpkg-query(1)."""
    argv = ["dpkg-query", "--show", "--showformat", "${Conffiles}\\n", *packages]
    lines = place.run(argv, timeout=_SHORT, ok=None).stdout.splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    return [line.rpartition(" ")[0] for line in lines if not line.endswith(_NOT_THERE)]


def change(place: Place, paths: Iterable[str]) -> None:
    """Add a line to each of some conffiles, as an administrator would."""
    place.run(["sh", "-euc", _CHANGE_ALL, "sh", _CHANGE, *paths], timeout=_SHORT)


def find_lost(place: Place, paths: Iterable[str]) -> list[str]:
    """Name those that do not have the line any more."""
    argv = ["sh", "-uc", _FIND_LOST, "sh", _CHANGE, *paths]
    return place.run(argv, timeout=_SHORT).stdout.splitlines()
