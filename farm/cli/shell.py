"""Floor 7: ``farm shell``: a look into the environment of a build that failed."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from farm.base.errors import InputError
from farm.base.relay import is_talking
from farm.build.deb import SOURCE_INSIDE
from farm.build.failures import DEPENDENCIES_LOG, Failure, Failures
from farm.cli.arguments import (
    Parser,
    Subparsers,
    add_command,
    add_workspace,
    read_units,
    read_workspace,
)
from farm.cli.machine_shell import enter_machine, find_box
from farm.cli.terminal import say
from farm.config.settings import Workspace
from farm.model.layout import Layout
from farm.place.overlay import USER, Bind, Overlay
from farm.place.session import Session, Visit

# What a program needs to know about a network that is reached through a proxy.
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
_SHELL = ("bash", "--noprofile", "--norc")


def add_parser(subparsers: Subparsers) -> None:
    """Add the command's parser."""
    parser = add_command(
        subparsers, "shell", brief="a shell where a build failed",
        description="Go into the environment of the latest failed build of a package: where it "
        "failed, as the user who built, with the variables that it had. Several shells at once "
        "are fine, and so is a new build meanwhile. The environment stays until it is released: "
        "farm gc --failed. machine@TARGET goes into a machine on which something failed, by ssh, "
        "or to its console.",
        example="""
farm shell sipcalc
farm shell sipcalc@bookworm-amd64 --root
farm shell sipcalc -- dpkg-buildpackage -us -uc -b
farm shell machine@bookworm-amd64
""",
    )  # fmt: skip
    _add_options(parser)
    parser.add_argument(
        "package", metavar="PACKAGE[@TARGET]", help="whose build failed; or machine@TARGET"
    )
    parser.add_argument(
        "rest", metavar="-- COMMAND", nargs=argparse.REMAINDER,
        help="run this instead of a shell, and end as it ends",
    )  # fmt: skip
    parser.set_defaults(run=run)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--root", action="store_true", help="be root inside, to install things")
    parser.add_argument(
        "--network", action="store_true",
        help="let what runs inside use the host's network, with the host's own services, and "
        "the proxies that your environment names",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Go in; gives the exit status of the shell or command.

    :raises InputError: when nothing is kept of a failed build.
    """
    command = _read_rest(args)
    workspace = read_workspace(args)
    layout = Layout(workspace.state_dir)
    box = find_box(args.package, layout)
    if box:
        return enter_machine(box, layout, command)
    failure = find_failure(args.package, workspace, layout)
    overlay = overlay_of(failure, layout)
    visit = _visit(failure, overlay, root=args.root, network=args.network)
    if not command and is_talking():
        say(*describe(failure, visit))
    return Session(overlay).run(command or _SHELL, visit)


def _read_rest(args: argparse.Namespace) -> list[str]:
    """Read the options that stand behind the package; gives the command behind ``--``.

    argparse leaves out two dashes that follow the package at once.
    """
    rest: list[str] = args.rest
    if rest and not rest[0].startswith("-"):
        return rest
    end = rest.index("--") if "--" in rest else len(rest)
    parser = Parser(prog="farm shell PACKAGE")
    _add_options(parser)
    add_workspace(parser, again=True)
    extra = parser.parse_known_args(rest[:end], args)[1]
    if extra:
        raise InputError(
            f"What is {shlex.join(extra)}? A command stands behind two dashes.",
            hint=f"That is: farm shell {args.package} -- {shlex.join(extra)}",
        )
    return rest[end + 1 :]


def find_failure(text: str, workspace: Workspace, layout: Layout) -> Failure:
    """Give the latest failure of ``PACKAGE`` or ``PACKAGE@TARGET``.

    :raises InputError: when there is none; says what is known instead.
    """
    wanted = [each for each in Failures(layout).all()
              if text in (each.name, each.name.partition("@")[0])]  # fmt: skip
    if wanted:
        return max(wanted, key=lambda each: each.when)
    names = [str(unit) for unit in read_units(text, workspace)]
    for name in names:
        log = layout.failures / name / DEPENDENCIES_LOG
        if log.exists():
            raise InputError(
                f"The build of {name} has not begun: {log.read_text().partition(chr(10))[0]}",
                hint="So there is no environment to go into. Look at Build-Depends in its "
                f"debian/control, and at {log}.",
            )
    built = [name for name in names if (layout.last_builds / f"{name}.json").exists()]
    what = f"{built[0]} builds" if built else f"{names[0]} was not built yet"
    raise InputError(
        f"No failed build of {text} is kept: {what}.",
        hint=f"Build it with: pytest --release dev --package {text.partition('@')[0]}",
    )


def overlay_of(failure: Failure, layout: Layout) -> Overlay:
    """Give the kept environment of a failure.

    :raises InputError: when somebody has deleted it, or what it stands on.
    """
    folder = Failures(layout).folder(failure)
    layers = [layout.trees / name for name in failure.layers]
    lost = [path for path in (folder, *layers) if not path.is_dir()]
    if lost:
        raise InputError(
            f"The environment of {failure.name} cannot be entered: {lost[0]} is gone.",
            hint="Build it again; farm gc --failed removes what is left of this one.",
        )
    source = Path(failure.source)
    binds = [Bind(source, SOURCE_INSIDE)] if source.is_dir() else []
    return Overlay(folder, layers=layers, binds=binds)


def _visit(failure: Failure, overlay: Overlay, *, root: bool, network: bool) -> Visit:
    user = "root" if root else USER
    env = dict(failure.variables)
    env["PS1"] = rf"({failure.name}) \u:\w\$ "
    env["TERM"] = os.environ.get("TERM", "dumb")
    if network:
        env |= {name: os.environ[name] for name in _PROXIES if name in os.environ}
    directory = failure.directory if overlay.holds(failure.directory) else "/"
    return Visit(user, directory, env, network)


def describe(failure: Failure, visit: Visit) -> list[str]:
    """Say where somebody is now, and what to do there."""
    network = ("The network is the host's." if visit.network
               else "There is no network: --network allows one.")  # fmt: skip
    where = (f"This is its source tree, {visit.directory}" if visit.directory != "/"
             else "Its source was not unpacked; this is /")  # fmt: skip
    return [
        f"{failure.name} does not build: {failure.reason}.",
        f"{where}, and you are {visit.user}. {network}",
        f"Try again with: {shlex.join(failure.command)}",
        f"Whole log: {failure.log}",
        f"The environment stays until: farm gc --failed {failure.name}",
    ]
