"""Floor 1: verdicts, how the checks of a gate ended, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from farm.base.errors import FarmFault


class State(StrEnum):
    """How an item stands: five states that are never mixed up.

    *waiting*: nothing is known yet: it was skipped, blocked by another failure, or never run.
    *passed*: it was tried on exactly these digests, and it holds.
    *failed*: it was tried, and the release is bad.
    *fault*: it could not be tried, because the farm or its host is broken; this says nothing
    about the release.
    *waived*: it does not hold, and somebody who may do so has taken it upon themselves.

    Only *passed* lets a gate open. *Waived* will too, once waivers are signed by whoever grants
    them; until then it keeps the gate shut like the other three.
    """

    WAITING = "waiting"
    PASSED = "passed"
    FAILED = "failed"
    FAULT = "fault"
    WAIVED = "waived"

    @property
    def opens(self) -> bool:
        """Whether an item in this state lets its gate open."""
        return self is State.PASSED


def item_id(gate: str, check: str, *, subject: str) -> str:
    """Name an item: ``repository/installable[sipsak@bookworm-amd64]``.

    :param subject: what the check looks at: ``PACKAGE@TARGET``, or ``TARGET``.
    """
    return f"{gate}/{check}[{subject}]"


@dataclass(frozen=True)
class Verdict:
    """How one item of a gate ended, on exactly one digest.

    :param item: its name, ``GATE/CHECK[SUBJECT]``; see :func:`item_id`.
    :param reason: one sentence; what failed, or why nothing is known. Empty when it passed.
    :param digest: of what was looked at: a candidate, or a build (its key).
    :param inputs: the digest of whatever else decided how it ended, such as the test's code.
    :param seconds: how long it took.
    :param when: when it ended, in UTC.
    :param run: names the run that found it out.
    :raises FarmFault: for an item of another gate, or a time that is not in UTC.
    """

    item: str
    gate: str
    state: State
    reason: str
    digest: str
    inputs: str
    seconds: float
    when: datetime
    run: str

    def __post_init__(self) -> None:
        if not self.item.startswith(f"{self.gate}/"):
            raise FarmFault(f"{self.item!r} is not an item of the gate {self.gate!r}.")
        if self.when.utcoffset() != timedelta(0):
            raise FarmFault(f"The verdict on {self.item} does not say its time in UTC.")
