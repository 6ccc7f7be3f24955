"""The page: customer text is inert whatever it holds, nothing is loaded or run, and what leaders ask stands on top."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser

import polars as pl
import pytest

from integrations.delivery import said
from integrations.delivery.html import FULL_ROWS, SHORT_ROWS, renewal_risk_page
from models.enums import RenewalRisk as RenewalRiskLevel
from models.policy.load import load_policy
from models.reports import RenewalRisk, Trouble
from tests.integrations.hostile import PAYLOADS, hostile_report
from tests.portfolio_drawn import drawn_report, pictured, with_windows

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "footer", "figure"),
    *("h1", "h2", "h3", "p", "ul", "ol", "li", "dl", "dt", "dd", "div", "span", "b", "details", "summary"),
    *("table", "thead", "tbody", "tfoot", "tr", "th", "td", "svg", "g", "path", "text", "rect", "desc"),
}


class Page(HTMLParser):
    """What a browser would find: elements with their attributes, and the text of the page."""

    def __init__(self, content: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.depth = 0
        self.feed(content.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def loads(page: Page) -> list[tuple[str, str, str]]:
    """Everything that runs, styles in place, or leads out of the page."""
    leading = {"href", "src", "srcset", "action", "formaction", "xlink:href", "data", "poster", "background", "srcdoc"}
    return [
        (tag, name, value)
        for tag, name, value in page.attributes
        if name in leading | {"style"} or name.startswith("on") or "javascript:" in value.lower()
    ]


@pytest.fixture(scope="module")
def hostile() -> bytes:
    return renewal_risk_page(hostile_report())


def test_no_payload_becomes_an_element_a_handler_or_a_link(hostile: bytes) -> None:
    page = Page(hostile)
    assert page.tags <= TAGS
    assert loads(page) == []


def test_payloads_do_not_change_the_shape_of_the_page(hostile: bytes) -> None:
    harmless = Page(renewal_risk_page(hostile_report(["plain words"] * len(PAYLOADS))))
    page = Page(hostile)
    assert page.tags == harmless.tags
    assert [each[:2] for each in page.attributes] == [each[:2] for each in harmless.attributes]


def test_payloads_are_shown_as_the_text_that_they_are(hostile: bytes) -> None:
    words = Page(hostile).words
    for payload in PAYLOADS:
        if line := said.inert(payload):
            assert line in words


def test_nothing_unseen_and_nothing_endless_reaches_the_page(hostile: bytes) -> None:
    text = hostile.decode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", text)
    assert max(len(word) for word in Page(hostile).words.split()) < 100 * said.TEXT_LIMIT
    assert len(hostile) < 1_000_000


def test_only_the_style_sheet_of_the_page_itself_may_apply() -> None:
    page = renewal_risk_page(drawn_report()).decode()
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = next(
        value for _, name, value in Page(page.encode()).attributes if name == "content" and "default" in value
    )
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_the_same_report_gives_the_same_bytes() -> None:
    assert renewal_risk_page(drawn_report()) == renewal_risk_page(drawn_report())


def test_the_headline_says_how_much_and_who() -> None:
    words = Page(renewal_risk_page(drawn_report())).words
    assert "ARR up for renewal: next 90 days, and overdue USD 11,000.50 4 customers, by health:" in words
    assert (
        "Red 1,000.50 1 customer Yellow 2,000 1 customer Insufficient data 5,000 1 customer Green 3,000 1 customer"
        in words
    )
    assert "At risk by the policy: 6,000.50 (55 %)" in words
    assert "high risk 1,000.50 , 1 customer · medium risk 5,000 , 2 customers" in words
    assert "No review scheduled, next 90 days, and overdue 6,000.50 3 customers" in words
    assert "Needs action this week 6,000.50 3 customers" in words
    assert "1 more customer at risk without an ARR on record" in words
    order = [
        words.index(part) for part in ("Take over at Soon", "When it renews", "Whose it is", "What we do not know")
    ]
    assert order == sorted(order)


def test_a_card_tells_the_worst_evidence_and_what_its_action_answers() -> None:
    given = pictured()
    more = [f"evidence {number}" for number in range(6)]
    signals = pl.concat(
        given["signals"].head(1).with_columns(signal=pl.lit(text), reason=pl.lit(text), status=pl.lit("critical"))
        for text in more
    )
    tasks = given["tasks"].with_columns(reason=pl.lit("evidence 5"))
    renewals = given["renewals"].with_columns(reasons=pl.lit(["health is red", "disputed", "no review"]))
    page = renewal_risk_page(drawn_report(signals=signals, tasks=tasks, renewals=renewals))
    words = Page(page).words
    assert "→ Take over at Soon Health is red · Evidence 0 · Evidence 5" in words
    assert "No review Evidence 0 Evidence 1 Evidence 2 Evidence 5 2 more" in words


def test_what_at_risk_means_stands_beside_the_headline() -> None:
    words = Page(renewal_risk_page(drawn_report())).words
    meaning = words[words.index("What the policy calls at risk") : words.index("Needs action this week At risk")]
    assert "High risk the renewal date has passed, health is red, or a veto holds" in meaning
    assert "Medium risk health is yellow, sources disagree on the renewal date, or no review is scheduled" in meaning
    assert "not counted" not in meaning


def test_windows_are_called_by_the_days_that_the_policy_gives_them() -> None:
    words = Page(renewal_risk_page(drawn_report(policy=with_windows(45, 60, 120)))).words
    assert "next 120 days" in words
    assert "renewing within 45 days" in words
    assert "46–60 days" in words
    assert "61–120 days" in words
    assert not re.search(r"\b(30|31–60|61–90|90) days", words.replace("in 30 days", "").replace("in 90 days", ""))


def test_where_nothing_is_near_nothing_is_overdue_either() -> None:
    terms = pictured()["renewals"].with_columns(window=pl.lit("later"))
    words = Page(renewal_risk_page(drawn_report(renewals=terms))).words
    assert words.count("nothing renews in the next 90 days, and nothing is overdue") == 2  # currencies
    assert "Nothing in USD renews in the next 90 days, and nothing is overdue." in words


def test_a_window_without_a_day_is_shown_only_where_somebody_was_judged_to_be_in_it() -> None:
    policy = with_windows(45, 45, 120)
    assert "Past 45 days (d60): 3,000 · 1 customer" in Page(renewal_risk_page(drawn_report(policy=policy))).words
    terms = pictured()["renewals"].filter(pl.col("window") != "d60")
    words = Page(renewal_risk_page(drawn_report(policy=policy, renewals=terms))).words
    assert "(d60)" not in words
    assert "46–120 days: 5,000" in words


def test_a_policy_that_counts_high_risk_alone_says_so() -> None:
    policy = load_policy(None)
    risk = policy.renewals.risk.model_copy(update={"arr_at_risk": (RenewalRiskLevel.HIGH,)})
    strict = policy.model_copy(update={"renewals": policy.renewals.model_copy(update={"risk": risk})})
    words = Page(renewal_risk_page(drawn_report(policy=strict))).words
    assert "Medium risk, not counted as at risk" in words
    assert "High risk, not counted" not in words


@pytest.mark.parametrize("minor", [1, 3, 10**15])
def test_the_parts_of_the_bar_fill_it_without_a_gap(minor: int) -> None:
    renewals = pictured()["renewals"].with_columns(arr_minor=pl.lit(minor), arr_at_risk_minor=pl.lit(minor))
    page = Page(renewal_risk_page(drawn_report(renewals=renewals.filter(pl.col("currency") == "USD"))))
    strip = [(name, value) for tag, name, value in page.attributes if tag == "rect" and name in ("x", "width")][:8]
    starts, lengths = ([int(value) for name, value in strip if name == wanted] for wanted in ("x", "width"))
    assert starts == [0, 250, 500, 750]
    assert [start + length for start, length in zip(starts, lengths, strict=True)] == [250, 500, 750, 1000]


def test_the_chart_has_a_name_a_description_and_a_table_beside_it() -> None:
    page = Page(renewal_risk_page(drawn_report()))
    assert page.words.count("ARR up for renewal in the next 90 days, and overdue, by health, USD") == 1
    assert "31–60 days: 3,000 · 1 customer · 3,000 at risk" in page.words
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    for _, name, value in page.attributes:
        assert name != "aria-labelledby" or set(value.split()) <= set(ids)


def test_a_stale_crm_and_troubles_are_said_before_everything_else() -> None:
    late = pictured()["freshness"].with_columns(
        until=pl.when(pl.col("crm") == "salesforce").then(pl.col("until").dt.offset_by("-1d")).otherwise("until")
    )
    report = drawn_report(freshness=late, troubles=[Trouble("salesforce pull", "not <b>reachable</b>")])
    words = Page(renewal_risk_page(report)).words
    assert "Salesforce data is as of 2026-11-19 21:55 UTC" in words
    assert "Salesforce pull: not <b>reachable</b>" in words
    assert words.index("Not all data is current") < words.index("ARR up for renewal")
    assert "Not all data is current" not in Page(renewal_risk_page(drawn_report())).words


def test_an_empty_portfolio_gives_a_page_that_says_so() -> None:
    empty = {name: frame.clear() for name, frame in pictured().items() if isinstance(frame, pl.DataFrame)}
    words = Page(renewal_risk_page(drawn_report(**empty))).words
    assert "0 customers" in words
    assert "No customer has an ARR on record" in words
    assert "never pulled" in words


def test_a_long_portfolio_stays_readable_and_says_what_it_leaves_out() -> None:
    report = repeated(drawn_report(), 400)
    page = renewal_risk_page(report)
    words = Page(page).words
    assert len(page) < 1_000_000
    assert "100 more customers of this window" in words
    assert (FULL_ROWS, SHORT_ROWS) == (300, 600)


def repeated(report: RenewalRisk, times: int) -> RenewalRisk:
    late = report.accounts.filter(pl.col("window") == "overdue")
    return replace(report, accounts=pl.concat([late] * times))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", "ab"),
        ("two\nlines\tand more", "two lines and more"),
        ("x" * 1_000_000, "x" * 299 + "…"),
        ("\x00\x1b[31m", "[31m"),
        ("\ud800lone", "lone"),
        (None, ""),
    ],
)
def test_inert_text(text: str | None, shown: str) -> None:
    assert said.inert(text) == shown


@pytest.mark.parametrize(
    ("minor", "digits", "shown"),
    [(0, 2, "0"), (123456789, 2, "1,234,567.89"), (-5, 2, "-0.05"), (1200, 0, "1,200"), (1500, 3, "1.500")],
)
def test_amounts_are_exact(minor: int, digits: int, shown: str) -> None:
    assert said.amount(minor, digits) == shown


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 0, ""), (0, 9, "0 %"), (1, 1000, "under 1 %"), (999, 1000, "over 99 %"), (1, 2, "50 %"), (5, 5, "100 %")],
)
def test_shares_never_round_to_nothing_or_all(part: int, whole: int, shown: str) -> None:
    assert said.share(part, whole) == shown


def test_distances_read_as_words() -> None:
    days: Sequence[int | None] = (None, -2, -1, 0, 1, 30)
    assert [said.distance(each) for each in days] == ["", "2 days ago", "1 day ago", "today", "in 1 day", "in 30 days"]
