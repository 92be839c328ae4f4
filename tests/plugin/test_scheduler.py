"""Items go out when what they need was tried, longest chain first, and no run ever hangs."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest
from xdist.workermanage import WorkerController

from farm.base.errors import FarmFault, InputError
from farm.plugin.scheduler import FILLER, GraphScheduling, Schedule, ScheduledItem, order_items

Items = dict[str, ScheduledItem]


def item(
    *, provides: Sequence[str] = (), needs: Sequence[str] = (), seconds: float | None = None
) -> ScheduledItem:
    return ScheduledItem(tuple(provides), tuple(needs), seconds)


class RecordingWorker:
    """Stands in for xdist's WorkerController: it only notes what it is sent."""

    workeroutput: dict[str, int]

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.sent: list[list[int]] = []
        self.shutting_down = False
        self.dead = False

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        if self.dead:
            raise OSError("cannot send (already closed?)")
        self.sent.append(list(indices))


class Run:
    """A scheduler with its workers, and what it reported."""

    def __init__(
        self, items: Items, *, workers: int = 2, nodeids: Sequence[str] | None = None
    ) -> None:
        self.reports: list[str] = []
        hook = SimpleNamespace(
            pytest_collectreport=lambda report: self.reports.append(report.longrepr)
        )
        config = SimpleNamespace(getvalue=lambda _name: [f"{workers}*popen"], hook=hook)
        self.nodeids = list(items if nodeids is None else nodeids)
        self.scheduling = GraphScheduling(
            cast("pytest.Config", config), read_schedule=lambda: Schedule(items)
        )
        self.workers = [self.add(f"gw{number}") for number in range(workers)]

    def add(self, name: str) -> RecordingWorker:
        worker = RecordingWorker(name)
        self.scheduling.add_node(controller(worker))
        return worker

    def collect(
        self, worker: RecordingWorker, nodeids: Sequence[str] | None = None, *, filler: bool = True
    ) -> None:
        """Do what DSession does when a worker has collected."""
        ids = list(self.nodeids if nodeids is None else nodeids)
        if filler:
            ids.append(FILLER)
        self.scheduling.take_filler(controller(worker), ids)
        self.scheduling.add_node_collection(controller(worker), ids)
        if self.scheduling.collection_is_completed:
            self.scheduling.schedule()

    def crash(self, worker: RecordingWorker, *, begun: bool = True) -> str | None:
        """Do what DSession does when a worker has died, and give the item that it blames."""
        name = self.running(worker)
        if name and begun:
            self.scheduling.mark_test_begun(name)
        return self.scheduling.remove_node(controller(worker))

    def begin(self) -> Run:
        for worker in self.workers:
            self.collect(worker)
        return self

    def running(self, worker: RecordingWorker) -> str | None:
        """Name the item that was sent last, if it has not been completed since."""
        index = self.scheduling._running[controller(worker)]
        return None if index is None else self.nodeids[index]

    def complete(self, worker: RecordingWorker) -> None:
        """Report as the worker does: the item, and that filler which was held back before it."""
        index, filler = worker.sent[-1]
        if len(worker.sent) > 1:
            self.scheduling.mark_test_complete(controller(worker), filler)
        self.scheduling.mark_test_complete(controller(worker), index, 0.1)

    def sent(self, worker: RecordingWorker) -> list[str]:
        return [self.nodeids[index] for index, _filler in worker.sent]


def controller(worker: RecordingWorker) -> WorkerController:
    return cast("WorkerController", worker)


def test_every_item_is_followed_by_the_filler() -> None:
    run = Run({"a": item(), "b": item(), "c": item()}).begin()
    assert [worker.sent for worker in run.workers] == [[[0, 3]], [[1, 3]]]
    run.complete(run.workers[1])
    assert run.workers[1].sent == [[1, 3], [2, 3]]
    assert run.scheduling.has_pending
    assert not run.scheduling.tests_finished


def test_nothing_is_sent_before_all_workers_have_collected() -> None:
    run = Run({"a": item()})
    run.collect(run.workers[0])
    assert not run.scheduling.collection_is_completed
    assert not run.scheduling.tests_finished
    assert run.workers[0].sent == []
    run.collect(run.workers[1])
    assert run.sent(run.workers[0]) == ["a"]


def test_longest_remaining_path_goes_first_and_ties_keep_the_order_of_collection() -> None:
    items = {
        "short": item(seconds=1),
        "also short": item(seconds=1),
        "long": item(seconds=30),
        "begins a chain": item(provides=["x"], seconds=5),
        "in a chain": item(needs=["x"], provides=["y"], seconds=5),
        "ends a chain": item(needs=["y"], seconds=25),
    }
    run = Run(items, workers=1).begin()
    for _each in items:
        run.complete(run.workers[0])
    assert run.sent(run.workers[0]) == [
        *("begins a chain", "long", "in a chain", "ends a chain"),
        *("short", "also short"),
    ]
    assert run.scheduling.tests_finished


def test_unknown_durations_take_the_default() -> None:
    known = {"quick": item(seconds=1), "slow": item(seconds=99)}
    schedule = Schedule(known, default_seconds=50)
    assert order(["quick", "new", "slow"], schedule) == ["slow", "new", "quick"]


def test_item_waits_for_all_that_provide_what_it_needs() -> None:
    items = {
        "user": item(needs=["x"]),
        "one": item(provides=["x"]),
        "two": item(provides=["x"]),
    }
    run = Run(items, workers=3).begin()
    first, second, third = run.workers
    assert [run.running(worker) for worker in run.workers] == ["one", "two", None]
    run.complete(second)
    assert run.running(third) is None
    run.complete(first)
    assert "user" in {run.running(worker) for worker in run.workers}


def test_need_that_nobody_or_the_item_itself_provides_is_no_obstacle() -> None:
    items = {"a": item(needs=["elsewhere"]), "b": item(provides=["x"], needs=["x"])}
    run = Run(items).begin()
    assert [run.running(worker) for worker in run.workers] == ["a", "b"]


def test_idle_worker_gets_an_item_as_soon_as_another_has_made_it_ready() -> None:
    items = {
        "root": item(provides=["x"]),
        "left": item(needs=["x"]),
        "right": item(needs=["x"]),
    }
    run = Run(items).begin()
    busy, idle = run.workers
    assert run.running(idle) is None
    run.complete(busy)
    assert [run.running(busy), run.running(idle)] == ["left", "right"]


def test_more_workers_than_items() -> None:
    run = Run({"a": item()}, workers=4).begin()
    assert [run.sent(worker) for worker in run.workers] == [["a"], [], [], []]
    run.complete(run.workers[0])
    assert run.scheduling.tests_finished


def test_no_items_is_finished_at_once() -> None:
    run = Run({}).begin()
    assert run.scheduling.tests_finished
    assert not run.scheduling.has_pending
    assert run.reports == []


def test_worker_that_is_shutting_down_gets_nothing_more() -> None:
    run = Run({"a": item(), "b": item()}, workers=1).begin()
    run.workers[0].shutting_down = True
    run.complete(run.workers[0])
    assert run.sent(run.workers[0]) == ["a"]
    assert run.scheduling.remove_node(controller(run.workers[0])) is None


def test_item_of_a_crashed_worker_is_named_and_those_that_need_it_go_on() -> None:
    run = Run({"a": item(provides=["x"]), "b": item(needs=["x"]), "c": item()}).begin()
    crashed, other = run.workers
    assert run.crash(crashed) == "a"
    run.complete(other)
    assert run.sent(other) == ["c", "b"]
    run.complete(other)
    assert run.scheduling.tests_finished
    assert run.reports == []


def test_worker_that_crashes_while_idle_names_no_item() -> None:
    run = Run({"a": item()}).begin()
    assert run.scheduling.remove_node(controller(run.workers[1])) is None
    with pytest.raises(KeyError):
        run.scheduling.remove_node(controller(run.workers[1]))


def test_item_that_was_not_begun_is_blamed_for_the_second_crash_only() -> None:
    run = Run({"a": item(), "b": item()}, workers=2).begin()
    crashed, other = run.workers
    assert run.crash(crashed, begun=False) is None
    run.complete(other)
    assert run.sent(other) == ["b", "a"]
    assert run.crash(other, begun=False) == "a"
    assert run.scheduling.tests_finished


def test_replacement_takes_part() -> None:
    run = Run({"a": item(), "b": item()}, workers=1).begin()
    assert run.crash(run.workers[0]) == "a"
    assert not run.scheduling.tests_finished
    replacement = run.add("gw1")
    run.collect(replacement)
    assert run.sent(replacement) == ["b"]


def test_replacement_that_collects_something_else_is_reported_and_not_used() -> None:
    run = Run({"a": item(), "b": item(), "c": item()}).begin()
    crashed, other = run.workers
    run.crash(crashed)
    replacement = run.add("gw2")
    run.collect(replacement, ["a", "z"])
    assert replacement.sent == []
    assert "gw2 cannot replace a crashed worker. Different tests were collected" in run.reports[0]
    assert not run.scheduling.tests_finished
    run.complete(other)
    run.complete(other)
    assert run.sent(other) == ["b", "c"]
    assert run.scheduling.tests_finished


def test_run_ends_when_only_refused_replacements_are_left() -> None:
    run = Run({"a": item(), "b": item()}, workers=1).begin()
    run.crash(run.workers[0])
    run.collect(run.add("gw1"), ["z"])
    assert len(run.reports) == 1
    assert run.scheduling.tests_finished


def test_crash_during_collection_waits_for_the_replacement() -> None:
    run = Run({"a": item()})
    run.collect(run.workers[0])
    assert run.scheduling.remove_node(controller(run.workers[0])) is None
    run.collect(run.workers[1])
    assert run.workers[1].sent == []
    run.collect(run.add("gw2"))
    assert run.sent(run.workers[1]) == ["a"]


def test_item_goes_to_another_when_a_worker_turns_out_to_be_dead() -> None:
    run = Run({"root": item(provides=["x"]), "a": item(needs=["x"]), "b": item(needs=["x"])})
    run.workers[1].dead = True
    run.begin()
    alive, dead = run.workers
    run.complete(alive)
    assert run.running(dead) is None
    assert run.scheduling.remove_node(controller(dead)) is None
    run.complete(alive)
    assert run.sent(alive) == ["root", "a", "b"]


@pytest.mark.parametrize(("begun", "status"), [(False, 4), (True, 4), (True, 0)])
def test_run_stops_when_a_worker_ends_before_its_time(*, begun: bool, status: int) -> None:
    run = Run({"a": item(), "b": item(), "c": item()})
    leaving, other = run.workers
    if begun:
        run.begin()
    leaving.workeroutput = {"exitstatus": status}
    assert run.scheduling.remove_node(controller(leaving)) is None
    (told,) = run.reports
    assert told.startswith(f"gw0 ended too early, with exit status {status}.")
    assert run.scheduling.tests_finished
    assert len(other.sent) == begun


def test_workers_that_collect_different_items_are_reported_and_nothing_runs() -> None:
    run = Run({"a": item(), "b": item()})
    run.collect(run.workers[0])
    run.collect(run.workers[1], ["b", "a"])
    assert len(run.reports) == 1
    assert "Different tests were collected between gw0 and gw1" in run.reports[0]
    assert [worker.sent for worker in run.workers] == [[], []]
    assert run.scheduling.tests_finished


def test_worker_without_the_filler_is_reported_instead_of_hanging() -> None:
    run = Run({"a": item()}, workers=1)
    run.collect(run.workers[0], filler=False)
    assert run.reports == [f"gw0 has not added the item {FILLER} to what it has collected."]
    assert run.workers[0].sent == []
    assert run.scheduling.tests_finished


def test_item_of_a_crashed_worker_can_be_asked_for_again() -> None:
    run = Run({"a": item(provides=["x"]), "b": item(needs=["x"]), "c": item()}).begin()
    crashed, other = run.workers
    run.crash(crashed)
    run.scheduling.mark_test_pending("a")
    replacement = run.add("gw2")
    run.collect(replacement)
    run.complete(other)
    assert run.scheduling.has_pending
    run.complete(replacement)
    run.complete(other)
    assert sorted(run.sent(other) + run.sent(replacement)) == ["a", "b", "c"]
    assert run.scheduling.tests_finished


def test_items_that_need_each_other_are_a_usage_error_that_names_them() -> None:
    items = {
        "free": item(),
        "a": item(provides=["x"], needs=["y"]),
        "b": item(provides=["y"], needs=["z"]),
        "c": item(provides=["z"], needs=["x"]),
    }
    run = Run(items)
    with pytest.raises(pytest.UsageError, match=r"in a circle: a -> b -> c -> a\."):
        run.begin()


@pytest.mark.parametrize("seed", range(30))
def test_no_random_graph_hangs_and_every_item_runs_once_after_what_it_needs(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable graph, no secret
    items = {
        f"i{number}": item(
            provides=[f"r{number}", f"shared{number // 9}"],
            needs=[f"r{chance.randrange(number)}" for _ in range(chance.randrange(4)) if number]
            + [f"shared{chance.randrange(number // 9)}" for _ in range(number % 2) if number > 8],
            seconds=chance.choice([None, chance.lognormvariate(0, 2)]),
        )
        for number in range(60)
    }
    nodeids = chance.sample(list(items), len(items))
    run = Run(items, workers=chance.randrange(1, 6), nodeids=nodeids).begin()
    finished: list[str] = []
    while not run.scheduling.tests_finished:
        busy = [worker for worker in run.workers if run.running(worker)]
        worker = chance.choice(busy)  # fails when nothing runs although something is left
        name = cast("str", run.running(worker))
        if chance.random() < 0.1:
            assert run.crash(worker) == name
            run.workers.remove(worker)
            run.workers.append(run.add(f"gw{len(finished)}"))
            run.collect(run.workers[-1])
        else:
            run.complete(worker)
        check_needs_are_finished(name, items=items, finished=finished)
        finished.append(name)
    assert sorted(finished) == sorted(items)


def check_needs_are_finished(name: str, *, items: Items, finished: list[str]) -> None:
    for need in items[name].needs:
        providers = [each for each, entry in items.items() if need in entry.provides]
        assert set(providers) <= {*finished, name}


def order(nodeids: Sequence[str], schedule: Schedule) -> list[str]:
    items = cast("list[pytest.Item]", [SimpleNamespace(nodeid=nodeid) for nodeid in nodeids])
    return [each.nodeid for each in order_items(items, schedule)]


def test_order_without_xdist_is_by_need_then_longest_chain_then_as_collected() -> None:
    items = {
        "user": item(needs=["x"], seconds=1),
        "first": item(seconds=3),
        "second": item(seconds=3),
        "maker": item(provides=["x"], seconds=4),
    }
    assert order(list(items), Schedule(items)) == ["maker", "first", "second", "user"]


def test_order_without_a_schedule_is_as_collected() -> None:
    assert order(["c", "a", "b", "a"], Schedule()) == ["c", "a", "b", "a"]


def test_order_refuses_a_circle() -> None:
    items = {"a": item(provides=["x"], needs=["y"]), "b": item(provides=["y"], needs=["x"])}
    with pytest.raises(InputError, match="a -> b -> a"):
        order(list(items), Schedule(items))


def test_schedule_survives_json() -> None:
    schedule = Schedule(
        {"a": item(provides=["x"], seconds=1.5), "b": item(needs=["x"])}, default_seconds=3
    )
    written = json.dumps(schedule.to_json())
    assert Schedule.from_json(json.loads(written), default_seconds=3) == schedule
    assert Schedule.from_json({"a": {}}) == Schedule({"a": item()})


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"a": []},
        {"a": {"need": ["x"]}},
        {"a": {"needs": "x"}},
        {"a": {"needs": [1]}},
        {"a": {"seconds": -1}},
        {"a": {"seconds": float("nan")}},
        {"a": {"seconds": "soon"}},
    ],
)
def test_schedule_in_another_form_is_refused(value: object) -> None:
    with pytest.raises(FarmFault, match="cannot be used"):
        Schedule.from_json(value)
