"""Every signal of every customer, each with its own threshold (R-153)."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import numpy.typing as npt
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
from transforms.usage import usage_by_customer, usage_readings

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
    "feeds": ("usage_week", "usage_until", "usage_weeks", "has_features", "ticket_crms"),
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
    readings = _watched(as_of, policy)
    if not readings:
        return empty(Signals).lazy()
    people, numbers = pl.collect_all([customers.select("customer_id").sort("customer_id"), facts.numbers])
    wide = _wide(_held(facts), numbers.height, as_of, policy)
    placed = people.join(numbers.rename({"customer_no": "row"}), on="customer_id", how="left", maintain_order="left")
    nobody = pl.col("row").fill_null(numbers.height)
    rules = [policy.signals.rule(reading.signal) for reading in readings]
    return interleaved(wide, placed.with_columns(nobody), readings, rules).lazy()


def _watched(as_of: date, policy: Policy) -> list[Reading]:
    """The readings of enabled signals, by name."""
    readings = [
        *usage_readings(as_of=as_of, policy=policy),
        *ticket_readings(policy=policy, as_of=as_of),
        *engagement_readings(as_of=as_of, policy=policy),
        *stakeholder_readings(as_of=as_of, policy=policy),
        nps(as_of=as_of, policy=policy),
        milestone_overdue(policy=policy),
    ]
    watched = [reading for reading in readings if reading.signal in policy.signals.enabled]
    return sorted(watched, key=lambda reading: reading.signal)


def _wide(held: Mapping[str, pl.DataFrame], count: int, as_of: date, policy: Policy) -> pl.DataFrame:
    """A row per ``customer_no``, and one for nobody, with every column that a reading needs."""
    known = {name: table.lazy() for name, table in held.items()}
    sums = pl.collect_all(
        [
            nps_by_customer(known["surveys"], policy=policy),
            milestones_by_customer(known["plan_items"], as_of=as_of),
        ],
        engine="in-memory",
    )
    feeds = held["feeds"]
    parts = [
        usage_by_customer(held["usage"], feeds, count=count, policy=policy),
        tickets_by_customer(held["tickets"], held["surveys"], count=count, as_of=as_of, policy=policy),
        stakeholders_by_customer(
            held["contacts"], held["activities"], held["plan_items"], count=count, as_of=as_of, policy=policy
        ),
        engagement_by_customer(held["activities"], count=count, policy=policy),
        pl.DataFrame({"has_ticket_feed": _has_ticket_feed(held["account_dates"], feeds, count)}),
        *[by_number(part, count) for part in sums],
    ]
    same = [pl.lit(feeds[name]).first().alias(name) for name in ("usage_week", "usage_until", "has_features")]
    return pl.concat(parts, how="horizontal").with_columns(same)


def _held(facts: Facts) -> dict[str, pl.DataFrame]:
    """The columns of ``READ``, in memory: asked for by one sum after another, each table would be read as often."""
    tables = pl.collect_all([getattr(facts, name).select(columns) for name, columns in READ.items()])
    return dict(zip(READ, tables, strict=True))


def _has_ticket_feed(account_dates: pl.DataFrame, feeds: pl.DataFrame, count: int) -> npt.NDArray[np.bool_]:
    fed = account_dates.filter(pl.col("crm").is_in(feeds["ticket_crms"].explode().to_list()))
    flags = np.zeros(count + 1, dtype=np.bool_)
    flags[fed["customer_no"].to_numpy()] = True
    return flags
