"""RavenStack's tables, and what they say of each account on a day.

An account's facts are not in one place: revenue and terms follow from its subscriptions, of which many overlap.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

TRUE = "TRUE"
_FILES = ("accounts", "subscriptions", "support_tickets", "feature_usage")


@dataclass(frozen=True, slots=True)
class Tables:
    """The CSV files as text, every value as it came."""

    accounts: pl.DataFrame
    subscriptions: pl.DataFrame
    support_tickets: pl.DataFrame
    feature_usage: pl.DataFrame


def read(folder: Path) -> Tables:
    """Read the four files that plansync can use; churn events tell the future and stay out."""
    return Tables(**{name: pl.read_csv(folder / f"{name}.csv", infer_schema=False) for name in _FILES})


def accounts_on(tables: Tables, day: date) -> pl.DataFrame:
    """One row per account that exists on ``day``, in the order of the file.

    An account exists from its sign-up or its first ticket, whichever is earlier: half of the tickets are older than
    their account's sign-up. ``arr`` (Int64, whole dollars) is the sum over paying subscriptions that have begun and
    not ended; ``contract_start`` is the day on which the first of all paying ones began; ``contract_end`` the next
    anniversary of the largest active one that is billed annually, null where all are billed by the month.
    """
    begun = _paying(tables).filter(pl.col("start_date") <= day)
    active = begun.filter(pl.col("end_date").is_null() | (pl.col("end_date") > day))
    annual = active.filter(pl.col("billing_frequency") == "annual").sort("arr", "start_date", descending=[True, False])
    firsts = tables.support_tickets.group_by("account_id").agg(first_ticket=pl.col("submitted_at").str.to_date().min())
    return (
        tables.accounts.with_row_index("place")
        .join(firsts, on="account_id", how="left", maintain_order="left")
        .join(begun.group_by("account_id").agg(contract_start=pl.col("start_date").min()), on="account_id", how="left")
        .join(active.group_by("account_id").agg(pl.col("arr").sum()), on="account_id", how="left")
        .join(_next_anniversaries(annual, day), on="account_id", how="left")
        .with_columns(
            entered_on=pl.min_horizontal(pl.col("signup_date").str.to_date(), "first_ticket"),
            arr=pl.col("arr").fill_null(0),
        )
        .filter(pl.col("entered_on") <= day)
        .sort("place")
    )


def _paying(tables: Tables) -> pl.DataFrame:
    return tables.subscriptions.filter(pl.col("is_trial") != TRUE).with_columns(
        pl.col("start_date", "end_date").str.to_date(), arr=pl.col("arr_amount").cast(pl.Int64)
    )


def _next_anniversaries(annual: pl.DataFrame, day: date) -> pl.DataFrame:
    """The end of the running year of each account's first subscription in ``annual``."""
    largest = annual.group_by("account_id", maintain_order=True).first()
    years = day.year - pl.col("start_date").dt.year()
    this_year = pl.col("start_date").dt.offset_by(pl.format("{}y", years))
    following = pl.col("start_date").dt.offset_by(pl.format("{}y", years + 1))
    return largest.select("account_id", contract_end=pl.when(this_year > day).then(this_year).otherwise(following))


def tickets_on(tables: Tables, day: date) -> pl.DataFrame:
    """One row per ticket submitted by ``day``; one that closes later is open and unrated. Ratings become percent."""
    tickets = tables.support_tickets.with_columns(
        opened_on=pl.col("submitted_at").str.to_date(),
        closes_at=pl.col("closed_at").str.to_datetime("%Y-%m-%d %H:%M", strict=False),
    ).filter(pl.col("opened_on") <= day)
    is_closed = pl.col("closes_at").dt.date() <= day
    return tickets.select(
        "ticket_id",
        "account_id",
        "opened_on",
        "priority",
        closed_at=pl.when(is_closed).then("closes_at"),
        is_escalated=pl.col("escalation_flag") == TRUE,
        satisfaction_pct=pl.when(is_closed).then(pl.col("satisfaction_score").cast(pl.Float64) * 20),
    )


def usage_on(tables: Tables, day: date, refs: pl.DataFrame) -> pl.DataFrame:
    """Feature use up to ``day`` as ``frames.Usage`` wants it: by account, several rows a day summed up.

    Args:
        refs: ``account_id`` and ``account_ref``; accounts without a row are left out.
    """
    owners = tables.subscriptions.select("subscription_id", "account_id").join(refs, on="account_id")
    return (
        tables.feature_usage.with_columns(pl.col("usage_date").str.to_date())
        .filter(pl.col("usage_date") <= day)
        .join(owners, on="subscription_id")
        .group_by("account_ref", "usage_date", feature="feature_name")
        .agg(event_count=pl.col("usage_count").cast(pl.Int64).sum())
        .sort("account_ref", "usage_date", "feature")
    )
