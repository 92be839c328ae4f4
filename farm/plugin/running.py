"""Floor 6: the hooks by which items are tried, or are not, and by which their ends are kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from types import SimpleNamespace
from typing import Literal

import pytest
from _pytest.runner import runtestprotocol  # what plugins that try again use; no public name

from farm.base.errors import Blocked, FarmError, FarmFault
from farm.model.verdict import State
from farm.plugin.context import CONTEXT, WORKSPACE, ReleaseRun
from farm.plugin.items import ERROR, NOTE, STATE, Facts, about, facts_of
from farm.plugin.verdicts import RECORDED, VERDICTS, Verdicts, state_of

_TOLD = pytest.StashKey[str]()
_When = Literal["setup", "call", "teardown"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Do not try again what has passed on identical digests, with identical tests and policies."""
    run = item.config.stash.get(CONTEXT, None)
    verdicts = item.config.stash.get(VERDICTS, None)
    facts = facts_of(item, item.config.stash[WORKSPACE].root)
    if run is None or verdicts is None or facts is None:
        return None
    run.activity.item = item.name
    if not _recall(item, run, verdicts, facts):
        _begin(verdicts, facts)
        _try(item, nextitem, run)
        return True
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for when in ("setup", "call"):
        item.ihook.pytest_runtest_logreport(report=_passed(item, when=when))
    item.ihook.pytest_runtest_logreport(report=_end_others(item, nextitem))
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    run.activity.rest()
    return True


def _try(item: pytest.Item, nextitem: pytest.Item | None, run: ReleaseRun) -> None:
    """Try an item as pytest does; and once more, when it ends by a fault of the farm or its host.

    Nothing that says something of the release is ever tried again. A machine that the first try
    has left is taken away before the second one, which needs its memory and leaves its own.
    """
    boxes = run.workshop.machines.boxes if run.workspace.machine else None
    if boxes:
        boxes.latest.clear()
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    fault = item.stash.get(ERROR, None)
    if isinstance(fault, FarmFault):
        item.stash[ERROR] = None
        _forget_failed_fixtures(item)
        if boxes:
            boxes.release_latest()
        item.user_properties[:] = [(NOTE, f"tried twice; the first time: {fault.brief}")]
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _forget_failed_fixtures(item: pytest.Item) -> None:
    """Let fixtures that have failed be made anew: pytest keeps that they did for their scope."""
    known = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    for definition in (each for definitions in known.values() for each in definitions):
        if definition.cached_result and definition.cached_result[2] is not None:
            with contextlib.suppress(Exception):  # what it has left matters no more than it did
                definition.finish(SimpleNamespace(node=item))  # of a request, all that is used


def _recall(item: pytest.Item, run: ReleaseRun, verdicts: Verdicts, facts: Facts) -> bool:
    """Look for a recorded pass of an item, and note what reports shall say of it."""
    try:
        verdict = verdicts.recall(facts)
        if verdict is None:
            return False
        properties = run.properties(facts.subject)
    except FarmError:  # the item itself will say it better
        return False
    item.user_properties.append((RECORDED, verdict.when.isoformat(timespec="seconds")))
    item.user_properties += [*about(facts), *properties]
    if verdict.reason:
        item.user_properties.append((NOTE, verdict.reason))
    return True


def _begin(verdicts: Verdicts, facts: Facts) -> None:
    with contextlib.suppress(FarmError):  # the item itself will say it better
        verdicts.begin(facts)


def _passed(item: pytest.Item, *, when: _When) -> pytest.TestReport:
    now = time.time()
    return pytest.TestReport(
        nodeid=item.nodeid, location=item.location, keywords={}, outcome="passed", longrepr=None,
        when=when, start=now, stop=now, user_properties=item.user_properties,
    )  # fmt: skip


def _end_others(item: pytest.Item, nextitem: pytest.Item | None) -> pytest.TestReport:
    """End what former items hold and the next one does not need, as after any other item.

    The hook for it would be no use: plugins take it for granted that the item was set up.
    """
    call = pytest.CallInfo.from_call(
        lambda: item.session._setupstate.teardown_exact(nextitem), when="teardown",
        reraise=(pytest.exit.Exception, KeyboardInterrupt),
    )  # fmt: skip
    if call.excinfo is None:
        return _passed(item, when="teardown")
    return pytest.TestReport.from_item_and_call(item, call)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the farm's errors without tracebacks, and record how the item ended."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, Blocked):
        report.outcome = "skipped"
        path, line, _ = item.reportinfo()
        report.longrepr = (str(path), (line or 0) + 1, f"Skipped: blocked by {error.by}")
    elif isinstance(error, FarmError) and not item.config.option.fulltrace:
        report.longrepr = str(error)
    if error is not None and item.stash.get(ERROR, None) is None:
        item.stash[ERROR] = error
    run = item.config.stash.get(CONTEXT, None)
    if run is None or item.config.option.collectonly:
        return report
    _look_before(item, run, report)
    if call.when == "call" or not report.passed:
        _finish(item, run, report, call.duration)
    if call.when == "teardown":
        run.activity.rest()
    return report


def _look_before(item: pytest.Item, run: ReleaseRun, report: pytest.TestReport) -> None:
    """See of a HOWTO what becomes of it on what users have.

    Nobody can mend that any more, and a HOWTO of now may well be about something new. So when it
    does not pass there, that is told, as pytest tells of failures that are expected; and what does
    not pass after the upgrade is told to have been so before, or not.
    """
    facts = facts_of(item, run.workspace.root)
    if report.passed or report.when == "teardown" or facts is None or run.former is None:
        return
    error = item.stash.get(ERROR, None)
    if facts.twin and not isinstance(error, FarmFault | Blocked):
        report.wasxfail = item.stash[_TOLD] = f"on what users have: {_reason(report)}"
        report.outcome = "skipped"
        item.user_properties.append((NOTE, report.wasxfail))
    elif facts.before and report.failed:
        known = run.workshop.ledger.verdicts(run.former.digest).get(facts.before)
        if known and known.state is State.PASSED:
            told = known.reason or "what users have passes this, so it came with the upgrade"
            item.user_properties.append((NOTE, told))


def _finish(item: pytest.Item, run: ReleaseRun, report: pytest.TestReport, seconds: float) -> None:
    """Record how an item has ended; of several ends, such as in its teardown, the last counts."""
    facts = facts_of(item, run.workspace.root)
    verdicts = item.config.stash.get(VERDICTS, None)
    if facts is not None and verdicts is not None:
        told = item.stash.get(_TOLD, "") if report.when != "teardown" else ""
        state = State.PASSED if told else state_of(report, error=item.stash.get(ERROR, None))
        reason = told or ("" if report.passed else _reason(report))
        try:
            verdicts.record(facts, state=state, reason=reason, seconds=seconds)
            if report.when != "teardown":
                item.user_properties += [*about(facts), *run.properties(facts.subject)]
                item.user_properties.append((STATE, str(state)))
        except FarmError as error:
            report.outcome = "failed"
            report.longrepr = str(error)
    report.user_properties = list(item.user_properties)
    if report.passed:
        run.workshop.ledger.record_duration(item.nodeid, seconds=seconds)


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):  # a skip: path, line, reason
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    lines = str(report.longrepr or "").strip().splitlines()
    crash = getattr(getattr(report.longrepr, "reprcrash", None), "message", "")
    return str(crash or (lines[0] if lines else ""))[:500]


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, str] | None:
    """Count what holds from before apart from what was tried now."""
    if report.when != "call" or not report.passed:
        return None
    recorded = any(name == RECORDED for name, _ in getattr(report, "user_properties", ()))
    return ("recorded", "r", "RECORDED") if recorded else None
