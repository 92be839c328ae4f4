"""Floor 7: ``farm promote``: a repository takes over what another one holds."""

from __future__ import annotations

import argparse

from farm.cli.arguments import Subparsers, add_command, add_json, open_workshop
from farm.cli.outcomes import say_outcome
from farm.cli.terminal import say
from farm.release.image_publication import follow_with_images


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm promote`` to the commands of the farm."""
    parser = add_command(
        subparsers, "promote", brief="let a repository take over what another one holds",
        description="Let TO hold exactly what FROM holds now, if every gate that TO asks for "
        "has opened for it: every item of it was recorded as passed on these very "
        "packages. Users of TO see the old state or the new one, never a mix.",
        example="farm promote rc production",
    )  # fmt: skip
    parser.add_argument("source", metavar="FROM", help="such as rc")
    parser.add_argument("to", metavar="TO", help="such as production")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Promote.

    :raises InputError: when farm.toml does not let TO take over from FROM.
    :raises PromotionRefused: when something has not passed.
    :raises FarmError: when an image that farm.toml asks for cannot be made.
    """
    with open_workshop(args) as workshop:
        workshop.workspace.repository(args.source)
        outcome = workshop.promote(args.source, args.to)
        say_outcome(outcome, workshop=workshop, as_json=args.json)
        made = follow_with_images(workshop, outcome)
        if made and not args.json:
            say(f"Its images are at {made.place}: {', '.join(made.files)}")
    return 0
