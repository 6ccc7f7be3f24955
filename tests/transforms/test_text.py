"""Names, amounts and words, brought to the form in which they are compared or shown."""

import polars as pl
import pytest

from transforms import text


def shown(expression: pl.Expr, **columns: object) -> object:
    return pl.DataFrame({name: [value] for name, value in columns.items()}).select(expression).item()


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Acme Robotics, Inc.", "acme robotics"),
        ("The ACME Robotics Co. Ltd", "acme robotics"),
        ("Straße & Söhne G.m.b.H.", "strasse and söhne"),
        ("Ｆｏｏ　Ｓ.Ａ.", "foo"),
        ("O’Neil's", "oneils"),
        ("Company", "company"),
        ("GmbH", "gmbh"),
    ],
)
def test_a_name_key_keeps_what_tells_a_firm_from_others(name: str, key: str) -> None:
    assert shown(text.name_key(pl.col("name")), name=name) == key


@pytest.mark.parametrize(
    ("minor", "currency", "amount"),
    [
        (8_500_000, "EUR", "85,000 EUR"),
        (9_995, "EUR", "99.95 EUR"),
        (5, "USD", "0.05 USD"),
        (0, "USD", "0 USD"),
        (-123_456_789, "USD", "-1,234,567.89 USD"),
        (1_234_567, "JPY", "1,234,567 JPY"),
        (1_500, "KWD", "1.500 KWD"),
        (10**15, "USD", "10,000,000,000,000 USD"),
    ],
)
def test_money_is_exact_and_reads_well(minor: int, currency: str, amount: str) -> None:
    assert shown(text.money(pl.col("m"), pl.col("c")), m=minor, c=currency) == amount


def test_money_without_a_currency_is_not_shown() -> None:
    assert shown(text.money(pl.col("m"), pl.lit(None, dtype=pl.String)), m=1) is None


def test_a_template_is_filled_on_columns_of_several_chunks() -> None:
    pieces = [
        pl.DataFrame({"kind": ["x"] * 9, "word": ["v"] * 9}),
        pl.DataFrame({"kind": ["o"] * 3, "word": ["a", None, "c"]}),
    ]
    rows = pl.concat(pieces).lazy().filter(pl.col("kind") == "o")
    found = rows.select(text.said("<{}> of {}", "word", pl.col("kind"))).collect().to_series()
    assert found.to_list() == ["<a> of o", None, "<c> of o"]


def test_nothing_invisible_is_left_in_text() -> None:
    nasty = "a\x00\x1b[31m\u202eb\u200b\ufeffc\r\nd\U000e0041"
    assert shown(text.visible(pl.col("t")), t=nasty) == "a[31mbc\nd"
    assert shown(text.one_line(pl.col("t")), t=nasty) == "a[31mbc d"
    assert shown(text.one_line(pl.col("t")), t=" \u200b\n") is None


def test_the_texts_that_hold_are_listed_in_their_order() -> None:
    rows = pl.DataFrame({"is_late": [True, False, None, True], "name": ["a", "b", "c", None], "count": [1, 0, 2, 2]})
    texts = [
        (pl.col("is_late"), pl.lit("late")),
        (pl.col("count") > 1, text.said("{} has several", "name")),
        (pl.col("count") > 0, pl.lit("some")),
    ]
    held = text.those_that_hold(rows, texts)
    assert held.to_list() == [["late", "some"], [], ["c has several", "some"], ["late", "some"]]
    assert held.dtype == pl.List(pl.String)
    assert text.those_that_hold(rows, []).to_list() == [[], [], [], []]
    assert text.those_that_hold(rows.clear(), texts).to_list() == []
