"""Support tickets: volume, escalations and satisfaction, and the signals that follow.

Weeks are counted from the one that holds ``as_of``, which may not be over yet: a ticket or a bad rating counts on its
day.
"""

from datetime import date

import polars as pl

from models.enums import SurveyKind
from models.policy.pack import Policy
from models.policy.signal_rules import TicketLoad, TicketSentiment
from transforms.days import (
    HISTORY_WEEKS,
    LONG_HISTORY_WEEKS,
    Counts,
    Flags,
    by_number,
    first_bad_week,
    iso,
    since,
    span,
    totals,
    week_number,
    week_of,
    week_sums,
    weeks_in_a_row,
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
        A row per ``customer_no`` in that order, and one more for nobody: of ``load`` the tickets of the newest weeks,
        of ``rating`` their sum (hundredths of a percent) and number; a ``_run`` is ``weeks_in_a_row``; ``escalated``
        and ``pressing`` (date and id of the oldest such ticket still open); ``last_ticket_at``, ``last_rating_at``.
    """
    volume = tickets.select("customer_no", "opened_at", lag=_lag(pl.col("opened_at"), as_of), one=1)
    ratings = _ratings(tickets.lazy(), surveys.lazy()).with_columns(lag=_lag(pl.col("rated_at"), as_of), one=1)
    rated, rules = ratings.collect(), policy.signals
    load_weeks = max(HISTORY_WEEKS, rules.ticket_load.weeks + rules.ticket_load.baseline_weeks)
    rated_weeks = rules.ticket_sentiment.weeks + LONG_HISTORY_WEEKS - 1

    def summed(rows: pl.DataFrame, values: str, weeks: int) -> Counts:
        return week_sums(rows["customer_no"], rows["lag"], rows[values], weeks=weeks, count=count)

    parts = pl.collect_all(
        [
            volume.lazy().group_by("customer_no").agg(last_ticket_at=pl.col("opened_at").max()),
            rated.lazy().group_by("customer_no").agg(last_rating_at=pl.col("rated_at").max()),
            _open_tickets(tickets.lazy(), policy),
        ]
    )
    return pl.concat(
        [
            _loads(summed(volume, "one", load_weeks), rules.ticket_load),
            _mean_ratings(
                summed(rated, "hundredths", rated_weeks), summed(rated, "one", rated_weeks), rules.ticket_sentiment
            ),
            *[by_number(part, count) for part in parts],
        ],
        how="horizontal",
    )


def _loads(opened: Counts, rule: TicketLoad) -> pl.DataFrame:
    sums, weeks, base = totals(opened), rule.weeks, rule.baseline_weeks

    def rose(lag: int) -> Flags:
        recent, before = span(sums, lag, weeks), span(sums, lag + weeks, base)
        return (recent >= rule.min_tickets) & (recent * base * 100 >= before * weeks * (100 + rule.rise_pct))

    run = weeks_in_a_row(rose, traced=len(opened) - weeks - base + 1)
    return pl.DataFrame({"load_count": span(sums, 0, weeks), "load_run": run})


def _mean_ratings(hundredths: Counts, answers: Counts, rule: TicketSentiment) -> pl.DataFrame:
    sums, numbers = totals(hundredths), totals(answers)

    def is_below(lag: int, pct: int) -> Flags:
        total, number = span(sums, lag, rule.weeks), span(numbers, lag, rule.weeks)
        return (number >= rule.min_answers) & (total < number * pct * _HUNDREDTHS)

    return pl.DataFrame(
        {
            "rating_sum": span(sums, 0, rule.weeks),
            "rating_count": span(numbers, 0, rule.weeks),
            "rating_is_critical": is_below(0, rule.at_risk_min_pct),
            "rating_run": weeks_in_a_row(lambda lag: is_below(lag, rule.healthy_min_pct), traced=LONG_HISTORY_WEEKS),
        }
    )


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
    weeks = rule.weeks
    this_week = pl.lit(week_number(as_of), dtype=pl.Int32)
    start = first_bad_week(pl.col("load_run"), this_week)
    return reading(
        "ticket_load",
        unit=f"tickets in {weeks} weeks",
        threshold=f"at risk from {rule.min_tickets} tickets in {weeks} weeks, "
        f"if that is {rule.rise_pct} % more than in the {rule.baseline_weeks} before",
        source="tickets",
        value=pl.col("load_count"),
        unknown=[_NO_FEED],
        critical=None,
        at_risk=pl.col("load_run") > 0,
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
    this_week = pl.lit(week_number(as_of), dtype=pl.Int32)
    start = first_bad_week(pl.col("rating_run"), this_week)
    total, count, is_critical = pl.col("rating_sum"), pl.col("rating_count"), pl.col("rating_is_critical")
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
        at_risk=pl.col("rating_run") > 0,
        healthy="ratings of support are good",
        bad=said("mean rating of support below {} %, low {}", limit, since(start)),
        episode=start,
        observed_at=pl.col("last_rating_at"),
    )
