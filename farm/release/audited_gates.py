"""Floor 5: what the receipt of a published repository proves of each gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farm.base.errors import FarmError
from farm.model.target import Target
from farm.model.verdict import State
from farm.release.gates import (
    HOWTO,
    TRYING,
    UPGRADE,
    HowtoFile,
    Plan,
    Unit,
    known_gates,
    own_items,
    required_items,
)
from farm.report.receipt import Gate, Predicate

_SHOWN = 20


@dataclass(frozen=True)
class GateAudit:
    """One gate, as the receipt tells it.

    :param items: every item that it required, and its state.
    :param problem: why the gate counts as shut; empty when it is open.
    """

    name: str
    required: int
    passed: int
    items: tuple[tuple[str, str], ...]
    problem: str = ""
    details: tuple[str, ...] = ()

    @property
    def opened(self) -> bool:
        """Whether the receipt proves that the gate was open."""
        return not self.problem

    def lines(self) -> list[str]:
        """Say it to people."""
        state = "open" if self.opened else "shut"
        more = [f"  {line}" for line in self.details[:_SHOWN]]
        return [f"gate {self.name}: {state}, {self.passed} of {self.required} passed", *more]


def audit_gates(said: Predicate, *, require: Sequence[str]) -> tuple[GateAudit, ...]:
    """Say of each gate in a receipt, and of each one required, whether it was proven open.

    :param require: gates that must be there.
    """
    names = list(dict.fromkeys([*known_gates(), *sorted(said.gates), *require]))
    return tuple(
        _audit_gate(name, said) if name in said.gates else _missing(name)
        for name in names
        if name in said.gates or name in require
    )


def _missing(name: str) -> GateAudit:
    problem = f"The {name} gate is missing: the receipt says nothing of it."
    return GateAudit(name, 0, 0, (), problem)


def _audit_gate(name: str, said: Predicate) -> GateAudit:
    gate = said.gates[name]
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    passed = {item.id: item.digest for item in gate.items if item.state.opens}
    items = tuple((ascii(item.id).strip("'"), item.state.value) for item in gate.items)
    wrong = [f"{item}: {state}" for item, state in items if State(state) is not State.PASSED]
    wrong += _unproven(name, passed, said)
    if len(passed) != len(gate.items):
        wrong += _twice(gate)
    count = max(gate.required, len(gate.items))
    problem = ""
    if wrong:
        problem = f"The {name} gate is shut: {wrong[0]}."
    elif not gate.items or gate.required != len(gate.items):
        problem = f"The {name} gate is shut: {len(passed)} of {gate.required} items are recorded."
    return GateAudit(name, count, len(passed), items, problem, tuple(wrong))


def _twice(gate: Gate) -> list[str]:
    ids = [item.id for item in gate.items]
    return [f"{one!a}: named twice" for one in sorted(set(ids)) if ids.count(one) > 1]


def _unproven(name: str, passed: dict[str, str], said: Predicate) -> list[str]:
    """List what the gate requires of the receipt's own packages, and the receipt does not have."""
    if name not in known_gates():
        return []
    try:
        plan = _plan(said)
        tries = name in TRYING and (name != UPGRADE or bool(plan.former))
        untried = _without_howto(passed, plan) if tries else []
        if name == HOWTO:
            return untried
        own = (
            own_items(name, plan)
            if name in TRYING
            else required_items(name, plan=plan, expectations={})
        )
    except FarmError as error:
        return [error.brief.rstrip(".")]
    return [*(f"{r.item}: missing" for r in own if passed.get(r.item) != r.digest), *untried]


def _without_howto(passed: dict[str, str], plan: Plan) -> list[str]:
    """List what was not tried. How many items a HOWTO has, the workspace alone knows."""
    tried = {
        item.rpartition("[")[2] for item, digest in passed.items() if digest == plan.candidate
    }
    return [f"the HOWTO of {unit}: missing" for unit in plan.units if f"{unit}]" not in tried]


def _plan(said: Predicate) -> Plan:
    keys = {Unit(one.package, Target.parse(one.target)): one.key for one in said.inputs}
    # Which HOWTO files there were is not what this asks: only that the check has passed.
    howtos = tuple(HowtoFile(unit, "howtos", "unknown") for unit in keys)
    return Plan(said.candidate, tuple(sorted(keys)), keys, howtos, former=said.former)
