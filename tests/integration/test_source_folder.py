"""A folder becomes a source package with the real dpkg-source."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tarfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import SourceError
from farm.base.files import sha256_of
from farm.base.run import run
from farm.source.folder import folder_digest, make_source
from farm.source.package import read_source_package
from farm.source.resolve import FolderSource
from farm.source.store import SourceStore
from tests.integration.debian_archive import LocalPackage, write_tree

MINUTE = timedelta(minutes=1)
PATCH = """Description: greet more
--- a/hello.c
+++ b/hello.c
@@ -1 +1 @@
-hello
+hello, world
"""


@pytest.fixture
def native(tmp_path: Path) -> Path:
    files = {"src/b.txt": "b\n", "src/a.txt": "a\n", "run": "#!/bin/sh\n"}
    tree = write_tree(tmp_path / "one" / "ipbx", LocalPackage("ipbx", files=files))
    (tree / "run").chmod(0o755)
    (tree / "link").symlink_to("src/a.txt")
    return tree


@pytest.fixture
def quilt(tmp_path: Path) -> Path:
    """A package with an original source, one patch, and a component."""
    place = tmp_path / "quilt"
    upstream = place / "hello-2.0"
    (upstream / "doc").mkdir(parents=True)
    (upstream / "hello.c").write_text("hello\n")
    for name in ("hello_2.0.orig.tar.gz", "hello_2.0.orig-data.tar.gz"):
        run(["tar", "-czf", place / name, "-C", place, "hello-2.0"], timeout=MINUTE)
    package = LocalPackage("hello", version="2.0-1")
    tree = write_tree(upstream, package, source_format="3.0 (quilt)")
    run(["tar", "-xf", place / "hello_2.0.orig-data.tar.gz", "-C", tree], timeout=MINUTE)
    (tree / "hello-2.0").rename(tree / "data")
    (tree / "debian" / "patches").mkdir()
    (tree / "debian" / "patches" / "greet.patch").write_text(PATCH)
    (tree / "debian" / "patches" / "series").write_text("greet.patch\n")
    return tree


@pytest.fixture
def umask_077() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def make(tree: Path, into: Path, *, name: str | None = None) -> dict[str, str]:
    """Make the source package; gives the digests of its files."""
    into.mkdir(parents=True)
    make_source(tree, into, name=name)
    read_source_package(into)
    return {path.name: sha256_of(path) for path in sorted(into.iterdir())}


def moved(tree: Path, to: Path) -> Path:
    """Copy a tree elsewhere, in another order, with other times, under another umask."""
    to.mkdir(parents=True)
    for path in sorted(tree.rglob("*"), key=lambda path: path.name, reverse=True):
        (to / path.relative_to(tree)).parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            (to / path.relative_to(tree)).symlink_to(path.readlink())
        elif path.is_dir():
            (to / path.relative_to(tree)).mkdir(parents=True, exist_ok=True)
        else:
            shutil.copy(path, to / path.relative_to(tree))
    for path in to.rglob("*"):
        os.utime(path, (0, time.time() - 1000), follow_symlinks=False)
        if path.is_file() and not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    for original in tree.parent.glob("*.orig*"):
        shutil.copy(original, to.parent)
    return to


@pytest.mark.parametrize("kind", ["native", "quilt"])
def test_the_same_folder_gives_the_same_bytes(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tree = request.getfixturevalue(kind)
    first = make(tree, tmp_path / "out" / "1")
    digest = folder_digest(tree)
    request.getfixturevalue("umask_077")
    other = moved(tree, tmp_path / "an other" / "place")
    assert make(other, tmp_path / "out" / "2") == first
    assert folder_digest(other) == digest


def test_a_native_package_holds_the_folder_and_nothing_of_whoever_made_it(
    native: Path, tmp_path: Path
) -> None:
    (native / ".git").mkdir()
    (native / ".git" / "config").write_text("secret")
    assert sorted(make(native, tmp_path / "out")) == ["ipbx_1.0.dsc", "ipbx_1.0.tar.xz"]
    with tarfile.open(tmp_path / "out" / "ipbx_1.0.tar.xz") as tar:
        members = {member.name: member for member in tar}
    assert not any(".git" in name for name in members)
    assert {(one.uid, one.gid, one.mtime) for one in members.values()} == {(0, 0, 1704103200)}
    assert oct(members["ipbx-1.0/run"].mode) == "0o755"
    assert oct(members["ipbx-1.0/src/a.txt"].mode) == "0o644"
    assert members["ipbx-1.0/link"].linkname == "src/a.txt"


@pytest.mark.parametrize("change", ["byte", "executable", "name"])
def test_any_change_gives_another_package(native: Path, tmp_path: Path, change: str) -> None:
    first, digest = make(native, tmp_path / "out" / "1"), folder_digest(native)
    if change == "byte":
        (native / "src" / "a.txt").write_text("A\n")
    elif change == "executable":
        (native / "src" / "a.txt").chmod(0o755)
    else:
        (native / "src" / "a.txt").rename(native / "src" / "c.txt")
    assert make(native, tmp_path / "out" / "2") != first
    assert folder_digest(native) != digest


def test_a_quilt_package_holds_the_original_as_it_is(quilt: Path, tmp_path: Path) -> None:
    made = make(quilt, tmp_path / "out", name="hello")
    assert sorted(made) == [
        "hello_2.0-1.debian.tar.xz", "hello_2.0-1.dsc",
        "hello_2.0.orig-data.tar.gz", "hello_2.0.orig.tar.gz",
    ]  # fmt: skip
    for name in ("hello_2.0.orig.tar.gz", "hello_2.0.orig-data.tar.gz"):
        assert made[name] == sha256_of(quilt.parent / name)
    assert (quilt / "hello.c").read_text() == "hello\n"
    run(["dpkg-source", "-x", "hello_2.0-1.dsc", "x"], timeout=MINUTE, cwd=tmp_path / "out")
    assert (tmp_path / "out" / "x" / "hello.c").read_text() == "hello, world\n"


def test_another_original_gives_another_digest(quilt: Path) -> None:
    before = folder_digest(quilt)
    with (quilt.parent / "hello_2.0.orig.tar.gz").open("ab") as stream:
        stream.write(b"\0")
    assert folder_digest(quilt) != before


def test_a_patch_of_its_own_making_does_not_depend_on_the_umask(
    quilt: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (quilt / "debian" / "source" / "options").write_text("single-debian-patch\n")
    (quilt / "hello.c").write_text("hello there\n")
    (quilt / "debian" / "patches" / "series").unlink()
    first = make(quilt, tmp_path / "out" / "1")
    request.getfixturevalue("umask_077")
    assert make(quilt, tmp_path / "out" / "2") == first


def test_a_missing_original_is_told_with_what_to_do(quilt: Path, tmp_path: Path) -> None:
    (quilt.parent / "hello_2.0.orig.tar.gz").unlink()
    with pytest.raises(SourceError, match=r"original source hello_2\.0\.orig\.tar\.\* of") as told:
        make(quilt, tmp_path / "out")
    assert "Put hello_2.0.orig.tar.gz (or .xz" in told.value.hint


def test_a_change_without_patch_is_told_in_the_words_of_dpkg(quilt: Path, tmp_path: Path) -> None:
    (quilt / "hello.c").write_text("hello there\n")
    with pytest.raises(SourceError, match=r"dpkg-source cannot pack .*: aborting due to unexp"):
        make(quilt, tmp_path / "out")


def test_formats_and_versions_have_to_fit(native: Path, quilt: Path, tmp_path: Path) -> None:
    (native / "debian" / "source" / "format").write_text("3.0 (quilt)\n")
    with pytest.raises(SourceError, match=r"has the format .* but its version 1\.0 no revision"):
        make(native, tmp_path / "1")
    (native / "debian" / "source" / "format").write_text("1.0\n")
    with pytest.raises(SourceError, match=r"format says '1\.0': the farm packs"):
        make(native, tmp_path / "2")
    (native / "debian" / "source" / "format").unlink()
    with pytest.raises(SourceError, match="format does not exist"):
        make(native, tmp_path / "3")
    (quilt / "debian" / "source" / "format").write_text("3.0 (native)\n")
    with pytest.raises(SourceError, match=r"native package, but its version 2\.0-1 has a rev"):
        make(quilt, tmp_path / "4")


def test_names_have_to_agree(native: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="changelog is of the package ipbx, and not of other"):
        make(native, tmp_path / "1", name="other")
    control = native / "debian" / "control"
    control.write_text(control.read_text().replace("Source: ipbx", "Source: ipby"))
    with pytest.raises(SourceError, match="control has the Source 'ipby', but"):
        make(native, tmp_path / "2")
    control.unlink()
    with pytest.raises(SourceError, match="control cannot be read"):
        make(native, tmp_path / "3")


def test_a_folder_that_is_none_is_told(native: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="There is no folder"):
        make(tmp_path / "none", tmp_path / "1")
    with pytest.raises(SourceError, match="has no debian/"):
        make(native / "src", tmp_path / "2")


def test_options_that_reach_out_are_refused(native: Path, tmp_path: Path) -> None:
    (native / "debian" / "source" / "local-options").write_text("-T/etc/passwd\n")
    with pytest.raises(SourceError, match="does not pass the option"):
        make(native, tmp_path / "1")
    assert not list((tmp_path / "1").iterdir())


def test_the_digest_of_a_small_folder_is_cheap(native: Path) -> None:
    folder_digest(native)
    started = time.monotonic()
    folder_digest(native)
    assert time.monotonic() - started < 0.05


def _ensure(job: tuple[Path, Path]) -> tuple[str, int]:
    store, tree = job
    package = SourceStore(store).ensure(FolderSource(tree, "ipbx"))
    return package.digest, package.dsc.path.stat().st_ino


def test_several_processes_make_it_once(native: Path, tmp_path: Path) -> None:
    job = (tmp_path / "store", native)
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(_ensure, [job] * 4))) == 1
    assert not list((tmp_path / "store" / "tmp").iterdir())
