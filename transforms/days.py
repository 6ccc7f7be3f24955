"""Days and weeks as every rule here counts them.

A day ends at midnight UTC, and the end of ``as_of`` is known. Weeks are ISO weeks, Monday to Sunday, counted from the
one that holds 1970-01-01, so that a week keeps its number whatever the date of the run.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.text import said

Counts = npt.NDArray[np.int64]
"""Whole numbers for each ``customer_no``, often a row per week, the newest first."""
Flags = npt.NDArray[np.bool_]
"""Yes or no, for each ``customer_no``."""
Weeks = npt.NDArray[np.int32]
"""Numbers of weeks, the newest first."""

HISTORY_WEEKS = 26
"""How far back comparisons with a moving baseline are traced: their runs end by themselves within the baseline."""
LONG_HISTORY_WEEKS = 39
"""How far back other runs of bad weeks are traced; what is older began "long" ago. Fits the bits of an integer."""
LONG = "long"
LONG_RUN = 1_000_000
"""Weeks of a run that began before the first week traced."""
_MONDAY_OFFSET_DAYS = 3  # 1970-01-01 was a Thursday


def known_until(as_of: date) -> datetime:
    """The first instant after ``as_of``: facts before it are known, later ones are ahead."""
    return datetime.combine(as_of + timedelta(days=1), time.min, tzinfo=UTC)


def week_number(day: date) -> int:
    """The number of the ISO week that holds ``day``."""
    return ((day - date(1970, 1, 1)).days + _MONDAY_OFFSET_DAYS) // 7


def week_of(day: pl.Expr) -> pl.Expr:
    """``week_number`` of a Date column (Int32)."""
    return (day.dt.epoch("d") + _MONDAY_OFFSET_DAYS).floordiv(7)


def week_label(week: pl.Expr) -> pl.Expr:
    """The ISO name of a numbered week, such as ``2026-W47``."""
    return (week.cast(pl.Int32) * 7 - _MONDAY_OFFSET_DAYS).cast(pl.Date).dt.strftime("%G-W%V")


def week_end(week: pl.Expr) -> pl.Expr:
    """The Sunday of a numbered week."""
    return (week.cast(pl.Int32) * 7 - _MONDAY_OFFSET_DAYS + 6).cast(pl.Date)


def week_lags(days: pl.Series, covered: Weeks) -> npt.NDArray[np.int32]:
    """How many covered weeks back the week of each day is.

    Args:
        days: Dates.
        covered: The weeks that count, the newest first: lag 0.

    Returns:
        Lags; -1 for days of every other week, so that a gap of a feed is no week without use.
    """
    if not covered.size:
        return np.full(len(days), -1, dtype=np.int32)
    first = covered[-1] - 1
    lags = np.full(covered[0] - first + 2, -1, dtype=np.int32)  # a place on either side for weeks outside
    lags[covered - first] = np.arange(covered.size)
    first_day = first * 7 - _MONDAY_OFFSET_DAYS
    found: npt.NDArray[np.int32] = np.repeat(lags, 7).take(days.to_physical().to_numpy() - first_day, mode="clip")
    return found


def calendar_weeks(run: Counts, covered: Weeks) -> Counts:
    """``weeks_in_a_row`` of covered weeks as weeks of the calendar, gaps between them included."""
    if not covered.size:
        return run
    back = np.concatenate([[0], covered[0] - covered + 1])
    return np.where(run < LONG_RUN, back[np.minimum(run, covered.size)], run)


def week_sums(customer_no: pl.Series, lag: pl.Series, values: pl.Series, *, weeks: int, count: int) -> Counts:
    """Add up values by customer and week.

    A dense table filled in place costs a tenth of grouping and filtering, and integers add up the same in any order.

    Args:
        customer_no: Of each row, below ``count``.
        lag: Weeks back of each row; those outside of the window are left out.
        values: Integers.
        weeks: How many weeks the window has, the newest at lag 0.
        count: How many customers there are.

    Returns:
        A row per week, newest first, and a column per ``customer_no``, one more than there are customers: nobody's.
    """
    slots = np.zeros((weeks + 1, count + 1), dtype=np.int64)  # the last week, which is also -1, takes what is outside
    place = np.multiply(np.clip(lag.to_numpy(), -1, weeks), count + 1, dtype=np.int64)
    place += customer_no.to_numpy()
    np.add.at(slots.reshape(-1), place, values.cast(pl.Int64).to_numpy())
    return slots[:-1]


def totals(weeks: Counts) -> list[Counts]:
    """What was added up in the newest 0, 1, 2... weeks, for ``span``."""
    return list(accumulate(weeks, initial=np.zeros_like(weeks[0])))


def span(sums: list[Counts], first: int, length: int) -> Counts:
    """The sum of ``length`` weeks, the newest of them ``first`` weeks back, from ``totals``."""
    return sums[first + length] - sums[first]


def weeks_in_a_row(is_bad: Callable[[int], Flags], *, traced: int) -> Counts:
    """For how many weeks each customer has broken a rule without a break, up to now.

    Args:
        is_bad: Whether the rule was broken at the end of the week so many weeks back.
        traced: How many weeks to look back.

    Returns:
        A number per customer: 0 if the newest week is not bad, ``LONG_RUN`` if every week traced is.
    """
    still = is_bad(0)
    run = still.astype(np.int64)
    for week in range(1, traced):
        still = still & is_bad(week)
        run += still
    return np.where(still, LONG_RUN, run)


def by_number(part: pl.DataFrame, count: int) -> pl.DataFrame:
    """Give a frame of one row per ``customer_no`` a row for each of them in order, and one for nobody.

    Frames in the same order stand side by side as they are; joined one after the other, each would copy all before it.
    """
    rows = np.full(count + 1, part.height)
    rows[part["customer_no"].to_numpy()] = np.arange(part.height)
    row = pl.Series(rows)
    return part.select(pl.exclude("customer_no").gather(row.set(row == part.height, None)))


def first_bad_week(weeks: pl.Expr, newest_week: pl.Expr) -> pl.Expr:
    """The name of the week in which the present run of bad weeks began.

    Args:
        weeks: ``weeks_in_a_row`` or ``calendar_weeks``.
        newest_week: The number of the newest week.

    Returns:
        An ISO week such as ``2026-W40``, or ``long`` if every week traced was bad. It depends on the weeks since the
        run began and on nothing later, so it names the run for as long as it lasts.
    """
    return pl.when(weeks < LONG_RUN).then(week_label(newest_week - weeks + 1)).otherwise(pl.lit(LONG))


def since(week: pl.Expr) -> pl.Expr:
    """``first_bad_week`` in words."""
    return pl.when(week == LONG).then(pl.lit("for longer than is traced")).otherwise(said("since week {}", week))


def days_since(day: pl.Expr, as_of: date | pl.Expr) -> pl.Expr:
    """Whole days from a Date column to ``as_of``."""
    return ((pl.lit(as_of) if isinstance(as_of, date) else as_of) - day).dt.total_days()


def iso(day: pl.Expr) -> pl.Expr:
    """A Date or instant as ``2026-11-21``."""
    return day.dt.strftime("%Y-%m-%d")
