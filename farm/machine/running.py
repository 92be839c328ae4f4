"""Floor 4: machines that run, or were left running for somebody to look at.

Each has a folder with its disk, logs and a record. Whoever uses one holds the lock beside the
folder; when the lock is free and nothing says that the machine is kept, its owner was killed, and
the next run takes it away.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from farm.base.files import Lock, read_json, write_json
from farm.config.choices import Firmware
from farm.config.settings import Machine
from farm.machine.domain import Accelerator, DomainSpec, UserNetwork
from farm.machine.hypervisor import Hypervisor
from farm.model.layout import Layout
from farm.place.guest import Guest

SSH = 22
"""The port of ssh: 22."""
_RECORD = "machine.json"
MAC = "52:54:00:fa:12:01"
"""The address of the network card of every machine: clones have what they are clones of."""


@dataclass(frozen=True)
class Record:
    """What is known of a machine that runs.

    :param domain: its name in libvirt.
    :param subject: what it is: ``machine@TARGET``, or what was tried on it.
    :param sockets: the folder of its console and of the connection to it, with a short name.
    :param ports: those of this host's loopback, by the machine's own.
    :param why: why it is kept; empty while somebody uses it.
    :param when: since when it is kept: ISO 8601, UTC.
    :param address: where these ports are: this host's loopback, or the machine's own address.
    """

    domain: str
    subject: str
    sockets: str
    ports: dict[str, int]
    run: str
    why: str = ""
    when: str = ""
    address: str = "127.0.0.1"


class Box:
    """The folder of one machine.

    :param folder: below the folder of all machines.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = Lock(folder.with_name(f"{folder.name}.lock"))

    @property
    def disk(self) -> Path:
        """Its disk, qcow2."""
        return self.folder / "disk.qcow2"

    @property
    def console(self) -> Path:
        """What it says on its serial line."""
        return self.folder / "console.log"

    @property
    def logs(self) -> Path:
        """What its installer has sent home."""
        return self.folder / "logs"

    @property
    def configuration(self) -> Path:
        """What its installer has read."""
        return self.folder / "configuration"

    @property
    def pictures(self) -> Path:
        """Screenshots."""
        return self.folder / "pictures"

    @property
    def is_there(self) -> bool:
        """Whether it has a record."""
        return (self.folder / _RECORD).exists()

    @property
    def record(self) -> Record:
        """What is known of it.

        :raises FarmFault: when the record is damaged.
        """
        return Record(**read_json(self.folder / _RECORD))

    def write(self, record: Record) -> None:
        """Remember what is known of it."""
        write_json(self.folder / _RECORD, asdict(record))

    def take(self, *, shared: bool = False) -> bool:
        """Hold its lock; says whether nobody else does who does not share it."""
        return self._lock.try_acquire(shared=shared)

    def leave(self) -> None:
        """Give its lock back."""
        self._lock.release()

    def remove(self, hypervisor: Hypervisor) -> None:
        """End the machine and remove all of it; for whoever holds the lock."""
        if self.is_there:
            record = self.record
            hypervisor.destroy(record.domain)
            shutil.rmtree(record.sockets, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.path.unlink(missing_ok=True)
        self._lock.release()

    def guest(self, key: Path) -> Guest:
        """Give the way in, by ssh.

        :param key: the private key, a file.
        """
        record = self.record
        return Guest(
            record.address, record.ports[str(SSH)], key, self.folder / "known_hosts",
            Path(record.sockets),
        )  # fmt: skip


def new_name(domain: str) -> str:
    """Make up a name that no machine has.

    :param domain: its beginning.
    """
    return f"{domain}-{secrets.token_hex(4)}"


def fill(box: Box, *, subject: str, run: str, ports: tuple[int, ...]) -> Box:
    """Make the folder of a new machine; for whoever holds the lock.

    :param ports: of the machine, that shall answer on this host's loopback.
    """
    shutil.rmtree(box.folder, ignore_errors=True)
    box.folder.mkdir(parents=True)
    # The path of a socket has at most 107 bytes: unix(7).
    sockets = tempfile.mkdtemp(prefix="farm-")
    chosen = dict(zip(map(str, ports), free_ports(len(ports)), strict=True))
    box.write(Record(box.folder.name, subject, sockets, chosen, run))
    return box


def free_ports(count: int) -> list[int]:
    """Give ports of loopback that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def describe_hardware(
    box: Box, machine: Machine, accelerator: Accelerator, *,
    like: tuple[str, str, str] | None = None, **given: Any,
) -> DomainSpec:  # fmt: skip
    """Give the description of a machine: the same hardware for the same configuration.

    :param like: see :class:`farm.machine.domain.UserNetwork`.
    """
    record = box.record
    sockets = Path(record.sockets)
    uefi = machine.firmware is Firmware.UEFI
    forwards = tuple((host, int(guest)) for guest, host in record.ports.items())
    values: dict[str, Any] = {
        "network": UserNetwork(forwards=forwards, like=like),
        "uefi_variables": box.folder / "uefi.fd" if uefi else None,
    }
    return DomainSpec(
        name=record.domain, uuid=uuid4(), memory=machine.memory, cpus=machine.cpus,
        disk=box.disk, accelerator=accelerator, mac=MAC, console_log=box.console,
        console=sockets / "console", **values | given,
    )  # fmt: skip


def ssh_key_of(layout: Layout) -> Path:
    """Give where the key is with which the farm comes into its machines."""
    return layout.keys / "machines" / "id_ed25519"


def boxes(machines: Path) -> Iterator[Box]:
    """Give the folder of every machine, by name."""
    if machines.is_dir():
        for path in sorted(machines.iterdir()):
            if path.is_dir():
                yield Box(path)


def kept(machines: Path) -> list[Box]:
    """Give the machines that are kept for somebody to look at, the latest last."""
    found = [box for box in boxes(machines) if box.is_there and box.record.why]
    return sorted(found, key=lambda box: box.record.when)


def is_named(box: Box, name: str) -> bool:
    """Tell whether a kept machine is meant: ``machine``, ``machine@TARGET`` or a package on it."""
    subject = box.record.subject
    package, _, target = name.partition("@")
    on_target = not target or f"-{target}-" in box.folder.name
    return on_target and (package == "machine" or subject.partition("@")[0] == package)


def sweep(machines: Path, hypervisor: Hypervisor) -> list[str]:
    """Take away the machines whose owner is gone; gives back their names."""
    swept = []
    for box in boxes(machines):
        if box.take():
            if box.is_there and box.record.why:
                box.leave()
                continue
            box.remove(hypervisor)
            swept.append(box.folder.name)
    return swept
