"""What a build gives is taken under its own name, which is never one of the farm's own files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from farm.base.errors import BuildFailed
from farm.build.collect import Collector, Wanted
from farm.model.artifact import SourcePackage, StoredFile
from farm.model.target import Target
from farm.place.overlay import Overlay

SOURCE = SourcePackage(
    "re", "1:1.0", "digest", StoredFile("re.dsc", "a", 1, Path("/re.dsc")), (), ("libre1",), "here"
)
WANTED = Wanted(SOURCE, Target("bookworm", "amd64"), (), limit=2**20)
BUILDINFO = "re_1.0_amd64.buildinfo"


def collector(folder: Path, *names: str) -> Collector:
    """A build that left these files, and a .changes file which lists them."""
    inside = folder / "overlay/upper/build"
    inside.mkdir(parents=True)
    rows = ""
    for name in names:
        (inside / name).write_text("theirs")
        rows += f" {hashlib.sha256(b'theirs').hexdigest()} 6 {name}\n"
    (inside / "re_1.0_amd64.changes").write_text(f"Source: re\nChecksums-Sha256:\n{rows}")
    into = folder / "made"
    into.mkdir()
    (into / "log").write_text("compiling\n")
    return Collector(WANTED, Overlay(folder / "overlay", layers=()), folder="/build", into=into)


def test_what_a_build_gives_is_taken(tmp_path: Path) -> None:
    listed = [BUILDINFO, "re-udeb_1.0_amd64.udeb", "re_1.0_amd64.tar.gz"]
    product = collector(tmp_path, *listed).collect()
    assert product.buildinfo.name == BUILDINFO
    taken = {path.name for path in (tmp_path / "made").iterdir()}
    assert taken == {"log", "re_1.0_amd64.changes", *listed}


@pytest.mark.parametrize(
    "name",
    ["log", "build.json", "log.deb", "_1.0_amd64.deb", "Log_1.0_amd64.deb", "re_1.0_amd64.json"],
)
def test_no_other_name_is_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(BuildFailed, match=name):
        collector(tmp_path, BUILDINFO, name).collect()
    assert (tmp_path / "made/log").read_text() == "compiling\n"
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"log", "re_1.0_amd64.changes"}
