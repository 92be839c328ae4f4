"""Floor 6: one release run as one process sees it: what is released, and the workshop for it."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from functools import cached_property
from pathlib import Path

import pytest

from farm.base.errors import Blocked, FarmError, InputError, PromotionRefused
from farm.base.files import read_json, write_json
from farm.build.plan import Plan
from farm.config.settings import Workspace
from farm.model.artifact import Build
from farm.model.layout import Layout
from farm.model.target import Target
from farm.plugin.options import Options
from farm.plugin.progress import Activity, worker_name
from farm.release.candidate import Candidate
from farm.release.chain import check_way
from farm.release.conditions import check_released_to
from farm.release.gates import INSTALL, UPGRADE, Unit
from farm.release.image_publication import follow_with_images
from farm.release.order import Outcome
from farm.release.readiness import check_ready
from farm.release.requirements import check_requirements
from farm.release.workshop import Workshop
from farm.repo.state import Snapshot

WORKSPACE = pytest.StashKey[Workspace]()
"""In ``config.stash`` of every run in a workspace."""
CONTEXT = pytest.StashKey["ReleaseRun"]()
"""In ``config.stash`` of a run that releases something."""
_KEPT_RUNS = 20


class ReleaseRun:
    """A run with ``--release``.

    The controller calls :meth:`prepare`: it fetches the sources and writes down the plan. Workers
    :meth:`join`: they read it. So a source is looked at once, and everybody sees the same one.
    """

    def __init__(self, workspace: Workspace, options: Options, *, run: str = "") -> None:
        self.workspace = workspace
        self.options = options
        self.run = run or f"{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(3)}"
        self.folder = Layout(workspace.state_dir).runs / self.run
        self.activity = Activity(self.folder, worker=worker_name())
        self.workers = 1
        self._units: tuple[Unit, ...] = ()
        self._selected: tuple[str, ...] = ()
        self._kept = ""
        self._candidate: Candidate | None = None
        self._missing: dict[Unit, str] = {}

    @property
    def repository(self) -> str:
        """Where it is released to."""
        return self.options.release

    @property
    def gates(self) -> set[str]:
        """All gates that must open for what was asked for."""
        names = self.options.repositories
        return {str(gate) for name in names for gate in self.workspace.repository(name).gates}

    @cached_property
    def workshop(self) -> Workshop:
        """The workspace at work."""
        cores = len(os.sched_getaffinity(0))
        share = max(1, cores // max(1, self.workers))
        return Workshop(self.workspace, run=self.run, parallel=share, tell=self.activity)

    def check_options(self) -> None:
        """Look whether everything named on the command line exists.

        :raises InputError: for a repository, package or target that does not, or a repository
            that takes over what another one holds.
        """
        check_released_to(self.workspace, self.repository)
        if self.options.promote:
            check_way(self.workspace, self.repository, to=self.options.promote)
        for name in self.options.packages:
            self.workspace.package(name)
        for text in self.options.targets:
            self.workspace.target(text)
        if not self.workspace.packages:
            raise InputError(
                "farm.toml names no package, so there is nothing to release.",
                hint="Make one: farm new package NAME",
            )
        if not self.listed_units():
            raise InputError("No package is built for any of the targets that were asked for.")

    def listed_units(self) -> tuple[Unit, ...]:
        """Give the units that the command line names, without a look at any source."""
        wanted = {Target.parse(text) for text in self.options.targets}
        names = self.options.packages or tuple(self.workspace.packages)
        return tuple(
            Unit(name, target)
            for name in names
            for target in (
                c.target for c in self.workspace.package(name).targets_in(self.workspace)
            )
            if not wanted or target in wanted
        )

    # The plan, made once a run.

    def prepare(self) -> None:
        """Sweep, fetch all sources, choose what is built, and write it down for the workers.

        :raises FarmError: when something cannot be trusted or is missing, or needs itself.
        """
        check_requirements(machines=bool(self.gates & {INSTALL, UPGRADE}))
        self.folder.mkdir(parents=True, exist_ok=True)
        self._forget_old_runs()
        workshop = self.workshop
        workshop.sweep()
        plan = workshop.plan()
        targets = [Target.parse(text) for text in self.options.targets]
        self._selected = workshop.selection(self.options.packages, targets)
        check_ready(workshop, self._selected, repositories=self.options.repositories)
        current = workshop.snapshots.current(self.repository)
        kept = [] if self.is_whole or current is None else workshop.builds_of(current)
        kept = [build for build in kept if build.package in self.workspace.packages]
        self._kept = current.id if current and not self.is_whole else ""
        names = {*self._selected, *(build.name for build in kept)}
        self._units = tuple(sorted(_unit(name) for name in names))
        write_json(self.folder / "plan.json", {
            "sources": {name: job.source.digest for name, job in plan.jobs.items()},
            "selected": list(self._selected), "kept": self._kept,
            "units": sorted(names), "workers": self.workers,
        })  # fmt: skip
        self.activity.rest()

    def join(self) -> None:
        """Read what the controller has written down."""
        record = read_json(self.folder / "plan.json")
        self.workers = int(record["workers"])
        self._selected = tuple(record["selected"])
        self._kept = str(record["kept"])
        self._units = tuple(sorted(_unit(name) for name in record["units"]))
        self.workshop.adopt_plan(record["sources"])

    def _forget_old_runs(self) -> None:
        runs = sorted(path for path in self.folder.parent.iterdir() if path.is_dir())
        for path in runs[:-_KEPT_RUNS]:
            shutil.rmtree(path, ignore_errors=True)

    @property
    def is_whole(self) -> bool:
        """Whether everything is released, so that nothing else stays in the repository."""
        return not self.options.packages and not self.options.targets

    @cached_property
    def upgrades(self) -> bool:
        """Whether users have, or had, anything that the candidate is an upgrade of."""
        return self.former is not None

    @property
    def former(self) -> Snapshot | None:
        """What users have, or had, that the candidate is an upgrade of."""
        digest = self.find_candidate_digest() if self.is_prepared else ""
        return self.workshop.former(self.repository, digest)

    @property
    def is_prepared(self) -> bool:
        """Whether the plan is known: not while pytest only collects."""
        return bool(self._selected)

    @property
    def units(self) -> tuple[Unit, ...]:
        """All that the candidate will hold."""
        return self._units or self.listed_units()

    @property
    def plan(self) -> Plan:
        """Who is built before whom."""
        return self.workshop.plan()

    # What fixtures pull.

    def build(self, unit: Unit) -> Build:
        """Give the build of a unit, building it and what it needs unless that is done already.

        :raises BuildFailed: when it does not build.
        :raises Blocked: when something that it needs does not.
        """
        if str(unit) in self._selected:
            return self.workshop.builder.ensure(str(unit))
        return next(build for build in self._kept_builds if _unit(build.name) == unit)

    @cached_property
    def _kept_builds(self) -> list[Build]:
        snapshot = self.workshop.snapshots.get(self._kept) if self._kept else None
        return self.workshop.builds_of(snapshot) if snapshot else []

    def candidate(self) -> Candidate:
        """Give the candidate: all that builds. It can be published only when nothing is missing.

        :raises Blocked: when nothing at all builds; a failed package is named.
        """
        if self._candidate is None:
            builds: list[Build] = []
            for unit in self.units:
                try:
                    builds.append(self.built(unit))
                except Blocked as error:
                    self._missing[unit] = error.by
            if not builds:
                by = next(iter(self._missing.values()))
                raise Blocked("There is no candidate, because nothing builds.", by=by)
            self._candidate = self.workshop.candidate(self.repository, builds)
        return self._candidate

    def candidate_with(self, unit: Unit) -> Candidate:
        """Give the candidate for a look at one unit in it.

        :raises Blocked: when the unit, or one that it depends on, is missing there.
        """
        candidate = self.candidate()
        missing = {name: by for each, by in self._missing.items() if each.target == unit.target
                   for name in self.plan.jobs[str(each)].source.binaries}  # fmt: skip
        by = self._missing.get(unit) or candidate.find_missing(unit, missing)
        if by:
            raise Blocked(f"{unit} is blocked by {by}.", by=by)
        return candidate

    def whole_candidate(self) -> Candidate:
        """Give the candidate if nothing is missing in it.

        :raises Blocked: when something does not build.
        """
        candidate = self.candidate()
        if self._missing:
            by = next(iter(self._missing.values()))
            raise Blocked(f"The candidate is not whole: blocked by {by}.", by=by)
        return candidate

    def built(self, unit: Unit) -> Build:
        """Give the build of a unit, for a check that is about something else.

        :raises Blocked: when it does not build, or something that it needs does not.
        """
        try:
            return self.build(unit)
        except Blocked:
            raise
        except FarmError as error:  # the item of the build says it; here it would only be noise
            raise Blocked(f"{unit} is not built.", by=str(unit)) from error

    def find_candidate_digest(self) -> str:
        """Give the candidate's digest if everything in it is built; builds nothing."""
        if self._candidate is None:
            builder = self.workshop.builder
            names = [str(unit) for unit in self.units if str(unit) in self._selected]
            if not all(builder.find(name) for name in names):
                return ""
        return self.candidate().digest

    def find_build_key(self, unit: Unit) -> str:
        """Give the key of a unit's build if it can be known without building anything."""
        if str(unit) not in self._selected:
            return self.build(unit).key
        inputs = self.workshop.builder.find_inputs(str(unit))
        return inputs.key if inputs else ""

    def is_built(self, unit: Unit) -> bool:
        """Whether a unit's build is in the store."""
        return str(unit) not in self._selected or bool(self.workshop.builder.find(str(unit)))

    def end(self) -> None:
        """Take away the machines that checks have shared, for the controller; red ones stay."""
        if self.is_prepared and self.workspace.machine is not None:
            self.workshop.machines.leave()
            self.workshop.machines.boxes.sweep()

    # What becomes of it.

    def publish(self) -> Outcome:
        """Let the repository hold the candidate.

        :raises PromotionRefused: when a gate has not opened, or the repository was changed by
            somebody else while this run went on.
        """
        expected = None if self.is_whole else self._kept
        outcome = self.workshop.publish(self.repository, self.whole_candidate(),
                                        expected_previous=expected)  # fmt: skip
        write_json(self._outcome_path, {
            "sentence": outcome.sentence, "changed": outcome.changed,
            "snapshot": outcome.snapshot.id,
        })  # fmt: skip
        return outcome

    def promote(self, to: str) -> str:
        """Let another repository take over what this run has released; says what became of it.

        :raises PromotionRefused: when this run has released nothing, the repository was changed by
            somebody else since, or something has not passed.
        :raises FarmError: when an image that farm.toml asks for cannot be made.
        """
        if not self.is_published:  # what was there before may be another release
            raise PromotionRefused(
                f"{to} stays as it is: this run has not published {self.repository}.",
                hint="Release the whole of it, without a selection of checks, and promote again.",
            )
        released = str(read_json(self._outcome_path)["snapshot"])
        outcome = self.workshop.promote(self.repository, to, expected=released)
        images = follow_with_images(self.workshop, outcome)
        more = f" Its images are at {images.place}." if images else ""
        return outcome.sentence + more

    @property
    def _outcome_path(self) -> Path:
        return self.folder / "outcome.json"

    @property
    def is_published(self) -> bool:
        """Whether this run, in whatever process, has let the repository hold the candidate."""
        return self._outcome_path.exists()

    def describe_outcome(self) -> list[str]:
        """Say what was published, in the controller's last words."""
        if not self.is_published:
            return [f"{self.repository} was not published by this run."]
        record = read_json(self._outcome_path)
        place = self.workshop.layout.repositories / self.repository
        nothing = [] if record["changed"] else ["Nothing to do: nothing has changed since."]
        return [*nothing, str(record["sentence"]), f"{self.repository} is at {place}"]

    def properties(self, subject: Unit | Target) -> list[tuple[str, object]]:
        """Give what JUnit shall know of an item: package, version, target, digest, log."""
        if not isinstance(subject, Unit):
            return [("target", str(subject)), ("digest", self._candidate_digest())]
        known: list[tuple[str, object]] = [("package", subject.package),
                                           ("target", str(subject.target))]  # fmt: skip
        job = self.plan.jobs.get(str(subject))
        if job:
            known.append(("version", job.source.version))
        key = self.find_build_key(subject)
        known.append(("digest", key or "not known: something that it needs is not built"))
        log = self.workshop.find_log(str(subject), key)
        return [*known, ("log", str(log))] if log else known

    def _candidate_digest(self) -> str:
        return self._candidate.digest if self._candidate else "no candidate"


def _unit(name: str) -> Unit:
    package, _, target = name.partition("@")
    return Unit(package, Target.parse(target))
