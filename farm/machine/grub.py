"""Floor 4: GRUB as UEFI machines boot it from the network: grub-mkimage(1)."""

from __future__ import annotations

from farm.machine.recipe import OUTPUT, Recipe

GRUB = "grub.efi"
_MODULES = ("boot", "configfile", "echo", "efinet", "linux", "net", "normal", "tftp")

# Where its configuration is, it takes from the server that it came from itself.
NETWORK_GRUB = Recipe(
    "network-grub", ("grub-common", "grub-efi-amd64-bin"),
    f"grub-mkimage -O x86_64-efi -p /grub -o {OUTPUT}/{GRUB} {' '.join(_MODULES)}\n"
    f"chmod 644 {OUTPUT}/{GRUB}\n",
    (GRUB,),
)  # fmt: skip
