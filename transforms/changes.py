"""What to change in the CRMs: desired against what they hold and what we last wrote.

A person's work is never undone. Text that differs from what was read back after our last write was edited by a
person: it is listed, not overwritten. A task that a person closed or deleted is not raised again. A plan that a
person made is taken over, its name kept. Typed fields (score, band, renewal date) are ours.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from models import frames, keys
from models.enums import Band, ChangeStatus, WriteKind
from transforms import change_rows as rows
from transforms import task_changes
from transforms.text import normalised_text, task_text_hash, text_hash

__all__ = ["change_set", "normalised_text", "plan_fields_desired", "task_text_hash", "text_hash"]

FIELD_RULES = ("R-021", "R-022", "R-157")
TYPED = ("health_band", "health_score", "renewal_date")
IS_CURRENT = rows.WAS_WRITTEN & (pl.col("payload_hash") == pl.col("written_hash"))
"""What is desired is what was last written."""

IS_UNNAMED = pl.col("held_is_unnamed").fill_null(False)
"""The CRM holds the plan without our key."""


def plan_fields_desired(
    customers: pl.DataFrame, health: pl.DataFrame, renewals: pl.DataFrame, lifecycle: pl.DataFrame
) -> pl.DataFrame:
    """The typed fields of every plan that is due.

    Args:
        customers: ``frames.Customers``.
        health: ``frames.Health``.
        renewals: ``frames.Renewals``.
        lifecycle: ``frames.Lifecycle``; only customers with ``is_plan_due`` have fields.

    Returns:
        One row per customer: ``customer_id``, ``customer_name``, ``health_score`` (0-100, one decimal, as CRMs keep
        it; null where there is too little data), ``health_band``, ``renewal_date``; sorted by ``customer_id``.
    """
    due = lifecycle.filter("is_plan_due").select("customer_id")
    named = customers.join(due, on="customer_id", how="semi").select("customer_id", customer_name="name")
    scored = named.join(health.select("customer_id", "score", "band"), on="customer_id", how="left")
    dated = scored.join(renewals.select("customer_id", "renewal_date"), on="customer_id", how="left")
    return dated.select(
        "customer_id",
        "customer_name",
        health_score=pl.col("score").round(1),
        health_band=pl.col("band").fill_null(str(Band.INSUFFICIENT)),
        renewal_date="renewal_date",
    ).sort("customer_id")


def change_set(
    *,
    customers: pl.DataFrame,
    plan_fields: pl.DataFrame,
    sections: pl.DataFrame,
    tasks: pl.DataFrame,
    held_fields: pl.DataFrame,
    held_sections: pl.DataFrame,
    held_tasks: pl.DataFrame,
    written: pl.DataFrame,
    raised: pl.DataFrame,
    as_of: date,
    cap_per_owner_and_day: int,
    fallback_owners: Mapping[str, str],
    aliases: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Compare what should stand in the CRMs with what stands there.

    Everything of a customer goes to its home CRM. What was written and is no longer desired: an open task is closed;
    fields and sections stay as they are. What was written for a customer that no longer exists stays as it is, too,
    since its records went with its account; but when it was joined into another customer, its open tasks are closed.
    A plan without our key on a customer's home account was made by a person: it is updated, no second one created.

    Args:
        customers: ``frames.Customers``; gives home CRM, home account and owner.
        plan_fields: ``plan_fields_desired``.
        sections: ``frames.SectionTexts``.
        tasks: ``frames.TasksDue``.
        held_fields: ``frames.PlanFields`` as last pulled or read back.
        held_sections: ``frames.PlanSections``, likewise.
        held_tasks: ``frames.Tasks``, likewise.
        written: ``frames.Written``; ``readback_hash`` is ``text_hash`` of a section's body, ``task_text_hash`` of a
            task.
        raised: Tasks already raised for ``as_of``: ``owner_crm_id`` (null: the CRM's default), ``crm``,
            ``raised_count``.
        as_of: The day of new tasks' first writing: they are due so many days after it, and that day stays.
        cap_per_owner_and_day: New tasks an owner may get in a day; the worst come first, the rest is deferred.
        fallback_owners: By CRM, the queue of tasks whose owner is missing or inactive, which has no cap; without one,
            they go to the CRM's default.
        aliases: Ids of customers that were joined into others: ``alias_id``, ``customer_id``.

    Returns:
        ``frames.Changes``. Applying its planned rows and comparing again plans nothing.

    Source:
        Rulebook R-021, R-022; promises P27, P29.
    """
    homes = customers.select("customer_id", "home_crm", "home_crm_id", "owner_crm_id", "owner_is_active")
    of_tasks = task_changes.changes(
        homes,
        tasks,
        held_tasks,
        written,
        raised=raised,
        as_of=as_of,
        cap=cap_per_owner_and_day,
        fallback_owners=fallback_owners,
        aliases=rows.no_aliases() if aliases is None else aliases,
    )
    of_fields = _field_changes(homes, plan_fields, held_fields, written)
    of_sections = _section_changes(homes, sections, held_sections, written)
    found = pl.concat([of_fields, of_sections, of_tasks]).sort("crm", "kind", "account_crm_id", "record_key")
    return found.select(frames.Changes.column_names())


def _field_changes(
    homes: pl.DataFrame, desired: pl.DataFrame, held: pl.DataFrame, written: pl.DataFrame
) -> pl.DataFrame:
    """Typed fields: written where they differ, since they are ours. A plan that a person deleted stays deleted.

    The name is for new plans only: a plan that exists keeps its own.
    """
    key = rows.plan_key(pl.col("customer_id"))
    desired = desired.with_columns(pl.col("health_score").round(1))
    wanted = desired.with_columns(record_key=key, plan_key=key, payload=rows.json_of(TYPED))
    wanted = wanted.with_columns(
        payload_hash=keys.hashed(pl.col("payload")), rule_ids=pl.lit(list(FIELD_RULES), dtype=pl.List(pl.String))
    )
    table = rows.compared(homes, wanted, _held_plans(held, homes, written), written, WriteKind.FIELDS)
    named = pl.when(rows.EXISTS | rows.IS_DELETED).then("payload").otherwise(rows.json_of((*TYPED, "customer_name")))
    table = table.with_columns(pl.col("held_health_score").round(1), payload=named)
    has_other_values = pl.any_horizontal([pl.col(name).ne_missing(pl.col(f"held_{name}")) for name in TYPED])
    differs = rows.IS_HELD & (IS_UNNAMED | has_other_values)
    is_due = ~rows.IS_DELETED & (differs | ~IS_CURRENT) & ~(rows.IS_HELD & ~differs & ~rows.WAS_WRITTEN)
    status = (
        pl.when(rows.IS_DELETED)
        .then(pl.lit(str(ChangeStatus.CONTESTED)))
        .when(is_due)
        .then(pl.lit(str(ChangeStatus.PLANNED)))
        .otherwise(pl.lit(str(ChangeStatus.UNCHANGED)))
    )
    reason = (
        pl.when(rows.IS_DELETED)
        .then(pl.lit("a person deleted the plan"))
        .when(~rows.EXISTS)
        .then(pl.lit("the customer is due a plan and has none"))
        .when(IS_UNNAMED & ~rows.WAS_WRITTEN)
        .then(pl.lit("the account has a plan that a person made: it is kept from now on"))
        .when(IS_UNNAMED)
        .then(pl.lit("the plan lost its key"))
        .when(is_due & IS_CURRENT)
        .then(pl.lit("the CRM holds other values than those written"))
        .when(is_due)
        .then(pl.lit("the values changed since the last write"))
        .otherwise(pl.lit("the CRM holds these values"))
    )
    table = table.with_columns(
        status=status, reason=reason, old=rows.old_json(TYPED), basis=pl.when(differs & IS_CURRENT).then(rows.drift())
    )
    return _with_left_over(table, homes, wanted, written, WriteKind.FIELDS)


def _held_plans(held: pl.DataFrame, homes: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
    """Held plans by record key; without one, the plan that we wrote last, or else one that a person made.

    Of several that people made, the one with the smallest id is taken over; the others stay as they are.
    """
    named = rows.held_rows(held, TYPED).with_columns(held_is_unnamed=pl.lit(False))
    ours = written.filter(pl.col("kind") == str(WriteKind.FIELDS)).select("crm", "record_key", our_id="crm_id")
    living = rows.unnamed_rows(held.filter(~pl.col("is_deleted")), homes, rows.plan_key(pl.col("customer_id")))
    eligible = living.join(ours, on=["crm", "record_key"], how="left")
    eligible = eligible.filter(pl.col("crm_id") == pl.coalesce("our_id", "crm_id")).sort("crm_id")
    first = eligible.unique(["crm", "record_key"], keep="first", maintain_order=True)
    found = rows.held_rows(first, TYPED).with_columns(held_is_unnamed=pl.lit(True))
    return pl.concat([named, found.join(named, on=["crm", "record_key"], how="anti")])


def _section_changes(
    homes: pl.DataFrame, sections: pl.DataFrame, held: pl.DataFrame, written: pl.DataFrame
) -> pl.DataFrame:
    """Sections: written where the text is ours and another is due; contested where a person wrote."""
    wanted = sections.with_columns(
        payload=rows.json_of(("body", "section")),
        payload_hash=_section_hash("body"),
        body_hash=text_hash(pl.col("body")),
    )
    table = rows.compared(homes, wanted, _held_sections(held, homes), written, WriteKind.SECTIONS)
    seen = text_hash(pl.col("held_body"))
    is_same = rows.IS_HELD & (seen == pl.col("body_hash"))
    is_as_read = (seen == pl.col("readback_hash")).fill_null(False)
    is_as_written = is_as_read | (_section_hash("held_body") == pl.col("written_hash"))
    is_ours = pl.when(rows.WAS_WRITTEN).then(is_as_written).otherwise(normalised_text(pl.col("held_body")) == "")
    is_edited = rows.IS_HELD & ~is_same & ~is_ours
    status = (
        pl.when(rows.IS_DELETED | is_edited)
        .then(pl.lit(str(ChangeStatus.CONTESTED)))
        .when(is_same | IS_CURRENT)
        .then(pl.lit(str(ChangeStatus.UNCHANGED)))
        .otherwise(pl.lit(str(ChangeStatus.PLANNED)))
    )
    reason = (
        pl.when(rows.IS_DELETED)
        .then(pl.lit("a person deleted the section"))
        .when(is_edited & rows.WAS_WRITTEN)
        .then(pl.lit("a person edited the text since we wrote it"))
        .when(is_edited)
        .then(pl.lit("a person wrote this section before we did"))
        .when(is_same | IS_CURRENT)
        .then(pl.lit("the CRM holds this text"))
        .when(rows.WAS_WRITTEN)
        .then(pl.lit("the facts behind the text changed"))
        .otherwise(pl.lit("the plan has no such section yet"))
    )
    table = table.with_columns(status=status, reason=reason, old=rows.old_json(("body",)))
    return _with_left_over(table, homes, wanted, written, WriteKind.SECTIONS)


def _section_hash(body: str) -> pl.Expr:
    """The payload hash of a section with this text: the same for the text that we send and for what CRMs make of it."""
    return keys.hashed(rows.json_object({"body": normalised_text(pl.col(body)), "section": pl.col("section")}))


def _held_sections(held: pl.DataFrame, homes: pl.DataFrame) -> pl.DataFrame:
    """Held sections by record key; where the CRM keeps no key, the account and the section name it."""
    named = rows.held_rows(held, ("body",))
    unnamed = rows.unnamed_rows(held, homes, rows.section_key(pl.col("customer_id"), pl.col("section")))
    found = rows.held_rows(unnamed, ("body",))
    return pl.concat([named, found.join(named, on=["crm", "record_key"], how="anti")])


def _with_left_over(
    table: pl.DataFrame, homes: pl.DataFrame, wanted: pl.DataFrame, written: pl.DataFrame, kind: WriteKind
) -> pl.DataFrame:
    """Compared rows, and those that were written and are no longer desired, as ``frames.Changes``."""
    rest = rows.left_over(homes, wanted, written, kind)
    return pl.concat([rows.rows_of(rows.changed(table), kind), rows.rows_of(rest, kind)])
