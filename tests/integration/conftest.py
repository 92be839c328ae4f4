"""What integration tests share: a state folder with a base chroot, and small workspaces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import FarmFault, InputError
from farm.build.chroots import Base, Chroots
from farm.model.layout import Layout
from farm.model.target import Target
from farm.place.namespace import remove_tree
from farm.source.archive import Archive
from farm.source.mirror import find_mirror
from tests.integration.prepared_state import link_prepared
from tests.integration.release_runs import Ran
from tests.integration.release_workspace import DemoWorkspace

_CHECKOUT = Path(__file__).parents[2] / ".farm"
_TARGET = Target("bookworm", "amd64")
_DAY = timedelta(days=1)


@pytest.fixture(scope="session")
def farm_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a state folder to link from; what this checkout has already is not made again."""
    state = tmp_path_factory.mktemp("prepared") / ".farm"
    Layout(state).prepare()
    link_prepared(_CHECKOUT, state)
    yield state
    remove_tree(state)


@pytest.fixture(scope="session")
def host_archive(farm_state: Path) -> Archive:
    """Give the distribution's archive, as this host's own apt knows it."""
    try:
        mirror = find_mirror("host", distribution=_TARGET.distribution)
        archive = Archive(
            Layout(farm_state).archives / str(_TARGET), target=_TARGET, mirror=mirror
        )
        archive.ensure_fresh(_DAY)
    except (InputError, FarmFault) as error:
        if os.environ.get("FARM_CI"):
            raise
        pytest.skip(error.brief)
    return archive


@pytest.fixture(scope="session")
def base_chroot(farm_state: Path, host_archive: Archive) -> Base:
    """Give the pristine chroot of bookworm-amd64."""
    return Chroots(Layout(farm_state)).ensure(host_archive)


@pytest.fixture(scope="session")
def first_release(
    tmp_path_factory: pytest.TempPathFactory, farm_state: Path, base_chroot: Base
) -> Iterator[tuple[DemoWorkspace, Ran]]:
    """Give a workspace that was released to rc once, and how that went; to be looked at only."""
    # A name that apt, overlayfs and shells take for something else when it is not quoted.
    root = tmp_path_factory.mktemp("first") / "first, größte 100% demo"
    workspace = DemoWorkspace(root).write()
    link_prepared(farm_state, workspace.layout.root)
    yield workspace, workspace.release()
    workspace.remove()


@pytest.fixture
def fresh_demo(
    tmp_path: Path, first_release: tuple[DemoWorkspace, Ran]
) -> Iterator[DemoWorkspace]:
    """Give a workspace that was never released; chroot and build dependencies are at hand."""
    workspace = DemoWorkspace(tmp_path / "demo").write()
    link_prepared(first_release[0].layout.root, workspace.layout.root)
    yield workspace
    workspace.remove()


@pytest.fixture
def released_demo(
    tmp_path: Path, first_release: tuple[DemoWorkspace, Ran]
) -> Iterator[DemoWorkspace]:
    """Give a workspace whose version 1.0 is in rc."""
    workspace, ran = first_release
    ran.expect()
    copy = workspace.copy_to(tmp_path / "demo")
    yield copy
    copy.remove()
