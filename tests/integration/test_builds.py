"""Builds: what a good one gives, what it finds around itself, and what it leaves: nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from farm.build.chroots import Base
from tests.integration.build_workspace import BuildWorkspace, made_in
from tests.integration.prepared_state import link_prepared

_DATE = datetime(2025, 11, 3, 9, tzinfo=UTC)  # of the changelog


@pytest.fixture(scope="module")
def workspace(
    farm_state: Path, base_chroot: Base, tmp_path_factory: pytest.TempPathFactory
) -> BuildWorkspace:
    made = BuildWorkspace(tmp_path_factory.mktemp("builds"))
    link_prepared(farm_state, made.layout.root)
    return made


def test_every_declared_package_comes_out(workspace: BuildWorkspace) -> None:
    workspace.write("good", "echo hello > made", declares=["good", "good-doc"])
    build = workspace.build("good")
    assert [each.name for each in build.binaries] == ["good", "good-doc"]
    assert {each.architecture for each in build.binaries} == {"amd64"}
    assert build.changes.name == "good_1.0_amd64.changes"
    assert build.buildinfo.name == "good_1.0_amd64.buildinfo"
    assert "dpkg-deb: building package 'good-doc'" in build.log.read_text()
    assert made_in(build) == "hello\n"


def test_a_good_build_leaves_nothing_behind(workspace: BuildWorkspace) -> None:
    workspace.write("tidy", "echo hello")
    workspace.build("tidy")
    assert workspace.leftovers() == []
    assert workspace.processes() == []


def test_a_build_is_made_once(workspace: BuildWorkspace) -> None:
    workspace.write("once", "date +%N > made")
    assert workspace.build("once") == workspace.build("once")


def test_what_a_build_finds_in_its_environment(
    workspace: BuildWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    workspace.write("environment", "(env; id; umask; pwd; hostname) > made",
                    config='build_options = ["nodoc", "noopt"]')  # fmt: skip
    lines = made_in(workspace.build("environment")).splitlines()
    assert "DEB_BUILD_OPTIONS=parallel=1 nodoc noopt" in lines
    assert f"SOURCE_DATE_EPOCH={int(_DATE.timestamp())}" in lines
    assert {"HOME=/home/farm", "USER=farm", "TZ=UTC", "LC_ALL=C.UTF-8"} <= set(lines)
    identity = "uid=1000(farm) gid=1000(farm) groups=1000(farm)"
    assert lines[-4:] == [identity, "0022", "/build/environment-1.0", "farm"]
    assert "hidden" not in "".join(lines)


def test_processes_that_a_build_leaves_behind_are_gone(workspace: BuildWorkspace) -> None:
    workspace.write("daemon", "setsid nohup sleep 1000 >/dev/null 2>&1 &")
    workspace.build("daemon")
    assert workspace.processes() == []
    assert workspace.leftovers() == []


def test_orphans_are_reaped(workspace: BuildWorkspace) -> None:
    # As tests of daemons do: a process that nobody waits for would be there for ever.
    workspace.write(
        "orphan",
        """
sh -c 'sleep 1000 & echo $! > pid'
kill $(cat pid)
for second in $(seq 100); do
    kill -0 $(cat pid) 2>/dev/null || exit 0
    sleep 0.1
done
exit 1
""",
    )
    workspace.build("orphan")


def test_other_processes_may_write_while_a_build_runs(workspace: BuildWorkspace) -> None:
    workspace.write("modest", "echo started; sleep 3")
    big = workspace.root / "big"
    workshop = workspace.workshop(build_disk="16 MiB")

    def tell(what: str) -> None:
        if what == "compiling":
            with big.open("wb") as stream:
                stream.write(bytes(64 * 2**20))

    workshop.builder._tell = tell
    try:
        workshop.builder.ensure("modest@bookworm-amd64")
    finally:
        workshop.close()
        big.unlink()
