"""Product usage from files: one CSV or Parquet file at a time, good rows beside the set-aside ones.

Columns: ``account_ref``, ``usage_date`` (YYYY-MM-DD), ``feature``, ``event_count`` and, if known, ``user_count``.
Others are ignored.
"""

from pathlib import Path

import polars as pl

from integrations import flatfile
from models import frames


class UsageFileError(flatfile.FlatFileError):
    """The usage file as a whole cannot be used."""


SHAPE = flatfile.FileShape("usage", frames.Usage, frozenset({"user_count"}), UsageFileError)
COUNTS = ("event_count", "user_count")
KEY = ("account_ref", "usage_date", "feature")


def read_usage(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read one usage file.

    Account references stay text, as they came. Counts must be whole and not negative. Of several rows for the same
    account, day and feature the first one counts: adding them up would count a file that was appended to itself twice.

    Args:
        path: A ``.parquet`` file, or anything else as CSV with comma, semicolon or tab.

    Returns:
        ``frames.Usage`` in the file's order, and ``frames.RowErrors``: one row per line set aside, ``record`` being
        its number.

    Raises:
        UsageFileError: The file is empty, unreadable, or lacks a column.
    """
    raw, torn = flatfile.cells(path, SHAPE)
    typed = raw.select(
        "line",
        *(_text(name).alias(name) for name in ("account_ref", "feature")),
        _day(raw.schema["usage_date"]),
        *(_count(name, raw.schema[name]) for name in COUNTS),
        *(pl.col(name).cast(pl.String, strict=False).alias(f"{name}_text") for name in ("usage_date", *COUNTS)),
    )
    good, bad = flatfile.admitted(typed, _RULES, KEY, path, SHAPE)
    return good, pl.concat([torn, bad])


def _text(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String, strict=False).str.strip_chars().replace("", None)


def _day(dtype: pl.DataType) -> pl.Expr:
    day = pl.col("usage_date")
    if dtype in (pl.String, pl.Categorical):
        return day.cast(pl.String).str.to_date("%Y-%m-%d", strict=False)
    return day.cast(pl.Date, strict=False) if dtype.is_temporal() else pl.lit(None, dtype=pl.Date).alias("usage_date")


def _count(name: str, dtype: pl.DataType) -> pl.Expr:
    """Whole numbers; ``12.0`` is one, since some exporters write all numbers so, and ``12.5`` is not."""
    if dtype == pl.String:
        return pl.col(name).str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
    whole = pl.col(name).cast(pl.Int64, strict=False)
    return pl.when(whole == pl.col(name)).then(whole).alias(name) if dtype.is_float() else whole


def _unreadable(name: str) -> pl.Expr:
    return pl.col(name).is_null() & pl.col(f"{name}_text").is_not_null()


_RULES = {
    "account_ref|missing": pl.col("account_ref").is_null(),
    "feature|missing": pl.col("feature").is_null(),
    "usage_date|missing": pl.col("usage_date_text").is_null(),
    "usage_date|not_a_date": _unreadable("usage_date"),
    "event_count|missing": pl.col("event_count_text").is_null(),
    "event_count|not_a_whole_number": _unreadable("event_count"),
    "event_count|negative": pl.col("event_count") < 0,
    "user_count|not_a_whole_number": _unreadable("user_count"),
    "user_count|negative": pl.col("user_count") < 0,
}
