"""Floor 4: a medium that installs a machine without a network: an ISO image for CD or USB.

It has what the network gives otherwise: FAI's system, the base file, the configuration space and
two repositories. fai-cd(8) makes one of the same parts, as root and with loop devices; here
grub-mkrescue(1) makes it in a throw-away system.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from farm.base.activity import Tell
from farm.base.files import digest_of, link_or_copy, sha256_of
from farm.build.builder import Ground
from farm.machine.fai_hooks import MEDIUM
from farm.machine.fai_root import INITRD, KERNEL, ROOT
from farm.machine.recipe import OUTPUT, Recipe, make
from farm.machine.wish import File
from farm.model.layout import Layout
from farm.place.overlay import Bind

DISTRIBUTION = "distribution"
"""The folder of packages of the distribution on a medium."""

_ISO = "medium.iso"
_LABEL = "FARM"  # of the file system, by which the initrd finds it
_PACKAGES = ("grub-common", "grub-efi-amd64-bin", "grub-pc-bin", "mtools", "xorriso")
_WORDS = (
    f"root=live:CDLABEL={_LABEL} rd.live.image rd.live.dir=/ rd.live.squashimg={ROOT} "
    "rd.live.overlay.overlayfs=1 rd.shell=0 rd.emergency=poweroff panic=10 mitigations=off "
    "FAI_ACTION=install FAI_FLAGS=verbose,menu,halt FAI_CONFIG_SRC=medium:///config "
    f"SERVER_URL=file:{MEDIUM} console=tty0 console=ttyS0,115200"
)
_MENU = """\
set timeout={timeout}
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
menuentry "Install {hostname}: everything on the first disk is lost" {{
    linux /{kernel} {words} hostname={hostname}
    initrd /{initrd}
}}
"""
_TIMEOUT_SECONDS = 5
_TOOL_MINUTES = 10


def lay_out(
    folder: Path, *, files: Mapping[str, Path], space: Mapping[str, File], hostname: str
) -> None:
    """Put the installer's part of a medium into a folder.

    :param files: what the installer boots and unpacks, by name.
    """
    for name, path in files.items():
        link_or_copy(path, folder / name)
    for name, file in space.items():
        path = folder / "config" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(0o755 if file.executable else 0o644)
    menu = folder / "boot" / "grub" / "grub.cfg"
    menu.parent.mkdir(parents=True)
    menu.write_text(_MENU.format(timeout=_TIMEOUT_SECONDS, hostname=hostname, kernel=KERNEL,
                                 initrd=INITRD, words=_WORDS))  # fmt: skip


def make_iso(folder: Path, *, ground: Ground, layout: Layout, tell: Tell) -> Path:
    """Make the ISO image of a folder, or find it ready; a BIOS boots it, and UEFI does.

    :raises FarmError: when it cannot be made.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    content = digest_of([(path.relative_to(folder).as_posix(), sha256_of(path)) for path in paths])
    recipe = Recipe(
        "medium", _PACKAGES,
        f"grub-mkrescue --output={OUTPUT}/{_ISO} /farm/source -- -volid {_LABEL}\n"
        f"chmod 644 {OUTPUT}/{_ISO}\n",
        (_ISO,), binds=(Bind(folder, "/farm/source"),), identity=content,
    )  # fmt: skip
    return make(recipe, ground=ground, layout=layout, tell=tell)[_ISO]
