"""What a release costs when nothing has changed, against ``--collect-only`` of the same items.

The quickest of several runs, alternating, so that others on the machine disturb little.
Run ``python -m benchmarks noop``.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.ratio import Cost, Ratio, at_most_longer, compare
from benchmarks.shop import Shop
from farm.base.errors import FarmFault

REQUIRED = at_most_longer(3)
_TRIES = 4


def measure(shop: Shop) -> Iterator[Ratio]:
    """Measure with two workers and with none; makes a release first if there is none."""
    shop.ensure_released()
    for workers in (2, 0):
        pairs = [_measure(shop, workers) for _ in range(_TRIES)]
        ours = min((again for again, _ in pairs), key=lambda cost: cost.wall)
        other = min((collected for _, collected in pairs), key=lambda cost: cost.wall)
        name = f"release with nothing to do, -n {workers}"
        note = "other: pytest --collect-only"
        yield from compare(name, ours, other, limit=REQUIRED, note=note)


def _measure(shop: Shop, workers: int) -> tuple[Cost, Cost]:
    again, said = shop.release(workers=workers)
    if "Nothing to do" not in said.stdout:
        raise FarmFault("A second release had something to do.", details=said.tail)
    collected, _ = shop.release("--collect-only", workers=workers)
    return again, collected
