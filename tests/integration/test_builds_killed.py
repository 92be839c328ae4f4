"""Builds whose farm is killed at some moment: nothing stays, and the next run goes on."""

from __future__ import annotations

import contextlib
import os
import subprocess  # noqa: TID251 - a process that is killed by its id
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.base.run import environment
from farm.build.chroots import Base
from tests.integration.build_workspace import TARGET, BuildWorkspace, wait_until
from tests.integration.prepared_state import link_prepared

ROOT = Path(__file__).parents[2]
_BUILD = """
import sys
from pathlib import Path
from farm.config.workspace import load
from farm.release.workshop import Workshop

def tell(what):
    print(what, flush=True)

workshop = Workshop(load(Path(sys.argv[1])), run="killed", tell=tell)
workshop.builder.ensure(sys.argv[2])
tell("done")
"""


@pytest.fixture(scope="module")
def workspace(
    farm_state: Path, base_chroot: Base, tmp_path_factory: pytest.TempPathFactory
) -> BuildWorkspace:
    made = BuildWorkspace(tmp_path_factory.mktemp("builds"))
    link_prepared(farm_state, made.layout.root)
    return made


class Running:
    """A farm that builds a package in a process of its own."""

    def __init__(self, workspace: BuildWorkspace, name: str) -> None:
        workspace.workshop().close()  # writes farm.toml
        toml = str(workspace.root / "farm.toml")
        words = [sys.executable, "-c", _BUILD, toml, f"{name}@{TARGET}"]
        self.process = subprocess.Popen(
            words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
        )

    def wait_for(self, what: str) -> None:
        """Wait until it says that it does something."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(what):
                return
        raise AssertionError(f"it ended before {what}")

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        self.process.kill()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def package(workspace: BuildWorkspace) -> Iterator[str]:
    """Give a package that has not been built."""
    name = f"victim-{os.urandom(3).hex()}"
    workspace.write(name, "echo here; sleep 0.5; echo there > made")
    workspace.build_once("warm")  # chroot and layers are there
    yield name
    del workspace.packages[name]


@pytest.mark.parametrize("step", ["preparing", "unpacking", "compiling", "taking"])
def test_killed_at_a_step(workspace: BuildWorkspace, package: str, step: str) -> None:
    running = Running(workspace, package)
    running.wait_for(step)
    check_that_nothing_stays(workspace, package, running)


@pytest.mark.parametrize("milliseconds", range(0, 1400, 110))
def test_killed_at_any_time(workspace: BuildWorkspace, package: str, milliseconds: int) -> None:
    running = Running(workspace, package)
    running.wait_for("preparing")
    with contextlib.suppress(subprocess.TimeoutExpired):
        running.process.wait(milliseconds / 1000)
    check_that_nothing_stays(workspace, package, running)


def check_that_nothing_stays(workspace: BuildWorkspace, package: str, running: Running) -> None:
    running.kill()
    # All that it started goes with it, at once but for the moment in which something starts.
    workshop = workspace.workshop()
    workshop.sweep()
    assert workspace.processes() == []
    assert workspace.leftovers() == []
    build = workshop.builder.ensure(f"{package}@{TARGET}")
    workshop.close()
    assert build.log.is_file()
    assert workspace.leftovers() == []


def test_processes_go_with_their_farm(workspace: BuildWorkspace, package: str) -> None:
    workspace.write(package, "echo here; setsid sleep 1000 & sleep 1000")
    running = Running(workspace, package)
    running.wait_for("compiling")
    wait_until(lambda: len(workspace.processes()) > 5, what="the build")
    running.kill()
    wait_until(lambda: not workspace.processes(), what="the end of all processes", seconds=5)
    workspace.workshop().sweep()
    assert workspace.leftovers() == []


def test_killed_while_build_dependencies_are_installed(workspace: BuildWorkspace) -> None:
    workspace.forget_layers()
    workspace.write("early", "true")
    running = Running(workspace, "early")
    running.wait_for("installing")
    wait_until(workspace.processes, what="the installation")
    running.kill()
    wait_until(lambda: not workspace.processes(), what="the end of all processes", seconds=5)
    workshop = workspace.workshop()
    workshop.sweep()
    assert workspace.leftovers() == []
    workshop.builder.ensure(f"early@{TARGET}")
    workshop.close()
    assert workspace.leftovers() == []


def test_killed_while_a_failure_is_kept(workspace: BuildWorkspace) -> None:
    """The record is written last: before that, the environment is one that is swept."""
    workspace.write("sad", "exit 1")
    workspace.fail("sad")
    failure = workspace.failure("sad")
    record = workspace.layout.failures / failure.name / f"{failure.environment}.json"
    record.unlink()
    workspace.workshop().sweep()
    assert workspace.leftovers() == []
    assert not (workspace.layout.environments / failure.environment).exists()
