"""Floor 6: which item runs next, with xdist and without: nothing else.

Correctness never depends on it: fixtures pull what they need. It only sees to it that an item is
not started while what it needs is still being made, and that the longest chain starts first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import pytest
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from xdist.remote import Producer
from xdist.report import report_collection_diff
from xdist.workermanage import WorkerController, parse_tx_spec_config

from farm.base.errors import FarmError, FarmFault
from farm.model.graph import ReadyQueue, Task

FILLER = "farm::session-fixtures"
"""Node id of the item that a worker adds behind those it has collected; it does nothing."""


@dataclass(frozen=True)
class ScheduledItem:
    """What the schedule knows of one item.

    :param provides: resources that exist once the item has run, such as ``build:NAME@TARGET``.
    :param needs: resources that the item waits for; one that no collected item provides, or that
        the item provides itself, is no obstacle.
    :param seconds: how long it took the last time, if known.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    provides: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


_ITEMS = TypeAdapter(dict[str, ScheduledItem])


@dataclass(frozen=True)
class Schedule:
    """What items provide and need, by node id; an item that is missing here needs nothing.

    :param default_seconds: how long an item takes whose duration is not known.
    """

    items: Mapping[str, ScheduledItem] = field(default_factory=dict)
    default_seconds: float = 10.0

    @classmethod
    def from_json(cls, value: object, *, default_seconds: float = 10.0) -> Schedule:
        """Read ``{"nodeid": {"provides": [...], "needs": [...], "seconds": 12.3}}``.

        Each of the three keys may be missing.

        :raises FarmFault: for any other value.
        """
        try:
            return cls(_ITEMS.validate_python(value), default_seconds)
        except ValidationError as error:
            raise FarmFault(
                "The schedule of the items cannot be used: it is not in the form it should have.",
                details=str(error),
            ) from None

    def to_json(self) -> dict[str, Any]:
        """Give the value that :meth:`from_json` reads, without the default duration."""
        return cast("dict[str, Any]", _ITEMS.dump_python(dict(self.items), mode="json"))

    def make_tasks(self, nodeids: Sequence[str]) -> list[Task]:
        """Give the tasks of collected items, in their order."""
        unknown = ScheduledItem()
        return [
            Task(
                nodeid,
                provides=frozenset(item.provides),
                needs=frozenset(item.needs),
                seconds=self.default_seconds if item.seconds is None else item.seconds,
            )
            for nodeid, item in ((each, self.items.get(each, unknown)) for each in nodeids)
        ]


def order_items(items: Sequence[pytest.Item], schedule: Schedule) -> list[pytest.Item]:
    """Sort items for one process: each after what it needs, the longest chain first.

    Items of equal urgency stay in the order in which they were collected.

    :raises InputError: if items need each other in a circle.
    """
    queue = ReadyQueue(schedule.make_tasks([item.nodeid for item in items]))
    ordered = []
    while (index := queue.take()) is not None:
        queue.finish(index)
        ordered.append(items[index])
    return ordered


class GraphScheduling:
    """Send an item to a worker once all that it needs was tried, the longest chain first.

    A worker of xdist runs an item only when it knows the next one (``remote.py: run_one_test``).
    So every item is sent with :data:`FILLER` behind it, which each worker has added to those it
    collected, and which :meth:`take_filler` hides from everybody else. At most one item is with a
    worker at a time. While one is unfinished, some item is with a worker, or a worker is due.

    Called by ``DSession`` of xdist 3.8, as ``xdist.scheduler.protocol.Scheduling`` says.

    :param log: xdist's own log, seen with ``--debug`` only.
    :param read_schedule: called once, when all workers have collected; a ``FarmError`` of it ends
        the run as a usage error.
    """

    def __init__(
        self,
        config: pytest.Config,
        log: Producer | None = None,
        *,
        read_schedule: Callable[[], Schedule],
    ) -> None:
        self.config = config
        self.log = (log or Producer("farm", enabled=False)).graphsched
        self.numnodes = len(parse_tx_spec_config(config))
        self.collection: list[str] | None = None
        self._read_schedule = read_schedule
        self._queue: ReadyQueue | None = None
        self._running: dict[WorkerController, int | None] = {}
        self._collected: dict[WorkerController, list[str]] = {}
        self._with_filler: set[WorkerController] = set()
        self._refused: set[WorkerController] = set()
        self._begun: set[str] = set()
        self._aborted = False

    @property
    def nodes(self) -> list[WorkerController]:
        """All workers that are up, used or not."""
        return list(self._running)

    @property
    def collection_is_completed(self) -> bool:
        """Whether as many workers as asked for have collected."""
        return self.collection is not None or len(self._collected) >= self.numnodes

    @property
    def tests_finished(self) -> bool:
        """Whether nothing is left to be run, or nobody left who could run it."""
        if self._aborted or (self._queue and not self._queue.unfinished):
            return True
        all_here = len(self._running) >= self.numnodes
        return all_here and all(node in self._refused for node in self._running)

    @property
    def has_pending(self) -> bool:
        """Whether items are still to be run or being run."""
        return self._queue is not None and self._queue.unfinished > 0

    def take_filler(self, node: WorkerController, collection: MutableSequence[str]) -> None:
        """Remove the filler from what a worker has collected, before anybody counts it."""
        if collection and collection[-1] == FILLER:
            del collection[-1]
            self._with_filler.add(node)

    def add_node(self, node: WorkerController) -> None:
        """Take note of a worker that is up and begins to collect."""
        self._running[node] = None

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """Take note of what a worker has collected; refuse a replacement that differs.

        The first workers are compared with each other in :meth:`schedule`.
        """
        if self.collection is None:
            self._collected[node] = list(collection)
        elif problem := self._compare(self.collection, "the others", list(collection), node):
            self._refused.add(node)
            self._report(node, f"{node.gateway.id} cannot replace a crashed worker. {problem}")
        else:
            self._collected[node] = self.collection

    def mark_test_begun(self, item: str) -> None:
        """Take note that a worker has begun an item: a crash will be blamed on it."""
        self._begun.add(item)

    def mark_test_complete(
        self, node: WorkerController, item_index: int, duration: float = 0
    ) -> None:
        """Take note that a worker is through with an item, and hand out what has become ready."""
        if self._queue and self._running.get(node) == item_index:
            self._running[node] = None
            self._queue.finish(item_index)
            self._hand_out()

    def mark_test_pending(self, item: str) -> None:
        """Run an item once more, as plugins ask for that run items of crashed workers again.

        :raises ValueError: if no such item was collected.
        """
        if self._queue and self.collection is not None:
            self._queue.repeat(self.collection.index(item))
            self._hand_out()

    def remove_pending_tests_from_node(
        self, node: WorkerController, indices: Sequence[int]
    ) -> None:
        """Do nothing: no item is ever taken back from a worker."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Forget a worker that has ended.

        :returns: the item that it had begun, if it has crashed. That item counts as finished, so
            that those who need it run and see for themselves.
        :raises KeyError: if the worker is not known; xdist expects this.
        """
        index = self._running.pop(node)
        self._collected.pop(node, None)
        status = getattr(node, "workeroutput", {}).get("exitstatus", pytest.ExitCode.INTERRUPTED)
        if status != pytest.ExitCode.INTERRUPTED:
            self._take_leave(node, status, busy=index is not None)
            return None
        if self._queue is None or self.collection is None or index is None:
            return None
        item = self.collection[index]
        begun = item in self._begun
        if begun:
            self._queue.finish(index)
        else:
            # It was sent to a worker already dead; the next time it is blamed, so that this ends.
            self._begun.add(item)
            self._queue.put_back(index)
        self._hand_out()
        return item if begun else None

    def schedule(self) -> None:
        """Begin when all workers have collected; later on, give work to a worker that came late.

        :raises pytest.UsageError: if there is no schedule, or items need each other in a circle.
        """
        if self._aborted:
            return
        if self._queue is None and self._check_collections():
            self.collection = next(iter(self._collected.values()))
            try:
                self._queue = ReadyQueue(self._read_schedule().make_tasks(self.collection))
            except FarmError as error:
                raise pytest.UsageError(str(error)) from error
        self._hand_out()

    def _hand_out(self) -> None:
        if self._queue is None or self.collection is None or self._aborted:
            return
        for node, running in self._running.items():
            if running is None and node in self._collected and not node.shutting_down:
                index = self._queue.take()
                if index is None:
                    return
                self._send(node, index, queue=self._queue, filler=len(self.collection))

    def _send(self, node: WorkerController, index: int, *, queue: ReadyQueue, filler: int) -> None:
        try:
            node.send_runtest_some([index, filler])
        except OSError:
            queue.put_back(index)  # The worker has died, and xdist is about to remove it.
        else:
            self._running[node] = index

    def _take_leave(self, node: WorkerController, status: int, *, busy: bool) -> None:
        # xdist replaces workers that crash; one that ends in good order but too early stops the
        # run, else the others would wait for it, or pass without the item that it was given.
        if busy or status in {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR}:
            why = f"{node.gateway.id} ended too early, with exit status {status}."
            self._report(node, f"{why} The same command with -n 0 says more.")
        self._aborted = self._aborted or busy or self._queue is None

    def _check_collections(self) -> bool:
        first, expected = next(iter(self._collected.items()))
        for node, collection in self._collected.items():
            if problem := self._compare(expected, first.gateway.id, collection, node):
                self._aborted = True
                self._report(node, problem)
        return not self._aborted

    def _compare(
        self, expected: list[str], by: str, collection: list[str], node: WorkerController
    ) -> str | None:
        if node not in self._with_filler:
            return f"{node.gateway.id} has not added the item {FILLER} to what it has collected."
        return report_collection_diff(expected, collection, by, node.gateway.id)

    def _report(self, node: WorkerController, problem: str) -> None:
        self.log(problem)
        report = pytest.CollectReport(node.gateway.id, "failed", problem, result=[])
        self.config.hook.pytest_collectreport(report=report)
