"""Floor 6: the hooks that put the graph scheduler into a run of xdist, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from pathlib import Path
from typing import Any

import pytest

from farm.plugin.scheduler import FILLER, GraphScheduling, Schedule

_WORKERINPUT = "farm_scheduling"


class Filler(pytest.Item):
    """Does nothing; an item sent behind every other, because a worker runs one item late.

    It leaves no report, except where tearing down the fixtures of the session fails: that is
    reported as an error of this item, since no other is left to bear it.
    """

    def runtest(self) -> None:
        """Do nothing."""

    def reportinfo(self) -> tuple[Path, None, str]:
        """Say where the item comes from."""
        return self.path, None, self.name

    def end_session(self) -> None:
        """Tear down what the session still holds; report it only if that fails."""
        call = pytest.CallInfo.from_call(
            self._tear_down, when="teardown", reraise=(pytest.exit.Exception, KeyboardInterrupt)
        )
        if call.excinfo is not None:
            report = self.ihook.pytest_runtest_makereport(item=self, call=call)
            self.ihook.pytest_runtest_logreport(report=report)

    def _tear_down(self) -> None:
        try:
            self.ihook.pytest_runtest_setup(item=self)
        finally:
            self.ihook.pytest_runtest_teardown(item=self, nextitem=None)


class ScheduleHooks:
    """A plugin that schedules items by what they need when xdist distributes them one by one.

    That is ``-n`` without ``--dist``, or with ``--dist load``. With any other ``--dist`` the
    scheduler that was asked for does its work, and fixtures still pull what they need.

    :param read_schedule: called once in the controller, when all workers have collected.
    """

    def __init__(self, read_schedule: Callable[[], Schedule]) -> None:
        self._read_schedule = read_schedule
        self._scheduling: GraphScheduling | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker which is about to start whether it has to add the filler."""
        node.workerinput[_WORKERINPUT] = _is_ours(node.config)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(
        self, config: pytest.Config, log: Any
    ) -> GraphScheduling | None:
        """Take the place of xdist's own scheduler."""
        if _is_ours(config):
            self._scheduling = GraphScheduling(config, log, read_schedule=self._read_schedule)
        return self._scheduling

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Add the filler in a worker, when all others have chosen and sorted the items."""
        workerinput = getattr(session.config, "workerinput", {})
        if workerinput.get(_WORKERINPUT):
            name = FILLER.partition("::")[2]
            session.items.append(Filler.from_parent(session, name=name, nodeid=FILLER))

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: MutableSequence[str]) -> None:
        """Hide the filler of a worker before xdist counts what was collected."""
        if self._scheduling:
            self._scheduling.take_filler(node, ids)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell the scheduler in the controller that a worker has begun an item."""
        if self._scheduling:
            self._scheduling.mark_test_begun(nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        """Run the filler, which is nothing until the session ends."""
        if not isinstance(item, Filler):
            return None
        if nextitem is None:
            item.end_session()
        return True


def _is_ours(config: pytest.Config) -> bool:
    return bool(config.getoption("dist") == "load")
