"""Floor 4: a virtual machine as libvirt wants it described, and nothing that runs one.

The format is that of https://libvirt.org/formatdomain.html, with what libvirt has no words for
handed to QEMU as it is: https://libvirt.org/drvqemu.html#pass-through-of-arbitrary-qemu-commands
"""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from uuid import UUID

_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
_OVMF_CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
_OVMF_VARIABLES = "/usr/share/OVMF/OVMF_VARS_4M.fd"
_SLOT = "0x10"  # the network card's on the PCI bus: high, where libvirt puts nothing
_TRANSLATED_MIB = 512  # of translated code; less costs time on long installations

ET.register_namespace("qemu", _QEMU)


class Accelerator(StrEnum):
    """What runs the instructions of a machine: the host's processor, or an emulator."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True)
class UserNetwork:
    """A network made by QEMU alone: nothing of the host's is touched, and nobody needs root.

    The machine is 10.0.2.15, the host's own loopback is 10.0.2.2, by IPv4 only, unless the
    network is made to look like another one. It gets at whatever this user gets at: QEMU can cut
    it off altogether only, from its installer too.

    :param forwards: ports of the host's loopback, each with the machine's that answers there.
    :param bootfile: what DHCP names as the thing to boot: a path below ``tftp``, or an address.
    :param tftp: a folder that is served by TFTP.
    :param like: the subnet, this host's address and the machine's, if they are to be others.
    """

    forwards: tuple[tuple[int, int], ...] = ()
    bootfile: str | None = None
    tftp: Path | None = None
    like: tuple[str, str, str] | None = None


@dataclass(frozen=True)
class LibvirtNetwork:
    """A virtual network of libvirt, which has to be there, and says itself what is booted."""

    name: str


@dataclass(frozen=True)
class DirectKernel:
    """A kernel that QEMU starts itself, without a boot loader."""

    kernel: Path
    initrd: Path
    cmdline: str


@dataclass(frozen=True)
class DomainSpec:
    """One virtual machine: it boots from its disk, or else its CD, or else the network.

    :param memory: bytes.
    :param network: None for a machine without a network card.
    :param disk: a qcow2 file, written to without regard to power cuts.
    :param mac: of its network card, as ``52:54:00:...``.
    :param console_log: gets what the machine says on its serial line, from the start.
    :param console: the path of a socket, made at the start, for whoever talks to that line; at
        most 107 bytes, see unix(7).
    :param uefi_variables: where a UEFI machine keeps its variables, made from OVMF's if it does
        not exist; None for a BIOS machine.
    :param credentials: for systemd in the machine: systemd.system-credentials(7).
    :param incoming: the path of a socket, made at the start, where the machine waits for a memory
        snapshot instead of booting; as short as ``console``.
    """

    name: str
    uuid: UUID
    memory: int
    cpus: int
    disk: Path
    accelerator: Accelerator
    network: UserNetwork | LibvirtNetwork | None
    mac: str
    console_log: Path
    console: Path
    uefi_variables: Path | None = None
    cdrom: Path | None = None
    direct: DirectKernel | None = None
    credentials: Mapping[str, str] = field(default_factory=dict)
    incoming: Path | None = None


def render_domain(spec: DomainSpec) -> str:
    """Give the XML of a virtual machine.

    The same description is the same hardware: whatever names and paths are, a machine can go on
    with the memory of another.
    """
    domain = ET.Element("domain", type="kvm" if spec.accelerator is Accelerator.KVM else "qemu")
    _text(domain, "name", spec.name)
    _text(domain, "uuid", str(spec.uuid))
    _text(domain, "memory", str(spec.memory), unit="b")
    _text(domain, "vcpu", str(spec.cpus))
    _add_boot(domain, spec)
    if spec.credentials:
        _add_credentials(domain, spec.credentials)
    _add_processor(domain, spec.accelerator)
    ET.SubElement(domain, "clock", offset="utc")
    for event, action in (("poweroff", "destroy"), ("reboot", "restart"), ("crash", "destroy")):
        _text(domain, f"on_{event}", action)
    _add_devices(domain, spec)
    _add_arguments(domain, spec)
    ET.indent(domain)
    return ET.tostring(domain, encoding="unicode") + "\n"


def _text(parent: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, name, attributes).text = text


def _add_boot(domain: ET.Element, spec: DomainSpec) -> None:
    boot = ET.SubElement(domain, "os")
    _text(boot, "type", "hvm", arch="x86_64", machine="q35")
    if spec.uefi_variables:
        _text(boot, "loader", _OVMF_CODE, readonly="yes", type="pflash")
        _text(boot, "nvram", str(spec.uefi_variables), template=_OVMF_VARIABLES)
    if spec.credentials:
        ET.SubElement(boot, "smbios", mode="sysinfo")
    if spec.direct:
        _text(boot, "kernel", str(spec.direct.kernel))
        _text(boot, "initrd", str(spec.direct.initrd))
        _text(boot, "cmdline", spec.direct.cmdline)


def _add_credentials(domain: ET.Element, credentials: Mapping[str, str]) -> None:
    """Hand them over as strings of the firmware's vendor: SMBIOS, type 11."""
    strings = ET.SubElement(ET.SubElement(domain, "sysinfo", type="smbios"), "oemStrings")
    for name, value in credentials.items():
        encoded = base64.b64encode(value.encode()).decode()
        _text(strings, "entry", f"io.systemd.credential.binary:{name}={encoded}")


def _add_processor(domain: ET.Element, accelerator: Accelerator) -> None:
    features = ET.SubElement(domain, "features")
    for name in ("acpi", "apic"):
        ET.SubElement(features, name)
    if accelerator is Accelerator.KVM:
        ET.SubElement(domain, "cpu", mode="host-passthrough", check="none")
        return
    _text(ET.SubElement(features, "tcg"), "tb-cache", str(_TRANSLATED_MIB), unit="MiB")
    # A plain processor: a guest that finds vector instructions uses them, and they are slow here.
    cpu = ET.SubElement(domain, "cpu", mode="custom", match="exact", check="none")
    _text(cpu, "model", "qemu64", fallback="forbid")


def _add_devices(domain: ET.Element, spec: DomainSpec) -> None:
    devices = ET.SubElement(domain, "devices")
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type="qcow2", cache="unsafe", discard="unmap")
    ET.SubElement(disk, "source", file=str(spec.disk))
    ET.SubElement(disk, "target", dev="vda", bus="virtio")
    ET.SubElement(disk, "boot", order="1")
    if spec.cdrom:
        ET.SubElement(devices, "controller", type="scsi", model="virtio-scsi")
        cdrom = ET.SubElement(devices, "disk", type="file", device="cdrom")
        ET.SubElement(cdrom, "driver", name="qemu", type="raw")
        ET.SubElement(cdrom, "source", file=str(spec.cdrom))
        ET.SubElement(cdrom, "target", dev="sda", bus="scsi")
        ET.SubElement(cdrom, "readonly")
        ET.SubElement(cdrom, "boot", order="2")
    ET.SubElement(devices, "controller", type="usb", model="none")
    if isinstance(spec.network, LibvirtNetwork):
        _add_interface(devices, spec.network, spec.mac)
    serial = ET.SubElement(devices, "serial", type="unix")
    ET.SubElement(serial, "source", mode="bind", path=str(spec.console))
    ET.SubElement(serial, "log", file=str(spec.console_log), append="off")
    video = ET.SubElement(devices, "video")
    ET.SubElement(video, "model", type="vga", vram="16384")
    rng = ET.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
    ET.SubElement(devices, "memballoon", model="none")


def _add_interface(devices: ET.Element, network: LibvirtNetwork, mac: str) -> None:
    interface = ET.SubElement(devices, "interface", type="network")
    ET.SubElement(interface, "mac", address=mac)
    ET.SubElement(interface, "source", network=network.name)
    ET.SubElement(interface, "model", type="virtio")
    ET.SubElement(interface, "boot", order="3")
    ET.SubElement(interface, "address", type="pci", domain="0x0000", bus="0x00", slot=_SLOT)


def _add_arguments(domain: ET.Element, spec: DomainSpec) -> None:
    """Hand to QEMU what libvirt cannot say: port forwards, and where memory comes from."""
    words: list[str] = []
    if isinstance(spec.network, UserNetwork):
        card = f"virtio-net-pci,netdev=net0,id=card0,addr={_SLOT},bootindex=3,mac={spec.mac}"
        words += ["-netdev", _netdev(spec.network), "-device", card]
    if spec.incoming:
        words += ["-incoming", f"unix:{spec.incoming}"]
    if words:
        commandline = ET.SubElement(domain, f"{{{_QEMU}}}commandline")
        for word in words:
            ET.SubElement(commandline, f"{{{_QEMU}}}arg", value=word)


def _netdev(network: UserNetwork) -> str:
    options = ["user", "id=net0", "ipv6=off"]
    if network.like:
        subnet, host, machine = network.like
        options += [f"net={subnet}", f"host={host}", f"dhcpstart={machine}"]
    if network.tftp:
        options.append(f"tftp={_escaped(str(network.tftp))}")
    if network.bootfile:
        options.append(f"bootfile={_escaped(network.bootfile)}")
    options += [f"hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in network.forwards]
    return ",".join(options)


def _escaped(value: str) -> str:
    """Double commas, which separate the options of QEMU."""
    return value.replace(",", ",,")
