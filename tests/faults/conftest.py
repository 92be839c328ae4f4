"""What tests of faults share: a workspace, with what machines boot made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.build.chroots import Base
from tests.faults.faulty_workspace import FaultyWorkspace
from tests.integration.conftest import base_chroot as base_chroot
from tests.integration.conftest import farm_state as farm_state
from tests.integration.conftest import host_archive as host_archive
from tests.integration.prepared_state import link_prepared


@pytest.fixture(scope="session")
def faulty(
    tmp_path_factory: pytest.TempPathFactory, farm_state: Path, base_chroot: Base
) -> Iterator[FaultyWorkspace]:
    """Give the workspace, with everything built and what its machines boot."""
    workspace = FaultyWorkspace(tmp_path_factory.mktemp("faulty") / "workspace").write()
    link_prepared(farm_state, workspace.layout.root)
    workspace.release("release_tests/test_build.py",
                      "release_tests/test_install.py::test_installer").expect()  # fmt: skip
    yield workspace
    workspace.remove()
