"""Floor 4: the symbolic link that a repository is, and the record of where it pointed."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from pathlib import Path

from farm.base.errors import InputError
from farm.base.files import point_atomically
from farm.model.names import check_repository
from farm.repo.history import History, Switch


def flat(repository: str) -> str:
    """Give a repository's name in a form that is one file name.

    :raises InputError: when it is not the name of a repository.
    """
    return check_repository(repository).replace("/", "+")


def published(folder: Path) -> tuple[str, ...]:
    """Give the names of the repositories whose pointers lie in a folder."""
    links = [path for path in folder.glob("[!.]*") if path.is_symlink()]
    for inner in folder.glob("[!.]*/"):
        if not inner.is_symlink():
            links += [path for path in inner.glob("[!.]*") if path.is_symlink()]
    return tuple(sorted(str(link.relative_to(folder)) for link in links))


class Pointer:
    """One repository: a link to the tree of a snapshot, which is ``.../ID/tree``.

    :param folder: where the pointers of all repositories are.
    :param records: where the histories of all repositories are.
    :raises InputError: when the name is none, or lies within that of another repository.
    """

    def __init__(self, repository: str, *, folder: Path, records: Path) -> None:
        self.repository = repository
        self._record = History(records / f"{flat(repository)}.jsonl")
        self._link = folder / repository
        if self._link.parent.is_symlink() or (self._link.is_dir() and not self._link.is_symlink()):
            raise InputError(
                f"Repository {repository!r} would lie within another one.",
                hint="Give one of the two another name.",
            )

    def target(self) -> str | None:
        """Give the id of the snapshot that the repository is; None before the first."""
        with contextlib.suppress(FileNotFoundError):
            return self._link.readlink().parent.name
        return None

    def point(self, tree: Path, *, back: bool) -> None:
        """Make the repository another tree with one rename(2), and record that.

        A kill between the two is noticed: see :meth:`history`.
        """
        self._sweep()
        missing = self._unrecorded(self._record.read())
        if missing:
            self._record.append(missing)
        point_atomically(self._link, tree)
        self._record.append(Switch(tree.parent.name, datetime.now(UTC), back))

    def history(self) -> tuple[Switch, ...]:
        """Give all that the repository was; the last one is what it is."""
        switches = self._record.read()
        missing = self._unrecorded(switches)
        return (*switches, missing) if missing else switches

    def _unrecorded(self, switches: tuple[Switch, ...]) -> Switch | None:
        target = self.target()
        if target is None or (switches and switches[-1].snapshot == target):
            return None
        return Switch(target, datetime.fromtimestamp(self._link.lstat().st_mtime, UTC))

    def _sweep(self) -> None:
        """Remove links of processes that were killed before they could rename them."""
        left = re.compile(rf"\.{re.escape(self._link.name)}\.[0-9]+\.[0-9a-f]{{8}}")
        for path in self._link.parent.glob(".*") if self._link.parent.is_dir() else ():
            if path.is_symlink() and left.fullmatch(path.name):
                path.unlink(missing_ok=True)
