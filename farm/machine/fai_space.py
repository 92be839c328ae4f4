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
from dataclasses import dataclass

from farm.config.choices import Firmware
from farm.config.settings import Machine, Partition

CLASS = "FARM"
"""What the farm itself wants of every machine."""

SITE = "SITE"
"""The workspace's own class."""

SERVER = "@SERVER@"
"""In sources of apt: where this host's server is, put in while the machine is installed."""

MONITOR_FATAL = "TASKERROR fatal"
LOGS = "fai-logs.tar.gz"
STATUS = "fai-status"
_ESP = 100  # MiB; for a boot loader alone
_MIB = 2**20


@dataclass(frozen=True)
class File:
    """One file of the space."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True)
class Wish:
    """What a machine shall be.

    :param hostname: hostname(7).
    :param sources: of the candidate and of the distribution: sources.list(5), deb822 form, by
        file name; :data:`SERVER` stands for this host's server.
    :param keyrings: by file name in /usr/share/keyrings.
    :param authorized_keys: who may come in as root, sshd(8).
    :param site: the workspace's own files and scripts, by path below its folder.
    """

    machine: Machine
    hostname: str
    sources: Mapping[str, str]
    keyrings: Mapping[str, bytes]
    authorized_keys: tuple[str, ...]
    site: Mapping[str, File]


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
    loader = "grub-efi-amd64" if machine.firmware is Firmware.UEFI else "grub-pc"
    names = [loader, *_locale_package(machine), *machine.packages]
    return "\n".join(["PACKAGES install-norec", *names, ""])


_CLASSES = f"""\
#!/bin/bash
echo "LINUX {CLASS} {SITE}"
"""

# Sourced by FAI's task "setup". Its own die() ends in a shell on a console that nobody looks at.
_SUBROUTINES = f"""\
die() {{
    [ -n "$DYING" ] && return 99    # saving the logs may fail too
    DYING=1
    echo "FAI-FATAL: task=$taskname code=${{task_error:-1}} $*"
    sendmon "{MONITOR_FATAL} ${{task_error:-1}}"
    "$FAI/hooks/savelog.LAST"
    sync
    exec halt -dfp                  # never boot a disk that is half installed
}}
"""

_SETUP = """\
# What FAI says is on the screen too, so that a picture of it shows how far it is.
( tail -n +1 -F "$LOGDIR/fai.log" 2>/dev/null > /dev/tty1 ) &
"""

_EXTRBASE = f"""\
#!/bin/bash
mkdir -p "$FAI/basefiles"
curl --silent --show-error --fail --retry 3 --output "$FAI/basefiles/{CLASS}.tar.zst" \\
    "$SERVER_URL/base.tar.zst" || {{ task_error 800; exit 1; }}
"""

# Where FAI has put the sources of apt, this host's server is known from now on.
_UPDATEBASE = f"""\
#!/bin/bash
sed -i "s#{SERVER}#$SERVER_URL#" "$target"/etc/apt/sources.list.d/*
fcopy -B -i -r /usr/share/keyrings
rm -f "$target/etc/apt/sources.list"
cat > "$target/etc/apt/apt.conf.d/90farm-install" <<END
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::Retries "2";
END
if [ -n "$APT_PROXY" ]; then
    cat >> "$target/etc/apt/apt.conf.d/90farm-install" <<END
Acquire::http::Proxy "$APT_PROXY";
Acquire::http::Proxy::$SERVER_HOST "DIRECT";
END
fi
mkdir -p "$target/etc/dpkg/dpkg.cfg.d"
echo force-unsafe-io > "$target/etc/dpkg/dpkg.cfg.d/farm-install"
mkdir -p "$target/etc/default/grub.d"
cat > "$target/etc/default/grub.d/farm.cfg" <<END
GRUB_TIMEOUT=0
GRUB_RECORDFAIL_TIMEOUT=0
GRUB_DISABLE_OS_PROBER=true
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200"
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_TERMINAL=console
END
exit 0
"""

# The initrd of the base file is good; packages would have it made again, which takes a minute.
_INSTSOFT = """\
#!/bin/bash
$ROOTCMD dpkg-divert --quiet --local --rename --add --divert \\
    /usr/sbin/update-initramfs.real /usr/sbin/update-initramfs
printf '#!/bin/sh\\nexit 0\\n' > "$target/usr/sbin/update-initramfs"
chmod 755 "$target/usr/sbin/update-initramfs"
exit 0
"""

_SAVELOG = f"""\
#!/bin/bash
# Send all logs home, before the machine goes down: after a good installation and after a bad one.
dmesg > "$LOGDIR/dmesg.log" 2>/dev/null
[ ! -r "$target/var/lib/dpkg/status" ] || cp "$target/var/lib/dpkg/status" "$LOGDIR/{STATUS}"
tar -C "$LOGDIR" -czf /tmp/{LOGS} . &&
    curl --silent --show-error --max-time 60 --upload-file /tmp/{LOGS} "$SERVER_URL/upload/{LOGS}"
exit 0
"""

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
    yield "class/10-farm", _CLASSES
    yield "hooks/subroutines", _SUBROUTINES
    yield "hooks/setup.DEFAULT.sh", _SETUP
    yield f"hooks/extrbase.{CLASS}", _EXTRBASE
    yield f"hooks/updatebase.{CLASS}", _UPDATEBASE
    yield f"hooks/instsoft.{CLASS}", _INSTSOFT
    yield "hooks/savelog.LAST", _SAVELOG
    for name, body in _steps(wish.machine):
        yield f"scripts/{CLASS}/{name}", f"#!/bin/bash\n{_TRAP}\n{body}\nexit $error\n"
    # The site's scripts come between ours: LAST is FAI's last class.
    yield "scripts/LAST/90-tidy", f"#!/bin/bash\n{_TRAP}\n{_TIDY}\nexit $error\n"


def _steps(machine: Machine) -> Iterator[tuple[str, str]]:
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
    yield (
        "20-ssh",
        """\
rm -f $target/etc/ssh/ssh_host_*
$ROOTCMD ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key""",
    )
    yield (
        "40-initramfs",
        """\
rm -f $target/usr/sbin/update-initramfs
$ROOTCMD dpkg-divert --quiet --local --rename --remove /usr/sbin/update-initramfs""",
    )
    yield "50-boot-loader", _LOADER[machine.firmware]


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

_TIDY = """\
rm -f $target/etc/apt/apt.conf.d/90farm-install $target/etc/dpkg/dpkg.cfg.d/farm-install
: > $target/etc/machine-id
$ROOTCMD apt-get clean"""
