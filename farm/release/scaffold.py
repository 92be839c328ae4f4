"""Floor 5: what new workspaces and packages begin with: templates filled in, trees put in place.

The templates lie in ``farm/templates``, one folder a kind. The name of each ends in ``.template``,
which is left away; NAME in a path, and ``{{key}}`` in a text, are filled in.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from farm.base.errors import FarmFault, InputError

_SUFFIX = ".template"
_PLACE = re.compile(r"\{\{([a-z_]+)\}\}")
# A fresh clone has these and nothing else, and counts as empty.
_VERSION_CONTROL = frozenset({".git", ".hg"})


def render_tree(kind: str, values: Mapping[str, str]) -> dict[str, str]:
    """Fill in all templates of a kind.

    :param kind: a folder of ``farm/templates``.
    :param values: what stands for each ``{{key}}``; ``name`` stands for NAME in paths too.
    :returns: texts by path.
    :raises FarmFault: for a key without a value: the templates and the farm do not fit.
    """
    root = resources.files("farm") / "templates" / kind
    return {
        path.removesuffix(_SUFFIX).replace("NAME", values.get("name", "NAME")): _fill(text, values)
        for path, text in _texts(root, "")
    }


def _texts(folder: Traversable, below: str) -> Iterator[tuple[str, str]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{below}{entry.name}"
        if entry.is_dir():
            yield from _texts(entry, f"{path}/")
        elif path.endswith(_SUFFIX):
            yield path, entry.read_text(encoding="utf-8")


def _fill(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise FarmFault(f"A template of the farm asks for {match[0]}, which is not known.")
        return values[match[1]]

    return _PLACE.sub(value, text)


def write_tree(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files into a folder that exists; those that begin with ``#!`` may be executed."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if text.startswith("#!"):
            path.chmod(path.stat().st_mode | 0o111)


@contextlib.contextmanager
def whole_tree(place: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which is put in place at the end of the block.

    Folders above it that do not exist come into being together with it. When the block raises,
    everything is as before.

    :param place: does not exist, or is an empty folder.
    :raises InputError: when something is there already, or nothing can be made there.
    """
    try:
        _check_free(place)
        outermost = first_missing(place)
        inside = place.exists()
        aside = (place if inside else outermost.parent) / f".new-{secrets.token_hex(4)}"
        aside.mkdir()
        try:
            made = aside if inside else aside / place.relative_to(outermost)
            made.mkdir(parents=True, exist_ok=True)
            yield made
            if inside:
                _move_up(aside)
            else:
                aside.rename(outermost)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{place} cannot be made: {error.strerror or error}.") from error


def first_missing(path: Path) -> Path:
    """Give the outermost part of a path that does not exist, or else the path itself."""
    return next((up for up in reversed(path.parents) if not up.exists()), path)


def _check_free(place: Path) -> None:
    if not place.is_dir():
        if place.exists() or place.is_symlink():
            raise InputError(f"{place} exists already, and is not a folder.")
        return
    found = sorted(each.name for each in place.iterdir() if each.name not in _VERSION_CONTROL)
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise InputError(
            f"{place} is not empty: it holds {', '.join(found[:3])}{more}.",
            hint="Name a folder that does not exist yet, or an empty one.",
        )


def _move_up(aside: Path) -> None:
    """Move what is in a folder to the one above; all of it, or nothing."""
    moved: list[Path] = []
    try:
        for path in sorted(aside.iterdir()):
            moved.append(path.rename(aside.parent / path.name))
    except BaseException:
        for path in moved:
            path.rename(aside / path.name)
        raise
