"""A workspace in a folder of its own, written line by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from farm.base.errors import ConfigError
from farm.config.workspace import Workspace, load

SMALLEST = """\
[workspace]
name = "example"
[target.bookworm-amd64]
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the user is in, with a package that is a folder."""
    monkeypatch.chdir(tmp_path)
    add_folder(tmp_path / "packages/web")
    return tmp_path


@pytest.fixture
def accept(root: Path) -> Callable[[str], Workspace]:
    """Load a farm.toml: the smallest one, and what a test adds."""

    def accept(added: str, *, base: str = SMALLEST) -> Workspace:
        path = root / "farm.toml"
        path.write_text(base + added)
        return load(path)

    return accept


@pytest.fixture
def refuse(accept: Callable[..., Workspace]) -> Callable[..., list[str]]:
    """Load a farm.toml that must be refused, and give its mistakes without the file's name."""

    def refuse(added: str, *, base: str = SMALLEST) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            accept(added, base=base)
        lines = (caught.value.details or caught.value.brief).splitlines()
        assert all(line.startswith("farm.toml: ") for line in lines)
        return [line.removeprefix("farm.toml: ") for line in lines]

    return refuse


def add_folder(path: Path) -> None:
    """Make a folder that looks like a source package."""
    (path / "debian").mkdir(parents=True)
    (path / "debian/control").touch()
    (path / "debian/changelog").touch()
