"""What a release costs when nothing has changed, against ``--collect-only`` of the same items.

The quickest of several runs, alternating, so that others on the machine disturb little.
Run ``python -m benchmarks noop``.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.ratio import Ratio, at_most_longer
from benchmarks.shop import Shop

REQUIRED = at_most_longer(3)
_TRIES = 4


def measure(shop: Shop) -> Iterator[Ratio]:
    """Measure with two workers and with none; makes a release first if there is none."""
    shop.ensure_released()
    for workers in (2, 0):
        pairs = [(shop.release(workers=workers)[0], shop.release("--collect-only",
                  workers=workers)[0]) for _ in range(_TRIES)]  # fmt: skip
        ours = min((again for again, _ in pairs), key=lambda cost: cost.wall)
        other = min((collected for _, collected in pairs), key=lambda cost: cost.wall)
        yield Ratio(f"release with nothing to do, -n {workers}", ours.wall, other.wall, REQUIRED,
                    note="other: pytest --collect-only")  # fmt: skip
        yield Ratio("... processor time", ours.processor, other.processor)
