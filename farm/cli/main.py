"""Floor 7: the ``farm`` command: finds the command that is asked for, and says how it ended.

Exit status: 0 when all is well; 1 when the release is bad or a promotion is refused; 2 for a
mistake on the command line or in farm.toml; 3 when the farm or its host is broken; 130 when
interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Protocol

from farm.base.errors import FarmError, FarmFault, InputError
from farm.cli import (
    diff,
    gc,
    image,
    log,
    new,
    promote,
    refresh,
    rollback,
    shell,
    status,
    verify,
    why,
)
from farm.cli.arguments import Parser, Subparsers, add_workspace
from farm.cli.terminal import say_error

BAD_RELEASE, MISTAKE, BROKEN, INTERRUPTED, NO_READER = 1, 2, 3, 130, 141


class Command(Protocol):
    """What the module of a command has."""

    def add_parser(self, subparsers: Subparsers) -> None:
        """Add its parser; the command has the name of the module."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it; gives the exit status.

        :raises FarmError: when it cannot be done.
        """
        ...


# The order is that of `farm --help`.
COMMANDS: dict[str, Command] = {
    "status": status, "why": why, "shell": shell, "diff": diff, "promote": promote,
    "rollback": rollback, "image": image, "verify": verify, "log": log, "new": new,
    "refresh": refresh, "gc": gc,
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that the command line names; gives the exit status."""
    try:
        status = _run(argv)
        sys.stdout.flush()
    except FarmError as error:
        say_error(error)
        return exit_status(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python would complain once more when it flushes at the end: see its signal module.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        say_error(FarmFault(f"{what}{error.strerror or error}."))
        return BROKEN
    return status


def exit_status(error: FarmError) -> int:
    """Give the exit status that tells a script what kind of trouble it is."""
    if isinstance(error, InputError):
        return MISTAKE
    return BROKEN if isinstance(error, FarmFault) else BAD_RELEASE


def _run(argv: Sequence[str] | None) -> int:
    parser = make_parser()
    try:
        args = parser.parse_args(argv)
    except SystemExit as end:  # --help and --version
        return int(end.code or 0)
    if not args.command:
        parser.print_help()
        return MISTAKE
    return COMMANDS[args.command].run(args)


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line."""
    parser: argparse.ArgumentParser = Parser(
        prog="farm",
        description="Look after the packages and repositories of a workspace, a folder with a\n"
        "farm.toml. What builds, tries and publishes is: pytest --release REPOSITORY",
        epilog="farm COMMAND --help says more about a command.",
    )
    parser.add_argument("--version", action="version", version=f"farm {_version()}")
    add_workspace(parser)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in COMMANDS.values():
        command.add_parser(subparsers)
    for each in subparsers.choices.values():
        with contextlib.suppress(argparse.ArgumentError):  # it has the option already
            add_workspace(each, again=True)
    return parser


def _version() -> str:
    try:
        return metadata.version("packaging-farm")
    except metadata.PackageNotFoundError:
        return "of an unknown version"


if __name__ == "__main__":
    sys.exit(main())
