"""Floor 2: a folder with ``debian/`` becomes a source package, the same content the same bytes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

from debian.deb822 import Deb822

from farm.base.errors import CommandError, SourceError
from farm.base.files import digest_of, sha256_of, temporary
from farm.base.run import run
from farm.source.changelog import NewestEntry, read_changelog
from farm.source.package import read_dsc
from farm.source.source_options import check_options
from farm.source.tree import copy_tree, digest_entries, scan_tree

PACK_TIMEOUT = timedelta(minutes=10)
NATIVE, QUILT = "3.0 (native)", "3.0 (quilt)"
# Counts in every digest: raise it when the same folder gives other bytes than before.
_RULES = 1
_UMASK = ("sh", "-c", 'umask 022 && exec "$@"', "sh")


def folder_digest(folder: Path, *, without: Collection[Path] = ()) -> str:
    """Digest all that a source package of this folder depends on; nothing is written.

    That is names, executable bits and contents in the folder, and the original source beside it
    when the package has one.

    :param without: see :func:`farm.source.tree.scan_tree`.
    :raises SourceError: when the folder is not a source package.
    """
    entries = scan_tree(_check_folder(folder), without=without)
    newest = read_changelog(folder / "debian" / "changelog")
    originals = _originals(folder, newest=newest) if _format(folder) == QUILT else []
    return digest_of([
        _RULES,
        digest_entries(folder, entries),
        [[path.name, sha256_of(path)] for path in originals],
    ])  # fmt: skip


def make_source(
    folder: Path, into: Path, *, name: str | None = None, without: Collection[Path] = ()
) -> None:
    """Make the source package of a folder with dpkg-source(1).

    The same content gives the same bytes, whenever, wherever and by whomever it is made: the
    folder is copied with plain modes, and all time stamps are the date of the changelog. What
    dpkg-source leaves out by itself (``*.o``, ``*.so``, ``.gitignore``...) stays out, unless
    ``tar-ignore`` in ``debian/source/options`` says otherwise.

    :param into: an existing folder, which gets the ``.dsc`` and the files that it names.
    :param name: the source package that is expected here.
    :param without: see :func:`farm.source.tree.scan_tree`.
    :raises SourceError: when the folder cannot be packaged.
    """
    entries = scan_tree(_check_folder(folder), without=without)
    newest = read_changelog(folder / "debian" / "changelog")
    _check_name(folder, newest=newest, name=name)
    originals = _check_format(folder, newest=newest)
    with temporary(into.parent, prefix="pack-") as work:
        tree = work / f"{newest.name}-{newest.upstream}"
        copy_tree(folder, tree, entries=entries, epoch=newest.epoch)
        check_options(tree / "debian")
        for path in originals:
            shutil.copyfile(path, work / path.name)
        _pack(tree, folder=folder, newest=newest)
        dsc = work / f"{newest.name}_{newest.bare}.dsc"
        for file in (dsc.name, *(file.name for file in read_dsc(dsc).files)):
            (work / file).rename(into / file)


def _pack(tree: Path, *, folder: Path, newest: NewestEntry) -> None:
    # Settings of the tree come before those of the command line, which win. One thread, because
    # xz cuts its output into other blocks when it has several.
    argv = [*_UMASK, "dpkg-source", "--threads-max=1", "--build", tree.name]
    env = {"SOURCE_DATE_EPOCH": str(newest.epoch), "DEB_VENDOR": "Debian"}
    try:
        run(argv, timeout=PACK_TIMEOUT, cwd=tree.parent, env=env)
    except CommandError as error:
        lines = error.details.splitlines()
        reason = next((line for line in reversed(lines) if ": error: " in line), "it failed")
        raise SourceError(
            f"dpkg-source cannot pack {folder}: {reason.partition(': error: ')[2] or reason}",
            details=error.details,
        ) from error


def _check_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise SourceError(f"There is no folder {folder}.")
    if not (folder / "debian").is_dir() or (folder / "debian").is_symlink():
        raise SourceError(
            f"The folder {folder} has no debian/, so it is not a Debian source package.",
            hint="farm new package NAME makes one.",
        )
    return folder


def _check_name(folder: Path, *, newest: NewestEntry, name: str | None) -> None:
    changelog, control = folder / "debian" / "changelog", folder / "debian" / "control"
    if name is not None and newest.name != name:
        raise SourceError(f"{changelog} is of the package {newest.name}, and not of {name}.")
    try:
        with control.open(encoding="utf-8") as stream:
            source = next(Deb822.iter_paragraphs(stream, use_apt_pkg=False), Deb822())
    except (OSError, ValueError) as error:
        raise SourceError(f"{control} cannot be read: {error}.") from error
    if source.get("Source") != newest.name:
        raise SourceError(
            f"{control} has the Source {source.get('Source', '')!r}, "
            f"but {changelog} is of {newest.name}."
        )


def _format(folder: Path) -> str:
    path = folder / "debian" / "source" / "format"
    found = path.read_text(errors="replace").strip() if path.is_file() else ""
    if found not in (NATIVE, QUILT):
        is_what = f"says {found!r}" if found else "does not exist"
        raise SourceError(
            f"{path} {is_what}: the farm packs {NATIVE!r} and {QUILT!r}.",
            hint=f"Write {NATIVE!r} into it, or {QUILT!r} when there is an original source.",
        )
    return found


def _check_format(folder: Path, *, newest: NewestEntry) -> list[Path]:
    """Check that the format fits the version; gives the original source of a quilt package."""
    if _format(folder) == NATIVE:
        if newest.has_revision:
            raise SourceError(
                f"{folder} is a native package, but its version {newest.version} has a revision.",
                hint=f"Write {newest.upstream} in debian/changelog, or {QUILT!r} in "
                "debian/source/format and put the original source beside the folder.",
            )
        return []
    if not newest.has_revision:
        raise SourceError(
            f"{folder} has the format {QUILT!r}, but its version {newest.version} no revision.",
            hint=f"Write {newest.version}-1 in debian/changelog, or {NATIVE!r} in "
            "debian/source/format.",
        )
    originals = _originals(folder, newest=newest)
    stem = f"{newest.name}_{newest.upstream}.orig.tar."
    if not any(path.name.startswith(stem) for path in originals):
        raise SourceError(
            f"The original source {stem}* of {folder} is not in {folder.parent}.",
            hint=f"Put {stem}gz (or .xz, .bz2, .lzma) there, or write {NATIVE!r} in "
            "debian/source/format.",
        )
    return originals


def _originals(folder: Path, *, newest: NewestEntry) -> list[Path]:
    """Find the original tarballs beside a folder, with components and signatures."""
    pattern = re.compile(
        re.escape(f"{newest.name}_{newest.upstream}.orig")
        + r"(?:-[A-Za-z0-9-]+)?\.tar\.(?:gz|bz2|lzma|xz)(?:\.asc)?"
    )
    beside = folder.resolve().parent
    return sorted(
        path for path in beside.iterdir() if pattern.fullmatch(path.name) and path.is_file()
    )
