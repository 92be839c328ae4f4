"""Floor 7: ``farm diff``: in what two repositories differ."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from farm.cli.arguments import Subparsers, add_command, add_json, open_workshop
from farm.cli.terminal import heading, say, say_json, say_table, show_size
from farm.release.difference import (
    Difference,
    PackageChange,
    Side,
    find_difference,
    find_state,
)


def add_parser(subparsers: Subparsers) -> None:
    """Add ``farm diff`` to the commands of the farm."""
    parser = add_command(
        subparsers, "diff", brief="in what two repositories differ",
        description="Compare what two repositories hold now, or two snapshots: packages and their "
        "versions, dependencies, sizes, and the files in them.",
        example="farm diff rc production\nfarm diff rc production --files\n"
        "farm diff production production-94ea4dfe54c25036-F02DB109   # ids: farm log",
    )  # fmt: skip
    for name in ("A", "B"):
        parser.add_argument(name.lower(), metavar=name, help="a repository, or a snapshot's id")
    parser.add_argument("--files", action="store_true", help="name every file that differs")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare them.

    :raises InputError: when one of them does not exist.
    """
    with open_workshop(args) as workshop:
        states = [find_state(workshop, text) for text in (args.a, args.b)]
        workshop.tell("comparing packages")
        difference = find_difference(*states)
    if args.json:
        say_json(_as_json(difference))
    else:
        _say(difference, (args.a, args.b), list_files=args.files)
    return 0


def _say(difference: Difference, names: tuple[str, str], *, list_files: bool) -> None:
    say_table([(names[0], difference.first.id), (names[1], difference.second.id)], indent="")
    if not difference.changes:
        say(f"They hold the same {difference.same} packages.")
        return
    say("")
    _say_packages(difference, names)
    _say_relations(difference, names)
    _say_files(difference, names, list_files=list_files)
    say("", f"{difference.same} other packages are the same in both.")


def _say_packages(difference: Difference, names: tuple[str, str]) -> None:
    rows = [
        (each.distribution, each.name, each.architecture, *_versions(each), *_sizes(each))
        for each in difference.changes
    ]
    heading(f"packages (sizes: what {names[0]} has more or less)")
    say_table(rows, header=("for", "package", "kind", *names, "size", "installed"))


def _versions(change: PackageChange) -> tuple[str, str]:
    one = change.first.version if change.first else "-"
    other = change.second.version if change.second else "-"
    return (one, f"{other} (other content)" if one == other else other)


def _sizes(change: PackageChange) -> tuple[str, str]:
    one, other = change.first or Side("", 0, 0), change.second or Side("", 0, 0)
    installed = one.installed - other.installed
    shown = change.architecture != "source"
    return (_signed(one.size - other.size), _signed(installed) if shown else "")


def _signed(size: int) -> str:
    return f"{'+' if size > 0 else ''}{show_size(size)}"


def _say_relations(difference: Difference, names: tuple[str, str]) -> None:
    changes = [each for each in difference.changes if each.relations]
    if changes:
        say("")
        heading("dependencies")
    for change in changes:
        for relation in change.relations:
            say(f"  {_label(change)}: {relation.name}")
            rows = [(f"only in {names[0]}", clause) for clause in relation.only_first]
            rows += [(f"only in {names[1]}", clause) for clause in relation.only_second]
            say_table(rows, indent="    ")


def _say_files(difference: Difference, names: tuple[str, str], *, list_files: bool) -> None:
    changes = [each for each in difference.changes if each.files]
    if changes:
        say("")
        heading("files")
    for change in changes:
        rows = list(_file_rows(change, names))
        counts = {what: [row[0] for row in rows].count(what) for what, _ in rows}
        say(f"  {_label(change)}: {', '.join(f'{n} {what}' for what, n in counts.items())}")
        if list_files:
            say_table(rows, indent="    ")
    if changes and not list_files:
        say("  --files names them.")


def _file_rows(change: PackageChange, names: tuple[str, str]) -> Iterator[tuple[str, str]]:
    yield from (("changed", path) for path in change.files.changed)
    yield from ((f"only in {names[0]}", path) for path in change.files.only_first)
    yield from ((f"only in {names[1]}", path) for path in change.files.only_second)


def _label(change: PackageChange) -> str:
    return f"{change.name} {change.architecture} in {change.distribution}"


def _as_json(difference: Difference) -> dict[str, Any]:
    return {
        "first": {"repository": difference.first.repository, "snapshot": difference.first.id},
        "second": {"repository": difference.second.repository, "snapshot": difference.second.id},
        "same": difference.same,
        "changes": [asdict(each) for each in difference.changes],
    }
