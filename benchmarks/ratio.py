"""What a benchmark finds: two things measured in one run, and if their ratio is as required."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limit:
    """A requirement on two measurements.

    :param text: it, for people.
    :param holds: tells whether ours and the other are as required.
    """

    text: str
    holds: Callable[[float, float], bool]


def times_as_fast(factor: float) -> Limit:
    """Require that ours takes at most a share of the other."""
    return Limit(f"other / ours >= {factor:g}", lambda ours, other: other / ours >= factor)


def at_most_times(factor: float) -> Limit:
    """Require that ours takes at most a multiple of the other."""
    return Limit(f"ours / other <= {factor:g}", lambda ours, other: ours / other <= factor)


def at_most_longer(seconds: float) -> Limit:
    """Require that ours takes only so many seconds more than the other."""
    return Limit(f"ours - other <= {seconds:g} s", lambda ours, other: ours - other <= seconds)


@dataclass(frozen=True)
class Ratio:
    """Two measurements of one run.

    :param limit: None for what is only good to know.
    :param note: what the other is, and what else was seen.
    """

    name: str
    ours: float
    other: float
    limit: Limit | None = None
    note: str = ""
    unit: str = "s"

    def line(self) -> str:
        """Say it in a line of the table."""
        limit = self.limit
        verdict = "" if limit is None else "yes" if limit.holds(self.ours, self.other) else "NO"
        return (
            f"{self.name:<44} {self._number(self.ours):>10} {self._number(self.other):>10}"
            f" {self.other / self.ours:>8.2f} {self.ours / self.other:>8.2f}"
            f"  {limit.text if limit else '-':<20} {verdict:<5} {self.note}"
        ).rstrip()

    def _number(self, value: float) -> str:
        return f"{value:.2f} {self.unit}".rstrip()


def render_table(ratios: Iterable[Ratio]) -> str:
    """Write all ratios, one a line, under a heading."""
    heading = (
        f"{'':<44} {'ours':>10} {'other':>10} {'other/':>8} {'ours/':>8}  {'required':<20} holds\n"
        f"{'':<44} {'':>10} {'':>10} {'ours':>8} {'other':>8}"
    )
    return "\n".join([heading, *(ratio.line() for ratio in ratios)])


@dataclass
class Cost:
    """What something cost.

    :param wall: seconds on the clock.
    :param processor: seconds of the processor, in all its processes.
    :param others: how many processors everybody else kept busy meanwhile. Beside many of them, the
        clock says little.
    """

    wall: float = 0.0
    processor: float = 0.0
    others: float = 0.0


@contextmanager
def costing() -> Iterator[Cost]:
    """Measure what the processes cost that are started, and waited for, in the block."""
    cost = Cost()
    started, own, all_ = time.monotonic(), _own_seconds(), _busy_seconds()
    yield cost
    cost.wall, cost.processor = time.monotonic() - started, _own_seconds() - own
    cost.others = max(0.0, _busy_seconds() - all_ - cost.processor) / cost.wall


def _own_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _busy_seconds() -> float:
    """Give the seconds that all processors were busy since the machine started: proc(5)."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def compare(
    name: str, ours: Cost, other: Cost, *, limit: Limit | None = None, note: str = ""
) -> Iterator[Ratio]:
    """Give the ratio on the clock, of which something may be required, and that of processors."""
    yield Ratio(name, ours.wall, other.wall, limit, note)
    busy = f"others kept {ours.others:.1f} and {other.others:.1f} processors busy meanwhile"
    yield Ratio("... processor time", ours.processor, other.processor, note=busy)
