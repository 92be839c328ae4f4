"""Floor 7: what the commands have in common: their parsers, options and workspace."""

from __future__ import annotations

import argparse
import contextlib
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from farm.base.errors import InputError
from farm.cli.terminal import Progress
from farm.config.settings import Workspace
from farm.config.spelling import refuse_unknown
from farm.config.workspace import NAME, find, load
from farm.release.gates import Unit
from farm.release.workshop import Workshop

# What add_subparsers() gives; it has no public name.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are errors of the farm, with the nearest spelling."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        settings.setdefault("allow_abbrev", False)
        super().__init__(*args, **settings)

    def error(self, message: str) -> NoReturn:
        """Refuse a command line.

        :raises InputError: always.
        """
        raise InputError(f"{message[:1].upper()}{message[1:]}.", hint=f"See: {self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            kind = str(action.metavar or action.dest).lower()
            raise refuse_unknown(str(value), kind=kind, known=map(str, action.choices))


def add_command(
    subparsers: Subparsers, name: str, *, brief: str, description: str, example: str
) -> argparse.ArgumentParser:
    """Add a command with its help.

    :param brief: half a line for the list of all commands.
    :param example: console lines.
    """
    lines = "\n".join(f"  {line}" for line in example.strip().splitlines())
    return subparsers.add_parser(
        name, help=brief, description=textwrap.fill(description, width=79),
        epilog=f"examples:\n{lines}",
    )  # fmt: skip


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option that makes the answer one for programs."""
    parser.add_argument("--json", action="store_true", help="answer in JSON, for other programs")


def add_workspace(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Add the option that says which workspace it is about.

    :param again: whether a parser above has the option too, whose value stays.
    """
    parser.add_argument(
        "--workspace", metavar="DIR", type=Path,
        default=argparse.SUPPRESS if again else None,
        help="a folder of the workspace; without it, the one that you are in",
    )  # fmt: skip


def read_workspace(args: argparse.Namespace) -> Workspace:
    """Read the farm.toml of the workspace that a command is about.

    :raises ConfigError: when there is none, or it has mistakes.
    """
    start: Path | None = getattr(args, "workspace", None)
    if start is not None and not start.is_dir():
        raise InputError(
            f"There is no folder {start}.", hint=f"--workspace names the folder of a {NAME}."
        )
    return load(find(start or Path.cwd()))


@contextlib.contextmanager
def open_workshop(args: argparse.Namespace) -> Iterator[Workshop]:
    """Be at work in the workspace that a command is about.

    :raises ConfigError: when there is none, or it has mistakes.
    """
    progress = Progress()
    workshop = Workshop(read_workspace(args), tell=progress)
    try:
        yield workshop
    finally:
        progress.clear()
        workshop.close()


def read_units(text: str, workspace: Workspace) -> tuple[Unit, ...]:
    """Read ``PACKAGE`` or ``PACKAGE@TARGET``; a package alone stands for all its targets.

    :raises InputError: when the workspace has no such package or target.
    """
    name, at, target = text.partition("@")
    configs = workspace.package(name).targets_in(workspace)
    if at:
        wanted = workspace.target(target)
        if wanted not in configs:
            raise InputError(
                f"{name} is not built for {target}.",
                hint=f"It is built for: {', '.join(str(each.target) for each in configs)}.",
            )
        configs = (wanted,)
    return tuple(Unit(name, config.target) for config in configs)
