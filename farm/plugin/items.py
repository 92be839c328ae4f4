"""Floor 6: what an item is to the farm: its gate, its subject, what it needs and provides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from farm.model.target import Target
from farm.model.verdict import item_id
from farm.plugin.context import ReleaseRun
from farm.plugin.prose import ProseItem
from farm.plugin.scheduler import Schedule, ScheduledItem
from farm.release.gates import ALONE, BEFORE, CARRIED, HOWTO, INSTALL, UPGRADE, Unit

BUILD = "build"
GATE, SUBJECT, STATE = "gate", "subject", "state"
"""Properties of items: what they belong to, and how they ended, in the words of the ledger."""
PICTURE, NOTE, PHASE = "picture", "note", "phase"
"""Properties of items that reports show."""
ERROR = pytest.StashKey["BaseException | None"]()
"""What an item has raised first, in ``item.stash``."""
# What takes minutes when nobody knows yet how many. It is never taken for less: where users have
# nothing yet there is nothing to do, and what that took says nothing of the next time.
_MACHINE_SECONDS = {"install/installer": 90.0, "install/installs": 180.0, "upgrade/former": 180.0,
                    "upgrade/upgrades": 90.0, "upgrade/back": 60.0}  # fmt: skip
_RELEASE = "release"
_ABOUT = ("job", "released", "released_target", "machine", "farm_trial")


class Where(StrEnum):
    """Where a HOWTO is tried: what stands behind the target in the names of items."""

    CHROOT = ""
    MACHINE = ":machine"
    """On one that was just installed."""
    BEFORE = ":before"
    """On one that has what users have."""
    UPGRADED = ":upgraded"
    """On one that had it, and was upgraded."""

    @property
    def gate(self) -> str:
        """The gate that asks for it."""
        return {Where.CHROOT: HOWTO, Where.MACHINE: INSTALL}.get(self, UPGRADE)


@dataclass(frozen=True, order=True)
class Try:
    """A HOWTO of a unit, tried somewhere."""

    unit: Unit
    where: Where = Where.CHROOT

    def __str__(self) -> str:
        return f"{self.unit.target}{self.where}"

    @staticmethod
    def parse(package: str, text: str) -> Try:
        """Read what stands in the name of an item."""
        target, colon, where = text.partition(":")
        return Try(Unit(package, Target.parse(target)), Where(f"{colon}{where}"))


@dataclass(frozen=True)
class Facts:
    """What the farm knows of an item that belongs to a gate.

    :param twin: of a HOWTO on what users have: the name of the same on a machine that was just
        installed, which may have passed when that was released.
    :param before: of a HOWTO on an upgraded machine: the name of the same before the upgrade.
    """

    gate: str
    check: str
    subject: Unit | Target
    twin: str = ""
    before: str = ""

    @property
    def item(self) -> str:
        """The name in the ledger."""
        return item_id(self.gate, self.check, subject=str(self.subject))

    @property
    def name(self) -> str:
        """Gate and check."""
        return f"{self.gate}/{self.check}"

    @property
    def howto(self) -> str:
        """The file of a HOWTO, below the workspace."""
        return self.check.removeprefix(BEFORE).partition("::")[0]

    @property
    def is_of_build(self) -> bool:
        """Whether the verdict is on a build, and holds in every candidate that has it."""
        return self.name in CARRIED


def about(facts: Facts) -> list[tuple[str, object]]:
    """Give the properties by which reports know what an item belongs to."""
    return [(GATE, facts.gate), (SUBJECT, str(facts.subject))]


def facts_of(item: pytest.Item, root: Path) -> Facts | None:
    """Give what the farm knows of an item; None for an item of no gate."""
    if isinstance(item, ProseItem):
        tried = Try.parse(item.farm_package, item.farm_target)
        return _howto_facts(tried, f"{_below(item.path, root)}::howto")
    subject = _subject(item)
    if subject is None:
        return None
    if howto_package(item.path, root):
        check = f"{_below(item.path, root)}::{_within_file(item)}"
        value = _params(item).get("farm_trial")
        if isinstance(value, Try):
            return _howto_facts(value, check)
        return Facts(HOWTO, check, subject)
    mark = item.get_closest_marker("farm_gate")
    if mark is None or not mark.args:
        return None
    function = str(getattr(item, "originalname", item.name))
    more = item.name.removeprefix(function)
    name = function.removeprefix("test_")
    # Parameters of its own make it several checks, with a verdict each.
    return Facts(str(mark.args[0]), name if more == f"[{subject}]" else name + more, subject)


def _howto_facts(tried: Try, check: str) -> Facts:
    gate = tried.where.gate
    if tried.where is Where.UPGRADED:
        return Facts(gate, check, tried.unit, before=_elsewhere(tried, Where.BEFORE, check))
    if tried.where is Where.BEFORE:
        twin = _elsewhere(tried, Where.MACHINE, check)
        return Facts(gate, f"{BEFORE}{check}", tried.unit, twin=twin)
    return Facts(gate, check, tried.unit)


def _elsewhere(tried: Try, where: Where, check: str) -> str:
    """Name the item of the same HOWTO somewhere else."""
    other = Try(tried.unit, where)
    return _howto_facts(other, check.replace(str(tried), str(other), 1)).item


def _params(item: pytest.Item) -> Mapping[str, object]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


def _subject(item: pytest.Item) -> Unit | Target | None:
    params = _params(item)
    for name in _ABOUT:
        value = params.get(name)
        value = value.unit if isinstance(value, Try) else value
        if isinstance(value, Unit | Target):
            return value
    return None


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _within_file(item: pytest.Item) -> str:
    """Name an item below its file: class, function and parameters."""
    return item.nodeid.partition("::")[2]


def howto_package(path: Path, root: Path) -> str:
    """Give the package that a Python HOWTO is about: ``howtos/NAME/test_*.py``; or nothing."""
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    return parts[1] if len(parts) == 3 and parts[0] == "howtos" else ""


def make_schedule(
    items: list[pytest.Item], run: ReleaseRun, durations: Mapping[str, float]
) -> Schedule:
    """Say what each item needs and provides, for the scheduler."""
    everything = tuple(f"build:{unit}" for unit in run.units)
    schedule = {
        item.nodeid: _scheduled(item, run, everything, durations.get(item.nodeid))
        for item in items
    }
    return Schedule(schedule)


def _scheduled(
    item: pytest.Item, run: ReleaseRun, everything: tuple[str, ...], seconds: float | None
) -> ScheduledItem:
    facts = facts_of(item, run.workspace.root)
    if _RELEASE in getattr(item, "fixturenames", ()):
        gates = run.workspace.repository(run.repository).gates
        return ScheduledItem(needs=tuple(f"gate:{gate}" for gate in gates), seconds=seconds)
    if facts is None:
        return ScheduledItem(seconds=seconds)
    provides = [f"gate:{facts.gate}"]
    needs = everything
    if facts.gate in (INSTALL, UPGRADE):
        made, needs = _around_machine(facts, everything)
        provides += made
        least = _MACHINE_SECONDS.get(facts.name)
        seconds = max(least, seconds or 0) if least else seconds
    if facts.name in ALONE:
        needs = (f"build:{facts.subject}",)
    if facts.gate == BUILD:
        provides.append(f"build:{facts.subject}")
        name = str(facts.subject)
        known = run.is_prepared and name in run.plan.jobs
        needs = tuple(f"build:{need}" for need in run.plan.needs(name)) if known else ()
    return ScheduledItem(tuple(provides), needs, seconds)


def _around_machine(
    facts: Facts, everything: tuple[str, ...]
) -> tuple[list[str], tuple[str, ...]]:
    """Say what a check of a machine makes for others, and what it needs.

    What installers boot is made while packages are built, and so is the machine of what was
    released before.
    """
    target = facts.subject.target if isinstance(facts.subject, Unit) else facts.subject
    names = ("installer", "machine", "former")
    installer, machine, former = (f"{name}:{target}" for name in names)
    if facts.name == "install/installer":
        return [installer], ()
    if facts.name == "install/installs":
        return [machine], (*everything, installer)
    if facts.name == "upgrade/former":
        return [former], (installer,)
    if facts.name == "upgrade/upgrades":
        return [f"upgraded:{target}"], (machine, former)
    before = f"before:{facts.howto}[{facts.subject}]"
    if facts.twin:
        return [before], (*everything, former)
    if facts.gate == UPGRADE:
        return [], (f"upgraded:{target}", before)
    return [], (machine,)
