"""Floor 4: the configuration space of FAI, which says how a machine is installed.

Written by a pure function from what farm.toml says; see fai-guide, "The configuration space". All
that differs from one run to the next (addresses, ports) comes on the kernel's command line, so
that the same release has the same space.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator, Mapping

from farm.config.choices import Firmware
from farm.config.settings import Machine, Partition
from farm.machine import fai_hooks as hooks
from farm.machine.fai_hooks import CLASS, SITE
from farm.machine.wish import File, Wish

_ESP = 100  # MiB; for a boot loader alone
_MIB = 2**20


def render_space(wish: Wish) -> dict[str, File]:
    """Give every file of the configuration space, by path."""
    space = {name: File(text.encode()) for name, text in _texts(wish)}
    space |= {name: File(text.encode(), executable=True) for name, text in _scripts(wish)}
    for name, data in wish.keyrings.items():
        space[f"files/usr/share/keyrings/{name}/{CLASS}"] = File(data)
    for path, file in wish.site.items():
        kind, _, rest = path.partition("/")
        if kind == "scripts":
            space[f"scripts/{SITE}/{rest}"] = File(file.content, executable=True)
        else:
            space[f"site/{rest}"] = file
    return dict(sorted(space.items()))


def pack(space: Mapping[str, File]) -> bytes:
    """Write a space as the tar file that FAI fetches: the same space, the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, file in space.items():
            info = tarfile.TarInfo(name)
            info.size = len(file.content)
            info.mode = 0o755 if file.executable else 0o644
            tar.addfile(info, io.BytesIO(file.content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _texts(wish: Wish) -> Iterator[tuple[str, str]]:
    machine = wish.machine
    yield f"class/{CLASS}.var", _variables(machine)
    yield f"debconf/{CLASS}", _debconf(machine)
    yield f"disk_config/{CLASS}", disk_config(machine)
    yield f"package_config/{CLASS}", _packages(machine)
    yield f"files/root/.ssh/authorized_keys/{CLASS}", "\n".join([*wish.authorized_keys, ""])
    yield f"files/etc/hostname/{CLASS}", f"{wish.hostname}\n"
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {wish.hostname}\n::1 localhost\n"
    yield f"files/etc/hosts/{CLASS}", hosts
    for name, text in wish.sources.items():
        yield f"files/etc/apt/sources.list.d/{name}/{CLASS}", text
    for name, text in (wish.stays or {}).items():
        yield f"stays/{name}", text


def _variables(machine: Machine) -> str:
    return f"""\
FAI_ACTION=install
# Stop at every failure: the default goes on to a machine that looks as if it were installed.
STOP_ON_ERROR=300
# Do not leave out what apt does not know: refuse.
FAI_DISABLE_PACKAGE_NAME_CHECK=1
MAXPACKAGES=800
UTC=yes
TIMEZONE={machine.timezone}
LOGUSER=
"""


def _debconf(machine: Machine) -> str:
    lines = ["grub-pc grub-pc/install_devices_empty boolean true",
             "grub-pc grub-pc/install_devices multiselect"]  # fmt: skip
    if _locale_package(machine):
        charset = machine.locale.partition(".")[2] or "UTF-8"
        lines += [
            f"locales locales/locales_to_be_generated multiselect {machine.locale} {charset}",
            f"locales locales/default_environment_locale select {machine.locale}",
        ]
    return "\n".join([*lines, ""])


def _locale_package(machine: Machine) -> list[str]:
    return [] if machine.locale.partition(".")[0] in ("C", "POSIX") else ["locales"]


def disk_config(machine: Machine) -> str:
    """Write the disk_config of FAI: setup-storage(8)."""
    uefi = machine.firmware is Firmware.UEFI
    label = "gpt" if uefi else "msdos"
    boot = "" if uefi else " bootable:1"
    lines = [f"disk_config disk1 disklabel:{label}{boot} fstabkey:uuid align-at:1M"]
    if uefi:
        lines.append(f"primary /boot/efi {_ESP} vfat rw")
    partitions = machine.partitions or (Partition("/", (2**30, None)),)
    return "\n".join([*lines, *map(_partition, partitions), ""])


def _partition(partition: Partition) -> str:
    least, most = partition.size
    size = f"{least // _MIB}-" if most is None else f"{least // _MIB}-{most // _MIB}"
    if partition.mount == "swap":
        return f"primary swap {size} swap sw"
    options = "rw,noatime,errors=remount-ro" if partition.mount == "/" else "rw,noatime"
    # Quick to make, and nothing that an older boot loader could not read.
    create = 'createopts="-O ^metadata_csum,^64bit -E lazy_itable_init=1,lazy_journal_init=1 -m 1"'
    return f'primary {partition.mount} {size} ext4 {options} {create} tuneopts="-c 0 -i 0"'


def _packages(machine: Machine) -> str:
    return "\n".join(["PACKAGES install-norec", *package_names(machine), ""])


def package_names(machine: Machine) -> list[str]:
    """Give all that is installed in addition to the base file."""
    loader = "grub-efi-amd64" if machine.firmware is Firmware.UEFI else "grub-pc"
    return [loader, *_locale_package(machine), *machine.packages]


_TRAP = "error=0; trap 'error=$(($?>$error?$?:$error))' ERR"

_NETWORK = """\
[Match]
Name=en* eth*
[Network]
DHCP=ipv4
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


def _scripts(wish: Wish) -> Iterator[tuple[str, str]]:
    yield "class/10-farm", hooks.CLASSES
    yield "hooks/subroutines", hooks.SUBROUTINES
    yield "hooks/setup.DEFAULT.sh", hooks.SETUP
    yield f"hooks/extrbase.{CLASS}", hooks.EXTRBASE
    yield f"hooks/updatebase.{CLASS}", hooks.UPDATEBASE
    yield f"hooks/instsoft.{CLASS}", hooks.INSTSOFT
    yield "hooks/savelog.LAST", hooks.SAVELOG
    for name, body in _steps(wish):
        yield f"scripts/{CLASS}/{name}", f"#!/bin/bash\n{_TRAP}\n{body}\nexit $error\n"
    # The site's scripts come between ours: LAST is FAI's last class.
    tidy = _TIDY if wish.stays is None else f"{_LEAVE}\n{_TIDY}"
    yield "scripts/LAST/90-tidy", f"#!/bin/bash\n{_TRAP}\n{tidy}\nexit $error\n"


def _steps(wish: Wish) -> Iterator[tuple[str, str]]:
    machine = wish.machine
    yield (
        "10-system",
        f"""\
fcopy /etc/hostname /etc/hosts
fcopy -i -r /root
chmod 700 $target/root/.ssh
chmod 600 $target/root/.ssh/authorized_keys
mkdir -p $target/etc/systemd/network
cat > $target/etc/systemd/network/10-farm.network <<'END'
{_NETWORK}END
$ROOTCMD systemctl --quiet enable systemd-networkd.service
printf 'nameserver %s\\n' "$NAME_SERVER" > $target/etc/resolv.conf
ln -sf /usr/share/zoneinfo/{machine.timezone} $target/etc/localtime
echo LANG={machine.locale} > $target/etc/default/locale
$ROOTCMD systemctl --quiet mask systemd-networkd-wait-online.service
$ROOTCMD systemctl --quiet disable apt-daily.timer apt-daily-upgrade.timer
$ROOTCMD passwd --quiet --lock root
[ ! -d $FAI/site ] || cp -a --no-preserve=ownership $FAI/site/. $target/""",
    )
    yield "20-ssh", _HOST_KEY if wish.stays is None else _HOST_KEY_LATER
    yield (
        "40-initramfs",
        """\
rm -f $target/usr/sbin/update-initramfs
$ROOTCMD dpkg-divert --quiet --local --rename --remove /usr/sbin/update-initramfs""",
    )
    yield "50-boot-loader", _LOADER[machine.firmware]


_HOST_KEY = """\
rm -f $target/etc/ssh/ssh_host_*
$ROOTCMD ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key"""

# Every machine that is made of an image has a key of its own, from its first boot on.
_HOST_KEY_LATER = """\
rm -f $target/etc/ssh/ssh_host_*
cat > $target/etc/systemd/system/ssh-host-key.service <<'END'
[Unit]
Description=Key of this machine for ssh
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key

[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
RequiredBy=ssh.service
END
$ROOTCMD systemctl --quiet enable ssh-host-key.service"""

_LOADER = {
    Firmware.BIOS: """\
. $LOGDIR/disk_var.sh
rm -f $target/boot/grub/device.map
$ROOTCMD grub-install --no-floppy --modules="part_msdos ext2 biosdisk" $BOOT_DEVICE
$ROOTCMD update-grub""",
    Firmware.UEFI: """\
. $LOGDIR/disk_var.sh
$ROOTCMD grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram
$ROOTCMD update-grub""",
}

# What an image is installed from is nothing that its users can reach.
_LEAVE = """\
rm -f $target/etc/apt/sources.list.d/*.sources $target/etc/resolv.conf
find $target/var/lib/apt/lists -type f -delete
[ ! -d $FAI/stays ] || cp -- $FAI/stays/* $target/etc/apt/sources.list.d/
if mountpoint -q $target/run/initramfs/live; then umount $target/run/initramfs/live; fi"""

_TIDY = """\
rm -f $target/etc/apt/apt.conf.d/90farm-install $target/etc/dpkg/dpkg.cfg.d/farm-install
: > $target/etc/machine-id
$ROOTCMD apt-get clean"""
