"""Floor 0: waiting for something to become true, always with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from farm.base.errors import WaitTimeout

_T = TypeVar("_T")


class Deadline:
    """A moment until which something must have happened.

    :param within: from now on.
    :param clock: gives seconds; only tests have another.
    """

    def __init__(self, within: timedelta, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + within.total_seconds()

    @property
    def remaining(self) -> timedelta:
        """What is left; never less than nothing."""
        return timedelta(seconds=max(0.0, self._at - self._clock()))

    @property
    def has_passed(self) -> bool:
        """Whether it is too late."""
        return self._clock() >= self._at


def wait_for(
    look: Callable[[], _T | None],
    *,
    what: str,
    timeout: timedelta,
    pause: timedelta = timedelta(milliseconds=200),
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> _T:
    """Look again and again until there is something to see, and give that.

    :param look: gives nothing (None, False) while there is nothing to see yet.
    :raises WaitTimeout: naming ``what``, when the time is over.
    """
    deadline = Deadline(timeout, clock=clock)
    while True:
        seen = look()
        if seen:
            return seen
        if deadline.has_passed:
            raise WaitTimeout(f"{what} did not happen within {timeout}.")
        sleep(min(pause, deadline.remaining).total_seconds())
