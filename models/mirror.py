"""The CRMs' records as last seen, how far each CRM was read, and the records that were set aside."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
import sqlalchemy as sa

from models import bulk, frames, tables
from models.database import Database, StoreError

_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
_AHEAD = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Watermark:
    """All of ``target`` (a ``PullObject``) that was modified in ``crm`` up to ``until`` (UTC) is in the store."""

    crm: str
    target: str
    until: datetime


class Mirror:
    """Mirrored rows, watermarks and row errors."""

    _db: Database

    def land(
        self,
        rows: Mapping[str, pl.DataFrame],
        *,
        run_id: str,
        loaded_at: datetime,
        watermark: Watermark | None = None,
    ) -> dict[str, int]:
        """Store rows and the watermark that covers them: both, or neither.

        A row replaces the stored one of the same (crm, crm_id) unless it is the same or its ``modified_at`` is older.
        Of several rows with one key the newest counts, of equally new ones the last. A watermark never moves back.

        Args:
            rows: By name, each a frame of that name's contract in ``frames.MIRRORED``.
            run_id: The run that pulled them.
            loaded_at: When they were pulled (UTC).
            watermark: How far the rows reach; None while more pages of the window are to come.

        Returns:
            How many rows were new or changed, by name.

        Raises:
            StoreError: A name is no mirrored frame, or the watermark is impossible; nothing was stored.
        """
        for name in rows:
            _mirror(name)
        _check(watermark, loaded_at)
        ready = {name: _stored(name, frame, loaded_at) for name, frame in sorted(rows.items())}
        with self._db.writing(alone=False) as connection:
            changed = {name: _merge(connection, tables.MIRRORS[name], frame) for name, frame in ready.items()}
            if watermark is not None:
                _move(connection, watermark, run_id, loaded_at)
        return changed

    def read(self, name: str) -> pl.DataFrame:
        """A mirrored frame, deleted records included: columns and dtypes of its contract, sorted by crm and crm_id.

        Raises:
            StoreError: ``name`` is no mirrored frame.
        """
        table = _mirror(name)
        with self._db.reading() as connection:
            found = bulk.read(connection, table, frames.dtypes(frames.MIRRORED[name]))
        return found.sort("crm", "crm_id")

    def watermark(self, crm: str, target: str, *, at: datetime | None = None) -> datetime | None:
        """Up to when ``target`` of ``crm`` is in the store; None if it was never pulled whole.

        Raises:
            StoreError: It lies more than a day after ``at`` (the present, when given), so somebody changed it by hand.
        """
        table = tables.watermarks
        query = sa.select(table.c.until).where(table.c.crm == crm, table.c.target == target)
        with self._db.reading() as connection:
            until: datetime | None = connection.execute(query).scalar_one_or_none()
        if until is not None and at is not None:
            _check(Watermark(crm, target, until), at)
        return until

    def watermarks(self) -> pl.DataFrame:
        """Every watermark: ``crm``, ``target``, ``until``, ``run_id``, ``loaded_at``; sorted by crm and target."""
        with self._db.reading() as connection:
            found = bulk.read(connection, tables.watermarks, tables.schema_of(tables.watermarks))
        return found.sort("crm", "target")

    def forget_watermark(self, crm: str, target: str) -> None:
        """Have the next run pull ``target`` of ``crm`` whole; rows stay."""
        table = tables.watermarks
        with self._db.writing() as connection:
            connection.execute(sa.delete(table).where(table.c.crm == crm, table.c.target == target))

    def add_row_errors(self, errors: pl.DataFrame, run_id: str) -> None:
        """List records that a run set aside (a ``frames.RowErrors``); the same page listed again adds nothing."""
        contract = frames.dtypes(frames.RowErrors)
        rows = bulk.stored(errors.select(list(contract)))
        copies = rows.select(
            pl.int_range(pl.len()).over(rows.columns)
        ).to_series()  # two records without an id stay two
        hashes = bulk.content_hash(rows.with_columns(copies.alias("copy")))
        ready = rows.select(pl.lit(run_id).alias("run_id"), hashes.alias("row_hash"), *contract)
        with self._db.writing() as connection:
            statement = bulk.insert(connection, tables.row_errors).on_conflict_do_nothing()
            bulk.write(connection, tables.row_errors, ready, statement)

    def row_errors(self, run_id: str) -> pl.DataFrame:
        """The records that a run set aside, a ``frames.RowErrors``, sorted."""
        schema = frames.dtypes(frames.RowErrors)
        with self._db.reading() as connection:
            return bulk.read(connection, tables.row_errors, schema, run_id=run_id).sort(list(schema), nulls_last=True)


def _mirror(name: str) -> sa.Table:
    if name not in tables.MIRRORS:
        raise StoreError(f"{name} is no mirrored frame: one of {', '.join(sorted(tables.MIRRORS))} is meant")
    return tables.MIRRORS[name]


def _check(watermark: Watermark | None, at: datetime) -> None:
    """A watermark ahead of time would hide every change until then."""
    if watermark is None:
        return
    until = watermark.until
    if until.tzinfo is None or not _EARLIEST <= until <= at + _AHEAD:
        raise StoreError(
            f"the watermark of {watermark.crm} {watermark.target} is {until.isoformat()}, which cannot be at "
            f"{at.isoformat()}: check the clock, then pull everything again after "
            f"`plansync state reset --crm {watermark.crm} --object {watermark.target}`"
        )


def _stored(name: str, rows: pl.DataFrame, loaded_at: datetime) -> pl.DataFrame:
    """One row a key, as the table keeps it."""
    newest = bulk.fitted(frames.MIRRORED[name], rows).sort("modified_at", maintain_order=True)
    ready = bulk.stored(newest.unique(["crm", "crm_id"], keep="last", maintain_order=True).sort("crm", "crm_id"))
    return ready.with_columns(bulk.content_hash(ready), loaded_at=bulk.moment(loaded_at))


def _merge(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame) -> int:
    statement = bulk.insert(connection, table)
    new = statement.excluded
    guards = (new.content_hash != table.c.content_hash, new.modified_at >= table.c.modified_at)
    return bulk.write(connection, table, rows, bulk.upserted(statement, table, *guards))


def _move(connection: sa.Connection, watermark: Watermark, run_id: str, loaded_at: datetime) -> None:
    table = tables.watermarks
    statement = bulk.insert(connection, table).values(
        crm=watermark.crm, target=watermark.target, until=watermark.until, run_id=run_id, loaded_at=loaded_at
    )
    connection.execute(bulk.upserted(statement, table, statement.excluded.until >= table.c.until))
