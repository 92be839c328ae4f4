"""Floor 6: gathering what a release run did, and writing the page about it in the controller."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from farm.base.errors import FarmError
from farm.base.files import write_atomically
from farm.build.failures import Failures
from farm.model.verdict import State
from farm.plugin.context import ReleaseRun
from farm.plugin.items import GATE, NOTE, PHASE, PICTURE, STATE, SUBJECT
from farm.plugin.verdicts import RECORDED
from farm.release.overview import kept_machines
from farm.report.page import BLOCKED, Changed, Kept, Report, Shown, render_page

_MOST_OF_A_LOG = 2**21
_LINES = 40
_WORKER = re.compile(r"\[gw[0-9]+\] ")  # with which xdist begins
_UNSAFE = re.compile(r"[^A-Za-z0-9@._-]+")


@dataclass
class _Tried:
    """What is known of one item."""

    state: str = ""
    reason: str = ""
    details: str = ""
    worker: str = ""
    start: float = 0.0
    seconds: float = 0.0
    properties: list[tuple[str, object]] = field(default_factory=list)


class Reporter:
    """Writes ``reports/RELEASE/index.html`` at the end of a run.

    :param path: the page; logs and pictures go into folders beside it.
    """

    def __init__(self, run: ReleaseRun, path: Path) -> None:
        self._run = run
        self.path = path
        self._folder = path.parent
        self._items: dict[str, _Tried] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take notice of one report: of its three, the worst says how an item ended."""
        item = self._items.setdefault(report.nodeid, _Tried())
        gateway = getattr(getattr(report, "node", None), "gateway", None)
        item.worker = str(getattr(gateway, "id", "") or "main")
        item.start = item.start or report.start
        item.seconds = max(0.0, report.stop - item.start)
        item.properties = list(report.user_properties)
        if report.failed or (report.skipped and item.state != State.FAILED):
            item.state, item.reason, item.details = _ending(report)
        elif not item.state and report.when == "call":
            item.state = State.PASSED

    def write(self, *, good: bool, verdict: str, facts: tuple[tuple[str, str], ...]) -> str:
        """Write the page; gives a sentence for the terminal."""
        try:
            items = tuple(self._shown(nodeid, item) for nodeid, item in self._items.items())
            red = [item for item in items if item.state in (State.FAILED, State.FAULT)]
            if red:
                more = f" ({len(red)} items have not passed)" if len(red) > 1 else ""
                verdict = f"{verdict.rstrip('.')}: {red[0].reason}{more}"
            title = f"{self._run.workspace.name}: {self._run.repository}"
            page = Report(title, good, verdict, facts, items, tuple(self._kept()), self._changes())
            write_atomically(self.path, render_page(page))
        except (OSError, FarmError) as error:
            return f"The report could not be written: {error}"
        return f"Report: {self.path}"

    def _shown(self, nodeid: str, item: _Tried) -> Shown:
        known = dict(item.properties)
        state = item.state or State.WAITING
        if state == State.FAILED and known.get(STATE) in (State.FAULT, State.FAILED):
            state = str(known[STATE])
        if state == State.WAITING and known.get(STATE) == State.PASSED:  # see running.py
            state, item.reason = State.PASSED, ""
        gate, subject = str(known.get(GATE, "")), str(known.get(SUBJECT, ""))
        red = state in (State.FAILED, State.FAULT)
        return Shown(
            name=nodeid, gate=gate, subject=subject, state=state, reason=item.reason,
            details=item.details, recorded=RECORDED in known, worker=item.worker,
            start=item.start, seconds=item.seconds,
            log=self._log(str(known.get("log", "")), subject) if red else "",
            enter=_enter(gate, subject) if red else "",
            notes=tuple(str(value) for name, value in item.properties if name == NOTE),
            phases=tuple(_phases(item.properties)),
            pictures=tuple(self._pictures(item.properties)),
        )  # fmt: skip

    def _log(self, source: str, subject: str) -> str:
        if not source:
            return ""
        name = f"logs/{_UNSAFE.sub('-', subject)}.txt"
        with contextlib.suppress(OSError), Path(source).open("rb") as stream:
            size = Path(source).stat().st_size
            stream.seek(max(0, size - _MOST_OF_A_LOG))
            cut = f"(the last {_MOST_OF_A_LOG} of {size} bytes)\n" if size > _MOST_OF_A_LOG else ""
            write_atomically(self._folder / name, cut.encode() + stream.read())
            return name
        return ""

    def _pictures(self, properties: list[tuple[str, object]]) -> list[tuple[str, str]]:
        found = []
        for value in (str(value) for name, value in properties if name == PICTURE):
            source, _, caption = value.partition("|")
            name = f"pictures/{_UNSAFE.sub('-', Path(source).parent.parent.name)}"
            name += f"-{_UNSAFE.sub('-', Path(source).name)}"
            with contextlib.suppress(OSError):
                (self._folder / "pictures").mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, self._folder / name)
                found.append((name, caption or Path(source).stem))
        return found

    def _kept(self) -> Iterator[Kept]:
        """Give what is kept of this run and of others: builds, then machines."""
        layout = self._run.workshop.layout
        for failure in Failures(layout).all():
            yield Kept(failure.name, failure.reason)
        for machine in kept_machines(layout):
            yield Kept(machine.name, machine.why)

    def _changes(self) -> tuple[Changed, ...] | None:
        """Compare what was released with what users have, or had before it."""
        workshop, repository = self._run.workshop, self._run.repository
        ours = workshop.snapshots.current(repository)
        theirs = workshop.former(repository, ours.digest) if ours else None
        if theirs is None or ours is None:
            return None
        before, after = _versions(theirs), _versions(ours)
        names = sorted(before.keys() | after.keys())
        return tuple(
            Changed(name, before.get(name, ""), after.get(name, ""))
            for name in names if before.get(name) != after.get(name)
        )  # fmt: skip


def _phases(properties: Iterable[tuple[str, object]]) -> Iterator[tuple[str, float]]:
    for value in (str(value) for name, value in properties if name == PHASE):
        phase, _, seconds = value.rpartition("|")
        yield phase, float(seconds)


def _versions(snapshot: Any) -> Mapping[str, str]:
    return {each.name: each.version for each in snapshot.entries}


def _ending(report: pytest.TestReport) -> tuple[str, str, str]:
    """Give state, reason and last lines of an item that has not passed."""
    if report.skipped:
        told = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        reason = str(told).removeprefix("Skipped: ")
        return (BLOCKED if reason.startswith("blocked by") else State.WAITING), reason, ""
    text = report.longreprtext.strip()
    lines = [line for line in text.splitlines() if not _WORKER.match(line)]
    crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
    return State.FAILED, str(crash or (lines[0] if lines else "")), "\n".join(lines[-_LINES:])


def _enter(gate: str, subject: str) -> str:
    if gate == "build":
        return f"farm shell {subject}"
    if gate in ("install", "upgrade"):
        return f"farm shell machine@{subject.partition('@')[2] or subject}"
    return ""
