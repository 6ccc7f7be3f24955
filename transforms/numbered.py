"""Rows that name a customer or a contact by its number, added up in dense tables.

A table with a slot per number, filled in place, costs a fifth of grouping by it.
"""

import numpy as np
import polars as pl


def latest_by_number(number: pl.Series, at: pl.Series, count: int) -> pl.Series:
    """The latest instant of each number below ``count``, in their order; null where there is none."""
    never = np.iinfo(np.int64).min
    slots = np.full(count, never)
    np.maximum.at(slots, number.to_numpy(), at.to_physical().to_numpy())
    latest = pl.col("at")
    return pl.DataFrame({"at": slots}).select(pl.when(latest != never).then(latest).cast(at.dtype)).to_series()


def added_by_number(number: pl.Series, values: pl.Series, count: int) -> pl.Series:
    """The sum of whole numbers, none of them null, for each number below ``count``, in their order (Int64)."""
    slots = np.zeros(count, dtype=np.int64)
    np.add.at(slots, number.to_numpy(), values.to_numpy())
    return pl.Series(values.name, slots)
