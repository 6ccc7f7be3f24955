"""Survey answers from files: one CSV or Parquet file at a time, good rows beside the set-aside ones.

Columns: ``account_ref``, ``answered_at`` (ISO 8601; without a zone it is UTC), ``kind`` (nps, csat, ces), ``score``
and, if known, ``respondent`` and ``comment``. Others are ignored.
"""

from pathlib import Path

import polars as pl

from integrations import flatfile
from models import frames
from models.enums import SurveyKind


class SurveyFileError(flatfile.FlatFileError):
    """The survey file as a whole cannot be used."""


SHAPE = flatfile.FileShape("surveys", frames.Surveys, frozenset({"respondent", "comment"}), SurveyFileError)
KEY = ("account_ref", "answered_at", "kind", "respondent")
NPS_MAX = 10
SCORE_MAX = 100


def read_surveys(path: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read one survey file.

    Args:
        path: A ``.parquet`` file, or anything else as CSV with comma, semicolon or tab.

    Returns:
        ``frames.Surveys`` in the file's order, and ``frames.RowErrors``: one row per line set aside, ``record`` being
        its number. An answer by the same person at the same instant is a duplicate.

    Raises:
        SurveyFileError: The file is empty, unreadable, or lacks a column.
    """
    raw, torn = flatfile.cells(path, SHAPE)
    typed = raw.select(
        "line",
        _text("account_ref"),
        _instant(raw.schema["answered_at"]).alias("answered_at"),
        _text("kind").str.to_lowercase(),
        pl.col("score").cast(pl.Float64, strict=False),
        _text("respondent"),
        pl.col("comment").cast(pl.String, strict=False),
        *(
            pl.col(name).cast(pl.String, strict=False).alias(f"{name}_text")
            for name in ("answered_at", "kind", "score")
        ),
    )
    good, bad = flatfile.admitted(typed, _RULES, KEY, path, SHAPE)
    return good, pl.concat([torn, bad])


def _text(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String, strict=False).str.strip_chars().replace("", None)


def _instant(dtype: pl.DataType) -> pl.Expr:
    column = pl.col("answered_at")
    if dtype == pl.String:
        return _instant_from_text(column)
    if not dtype.is_temporal():
        return pl.lit(None, dtype=pl.Datetime("us", "UTC"))
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    return column.cast(pl.Datetime("us"), strict=False).dt.replace_time_zone("UTC")


def _instant_from_text(column: pl.Expr) -> pl.Expr:
    text = column.str.replace(r"^(\d{4}-\d{2}-\d{2}) ", "${1}T")
    naive = [
        text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False),
        text.str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us", strict=False),
        text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")),
    ]
    zoned = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us", time_zone="UTC", strict=False)
    return pl.coalesce(zoned, pl.coalesce(naive).dt.replace_time_zone("UTC"))


def _unreadable(name: str) -> pl.Expr:
    return pl.col(name).is_null() & pl.col(f"{name}_text").is_not_null()


_IS_NPS = pl.col("kind") == SurveyKind.NPS.value
_SCORE_MAX = pl.when(_IS_NPS).then(NPS_MAX).otherwise(SCORE_MAX)
_RULES = {
    "account_ref|missing": pl.col("account_ref").is_null(),
    "answered_at|missing": pl.col("answered_at_text").is_null(),
    "answered_at|not_an_instant": _unreadable("answered_at"),
    "kind|missing": pl.col("kind").is_null(),
    "kind|unknown": ~pl.col("kind").is_in([str(kind) for kind in SurveyKind]),
    "score|missing": pl.col("score_text").is_null(),
    "score|not_a_number": _unreadable("score") | pl.col("score").is_nan(),
    "score|out_of_range": pl.col("score").is_not_nan() & ~pl.col("score").is_between(0, _SCORE_MAX),
}
