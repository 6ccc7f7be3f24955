"""Decimals of currencies: alone and over a column."""

import polars as pl
import pytest

from models.money import minor_digits, minor_digits_of


@pytest.mark.parametrize(("currency", "digits"), [("JPY", 0), ("EUR", 2), ("KWD", 3), ("no such", 2)])
def test_decimals_of_a_currency(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits
    table = pl.DataFrame({"currency": [currency, None]})
    assert table.select(minor_digits_of(pl.col("currency"))).to_series().to_list() == [digits, 2]
