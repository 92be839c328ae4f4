"""Floor 5: why a package would be built, or why there is nothing to do for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from farm.base.errors import FarmFault
from farm.build.key import Inputs
from farm.build.plan import Job
from farm.config.choices import RebuildOn, SourceKind
from farm.release.gates import Unit
from farm.release.listing import Changes, compare, list_source
from farm.release.survey import Row, State, guess_inputs, stand
from farm.release.workshop import Workshop
from farm.repo.content import SOURCE
from farm.report.records import Claim

_CHEAP = 32 << 20


@dataclass(frozen=True)
class Why:
    """What a release would do with one package on one target, and why.

    :param row: how it stands.
    :param needs: how all that it needs stands.
    :param sentences: all of it for people, the first one says it shortest.
    :param files: what changed in its source, first now and second then, where that is known.
    :param log: of its build, or of the failed one.
    :param holders: the repositories that hold its build.
    """

    row: Row
    needs: tuple[Row, ...]
    sentences: tuple[str, ...]
    hint: str = ""
    files: Changes = field(default_factory=Changes)
    log: Path | None = None
    holders: tuple[str, ...] = ()


def explain(workshop: Workshop, unit: Unit) -> Why:
    """Say why a package would be built, or why not; fetches sources, and builds nothing.

    :raises FarmError: when a source cannot be fetched, or the packages make no sense together.
    """
    plan = workshop.plan()
    name = str(unit)
    rows = stand(plan, plan.closure([name]), workshop=workshop, inputs=partial(_inputs, workshop))
    row = rows.pop(name)
    log = workshop.find_log(name, row.key)
    return Why(
        row, tuple(rows.values()), tuple(_sentences(workshop, row, rows)),
        _hint(row, rows) or _warning(workshop, row, plan.jobs[name]),
        _changed_files(workshop, row), log if log and log.exists() else None,
        tuple(_holders(workshop, row)),
    )  # fmt: skip


def _inputs(workshop: Workshop, job: Job, needs: Mapping[str, str]) -> Inputs:
    if workshop.workspace.policy.rebuild_on == RebuildOn.EVERYTHING:
        exact = workshop.builder.find_inputs(job.name)
        if exact is not None:
            return exact
    return guess_inputs(workshop, job, needs)


def _sentences(workshop: Workshop, row: Row, needs: Mapping[str, Row]) -> Iterator[str]:
    if row.state is State.BUILT:
        yield f"Nothing to do: {row.name} {row.version} is built, and nothing that goes into it " \
              "has changed since."  # fmt: skip
        yield _when_built(workshop, row)
    elif row.state is State.FAILED and row.failure:
        yield f"{row.name} {row.version} would be tried again: it failed, and nothing that goes " \
              "into it has changed since."  # fmt: skip
        yield f"It failed on {_day(row.failure.when)}: {row.failure.reason}."
    elif row.state is State.BLOCKED:
        yield f"{row.name} {row.version} is blocked: {'; '.join(row.reasons)}."
        yield from _roots(needs, State.FAILED)
    else:
        yield f"{row.name} {row.version} would be built: {'; '.join(row.reasons)}."
        yield from _roots(needs, State.NEEDED)
        if row.failure:
            yield f"Its last try, on {_day(row.failure.when)}, failed: {row.failure.reason}."


def _roots(needs: Mapping[str, Row], state: State) -> Iterator[str]:
    """Say of what is needed why it stands as it does, where that is not for others' sake."""
    for row in needs.values():
        if row.state is state and not row.behind:
            verb = "failed" if state is State.FAILED else "would be built"
            yield f"{row.name} {row.version} {verb}: {'; '.join(row.reasons)}."


def _when_built(workshop: Workshop, row: Row) -> str:
    record = workshop.store.folder(row.key) / "build.json"
    when = datetime.fromtimestamp(record.stat().st_mtime, UTC).isoformat()
    return f"It was built on {_day(when)}; the key of the build is {row.key[:16]}."


def _day(when: str) -> str:
    return datetime.fromisoformat(when).astimezone().strftime("%Y-%m-%d %H:%M")


def _hint(row: Row, needs: Mapping[str, Row]) -> str:
    failed = [each for each in (row, *needs.values()) if each.state is State.FAILED]
    return f"Look inside with: farm shell {failed[0].name}" if failed else ""


def _warning(workshop: Workshop, row: Row, job: Job) -> str:
    """Say beforehand what publishing would refuse: a second content of one version."""
    source = job.source
    claim = Claim(source.name, source.version, SOURCE, source.dsc.sha256, "")
    found = workshop.ledger.conflicts([claim]) if row.state is State.NEEDED else []
    if not found:
        return ""
    return (
        f"{found[0].holder.where} was published with another {source.name} {source.version}: "
        "give it a higher version in its changelog, or it cannot be published."
    )


def _changed_files(workshop: Workshop, row: Row) -> Changes:
    """Compare a folder's source with that of the last build, if both are here and not large."""
    kind = workshop.workspace.package(row.package).kind
    before = str(row.before.get("source", ""))
    if kind is not SourceKind.FOLDER or not before or before == row.source:
        return Changes()
    try:
        old, new = workshop.load_source(before), workshop.load_source(row.source)
        if sum(file.size for file in (*old.files, *new.files)) > _CHEAP:
            return Changes()
        return compare(list_source(new), list_source(old))
    except FarmFault:  # the old one was cleaned away
        return Changes()


def _holders(workshop: Workshop, row: Row) -> Iterator[str]:
    for name in workshop.snapshots.repositories():
        snapshot = workshop.snapshots.current(name)
        if snapshot and row.key and any(each.build == row.key for each in snapshot.entries):
            yield name
