"""Floor 7: ``farm gc``: removes what nobody needs any more."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from farm.base.errors import InputError
from farm.build.failures import Failures
from farm.cli.arguments import Subparsers, add_command, add_json, open_workshop
from farm.cli.terminal import heading, say, say_json, say_table, show_size
from farm.release.cleaning import (
    Cleaning,
    clean,
    find_failures,
    find_machines,
    release_failures,
    release_machines,
)
from farm.release.workshop import Workshop

_DAYS = 7


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm gc`` to the commands of the farm."""
    parser = add_command(
        subparsers, "gc", brief="remove what nobody needs any more",
        description="Remove leftovers of killed processes; builds, sources, chroots and snapshots "
        "that nothing refers to; and caches that were not used for a while. What "
        "repositories hold or can go back to stays, and so does all that the packages "
        "as they are now were built as or would be built with. Environments of failed "
        "builds stay until --failed releases them. While another process is at work in "
        "the workspace, only leftovers go.",
        example="farm gc --dry-run\nfarm gc --keep-days 2\nfarm gc --failed libogg",
    )  # fmt: skip
    parser.add_argument(
        "--failed", metavar="PACKAGE[@TARGET]", nargs="?", const="",
        help="release the environments of failed builds and the machines on which something "
        "failed, all or those of one package or machine@TARGET, and nothing else; refused while "
        "a shell is open in one",
    )  # fmt: skip
    parser.add_argument(
        "--keep-days", metavar="N", type=int, default=_DAYS,
        help=f"how long caches stay after their last use: {_DAYS} days",
    )  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="say what would go, remove nothing")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Clean up.

    :raises InputError: when a shell is open in what was to be released.
    """
    if args.keep_days < 0:
        raise InputError(f"--keep-days {args.keep_days} is no number of days.")
    with open_workshop(args) as workshop:
        if args.failed is None:
            unused = timedelta(days=args.keep_days)
            cleaning = clean(workshop, unused=unused, pretend=args.dry_run)
        else:
            cleaning = _release(workshop, args.failed, pretend=args.dry_run)
        kept = _kept(workshop) if args.failed is None else 0
    if args.json:
        say_json(_as_json(cleaning, pretend=args.dry_run))
    else:
        _say(cleaning, pretend=args.dry_run, kept=kept)
    if cleaning.refused:
        raise cleaning.refused[0]
    return 0


def _release(workshop: Workshop, name: str, *, pretend: bool) -> Cleaning:
    machines = find_machines(workshop, name)
    failures = [] if machines and name else find_failures(workshop, name)
    done = release_failures(workshop, failures, pretend=pretend)
    more = release_machines(workshop, machines, pretend=pretend)
    return Cleaning((*done.gone, *more.gone), refused=(*done.refused, *more.refused))


def _kept(workshop: Workshop) -> int:
    return len(list(Failures(workshop.layout).all()))


def _say(cleaning: Cleaning, *, pretend: bool, kept: int) -> None:
    if cleaning.gone:
        done = "Would free" if pretend else "Freed"
        heading(f"{done} {show_size(cleaning.size)}:")
    elif not cleaning.refused:
        say("There is nothing to remove.")
    for kind in dict.fromkeys(each.kind for each in cleaning.gone):
        gone = [each for each in cleaning.gone if each.kind == kind]
        say(f"  {kind}: {len(gone)}, {show_size(sum(each.size for each in gone))}")
        if pretend:
            say_table([(show_size(each.size), str(each.path)) for each in gone], indent="    ")
    if not cleaning.alone:
        say("Somebody else is at work in this workspace, so only leftovers were looked at.")
    if kept:
        say(f"{kept} environments of failed builds are kept: farm gc --failed releases them."
            if kept > 1 else
            "1 environment of a failed build is kept: farm gc --failed releases it.")  # fmt: skip


def _as_json(cleaning: Cleaning, *, pretend: bool) -> dict[str, Any]:
    return {
        "dry_run": pretend, "bytes": cleaning.size, "alone": cleaning.alone,
        "gone": [{"kind": each.kind, "path": str(each.path), "bytes": each.size}
                 for each in cleaning.gone],
        "refused": [error.brief for error in cleaning.refused],
    }  # fmt: skip
