"""Floor 5: versions never go backwards in a repository."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from debian.debian_support import Version

from farm.repo.content import SOURCE, Entry

_Place = tuple[str, str, str]


@dataclass(frozen=True, order=True)
class Backwards:
    """A package whose version would go backwards for those who use a repository."""

    distribution: str
    name: str
    architecture: str
    held: str
    offered: str

    def __str__(self) -> str:
        return (
            f"{self.name} {self.architecture} in {self.distribution} would go back from "
            f"{self.held} to {self.offered}"
        )


def find_backwards(offered: Iterable[Entry], *, held: Iterable[Entry]) -> list[Backwards]:
    """Find what would have a lower version than before, by the rules of deb-version(7).

    A machine of one architecture sees the packages of its own and of ``all``, so a package that
    moves from one to the other is compared too. A package that is not offered any more does not
    go backwards.
    """
    offered, held = list(offered), list(held)
    architectures = _architectures([*offered, *held])
    new, old = _highest(offered, architectures), _highest(held, architectures)
    return sorted(
        {
            Backwards(distribution, name, seen_by, str(old[place]), str(new[place]))
            for place in old.keys() & new.keys()
            for distribution, name, seen_by in [place]
            if new[place] < old[place]
        }
    )


def _architectures(entries: Iterable[Entry]) -> Mapping[str, set[str]]:
    """Give the real architectures of each distribution: neither ``all`` nor ``source``."""
    found = defaultdict(set)
    for entry in entries:
        if entry.kind != SOURCE and entry.architecture != "all":
            found[entry.distribution].add(entry.architecture)
    return found


def _highest(
    entries: Iterable[Entry], architectures: Mapping[str, set[str]]
) -> dict[_Place, Version]:
    found: dict[_Place, Version] = {}
    for entry in entries:
        seen_by = {entry.architecture}
        if entry.architecture == "all":
            seen_by = architectures.get(entry.distribution) or seen_by
        for architecture in seen_by:
            place = (entry.distribution, entry.name, architecture)
            version = Version(entry.version)
            found[place] = max(version, found.get(place, version))
    return found
