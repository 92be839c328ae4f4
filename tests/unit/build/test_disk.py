"""A build takes no more of the disk than its share, whatever others do."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.build.disk import DiskWatch, show_size

MIB = 2**20
GIB = 2**30
SHARE = 10 * GIB


class Disk:
    """A disk, a clock, and a build that has written something."""

    def __init__(self) -> None:
        self.left = 100 * GIB
        self.own = 0
        self.now = 0.0
        self.measured = 0

    def free(self, _path: Path) -> int:
        return self.left

    def measure(self) -> int:
        self.measured += 1
        self.now += 0.1
        return self.own

    def clock(self) -> float:
        return self.now

    def write(self, size: int) -> None:
        self.own += size
        self.left -= size

    def watch(self) -> DiskWatch:
        return DiskWatch(Path("/"), SHARE, self.measure, self.free, self.clock)


def look(disk: Disk, watch: DiskWatch, *, seconds: int) -> str | None:
    """Look once a second, until there is a reason to end the build."""
    for _ in range(seconds):
        disk.now += 1
        why = watch()
        if why:
            return why
    return None


@pytest.fixture
def disk() -> Disk:
    return Disk()


def test_within_its_share_it_goes_on(disk: Disk) -> None:
    watch = disk.watch()
    disk.write(SHARE - MIB)
    assert look(disk, watch, seconds=60) is None


def test_beyond_its_share_it_ends_at_once(disk: Disk) -> None:
    watch = disk.watch()
    assert look(disk, watch, seconds=60) is None
    disk.write(SHARE + MIB)
    assert look(disk, watch, seconds=3) == "it filled its share of the disk: 10 GiB"


def test_what_others_write_is_not_its_own(disk: Disk) -> None:
    watch = disk.watch()
    disk.left -= 50 * GIB
    disk.write(MIB)
    assert look(disk, watch, seconds=60) is None


def test_what_others_remove_hides_nothing(disk: Disk) -> None:
    watch = disk.watch()
    disk.write(SHARE + MIB)
    disk.left += 50 * GIB
    assert look(disk, watch, seconds=15) == "it filled its share of the disk: 10 GiB"


def test_when_the_disk_is_nearly_full_those_who_wrote_much_end(disk: Disk) -> None:
    disk.left = 1300 * MIB
    modest, greedy = disk.watch(), disk.watch()
    disk.left -= 900 * MIB
    disk.own = MIB
    assert look(disk, modest, seconds=60) is None
    disk.own = 899 * MIB
    assert look(disk, greedy, seconds=3) == "it filled the disk: 400 MiB are left"


def test_when_the_disk_is_full_all_end(disk: Disk) -> None:
    watch = disk.watch()
    disk.left = 100 * MIB
    assert look(disk, watch, seconds=1) == "the disk is full: 100 MiB are left"


def test_measuring_takes_little_of_the_time(disk: Disk) -> None:
    watch = disk.watch()
    look(disk, watch, seconds=1000)
    assert 50 <= disk.measured <= 100
    before = disk.measured
    disk.left = 400 * MIB  # which is a reason to look all the time
    look(disk, watch, seconds=100)
    assert disk.measured - before <= 100 * 0.05 / 0.1 + 1


@pytest.mark.parametrize(("size", "text"), [
    (10 * GIB, "10 GiB"), (GIB * 3 // 2, "1.5 GiB"), (16 * MIB, "16 MiB"), (MIB // 2, "0.5 MiB"),
])  # fmt: skip
def test_sizes_for_people(size: int, text: str) -> None:
    assert show_size(size) == text
