"""Floor 4: the tree of a repository, once its indexes are there: links, dates, signatures."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from pathlib import Path

from farm.base.files import link_or_copy, write_atomically
from farm.repo.indexes import files_listed, read_date, redate
from farm.repo.signing import Key


def carry(tree: Path, to: Path) -> None:
    """Link the files of another state of the repository into a tree, for clients that read it.

    A client that has read a ``Release`` of the other state finds its indexes by their hashes and
    its packages, whatever has been switched meanwhile. What a tree has already stays.
    """
    for path in files_listed(tree):
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            link_or_copy(tree / path, to / path)


def sign_release(folder: Path, *, key: Key, date: datetime) -> None:
    """Give the ``Release`` of a distribution a date and its signatures; each is one rename."""
    path = folder / "Release"
    write_atomically(path, redate(path.read_text(), date))
    key.detach_sign(path, folder / "Release.gpg")
    key.clearsign(path, folder / "InRelease")
    for name in ("Release", "Release.gpg", "InRelease"):
        # Web servers answer "not modified" by this time.
        os.utime(folder / name, (date.timestamp(), date.timestamp()))


def dates_of(tree: Path) -> list[datetime]:
    """Give the dates of a tree's distributions as apt sees them, sorted."""
    return sorted(read_date(path.read_text()) for path in tree.glob("dists/*/InRelease"))


def sign_releases(tree: Path, *, key: Key, date: datetime) -> None:
    """Give every distribution of a tree a date and signatures."""
    with key.home.opened():
        for folder in sorted(path.parent for path in tree.glob("dists/*/Release")):
            sign_release(folder, key=key, date=date)


def make_readable(tree: Path) -> None:
    """Let a web server read it all, whatever the umask is; contents stay as they are."""
    for path in (tree, *tree.rglob("*")):
        mode = path.stat().st_mode & 0o777
        wanted = mode | (0o555 if path.is_dir() else 0o444)
        if mode != wanted:
            path.chmod(wanted)
