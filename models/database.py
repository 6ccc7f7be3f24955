"""One database, opened, at the newest version of its tables, and what can go wrong with it.

SQLite lets one writer in at a time (BEGIN IMMEDIATE). PostgreSQL is made to do the same where order matters, by a
lock that ends with the transaction: two workers then behave alike on both, and no deadlock is possible.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from models import upgrade

_WRITER = 0x706C616E  # any number that all workers share
_BUSY_MS = 60_000


class StoreError(Exception):
    """The store cannot do what was asked.

    The text says what, on which database or record, and what to do. It holds no row's values.
    """


class StoreUnavailableError(StoreError):
    """Try again later: the database cannot be reached, is locked, or its disk is full. Nothing was stored."""


class KeyConflictError(StoreError):
    """One key would carry two different payloads; nothing was stored."""


class Database:
    """Connections to one database, and the folder of its segments. Safe for several threads."""

    def __init__(self, engine: sa.Engine, segments: Path) -> None:
        self.engine = engine
        self.segments = segments
        self.name = engine.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent look at the database; never blocks a writer."""
        with (
            _plain_errors(self.engine, self.name),
            self.engine.connect() as connection,
            connection.execution_options(**{upgrade.READS: True}).begin(),
        ):
            yield connection

    @contextmanager
    def writing(self, *, alone: bool = True) -> Iterator[sa.Connection]:
        """One transaction: all of it lands, or nothing.

        Args:
            alone: Wait until no other such transaction runs, so that what is read in it still holds when it writes.
                On SQLite every writer is alone.
        """
        with _plain_errors(self.engine, self.name), self.engine.begin() as connection:
            if alone and self.engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITER)))
            yield connection


def opened(url: str, segments: Path | None) -> Database:
    """Connect to ``url`` and bring its tables to the newest version.

    Raises:
        StoreError: The URL is no SQLite file or PostgreSQL database, the database is of a newer plansync, or a folder
            for the segments is missing.
        StoreUnavailableError: The database cannot be reached.
    """
    address = _address(url)
    if segments is None and address.get_backend_name() == "postgresql":
        raise StoreError(f"{_shown(address)} has no folder for segments: set one that every worker can reach")
    folder = segments or Path(f"{address.database}.segments")
    if address.get_backend_name() == "sqlite":
        Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = _engine(address)
    try:
        with _plain_errors(engine, _shown(address)):
            upgrade.to_newest(engine)
    except upgrade.NewerVersionError as error:
        engine.dispose()
        raise StoreError(f"{_shown(address)}: {error}") from None
    except StoreError:
        engine.dispose()
        raise
    return Database(engine, folder)


def _shown(address: sa.URL) -> str:
    return address.render_as_string(hide_password=True)


def _address(url: str) -> sa.URL:
    """The URL with the driver that plansync brings."""
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise StoreError(
            "the store's URL cannot be read: write sqlite:///FILE or postgresql://USER@HOST/NAME"
        ) from None
    backend = address.get_backend_name()
    if backend == "postgresql":
        return address.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise StoreError(f"{_shown(address)}: plansync keeps its store in SQLite or PostgreSQL, not in {backend}")
    if address.database in {None, "", ":memory:"}:
        raise StoreError(f"{_shown(address)} names no file: write sqlite:///FILE")
    return address


def _engine(address: sa.URL) -> sa.Engine:
    """An engine that hides values in its errors and starts SQLite transactions with the lock that they need."""
    if address.get_backend_name() == "postgresql":
        arguments = {"client_encoding": "utf8"}
        engine = sa.create_engine(address, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)
        sa.event.listen(engine, "connect", _on_postgresql_connect)
        return engine
    engine = sa.create_engine(address, hide_parameters=True, connect_args={"timeout": _BUSY_MS / 1000})
    sa.event.listen(engine, "connect", _on_sqlite_connect)
    sa.event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def _on_postgresql_connect(connection: Any, _record: object) -> None:
    """Moments without a zone in bulk text are UTC, whatever the server's zone is."""
    connection.execute("SET TIME ZONE 'UTC'")
    connection.commit()


def _on_sqlite_connect(connection: sqlite3.Connection, _record: object) -> None:
    """Durable at every commit, readers beside the writer, and transactions begun by us, not guessed by the driver."""
    connection.isolation_level = None
    for setting in (
        f"busy_timeout={_BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {setting}")


def _on_sqlite_begin(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get(upgrade.READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def _plain_errors(engine: sa.Engine, name: str) -> Iterator[None]:
    """Turn the driver's errors into ours: a driver quotes the rows it choked on, and they must not reach a log."""
    driver = engine.dialect.loaded_dbapi
    try:
        yield
    except (sa.exc.DBAPIError, driver.Error) as error:
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        said = f"{name} refused: {_reason(cause)}"
        if isinstance(cause, driver.OperationalError | driver.InterfaceError):
            text = f"{said}. Nothing was stored; see that it is reachable and its disk has room, then run again"
            raise StoreUnavailableError(text) from None
        raise StoreError(f"{said}. Nothing was stored; check the file or database, or report this") from None


def _reason(cause: BaseException | None) -> str:
    """What the driver says without any value: SQLite's texts name tables and columns only, PostgreSQL's quote rows."""
    if isinstance(cause, sqlite3.Error):
        return f"{type(cause).__name__}, {cause}"
    found = getattr(cause, "diag", None)
    parts = [getattr(found, part, None) for part in ("sqlstate", "table_name", "column_name", "constraint_name")]
    return ", ".join([type(cause).__name__, *(part for part in parts if part)])
