"""Installations that go well and badly: a real network boot of a kernel that only counts.

The installer is one that has nothing to install; what boots, watches, ends and tells is the
farm's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.activity import tell_nobody
from farm.base.errors import FarmError, FarmFault, InstallFailed
from farm.build.builder import Ground
from farm.build.chroots import Base
from farm.build.dependencies import Dependencies
from farm.config.choices import Boot as BootKind
from farm.config.choices import Firmware
from farm.config.settings import Machine
from farm.machine.domain import Accelerator, DirectKernel
from farm.machine.grub import GRUB, NETWORK_GRUB
from farm.machine.hypervisor import Hypervisor
from farm.machine.installation import Site, install
from farm.machine.installer import Boot, Course, Net, Trouble
from farm.machine.network import USER
from farm.machine.recipe import make
from farm.machine.running import Box, describe_hardware, fill, new_name, sweep
from farm.model.layout import Layout
from farm.source.archive import Archive
from tests.integration.test_hypervisor import Machine as Seen
from tests.integration.test_hypervisor import direct as direct  # the kernel that counts

SECOND = timedelta(seconds=1)
MACHINE = Machine(packages=("nothing",), memory=512 * 2**20, cpus=1)
DOMAIN = "farm-test-installation"


class Counting:
    """An installer that is done when its initrd was fetched and the machine has powered off."""

    host = "10.0.2.2"

    def __init__(self, direct: DirectKernel) -> None:
        self.files = {"kernel": direct.kernel, "initrd": direct.initrd}
        self.words = f"initrd=initrd {direct.cmdline}"
        self.limits: dict[str, timedelta] = {}
        self.is_fault = False
        self.ends_well = True

    @property
    def description(self) -> str:
        return "counting"

    def identity(self) -> str:
        return "counting"

    def boot(self) -> Boot:
        return Boot(self.files, "kernel", "initrd", {"config": b"nothing"})

    def command_line(self, net: Net, *, static: bool) -> str:
        assert net.url.startswith(f"http://{self.host}:")
        return self.words if static else f"{self.words} dhcp"

    def hear(self, line: str, course: Course) -> None:
        raise AssertionError(line)

    def read(self, line: str, course: Course) -> None:
        raise AssertionError(line)

    def asked(self, path: str, course: Course) -> None:
        if path == "/initrd":
            course.phase = "counting"
            course.finished = self.ends_well

    def limit(self, phase: str) -> timedelta:
        return self.limits.get(phase, 90 * SECOND)

    def explain(self, course: Course, logs: Path) -> Trouble:
        return Trouble(f"it got as far as {course.phase}", "", self.is_fault, "Count better.")


@pytest.fixture(scope="module")
def hypervisor() -> Hypervisor:
    return Hypervisor()


@pytest.fixture
def box(tmp_path: Path, hypervisor: Hypervisor) -> Iterator[Box]:
    found = Box(tmp_path / new_name(DOMAIN))
    assert found.take()
    yield fill(found, subject="machine@test", run="test", ports=(22,))
    found.remove(hypervisor)


@pytest.fixture
def installer(direct: DirectKernel) -> Counting:
    return Counting(direct)


@pytest.fixture
def network_grub(farm_state: Path, host_archive: Archive, base_chroot: Base) -> Path:
    """GRUB, as it is made for the network."""
    layout = Layout(farm_state)
    chosen = Dependencies(layout, archive=host_archive, base=base_chroot, tell=tell_nobody)
    ground = Ground(base_chroot, chosen)
    return make(NETWORK_GRUB, ground=ground, layout=layout, tell=tell_nobody)[GRUB]


@pytest.fixture
def begin(box: Box, hypervisor: Hypervisor) -> Callable[..., list[tuple[str, float]]]:
    """Install; meanwhile do something to the machine."""

    def begin(
        installer: Counting,
        meanwhile: Callable[[Seen], None] | None = None,
        machine: Machine = MACHINE,
    ) -> list[tuple[str, float]]:
        spec = describe_hardware(box, machine, Accelerator.TCG)
        site = Site(box, spec, USER, trees={}, cache_port=1)
        helper = threading.Thread(target=meanwhile or (lambda _: None), args=(Seen(spec),))
        helper.start()
        try:
            return install(site, machine, installer, hypervisor=hypervisor, tell=lambda _: None)
        finally:
            helper.join()

    return begin


Begin = Callable[..., list[tuple[str, float]]]


def power_off(machine: Seen) -> None:
    machine.says("count 3.")
    machine.tell("off")


def test_the_network_card_boots_what_is_served_and_every_phase_is_seen(
    begin: Begin, installer: Counting, box: Box
) -> None:
    phases = begin(installer, power_off)
    assert [name for name, _ in phases] == ["network boot", "counting"]
    assert (box.folder / "pictures/network-boot.png").read_bytes().startswith(b"\x89PNG")
    assert "count 3." in box.console.read_text(errors="replace")


def test_pxelinux_boots_over_tftp_what_ipxe_boots_over_http(
    begin: Begin, installer: Counting, box: Box
) -> None:
    with pytest.raises(InstallFailed, match="it got as far as network boot"):  # it tells no more
        begin(installer, power_off, replace(MACHINE, boot=BootKind.PXELINUX))
    assert "count 3." in box.console.read_text(errors="replace")


def test_grub_boots_it_on_uefi(
    begin: Begin, installer: Counting, box: Box, network_grub: Path
) -> None:
    installer.files[GRUB] = network_grub
    machine = replace(MACHINE, boot=BootKind.GRUB, firmware=Firmware.UEFI)
    installer.limits["network boot"] = 240 * SECOND
    with pytest.raises(InstallFailed, match="it got as far as network boot"):  # it tells no more
        begin(installer, power_off, machine)
    assert "count 3." in box.console.read_text(errors="replace")
    assert (box.folder / "uefi.fd").stat().st_size


def test_a_machine_that_powers_off_without_being_done_is_not_installed(
    begin: Begin, installer: Counting, box: Box
) -> None:
    installer.ends_well = False
    with pytest.raises(
        InstallFailed, match="was not installed: it got as far as counting"
    ) as told:
        begin(installer, power_off)
    assert str(box.console) in told.value.details
    assert "count" in told.value.details


def test_a_phase_that_hangs_is_ended_and_named(begin: Begin, installer: Counting) -> None:
    installer.limits["counting"] = 4 * SECOND
    with pytest.raises(InstallFailed, match="it hangs in the phase counting"):
        begin(installer)


def test_what_is_not_served_is_never_booted(
    begin: Begin, installer: Counting, hypervisor: Hypervisor
) -> None:
    installer.files = {"initrd": installer.files["initrd"]}
    installer.limits["network boot"] = 25 * SECOND
    installer.is_fault = True
    with pytest.raises(FarmFault, match="it hangs in the phase network boot"):
        begin(installer)
    assert hypervisor.names(DOMAIN) == []


def test_a_power_cut_is_no_failure_of_the_release(
    begin: Begin, installer: Counting, hypervisor: Hypervisor
) -> None:
    def cut(machine: Seen) -> None:
        machine.says("count 3.")
        hypervisor.destroy(machine.name)

    with pytest.raises(FarmError, match="in the phase counting: it was destroyed") as told:
        begin(installer, cut)
    assert isinstance(told.value, FarmFault)


def test_a_machine_whose_owner_is_gone_is_taken_away_and_a_kept_one_stays(
    tmp_path: Path, box: Box, hypervisor: Hypervisor
) -> None:
    kept = Box(tmp_path / f"{DOMAIN}-kept")
    assert kept.take()
    fill(kept, subject="machine@test", run="test", ports=(22,))
    kept.write(type(kept.record)(**{**vars(kept.record), "why": "red"}))
    kept.leave()
    assert sweep(tmp_path, hypervisor) == []  # the other one is in use
    box.leave()
    assert sweep(tmp_path, hypervisor) == [box.folder.name]
    assert kept.is_there
    assert kept.take()
    kept.remove(hypervisor)
