"""Files are whole whenever a process is killed; what it held is free, what it left is swept."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import FarmFault, WaitTimeout
from farm.base.files import (
    Lock,
    digest_of,
    link_or_copy,
    locked,
    point_atomically,
    read_json,
    settle,
    sha256_of,
    sweep,
    temporary,
    write_atomically,
    write_json,
)

NOT_LONG = timedelta(seconds=0.05)
LONG = timedelta(seconds=20)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextlib.contextmanager
def process(work: Callable[[], object]) -> Iterator[int]:
    """Have a process that has done its work and lives until it is killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            work()
            os.write(writer, b"done")
            signal.pause()
        os._exit(1)
    os.close(writer)
    try:
        assert os.read(reader, 4) == b"done"
        yield child
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            kill(child)


def kill(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(child, 0)


# Digests.


def test_a_digest_is_of_the_value_and_not_of_how_it_is_written() -> None:
    assert digest_of({"b": 1, "a": [2]}) == digest_of({"a": [2], "b": 1})
    assert digest_of(["a", "b"]) != digest_of(["b", "a"])
    assert digest_of(["ab"]) != digest_of(["a", "b"])
    assert digest_of("ä") == digest_of("\u00e4")


def test_the_digest_of_a_file_is_that_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "abc") == known


# Writing.


def test_a_file_is_written_with_the_folders_above_it(tmp_path: Path) -> None:
    path = tmp_path / "a/b/file"
    write_atomically(path, "käse\n")
    assert path.read_bytes() == "käse\n".encode()
    write_atomically(path, b"\xff")
    assert path.read_bytes() == b"\xff"
    assert names(path.parent) == ["file"]


def test_the_mode_is_the_one_that_is_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "public", "x")
        write_atomically(tmp_path / "secret", "x", mode=0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "public").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_failure_while_writing_leaves_the_old_text_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_a_kill_while_writing_leaves_the_old_text_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    monkeypatch.setattr(os, "fsync", lambda _: os.kill(os.getpid(), signal.SIGKILL))
    child = os.fork()
    if child == 0:
        write_atomically(path, "new" * 10_000)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert path.read_text() == "old"


def test_who_reads_meanwhile_sees_the_old_file_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old text")
    with path.open() as stream:
        assert stream.read(3) == "old"
        write_atomically(path, "new")
        assert stream.read() == " text"
    assert path.read_text() == "new"


def test_json_is_read_as_it_was_written(tmp_path: Path) -> None:
    value = {"name": "käse", "list": [1, None, 2.5], "nested": {"a": True}}
    write_json(tmp_path / "file", value)
    assert read_json(tmp_path / "file") == value


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe", b"null null"])
def test_json_that_is_none_is_said_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FarmFault) as caught:
        read_json(path)
    assert caught.value.brief == f"{path} is not the JSON that the farm wrote."
    assert caught.value.hint


# Pointers and folders.


def test_a_pointer_moves_without_ever_being_away(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "snapshots" / name).mkdir(parents=True)
    link = tmp_path / "repositories/private/alice"
    point_atomically(link, tmp_path / "snapshots/one")
    assert link.readlink() == Path("../../snapshots/one")
    point_atomically(link, tmp_path / "snapshots/two")
    assert link.resolve() == tmp_path / "snapshots/two"
    assert names(link.parent) == ["alice"]


def test_a_pointer_goes_on_working_where_the_folder_is_moved(tmp_path: Path) -> None:
    (tmp_path / "here/one").mkdir(parents=True)
    point_atomically(tmp_path / "here/link", tmp_path / "here/one")
    (tmp_path / "here").rename(tmp_path / "there")
    assert (tmp_path / "there/link").resolve() == tmp_path / "there/one"


def test_a_pointer_never_replaces_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        point_atomically(tmp_path / "folder", tmp_path / "one")
    assert names(tmp_path) == ["folder"]


def test_the_first_folder_that_settles_wins(tmp_path: Path) -> None:
    for name in ("mine", "yours"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep/who").write_text(name)
    assert settle(tmp_path / "mine", tmp_path / "store/key")
    assert not settle(tmp_path / "yours", tmp_path / "store/key")
    assert (tmp_path / "store/key/deep/who").read_text() == "mine"
    assert names(tmp_path) == ["store"]


def test_what_cannot_settle_is_not_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        settle(tmp_path / "made", tmp_path / "file")
    assert (tmp_path / "made").is_dir()


def test_a_file_of_the_store_is_linked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    link_or_copy(tmp_path / "file", tmp_path / "a/b/link")
    assert (tmp_path / "a/b/link").samefile(tmp_path / "file")


@pytest.mark.parametrize("reason", [errno.EXDEV, errno.EMLINK, errno.EPERM])
def test_a_file_that_cannot_be_linked_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "file").write_text("x")
    link_or_copy(tmp_path / "file", tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "x"
    assert not (tmp_path / "copy").samefile(tmp_path / "file")


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").write_text("y")
    with pytest.raises(FileExistsError):
        link_or_copy(tmp_path / "file", tmp_path / "other")
    assert (tmp_path / "other").read_text() == "y"


# Locks.


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.try_acquire()
    assert not second.try_acquire()
    first.release()
    assert second.try_acquire()
    second.release()


def test_releasing_what_is_not_held_is_harmless(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.try_acquire()
    second.release()
    assert not second.try_acquire()
    first.release()
    first.release()


def test_a_shared_lock_is_held_by_many_but_not_beside_an_exclusive_one(tmp_path: Path) -> None:
    first, second, alone = (Lock(tmp_path / "lock") for _ in range(3))
    assert first.try_acquire(shared=True)
    assert second.try_acquire(shared=True)
    assert not alone.try_acquire()
    first.release()
    second.release()
    assert alone.try_acquire()
    assert not first.try_acquire(shared=True)
    alone.release()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    with process(Lock(tmp_path / "lock").try_acquire) as child:
        assert not lock.try_acquire()
        kill(child)
        assert lock.try_acquire()
    lock.release()


def test_a_command_does_not_inherit_a_lock(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    assert lock.try_acquire()
    (descriptor,) = [
        int(each.name)
        for each in Path("/proc/self/fd").iterdir()
        if each.is_symlink() and each.readlink() == tmp_path / "lock"
    ]
    assert not os.get_inheritable(descriptor)
    lock.release()


def test_the_lock_of_a_deleted_file_protects_nothing_and_is_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    opened = os.open

    def open_and_lose(*arguments: int, **more: int) -> int:
        descriptor = opened(*arguments, **more)  # type: ignore[arg-type]
        monkeypatch.setattr(os, "open", opened)
        path.unlink()  # as whoever sweeps does, just before it is locked
        return descriptor

    monkeypatch.setattr(os, "open", open_and_lose)
    first, second = Lock(path), Lock(path)
    assert first.try_acquire()
    assert not second.try_acquire(), "both would hold a lock, on two files of one name"
    first.release()


def test_holding_a_lock_for_a_while(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "locks/one")
    with locked(tmp_path / "locks/one", timeout=LONG, what="a build") as waited:
        assert waited < LONG.total_seconds()
        assert not lock.try_acquire()
    assert lock.try_acquire()
    lock.release()


def test_a_lock_is_given_back_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "lock", timeout=LONG, what="a build"):
        raise KeyError
    lock = Lock(tmp_path / "lock")
    assert lock.try_acquire()
    lock.release()


def test_waiting_for_a_lock_ends_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = Lock(path)
    assert held.try_acquire()
    wait = locked(path, timeout=NOT_LONG, what="building libre")
    with pytest.raises(WaitTimeout) as caught, wait:
        pass
    assert caught.value.brief == (
        "Another process has been busy with building libre for more than 0:00:00.050000."
    )
    assert str(path) in caught.value.hint
    held.release()


def test_who_has_to_wait_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = Lock(path)
    assert held.try_acquire()
    told: list[bool] = []
    wait = locked(path, timeout=NOT_LONG, what="x", waiting=lambda: told.append(True))
    with pytest.raises(WaitTimeout), wait:
        pass
    assert told == [True]
    held.release()


def test_who_waits_goes_on_when_the_lock_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    held = Lock(path)
    assert held.try_acquire()
    with locked(path, timeout=LONG, what="x", waiting=held.release):
        assert not held.try_acquire()


def test_who_does_not_have_to_wait_is_told_nothing(tmp_path: Path) -> None:
    told: list[bool] = []
    with locked(tmp_path / "lock", timeout=LONG, what="x", waiting=lambda: told.append(True)):
        assert told == []


# Temporary folders.


def test_a_temporary_folder_is_gone_afterwards(tmp_path: Path) -> None:
    parent = tmp_path / "tmp"
    with temporary(parent, prefix="build-") as folder:
        assert folder.is_dir()
        assert folder.name.startswith("build-")
        (folder / "deep").mkdir()
        (folder / "deep/file").touch()
    assert names(parent) == []


def test_a_temporary_folder_is_gone_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), temporary(tmp_path):
        raise KeyError
    assert names(tmp_path) == []


def test_what_lives_is_not_swept(tmp_path: Path) -> None:
    with temporary(tmp_path, prefix="a.b-") as folder:
        assert sweep(tmp_path) == 0
        assert folder.is_dir()


def test_what_a_killed_process_has_left_is_swept(tmp_path: Path) -> None:
    begun = temporary(tmp_path, prefix="a.b-")

    def begin() -> None:
        folder = begun.__enter__()
        (folder / "file").touch()
        (folder / "link").symlink_to(precious)

    precious = tmp_path.parent / "precious"
    precious.mkdir(exist_ok=True)
    (precious / "file").touch()
    with process(begin) as child, temporary(tmp_path) as alive:
        assert sweep(tmp_path) == 0
        kill(child)
        assert sweep(tmp_path) == 1
        assert alive.is_dir()
        assert names(tmp_path) == [alive.name, f"{alive.name}.lock"]
    assert (precious / "file").exists()


def test_sweeping_where_nothing_is(tmp_path: Path) -> None:
    assert sweep(tmp_path / "gone") == 0


def test_a_folder_whose_lock_somebody_looks_at_just_now_gets_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = iter(["taken", "free"])
    monkeypatch.setattr("farm.base.files.secrets.token_hex", lambda _: next(tokens))
    sweeper = Lock(tmp_path / f"{os.getpid()}-taken.lock")
    assert sweeper.try_acquire()
    with temporary(tmp_path) as folder:
        assert folder.name.endswith("-free")
        sweeper.release()
        sweep(tmp_path)
        assert folder.is_dir()
