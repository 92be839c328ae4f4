"""Builds that fail, or take more than they may: a sentence, and the environment is kept."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from farm.build.chroots import Base
from farm.place import overlay
from tests.integration.build_workspace import BuildWorkspace
from tests.integration.prepared_state import link_prepared


@pytest.fixture(scope="module")
def workspace(
    farm_state: Path, base_chroot: Base, tmp_path_factory: pytest.TempPathFactory
) -> BuildWorkspace:
    made = BuildWorkspace(tmp_path_factory.mktemp("builds"))
    link_prepared(farm_state, made.layout.root)
    return made


@pytest.fixture(autouse=True)
def nothing_else_stays(workspace: BuildWorkspace) -> object:
    """Whatever a build does, nobody survives it, and only its environment is kept."""
    yield
    assert workspace.processes() == []
    assert workspace.leftovers() == []


def test_one_that_fails(workspace: BuildWorkspace) -> None:
    workspace.write("broken", "echo 'int main() { return x; }' > main.c; gcc main.c; echo never")
    error, failure = workspace.fail("broken")
    assert error.brief == (
        "broken@bookworm-amd64 does not build: "
        "dpkg-buildpackage -us -uc -b ended with exit status 2."
    )
    assert "main.c:1:21: error: 'x' undeclared" in error.details.replace("\u2018", "'").replace(
        "\u2019", "'"
    )
    assert "dpkg-buildpackage: error" not in failure.excerpt
    assert "never" not in Path(failure.log).read_text()
    assert (workspace.kept(failure) / "build/broken-1.0/main.c").is_file()


def test_one_that_is_not_tried_again_in_the_same_run(workspace: BuildWorkspace) -> None:
    workspace.write("again", "exit 1")
    _, first = workspace.fail("again", run="one")
    assert workspace.fail("again", run="one")[1] == first
    assert workspace.fail("again", run="two")[1] != first


def test_one_that_hangs(workspace: BuildWorkspace) -> None:
    workspace.write("hanging", "echo here it hangs; setsid sleep 1000 & sleep 1000",
                    config='timeout = "3 s"')  # fmt: skip
    error, failure = workspace.fail("hanging")
    assert "it was still building after 0:00:03 and was ended" in error.brief
    assert failure.excerpt.endswith("here it hangs")


def test_one_that_hangs_and_does_not_want_to_end(workspace: BuildWorkspace) -> None:
    workspace.write("stubborn", "trap '' TERM INT HUP; while :; do sleep 1000; done",
                    config='timeout = "2 s"')  # fmt: skip
    error, _ = workspace.fail("stubborn")
    assert "it was still building after" in error.brief


def test_one_that_does_not_stop_talking(workspace: BuildWorkspace) -> None:
    workspace.write("talking", "yes")
    error, failure = workspace.fail("talking", build_log="64 KiB")
    assert "it wrote more than 65536 bytes of output" in error.brief
    assert Path(failure.log).stat().st_size < 4 * 2**20


def test_one_that_writes_one_huge_file(workspace: BuildWorkspace) -> None:
    workspace.write("huge", "dd if=/dev/zero of=huge bs=1M count=100")
    _, failure = workspace.fail("huge", build_disk="16 MiB")
    assert "File size limit exceeded" in failure.excerpt
    assert (workspace.kept(failure) / "build/huge-1.0/huge").stat().st_size == 16 * 2**20


def test_one_that_writes_many_files(workspace: BuildWorkspace) -> None:
    workspace.write(
        "many", "i=0; while sleep 0.02; do i=$((i+1)); head -c 1M /dev/zero > $i; done"
    )
    error, _ = workspace.fail("many", build_disk="16 MiB")
    assert "it filled its share of the disk: 16 MiB" in error.brief


def test_one_that_forks_without_end(
    workspace: BuildWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay, "_PROCESSES", 100)  # the real bound would hinder others here
    workspace.write(
        "forking", "bomb() { bomb | bomb & wait; }; bomb; false", config='timeout = "20 s"'
    )
    _, failure = workspace.fail("forking")
    assert "Cannot fork" in failure.excerpt


def test_one_that_leaves_out_a_package(workspace: BuildWorkspace) -> None:
    workspace.write("lazy", declares=["lazy", "lazy-data", "lazy-doc"], builds=["lazy"])
    error, _ = workspace.fail("lazy")
    assert "the build left out lazy-data, lazy-doc, which debian/control declares" in error.brief


def test_one_that_makes_a_package_of_somebody_else(workspace: BuildWorkspace) -> None:
    workspace.write(
        "greedy",
        after="""
sed -i 's/^Package: .*/Package: bash/' debian/tmp-greedy/DEBIAN/control
dpkg-deb --root-owner-group --build debian/tmp-greedy ../bash_99_amd64.deb
dpkg-distaddfile bash_99_amd64.deb misc optional
""",
    )
    error, _ = workspace.fail("greedy")
    assert "the build made bash, which debian/control does not declare" in error.brief


def test_one_whose_source_does_not_unpack(workspace: BuildWorkspace) -> None:
    dsc = _broken_source(workspace.root)
    digest = hashlib.sha256(dsc.read_bytes()).hexdigest()
    workspace.packages["damaged"] = f'[package.damaged]\ndsc = "{dsc}"\nsha256 = "{digest}"\n'
    error, failure = workspace.fail("damaged")
    assert "dpkg-source --no-check -x /farm/source/damaged_1.0.dsc" in error.brief
    assert "ended with exit status" in error.brief
    assert "dpkg-source: error:" in failure.excerpt


def _broken_source(folder: Path) -> Path:
    """Make a source package whose digests are right, and whose archive ends too early."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        member = tarfile.TarInfo("damaged-1.0/debian/rules")
        member.size = 2**20
        tar.addfile(member, io.BytesIO(bytes(2**20)))
    data = stream.getvalue()[:-100]
    (folder / "damaged_1.0.tar.gz").write_bytes(data)
    dsc = folder / "damaged_1.0.dsc"
    dsc.write_text(
        "Format: 3.0 (native)\nSource: damaged\nBinary: damaged\nArchitecture: any\n"
        "Version: 1.0\nMaintainer: Somebody <somebody@example.org>\n"
        "Package-List:\n damaged deb misc optional arch=any\n"
        f"Checksums-Sha256:\n {hashlib.sha256(data).hexdigest()} {len(data)} damaged_1.0.tar.gz\n"
        f"Files:\n {hashlib.md5(data).hexdigest()} {len(data)} damaged_1.0.tar.gz\n"  # noqa: S324
    )
    return dsc


def test_one_whose_build_dependencies_are_not_there(workspace: BuildWorkspace) -> None:
    workspace.write("needy", files={"debian/control": (
        "Source: needy\nMaintainer: Somebody <somebody@example.org>\n"
        "Build-Depends: no-such-package\nStandards-Version: 4.6.2\n\n"
        "Package: needy\nArchitecture: any\nDescription: part of a test\n It asks too much.\n"
    )})  # fmt: skip
    workspace.workshop()
    with pytest.raises(Exception, match="its build dependencies cannot be installed") as caught:
        workspace.build("needy")
    assert "no-such-package" in str(caught.value)
