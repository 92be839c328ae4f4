"""Networks of libvirt, as they are described."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.base.errors import InputError
from farm.machine.network import Wire, read_network

NETWORK = """
<network>
  <name>pxe</name>
  <bridge name='virbr7'/>
  <ip family='ipv6' address='fd00::1' prefix='64'/>
  <ip address='192.168.77.1' {size}>
    <tftp root='/srv/tftp'/>
    <dhcp>
      <range start='192.168.77.10' end='192.168.77.50'/>
      {bootp}
    </dhcp>
  </ip>
</network>
"""
BOOTP = "<bootp file='boot.ipxe'/>"


@pytest.mark.parametrize("size", ["netmask='255.255.255.0'", "prefix='24'"])
def test_where_machines_boot_from(size: str) -> None:
    assert read_network(NETWORK.format(size=size, bootp=BOOTP)) == Wire(
        "192.168.77.1", "192.168.77.1", "192.168.77.1", "192.168.77.0/24", network="pxe",
        tftp=Path("/srv/tftp"), bootfile="boot.ipxe",
    )  # fmt: skip


@pytest.mark.parametrize("bootp", ["", "<bootp server='192.168.77.2'/>"])
def test_a_network_from_which_nothing_boots_is_refused(bootp: str) -> None:
    with pytest.raises(InputError, match="cannot boot from the network pxe of libvirt") as caught:
        read_network(NETWORK.format(size="prefix='24'", bootp=bootp))
    assert "virsh net-edit pxe" in caught.value.hint
