"""Floor 4: virtual machines that run, through libvirt; all that is known of one is its name."""

from __future__ import annotations

import importlib
import json
import threading
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from farm.base.errors import FarmFault, WaitTimeout
from farm.base.files import write_atomically
from farm.base.waiting import Deadline
from farm.machine import memory
from farm.machine.session import asking, connect, load_libvirt, remove_log, tail_of_log

_LOOK = timedelta(seconds=2)  # between two looks while events are waited for, which may get lost
_PROMPTLY = timedelta(seconds=0.05)
_OFF = timedelta(seconds=30)
_UNLIMITED = 2**40  # bytes in a second
# By what QEMU says; after the first of these there is nothing that a second try would change.
_HINTS = {
    "memory": "The host has too little left: let it have less by [machine] memory in farm.toml.",
    "host forwarding rule": "Somebody has taken the port in this moment. Run it again.",
}
_PNG = "image/png"


class State(StrEnum):
    """What a machine does."""

    OFF = "off"
    RUNNING = "running"
    PAUSED = "paused"
    CRASHED = "crashed"


class Ending(StrEnum):
    """How a machine has come to be off."""

    POWERED_OFF = "powered off"
    """By what ran in it."""
    DESTROYED = "destroyed"
    """By somebody outside."""
    FAILED = "failed"
    """QEMU has crashed, or was killed."""
    UNKNOWN = "unknown"
    """It was off when it was first looked at."""


class Hypervisor:
    """The machines of this user. It may be used by several threads.

    :param of_system: whether the system's daemon runs them, to which its networks belong.
    """

    def __init__(self, *, of_system: bool = False) -> None:
        self._of_system = of_system
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._endings: dict[str, Ending] = {}
        self._open_connection: Any = None

    # --- to begin and to end ------------------------------------------------------------------

    def start(self, xml: str) -> None:
        """Start a machine, which is forgotten when it is off: see :mod:`farm.machine.domain`.

        The first machine of a daemon takes some seconds longer, while libvirt looks at QEMU.

        :raises FarmFault: when it does not start; nothing is left then.
        """
        self._begin(xml)

    def start_from_memory(
        self, xml: str, *, memory_file: Path, incoming: Path, timeout: timedelta
    ) -> None:
        """Start a machine in the state in which another of the same hardware was saved.

        It runs when this returns.

        :param incoming: that of its description; the socket is gone afterwards.
        :raises WaitTimeout: when it takes longer.
        :raises FarmFault: when it does not start, or the memory does not suit it.
        """
        name = self._begin(xml)
        try:
            memory.send(memory_file, to=incoming, timeout=timeout)
            self._wait_for_migration(name, timeout=timeout)
            self._tell(name, "cont")  # it was saved while it was paused
        except BaseException as error:
            self._end(name)
            details = tail_of_log(name, of_system=self._of_system)
            self.destroy(name)
            if isinstance(error, WaitTimeout) or not isinstance(error, FarmFault):
                raise
            raise FarmFault(
                f"{name} cannot go on with the memory in {memory_file}, which is damaged or of "
                "another kind of machine.", details=f"{error}\n{details}",
            ) from error  # fmt: skip
        finally:
            incoming.unlink(missing_ok=True)

    def _begin(self, xml: str) -> str:
        try:
            with asking("A machine cannot be started"):
                name = str(self._connection().createXML(xml).name())
        except FarmFault as error:
            error.hint = next((hint for word, hint in _HINTS.items() if word in error.brief),
                              error.hint)  # fmt: skip
            raise
        self._endings.pop(name, None)
        return name

    def save_memory(self, name: str, path: Path, *, timeout: timedelta) -> None:
        """Write the state of a machine into a file, and end it there and then.

        Its disk is whole afterwards and belongs to that state.

        :raises WaitTimeout: when it takes longer; the machine is off then, too.
        :raises FarmFault: when it cannot be written.
        """
        beside = path.with_name(f".{path.name}.part")
        deadline = Deadline(timeout)
        try:
            with memory.receiving(beside) as receiver:
                with asking(f"{name} cannot be paused"):
                    self._domain(name).suspend()
                self._tell(name, "migrate-set-parameters", {"max-bandwidth": _UNLIMITED})
                self._tell(name, "migrate", {"uri": f"unix:{receiver.socket_path}"})
                while not receiver.has_all(within=_LOOK):
                    if deadline.has_passed:
                        raise WaitTimeout(f"The memory of {name} is not saved after {timeout}.")
                self._wait_for_migration(name, timeout=timeout)
            beside.replace(path)
        finally:
            self.destroy(name)
            beside.unlink(missing_ok=True)

    def shutdown(self, name: str) -> None:
        """Press the power button: what runs in the machine powers it off, or does not."""
        with asking(f"{name} cannot be shut down"):
            self._domain(name).shutdown()

    def reset(self, name: str) -> None:
        """Press the reset button."""
        with asking(f"{name} cannot be reset"):
            self._domain(name).reset(0)

    def destroy(self, name: str) -> None:
        """Pull the plug, and remove what QEMU has logged; harmless for a machine that is off."""
        self._end(name)
        remove_log(name, of_system=self._of_system)

    def _end(self, name: str) -> None:
        with asking(f"{name} cannot be ended"):
            domain = self._find(name)
            if domain is None:
                return
            try:
                domain.destroy()
            except load_libvirt().libvirtError:
                if self._find(name) is not None:
                    raise
        self.wait_until_off(name, timeout=_OFF)

    # --- to look ------------------------------------------------------------------------------

    def names(self, prefix: str = "") -> list[str]:
        """Give the names of the machines that are on, sorted."""
        with asking("Machines cannot be listed"):
            found = [str(domain.name()) for domain in self._connection().listAllDomains()]
        return sorted(name for name in found if name.startswith(prefix))

    def is_active(self, name: str) -> bool:
        """Say whether a machine is on."""
        return self.state(name) is not State.OFF

    def state(self, name: str) -> State:
        """Say what a machine does; one that nobody knows is off."""
        try:
            return self._look(name)
        except FarmFault:
            if self._is_connected():
                raise
            return self._look(name)  # the daemon has gone; its successor knows the machines

    def _look(self, name: str) -> State:
        libvirt = load_libvirt()
        with asking(f"{name} cannot be looked at"):
            domain = self._find(name)
            if domain is None:
                return State.OFF
            try:
                number = domain.state()[0]
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                    return State.OFF
                raise
        return {
            libvirt.VIR_DOMAIN_SHUTOFF: State.OFF, libvirt.VIR_DOMAIN_CRASHED: State.CRASHED,
            libvirt.VIR_DOMAIN_PAUSED: State.PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED: State.PAUSED,
        }.get(number, State.RUNNING)  # fmt: skip

    def screenshot(self, name: str, path: Path) -> None:
        """Write what is on the screen of a machine as a PNG file.

        :raises FarmFault: when there is no picture, or it is of another kind.
        """
        chunks: list[bytes] = []
        with asking(f"There is no picture of {name}"):
            stream = self._connection().newStream()
            kind = self._domain(name).screenshot(stream, 0)
            stream.recvAll(lambda _stream, chunk, _opaque: chunks.append(chunk), None)
            stream.finish()
        if kind != _PNG:
            raise FarmFault(f"QEMU gives a picture of {name} as {kind}, not as {_PNG}.",
                            hint="QEMU 7.1 or later is needed.")  # fmt: skip
        write_atomically(path, b"".join(chunks))

    def wait_until_off(self, name: str, *, timeout: timedelta) -> Ending:
        """Wait until a machine is off; says how that came.

        :raises WaitTimeout: when it is still on.
        """
        deadline = Deadline(timeout)
        while self.is_active(name):
            if deadline.has_passed:
                raise WaitTimeout(f"{name} is still {self.state(name)} after {timeout}.")
            with self._changed:
                # The event comes a moment before libvirt forgets the machine.
                pause = _PROMPTLY if name in self._endings else _LOOK
                self._changed.wait(min(pause, deadline.remaining).total_seconds())
        with self._changed:
            self._changed.wait_for(lambda: name in self._endings, _PROMPTLY.total_seconds())
            return self._endings.get(name, Ending.UNKNOWN)

    # --- libvirt ------------------------------------------------------------------------------

    def _connection(self) -> Any:
        """Give a connection that works: a daemon that was restarted finds its machines again."""
        libvirt = load_libvirt()
        with self._lock:
            if not self._is_connected():
                self._open_connection = connect(of_system=self._of_system)
                self._open_connection.domainEventRegisterAny(
                    None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._note, None
                )
            return self._open_connection

    def _is_connected(self) -> bool:
        return self._open_connection is not None and bool(self._open_connection.isAlive())

    def _note(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
        libvirt = load_libvirt()
        if event != libvirt.VIR_DOMAIN_EVENT_STOPPED:
            return
        ending = {
            libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: Ending.POWERED_OFF,
            libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: Ending.DESTROYED,
        }.get(detail, Ending.FAILED)
        with self._changed:
            self._endings[str(domain.name())] = ending
            self._changed.notify_all()

    def _find(self, name: str) -> Any:
        """Give a machine, or None when it is off."""
        libvirt = load_libvirt()
        try:
            return self._connection().lookupByName(name)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise

    def _domain(self, name: str) -> Any:
        domain = self._find(name)
        if domain is None:
            raise FarmFault(f"The machine {name} is off.")
        return domain

    def _tell(self, name: str, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Say a word to QEMU itself: see its QMP reference."""
        monitor = importlib.import_module("libvirt_qemu")
        words = {"execute": command, "arguments": arguments or {}}
        with asking(f"{name} does not do {command}"):
            answer = monitor.qemuMonitorCommand(self._domain(name), json.dumps(words), 0)
        return json.loads(answer).get("return")

    def _wait_for_migration(self, name: str, *, timeout: timedelta) -> None:
        """Wait until memory that has gone through its socket is taken for complete."""
        deadline = Deadline(timeout)
        while (status := self._tell(name, "query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled"):
                raise FarmFault(f"The memory of {name} does not get through: it has {status}.")
            if deadline.has_passed:
                raise WaitTimeout(f"The memory of {name} is still {status} after {timeout}.")
            with self._changed:
                self._changed.wait(_PROMPTLY.total_seconds())
