"""The sample's own packages, built twice from nothing: the same bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.build.chroots import Base
from farm.config.workspace import load
from farm.model.artifact import Build
from farm.model.layout import Layout
from farm.place.namespace import remove_tree
from farm.release.workshop import Workshop
from tests.integration.prepared_state import link_prepared

ROOT = Path(__file__).parents[2]
OWN = ("ipbx-config", "ipbx-web-interface", "ipbx")
TARGET = "bookworm-amd64"


@pytest.fixture
def states(farm_state: Path, base_chroot: Base, tmp_path: Path) -> Iterator[list[Path]]:
    """Give two state folders without a build, of which one has to install everything anew."""
    found = [tmp_path / "one", tmp_path / "a-longer-name" / "of-another"]
    for state in found:
        link_prepared(farm_state, state)
    for path in Layout(found[1]).trees.glob("layer-*"):
        remove_tree(path)
    yield found
    remove_tree(tmp_path)


def build_all(state: Path, *, parallel: int) -> dict[str, Build]:
    """Build the sample's own packages in a workspace that is a copy of this one."""
    workspace = state.with_name(f"{state.name}-workspace")
    shutil.copytree(ROOT / "packages", workspace / "packages")
    text = (ROOT / "farm.toml").read_text()
    (workspace / "farm.toml").write_text(text.replace('state = ".farm"', f'state = "{state}"'))
    workshop = Workshop(load(workspace / "farm.toml"), run="identical", parallel=parallel)
    try:
        return {name: workshop.builder.ensure(f"{name}@{TARGET}") for name in OWN}
    finally:
        workshop.close()


def test_built_twice(states: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_all(states[0], parallel=1)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LANG", "tr_TR.UTF-8")
    second = build_all(states[1], parallel=3)
    for name in OWN:
        assert first[name].key == second[name].key
        assert first[name].log.parent != second[name].log.parent
        packages = {each.file.name: each.file.sha256 for each in first[name].binaries}
        assert packages
        assert {each.file.name: each.file.sha256 for each in second[name].binaries} == packages
