"""Floor 4: the system that FAI runs in while it installs a machine, as files to boot from.

It is what fai-make-nfsroot(8) makes as root on an install server: a small system with FAI in it
and an initrd that fetches it as one squashfs file over HTTP (dracut's livenet, dracut.cmdline(7)).
Here it is made in a user namespace, and everything that only other hardware needs stays out.
"""

from __future__ import annotations

from farm.machine.recipe import OUTPUT, Recipe

KERNEL, INITRD, ROOT = "vmlinuz", "initrd.img", "root.squashfs"
# The kernel of Debian for virtual machines has a third of the modules. dracut and sysvinit,
# because FAI is started as the init script: see NFSROOT in fai-make-nfsroot(8).
_PACKAGES = (
    "fai-nfsroot", "fai-setup-storage", "dracut", "dracut-config-generic", "dracut-live",
    "dracut-network", "dracut-squash", "sysvinit-core", "systemd-sysv-", "initramfs-tools-",
    "linux-image-cloud-amd64", "ca-certificates", "curl", "dosfstools", "e2fsprogs",
    "efibootmgr", "fdisk", "gpg", "ifupdown", "iproute2", "isc-dhcp-client", "kmod",
    "netcat-openbsd", "parted", "procps", "psmisc", "squashfs-tools", "udev", "zstd",
)  # fmt: skip
_DRIVERS = (
    "virtio_pci", "virtio_net", "virtio_blk", "virtio_scsi", "virtio_rng", "sd_mod", "sr_mod",
    "cdrom", "isofs", "ahci", "libahci", "ata_piix", "loop", "squashfs", "overlay", "ext4",
    "af_packet", "net_failover", "failover",
)  # fmt: skip
_NOT_IN_INITRD = (
    "btrfs", "crypt", "dash", "dracut-systemd", "fido2", "ifcfg", "kernel-modules-extra",
    "lunmask", "lvm", "mdraid", "modsign", "nfs", "nvdimm", "qemu", "resume", "shutdown",
    "systemd", "systemd-initrd", "systemd-networkd", "terminfo", "usrmount", "virtfs", "virtiofs",
)  # fmt: skip
_LEFT_OUT = (
    "boot/*", "dev/*", "farm/*", "mnt/*", "proc/*", "sys/*", "tmp/*", "var/tmp/*",
    "var/cache/apt/*", "var/lib/apt/lists/*", "usr/share/doc/*", "usr/share/info/*",
    "usr/share/locale/*", "usr/share/man/*", "usr/bin/mksquashfs",
    "usr/lib/modules/*/kernel/drivers/gpu", "usr/lib/modules/*/kernel/drivers/hv",
    "usr/lib/modules/*/kernel/drivers/infiniband", "usr/lib/modules/*/kernel/drivers/target",
    "usr/lib/modules/*/kernel/drivers/net/ethernet", "usr/lib/modules/*/kernel/net/ceph",
)  # fmt: skip

# A failure before FAI's task "setup" would end in a shell on the console that nobody looks at: it
# powers off instead. From that task on, the configuration space says what happens.
_DIE = r"""
cat > /usr/lib/fai/get-config-dir-medium <<'END'
#!/bin/sh
cp -a /run/initramfs/live/config/. "$FAI/"
END
chmod 755 /usr/lib/fai/get-config-dir-medium
sed -i 's/^\( *\)exec bash -i$/\1echo "FAI-FATAL: $*"; sync; exec halt -dfp/' \
    /usr/lib/fai/subroutines
grep -q FAI-FATAL /usr/lib/fai/subroutines
"""

_SCRIPT = f"""
cat > /etc/dracut.conf.d/30-farm.conf <<'END'
hostonly="no"
drivers="{" ".join(_DRIVERS)}"
filesystems="ext4"
add_dracutmodules+=" network-legacy livenet "
omit_dracutmodules+=" {" ".join(_NOT_IN_INITRD)} "
compress="zstd -3"
END
# Interfaces keep the names that the kernel gives them, whatever their driver is.
sed -i 's/exit 1/exit 0/' $(find /usr/lib/dracut/modules.d -name net-genrules.sh)
version=$(ls /lib/modules)
dracut --quiet --force /tmp/initrd "$version"
mv /tmp/initrd {OUTPUT}/{INITRD}
cp /boot/vmlinuz-* {OUTPUT}/{KERNEL}

: > /etc/fstab
ln -sfn ../proc/self/mounts /etc/mtab
ln -sfn /usr/sbin/fai /etc/init.d/rcS
mkdir -p /etc/network /var/lib/fai/config
printf 'iface lo inet loopback\\n' > /etc/network/interfaces
rm -f /usr/sbin/policy-rc.d
chmod 644 {OUTPUT}/*
{_DIE}
mksquashfs / {OUTPUT}/{ROOT} -noappend -no-progress -quiet -comp zstd -Xcompression-level 3 \
    -wildcards -e {" ".join(f"'{each}'" for each in _LEFT_OUT)}
chmod 644 {OUTPUT}/*
"""

# fai-nfsroot installs nowhere else; and the kernel's own initrd would only be made again.
_BEFORE = """
touch /.THIS_IS_THE_FAI_NFSROOT
dpkg-divert --quiet --local --add --rename /etc/kernel/postinst.d/dracut
mkdir -p /etc/kernel/postinst.d
ln -s /bin/true /etc/kernel/postinst.d/dracut
"""

FAI_ROOT = Recipe("fai-root", _PACKAGES, _SCRIPT, (KERNEL, INITRD, ROOT), before=_BEFORE)
