"""Who is who, as stored: the crosswalk, what people decided, and the names of customers that must not change."""

from datetime import datetime

import polars as pl
import sqlalchemy as sa

from models import bulk, frames, tables
from models.database import Database


class Identities:
    """Crosswalk, reviews, decisions, homes and aliases."""

    _db: Database

    def crosswalk(self) -> pl.DataFrame:
        """The last saved ``frames.Crosswalk``, sorted by crm and crm_id."""
        return _all(self._db, tables.crosswalk, frames.dtypes(frames.Crosswalk)).sort("crm", "crm_id")

    def save_crosswalk(self, crosswalk: pl.DataFrame) -> None:
        """Make this ``frames.Crosswalk`` the whole one."""
        with self._db.writing() as connection:
            bulk.replace(connection, tables.crosswalk, crosswalk)

    def identity_reviews(self) -> pl.DataFrame:
        """The pairs that wait for a person, a ``frames.IdentityReviews``, likeliest first."""
        found = _all(self._db, tables.identity_reviews, frames.dtypes(frames.IdentityReviews))
        return found.sort(pl.col("score").neg(), *_PAIR)

    def save_identity_reviews(self, reviews: pl.DataFrame) -> None:
        """Make this ``frames.IdentityReviews`` the whole queue; decided pairs are the caller's to leave out."""
        with self._db.writing() as connection:
            bulk.replace(connection, tables.identity_reviews, reviews)

    def identity_decisions(self) -> pl.DataFrame:
        """What people decided: one row per pair of accounts, sorted.

        ``left_crm``, ``left_crm_id``, ``right_crm``, ``right_crm_id``, ``is_same``, ``decided_by``, ``decided_at``.
        Left sorts before right.
        """
        table = tables.identity_decisions
        return _all(self._db, table, tables.schema_of(table)).sort(_PAIR)

    def decide(
        self, left: tuple[str, str], right: tuple[str, str], *, is_same: bool, decided_by: str, decided_at: datetime
    ) -> None:
        """Keep a person's word on two accounts, each as (crm, crm_id), in any order; a later word replaces an earlier.

        Raises:
            ValueError: Both are the same account.
        """
        if left == right:
            raise ValueError("an account is always itself: name two accounts")
        pair = dict(zip(_PAIR, (*min(left, right), *max(left, right)), strict=True))
        table = tables.identity_decisions
        with self._db.writing() as connection:
            word = bulk.insert(connection, table).values(
                **pair, is_same=is_same, decided_by=decided_by, decided_at=decided_at
            )
            connection.execute(bulk.upserted(word, table, word.excluded.decided_at >= table.c.decided_at))

    def homes(self) -> pl.DataFrame:
        """Where each customer's plan lives, once it is fixed:

        ``customer_id``, ``crm``, ``crm_id``; sorted by customer.
        """
        return _all(self._db, tables.homes, tables.schema_of(tables.homes)).sort("customer_id")

    def fix_homes(self, homes: pl.DataFrame) -> int:
        """Fix the home of customers that have none (``customer_id``, ``crm``, ``crm_id``); a fixed home stays.

        Returns how many.
        """
        return _add(self._db, tables.homes, homes, replaces=False)

    def aliases(self) -> pl.DataFrame:
        """Customer ids that were merged away: ``alias_id``, and the ``customer_id`` that it stands for now; sorted."""
        return _all(self._db, tables.aliases, tables.schema_of(tables.aliases)).sort("alias_id")

    def add_aliases(self, aliases: pl.DataFrame) -> int:
        """Keep merged customer ids as names of the surviving one; a known alias moves. Returns how many changed."""
        return _add(self._db, tables.aliases, aliases, replaces=True)


_PAIR = ["left_crm", "left_crm_id", "right_crm", "right_crm_id"]


def _all(db: Database, table: sa.Table, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    with db.reading() as connection:
        return bulk.read(connection, table, schema)


def _add(db: Database, table: sa.Table, rows: pl.DataFrame, *, replaces: bool) -> int:
    """Insert rows by the table's one key; where it is there, replace what differs, or leave it."""
    schema = tables.schema_of(table)
    ready = bulk.stored(rows.select(list(schema))).unique([key.name for key in table.primary_key], keep="last")
    with db.writing() as connection:
        statement = bulk.insert(connection, table)
        differs = sa.or_(*(statement.excluded[c.name] != c for c in table.columns if not c.primary_key))
        final = bulk.upserted(statement, table, differs) if replaces else statement.on_conflict_do_nothing()
        return bulk.write(connection, table, ready, final)
