"""Plan items that people agreed on outside the CRMs, revision by revision, beside those that the CRMs hold."""

from datetime import datetime

import polars as pl
import sqlalchemy as sa

from models import bulk, frames, tables
from models.database import Database

IMPORTED = "import:"
"""How the ``crm_id`` of an imported item begins, so that it is told apart from a record in a CRM."""

_CONTENT = frames.dtypes(frames.PlanItems)
_HASHED = [name for name in _CONTENT if name != "modified_at"]
_ITEM = ["crm", "crm_id"]


class PlanItemRevisions:
    """Imported plan items; every change is a new revision, and nothing is deleted."""

    _db: Database

    def save_plan_items(self, customer_key: str, items: pl.DataFrame, *, source: str, author: str, at: datetime) -> int:
        """Make these items what ``source`` says about a customer.

        A new or changed item becomes a new revision. An item that ``source`` said before and no longer says gets a
        revision with ``is_deleted``. What other sources said stays.

        Args:
            customer_key: The customer as the source names it.
            items: A ``frames.PlanItems``; ``crm_id`` names the item within the customer and lasts as long as the item.
            source: The file, without its folder.
            author: Who wrote it.
            at: When it was imported (UTC).

        Returns:
            How many revisions were added.
        """
        with self._db.writing() as connection:
            known = bulk.read(connection, _TABLE, tables.schema_of(_TABLE), customer_key=customer_key)
            before = _newest(known)
            said = _hashed(bulk.fitted(frames.PlanItems, items).unique(_ITEM, keep="last", maintain_order=True))
            rows = pl.concat([_changed(said, before), _gone(said, before.filter(pl.col("source") == source), at)])
            ready = _revisions(rows, before, customer_key).with_columns(
                source=pl.lit(source), author=pl.lit(author), saved_at=bulk.moment(at)
            )
            return bulk.write(connection, _TABLE, ready.select(_TABLE.columns.keys()), bulk.insert(connection, _TABLE))

    def plan_items(self) -> pl.DataFrame:
        """Every plan item as it now stands, a ``frames.PlanItems`` sorted by crm and crm_id, deleted ones included.

        Items from a CRM come as mirrored. Imported ones have ``crm_id`` ``import:<customer_key>:<item>``.
        """
        with self._db.reading() as connection:
            mirrored = bulk.read(connection, tables.MIRRORS["plan_items"], _CONTENT)
            imported = _newest(bulk.read(connection, _TABLE, tables.schema_of(_TABLE)))
        name = pl.concat_str(pl.lit(IMPORTED), "customer_key", pl.lit(":"), "crm_id")
        return pl.concat([mirrored, imported.with_columns(crm_id=name).select(list(_CONTENT))]).sort(_ITEM)


_TABLE: sa.Table = tables.plan_item_revisions


def _newest(revisions: pl.DataFrame) -> pl.DataFrame:
    """The last revision of each item of each customer."""
    return revisions.sort("revision").unique(["customer_key", *_ITEM], keep="last", maintain_order=True)


def _hashed(items: pl.DataFrame) -> pl.DataFrame:
    """What an item says, without when: a file read again is no news."""
    return items.with_columns(bulk.content_hash(bulk.stored(items.select(_HASHED))))


def _changed(said: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    return said.join(before, on=[*_ITEM, "content_hash"], how="anti")


def _gone(said: pl.DataFrame, before: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """Items of this source that it no longer names, as deleted."""
    missing = before.filter(~pl.col("is_deleted")).join(said, on=_ITEM, how="anti")
    return _hashed(
        missing.select(list(_CONTENT)).with_columns(is_deleted=True, modified_at=pl.lit(at, _CONTENT["modified_at"]))
    )


def _revisions(rows: pl.DataFrame, before: pl.DataFrame, customer_key: str) -> pl.DataFrame:
    """Rows as stored, each with the number after its last revision."""
    numbered = rows.join(before.select(*_ITEM, last="revision"), on=_ITEM, how="left")
    ready = bulk.stored(numbered.select(list(_CONTENT)))
    return ready.with_columns(
        numbered["content_hash"],
        (numbered["last"].fill_null(0) + 1).alias("revision"),
        customer_key=pl.lit(customer_key),
    )
