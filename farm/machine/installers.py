"""Floor 4: which kinds of installers there are."""

from __future__ import annotations

from farm.config.choices import InstallerKind
from farm.machine.debian_installer import DebianInstaller
from farm.machine.fai import Fai

INSTALLERS: dict[InstallerKind, type[Fai] | type[DebianInstaller]] = {
    InstallerKind.FAI: Fai,
    InstallerKind.DEBIAN_INSTALLER: DebianInstaller,
}
"""A class for each kind: see :class:`farm.machine.installer.Installer`.

Each has a function ``prepare`` too, which makes what is booted as far as that needs no candidate.
"""
