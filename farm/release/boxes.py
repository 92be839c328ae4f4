"""Floor 5: boxes for machines: made, kept when something fails on one, and taken away."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from farm.base.errors import FarmError, FarmFault, InputError
from farm.base.files import digest_of
from farm.config.settings import Machine
from farm.machine.hypervisor import Hypervisor
from farm.machine.installation import take_picture
from farm.machine.running import SSH, Box, boxes, fill, kept, new_name, sweep
from farm.model.layout import Layout
from farm.model.target import Target
from farm.release.wishes import tcp_ports


class Boxes:
    """The boxes of a workspace.

    :param run: names this run.
    """

    def __init__(self, layout: Layout, *, hypervisor: Hypervisor, run: str) -> None:
        self._layout = layout
        self._hypervisor = hypervisor
        self._run = run
        self.latest: list[Box] = []
        """Those that this process has kept because something failed, the latest last."""

    def new(self, purpose: str, target: Target, machine: Machine) -> Box:
        """Make a box, whose lock this process holds.

        :param purpose: what it is for, in ``farm shell`` and reports.
        """
        box = Box(self._layout.machines / new_name(self._domain(target)))
        if not box.take():
            raise FarmFault(f"The machine {box.folder.name} is in use.")
        return self.fill(box, purpose, machine)

    def of_run(self, target: Target) -> Box:
        """Give the box that all processes of this run share; it need not be there."""
        return Box(self._layout.machines / f"{self._domain(target)}-{digest_of(self._run)[:8]}")

    def fill(self, box: Box, purpose: str, machine: Machine) -> Box:
        """Make the folder of a box; for whoever holds its lock."""
        ports = tuple(dict.fromkeys([SSH, *tcp_ports(machine)]))
        return fill(box, subject=purpose, run=self._run, ports=ports)

    def _domain(self, target: Target) -> str:
        return f"farm-{digest_of(str(self._layout.root))[:6]}-{target}"

    @contextlib.contextmanager
    def kept_if_red(self, box: Box, *, keep: bool = True) -> Iterator[None]:
        """Remove a box at the end of the block; or keep it, when the block fails.

        :param keep: whether it is worth that: a kept machine takes memory as long as it stays.
        """
        try:
            yield
        except Exception as error:
            if not keep:
                box.remove(self._hypervisor)
                raise
            self.mark(box, error)
            box.leave()
            self.latest.append(box)
            raise
        except BaseException:
            box.remove(self._hypervisor)
            raise
        box.remove(self._hypervisor)

    def has_kept(self, purpose: str) -> bool:
        """Say whether a machine of this run is kept that was made for a purpose."""
        records = (box.record for box in kept(self._layout.machines))
        return any(each.subject == purpose and each.run == self._run for each in records)

    def mark(self, box: Box, error: Exception) -> None:
        """Leave a machine as it is, for somebody to look at."""
        take_picture(self._hypervisor, box.record.domain, box.folder / "failure.png")
        why = error.brief if isinstance(error, FarmError) else str(error).partition("\n")[0]
        when = datetime.now(UTC).isoformat(timespec="seconds")
        box.write(replace(box.record, why=why[:500] or type(error).__name__, when=when))

    def release(self, box: Box) -> None:
        """Remove a kept machine.

        :raises InputError: while somebody is at it.
        """
        if not box.take():
            raise InputError(f"The machine {box.folder.name} is in use.", hint="Leave it first.")
        box.remove(self._hypervisor)

    def release_latest(self) -> None:
        """Remove what this process has kept, but for those that somebody is at."""
        for box in self.latest:
            with contextlib.suppress(InputError):
                self.release(box)
        self.latest.clear()

    def sweep(self) -> None:
        """Take away the machines of processes that were killed."""
        if any(boxes(self._layout.machines)):
            sweep(self._layout.machines, self._hypervisor)
