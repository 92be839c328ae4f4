"""How near the schedule of 5,000 builds on 16 workers comes to the best that any could do.

Virtual time: the real scheduler hands builds to workers that only note them, and a clock jumps to
the next one that ends. No schedule takes less than the critical path, nor than the work divided by
the workers; the ratio to the greater of the two is printed. Run ``python -m
benchmarks.bench_scheduler``.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from farm.model.graph import Graph
from farm.plugin.scheduler import FILLER, GraphScheduling, Schedule, ScheduledItem

if TYPE_CHECKING:
    import pytest
    from xdist.workermanage import WorkerController

WORKERS = 16
REQUIRED = 1.05


@dataclass(frozen=True)
class Archive:
    """Builds of a made-up distribution: what each needs, and how many seconds it takes."""

    needs: dict[str, list[str]]
    seconds: dict[str, float]

    def bound(self) -> tuple[float, float]:
        """Give the critical path and the work of one worker, in seconds."""
        critical = max(Graph(self.needs).longest_paths(self.seconds, default=0).values())
        return critical, sum(self.seconds.values()) / WORKERS


def make_archive(builds: int, *, seed: int, layers: int = 24) -> Archive:
    """Make layers of builds; few are needed by many, as a C library is, and most by none.

    Above the lowest layer a build needs one of the layer right below, and by a power law up to a
    dozen others, chosen by a power law too; durations are log-normal with a median of one minute,
    cut off at four hours.
    """
    chance = random.Random(seed)  # noqa: S311 - a repeatable graph, no secret
    names = [f"p{number}" for number in range(builds)]
    starts = [builds * layer // layers for layer in range(layers)]
    needs: dict[str, list[str]] = {name: [] for name in names[: starts[1]]}
    for below, start, end in zip(starts, starts[1:], [*starts[2:], builds], strict=False):
        for name in names[start:end]:
            others = min(12, int(chance.paretovariate(1.2))) - 1
            # Squeezing an even choice by a power favours what stands first.
            chosen = {int(start * chance.random() ** 3) for _ in range(others)}
            chosen.add(below + int((start - below) * chance.random() ** 3))
            needs[name] = [names[each] for each in sorted(chosen)]
    seconds = {name: min(chance.lognormvariate(4.1, 1.3), 4 * 3600.0) for name in names}
    return Archive(needs, seconds)


class RecordingWorker:
    """Stands in for a worker of xdist: it notes what it is to run, and is never slow."""

    shutting_down = False

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.inbox: list[int] = []

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Note the item; the last one sent is the filler."""
        self.inbox.extend(indices[:-1])


@dataclass
class Simulation:
    """How a run went: virtual seconds until its end, real seconds spent in the scheduler."""

    makespan: float
    scheduler_seconds: float


def simulate(archive: Archive, *, recorded: dict[str, float]) -> Simulation:
    """Run all builds in virtual time.

    :param recorded: the durations that the scheduler knows, which need not be the real ones.
    """
    nodeids = [*archive.needs]
    items = {
        name: ScheduledItem((f"build:{name}",), tuple(f"build:{need}" for need in needs), known)
        for name, needs in archive.needs.items()
        for known in [recorded.get(name)]
    }
    started = time.perf_counter()
    scheduling, workers = _begin(nodeids, Schedule(items, default_seconds=60.0))
    spent = time.perf_counter() - started
    clock = 0.0
    running: list[tuple[float, int, int]] = []
    while True:
        for number, worker in enumerate(workers):
            while worker.inbox:
                index = worker.inbox.pop()
                heapq.heappush(running, (clock + archive.seconds[nodeids[index]], number, index))
        if scheduling.tests_finished:
            return Simulation(clock, spent)
        clock, number, index = heapq.heappop(running)
        started = time.perf_counter()
        scheduling.mark_test_complete(_controller(workers[number]), index)
        spent += time.perf_counter() - started


def _begin(
    nodeids: list[str], schedule: Schedule
) -> tuple[GraphScheduling, list[RecordingWorker]]:
    config = SimpleNamespace(getvalue=lambda _name: [f"{WORKERS}*popen"])
    scheduling = GraphScheduling(cast("pytest.Config", config), read_schedule=lambda: schedule)
    workers = [RecordingWorker(f"gw{number}") for number in range(WORKERS)]
    for worker in workers:
        scheduling.add_node(_controller(worker))
        collected = [*nodeids, FILLER]
        scheduling.take_filler(_controller(worker), collected)
        scheduling.add_node_collection(_controller(worker), collected)
    scheduling.schedule()
    return scheduling, workers


def _controller(worker: RecordingWorker) -> WorkerController:
    return cast("WorkerController", worker)


def _print_ratio(label: str, archive: Archive, *, recorded: dict[str, float]) -> None:
    critical, share = archive.bound()
    ran = simulate(archive, recorded=recorded)
    print(
        f"{label:<32} ratio {ran.makespan / max(critical, share):.4f}"
        f" = makespan {ran.makespan / 3600:.2f} h"
        f" / max(critical path {critical / 3600:.2f} h, work/{WORKERS} {share / 3600:.2f} h);"
        f" scheduler {ran.scheduler_seconds:.3f} s"
    )


def main() -> None:
    """Print the ratios for several graphs, and what the scheduler costs when there is more."""
    print(f"requirement: ratio <= {REQUIRED} for 5,000 builds whose durations are recorded")
    for layers, seeds in ((40, (1, 2, 3, 4, 5)), (120, (1, 2)), (300, (1, 2))):
        for seed in seeds:
            archive = make_archive(5000, seed=seed, layers=layers)
            label = f"{layers} layers, graph {seed}"
            _print_ratio(label, archive, recorded=archive.seconds)
    archive = make_archive(5000, seed=1, layers=40)
    chance = random.Random(0)  # noqa: S311 - a repeatable choice, no secret
    rough = {
        name: seconds * chance.lognormvariate(0, 0.3)
        for name, seconds in archive.seconds.items()
        if chance.random() < 0.75
    }
    print("for comparison, 40 layers, graph 1")
    _print_ratio("3 in 4 recorded, and roughly", archive, recorded=rough)
    _print_ratio("none recorded", archive, recorded={})
    small, large = (_measure_cost(builds) for builds in (5000, 20_000))
    print(f"scheduler per build, 20,000 builds to 5,000: ratio {large / small:.2f}")


def _measure_cost(builds: int) -> float:
    archive = make_archive(builds, seed=1)
    runs = [simulate(archive, recorded=archive.seconds) for _ in range(3)]
    return min(run.scheduler_seconds for run in runs) / builds


if __name__ == "__main__":
    main()
