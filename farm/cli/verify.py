"""Floor 7: ``farm verify``: whether a repository is what its receipt says, gate by gate."""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import asdict
from pathlib import Path

from farm.base.errors import InputError
from farm.cli.arguments import Subparsers, add_command, add_json, read_workspace
from farm.cli.terminal import say, say_json
from farm.model.layout import Layout
from farm.release.audit import audit


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm verify`` to the commands of the farm."""
    parser = add_command(
        subparsers, "verify", brief="whether a repository is what its receipt says",
        description="Compare a published repository with its signed receipt, as a stranger "
        "would: signatures, every index and package, and every gate with its items. "
        "The exit status is 1 when anything is wrong, or a gate that --require "
        "names is missing.",
        example="farm verify production\n"
        "farm verify https://example.org/production --keyring publisher.gpg --require howto",
    )  # fmt: skip
    parser.add_argument("location", metavar="PATH|URL", help="or a repository of the workspace")
    parser.add_argument(
        "--keyring", metavar="FILE", type=Path,
        help="whose keys may have signed; without it, the repository vouches for itself",
    )  # fmt: skip
    parser.add_argument(
        "--require", metavar="GATE", action="append", default=[],
        help="a gate that must have opened, such as howto; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true", help="compare the sizes of packages only, and fetch none"
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Verify; gives 1 when the repository is not what it should be.

    :raises InputError: when the location or the keyring cannot be used at all.
    """
    found = audit(_locate(args), keyring=args.keyring, require=args.require, quick=args.quick)
    if args.json:
        say_json({"passed": found.passed} | asdict(found))
    else:
        say(*found.lines())
    return 0 if found.passed else 1


def _locate(args: argparse.Namespace) -> str:
    """Give where the repository is; a name means one of the workspace, if there is any."""
    location = str(args.location)
    if "://" not in location and not Path(location).exists():
        with contextlib.suppress(InputError):
            place = Layout(read_workspace(args).state_dir).repositories / location
            return str(place) if place.exists() else location
    return location
