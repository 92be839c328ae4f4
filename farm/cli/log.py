"""Floor 7: ``farm log``: who let which repository become what, and when."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from farm.base.errors import InputError
from farm.cli.arguments import Subparsers, add_command, add_json, open_workshop
from farm.cli.terminal import heading, say, say_json, say_table, show_time
from farm.report.records import Kind, Publication

_VERBS = {Kind.PUBLISH: "published", Kind.PROMOTE: "promoted", Kind.ROLLBACK: "rolled back"}


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm log`` to the commands of the farm."""
    parser = add_command(
        subparsers, "log", brief="who let which repository become what, and when",
        description="List every publication, promotion and rollback, the latest first, with the "
        "signed receipt that says what was checked.",
        example="farm log\nfarm log production -n 5\nfarm log --json",
    )  # fmt: skip
    parser.add_argument("repository", metavar="REPOSITORY", nargs="?", help="without it, all")
    parser.add_argument("-n", metavar="COUNT", dest="count", type=int, help="only the latest ones")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """List them.

    :raises InputError: when there is no such repository.
    """
    if args.count is not None and args.count < 1:
        raise InputError(f"-n {args.count} asks for nothing: it is a number above 0.")
    with open_workshop(args) as workshop:
        if args.repository and args.repository not in workshop.snapshots.repositories():
            workshop.workspace.repository(args.repository)
        publications = workshop.ledger.publications(args.repository)[::-1][: args.count]
    if args.json:
        say_json([asdict(each) for each in publications])
        return 0
    if not publications:
        say(f"{args.repository or 'No repository'} was never published."
            if args.repository else "Nothing was published yet.")  # fmt: skip
    for publication in publications:
        _say(publication)
    return 0


def _say(publication: Publication) -> None:
    when = show_time(publication.when)
    verb = _VERBS[publication.kind]
    heading(f"{when}  {publication.repository} {verb} by {publication.who}")
    say_table(
        [("from", publication.previous or "nothing: it was its first state"),
         ("to", publication.snapshot),
         ("receipt", publication.receipt)],
        indent="    ",
    )  # fmt: skip
