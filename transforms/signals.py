"""Every signal of every customer, each with its own threshold (R-153)."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from models.frames import Signals, dtypes, empty
from models.policy.pack import Policy
from transforms.days import joined_by_number
from transforms.engagement import engagement_by_customer, engagement_readings
from transforms.facts import Facts
from transforms.milestones import milestone_overdue, milestones_by_customer
from transforms.readings import Reading
from transforms.stakeholders import stakeholder_readings, stakeholders_by_customer
from transforms.surveys import nps, nps_by_customer
from transforms.tickets import ticket_readings, tickets_by_customer
from transforms.usage import usage_by_customer, usage_readings, usage_week


def signals(customers: pl.LazyFrame, facts: Facts, *, as_of: date, policy: Policy) -> pl.LazyFrame:
    """Read every watched signal of every customer.

    Args:
        customers: One row per customer; reads ``customer_id``.
        facts: What is known at the end of ``as_of``.
        as_of: The day for which to read them.
        policy: Thresholds.

    Returns:
        ``frames.Signals``: one row per customer and signal, sorted by both. What cannot be classified says why. "No
        ticket" is zero tickets, and healthy, only where one of the customer's CRMs ever delivered a ticket to
        anybody. ``reason`` and ``episode`` stay the same from night to night while the condition lasts; ``value`` may
        count days.

    Source:
        Rulebook R-120 to R-136, R-150.
    """
    watched = [reading for reading in _readings(as_of, policy) if reading.signal in policy.signals.enabled]
    # A step of its own: as one plan with the sums, every sum would be computed once a signal.
    return _wide(customers, facts, as_of, policy).map_batches(
        lambda wide: _long(wide, sorted(watched, key=_by_name), policy),
        schema=dtypes(Signals),
        predicate_pushdown=False,
        projection_pushdown=False,
    )


def _by_name(reading: Reading) -> str:
    return reading.signal


def _long(wide: pl.DataFrame, readings: Sequence[Reading], policy: Policy) -> pl.DataFrame:
    """One row per customer and signal from one row per customer."""
    first = pl.col("place") * len(readings)
    parts = [
        rows
        for position, reading in enumerate(readings)
        for rows in reading.rows(wide.with_columns(place=first + position), policy.signals.rule(reading.signal))
    ]
    return pl.concat(parts).sort("place").drop("place").collect() if parts else empty(Signals)


def _readings(as_of: date, policy: Policy) -> list[Reading]:
    return [
        *usage_readings(as_of=as_of, policy=policy),
        *ticket_readings(policy=policy, as_of=as_of),
        *engagement_readings(as_of=as_of, policy=policy),
        *stakeholder_readings(as_of=as_of, policy=policy),
        nps(as_of=as_of, policy=policy),
        milestone_overdue(policy=policy),
    ]


def _wide(customers: pl.LazyFrame, facts: Facts, as_of: date, policy: Policy) -> pl.LazyFrame:
    """One row per customer with every column that a reading needs; each table of facts is read once."""
    parts = [
        usage_by_customer(facts.usage, facts.feeds, policy=policy),
        tickets_by_customer(facts.tickets, facts.surveys, as_of=as_of, policy=policy),
        engagement_by_customer(facts.activities, policy=policy),
        stakeholders_by_customer(facts.contacts, facts.activities, facts.plan_items, as_of=as_of, policy=policy),
        nps_by_customer(facts.surveys, policy=policy),
        milestones_by_customer(facts.plan_items, as_of=as_of),
        _crms(facts.account_dates),
    ]
    places = customers.select("customer_id").sort("customer_id").with_row_index("place")
    wide = joined_by_number([places.join(facts.numbers, on="customer_id", how="left"), *parts])
    has_feed = pl.col("crms").list.set_intersection("ticket_crms").list.len() > 0
    return wide.join(facts.feeds, how="cross").with_columns(usage_week(), has_ticket_feed=has_feed.fill_null(False))


def _crms(account_dates: pl.LazyFrame) -> pl.LazyFrame:
    return account_dates.group_by("customer_no").agg(crms=pl.col("crm").unique())
