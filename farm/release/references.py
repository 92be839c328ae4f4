"""Floor 5: what of the stores is needed, and so must stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from farm.base.files import read_json
from farm.build.failures import Failures
from farm.release.survey import Row
from farm.release.workshop import Workshop


@dataclass(frozen=True)
class Needed:
    """What must stay, by name in its store.

    :param builds: keys of builds: of snapshots, of last builds, and of what would be built now.
    :param sources: digests of source packages: of these builds, and of failed ones.
    :param chroots: keys of the chroots of configured targets.
    :param trees: unpacked chroots, and all that kept environments are put on.
    """

    builds: frozenset[str]
    sources: frozenset[str]
    chroots: frozenset[str]
    trees: frozenset[str]


def find_needed(
    workshop: Workshop, rows: Mapping[str, Row], *, without: frozenset[str] = frozenset()
) -> Needed:
    """Find what must stay.

    :param rows: how every package stands.
    :param without: ids of snapshots that need nothing, because they go too.
    """
    failures = list(Failures(workshop.layout).all())
    builds = frozenset(_builds(workshop, rows, without))
    sources = {str(inputs["source"]) for key in builds if (inputs := workshop.store.inputs(key))}
    sources |= {row.source for row in rows.values()}
    sources |= {str(row.before["source"]) for row in rows.values() if row.before}
    sources |= {Path(failure.source).name for failure in failures}
    chroots = frozenset(_chroots(workshop))
    trees = {f"base-{key[:24]}" for key in chroots}
    trees |= {name for failure in failures for name in failure.layers}
    return Needed(builds, frozenset(sources), chroots, frozenset(trees))


def _builds(workshop: Workshop, rows: Mapping[str, Row], without: frozenset[str]) -> Iterator[str]:
    for snapshot in workshop.snapshots.all():
        if snapshot.id not in without:
            yield from (entry.build for entry in snapshot.entries)
    for name, row in rows.items():
        yield row.key
        last = workshop.layout.last_builds / f"{name}.json"
        if last.exists():
            yield str(read_json(last)["key"])


def _chroots(workshop: Workshop) -> Iterator[str]:
    for config in workshop.workspace.targets:
        pointer = workshop.layout.chroots / f"{config.target}.json"
        if pointer.exists():
            yield str(read_json(pointer)["key"])
