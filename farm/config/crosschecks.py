"""Floor 1: what must hold between the values of farm.toml, and between them and the workspace."""

from __future__ import annotations

import os
from pathlib import Path

from farm.config.choices import SourceKind
from farm.config.document import Document
from farm.config.machine_checks import check_machine
from farm.config.schema import PackageTable
from farm.config.settings import PRIVATE
from farm.config.spelling import find_nearest

_SOURCES = tuple(str(kind) for kind in SourceKind)
# What makes a folder a source package, deb-src-control(5).
_DEBIAN_FILES = ("debian/control", "debian/changelog")


def check_all(document: Document, *, root: Path) -> None:
    """Note all mistakes that no table shows by itself.

    :param root: the folder of farm.toml, resolved.
    """
    if not document.names("target"):
        document.add(("target",), "there is none, and one is needed: [target.bookworm-amd64]")
    _check_chain(document)
    _check_state(document, root)
    check_machine(document, root=root, state=state_dir(document.state, root=root))
    for name, table in document.packages.items():
        _check_sources(document, name)
        _check_targets(document, name, table)
        _check_dsc(document, name, table, root)
        _check_folder(document, name, table, root)
    _check_duplicates(document, root)


def is_address(dsc: str) -> bool:
    """Tell an address of a ``.dsc`` from a path."""
    return dsc.startswith(("http://", "https://"))


def state_dir(state: str, *, root: Path) -> Path:
    """Give the absolute path of the state folder."""
    return Path(os.path.normpath(root / state))


def _check_chain(document: Document) -> None:
    sources = {
        name: table.promoted_from
        for name, table in document.repositories.items()
        if table.promoted_from is not None
    }
    known = [name for name in document.names("repository") if name != PRIVATE]
    for name, source in sources.items():
        if source not in known and not source.startswith(f"{PRIVATE}/"):
            document.add(("repository", name, "from"), _no_such("repository", source, known))
    seen: set[str] = set()
    for name in sources:
        chain: list[str] = []
        while name in sources and name not in chain and name not in seen:
            chain.append(name)
            name = sources[name]
        if name in chain:
            circle = [*chain[chain.index(name) :], name]
            document.add(
                ("repository", name, "from"),
                f"repositories are promoted in a circle: {' <- '.join(circle)}",
            )
        seen.update(chain)


def _check_state(document: Document, root: Path) -> None:
    state = document.state
    if root.is_relative_to(state_dir(state, root=root)):
        document.add(("workspace", "state"), f"{state!r} holds the workspace itself")


def _check_sources(document: Document, name: str) -> None:
    raw = document.raw["package"][name]
    given = [key for key in _SOURCES if key in raw]
    choice = f"{', '.join(_SOURCES[:-1])} or {_SOURCES[-1]}"
    nested = any(isinstance(value, dict) for value in raw.values())  # [package.a.b], told already
    if not given and not nested:
        document.add(("package", name), f"has no source: write one of {choice}")
    if len(given) > 1:
        problem = f"has {len(given)} sources, {' and '.join(given)}: write only one of {choice}"
        document.add(("package", name), problem)
    if "dsc" in raw and "sha256" not in raw:
        document.add(("package", name, "sha256"), "is missing; a dsc is trusted by its checksum")
    if "sha256" in raw and "dsc" not in raw:
        document.add(("package", name, "sha256"), "belongs to a dsc, and there is none")


def _check_targets(document: Document, name: str, table: PackageTable) -> None:
    known = document.names("target")
    for position, target in enumerate(table.targets or ()):
        if target not in known:
            key = ("package", name, "targets", position)
            document.add(key, _no_such("target", target, known))


def _check_dsc(document: Document, name: str, table: PackageTable, root: Path) -> None:
    if table.dsc is None:
        return
    if not table.dsc.endswith(".dsc"):
        problem = f"{table.dsc!r} does not end in .dsc, as a Debian source package does"
        document.add(("package", name, "dsc"), problem)
    elif not is_address(table.dsc) and not (root / table.dsc).is_file():
        problem = f"there is no file {table.dsc!r}; an address begins with https:// or http://"
        document.add(("package", name, "dsc"), problem)


def _check_folder(document: Document, name: str, table: PackageTable, root: Path) -> None:
    if table.folder is None:
        return
    problem = _folder_problem(table.folder, document, root)
    if problem:
        document.add(("package", name, "folder"), problem)


def _folder_problem(folder: str, document: Document, root: Path) -> str:
    path = Path(folder)
    if path.is_absolute() or ".." in path.parts:
        return f"{folder!r} must be a path below the folder of farm.toml, without '..'"
    resolved = (root / path).resolve()
    if not resolved.is_relative_to(root):
        return f"{folder!r} leads out of the workspace, to {resolved}"
    if not resolved.is_dir():
        return f"there is no folder {folder!r}"
    state = state_dir(document.state, root=root)
    if state.is_relative_to(resolved):
        return f"{folder!r} holds the farm's own state, {state}, and would never stay the same"
    missing = [file for file in _DEBIAN_FILES if not (resolved / file).is_file()]
    if missing:
        return f"{folder!r} has no {' and no '.join(missing)}"
    return ""


def _check_duplicates(document: Document, root: Path) -> None:
    first: dict[tuple[str, str], str] = {}
    for name, table in document.packages.items():
        local = table.dsc is not None and not is_address(table.dsc)
        sources = {
            "debian": table.debian,
            "dsc": str((root / table.dsc).resolve()) if table.dsc and local else table.dsc,
            "folder": str((root / table.folder).resolve()) if table.folder else None,
        }
        for kind, source in sources.items():
            if source is None:
                continue
            other = first.setdefault((kind, source), name)
            if other != name:
                document.add(("package", name, kind), f"package {other} has the same source")


def _no_such(kind: str, name: str, known: list[str]) -> str:
    nearest = find_nearest(name, known)
    return f"there is no {kind} {name!r}" + (f"; did you mean {nearest}?" if nearest else "")
