"""Every signal of every customer, each with its own threshold (R-153)."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from models.frames import Signals, empty
from models.policy.pack import Policy
from transforms.days import by_number
from transforms.engagement import engagement_by_customer, engagement_readings
from transforms.facts import Facts
from transforms.milestones import milestone_overdue, milestones_by_customer
from transforms.readings import Reading, interleaved
from transforms.stakeholders import stakeholder_readings, stakeholders_by_customer
from transforms.surveys import nps, nps_by_customer
from transforms.tickets import ticket_readings, tickets_by_customer
from transforms.usage import usage_by_customer, usage_readings, usage_week

READ: dict[str, tuple[str, ...]] = {
    "usage": ("customer_no", "usage_date", "feature", "event_count"),
    "tickets": (
        "customer_no",
        "crm_id",
        "priority",
        "is_closed",
        "is_escalated",
        "opened_at",
        "closed_at",
        "satisfaction_pct",
    ),
    "surveys": ("customer_no", "answered_at", "kind", "score"),
    "activities": ("customer_no", "contact_no", "kind", "outcome", "is_inbound", "occurred_at", "is_ahead"),
    "contacts": ("customer_no", "contact_no", "crm_id", "name", "email", "role", "has_left", "left_date", "created_at"),
    "plan_items": ("customer_no", "kind", "title", "role", "due_date", "is_done"),
    "account_dates": ("customer_no", "crm"),
    "feeds": ("usage_week", "usage_until", "has_features", "ticket_crms"),
}
"""The columns of ``Facts`` that signals follow from."""


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

    The facts are collected here, once for each table and only the columns of ``READ``, and so are the signals: as one
    lazy plan, every sum would scan its table again.
    """
    watched = [reading for reading in _readings(as_of, policy) if reading.signal in policy.signals.enabled]
    return _long(_wide(customers, facts, as_of, policy), sorted(watched, key=_by_name), policy).lazy()


def _by_name(reading: Reading) -> str:
    return reading.signal


def _long(wide: pl.DataFrame, readings: Sequence[Reading], policy: Policy) -> pl.DataFrame:
    """One row per customer and signal from one row per customer."""
    if not readings:
        return empty(Signals)
    return interleaved(wide, readings, [policy.signals.rule(reading.signal) for reading in readings])


def _readings(as_of: date, policy: Policy) -> list[Reading]:
    return [
        *usage_readings(as_of=as_of, policy=policy),
        *ticket_readings(policy=policy, as_of=as_of),
        *engagement_readings(as_of=as_of, policy=policy),
        *stakeholder_readings(as_of=as_of, policy=policy),
        nps(as_of=as_of, policy=policy),
        milestone_overdue(policy=policy),
    ]


def _wide(customers: pl.LazyFrame, facts: Facts, as_of: date, policy: Policy) -> pl.DataFrame:
    """One row per customer with every column that a reading needs; each table of facts is read once."""
    held = _held(facts)
    known = {name: table.lazy() for name, table in held.items()}
    people, numbers = pl.collect_all([customers.select("customer_id").sort("customer_id"), facts.numbers])
    count = numbers.height
    sums = pl.collect_all(
        [
            engagement_by_customer(known["activities"], policy=policy),
            nps_by_customer(known["surveys"], policy=policy),
            milestones_by_customer(known["plan_items"], as_of=as_of),
            _crms(known["account_dates"]),
        ]
    )
    parts = [
        usage_by_customer(held["usage"], held["feeds"], count=count, policy=policy),
        tickets_by_customer(held["tickets"], held["surveys"], count=count, as_of=as_of, policy=policy),
        stakeholders_by_customer(
            held["contacts"], held["activities"], held["plan_items"], count=count, as_of=as_of, policy=policy
        ),
        *[by_number(part, count) for part in sums],
    ]
    places = people.join(numbers, on="customer_id", how="left", maintain_order="left").with_row_index("place")
    wide = pl.concat(parts, how="horizontal")[places["customer_no"].fill_null(count)]
    wide = pl.concat([places, wide], how="horizontal").join(held["feeds"], how="cross")
    has_feed = pl.col("crms").list.set_intersection("ticket_crms").list.len() > 0
    return wide.with_columns(usage_week(), has_ticket_feed=has_feed.fill_null(False))


def _held(facts: Facts) -> dict[str, pl.DataFrame]:
    """The columns of ``READ``, in memory: asked for by one sum after another, each table would be read as often."""
    tables = pl.collect_all([getattr(facts, name).select(columns) for name, columns in READ.items()])
    return dict(zip(READ, tables, strict=True))


def _crms(account_dates: pl.LazyFrame) -> pl.LazyFrame:
    return account_dates.group_by("customer_no").agg(crms=pl.col("crm").unique())
