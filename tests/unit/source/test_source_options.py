"""What a tree may tell the dpkg-source that packs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import SourceError
from farm.source.source_options import check_options


def debian(tmp_path: Path, *, options: str = "", local: str = "", series: str = "") -> Path:
    folder = tmp_path / "debian"
    (folder / "source").mkdir(parents=True)
    (folder / "patches").mkdir()
    (folder / "source" / "options").write_text(options)
    (folder / "source" / "local-options").write_text(local)
    (folder / "patches" / "series").write_text(series)
    return folder


def test_what_only_shapes_the_package_is_fine(tmp_path: Path) -> None:
    options = '# smaller\ncompression = "gzip"\ncompression-level=9\n\n--tar-ignore=*.o\n'
    options += 'extend-diff-ignore "(^|/)config.sub$"\nsingle-debian-patch\n'
    check_options(debian(tmp_path, options=options, local="unapply-patches\n", series="a.patch\n"))


@pytest.mark.parametrize(
    "option",
    ["-c/etc/passwd", "-T/etc/passwd", "--help", "version", "no-check", "include-timestamp",
     "threads-max=4", "--", "- c", "=", "format=1.0"],
)  # fmt: skip
def test_anything_else_is_refused_with_its_line(tmp_path: Path, option: str) -> None:
    folder = debian(tmp_path, local=f"# mine\n {option}\n")
    with pytest.raises(SourceError, match="does not pass the option") as caught:
        check_options(folder)
    assert caught.value.brief.startswith(f"{folder / 'source' / 'local-options'}:2: ")


@pytest.mark.parametrize("patch", ["../../../etc/passwd", "/etc/passwd", "a/../../x -p1"])
def test_patches_from_elsewhere_are_refused(tmp_path: Path, patch: str) -> None:
    folder = debian(tmp_path, series=f"good.patch\n{patch}\n")
    with pytest.raises(SourceError, match=r"series:2: the patch .* lies outside"):
        check_options(folder)


def test_a_tree_without_any_is_fine(tmp_path: Path) -> None:
    (tmp_path / "debian").mkdir()
    check_options(tmp_path / "debian")
