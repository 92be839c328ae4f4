"""Floor 5: a new package: its source tree, its HOWTO and its entry in farm.toml, or none of it."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import stat
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from farm.base.errors import ConfigError, InputError
from farm.base.files import locked, write_atomically
from farm.config.mistakes import dotted
from farm.config.settings import Workspace
from farm.config.workspace import load
from farm.model.layout import Layout
from farm.model.names import check_package, check_version
from farm.release.checks import find_howtos
from farm.release.maintainer import Maintainer
from farm.release.scaffold import first_missing, render_tree, whole_tree, write_tree

FIRST_VERSION = "1.0"
_LOCK = timedelta(minutes=1)


@dataclass(frozen=True)
class Own:
    """A package of the publisher's own.

    :param folder: of its source tree, from the workspace; ``packages/NAME`` when empty.
    :param now: the date of its first changelog entry.
    """

    name: str
    maintainer: Maintainer
    now: datetime
    folder: str = ""
    version: str = FIRST_VERSION

    @property
    def path(self) -> str:
        """Where its source tree is, from the workspace."""
        return Path(self.folder).as_posix() if self.folder else f"packages/{self.name}"

    @property
    def entry(self) -> tuple[str, str]:
        """What farm.toml says about its source."""
        return "folder", self.path

    def render_howto(self) -> str:
        """Write the HOWTO, which passes."""
        return render_tree("howto", {"name": self.name})["own.md"]


@dataclass(frozen=True)
class Imported:
    """A package whose source is in the distribution's archive.

    :param source: what it is called there.
    """

    name: str
    source: str

    @property
    def entry(self) -> tuple[str, str]:
        """What farm.toml says about its source."""
        return "debian", self.source

    def render_howto(self) -> str:
        """Write the beginning of a HOWTO."""
        return render_tree("howto", {"name": self.name})["debian.md"]


@dataclass(frozen=True)
class Made:
    """Where it was made.

    :param folder: of the source tree; None for a package of the archive.
    """

    howto: Path
    folder: Path | None


def render_package(package: Own, *, distribution: str) -> dict[str, str]:
    """Give the files of a new source tree, by path.

    :param distribution: what the changelog names.
    """
    now = package.now.astimezone(UTC)
    roff = package.name.replace("-", r"\-")
    return render_tree("package", {
        "name": package.name, "version": package.version, "distribution": distribution,
        "maintainer": str(package.maintainer), "date": format_datetime(now),
        "year": str(now.year), "roff_name": roff, "roff_title": roff.upper(),
    })  # fmt: skip


def add_package(toml: Path, package: Own | Imported) -> Made:
    """Add a package to a workspace: all of it, or nothing.

    :param toml: the farm.toml.
    :raises InputError: when it cannot be added, saying why.
    """
    state = load(toml).state_dir
    try:
        lock = Layout(state).locks / "farm.toml.lock"
        with locked(lock, timeout=_LOCK, what=str(toml)), contextlib.ExitStack() as undo:
            workspace = load(toml)
            _check(package, workspace)
            made = _make_files(package, workspace, undo)
            _add_entry(toml, package, workspace)
            undo.pop_all()
    except OSError as error:
        raise InputError(
            f"The package {package.name} cannot be made: {error.filename}: {error.strerror}."
        ) from error
    return made


def _check(package: Own | Imported, workspace: Workspace) -> None:
    name = check_package(package.name)
    if name in workspace.packages:
        raise InputError(f"farm.toml has a package {name} already.")
    if isinstance(package, Own):
        _check_own(package, workspace)
    else:
        _check_source(package, workspace)
    howtos = find_howtos(name, folder=workspace.root / "howtos")
    if howtos:
        raise InputError(
            f"{howtos[0].relative_to(workspace.root)} exists already, though farm.toml has no "
            f"package {name}.",
            hint="Move it away, and put it back when the package is there.",
        )


def _check_source(package: Imported, workspace: Workspace) -> None:
    check_package(package.source)
    for other in workspace.packages.values():
        if other.debian == package.source:
            raise InputError(
                f"The package {other.name} has the source {package.source} of the archive already."
            )


def _check_own(package: Own, workspace: Workspace) -> None:
    if "-" in check_version(package.version):
        raise InputError(
            f"{package.version} has a revision, the part after '-': a package of your own, which "
            "no other source is behind, has none.",
            hint=f"For instance: --version {package.version.rpartition('-')[0]}",
        )
    path = Path(package.path)
    if path.is_absolute() or ".." in path.parts or not path.parts or not str(path).isprintable():
        raise InputError(f"{package.path!r} must be a path below {workspace.root}, without '..'.")
    place = workspace.root / path
    if place.exists():
        raise InputError(
            f"{place} exists already.",
            hint="Name another place with --folder, or write into farm.toml:\n"
            f"{render_entry(package)}",
        )
    if place.resolve() != place:
        raise InputError(f"{path} leads over a link to {place.resolve()}: name a real folder.")
    taken = {
        f"the source tree of {each.name}": each.folder for each in workspace.packages.values()
    }
    for what, folder in {**taken, "the farm's own state": workspace.state_dir}.items():
        if folder and place.is_relative_to(folder):
            raise InputError(f"{path} lies in {what}.", hint="Name another place with --folder.")


def _make_files(package: Own | Imported, workspace: Workspace, undo: contextlib.ExitStack) -> Made:
    """Make source tree and HOWTO; ``undo`` learns how to remove them again."""
    folder = None
    if isinstance(package, Own):
        folder = workspace.root / package.path
        outermost = first_missing(folder)
        distribution = workspace.targets[0].target.distribution
        with whole_tree(folder) as tree:
            write_tree(tree, render_package(package, distribution=distribution))
        undo.callback(_remove, outermost)
    howto = workspace.root / "howtos" / f"{package.name}.md"
    undo.callback(_remove, first_missing(howto))
    write_atomically(howto, package.render_howto())
    return Made(howto, folder)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def render_entry(package: Own | Imported) -> str:
    """Write the entry of a package in farm.toml."""
    key, value = package.entry
    text = json.dumps(value, ensure_ascii=False)  # TOML escapes text as JSON does
    return f"[{dotted(('package', package.name))}]\n{key} = {text}\n"


def _add_entry(toml: Path, package: Own | Imported, workspace: Workspace) -> None:
    """Append the entry, unless farm.toml would then say anything else than before and the entry.

    :raises InputError: when it would.
    """
    file = toml.resolve()  # a link stays one
    before = file.read_bytes()
    gap = "\n" if before.endswith(b"\n") else "\n\n"
    newline = "\r\n" if b"\r\n" in before else "\n"
    addition = (gap + render_entry(package)).replace("\n", newline).encode()
    beside = toml.with_name(f".{toml.name}.new")
    try:
        write_atomically(beside, before + addition)
        _check_result(beside, package, workspace)
    finally:
        beside.unlink(missing_ok=True)
    write_atomically(file, before + addition, mode=stat.S_IMODE(file.stat().st_mode))


def _check_result(beside: Path, package: Own | Imported, workspace: Workspace) -> None:
    hint = f"Write it into farm.toml by hand:\n{render_entry(package)}"
    try:
        after = load(beside)
    except ConfigError as error:
        raise InputError(
            f"The package {package.name} cannot be added at the end of farm.toml.",
            details=re.sub(r"\S*" + re.escape(beside.name), "farm.toml", str(error)), hint=hint,
        ) from error  # fmt: skip
    others = {name: each for name, each in after.packages.items() if name != package.name}
    if replace(after, packages=others) != workspace or package.name not in after.packages:
        raise InputError(
            f"Adding {package.name} at the end of farm.toml would change something else in it.",
            hint=hint,
        )
