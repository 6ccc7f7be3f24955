"""What both emulated CRMs remember: a SQLite database with a table per object, a clock, a request log, a write ledger.

Tables are named ``<crm>__<object>`` (``salesforce__Account``, ``hubspot__companies``) with a column per field, so that
a CRM's query language compiles to SQL. Values are stored as the CRM puts them on the wire; booleans as 0 and 1.
"""

import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

Row = tuple[Any, ...]
Params = Sequence[Any] | Mapping[str, Any]
WriteAction = Literal["create", "update", "delete", "upsert"]
RequestKind = Literal["read", "write"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_INSERT_BATCH = 10_000
_OWN_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY, at TEXT NOT NULL, crm TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    status INTEGER NOT NULL, kind TEXT NOT NULL, records INTEGER NOT NULL, seen_s REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS writes (
    seq INTEGER PRIMARY KEY, at TEXT NOT NULL, crm TEXT NOT NULL, object TEXT NOT NULL, id TEXT NOT NULL,
    action TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """One request that a CRM answered.

    ``at`` is the CRM's own time; ``seen_s`` real time, in seconds since 1970, whatever that clock says; ``records``
    counts the records read or written.
    """

    at: str
    crm: str
    method: str
    path: str
    status: int
    kind: str
    records: int
    seen_s: float


@dataclass(frozen=True, slots=True)
class WriteSeen:
    """One record written through an API."""

    at: str
    crm: str
    object: str
    id: str
    action: str


@dataclass(frozen=True, slots=True)
class View:
    """How one request sees the state, where a fault bends it.

    ``hidden`` maps a table's unquoted name to the SQL condition of its rows that are shown, as far as a statement
    reads from that table first; joined tables are seen whole. ``largest_page`` limits Salesforce's pages.
    """

    hidden: Mapping[str, str] = field(default_factory=dict)
    largest_page: int | None = None

    def shown(self, sql: str) -> str:
        """The statement, reading only what is shown."""
        for table, condition in self.hidden.items():
            name = quoted(table)
            sql = sql.replace(f"FROM {name}", f"FROM (SELECT * FROM {name} WHERE {condition})")  # noqa: S608 - own text
        return sql


VIEW: ContextVar[View] = ContextVar("view", default=View())  # noqa: B039 - frozen
"""Of the request that is being answered."""


@lru_cache(maxsize=4096)
def quoted(name: str) -> str:
    """``name`` as an SQL identifier.

    Raises:
        ValueError: It is not a plain identifier.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a table or column: {name!r}")
    return f'"{name}"'


def table_name(crm: str, object_name: str) -> str:
    """The unquoted name of the table that holds one CRM object."""
    return f"{crm}__{object_name}"


class Clock:
    """The time that both CRMs believe it is, to the second; kept with the state, so a restart does not move it."""

    def __init__(self, state: "State") -> None:
        self._state = state
        text = state.meta_get("clock")
        self._fixed = datetime.fromisoformat(text) if text else None

    @property
    def fixed_at(self) -> datetime | None:
        """The instant at which the clock stands, or None while it follows real time."""
        return self._fixed

    def now(self) -> datetime:
        """Aware UTC, whole seconds."""
        return self._fixed or datetime.now(UTC).replace(microsecond=0)

    def set(self, instant: datetime | None) -> None:
        """Stop the clock at an aware instant, or let it follow real time again (None).

        Raises:
            ValueError: The instant has no time zone.
        """
        if instant is not None:
            if instant.tzinfo is None:
                raise ValueError("the clock takes an aware datetime")
            instant = instant.astimezone(UTC).replace(microsecond=0)
        self._state.meta_set("clock", instant.isoformat() if instant else "")
        self._fixed = instant


class State:
    """One database behind one lock: every method may be called from any thread.

    Args:
        path: Where the database lives, or None for memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._db = sqlite3.connect(
            str(path) if path else ":memory:", isolation_level=None, check_same_thread=False, cached_statements=512
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA cache_size=-131072")
        self._db.execute("PRAGMA temp_store=MEMORY")
        self._db.executescript(_OWN_TABLES)
        if "seen_s" not in {row[1] for row in self._db.execute("PRAGMA table_info(requests)")}:  # of an older sandbox
            self._db.execute("ALTER TABLE requests ADD COLUMN seen_s REAL NOT NULL DEFAULT 0")
        self._columns: dict[str, frozenset[str]] = {}
        self.clock = Clock(self)

    def close(self) -> None:
        """Close the database; a file keeps everything that was committed."""
        with self._lock:
            self._db.close()

    # -- tables -------------------------------------------------------------------------------------------------------

    def create_table(
        self, crm: str, object_name: str, columns: Mapping[str, str], *, indexes: Sequence[Sequence[str]] = ()
    ) -> None:
        """Make the table of one object, or add what it lacks when it exists.

        Args:
            columns: Field name to SQLite type, e.g. ``TEXT PRIMARY KEY``, ``INTEGER``, ``REAL``.
            indexes: Columns of each index to keep.
        """
        table = quoted(table_name(crm, object_name))
        with self.transaction():
            body = ", ".join(f"{quoted(name)} {sqlite_type}" for name, sqlite_type in columns.items())
            self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({body})")
            self._columns.pop(table_name(crm, object_name), None)
            for name in columns.keys() - self.columns(crm, object_name):
                self.add_column(crm, object_name, name, columns[name])
            for index in indexes:
                self.create_index(crm, object_name, index)

    def create_index(self, crm: str, object_name: str, columns: Sequence[str], *, unique: bool = False) -> None:
        """Keep an index over ``columns``; making it twice is no error."""
        table = table_name(crm, object_name)
        name = quoted("__".join(("ix", table, *columns)))
        over = ", ".join(map(quoted, columns))
        self.execute(f"CREATE {'UNIQUE ' if unique else ''}INDEX IF NOT EXISTS {name} ON {quoted(table)} ({over})")

    def add_column(self, crm: str, object_name: str, name: str, sqlite_type: str) -> None:
        """Add one column, null in every row; a column that exists is left as it is."""
        with self.transaction():
            if name not in self.columns(crm, object_name):
                table = table_name(crm, object_name)
                self._db.execute(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(name)} {sqlite_type}")
                self._columns.pop(table, None)

    def columns(self, crm: str, object_name: str) -> frozenset[str]:
        """The columns of an object's table; empty when there is none."""
        table = table_name(crm, object_name)
        if table not in self._columns:
            found = frozenset(str(row[1]) for row in self.query(f"PRAGMA table_info({quoted(table)})"))
            if not found:
                return found
            self._columns[table] = found
        return self._columns[table]

    def insert_many(self, crm: str, object_name: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert rows in bulk, all or none; a row may leave columns out, which become null.

        Returns:
            How many rows were inserted.

        Raises:
            sqlite3.Error: A column is unknown, or a key exists already.
        """
        if not rows:
            return 0
        names = list(dict.fromkeys(name for keys in {tuple(row) for row in rows} for name in keys))
        table = quoted(table_name(crm, object_name))
        marks = ", ".join("?" for _ in names)
        sql = f"INSERT INTO {table} ({', '.join(map(quoted, names))}) VALUES ({marks})"  # noqa: S608 - quoted names
        with self.transaction():
            for start in range(0, len(rows), _INSERT_BATCH):
                batch = rows[start : start + _INSERT_BATCH]
                self._db.executemany(sql, [[row.get(name) for name in names] for row in batch])
        return len(rows)

    # -- statements ---------------------------------------------------------------------------------------------------

    def query(self, sql: str, params: Params = ()) -> list[Row]:
        """All rows of one statement, as tuples in column order."""
        with self._lock:
            return self._db.execute(VIEW.get().shown(sql), params).fetchall()

    def records(self, sql: str, params: Params = ()) -> list[dict[str, Any]]:
        """All rows of one statement, each as a dict by column name."""
        with self._lock:
            cursor = self._db.execute(VIEW.get().shown(sql), params)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, sql: str, params: Params = ()) -> int:
        """Run one statement that changes something; returns how many rows it touched."""
        with self._lock:
            return self._db.execute(sql, params).rowcount

    def execute_many(self, sql: str, params: Sequence[Params]) -> None:
        """Run one statement once per set of parameters, all or none."""
        with self.transaction():
            self._db.executemany(sql, params)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or none of what happens inside; inside another one, a savepoint that can fail by itself."""
        with self._lock:
            inner = f"level_{self._depth}" if self._depth else None
            self._db.execute(f"SAVEPOINT {inner}" if inner else "BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                self._columns.clear()  # a table or column made inside is gone again
                self._db.execute(f"ROLLBACK TO {inner}" if inner else "ROLLBACK")
                if inner:
                    self._db.execute(f"RELEASE {inner}")
                raise
            self._depth -= 1
            self._db.execute(f"RELEASE {inner}" if inner else "COMMIT")

    # -- meta ---------------------------------------------------------------------------------------------------------

    def meta_get(self, key: str) -> str | None:
        """A remembered text, or None."""
        found = self.query("SELECT value FROM meta WHERE key = ?", (key,))
        return str(found[0][0]) if found else None

    def meta_set(self, key: str, value: str) -> None:
        """Remember a text under ``key``."""
        self.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
        )

    # -- request log --------------------------------------------------------------------------------------------------

    def log_request(
        self, crm: str, method: str, path: str, status: int, *, kind: RequestKind, records: int = 0
    ) -> None:
        """Note one answered request. ``path`` comes without its query string, which may hold customer data."""
        row = (self.clock.now().isoformat(), crm, method, path, status, kind, records, time.time())
        names = "at, crm, method, path, status, kind, records, seen_s"
        self.execute(f"INSERT INTO requests ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 - own names

    def requests(self, crm: str | None = None, kind: RequestKind | None = None) -> list[RequestSeen]:
        """The requests so far, oldest first, of one CRM and kind or of all."""
        sql = """SELECT at, crm, method, path, status, kind, records, seen_s FROM requests
                 WHERE (:crm IS NULL OR crm = :crm) AND (:kind IS NULL OR kind = :kind) ORDER BY seq"""
        return [RequestSeen(*row) for row in self.query(sql, {"crm": crm, "kind": kind})]

    def request_counts(self) -> dict[str, dict[str, int]]:
        """How many requests, by CRM and kind: ``{"salesforce": {"read": 3, "write": 1}}``."""
        counts: dict[str, dict[str, int]] = {}
        for crm, kind, count in self.query("SELECT crm, kind, COUNT(*) FROM requests GROUP BY crm, kind ORDER BY 1, 2"):
            counts.setdefault(crm, {"read": 0, "write": 0})[kind] = count
        return counts

    def clear_requests(self) -> None:
        """Forget the request log; the write ledger stays."""
        self.execute("DELETE FROM requests")

    # -- write ledger -------------------------------------------------------------------------------------------------

    def record_writes(self, crm: str, object_name: str, ids: Sequence[str], action: WriteAction) -> None:
        """Note records written through an API; call it inside the transaction that writes them."""
        at = self.clock.now().isoformat()
        self.execute_many(
            "INSERT INTO writes (at, crm, object, id, action) VALUES (?, ?, ?, ?, ?)",
            [(at, crm, object_name, record_id, action) for record_id in ids],
        )

    def writes(self, crm: str | None = None, object_name: str | None = None) -> list[WriteSeen]:
        """The records written so far, oldest first, of one CRM and object or of all."""
        sql = """SELECT at, crm, object, id, action FROM writes
                 WHERE (:crm IS NULL OR crm = :crm) AND (:object IS NULL OR object = :object) ORDER BY seq"""
        return [WriteSeen(*row) for row in self.query(sql, {"crm": crm, "object": object_name})]

    def clear_writes(self) -> None:
        """Forget the write ledger; the records stay."""
        self.execute("DELETE FROM writes")
