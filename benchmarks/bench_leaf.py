"""What a release costs when one leaf package has changed, against the building of that alone.

The metapackage of the sample gets a new version. All that is built is this; all that is tried is
what can have changed with it; then the repository is published anew. One HOWTO item is left out,
because it wants the version of the metapackage to be that of its parts.
Run ``python -m benchmarks leaf``.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.ratio import Cost, Ratio, at_most_longer
from benchmarks.shop import REPOSITORY, Shop
from farm.base.errors import FarmFault
from farm.base.files import read_json

REQUIRED = at_most_longer(10)
LEAF = "ipbx"
_WORDS = ("--deselect", "howtos/ipbx/test_ipbx.py::test_tools_of_the_release_answer")
_TRIES = 2


def measure(shop: Shop) -> Iterator[Ratio]:
    """Measure the quickest of some changes; makes a release first if there is none."""
    shop.ensure_released()
    found = [_change(shop, f"1.0.{number}") for number in range(1, _TRIES + 1)]
    cost, building = min(found, key=lambda pair: pair[0].wall - pair[1])
    yield Ratio("release of a changed leaf package, -n 2", cost.wall, building, REQUIRED,
                note=f"other: the build of {LEAF}; {_describe(cost)}")  # fmt: skip


def _describe(cost: Cost) -> str:
    return f"processor {cost.processor:.1f} s, others kept {cost.others:.1f} busy"


def _change(shop: Shop, version: str) -> tuple[Cost, float]:
    before = shop.builds()
    shop.change(LEAF, version=version)
    cost, _ = shop.release(*_WORDS)
    built = shop.builds() - before
    if len(built) != 1:
        raise FarmFault(f"{len(built)} packages were built for one that had changed.")
    workshop = shop.workshop()
    current = workshop.snapshots.current(REPOSITORY)
    if not current or (LEAF, version) not in {(e.name, e.version) for e in current.entries}:
        raise FarmFault(f"{REPOSITORY} does not hold {LEAF} {version} after its release.")
    record = read_json(workshop.store.folder(built.pop()) / "build.json")
    return cost, float(record["seconds"])
