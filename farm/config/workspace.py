"""Floor 1: the workspace: where its farm.toml is, and what that makes of the folder.

The other floors need this module only: what a workspace consists of can be imported from here.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from farm.base.errors import ConfigError
from farm.config.crosschecks import check_all, is_address, state_dir
from farm.config.document import Document
from farm.config.machine_tables import BOOTS, MachineTable
from farm.config.mistakes import tell
from farm.config.schema import PackageTable, RepositoryTable, TargetTable, WorkspaceTable
from farm.config.settings import (
    PRIVATE,
    Machine,
    Package,
    Page,
    Partition,
    Policy,
    Repository,
    TargetConfig,
    Workspace,
)
from farm.model.gates import Gate
from farm.model.target import Target

__all__ = ["Package", "Policy", "Repository", "TargetConfig", "Workspace", "find", "load"]

NAME = "farm.toml"
_HINT = "Make a workspace with: farm new workspace DIR"
# Distributions that have no suite of updates beside them.


def find(start: Path) -> Path:
    """Find the farm.toml of a folder: in it, or in the nearest folder above.

    :raises ConfigError: when there is none.
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        path = folder / NAME
        if path.is_file():
            return path
    raise ConfigError(f"There is no {NAME} in {here} or above.", hint=_HINT)


def load(path: Path) -> Workspace:
    """Read a farm.toml, strictly.

    :raises ConfigError: for everything that is wrong with it, all together, each with the name
        of the file and the dotted key.
    """
    root = path.absolute().parent.resolve()
    file = _shown(path)
    document = Document.read(_parse(_read(path, file=file), file=file))
    check_all(document, root=root)
    if document.mistakes or document.workspace is None:
        raise tell(document.ordered_mistakes(), file=file)
    return _workspace(document, document.workspace, root=root)


def _shown(path: Path) -> str:
    absolute = path.absolute()
    here = Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def _read(path: Path, *, file: str) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"There is no {file}.", hint=_HINT) from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}.") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{file}: line {line} is not UTF-8 text: byte 0x{content[error.start]:02x}."
        ) from None


def _parse(text: str, *, file: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{file}: is nested too deeply.") from None
    except tomllib.TOMLDecodeError as error:
        what, line, column = _locate(str(error), text)
        raise ConfigError(
            f"{file}: line {line}, column {column}: {what}.",
            hint=_quote(text, line=line),
        ) from None
    except ValueError:
        raise ConfigError(f"{file}: has a number with too many digits.") from None


def _locate(problem: str, text: str) -> tuple[str, int, int]:
    """Split the message of tomllib, which ends in ``(at line 3, column 5)``."""
    match = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", problem)
    if match and match[1]:
        return problem[: match.start()], int(match[1]), int(match[2])
    lines = text.splitlines() or [""]
    what = problem[: match.start()] if match else problem
    return f"{what} at the end of the file" if match else what, len(lines), len(lines[-1]) + 1


def _quote(text: str, *, line: int) -> str:
    lines = text.splitlines()
    return f"The line reads: {lines[line - 1].strip()[:80]}" if line <= len(lines) else ""


def _workspace(document: Document, table: WorkspaceTable, *, root: Path) -> Workspace:
    repositories = {
        name: _repository(name, repository) for name, repository in document.repositories.items()
    }
    machine = document.machine
    return Workspace(
        root=root,
        name=table.name,
        state_dir=state_dir(table.state, root=root),
        mirror=table.mirror,
        refresh=table.refresh,
        targets=tuple(_target(name, target) for name, target in document.targets.items()),
        policy=Policy(**dict(document.policy)),
        private=repositories.pop(PRIVATE, Repository(PRIVATE, gates=(Gate.BUILD,))),
        repositories=repositories,
        packages={
            name: _package(name, package, root=root) for name, package in document.packages.items()
        },
        machine=None if machine is None else _machine(machine, root=root),
    )


def _target(name: str, table: TargetTable) -> TargetConfig:
    target = Target.parse(name)
    return TargetConfig(target, components=table.components, suites=table.suites or ())


def _repository(name: str, table: RepositoryTable) -> Repository:
    return Repository(name, **dict(table))


def _machine(table: MachineTable, *, root: Path) -> Machine:
    values = dict(table)
    values["boot"] = table.boot or BOOTS[table.firmware][0]
    values["network"] = table.network.partition(":")[2]
    partitions = values.pop("partition")
    values["partitions"] = tuple(Partition(**dict(each)) for each in partitions)
    values["page"] = Page(**dict(table.page)) if table.page else None
    values["folder"] = (root / table.folder).resolve() if table.folder else None
    values["authorized_keys"] = tuple((root / key).resolve() for key in table.authorized_keys)
    return Machine(**values)


def _package(name: str, table: PackageTable, *, root: Path) -> Package:
    values = dict(table)
    if table.dsc is not None and not is_address(table.dsc):
        values["dsc"] = str((root / table.dsc).resolve())
    if table.folder is not None:
        values["folder"] = (root / table.folder).resolve()
    return Package(name, **values)
