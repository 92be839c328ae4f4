"""Floor 4: FAI as an installer: what its kernel is told, and what its monitor says.

The messages of the monitor are those of fai-monitor(8), a line each: ``HOST VERB TASK CODE``.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from farm.base.activity import Tell
from farm.base.files import digest_of
from farm.base.printable import printable
from farm.build.builder import Ground
from farm.config.choices import Boot as BootKind
from farm.config.settings import Machine
from farm.machine.base_file import base_file
from farm.machine.fai_hooks import INSTALLED, LOGS, MONITOR_FATAL
from farm.machine.fai_root import FAI_ROOT, INITRD, KERNEL, ROOT
from farm.machine.fai_space import pack, render_space
from farm.machine.grub import NETWORK_GRUB
from farm.machine.installer import FIRMWARE, Boot, Course, Net, Trouble
from farm.machine.recipe import Recipe, make
from farm.machine.wish import Wish
from farm.model.layout import Layout
from farm.source.archive import Archive

_KERNEL_BOOTS, _STARTS = "kernel", "start of FAI"
_SPACE = "config.tar.gz"
_TAIL = 30
_LARGEST = 2**20
_LIMITS = {
    FIRMWARE: timedelta(minutes=2),  # by HTTP; over TFTP nothing tells when the kernel begins
    _KERNEL_BOOTS: timedelta(minutes=4),
    _STARTS: timedelta(minutes=3),
    "instsoft": timedelta(minutes=15),
}
_OTHER = timedelta(minutes=6)
# Which log of FAI tells what went wrong in a task.
_LOGS = {"partition": "format.log", "mountdisks": "format.log", "updatebase": "fai.log",
         "instsoft": "software.log", "configure": "scripts.log"}  # fmt: skip
# Bookkeeping that FAI itself goes on after: a code of these says nothing about the machine.
_HARMLESS = frozenset({"debconf", "chboot", "savelog", "faiend", "reboot", "tests"})
# In these tasks the packages of the release are at work, or what farm.toml wants of the machine.
_OF_PRODUCT = frozenset({"partition", "mountdisks", "instsoft", "configure"})
_KEY_TROUBLE = re.compile(r"NO_PUBKEY|BADSIG|EXPKEYSIG|REVKEYSIG|is not signed")
_CALLING = re.compile(r"Calling task_(\w+)")
_FATAL = re.compile(r"FAI-FATAL: task=(\w+) code=(\d+)")
_FULL = "No space left on device"  # strerror(3) of ENOSPC, in whoever's words
_TOO_SMALL = "Let [machine] disk, or the partition, be larger: farm.toml says both."
_HINTS = {
    "partition": "Is [machine] disk large enough for its partitions? farm.toml says both.",
    "extrbase": "The base system did not come, or is damaged.",
    "updatebase": "apt in the machine could not read the candidate or the distribution's archive.",
    "instsoft": "apt in the machine did not install the packages: read their scripts above.",
    "configure": "A script of the machine's configuration failed: it is named above.",
}
_WORST = 300  # STOP_ON_ERROR in the configuration space


class Fai:
    """Installs Debian machines with FAI, Fully Automatic Installation.

    :param wish: what the machine shall be.
    :param ground: the chroot and resolver of its target, on which FAI's own system is made.
    """

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
    ) -> Mapping[str, Path]:
        """Make FAI's system and the base file, or find them ready: files by path.

        :raises FarmError: when one cannot be made.
        """
        made: dict[str, Path] = {}
        for recipe in _recipes(machine, archive):
            made |= make(recipe, ground=ground, layout=layout, tell=tell)
        return made

    def identity(self) -> str:
        """Give the digest of all that decides what a machine becomes, beside its packages.

        Whoever signs them and wherever they come from, they are the same.
        """
        wish = replace(self._wish, sources={}, keyrings={}, archive="")
        space = hashlib.sha256(pack(render_space(wish))).hexdigest()
        return digest_of([space, *(recipe.digest for recipe in self._recipes)])

    @property
    def _recipes(self) -> tuple[Recipe, ...]:
        return _recipes(self._wish.machine, self._archive)

    def boot(self) -> Boot:
        """Make FAI's system and the base file, or find them ready.

        :raises FarmError: when one cannot be made.
        """
        space = pack(render_space(self._wish))
        files = self.prepare(self._wish.machine, ground=self._ground, archive=self._archive,
                             layout=self._layout, tell=self._tell)  # fmt: skip
        return Boot(files, KERNEL, INITRD, {_SPACE: space})

    def command_line(self, net: Net, *, static: bool) -> str:
        """Give the kernel's command line: dracut.cmdline(7), and variables of FAI."""
        host = self._wish.hostname
        address = "ip=dhcp"
        if static:  # two more rounds of DHCP take ten seconds on an emulated machine
            given = f"${{net0/ip}}::${{net0/gateway}}:${{net0/netmask}}:{host}:eth0:none"
            address = f"ip={given} nameserver={net.name_server}"
        values = {
            "FAI_ACTION": "install", "FAI_FLAGS": "verbose,menu,halt",
            "FAI_CONFIG_SRC": f"{net.url}/{_SPACE}", "FAI_MONITOR_PORT": str(net.monitor_port),
            "monserver": net.host, "hostname": host, "SERVER_URL": net.url,
            "SERVER_HOST": net.host, "NAME_SERVER": net.name_server, "APT_PROXY": net.apt_proxy,
        }  # fmt: skip
        return " ".join([
            f"initrd={INITRD}", address, "rd.neednet=1", f"root=live:{net.url}/{ROOT}",
            "rd.live.overlay.overlayfs=1", "rd.shell=0", "rd.emergency=poweroff", "rd.retry=20",
            "RETRIES=3", "SLEEP=2",  # of dracut's livenet: 100 tries take ten minutes
            "panic=10", "mitigations=off", "console=tty0", "console=ttyS0,115200",
            *(f"{name}={value}" for name, value in values.items() if value),
        ])  # fmt: skip

    def hear(self, line: str, course: Course) -> None:
        """Take notice of a line of the monitor."""
        words = line.split()[1:]
        if not words:
            return
        verb, task = words[0], words[1] if len(words) > 1 else ""
        if " ".join(words).startswith(MONITOR_FATAL):
            course.fatal = course.fatal or course.phase
        elif verb == "TASKBEGIN" and task not in ("install", "action"):
            course.phase = task
        elif verb in ("TASKEND", "TASKERROR"):
            self._ended(task, words[2] if len(words) > 2 else "0", course)

    def _ended(self, task: str, code: str, course: Course) -> None:
        number = int(code) if code.isdecimal() else 1
        if number and task not in _HARMLESS:
            course.codes[task] = number
        if task == "faiend" and not course.fatal:
            course.finished = all(each < _WORST for each in course.codes.values())

    def read(self, line: str, course: Course) -> None:
        """Take notice of a line on the console: see ``task()`` in FAI's subroutines."""
        if begun := _CALLING.search(line):
            course.phase = begun[1]
        elif fatal := _FATAL.search(line):
            course.fatal = course.fatal or fatal[1]
            course.codes[fatal[1]] = int(fatal[2])
        elif INSTALLED in line:
            course.finished = not course.fatal

    def asked(self, path: str, course: Course) -> None:
        """Take notice of a file that the machine fetches: before FAI itself can say anything."""
        name = path.lstrip("/")
        if name in (KERNEL, INITRD):
            course.phase = _KERNEL_BOOTS
        elif name == ROOT:
            course.phase = _STARTS

    def limit(self, phase: str) -> timedelta:
        """Give how long a phase may take."""
        if phase == FIRMWARE and self._wish.machine.boot is not BootKind.IPXE:
            return sum((_LIMITS[each] for each in (FIRMWARE, _KERNEL_BOOTS)), timedelta())
        return _LIMITS.get(phase, _OTHER)

    def explain(self, course: Course, logs: Path) -> Trouble:
        """Say why it failed, with the last lines of FAI's log of that task."""
        task = course.fatal or max(
            course.codes, key=course.codes.__getitem__, default=course.phase
        )
        archive = logs / LOGS
        text = _read(archive, _LOGS.get(task, "fai.log")) or _read(archive, "fai.log")
        code = course.codes.get(task)
        said = f"FAI gave up in its task {task}" if course.fatal else f"it got as far as {task}"
        is_full = _FULL in text
        is_fault = task not in _OF_PRODUCT and not is_full and not _KEY_TROUBLE.search(text)
        hint = _TOO_SMALL if is_full else _HINTS.get(task, "The console's log tells more.")
        said += f", with code {code}" if code else ""
        return Trouble(said, _last(text), is_fault, hint)

    @property
    def description(self) -> str:
        """What it is, for reports."""
        return "FAI over PXE"


def _recipes(machine: Machine, archive: Archive) -> tuple[Recipe, ...]:
    loaders = (NETWORK_GRUB,) if machine.boot is BootKind.GRUB else ()
    return (FAI_ROOT, base_file(archive, firmware=machine.firmware), *loaders)


def _read(archive: Path, name: str) -> str:
    """Read a text out of the logs, which come from the machine: nothing is unpacked."""
    try:
        with tarfile.open(archive) as tar:
            member = tar.extractfile(f"./{name}")
            return member.read(_LARGEST).decode(errors="replace") if member else ""
    except (OSError, tarfile.TarError, KeyError, EOFError):
        return ""


def _last(text: str) -> str:
    lines = [printable(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)) for line in text.splitlines()]
    return "\n".join([line for line in lines if line.strip()][-_TAIL:])
