"""What network cards boot, without one."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from farm.base.errors import FarmFault, InputError
from farm.config.choices import Boot as BootKind
from farm.machine.domain import LibvirtNetwork, UserNetwork
from farm.machine.grub import GRUB
from farm.machine.installer import Boot, Course, Net, Trouble
from farm.machine.netboot import plugged, tftp_files
from farm.machine.network import USER, Wire

NET = Net("10.0.2.2:8000", 8001, "10.0.2.3")


class Installer:
    """Says what its kernel is told."""

    description = "test"

    def identity(self) -> str:
        return ""

    def boot(self) -> Boot:
        raise NotImplementedError

    def command_line(self, net: Net, *, static: bool) -> str:
        return f"at={net.url} {'static' if static else 'dhcp'}"

    def hear(self, line: str, course: Course) -> None:
        raise NotImplementedError

    read = asked = hear

    def limit(self, phase: str) -> timedelta:
        raise NotImplementedError

    def explain(self, course: Course, logs: Path) -> Trouble:
        raise NotImplementedError


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    files = {name: tmp_path / name for name in ("vmlinuz", "initrd.img", GRUB)}
    for name, path in files.items():
        path.write_text(f"this is {name}")
    return Boot(files, "vmlinuz", "initrd.img", {})


def test_every_way_tells_the_kernel_the_same_but_where_its_address_is_from(boot: Boot) -> None:
    texts = {kind: "".join(text for text in tftp_files(kind, boot, Installer(), NET).values()
                           if isinstance(text, str)) for kind in BootKind}  # fmt: skip
    words = {kind: re.findall(r"at=(\S+) (\w+)", text) for kind, text in texts.items()}
    assert words == {
        BootKind.IPXE: [("http://10.0.2.2:8000", "static")],
        BootKind.PXELINUX: [("http://10.0.2.2:8000", "dhcp")],
        BootKind.GRUB: [("http://10.0.2.2:8000", "dhcp")],
    }


def test_qemu_serves_what_it_needs_by_tftp(boot: Boot, tmp_path: Path) -> None:
    folder = tmp_path / "tftp"
    with plugged(USER, BootKind.GRUB, boot, Installer(), NET, folder=folder) as network:
        assert network == UserNetwork(bootfile=GRUB, tftp=folder)
        assert (folder / "vmlinuz").read_text() == "this is vmlinuz"
        assert (folder / "grub/grub.cfg").read_text().startswith("linux /vmlinuz at=")


def test_of_ipxe_only_the_script_comes_by_tftp(boot: Boot, tmp_path: Path) -> None:
    folder = tmp_path / "tftp"
    with plugged(USER, BootKind.IPXE, boot, Installer(), NET, folder=folder) as network:
        assert network == UserNetwork(bootfile="boot.ipxe", tftp=folder)
        assert [path.name for path in folder.iterdir()] == ["boot.ipxe"]
        assert "kernel http://10.0.2.2:8000/vmlinuz " in (folder / "boot.ipxe").read_text()


def wire(root: Path, bootfile: str) -> Wire:
    return Wire("192.168.77.1", "192.168.77.1", "192.168.77.1", "192.168.77.0/24", network="pxe",
                tftp=root, bootfile=bootfile)  # fmt: skip


def test_a_network_of_libvirt_serves_it_as_long_as_it_is_needed(
    boot: Boot, tmp_path: Path
) -> None:
    root = tmp_path / "srv"
    shared = wire(root, "boot.ipxe")
    with plugged(shared, BootKind.IPXE, boot, Installer(), NET, folder=tmp_path) as network:
        assert network == LibvirtNetwork("pxe")
        assert (root / "boot.ipxe").read_text().startswith("#!ipxe\n")
    assert not (root / "boot.ipxe").exists()


def test_a_network_that_boots_something_else_is_refused(boot: Boot, tmp_path: Path) -> None:
    shared = wire(tmp_path / "srv", "pxelinux.0")
    with (
        pytest.raises(InputError, match=r'boots pxelinux.0, and with boot = "ipxe" it must be'),
        plugged(shared, BootKind.IPXE, boot, Installer(), NET, folder=tmp_path),
    ):
        raise AssertionError
    assert not (tmp_path / "srv").exists()


def test_a_folder_that_cannot_be_written_to_is_named(boot: Boot, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shared = wire(tmp_path / "file", "boot.ipxe")
    with (
        pytest.raises(FarmFault, match=r"Nothing can be written into .*/file, from where the "),
        plugged(shared, BootKind.IPXE, boot, Installer(), NET, folder=tmp_path),
    ):
        raise AssertionError
