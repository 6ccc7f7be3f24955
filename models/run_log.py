"""Runs, the requests that they cost, and who may run at all."""

from datetime import date, datetime, timedelta
from typing import Any

import orjson
import polars as pl
import sqlalchemy as sa

from models import bulk, tables
from models.database import Database, StoreError
from models.enums import RunStatus


class RunLog:
    """Runs, API calls and leases. Time is always given by the caller."""

    _db: Database

    def open_run(self, run_id: str, as_of: date, at: datetime) -> None:
        """Note that a run has begun, or begins again under the same id."""
        table = tables.runs
        with self._db.writing() as connection:
            row = bulk.insert(connection, table).values(
                run_id=run_id, as_of=as_of, status=RunStatus.RUNNING, started_at=at, finished_at=None, summary="{}"
            )
            connection.execute(bulk.upserted(row, table))

    def close_run(self, run_id: str, status: str, summary: dict[str, Any], at: datetime) -> None:
        """Note how a run ended. ``summary`` must fit into JSON.

        Raises:
            StoreError: The run was never opened.
        """
        change = sa.update(tables.runs).where(tables.runs.c.run_id == run_id)
        text = orjson.dumps(summary).decode()
        with self._db.writing() as connection:
            if not connection.execute(change.values(status=status, finished_at=at, summary=text)).rowcount:
                raise StoreError(f"run {run_id} was never opened, so it cannot be closed: open it first")

    def runs(self, limit: int) -> pl.DataFrame:
        """The last runs, newest first:

        ``run_id``, ``as_of``, ``status``, ``started_at``, ``finished_at``, ``summary`` (JSON).
        """
        with self._db.reading() as connection:
            query = sa.select(tables.runs).order_by(tables.runs.c.started_at.desc(), tables.runs.c.run_id).limit(limit)
            return bulk.listed(connection, query, tables.schema_of(tables.runs))

    def add_api_calls(self, run_id: str, crm: str, read: int, write: int) -> None:
        """Add requests that left the house to what the run has cost so far."""
        table = tables.api_calls
        with self._db.writing() as connection:
            row = bulk.insert(connection, table).values(run_id=run_id, crm=crm, read_count=read, write_count=write)
            sums = {name: table.c[name] + row.excluded[name] for name in ("read_count", "write_count")}
            connection.execute(row.on_conflict_do_update(index_elements=list(table.primary_key), set_=sums))

    def api_calls(self, run_id: str) -> pl.DataFrame:
        """The requests of a run by CRM: ``run_id``, ``crm``, ``read_count``, ``write_count``; sorted."""
        with self._db.reading() as connection:
            schema = tables.schema_of(tables.api_calls)
            return bulk.read(connection, tables.api_calls, schema, run_id=run_id).sort("crm")

    def acquire_lease(self, name: str, holder: str, at: datetime, ttl_s: float) -> bool:
        """Take the lease ``name`` until ``ttl_s`` seconds after ``at``, if it is free, expired or this holder's.

        Returns:
            Whether ``holder`` has it now.
        """
        table = tables.leases
        with self._db.writing() as connection:
            found = connection.execute(sa.select(table).where(table.c.name == name)).first()
            if found is not None and found.holder not in {holder, _NOBODY} and found.expires_at > at:
                return False
            row = bulk.insert(connection, table).values(
                name=name,
                holder=holder,
                token=1 if found is None else found.token + 1,
                expires_at=at + timedelta(seconds=ttl_s),
            )
            connection.execute(bulk.upserted(row, table))
        return True

    def renew_lease(self, name: str, holder: str, at: datetime, ttl_s: float) -> bool:
        """Keep a lease until ``ttl_s`` seconds after ``at``.

        Returns:
            Whether ``holder`` still has it. If not, another one took it when it had expired: stop what you do.
        """
        with self._db.writing() as connection:
            change = _held(sa.update(tables.leases), name, holder).values(expires_at=at + timedelta(seconds=ttl_s))
            return connection.execute(change).rowcount == 1

    def release_lease(self, name: str, holder: str) -> None:
        """Give a lease back; another holder's stays."""
        with self._db.writing() as connection:
            connection.execute(_held(sa.update(tables.leases), name, holder).values(holder=_NOBODY))

    def lease_holder(self, name: str) -> str | None:
        """Who took the lease last and did not give it back, expired or not."""
        query = sa.select(tables.leases.c.holder).where(tables.leases.c.name == name)
        with self._db.reading() as connection:
            return connection.execute(query).scalar() or None

    def lease_token(self, name: str) -> int:
        """A number that grows each time the lease is taken; 0 before the first. Work under an older number is void."""
        query = sa.select(tables.leases.c.token).where(tables.leases.c.name == name)
        with self._db.reading() as connection:
            return connection.execute(query).scalar() or 0


_NOBODY = ""


def _held(change: sa.Update, name: str, holder: str) -> sa.Update:
    return change.where(tables.leases.c.name == name, tables.leases.c.holder == holder)
