"""Processes killed at any moment: nothing is lost, nothing stays, the next run goes on."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from farm.repo.reader import Reader
from tests.integration.release_runs import Running, wait_until
from tests.integration.release_workspace import TARGET, DemoWorkspace

CLOCK = f"demo-clock@{TARGET}"


@pytest.fixture
def changed(released_demo: DemoWorkspace) -> DemoWorkspace:
    """A workspace with a new version of demo-clock, which takes some seconds to build."""
    released_demo.set_version("demo-clock", "1.1")
    released_demo.slow_build("demo-clock", 4)
    return released_demo


@pytest.fixture
def slow(changed: DemoWorkspace) -> DemoWorkspace:
    """A workspace in which that takes longer than anybody waits."""
    changed.slow_build("demo-clock", 100)
    return changed


def check_nothing_is_left(workspace: DemoWorkspace) -> None:
    """See that the dead have left neither processes nor mounts, and that rc is whole."""
    wait_until(lambda: not workspace.processes(), what="the end of all processes",
               seconds=30, told=lambda: str(workspace.processes()))  # fmt: skip
    assert str(workspace.root) not in Path("/proc/self/mounts").read_text()
    check_whole(workspace)


def check_whole(workspace: DemoWorkspace) -> None:
    """See that what rc serves is complete and signed."""
    reader = Reader(workspace.tree(), workspace.tree() / "demo-rc-keyring.gpg")
    reader.check_indexes()
    reader.check_pool()


def check_next_run_goes_on(workspace: DemoWorkspace) -> None:
    """See that the same command releases, and that nothing of the dead lies about after it."""
    workspace.release().expect()
    assert workspace.held()["demo-clock"] == "1.1"
    check_whole(workspace)
    assert workspace.leftovers() == []


def kill(run: Running) -> None:
    """Kill the controller of a run."""
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL


def sandbox_of(workspace: DemoWorkspace, run: Running) -> int:
    """Give the process that holds the build's sandbox together, as this host sees it."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid, told in workspace.processes().items() if "enter.pl" in told]
        return bool(found) and any("make.sh" in told for told in workspace.processes().values())

    run.wait_until(look, "the sandbox of the build")
    return found[0]


def parent_of(pid: int) -> int:
    """Give the parent of a process: proc(5)."""
    return int(re.findall(r"^PPid:\s*(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)[0])


def test_killed_again_and_again_on_its_way_it_still_arrives(changed: DemoWorkspace) -> None:
    # Without workers, the process that is killed is the one that does the work.
    for doing in ("fetching the source", "compiling", "making the candidate", "fresh chroot"):
        run = changed.start(workers=0)
        run.wait_until_doing(doing)
        kill(run)
        check_nothing_is_left(changed)
        assert changed.held()["demo-clock"] == "1.0", doing
    check_next_run_goes_on(changed)


def test_killed_while_it_is_published_rc_is_the_old_or_the_new(changed: DemoWorkspace) -> None:
    before = changed.current()
    for made in ("store/snapshots/.making/*/snapshot/*", "store/snapshots/rc-*",
                 "store/receipts/rc/*", "store/snapshots/rc-*/tree/receipt.json",
                 "repositories/rc/pool/main/d/demo-clock/*1.1*"):  # fmt: skip
        run = changed.start("release_tests", workers=0)
        run.wait_until_new(changed.layout.root, made)
        kill(run)
        check_nothing_is_left(changed)
        assert (changed.current() == before) == (changed.held()["demo-clock"] == "1.0"), made
        if changed.current() != before:
            break  # it was switched between two looks
    check_next_run_goes_on(changed)
    changed.farm("verify", ".farm/repositories/rc").expect()


# With workers.


def test_the_controller_is_killed_and_takes_its_workers_along(slow: DemoWorkspace) -> None:
    before = slow.current()
    run = slow.start()
    run.wait_until_doing("compiling")
    kill(run)
    check_nothing_is_left(slow)
    assert slow.current() == before
    slow.mend_build("demo-clock")
    check_next_run_goes_on(slow)


def test_a_worker_is_killed_and_the_others_go_on(changed: DemoWorkspace) -> None:
    before = changed.current()
    run = changed.start()
    os.kill(parent_of(sandbox_of(changed, run)), signal.SIGKILL)
    assert run.wait() == 1
    assert (
        f"crashed while running 'release_tests/test_build.py::test_build[{CLOCK}]'" in run.output
    )
    check_nothing_is_left(changed)
    assert changed.current() == before
    check_next_run_goes_on(changed)


def test_a_build_is_killed_and_that_is_told(slow: DemoWorkspace) -> None:
    before = slow.current()
    run = slow.start()
    os.killpg(sandbox_of(slow, run), signal.SIGKILL)
    assert run.wait() == 1
    assert f"{CLOCK} does not build" in run.output
    check_nothing_is_left(slow)
    assert slow.current() == before
    slow.mend_build("demo-clock")
    slow.farm("gc", "--failed").expect()
    check_next_run_goes_on(slow)
