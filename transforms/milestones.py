"""Milestones of the agreed plan, and the signal that follows."""

from datetime import date

import polars as pl

from models.enums import PlanItemKind
from models.policy.pack import Policy
from transforms.days import iso
from transforms.readings import Reading, reading
from transforms.text import said


def milestones_by_customer(plan_items: pl.LazyFrame, *, as_of: date) -> pl.LazyFrame:
    """Sum up milestones, one row per customer whose plan has any with a date.

    Returns:
        ``customer_no``; ``overdue_count`` (due before ``as_of`` and not done), ``overdue_since`` and
        ``overdue_title`` (the earliest of them; of several on one day the first by title).
    """
    dated = plan_items.filter((pl.col("kind") == PlanItemKind.MILESTONE) & pl.col("due_date").is_not_null())
    overdue = dated.filter(~pl.col("is_done") & (pl.col("due_date") < as_of)).sort("due_date", "title")
    earliest = overdue.group_by("customer_no").agg(
        overdue_count=pl.len().cast(pl.Int64),
        overdue_since=pl.col("due_date").first(),
        overdue_title=pl.col("title").first(),
    )
    planned = dated.select("customer_no").unique().join(earliest, on="customer_no", how="left")
    return planned.with_columns(pl.col("overdue_count").fill_null(0))


def milestone_overdue(*, policy: Policy) -> Reading:
    """Milestones that are overdue (R-123)."""
    rule = policy.signals.milestone_overdue
    count = pl.col("overdue_count")
    return reading(
        "milestone_overdue",
        unit="milestones",
        threshold=f"at risk from {rule.at_risk_count} overdue"
        + ("" if rule.critical_count is None else f", critical from {rule.critical_count}"),
        source="plan",
        value=count,
        unknown=[(count.is_null(), "no milestone with a date in the plan")],
        critical=None if rule.critical_count is None else count >= rule.critical_count,
        at_risk=count >= rule.at_risk_count,
        healthy="no milestone is overdue",
        bad=said("milestone due on {} is not done: {}", iso(pl.col("overdue_since")), "overdue_title"),
        episode=iso(pl.col("overdue_since")),
        observed_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")),
    )
