"""Floor 5: in what two states of repositories differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from farm.base.errors import InputError
from farm.config.spelling import refuse_unknown
from farm.release.listing import Changes, compare, list_deb
from farm.release.workshop import Workshop
from farm.repo.content import BINARY
from farm.repo.indexes import Listed
from farm.repo.reader import Reader
from farm.repo.state import Snapshot

# Debian Policy 7.1; those of a source package in 7.7.
_RELATIONS = (
    "Pre-Depends", "Depends", "Recommends", "Suggests", "Enhances", "Breaks", "Conflicts",
    "Replaces", "Provides", "Build-Depends", "Build-Depends-Indep", "Build-Depends-Arch",
    "Build-Conflicts", "Build-Conflicts-Indep", "Build-Conflicts-Arch",
)  # fmt: skip


@dataclass(frozen=True)
class Relation:
    """How one field that names other packages differs."""

    name: str
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """A package as one of the two states has it.

    :param size: of its files, in bytes.
    :param installed: what it takes when it is installed, in bytes; estimated, says its field.
    """

    version: str
    size: int
    installed: int


@dataclass(frozen=True)
class PackageChange:
    """One package that is not the same in both, or only in one of them.

    :param architecture: ``source`` for a source package.
    :param files: of a binary package that both have.
    """

    distribution: str
    name: str
    architecture: str
    first: Side | None
    second: Side | None
    relations: tuple[Relation, ...] = ()
    files: Changes = field(default_factory=Changes)


@dataclass(frozen=True)
class Difference:
    """All of it.

    :param same: how many packages are the same in both.
    """

    first: Snapshot
    second: Snapshot
    changes: tuple[PackageChange, ...]
    same: int


def find_state(workshop: Workshop, text: str) -> Snapshot:
    """Find the state that somebody means: a repository as it is now, or a snapshot by its id.

    :raises InputError: when there is none, with the nearest spelling.
    """
    snapshots = workshop.snapshots
    current = {name: snapshots.current(name) for name in snapshots.repositories()}
    if found := current.get(text):
        return found
    if text in workshop.workspace.repositories:
        raise InputError(
            f"{text} was never published, so it holds nothing.",
            hint=f"Publish something to it: pytest --release {text}",
        )
    by_id = {each.id: each for each in snapshots.all()}
    if text in by_id:
        return by_id[text]
    if "/" in text and Path(text).exists():
        return snapshots.read(Path(text))
    known = {*workshop.workspace.repositories, *current, *by_id}
    raise refuse_unknown(text, kind="repository or snapshot", known=known)


def find_difference(first: Snapshot, second: Snapshot) -> Difference:
    """Compare two states: packages, their relations to others, their sizes and their files.

    :raises InputError: when an index cannot be read.
    :raises FarmFault: when a package cannot be read.
    """
    ours, theirs = _packages(first), _packages(second)
    changes, same = [], 0
    for key in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(key), theirs.get(key)
        if one and other and one.entry.pieces == other.entry.pieces:
            same += 1
        else:
            files = _files(first, one, second, other) if one and other else Changes()
            relations = tuple(_relations(one, other)) if one and other else ()
            changes.append(PackageChange(*key, _side(one), _side(other), relations, files))
    return Difference(first, second, tuple(changes), same)


def _packages(snapshot: Snapshot) -> dict[tuple[str, str, str], Listed]:
    """Give each package by distribution, name and architecture."""
    listed = Reader(snapshot.path, None).packages()
    return {(each.entry.distribution, each.entry.name, each.entry.architecture): each
            for each in listed}  # fmt: skip


def _side(listed: Listed | None) -> Side | None:
    if listed is None:
        return None
    kibibytes = listed.fields.get("Installed-Size", "0")
    installed = int(kibibytes) * 1024 if kibibytes.isdigit() else 0
    return Side(listed.entry.version, listed.entry.size, installed)


def _relations(one: Listed, other: Listed) -> Iterator[Relation]:
    for name in _RELATIONS:
        ours, theirs = _clauses(one.fields, name), _clauses(other.fields, name)
        if set(ours) != set(theirs):
            yield Relation(
                name, tuple(each for each in ours if each not in theirs),
                tuple(each for each in theirs if each not in ours),
            )  # fmt: skip


def _clauses(fields: Mapping[str, str], name: str) -> list[str]:
    text = " ".join(fields.get(name, "").split())
    return [clause.strip() for clause in text.split(",") if clause.strip()]


def _files(first: Snapshot, one: Listed, second: Snapshot, other: Listed) -> Changes:
    if one.entry.kind != BINARY:
        return Changes()
    return compare(list_deb(first.path / one.paths[0]), list_deb(second.path / other.paths[0]))
