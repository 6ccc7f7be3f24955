"""What is known of each customer on a day: the CRMs' records, usage and answers, joined to customers and cut at the
day's end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import compress
from statistics import median

import polars as pl

from models.enums import ActivityOutcome
from models.policy.pack import Policy
from transforms.days import known_until, week_end, week_label, week_number, week_of
from transforms.text import said

OWNED = ("contacts", "opportunities", "tickets", "activities", "plan_items")
USAGE_KEY = ("account_ref", "usage_date", "feature")
USUAL_WEEKS = 8
"""How many weeks tell how many accounts usually report."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Every fact known at the end of ``as_of``, with its ``customer_id``; records of nobody and deleted ones are left
    out.

    ``customer_no`` stands beside ``customer_id`` in each frame: the same customer as a small integer, since grouping
    millions of rows by it costs a third of what the text costs. It means nothing outside of these frames; ``numbers``
    leads back (one row per customer). In the same way ``contact_no`` numbers the contacts in the order of their
    ``crm_id``, from 0 without a gap and in that order of rows, and stands beside ``contact_crm_id`` in the activities;
    it is null where that contact is not known.

    ``contacts``, ``opportunities``, ``tickets``, ``activities`` and ``plan_items`` keep the columns and the grain of
    the mirror.
    ``usage``: one row per customer, day, feature and account reference. ``surveys``: one row per answer.
    ``account_dates``: one row per CRM account. ``feeds``: one row for all customers, see ``feeds_known``.
    """

    contacts: pl.LazyFrame
    opportunities: pl.LazyFrame
    tickets: pl.LazyFrame
    activities: pl.LazyFrame
    usage: pl.LazyFrame
    surveys: pl.LazyFrame
    plan_items: pl.LazyFrame
    account_dates: pl.LazyFrame
    feeds: pl.LazyFrame
    numbers: pl.LazyFrame


def facts(
    mirror: Mapping[str, pl.LazyFrame],
    usage: pl.LazyFrame,
    surveys: pl.LazyFrame,
    crosswalk: pl.LazyFrame,
    domains: pl.LazyFrame,
    *,
    as_of: date,
    policy: Policy,
    is_usage_unique: bool = False,
) -> Facts:
    """Join every record to its customer and undo what happened after ``as_of``.

    Args:
        mirror: ``frames.MIRRORED`` frames by name; needs accounts, contacts, opportunities, tickets, activities and
        plan_items.
        usage: ``frames.Usage``.
        surveys: ``frames.Surveys``.
        crosswalk: ``frames.Crosswalk``.
        domains: ``customer_id`` and ``domain`` of each customer. A domain of several customers matches none.
        as_of: Its end, UTC, is the last instant known. A ticket opened later does not exist, one closed later is
        open, an activity
            ahead is scheduled, a contact who leaves later is there.
        policy: Says how many accounts make a week of usage count.
        is_usage_unique: Whether the caller knows that no (account_ref, usage_date, feature) stands twice. If not,
            repeated rows are counted once, as ``unique_usage`` does: that costs about as much as all the rest.
    """
    numbers = crosswalk.select(pl.col("customer_id").unique().sort()).with_row_index("customer_no")
    owners = crosswalk.select("crm", "crm_id", "customer_id").join(numbers, on="customer_id")
    owned = {name: _owned(mirror[name], owners) for name in OWNED}
    refs = account_refs(crosswalk, domains).join(numbers, on="customer_id")
    used = usage.filter(pl.col("usage_date") <= as_of)
    counted = (used if is_usage_unique else unique_usage(used)).join(refs, on="account_ref", how="inner")
    tickets = tickets_known(owned["tickets"], as_of)
    feeds = feeds_known(used, tickets, min_reporting_pct=policy.feeds.min_reporting_pct)
    contacts = numbered_contacts(contacts_known(owned["contacts"], as_of))
    contacts = contacts.collect().lazy()  # counted once: a number must mean one contact in every plan that reads it
    return Facts(
        contacts=contacts,
        opportunities=opportunities_known(owned["opportunities"], as_of),
        tickets=tickets,
        activities=with_contact_no(activities_known(owned["activities"], as_of), contacts).collect().lazy(),
        usage=counted,
        surveys=surveys.filter(pl.col("answered_at") < known_until(as_of)).join(refs, on="account_ref"),
        plan_items=owned["plan_items"],
        account_dates=_account_dates(mirror["accounts"], owners),
        feeds=feeds.collect().lazy(),  # one row, which several plans read: each would count all usage again
        numbers=numbers,
    )


def account_refs(crosswalk: pl.LazyFrame, domains: pl.LazyFrame) -> pl.LazyFrame:
    """One row per ``account_ref`` that names a customer: ``crm:crm_id``, or a web domain that it alone has."""
    by_id = crosswalk.select(said("{}:{}", "crm", "crm_id").alias("account_ref"), "customer_id")
    named = (
        domains.drop_nulls("domain")
        .select(account_ref=pl.col("domain").str.to_lowercase(), customer_id="customer_id")
        .unique()
    )
    own = (
        named.group_by("account_ref")
        .agg(pl.len().alias("owners"), pl.col("customer_id").min())
        .filter(pl.col("owners") == 1)
    )
    return pl.concat([by_id, own.drop("owners")])


def unique_usage(usage: pl.LazyFrame) -> pl.LazyFrame:
    """One row per account reference, day and feature: of rows that two files state, the later file's, which comes
    last.
    """
    return usage.unique(USAGE_KEY, keep="last")


def unmatched_usage(usage: pl.LazyFrame, crosswalk: pl.LazyFrame, domains: pl.LazyFrame) -> pl.LazyFrame:
    """One ``frames.RowErrors`` row per ``account_ref`` of the usage that matches no customer, or more than one."""
    return _unmatched(usage, "usage", crosswalk, domains)


def unmatched_surveys(surveys: pl.LazyFrame, crosswalk: pl.LazyFrame, domains: pl.LazyFrame) -> pl.LazyFrame:
    """One ``frames.RowErrors`` row per ``account_ref`` of the survey answers that matches no customer, or more than
    one.
    """
    return _unmatched(surveys, "surveys", crosswalk, domains)


def _unmatched(rows: pl.LazyFrame, target: str, crosswalk: pl.LazyFrame, domains: pl.LazyFrame) -> pl.LazyFrame:
    counted = rows.group_by("account_ref").agg(pl.len().alias("row_count"))
    lost = counted.join(account_refs(crosswalk, domains), on="account_ref", how="anti")
    return lost.select(
        source=pl.lit(target),
        target=pl.lit(target),
        record="account_ref",
        rule=pl.lit("unknown_account"),
        detail=said("{} rows name an account of no customer, or of several", "row_count"),
    ).sort("record")


def contacts_known(contacts: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Contacts that exist on ``as_of``; who leaves later has not left, a date without a flag is a departure."""
    left_later = pl.col("left_date") > as_of
    has_date = pl.when(pl.col("left_date").is_not_null()).then(True)  # else unknown, not "no"
    left = pl.when(left_later).then(False).otherwise(pl.coalesce("has_left", has_date))
    return contacts.filter(_exists("created_at", as_of)).with_columns(
        has_left=left, left_date=pl.when(~left_later).then("left_date")
    )


def numbered_contacts(contacts: pl.LazyFrame) -> pl.LazyFrame:
    """Contacts by ``crm_id``, with ``contact_no`` (UInt32, from 0) in that order."""
    by_id = pl.concat_str("crm_id", "crm", separator="\0")  # one text sorts in half the time of two
    return contacts.sort(by_id).with_row_index("contact_no")


def with_contact_no(activities: pl.LazyFrame, contacts: pl.LazyFrame) -> pl.LazyFrame:
    """Activities with the ``contact_no`` of their contact, null where it is none of ``contacts``."""
    numbers = contacts.select("crm", "contact_no", contact_crm_id="crm_id")
    return activities.join(numbers, on=["crm", "contact_crm_id"], how="left")


def opportunities_known(opportunities: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Opportunities that exist on ``as_of``; what closes later is open."""
    closed = pl.col("is_closed") & (pl.col("close_date").is_null() | (pl.col("close_date") <= as_of))
    return opportunities.filter(_exists("created_at", as_of)).with_columns(
        is_closed=closed, is_won=pl.col("is_won") & closed
    )


def tickets_known(tickets: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Tickets opened by ``as_of``; what closes later is open and not rated yet."""
    closes_later = (pl.col("closed_at") >= known_until(as_of)).fill_null(False)
    return tickets.filter(pl.col("opened_at") < known_until(as_of)).with_columns(
        is_closed=pl.col("is_closed") & ~closes_later,
        closed_at=pl.when(~closes_later).then("closed_at"),
        satisfaction_pct=pl.when(~closes_later).then("satisfaction_pct"),
    )


def activities_known(activities: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Activities; those after ``as_of`` are scheduled, unless they are cancelled."""
    is_ahead = (pl.col("occurred_at") >= known_until(as_of)) & (pl.col("outcome") != ActivityOutcome.CANCELLED)
    outcome = pl.when(is_ahead).then(pl.lit(str(ActivityOutcome.SCHEDULED))).otherwise("outcome")
    return activities.with_columns(outcome=outcome, is_ahead=pl.col("occurred_at") >= known_until(as_of))


def feeds_known(usage: pl.LazyFrame, tickets: pl.LazyFrame, *, min_reporting_pct: int) -> pl.LazyFrame:
    """One row that says what anybody's facts show of each feed.

    Args:
        usage: ``frames.Usage`` up to the day, rows of nobody's included: they too show that the feed lives.
        tickets: ``Facts.tickets``.
        min_reporting_pct: How many accounts, in percent of the usual number, make a week count for all.

    Returns:
        ``usage_week`` (Int32): the last week that the usage covers to its Sunday. ``usage_until`` (Date): the day
        that it reaches, at most the Sunday of the last covered week, which may be under way. Later rows are too few
        to show what the others did. ``usage_weeks`` (list of Int32): every covered week, the oldest first; one in
        which the feed stopped, or brought a few accounts only, is not among them. An account that states a count of
        zero reports like any other. ``has_features``: whether usage names anything but logins. ``ticket_crms``
        (list): the CRMs that ever delivered a ticket: only there does "no ticket" mean none.

    Source:
        Rulebook X10.
    """
    account = pl.col("account_ref").hash()  # counting numbers is several times as fast as counting texts
    weeks = usage.group_by(week=week_of(pl.col("usage_date"))).agg(
        accounts=account.n_unique(),
        newest=pl.col("usage_date").max(),
    )
    schema = pl.Schema({"usage_week": pl.Int32(), "usage_until": pl.Date(), "usage_weeks": pl.List(pl.Int32)})
    reached = weeks.map_batches(
        lambda each: _reached(each.sort("week"), min_reporting_pct).select(
            pl.col(name).cast(kind) for name, kind in schema.items()
        ),
        schema=schema,
        predicate_pushdown=False,
        projection_pushdown=False,
    )
    named = usage.select(has_features=(pl.col("feature") != "login").any())
    crms = tickets.select(ticket_crms=pl.col("crm").unique().sort().implode())
    return reached.join(named, how="cross").join(crms, how="cross")


def _reached(weeks: pl.DataFrame, min_reporting_pct: int) -> pl.DataFrame:
    """One row; in the first week ever, before its Sunday, the last full week is the empty one before."""
    is_covered = covered_weeks(weeks["accounts"].to_list(), min_reporting_pct)
    covered, newest = pl.col("week").filter(pl.Series(is_covered, dtype=pl.Boolean)), pl.col("newest").max()
    full = covered.filter(week_end(covered) <= newest).max()
    return weeks.select(
        usage_week=pl.coalesce(full, covered.max() - 1),
        usage_until=pl.min_horizontal(newest, week_end(covered.max())),
        usage_weeks=covered.sort().implode(),
    )


def covered_weeks(accounts: Sequence[int], min_reporting_pct: int) -> list[bool]:
    """Whether a feed covers each of its weeks: a stray row or a load in part tells nothing of those who are missing.

    Args:
        accounts: How many accounts reported in each week that has rows, the oldest first.
        min_reporting_pct: The share of the usual number that is enough. Usual is the median of the ``USUAL_WEEKS``
            weeks before, thin ones included: a few of them are a fault of the feed, but when about half of the weeks
            are thin, the lower level is the usual. While there are fewer weeks, only covered ones tell. The first week
            is covered.
    """
    verdicts: list[bool] = []
    for place, count in enumerate(accounts):
        before = accounts[max(place - USUAL_WEEKS, 0) : place]
        told = before if len(before) == USUAL_WEEKS else list(compress(before, verdicts))
        verdicts.append(count * 100 >= (median(told) if told else 0) * min_reporting_pct)
    return verdicts


def weeks_not_covered(feeds: pl.DataFrame, *, as_of: date, within_days: int) -> list[str]:
    """Weeks of the last ``within_days`` days in which too few accounts reported, such as ``2026-W46``, oldest first.

    Nothing tells a feed that failed from customers who all fell silent, unless they state counts of zero; so a person
    must hear of it. The newest full week is left out, since a feed may be a few days late.

    Args:
        feeds: ``Facts.feeds``.
        as_of: The day.
        within_days: How far back to look.
    """
    covered = feeds["usage_weeks"].explode().drop_nulls().to_list()
    if not covered:
        return []
    oldest = max(covered[0], week_number(as_of - timedelta(days=within_days)))
    missing = [week for week in range(oldest, week_number(as_of) - 1) if week not in covered]
    return pl.select(week_label(pl.lit(pl.Series(missing, dtype=pl.Int32)))).to_series().to_list()


def _exists(created: str, as_of: date) -> pl.Expr:
    return (pl.col(created) < known_until(as_of)).fill_null(True)


def _owned(records: pl.LazyFrame, owners: pl.LazyFrame) -> pl.LazyFrame:
    keys = owners.rename({"crm_id": "account_crm_id"})
    return records.filter(~pl.col("is_deleted")).join(keys, on=["crm", "account_crm_id"], how="inner")


def _account_dates(accounts: pl.LazyFrame, owners: pl.LazyFrame) -> pl.LazyFrame:
    dates = ("contract_start_date", "contract_end_date", "renewal_date", "notice_days", "created_at")
    kept = accounts.filter(~pl.col("is_deleted")).select("crm", "crm_id", *dates)
    return kept.join(owners, on=["crm", "crm_id"], how="inner")
