"""Floor 4: debian-installer as an installer, told what to do by a preseed file.

It fetches parts of itself, ``.udeb`` packages, from the distribution's archive. A mirror that
leaves these out ends it there; that is said in the error.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from farm.base.activity import Tell
from farm.base.errors import InputError
from farm.base.files import digest_of
from farm.base.printable import printable
from farm.build.builder import Ground
from farm.config.choices import Boot as BootKind
from farm.config.settings import Machine
from farm.machine import preseed
from farm.machine.installer import FIRMWARE, Boot, Course, Net, Trouble
from farm.machine.preseed_scripts import DONE, FATAL, PARTMAN, SCRIPTS, SITE, SYSLOG
from farm.machine.recipe import OUTPUT, Recipe, make
from farm.machine.wish import Wish
from farm.model.layout import Layout
from farm.source.archive import Archive

_KERNEL, _INITRD = "di-linux", "di-initrd.gz"
# Of which distribution the package debian-installer-VERSION-netboot-ARCHITECTURE is. An older one
# does not take the key of a repository in its answers.
_VERSIONS = {"bookworm": "12", "trixie": "13"}
_KERNEL_BOOTS, _STARTS = "kernel", "preseed"
_MIRROR = frozenset({"choose-mirror", "download-installer"})
_LIMITS = {
    FIRMWARE: timedelta(minutes=2),
    _KERNEL_BOOTS: timedelta(minutes=6),
    "bootstrap-base": timedelta(minutes=20),
    "pkgsel": timedelta(minutes=20),
}
_OTHER = timedelta(minutes=5)
# In these menu items the release, or what farm.toml wants of the machine, is at work.
_OF_PRODUCT = frozenset({"partman-base", "pkgsel", "apt-setup-udeb", "late"})
_HINTS = {
    "partman-base": "Is [machine] disk large enough for its partitions? farm.toml says both.",
    "pkgsel": "apt in the machine did not install the packages: read their scripts above.",
    "late": "A script of the workspace's own failed: it is named above.",
}
_LOGS = {"partman-base": PARTMAN}
_SCHEMES = ("http", "https")
_TAIL = 30
_LARGEST = 2**20


class DebianInstaller:
    """Installs Debian machines with debian-installer.

    :param wish: what the machine shall be.
    :param ground: the chroot and resolver of its target, in which the installer is unpacked.
    """

    description = "debian-installer over PXE"

    def __init__(
        self, wish: Wish, *, ground: Ground, archive: Archive, layout: Layout, tell: Tell
    ) -> None:
        self._wish = wish
        self._ground = ground
        self._archive = archive
        self._layout = layout
        self._tell = tell

    @staticmethod
    def prepare(
        machine: Machine, *, ground: Ground, archive: Archive, layout: Layout, tell: Tell
    ) -> dict[str, Path]:
        """Make what is booted, which needs no candidate, or find it ready: files by path.

        :raises InputError: when the distribution has no such installer, or it cannot get at it.
        :raises FarmError: when it cannot be unpacked.
        """
        return dict(make(_recipe(archive), ground=ground, layout=layout, tell=tell))

    def identity(self) -> str:
        """Give the digest of all that decides what a machine becomes, beside its packages."""
        wish = replace(self._wish, sources={}, keyrings={}, archive="")
        texts = [preseed.render_preseed(wish), *SCRIPTS.values()]
        site = hashlib.sha256(preseed.pack_site(wish)).hexdigest()
        return digest_of([texts, site, _recipe(self._archive).digest])

    def boot(self) -> Boot:
        """Make what is booted, or find it ready.

        :raises FarmError: when it cannot be made.
        """
        wish = self._wish
        files = self.prepare(wish.machine, ground=self._ground, archive=self._archive,
                             layout=self._layout, tell=self._tell)  # fmt: skip
        texts = {preseed.PRESEED: preseed.render_preseed(wish), **SCRIPTS}
        configuration = {name: text.encode() for name, text in texts.items()}
        configuration[SITE] = preseed.pack_site(wish)
        return Boot(files, _KERNEL, _INITRD, configuration)

    def command_line(self, net: Net, *, static: bool) -> str:
        """Give the kernel's command line: Installation Guide, 5.3; it asks DHCP itself."""
        words = [
            f"initrd={_INITRD}", "auto=true", "priority=critical", "DEBIAN_FRONTEND=text",
            "TERM=dumb",  # or a program that draws windows is put around it: the log is unreadable
            f"url={net.url}/{preseed.PRESEED}", f"hostname={self._wish.hostname}", "domain=",
            "interface=auto", "ipv6.disable=1", f"FARM_MONITOR={net.monitor_port}",
            f"FARM_PROXY={net.apt_proxy}", "mitigations=off", "console=tty0",
            "console=ttyS0,115200",
        ]  # fmt: skip
        return " ".join(words)

    def hear(self, line: str, course: Course) -> None:
        """Take notice of a line of the scripts: ``HOST VERB ITEM``."""
        words = line.split()[1:]
        said = " ".join(words)
        if said.startswith(FATAL):
            course.fatal, course.finished = course.fatal or course.phase, False
        elif said.startswith(DONE):
            course.finished = not course.fatal
        elif words[:1] == ["TASKBEGIN"] and len(words) > 1:
            course.phase = words[1]

    def read(self, line: str, course: Course) -> None:
        """Take notice of nothing: there is no medium of it."""

    def asked(self, path: str, course: Course) -> None:
        """Take notice of a file that the machine fetches."""
        name = path.lstrip("/")
        if name in (_KERNEL, _INITRD):
            course.phase = _KERNEL_BOOTS
        elif name == preseed.PRESEED:
            course.phase = _STARTS

    def limit(self, phase: str) -> timedelta:
        """Give how long a phase may take."""
        if phase == FIRMWARE and self._wish.machine.boot is not BootKind.IPXE:
            return _LIMITS[FIRMWARE] + _LIMITS[_KERNEL_BOOTS]
        return _LIMITS.get(phase, _OTHER)

    def explain(self, course: Course, logs: Path) -> Trouble:
        """Say why it failed, with the last lines of the installer's log of that item."""
        item = course.fatal or course.phase
        hint = _HINTS.get(item, "The console's log tells more.")
        if item in _MIRROR:
            hint = (f"Has {self._wish.archive} the parts of debian-installer, .udeb packages, for "
                    "this distribution? A mirror may leave them out; FAI needs none.")  # fmt: skip
        said = (
            f"debian-installer gave up at {item}" if course.fatal else f"it got as far as {item}"
        )
        log = _tail(logs / _LOGS.get(item, SYSLOG)) or _tail(logs / SYSLOG)
        return Trouble(said, log, item not in _OF_PRODUCT, hint)


def _recipe(archive: Archive) -> Recipe:
    target, uri = archive.target, archive.mirror.suites[0].uri
    hint = 'Write [machine] installer = "fai".'
    if urlsplit(uri).scheme not in _SCHEMES:
        raise InputError(
            f"debian-installer fetches the distribution by HTTP, and its archive is {uri}.",
            hint=hint,
        )
    version = _VERSIONS.get(target.distribution)
    if version is None:
        raise InputError(
            f"Of {target.distribution} the farm knows no debian-installer; it knows that of "
            f"{', '.join(_VERSIONS)}.",
            hint=hint,
        )
    architecture = target.architecture
    package = f"debian-installer-{version}-netboot-{architecture}"
    folder = (f"/usr/lib/debian-installer/images/{version}/{architecture}/text/debian-installer/"
              f"{architecture}")  # fmt: skip
    return Recipe(
        "debian-installer", (package,),
        f"cp {folder}/linux {OUTPUT}/{_KERNEL}\ncp {folder}/initrd.gz {OUTPUT}/{_INITRD}\n"
        f"chmod 644 {OUTPUT}/*\n",
        (_KERNEL, _INITRD),
    )  # fmt: skip


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - _LARGEST))
            text = stream.read(_LARGEST).decode(errors="replace")
    except OSError:
        return ""
    lines = [printable(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)) for line in text.splitlines()]
    return "\n".join([line for line in lines if line.strip()][-_TAIL:])
