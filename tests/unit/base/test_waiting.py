"""Waiting, with a clock that a test turns."""

from __future__ import annotations

from datetime import timedelta

import pytest

from farm.base.errors import WaitTimeout
from farm.base.waiting import Deadline, wait_for

SECOND = timedelta(seconds=1)


class Clock:
    """Goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_what_is_there_at_once_costs_no_time() -> None:
    clock = Clock()
    assert wait_for(lambda: "here", what="It", timeout=SECOND, clock=clock,
                    sleep=clock.sleep) == "here"  # fmt: skip
    assert clock.now == 100.0


def test_it_looks_until_there_is_something() -> None:
    clock = Clock()
    seen = wait_for(lambda: clock.now > 103, what="It", timeout=10 * SECOND, pause=SECOND,
                    clock=clock, sleep=clock.sleep)  # fmt: skip
    assert seen
    assert clock.now == 104.0


def test_it_says_what_did_not_happen() -> None:
    clock = Clock()
    with pytest.raises(WaitTimeout, match="An answer did not happen within 0:00:02"):
        wait_for(lambda: None, what="An answer", timeout=2 * SECOND, clock=clock,
                 sleep=clock.sleep)  # fmt: skip
    assert clock.now == pytest.approx(102.0)


def test_a_deadline_has_nothing_left_when_it_has_passed() -> None:
    clock = Clock()
    deadline = Deadline(SECOND, clock=clock)
    clock.sleep(3)
    assert deadline.has_passed
    assert deadline.remaining == timedelta(0)
