"""Floor 4: the networks that machines are plugged into, and how both ends of one see each other.

Two kinds: one that QEMU makes for one machine alone, without root and without anything of the
host's; and a virtual network of libvirt's, with a bridge and dnsmasq, which somebody has set up:
https://libvirt.org/formatnetwork.html
"""

from __future__ import annotations

import ipaddress
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from farm.base.errors import FarmFault, InputError
from farm.machine.session import asking, connect


@dataclass(frozen=True)
class Wire:
    """How a machine and this host see each other.

    :param listen: the address of this host at which servers for machines listen.
    :param host: the same, as machines see it.
    :param name_server: of a resolver, as machines see it.
    :param subnet: with its prefix, ``10.0.2.0/24``.
    :param network: the name in libvirt; empty for QEMU's own.
    :param tftp: what is served by TFTP there, if that is not up to QEMU.
    :param bootfile: what DHCP names there as the file to boot.
    """

    listen: str
    host: str
    name_server: str
    subnet: str
    network: str = ""
    tftp: Path | None = None
    bootfile: str = ""


USER = Wire("127.0.0.1", "10.0.2.2", "10.0.2.3", "10.0.2.0/24")
"""QEMU's user network: the machine gets at this host's loopback as 10.0.2.2."""


def find_network(name: str) -> Wire:
    """Look for a network of libvirt's, which has to be on.

    :raises InputError: when machines cannot boot from it.
    :raises FarmFault: when there is none, or libvirt does not answer.
    """
    connection = connect(of_system=True)
    with asking(f"There is no network {name} for machines"):
        network = connection.networkLookupByName(name)
        if not network.isActive():
            raise FarmFault(f"The network {name} of libvirt is off.",
                            hint=f"Start it: virsh net-start {name}")  # fmt: skip
        return read_network(str(network.XMLDesc()))


def find_address(name: str, mac: str) -> str:
    """Give the latest address that a network of libvirt's has lent to a network card.

    :raises FarmFault: when it has lent none.
    """
    connection = connect(of_system=True)
    with asking(f"The leases of the network {name} cannot be read"):
        leases = connection.networkLookupByName(name).DHCPLeases(mac)
    if not leases:
        raise FarmFault(f"The network {name} of libvirt has lent no address to {mac}.")
    return str(max(leases, key=lambda each: int(each["expirytime"]))["ipaddr"])


def read_network(xml: str) -> Wire:
    """Read the description of a network of libvirt.

    :raises InputError: when machines cannot boot from it.
    """
    root = ET.fromstring(xml)  # noqa: S314 - libvirt's daemon has written it
    name = root.findtext("name", "")
    for ip in root.iter("ip"):
        tftp, file = ip.find("tftp"), ip.find("dhcp/bootp")
        if tftp is None or file is None or not file.get("file"):
            continue
        address = ip.get("address", "")
        prefix = ip.get("prefix") or ip.get("netmask", "24")
        subnet = ipaddress.ip_interface(f"{address}/{prefix}").network
        return Wire(
            address, address, address, str(subnet), network=name,
            tftp=Path(tftp.get("root", "")), bootfile=file.get("file", ""),
        )  # fmt: skip
    raise InputError(
        f"Machines cannot boot from the network {name} of libvirt: it has no address with DHCP "
        "that serves a folder by TFTP and names a file to boot.",
        hint=f"Add <tftp root='FOLDER'/> and <bootp file='...'/>: virsh net-edit {name}",
    )
