"""Floor 7: ``farm image``: makes images of machines of what a repository holds."""

from __future__ import annotations

import argparse

from farm.cli.arguments import Subparsers, add_command, add_json, open_workshop
from farm.cli.terminal import say, say_json
from farm.config.choices import ImageFormat
from farm.release.image_publication import publish_images


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm image`` to the commands of the farm."""
    parser = add_command(
        subparsers, "image", brief="make images of machines of what a repository holds",
        description="Install the machine of farm.toml from what REPOSITORY holds now, and give "
        "it as a file: the disk of a virtual machine, the bytes of a disk, or a medium that "
        "installs such a machine without a network. Each is booted and looked at; then all of "
        "them are put beside the repository, with their checksums, signed.",
        example="farm image production --format qcow2\n"
        "farm image production --format iso --format raw",
    )  # fmt: skip
    parser.add_argument("repository", metavar="REPOSITORY", help="such as production")
    parser.add_argument(
        "--format", metavar="FORMAT", dest="formats", action="append",
        choices=[str(each) for each in ImageFormat],
        help=f"{', '.join(ImageFormat)}; may be given several times; without it, those that "
        "farm.toml names for the repository",
    )  # fmt: skip
    parser.add_argument(
        "--target",
        metavar="TARGET",
        dest="targets",
        action="append",
        default=[],
        help="such as bookworm-amd64; without it, all that the repository has",
    )
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Make images.

    :raises InputError: when the repository holds nothing, or no format is known.
    :raises InstallFailed: when a machine does not install or boot.
    :raises AuditFailed: when what boots is not as it should be.
    """
    with open_workshop(args) as workshop:
        configured = workshop.workspace.repository(args.repository)
        kinds = [ImageFormat(each) for each in dict.fromkeys(args.formats or configured.images)]
        targets = [workshop.workspace.target(each).target for each in args.targets]
        workshop.sweep()
        made = publish_images(workshop, args.repository, kinds, targets=targets)
    if args.json:
        say_json({"place": str(made.place), "files": list(made.files)})
    else:
        say(f"Booted, looked at, and published at {made.place}:", *(f"  {n}" for n in made.files))
    return 0
