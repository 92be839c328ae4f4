"""Floor 5: what in a state folder nobody needs any more: found here, removed elsewhere.

When something was used last is told by the times of files that are read whenever it is used:
a file system that keeps no access times (``noatime`` in mount(8)) makes it look unused since it
was made, and then it is made once more.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from farm.base.files import Lock
from farm.build.aptview import Deb
from farm.build.failures import Failures
from farm.machine.running import boxes
from farm.model.layout import Layout
from farm.release.references import Needed

LEFTOVERS = "leftovers of killed processes"


@dataclass(frozen=True)
class Waste:
    """Something that can go.

    :param kind: what it is one of, for people, in the plural.
    :param records: files that say that it is there; they go first.
    :param foreign: whether subordinate users own parts of it.
    """

    kind: str
    path: Path
    records: tuple[Path, ...] = ()
    foreign: bool = False


@dataclass(frozen=True)
class Ground:
    """Where waste is looked for.

    :param targets: the names of the configured ones.
    :param jobs: the names of all that can be built.
    :param before: what was not used since this time is waste, in seconds since 1970.
    """

    layout: Layout
    needed: Needed
    targets: frozenset[str]
    jobs: frozenset[str]
    before: float


def find_leftovers(layout: Layout) -> Iterator[Waste]:
    """Find what killed processes left; safe beside others, because the living hold locks."""
    for parent in temporary_folders(layout):
        for lock in sorted(parent.glob("*.lock")):
            if lock.with_suffix("").exists() and _is_free(lock):
                yield Waste(LEFTOVERS, lock.with_suffix(""))
    kept = Failures(layout).environments()
    for folder in _folders(layout.environments):
        lock = folder.with_name(f"{folder.name}.lock")
        if folder.name not in kept and (not lock.exists() or _is_free(lock)):
            yield Waste(LEFTOVERS, folder, foreign=True)


def temporary_folders(layout: Layout) -> tuple[Path, ...]:
    """Give the folders in which processes have temporary folders of their own."""
    return (
        layout.temporary, layout.sources / "tmp", layout.snapshots / ".making",
        layout.keys / ".making", *sorted(layout.archives.glob("*/tmp")),
    )  # fmt: skip


def find_waste(ground: Ground) -> Iterator[Waste]:
    """Find what nobody needs; holds only while nobody else is at work in the workspace."""
    for finder in _FINDERS:
        yield from finder(ground)


def _find_builds(ground: Ground) -> Iterator[Waste]:
    for folder in _folders(ground.layout.builds):
        if folder.name not in ground.needed.builds:
            yield Waste("builds", folder)
    for record in sorted(ground.layout.last_builds.glob("*.json")):
        if record.stem not in ground.jobs:
            yield Waste("records of packages that are not in farm.toml", record)


def _find_sources(ground: Ground) -> Iterator[Waste]:
    root = ground.layout.sources
    fingerprints: dict[str, list[Path]] = {}
    for path in sorted((root / "by-fingerprint").glob("*.json")):
        fingerprints.setdefault(str(_read_quietly(path)["digest"]), []).append(path)
    keep = ground.needed.sources | {"tmp", "by-digest", "by-fingerprint"}
    for folder in _folders(root):
        if folder.name in keep:
            continue
        record = root / "by-digest" / f"{folder.name}.json"
        yield Waste("source packages", folder, (record, *fingerprints.get(folder.name, ())))


def _find_chroots(ground: Ground) -> Iterator[Waste]:
    root = ground.layout.chroots
    for path in sorted(root.glob("*.tar.zst")):
        if path.name.removesuffix(".tar.zst") not in ground.needed.chroots:
            yield Waste("chroots", path)
    for record in sorted(root.glob("*.json")):
        if record.stem not in ground.targets:
            yield Waste("records of targets that are not in farm.toml", record)


def _find_machines(ground: Ground) -> Iterator[Waste]:
    """Find machines, images, and what they were installed with, that nobody has used lately.

    A kept machine stands on the disk of the one that it is a clone of.
    """
    if not list(boxes(ground.layout.machines)):
        for folder in _folders(ground.layout.installed):
            if folder.stat().st_mtime < ground.before:
                yield Waste("installed machines", folder)
        for folder in _folders(ground.layout.images):
            if folder.stat().st_mtime < ground.before:
                yield Waste("images of machines", folder)
    published = {link.resolve() for link in ground.layout.published_images.glob("*")}
    for folder in _folders(ground.layout.image_sets):
        if folder not in published and folder.stat().st_mtime < ground.before:
            yield Waste("images that were published", folder)
    for folder in _folders(ground.layout.installers):
        if folder.stat().st_mtime < ground.before:
            yield Waste("what machines are installed with", folder)


def _find_trees(ground: Ground) -> Iterator[Waste]:
    root = ground.layout.trees
    keep = set(ground.needed.trees)
    for record in sorted(root.glob("layer-*.json")):
        known = _read_quietly(record)
        base = f"base-{str(known['base'])[:24]}"
        if base in ground.needed.trees and _used(record) >= ground.before:
            keep |= set(known["layers"])
    for folder in _folders(root):
        if folder.name.startswith("trial-"):
            # Overlays leave no trace of use on what is below them: this is the age.
            if _used(folder) < ground.before:
                yield Waste("chroots of trials", folder, foreign=True)
        elif folder.name not in keep:
            kind = "unpacked chroots" if folder.name.startswith("base-") else "layers"
            yield Waste(kind, folder, (folder.with_name(f"{folder.name}.json"),), foreign=True)


def _find_indexes(ground: Ground) -> Iterator[Waste]:
    in_use: list[str] = []
    for folder in _folders(ground.layout.archives):
        if folder.name not in ground.targets:
            yield Waste("archives of targets that are not in farm.toml", folder)
            continue
        pointer = folder / "current.json"
        current = str(_read_quietly(pointer)["name"]) if pointer.exists() else ""
        for generation in _folders(folder / "generations"):
            if generation.name == current:
                in_use.append(f'"{generation}"')
            elif _used(generation / "apt.conf") < ground.before:
                yield Waste("former indexes of archives", generation)
    for folder in _folders(ground.layout.cache / "views"):
        if folder.stat().st_mtime < ground.before or not _is_view_good(folder, in_use):
            yield Waste("apt's views of repositories", folder)


def _is_view_good(folder: Path, in_use: Sequence[str]) -> bool:
    """Say whether apt may be asked through a view again: its archive and repository stand."""
    conf, own = folder / "apt.conf", folder / "extra.sources"
    if not conf.is_file() or not own.is_file():
        return False
    text = conf.read_text(errors="replace")
    addresses = re.findall(r"^URIs: file:(.*)$", own.read_text(errors="replace"), re.MULTILINE)
    shown = all(Path(unquote(address)).is_dir() for address in addresses)
    return shown and any(generation in text for generation in in_use)


def _find_downloads(ground: Ground) -> Iterator[Waste]:
    cache = ground.layout.cache
    wanted: set[str] = set()
    for path in sorted((cache / "resolutions").glob("*.json")):
        if _used(path) < ground.before:
            yield Waste("answers of apt", path)
        else:
            wanted |= {Deb(*names).file_name for *names, _ in _read_quietly(path)}
    for path in sorted(ground.layout.debs.glob("*.deb")):
        if path.name not in wanted and _used(path) < ground.before:
            yield Waste("downloaded packages", path)
    for folder in _folders(cache / "offers"):
        if _used(folder / "Packages") < ground.before:
            yield Waste("answers of apt", folder)


def _find_records(ground: Ground) -> Iterator[Waste]:
    for folder in _folders(ground.layout.runs):
        if max(path.stat().st_mtime for path in (folder, *folder.iterdir())) < ground.before:
            yield Waste("old runs", folder)
    for folder in _folders(ground.layout.failures):
        files = list(folder.iterdir())
        old = all(path.stat().st_mtime < ground.before for path in files)
        if old and not any(path.suffix == ".json" for path in files):
            yield Waste("logs of former failures", folder)
    for path in sorted(ground.layout.locks.iterdir() if ground.layout.locks.is_dir() else ()):
        if path.is_file() and path.stat().st_mtime < ground.before and _is_free(path):
            yield Waste("lock files", path)


_FINDERS: tuple[Callable[[Ground], Iterator[Waste]], ...] = (
    _find_builds, _find_sources, _find_chroots, _find_trees, _find_indexes, _find_downloads,
    _find_records, _find_machines,
)  # fmt: skip


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    found = (path for path in parent.iterdir() if not path.name.startswith("."))
    return sorted(path for path in found if path.is_dir() and not path.is_symlink())


def _is_free(path: Path) -> bool:
    lock = Lock(path)
    free = lock.try_acquire()
    lock.release()
    return free


def _used(path: Path) -> float:
    """Say when a file was read, written or linked last; for ever ago when it is not there."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return 0.0
    return max(about.st_atime, about.st_mtime, about.st_ctime)


def _read_quietly(path: Path) -> Any:
    """Read JSON without this counting as a use of it: open(2), O_NOATIME."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOATIME)
    except PermissionError:  # of another user
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(descriptor) as stream:
        return json.load(stream)
