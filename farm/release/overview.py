"""Floor 5: what a workspace is at: its repositories, packages, failures and runs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from farm.base.errors import FarmError
from farm.build.failures import Failure, Failures
from farm.config.settings import Repository
from farm.machine.running import kept
from farm.model.artifact import Build
from farm.model.layout import Layout
from farm.release.conditions import judge_order
from farm.release.gates import Unit
from farm.release.judgement import GateReport
from farm.release.survey import Row, survey
from farm.release.workshop import Workshop
from farm.repo.state import Snapshot
from farm.report.activity import Running, find_running
from farm.report.records import Kind


@dataclass(frozen=True)
class GateState:
    """How one gate of a repository stands for a snapshot, with the tests and policies of now.

    :param why: one sentence.
    """

    name: str
    open: bool
    passed: int
    required: int
    why: str


@dataclass(frozen=True)
class Next:
    """What a repository could take over from the one before it.

    :param source: the name of that.
    """

    source: str
    snapshot: str
    gates: tuple[GateState, ...]


@dataclass(frozen=True)
class RepositoryState:
    """One repository as it is now; without a snapshot it was never published.

    :param since: when it was switched to the snapshot.
    :param digest: of what it holds.
    :param packages: how many source packages it holds, each counted once a distribution.
    :param key: the fingerprint of the key that signed it.
    :param problem: why it cannot be looked at.
    """

    name: str
    snapshot: str = ""
    since: datetime | None = None
    digest: str = ""
    packages: int = 0
    key: str = ""
    gates: tuple[GateState, ...] = ()
    next: Next | None = None
    problem: str = ""


@dataclass(frozen=True)
class KeptMachine:
    """A machine that is kept because something failed on it.

    :param name: for ``farm shell`` and ``farm gc --failed``.
    :param why: one sentence.
    :param when: since when: ISO 8601, UTC.
    :param console: the log of its serial line.
    """

    name: str
    why: str
    when: str
    console: str


def kept_machines(layout: Layout) -> tuple[KeptMachine, ...]:
    """Give the machines that are kept, the latest last."""
    return tuple(
        KeptMachine(box.record.subject.partition(" ")[0], box.record.why, box.record.when,
                    str(box.console))
        for box in kept(layout.machines)
    )  # fmt: skip


@dataclass(frozen=True)
class Overview:
    """All of it."""

    repositories: tuple[RepositoryState, ...]
    packages: tuple[Row, ...]
    failures: tuple[Failure, ...]
    machines: tuple[KeptMachine, ...]
    runs: tuple[Running, ...]


def look_over(workshop: Workshop) -> Overview:
    """Look at a workspace; quick, and without any network."""
    failures = sorted(Failures(workshop.layout).all(), key=lambda each: each.when)
    return Overview(
        tuple(_repositories(workshop)), tuple(survey(workshop).values()), tuple(failures),
        kept_machines(workshop.layout), tuple(find_running(workshop.layout.runs, now=time.time())),
    )  # fmt: skip


def _repositories(workshop: Workshop) -> Iterator[RepositoryState]:
    configured = workshop.workspace.repositories
    others = [name for name in workshop.snapshots.repositories() if name not in configured]
    for name in (*configured, *others):
        try:
            yield _repository(workshop, name)
        except FarmError as error:
            yield RepositoryState(name, problem=error.brief)


def _repository(workshop: Workshop, name: str) -> RepositoryState:
    settings = workshop.workspace.repository(name)
    snapshot = workshop.snapshots.current(name)
    upcoming = _next(workshop, settings, snapshot)
    if snapshot is None:
        return RepositoryState(name, next=upcoming, key=settings.key or "")
    sources = {(each.distribution, each.package) for each in snapshot.entries}
    return RepositoryState(
        name, snapshot.id, workshop.snapshots.history(name)[-1].when, snapshot.digest,
        len(sources), snapshot.fingerprint,
        _gates(workshop, settings, workshop.builds_of(snapshot)), upcoming,
    )  # fmt: skip


def _next(workshop: Workshop, settings: Repository, held: Snapshot | None) -> Next | None:
    source = settings.promoted_from
    offered = workshop.snapshots.current(source) if source else None
    if source is None or offered is None or (held and held.digest == offered.digest):
        return None
    return Next(source, offered.id, _gates(workshop, settings, workshop.builds_of(offered)))


def _gates(
    workshop: Workshop, settings: Repository, builds: Sequence[Build]
) -> tuple[GateState, ...]:
    howtos = workshop.howtos(Unit(each.package, each.target) for each in builds)
    order = workshop.order(settings.name, builds, howtos=howtos, kind=Kind.PROMOTE)
    reports = judge_order(order, ledger=workshop.ledger)
    return tuple(_gate(str(name), report) for name, report in reports.items())


def _gate(name: str, report: GateReport) -> GateState:
    passed = len(report.passed)
    return GateState(name, report.opened, passed, len(report.items), report.why)
