"""A stranger: the wheel in an environment of its own, a new workspace, and its first releases.

Nothing of this checkout is used but the wheel that is built from it: no cache, no chroot.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import CommandError
from farm.base.run import Result, run
from farm.model.layout import Layout
from farm.place.namespace import remove_tree
from farm.source.archive import Archive
from tests.integration.release_workspace import Item, read_junit

ROOT = Path(__file__).parents[2]
INSTALL = timedelta(minutes=10)
RELEASE = timedelta(minutes=25)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Stranger:
    """Somebody who has installed the farm, and a workspace made with it."""

    venv: Path
    workspace: Path

    def run(self, program: str, *words: str, ok: tuple[int, ...] | None = (0,)) -> Result:
        """Run a program of the environment in the workspace."""
        argv: list[str | Path] = [self.venv / "bin" / program, *words]
        where = self.workspace if self.workspace.exists() else self.workspace.parent
        env = {"DEBFULLNAME": "Ada", "DEBEMAIL": "ada@example.org"}
        return run(argv, timeout=RELEASE, cwd=where, ok=ok, env=env)

    def release(self, *words: str, to: str) -> tuple[str, dict[str, Item]]:
        """Release; gives what was printed, and how the items ended."""
        ended = self.run("pytest", "--release", to, *words, ok=None)
        said = ended.stdout + ended.stderr
        assert ended.returncode == 0, said
        return said, read_junit(self.workspace / "reports" / to / "junit.xml")


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel of this farm and what that depends on."""
    folder = tmp_path_factory.mktemp("stranger")
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    wheel: list[str | Path] = [
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        folder / "wheel",
        ROOT,
    ]
    try:
        run([sys.executable, "-m", "pip", *wheel], timeout=INSTALL, cwd=folder, env=pip)
        run([sys.executable, "-m", "venv", folder / "venv"], timeout=INSTALL, cwd=folder)
        made = list((folder / "wheel").glob("*.whl"))
        install: list[str | Path] = [folder / "venv" / "bin" / "pip", "install", "--quiet", *made]
        run(install, timeout=INSTALL, cwd=folder, env=pip)
    except CommandError as error:
        if os.environ.get("FARM_CI"):
            raise
        pytest.skip(f"pip cannot install the wheel here: {error}")
    return folder / "venv"


@pytest.fixture(scope="module")
def stranger(venv: Path, host_archive: Archive) -> Iterator[Stranger]:
    """Somebody with a new workspace; skipped where there is no archive."""
    made = Stranger(venv, venv.parent / "acme")
    made.run("farm", "new", "workspace", "acme")
    yield made
    remove_tree(made.workspace / ".farm")


@pytest.fixture(scope="module")
def first_release(stranger: Stranger) -> tuple[str, dict[str, Item]]:
    """The first release, of what came with the workspace."""
    return stranger.release(to="rc")


def test_the_farm_comes_from_the_wheel(stranger: Stranger) -> None:
    where = stranger.run("python", "-c", "import farm; print(farm.__path__[0])").stdout

    assert where.startswith(str(stranger.venv))


def test_the_first_release_passes(
    stranger: Stranger, first_release: tuple[str, dict[str, Item]]
) -> None:
    said, items = first_release

    assert {name: item.message for name, item in items.items() if item.outcome != "passed"} == {}
    assert len(items) >= 13, "the build, the repository gate, two HOWTOs, the publication"
    assert "rc now holds" in said
    tree = Layout(stranger.workspace / ".farm").repositories / "rc"
    assert list(tree.glob("pool/**/hello-world_1.0_all.deb"))


@pytest.mark.usefixtures("first_release")
def test_the_second_release_has_nothing_to_do(stranger: Stranger) -> None:
    said, items = stranger.release(to="rc")

    assert "Nothing to do" in said
    assert {item.outcome for item in items.values()} == {"passed"}


@pytest.mark.usefixtures("first_release")
def test_version_control_sees_only_what_people_write(stranger: Stranger) -> None:
    run(["git", "init", "--quiet"], timeout=MINUTE, cwd=stranger.workspace)
    listed = ["git", "ls-files", "--others", "--exclude-standard", "--directory"]
    seen = run(listed, timeout=MINUTE, cwd=stranger.workspace).stdout.split()

    assert {"farm.toml", "packages/", "howtos/"} <= set(seen)
    assert not {"reports/", ".farm/", ".pytest_cache/"} & set(seen)


@pytest.mark.usefixtures("first_release")
def test_a_new_package_builds_is_in_order_and_works_at_once(stranger: Stranger) -> None:
    stranger.run("farm", "new", "package", "greeter-2.x", "--version", "0.9~rc1")

    said, items = stranger.release("--package", "greeter-2.x", to="dev")

    about = "greeter-2.x@bookworm-amd64"
    for check in ("test_build", "test_lint", "test_installable", "test_howto"):
        assert items[f"{check}[{about}]"].outcome == "passed", said
    assert items["howto[bookworm-amd64]"].outcome == "passed", said
    assert "dev now holds" in said
