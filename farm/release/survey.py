"""Floor 5: how every package stands, seen without fetching or building anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any

from farm.base.errors import FarmError, FarmFault
from farm.base.files import read_json
from farm.build.failures import Failure, Failures
from farm.build.key import Inputs, explain_change, inputs_of
from farm.build.plan import Job, Plan, job_name, make_plan
from farm.config.choices import SourceKind
from farm.config.settings import Package
from farm.model.layout import Layout
from farm.model.target import Target
from farm.release.workshop import Workshop


class State(StrEnum):
    """What a release would do with a package."""

    BUILT = "built"
    """Nothing: its build is in the store."""
    NEEDED = "needs build"
    FAILED = "failed"
    """Try it again: it failed with exactly these inputs."""
    BLOCKED = "blocked"
    """Nothing, unless what it needs gets built after all."""
    UNKNOWN = "unknown"
    """Fetch its source first, or refuse."""


@dataclass(frozen=True)
class Row:
    """How one package stands on one target.

    :param name: ``PACKAGE@TARGET``.
    :param version: of its source, empty when that is not known.
    :param reasons: why it stands so, as clauses for people.
    :param behind: those that it needs which are not built.
    :param key: of its build, empty when that is not known.
    :param source: the digest of its source.
    :param failure: its last one, if its environment is kept.
    :param before: the inputs of its last good build, as recorded.
    """

    name: str
    state: State
    version: str = ""
    reasons: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    key: str = ""
    source: str = ""
    failure: Failure | None = None
    before: Mapping[str, Any] = field(default_factory=dict)

    @property
    def package(self) -> str:
        """Its name in farm.toml."""
        return self.name.partition("@")[0]

    @property
    def target(self) -> str:
        """What it is built for."""
        return self.name.partition("@")[2]


def survey(workshop: Workshop) -> dict[str, Row]:
    """Look how every package of a workspace stands on every target, by ``PACKAGE@TARGET``.

    Nothing is asked of the network: packages of the distribution are seen as the archive was when
    it was last read. Folders are packed anew when they have changed, which happens here.
    """
    names: list[str] = []
    rows: dict[str, Row] = {}
    jobs: list[Job] = []
    for package in workshop.workspace.packages.values():
        for config in package.targets_in(workshop.workspace):
            name = job_name(package.name, config.target)
            names.append(name)
            try:
                jobs.append(_find_job(workshop, package, config.target))
            except FarmError as error:
                rows[name] = Row(name, State.UNKNOWN, reasons=(_clause(error),))
    known = _stand_all(jobs, workshop=workshop)
    rows |= {name: _doubt(row, rows) for name, row in known.items()}
    return {name: rows[name] for name in names}


def _stand_all(jobs: Sequence[Job], *, workshop: Workshop) -> dict[str, Row]:
    try:
        plan = make_plan(jobs)
    except FarmError as error:
        reasons = (_clause(error),)
        return {job.name: Row(job.name, State.UNKNOWN, job.source.version, reasons)
                for job in jobs}  # fmt: skip
    return stand(plan, plan.jobs, workshop=workshop, inputs=partial(guess_inputs, workshop))


def stand(
    plan: Plan, names: Collection[str], *, workshop: Workshop,
    inputs: Callable[[Job, Mapping[str, str]], Inputs],
) -> dict[str, Row]:  # fmt: skip
    """Say of jobs of a plan how they stand.

    :param names: of the jobs, with all that they need.
    :param inputs: gives what would go into a job, from the keys of what it needs directly.
    """
    failures: dict[str, Failure] = {}
    for failure in sorted(Failures(workshop.layout).all(), key=lambda each: each.when):
        failures[failure.name] = failure
    rows: dict[str, Row] = {}
    for name in (each for each in plan.graph.order() if each in names):
        job = plan.jobs[name]
        row = Row(
            name, State.NEEDED, job.source.version, source=job.source.digest,
            failure=failures.get(name), before=last_inputs(workshop.layout, name),
        )  # fmt: skip
        needs = [rows[need] for need in plan.needs(name)]
        unbuilt = [each for each in needs if each.state is not State.BUILT]
        if unbuilt:
            rows[name] = _waiting(row, unbuilt)
        else:
            keys = {each.name: each.key for each in needs}
            rows[name] = _ready(row, workshop=workshop, job=job, inputs=inputs(job, keys))
    return rows


def last_inputs(layout: Layout, name: str) -> Mapping[str, Any]:
    """Give what went into the last good build of a job, empty when there was none."""
    path = layout.last_builds / f"{name}.json"
    return dict(read_json(path)["inputs"]) if path.exists() else {}


def _find_job(workshop: Workshop, package: Package, target: Target) -> Job:
    archive = partial(workshop.known_archive, target)
    source = workshop.source_of(package, archive=archive)
    if package.kind is SourceKind.FOLDER:
        found = workshop.sources.ensure(source)
    else:
        present = workshop.sources.find(source)
        if present is None:
            raise FarmFault(f"The {source.describe()} has not been fetched yet.")
        found = present
    return Job(package.name, target, found, tuple(package.build_profiles))


def guess_inputs(workshop: Workshop, job: Job, needs: Mapping[str, str]) -> Inputs:
    """Give a job's inputs, as if the distribution's part in them was what it was last time.

    That is exact where a workspace rebuilds only for changes of its own.

    :param needs: the keys of what the job needs directly.
    """
    environment = last_inputs(workshop.layout, job.name).get("environment", {})
    if workshop.workspace.policy.rebuild_on == "farm":
        environment = {}
    options = tuple(workshop.workspace.package(job.package).build_options)
    return inputs_of(job, dependencies=needs, options=options, environment=environment)


def _waiting(row: Row, unbuilt: list[Row]) -> Row:
    failed = [each for each in unbuilt if each.state in (State.FAILED, State.BLOCKED)]
    reasons = (f"it is built with {each.name}, which {_predicate(each)}"
               for each in failed or unbuilt)  # fmt: skip
    return replace(
        row, state=State.BLOCKED if failed else State.NEEDED, reasons=tuple(reasons),
        behind=tuple(each.name for each in unbuilt),
    )  # fmt: skip


def _predicate(row: Row) -> str:
    if row.state is State.FAILED:
        return "does not build"
    return "is blocked" if row.state is State.BLOCKED else "is to be built first"


def _ready(row: Row, *, workshop: Workshop, job: Job, inputs: Inputs) -> Row:
    row = replace(row, key=inputs.key)
    if workshop.store.find(inputs.key, package=job.package, source=job.source):
        return replace(row, state=State.BUILT)
    if row.failure and row.failure.key == inputs.key:
        return replace(row, state=State.FAILED, reasons=(row.failure.reason,))
    if not row.before:
        return replace(row, reasons=("it was never built here",))
    changes = explain_change(row.before, inputs.record())
    return replace(row, reasons=tuple(changes) or ("its build is no longer in the store",))


def _doubt(row: Row, unknown: Mapping[str, Row]) -> Row:
    """Do not say of a package that it needs a build, when what it is built with is not known."""
    needs = [name for name in row.before.get("dependencies", {}) if name in unknown]
    if row.state is not State.NEEDED or not needs:
        return row
    reason = f"nothing is known of {', '.join(needs)}, which it is built with"
    return replace(row, state=State.UNKNOWN, reasons=(reason,))


def _clause(error: FarmError) -> str:
    """Make of the sentence of an error the end of another one."""
    text = error.brief.rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text
