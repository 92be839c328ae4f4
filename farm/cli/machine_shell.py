"""Floor 7: the part of ``farm shell`` that goes into a machine."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from farm.base.errors import InputError, WaitTimeout
from farm.base.relay import is_talking
from farm.base.run import interact
from farm.build.failures import Failures
from farm.cli.terminal import say
from farm.machine.running import Box, is_named, kept, ssh_key_of
from farm.model.layout import Layout

MACHINE = "machine"
"""The name under which machines are asked for."""

_SSH = timedelta(seconds=20)


def find_box(text: str, layout: Layout) -> Box | None:
    """Give the latest kept machine that is meant by ``machine@TARGET`` or ``PACKAGE@TARGET``.

    A failed build of a package comes before a machine on which it has failed.
    """
    machines = [box for box in kept(layout.machines) if is_named(box, text)]
    package, _, target = text.partition("@")
    of = f" of {target}" if target else ""
    if package == MACHINE:
        if not machines:
            raise InputError(
                f"No machine{of} is kept: nothing has failed on one.",
                hint="Machines stay only while something is wrong with them.",
            )
        return machines[-1]
    built = any(
        text in (each.name, each.name.partition("@")[0]) for each in Failures(layout).all()
    )
    return machines[-1] if machines and not built else None


def enter_machine(box: Box, layout: Layout, command: list[str]) -> int:
    """Go in by ssh; or to its console, when nobody answers there."""
    record = box.record
    guest = box.guest(ssh_key_of(layout))
    if is_talking():
        name = record.subject.partition(" ")[0]
        say(f"{record.subject}: {record.why}", f"console: {box.console}",
            f"The machine stays until: farm gc --failed {name}")  # fmt: skip
    try:
        guest.wait(_SSH)
    except WaitTimeout:
        if command:
            raise
        if not (Path(record.sockets) / "console").is_socket():
            raise InputError(
                f"The machine {box.folder.name} is off, so there is nothing to go into.",
                hint=f"What it said is in {box.console}, what its installer said beside that.",
            ) from None
        say("It does not answer by ssh. This is its console; Ctrl-] leaves it.")
        socket = f"UNIX-CONNECT:{Path(record.sockets) / 'console'}"
        return interact(["socat", "-,raw,echo=0,escape=0x1d", socket])
    return guest.shell(command)
