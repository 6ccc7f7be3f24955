"""Small JSON objects that processes read and change in turn: in a file of their own, or in PostgreSQL.

What they hold (the pace of requests) matters for minutes. The file is apart from the store, since a store of one file
lets one writer in at a time, and landing a page takes longer than a request may wait for its turn.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa

from models import bulk, tables
from models.database import Database, StoreError, StoreUnavailableError

Result = TypeVar("Result")
Step = Callable[[dict[str, Any], float], Result]
Gone = Callable[[str], bool]

_BUSY_S = 60.0
_OPENINGS, _OPENING_WAIT_S = 100, 0.02
_OPENING = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=OFF",
    "CREATE TABLE IF NOT EXISTS shared (key TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
)
_UPSERT = "INSERT INTO shared VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET state = excluded.state"


class SharedFile:
    """Objects in a SQLite file, for the processes of one machine. Safe for several threads.

    A process that dies inside a change leaves it undone; nobody waits for it.

    Args:
        path: Made if missing; may be deleted while nobody uses it.
        holder: Names this process.
        is_gone: Whether the process of a name has surely ended.
        clock: Seconds on a clock that all processes of the machine share and that never goes back.
    """

    def __init__(self, path: Path, *, holder: str, is_gone: Gone, clock: Callable[[], float]) -> None:
        self.holder, self.is_gone = holder, is_gone
        self._path, self._clock, self._lock = path, clock, threading.Lock()
        self._db: sqlite3.Connection | None = None

    def change(self, key: str, step: Step[Result]) -> Result:
        """Let ``step`` read and change the object under ``key`` while nobody else does, and keep what it left.

        Raises:
            StoreUnavailableError: The file is locked or cannot be written.
            StoreError: The file is no SQLite database.
        """
        with self._lock:
            try:
                return self._changed(key, step)
            except sqlite3.OperationalError as error:
                fix = "see that its folder can be written and has room"
                raise StoreUnavailableError(f"{self._path}: {error}; {fix}, then run again") from None
            except (sqlite3.DatabaseError, orjson.JSONDecodeError) as error:
                fix = "it only holds the pace of requests: delete it"
                raise StoreError(f"{self._path}: {type(error).__name__}, {error}; {fix}, then run again") from None

    def _changed(self, key: str, step: Step[Result]) -> Result:
        db = self._db = self._db or self._opened()
        db.execute("BEGIN IMMEDIATE")
        try:
            row = db.execute("SELECT state FROM shared WHERE key = ?", (key,)).fetchone()
            state = orjson.loads(row[0]) if row else {}
            result = step(state, self._clock())
            db.execute(_UPSERT, (key, orjson.dumps(state).decode()))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # SQLite itself has rolled back after some errors; else the next BEGIN would fail
                with suppress(sqlite3.Error):  # what went wrong first is what a person must hear of
                    db.execute("ROLLBACK")
            raise
        return result

    def _opened(self) -> sqlite3.Connection:
        """Not durable, since a machine that falls forgets the pace anyway: a commit costs no wait for the disk."""
        db = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        for attempt in range(_OPENINGS):
            try:
                for statement in _OPENING:
                    db.execute(statement)
                break
            except sqlite3.OperationalError as error:  # a file is made WAL by one alone, and SQLite does not wait there
                if "locked" not in str(error) or attempt == _OPENINGS - 1:
                    db.close()
                    raise
                time.sleep(_OPENING_WAIT_S)
        return db

    def close(self) -> None:
        """Close the file; the next change opens it again."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None


class SharedTable:
    """Objects in the store's own database, for workers on several machines, by the database's clock. Arguments as in
    ``SharedFile``.
    """

    def __init__(self, db: Database, *, holder: str, is_gone: Gone) -> None:
        self.holder, self.is_gone = holder, is_gone
        self._db = db

    def change(self, key: str, step: Step[Result]) -> Result:
        """As ``SharedFile.change``."""
        table = tables.shared
        with self._db.writing(alone=False) as connection:
            first = bulk.insert(connection, table).values(key=key, state="{}").on_conflict_do_nothing()
            connection.execute(first)
            found = sa.select(table.c.state).where(table.c.key == key).with_for_update()
            state = orjson.loads(connection.execute(found).scalar_one())
            now = connection.execute(sa.select(sa.func.extract("epoch", sa.func.clock_timestamp()))).scalar_one()
            result = step(state, float(now))
            told = orjson.dumps(state).decode()
            connection.execute(sa.update(table).where(table.c.key == key).values(state=told))
        return result

    def close(self) -> None:
        """Nothing to close: the store's own connections are used."""
