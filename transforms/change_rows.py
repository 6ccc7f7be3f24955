"""What every kind of change has in common: pairing desired, held and written rows, payloads, rows of a change set."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import polars as pl

from models import frames, keys
from models.enums import ChangeStatus, WriteAction, WriteKind

IS_DELETED = pl.col("held_is_deleted").fill_null(False)
IS_HELD = pl.col("held_crm_id").is_not_null() & ~IS_DELETED
"""The CRM holds the record, as far as the last pull tells. A record just written may not have been seen yet."""

WAS_WRITTEN = pl.col("written_crm_id").is_not_null()
EXISTS = IS_HELD | WAS_WRITTEN
NO_RULES = pl.lit([], dtype=pl.List(pl.String))


def no_aliases() -> pl.DataFrame:
    """Aliases of nobody."""
    return pl.DataFrame(schema={"alias_id": pl.String, "customer_id": pl.String})


def plan_key(customer_id: pl.Expr) -> pl.Expr:
    """The record key of a customer's plan."""
    return keys.hashed("plan", customer_id)


def section_key(customer_id: pl.Expr, section: pl.Expr) -> pl.Expr:
    """The record key of a plan's section."""
    return keys.hashed("section", customer_id, section)


def json_object(values: Mapping[str, pl.Expr]) -> pl.Expr:
    """A JSON object, its names sorted: equal values give equal bytes. Days are ISO text."""
    return pl.struct([values[name].alias(name) for name in sorted(values)]).struct.json_encode()


def json_of(columns: Sequence[str]) -> pl.Expr:
    """``json_object`` of columns under their own names."""
    return json_object({name: pl.col(name) for name in columns})


def old_json(columns: Sequence[str]) -> pl.Expr:
    """What the CRM holds, as JSON; null where it holds nothing."""
    return pl.when(IS_HELD).then(json_object({name: pl.col(f"held_{name}") for name in columns}))


def drift() -> pl.Expr:
    """What tells one edit of a held record from the next, so that writing the same values again is a new effect."""
    return pl.concat_str(
        [pl.col("held_crm_id"), pl.col("held_modified_at").dt.epoch("us").cast(pl.String)], separator="|"
    )


def held_rows(held: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Mirrored rows by crm and ``record_key``, columns as ``held_...``; of several rows the living, newest one."""
    keyed = held.drop_nulls("record_key").sort(
        ["crm", "record_key", "is_deleted", "modified_at", "crm_id"], descending=[False, False, False, True, False]
    )
    keyed = keyed.unique(["crm", "record_key"], keep="first", maintain_order=True)
    return keyed.select(
        "crm", "record_key", pl.col("crm_id", "is_deleted", "modified_at", *columns).name.prefix("held_")
    )


def unnamed_rows(held: pl.DataFrame, homes: pl.DataFrame, record_key: pl.Expr) -> pl.DataFrame:
    """Mirrored rows without a key that hang below a customer's home account, with the key that they should have.

    Args:
        held: A mirrored frame with ``account_crm_id`` and ``record_key``.
        homes: ``customer_id``, ``home_crm``, ``home_crm_id`` and more.
        record_key: The key, from ``customer_id`` and the columns of ``held``.

    Returns:
        Columns of ``held``.
    """
    places = homes.select("customer_id", crm="home_crm", account_crm_id="home_crm_id")
    unnamed = held.filter(pl.col("record_key").is_null()).join(places, on=["crm", "account_crm_id"])
    return unnamed.with_columns(record_key=record_key).select(held.columns)


def compared(
    homes: pl.DataFrame, wanted: pl.DataFrame, held: pl.DataFrame, written: pl.DataFrame, kind: WriteKind
) -> pl.DataFrame:
    """Desired rows beside what their home CRM holds and what was written there.

    Args:
        homes: ``customer_id``, ``home_crm``, ``home_crm_id`` and more.
        wanted: ``customer_id``, ``record_key``, and what is desired.
        held: ``held_rows``.
        written: ``frames.Written``.
        kind: Of the rows.

    Returns:
        ``wanted`` with ``crm``, ``account_crm_id``, the ``held_`` columns, ``written_crm_id``, ``written_hash``,
        ``readback_hash``. Customers that are not in ``homes`` are left out.
    """
    ours = written.filter(pl.col("kind") == str(kind)).select(
        "crm", "record_key", "readback_hash", written_crm_id="crm_id", written_hash="payload_hash"
    )
    table = wanted.join(homes, on="customer_id").rename({"home_crm": "crm", "home_crm_id": "account_crm_id"})
    table = table.join(held, on=["crm", "record_key"], how="left")
    return table.join(ours, on=["crm", "record_key"], how="left")


def changed(table: pl.DataFrame) -> pl.DataFrame:
    """Compared rows as rows of a change set: created where there is nothing, else updated."""
    action = (
        pl.when(EXISTS | IS_DELETED).then(pl.lit(str(WriteAction.UPDATE))).otherwise(pl.lit(str(WriteAction.CREATE)))
    )
    return table.with_columns(action=action, crm_id=pl.coalesce("held_crm_id", "written_crm_id"))


def left_over(homes: pl.DataFrame, wanted: pl.DataFrame, written: pl.DataFrame, kind: WriteKind) -> pl.DataFrame:
    """What was written and is no longer desired, as unchanged rows; ``is_known``: the customer still exists."""
    rest = written.filter(pl.col("kind") == str(kind)).join(wanted, on="record_key", how="anti")
    rest = rest.join(homes.select("customer_id", is_known=pl.lit(True)), on="customer_id", how="left")
    reason = (
        pl.when("is_known")
        .then(pl.lit("no longer due; it stays as it is"))
        .otherwise(pl.lit("the customer is no longer in the CRM under this name; what was written stays as it is"))
    )
    return rest.with_columns(
        is_known=pl.col("is_known").fill_null(False),
        plan_key=plan_key(pl.col("customer_id")),
        action=pl.lit(str(WriteAction.UPDATE)),
        status=pl.lit(str(ChangeStatus.UNCHANGED)),
        payload=pl.lit("{}"),
        old=pl.lit(None, dtype=pl.String),
        reason=reason,
        rule_ids=NO_RULES,
    )


def rows_of(table: pl.DataFrame, kind: WriteKind) -> pl.DataFrame:
    """Rows as ``frames.Changes``.

    The effect key hashes the record key, the action, the payload and what was desired; with a ``basis`` it also tells
    apart repairs of the same value.
    """
    basis = pl.col("basis").fill_null("") if "basis" in table.columns else pl.lit("")
    return table.with_columns(
        effect_key=keys.hashed(
            pl.concat_str(["record_key", "action", "payload_hash", "payload", basis], separator="|")
        ),
        kind=pl.lit(str(kind)),
    ).select([pl.col(name).cast(dtype) for name, dtype in frames.dtypes(frames.Changes).items()])


def days(count: pl.Expr) -> pl.Expr:
    """A number of days as a duration."""
    return count * timedelta(days=1)
