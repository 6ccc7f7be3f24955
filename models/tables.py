"""The tables of the store, one row of each said in a line; the migrations make them.

Columns that travel between rooms are taken from the contracts in ``models.frames``, so that a table and its frame
cannot drift apart. Keys come from our side, never from a sequence: rows are written in bulk and nothing has to be
read back.
"""

from datetime import UTC, datetime
from typing import Any

import dataframely as dy
import polars as pl
import sqlalchemy as sa

from models import frames


class Instant(sa.types.TypeDecorator[datetime]):
    """A moment in UTC: ``timestamptz`` in PostgreSQL, fixed-width text in SQLite, so that text order is time order."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse a moment without time zone; give the driver UTC."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment without time zone cannot be stored; give it in UTC")
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Say UTC where the database kept only the wall time."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_TYPES: dict[type[dy.Column], type[sa.types.TypeEngine[Any]]] = {
    dy.String: sa.Text,
    dy.List: sa.Text,  # a JSON array
    dy.Int64: sa.BigInteger,
    dy.Float64: sa.Double,
    dy.Bool: sa.Boolean,
    dy.Date: sa.Date,
    dy.Datetime: Instant,
}

metadata = sa.MetaData()


def _of(schema: type[dy.Schema], *keys: str) -> list[sa.Column[Any]]:
    """The columns of a contract, ``keys`` as primary key."""
    return [
        sa.Column(name, _TYPES[type(column)](), primary_key=name in keys, nullable=column.nullable)
        for name, column in schema.columns().items()
    ]


def _text(name: str, *, key: bool = False, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=optional)


def _count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _at(name: str, *, optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, Instant(), nullable=optional)


def _day(name: str, *, key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Date(), primary_key=key, nullable=False)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _mirror(name: str) -> sa.Table:
    """One CRM record as last seen.

    ``content_hash`` covers every column of the contract; ``loaded_at`` is when it last changed here.
    """
    columns = _of(frames.MIRRORED[name], "crm", "crm_id")
    return sa.Table(f"mirror_{name}", metadata, *columns, _count("content_hash"), _at("loaded_at"))


MIRRORS = {name: _mirror(name) for name in frames.MIRRORED}

# One CRM and kind of object: everything modified there up to ``until`` is in the mirror.
watermarks = sa.Table(
    "watermarks",
    metadata,
    _text("crm", key=True),
    _text("target", key=True),
    _at("until"),
    _text("run_id"),
    _at("loaded_at"),
)

# One record that a run set aside. ``row_hash`` names it within its run, so that a repeated page is not listed twice.
row_errors = sa.Table(
    "row_errors",
    metadata,
    _text("run_id", key=True),
    sa.Column("row_hash", sa.BigInteger(), primary_key=True, autoincrement=False),
    *_of(frames.RowErrors),
)

# One CRM account and the customer it belongs to.
crosswalk = sa.Table("crosswalk", metadata, *_of(frames.Crosswalk, "crm", "crm_id"))

_PAIR = ("left_crm", "left_crm_id", "right_crm", "right_crm_id")

# One pair of accounts that waits for a person.
identity_reviews = sa.Table("identity_reviews", metadata, *_of(frames.IdentityReviews, *_PAIR))

# One pair of accounts on which a person decided; left sorts before right.
identity_decisions = sa.Table(
    "identity_decisions",
    metadata,
    *(_text(name, key=True) for name in _PAIR),
    _flag("is_same"),
    _text("decided_by"),
    _at("decided_at"),
)

# One customer and the CRM account where its plan lives, fixed at the first write.
homes = sa.Table("homes", metadata, _text("customer_id", key=True), _text("crm"), _text("crm_id"))

# One customer id that identity has merged away, and the customer it stands for now.
aliases = sa.Table("aliases", metadata, _text("alias_id", key=True), _text("customer_id"))

# One revision of a plan item that came from a file; the newest one holds.
plan_item_revisions = sa.Table(
    "plan_item_revisions",
    metadata,
    _text("customer_key", key=True),
    *_of(frames.PlanItems, "crm", "crm_id"),
    sa.Column("revision", sa.BigInteger(), primary_key=True, autoincrement=False),
    _text("source"),
    _text("author"),
    _at("saved_at"),
    _count("content_hash"),
)

# One immutable Parquet file that counts. ``number`` grows with every listing: a later one is newer.
segments = sa.Table(
    "segments",
    metadata,
    _text("kind", key=True),
    _text("path_key", key=True),
    _text("fingerprint"),
    _text("file_name"),
    _count("row_count"),
    _count("number"),
    _text("run_id"),
)

# One assessed day under one policy version; its rows are four segments.
assessments = sa.Table(
    "assessments",
    metadata,
    _day("as_of", key=True),
    _text("policy_version", key=True),
    _count("number"),
    _text("run_id"),
)

# One effect on the outside world: a payload for a record, and where it stands.
ledger = sa.Table(
    "ledger",
    metadata,
    _text("effect_key", key=True),
    _text("record_key"),
    _text("plan_key"),
    _text("customer_id"),
    _text("crm"),
    _text("kind"),
    _text("action"),
    _text("account_crm_id"),
    _text("crm_id", optional=True),
    _text("owner_crm_id", optional=True),
    _text("payload"),
    _text("payload_hash"),
    _text("reason"),
    _text("rule_ids"),
    _text("state"),
    _count("tries"),
    _day("as_of"),
    _text("run_id"),
    _at("planned_at"),
    _text("sent_run_id", optional=True),
    _at("sent_at", optional=True),
    _at("settled_at", optional=True),
    sa.Column("is_created", sa.Boolean()),
    _text("error_code", optional=True),
    _text("message", optional=True),
    sa.Index("ledger_by_state", "state", "crm"),
    sa.Index("ledger_by_record", "record_key"),
)

# One record that plansync wrote, with the newest effect that the CRM confirmed.
written = sa.Table("written", metadata, *_of(frames.Written, "record_key"), _text("effect_key"))

# One run.
runs = sa.Table(
    "runs",
    metadata,
    _text("run_id", key=True),
    _day("as_of"),
    _text("status"),
    _at("started_at"),
    _at("finished_at", optional=True),
    _text("summary"),
)

# One run and CRM: the requests that left the house.
api_calls = sa.Table(
    "api_calls",
    metadata,
    _text("run_id", key=True),
    _text("crm", key=True),
    _count("read_count"),
    _count("write_count"),
)

# One thing that only one worker may do at a time. ``token`` grows with every change of hands.
leases = sa.Table("leases", metadata, _text("name", key=True), _text("holder"), _count("token"), _at("expires_at"))

# What processes agree on while they run, as JSON; on SQLite a file of its own has it.
shared = sa.Table("shared", metadata, _text("key", key=True), _text("state"))


def schema_of(table: sa.Table) -> dict[str, pl.DataType]:
    """Column names and polars types of ``table``, in order; JSON arrays are strings here."""
    types: dict[type[Any], pl.DataType] = {
        sa.Text: pl.String(),
        sa.BigInteger: pl.Int64(),
        sa.Double: pl.Float64(),
        sa.Boolean: pl.Boolean(),
        sa.Date: pl.Date(),
        Instant: pl.Datetime("us", "UTC"),
    }
    return {column.name: types[type(column.type)] for column in table.columns}
