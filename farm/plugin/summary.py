"""Floor 6: the controller's last words: what was released, promoted, blocked and recorded."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from farm.base.errors import FarmError
from farm.plugin.context import ReleaseRun
from farm.plugin.report import Reporter
from farm.plugin.verdicts import RECORDED


class Summary:
    """Counts reports, promotes at the end of a green run, and says it all in a few lines."""

    def __init__(self, run: ReleaseRun, reporter: Reporter | None = None) -> None:
        self._run = run
        self._reporter = reporter
        self._recorded: set[str] = set()
        self._tried: set[str] = set()
        self._blocked: list[tuple[str, str]] = []
        self._promotion = ""
        self._refusal = ""
        self._ended = 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take notice of one report."""
        if report.when != "call" and not (report.when == "setup" and not report.passed):
            return
        names = {name for name, _ in report.user_properties}
        (self._recorded if RECORDED in names else self._tried).add(report.nodeid)
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            if reason.startswith("blocked by"):
                self._blocked.append((report.nodeid, reason))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Any:
        """Promote when everything went well, once, in the controller."""
        result = yield
        if self._blocked and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED  # what blocks them was not asked for
        to = self._run.options.promote
        if to and not session.config.option.collectonly:
            if session.exitstatus == pytest.ExitCode.OK and not self._blocked:
                self._promote(session, to)
            else:
                self._refusal = f"{to} stays as it is: this run was not green."
        self._ended = int(session.exitstatus)
        return result

    def _write(self, reporter: Reporter) -> str:
        """Write the page: its verdict is the first thing that anybody reads."""
        run = self._run
        good = self._ended == pytest.ExitCode.OK and not self._refusal and not self._blocked
        outcome = run.describe_outcome()
        verdict = self._refusal.partition("\n")[0] or self._promotion or outcome[0]
        facts = [("released", ", ".join(run.options.packages) or "all packages")]
        facts += [("outcome", line) for line in outcome]
        facts += [("promotion", self._promotion)] if self._promotion else []
        return reporter.write(good=good, verdict=verdict, facts=tuple(facts))

    def _promote(self, session: pytest.Session, to: str) -> None:
        try:
            self._promotion = self._run.promote(to)
        except FarmError as error:
            self._refusal = str(error)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_report_header(self) -> list[str]:
        """Say what is released."""
        run = self._run
        what = ", ".join(run.options.packages) or "all packages"
        return [f"farm: {run.workspace.name}: {what} for {run.repository}"]

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Print the last words."""
        if config.option.collectonly:
            return
        lines = self._lines()
        if self._reporter:
            lines.append(self._write(self._reporter))
        terminalreporter.section("packaging farm")
        for line in lines:
            terminalreporter.write_line(line)
        if self._refusal:
            terminalreporter.write_line(self._refusal, red=True)

    def _lines(self) -> list[str]:
        run = self._run
        lines = [
            f"{count} {'check is' if count == 1 else 'checks are'} {reason}"
            for reason, count in sorted(Counter(reason for _, reason in self._blocked).items())
        ]
        if self._recorded:
            count = len(self._recorded)
            lines.append(
                f"{count} of {count + len(self._tried)} checks passed before on identical "
                "digests and were not tried again; --fresh tries them."
            )
        lines += run.describe_outcome()
        if self._promotion:
            lines.append(self._promotion)
        return lines
