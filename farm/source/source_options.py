"""Floor 2: which settings below ``debian/`` dpkg-source may follow when it packs a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from farm.base.errors import SourceError

# dpkg-source(1), "Build options" and debian/source/options. Missing on purpose: include-timestamp
# (the same content would give other bytes), threads-max and format (the farm's own choice), and
# whatever ends dpkg-source early or turns checks off.
ALLOWED = frozenset({
    "abort-on-upstream-changes", "auto-commit", "compression", "compression-level",
    "diff-ignore", "extend-diff-ignore", "include-binaries", "include-removal",
    "no-preparation", "no-unapply-patches", "single-debian-patch", "tar-ignore",
    "unapply-patches",
})  # fmt: skip


def check_options(debian: Path) -> None:
    """Refuse what dpkg-source should not be told by the tree that it packs.

    :param debian: the folder ``debian`` of a source tree.
    :raises SourceError: with file and line, for an option that is not known to be harmless, and
        for a patch that lies outside of ``debian/patches``.
    """
    for name in ("options", "local-options"):
        path = debian / "source" / name
        for number, line in _lines(path):
            _check_option(line, where=f"{path}:{number}")
    for path in sorted((debian / "patches").glob("*series")):
        for number, line in _lines(path):
            _check_patch(line, where=f"{path}:{number}")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the lines that say something, read as dpkg reads them (Dpkg::Conf)."""
    if path.is_file():
        text = path.read_text(encoding="utf-8", errors="replace")
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip() and not line.strip().startswith("#"):
                yield number, line.strip()


def _check_option(line: str, *, where: str) -> None:
    option = (line.replace("=", " ").split() or [line])[0]
    if option.removeprefix("--") not in ALLOWED:
        raise SourceError(
            f"{where}: the farm does not pass the option {option!r} on to dpkg-source.",
            hint=f"It passes on: {', '.join(sorted(ALLOWED))}.",
        )


def _check_patch(line: str, *, where: str) -> None:
    patch = PurePosixPath(line.split()[0])
    if patch.is_absolute() or ".." in patch.parts:
        raise SourceError(f"{where}: the patch {str(patch)!r} lies outside of debian/patches.")
