"""Floor 4: what the ledger holds besides verdicts, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """Why a repository points to another snapshot than before."""

    PUBLISH = "publish"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


class Stage(StrEnum):
    """How far a publication came.

    *begun*: written down before the repository is switched, so that no other publication takes
    the same versions for other contents meanwhile. *done*: the repository was switched.
    *abandoned*: its process ended before the switch.
    """

    BEGUN = "begun"
    DONE = "done"
    ABANDONED = "abandoned"


@dataclass(frozen=True, order=True)
class Claim:
    """One name, version and architecture, and the one content that it has.

    :param architecture: ``source`` for a source package, whose content is its ``.dsc``.
    :param where: the repository that published it.
    """

    name: str
    version: str
    architecture: str
    sha256: str
    where: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What must never have two contents."""
        return (self.name, self.version, self.architecture)

    @property
    def label(self) -> str:
        """What is claimed, for people."""
        return f"{self.name} {self.version} {self.architecture}"


@dataclass(frozen=True)
class Conflict:
    """Two contents for one name, version and architecture."""

    claim: Claim
    holder: Claim

    def __str__(self) -> str:
        return (
            f"{self.claim.label} would have a second content: {self.holder.where} has "
            f"sha256 {self.holder.sha256[:12]}…, this one is {self.claim.sha256[:12]}…"
        )


@dataclass(frozen=True)
class Publication:
    """One switch of a repository to a snapshot.

    :param snapshot: the snapshot's id; ``previous`` is the one before, or empty.
    :param digest: of the snapshot's content: the candidate's digest.
    :param who: the login name of whoever did it.
    :param receipt: the path of the signed receipt.
    :param when: when it was begun, in UTC.
    :param number: given by the ledger; they only grow.
    """

    repository: str
    snapshot: str
    digest: str
    who: str
    receipt: str
    kind: Kind
    when: datetime
    previous: str = ""
    stage: Stage = Stage.BEGUN
    number: int = 0
