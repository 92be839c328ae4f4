"""What may not be left of a machine when its box was released."""

from __future__ import annotations

from pathlib import Path

from farm.machine.hypervisor import Hypervisor
from farm.machine.running import Box, Record
from farm.machine.session import tail_of_log


def check_nothing_is_left_of(box: Box, record: Record, hypervisor: Hypervisor) -> None:
    """See that there is no domain, no process, no folder, no socket and no log.

    :param record: what was known of it before.
    """
    assert hypervisor.names(record.domain) == []
    assert processes_of(record.domain) == []
    assert not box.folder.exists()
    assert not box.folder.with_name(f"{box.folder.name}.lock").exists()
    assert not Path(record.sockets).exists()
    assert tail_of_log(record.domain) == ""


def processes_of(domain: str) -> list[int]:
    """Give the processes that run a machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"guest={domain}".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it has just ended
            continue
    return found
