"""The last words of a release run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest

from farm.base.errors import PromotionRefused
from farm.plugin.context import ReleaseRun
from farm.plugin.options import Options
from farm.plugin.summary import Summary
from farm.plugin.verdicts import RECORDED

LIBRE = "libre@bookworm-amd64"


class Run:
    """A run that was published, and what became of its promotion."""

    repository = "rc"
    workspace = SimpleNamespace(name="ipbx")

    def __init__(self, *packages: str, promote: str = "", refusal: str = "") -> None:
        self.options = Options("rc", packages, (), promote)
        self.refusal = refusal

    def describe_outcome(self) -> list[str]:
        return ["rc now holds 1234."]

    def promote(self, to: str) -> str:
        if self.refusal:
            raise PromotionRefused(self.refusal, hint="Do it again.")
        return f"{to} now holds 1234."


class Terminal:
    """What was written."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def section(self, title: str) -> None:
        self.lines.append(f"== {title}")

    def write_line(self, line: str, **_: bool) -> None:
        self.lines.append(line)


def report(
    name: str, outcome: Literal["passed", "failed", "skipped"] = "passed", *,
    reason: str = "", when: Literal["setup", "call", "teardown"] = "call", recorded: bool = False,
) -> pytest.TestReport:  # fmt: skip
    longrepr = ("test_it.py", 1, f"Skipped: {reason}") if outcome == "skipped" else None
    properties: list[tuple[str, object]] = [(RECORDED, "yesterday")] if recorded else []
    return pytest.TestReport(name, ("test_it.py", 0, name), {}, outcome, longrepr, when,
                             user_properties=properties)  # fmt: skip


def last_words(
    run: Run, *reports: pytest.TestReport, exitstatus: int = 0, collectonly: bool = False
) -> list[str]:
    """All that is written at the end of a run."""
    summary = Summary(cast(ReleaseRun, run))
    for each in reports:
        summary.pytest_runtest_logreport(each)
    config = cast(Any, SimpleNamespace(option=SimpleNamespace(collectonly=collectonly)))
    session = cast(Any, SimpleNamespace(exitstatus=exitstatus, config=config))
    finish = summary.pytest_sessionfinish(session)
    next(finish)
    with pytest.raises(StopIteration):
        next(finish)
    terminal = Terminal()
    summary.pytest_terminal_summary(terminal, config)
    terminal.lines.append(f"exit status {int(session.exitstatus)}")
    return terminal.lines


def test_the_first_line_says_what_is_released() -> None:
    all_of_it = Summary(cast(ReleaseRun, Run())).pytest_report_header()
    assert all_of_it == ["farm: ipbx: all packages for rc"]
    some = Summary(cast(ReleaseRun, Run("libre", "sipsak"))).pytest_report_header()
    assert some == ["farm: ipbx: libre, sipsak for rc"]


def test_a_run_that_is_green() -> None:
    assert last_words(Run(), report("a"), report("b")) == [
        "== packaging farm", "rc now holds 1234.", "exit status 0",
    ]  # fmt: skip


def test_what_was_not_tried_again_is_counted_once_an_item() -> None:
    reports = [report("a", when="setup", recorded=True), report("a", recorded=True),
               report("a", when="teardown", recorded=True), report("b"),
               report("c", "failed", when="setup")]  # fmt: skip
    assert last_words(Run(), *reports, exitstatus=1)[1] == (
        "1 of 3 checks passed before on identical digests and were not tried again; --fresh "
        "tries them."
    )


def test_what_is_blocked_is_counted_by_whom() -> None:
    reports = [
        report("a", "skipped", reason=f"blocked by {LIBRE}"),
        report("b", "skipped", reason=f"blocked by {LIBRE}", when="setup"),
        report("c", "skipped", reason="blocked by sipsak@bookworm-amd64"),
        report("d", "skipped", reason="no time"),
    ]
    assert last_words(Run(), *reports, exitstatus=1)[1:3] == [
        f"2 checks are blocked by {LIBRE}",
        "1 check is blocked by sipsak@bookworm-amd64",
    ]


def test_a_run_in_which_something_is_blocked_is_not_green() -> None:
    blocked = report("a", "skipped", reason=f"blocked by {LIBRE}")
    assert last_words(Run(), blocked)[-1] == "exit status 1"
    skipped = report("a", "skipped", reason="no time")
    assert last_words(Run(), skipped)[-1] == "exit status 0"


def test_a_promotion() -> None:
    lines = last_words(Run(promote="production"), report("a"))
    assert lines[1:] == ["rc now holds 1234.", "production now holds 1234.", "exit status 0"]


def test_a_promotion_that_is_refused_is_no_success() -> None:
    run = Run(promote="production", refusal="production may not be replaced.")
    lines = last_words(run, report("a"))
    assert lines[-2:] == ["production may not be replaced.\nDo it again.", "exit status 1"]


@pytest.mark.parametrize(
    ("one", "exitstatus"),
    [(report("a", "failed"), 1), (report("a"), 5),
     (report("a", "skipped", reason=f"blocked by {LIBRE}"), 0)],
    ids=["failed", "nothing collected", "blocked"],
)  # fmt: skip
def test_nothing_is_promoted_unless_all_is_green(one: pytest.TestReport, exitstatus: int) -> None:
    lines = last_words(Run(promote="production"), one, exitstatus=exitstatus)
    assert "production stays as it is: this run was not green." in lines
    assert "production now holds 1234." not in lines


def test_collecting_says_and_promotes_nothing() -> None:
    run = Run(promote="production", refusal="This was not to be asked.")
    assert last_words(run, collectonly=True) == ["exit status 0"]
