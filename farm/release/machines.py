"""Floor 5: machines of a workspace at work: clones of installed ones, which run within seconds."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from farm.base.activity import Tell
from farm.base.errors import Blocked, FarmError, FarmFault
from farm.base.files import Lock, locked
from farm.base.run import run
from farm.base.waiting import wait_for
from farm.config.settings import Workspace
from farm.machine.domain import render_domain
from farm.machine.hypervisor import Hypervisor
from farm.machine.running import Box, describe_hardware
from farm.model.layout import Layout
from farm.model.target import Target
from farm.place.guest import Guest
from farm.release.attempts import Attempts
from farm.release.boxes import Boxes
from farm.release.installs import DISK, STATE, VARIABLES, Installed, Installs
from farm.release.wishes import Subject

_MEMORY = timedelta(minutes=3)
_CLONE = timedelta(minutes=2)
_SHORT = timedelta(minutes=1)
_TURN = timedelta(hours=2)
_MOST = 3  # clones that run at once: they share the host's cores and memory


@contextlib.contextmanager
def blocked_by(name: str) -> Iterator[None]:
    """Let what fails in the block be somebody else's failure, who says it better.

    :param name: of what is to blame.
    :raises Blocked: when the block raises an error of the farm.
    """
    try:
        yield
    except Blocked:
        raise
    except FarmError as error:
        raise Blocked(f"{name} is not there.", by=name) from error


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

    @property
    def host(self) -> str:
        """The address of this host's loopback, as the machine sees it."""
        return self.installed.wire.host


class Machines:
    """The machines of a workspace.

    :param run: names this run.
    :param cache: see :class:`farm.release.installs.Installs`.
    """

    def __init__(
        self, workspace: Workspace, layout: Layout, *, run: str, tell: Tell,
        cache: Callable[[str], AbstractContextManager[int]],
    ) -> None:  # fmt: skip
        machine = workspace.machine
        self._layout = layout
        self.tell = tell
        self.hypervisor = Hypervisor(of_system=bool(machine and machine.network))
        self.boxes = Boxes(layout, hypervisor=self.hypervisor, run=run)
        self.attempts = Attempts(layout.runs / run if run else None)
        self.installs = Installs(
            workspace, layout, hypervisor=self.hypervisor, boxes=self.boxes,
            attempts=self.attempts, tell=tell, cache=cache,
        )  # fmt: skip
        self._shared: dict[Target, Running] = {}

    def installed(self, subject: Subject) -> Installed:
        """Give the machine of a candidate, for a check that is about something else.

        :raises Blocked: when it cannot be installed.
        """
        with blocked_by(f"machine@{subject.target}"):
            return self.installs.ensure(subject)

    @contextlib.contextmanager
    def clone(
        self, subject: Subject, *, purpose: str, of: Installed | None = None, keep: bool = True
    ) -> Iterator[Running]:
        """Give a machine of its own to a check: as it was right after its first boot.

        It is removed at the end; or kept, when the block fails because of the release.

        :param purpose: what it is for, in ``farm shell`` and reports.
        :param of: what it is a clone of, if not of what was just installed.
        :param keep: whether it is kept when the block fails.
        :raises Blocked: when there is nothing that could be cloned.
        """
        installed = of or self.installed(subject)
        with self._turn():
            box = self.boxes.new(purpose, subject.target, self.installs.machine)
            with self.boxes.kept_if_red(box, keep=keep):
                yield self._start_clone(installed, box, subject)

    @contextlib.contextmanager
    def shared(self, subject: Subject) -> Iterator[Running]:
        """Give the machine that all checks of this run look at, whichever process asks.

        It runs until the run ends: the next :meth:`farm.release.boxes.Boxes.sweep` takes it away
        then. When the block fails, it is kept. Checks must not change it.
        """
        running = self._shared.get(subject.target) or self._share(subject)
        self._shared[subject.target] = running
        try:
            yield running
        except Exception as error:
            self.boxes.mark(running.box, error)
            raise

    def _share(self, subject: Subject) -> Running:
        installed = self.installed(subject)
        box = self.boxes.of_run(subject.target)
        lock = self._layout.locks / f"{box.folder.name}.lock"
        with locked(lock, timeout=_TURN, what=f"starting the machine of {subject.target}"):
            if not box.take(shared=True):
                raise FarmFault(f"The machine {box.folder.name} is being removed.")
            if box.is_there and self.hypervisor.is_active(box.record.domain):
                return Running(box, box.guest(self.installs.ssh_key), installed)
            self.boxes.fill(box, f"machine@{subject.target}", self.installs.machine)
            return self._start_clone(installed, box, subject)

    def _start_clone(self, installed: Installed, box: Box, subject: Subject) -> Running:
        self.tell(f"cloning the machine of {subject.target}")
        if (installed.folder / VARIABLES).exists():
            shutil.copyfile(installed.folder / VARIABLES, box.folder / VARIABLES)
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2",
             "-b", installed.folder / DISK, box.disk], timeout=_SHORT)  # fmt: skip
        incoming = Path(box.record.sockets) / "incoming"
        accelerator = self.installs.acceleration(subject).accelerator
        spec = describe_hardware(box, self.installs.machine, accelerator, like=installed.like,
                                 incoming=incoming)  # fmt: skip
        self.hypervisor.start_from_memory(
            render_domain(spec), memory_file=installed.folder / STATE, incoming=incoming,
            timeout=_MEMORY,
        )  # fmt: skip
        guest = box.guest(self.installs.ssh_key)
        guest.wait(_CLONE)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        guest.run(["date", "--utc", "--set", now], timeout=_SHORT)
        return Running(box, guest, installed)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until few enough machines run."""
        slots = [Lock(self._layout.locks / f"machine-slot-{number}.lock")
                 for number in range(_MOST)]  # fmt: skip

        def find() -> Lock | None:
            return next((lock for lock in slots if lock.try_acquire()), None)

        lock = find()
        if lock is None:
            self.tell("waiting for a machine to be free")
            lock = wait_for(find, what="A turn for a machine", timeout=_TURN)
        try:
            yield
        finally:
            lock.release()

    def leave(self) -> None:
        """Use shared machines no longer."""
        for running in self._shared.values():
            running.box.leave()
        self._shared.clear()
