"""Which writes with a lost answer the CRM carried out after all: it holds just what they said."""

from collections.abc import Mapping

import polars as pl

from models.enums import WriteAction, WriteKind
from transforms.text import normalised_text

SAID = ("body", "subject", "priority", "owner_crm_id", "health_score", "health_band", "renewal_date")
"""What a write may say, as text; null where it does not speak of it."""

UNSURE: dict[str, pl.DataType] = {name: pl.String() for name in ("effect_key", "kind", "action", "crm_id", *SAID)}


def landed(unsure: pl.DataFrame, held: Mapping[str, pl.DataFrame]) -> list[str]:
    """Find the writes that happened.

    A create of a task is proven by its record alone: nobody else makes one with our key. Text, fields and closings are
    proven by what is held now; if a person has changed it since, the write counts as not done.

    Args:
        unsure: One row per write with a lost answer: columns and types of ``UNSURE``; ``crm_id`` is null where no
            record was found.
        held: The mirror of that CRM, read after the write: ``plan_fields``, ``plan_sections`` and ``tasks``.

    Returns:
        Their effect keys, sorted.
    """
    found = unsure.drop_nulls("crm_id")
    proven = [
        _matching(found, WriteKind.SECTIONS, held["plan_sections"], _same_text("body")),
        _matching(found, WriteKind.FIELDS, held["plan_fields"], _same_fields()),
        _matching(found, WriteKind.TASKS, held["tasks"], _same_task()),
    ]
    return pl.concat(proven).unique().sort("effect_key")["effect_key"].to_list()


def _matching(found: pl.DataFrame, kind: WriteKind, held: pl.DataFrame, is_same: pl.Expr) -> pl.DataFrame:
    ours = found.filter(pl.col("kind") == str(kind))
    beside = ours.join(held.filter(~pl.col("is_deleted")), on="crm_id", suffix="_held")
    return beside.filter(is_same.fill_null(False)).select("effect_key")


def _same_text(name: str) -> pl.Expr:
    return normalised_text(pl.col(name)) == normalised_text(pl.col(f"{name}_held"))


def _unsaid_or(name: str, is_same: pl.Expr) -> pl.Expr:
    return pl.col(name).is_null() | is_same


def _same_fields() -> pl.Expr:
    score = pl.col("health_score").cast(pl.Float64, strict=False).round(1)
    is_score = score.eq_missing(pl.col("health_score_held").round(1))
    is_date = pl.col("renewal_date").eq_missing(pl.col("renewal_date_held").cast(pl.String))
    return is_score & is_date & pl.col("health_band").eq_missing(pl.col("health_band_held"))


def _same_task() -> pl.Expr:
    is_same = pl.all_horizontal(
        _unsaid_or("subject", _same_text("subject")),
        _unsaid_or("body", _same_text("body")),
        _unsaid_or("priority", pl.col("priority") == pl.col("priority_held")),
        _unsaid_or("owner_crm_id", pl.col("owner_crm_id") == pl.col("owner_crm_id_held")),
    )
    action = pl.col("action")
    return (
        pl.when(action == str(WriteAction.CREATE))
        .then(True)
        .when(action == str(WriteAction.CLOSE))
        .then(pl.col("is_closed"))
        .otherwise(is_same)
    )
