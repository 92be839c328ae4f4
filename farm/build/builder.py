"""Floor 3: making sure that a job is built: each once, under a lock on its key."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from farm.base.activity import Tell, tell_nobody
from farm.base.errors import Blocked, BuildFailed, InstallFailed, ProductFailure
from farm.base.files import locked, temporary, write_atomically, write_json
from farm.build import deb
from farm.build.chroots import Base
from farm.build.dependencies import Dependencies
from farm.build.disk import DiskWatch
from farm.build.failures import DEPENDENCIES_LOG, Failure, Failures
from farm.build.key import Inputs, inputs_of
from farm.build.layers import Layered
from farm.build.plan import Job, Plan
from farm.build.store import BuildStore
from farm.config.settings import Workspace
from farm.model.artifact import Build
from farm.model.layout import Layout
from farm.model.target import Target
from farm.place.overlay import Bind, Overlay, new_name
from farm.source.package import package_list


@dataclass(frozen=True)
class Ground:
    """What builds of one target stand on."""

    base: Base
    dependencies: Dependencies


class Builder:
    """Builds the jobs of a plan, pulling in what each of them needs.

    :param ground: gives the chroot and resolver of a target, making them when first asked for.
    :param run: names this run: what failed in it is not tried again in it.
    :param parallel: cores for one build.
    """

    def __init__(
        self, workspace: Workspace, layout: Layout, plan: Plan, *,
        ground: Callable[[Target], Ground], run: str, parallel: int, tell: Tell = tell_nobody,
    ) -> None:  # fmt: skip
        self._workspace = workspace
        self._layout = layout
        self._plan = plan
        self._ground = ground
        self._run = run
        self._parallel = parallel
        self._tell = tell
        self._store = BuildStore(layout)
        self._failures = Failures(layout)
        self._done: dict[str, Build] = {}

    def find(self, name: str) -> Build | None:
        """Give a job's build if it needs no work; builds nothing.

        :raises FarmFault: when the store is damaged.
        """
        return self._find_all([name]).get(name)

    def find_inputs(self, name: str) -> Inputs | None:
        """Give a job's inputs, unless something that it needs is not built yet."""
        needed = [need for need in self._plan.closure([name]) if need != name]
        found = self._find_all(needed)
        return self._inputs(self._plan.jobs[name], found) if len(found) == len(needed) else None

    def _find_all(self, names: Sequence[str]) -> dict[str, Build]:
        """Find the builds of jobs and of all that they need, each looked up once."""
        found: dict[str, Build] = {}
        for name in self._plan.closure(names):
            build = self._done.get(name)
            needed = [need for need in self._plan.closure([name]) if need != name]
            if build is None and all(need in found for need in needed):
                job = self._plan.jobs[name]
                inputs = self._inputs(job, {need: found[need] for need in needed})
                build = self._store.find(inputs.key, package=job.package, source=job.source)
            if build:
                found[name] = build
        return found

    def ensure(self, name: str) -> Build:
        """Give a job's build, building it and what it needs when they are not in the store.

        :raises BuildFailed: when it does not build, now or before in this run.
        :raises Blocked: when something that it needs does not build.
        """
        if name in self._done:
            return self._done[name]
        job = self._plan.jobs[name]
        builds = {need: self._ensure_needed(name, need)
                  for need in self._plan.closure([name]) if need != name}  # fmt: skip
        inputs = self._inputs(job, builds)
        key = inputs.key
        build = self._store.find(key, package=job.package, source=job.source)
        if build is None:
            limit = self._timeout(job) + timedelta(hours=1)
            lock = self._layout.locks / f"build-{key}.lock"
            with locked(
                lock,
                timeout=limit,
                what=f"building {name}",
                waiting=lambda: self._tell(f"waiting for {name}, being built"),
            ):
                build = self._store.find(key, package=job.package, source=job.source)
                if build is None:
                    self._build(job, inputs, builds)
                    build = self._store.find(key, package=job.package, source=job.source)
        if build is None:
            raise BuildFailed(f"{name} was built, but its result is gone.", hint="Run it again.")
        self._remember(name, inputs)
        self._done[name] = build
        return build

    def _ensure_needed(self, name: str, need: str) -> Build:
        try:
            return self.ensure(need)
        except Blocked as error:
            raise Blocked(f"{name} is blocked by {error.by}.", by=error.by) from error
        except ProductFailure as error:
            raise Blocked(f"{name} is blocked by {need}.", by=need) from error

    def _package_options(self, job: Job) -> tuple[str, ...]:
        return tuple(self._workspace.package(job.package).build_options)

    def _timeout(self, job: Job) -> timedelta:
        own = self._workspace.package(job.package).timeout
        return own or self._workspace.policy.build_timeout

    def _inputs(self, job: Job, builds: Mapping[str, Build]) -> Inputs:
        environment: dict[str, str] = {}
        if self._workspace.policy.rebuild_on == "everything":
            ground = self._ground(job.target)
            choices = ground.dependencies.resolve(job, list(builds.values()))
            environment = {"the chroot": ground.base.key}
            environment |= {each.deb.name: each.sha256 for each in choices.values()}
        keys = {need: builds[need].key for need in self._plan.needs(job.name)}
        return inputs_of(job, dependencies=keys, options=self._package_options(job),
                         environment=environment)  # fmt: skip

    def _remember(self, name: str, inputs: Inputs) -> None:
        path = self._layout.last_builds / f"{name}.json"
        text = {"key": inputs.key, "inputs": inputs.record()}
        if not path.exists() or inputs.key not in path.read_text():
            write_json(path, text)

    def _order(self, job: Job) -> deb.Order:
        policy = self._workspace.policy
        return deb.Order(
            source=job.source, target=job.target, expected=expected_binaries(job),
            options=self._package_options(job), profiles=job.profiles, parallel=self._parallel,
            timeout=self._timeout(job), disk=policy.build_disk, log_limit=policy.build_log,
        )  # fmt: skip

    def _build(self, job: Job, inputs: Inputs, builds: Mapping[str, Build]) -> None:
        known = self._failures.find(job.name, key=inputs.key, run=self._run)
        if known:
            raise _failed(job, known)
        started = time.monotonic()
        self._tell(f"preparing {job.name}")
        ground = self._ground(job.target)
        with temporary(self._layout.temporary, prefix="build-") as folder:
            made = folder / "made"
            made.mkdir()
            log = made / "log"
            layered = self._install(job, ground, list(builds.values()), inputs)
            overlay = Overlay(
                self._layout.environments / new_name(job.package), layers=layered.trees,
                binds=[Bind(job.source.dsc.path.parent, deb.SOURCE_INSIDE)],
            ).create()  # fmt: skip
            self._run_in(overlay, job, inputs, made=made, log=log, started=started)

    def _install(self, job: Job, ground: Ground, builds: list[Build], inputs: Inputs) -> Layered:
        log = self._layout.failures / job.name / DEPENDENCIES_LOG
        try:
            layered = ground.dependencies.install(ground.dependencies.resolve(job, builds))
        except InstallFailed as error:
            reason = f"its build dependencies cannot be installed: {error.brief}"
            write_atomically(log, f"{reason}\n{error.details}\n")
            raise BuildFailed(
                f"{job.name} does not build: {reason}", details=error.details,
                hint="Look at Build-Depends in its debian/control.",
            ) from error  # fmt: skip
        log.unlink(missing_ok=True)
        return layered

    def _run_in(
        self, overlay: Overlay, job: Job, inputs: Inputs, *, made: Path, log: Path, started: float
    ) -> None:
        order = self._order(job)
        watch = DiskWatch(self._layout.root, order.disk, overlay.usage)
        try:
            product = deb.build(order, overlay, log=log, into=made, tell=self._tell, watch=watch)
        except BuildFailed as error:
            failure = self._keep(overlay, job, order, inputs, log, error)
            raise _failed(job, failure) from error
        except BaseException:
            overlay.remove()
            raise
        overlay.remove()
        self._store.keep(made, key=inputs.key, target=job.target, product=product,
                         seconds=time.monotonic() - started, inputs=inputs.record())  # fmt: skip

    def _keep(
        self, overlay: Overlay, job: Job, order: deb.Order, inputs: Inputs, log: Path,
        error: BuildFailed,
    ) -> Failure:  # fmt: skip
        kept_log = overlay.folder / "log"  # until the record is written, it goes with the folder
        if log.exists():
            shutil.copyfile(log, kept_log)
        failure = Failure(
            name=job.name, key=inputs.key, run=self._run, environment=overlay.folder.name,
            layers=tuple(tree.name for tree in overlay.layers), directory=order.directory,
            command=order.command, variables=tuple(order.environment.items()),
            source=str(job.source.dsc.path.parent), reason=error.brief, excerpt=error.details,
            log=str(kept_log), when=datetime.now(UTC).isoformat(timespec="microseconds"),
        )  # fmt: skip
        self._failures.add(failure)
        overlay.leave()
        return failure


def _failed(job: Job, failure: Failure) -> BuildFailed:
    return BuildFailed(
        f"{job.name} does not build: {failure.reason}.",
        details=f"{failure.excerpt}\n\nwhole log: {failure.log}".strip(),
        hint=f"Look inside with: farm shell {job.name}",
    )


def expected_binaries(job: Job) -> tuple[str, ...]:
    """Give the binary packages that a job must give: those its source lists for the target."""
    architecture = job.target.architecture
    return tuple(
        each.name for each in package_list(job.source.dsc.path)
        if each.type == "deb" and each.is_built(architecture=architecture, profiles=job.profiles)
    )  # fmt: skip
