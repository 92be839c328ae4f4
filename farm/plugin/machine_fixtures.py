"""Floor 6: the fixture of checks on machines, which pulls in the installation of one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import pytest

from farm.config.settings import Machine
from farm.machine.browser import look_at
from farm.model.target import Target
from farm.plugin.context import ReleaseRun
from farm.plugin.items import NOTE, PHASE, PICTURE
from farm.release import machine_checks as checks
from farm.release.installs import Installed
from farm.release.machines import Machines, Running
from farm.release.upgrade import Upgrade
from farm.release.wishes import Subject
from farm.repo.state import Snapshot

_DISPLAY = timedelta(minutes=1)
_FIRST = "first release: users have nothing that could be upgraded"


def upgrade_of(run: ReleaseRun, target: Target) -> Upgrade | None:
    """Give the upgrade of what users have to the candidate, if they have had anything else."""
    former = former_of(run, target)
    if former is None:
        return None
    workshop = run.workshop
    subject = workshop.subject(run.whole_candidate(), target)
    return Upgrade(workshop.machines, workshop.layout, former, subject)


def former_of(run: ReleaseRun, target: Target) -> Subject | None:
    """Give what users have, or had, that the candidate is an upgrade of."""
    snapshot = run.workshop.former(run.repository, run.whole_candidate().digest)
    return _offered(run, snapshot, target)


def _offered(run: ReleaseRun, snapshot: Snapshot | None, target: Target) -> Subject | None:
    if snapshot is None:
        return None
    candidate = run.workshop.offered(snapshot)
    return run.workshop.subject(candidate, target) if target in candidate.targets else None


@dataclass(frozen=True)
class ReleasedMachine:
    """The machine of one target, with the checks that the farm has for it.

    :param item: which asks: what is good to know goes into its report.
    """

    run: ReleaseRun
    target: Target
    item: pytest.Item

    @property
    def _machines(self) -> Machines:
        return self.run.workshop.machines

    @property
    def _wanted(self) -> Machine:
        return self._machines.installs.machine

    @cached_property
    def _subject(self) -> Subject:
        return self.run.workshop.subject(self.run.whole_candidate(), self.target)

    @cached_property
    def _former(self) -> Subject | None:
        return former_of(self.run, self.target)

    def _note(self, text: str) -> None:
        if text:
            self.item.user_properties.append((NOTE, text))

    @contextlib.contextmanager
    def _running(self) -> Iterator[Running]:
        with self._machines.shared(self._subject) as running:
            yield running

    # The gate install.

    def prepare_installer(self) -> None:
        """Make what machines boot from the network, which needs no package of the release."""
        workshop = self.run.workshop
        self._machines.installs.prepare(
            workshop.ground(self.target), workshop.archive(self.target)
        )

    def install(self) -> Installed:
        """Install it from nothing, over the network, and boot it from its disk."""
        before = self._machines.installs.find(self._subject)
        installed = before or self._machines.installs.ensure(self._subject)
        if not before:
            self._show_phases(installed)
        for path in installed.pictures:
            self.item.user_properties.append((PICTURE, f"{path}|{path.stem}"))
        self._note(str(installed.about["acceleration"]))
        self._note(", ".join(f"{name} {seconds:.0f} s" for name, seconds in
                             installed.about["phases"]))  # fmt: skip
        return installed

    def _show_phases(self, installed: Installed) -> None:
        phases = [f"{name}|{seconds:.1f}" for name, seconds in installed.about["phases"]]
        self.item.user_properties += [(PHASE, phase) for phase in phases]

    def check_packages(self) -> None:
        """See that it has exactly the candidate's packages."""
        with self._running() as running:
            checks.check_packages(running, self._subject, self._wanted)

    def check_files(self) -> None:
        """See that every file is as its package says."""
        with self._running() as running:
            checks.check_files(running)

    def check_settled(self) -> None:
        """See that nothing has failed, is held or half configured, or asks something."""
        with self._running() as running:
            checks.check_settled(running, self._subject)

    def check_journal(self) -> None:
        """See that its journal has no error that was not there in what users have."""
        former = self._former
        known = self._machines.installs.find(former) if former else None
        errors = checks.errors_of(known) if known else []
        with self._running() as running:
            checks.check_journal(running.place, known=errors)

    def check_services(self) -> None:
        """See that services run and ports answer."""
        with self._running() as running:
            checks.check_services(running, self._wanted)

    def check_reboot(self) -> None:
        """See that all of that is so after another boot, too."""
        with self._machines.clone(self._subject, purpose=f"machine@{self.target}") as running:
            checks.reboot(running)
            checks.check_services(running, self._wanted)
            checks.check_settled(running, self._subject)

    def check_page(self) -> None:
        """See that the web page is displayed."""
        page = self._wanted.page
        if page is None:
            self._note("farm.toml names no page")
            return
        with self._running() as running:
            text = checks.page_text(page, self._subject.candidate, self._subject)
            checks.check_page(running, page, text)
            picture = self.run.folder / "pictures" / f"{self.target}-page.png"
            sight = look_at(checks.page_url(running, page), picture=picture, timeout=_DISPLAY)
            self.item.user_properties.append((PICTURE, f"{picture}|the page of {self.target}"))
            checks.check_sight(sight, page, text)

    # The gate upgrade.

    def install_former(self) -> None:
        """Install what users have, in the same way; there need not be a candidate yet."""
        snapshot = self.run.workshop.held_by_users(self.run.repository)
        held = _offered(self.run, snapshot, self.target)
        if held is None:
            self._note(_FIRST)
            return
        if not self._machines.installs.find(held):
            self._show_phases(self._machines.installs.ensure(held))
        self._note(f"users have {held.candidate.snapshot.id}")

    @property
    def _upgrade(self) -> Upgrade | None:
        upgrade = upgrade_of(self.run, self.target)
        if upgrade is None:
            self._note(_FIRST)
        return upgrade

    def check_upgrade(self) -> None:
        """See that what users have becomes what a fresh machine is, and nothing is lost."""
        upgrade = self._upgrade
        if upgrade:
            upgrade.ensure()
            with upgrade.upgraded() as running:
                self._note(upgrade.check(running))

    def check_back(self) -> None:
        """See that there is a way back, and forward again."""
        upgrade = self._upgrade
        if upgrade:
            upgrade.check_snapshot()
            with upgrade.upgraded() as running:
                self._note(upgrade.back_and_forth(running))


@pytest.fixture
def machine(release_run: ReleaseRun, request: pytest.FixtureRequest) -> ReleasedMachine:
    """Give the machine of each target that a candidate is installed on."""
    return ReleasedMachine(release_run, request.param, request.node)
