"""Floor 5: gates, what each requires of a candidate.

What is required follows from the candidate and from the HOWTO files of the workspace, never from
what a run happened to collect: a test that was deleted, skipped or not selected leaves its item
without a verdict, and absence of failure proves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from farm.base.errors import FarmFault, InputError
from farm.model.howto import needs_machine
from farm.model.target import Target
from farm.model.verdict import item_id
from farm.report.ledger import Ledger

_BUILD = "build"
_REPOSITORY = "repository"
LIFECYCLE = "lifecycle"
HOWTO = "howto"
INSTALL = "install"
UPGRADE = "upgrade"

# Checks of each package on each target, and checks of each target.
_PER_UNIT = {
    _BUILD: ("build",),
    _REPOSITORY: ("installable", "dependencies", "versions", "lint", "howto"),
    LIFECYCLE: ("purge", "reinstall", "upgrade"),
}
_PER_TARGET = {
    _REPOSITORY: ("signatures", "contents"),
    INSTALL: ("installs", "packages", "files", "settled", "journal", "services", "reboot", "page"),
    UPGRADE: ("upgrades", "back"),
}  # fmt: skip

# The check whose inputs decide about HOWTOs that are tried on machines, too.
_DECIDING = {INSTALL: f"{INSTALL}/installs", UPGRADE: f"{UPGRADE}/upgrades"}

BEFORE = "before/"
"""Begins the check of a HOWTO on what users have. What is found there is kept with the digest of
that, and a gate asks for it only so that somebody has looked: see docs/machines.md."""

ALONE = frozenset({"build/build", "repository/lint"})
"""Checks that look at a build and nothing else: they need no candidate."""

CARRIED = ALONE | {f"{LIFECYCLE}/purge", f"{LIFECYCLE}/reinstall"}
"""Checks of a build: what they found holds for every candidate with this build."""


@dataclass(frozen=True, order=True)
class Unit:
    """A package on a target: what most checks look at. Written ``sipsak@bookworm-amd64``."""

    package: str
    target: Target

    def __str__(self) -> str:
        return f"{self.package}@{self.target}"


@dataclass(frozen=True, order=True)
class HowtoFile:
    """A HOWTO file of a package, as it is now, for one target.

    :param path: below the workspace, such as ``howtos/sipsak.md``.
    :param digest: of its content, and of all else that decides what its items are and do.
        Verdicts on its items carry it as their ``inputs``.
    """

    unit: Unit
    path: str
    digest: str

    @property
    def source(self) -> str:
        """The name under which the ledger keeps its complete list of items."""
        return f"{self.path}[{self.unit}]"

    @property
    def needs_machine(self) -> bool:
        """Whether it is tried on machines only."""
        return needs_machine(PurePosixPath(self.path))

    def inputs(self, gate: str, others: Mapping[str, str]) -> str:
        """Give the inputs of verdicts on its items: on a machine, what that is counts too.

        :param others: see :attr:`Plan.inputs`.
        """
        return self.digest + others.get(_DECIDING.get(gate, ""), "")


@dataclass(frozen=True)
class Plan:
    """A candidate and what is to be known of it.

    :param candidate: the digest of its content.
    :param units: every package on every target that it holds.
    :param keys: the key of each unit's build.
    :param howtos: every HOWTO file that the workspace has for the units.
    :param inputs: for ``GATE/CHECK``, the inputs that its verdicts must have been found with,
        such as the digest of a policy; a check that is not named accepts any.
    :param former: the digest of what it is an upgrade of; empty for a first release.
    """

    candidate: str
    units: tuple[Unit, ...]
    keys: Mapping[Unit, str]
    howtos: tuple[HowtoFile, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    former: str = ""

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets of all units, each once."""
        return tuple(sorted({unit.target for unit in self.units}))

    def howtos_of(self, unit: Unit, *, machines: bool = False) -> list[HowtoFile]:
        """Give the HOWTO files of one unit.

        :param machines: whether those are meant, too, that are tried on machines only.
        """
        own = sorted(howto for howto in self.howtos if howto.unit == unit)
        return own if machines else [howto for howto in own if not howto.needs_machine]


@dataclass(frozen=True)
class Requirement:
    """One item that must have passed.

    :param item: its name, as in verdicts.
    :param digest: what the verdict must be on: the candidate, or a build.
    :param inputs: what the verdict must have been found with; empty accepts anything.
    :param problem: why it cannot have passed, whatever the ledger says; empty mostly.
    """

    gate: str
    item: str
    digest: str
    inputs: str = ""
    problem: str = ""


Expectations = Mapping[tuple[str, str], Sequence[str]]
"""The complete list of items of each HOWTO file, by gate and :attr:`HowtoFile.source`."""

ASKED_FOR = (LIFECYCLE, INSTALL, UPGRADE)
"""The gates whose checks are tried only where a repository asks for them: they take their time."""

TRYING = (HOWTO, INSTALL, UPGRADE)
"""The gates in which HOWTOs are tried: in chroots, on a machine, and on an upgraded one."""


def known_gates() -> list[str]:
    """Name the gates that a repository can ask for, in the order in which they open."""
    return list(_GATES)


def own_checks() -> list[str]:
    """Name the checks that the farm itself requires, as ``GATE/CHECK``."""
    tables = (_PER_TARGET, _PER_UNIT)
    return [f"{gate}/{check}" for table in tables for gate in table for check in table[gate]]


def required_items(gate: str, *, plan: Plan, expectations: Expectations) -> list[Requirement]:
    """List all that a gate requires of a candidate.

    :raises InputError: for a gate that does not exist.
    :raises FarmFault: when two items have one name, so that one verdict would serve both.
    """
    if gate not in _GATES:
        raise InputError(f"There is no gate {gate!r}.", hint=f"Gates are: {', '.join(_GATES)}.")
    requirements = _GATES[gate](gate, plan, expectations)
    twice = [item for item, n in Counter(r.item for r in requirements).items() if n > 1]
    if twice:
        raise FarmFault(f"Two items of the gate {gate} have the same name: {twice[0]}.")
    return requirements


def recall_expectations(ledger: Ledger, howtos: Iterable[HowtoFile]) -> Expectations:
    """Give the recorded lists of items of HOWTO files, exactly as the files are now."""
    found = {
        (gate, howto.source): ledger.expectations(howto.digest, gate=gate).get(howto.source)
        for howto in howtos
        for gate in TRYING
    }
    return {source: items for source, items in found.items() if items is not None}


def own_items(gate: str, plan: Plan) -> list[Requirement]:
    """List what a gate requires beside HOWTOs, whose items the workspace alone knows."""
    return _checks(gate, plan, {})


def _checks(gate: str, plan: Plan, _: Expectations) -> list[Requirement]:
    subjects: list[tuple[str, Unit | Target]] = [
        *((check, target) for check in _PER_TARGET.get(gate, ()) for target in plan.targets),
        *((check, unit) for check in _PER_UNIT.get(gate, ()) for unit in sorted(plan.units)),
    ]
    return [_check(gate, check, plan, subject) for check, subject in subjects]


def _check(gate: str, check: str, plan: Plan, subject: Unit | Target) -> Requirement:
    name = f"{gate}/{check}"
    item = item_id(gate, check, subject=str(subject))
    digest, problem = plan.candidate, ""
    if isinstance(subject, Unit) and name in CARRIED:
        digest = plan.keys.get(subject, "")
        problem = "" if digest else f"no build of {subject} is known"
    if isinstance(subject, Unit) and name == "repository/howto" and not plan.howtos_of(subject):
        problem = _no_howto(subject)
    return Requirement(gate, item, digest, plan.inputs.get(name, ""), problem)


def _howto_items(gate: str, plan: Plan, expectations: Expectations) -> list[Requirement]:
    requirements = []
    for unit in sorted(plan.units):
        howtos = plan.howtos_of(unit, machines=gate != HOWTO)
        if not howtos:
            item = item_id(gate, f"howtos/{unit.package}", subject=str(unit))
            requirements.append(Requirement(gate, item, plan.candidate, problem=_no_howto(unit)))
        for howto in howtos:
            expected = expectations.get((gate, howto.source))
            requirements += _items_of(gate, howto, plan, expected)
    return requirements


def _install_items(gate: str, plan: Plan, expectations: Expectations) -> list[Requirement]:
    return [*_checks(gate, plan, expectations), *_howto_items(gate, plan, expectations)]


def _upgrade_items(gate: str, plan: Plan, expectations: Expectations) -> list[Requirement]:
    howtos = _howto_items(gate, plan, expectations) if plan.former else []
    return [*_checks(gate, plan, expectations), *howtos]


def _items_of(
    gate: str, howto: HowtoFile, plan: Plan, items: Sequence[str] | None
) -> list[Requirement]:
    inputs = howto.inputs(gate, plan.inputs)
    if items:
        before = howto.inputs(INSTALL, plan.inputs)
        return [
            Requirement(gate, item, plan.former, before)
            if item.startswith(f"{UPGRADE}/{BEFORE}")
            else Requirement(gate, item, plan.candidate, inputs)
            for item in items
        ]
    problem = (
        f"{howto.path} has never been collected completely as it is now"
        if items is None
        else f"{howto.path} has nothing to try"
    )
    item = item_id(gate, howto.path, subject=str(howto.unit))
    return [Requirement(gate, item, plan.candidate, inputs, problem)]


def _no_howto(unit: Unit) -> str:
    name = unit.package
    return (f"{name} has no HOWTO for a chroot: neither howtos/{name}.md nor "
            f"howtos/{name}/test_*.py")  # fmt: skip


# A gate is one line here: its name, and what lists its items.
_GATES: dict[str, Callable[[str, Plan, Expectations], list[Requirement]]] = {
    _BUILD: _checks,
    _REPOSITORY: _checks,
    LIFECYCLE: _checks,
    HOWTO: _howto_items,
    INSTALL: _install_items,
    UPGRADE: _upgrade_items,
}
