"""Floor 7: ``farm refresh``: the distribution's archive, read anew, and new chroots from it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict

from farm.cli.arguments import Subparsers, add_command, add_json, open_workshop
from farm.cli.terminal import heading, say, say_json, say_table
from farm.release.renewal import Move, Renewal, renew


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm refresh`` to the commands of the farm."""
    parser = add_command(
        subparsers, "refresh", brief="read the distribution's archive anew, and renew chroots",
        description="Read the distribution's archive anew, and make the chroot of a target "
        "again when the archive has newer packages for it. What changed is listed. "
        "Packages are rebuilt for it only where farm.toml says rebuild_on = "
        '"everything".',
        example="farm refresh\nfarm refresh bookworm-amd64 --anew",
    )  # fmt: skip
    parser.add_argument("target", metavar="TARGET", nargs="?", help="without it, all")
    parser.add_argument("--anew", action="store_true", help="make the chroot again in any case")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Refresh.

    :raises FarmError: when the archive cannot be read or trusted; what was there before stays.
    """
    with open_workshop(args) as workshop:
        workspace = workshop.workspace
        configs = [workspace.target(args.target)] if args.target else workspace.targets
        renewals = [renew(workshop, config.target, anew=args.anew) for config in configs]
    if args.json:
        say_json([asdict(each) for each in renewals])
        return 0
    for renewal in renewals:
        _say(renewal)
    return 0


def _say(renewal: Renewal) -> None:
    heading(renewal.target)
    say("  The archive has news." if renewal.news else "  The archive has no news.")
    if renewal.sources:
        say("  These packages of farm.toml have another version there:")
        _say_moves(renewal.sources)
    if not renewal.made:
        say("  Its chroot stays: the archive has nothing newer for it.")
    elif renewal.packages:
        say("  Its chroot was made anew, with these changes:")
        _say_moves(renewal.packages)
    else:
        say("  Its chroot was made anew.")


def _say_moves(moves: Iterable[Move]) -> None:
    rows = [(each.name, each.before or "(none)", "->", each.now or "(none)") for each in moves]
    say_table(rows, indent="    ")
