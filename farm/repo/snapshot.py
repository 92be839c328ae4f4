"""Floor 4: states of repositories that never change, and which of them a repository is."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from farm.base.errors import FarmFault, InputError
from farm.base.files import Lock, locked, settle, sweep, temporary, write_json
from farm.model.names import check_repository
from farm.repo.content import Content
from farm.repo.history import Switch, latest, standing
from farm.repo.pointer import Pointer, flat, published
from farm.repo.reprepro import make_tree
from farm.repo.signing import Key, Keys
from farm.repo.state import Snapshot as Snapshot
from farm.repo.state import describe, read_snapshot
from farm.repo.tree import carry, dates_of, sign_releases

_PATIENCE = timedelta(minutes=15)
_SECOND = timedelta(seconds=1)
# How many former states a new one serves: apt-ftparchive(1) keeps as many generations by hash.
_FORMER = 3
# A snapshot of a repository that was never switched may be a candidate for as long.
_FRESH = timedelta(days=1)
_ID = re.compile(r"[a-z0-9][a-z0-9._+-]*-[0-9a-f]{16}-[0-9A-F]{8}")


class Snapshots:
    """All snapshots of a workspace, and its repositories, which are pointers to them.

    :param root: where snapshots are stored.
    :param pointers: where users point apt: one symbolic link a repository.
    :param locks: a folder for lock files.
    """

    def __init__(self, root: Path, pointers: Path, locks: Path) -> None:
        self._root = root.absolute()
        self._pointers = pointers.absolute()
        self._locks = locks.absolute()
        self._making = self._root / ".making"

    def ensure(
        self,
        content: Content,
        *,
        repository: str,
        origin: str,
        key: Key,
        keep_from: Snapshot | None,
    ) -> Snapshot:
        """Give the snapshot of a content, made unless it exists.

        However many processes ask at once, one makes it.

        :param keep_from: a state that clients may be reading, usually the current one.
        """
        check_repository(repository)
        if key.repository != repository:
            raise InputError(f"A key of {key.repository!r} does not sign {repository!r}.")
        name = f"{flat(repository)}-{content.digest[:16]}-{key.fingerprint[-8:]}"
        lock = self._locks / f"snapshot-{name}.lock"
        with locked(lock, timeout=_PATIENCE, what=f"snapshot {name}"):
            if not self._hand_out(name):
                self._make(name, content, origin=origin, key=key, keep_from=keep_from)
            return self.get(name)

    def get(self, identifier: str) -> Snapshot:
        """Give a snapshot by its id.

        :raises InputError: when there is none.
        """
        found = self._find(identifier) if _ID.fullmatch(identifier) else None
        if found is None:
            raise InputError(f"There is no snapshot {identifier!r}.")
        return found

    def read(self, path: Path) -> Snapshot:
        """Give the snapshot at a path: its folder, its tree, or a repository's pointer.

        :raises InputError: when there is none.
        """
        folder = path.resolve()
        folder = folder.parent if folder.name == "tree" else folder
        found = read_snapshot(folder)
        if found is None:
            raise InputError(f"{path} is not a snapshot of a repository.")
        return found

    def find(self, identifier: str) -> Snapshot | None:
        """Give a snapshot by its id, if it is still there."""
        return self._find(identifier)

    def all(self) -> tuple[Snapshot, ...]:
        """Give every snapshot, by id."""
        names = sorted(path.name for path in self._root.glob("*-*-*") if path.is_dir())
        return tuple(found for name in names if (found := self._find(name)))

    def repositories(self) -> tuple[str, ...]:
        """Give the names of all repositories that were ever published."""
        return published(self._pointers)

    def current(self, repository: str) -> Snapshot | None:
        """Give what a repository is now, None before it was ever published.

        :raises FarmFault: when somebody removed the snapshot that it points to.
        """
        pointer = self._pointer(repository)
        target = pointer.target()
        while target is not None:
            found = self._find(target)
            if found:
                return found
            before, target = target, pointer.target()
            if before == target:
                raise FarmFault(
                    f"Repository {repository!r} points to the snapshot {target}, which is gone.",
                    hint="Publish it again.",
                )
        return None

    def switch(self, repository: str, snapshot: Snapshot, *, back: bool = False) -> None:
        """Make a repository a snapshot, with one rename(2).

        apt ignores a state whose date is not after that of the state it knows. So one that was
        made before the current one first gets a new date and new signatures, with the key that
        signed it before; its content stays.

        :param back: whether this is a return to an earlier state: see :meth:`rollback_target`.
        :raises InputError: when the snapshot is one of another repository, or its key cannot sign
            any more.
        """
        pointer = self._pointer(repository)
        if snapshot.repository != repository:
            raise InputError(
                f"The snapshot {snapshot.id} was made for repository {snapshot.repository!r}, "
                f"and cannot become {repository!r}."
            )
        with self._locked_repository(repository), self.using(snapshot):
            current = self.current(repository)
            if current and current.id == snapshot.id:
                return
            if current:
                carry(current.path, snapshot.path)
                _freshen(snapshot, after=dates_of(current.path)[-1])
            pointer.point(snapshot.path, back=back)

    def history(self, repository: str) -> tuple[Switch, ...]:
        """Give what a repository has been, the oldest state first, the present one last."""
        return self._pointer(repository).history()

    def rollback_target(self, repository: str) -> Snapshot:
        """Give the state that a repository would return to: the one before the present one.

        After a return (``switch`` with ``back``) it is the one before that, not what was taken
        back. States that no longer exist are passed over.

        :raises InputError: when there is none.
        """
        states = standing(self.history(repository))
        for name in reversed(states[:-1]):
            found = self._find(name)
            if found and name != states[-1]:
                return found
        reason = "has no earlier state to return to" if states else "was never published"
        raise InputError(f"Repository {repository!r} {reason}.")

    def prune(self, repository: str, keep: int) -> tuple[str, ...]:
        """Remove snapshots made for a repository that nobody needs; give their ids.

        What stays: the present state, the last ``keep`` former ones (those that it would return to
        and those that it was), what a process is using, and what was made or asked for since the
        last switch, which may be a candidate.
        """
        with self._locked_repository(repository):
            sweep(self._making)
            names, since = self._unneeded(repository, keep)
            return tuple(name for name in names if self._remove(name, since=since))

    def prunable(self, repository: str, keep: int) -> tuple[str, ...]:
        """Give the ids of what :meth:`prune` would remove, if nobody is using it."""
        with self._locked_repository(repository):
            return tuple(self._unneeded(repository, keep)[0])

    def _unneeded(self, repository: str, keep: int) -> tuple[list[str], datetime]:
        """Give what can go, and since when nobody must have asked for it."""
        switches = self.history(repository)
        current = {self._pointer(name).target() for name in self.repositories()}
        needed = set(current)
        for states in (latest(switches), standing(switches)[::-1]):
            former = [name for name in states if name not in current and self._find(name)]
            needed |= set(former[: max(keep, 0)])
        since = switches[-1].when if switches else _now() - _FRESH
        mine = [one.id for one in self.all() if one.repository == repository]
        old = [name for name in mine if _touched(self._root / name) <= since]
        return [name for name in old if name not in needed], since

    @contextlib.contextmanager
    def using(self, snapshot: Snapshot) -> Iterator[Path]:
        """Keep a snapshot from being pruned; yields its tree.

        :raises FarmFault: when it was removed before.
        """
        path = self._use_lock(snapshot.id)
        with locked(path, timeout=_PATIENCE, what=f"snapshot {snapshot.id}", shared=True):
            if self._find(snapshot.id) is None:
                raise FarmFault(
                    f"The snapshot {snapshot.id} has been removed meanwhile.",
                    hint="Run again: it will be made anew.",
                )
            yield snapshot.path

    def _hand_out(self, name: str) -> bool:
        """Note that somebody wants a snapshot now, so that :meth:`prune` spares it."""
        found = self._find(name)
        with contextlib.suppress(FarmFault):
            if found:
                with self.using(found):
                    os.utime(self._root / name)
                    return True
        return False

    def _make(
        self, name: str, content: Content, *, origin: str, key: Key, keep_from: Snapshot | None
    ) -> None:
        sweep(self._making)
        with temporary(self._making) as aside, contextlib.ExitStack() as stack:
            former = [one for one in self._chain(keep_from) if self._hold(one, stack)]
            date = max([_now(), *(dates_of(one.path)[-1] + _SECOND for one in former[:1])])
            whole = aside / "snapshot"
            (whole / "tree").mkdir(parents=True)
            make_tree(
                whole / "tree", content=content, repository=key.repository, origin=origin, key=key,
                former=[one.path for one in former], date=date,
            )  # fmt: skip
            about = describe(
                content, root=self._root, key=key, date=date, former=[one.id for one in former]
            )
            write_json(whole / "snapshot.json", about)
            whole.chmod(0o755)
            settle(whole, self._root / name)

    def _chain(self, snapshot: Snapshot | None) -> list[Snapshot]:
        """Give the states whose readers a new one serves: the one before it, and before that."""
        if snapshot is None:
            return []
        before = [found for name in snapshot.former if (found := self._find(name))]
        return [snapshot, *before][:_FORMER]

    def _hold(self, snapshot: Snapshot, stack: contextlib.ExitStack) -> bool:
        with contextlib.suppress(FarmFault):
            stack.enter_context(self.using(snapshot))
            return True
        return False

    def _remove(self, name: str, *, since: datetime) -> bool:
        lock = Lock(self._use_lock(name))
        if not lock.try_acquire():
            return False
        try:
            if _touched(self._root / name) > since:
                return False
            with temporary(self._making) as folder:
                (self._root / name).rename(folder / "gone")
            lock.path.unlink(missing_ok=True)
        finally:
            lock.release()
        return True

    def _find(self, name: str) -> Snapshot | None:
        return read_snapshot(self._root / name)

    def _use_lock(self, name: str) -> Path:
        return self._locks / f"snapshot-{name}.use"

    def _pointer(self, repository: str) -> Pointer:
        records = self._root / ".history"
        return Pointer(repository, folder=self._pointers, records=records)

    def _locked_repository(self, repository: str) -> contextlib.AbstractContextManager[float]:
        path = self._locks / f"repository-{flat(repository)}.lock"
        return locked(path, timeout=_PATIENCE, what=f"repository {repository!r}")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _freshen(snapshot: Snapshot, *, after: datetime) -> None:
    """Give a state that is not current a date after another one's, unless it has one."""
    if dates_of(snapshot.path)[0] > after:
        return
    key = Keys(snapshot.keys).recorded(
        snapshot.repository, fingerprint=snapshot.fingerprint, own=snapshot.own_key
    )
    sign_releases(snapshot.path, key=key, date=max(_now(), after + _SECOND))


def _touched(folder: Path) -> datetime:
    return datetime.fromtimestamp(folder.stat().st_mtime, UTC)
