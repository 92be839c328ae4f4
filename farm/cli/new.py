"""Floor 7: ``farm new``: a workspace, or a package in one."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from farm.base.errors import InputError
from farm.config.workspace import find
from farm.release.maintainer import NOBODY, find_maintainer, read_git_user
from farm.release.new_package import FIRST_VERSION, Imported, Own, add_package, render_entry
from farm.release.new_workspace import FIRST_PACKAGE, Plan, host_target, make_workspace
from farm.release.requirements import describe_installation, describe_missing, find_missing

if TYPE_CHECKING:
    # What add_subparsers() gives; it has no public name.
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm new`` to the commands of the farm."""
    parser = subparsers.add_parser(
        "new", help="make a workspace, or a package in this one",
        description="Make a workspace, or a package in the workspace of this folder.",
    )  # fmt: skip
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    _add_workspace(kinds)
    _add_package(kinds)


def _add_workspace(kinds: Subparsers) -> None:
    parser = kinds.add_parser(
        "workspace", help="make a folder from which packages are released",
        description="Make a folder with a farm.toml, release tests, and a first package with "
        "its HOWTO. What is made there can be released at once: pytest --release rc",
    )  # fmt: skip
    parser.add_argument("dir", metavar="DIR", help="does not exist yet, or is empty")
    parser.add_argument(
        "--name", help="who publishes: letters, digits, '.' and '-'; without it, the name of DIR"
    )


def _add_package(kinds: Subparsers) -> None:
    parser = kinds.add_parser(
        "package", help="add a package to the workspace",
        description="Add a package to the workspace: its source tree, its HOWTO and its entry in "
        "farm.toml. The maintainer is taken from DEBFULLNAME and DEBEMAIL, or from git's user.",
    )  # fmt: skip
    parser.add_argument("name", metavar="NAME", help="of the source package")
    parser.add_argument(
        "--folder", help="where its source tree is made, from the workspace: packages/NAME"
    )
    parser.add_argument("--version", help=f"its first version: {FIRST_VERSION}")
    parser.add_argument(
        "--debian", metavar="SOURCE",
        help="take its source from the distribution's archive, where it is called SOURCE",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Make what was asked for, and say what to do with it.

    :raises InputError: when it cannot be made; then nothing is.
    """
    lines = _make_workspace(args) if args.kind == "workspace" else _make_package(args)
    print("\n".join(lines))
    return 0


def _make_workspace(args: argparse.Namespace) -> list[str]:
    place = Path(args.dir).expanduser().resolve()
    maintainer = find_maintainer(os.environ, git=read_git_user(Path.cwd()))
    workspace = make_workspace(
        Plan(place, datetime.now(UTC), args.name, maintainer, host_target())
    )
    missing = find_missing()
    return [
        f"Made the workspace {workspace.name} in {place}",
        *_table([
            ("farm.toml", "what is built, for whom, and what must hold before users get it"),
            (f"packages/{FIRST_PACKAGE}/", "a first package, with its debian/"),
            ("howtos/", "how to see that packages work"),
            ("release_tests/", "what a release run looks at"),
        ]),
        *([describe_missing(missing), f"Before all else: {describe_installation(missing)}"]
          if missing else []),
        "Build, try and publish it:",
        f"  cd {shlex.quote(args.dir)}",
        "  pytest --release rc",
    ]  # fmt: skip


def _make_package(args: argparse.Namespace) -> list[str]:
    toml = find(Path.cwd())
    root = toml.parent
    if args.debian is not None:
        _refuse_with_debian(args)
        package: Own | Imported = Imported(args.name, args.debian)
    else:
        maintainer = find_maintainer(os.environ, git=read_git_user(root)) or NOBODY
        package = Own(args.name, maintainer, datetime.now(UTC), args.folder or "",
                      args.version or FIRST_VERSION)  # fmt: skip
    made = add_package(toml, package)
    howto = made.howto.relative_to(root)
    rows = [("farm.toml", f"has the entry {render_entry(package).splitlines()[0]} now")]
    if isinstance(package, Own):
        rows.append((f"{package.path}/", "its source tree, with debian/"))
        rows.append((f"{howto}", "how to see that it works"))
    else:
        rows.append((f"{howto}", "how to see that it works: a beginning, to be finished"))
    return [
        f"Added the package {package.name}",
        *_table(rows),
        *_remarks(package),
        f"Build, try and publish it: pytest --release dev --package {package.name}",
    ]


def _refuse_with_debian(args: argparse.Namespace) -> None:
    for option in ("folder", "version"):
        if getattr(args, option) is not None:
            raise InputError(
                f"--{option} says nothing about a package whose source is in the archive.",
                hint=f"Give --{option} or --debian, not both.",
            )


def _remarks(package: Own | Imported) -> list[str]:
    if isinstance(package, Imported) or package.maintainer != NOBODY:
        return []
    return [
        f"Nobody is known to maintain it, so '{NOBODY}' stands in its debian/: lintian refuses",
        "that until you write there who it is. DEBFULLNAME and DEBEMAIL tell it the next time.",
    ]


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    return [f"  {name:{width}}  {what}" for name, what in rows]
