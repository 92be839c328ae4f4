"""Floor 4: what a network card boots by TFTP: a script of iPXE, PXELINUX or GRUB.

DHCP names a file and no address: debian-installer takes an address for that of its answers.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from farm.base.errors import FarmFault, InputError
from farm.base.files import link_or_copy, locked, write_atomically
from farm.config.choices import Boot as BootKind
from farm.machine.domain import LibvirtNetwork, UserNetwork
from farm.machine.grub import GRUB
from farm.machine.installer import Boot, Installer, Net
from farm.machine.network import Wire

SCRIPT = "boot.ipxe"
_PXELINUX = (Path("/usr/lib/PXELINUX/pxelinux.0"),
             Path("/usr/lib/syslinux/modules/bios/ldlinux.c32"))  # fmt: skip
_FIRST = {BootKind.IPXE: SCRIPT, BootKind.PXELINUX: _PXELINUX[0].name, BootKind.GRUB: GRUB}
_TURN = timedelta(hours=1)


def ipxe_script(boot: Boot, installer: Installer, net: Net) -> str:
    """Write what iPXE does: https://ipxe.org/scripting."""
    return (
        f"#!ipxe\nkernel {net.url}/{boot.kernel} {installer.command_line(net, static=True)}\n"
        f"initrd {net.url}/{boot.initrd}\nboot\n"
    )


def tftp_files(
    kind: BootKind, boot: Boot, installer: Installer, net: Net
) -> Mapping[str, str | Path]:
    """Give what is served by TFTP, by path: texts, and files of this host."""
    if kind is BootKind.IPXE:
        return {SCRIPT: ipxe_script(boot, installer, net)}
    words = installer.command_line(net, static=False)
    kernels = {name: boot.files[name] for name in (boot.kernel, boot.initrd)}
    if kind is BootKind.GRUB:
        config = f"linux /{boot.kernel} {words}\ninitrd /{boot.initrd}\nboot\n"
        return {GRUB: boot.files[GRUB], "grub/grub.cfg": config, **kernels}
    menu = (f"DEFAULT install\nPROMPT 0\nLABEL install\n KERNEL {boot.kernel}\n APPEND {words}\n"
            " IPAPPEND 2\n")  # fmt: skip
    loader: dict[str, str | Path] = {path.name: path for path in _PXELINUX}
    return {**loader, "pxelinux.cfg/default": menu, **kernels}


@contextlib.contextmanager
def plugged(
    wire: Wire, kind: BootKind, boot: Boot, installer: Installer, net: Net, *, folder: Path
) -> Iterator[UserNetwork | LibvirtNetwork]:
    """Give the network that a machine boots its installer from, while the block runs.

    :param folder: for what QEMU serves by TFTP.
    :raises InputError: when the network of libvirt boots something else.
    :raises FarmFault: when nothing can be written where it serves from.
    """
    files = tftp_files(kind, boot, installer, net)
    if wire.tftp is not None:
        _check_bootfile(wire, kind)
        with _put(files, wire, wire.tftp):
            yield LibvirtNetwork(wire.network)
    else:
        for name, content in files.items():
            _write(folder / name, content)
        yield UserNetwork(bootfile=_FIRST[kind], tftp=folder)


@contextlib.contextmanager
def turn(wire: Wire) -> Iterator[None]:
    """Wait until no other machine is installed on a network that several share."""
    if wire.tftp is None:
        yield
        return
    what = f"installing a machine on the network {wire.network}"
    with locked(wire.tftp / ".farm.lock", timeout=_TURN, what=what):
        yield


def _check_bootfile(wire: Wire, kind: BootKind) -> None:
    if wire.bootfile != _FIRST[kind]:
        raise InputError(
            f"The network {wire.network} of libvirt boots {wire.bootfile}, and with boot = "
            f'"{kind}" it must be {_FIRST[kind]}.',
            hint=f"virsh net-edit {wire.network}: <bootp file='{_FIRST[kind]}'/>",
        )


@contextlib.contextmanager
def _put(files: Mapping[str, str | Path], wire: Wire, root: Path) -> Iterator[None]:
    try:
        for name, content in files.items():
            _write(root / name, content)
    except OSError as error:
        raise FarmFault(
            f"Nothing can be written into {root}, from where the network {wire.network} of "
            f"libvirt serves by TFTP: {error.strerror}.",
            hint="Let the user of the farm write there.",
        ) from error
    try:
        yield
    finally:
        for name in files:
            (root / name).unlink(missing_ok=True)


def _write(path: Path, content: str | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        write_atomically(path, content.encode())
    else:
        path.unlink(missing_ok=True)
        try:
            link_or_copy(content, path)
        except PermissionError:
            shutil.copyfile(content, path)
