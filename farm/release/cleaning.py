"""Floor 5: cleaning a state folder: what can go is measured and removed."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from farm.base.errors import CommandError, InputError
from farm.base.files import Lock, sweep, temporary
from farm.build.failures import Failure, Failures
from farm.machine.running import Box, is_named, kept
from farm.place.namespace import janitor, remove_tree
from farm.release.references import find_needed
from farm.release.survey import survey
from farm.release.waste import (
    LEFTOVERS,
    Ground,
    Waste,
    find_leftovers,
    find_waste,
    temporary_folders,
)
from farm.release.workshop import Workshop

FAILURES = "environments of failed builds"
MACHINES = "machines on which something failed"
SNAPSHOTS = "former snapshots"
_MEASURE = timedelta(minutes=10)


@dataclass(frozen=True)
class Gone:
    """Something that was removed, or would be.

    :param size: what that frees, in bytes.
    """

    kind: str
    path: Path
    size: int


@dataclass(frozen=True)
class Cleaning:
    """What a cleaning has done, or would do.

    :param alone: whether nobody else was at work, so that everything was looked at.
    :param refused: why some of what was asked for stays.
    """

    gone: tuple[Gone, ...]
    alone: bool = True
    refused: tuple[InputError, ...] = ()

    @property
    def size(self) -> int:
        """What it frees, in bytes."""
        return sum(each.size for each in self.gone)


def clean(workshop: Workshop, *, unused: timedelta, pretend: bool) -> Cleaning:
    """Remove what nobody needs: leftovers, what nothing refers to, caches long unused.

    While another process is at work, only leftovers of killed ones go.

    :param unused: how long caches stay after their last use.
    :param pretend: remove nothing.
    """
    with workshop.presence.alone() as alone:
        workshop.tell("looking for what nobody needs")
        waste = list(find_leftovers(workshop.layout))
        if alone:
            former = list(_former_snapshots(workshop))
            waste += former
            doomed = frozenset(each.path.name for each in former)
            waste += find_waste(_ground(workshop, unused, doomed))
        gone = _measure(waste)
        if not pretend:
            workshop.tell("removing it")
            _remove(workshop, waste)
        return Cleaning(gone, alone)


def find_failures(workshop: Workshop, name: str) -> list[Failure]:
    """Find failed builds whose environments are kept.

    :param name: ``PACKAGE``, ``PACKAGE@TARGET``, or nothing for all.
    :raises InputError: when there is none of that name.
    """
    failures = list(Failures(workshop.layout).all())
    found = [each for each in failures if name in ("", each.name, each.name.partition("@")[0])]
    if name and not found:
        known = sorted({each.name for each in failures})
        raise InputError(
            f"No environment of a failed build of {name!r} is kept.",
            hint=f"Kept are those of: {', '.join(known)}." if known else "None is kept at all.",
        )
    return found


def release_failures(
    workshop: Workshop, failures: Sequence[Failure], *, pretend: bool
) -> Cleaning:
    """Remove the environments of failed builds, but those in which a shell is open.

    :param pretend: remove nothing.
    """
    gone, refused = [], []
    for failure in failures:
        folder = workshop.layout.environments / failure.environment
        size = _foreign_sizes([folder]).get(folder, 0)
        try:
            if not pretend:
                Failures(workshop.layout).release(failure)
            gone.append(Gone(FAILURES, folder, size))
        except InputError as error:
            refused.append(error)
    return Cleaning(tuple(gone), refused=tuple(refused))


def find_machines(workshop: Workshop, name: str) -> list[Box]:
    """Find machines that are kept because something failed on them.

    :param name: ``machine@TARGET``, what was tried there, or nothing for all.
    """
    return [box for box in kept(workshop.layout.machines) if name == "" or is_named(box, name)]


def release_machines(workshop: Workshop, machines: Sequence[Box], *, pretend: bool) -> Cleaning:
    """Remove kept machines, but those that somebody is at.

    :param pretend: remove nothing.
    """
    gone, refused = [], []
    for box in machines:
        size = sum(about.st_blocks * 512 for about in _walk(box.folder))
        try:
            if not pretend:
                workshop.machines.boxes.release(box)
            gone.append(Gone(MACHINES, box.folder, size))
        except InputError as error:
            refused.append(error)
    return Cleaning(tuple(gone), refused=tuple(refused))


def _ground(workshop: Workshop, unused: timedelta, doomed: frozenset[str]) -> Ground:
    rows = survey(workshop)
    return Ground(
        workshop.layout, find_needed(workshop, rows, without=doomed),
        frozenset(str(config.target) for config in workshop.workspace.targets),
        frozenset(rows), time.time() - unused.total_seconds(),
    )  # fmt: skip


def _former_snapshots(workshop: Workshop) -> Iterator[Waste]:
    """Find the snapshots that their repositories do not keep; those not in farm.toml keep all."""
    for name, keep in _kept_snapshots(workshop).items():
        for identifier in workshop.snapshots.prunable(name, keep):
            yield Waste(SNAPSHOTS, workshop.layout.snapshots / identifier)


def _kept_snapshots(workshop: Workshop) -> dict[str, int]:
    found = {}
    for name in sorted({each.repository for each in workshop.snapshots.all()}):
        with contextlib.suppress(InputError):
            found[name] = workshop.workspace.repository(name).keep
    return found


# Measuring.


def _measure(waste: Sequence[Waste]) -> tuple[Gone, ...]:
    own = [path for one in waste if not one.foreign for path in (one.path, *one.records)]
    sizes = _own_sizes(own) | _foreign_sizes([one.path for one in waste if one.foreign])
    return tuple(
        Gone(one.kind, one.path, sum(sizes.get(path, 0) for path in (one.path, *one.records)))
        for one in waste
    )


def _own_sizes(paths: Sequence[Path]) -> dict[Path, int]:
    """Give what removing all of these frees: a file counts when no other name of it stays."""
    sizes = dict.fromkeys(paths, 0)
    names: dict[tuple[int, int], int] = {}
    for path in paths:
        for about in _walk(path):
            file = (about.st_dev, about.st_ino)
            names[file] = names.get(file, 0) + 1
            if stat.S_ISDIR(about.st_mode) or names[file] == about.st_nlink:
                sizes[path] += about.st_blocks * 512
    return sizes


def _walk(path: Path) -> Iterator[os.stat_result]:
    with contextlib.suppress(OSError):  # it has just gone, or another user owns it
        about = path.lstat()
        yield about
        if stat.S_ISDIR(about.st_mode):
            for inner in path.iterdir():
                yield from _walk(inner)


def _foreign_sizes(paths: Sequence[Path]) -> dict[Path, int]:
    """Measure trees that subordinate users own, from inside their namespace: du(1)."""
    sizes = {}
    for path in paths:
        argv = ["du", "--summarize", "--block-size=1", "--", f"./{path.name}"]
        with contextlib.suppress(CommandError):  # somebody else has just removed it
            found = janitor(argv, cwd=path.parent, timeout=_MEASURE).stdout.split()
            sizes[path] = int(found[0])
    return sizes


# Removing. Whatever is half removed when the process is killed, nobody takes for whole.


def _remove(workshop: Workshop, waste: Sequence[Waste]) -> None:
    for record in (record for one in waste for record in one.records):
        record.unlink(missing_ok=True)
    if any(one.kind == LEFTOVERS for one in waste):
        workshop.sweep()
        for parent in temporary_folders(workshop.layout):
            sweep(parent)
    if any(one.kind == SNAPSHOTS for one in waste):
        for name, keep in _kept_snapshots(workshop).items():
            workshop.snapshots.prune(name, keep)
    others = [one for one in waste if one.kind not in (LEFTOVERS, SNAPSHOTS)]
    for one in others:
        if one.foreign:
            _remove_foreign(one.path)
        elif one.path.is_dir():
            with temporary(workshop.layout.temporary, prefix="gone-") as folder:
                one.path.rename(folder / one.path.name)
        else:
            _remove_file(one.path)


def _remove_foreign(tree: Path) -> None:
    """Rename a tree to what chroots call one that is not finished, then remove it."""
    half = tree.with_name(f"{tree.name.removesuffix('.half')}.half")
    if half != tree:
        remove_tree(half)
        janitor(["mv", "-T", "--", tree.name, half.name], cwd=tree.parent)
    remove_tree(half)


def _remove_file(path: Path) -> None:
    """Remove a file; a lock only while nobody has it."""
    lock = Lock(path) if path.suffix in (".lock", ".use") else None
    if lock is None or lock.try_acquire():
        path.unlink(missing_ok=True)
    if lock:
        lock.release()
