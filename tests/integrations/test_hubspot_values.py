"""What HubSpot's texts mean, one value at a time; nothing here needs a portal."""

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from integrations.hubspot import values
from integrations.hubspot.client import HubSpotConfig
from integrations.hubspot.search import split
from integrations.hubspot.task_text import html_of, text_of


def _read(expression: pl.Expr, *texts: str | None) -> list[object]:
    return pl.DataFrame({"x": texts}, schema={"x": pl.String}).select(expression).to_series().to_list()


X = pl.col("x")


def test_instants_come_as_iso_text_or_as_milliseconds() -> None:
    when = datetime(2026, 11, 20, 3, 4, 5, 678000, tzinfo=UTC)
    whole = when.replace(microsecond=0)
    read = _read(values.instants(X), "2026-11-20T03:04:05.678Z", "2026-11-20T03:04:05Z", "1795143845678", "soon", None)
    assert read == [when, whole, when, None, None]


def test_dates_come_as_days_or_as_midnights() -> None:
    day = date(2026, 11, 20)
    assert _read(values.dates(X), "2026-11-20", "2026-11-20T00:00:00Z", "1795132800000", "20.11.2026", "2026") == [
        day,
        day,
        day,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1200", "USD", 120_000),
        ("1200.5", "EUR", 120_050),
        ("1.25E4", "USD", 1_250_000),
        ("0.1", "USD", 10),
        ("1200", "JPY", 1_200),
        ("1200.5", "BHD", 1_200_500),
        ("-3.01", "USD", -301),
        ("123456789012.34", "USD", 12_345_678_901_234),
        ("about 5k", "USD", None),
        ("99999999999999999999", "USD", None),
        (None, "USD", None),
    ],
)
def test_money_is_exact_in_its_currency(text: str | None, currency: str, minor: int | None) -> None:
    assert _read(values.minor_units(X, pl.lit(currency)), text) == [minor]


@given(amount=st.decimals(min_value=-(10**12), max_value=10**12, places=2))
@settings(max_examples=200, deadline=None)
def test_no_cent_is_lost(amount: Decimal) -> None:
    assert _read(values.minor_units(X, pl.lit("USD")), str(amount)) == [int(amount * 100)]


def test_words_are_read_in_any_case() -> None:
    assert _read(values.flags(X), "true", "FALSE", "maybe", None) == [True, False, None, None]
    assert _read(values.counts(X), "250", "250.0", "2.5E2", "many") == [250, 250, 250, None]


# -- task bodies ------------------------------------------------------------------------------------------------------

BODY = st.text(st.characters(blacklist_categories=("Cs", "Cc"), whitelist_characters="\n\t"), max_size=200)


@given(text=BODY)
@settings(max_examples=300, deadline=None)
def test_a_task_body_comes_back_as_it_was_written(text: str) -> None:
    assert _read(text_of(X), html_of(text)) == [text.strip(" \t\r\n")]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Call Ann.</p><p>Then &amp; there</p>", "Call Ann.\nThen & there"),
        ("<div>a</div>\n<div>b<br/>c</div>", "a\nb\nc"),
        ("<ul><li>one</li><li>two</li></ul>", "one\ntwo"),
        ("a&nbsp;b &lt;i&gt; &#39;c&#39;", "a b <i> 'c'"),
        ("1 < 2 & 3 > 2", "1 < 2 & 3 > 2"),
        ('<a href="https://x.example/?a=1&amp;b=2">link</a>', "link"),
        ("<!-- hidden -->plain\nlines", "plain\nlines"),
    ],
)
def test_a_body_from_hubspots_editor_reads_as_text(html: str, text: str) -> None:
    assert _read(text_of(X), html) == [text]


def test_nothing_in_a_body_is_markup() -> None:
    assert html_of("<script>x</script>\r\n&") == "&lt;script&gt;x&lt;/script&gt;<br>&amp;"


# -- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"properties": {"acounts": {}}}, r'did you mean "accounts"\?'),
        ({"properties": {"accounts": {"arr_minr": "x"}}}, r'did you mean "arr_minor"\?'),
        ({"properties": {"accounts": {"arr_minor": "No Name"}}}, "not a HubSpot property name"),
        ({"base_url": "http://api.hubapi.com"}, "plain http is for loopback only"),
        ({"base_url": "https://api.hubapi.com/crm"}, "must be a host alone"),
        ({"api_version": "v2"}, "2026-09"),
    ],
)
def test_wrong_settings_are_refused_with_the_nearest_name(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        HubSpotConfig.model_validate(given)


def test_a_token_is_never_shown() -> None:
    assert "pat-secret" not in repr(HubSpotConfig.model_validate({"access_token": "pat-secret"}))


# -- windows and pace -------------------------------------------------------------------------------------------------


@given(low=st.integers(0, 10**6), span=st.integers(1, 10**6), parts=st.integers(1, 300))
def test_a_split_window_has_no_gap_and_no_overlap(low: int, span: int, parts: int) -> None:
    pieces = split(low, low + span, parts)
    assert pieces[0][0] == low
    assert pieces[-1][1] == low + span
    assert len(pieces) >= 2
    assert all(first <= last for first, last in pieces)
    assert all(ahead[1] + 1 == behind[0] for ahead, behind in pairwise(pieces))
