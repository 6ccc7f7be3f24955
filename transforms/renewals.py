"""When each customer renews, how sure that is, and what stands in the way."""

from datetime import date, timedelta

import polars as pl

from models.enums import Band, OpportunityKind, RenewalRisk, RenewalWindow
from models.policy.pack import Policy
from transforms.days import days_since, iso
from transforms.engagement import meetings_ahead
from transforms.facts import Facts
from transforms.text import said, those_that_hold

_LABELS = {
    "account_field": "account renewal date",
    "contract_end": "contract end date",
    "open_renewal": "open renewal's close date",
    "won_plus_term": "last won deal plus the assumed term",
}
READ: dict[str, tuple[str, ...]] = {
    "account_dates": ("customer_no", "crm", "renewal_date", "contract_end_date", "notice_days"),
    "opportunities": ("customer_no", "crm", "kind", "is_closed", "is_won", "close_date"),
    "activities": ("customer_no", "kind", "outcome", "subject", "occurred_at", "is_ahead"),
}
"""The columns of ``Facts`` that renewals follow from."""


def renewals(
    customers: pl.LazyFrame, facts: Facts, health: pl.LazyFrame, *, as_of: date, policy: Policy
) -> pl.LazyFrame:
    """Find the renewal of each customer.

    Args:
        customers: ``frames.Customers``.
        facts: Reads account dates, opportunities and activities.
        health: ``frames.Health`` of these customers.
        as_of: Windows are counted from it.
        policy: Precedence of dates, windows, and what counts as risk.

    Returns:
        ``frames.Renewals``, sorted by customer. The date is the first candidate by precedence, in the home CRM before
        the other; dates that a won renewal has already settled are left out. It never comes from the length of a
        plan.

    Source:
        Rulebook R-175 to R-177, R-179, X11; CRM facts A10.

    The facts are collected here, once for each table and only the columns of ``READ``.
    """
    dates, opportunities, activities = pl.collect_all(
        [getattr(facts, name).select(columns) for name, columns in READ.items()]
    )
    home = customers.select("customer_id", "home_crm", "arr_minor", "currency").join(
        facts.numbers, on="customer_id", how="left"
    )
    candidates = renewal_candidates(home, dates.lazy(), opportunities.lazy(), policy=policy)
    judged = home.join(health.select("customer_id", "band", "vetoes"), on="customer_id", how="left")
    for part in (
        _chosen(candidates, policy),
        _longest_notice(dates.lazy()),
        meetings_ahead(activities.lazy(), words=policy.renewals.review_words),
    ):
        judged = judged.join(part, on="customer_no", how="left")
    windowed = judged.with_columns(window_columns(as_of, policy)).with_columns(
        is_disputed=pl.col("is_disputed").fill_null(False), has_review_scheduled=_has_review(as_of, policy)
    )
    # In memory: on tables as small as these the other engine's preparations cost as much as the work.
    return _with_risk(windowed.sort("customer_id").collect(engine="in-memory"), policy).lazy()


def renewal_candidates(
    home: pl.LazyFrame, account_dates: pl.LazyFrame, opportunities: pl.LazyFrame, *, policy: Policy
) -> pl.LazyFrame:
    """Every renewal date that any record states, by customer, source and CRM; settled ones left out.

    Args:
        home: One row per customer: ``customer_no`` and ``home_crm``.
        account_dates: ``Facts.account_dates``.
        opportunities: ``Facts.opportunities``.
        policy: Precedence of dates, and which of them a won renewal settles.

    Returns:
        ``customer_no``, ``candidate`` (Date), ``label`` (its CRM and source in words), ``rank`` (best first) and
        ``is_disputing`` (whether the source can contradict another).
    """
    rule = policy.renewals.date
    wins = won_renewals(opportunities)
    sources = {
        "account_field": _unsettled(_stated(account_dates, "renewal_date"), wins, rule.settled_by_win_days),
        "contract_end": _unsettled(_stated(account_dates, "contract_end_date"), wins, rule.settled_by_win_days),
        "open_renewal": _unsettled(_open_renewals(opportunities), wins, rule.settled_by_win_days),
        "won_plus_term": _won_plus_term(opportunities, rule.assumed_term_months),
    }
    positions = {source: position for position, source in enumerate(rule.precedence)}
    ranked = [
        sources[source].with_columns(
            label=said("{} " + _LABELS[source], "crm"),
            rank=pl.lit(2 * position, dtype=pl.Int32),
            is_disputing=pl.lit(source in rule.disputing),
        )
        for source, position in positions.items()
    ]
    is_away = pl.col("crm") != pl.col("home_crm")
    placed = pl.concat(ranked).join(home.select("customer_no", "home_crm"), on="customer_no")
    return placed.with_columns(pl.col("rank") + is_away.cast(pl.Int32)).drop("crm", "home_crm")


def won_renewals(opportunities: pl.LazyFrame) -> pl.LazyFrame:
    """The day of the newest won renewal of each customer that has one: ``customer_no``, ``renewed_on``."""
    won = opportunities.filter(pl.col("is_won") & (pl.col("kind") == OpportunityKind.RENEWAL))
    return won.group_by("customer_no").agg(renewed_on=pl.col("close_date").max())


def _unsettled(stated: pl.LazyFrame, wins: pl.LazyFrame, settled_by_win_days: int) -> pl.LazyFrame:
    settled_until = pl.col("renewed_on") + timedelta(days=settled_by_win_days)
    is_settled = (pl.col("candidate") <= settled_until).fill_null(False)
    return stated.join(wins, on="customer_no", how="left").filter(~is_settled).drop("renewed_on")


def _stated(account_dates: pl.LazyFrame, column: str) -> pl.LazyFrame:
    return account_dates.drop_nulls(column).select("customer_no", "crm", candidate=column)


def _open_renewals(opportunities: pl.LazyFrame) -> pl.LazyFrame:
    is_open = ~pl.col("is_closed") & (pl.col("kind") == OpportunityKind.RENEWAL) & pl.col("close_date").is_not_null()
    return opportunities.filter(is_open).group_by("customer_no", "crm").agg(candidate=pl.col("close_date").min())


def _won_plus_term(opportunities: pl.LazyFrame, months: int) -> pl.LazyFrame:
    kinds = [str(OpportunityKind.NEW), str(OpportunityKind.RENEWAL)]
    won = opportunities.filter(pl.col("is_won") & pl.col("kind").is_in(kinds) & pl.col("close_date").is_not_null())
    newest = won.group_by("customer_no").agg(
        pl.col("close_date").max(), pl.col("crm").sort_by("close_date", "crm").last()
    )
    return newest.select("customer_no", "crm", candidate=pl.col("close_date").dt.offset_by(f"{months}mo"))


def _chosen(candidates: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    """The best date of each customer that has one, whether others contradict it, and all of them in words."""
    texts = candidates.sort("customer_no", "rank", "candidate").with_columns(
        text=said("{}: {}", iso(pl.col("candidate")), "label"),
        disputing=pl.when("is_disputing").then("candidate"),
    )
    picked = texts.group_by("customer_no", maintain_order=True).agg(
        renewal_date=pl.col("candidate").first(),
        renewal_source=pl.col("label").first(),
        candidates=pl.col("text"),
        earliest=pl.col("disputing").min(),
        latest=pl.col("disputing").max(),
    )
    chosen = pl.col("renewal_date")
    spread = pl.max_horizontal(
        (pl.col("latest") - chosen).dt.total_days(), (chosen - pl.col("earliest")).dt.total_days()
    )
    is_disputed = (spread > policy.renewals.date.dispute_days).fill_null(False)
    return picked.with_columns(is_disputed=is_disputed).drop("earliest", "latest")


def _longest_notice(account_dates: pl.LazyFrame) -> pl.LazyFrame:
    """The longest notice that any account states: the safest."""
    return account_dates.group_by("customer_no").agg(pl.col("notice_days").max())


def window_columns(as_of: date, policy: Policy) -> list[pl.Expr]:
    """``days_to_renewal``, ``window`` and ``notice_date`` beside ``renewal_date`` and ``notice_days`` (R-175 to
    R-177).
    """
    windows = policy.renewals.windows
    days = -days_since(pl.col("renewal_date"), as_of)
    window = (
        pl.when(days.is_null())
        .then(pl.lit(str(RenewalWindow.UNKNOWN)))
        .when(days < 0)
        .then(pl.lit(str(RenewalWindow.OVERDUE)))
        .when(days <= windows.d30_days)
        .then(pl.lit(str(RenewalWindow.D30)))
        .when(days <= windows.d60_days)
        .then(pl.lit(str(RenewalWindow.D60)))
        .when(days <= windows.d90_days)
        .then(pl.lit(str(RenewalWindow.D90)))
        .otherwise(pl.lit(str(RenewalWindow.LATER)))
    )
    notice = pl.col("renewal_date") - pl.duration(days=pl.col("notice_days"))
    return [days.alias("days_to_renewal"), window.alias("window"), notice.cast(pl.Date).alias("notice_date")]


def _has_review(as_of: date, policy: Policy) -> pl.Expr:
    """A meeting is scheduled before the renewal; without a date, or past it, within the longest window."""
    horizon = pl.lit(as_of + timedelta(days=policy.renewals.windows.d90_days))
    limit = pl.when(pl.col("renewal_date") >= as_of).then("renewal_date").otherwise(horizon)
    return (pl.col("next_meeting_date") <= limit).fill_null(False)


def _with_risk(judged: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    rules = policy.renewals.risk
    found = _reasons(policy)
    levels = [str(RenewalRisk.LOW), str(RenewalRisk.MEDIUM), str(RenewalRisk.HIGH)]
    ranks = [
        pl.when(holds).then(levels.index(str(rules.levels[name]))) for name, holds, _ in found if name in rules.levels
    ]
    worst = pl.max_horizontal(ranks) if ranks else pl.lit(None, dtype=pl.Int32)
    is_blind = (pl.col("band") == Band.INSUFFICIENT) & worst.is_null()
    named = worst.fill_null(0).replace_strict(dict(enumerate(levels)), return_dtype=pl.String)
    counts = pl.col("risk").is_in([str(level) for level in rules.arr_at_risk])
    at_risk = (
        pl.when(counts).then("arr_minor").when(pl.col("risk") != RenewalRisk.UNKNOWN).then(pl.col("arr_minor") * 0)
    )
    return judged.with_columns(
        risk=pl.when(is_blind).then(pl.lit(str(RenewalRisk.UNKNOWN))).otherwise(named),
        reasons=those_that_hold(judged, [(holds, text) for _, holds, text in found]),
        candidates=pl.col("candidates").fill_null(pl.lit([], dtype=pl.List(pl.String))),
    ).select(
        "customer_id",
        "renewal_date",
        "renewal_source",
        "is_disputed",
        "candidates",
        "days_to_renewal",
        "window",
        "notice_date",
        "has_review_scheduled",
        "risk",
        "reasons",
        "arr_minor",
        at_risk.alias("arr_at_risk_minor"),
        "currency",
    )


def _reasons(policy: Policy) -> list[tuple[str, pl.Expr, pl.Expr]]:
    """What may stand in the way of a renewal: name in the policy, when it holds, and in words. Dates, never counts of
    days.
    """
    windows = [str(window) for window in policy.renewals.risk.review_windows]
    vetoes = pl.col("vetoes").list.join("; ")
    return [
        (
            "overdue",
            pl.col("window") == RenewalWindow.OVERDUE,
            said("renewal date {} has passed", iso(pl.col("renewal_date"))),
        ),
        ("veto", pl.col("vetoes").list.len().fill_null(0) > 0, vetoes),
        ("band_red", pl.col("band") == Band.RED, pl.lit("health is red")),
        ("band_yellow", pl.col("band") == Band.YELLOW, pl.lit("health is yellow")),
        ("blind", pl.col("band") == Band.INSUFFICIENT, pl.lit("too little data for a health score")),
        ("disputed", pl.col("is_disputed"), pl.lit("sources disagree on the renewal date")),
        ("undated", pl.col("window") == RenewalWindow.UNKNOWN, pl.lit("no renewal date on record")),
        (
            "no_review",
            pl.col("window").is_in(windows) & ~pl.col("has_review_scheduled"),
            pl.lit("no review is scheduled before the renewal"),
        ),
    ]
