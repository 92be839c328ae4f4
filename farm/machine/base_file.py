"""Floor 4: the base file: a bootable system of the distribution that an installer unpacks.

Kernel, boot loader and ssh server are in it already, configured here, because on an emulated
machine that takes minutes. What a machine is for comes from the candidate, by apt.
"""

from __future__ import annotations

from farm.config.choices import Firmware
from farm.machine.recipe import OUTPUT, Recipe
from farm.place.overlay import USER, Bind
from farm.source.archive import Archive

BASE = "base.tar.zst"
STATUS = "base.status"
"""What dpkg says of the packages in it."""
_PACKAGES = (
    "ca-certificates", "dbus", "initramfs-tools", "iproute2", "kmod", "linux-image-cloud-amd64",
    "openssh-server", "procps", "systemd-resolved-", "systemd-sysv", "systemd-timesyncd-", "udev",
    "zstd",
)  # fmt: skip
# Not grub-pc or grub-efi-amd64 themselves, which ask where to install to: the installer adds them.
_LOADERS = {
    Firmware.BIOS: ("grub-pc-bin", "grub2-common"),
    Firmware.UEFI: ("efibootmgr", "grub-efi-amd64-bin", "grub2-common"),
}
_MODULES = ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "ext4")

# apt's lists are those that the host has verified: a machine asks only if they are still good.
_SCRIPT = rf"""
userdel --remove {USER} 2>&1
rm -f /usr/sbin/policy-rc.d /etc/hostname /etc/resolv.conf /etc/ssh/ssh_host_*
: > /etc/machine-id
mkdir -p /etc/initramfs-tools/conf.d
printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n' > /etc/initramfs-tools/conf.d/farm
printf '%s\n' {" ".join(_MODULES)} > /etc/initramfs-tools/modules
update-initramfs -u -k all
find /var/lib/apt/lists /var/cache/apt /var/log -type f -delete
cd /farm/lists
for file in *_InRelease *_Release *_Release.gpg; do
    [ ! -f "$file" ] || cp "$file" /var/lib/apt/lists/
done
for file in *_binary-*_Packages*; do
    case $file in
        *.xz) xz -dc "$file" > "/var/lib/apt/lists/${{file%.xz}}" ;;
        *.gz) gzip -dc "$file" > "/var/lib/apt/lists/${{file%.gz}}" ;;
        *_Packages) cp "$file" /var/lib/apt/lists/ ;;
    esac
done
cp /var/lib/dpkg/status {OUTPUT}/{STATUS}
cd /
tar --create --one-file-system --numeric-owner --xattrs --xattrs-include='*' \
    --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' --exclude='./tmp/*' \
    --exclude=./farm --exclude='./mnt/*' . | zstd -q -3 -T0 -o {OUTPUT}/{BASE}
chmod 644 {OUTPUT}/*
"""


def base_file(archive: Archive, *, firmware: Firmware) -> Recipe:
    """Give the recipe of the base file for machines with some firmware."""
    return Recipe(
        f"base-{firmware}", (*_PACKAGES, *_LOADERS[firmware]), _SCRIPT, (BASE, STATUS),
        binds=(Bind(archive.lists_dir, "/farm/lists"),), identity=archive.identity(),
    )  # fmt: skip
