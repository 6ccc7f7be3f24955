"""Days and weeks as every rule here counts them.

A day ends at midnight UTC, and the end of ``as_of`` is known. Weeks are ISO weeks, Monday to Sunday, counted from the
one that holds 1970-01-01, so that a week keeps its number whatever the date of the run.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.text import said

Counts = npt.NDArray[np.int64]
"""Whole numbers by week and customer."""

HISTORY_WEEKS = 26
"""How far back comparisons with a moving baseline are traced: their runs end by themselves within the baseline."""
LONG_HISTORY_WEEKS = 39
"""How far back other runs of bad weeks are traced; what is older began "long" ago. Fits the bits of an integer."""
LONG = "long"
OLDEST_LAG = 1022
"""Weeks older than some twenty years share it."""
_WEEK_SLOTS = OLDEST_LAG + 2  # 1,024 leave room for four million customers in 32 bits
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


def week_cells(rows: pl.LazyFrame, **values: pl.Expr) -> pl.LazyFrame:
    """Aggregate rows by customer and week: the first of two steps, which is twice as fast as one step by many
    conditions.

    Args:
        rows: Reads ``customer_no`` and ``lag`` (Int32, weeks back; below 0 is ahead of the newest week).
        values: Aggregations.

    Returns:
        One row per customer and week: ``customer_no``, ``lag`` and the values. Weeks ahead share lag -1, and weeks
        older than some twenty years the oldest lag.
    """
    slot = pl.col("lag").clip(-1, _WEEK_SLOTS - 2) + 1
    cell = (pl.col("customer_no") * _WEEK_SLOTS + slot.cast(pl.UInt32)).alias("cell")  # one integer groups fastest
    cells = rows.group_by(cell).agg(**values)
    customer, lag = pl.col("cell") // _WEEK_SLOTS, (pl.col("cell") % _WEEK_SLOTS).cast(pl.Int32) - 1
    return cells.select(customer.alias("customer_no"), lag.alias("lag"), *values)


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
    slots = np.zeros((weeks + 2) * (count + 1), dtype=np.int64)
    row = (np.clip(lag.to_numpy(), -1, weeks) + 1).astype(np.int64) * (count + 1) + customer_no.to_numpy()
    np.add.at(slots, row, values.cast(pl.Int64).to_numpy())
    return slots.reshape(weeks + 2, count + 1)[1:-1]


def spans(name: str, sums: Counts) -> dict[str, Counts]:
    """The columns that ``span`` reads, from ``week_sums``: what was added up in the newest 1, 2, 3... weeks."""
    return {f"{name}_in_{weeks}": total for weeks, total in enumerate(np.cumsum(sums, axis=0), start=1)}


def by_number(part: pl.DataFrame, count: int) -> pl.DataFrame:
    """Give a frame of one row per ``customer_no`` a row for each of them in order, and one for nobody.

    Frames in the same order stand side by side as they are; joined one after the other, each would copy all before it.
    """
    numbers = pl.select(customer_no=pl.int_range(count + 1, dtype=pl.UInt32))
    return numbers.join(part, on="customer_no", how="left", maintain_order="left").drop("customer_no")


def joined_by_number(parts: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """Lay frames with one row per ``customer_no`` side by side; the first names the customers."""
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.join(part, on="customer_no", how="left")
    return joined


def span(name: str, first: int, length: int) -> pl.Expr:
    """The sum of ``length`` weeks, the newest of them ``first`` weeks back; a week without rows is zero."""
    until = pl.col(f"{name}_in_{first + length}")
    return until if first == 0 else until - pl.col(f"{name}_in_{first}")


def first_bad_week(is_bad: Sequence[pl.Expr], newest_week: pl.Expr) -> pl.Expr:
    """The name of the week in which the present run of bad weeks began.

    Args:
        is_bad: Whether the rule was broken at the end of each week, the newest first. Null counts as not broken.
        newest_week: The number of the newest week.

    Returns:
        An ISO week such as ``2026-W40``, or ``long`` if every week given was bad. It depends on the weeks since the
        run began and on nothing later, so it names the run for as long as it lasts.
    """
    lags = [pl.when(~bad.fill_null(False)).then(pl.lit(lag, dtype=pl.Int32)) for lag, bad in enumerate(is_bad)]
    return week_label(newest_week - pl.coalesce(lags) + 1).fill_null(LONG)


def since(week: pl.Expr) -> pl.Expr:
    """``first_bad_week`` in words."""
    return pl.when(week == LONG).then(pl.lit("for longer than is traced")).otherwise(said("since week {}", week))


def days_since(day: pl.Expr, as_of: date | pl.Expr) -> pl.Expr:
    """Whole days from a Date column to ``as_of``."""
    return ((pl.lit(as_of) if isinstance(as_of, date) else as_of) - day).dt.total_days()


def iso(day: pl.Expr) -> pl.Expr:
    """A Date or instant as ``2026-11-21``."""
    return day.dt.strftime("%Y-%m-%d")
