"""Floor 6: verdicts: what of an item's end goes to the ledger, and what holds from before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from farm.base.errors import FarmFault
from farm.model.verdict import State, Verdict
from farm.plugin.context import ReleaseRun
from farm.plugin.items import Facts
from farm.release.gates import INSTALL, TRYING, Unit

RECORDED = "farm_recorded"
VERDICTS = pytest.StashKey["Verdicts"]()
"""In ``config.stash`` once a release has begun; not while pytest only collects."""


class Verdicts:
    """Records verdicts of one process, and finds those that make trying again needless."""

    def __init__(self, run: ReleaseRun) -> None:
        self._run = run
        self._howtos = {
            (howto.unit, howto.path): howto for howto in run.workshop.howtos(run.units)
        }
        self._known: dict[str, dict[str, str]] = {}

    def _digest(self, facts: Facts) -> str:
        """Give the digest of what an item looks at, if that is there; builds nothing."""
        if facts.is_of_build and isinstance(facts.subject, Unit):
            return self._run.find_build_key(facts.subject)
        if facts.twin:
            former = self._run.former
            return former.digest if former else ""
        return self._run.find_candidate_digest()

    def _is_there(self, facts: Facts) -> bool:
        """Whether what was looked at is still in the store: it may have been cleared away."""
        unit = facts.subject
        return not (facts.is_of_build and isinstance(unit, Unit)) or self._run.is_built(unit)

    def _inputs_of(self, facts: Facts) -> str:
        inputs = self._inputs()
        if facts.gate in TRYING and isinstance(facts.subject, Unit):
            howto = self._howtos.get((facts.subject, facts.howto))
            gate = INSTALL if facts.twin else facts.gate
            return howto.inputs(gate, inputs) if howto else ""
        return inputs.get(facts.name, "")

    def _inputs(self) -> dict[str, str]:
        """Give what decides about checks of the candidate, if there is one by now."""
        digest = self._run.find_candidate_digest()
        if digest not in self._known:
            run = self._run
            self._known[digest] = run.workshop.inputs(run.repository, digest)
        return self._known[digest]

    def recall(self, facts: Facts) -> Verdict | None:
        """Give the recorded pass of an item on identical digests, if there is one."""
        if self._run.options.fresh or not self._is_there(facts):
            return None
        digest = self._digest(facts)
        if not digest:
            return None
        inputs = self._inputs_of(facts)
        ledger = self._run.workshop.ledger
        found = ledger.recorded_pass(facts.item, digest=digest, inputs=inputs)
        if found or not facts.twin:
            return found
        # It was tried when that was released, on a machine like the one that users have.
        twin = ledger.recorded_pass(facts.twin, digest=digest, inputs=inputs)
        found = replace(twin, item=facts.item, gate=facts.gate) if twin else None
        if found:
            ledger.record(found)
        return found

    def begin(self, facts: Facts) -> None:
        """Take back what was recorded of an item that is about to be tried: it may never end."""
        reason = "it was begun, and has not ended"
        self.record(facts, state=State.WAITING, reason=reason, seconds=0)

    def record(self, facts: Facts, *, state: State, reason: str, seconds: float) -> None:
        """Remember how an item ended, if what it looked at is there at all."""
        digest = self._digest(facts)
        if digest:
            verdict = Verdict(
                item=facts.item, gate=facts.gate, state=state, reason=reason, digest=digest,
                inputs=self._inputs_of(facts), seconds=seconds, when=datetime.now(UTC),
                run=self._run.run,
            )  # fmt: skip
            self._run.workshop.ledger.record(verdict)

    def expect(self, items: list[tuple[pytest.Item, Facts]]) -> None:
        """Remember which items each HOWTO file consists of, from an unfiltered collection."""
        for howto in self._howtos.values():
            for gate in TRYING:
                names = [
                    facts.item for _, facts in items
                    if facts.gate == gate and facts.subject == howto.unit
                    and facts.howto == howto.path
                ]  # fmt: skip
                if names:
                    self._run.workshop.ledger.expect(
                        howto.digest, gate=gate, source=howto.source, items=names
                    )


def state_of(report: pytest.TestReport, *, error: BaseException | None) -> State:
    """Say how an item ended.

    :param error: what it raised, if that is why.
    """
    if report.skipped:
        return State.WAITING
    if report.passed:
        return State.PASSED
    return State.FAULT if isinstance(error, FarmFault) else State.FAILED
