"""Floor 1: the closed sets of values that farm.toml chooses from."""

from __future__ import annotations

from enum import StrEnum


class Dependencies(StrEnum):
    """How packages of the farm may depend on each other."""

    EXACT = "exact"
    """One that asks for 1.4.6 is not satisfied by 1.4.7."""
    COMPATIBLE = "compatible"
    """What the packaging system accepts."""
    OFF = "off"
    """Not looked at."""


class Lintian(StrEnum):
    """From which severity on a tag of lintian(1) is a failure."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class RebuildOn(StrEnum):
    """Which changes rebuild a package that has not changed itself."""

    FARM = "farm"
    """Those of packages of the farm that it is built with."""
    EVERYTHING = "everything"
    """Those of the distribution too."""


class InstallerKind(StrEnum):
    """What installs a machine."""

    FAI = "fai"
    """Fully Automatic Installation."""
    DEBIAN_INSTALLER = "debian-installer"
    """The distribution's own, with a preseed file."""


class Firmware(StrEnum):
    """What a machine starts with."""

    BIOS = "bios"
    UEFI = "uefi"


class Boot(StrEnum):
    """What a network card boots."""

    IPXE = "ipxe"
    """A script of iPXE, over HTTP."""
    PXELINUX = "pxelinux"
    """PXELINUX, over TFTP."""
    GRUB = "grub"
    """GRUB, over TFTP; the only one for UEFI."""


class ImageFormat(StrEnum):
    """What a machine is put into, for those who do not install it over a network."""

    QCOW2 = "qcow2"
    """The disk of a virtual machine, of QEMU's own format."""
    RAW = "raw"
    """The bytes of a disk."""
    ISO = "iso"
    """A medium that installs a machine without a network."""


class SourceKind(StrEnum):
    """Where the source of a package comes from: the key that names it in farm.toml."""

    DEBIAN = "debian"
    """A source package by its name, from the distribution's own archive."""
    DSC = "dsc"
    """A ``.dsc`` file or address, with a checksum."""
    FOLDER = "folder"
    """A folder of the workspace."""
