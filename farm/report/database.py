"""Floor 4: the ledger's SQLite file: its form, its connections and its transactions."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from farm.base.errors import FarmFault, WaitTimeout
from farm.base.files import locked

_BUSY = timedelta(seconds=60)

# One entry a version; entries are never changed, only added. PRAGMA user_version counts them.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE verdict (
            number INTEGER PRIMARY KEY, item TEXT NOT NULL, gate TEXT NOT NULL,
            state TEXT NOT NULL, reason TEXT NOT NULL, digest TEXT NOT NULL,
            inputs TEXT NOT NULL, seconds REAL NOT NULL, at TEXT NOT NULL, run TEXT NOT NULL)""",
        "CREATE INDEX verdict_by_digest ON verdict (digest, item, number)",
        """CREATE TABLE expectation (
            digest TEXT NOT NULL, gate TEXT NOT NULL, source TEXT NOT NULL, items TEXT NOT NULL,
            PRIMARY KEY (digest, gate, source)) WITHOUT ROWID""",
        "CREATE TABLE duration (name TEXT PRIMARY KEY, seconds REAL NOT NULL) WITHOUT ROWID",
        """CREATE TABLE content (
            name TEXT NOT NULL, version TEXT NOT NULL, architecture TEXT NOT NULL,
            sha256 TEXT NOT NULL, location TEXT NOT NULL,
            PRIMARY KEY (name, version, architecture)) WITHOUT ROWID""",
        """CREATE TABLE publication (
            number INTEGER PRIMARY KEY AUTOINCREMENT, repository TEXT NOT NULL,
            snapshot TEXT NOT NULL, digest TEXT NOT NULL, who TEXT NOT NULL,
            receipt TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL,
            previous TEXT NOT NULL, stage TEXT NOT NULL, claims TEXT NOT NULL)""",
        "CREATE INDEX publication_by_stage ON publication (stage, repository)",
    ),
)


class Database:
    """One SQLite file that many processes use at once, each of which may be killed.

    Write-ahead logging lets readers and one writer work side by side; a transaction that was
    not committed is gone with its process (https://www.sqlite.org/wal.html).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        connection = self._connection_of_this_process()
        if connection is not None:
            connection.close()
        self._local.held = None

    def read(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Give all the rows of one query.

        :raises FarmFault: when the file cannot be used.
        """
        with self._explained():
            return self._connection().execute(statement, values).fetchall()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside one write transaction: all of the block, or nothing.

        :raises WaitTimeout: when other processes keep the ledger busy for a minute.
        :raises FarmFault: when the file cannot be used.
        """
        with self._explained():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _connection_of_this_process(self) -> sqlite3.Connection | None:
        # A connection must not cross a fork(): https://www.sqlite.org/howtocorrupt.html, 2.6.
        owner, connection = getattr(self._local, "held", None) or (0, None)
        return connection if owner == os.getpid() else None

    def _connection(self) -> sqlite3.Connection:
        connection = self._connection_of_this_process()
        if connection is None:
            connection = self._open()
            self._local.held = (os.getpid(), connection)
        return connection

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=_BUSY.total_seconds(), isolation_level=None
        )
        try:
            if _version(connection) != len(MIGRATIONS):
                # SQLite does not wait its turn when two processes switch to WAL at once.
                lock = self.path.with_name(f"{self.path.name}.lock")
                with locked(lock, timeout=_BUSY, what="the ledger's first use"):
                    self._migrate(connection)
            connection.execute("PRAGMA synchronous=FULL")  # a commit outlives a power cut
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        held = _version(connection)
        if held > len(MIGRATIONS):
            raise FarmFault(
                f"The ledger {self.path} was written by a newer farm (form {held}, this farm "
                f"knows {len(MIGRATIONS)}).",
                hint="Use the newer farm for this workspace.",
            )
        for statements in MIGRATIONS[held:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
        connection.commit()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise WaitTimeout(
                    f"Other processes kept the ledger {self.path} busy for more than {_BUSY}.",
                    hint=f"Look who has it open (fuser {self.path}), or try again later.",
                ) from error
            raise FarmFault(
                f"The ledger {self.path} cannot be used: {error}.",
                hint="Look at the disk and the rights on the file; it holds what was checked and "
                "published, so restore it from a backup rather than delete it.",
            ) from error


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
