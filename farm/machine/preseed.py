"""Floor 4: the answers that debian-installer asks for, and what it puts into the new system.

Written by pure functions from what farm.toml says; see the Debian Installation Guide, appendix B,
"Automating the installation using preseeding", and partman-auto-recipe.txt of debian-installer.
They hold no address of this run, so the same release has the same answers.
"""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Iterator
from pathlib import PurePath
from urllib.parse import urlsplit

from debian.deb822 import Deb822

from farm.base.errors import InputError
from farm.config.settings import Machine, Partition
from farm.machine.preseed_scripts import EARLY, LATE
from farm.machine.wish import SERVER, Wish

PRESEED = "preseed.cfg"

_BASE = ("openssh-server",)
_MEGABYTE = 10**6  # partman's unit
_PRIORITY_STEP = 1000


def render_preseed(wish: Wish) -> str:
    """Write the answers, a line each: owner, question, type, value.

    :raises InputError: when something that is wished for would be more than a value.
    """
    lines = list(_answers(wish))
    for line in lines:
        if not line.isprintable() or line.endswith("\\"):
            raise InputError(
                f"{line!r} cannot be told to debian-installer: an answer is one line, which a "
                "backslash at its end would go on with.",
                hint='Write what farm.toml says there in another way, or installer = "fai".',
            )
    return "".join(f"{line}\n" for line in lines)


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
    yield from _locale(machine.locale)
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
    yield from _repositories(wish)
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


def _locale(locale: str) -> Iterator[str]:
    """Write the machine's locale: on a serial console the installer itself speaks English only.

    It takes no locale without a language and a country, and asks for those instead.
    """
    country = locale.partition(".")[0].partition("_")[2]
    yield "d-i debian-installer/language string en"
    yield f"d-i debian-installer/country string {country or 'US'}"
    yield f"d-i debian-installer/locale string {locale if country else 'C.UTF-8'}"


def _repositories(wish: Wish) -> Iterator[str]:
    """Write where packages come from beside the archive itself, the candidate first.

    Of other suites of the archive no key is told: that of Debian is in every new system.
    """
    texts = (wish.sources[name] for name in sorted(wish.sources))
    stanzas = (each for text in texts for each in Deb822.iter_paragraphs(text, use_apt_pkg=False))
    archive = (wish.archive, wish.distribution)
    others = [each for each in stanzas if (each["URIs"], each["Suites"]) != archive]
    for number, fields in enumerate(others):
        where = f"{fields['URIs']} {fields['Suites']} {fields['Components']}"
        yield f"d-i apt-setup/local{number}/repository string {where}"
        if fields["URIs"].startswith(SERVER):
            key = base64.b64encode(wish.keyrings[PurePath(fields["Signed-By"]).name]).decode()
            yield f"d-i apt-setup/local{number}/key string base64://{key}"


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
        least, most = partition.size
        if partition.mount == "swap":
            what = "linux-swap $primary{ } method{ swap } format{ }"
        else:
            boot = " $bootable{ }" if partition.mount == "/" else ""
            what = (f"ext4 $primary{{ }}{boot} method{{ format }} format{{ }} use_filesystem{{ }} "
                    f"filesystem{{ ext4 }} mountpoint{{ {partition.mount} }}")  # fmt: skip
        largest = -1 if most is None else _megabytes(most)
        yield f"{_megabytes(least)} {_megabytes(least) + _PRIORITY_STEP} {largest} {what} ."


def _megabytes(size: int) -> int:
    return -(-size // _MEGABYTE)
