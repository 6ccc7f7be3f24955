"""Product usage: what each customer used by week, and the signals that follow.

Only full weeks count, up to the last one that the feed covers, so that neither a day in the middle of a week nor a
feed that is a few days late, or was loaded for a few accounts only, looks like a fall.
"""

from datetime import date

import polars as pl

from models.policy.pack import Policy
from models.policy.signal_rules import FeatureBreadth
from transforms.days import (
    HISTORY_WEEKS,
    LONG_HISTORY_WEEKS,
    days_since,
    first_bad_week,
    iso,
    since,
    span,
    week_cells,
    week_end,
    week_label,
    week_of,
    weekly,
)
from transforms.readings import Reading, reading
from transforms.text import said

LOGIN = "login"
UNITS_SOURCE = "usage"
_WEEK = pl.col("usage_week")


def usage_by_customer(usage: pl.LazyFrame, feeds: pl.LazyFrame, *, policy: Policy) -> pl.LazyFrame:
    """Sum up usage, one row per customer that has any.

    Args:
        usage: ``Facts.usage``.
        feeds: ``Facts.feeds``.
        policy: Reads the breadth window and the core features.

    Returns:
        ``customer_no``; ``usage_N``, ``logins_N`` (events N full weeks back); ``features`` (used in the window that
        ends now) and, where they are too few, ``features_N`` (in the one that ended N weeks back);
        ``first_usage_lag``, ``first_login_lag``, ``good_login_lag`` (weeks back of the first use, of the first login,
        of the last week with enough logins); ``last_usage_date``, ``last_login_date``.
    """
    lag = _WEEK - week_of(pl.col("usage_date"))
    rows = usage.join(feeds.select(usage_week()), how="cross")
    lagged = rows.select("customer_no", "usage_date", "feature", "event_count", lag=lag)
    is_login = (pl.col("feature") == LOGIN) & (pl.col("event_count") > 0)
    day = pl.col("usage_date")
    cells = week_cells(
        lagged,
        usage=pl.col("event_count").sum(),
        logins=pl.when(is_login).then("event_count").otherwise(0).sum(),
        usage_date=day.max(),
        login_date=pl.when(is_login).then(day).max(),
    )
    is_enough = (pl.col("lag") >= 0) & (pl.col("logins") >= policy.signals.login_frequency.min_per_week)
    sums = cells.group_by("customer_no").agg(
        *weekly("usage"),
        *weekly("logins", policy.signals.login_frequency.silent_weeks),
        first_usage_lag=pl.col("lag").max(),
        first_login_lag=pl.col("lag").filter(pl.col("logins") > 0).max(),
        good_login_lag=pl.col("lag").filter(is_enough).min(),
        last_usage_date=pl.col("usage_date").max(),
        last_login_date=pl.col("login_date").max(),
    )
    return sums.join(_features(lagged, rule=policy.signals.feature_breadth), on="customer_no", how="left")


def _features(lagged: pl.LazyFrame, *, rule: FeatureBreadth) -> pl.LazyFrame:
    """Features used in the weeks up to the newest one; and up to each past week, for customers with too few of them."""
    in_reach = pl.col("lag").is_between(0, LONG_HISTORY_WEEKS - 1) & (pl.col("event_count") > 0)
    used = lagged.filter(in_reach & ~pl.col("feature").is_in(list(rule.core_features)))
    recent = used.filter(pl.col("lag") < rule.weeks).select("customer_no", "feature").unique()
    counted = recent.group_by("customer_no").agg(features=pl.len().cast(pl.Int64))
    broad = counted.filter(pl.col("features") >= rule.healthy_min)
    past = _past_features(used.join(broad, on="customer_no", how="anti"), rule.weeks)
    return counted.join(past, on="customer_no", how="full", coalesce=True)


def _past_features(used: pl.LazyFrame, weeks: int) -> pl.LazyFrame:
    bit = pl.lit(2, dtype=pl.Int64).pow(pl.col("lag").cast(pl.UInt32))  # bit N: used N weeks back
    masks = used.with_columns(mask=bit).group_by("customer_no", "feature").agg(pl.col("mask").bitwise_or())
    widened = pl.col("mask")
    for shift in range(1, weeks):
        widened = widened | pl.col("mask").floordiv(2**shift)
    counts = [widened.floordiv(2**week).mod(2).sum().alias(f"features_{week}") for week in range(LONG_HISTORY_WEEKS)]
    return masks.group_by("customer_no").agg(counts)


def usage_readings(*, as_of: date, policy: Policy) -> list[Reading]:
    """Signals of the usage columns joined with ``feeds`` and ``usage_week``."""
    return [
        _login_frequency(as_of, policy),
        _login_recency(as_of, policy),
        _usage_drop(as_of, policy),
        _usage_below_baseline(as_of, policy),
        _feature_breadth(as_of, policy),
    ]


def usage_week() -> pl.Expr:
    """The number of the last full week covered by the feed, a column of ``Facts.feeds``."""
    return _WEEK


def _no_usage(as_of: date, policy: Policy) -> list[tuple[pl.Expr, str]]:
    stale = policy.feeds.usage_stale_days
    return [
        (pl.col("last_usage_date").is_null(), "no usage rows"),
        (
            days_since(week_end(_WEEK), as_of) > stale,
            f"the usage feed covers no week that ended in the last {stale} days",
        ),
    ]


def _login_frequency(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.login_frequency
    observed = pl.col("first_login_lag")  # the first week is rarely a whole one
    good = pl.col("good_login_lag")
    is_few = pl.coalesce(good, observed) >= rule.weeks
    is_silent = (span("logins", 0, rule.silent_weeks) == 0) & (observed >= rule.silent_weeks)
    start = week_label(_WEEK - good + 1)
    stretch = pl.coalesce(said("since week {}", start), pl.lit("in every full week on record"))
    return reading(
        "login_frequency",
        unit="logins/week",
        threshold=f"at risk after {rule.weeks} weeks in a row below {rule.min_per_week} logins, "
        f"critical after {rule.silent_weeks} weeks without any",
        source=UNITS_SOURCE,
        value=pl.col("logins_0"),
        unknown=[*_no_usage(as_of, policy), (pl.col("last_login_date").is_null(), "no login rows")],
        critical=is_silent,
        at_risk=is_few,
        healthy=f"{rule.min_per_week} or more logins in a recent week",
        bad=pl.when(is_silent)
        .then(said("no logins after {}", iso(pl.col("last_login_date"))))
        .otherwise(said(f"fewer than {rule.min_per_week} logins a week {{}}", stretch)),
        episode=start.fill_null("always"),
        observed_at=pl.col("last_login_date"),
    )


def _login_recency(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.login_recency
    days = days_since(pl.col("last_login_date"), pl.col("usage_until")).clip(0)  # a thin week's login is later
    return reading(
        "login_recency",
        unit="days",
        threshold=f"at risk from {rule.at_risk_days} days without a login{_critical_from(rule.critical_days)}",
        source=UNITS_SOURCE,
        value=days,
        unknown=[*_no_usage(as_of, policy), (pl.col("last_login_date").is_null(), "no login rows")],
        critical=None if rule.critical_days is None else days >= rule.critical_days,
        at_risk=days >= rule.at_risk_days,
        healthy=f"a login within {rule.at_risk_days} days",
        bad=said("last login on {}", iso(pl.col("last_login_date"))),
        episode=iso(pl.col("last_login_date")),
        observed_at=pl.col("last_login_date"),
    )


def _critical_from(days: int | None) -> str:
    return "" if days is None else f", critical from {days}"


def _usage_drop(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.usage_drop
    weeks = rule.weeks

    def fell(lag: int, pct: int) -> pl.Expr:
        recent, before = span("usage", lag, weeks), span("usage", lag + weeks, weeks)
        return _was_used(lag + weeks, weeks, rule.min_baseline_weeks) & (recent * 100 <= before * (100 - pct))

    recent, before = span("usage", 0, weeks), span("usage", weeks, weeks)
    start = first_bad_week([fell(lag, rule.at_risk_pct) for lag in range(HISTORY_WEEKS - 2 * weeks + 1)], _WEEK)
    is_critical = fell(0, rule.critical_pct)
    depth = pl.when(is_critical).then(rule.critical_pct).otherwise(rule.at_risk_pct)
    return reading(
        "usage_drop",
        unit="% below the weeks before",
        threshold=f"{weeks} weeks against the {weeks} before: at risk from {rule.at_risk_pct} % less, "
        f"critical from {rule.critical_pct} %",
        source=UNITS_SOURCE,
        value=(before - recent) * 100 / before,
        unknown=[
            *_no_usage(as_of, policy),
            (~_was_used(weeks, weeks, rule.min_baseline_weeks), "too little usage before to compare with"),
        ],
        critical=is_critical,
        at_risk=fell(0, rule.at_risk_pct),
        healthy="usage holds against the weeks before",
        bad=said(f"usage fell by {{}} % or more within {weeks} weeks, {{}}", depth, since(start)),
        episode=start,
        observed_at=pl.col("last_usage_date"),
    )


def _was_used(first: int, length: int, at_least: int) -> pl.Expr:
    """Whether enough of the weeks saw any use, so that a comparison means something."""
    used = [(pl.col(f"usage_{week}") > 0).cast(pl.Int32) for week in range(first, first + length)]
    return pl.sum_horizontal(used) >= at_least


def _usage_below_baseline(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.usage_below_baseline
    base = rule.baseline_weeks

    def below(lag: int) -> pl.Expr:
        normal = span("usage", lag + rule.weeks, base)
        each = [pl.col(f"usage_{lag + week}") * base * 100 < normal * rule.threshold_pct for week in range(rule.weeks)]
        return _was_used(lag + rule.weeks, base, rule.min_baseline_weeks) & pl.all_horizontal(each)

    start = first_bad_week([below(lag) for lag in range(HISTORY_WEEKS - rule.weeks - base + 1)], _WEEK)
    normal = span("usage", rule.weeks, base)
    return reading(
        "usage_below_baseline",
        unit="% of normal",
        threshold=f"at risk after {rule.weeks} weeks in a row below {rule.threshold_pct} % "
        f"of the mean of the {base} weeks before",
        source=UNITS_SOURCE,
        value=span("usage", 0, rule.weeks) * base * 100 / (normal * rule.weeks),
        unknown=[
            *_no_usage(as_of, policy),
            (~_was_used(rule.weeks, base, rule.min_baseline_weeks), "too little usage before to know what is normal"),
        ],
        critical=None,
        at_risk=below(0),
        healthy="usage is near its normal",
        bad=said(f"weekly usage below {rule.threshold_pct} % of its normal, {{}}", since(start)),
        episode=start,
        observed_at=pl.col("last_usage_date"),
    )


def _feature_breadth(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.feature_breadth
    counts = [pl.col(f"features_{week}").fill_null(0) for week in range(LONG_HISTORY_WEEKS - rule.weeks + 1)]
    observed = pl.col("first_usage_lag") + 1
    few = [(past < rule.healthy_min) & (observed - week >= rule.weeks) for week, past in enumerate(counts)]
    start = first_bad_week(few, _WEEK)
    count = pl.col("features").fill_null(0)
    is_core_only = count < rule.at_risk_min
    return reading(
        "feature_breadth",
        unit="features",
        threshold=f"in {rule.weeks} weeks: healthy from {rule.healthy_min} features beyond the core, "
        f"at risk from {rule.at_risk_min}, critical below",
        source=UNITS_SOURCE,
        value=count,
        unknown=[
            *_no_usage(as_of, policy),
            (~pl.col("has_features"), "the usage names no features"),
            (observed < rule.weeks, f"fewer than {rule.weeks} full weeks of usage"),
        ],
        critical=is_core_only,
        at_risk=count < rule.healthy_min,
        healthy=f"{rule.healthy_min} or more features in use",
        bad=pl.when(is_core_only)
        .then(said("only core features in use, too few of the others {}", since(start)))
        .otherwise(said(f"fewer than {rule.healthy_min} features in use {{}}", since(start))),
        episode=start,
        observed_at=pl.col("last_usage_date"),
    )
