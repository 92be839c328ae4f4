"""How fast a cold release is, against a plain loop of sbuild and reprepro over the same.

Both have base chroots and source packages made beforehand. The farm's chroot is a minimal one,
that of sbuild has build-essential in it. Both download all else while they are measured. There are
two pairs:

- the whole release, with lintian, apt's installation checks and all HOWTOs, against sbuild as it
  comes, which runs lintian too, and nothing else;
- building and staging alone, against sbuild without lintian: the same work for both.

Run ``python -m benchmarks release``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.plain_loop import PlainLoop
from benchmarks.ratio import Ratio, compare, times_as_fast
from benchmarks.shop import Shop

REQUIRED = times_as_fast(2.5)
_STAGING = ("release_tests/test_build.py", "release_tests/test_repository.py::test_signatures")


def measure(shop: Shop) -> Iterator[Ratio]:
    """Measure both pairs; leaves a released workspace behind."""
    with tempfile.TemporaryDirectory() as name:
        loop = PlainLoop(shop, Path(name))
        loop.prepare()
        try:
            yield from _measure(shop, loop)
        finally:
            loop.close()


def _measure(shop: Shop, loop: PlainLoop) -> Iterator[Ratio]:
    shop.cool()
    staged, _ = shop.release(*_STAGING)
    without = loop.measure("--no-run-lintian")
    yield from compare(
        "cold build and staging, -n 2", staged, without, limit=REQUIRED,
        note="other: sbuild --no-run-lintian, reprepro",
    )  # fmt: skip
    shop.cool()
    released, _ = shop.release()
    plain = loop.measure()
    yield from compare(
        "cold release, -n 2", released, plain, limit=REQUIRED,
        note="other: sbuild, which runs lintian, reprepro",
    )  # fmt: skip
    yield Ratio("... against sbuild without lintian", released.wall, without.wall)
