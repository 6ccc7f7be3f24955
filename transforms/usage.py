"""Product usage: what each customer used by week, and the signals that follow.

Only full weeks count, up to the last one that the feed covers, so that neither a day in the middle of a week nor a
feed that is a few days late, or was loaded for a few accounts only, looks like a fall.
"""

from datetime import date

import numpy as np
import polars as pl

from models.policy.pack import Policy
from models.policy.signal_rules import FeatureBreadth, LoginFrequency
from transforms.days import (
    HISTORY_WEEKS,
    LONG_HISTORY_WEEKS,
    OLDEST_LAG,
    by_number,
    days_since,
    first_bad_week,
    iso,
    since,
    span,
    spans,
    week_cells,
    week_end,
    week_label,
    week_of,
    week_sums,
)
from transforms.readings import Reading, reading
from transforms.text import said

LOGIN = "login"
UNITS_SOURCE = "usage"
_NONE = np.iinfo(np.int32).min
_WEEK = pl.col("usage_week")


def usage_by_customer(usage: pl.DataFrame, feeds: pl.DataFrame, *, count: int, policy: Policy) -> pl.DataFrame:
    """Sum up usage, one row per customer.

    Args:
        usage: ``Facts.usage``: ``customer_no``, ``usage_date``, ``feature``, ``event_count``.
        feeds: ``Facts.feeds``.
        count: How many customers there are.
        policy: Reads the breadth window and the core features.

    Returns:
        A row per ``customer_no`` in that order, and one more for nobody: ``usage``, ``used`` (weeks with any) and
        ``logins`` for ``span``; ``features`` (used in the window that ends now) and, where they are too few,
        ``features_N`` (in the one that ended N weeks back);
        ``first_usage_lag``, ``first_login_lag``, ``good_login_lag`` (weeks back of the first use, of the first login,
        of the last week with enough logins); ``last_usage_date``, ``last_login_date``.
    """
    newest = feeds.select(usage_week()).item()
    lag = pl.lit(newest, dtype=pl.Int32) - week_of(pl.col("usage_date"))
    rows = usage.with_columns(lag=lag.clip(-1, OLDEST_LAG))
    events = week_sums(rows["customer_no"], rows["lag"], rows["event_count"], weeks=HISTORY_WEEKS, count=count)
    weeks = spans("usage", events) | spans("used", (events > 0).astype(np.int64))
    return pl.concat(
        [
            pl.DataFrame(weeks),
            _reach(rows, count, "usage"),
            _logins(rows, policy.signals.login_frequency, count),
            _features(rows, policy.signals.feature_breadth, count),
        ],
        how="horizontal",
    )


def _reach(rows: pl.DataFrame, count: int, name: str) -> pl.DataFrame:
    """The oldest week and the newest day of any row of each customer; null for those without rows."""
    number = rows["customer_no"].to_numpy()
    lags, days = np.full((2, count + 1), _NONE, dtype=np.int32)
    np.maximum.at(lags, number, rows["lag"].to_numpy())
    np.maximum.at(days, number, rows["usage_date"].to_physical().to_numpy())
    found = pl.DataFrame({f"first_{name}_lag": lags, f"last_{name}_date": days})
    known = found.with_columns(pl.when(pl.all() != _NONE).then(pl.all()))
    return known.with_columns(pl.col(f"last_{name}_date").cast(pl.Date))


def _logins(rows: pl.DataFrame, rule: LoginFrequency, count: int) -> pl.DataFrame:
    logins = rows.filter((pl.col("feature") == LOGIN) & (pl.col("event_count") > 0))
    sums = week_sums(logins["customer_no"], logins["lag"], logins["event_count"], weeks=rule.silent_weeks, count=count)
    cells = week_cells(logins.lazy(), logins=pl.col("event_count").sum())
    enough = cells.filter((pl.col("lag") >= 0) & (pl.col("logins") >= rule.min_per_week))
    good = enough.group_by("customer_no").agg(good_login_lag=pl.col("lag").min())
    parts = [pl.DataFrame(spans("logins", sums)), _reach(logins, count, "login"), by_number(good.collect(), count)]
    return pl.concat(parts, how="horizontal")


def _features(rows: pl.DataFrame, rule: FeatureBreadth, count: int) -> pl.DataFrame:
    """Features used in the weeks up to the newest one; and up to each past week, for customers with too few of them."""
    is_used = (pl.col("event_count") > 0) & ~pl.col("feature").is_in(list(rule.core_features))
    recent = rows.filter(pl.col("lag").is_between(0, rule.weeks - 1)).lazy().filter(is_used)
    each = recent.select("customer_no", "feature").unique()
    counted = by_number(each.group_by("customer_no").agg(features=pl.len().cast(pl.Int64)).collect(), count)
    is_few = counted["features"].fill_null(0) < rule.healthy_min
    few = rows.filter(is_few.gather(rows["customer_no"]) & rows["lag"].is_between(0, LONG_HISTORY_WEEKS - 1))
    past = _past_features(few.lazy().filter(is_used), rule.weeks).collect()
    return pl.concat([counted, by_number(past, count)], how="horizontal")


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
        value=span("logins", 0, 1),
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
    return span("used", first, length) >= at_least


def _usage_below_baseline(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.usage_below_baseline
    base = rule.baseline_weeks

    def below(lag: int) -> pl.Expr:
        normal = span("usage", lag + rule.weeks, base)
        each = [span("usage", lag + week, 1) * base * 100 < normal * rule.threshold_pct for week in range(rule.weeks)]
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
