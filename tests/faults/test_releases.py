"""Releases that do something wrong on a machine: who is told what, and how one gets in.

Every machine here is installed by FAI over the network, as a user's would be.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farm.base.errors import AuditFailed
from farm.config.settings import Page
from farm.config.workspace import load
from farm.machine.hypervisor import Hypervisor
from farm.release import machine_checks as checks
from farm.release.workshop import Workshop
from tests.faults.faulty_packages import FIRST, POSTINST, QUESTION, READER, SECOND, SERVICE, WEB
from tests.faults.faulty_workspace import INSTALLS, MACHINE, FaultyWorkspace
from tests.integration.release_runs import Ran
from tests.integration.release_workspace import TARGET

FAULTS = f"""\
services = ["{SERVICE}.service"]
listen = ["tcp/80"]

[machine.page]
text = "Telephones"
"""
DONE = f"release_tests.test_install.test_installs[{TARGET}]"


@pytest.fixture(autouse=True)
def nothing_is_left(faulty: FaultyWorkspace) -> Iterator[None]:
    """See that nothing of a machine stays once it was let go."""
    yield
    faulty.farm("gc", "--failed", MACHINE)
    faulty.check_nothing_is_left()


@pytest.fixture(scope="module")
def looked_at(faulty: FaultyWorkspace) -> Ran:
    """One machine with several packages that are installed well, and do something wrong."""
    faulty.want(WEB, SERVICE, FIRST, SECOND, QUESTION, more=FAULTS)
    return faulty.install()


def test_what_is_wrong_on_a_machine_is_told_by_its_check_and_the_way_in(
    faulty: FaultyWorkspace, looked_at: Ran
) -> None:
    looked_at.expect(1)
    assert looked_at.items[DONE].outcome == "passed"
    settled = looked_at.output
    assert f"the unit {SERVICE}.service has failed" in settled
    assert f"the unit {SECOND}.socket has failed" in settled  # its sibling has the port
    assert f"{QUESTION} asks fault-question/line" in settled
    assert f"{SERVICE}.service is failed, and not active" in settled
    assert "does not display 'Telephones'" in settled  # it is there, and hidden
    assert "Look at it: farm shell machine" in settled


def test_a_page_with_an_error_is_told_with_its_status(
    faulty: FaultyWorkspace, looked_at: Ran
) -> None:
    looked_at.expect(1)
    workshop = Workshop(load(faulty.root / "farm.toml"))
    snapshot = workshop.snapshots.all()[-1]
    candidate = workshop.offered(snapshot)
    subject = workshop.subject(candidate, candidate.targets[0])
    with workshop.machines.clone(subject, purpose=MACHINE) as running:
        broken = Page("Telephones", path="/broken")
        with pytest.raises(AuditFailed, match="page /broken answers with status 500"):
            checks.check_page(running, broken, broken.text)
        with pytest.raises(AuditFailed, match=r"The page /empty does not show 'nobody'"):
            checks.check_page(running, replace(broken, path="/empty"), "nobody")
    workshop.close()


def test_a_package_that_fails_in_its_script_is_the_releases_fault(faulty: FaultyWorkspace) -> None:
    faulty.want(POSTINST)
    ran = faulty.install().expect(1)
    assert "FAI gave up in its task instsoft, with code 471" in ran.output
    assert "the database of telephones cannot be made" in ran.output
    assert "tried twice" not in ran.output
    blocked = ran.having("skipped").values()
    assert any(f"blocked by {MACHINE}" in message for message in blocked)
    (box,) = faulty.kept()
    assert "instsoft" in box.record.why
    assert (box.folder / "logs/fai-logs.tar.gz").exists()


def test_a_package_that_asks_on_the_console_hangs_and_that_is_ended(
    faulty: FaultyWorkspace,
) -> None:
    faulty.want(READER, more='timeout = "5 minutes"\n')
    ran = faulty.install(INSTALLS).expect(1)
    assert "it hangs in the phase instsoft" in ran.output
    assert "Which telephone line?" in ran.output


def test_a_disk_that_is_too_small_is_told_by_what_did_not_fit(faulty: FaultyWorkspace) -> None:
    partition = '[[machine.partition]]\nmount = "/"\nsize = "300 MiB-300 MiB"\n'
    faulty.want(WEB, more=partition)
    ran = faulty.install(INSTALLS).expect(1)
    assert "FAI gave up in its task " in ran.output
    assert "No space left on device" in ran.output
    assert "Let [machine] disk, or the partition, be larger" in ran.output
    assert "tried twice" not in ran.output


def test_a_repository_that_somebody_else_has_signed_is_not_installed(
    faulty: FaultyWorkspace,
) -> None:
    faulty.want(WEB, more='memory = "1100 MiB"\n')  # another machine than any before
    (keyring,) = (faulty.layout.cache / "keyrings").glob("*.gpg")
    right = keyring.read_bytes()
    keyring.write_bytes(Path("/usr/share/keyrings/debian-archive-keyring.gpg").read_bytes())
    try:
        ran = faulty.install(INSTALLS).expect(1)
    finally:
        keyring.write_bytes(right)
    assert "FAI gave up in its task updatebase" in ran.output
    assert "NO_PUBKEY" in ran.output


def test_a_controller_that_is_killed_leaves_a_machine_that_the_next_run_takes_away(
    faulty: FaultyWorkspace,
) -> None:
    faulty.want(WEB, more='memory = "1200 MiB"\n')
    run = faulty.start(INSTALLS)
    run.wait_until_doing("kernel")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    (domain,) = faulty.domains
    assert Hypervisor().is_active(domain)
    faulty.install("release_tests/test_install.py::test_installer").expect()
    assert faulty.domains == []


def test_two_runs_at_once_install_one_machine(faulty: FaultyWorkspace) -> None:
    faulty.want(WEB, more='memory = "1300 MiB"\n')
    before = set(faulty.layout.installed.glob("*"))
    first = faulty.start(INSTALLS)
    first.wait_until_doing("kernel")
    second = faulty.install(INSTALLS).expect()
    assert first.wait() == 0, first.output
    assert second.items[DONE].outcome == "passed"
    assert len(set(faulty.layout.installed.glob("*")) - before) == 1
