"""An installer that goes wrong, whatever it is at: the phase is named, and the right log.

What boots is a kernel that only counts; FAI's words are said for it, and heard by the farm's ears.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.base.errors import FarmError, FarmFault, InstallFailed
from farm.config.choices import Boot as BootKind
from farm.machine import installation
from farm.machine.domain import Accelerator, DirectKernel, DomainSpec, render_domain
from farm.machine.fai import Fai
from farm.machine.fai_root import INITRD, KERNEL, ROOT
from farm.machine.hypervisor import Hypervisor
from farm.machine.installation import make_disk
from farm.machine.installer import Boot, Course, Net, Trouble
from farm.machine.running import Box, describe_hardware, fill, new_name
from tests.faults.remains import check_nothing_is_left_of
from tests.integration.test_hypervisor import Machine as Seen
from tests.integration.test_hypervisor import direct as direct
from tests.integration.test_installation import DOMAIN, MACHINE, SECOND, Begin, Counting
from tests.integration.test_installation import begin as begin
from tests.integration.test_installation import hypervisor as hypervisor
from tests.unit.machine.test_fai_space import WISH

_PATIENCE = 5
_LATE = 4 * SECOND


class Reporting(Counting):
    """An installer that is heard as FAI is; what it says, a test says for it."""

    def __init__(self, direct: DirectKernel) -> None:
        super().__init__(direct)
        nothing: Any = None
        self.files = {KERNEL: direct.kernel, INITRD: direct.initrd}
        self.words = f"initrd={INITRD} {direct.cmdline}"
        self.fai = Fai(WISH, ground=nothing, archive=nothing, layout=nothing, tell=lambda _: None)
        self.net = Net("", 0, "")

    def boot(self) -> Boot:
        return Boot(self.files, KERNEL, INITRD, {"config": b"nothing"})

    def command_line(self, net: Net, *, static: bool) -> str:
        self.net = net
        return super().command_line(net, static=static)

    def hear(self, line: str, course: Course) -> None:
        self.fai.hear(line, course)

    def asked(self, path: str, course: Course) -> None:
        self.fai.asked(path, course)

    def explain(self, course: Course, logs: Path) -> Trouble:
        return self.fai.explain(course, logs)

    def begins(self, phase: str) -> None:
        """Say to this host what FAI says when it begins something."""
        port = int(self.net.server.partition(":")[2])
        if phase == "start of FAI":
            root = f"http://127.0.0.1:{port}/{ROOT}"
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(root, timeout=_PATIENCE)
        elif phase != "kernel":
            monitor = ("127.0.0.1", self.net.monitor_port)
            with socket.create_connection(monitor, timeout=_PATIENCE) as connection:
                connection.sendall(f"machine TASKBEGIN {phase}\n".encode())


@pytest.fixture
def installer(direct: DirectKernel) -> Reporting:
    return Reporting(direct)


@pytest.fixture
def box(tmp_path: Path, hypervisor: Hypervisor) -> Iterator[Box]:
    """Give a box, of which nothing may be left when it has been removed."""
    found = Box(tmp_path / new_name(DOMAIN))
    assert found.take()
    record = fill(found, subject="machine@test", run="test", ports=(22,)).record
    yield found
    found.remove(hypervisor)
    check_nothing_is_left_of(found, record, hypervisor)


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Change the network that QEMU is told to make."""

    def wired(pattern: str, other: str) -> None:
        def render(spec: DomainSpec) -> str:
            xml, count = re.subn(pattern, other, render_domain(spec))
            assert count == 1
            return xml

        monkeypatch.setattr(installation, "render_domain", render)

    return wired


@pytest.mark.parametrize(("phase", "to_blame"), [
    ("kernel", FarmFault), ("start of FAI", FarmFault), ("partition", InstallFailed),
    ("extrbase", FarmFault), ("instsoft", InstallFailed), ("configure", InstallFailed),
])  # fmt: skip
def test_an_installer_that_hangs_is_ended_and_its_phase_named(
    begin: Begin, installer: Reporting, box: Box, phase: str, to_blame: type[FarmError]
) -> None:
    def hang(machine: Seen) -> None:
        machine.says("count 3.")
        installer.limits[phase] = _LATE
        installer.begins(phase)

    with pytest.raises(to_blame, match=f"it hangs in the phase {phase}, after [0-9]+ s") as told:
        begin(installer, hang)
    assert re.search(r"count [0-9]+\.", told.value.details)
    assert f"console: {box.console}" in told.value.details
    assert (box.folder / "pictures/failure.png").exists()


def test_dhcp_that_does_not_answer(
    begin: Begin, installer: Reporting, box: Box, wired: Callable[[str, str], None]
) -> None:
    wired(r'"user,[^"]*"', '"hubport,id=net0,hubid=7"')  # a hub with nothing else on it
    installer.limits["network boot"] = 15 * SECOND
    with pytest.raises(FarmFault, match="it hangs in the phase network boot") as told:
        begin(installer)
    assert "DHCP" in told.value.hint
    assert str(box.folder / "pictures/failure.png") in told.value.details


def test_tftp_that_does_not_answer(
    begin: Begin, installer: Reporting, box: Box, wired: Callable[[str, str], None]
) -> None:
    wired(r',tftp=[^,"]*', "")
    installer.limits["network boot"] = 20 * SECOND
    with pytest.raises(FarmFault, match="it hangs in the phase network boot") as told:
        begin(installer, machine=replace(MACHINE, boot=BootKind.PXELINUX))
    assert "TFTP" in told.value.hint
    assert str(box.folder / "pictures/failure.png") in told.value.details


@pytest.mark.parametrize(("phase", "to_blame"), [
    ("kernel", FarmFault), ("instsoft", InstallFailed),
])  # fmt: skip
def test_a_kernel_that_panics_is_not_waited_for(
    begin: Begin, installer: Reporting, phase: str, to_blame: type[FarmError]
) -> None:
    installer.words = installer.words.replace("panic=-1", "panic=10")

    def panic(machine: Seen) -> None:
        machine.says("count 3.")
        installer.begins(phase)
        machine.tell("die")

    said = f"its kernel panics in the phase {phase}: Attempted to kill init!"
    with pytest.raises(to_blame, match=said) as told:
        begin(installer, panic)
    assert "Kernel panic - not syncing" in told.value.details


def test_qemu_that_is_killed_as_for_want_of_memory(begin: Begin, installer: Reporting) -> None:
    def kill(machine: Seen) -> None:
        machine.says("count 3.")
        (process,) = machine.processes()
        os.kill(process, signal.SIGKILL)

    said = "has ended while it was installed, in the phase kernel: QEMU has crashed, or was killed"
    with pytest.raises(FarmFault, match=said) as told:
        begin(installer, kill)
    assert "count 3." in told.value.details
    assert told.value.hint == "Run it again."


def test_more_memory_than_there_is(begin: Begin, installer: Reporting) -> None:
    with pytest.raises(FarmFault, match=r"A machine cannot be started: .*memory") as told:
        begin(installer, machine=replace(MACHINE, memory=2**39))
    assert "[machine] memory" in told.value.hint


def test_a_port_that_somebody_else_has_taken(box: Box, hypervisor: Hypervisor) -> None:
    make_disk(box.disk, MACHINE.disk)
    port = box.record.ports["22"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        said = rf"A machine cannot be started: .*tcp:127\.0\.0\.1:{port}-:22"
        with pytest.raises(FarmFault, match=said) as told:
            hypervisor.start(render_domain(describe_hardware(box, MACHINE, Accelerator.TCG)))
    assert "Run it again" in told.value.hint
