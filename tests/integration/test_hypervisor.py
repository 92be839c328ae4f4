"""Virtual machines under a real libvirt: a kernel that counts on its serial line, and listens."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.activity import tell_nobody
from farm.base.errors import FarmFault, WaitTimeout
from farm.base.run import run
from farm.base.waiting import wait_for
from farm.build.chroots import Base
from farm.build.dependencies import Dependencies
from farm.machine.domain import Accelerator, DirectKernel, DomainSpec, UserNetwork, render_domain
from farm.machine.hypervisor import Ending, Hypervisor, State
from farm.machine.session import tail_of_log
from farm.model.layout import Layout
from farm.source.archive import Archive

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
PREFIX = f"farm-test-{os.getpid()}-"
INIT = """#!/bin/busybox sh
busybox=/bin/busybox
$busybox mkdir /dev
$busybox mount -t devtmpfs devices /dev
exec < /dev/ttyS0 > /dev/ttyS0 2>&1
(n=0; while :; do n=$((n + 1)); echo "count $n."; $busybox sleep 0.1; done) &
while read -r word; do
    case $word in
        off) $busybox poweroff -f ;;
        die) exit ;;
        *) echo "heard $word" ;;
    esac
done
"""


@pytest.fixture(scope="module")
def direct(
    tmp_path_factory: pytest.TempPathFactory,
    farm_state: Path,
    host_archive: Archive,
    base_chroot: Base,
) -> DirectKernel:
    """The distribution's kernel for virtual machines, with a file system that only counts."""
    folder = tmp_path_factory.mktemp("kernel")
    layout = Layout(farm_state)
    chosen = Dependencies(layout, archive=host_archive, base=base_chroot, tell=tell_nobody)
    packages = chosen.resolve_packages(("linux-image-cloud-amd64",))
    (package_file,) = (each.path for deb, each in packages.items()
                       if re.fullmatch(r"linux-image-[0-9].*", deb.name))  # fmt: skip
    run(["dpkg-deb", "--extract", package_file, folder / "tree"], timeout=MINUTE)
    root = folder / "root"
    (root / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    pack = "find . | busybox cpio -o -H newc > ../initrd"
    run(["sh", "-c", pack], cwd=root, timeout=MINUTE)
    (kernel,) = (folder / "tree/boot").glob("vmlinuz-*")
    return DirectKernel(kernel, folder / "initrd", "console=ttyS0 quiet panic=-1")


@dataclass(frozen=True)
class Machine:
    """A machine, and what it says."""

    spec: DomainSpec

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def said(self) -> str:
        log = self.spec.console_log
        return log.read_text(errors="replace").replace("\r", "") if log.exists() else ""

    def says(self, text: str, *, times: int = 1) -> None:
        """Wait until it has said something, and how often."""
        wait_for(lambda: self.said.count(text) >= times, what=text, timeout=MINUTE)

    def tell(self, word: str) -> None:
        """Say something to it, on its serial line."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.spec.console))
            connection.sendall(f"{word}\n".encode())
            wait_for(lambda: word in self.said, what=f"its echo of {word}", timeout=MINUTE)

    def processes(self) -> list[int]:
        """The processes that run it."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if f"guest={self.name},".encode() in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:  # it has just ended
                continue
        return found

    def is_gone(self) -> bool:
        """Whether nothing is left of it but its files."""
        return not self.processes() and not self.spec.console.exists()


class Machines:
    """Makes descriptions of machines, each with a disk of its own."""

    def __init__(self, folder: Path, direct: DirectKernel) -> None:
        self._folder = folder
        self._direct = direct
        self.described: list[str] = []

    def describe(self, name: str, *, memory: int = 128 * 2**20) -> Machine:
        folder = self._folder / name
        folder.mkdir()
        self.described.append(PREFIX + name)
        disk = folder / "disk"
        run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"], timeout=MINUTE)
        return Machine(
            DomainSpec(
                PREFIX + name, uuid.uuid4(), memory=memory, cpus=1, disk=disk,
                accelerator=Accelerator.TCG, network=UserNetwork(), mac="52:54:00:00:00:01",
                console_log=folder / "log", console=folder / "c", direct=self._direct,
            )
        )  # fmt: skip


@pytest.fixture(scope="module")
def hypervisor() -> Hypervisor:
    return Hypervisor()


@pytest.fixture
def machines(tmp_path: Path, direct: DirectKernel, hypervisor: Hypervisor) -> Iterator[Machines]:
    machines = Machines(tmp_path, direct)
    yield machines
    for name in machines.described:
        hypervisor.destroy(name)
        assert tail_of_log(name) == ""
    assert hypervisor.names(PREFIX) == []


def test_a_machine_from_its_start_to_its_end(machines: Machines, hypervisor: Hypervisor) -> None:
    machine = machines.describe("whole")
    hypervisor.start(render_domain(machine.spec))
    assert hypervisor.names(PREFIX) == [machine.name]
    assert hypervisor.state(machine.name) is State.RUNNING
    with pytest.raises(WaitTimeout, match=r"whole is still running after 0:00:01\."):
        hypervisor.wait_until_off(machine.name, timeout=SECOND)
    machine.says("count 3.")
    machine.tell("hello")
    machine.says("heard hello")
    hypervisor.reset(machine.name)
    machine.says("count 3.", times=2)
    picture = machine.spec.disk.with_name("picture.png")
    hypervisor.screenshot(machine.name, picture)
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    hypervisor.shutdown(machine.name)  # nobody in there listens to the power button
    machine.tell("off")
    assert hypervisor.wait_until_off(machine.name, timeout=MINUTE) is Ending.POWERED_OFF
    assert not hypervisor.is_active(machine.name)
    assert machine.is_gone()


def test_machines_go_on_from_saved_memory(machines: Machines, hypervisor: Hypervisor) -> None:
    first = machines.describe("first")
    memory = first.spec.disk.with_name("memory")
    hypervisor.start(render_domain(first.spec))
    first.says("count 3.")
    hypervisor.save_memory(first.name, memory, timeout=MINUTE)
    assert first.is_gone()
    assert [path.name for path in sorted(memory.parent.iterdir())] == ["disk", "log", "memory"]

    others = [machines.describe(name) for name in ("second", "third")]
    for other in others:
        incoming = other.spec.disk.with_name("in")
        xml = render_domain(replace(other.spec, incoming=incoming))
        hypervisor.start_from_memory(xml, memory_file=memory, incoming=incoming, timeout=MINUTE)
        assert not incoming.exists()
    for other in others:
        before = len(first.said)
        other.says("count ", times=3)
        counted = [int(n) for n in re.findall(r"count (\d+)\.", first.said + other.said)]
        assert counted == list(range(1, len(counted) + 1))
        assert len(first.said) == before

    for other in others:
        hypervisor.destroy(other.name)
        hypervisor.destroy(other.name)
        assert hypervisor.wait_until_off(other.name, timeout=SECOND) is Ending.DESTROYED
        assert other.is_gone()


def test_memory_that_is_damaged(machines: Machines, hypervisor: Hypervisor) -> None:
    machine = machines.describe("damaged")
    memory, incoming = machine.spec.disk.with_name("memory"), machine.spec.disk.with_name("in")
    memory.write_bytes(os.urandom(2**20))
    xml = render_domain(replace(machine.spec, incoming=incoming))
    with pytest.raises(FarmFault, match=r"cannot go on with the memory in .*memory") as caught:
        hypervisor.start_from_memory(xml, memory_file=memory, incoming=incoming, timeout=MINUTE)
    assert "Not a migration stream" in caught.value.details
    assert machine.is_gone()


def test_a_machine_whose_process_is_killed(machines: Machines, hypervisor: Hypervisor) -> None:
    machine = machines.describe("killed")
    hypervisor.start(render_domain(machine.spec))
    (process,) = machine.processes()
    os.kill(process, signal.SIGKILL)
    assert hypervisor.wait_until_off(machine.name, timeout=MINUTE) is Ending.FAILED
    assert "reason=crashed" in tail_of_log(machine.name)
    assert machine.is_gone()


def test_a_machine_that_cannot_start(machines: Machines, hypervisor: Hypervisor) -> None:
    machine = machines.describe("none")
    machine.spec.disk.unlink()
    with pytest.raises(FarmFault, match=r"A machine cannot be started: libvirt says: .*none/disk"):
        hypervisor.start(render_domain(machine.spec))
    with pytest.raises(FarmFault, match=r"The machine .*none is off"):
        hypervisor.shutdown(machine.name)
    assert hypervisor.wait_until_off(machine.name, timeout=SECOND) is Ending.UNKNOWN


def test_a_uefi_machine_has_variables_of_its_own(
    machines: Machines, hypervisor: Hypervisor
) -> None:
    machine = machines.describe("uefi")
    variables = machine.spec.disk.with_name("variables.fd")
    spec = replace(machine.spec, uefi_variables=variables, direct=None)
    hypervisor.start(render_domain(spec))
    assert variables.stat().st_size > 100_000
    hypervisor.destroy(spec.name)
    assert variables.exists()
