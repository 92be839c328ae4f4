"""debian-installer, booted over the network, as far as a mirror without .udeb packages lets it go.

It fetches its answers, asks DHCP, and reads the mirror's Release file; then it lacks parts of
itself. Where a mirror has them it would go on: nothing after that is tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.base.activity import tell_nobody
from farm.base.errors import FarmFault
from farm.build.builder import Ground
from farm.build.chroots import Base
from farm.build.dependencies import Dependencies
from farm.config.settings import Machine
from farm.machine.cache import serve_cache
from farm.machine.debian_installer import DebianInstaller
from farm.machine.domain import Accelerator
from farm.machine.hypervisor import Hypervisor
from farm.machine.installation import Site, install
from farm.machine.network import USER
from farm.machine.running import Box, describe_hardware, fill, new_name
from farm.machine.wish import Wish
from farm.model.layout import Layout
from farm.source.archive import Archive

MACHINE = Machine(packages=("ipbx",), memory=2**30, cpus=2)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path / new_name("farm-test-di"))
    assert found.take()
    yield fill(found, subject="machine@test", run="test", ports=(22,))
    found.remove(Hypervisor())


@pytest.fixture
def installer(farm_state: Path, host_archive: Archive, base_chroot: Base) -> DebianInstaller:
    layout = Layout(farm_state)
    chosen = Dependencies(layout, archive=host_archive, base=base_chroot, tell=tell_nobody)
    wish = Wish(
        MACHINE, "ipbx", sources={"1-candidate.sources": "URIs: @SERVER@/candidate\n"},
        keyrings={"a.gpg": b"key"}, authorized_keys=("ssh-ed25519 AAAA farm",), site={},
        distribution="bookworm", archive=host_archive.mirror.suites[0].uri,
    )  # fmt: skip
    ground = Ground(base_chroot, chosen)
    return DebianInstaller(wish, ground=ground, archive=host_archive, layout=layout,
                           tell=tell_nobody)  # fmt: skip


def test_it_gets_to_the_mirror_and_says_what_that_lacks(
    box: Box, installer: DebianInstaller, tmp_path: Path
) -> None:
    said: list[str] = []
    spec = describe_hardware(box, MACHINE, Accelerator.TCG)
    with serve_cache(tmp_path / "cache") as port, pytest.raises(FarmFault) as told:
        install(Site(box, spec, USER, cache_port=port), MACHINE, installer,
                hypervisor=Hypervisor(), tell=said.append)  # fmt: skip
    phases = [line.rpartition(": ")[2] for line in said]
    for phase in ("network boot", "kernel", "preseed", "netcfg", "choose-mirror"):
        assert phase in phases, said
    assert told.value.brief.endswith("was not installed: debian-installer gave up at "
                                     "download-installer.")  # fmt: skip
    assert "anna" in told.value.details
    assert ".udeb packages" in told.value.hint
    assert "choose-mirror" in (box.logs / "syslog").read_text()
