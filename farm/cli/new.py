"""Floor 7: ``farm new``: a workspace, or a package in one."""

from __future__ import annotations

import argparse
import os
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from farm.base.errors import InputError
from farm.cli.arguments import add_command, add_workspace, read_workspace
from farm.cli.terminal import say, say_table
from farm.config.workspace import NAME
from farm.release.maintainer import NOBODY, find_maintainer, read_git_user
from farm.release.new_package import FIRST_VERSION, Imported, Own, add_package, render_entry
from farm.release.new_workspace import FIRST_PACKAGE, Plan, host_target, make_workspace
from farm.release.requirements import describe_installation, describe_missing, find_missing

if TYPE_CHECKING:
    from farm.cli.arguments import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm new`` to the commands of the farm."""
    parser = add_command(
        subparsers, "new", brief="make a workspace, or a package in this one",
        description="Make a workspace, or a package in the workspace that you are in.",
        example="farm new workspace acme\nfarm new package greeter",
    )  # fmt: skip
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", title="kinds", required=True)
    _add_workspace(kinds)
    _add_package(kinds)


def _add_workspace(kinds: Subparsers) -> None:
    parser = add_command(
        kinds, "workspace", brief="make a folder from which packages are released",
        description="Make a folder with a farm.toml, release tests, and a first package with its\n"
        "HOWTO. What is made can be released at once: pytest --release rc",
        example="farm new workspace acme\nfarm new workspace . --name acme",
    )  # fmt: skip
    parser.add_argument("dir", metavar="DIR", help="does not exist yet, or is empty")
    parser.add_argument(
        "--name", help="who publishes: letters, digits, '.' and '-'; without it, the name of DIR"
    )


def _add_package(kinds: Subparsers) -> None:
    parser = add_command(
        kinds, "package", brief="add a package to the workspace",
        description="Add a package to the workspace: its source tree, its HOWTO and its entry in\n"
        "farm.toml. The maintainer is taken from DEBFULLNAME and DEBEMAIL, or from git's user.",
        example="farm new package greeter\nfarm new package calc --debian sipcalc",
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
    add_workspace(parser, again=True)


def run(args: argparse.Namespace) -> int:
    """Make what was asked for, and say what to do with it.

    :raises InputError: when it cannot be made; then nothing is.
    """
    if args.kind == "workspace":
        _make_workspace(args)
    else:
        _make_package(args)
    return 0


def _make_workspace(args: argparse.Namespace) -> None:
    place = Path(args.dir).expanduser().resolve()
    maintainer = find_maintainer(os.environ, git=read_git_user(Path.cwd()))
    workspace = make_workspace(
        Plan(place, datetime.now(UTC), args.name, maintainer, host_target())
    )
    say(f"Made the workspace {workspace.name} in {place}")
    say_table([
        ("farm.toml", "what is built, for whom, and what must hold before users get it"),
        (f"packages/{FIRST_PACKAGE}/", "a first package, with its debian/"),
        ("howtos/", "how to see that packages work"),
        ("release_tests/", "what a release run looks at"),
    ])  # fmt: skip
    missing = find_missing()
    if missing:
        say(describe_missing(missing), f"Before all else: {describe_installation(missing)}")
    say("Build, try and publish it:", f"  cd {shlex.quote(args.dir)}", "  pytest --release rc")


def _make_package(args: argparse.Namespace) -> None:
    root = read_workspace(args).root
    package = _package(args, root)
    made = add_package(root / NAME, package)
    rows = [(NAME, f"has the entry {render_entry(package).splitlines()[0]} now")]
    if made.folder:
        rows.append((f"{made.folder.relative_to(root)}/", "its source tree, with debian/"))
    unfinished = "" if made.folder else ": a beginning, to be finished"
    rows.append((str(made.howto.relative_to(root)), f"how to see that it works{unfinished}"))
    say(f"Added the package {package.name}")
    say_table(rows)
    if isinstance(package, Own) and package.maintainer == NOBODY:
        say(
            f"Nobody is known to maintain it, so '{NOBODY}' stands in its debian/:",
            "lintian refuses that until you write there who it is. DEBFULLNAME and DEBEMAIL tell",
            "it the next time.",
        )
    say(f"Build, try and publish it: pytest --release dev --package {package.name}")


def _package(args: argparse.Namespace, root: Path) -> Own | Imported:
    if args.debian is None:
        maintainer = find_maintainer(os.environ, git=read_git_user(root)) or NOBODY
        return Own(args.name, maintainer, datetime.now(UTC), args.folder or "",
                   args.version or FIRST_VERSION)  # fmt: skip
    for option in ("folder", "version"):
        if getattr(args, option) is not None:
            raise InputError(
                f"--{option} says nothing about a package whose source is in the archive.",
                hint=f"Give --{option} or --debian, not both.",
            )
    return Imported(args.name, args.debian)
