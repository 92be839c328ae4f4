"""Floor 7: ``farm why``: why a package would be built, or why there is nothing to do."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from farm.cli.arguments import Subparsers, add_command, add_json, open_workshop, read_units
from farm.cli.terminal import heading, say, say_json
from farm.release.listing import Changes
from farm.release.reasons import Why, explain

_SHOWN = 20


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm why`` to the commands of the farm."""
    parser = add_command(
        subparsers, "why", brief="why a package would be built, or why not",
        description="Say what the next release would do with a package, and which of its inputs "
        "changed: its source, its options, or a package that it is built with. "
        "Fetches sources, as a release does, and builds nothing.",
        example="farm why libogg\nfarm why libogg@bookworm-amd64 --json",
    )  # fmt: skip
    parser.add_argument("package", metavar="PACKAGE[@TARGET]", help="on one target, or on all")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Explain it.

    :raises InputError: when there is no such package or target.
    """
    with open_workshop(args) as workshop:
        units = read_units(args.package, workshop.workspace)
        answers = [explain(workshop, unit) for unit in units]
    if args.json:
        say_json([_as_json(why) for why in answers])
        return 0
    for number, why in enumerate(answers):
        if number:
            say("")
        _say(why)
    return 0


def _say(why: Why) -> None:
    first, *others = why.sentences
    heading(first)
    say(*others)
    _say_files(why.files)
    if why.holders:
        say(f"It is in: {', '.join(why.holders)}.")
    if why.log:
        say(f"Its log: {why.log}")
    if why.hint:
        say(why.hint)


def _say_files(files: Changes) -> None:
    lines = [f"  changed  {path}" for path in files.changed]
    lines += [f"  new      {path}" for path in files.only_first]
    lines += [f"  gone     {path}" for path in files.only_second]
    if lines:
        say("These files of its source are not what they were:", *lines[:_SHOWN])
    if len(lines) > _SHOWN:
        say(f"  … and {len(lines) - _SHOWN} more")


def _as_json(why: Why) -> dict[str, Any]:
    return {
        "package": why.row.package, "target": why.row.target, "version": why.row.version,
        "state": str(why.row.state), "reasons": why.row.reasons, "key": why.row.key,
        "sentences": why.sentences, "hint": why.hint,
        "files": {"changed": why.files.changed, "new": why.files.only_first,
                  "gone": why.files.only_second},
        "needs": [{"name": row.name, "state": str(row.state), "reasons": row.reasons}
                  for row in why.needs],
        "failure": asdict(why.row.failure) if why.row.failure else None,
        "log": str(why.log) if why.log else None, "repositories": why.holders,
    }  # fmt: skip
