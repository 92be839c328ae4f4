"""Floor 4: the answers that debian-installer asks for, and the scripts that it runs.

Written by pure functions from what farm.toml says; see the Debian Installation Guide, appendix B,
"Automating the installation using preseeding", and partman-auto-recipe.txt of debian-installer.
All that differs from one run to the next, the addresses, is found out by the scripts from the
address that the answers came from.
"""

from __future__ import annotations

import base64
import io
import tarfile
import textwrap
from collections.abc import Iterator
from urllib.parse import urlsplit

from farm.config.settings import Machine, Partition
from farm.machine.wish import Wish

PRESEED, EARLY, LATE = "preseed.cfg", "early.sh", "late.sh"
SITE, KEYRING = "site.tar", "repository.asc"
LOG = "syslog"
FATAL, DONE = "TASKERROR fatal", "TASKEND installation"
"""What the scripts say to the monitor, beside ``TASKBEGIN`` and a menu item."""

_BASE = ("openssh-server",)
_MIB = 2**20
_LARGEST_MIB = 1000000000  # partman's way of writing: as much as there is
_PRIORITY_STEP = 1000

# What both scripts begin with. busybox has no curl; a PUT is written by hand, through nc.
_TALK = """\
set -u
url=$(debconf-get preseed/url)
server=${url#http://}
server=${server%%/*}
host=${server%:*}
port=${server##*:}
monitor=$(sed -n 's/.*FARM_MONITOR=\\([0-9]*\\).*/\\1/p' /proc/cmdline)
name=$(debconf-get netcfg/get_hostname)
say() { echo "$name $*" | nc "$host" "$monitor" > /dev/null 2>&1; }
send_log() {
    cp /var/log/syslog /tmp/farm-log
    {
        printf 'PUT /upload/%s HTTP/1.0\\r\\nContent-Length: %s\\r\\n\\r\\n' \\
            syslog "$(wc -c < /tmp/farm-log)"
        cat /tmp/farm-log
    } | nc "$host" "$port" > /dev/null 2>&1
}
fetch() { wget -q -O "$2" "http://$server/$1"; }
"""

# Run as soon as the answers are there. What fails would be asked about on a console that nobody
# looks at: the machine tells it and powers off instead.
_EARLY = """\
proxy=$(sed -n 's/.*FARM_PROXY=\\([^ ]*\\).*/\\1/p' /proc/cmdline)
debconf-set mirror/http/proxy "$proxy"
debconf-set apt-setup/local0/repository "http://$server/candidate $(debconf-get mirror/suite) main"
debconf-set apt-setup/local0/key "http://$server/repository.asc"
watch() {
    tail -n +1 -f /var/log/syslog | while read -r line; do
        case $line in
            *"Menu item '"*"' selected"*)
                item=${line##*Menu item \\'}
                say TASKBEGIN "${item%%\\'*}"
                ;;
            *"WARNING **: Configuring '"*"' failed"* | *"Bad archive mirror"* | \\
                *"no packages matching running kernel"* | *"mirror does not support"*)
                say TASKERROR fatal 1
                send_log
                poweroff -f
                ;;
        esac
    done
}
# Whoever runs this waits until nobody holds its pipes any more.
watch < /dev/null > /dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
"""

# Run at the end, with the new system in /target.
_LATE = """\
target=/target
say TASKBEGIN late
mkdir -p $target/root/.ssh $target/usr/share/keyrings /tmp/site
chmod 700 $target/root/.ssh
fetch site.tar /tmp/site.tar
tar -x -C /tmp/site -f /tmp/site.tar
cp /tmp/site/authorized_keys $target/root/.ssh/authorized_keys
chmod 600 $target/root/.ssh/authorized_keys
cp /tmp/site/keyrings/* $target/usr/share/keyrings/
rm -f $target/etc/apt/sources.list $target/etc/apt/trusted.gpg.d/*local0* $target/etc/apt/apt.conf
for file in /tmp/site/sources/*; do
    sed "s#@SERVER@#http://$server#" "$file" > "$target/etc/apt/sources.list.d/${file##*/}"
done
[ ! -d /tmp/site/files ] || cp -R /tmp/site/files/. $target/
if [ -d /tmp/site/scripts ]; then
    mkdir -p $target/tmp/farm-scripts
    cp /tmp/site/scripts/* $target/tmp/farm-scripts/
    for file in $target/tmp/farm-scripts/*; do
        # As FAI runs them, but from inside: $target is the root, $ROOTCMD nothing.
        in-target env target= ROOTCMD= "/tmp/farm-scripts/${file##*/}" || {
            say TASKERROR fatal 1
            send_log
            poweroff -f
        }
    done
    rm -rf $target/tmp/farm-scripts
fi
send_log
say TASKEND installation 0
"""


def render_preseed(wish: Wish) -> str:
    """Write the answers, a line each: owner, question, type, value."""
    return "".join(f"{line}\n" for line in _answers(wish))


def render_scripts() -> dict[str, str]:
    """Give the scripts that the answers name."""
    return {EARLY: _TALK + _EARLY, LATE: _TALK + _LATE}


def armor(keyring: bytes) -> str:
    """Write a keyring as text: RFC 9580, 6.2, "Forming ASCII Armor"."""
    text = "\n".join(textwrap.wrap(base64.b64encode(keyring).decode(), 64))
    block = "PGP PUBLIC KEY BLOCK-----"
    return f"-----BEGIN {block}\n\n{text}\n-----END {block}\n"


def pack_site(wish: Wish) -> bytes:
    """Pack what is put into the new system at the end: the same wish, the same bytes."""
    files = {"authorized_keys": ("\n".join([*wish.authorized_keys, ""]).encode(), False)}
    files |= {f"keyrings/{name}": (data, False) for name, data in wish.keyrings.items()}
    files |= {f"sources/{name}": (text.encode(), False) for name, text in wish.sources.items()}
    for path, file in wish.site.items():
        files[path] = (file.content, file.executable or path.startswith("scripts/"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, (content, executable) in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o755 if executable else 0o644
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _answers(wish: Wish) -> Iterator[str]:
    machine, mirror = wish.machine, urlsplit(wish.archive)
    yield "#_preseed_V1"
    locale = machine.locale if "_" in machine.locale else "C.UTF-8"
    yield f"d-i debian-installer/locale string {locale}"
    yield "d-i keyboard-configuration/xkb-keymap select us"
    yield "d-i hw-detect/load_firmware boolean false"
    yield f"d-i netcfg/get_hostname string {wish.hostname}"
    yield "d-i netcfg/get_domain string"
    yield "d-i mirror/country string manual"
    yield f"d-i mirror/protocol string {mirror.scheme}"
    yield f"d-i mirror/{mirror.scheme}/hostname string {mirror.netloc}"
    yield f"d-i mirror/{mirror.scheme}/directory string {mirror.path or '/'}"
    yield f"d-i mirror/suite string {wish.distribution}"
    yield "d-i clock-setup/utc boolean true"
    yield "d-i clock-setup/ntp boolean false"
    yield f"d-i time/zone string {machine.timezone}"
    yield "d-i passwd/make-user boolean false"
    yield "d-i passwd/root-password-crypted password !"
    yield from _disk(machine)
    yield "d-i base-installer/install-recommends boolean false"
    yield "d-i base-installer/kernel/image string linux-image-cloud-amd64"
    yield "d-i apt-setup/services-select multiselect"
    yield "tasksel tasksel/first multiselect"
    yield f"d-i pkgsel/include string {' '.join([*_BASE, *machine.packages])}"
    yield "d-i pkgsel/upgrade select none"
    yield "d-i pkgsel/update-policy select none"
    yield "popularity-contest popularity-contest/participate boolean false"
    yield "d-i grub-installer/only_debian boolean true"
    yield "d-i grub-installer/bootdev string /dev/vda"
    yield "d-i debian-installer/add-kernel-opts string console=tty0 console=ttyS0,115200"
    yield "d-i finish-install/reboot_in_progress note"
    yield "d-i cdrom-detect/eject boolean false"
    yield "d-i debian-installer/exit/poweroff boolean true"
    for when, name in (("early", EARLY), ("late", LATE)):
        words = f'base=$(debconf-get preseed/url); wget -q -O /tmp/{name} "${{base%/*}}/{name}"'
        yield f"d-i preseed/{when}_command string {words} && sh /tmp/{name}"


def _disk(machine: Machine) -> Iterator[str]:
    yield "d-i partman-auto/disk string /dev/vda"
    yield "d-i partman-auto/method string regular"
    recipe = " ".join(["farm ::", *_recipe(machine)])
    yield f"d-i partman-auto/expert_recipe string {recipe}"
    yield "d-i partman-auto/choose_recipe select farm"
    yield "d-i partman-basicfilesystems/no_swap boolean false"
    for question in ("partman-partitioning/confirm_write_new_label", "partman/confirm",
                     "partman/confirm_nooverwrite"):  # fmt: skip
        yield f"d-i {question} boolean true"
    yield "d-i partman/choose_partition select finish"


def _recipe(machine: Machine) -> Iterator[str]:
    """Write each partition as least, priority and most megabytes, then what it is."""
    for partition in machine.partitions or (Partition("/", (2**30, None)),):
        least, most = (None if size is None else size // _MIB for size in partition.size)
        if partition.mount == "swap":
            what = "linux-swap method{ swap } format{ }"
        else:
            boot = " $bootable{ }" if partition.mount == "/" else ""
            what = (f"ext4 $primary{{ }}{boot} method{{ format }} format{{ }} use_filesystem{{ }} "
                    f"filesystem{{ ext4 }} mountpoint{{ {partition.mount} }}")  # fmt: skip
        largest = _LARGEST_MIB if most is None else most
        yield f"{least} {(least or 0) + _PRIORITY_STEP} {largest} {what} ."
