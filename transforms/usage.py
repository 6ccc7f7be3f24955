"""Product usage: what each customer used by week, and the signals that follow.

Only full weeks count, up to the last one that the feed covers, so that neither a day in the middle of a week nor a
feed that is a few days late, or was loaded for a few accounts only, looks like a fall.
"""

from collections.abc import Callable
from datetime import date

import numpy as np
import polars as pl

from models.policy.pack import Policy
from models.policy.signal_rules import FeatureBreadth, LoginFrequency, UsageBelowBaseline, UsageDrop
from transforms.days import (
    HISTORY_WEEKS,
    LONG_HISTORY_WEEKS,
    LONG_RUN,
    Counts,
    Flags,
    Weeks,
    calendar_weeks,
    days_since,
    first_bad_week,
    iso,
    since,
    span,
    totals,
    week_end,
    week_label,
    week_lags,
    week_of,
    week_sums,
    weeks_in_a_row,
)
from transforms.readings import Reading, reading
from transforms.text import said

LOGIN = "login"
UNITS_SOURCE = "usage"
_NONE = np.iinfo(np.int32).min
_WEEK = pl.col("usage_week")
_PAIR = pl.col("feature").hash() ^ pl.col("customer_no").cast(pl.UInt64)
"""A customer and a feature in one number: numbers are told apart in half the time that texts take."""


def usage_by_customer(usage: pl.DataFrame, feeds: pl.DataFrame, *, count: int, policy: Policy) -> pl.DataFrame:
    """Sum up usage, one row per customer.

    Args:
        usage: ``Facts.usage``: ``customer_no``, ``usage_date``, ``feature``, ``event_count``.
        feeds: ``Facts.feeds``.
        count: How many customers there are.
        policy: Reads the breadth window and the core features.

    Returns:
        A row per ``customer_no`` in that order, and one more for nobody. ``first_usage_lag``, ``first_login_lag``,
        ``good_login_lag`` (weeks back of the first use, of the first login, of the last week with enough logins),
        ``last_usage_date`` and ``last_login_date`` are null where there was none. The others are counts that begin
        with the name of what they serve: ``login``, ``drop``, ``baseline`` and ``feature``; a ``_run`` is
        ``weeks_in_a_row`` as ``calendar_weeks``. ``login_gap_days`` are the days after the last login of which the
        feed tells nothing.

    Weeks that the feed did not cover are left out, as if the weeks around them were neighbours: nobody is compared by
    what the feed failed to say.
    """
    reported = feeds["usage_weeks"].explode().drop_nulls().to_numpy()[::-1]
    covered = reported[reported <= feeds["usage_week"].fill_null(-1).item()]
    rows = usage.select(
        pl.col("customer_no").cast(pl.Int64),  # as numpy's indices are: any other kind is copied at each use
        "usage_date",
        "event_count",
        is_login=(pl.col("feature") == LOGIN) & (pl.col("event_count") > 0),
    ).rechunk()
    rows = rows.with_columns(lag=week_lags(rows["usage_date"], covered))
    rules, reach = policy.signals, _reach(rows, count, "usage")
    events = week_sums(rows["customer_no"], rows["lag"], rows["event_count"], weeks=HISTORY_WEEKS, count=count)
    sums, used = totals(events), totals((events > 0).astype(np.int64))
    observed = reach["first_usage_lag"].fill_null(-1).to_numpy() + 1
    measured = pl.concat(
        [
            reach,
            _logins(rows.filter("is_login"), rules.login_frequency, count),
            _drops(sums, used, rules.usage_drop),
            _baselines(events, sums, used, rules.usage_below_baseline),
            _features(usage, rows, observed, rules.feature_breadth),
        ],
        how="horizontal",
    )
    runs = [name for name in measured.columns if name.endswith("_run")]
    return measured.with_columns(
        *[pl.Series(name, calendar_weeks(measured[name].to_numpy(), covered)) for name in runs],
        login_gap_days=_gap_days(measured.select(week_of(pl.col("last_login_date"))).to_series(), reported),
    )


def _gap_days(since: pl.Series, reported: Weeks) -> pl.Series:
    """Days of the weeks later than these, up to the newest covered one, of which the feed tells nothing."""
    if not reported.size:
        return pl.zeros(since.len(), dtype=pl.Int64, eager=True)
    later = reported.size - np.searchsorted(reported[::-1], since.fill_null(reported[0]).to_numpy(), side="right")
    return (int(reported[0]) - since.cast(pl.Int64) - later).clip(0) * 7


def _reach(rows: pl.DataFrame, count: int, name: str) -> pl.DataFrame:
    """The oldest week and the newest day of any row of each customer; null for those without rows."""
    number = rows["customer_no"].to_numpy()
    lags, days = np.full((2, count + 1), _NONE, dtype=np.int32)
    np.maximum.at(lags, number, rows["lag"].to_numpy())
    np.maximum.at(days, number, rows["usage_date"].to_physical().to_numpy())
    found = pl.DataFrame({f"first_{name}_lag": lags, f"last_{name}_date": days})
    known = found.with_columns(pl.when(pl.all() != _NONE).then(pl.all()))
    return known.with_columns(pl.col(f"last_{name}_date").cast(pl.Date))


def _logins(logins: pl.DataFrame, rule: LoginFrequency, count: int) -> pl.DataFrame:
    number, lag, events = logins["customer_no"], logins["lag"], logins["event_count"]
    weeks = week_sums(number, lag, events, weeks=LONG_HISTORY_WEEKS, count=count)
    good = weeks_in_a_row(lambda week: weeks[week] < rule.min_per_week, traced=LONG_HISTORY_WEEKS)
    is_open = (good == LONG_RUN)[number.to_numpy()]
    older = logins.filter(is_open & (lag >= LONG_HISTORY_WEEKS).to_numpy())  # few, so added up row by row
    enough = older.group_by("customer_no", "lag").agg(pl.col("event_count").sum())
    enough = enough.filter(pl.col("event_count") >= rule.min_per_week)
    np.minimum.at(good, enough["customer_no"].to_numpy(), enough["lag"].to_numpy())
    found = pl.DataFrame({"login_count": weeks[0], "login_silent_count": weeks[: rule.silent_weeks].sum(axis=0)})
    return pl.concat(
        [
            _reach(logins, count, "login"),
            found.with_columns(good_login_lag=pl.Series(good).replace(LONG_RUN, None), login_run=good),
        ],
        how="horizontal",
    )


def _drops(sums: list[Counts], used: list[Counts], rule: UsageDrop) -> pl.DataFrame:
    """The newest weeks and as many before, and the run of weeks at whose end usage had fallen."""
    weeks = rule.weeks

    def fell(lag: int, pct: int) -> Flags:
        recent, before = span(sums, lag, weeks), span(sums, lag + weeks, weeks)
        return _was_used(used, lag + weeks, weeks, rule.min_baseline_weeks) & (recent * 100 <= before * (100 - pct))

    return pl.DataFrame(
        {
            "drop_recent": span(sums, 0, weeks),
            "drop_before": span(sums, weeks, weeks),
            "drop_is_known": _was_used(used, weeks, weeks, rule.min_baseline_weeks),
            "drop_is_critical": fell(0, rule.critical_pct),
            "drop_run": weeks_in_a_row(lambda lag: fell(lag, rule.at_risk_pct), traced=HISTORY_WEEKS - 2 * weeks + 1),
        }
    )


def _was_used(used: list[Counts], first: int, length: int, at_least: int) -> Flags:
    """Whether enough of the weeks saw any use, so that a comparison means something."""
    return span(used, first, length) >= at_least


def _baselines(events: Counts, sums: list[Counts], used: list[Counts], rule: UsageBelowBaseline) -> pl.DataFrame:
    """The newest weeks, the normal before, and the run of weeks at whose end each of the newest was below it."""
    base = rule.baseline_weeks

    def is_below(lag: int) -> Flags:
        limit = span(sums, lag + rule.weeks, base) * rule.threshold_pct
        is_low = _was_used(used, lag + rule.weeks, base, rule.min_baseline_weeks)
        for week in range(rule.weeks):
            is_low &= events[lag + week] * base * 100 < limit
        return is_low

    return pl.DataFrame(
        {
            "baseline_recent": span(sums, 0, rule.weeks),
            "baseline_normal": span(sums, rule.weeks, base),
            "baseline_is_known": _was_used(used, rule.weeks, base, rule.min_baseline_weeks),
            "baseline_run": weeks_in_a_row(is_below, traced=HISTORY_WEEKS - rule.weeks - base + 1),
        }
    )


def _features(usage: pl.DataFrame, rows: pl.DataFrame, observed: Counts, rule: FeatureBreadth) -> pl.DataFrame:
    """Features used in the newest weeks; and the run of weeks at whose end they were too few."""
    number, lag, count = rows["customer_no"].to_numpy(), rows["lag"].to_numpy(), len(observed) - 1
    is_used = (pl.col("event_count") > 0) & ~pl.col("feature").is_in(list(rule.core_features))
    used = usage.select("customer_no", "feature", "event_count")
    newest = used.filter((lag >= 0) & (lag < rule.weeks)).filter(is_used).filter(_PAIR.is_first_distinct())
    features = np.bincount(newest["customer_no"].to_numpy(), minlength=count + 1)
    is_few = features < rule.healthy_min
    is_traced = is_few[number] & (lag >= 0) & (lag < LONG_HISTORY_WEEKS)
    past = used.filter(is_traced).with_columns(lag=rows["lag"].filter(is_traced)).filter(is_used)
    past_features = _past_features(past, rule.weeks, count)

    def is_bad(lag: int) -> Flags:
        return is_few & (past_features(lag) < rule.healthy_min) & (observed - lag >= rule.weeks)

    run = weeks_in_a_row(is_bad, traced=LONG_HISTORY_WEEKS - rule.weeks + 1)
    return pl.DataFrame({"feature_count": features, "feature_run": run})


def _past_features(used: pl.DataFrame, weeks: int, count: int) -> Callable[[int], Counts]:
    """How many features these customers used in the ``weeks`` weeks up to the one so many weeks back."""
    bits = used.with_columns(mask=np.left_shift(1, used["lag"].to_numpy().astype(np.int64)))  # bit N: N weeks back
    masks = bits.group_by(_PAIR.alias("pair")).agg(pl.col("customer_no").first(), pl.col("mask").bitwise_or())
    number, mask = masks["customer_no"].to_numpy(), masks["mask"].to_numpy()
    widened = np.bitwise_or.reduce([mask >> week for week in range(weeks)])
    return lambda lag: np.bincount(number[(widened >> lag & 1) == 1], minlength=count + 1)


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
    is_silent = (pl.col("login_silent_count") == 0) & (observed >= rule.silent_weeks)
    start = pl.when(good.is_not_null()).then(week_label(_WEEK - pl.col("login_run") + 1))
    stretch = pl.coalesce(said("since week {}", start), pl.lit("in every full week on record"))
    return reading(
        "login_frequency",
        unit="logins/week",
        threshold=f"at risk after {rule.weeks} weeks in a row below {rule.min_per_week} logins, "
        f"critical after {rule.silent_weeks} weeks without any",
        source=UNITS_SOURCE,
        value=pl.col("login_count"),
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
    days = days_since(pl.col("last_login_date"), pl.col("usage_until")) - pl.col("login_gap_days")
    days = days.clip(0)  # a thin week's login is later
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
    recent, before, is_critical = pl.col("drop_recent"), pl.col("drop_before"), pl.col("drop_is_critical")
    start = first_bad_week(pl.col("drop_run"), _WEEK)
    depth = pl.when(is_critical).then(rule.critical_pct).otherwise(rule.at_risk_pct)
    return reading(
        "usage_drop",
        unit="% below the weeks before",
        threshold=f"{rule.weeks} weeks against the {rule.weeks} before: at risk from {rule.at_risk_pct} % less, "
        f"critical from {rule.critical_pct} %",
        source=UNITS_SOURCE,
        value=(before - recent) * 100 / before,
        unknown=[
            *_no_usage(as_of, policy),
            (~pl.col("drop_is_known"), "too little usage before to compare with"),
        ],
        critical=is_critical,
        at_risk=pl.col("drop_run") > 0,
        healthy="usage holds against the weeks before",
        bad=said(f"usage fell by {{}} % or more within {rule.weeks} weeks, {{}}", depth, since(start)),
        episode=start,
        observed_at=pl.col("last_usage_date"),
    )


def _usage_below_baseline(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.usage_below_baseline
    base, start = rule.baseline_weeks, first_bad_week(pl.col("baseline_run"), _WEEK)
    return reading(
        "usage_below_baseline",
        unit="% of normal",
        threshold=f"at risk after {rule.weeks} weeks in a row below {rule.threshold_pct} % "
        f"of the mean of the {base} weeks before",
        source=UNITS_SOURCE,
        value=pl.col("baseline_recent") * base * 100 / (pl.col("baseline_normal") * rule.weeks),
        unknown=[
            *_no_usage(as_of, policy),
            (~pl.col("baseline_is_known"), "too little usage before to know what is normal"),
        ],
        critical=None,
        at_risk=pl.col("baseline_run") > 0,
        healthy="usage is near its normal",
        bad=said(f"weekly usage below {rule.threshold_pct} % of its normal, {{}}", since(start)),
        episode=start,
        observed_at=pl.col("last_usage_date"),
    )


def _feature_breadth(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.feature_breadth
    observed, count = pl.col("first_usage_lag") + 1, pl.col("feature_count")
    start = first_bad_week(pl.col("feature_run"), _WEEK)
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
