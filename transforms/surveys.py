"""Survey answers, and the NPS signal. CSAT answers count with the tickets' ratings (``transforms.tickets``)."""

from datetime import date

import polars as pl

from models.enums import SurveyKind
from models.policy.pack import Policy
from transforms.days import days_since, iso
from transforms.readings import Reading, reading
from transforms.text import said


def nps_by_customer(surveys: pl.LazyFrame, *, policy: Policy) -> pl.LazyFrame:
    """The newest NPS answer and the run of low ones, one row per customer that ever answered.

    Args:
        surveys: ``Facts.surveys``.
        policy: Reads the lowest healthy score.

    Returns:
        ``customer_no``; ``nps_score`` (the newest; of several at one instant the lowest), ``nps_at``,
        ``first_low_at`` (the first answer after the last healthy one).
    """
    healthy_min = policy.signals.nps.healthy_min
    answers = surveys.filter(pl.col("kind") == SurveyKind.NPS).select("customer_no", "answered_at", "score")
    newest = answers.group_by("customer_no").agg(
        nps_at=pl.col("answered_at").max(),
        nps_score=pl.col("score").sort_by("answered_at", -pl.col("score")).last(),
        last_healthy_at=pl.col("answered_at").filter(pl.col("score") >= healthy_min).max(),
    )
    low = answers.filter(pl.col("score") < healthy_min).join(newest, on="customer_no")
    is_later = pl.col("last_healthy_at").is_null() | (pl.col("answered_at") >= pl.col("last_healthy_at"))
    first_low = low.filter(is_later).group_by("customer_no").agg(first_low_at=pl.col("answered_at").min())
    return newest.drop("last_healthy_at").join(first_low, on="customer_no", how="left")


def nps(*, as_of: date, policy: Policy) -> Reading:
    """The newest answer, if it is recent enough (R-150)."""
    rule = policy.signals.nps
    score = pl.col("nps_score")
    is_old = days_since(pl.col("nps_at").dt.date(), as_of) > rule.window_days
    return reading(
        "nps",
        unit="of 10",
        threshold=f"healthy from {rule.healthy_min}, at risk from {rule.at_risk_min}, critical below",
        source="surveys",
        value=score,
        unknown=[(is_old, f"no NPS answer in the last {rule.window_days} days")],
        critical=score < rule.at_risk_min,
        at_risk=score < rule.healthy_min,
        healthy="the newest answer is a promoter's",
        bad=said("NPS answers below {} since {}", pl.lit(rule.healthy_min), iso(pl.col("first_low_at"))),
        episode=iso(pl.col("first_low_at")),
        observed_at=pl.col("nps_at"),
    )
