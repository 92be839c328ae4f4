"""debian-installer, booted over the network, as far as a mirror without .udeb packages lets it go.

It fetches its answers, asks DHCP, and reads the mirror's Release file; then it lacks parts of
itself. Where a mirror has them it would go on: nothing after that is tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.activity import tell_nobody
from farm.base.errors import FarmFault
from farm.build.builder import Ground
from farm.build.chroots import Base
from farm.build.dependencies import Dependencies
from farm.config.choices import Boot as BootKind
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
CANDIDATE = """\
Types: deb
URIs: @SERVER@/candidate
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/a.gpg
"""
Make = Callable[..., DebianInstaller]


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    found = Box(tmp_path / new_name("farm-test-di"))
    assert found.take()
    yield fill(found, subject="machine@test", run="test", ports=(22,))
    found.remove(Hypervisor())


@pytest.fixture
def make(farm_state: Path, host_archive: Archive, base_chroot: Base) -> Make:
    layout = Layout(farm_state)
    chosen = Dependencies(layout, archive=host_archive, base=base_chroot, tell=tell_nobody)
    ground = Ground(base_chroot, chosen)

    def make(machine: Machine, kind: type[DebianInstaller] = DebianInstaller) -> DebianInstaller:
        wish = Wish(
            machine, "ipbx", sources={"1-candidate.sources": CANDIDATE},
            keyrings={"a.gpg": b"key"}, authorized_keys=("ssh-ed25519 AAAA farm",), site={},
            distribution="bookworm", archive=host_archive.mirror.suites[0].uri,
        )  # fmt: skip
        return kind(wish, ground=ground, archive=host_archive, layout=layout, tell=tell_nobody)

    return make


def test_it_gets_to_the_mirror_and_says_what_that_lacks(
    box: Box, make: Make, tmp_path: Path
) -> None:
    said: list[str] = []
    spec = describe_hardware(box, MACHINE, Accelerator.TCG)
    with serve_cache(tmp_path / "cache") as port, pytest.raises(FarmFault) as told:
        install(Site(box, spec, USER, cache_port=port), MACHINE, make(MACHINE),
                hypervisor=Hypervisor(), tell=said.append)  # fmt: skip
    phases = [line.rpartition(": ")[2] for line in said]
    for phase in ("network boot", "kernel", "preseed", "choose-mirror"):
        assert phase in phases, said
    assert told.value.brief.endswith("was not installed: debian-installer gave up at "
                                     "download-installer.")  # fmt: skip
    assert "anna" in told.value.details
    assert ".udeb packages" in told.value.hint
    syslog = (box.logs / "syslog").read_text()
    assert "Menu item 'netcfg' selected" in syslog
    assert re.search(r"farm: repository: http://10\.0\.2\.2:\d+/candidate bookworm main", syslog)


class Impatient(DebianInstaller):
    """It is known to have booted when it has fetched its answers: that is far enough."""

    def limit(self, phase: str) -> timedelta:
        return timedelta(0) if phase == "preseed" else super().limit(phase)


def test_pxelinux_boots_it_as_well(box: Box, make: Make) -> None:
    machine = replace(MACHINE, boot=BootKind.PXELINUX)
    spec = describe_hardware(box, machine, Accelerator.TCG)
    with pytest.raises(FarmFault, match="it hangs in the phase preseed"):
        install(Site(box, spec, USER, cache_port=1), machine, make(machine, Impatient),
                hypervisor=Hypervisor(), tell=tell_nobody)  # fmt: skip
