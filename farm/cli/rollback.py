"""Floor 7: ``farm rollback``: a repository goes back to what it held before."""

from __future__ import annotations

import argparse

from farm.cli.arguments import Subparsers, add_command, add_json, open_workshop
from farm.cli.outcomes import say_outcome


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm rollback`` to the commands of the farm."""
    parser = add_command(
        subparsers, "rollback", brief="let a repository go back to what it held before",
        description="Let a repository point to the state that it had before the present one, "
        "and say which that is. Once more goes one state further back. How many "
        "former states there are, 'keep' in farm.toml says.",
        example="farm rollback production",
    )  # fmt: skip
    parser.add_argument("repository", metavar="REPOSITORY", help="such as production")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Go back.

    :raises InputError: when there is no state to go back to.
    """
    with open_workshop(args) as workshop:
        outcome = workshop.rollback(args.repository)
        say_outcome(outcome, workshop=workshop, as_json=args.json)
    return 0
