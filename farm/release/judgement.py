"""Floor 5: whether gates open, from what they require and what is recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from farm.model.verdict import State, Verdict
from farm.release.gates import Requirement

NOT_RECORDED = "nothing is recorded on exactly these digests"
OTHER_INPUTS = "what is recorded was found with another test or policy"
EXPIRED = "what is recorded is too old"

Recall = Callable[[str], Mapping[str, Verdict]]
"""Gives the latest verdicts on one digest by item: :meth:`farm.report.ledger.Ledger.verdicts`."""


@dataclass(frozen=True)
class Judged:
    """One requirement and how it stands; without a state it is missing.

    :param reason: why it stands so, for people; empty when it has passed.
    """

    requirement: Requirement
    state: State | None
    reason: str
    verdict: Verdict | None

    def __str__(self) -> str:
        state = self.state or "missing"
        return f"{self.requirement.item}: {state}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class GateReport:
    """How everything that was required stands."""

    items: tuple[Judged, ...]

    @property
    def opened(self) -> bool:
        """Whether all of it has passed; nothing required means that nothing is proven."""
        return bool(self.items) and not self.closed

    @property
    def closed(self) -> list[Judged]:
        """What keeps the gate shut: failures first, then faults, then what is not known."""
        order = [State.FAILED, State.FAULT, State.WAIVED, State.WAITING, None]
        held = [item for item in self.items if item.state is None or not item.state.opens]
        return sorted(held, key=lambda item: order.index(item.state))

    def having(self, state: State | None) -> list[Judged]:
        """Give the items in one state; None gives those that are missing."""
        return [item for item in self.items if item.state is state]

    @property
    def passed(self) -> list[Verdict]:
        """The verdicts that let the gate open."""
        found = (item.verdict for item in self.having(State.PASSED))
        return [verdict for verdict in found if verdict]

    @property
    def why(self) -> str:
        """Say in one sentence why it is open or shut."""
        closed = self.closed
        if not self.items:
            return "Nothing is required, so nothing is proven."
        if not closed:
            return f"All {len(self.items)} required items have passed."
        counts = Counter(str(item.state or "missing") for item in closed)
        told = ", ".join(f"{n} {state}" for state, n in counts.items())
        return (
            f"{len(closed)} of {len(self.items)} required items have not passed ({told}), "
            f"the first is {closed[0]}."
        )

    def lines(self, *, limit: int = 20) -> list[str]:
        """Give one line for each item that keeps the gate shut, at most ``limit`` and one."""
        closed = [str(item) for item in self.closed]
        rest = len(closed) - limit
        return closed[:limit] + ([f"… and {rest} more"] if rest > 0 else [])


def judge(
    requirements: Sequence[Requirement], *, recall: Recall, oldest: datetime | None = None
) -> GateReport:
    """Say how each requirement stands, and so whether the gate opens.

    :param recall: asked once for each digest.
    :param oldest: verdicts from before this time have expired; None lets them live for ever.
    """
    verdicts = {digest: recall(digest) for digest in sorted({r.digest for r in requirements})}
    return GateReport(
        tuple(
            _judge_one(requirement, verdicts[requirement.digest].get(requirement.item), oldest)
            for requirement in requirements
        )
    )


def _judge_one(
    requirement: Requirement, verdict: Verdict | None, oldest: datetime | None
) -> Judged:
    problem = requirement.problem
    if not problem and verdict is None:
        problem = NOT_RECORDED
    if not problem and verdict and requirement.inputs not in ("", verdict.inputs):
        problem = OTHER_INPUTS
    if not problem and verdict and oldest and verdict.when < oldest:
        problem = EXPIRED
    if problem or verdict is None:
        return Judged(requirement, None, problem, verdict)
    reason = verdict.reason.strip().partition("\n")[0].rstrip(".")
    return Judged(requirement, verdict.state, reason, verdict)
