"""Support tickets: volume, escalations and satisfaction, and the signals that follow.

Weeks are counted from the one that holds ``as_of``, which may not be over yet: a ticket or a bad rating counts on its
day.
"""

from datetime import date

import polars as pl

from models.enums import SurveyKind
from models.policy.pack import Policy
from transforms.days import (
    HISTORY_WEEKS,
    LONG_HISTORY_WEEKS,
    Counts,
    by_number,
    first_bad_week,
    iso,
    since,
    span,
    spans,
    week_number,
    week_of,
    week_sums,
)
from transforms.readings import Reading, reading
from transforms.text import said

_HUNDREDTHS = 100  # ratings are summed as whole hundredths of a percent: exact in any order


def tickets_by_customer(
    tickets: pl.DataFrame, surveys: pl.DataFrame, *, count: int, as_of: date, policy: Policy
) -> pl.DataFrame:
    """Sum up tickets and ratings, one row per customer.

    Args:
        tickets: ``Facts.tickets``.
        surveys: ``Facts.surveys``; CSAT answers count beside the tickets' own ratings.
        count: How many customers there are.
        as_of: Weeks are counted back from its week.
        policy: Reads the priorities that put a customer at risk.

    Returns:
        A row per ``customer_no`` in that order, and one more for nobody: ``opened`` (tickets), ``rating_sum``
        (hundredths of a percent) and ``rated`` for ``span``; ``escalated`` and ``pressing`` (date and id of the oldest
        such ticket still open); ``last_ticket_at``, ``last_rating_at``.
    """
    volume = tickets.select("customer_no", "opened_at", lag=_lag(pl.col("opened_at"), as_of), one=1)
    ratings = _ratings(tickets.lazy(), surveys.lazy()).with_columns(lag=_lag(pl.col("rated_at"), as_of), one=1)
    rated, rated_weeks = ratings.collect(), policy.signals.ticket_sentiment.weeks + LONG_HISTORY_WEEKS - 1

    def summed(rows: pl.DataFrame, values: str, weeks: int) -> Counts:
        return week_sums(rows["customer_no"], rows["lag"], rows[values], weeks=weeks, count=count)

    weeks = (
        spans("opened", summed(volume, "one", HISTORY_WEEKS))
        | spans("rating_sum", summed(rated, "hundredths", rated_weeks))
        | spans("rated", summed(rated, "one", rated_weeks))
    )
    parts = pl.collect_all(
        [
            volume.lazy().group_by("customer_no").agg(last_ticket_at=pl.col("opened_at").max()),
            rated.lazy().group_by("customer_no").agg(last_rating_at=pl.col("rated_at").max()),
            _open_tickets(tickets.lazy(), policy),
        ]
    )
    return pl.concat([pl.DataFrame(weeks), *[by_number(part, count) for part in parts]], how="horizontal")


def _lag(instant: pl.Expr, as_of: date) -> pl.Expr:
    return week_number(as_of) - week_of(instant.dt.date())


def _ratings(tickets: pl.LazyFrame, surveys: pl.LazyFrame) -> pl.LazyFrame:
    of_tickets = tickets.drop_nulls("satisfaction_pct").select(
        "customer_no", rated_at=pl.coalesce("closed_at", "opened_at"), pct="satisfaction_pct"
    )
    csat = surveys.filter(pl.col("kind") == SurveyKind.CSAT)
    answers = csat.select("customer_no", rated_at="answered_at", pct="score")
    hundredths = (pl.col("pct") * _HUNDREDTHS).round().cast(pl.Int64)
    return pl.concat([of_tickets, answers]).select("customer_no", "rated_at", hundredths=hundredths)


def _open_tickets(tickets: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    priorities = [str(priority) for priority in policy.signals.ticket_escalation.at_risk_priorities]
    is_pressing = pl.col("priority").is_in(priorities)
    waiting = tickets.filter(~pl.col("is_closed") & (pl.col("is_escalated") | is_pressing))
    named = waiting.select(
        "customer_no",
        "is_escalated",
        is_pressing=is_pressing,
        ticket=said("{} {}", iso(pl.col("opened_at")), "crm_id"),
    )
    return named.group_by("customer_no").agg(
        escalated=pl.col("ticket").filter("is_escalated").min(),
        pressing=pl.col("ticket").filter("is_pressing").min(),
        escalated_count=pl.col("is_escalated").sum(),
    )


def ticket_readings(*, policy: Policy, as_of: date) -> list[Reading]:
    """Signals of the ticket columns; ``has_ticket_feed`` says whether one of the customer's CRMs ever delivered a
    ticket.
    """
    return [_ticket_load(policy, as_of), _ticket_escalation(policy), _ticket_sentiment(policy, as_of)]


_NO_FEED = (~pl.col("has_ticket_feed"), "no tickets from any CRM of this customer")


def _ticket_load(policy: Policy, as_of: date) -> Reading:
    rule = policy.signals.ticket_load
    weeks, base = rule.weeks, rule.baseline_weeks

    def rose(lag: int) -> pl.Expr:
        recent, before = span("opened", lag, weeks), span("opened", lag + weeks, base)
        return (recent >= rule.min_tickets) & (recent * base * 100 >= before * weeks * (100 + rule.rise_pct))

    this_week = pl.lit(week_number(as_of), dtype=pl.Int32)
    start = first_bad_week([rose(lag) for lag in range(max(1, HISTORY_WEEKS - weeks - base + 1))], this_week)
    return reading(
        "ticket_load",
        unit=f"tickets in {weeks} weeks",
        threshold=f"at risk from {rule.min_tickets} tickets in {weeks} weeks, "
        f"if that is {rule.rise_pct} % more than in the {base} before",
        source="tickets",
        value=span("opened", 0, weeks),
        unknown=[_NO_FEED],
        critical=None,
        at_risk=rose(0),
        healthy="ticket volume is usual",
        bad=said("ticket volume is far above the usual, {}", since(start)),
        episode=start,
        observed_at=pl.col("last_ticket_at"),
    )


def _ticket_escalation(policy: Policy) -> Reading:
    rule = policy.signals.ticket_escalation
    is_escalated = pl.col("escalated").is_not_null()
    ticket = pl.coalesce("escalated", "pressing")
    opened, number = ticket.str.head(10), ticket.str.slice(11)
    kind = pl.when(is_escalated).then(pl.lit("escalated")).otherwise(pl.lit("of top priority"))
    pressing = " or ".join(str(priority) for priority in rule.at_risk_priorities) or "no"
    return reading(
        "ticket_escalation",
        unit="open escalated tickets",
        threshold=f"critical while an escalated ticket is open, at risk while one of {pressing} priority is",
        source="tickets",
        value=pl.col("escalated_count").fill_null(0),
        unknown=[_NO_FEED],
        critical=is_escalated,
        at_risk=pl.col("pressing").is_not_null(),
        healthy="no escalated or pressing ticket is open",
        bad=said("ticket {} of {} is open and {}", number, opened, kind),
        episode=number,
        observed_at=pl.col("last_ticket_at"),
    )


def _ticket_sentiment(policy: Policy, as_of: date) -> Reading:
    rule = policy.signals.ticket_sentiment

    def is_below(lag: int, pct: int) -> pl.Expr:
        total, count = span("rating_sum", lag, rule.weeks), span("rated", lag, rule.weeks)
        return (count >= rule.min_answers) & (total < count * pct * _HUNDREDTHS)

    this_week = pl.lit(week_number(as_of), dtype=pl.Int32)
    start = first_bad_week([is_below(lag, rule.healthy_min_pct) for lag in range(LONG_HISTORY_WEEKS)], this_week)
    total, count = span("rating_sum", 0, rule.weeks), span("rated", 0, rule.weeks)
    is_critical = is_below(0, rule.at_risk_min_pct)
    limit = pl.when(is_critical).then(rule.at_risk_min_pct).otherwise(rule.healthy_min_pct)
    return reading(
        "ticket_sentiment",
        unit="% satisfied",
        threshold=f"mean over {rule.weeks} weeks: healthy from {rule.healthy_min_pct} %, "
        f"at risk from {rule.at_risk_min_pct} %, critical below",
        source="tickets and CSAT answers",
        value=total / (count * _HUNDREDTHS),
        unknown=[(count < rule.min_answers, f"fewer than {rule.min_answers} ratings in {rule.weeks} weeks")],
        critical=is_critical,
        at_risk=is_below(0, rule.healthy_min_pct),
        healthy="ratings of support are good",
        bad=said("mean rating of support below {} %, low {}", limit, since(start)),
        episode=start,
        observed_at=pl.col("last_rating_at"),
    )
