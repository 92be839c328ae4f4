"""Runs of pytest in a workspace: what they gave, and what they leave when they are killed."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess  # noqa: TID251 - runs that are killed by their process id
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from farm.base.files import read_json
from farm.base.run import environment, run

RUN = timedelta(minutes=5)
# The farm that is tried is the one that these tests lie beside.
_ENV = {"PYTHONPATH": str(Path(__file__).parents[2])}


@dataclass(frozen=True)
class Item:
    """What the JUnit report says of one item.

    :param outcome: passed, skipped, failed or error.
    :param message: why it was skipped, or the first line of why it failed.
    """

    outcome: str
    message: str
    properties: Mapping[str, str]

    @property
    def is_recorded(self) -> bool:
        """Whether it passed before on identical digests, and was not tried again."""
        return "farm_recorded" in self.properties


@dataclass(frozen=True)
class Ran:
    """How a run of pytest ended."""

    status: int
    output: str
    seconds: float
    items: Mapping[str, Item] = field(default_factory=dict)

    def having(self, outcome: str) -> dict[str, str]:
        """Give the items of one outcome, with their messages."""
        return {name: each.message for name, each in self.items.items() if each.outcome == outcome}

    def expect(self, status: int = 0) -> Ran:
        """See that it ended as wanted, and never with a traceback."""
        assert self.status == status, self.output
        assert "Traceback" not in self.output, self.output
        assert "INTERNALERROR" not in self.output, self.output
        return self

    def tail(self) -> str:
        """Give the farm's last words."""
        return self.output.rpartition("packaging farm")[2]


def pytest_in(
    folder: Path, words: Sequence[str], *, workers: int, env: Mapping[str, str],
    timeout: timedelta = RUN,
) -> Ran:  # fmt: skip
    """Run pytest in a folder, and read the report that it writes below ``reports``."""
    argv = _command(words, workers)
    done = run(argv, timeout=timeout, cwd=folder, ok=None, env={**_ENV, **env})
    found = sorted((folder / "reports").rglob("junit.xml"))
    items = read_junit(found[0]) if found else {}
    return Ran(done.returncode, done.stdout + done.stderr, done.seconds, items)


def farm_in(folder: Path, words: Sequence[str]) -> Ran:
    """Run the command line in a folder."""
    argv = [sys.executable, "-m", "farm.cli.main", *words]
    done = run(argv, timeout=RUN, cwd=folder, ok=None, env=_ENV)
    return Ran(done.returncode, done.stdout + done.stderr, done.seconds)


def _command(words: Sequence[str], workers: int) -> list[str]:
    return [sys.executable, "-m", "pytest", "-n", str(workers), "-rs", *words]


class Running:
    """A run of pytest in the background, to be killed."""

    def __init__(self, folder: Path, words: Sequence[str], *, workers: int) -> None:
        self._folder = folder
        self._former = set(_run_folders(folder))
        handle, name = tempfile.mkstemp(prefix="run-", suffix=".log", dir=folder)
        self._log = Path(name)
        with os.fdopen(handle, "wb") as stream:
            self._process = subprocess.Popen(
                _command(words, workers), cwd=folder, env=environment(_ENV),
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """The process id of the controller."""
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        return self._log.read_text(errors="replace")

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something that the run does; bounded, and by its end at the latest."""

        def happened() -> bool:
            if condition():
                return True
            assert self._process.poll() is None, f"It ended before {what}:\n{self.output}"
            return False

        wait_until(happened, what=what, seconds=180, pause=0.002)

    def wait_until_doing(self, what: str) -> None:
        """Wait until one of its processes says that it does something, such as ``compiling``."""

        def is_doing() -> bool:
            own = set(_run_folders(self._folder)) - self._former
            return any(what in str(each["what"]) for run in own for each in activities(run))

        self.wait_until(is_doing, what)

    def wait_until_new(self, folder: Path, pattern: str) -> None:
        """Wait until there is something in a folder that was not there before."""
        before = set(folder.glob(pattern))
        self.wait_until(lambda: bool(set(folder.glob(pattern)) - before), pattern)

    def wait(self) -> int:
        """Wait for its end; gives the exit status."""
        return self._process.wait(RUN.total_seconds())


def wait_until(
    condition: Callable[[], bool],
    *,
    what: str,
    seconds: float = 60,
    pause: float = 0.05,
    told: Callable[[], str] = str,
) -> None:
    """Wait for something, with a bound.

    :param told: says at the end of a vain wait how things stand.
    """
    clock = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for: {what} {told()}"
        clock.wait(pause)


def activities(run_folder: Path) -> Iterator[dict[str, Any]]:
    """Give what the processes of a run say that they do."""
    for path in run_folder.glob("*.activity"):
        with contextlib.suppress(FileNotFoundError):  # it has just ended
            yield dict(read_json(path))


def _run_folders(workspace: Path) -> list[Path]:
    return sorted(workspace.glob(".farm/runs/*"))


def processes_in(folder: Path) -> Iterator[tuple[int, str]]:
    """Find processes by what they were called with, where they are, and what they mounted."""
    name = re.compile(re.escape(str(folder)) + r"(?![^/\s\0])")
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_text(errors="replace")
            where = str((path / "cwd").readlink())
            mounts = (path / "mountinfo").read_text(errors="replace")
        except OSError:  # it has ended, or is somebody else's
            continue
        if int(path.name) != os.getpid() and any(map(name.search, (command, where, mounts))):
            yield int(path.name), f"{command.replace(chr(0), ' ')} in {where}"


def read_junit(path: Path) -> dict[str, Item]:
    """Read a report: items by name, such as ``test_build[demo@bookworm-amd64]``."""
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))  # noqa: S314 - by pytest
    times = Counter(case.get("name", "") for case in cases)
    return {_name(case, times): _read_case(case) for case in cases}


def _name(case: ElementTree.Element, times: Mapping[str, int]) -> str:
    """Name an item as people do; where several have one name, as HOWTOs do, with their file."""
    name = case.get("name", "")
    return name if times[name] == 1 else f"{case.get('classname', '')}::{name}"


def _read_case(case: ElementTree.Element) -> Item:
    properties = {
        each.get("name", ""): each.get("value", "") for each in case.findall("properties/property")
    }
    for tag, outcome in (("failure", "failed"), ("error", "error"), ("skipped", "skipped")):
        found = case.find(tag)
        if found is not None:
            return Item(outcome, found.get("message", ""), properties)
    return Item("passed", "", properties)
