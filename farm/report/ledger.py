"""Floor 4: the ledger, which remembers what was checked, and what was published."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from farm.base.errors import AuditFailed, FarmFault
from farm.model.verdict import State, Verdict
from farm.report.database import Database
from farm.report.records import Claim, Conflict, Kind, Publication, Stage

_SHOWN = 20


class Ledger:
    """The memory of a workspace; many processes use it at once, and any may be killed.

    Nothing in it is ever changed to the better: verdicts are added, the latest counts.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database = Database(path)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._database.close()

    def record(self, *verdicts: Verdict) -> None:
        """Remember verdicts, all of them or none.

        :raises FarmFault: when the ledger cannot be written.
        """
        rows = [
            (v.item, v.gate, v.state.value, v.reason, v.digest, v.inputs, v.seconds,
             v.when.isoformat(), v.run)
            for v in verdicts
        ]  # fmt: skip
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT INTO verdict VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )

    def verdicts(self, digest: str) -> Mapping[str, Verdict]:
        """Give the latest verdict of each item that was looked at on exactly this digest."""
        rows = self._database.read(
            """SELECT * FROM verdict WHERE number IN
               (SELECT max(number) FROM verdict WHERE digest = ? GROUP BY item) ORDER BY item""",
            (digest,),
        )
        return {verdict.item: verdict for verdict in map(_verdict, rows)}

    def recorded_pass(self, item: str, *, digest: str, inputs: str) -> Verdict | None:
        """Give the verdict that makes it needless to try an item again, if there is one.

        Only the latest verdict on the same digest counts, and only when it is *passed* with the
        same inputs: an item that failed since is tried again.
        """
        rows = self._database.read(
            "SELECT * FROM verdict WHERE digest = ? AND item = ? ORDER BY number DESC LIMIT 1",
            (digest, item),
        )
        latest = _verdict(rows[0]) if rows else None
        if latest and latest.state is State.PASSED and latest.inputs == inputs:
            return latest
        return None

    def expect(self, digest: str, *, gate: str, source: str, items: Sequence[str]) -> None:
        """Remember the complete list of items that one file of checks consists of.

        :param digest: of the content of the file, and of all else that decides its items.
        :param source: the file, and for what it was collected; see
            :attr:`farm.release.gates.HowtoFile.source`.
        :param items: as an unfiltered collection finds them.
        """
        if self.expectations(digest, gate=gate).get(source) == tuple(items):
            return
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO expectation VALUES (?, ?, ?, ?)",
                (digest, gate, source, json.dumps(list(items))),
            )

    def expectations(self, digest: str, *, gate: str) -> Mapping[str, tuple[str, ...]]:
        """Give the complete lists of items by source, for files of exactly this digest."""
        rows = self._database.read(
            "SELECT source, items FROM expectation WHERE digest = ? AND gate = ?", (digest, gate)
        )
        return {source: tuple(json.loads(items)) for source, items in rows}

    def record_duration(self, name: str, *, seconds: float) -> None:
        """Remember how long something took; half of what is kept comes from former times."""
        with self._database.writing() as connection:
            connection.execute(
                """INSERT INTO duration VALUES (?, ?) ON CONFLICT (name)
                   DO UPDATE SET seconds = (seconds + excluded.seconds) / 2""",
                (name, seconds),
            )

    def durations(self) -> dict[str, float]:
        """Give by name the seconds that things are expected to take."""
        return dict(self._database.read("SELECT name, seconds FROM duration"))

    def conflicts(self, claims: Sequence[Claim]) -> list[Conflict]:
        """Find where contents differ from those published, or being published, under a name.

        One name, version and architecture never has two contents in a workspace. Claims that
        contradict each other are found too.
        """
        with self._database.writing() as connection:  # one view of all the tables
            return _conflicts(connection, claims)

    def begin_publication(self, publication: Publication, *, claims: Sequence[Claim]) -> int:
        """Write down that a repository is about to be switched, and what it will hold.

        The claims count from now on against every other publication. Once the repository is
        switched, :meth:`complete_publication` makes them stay.

        :returns: the publication's number.
        :raises AuditFailed: for a second content under one name, version and architecture.
        """
        with self._database.writing() as connection:
            found = _conflicts(connection, claims)
            if found:
                raise _second_content(publication.repository, found)
            text = json.dumps([dataclasses.astuple(claim) for claim in claims])
            p = publication
            cursor = connection.execute(
                """INSERT INTO publication (repository, snapshot, digest, who, receipt, kind, at,
                   previous, stage, claims) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                (p.repository, p.snapshot, p.digest, p.who, p.receipt, p.kind.value,
                 p.when.isoformat(), p.previous, Stage.BEGUN.value, text),
            )  # fmt: skip
            return int(cursor.lastrowid or 0)

    def complete_publication(self, number: int) -> None:
        """Write down that the repository was switched; its contents are published for good."""
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO content VALUES (?, ?, ?, ?, ?)",
                _take_claims(connection, number, stage=Stage.DONE),
            )

    def abandon_publication(self, number: int) -> None:
        """Write down that the repository was never switched, and drop the claims."""
        with self._database.writing() as connection:
            _take_claims(connection, number, stage=Stage.ABANDONED)

    def publications(
        self, repository: str | None = None, *, stage: Stage = Stage.DONE
    ) -> list[Publication]:
        """Give the publications of one repository, or of all, oldest first."""
        rows = self._database.read(
            """SELECT * FROM publication
               WHERE stage = ? AND (? IS NULL OR repository = ?) ORDER BY number""",
            (stage.value, repository, repository),
        )
        return [_publication(row) for row in rows]


def _verdict(row: Sequence[Any]) -> Verdict:
    _, item, gate, state, reason, digest, inputs, seconds, at, run = row
    when = datetime.fromisoformat(at)
    return Verdict(item, gate, State(state), reason, digest, inputs, seconds, when, run)


def _publication(row: Sequence[Any]) -> Publication:
    number, repository, snapshot, digest, who, receipt, kind, at, previous, stage, _ = row
    return Publication(
        repository, snapshot, digest, who, receipt, Kind(kind), datetime.fromisoformat(at),
        previous, Stage(stage), number,
    )  # fmt: skip


def _conflicts(connection: sqlite3.Connection, claims: Iterable[Claim]) -> list[Conflict]:
    begun = connection.execute(
        "SELECT claims FROM publication WHERE stage = ?", (Stage.BEGUN.value,)
    ).fetchall()
    held = {claim.key: claim for (text,) in begun for claim in _claims(text)}
    found = []
    for claim in claims:
        row = connection.execute(
            "SELECT * FROM content WHERE name = ? AND version = ? AND architecture = ?",
            claim.key,
        ).fetchone()
        holder = Claim(*row) if row else held.setdefault(claim.key, claim)
        if holder.sha256 != claim.sha256:
            found.append(Conflict(claim, holder))
    return found


def _claims(text: str) -> list[Claim]:
    return [Claim(*values) for values in json.loads(text)]


def _take_claims(
    connection: sqlite3.Connection, number: int, *, stage: Stage
) -> list[tuple[Any, ...]]:
    row = connection.execute(
        "SELECT stage, claims FROM publication WHERE number = ?", (number,)
    ).fetchone()
    if row is None or row[0] not in (Stage.BEGUN.value, stage.value):
        state = "not known" if row is None else f"already {row[0]}"
        raise FarmFault(f"Publication {number} cannot become {stage}: it is {state}.")
    connection.execute(
        "UPDATE publication SET stage = ?, claims = '[]' WHERE number = ?", (stage.value, number)
    )
    return [dataclasses.astuple(claim) for claim in _claims(row[1])]


def _second_content(repository: str, found: Sequence[Conflict]) -> AuditFailed:
    lines = [str(conflict) for conflict in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"… and {len(found) - _SHOWN} more")
    return AuditFailed(
        f"{repository} cannot take {found[0].claim.label}: this version was already published "
        "with another content.",
        details="\n".join(lines),
        hint="Give the package a higher version in its changelog, and build it again.",
    )
