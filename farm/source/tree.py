"""Floor 2: a folder's tree as a source package may hold it: what counts, and a plain copy."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from farm.base.errors import SourceError
from farm.base.files import digest_of, sha256_of

# What version control and Python keep for themselves; `.git` may be a file, in a worktree.
IGNORED = frozenset({".git", ".hg", ".svn", ".bzr", "CVS", "_darcs", "_MTN", "__pycache__"})


@dataclass(frozen=True, order=True)
class Entry:
    """Something in a tree.

    :param path: from the tree's root, with ``/``.
    :param kind: ``folder``, ``file``, ``program`` (a file that may be executed) or ``link``.
    :param target: of a link.
    """

    path: str
    kind: str
    target: str = ""


def scan_tree(root: Path, *, without: Collection[Path] = ()) -> list[Entry]:
    """List what a source package of this folder holds, in one order wherever it lies.

    Everything counts but the folders of version control systems and ``__pycache__``: what else
    is in the way belongs away, or into ``tar-ignore`` of ``debian/source/options``.

    :param without: more files and folders that are left out, such as the farm's own state.
    :raises SourceError: for a link that points outside of the folder, for devices, sockets and
        pipes, and when something cannot be read.
    """
    left_out = {os.path.realpath(path) for path in without}
    real_root = os.path.realpath(root)
    try:
        return sorted(_walk(root, "", real_root=real_root, left_out=left_out))
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}.") from error


def _walk(root: Path, below: str, *, real_root: str, left_out: set[str]) -> Iterator[Entry]:
    with os.scandir(root / below) as found:
        entries = list(found)
    for entry in entries:
        path = f"{below}{entry.name}"
        if entry.name in IGNORED or os.path.join(real_root, path) in left_out:  # noqa: PTH118
            continue
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            yield Entry(path, "link", _check_link(root, path, real_root=real_root))
        elif stat.S_ISDIR(mode):
            yield Entry(path, "folder")
            yield from _walk(root, f"{path}/", real_root=real_root, left_out=left_out)
        elif stat.S_ISREG(mode):
            yield Entry(path, "program" if mode & stat.S_IXUSR else "file")
        else:
            raise SourceError(
                f"{root / path} is neither a file, a folder nor a link: it cannot be packaged."
            )


def _check_link(root: Path, path: str, *, real_root: str) -> str:
    """Give the target of a link that stays inside, both as written and as it resolves.

    As written, because ``../NAME/x`` would depend on what the folder is called; as it resolves,
    because a link on the way may lead out.
    """
    target = os.readlink(root / path)  # noqa: PTH115 - a Path would lose a trailing slash
    written = os.path.normpath(f"{os.path.dirname(path)}/{target}".lstrip("/"))  # noqa: PTH120
    resolved = os.path.realpath(f"{real_root}/{path}")
    inside = resolved == real_root or resolved.startswith(f"{real_root}/")
    if target.startswith("/") or written.split("/")[0] == ".." or not inside:
        raise SourceError(
            f"The link {root / path} points outside of its folder, to {target!r}.",
            hint="A source package holds only what is in its folder: make the link during the "
            "build. If a build left it there, debian/rules clean removes it.",
        )
    return target


def digest_entries(root: Path, entries: Collection[Entry]) -> str:
    """Digest names, kinds and contents; times, owners and other mode bits do not matter.

    :raises SourceError: when a file cannot be read.
    """
    try:
        return digest_of([_fingerprint(root, entry) for entry in entries])
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be read: {error.strerror}.") from error


def _fingerprint(root: Path, entry: Entry) -> list[str]:
    content = sha256_of(root / entry.path) if entry.kind in ("file", "program") else entry.target
    return [entry.path, entry.kind, content]


def copy_tree(root: Path, to: Path, *, entries: Collection[Entry], epoch: int) -> None:
    """Copy what :func:`scan_tree` found, with the same modes and times whoever copies.

    :param epoch: the time stamp of everything, in seconds since 1970.
    :raises SourceError: when a file cannot be read.
    """
    to.mkdir()
    try:
        for entry in entries:
            _copy(root / entry.path, to / entry.path, entry=entry)
    except OSError as error:
        raise SourceError(f"{error.filename} cannot be copied: {error.strerror}.") from error
    to.chmod(0o755)
    for path in (*(to / entry.path for entry in reversed(list(entries))), to):
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def _copy(path: Path, to: Path, *, entry: Entry) -> None:
    if entry.kind == "folder":
        to.mkdir()
        to.chmod(0o755)
    elif entry.kind == "link":
        to.symlink_to(entry.target)
    else:
        shutil.copyfile(path, to, follow_symlinks=False)
        to.chmod(0o755 if entry.kind == "program" else 0o644)
