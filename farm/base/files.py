"""Floor 0: files and locks that survive a kill at any moment."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from farm.base.errors import FarmFault, WaitTimeout


def sha256_of(path: Path) -> str:
    """Give the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(value: Any) -> str:
    """Give the SHA-256, in hex, of a JSON-able value in its canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_atomically(path: Path, text: str | bytes, *, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a kill, sees the old text or the new one."""
    data = text.encode() if isinstance(text, str) else text
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with beside.open("wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, atomically; see :func:`write_atomically`."""
    write_atomically(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that the farm wrote.

    :raises FarmFault: when it is not JSON: somebody changed it, or the disk is bad.
    """
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise FarmFault(
            f"{path} is not the JSON that the farm wrote.", details=str(error),
            hint="Delete it: the farm makes it again.",
        ) from error  # fmt: skip


def point_atomically(link: Path, to: Path) -> None:
    """Make ``link`` a symbolic link to ``to``, relative, with one rename(2)."""
    link.parent.mkdir(parents=True, exist_ok=True)
    beside = link.with_name(f".{link.name}.{os.getpid()}.{secrets.token_hex(4)}")
    beside.symlink_to(os.path.relpath(to, link.parent))
    try:
        beside.replace(link)
    finally:
        beside.unlink(missing_ok=True)


def settle(made: Path, place: Path) -> bool:
    """Rename a finished folder to where it belongs; the first one there wins.

    :returns: whether this call put it there.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(place)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(made)
        return False
    return True


class Lock:
    """An flock(2) on a file: the kernel drops it when its holder dies, however it dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def try_acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if nobody has it.

        A deleted lock file is noticed: the lock of a file that is gone is worth nothing.
        """
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        while True:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(descriptor).st_ino == self.path.stat().st_ino:
                    self._descriptor = descriptor
                    return True
            os.close(descriptor)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


@contextlib.contextmanager
def locked(
    path: Path, *, timeout: timedelta, what: str, shared: bool = False,
    waiting: Callable[[], None] | None = None,
) -> Iterator[float]:  # fmt: skip
    """Hold the lock on ``path``; yields the seconds that were waited for it.

    :param what: what the lock protects, for the message.
    :param waiting: called once if another process holds the lock.
    :raises WaitTimeout: when another process holds it for longer than ``timeout``.
    """
    lock = Lock(path)
    started = time.monotonic()
    pause = 0.005
    while not lock.try_acquire(shared=shared):
        if waiting:
            waiting()
            waiting = None
        waited = time.monotonic() - started
        if waited > timeout.total_seconds():
            raise WaitTimeout(
                f"Another process has been busy with {what} for more than {timeout}.",
                hint=f"Look who has {path} open (fuser, lsof), or try again later.",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)
    try:
        yield time.monotonic() - started
    finally:
        lock.release()


@contextlib.contextmanager
def temporary(parent: Path, *, prefix: str = "") -> Iterator[Path]:
    """Give a new folder below ``parent`` for as long as the block runs.

    It is locked meanwhile: :func:`sweep` removes those whose owner was killed.
    """
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        path = parent / f"{prefix}{os.getpid()}-{secrets.token_hex(4)}"
        lock = Lock(path.with_name(f"{path.name}.lock"))
        if lock.try_acquire():  # else a sweep looks at it just now, before it is locked
            break
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        lock.path.unlink(missing_ok=True)
        lock.release()


def sweep(parent: Path) -> int:
    """Remove temporary folders of processes that are gone; gives back how many."""
    swept = 0
    for path in sorted(parent.glob("*.lock")) if parent.is_dir() else ():
        lock = Lock(path)
        if not lock.try_acquire():
            continue
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)
        path.unlink(missing_ok=True)
        lock.release()
        swept += 1
    return swept


def link_or_copy(source: Path, to: Path) -> None:
    """Hard link a file of the store, or copy it where the file system is another."""
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, to)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
            raise
        shutil.copy2(source, to)
