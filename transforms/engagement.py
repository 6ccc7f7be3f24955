"""Meetings, calls and mail: when the customer last took part, and the signals that follow.

The customer took part in a past meeting or call with an outcome that the policy counts, and in every mail that it
sent. A mail that we sent, or a meeting that it missed, is outreach.
"""

from datetime import date, timedelta

import polars as pl

from models.enums import ActivityKind, ActivityOutcome
from models.policy.pack import Policy
from transforms.days import by_number, days_since, iso, known_until
from transforms.numbered import ByNumber, earliest_by_number, latest_by_number
from transforms.readings import Reading, reading
from transforms.text import said

_MEETING = pl.col("kind") == ActivityKind.MEETING


def engaged(policy: Policy) -> pl.Expr:
    """Whether the customer took part in a past activity (Bool, never null)."""
    outcomes = [str(outcome) for outcome in policy.engagement.counted_outcomes]
    is_mail = pl.col("kind") == ActivityKind.EMAIL
    took_part = (
        pl.when(is_mail).then(pl.col("is_inbound").fill_null(False)).otherwise(pl.col("outcome").is_in(outcomes))
    )
    return took_part & ~pl.col("is_ahead")


def outreach() -> pl.Expr:
    """Whether a past activity was our attempt that the customer did not take part in: mail to it, or a missed meeting
    (Bool).
    """
    mail_out = (pl.col("kind") == ActivityKind.EMAIL) & ~pl.col("is_inbound").fill_null(True)
    return (mail_out | (pl.col("outcome") == ActivityOutcome.NO_SHOW)) & ~pl.col("is_ahead")


def engagement_by_customer(activities: pl.DataFrame, *, count: int, policy: Policy) -> pl.DataFrame:
    """Sum up activities, one row per customer.

    Args:
        activities: ``Facts.activities``.
        count: How many customers there are.
        policy: Says which outcomes count.

    Returns:
        A row per ``customer_no`` in that order, and one more for nobody; null where there was none:
        ``last_engaged_at``, ``first_activity_at``, ``last_activity_at`` (past ones); ``last_meeting_at`` (completed);
        ``has_meeting_outcomes``; ``missed_count``, ``first_missed_at``, ``last_missed_at`` (meetings missed since the
        last completed one).
    """
    past = _past(activities.lazy(), policy).collect(engine="in-memory")
    missed = past.filter("is_missed")

    def of_each(chosen: ByNumber, rows: pl.DataFrame) -> pl.Series:
        return chosen(rows["customer_no"], rows["occurred_at"], count + 1)

    last_meeting_at = of_each(latest_by_number, past.filter("is_completed"))
    summed = pl.DataFrame(
        {
            "last_engaged_at": of_each(latest_by_number, past.filter("is_engaged")),
            "first_activity_at": of_each(earliest_by_number, past),
            "last_activity_at": of_each(latest_by_number, past),
            "last_meeting_at": last_meeting_at,
            "last_miss_at": of_each(latest_by_number, missed),
        }
    )
    has_outcomes = pl.any_horizontal(pl.col("last_meeting_at", "last_miss_at").is_not_null())
    is_seen = pl.col("first_activity_at").is_not_null()
    return pl.concat(
        [
            summed.with_columns(has_meeting_outcomes=pl.when(is_seen).then(has_outcomes)).drop("last_miss_at"),
            by_number(_missed_in_a_row(missed, last_meeting_at[missed["customer_no"]]), count),
        ],
        how="horizontal",
    )


def last_engagements(activities: pl.LazyFrame, *, policy: Policy) -> pl.LazyFrame:
    """``last_engaged_at`` and ``last_meeting_at`` of ``engagement_by_customer``, by ``customer_no``."""
    when = pl.col("occurred_at")
    return (
        _past(activities, policy)
        .group_by("customer_no")
        .agg(last_engaged_at=when.filter("is_engaged").max(), last_meeting_at=when.filter("is_completed").max())
    )


def _past(activities: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    return activities.filter(~pl.col("is_ahead")).select(
        "customer_no",
        "occurred_at",
        is_engaged=engaged(policy),
        is_completed=_MEETING & (pl.col("outcome") == ActivityOutcome.COMPLETED),
        is_missed=_MEETING & (pl.col("outcome") == ActivityOutcome.NO_SHOW),
    )


def _missed_in_a_row(missed: pl.DataFrame, last_meeting_at: pl.Series) -> pl.DataFrame:
    is_later = (missed["occurred_at"] > last_meeting_at).fill_null(True)
    return (
        missed.filter(is_later)
        .group_by("customer_no")
        .agg(
            missed_count=pl.len().cast(pl.Int64),
            first_missed_at=pl.col("occurred_at").min(),
            last_missed_at=pl.col("occurred_at").max(),
        )
    )


def meetings_ahead(activities: pl.LazyFrame, *, words: tuple[str, ...]) -> pl.LazyFrame:
    """The next scheduled meeting of each customer that has one.

    Args:
        activities: ``Facts.activities``.
        words: Only meetings with one of them in the subject count, in any case; empty: every meeting.

    Returns:
        ``customer_no`` and ``next_meeting_date``.
    """
    ahead = activities.filter(_MEETING & pl.col("is_ahead") & (pl.col("outcome") == ActivityOutcome.SCHEDULED))
    if words:
        subject = pl.col("subject").fill_null("").str.to_lowercase()
        ahead = ahead.filter(pl.any_horizontal([subject.str.contains(word.lower(), literal=True) for word in words]))
    return ahead.group_by("customer_no").agg(next_meeting_date=pl.col("occurred_at").min().dt.date())


def engagement_readings(*, as_of: date, policy: Policy) -> list[Reading]:
    """Signals of the activity columns."""
    return [_engagement_silence(as_of, policy), _missed_checkins(as_of, policy)]


def _engagement_silence(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.engagement_silence
    last = pl.coalesce("last_engaged_at", "first_activity_at")
    days = days_since(last.dt.date(), as_of)
    steps = f"at risk from {rule.at_risk_days} days without contact"
    return reading(
        "engagement_silence",
        unit="days",
        threshold=steps if rule.critical_days is None else f"{steps}, critical from {rule.critical_days}",
        source="activities",
        value=days,
        unknown=[(pl.col("first_activity_at").is_null(), "no activity on record")],
        critical=None if rule.critical_days is None else days >= rule.critical_days,
        at_risk=days >= rule.at_risk_days,
        healthy="the customer is in contact",
        bad=pl.when(pl.col("last_engaged_at").is_null())
        .then(said("the customer has never responded; first outreach on {}", iso(last)))
        .otherwise(said("last contact with the customer on {}", iso(last))),
        episode=iso(last),
        observed_at=pl.col("last_activity_at"),
    )


def _missed_checkins(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.missed_checkins
    lookback = pl.lit(known_until(as_of) - timedelta(days=rule.lookback_days))
    count = pl.when(pl.col("last_missed_at") >= lookback).then("missed_count").otherwise(0)
    return reading(
        "missed_checkins",
        unit="meetings missed in a row",
        threshold=f"at risk from {rule.at_risk_count} meetings missed in a row",
        source="activities",
        value=count,
        unknown=[(~pl.col("has_meeting_outcomes"), "no meeting with a recorded outcome")],
        critical=None if rule.critical_count is None else count >= rule.critical_count,
        at_risk=count >= rule.at_risk_count,
        healthy="check-ins take place",
        bad=said("meetings missed in a row, the first on {}", iso(pl.col("first_missed_at"))),
        episode=iso(pl.col("first_missed_at")),
        observed_at=pl.col("last_activity_at"),
    )
