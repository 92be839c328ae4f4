"""Floor 5: the files of a repository that its receipt speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from farm.base.errors import FarmFault
from farm.base.files import sha256_of
from farm.repo.indexes import is_index, parse_index, parse_release

_SHOWN = 20


def files_of(tree: Path) -> dict[str, str]:
    """Give the SHA-256 of every file that the ``Release`` files of a tree lead to, by path.

    These are the indexes, and the packages and sources that they list. The ``Release`` files
    themselves are not among them: they get a new date and new signatures whenever a repository
    returns to a state, which changes nothing of what it holds. Nor are the files that the tree
    keeps for clients of former states.

    :raises AuditFailed: when an index does not say what it must.
    """
    files: dict[str, str] = {}
    for path in sorted(tree.glob("dists/*/Release")):
        release = parse_release(path.read_text())
        folder = path.parent.relative_to(tree).as_posix()
        for name, (sha256, _) in release.files.items():
            files[f"{folder}/{name}"] = sha256
            if is_index(name):
                text = (path.parent / name).read_text()
                for listed in parse_index(name, text, distribution=release.codename):
                    sums = (piece.sha256 for piece in listed.entry.pieces)
                    files.update(zip(listed.paths, sums, strict=True))
    return files


def check_files(tree: Path, files: Mapping[str, str]) -> None:
    """See that every file of a tree is there, with the bytes that its indexes promise.

    :raises FarmFault: naming those that are not.
    """
    wrong = [
        name for name, sha256 in sorted(files.items())
        if not (tree / name).is_file() or sha256_of(tree / name) != sha256
    ]  # fmt: skip
    if wrong:
        raise FarmFault(
            f"{len(wrong)} files of {tree} are missing or damaged, the first is {wrong[0]}.",
            details="\n".join(wrong[:_SHOWN]),
            hint="Look at the disk. Remove the snapshot's folder, and run again: it is made anew.",
        )
