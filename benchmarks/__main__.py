"""Runs the benchmarks and prints one table: ``python -m benchmarks [NAME...]``.

A requirement that does not hold is printed, and is no error: how fast a machine is says nothing
about the farm. The exit status is 1 when a benchmark could not run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator

from benchmarks import (
    bench_enter,
    bench_leaf,
    bench_machine,
    bench_noop,
    bench_release,
    bench_scheduler,
    bench_start,
)
from benchmarks.ratio import Ratio, at_most_times, render_table
from benchmarks.shop import Shop, make_shop
from farm.base.errors import FarmError


def _schedule(_: Shop) -> Iterator[Ratio]:
    archive = bench_scheduler.make_archive(5000, seed=1, layers=40)
    ran = bench_scheduler.simulate(archive, recorded=archive.seconds)
    limit = at_most_times(bench_scheduler.REQUIRED)
    bound = max(archive.bound()) / 3600
    yield Ratio("5,000 builds on 16 workers", ran.makespan / 3600, bound, limit, unit="h",
                note="other: max(critical path, work / workers)")  # fmt: skip


# In this order: the first ones leave behind what the others would have to make.
BENCHMARKS: dict[str, Callable[[Shop], Iterator[Ratio]]] = {
    "release": bench_release.measure,
    "noop": bench_noop.measure,
    "leaf": bench_leaf.measure,
    "start": bench_start.measure,
    "enter": bench_enter.measure,
    "machine": bench_machine.measure,
    "scheduler": _schedule,
}


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    print(f"{os.cpu_count()} processors, load {_load()}", flush=True)
    ratios: list[Ratio] = []
    faults = []
    try:
        with make_shop() as shop:
            for name in BENCHMARKS:
                if name in names:
                    faults += _run(name, shop, ratios)
    except FarmError as error:
        faults.append(str(error))
    print(f"\n{render_table(ratios)}\nload {_load()}")
    for fault in faults:
        print(f"\n{fault}", file=sys.stderr)
    return 1 if faults else 0


def _run(name: str, shop: Shop, ratios: list[Ratio]) -> list[str]:
    print(f"measuring: {name} ...", flush=True)
    try:
        for ratio in BENCHMARKS[name](shop):
            print(ratio.line(), flush=True)
            ratios.append(ratio)
    except FarmError as error:
        return [f"The benchmark {name!r} could not run: {error}"]
    return []


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
