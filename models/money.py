"""Amounts are whole numbers of a currency's smallest unit: how many decimals that unit stands for (ISO 4217)."""

from collections.abc import Mapping

import polars as pl

USUAL_DIGITS = 2
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
UNUSUAL_DIGITS: Mapping[str, int] = {
    **dict.fromkeys(_NO_DECIMALS.split(), 0),
    **dict.fromkeys(_THREE_DECIMALS.split(), 3),
}
"""The currencies whose smallest unit is not a hundredth: no decimals, or three."""


def minor_digits(currency: str) -> int:
    """The decimals of an amount in ``currency`` (an upper-case code): 0, 2 or 3."""
    return UNUSUAL_DIGITS.get(currency, USUAL_DIGITS)


def minor_digits_of(currency: pl.Expr) -> pl.Expr:
    """``minor_digits`` of a column of codes, as ``Int64``; a missing currency counts as a usual one."""
    return currency.replace_strict(UNUSUAL_DIGITS, default=USUAL_DIGITS, return_dtype=pl.Int64)
