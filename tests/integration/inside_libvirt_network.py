"""A machine on a network of libvirt's: run by test_libvirt_network.py in namespaces of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.config.choices import Boot as BootKind
from farm.config.settings import Machine
from farm.machine.domain import Accelerator, DirectKernel
from farm.machine.hypervisor import Hypervisor
from farm.machine.installation import Site, install
from farm.machine.netboot import turn
from farm.machine.network import Wire, find_address, find_network
from farm.machine.running import MAC, Box, describe_hardware, fill, new_name
from farm.machine.session import SYSTEM, load_libvirt
from tests.integration.test_hypervisor import Machine as Seen
from tests.integration.test_installation import Counting

MACHINE = Machine(packages=("nothing",), memory=512 * 2**20, cpus=1, network="pxe")
NETWORK = """
<network>
  <name>pxe</name>
  <bridge name="farmbr0" stp="off" delay="0"/>
  <ip address="192.168.77.1" netmask="255.255.255.0">
    <tftp root="{tftp}"/>
    <dhcp>
      <range start="192.168.77.10" end="192.168.77.50"/>
      <bootp file="boot.ipxe"/>
    </dhcp>
  </ip>
</network>
"""


class CountingHere(Counting):
    """The same, on another network."""

    host = "192.168.77.1"


@pytest.fixture
def direct() -> DirectKernel:
    """Give the kernel that counts, which was made outside."""
    kernel, initrd, words = os.environ["FARM_TEST_KERNEL"].split(" ", 2)
    return DirectKernel(Path(kernel), Path(initrd), words)


@pytest.fixture
def wire() -> Iterator[Wire]:
    tftp = Path("/var/lib/libvirt/tftp")  # of this namespace; dnsmasq, which is nobody, sees it
    tftp.mkdir(mode=0o755, exist_ok=True)
    connection = load_libvirt().open(SYSTEM)
    network = connection.networkCreateXML(NETWORK.format(tftp=tftp))
    yield find_network("pxe")
    network.destroy()


def test_a_machine_boots_from_a_network_of_libvirts(
    wire: Wire, direct: DirectKernel, tmp_path: Path
) -> None:
    hypervisor = Hypervisor(of_system=True)
    box = Box(tmp_path / new_name("farm-test-network"))
    assert box.take()
    fill(box, subject="machine@test", run="test", ports=(22,))
    spec = describe_hardware(box, MACHINE, Accelerator.TCG)

    def power_off() -> None:
        seen = Seen(spec)
        seen.says("count 3.")
        seen.tell("off")

    helper = threading.Thread(target=power_off)
    helper.start()
    with turn(wire):
        phases = install(Site(box, spec, wire), MACHINE, CountingHere(direct),
                         hypervisor=hypervisor, tell=print)  # fmt: skip
    helper.join(timeout=timedelta(minutes=1).total_seconds())
    assert [name for name, _ in phases] == ["network boot", "counting"]
    assert find_address("pxe", MAC).startswith("192.168.77.")
    assert wire.tftp
    assert [path.name for path in wire.tftp.iterdir()] == [".farm.lock"]
    box.remove(hypervisor)


def test_what_boots_must_be_what_the_network_says(
    wire: Wire, direct: DirectKernel, tmp_path: Path
) -> None:
    box = Box(tmp_path / "machine")
    assert box.take()
    fill(box, subject="machine@test", run="test", ports=(22,))
    machine = Machine(packages=("nothing",), boot=BootKind.PXELINUX, network="pxe")
    spec = describe_hardware(box, machine, Accelerator.TCG)
    with pytest.raises(InputError, match=r"boots boot.ipxe, and .* it must be pxelinux.0"):
        install(Site(box, spec, wire), machine, CountingHere(direct),
                hypervisor=Hypervisor(of_system=True), tell=print)  # fmt: skip
