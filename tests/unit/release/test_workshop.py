"""What one process works on, no other one cleans away."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.base.files import Lock
from farm.build.failures import Failure, Failures
from farm.place import overlay
from farm.release.workshop import Workshop
from farm.repo.gnupg import Home
from farm.repo.signing import Key
from farm.repo.snapshot import Snapshots
from farm.repo.state import Snapshot
from tests.unit.cli.sample import Sample
from tests.unit.release.candidate_sample import build, snapshot

FIRST, SECOND = ("rc-0000000000000001-FFFFFFFF", "rc-0000000000000002-FFFFFFFF")
LONG_AGO = 1_700_000_000  # seconds since 1970: so nothing but its use keeps a snapshot

OpenWorkshop = Callable[[], Workshop]


class Shelf(Snapshots):
    """Snapshots that are empty folders; the one that is asked for is the last."""

    def ensure(self, *_: Any, **__: Any) -> Snapshot:
        return self.all()[-1]

    def put(self, name: str) -> None:
        (self._root / name).mkdir(parents=True)
        os.utime(self._root / name, (LONG_AGO, LONG_AGO))

    def _find(self, name: str) -> Snapshot | None:
        there = (self._root / name).is_dir()
        return replace(snapshot(build("re"), root=self._root), id=name) if there else None


@pytest.fixture
def open_workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenWorkshop]:
    """Opens the same workspace, as one process after the other does."""
    key = Key(
        "rc", "F" * 40, Home(tmp_path, lock=tmp_path / "gnupg.lock", own=True), "rc", tmp_path
    )
    monkeypatch.setattr("farm.release.workshop.Snapshots", Shelf)
    monkeypatch.setattr(Workshop, "key", lambda self, repository: key)
    monkeypatch.setattr(Key, "export", lambda self: b"keyring")
    monkeypatch.setattr(overlay, "remove_tree", lambda path: shutil.rmtree(path))
    sample = Sample(tmp_path)
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(sample.open()))


# --- the candidate ---


@pytest.fixture
def shelf(open_workshop: OpenWorkshop) -> Shelf:
    """The snapshots as another process sees them, with one that would be pruned."""
    snapshots = open_workshop().snapshots
    assert isinstance(snapshots, Shelf)
    snapshots.put(FIRST)
    return snapshots


def test_nobody_prunes_a_candidate_while_its_run_goes_on(
    open_workshop: OpenWorkshop, shelf: Shelf
) -> None:
    workshop = open_workshop()
    workshop.candidate("rc", [build("re")])
    assert shelf.prune("rc", 0) == ()
    workshop.close()
    assert shelf.prune("rc", 0) == (FIRST,)


def test_a_run_that_made_another_candidate_needs_the_first_no_more(
    open_workshop: OpenWorkshop, shelf: Shelf
) -> None:
    workshop = open_workshop()
    workshop.candidate("rc", [build("re")])
    shelf.put(SECOND)
    workshop.candidate("rc", [build("re")])
    assert shelf.prune("rc", 0) == (FIRST,)


# --- what failed ---


class Attempt:
    """A build of another process in an environment of its own."""

    def __init__(self, workshop: Workshop, name: str) -> None:
        self.folder = workshop.layout.environments / name
        self.folder.mkdir(parents=True)
        self._lock = Lock(overlay.lock_of(self.folder))
        assert self._lock.try_acquire()
        self._failures = Failures(workshop.layout)

    def fail(self) -> None:
        """Keep the environment, as the builder does: the record first, then the lock goes."""
        self._failures.add(Failure(
            name="re@bookworm-amd64", key="key", run="run-1", environment=self.folder.name,
            layers=(), directory="/build/re", command=("make",), variables=(), source="",
            reason="make failed", excerpt="", log="", when="2024-05-01T00:00:00",
        ))  # fmt: skip
        self._lock.release()

    def die(self) -> None:
        """End without a word."""
        self._lock.release()


def test_a_sweep_takes_what_a_killed_build_left_and_nothing_else(
    open_workshop: OpenWorkshop,
) -> None:
    workshop = open_workshop()
    killed, failed, running = (Attempt(workshop, f"re-{name}") for name in "abc")
    killed.die()
    failed.fail()
    workshop.sweep()
    assert not killed.folder.exists()
    assert failed.folder.is_dir()
    assert running.folder.is_dir()


def test_a_build_that_fails_during_a_sweep_is_kept(
    open_workshop: OpenWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = open_workshop()
    running = [Attempt(workshop, "re-a")]
    folder = running[0].folder
    read = Failures.environments

    def read_just_before_it_fails(failures: Failures) -> frozenset[str]:
        names = read(failures)
        while running:
            running.pop().fail()
        return names

    monkeypatch.setattr(Failures, "environments", read_just_before_it_fails)
    workshop.sweep()
    assert folder.is_dir()
    assert Lock(overlay.lock_of(folder)).try_acquire()
