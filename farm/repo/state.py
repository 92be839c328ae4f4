"""Floor 4: what is recorded of a snapshot, in ``snapshot.json`` beside its tree."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from farm.base.errors import FarmFault
from farm.base.files import read_json
from farm.repo.content import Content, Entry, Piece
from farm.repo.signing import Key


@dataclass(frozen=True)
class Snapshot:
    """One state of a repository.

    :param digest: of its content, see :attr:`farm.repo.content.Content.digest`.
    :param path: the tree that users see.
    :param fingerprint: of the key that signed it.
    :param own_key: whether the farm made that key.
    :param keys: where the workspace's keys are.
    :param former: ids of the states whose readers it serves too.
    """

    id: str
    digest: str
    repository: str
    path: Path
    created: datetime
    entries: tuple[Entry, ...]
    fingerprint: str
    own_key: bool
    keys: Path
    former: tuple[str, ...]


def describe(
    content: Content, *, root: Path, key: Key, date: datetime, former: list[str]
) -> dict[str, Any]:
    """Give what ``snapshot.json`` says of a tree that was made of a content."""
    return {
        "digest": content.digest,
        "repository": key.repository,
        "workspace": content.workspace,
        "created": date.isoformat(),
        "fingerprint": key.fingerprint,
        "own_key": key.home.own,
        "keys": os.path.relpath(key.keys, root),
        "former": former,
        "entries": [asdict(entry) for entry in content.entries],
    }


def read_snapshot(folder: Path) -> Snapshot | None:
    """Read the snapshot in a folder, None when there is none."""
    try:
        about = read_json(folder / "snapshot.json")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return _snapshot(folder, about)
    except (KeyError, TypeError, ValueError) as error:
        raise FarmFault(
            f"{folder} is a snapshot that this version of the farm cannot read.",
            details=repr(error), hint="Remove it: the farm makes it again.",
        ) from error  # fmt: skip


def _snapshot(folder: Path, about: dict[str, Any]) -> Snapshot:
    return Snapshot(
        id=folder.name, digest=about["digest"], repository=about["repository"],
        path=folder / "tree", created=datetime.fromisoformat(about["created"]),
        entries=tuple(_entry(value) for value in about["entries"]),
        fingerprint=about["fingerprint"], own_key=about["own_key"],
        keys=Path(os.path.normpath(folder.parent / about["keys"])),
        former=tuple(about["former"]),
    )  # fmt: skip


def _entry(value: dict[str, Any]) -> Entry:
    pieces = tuple(Piece(**piece) for piece in value["pieces"])
    return Entry(**(value | {"pieces": pieces}))
