"""Descriptions of virtual machines."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from farm.machine.domain import (
    Accelerator,
    DirectKernel,
    DomainSpec,
    LibvirtNetwork,
    UserNetwork,
    render_domain,
)

GOLDEN = Path(__file__).parent / "golden"
GIB = 2**30

EMULATED = DomainSpec(
    name="farm-acme-1", uuid=UUID("6a1f3f1e-8a5c-4f0e-9d0a-0123456789ab"), memory=2 * GIB, cpus=2,
    disk=Path("/m/1/disk.qcow2"), accelerator=Accelerator.TCG, mac="52:54:00:12:34:56",
    network=UserNetwork(((40022, 22), (40080, 80)), bootfile="http://10.0.2.2:40000/boot.ipxe"),
    console_log=Path("/m/1/console.log"), console=Path("/m/1/console.socket"),
)  # fmt: skip
ACCELERATED = replace(
    EMULATED, accelerator=Accelerator.KVM, network=LibvirtNetwork("pxe"),
    uefi_variables=Path("/m/1/variables.fd"), cdrom=Path("/m/1/install.iso"),
)  # fmt: skip


@pytest.mark.parametrize(("spec", "name"), [(EMULATED, "emulated"), (ACCELERATED, "accelerated")])
def test_a_whole_description(spec: DomainSpec, name: str) -> None:
    assert render_domain(spec) == (GOLDEN / f"{name}.xml").read_text()


def rendered(spec: DomainSpec) -> ET.Element:
    return ET.fromstring(render_domain(spec))  # noqa: S314  # it is our own


def arguments(spec: DomainSpec) -> list[str]:
    """What QEMU is told beside libvirt."""
    return [
        element.get("value", "")
        for element in rendered(spec).iter()
        if element.tag.endswith("}arg")
    ]


def test_nothing_is_handed_to_qemu_without_need() -> None:
    assert arguments(ACCELERATED) == []


def test_forwarded_ports_are_the_loopbacks_only() -> None:
    netdev = next(word for word in arguments(EMULATED) if word.startswith("user,"))
    forwards = [part for part in netdev.split(",") if part.startswith("hostfwd=")]
    assert forwards == ["hostfwd=tcp:127.0.0.1:40022-:22", "hostfwd=tcp:127.0.0.1:40080-:80"]


def test_a_comma_in_a_path_does_not_end_it() -> None:
    network = UserNetwork(bootfile="a,b", tftp=Path("/srv/x,y"))
    netdev = arguments(replace(EMULATED, network=network))[1]
    assert netdev == "user,id=net0,ipv6=off,tftp=/srv/x,,y,bootfile=a,,b"


def test_a_network_can_look_like_another_one() -> None:
    network = UserNetwork(like=("192.168.77.0/24", "192.168.77.1", "192.168.77.10"))
    netdev = arguments(replace(EMULATED, network=network))[1]
    like = "net=192.168.77.0/24,host=192.168.77.1,dhcpstart=192.168.77.10"
    assert netdev == f"user,id=net0,ipv6=off,{like}"


def test_without_a_network_there_is_no_card() -> None:
    spec = replace(EMULATED, network=None, cdrom=Path("/m/install.iso"))
    assert arguments(spec) == []
    assert rendered(spec).find("devices/interface") is None


def test_credentials_come_from_the_firmware_whatever_is_in_them() -> None:
    spec = replace(EMULATED, credentials={"tmpfiles.extra": "f /a - - - - <&\n"})
    assert [entry.text for entry in rendered(spec).iterfind("sysinfo/oemStrings/entry")] == [
        "io.systemd.credential.binary:tmpfiles.extra=ZiAvYSAtIC0gLSAtIDwmCg=="
    ]
    assert rendered(spec).find("os/smbios[@mode='sysinfo']") is not None
    assert rendered(EMULATED).find("sysinfo") is None


def test_memory_comes_through_a_socket() -> None:
    assert arguments(replace(EMULATED, incoming=Path("/m/in")))[-2:] == ["-incoming", "unix:/m/in"]


def test_a_kernel_of_its_own() -> None:
    direct = DirectKernel(Path("/k"), Path("/i"), 'a="b & c"')
    boot = rendered(replace(EMULATED, direct=direct)).find("os")
    assert boot is not None
    assert [boot.findtext(name) for name in ("kernel", "initrd", "cmdline")] == [
        "/k", "/i", 'a="b & c"',
    ]  # fmt: skip


def test_markup_in_a_path_stays_a_path() -> None:
    spec = replace(EMULATED, disk=Path("/m/<&'\">/größte disk"))
    source = rendered(spec).find("devices/disk/source")
    assert source is not None
    assert source.get("file") == "/m/<&'\">/größte disk"


def test_a_name_and_paths_change_nothing_of_the_hardware() -> None:
    def shape(spec: DomainSpec) -> list[str]:
        return [element.tag for element in rendered(spec).iter()]

    other = replace(EMULATED, name="b", uuid=UUID(int=1), disk=Path("/b"), console=Path("/c"))
    assert shape(other) == shape(EMULATED)
