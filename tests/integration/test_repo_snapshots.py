"""Snapshots, and repositories that are switched between them while apt reads."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from farm.base.errors import FarmFault, InputError
from farm.model.artifact import Build
from farm.repo.content import Content
from farm.repo.snapshot import Snapshot
from tests.integration.repo_samples import Apt, Workshop, serve

FORK = multiprocessing.get_context("fork")
STEPS = {"os.rename", "os.link", "os.symlink", "os.mkdir", "os.remove", "subprocess.Popen"}


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "state")


def libre(workshop: Workshop, version: str = "1.0") -> Build:
    return workshop.shop.build("libre", version)


def ids(workshop: Workshop) -> set[str]:
    return {snapshot.id for snapshot in workshop.snapshots.all()}


def test_a_snapshot_is_made_once(workshop: Workshop) -> None:
    build = libre(workshop)
    first = workshop.stage(build)
    made = first.path.stat().st_ino
    again = workshop.stage(build)
    assert again == first
    assert again.path.stat().st_ino == made


def test_a_snapshot_knows_what_it_holds(workshop: Workshop) -> None:
    build = libre(workshop)
    snapshot = workshop.stage(build)
    content = Content("sample", (build,))
    assert snapshot.digest == content.digest
    assert snapshot.entries == content.entries
    assert abs(snapshot.created - datetime.now(UTC)) < timedelta(minutes=10)
    key = workshop.key()
    assert snapshot.id == f"rc-{content.digest[:16]}-{key.fingerprint[-8:]}"
    for path in (snapshot.path, snapshot.path.parent):
        assert workshop.snapshots.read(path) == snapshot
    assert workshop.snapshots.get(snapshot.id) == snapshot


def test_another_key_makes_another_snapshot_of_the_same_content(workshop: Workshop) -> None:
    build = libre(workshop)
    first = workshop.stage(build, repository="rc")
    second = workshop.stage(build, repository="production")
    assert first.digest == second.digest
    assert first.id != second.id
    (deb,) = first.path.glob("pool/**/*.deb")
    assert deb.samefile(second.path / deb.relative_to(first.path))


@pytest.mark.parametrize("name", ["", "nothing", "../rc", "rc-0123456789abcdef-01234567"])
def test_an_unknown_snapshot_is_one_sentence(workshop: Workshop, name: str) -> None:
    with pytest.raises(InputError, match="There is no snapshot"):
        workshop.snapshots.get(name)


def test_a_snapshot_that_cannot_be_read_is_a_fault_of_the_farm(workshop: Workshop) -> None:
    snapshot = workshop.stage(libre(workshop))
    (snapshot.path.parent / "snapshot.json").write_text('{"digest": "x"}')
    with pytest.raises(FarmFault, match="is a snapshot that this version of the farm cannot read"):
        workshop.snapshots.get(snapshot.id)


def test_everything_can_be_read_by_a_web_server(workshop: Workshop) -> None:
    build = libre(workshop)
    build.binaries[0].file.path.chmod(0o600)
    before = os.umask(0o077)
    try:
        snapshot = workshop.stage(build)
    finally:
        os.umask(before)
    for path in (snapshot.path, *snapshot.path.rglob("*")):
        wanted = 0o555 if path.is_dir() else 0o444
        assert path.stat().st_mode & wanted == wanted


def test_a_staged_snapshot_is_not_yet_the_repository(workshop: Workshop) -> None:
    workshop.stage(libre(workshop))
    assert workshop.snapshots.current("rc") is None
    assert workshop.snapshots.repositories() == ()


@pytest.mark.parametrize("repository", ["rc", "private/alice"])
def test_a_switch_makes_it_the_repository(workshop: Workshop, repository: str) -> None:
    snapshot = workshop.publish(libre(workshop), repository=repository)
    pointer = workshop.pointers / repository
    assert not pointer.readlink().is_absolute()
    assert pointer.resolve() == snapshot.path
    assert workshop.open().current(repository) == snapshot
    assert workshop.snapshots.repositories() == (repository,)
    assert workshop.snapshots.read(pointer) == snapshot


def test_the_state_may_be_moved(workshop: Workshop, tmp_path: Path) -> None:
    first, second = libre(workshop, "1.0"), libre(workshop, "1.1")
    workshop.publish(first)
    workshop.publish(second)
    shutil.move(workshop.root, tmp_path / "moved")
    moved = Workshop(tmp_path / "moved")
    target = moved.snapshots.rollback_target("rc")
    moved.snapshots.switch("rc", target, back=True)
    assert moved.snapshots.current("rc") == target


def test_a_snapshot_becomes_only_the_repository_it_was_made_for(workshop: Workshop) -> None:
    snapshot = workshop.stage(libre(workshop))
    with pytest.raises(InputError, match="was made for repository 'rc', and cannot become 'pro"):
        workshop.snapshots.switch("production", snapshot)


def test_a_repository_does_not_lie_within_another(workshop: Workshop) -> None:
    workshop.publish(libre(workshop), repository="alice")
    inner = workshop.stage(libre(workshop, "1.1"), repository="private/alice")
    workshop.snapshots.switch("private/alice", inner)
    with pytest.raises(InputError, match="'alice/own' would lie within another one"):
        workshop.stage(libre(workshop, "1.2"), repository="alice/own")
    with pytest.raises(InputError, match="'private' would lie within another one"):
        workshop.snapshots.current("private")


def test_apt_follows_switches_and_returns(workshop: Workshop, tmp_path: Path) -> None:
    """A client ignores a Release that is older than the one it has: a return needs a new date."""
    first = workshop.publish(libre(workshop, "1.0"))
    with serve(workshop.pointers) as (address, asked):
        apt = Apt(tmp_path / "apt", f"{address}/rc", workshop.keyring())
        apt.update()
        seen = [apt.versions()]
        second = workshop.publish(libre(workshop, "1.1"))
        apt.update()
        seen.append(apt.versions())
        assert workshop.snapshots.rollback_target("rc") == first
        workshop.snapshots.switch("rc", first, back=True)
        apt.run("apt-get", "download", "libre=1.1")  # it still has the index of the second
        apt.update()
        seen.append(apt.versions())
        workshop.snapshots.switch("rc", second)
        apt.update()
        seen.append(apt.versions())
    assert [one["libre"] for one in seen] == ["1.0", "1.1", "1.0", "1.1"]
    assert not [line for line in asked if line.startswith("404") and "InRelease" in line]


def test_a_return_goes_further_back_each_time(workshop: Workshop) -> None:
    snapshots = workshop.snapshots
    one, two, three = (workshop.publish(libre(workshop, version)) for version in "123")
    assert snapshots.rollback_target("rc") == two
    snapshots.switch("rc", two, back=True)
    assert snapshots.rollback_target("rc") == one
    snapshots.switch("rc", one, back=True)
    with pytest.raises(InputError, match="Repository 'rc' has no earlier state to return to"):
        snapshots.rollback_target("rc")
    assert [step.snapshot for step in snapshots.history("rc")] == [
        one.id, two.id, three.id, two.id, one.id,
    ]  # fmt: skip


def test_a_return_passes_over_what_is_gone(workshop: Workshop) -> None:
    one, two, _ = (workshop.publish(libre(workshop, version)) for version in "123")
    shutil.rmtree(two.path.parent)
    assert workshop.snapshots.rollback_target("rc") == one


def test_a_repository_without_history_cannot_return(workshop: Workshop) -> None:
    with pytest.raises(InputError, match="Repository 'rc' was never published"):
        workshop.snapshots.rollback_target("rc")


def test_a_pointer_to_nothing_is_a_fault_of_the_farm(workshop: Workshop) -> None:
    snapshot = workshop.publish(libre(workshop))
    shutil.rmtree(snapshot.path.parent)
    with pytest.raises(FarmFault, match=f"'rc' points to the snapshot {snapshot.id}, which is"):
        workshop.snapshots.current("rc")


def test_prune_leaves_the_present_and_the_last_former_ones(workshop: Workshop) -> None:
    made = [workshop.publish(libre(workshop, version)) for version in "1234"]
    other = workshop.publish(libre(workshop, "5"), repository="production")
    assert set(workshop.snapshots.prune("rc", 1)) == {made[0].id, made[1].id}
    assert ids(workshop) == {made[2].id, made[3].id, other.id}
    assert workshop.snapshots.rollback_target("rc") == made[2]
    assert workshop.snapshots.prune("rc", 1) == ()
    workshop.publish(libre(workshop, "6"))


def test_prune_leaves_what_a_return_would_need(workshop: Workshop) -> None:
    one, two, three = (workshop.publish(libre(workshop, version)) for version in "123")
    workshop.snapshots.switch("rc", two, back=True)
    workshop.snapshots.prune("rc", 1)
    assert ids(workshop) == {one.id, two.id, three.id}
    assert workshop.snapshots.rollback_target("rc") == one


def test_prune_removes_old_candidates_and_leaves_new_ones(workshop: Workshop) -> None:
    failed = workshop.stage(libre(workshop, "1"))
    current = workshop.publish(libre(workshop, "2"))
    candidate = workshop.stage(libre(workshop, "3"))
    assert workshop.snapshots.prune("rc", 0) == (failed.id,)
    assert ids(workshop) == {current.id, candidate.id}


def test_prune_leaves_a_former_state_that_is_a_candidate_again(workshop: Workshop) -> None:
    build = libre(workshop, "1")
    first = workshop.publish(build)
    workshop.publish(libre(workshop, "2"))
    workshop.stage(build)
    assert workshop.snapshots.prune("rc", 0) == ()
    workshop.snapshots.switch("rc", first)


def _use(workshop: Workshop, name: str, ready: threading.Event, done: threading.Event) -> None:
    with workshop.snapshots.using(workshop.snapshots.get(name)):
        ready.set()
        done.wait(30)


def test_prune_leaves_what_a_process_uses(workshop: Workshop) -> None:
    first = workshop.publish(libre(workshop, "1"))
    workshop.publish(libre(workshop, "2"))
    ready, done = FORK.Event(), FORK.Event()
    worker = FORK.Process(target=_use, args=(workshop, first.id, ready, done))
    worker.start()
    assert ready.wait(30)
    assert workshop.snapshots.prune("rc", 0) == ()
    worker.kill()  # and what dies does not use any more
    worker.join(30)
    assert workshop.snapshots.prune("rc", 0) == (first.id,)
    with pytest.raises(FarmFault, match="removed meanwhile"), workshop.snapshots.using(first):
        pass


def _stage_counting(
    workshop: Workshop, build: Build, start: threading.Barrier, made: multiprocessing.Queue[int]
) -> None:
    count = 0

    def look(event: str, words: tuple[object, ...]) -> None:
        nonlocal count
        count += event == "subprocess.Popen" and words[0] == "apt-ftparchive"

    sys.addaudithook(look)
    start.wait(30)
    workshop.stage(build)
    made.put(count)


def test_processes_that_come_at_once_make_one_snapshot(workshop: Workshop) -> None:
    build = libre(workshop)
    workshop.key()
    start = FORK.Barrier(3)
    made: multiprocessing.Queue[int] = FORK.Queue()
    workers = [
        FORK.Process(target=_stage_counting, args=(workshop, build, start, made)) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    assert sorted(made.get(timeout=60) for _ in workers) == [0, 0, 1]
    for worker in workers:
        worker.join(10)
    assert len(ids(workshop)) == 1


def killed_at(step: int, act: Callable[[], object]) -> bool:
    """Run something in a process that is killed before its n-th change; whether it was."""

    def whole_life() -> None:
        left = step

        def look(event: str, words: tuple[object, ...]) -> None:
            nonlocal left
            left -= event in STEPS
            if left < 0 and event in STEPS:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(look)
        act()

    worker = FORK.Process(target=whole_life)
    worker.start()
    worker.join(60)
    assert worker.exitcode in (0, -signal.SIGKILL)
    return worker.exitcode != 0


def test_a_switch_killed_at_any_point_leaves_a_whole_state(
    workshop: Workshop, tmp_path: Path
) -> None:
    snapshots = workshop.snapshots
    states = [workshop.publish(libre(workshop, version)) for version in ("1.0", "1.1")]
    steps = 0
    while killed_at(steps, lambda: snapshots.switch("rc", states[0], back=True)):
        steps += 1
        current = snapshots.current("rc")
        assert current in states
        assert snapshots.history("rc")[-1].snapshot == current.id
        read = Apt(tmp_path / f"apt{steps}", f"file:{current.path}", workshop.keyring())
        read.update()
        snapshots.switch("rc", states[1])
    assert steps > 10
    assert snapshots.current("rc") == states[0]
    assert [path.name for path in workshop.pointers.iterdir()] == ["rc"]


def test_making_killed_at_any_point_leaves_nothing_half_made(workshop: Workshop) -> None:
    snapshots = workshop.snapshots
    current = workshop.publish(libre(workshop, "1.0"))
    build = libre(workshop, "1.1")
    steps = 0
    while killed_at(steps, lambda: workshop.stage(build)):
        steps += 3
        assert snapshots.current("rc") == current
        for snapshot in snapshots.all():
            assert (snapshot.path / "dists/bookworm/InRelease").is_file()
    assert steps > 30
    made = workshop.stage(build)
    assert snapshots.prune("rc", 1) == ()
    assert ids(workshop) == {current.id, made.id}
    making = workshop.root / "store" / "snapshots" / ".making"
    assert list(making.iterdir()) == []


def test_a_state_whose_key_is_gone_is_not_switched_to(workshop: Workshop) -> None:
    first = workshop.publish(libre(workshop, "1.0"))
    second = workshop.publish(libre(workshop, "1.1"))
    shutil.rmtree(workshop.root / "keys" / "rc")
    with pytest.raises(InputError, match="of repository 'rc' is not in"):
        workshop.snapshots.switch("rc", first, back=True)
    assert workshop.snapshots.current("rc") == second


def test_a_key_of_another_repository_does_not_sign(workshop: Workshop) -> None:
    content = Content("sample", (libre(workshop),))
    with pytest.raises(InputError, match="A key of 'production' does not sign 'rc'"):
        workshop.snapshots.ensure(
            content, repository="rc", origin="Sample", key=workshop.key("production"),
            keep_from=None,
        )  # fmt: skip


def test_states_before_the_last_are_served_too(workshop: Workshop) -> None:
    made: list[Snapshot] = [workshop.publish(libre(workshop, version)) for version in "12345"]
    debs = {path.name for path in made[-1].path.glob("pool/**/*.deb")}
    assert debs == {f"libre_{version}_amd64.deb" for version in "2345"}
