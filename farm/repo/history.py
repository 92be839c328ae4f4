"""Floor 4: which snapshots a repository has been, in the order in which it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Switch:
    """One change of what a repository is.

    :param snapshot: the id of what it became.
    :param back: whether that was a return to an earlier state.
    """

    snapshot: str
    when: datetime
    back: bool = False


class History:
    """A file of JSON lines that only grows."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[Switch, ...]:
        """Give all changes, the oldest first; a line that a power cut has torn is left out."""
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return ()
        return tuple(switch for line in lines if (switch := _parse(line)))

    def append(self, switch: Switch) -> None:
        """Add a change, on the disk when this returns."""
        line = {"snapshot": switch.snapshot, "when": switch.when.isoformat(), "back": switch.back}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as stream:
            stream.seek(0, os.SEEK_END)
            if stream.tell():
                stream.seek(-1, os.SEEK_END)
                torn = stream.read(1) != b"\n"
            else:
                torn = False
            stream.write((b"\n" if torn else b"") + json.dumps(line).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())


def _parse(line: str) -> Switch | None:
    try:
        value = json.loads(line)
        when = datetime.fromisoformat(value["when"])
        return Switch(str(value["snapshot"]), when.astimezone(UTC), bool(value["back"]))
    except (ValueError, KeyError, TypeError):
        return None


def standing(switches: Iterable[Switch]) -> list[str]:
    """Give the states that a repository rests on, the present one last.

    A return takes away what came after the state it returned to, so that another return goes
    further back, and not forth again to what had to be taken back.
    """
    ids: list[str] = []
    for switch in switches:
        if switch.back and switch.snapshot in ids:
            while ids[-1] != switch.snapshot:
                ids.pop()
        elif not ids or ids[-1] != switch.snapshot:
            ids.append(switch.snapshot)
    return ids


def latest(switches: Iterable[Switch]) -> list[str]:
    """Give every state once, that of the latest switch first."""
    return list(dict.fromkeys(switch.snapshot for switch in reversed(list(switches))))
