"""Floor 6: the fixtures of release tests. Each pulls in what it needs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from farm.model.artifact import Build
from farm.model.target import Target
from farm.plugin.context import CONTEXT, ReleaseRun
from farm.plugin.items import NOTE
from farm.release import checks
from farm.release.candidate import Candidate
from farm.release.chroot import Installation
from farm.release.gates import Unit
from farm.release.lifecycle import Lifecycle

EXPLANATION = (
    "nothing is released: give --release REPOSITORY, for instance --release dev, to build, "
    "verify and publish"
)


@dataclass(frozen=True)
class Released:
    """A package on a target inside the candidate, with the checks that the farm has for it.

    :param item: which asks: what is good to know goes into its report.
    """

    run: ReleaseRun
    unit: Unit
    item: pytest.Item

    @property
    def build(self) -> Build:
        """What its build gave."""
        return self.run.built(self.unit)

    @property
    def candidate(self) -> Candidate:
        """The candidate that it is a part of."""
        return self.run.candidate_with(self.unit)

    def check_installable(self) -> None:
        """See that real apt can install every binary package."""
        workshop = self.run.workshop
        view = self.candidate.view(
            workshop.layout, archive=workshop.archive(self.unit.target),
            status=workshop.base(self.unit.target).status,
        )  # fmt: skip
        checks.check_installable(self.candidate, self.unit, view)

    def check_dependencies(self) -> None:
        """See that it asks for other packages of the farm as the policy wants."""
        workspace = self.run.workspace
        own = workspace.package(self.unit.package).folder is not None
        checks.check_dependencies(
            self.candidate, self.unit, policy=str(workspace.policy.dependencies), own=own
        )

    def check_versions(self) -> None:
        """See that no version goes backwards."""
        holders = self.run.workshop.holders(self.run.repository)
        checks.check_versions(self.candidate, self.unit, holders)

    def check_lint(self) -> None:
        """See that lintian finds no fault."""
        workspace = self.run.workspace
        level = workspace.package(self.unit.package).lintian or workspace.policy.lintian
        where = self.run.workshop.layout.temporary
        checks.check_lint(self.build, level=str(level), temporary_dir=where)

    def check_howto(self) -> None:
        """See that it has a HOWTO."""
        checks.check_howto(self.unit.package, folder=self.run.workspace.root / "howtos")

    # The gate lifecycle.

    def _installation(self, candidate: Candidate) -> Installation:
        workshop, target = self.run.workshop, self.unit.target
        return Installation(candidate, self.unit, workshop.archive(target), workshop.base(target))

    @property
    def _lifecycle(self) -> Lifecycle:
        workshop = self.run.workshop
        what = self._installation(self.candidate)
        return Lifecycle(workshop.layout, what, workshop.tell)

    def _note(self, text: str) -> None:
        if text:
            self.item.user_properties.append((NOTE, text))

    def check_purge(self) -> None:
        """See that nothing stays of it when it is purged."""
        self._note(self._lifecycle.check_purge())

    def check_reinstall(self) -> None:
        """See that it can be removed and installed again, and keeps what was changed."""
        self._note(self._lifecycle.check_reinstall())

    def check_upgrade(self) -> None:
        """See that what users have of it is upgraded, and keeps what was changed."""
        workshop = self.run.workshop
        lifecycle = self._lifecycle
        held = workshop.former(self.run.repository, self.candidate.digest)
        former = workshop.offered(held) if held else None
        if former is None or self.unit not in former.builds:
            self._note(f"first release of {self.unit.package}")
            return
        self._note(lifecycle.check_upgrade(self._installation(former)))


@dataclass(frozen=True)
class ReleasedTarget:
    """One target of the candidate, with the checks that the farm has for all of it."""

    run: ReleaseRun
    target: Target

    def check_signatures(self) -> None:
        """See that real apt verifies the indexes."""
        workshop = self.run.workshop
        candidate = self.run.candidate()
        view = candidate.view(workshop.layout, archive=workshop.archive(self.target),
                              status=workshop.base(self.target).status)  # fmt: skip
        checks.check_signatures(candidate, self.target, view)

    def check_contents(self) -> None:
        """See that no name, version and architecture has two contents in the workspace."""
        self.run.workshop.check_contents(self.run.candidate(), self.target)


@pytest.fixture(scope="session")
def release_run(pytestconfig: pytest.Config) -> ReleaseRun:
    """Give the release run, or skip with an explanation."""
    run = pytestconfig.stash.get(CONTEXT, None)
    if run is None:
        pytest.skip(EXPLANATION)
    return run


@dataclass(frozen=True)
class Job:
    """A package to be built for a target."""

    run: ReleaseRun
    unit: Unit

    def build(self) -> Build:
        """Build it and what it needs, unless that is done already.

        :raises BuildFailed: when it does not build.
        """
        return self.run.build(self.unit)


@pytest.fixture
def job(release_run: ReleaseRun, request: pytest.FixtureRequest) -> Job:
    """Give each package on each target, to be built."""
    return Job(release_run, request.param)


@pytest.fixture
def released(release_run: ReleaseRun, request: pytest.FixtureRequest) -> Released:
    """Give each package on each target, as it is in the candidate."""
    return Released(release_run, request.param, request.node)


@pytest.fixture
def released_target(release_run: ReleaseRun, request: pytest.FixtureRequest) -> ReleasedTarget:
    """Give each target of the candidate."""
    return ReleasedTarget(release_run, request.param)


@pytest.fixture(scope="session")
def candidate(release_run: ReleaseRun) -> Candidate:
    """Give the candidate, with everything built."""
    return release_run.candidate()


@pytest.fixture
def release(release_run: ReleaseRun, request: pytest.FixtureRequest) -> ReleaseRun:
    """Give the release run: ``publish()`` lets the repository become the candidate."""
    return release_run
