"""Floor 5: the machines of a workspace: installed from a candidate, cloned for every check.

A machine is installed once for a candidate: what it was right after its first boot, its disk and
its memory, is kept under the digest of all that decided it. A check gets a clone of that, which
runs within seconds.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from farm.base.activity import Tell
from farm.base.errors import FarmError, FarmFault, InputError, InstallFailed, WaitTimeout
from farm.base.files import (
    Lock,
    digest_of,
    link_or_copy,
    locked,
    read_json,
    settle,
    temporary,
    write_json,
)
from farm.base.run import run
from farm.base.waiting import wait_for
from farm.build.builder import Ground
from farm.config.settings import Machine, Workspace
from farm.machine.acceleration import Acceleration, find_acceleration
from farm.machine.domain import render_domain
from farm.machine.fai import Fai, make_files
from farm.machine.fai_root import KERNEL
from farm.machine.hypervisor import Hypervisor
from farm.machine.installation import Site, console_tail, install, take_picture
from farm.machine.running import (
    SSH,
    Box,
    boxes,
    describe_hardware,
    fill,
    new_name,
    ssh_key_of,
    sweep,
)
from farm.model.layout import Layout
from farm.model.target import Target
from farm.place.guest import Guest
from farm.release.wishes import Subject, machine_identity, tcp_ports, wish_of
from farm.source.archive import Archive

_FORMAT = 1  # raise it when machines are installed or booted in another way
_KEY = timedelta(seconds=30)
_BOOT = timedelta(minutes=5)
_MEMORY = timedelta(minutes=3)
_CLONE = timedelta(minutes=2)
_SHORT = timedelta(minutes=1)
_TURN = timedelta(hours=2)
_DISK, _STATE = "disk.qcow2", "memory"


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


@dataclass(frozen=True)
class Running:
    """A machine that runs, for a check.

    :param place: where commands run.
    """

    box: Box
    place: Guest
    installed: Installed

    @property
    def ports(self) -> Mapping[int, int]:
        """Ports of this host's loopback, by those of the machine that answer there."""
        return {int(guest): host for guest, host in self.box.record.ports.items()}


class Machines:
    """The machines of a workspace.

    :param cache: gives the port of the cache for the distribution's archive, while it is in use.
    """

    def __init__(
        self, workspace: Workspace, layout: Layout, *, run: str, tell: Tell,
        cache: Callable[[], AbstractContextManager[int]],
    ) -> None:  # fmt: skip
        self._workspace = workspace
        self._layout = layout
        self._run = run
        self._tell = tell
        self._cache = cache
        self._hypervisor = Hypervisor()
        self._shared: dict[Target, Running] = {}

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

    # Making.

    def prepare(self, ground: Ground, archive: Archive) -> None:
        """Make what the installer boots, which needs no candidate, or find it ready."""
        make_files(self.machine, ground=ground, archive=archive, layout=self._layout,
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
                self._install(subject)
                found = self.find(subject)
        if not found:
            raise FarmFault(f"The machine of {subject.target} was installed, and is gone.")
        return found

    def _folder(self, subject: Subject) -> Path:
        return self._layout.installed / f"{subject.target}-{self._key(subject)}"

    def _key(self, subject: Subject) -> str:
        boot = self._installer(subject)
        return digest_of([
            _FORMAT, subject.candidate.digest, str(subject.target), boot.identity(),
            machine_identity(self._workspace),
        ])[:24]  # fmt: skip

    def _installer(self, subject: Subject) -> Fai:
        key = self.ssh_key.with_suffix(".pub").read_text().strip()
        wish = wish_of(self._workspace.name, self.machine, subject, key=key)
        return Fai(wish, ground=subject.ground, archive=subject.archive, layout=self._layout,
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

    def acceleration(self, subject: Subject) -> Acceleration:
        """Say how machines run on this host."""
        kernel = self._installer(subject).boot().files[KERNEL]
        return find_acceleration(kernel, memory=self._layout.cache)

    def _install(self, subject: Subject) -> None:
        machine = self.machine
        installer = self._installer(subject)
        acceleration = self.acceleration(subject)
        box = self._new_box(f"machine@{subject.target}", subject)
        spec = describe_hardware(box, machine, acceleration.accelerator)
        with self._kept_if_red(box):
            with self._cache() as cache_port:
                trees = {"candidate": subject.candidate.snapshot.path}
                site = Site(box.record.domain, box.folder, spec, trees, cache_port)
                phases = install(site, machine, installer, hypervisor=self._hypervisor,
                                 tell=self._tell)  # fmt: skip
            started = datetime.now(UTC)
            self._boot(box, render_domain(spec), site)
            phases.append(("first boot", (datetime.now(UTC) - started).total_seconds()))
            self._store(subject, box, phases, acceleration)

    def _boot(self, box: Box, xml: str, site: Site) -> None:
        """Let it boot from its disk, until it says that it is up."""
        name = box.record.domain
        self._tell(f"booting {name} from its disk")
        self._hypervisor.start(xml)
        guest = box.guest(self.ssh_key)
        try:
            guest.wait(_BOOT)
            state = guest.run(["systemctl", "is-system-running", "--wait"], timeout=_BOOT, ok=None)
        except (WaitTimeout, FarmFault) as error:
            take_picture(self._hypervisor, name, site.pictures / "failure.png")
            raise InstallFailed(
                f"{name} was installed, but does not boot from its disk: {error.brief}",
                details=console_tail(box.console), hint="The console's log tells more.",
            ) from error  # fmt: skip
        take_picture(self._hypervisor, name, site.pictures / "booted.png")
        (box.folder / "state").write_text(state.stdout)
        journal = guest.run(["journalctl", "--boot", "--no-pager", "--output=short-monotonic"],
                            timeout=_SHORT, ok=None)  # fmt: skip
        (site.logs / "journal.log").write_text(journal.stdout)
        errors = guest.run(["journalctl", "--boot", "--priority=err", "--no-pager",
                            "--output=cat"], timeout=_SHORT, ok=None)  # fmt: skip
        (site.logs / "errors.log").write_text(errors.stdout)
        status = guest.run(["cat", "/var/lib/dpkg/status"], timeout=_SHORT)
        (box.folder / "status").write_text(status.stdout)
        guest.run(["sync"], timeout=_SHORT)
        guest.hang_up()

    def _store(
        self, subject: Subject, box: Box, phases: list[tuple[str, float]], how: Acceleration
    ) -> None:
        self._tell("keeping the machine for clones")
        folder = self._folder(subject)
        with temporary(self._layout.temporary, prefix="machine-") as parent:
            made = parent / "made"
            made.mkdir()
            self._hypervisor.save_memory(box.record.domain, made / _STATE, timeout=_MEMORY)
            for name in (_DISK, "console.log", "status", "config.tar.gz", "uefi.fd"):
                if (box.folder / name).exists():
                    (box.folder / name).rename(made / name)
            for name in ("logs", "pictures"):
                (box.folder / name).rename(made / name)
            pictures = sorted((made / "pictures").glob("*.png"), key=lambda p: p.stat().st_mtime)
            write_json(made / "about.json", {
                "phases": phases, "acceleration": how.reason,
                "accelerator": str(how.accelerator), "target": str(subject.target),
                "candidate": subject.candidate.digest, "machine": repr(self.machine),
                "pictures": [path.name for path in pictures],
                "when": datetime.now(UTC).isoformat(timespec="seconds"),
            })  # fmt: skip
            settle(made, folder)

    # Using.

    @contextlib.contextmanager
    def clone(self, subject: Subject, *, purpose: str) -> Iterator[Running]:
        """Give a machine of its own to a check: as it was right after its first boot.

        It is removed at the end; or kept, when the block fails because of the release.

        :param purpose: what it is for, in ``farm shell`` and reports.
        """
        installed = self.ensure(subject)
        with self._turn():
            box = self._new_box(purpose, subject)
            with self._kept_if_red(box):
                yield self._start_clone(installed, box, subject)

    @contextlib.contextmanager
    def shared(self, subject: Subject) -> Iterator[Running]:
        """Give the machine that all checks of this run look at, whichever process asks.

        It runs until the run ends: :meth:`sweep` takes it away then. When the block fails, it is
        kept. Checks must not change it.
        """
        running = self._shared.get(subject.target) or self._share(subject)
        self._shared[subject.target] = running
        try:
            yield running
        except Exception as error:
            self._mark(running.box, error)
            raise

    def _share(self, subject: Subject) -> Running:
        installed = self.ensure(subject)
        box = Box(self._layout.machines / f"{self._domain(subject)}-{digest_of(self._run)[:8]}")
        lock = self._layout.locks / f"{box.folder.name}.lock"
        with locked(lock, timeout=_TURN, what=f"starting the machine of {subject.target}"):
            if not box.take(shared=True):
                raise FarmFault(f"The machine {box.folder.name} is being removed.")
            if box.is_there and self._hypervisor.is_active(box.record.domain):
                return Running(box, box.guest(self.ssh_key), installed)
            fill(box, subject=f"machine@{subject.target}", run=self._run, ports=self._ports)
            return self._start_clone(installed, box, subject)

    def _start_clone(self, installed: Installed, box: Box, subject: Subject) -> Running:
        self._tell(f"cloning the machine of {subject.target}")
        for name in ("uefi.fd",):
            if (installed.folder / name).exists():
                link_or_copy(installed.folder / name, box.folder / name)
        backing = installed.folder / _DISK
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing, box.disk],
            timeout=_SHORT)  # fmt: skip
        incoming = Path(box.record.sockets) / "incoming"
        accelerator = self.acceleration(subject).accelerator
        spec = describe_hardware(box, self.machine, accelerator, incoming=incoming)
        self._hypervisor.start_from_memory(
            render_domain(spec), memory_file=installed.folder / _STATE, incoming=incoming,
            timeout=_MEMORY,
        )  # fmt: skip
        guest = box.guest(self.ssh_key)
        guest.wait(_CLONE)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        guest.run(["date", "--utc", "--set", now], timeout=_SHORT)
        return Running(box, guest, installed)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until few enough machines run: they share the host's cores and memory."""
        slots = [Lock(self._layout.locks / f"machine-slot-{number}.lock")
                 for number in range(self.most)]  # fmt: skip

        def find() -> Lock | None:
            return next((lock for lock in slots if lock.try_acquire()), None)

        lock = find()
        if lock is None:
            self._tell("waiting for a machine to be free")
            lock = wait_for(find, what="A turn for a machine", timeout=_TURN)
        try:
            yield
        finally:
            lock.release()

    @property
    def most(self) -> int:
        """How many clones run at once."""
        return 3

    def _new_box(self, purpose: str, subject: Subject) -> Box:
        box = Box(self._layout.machines / new_name(self._domain(subject)))
        if not box.take():
            raise FarmFault(f"The machine {box.folder.name} is in use.")
        return fill(box, subject=purpose, run=self._run, ports=self._ports)

    def _domain(self, subject: Subject) -> str:
        return f"farm-{digest_of(str(self._layout.root))[:6]}-{subject.target}"

    @property
    def _ports(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys([SSH, *tcp_ports(self.machine)]))

    @contextlib.contextmanager
    def _kept_if_red(self, box: Box) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._mark(box, error)
            box.leave()
            raise
        except BaseException:
            box.remove(self._hypervisor)
            raise
        box.remove(self._hypervisor)

    def _mark(self, box: Box, error: Exception) -> None:
        """Leave a machine as it is, for somebody to look at."""
        take_picture(self._hypervisor, box.record.domain, box.folder / "failure.png")
        why = error.brief if isinstance(error, FarmError) else str(error).partition("\n")[0]
        when = datetime.now(UTC).isoformat(timespec="seconds")
        box.write(replace(box.record, why=why[:500] or type(error).__name__, when=when))

    def leave(self) -> None:
        """Use shared machines no longer."""
        for running in self._shared.values():
            running.box.leave()
        self._shared.clear()

    def release(self, box: Box) -> None:
        """Remove a kept machine.

        :raises InputError: while somebody is at it.
        """
        if not box.take():
            raise InputError(f"The machine {box.folder.name} is in use.", hint="Leave it first.")
        box.remove(self._hypervisor)

    def sweep(self) -> None:
        """Take away the machines of processes that were killed."""
        if any(boxes(self._layout.machines)):
            sweep(self._layout.machines, self._hypervisor)
