"""Floor 1: from parsed TOML to checked tables, with every mistake on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from farm.base.errors import InputError
from farm.config.machine_tables import NESTED, MachineTable
from farm.config.mistakes import Key, Mistake, describe, dotted, name_type
from farm.config.schema import (
    PackageTable,
    PolicyTable,
    RepositoryTable,
    TargetTable,
    WorkspaceTable,
)
from farm.config.settings import PRIVATE
from farm.config.spelling import find_nearest
from farm.config.values import Table
from farm.model.names import check_package, check_repository
from farm.model.target import Target

_Table = TypeVar("_Table", bound=Table)

SINGLE: Mapping[str, type[Table]] = {
    "workspace": WorkspaceTable,
    "policy": PolicyTable,
    "machine": MachineTable,
}
"""Tables that exist once."""
NAMED: Mapping[str, type[Table]] = {
    "target": TargetTable,
    "repository": RepositoryTable,
    "package": PackageTable,
}
"""Tables of which there is one a name."""


@dataclass
class Document:
    """The tables of a farm.toml, as far as they could be read, and the mistakes in them.

    A value that is wrong is left out of its table, so that the rest of it can be looked at.

    :param raw: what the file says, as TOML values.
    """

    raw: Mapping[str, Any]
    workspace: WorkspaceTable | None = None
    policy: PolicyTable = field(default_factory=PolicyTable)
    machine: MachineTable | None = None
    targets: dict[str, TargetTable] = field(default_factory=dict)
    repositories: dict[str, RepositoryTable] = field(default_factory=dict)
    packages: dict[str, PackageTable] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Document:
        """Check each table of a parsed file by itself."""
        document = cls(raw)
        document._check_sections()
        document.workspace = document._table(
            WorkspaceTable, ("workspace",), raw.get("workspace", {})
        )
        document.policy = (
            document._table(PolicyTable, ("policy",), raw.get("policy", {})) or document.policy
        )
        if "machine" in raw:
            document.machine = document._table(MachineTable, ("machine",), raw["machine"])
        document.targets = document._named("target", TargetTable, _check_target)
        document.repositories = document._named("repository", RepositoryTable, _check_repository)
        document.packages = document._named("package", PackageTable, check_package)
        return document

    @property
    def state(self) -> str:
        """Give the path of the state folder, also when the rest of its table is wrong."""
        if self.workspace is not None:
            return self.workspace.state
        table = self.raw.get("workspace")
        state = table.get("state") if isinstance(table, dict) else None
        default: str = WorkspaceTable.model_fields["state"].default
        return state if isinstance(state, str) else default

    def names(self, section: str) -> list[str]:
        """Give all names that a section has tables for, right or wrong."""
        tables = self.raw.get(section)
        return list(tables) if isinstance(tables, dict) else []

    def add(self, key: Key, problem: str) -> None:
        """Note a mistake."""
        self.mistakes.append(Mistake(key, problem))

    def ordered_mistakes(self) -> list[Mistake]:
        """Give the mistakes in the order of the file."""
        return sorted(self.mistakes, key=lambda mistake: self._position(mistake.key))

    def _position(self, key: Key) -> list[int]:
        place: Any = self.raw
        positions: list[int] = []
        for part in key:
            names = list(place) if isinstance(place, dict) else []
            if part not in names:
                return [*positions, -1]
            positions.append(names.index(str(part)))
            place = place[part]
        return positions

    def _check_sections(self) -> None:
        for section in self.raw:
            if section not in SINGLE and section not in NAMED:
                self.add((section,), _unknown((section,), [*SINGLE, *NAMED]))

    def _named(
        self, section: str, model: type[_Table], check: Callable[[str], object]
    ) -> dict[str, _Table]:
        tables = self.raw.get(section, {})
        if not isinstance(tables, dict):
            self.add(
                (section,), f"must be tables such as [{section}.NAME], not {name_type(tables)}"
            )
            return {}
        found = {}
        for name, raw in tables.items():
            try:
                check(name)
            except InputError as error:
                self.add((section, name), error.brief)
            table = self._table(model, (section, name), raw)
            if table is not None:
                found[name] = table
        return found

    def _table(self, model: type[_Table], key: Key, raw: object) -> _Table | None:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            details = error.errors()
        wrong = {detail["loc"][0] for detail in details if detail["loc"]}
        for detail in details:
            where = (*key, *detail["loc"])
            problem = (
                _unknown(where, _keys(_inner(model, where)), value=detail["input"])
                if detail["type"] == "extra_forbidden"
                else describe(detail)
            )
            self.add(where, problem)
        if not isinstance(raw, dict):
            return None
        return _validated(model, {name: raw[name] for name in raw if name not in wrong})


def _validated(model: type[_Table], raw: Mapping[str, Any]) -> _Table | None:
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None  # a key that must be there is not, or is wrong; which has been noted


def _check_target(name: str) -> None:
    Target.parse(name)


def _check_repository(name: str) -> None:
    check_repository(name)
    if "/" in name and not name.startswith(f"{PRIVATE}/"):
        raise InputError(f"only {PRIVATE}/NAME may have a slash.")


def _inner(model: type[Table], where: Key) -> type[Table]:
    """Give the table that a key is in: one in ``[machine]`` may be in a table of its own."""
    inner = NESTED.get(str(where[1])) if model is MachineTable and len(where) > 2 else None
    return inner or model


def _keys(model: type[Table]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown(key: Key, known: Iterable[str], *, value: object = None) -> str:
    """Say that a key is unknown, and what was meant: a key here, or the same key elsewhere."""
    *table, name = key
    nearest = find_nearest(str(name), known)
    if nearest:
        return f"unknown key; did you mean {dotted((*table, nearest))}?"
    if len(table) == 2 and isinstance(value, dict):
        whole = dotted((table[0], f"{table[1]}.{name}"))
        return f"unknown key; a name with a dot stands in quotes: [{whole}]"
    for section, model in SINGLE.items():
        if name in _keys(model):
            return f"unknown key; did you mean {dotted((section, name))}?"
    return "unknown key"
