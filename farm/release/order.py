"""Floor 5: what shall become of a repository, by whom and with what; as plain values."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Protocol

from farm.release.gates import HowtoFile, Plan, Unit
from farm.release.subjects import inspect
from farm.repo.content import Content
from farm.repo.signing import Key
from farm.repo.snapshot import Snapshots
from farm.repo.state import Snapshot
from farm.report.ledger import Ledger
from farm.report.records import Kind


def login_name() -> str:
    """Give the login name of whoever runs this process."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


def farm_version() -> str:
    """Give the version of the farm."""
    try:
        return metadata.version("packaging-farm")
    except metadata.PackageNotFoundError:
        return "not installed"


def _now() -> datetime:
    return datetime.now(UTC)


def _go_on(_: str) -> None:
    """Do nothing between two steps."""


class Inspect(Protocol):
    """See :func:`farm.release.subjects.inspect`."""

    def __call__(self, snapshot: Snapshot, *, key: Key) -> Mapping[str, str]:
        """Give the SHA-256 of each file by path, or refuse the snapshot."""
        ...


@dataclass(frozen=True)
class Desk:
    """Where publications are made: what they read and write, and who makes them.

    :param workspace: its name.
    :param locks: a folder for lock files.
    :param receipts: a folder that keeps a copy of every receipt.
    :param inspect: looks at a snapshot before it is served, and gives its files.
    :param step: told the name of each step after it is done; tests end a process there.
    """

    workspace: str
    snapshots: Snapshots
    ledger: Ledger
    locks: Path
    receipts: Path
    who: str = field(default_factory=login_name)
    farm: str = field(default_factory=farm_version)
    inspect: Inspect = inspect
    now: Callable[[], datetime] = _now
    step: Callable[[str], None] = _go_on


@dataclass(frozen=True)
class Order:
    """What shall become of a repository.

    :param content: what it shall hold; its digest is the candidate's.
    :param gates: those that the repository asks for.
    :param key: gives the repository's key; asked for only when the gates have opened.
    :param howtos: every HOWTO file that the workspace has for what the content was built from.
    :param inputs: see :attr:`farm.release.gates.Plan.inputs`.
    :param former: see :attr:`farm.release.gates.Plan.former`.
    :param attachments: what is kept beside the receipt, by name: how machines were installed.
    :param oldest: verdicts from before this time have expired; None lets them live for ever.
    :param expected_previous: the id of what the repository must still hold, empty for nothing;
        None for whatever it holds.
    """

    repository: str
    content: Content
    gates: Sequence[str]
    key: Callable[[], Key]
    kind: Kind = Kind.PROMOTE
    howtos: Sequence[HowtoFile] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    former: str = ""
    attachments: Mapping[str, Path] = field(default_factory=dict)
    oldest: datetime | None = None
    expected_previous: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a repository.

    :param previous: the id of what it was before, or empty.
    :param changed: whether there was anything to do.
    :param sentence: says it to people.
    :param receipt: the signed record, with its signature beside it.
    """

    repository: str
    snapshot: Snapshot
    previous: str
    changed: bool
    sentence: str
    receipt: Path


def plan_of(order: Order) -> Plan:
    """Give what is to be known of a content: this follows from what it was built from alone."""
    keys = {Unit(build.package, build.target): build.key for build in order.content.builds}
    return Plan(order.content.digest, tuple(sorted(keys)), keys, tuple(order.howtos), order.inputs,
                order.former)  # fmt: skip
