"""How long it takes to enter a chroot, against a bare ``unshare`` of the same namespaces.

All run ``true``, in turns, so that all meet the same load, and all are started by the farm's own
``run``. Run ``python -m benchmarks enter``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

from benchmarks.ratio import Ratio, at_most_times
from benchmarks.shop import Shop
from farm.base.run import run
from farm.place.overlay import USER, Overlay, new_name

REQUIRED = at_most_times(2)
ROUNDS = 100
_MINUTE = timedelta(minutes=1)
_UNSHARE = ("unshare", "--user", "--map-users=auto", "--map-groups=auto", "--setuid=0",
            "--setgid=0", "--mount", "--pid", "--fork", "--ipc", "--uts", "--net",
            "--", "true")  # fmt: skip


def measure(shop: Shop) -> Iterator[Ratio]:
    """Measure how root and an ordinary user enter; the median of many times."""
    workshop = shop.workshop()
    target = workshop.workspace.targets[0].target
    base = workshop.base(target)
    folder = workshop.layout.environments / new_name("bench")
    overlay = Overlay(folder, layers=[base.tree]).create()
    try:
        found = take_turns({
            "true": lambda: run(["true"], timeout=_MINUTE),
            "unshare": lambda: run(_UNSHARE, timeout=_MINUTE),
            "root": lambda: overlay.run(["true"], timeout=_MINUTE),
            USER: lambda: overlay.run(["true"], timeout=_MINUTE, user=USER),
        })  # fmt: skip
    finally:
        overlay.remove()
    note = f"other: a bare unshare; a program without either takes {found['true']:.2f} ms"
    for user in ("root", USER):
        yield Ratio(f"entering a chroot as {user}", found[user], found["unshare"], REQUIRED,
                    unit="ms", note=note)  # fmt: skip


def take_turns(ways: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Give the median of what each takes, in milliseconds, once nothing is read from disk."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(times) * 1000 for name, times in seconds.items()}
