"""Renewal dates with their provenance, windows, risk; stages and plan types."""

from datetime import date, timedelta

import polars as pl

from models import frames
from tests.tables import frame
from tests.transforms.portfolio_facts import TODAY, Portfolio, usage, used


def renewals(portfolio: Portfolio, *columns: str, as_of: date = TODAY) -> list[tuple[object, ...]]:
    return portfolio.assessed(as_of)["renewals"].select("customer_id", *columns).rows()


def test_the_date_comes_from_the_best_source() -> None:
    portfolio = Portfolio(
        "a b c d e f g",
        accounts="""crm_id | renewal_date | contract_end_date
                    a      | 2027-03-01   | 2027-02-20
                    b      |              | 2027-02-20
                    c      |              |
                    d      |              |
                    e      |              |
                    f      | 2026-11-30   | 2026-11-30
                    g      | 2026-10-01   |""",
        opportunities="""of | kind    | is_closed | is_won | close_date
                         a  | renewal | no        | no     | 2027-01-15
                         c  | renewal | no        | no     | 2027-01-15
                         c  | renewal | no        | no     | 2027-01-10
                         c  | new     | no        | no     | 2027-01-01
                         d  | new     | yes       | yes    | 2025-12-01
                         d  | new     | yes       | no     | 2026-08-01
                         f  | renewal | yes       | yes    | 2026-10-15
                         g  | renewal | yes       | no     | 2026-09-30""",
    )
    assert renewals(portfolio, "renewal_date", "renewal_source", "window") == [
        ("a", date(2027, 3, 1), "salesforce account renewal date", "later"),
        ("b", date(2027, 2, 20), "salesforce contract end date", "later"),
        ("c", date(2027, 1, 10), "salesforce open renewal's close date", "d60"),
        ("d", date(2026, 12, 1), "salesforce last won deal plus the assumed term", "d30"),
        ("e", None, None, "unknown"),
        ("f", date(2027, 10, 15), "salesforce last won deal plus the assumed term", "later"),
        ("g", date(2026, 10, 1), "salesforce account renewal date", "overdue"),
    ]


def test_dates_that_differ_by_more_than_two_weeks_are_disputed() -> None:
    portfolio = Portfolio(
        "a b c",
        accounts="""crm_id | crm        | renewal_date | contract_end_date
                    a      | salesforce | 2027-03-01   | 2027-03-15
                    b      | salesforce | 2027-03-01   | 2027-03-16
                    c      | salesforce | 2027-03-01   |
                    c@hub  | hubspot    | 2027-04-01   | """,
    )
    assert renewals(portfolio, "is_disputed", "candidates") == [
        ("a", False, ["2027-03-01: salesforce account renewal date", "2027-03-15: salesforce contract end date"]),
        ("b", True, ["2027-03-01: salesforce account renewal date", "2027-03-16: salesforce contract end date"]),
        ("c", True, ["2027-03-01: salesforce account renewal date", "2027-04-01: hubspot account renewal date"]),
    ]


def test_windows_begin_on_their_day() -> None:
    ahead = {-1: "overdue", 0: "d30", 30: "d30", 31: "d60", 60: "d60", 61: "d90", 90: "d90", 91: "later"}
    names = [f"c{number}" for number in range(len(ahead))]
    rows = [f"{name} | {TODAY + timedelta(days=days)} | 30" for name, days in zip(names, ahead, strict=True)]
    portfolio = Portfolio(" ".join(names), accounts="\n".join(["crm_id | renewal_date | notice_days", *rows]))
    assert renewals(portfolio, "window", "days_to_renewal", "notice_date") == [
        (name, window, days, TODAY + timedelta(days=days - 30))
        for name, (days, window) in zip(names, ahead.items(), strict=True)
    ]


def test_a_meeting_ahead_of_the_renewal_is_a_review() -> None:
    portfolio = Portfolio(
        "a b c",
        accounts="crm_id | renewal_date\na | 2026-12-20\nb | 2026-12-20\nc | 2026-12-20",
        activities="""of | kind    | outcome   | occurred_at
                      a  | meeting | completed | 2026-12-20
                      b  | meeting | scheduled | 2026-12-21
                      c  | meeting | cancelled | 2026-12-01""",
    )
    assert renewals(portfolio, "has_review_scheduled") == [("a", True), ("b", False), ("c", False)]


def test_risk_names_its_reasons_and_the_money() -> None:
    portfolio = Portfolio(
        "a b c",
        customers="""customer_id | arr_minor | currency
                     a           | 100       | EUR
                     b           | 200       | USD
                     c           |           | """,
        accounts="crm_id | renewal_date\na | 2026-12-20\nb | 2027-12-20\nc |",
        contacts="of | name | role | has_left\na | Jo | executive_sponsor | yes\nb | Al | executive_sponsor | no",
        usage=usage(*[used("b", [5] * 10, feature) for feature in ("login", "x", "y", "z")]),
    )
    vetoes, blind = "Executive sponsor gone; No executive sponsor named", "too little data for a health score"
    assert renewals(portfolio, "risk", "arr_at_risk_minor", "currency", "reasons") == [
        ("a", "high", 100, "EUR", [vetoes, blind, "no review is scheduled before the renewal"]),
        ("b", "low", 0, "USD", []),
        ("c", "unknown", None, None, [blind, "no renewal date on record"]),
    ]


def test_stages_plans_and_reviews() -> None:
    portfolio = Portfolio(
        "a b c d e f g h",
        customers="""customer_id | arr_minor | currency | is_strategic | tier       | contract_start_date
                     a           | 5000000   | USD      |              |            | 2026-08-24
                     b           | 1500001   | USD      |              |            | 2026-08-23
                     c           | 1500000   | USD      |              |            |
                     d           | 500000    | USD      |              |            |
                     e           | 500000    | USD      | yes          |            |
                     f           |           |          |              | Mid-Market |
                     g           | 4600000   | EUR      |              |            |
                     h           | 4600000   | XXX      |              |            | """,
        accounts="crm_id | renewal_date\na | 2027-08-24\nb |\nc | 2026-12-01\nd |\ne |\nf |\ng |\nh |",
        opportunities="""of | kind    | is_closed | is_won | close_date
                         d  | renewal | yes       | yes    | 2026-10-22
                         e  | renewal | yes       | yes    | 2026-10-21
                         f  | new     | yes       | yes    | 2026-09-30""",
        activities="of | kind | outcome | occurred_at\na | meeting | completed | 2026-11-01",
        plan_items="of | kind | title\na | goal | Grow\nb | action | Call",
    )
    columns = ("customer_id", "stage", "engagement_model", "plan_type", "is_plan_due", "has_agreed_plan")
    assert portfolio.assessed()["lifecycle"].select(columns).rows() == [
        ("a", "onboarding", "high_touch", "formal", True, True),
        ("b", "adoption", "hybrid", "one_page", True, False),
        ("c", "renewal", "low_touch", "lightweight", True, False),
        ("d", "post_renewal", "low_touch", "none", False, False),
        ("e", "adoption", "low_touch", "formal", True, False),
        ("f", "onboarding", "hybrid", "one_page", True, False),
        ("g", "unknown", "high_touch", "formal", True, False),  # 46,000 euros are more than 50,000 dollars
        ("h", "unknown", None, "unknown", False, False),
    ]
    first = portfolio.assessed()["lifecycle"].row(0, named=True)
    assert (first["last_engagement_date"], first["next_review_date"]) == (date(2026, 11, 1), date(2026, 11, 8))


def test_every_customer_has_a_row_everywhere_even_with_nothing_but_a_name() -> None:
    found = Portfolio("a b").assessed()
    for name in ("health", "renewals", "lifecycle"):
        assert found[name]["customer_id"].to_list() == ["a", "b"]
    assert found["signals"].group_by("customer_id").len().sort("customer_id").rows() == [("a", 17), ("b", 17)]
    assert set(found["signals"]["status"]) == {"not_classifiable"}
    schemas = {"signals": frames.Signals, "health": frames.Health, "renewals": frames.Renewals}
    schemas |= {"lifecycle": frames.Lifecycle, "tasks": frames.TasksDue}
    for name, schema in schemas.items():
        assert schema.is_valid(found[name]), name
        assert found[name].columns == schema.column_names()
    assert frame("x | y\n1 | 2").select(pl.col("x")).item() == "1"
