"""HubSpot's values are all text: what each kind of column makes of them. What cannot be read becomes null here."""

from collections.abc import Mapping

import polars as pl

from integrations.hubspot.fields import Kind
from models.money import minor_digits_of

INSTANT = pl.Datetime("us", "UTC")
_EPOCH_MS = r"^-?\d{10,}$"
"""Milliseconds since 1970; shorter digits are no instant but a number in a property that changed its type."""


def instants(text: pl.Expr) -> pl.Expr:
    """ISO 8601 or milliseconds since 1970, as ``Datetime("us", "UTC")``."""
    return text.map_batches(_instants_of, return_dtype=INSTANT, is_elementwise=True)


def _instants_of(text: pl.Series) -> pl.Series:
    """Other forms are tried only where the usual one left something: trying them on all doubles the time."""
    iso = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    if iso.null_count() == text.null_count():
        return iso
    days = pl.select(dates(pl.lit(text)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")).to_series()
    return pl.select(pl.coalesce(iso, _epoch(pl.lit(text)), days)).to_series()


def dates(text: pl.Expr) -> pl.Expr:
    """``YYYY-MM-DD``, alone or before a time of day in UTC, or milliseconds since 1970, as ``Date``."""
    iso = text.str.extract(r"^(\d{4}-\d{2}-\d{2})(?:$|T)", 1).str.to_date("%Y-%m-%d", strict=False)
    return pl.coalesce(iso, _epoch(text).dt.date())


def _epoch(text: pl.Expr) -> pl.Expr:
    digits = pl.when(text.str.contains(_EPOCH_MS)).then(text)
    return (
        digits.cast(pl.Int64, strict=False).cast(pl.Datetime("ms")).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )


def counts(text: pl.Expr) -> pl.Expr:
    """A whole number; HubSpot may write it with decimals or an exponent."""
    return text.cast(pl.Decimal(38, 0), strict=False).cast(pl.Int64, strict=False)


def minor_units(text: pl.Expr, currency: pl.Expr) -> pl.Expr:
    """An amount in the smallest unit of ``currency``, exactly; decimals beyond it round half to even."""
    digits = minor_digits_of(currency)
    scaled = pl.when(digits == 0).then(_scaled(text, 0)).when(digits == 3).then(_scaled(text, 3))
    return scaled.otherwise(_scaled(text, 2)).cast(pl.Int64, strict=False)


def _scaled(text: pl.Expr, digits: int) -> pl.Expr:
    return text.cast(pl.Decimal(38, digits), strict=False).to_physical()


def flags(text: pl.Expr) -> pl.Expr:
    """``true`` or ``false``, also as people label them."""
    return text.str.to_lowercase().replace_strict(
        {"true": True, "yes": True, "false": False, "no": False}, default=None, return_dtype=pl.Boolean
    )


def worded(text: pl.Expr, words: Mapping[str, object], dtype: pl.DataType | type[pl.DataType] = pl.String) -> pl.Expr:
    """The meaning of a portal's word; case and space around it do not matter; null for any other."""
    known = {word: str(meaning) if dtype is pl.String else meaning for word, meaning in words.items()}
    return text.str.strip_chars().str.to_lowercase().replace_strict(known, default=None, return_dtype=dtype)


def read(kind: Kind, text: pl.Expr) -> pl.Expr:
    """``text`` as a column of ``kind``; money needs its currency and is read by ``minor_units``."""
    readers = {
        Kind.NUMBER: lambda one: one.cast(pl.Float64, strict=False),
        Kind.COUNT: counts,
        Kind.BOOL: flags,
        Kind.DATE: dates,
        Kind.INSTANT: instants,
    }
    return readers[kind](text) if kind in readers else text
