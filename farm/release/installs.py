"""Floor 5: machines as they are right after their installation and first boot, kept in the store.

One is installed once for a candidate: its disk and its memory are kept under the digest of all
that decided what it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from farm.base.activity import Tell
from farm.base.errors import FarmFault, InputError, InstallFailed, WaitTimeout
from farm.base.files import digest_of, locked, read_json, settle, temporary, write_json
from farm.base.run import run
from farm.build.builder import Ground
from farm.config.settings import Machine, Workspace
from farm.machine.acceleration import Acceleration, find_acceleration
from farm.machine.domain import LibvirtNetwork, render_domain
from farm.machine.hypervisor import Hypervisor
from farm.machine.installation import Site, console_tail, install, take_picture
from farm.machine.installer import Installer
from farm.machine.installers import INSTALLERS
from farm.machine.netboot import turn
from farm.machine.network import USER, Wire, find_address, find_network
from farm.machine.running import MAC, Box, describe_hardware, ssh_key_of
from farm.machine.wish import Wish
from farm.model.layout import Layout
from farm.model.target import Target
from farm.place.guest import Guest
from farm.release.attempts import Attempts
from farm.release.boxes import Boxes
from farm.release.wishes import Subject, machine_identity, wish_of
from farm.source.archive import Archive

_FORMAT = 2  # raise it when machines are installed or booted in another way
_KEY = timedelta(seconds=30)
_BOOT = timedelta(minutes=5)
_MEMORY = timedelta(minutes=3)
_SHORT = timedelta(minutes=1)
_TURN = timedelta(hours=2)
DISK, STATE, VARIABLES = "disk.qcow2", "memory", "uefi.fd"
"""What of a machine is in its folder of the store."""


@dataclass(frozen=True)
class Installed:
    """A machine as it was right after its first boot.

    :param folder: holds its disk, its memory, logs and pictures, and what it was made from.
    :param target: what it is.
    """

    folder: Path
    target: Target
    candidate: str

    @cached_property
    def about(self) -> Mapping[str, Any]:
        """How it was made: phases and seconds, acceleration, when."""
        found: Mapping[str, Any] = read_json(self.folder / "about.json")
        return found

    @property
    def pictures(self) -> list[Path]:
        """Screenshots of its installation, in order."""
        names: list[str] = self.about["pictures"]
        return [self.folder / "pictures" / name for name in names]

    @property
    def wire(self) -> Wire:
        """The network as the machine knows it."""
        return Wire(**self.about["wire"])

    @property
    def like(self) -> tuple[str, str, str] | None:
        """What a network of its own must look like for a machine that knows another one."""
        wire = self.wire
        return None if wire == USER else (wire.subnet, wire.host, self.about["address"])


def configurations(layout: Layout, candidate: str) -> dict[str, Path]:
    """Give what the latest machines of a candidate were installed by, files by name.

    :param candidate: its digest.
    """
    found: dict[str, Path] = {}
    for folder in sorted(layout.installed.glob("*/"), key=lambda path: path.stat().st_mtime):
        about = folder / "about.json"
        if about.exists() and read_json(about)["candidate"] == candidate:
            target = read_json(about)["target"]
            for path in sorted((folder / "configuration").glob("*")):
                found[f"machine-{target}-{path.name}"] = path
    return found


class Installs:
    """Installs machines, and finds those that were installed before.

    :param attempts: what has failed in this run.
    :param cache: gives the port of the cache for the distribution's archive at an address of
        this host, while it is in use.
    """

    def __init__(
        self, workspace: Workspace, layout: Layout, *, hypervisor: Hypervisor, boxes: Boxes,
        attempts: Attempts, tell: Tell, cache: Callable[[str], AbstractContextManager[int]],
    ) -> None:  # fmt: skip
        self._workspace = workspace
        self._layout = layout
        self._hypervisor = hypervisor
        self._boxes = boxes
        self._attempts = attempts
        self._tell = tell
        self._cache = cache

    @property
    def machine(self) -> Machine:
        """What farm.toml wants.

        :raises InputError: when it wants no machine.
        """
        if self._workspace.machine is None:
            raise InputError(
                "farm.toml says nothing of a machine.",
                hint="Write a table [machine] with the packages that it installs.",
            )
        return self._workspace.machine

    def prepare(self, ground: Ground, archive: Archive) -> None:
        """Make what the installer boots, which needs no candidate, or find it ready."""
        kind = INSTALLERS[self.machine.installer]
        kind.prepare(self.machine, ground=ground, archive=archive, layout=self._layout,
                           tell=self._tell)  # fmt: skip

    def find(self, subject: Subject) -> Installed | None:
        """Give the machine of a candidate if it was installed before."""
        folder = self._folder(subject)
        there = (folder / "about.json").exists()
        if there:
            os.utime(folder)  # in use: 'farm gc' takes those that nobody has used for days
        return Installed(folder, subject.target, subject.candidate.digest) if there else None

    def ensure(self, subject: Subject) -> Installed:
        """Give the machine of a candidate, installing it unless that was done before.

        What has failed in this run fails again at once; a fault is worth a second try.

        :raises InstallFailed: when it does not install or boot, because of the release.
        :raises FarmFault: because of the farm or its host.
        """
        found = self.find(subject)
        if found:
            return found
        what = f"installing the machine of {subject.target}"
        lock = self._layout.locks / f"machine-{self._folder(subject).name}.lock"
        waiting = f"waiting for the machine of {subject.target}"
        with locked(lock, timeout=_TURN, what=what, waiting=lambda: self._tell(waiting)):
            found = self.find(subject)
            if not found:
                self._try(subject)
                found = self.find(subject)
        if not found:
            raise FarmFault(f"The machine of {subject.target} was installed, and is gone.")
        return found

    def _try(self, subject: Subject) -> None:
        key = self._folder(subject).name
        try:
            with self._attempts.once(key):
                self._install(subject)
        except FarmFault as error:
            self._tell(f"trying once more: {error.brief}")
            self._boxes.release_latest()
            with self._attempts.once(key):
                self._install(subject)

    def _folder(self, subject: Subject) -> Path:
        return self._layout.installed / f"{subject.target}-{self._key(subject)}"

    def _key(self, subject: Subject) -> str:
        return digest_of([
            _FORMAT, subject.candidate.digest, str(subject.target),
            self.installer(subject).identity(), machine_identity(self._workspace),
        ])[:24]  # fmt: skip

    def wish(self, subject: Subject) -> Wish:
        """Say what a machine of a candidate shall be."""
        return wish_of(self._workspace.name, self.machine, subject, key=self.public_key)

    def installer(self, subject: Subject, wish: Wish | None = None) -> Installer:
        """Give what installs a machine of a candidate.

        :param wish: what it shall be, if not the machine of checks.
        """
        wish = wish or self.wish(subject)
        kind = INSTALLERS[self.machine.installer]
        return kind(wish, ground=subject.ground, archive=subject.archive, layout=self._layout,
                    tell=self._tell)  # fmt: skip

    @cached_property
    def ssh_key(self) -> Path:
        """The key with which the farm itself comes in; one is made on first use."""
        path = ssh_key_of(self._layout)
        with locked(self._layout.locks / "ssh-key.lock", timeout=_KEY, what="making an ssh key"):
            if not path.with_suffix(".pub").exists():
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.unlink(missing_ok=True)
                argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "packaging farm"]
                run([*argv, "-f", path], timeout=_KEY)
        return path

    @property
    def public_key(self) -> str:
        """The public half of that key, as in authorized_keys: sshd(8)."""
        return self.ssh_key.with_suffix(".pub").read_text().strip()

    def acceleration(self, subject: Subject) -> Acceleration:
        """Say how machines run on this host."""
        boot = self.installer(subject).boot()
        return find_acceleration(boot.files[boot.kernel], memory=self._layout.cache)

    @property
    def _wire(self) -> Wire:
        name = self.machine.network
        return find_network(name) if name else USER

    def _install(self, subject: Subject) -> None:
        wire = self._wire
        box = self._boxes.new(f"machine@{subject.target}", subject.target, self.machine)
        with self._boxes.kept_if_red(box), turn(wire):
            acceleration = self.acceleration(subject)
            phases = self.run_installer(box, self.installer(subject), subject, wire=wire)
            started = datetime.now(UTC)
            self._boot(box, acceleration, wire)
            phases.append(("first boot", (datetime.now(UTC) - started).total_seconds()))
            self._store(subject, box, phases, acceleration, wire)

    def run_installer(
        self, box: Box, installer: Installer, subject: Subject, *, wire: Wire = USER
    ) -> list[tuple[str, float]]:
        """Install a machine in a box, which is off when this returns.

        :returns: the phases, and how many seconds each took.
        :raises InstallFailed: because of the release.
        :raises FarmFault: because of the farm or its host.
        """
        spec = describe_hardware(box, self.machine, self.acceleration(subject).accelerator)
        with self._cache(wire.listen) as cache_port:
            trees = {"candidate": subject.candidate.snapshot.path}
            site = Site(box, spec, wire, trees, cache_port)
            return install(site, self.machine, installer, hypervisor=self._hypervisor,
                           tell=self._tell)  # fmt: skip

    def _boot(self, box: Box, acceleration: Acceleration, wire: Wire) -> None:
        """Let it boot from its disk, until it says that it is up."""
        if wire.network:
            address = find_address(wire.network, MAC)
            known = {port: int(port) for port in box.record.ports}
            box.write(replace(box.record, address=address, ports=known))
        spec = describe_hardware(box, self.machine, acceleration.accelerator)
        plug = LibvirtNetwork(wire.network) if wire.network else spec.network
        guest = self.boot(box, render_domain(replace(spec, network=plug)))
        (box.logs / "journal.log").write_text(_journal(guest, "--output=short-monotonic"))
        (box.logs / "errors.log").write_text(_journal(guest, "--priority=err", "--output=cat"))
        status = guest.run(["cat", "/var/lib/dpkg/status"], timeout=_SHORT)
        (box.folder / "status").write_text(status.stdout)
        guest.run(["sync"], timeout=_SHORT)
        guest.hang_up()

    def boot(self, box: Box, xml: str) -> Guest:
        """Let a machine boot from its disk, until it says that it is up; gives the way in.

        :raises InstallFailed: when it does not.
        """
        name = box.record.domain
        self._tell(f"booting {name} from its disk")
        self._hypervisor.start(xml)
        guest = box.guest(self.ssh_key)
        try:
            guest.wait(_BOOT)
            guest.run(["systemctl", "is-system-running", "--wait"], timeout=_BOOT, ok=None)
        except (WaitTimeout, FarmFault) as error:
            take_picture(self._hypervisor, name, box.pictures / "failure.png")
            raise InstallFailed(
                f"{name} was installed, but does not boot from its disk: {error.brief}",
                details=console_tail(box.console), hint="The console's log tells more.",
            ) from error  # fmt: skip
        take_picture(self._hypervisor, name, box.pictures / "booted.png")
        return guest

    def _store(
        self, subject: Subject, box: Box, phases: list[tuple[str, float]], how: Acceleration,
        wire: Wire,
    ) -> None:  # fmt: skip
        self.keep(box, self._folder(subject), {
            "phases": phases, "acceleration": how.reason, "accelerator": str(how.accelerator),
            "target": str(subject.target), "candidate": subject.candidate.digest,
            "wire": vars(replace(wire, tftp=None)), "address": box.record.address,
        })  # fmt: skip

    def keep(self, box: Box, folder: Path, about: Mapping[str, Any]) -> None:
        """Put a running machine into the store, for clones; it is off when this returns.

        :param about: see :attr:`Installed.about`.
        """
        self._tell("keeping the machine for clones")
        with temporary(self._layout.temporary, prefix="machine-") as parent:
            made = parent / "made"
            made.mkdir()
            self._hypervisor.save_memory(box.record.domain, made / STATE, timeout=_MEMORY)
            for name in (DISK, "console.log", "status", VARIABLES):
                if (box.folder / name).exists():
                    (box.folder / name).rename(made / name)
            for name in ("configuration", "logs", "pictures"):
                if (box.folder / name).exists():
                    (box.folder / name).rename(made / name)
            pictures = sorted((made / "pictures").glob("*.png"), key=lambda p: p.stat().st_mtime)
            write_json(made / "about.json", {
                **about, "pictures": [path.name for path in pictures],
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
            })  # fmt: skip
            settle(made, folder)


def _journal(guest: Guest, *options: str) -> str:
    argv = ["journalctl", "--boot", "--no-pager", *options]
    return guest.run(argv, timeout=_SHORT, ok=None).stdout
