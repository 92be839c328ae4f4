"""Floor 4: the Installer seam: what turns an empty disk into a machine, over the network.

An installer says what is booted and served, and reads from what it is told how far it is. It runs
nothing by itself: powering machines on, watching over deadlines and taking pictures is the
business of whoever uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Net:
    """What a machine needs to know of its network.

    :param server: the address of this host's HTTP server, with a port, as the machine sees it.
    :param monitor_port: of the installer's monitor at the same address.
    :param name_server: the address of a resolver, as the machine sees it.
    :param apt_proxy: the address of a proxy for the distribution's archive, or nothing.
    """

    server: str
    monitor_port: int
    name_server: str
    apt_proxy: str = ""

    @property
    def host(self) -> str:
        """The server's address without the port."""
        return self.server.partition(":")[0]

    @property
    def url(self) -> str:
        """The root of the server."""
        return f"http://{self.server}"


@dataclass(frozen=True)
class Boot:
    """What a machine boots and fetches, by path on the server.

    :param kernel: the path of the kernel among the files.
    :param initrd: the path of the initrd.
    :param configuration: what the installer reads, by path: it says how the machine is installed.
    """

    files: Mapping[str, Path]
    kernel: str
    initrd: str
    configuration: Mapping[str, bytes]


FIRMWARE = "network boot"
"""The first phase: what the firmware does, which tells nothing."""


@dataclass
class Course:
    """How an installation goes, as told by the machine itself.

    :param phase: what it is at; the first one is the firmware's, which tells nothing.
    :param codes: exit codes of tasks that did not end with zero.
    :param fatal: the task that made the installer give up.
    :param finished: whether the installer has said that all went well.
    """

    phase: str = FIRMWARE
    codes: dict[str, int] = field(default_factory=dict)
    fatal: str = ""
    finished: bool = False


@dataclass(frozen=True)
class Trouble:
    """Why an installation has failed.

    :param brief: the end of a sentence that begins with the machine.
    :param log: the last lines of the log that tells.
    :param is_fault: whether that says something about the farm or its host, not about the release.
    :param hint: what to do next.
    """

    brief: str
    log: str
    is_fault: bool
    hint: str


class Installer(Protocol):
    """A way to install machines; a new kind is a class like this, and a line of registration."""

    @property
    def description(self) -> str:
        """What it is, for reports."""
        ...

    def identity(self) -> str:
        """Give the digest of all that decides what a machine becomes, beside its packages."""
        ...

    def boot(self) -> Boot:
        """Make what is booted, or find it ready."""
        ...

    def command_line(self, net: Net, *, static: bool) -> str:
        """Give the kernel's command line.

        :param static: iPXE hands its address over, in its own variables; else DHCP is asked again.
        """
        ...

    def hear(self, line: str, course: Course) -> None:
        """Take notice of a line that the installer says to this host."""
        ...

    def read(self, line: str, course: Course) -> None:
        """Take notice of a line on the machine's console, when it has no network to say it by."""
        ...

    def asked(self, path: str, course: Course) -> None:
        """Take notice of a path that the machine has asked for."""
        ...

    def limit(self, phase: str) -> timedelta:
        """Give how long a phase may take."""
        ...

    def explain(self, course: Course, logs: Path) -> Trouble:
        """Say why it failed.

        :param logs: the folder with what the machine has sent home.
        """
        ...
