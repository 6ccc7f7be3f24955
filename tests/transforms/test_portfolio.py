"""What leaders read: sums that are exactly the accounts under them, nothing dropped, and what is unknown said."""

import random
from dataclasses import asdict
from typing import Any

import polars as pl
import pytest

from models.enums import Band, RenewalWindow
from models.enums import RenewalRisk as Risk
from models.policy.load import load_policy
from models.reports import NEAR, UNKNOWN_NAMES, CurrencyBlock, Figures, RiskMeaning, Trouble
from models.reports import RenewalRisk as Report
from tests.portfolio_drawn import drawn_report, pictured
from tests.tables import frame
from transforms.risk_words import risk_meanings


def of(report: Report, customer_id: str) -> dict[str, Any]:
    return report.accounts.row(by_predicate=pl.col("customer_id") == customer_id, named=True)


def test_currencies_are_never_mixed_and_the_largest_comes_first() -> None:
    dollars, euros = drawn_report().blocks
    assert (dollars.currency, dollars.total.arr_minor, dollars.total.arr_at_risk_minor) == ("USD", 1500051, 600050)
    assert (euros.currency, euros.total.arr_minor, euros.total.arr_at_risk_minor) == ("EUR", 700000, 700000)


def test_arr_that_nobody_can_judge_is_neither_safe_nor_at_risk() -> None:
    dollars = drawn_report().blocks[0]
    assert dollars.total.arr_unjudged_minor == 500000
    assert dollars.near == Figures(4, 3, 1100050, 600050, 500000)


def test_windows_and_bands_come_in_reading_order() -> None:
    dollars = drawn_report().blocks[0]
    assert dollars.by_window.select("window", "band", "arr_at_risk_minor").rows() == [
        ("overdue", "red", 100050),
        ("d30", "yellow", 200000),
        ("d60", "green", 300000),
        ("d90", "insufficient", 0),
        ("later", "green", 0),
    ]


def test_what_renews_soon_is_told_by_health_and_by_risk_also_where_nobody_is() -> None:
    dollars, euros = drawn_report().blocks
    columns = ["customers_count", "arr_minor", "arr_at_risk_minor"]
    assert dollars.near_by_band.select("band", *columns).rows() == [
        ("red", 1, 100050, 100050),
        ("yellow", 1, 200000, 200000),
        ("insufficient", 1, 500000, 0),
        ("green", 1, 300000, 300000),
    ]
    assert euros.near_by_risk.select("risk", *columns).rows() == [
        ("high", 0, 0, 0),
        ("medium", 1, 700000, 700000),
        ("unknown", 0, 0, 0),
        ("low", 0, 0, 0),
    ]


def test_what_a_risk_means_follows_the_policy() -> None:
    policy = load_policy(None)
    high, medium = risk_meanings(policy)
    assert (high.risk, high.is_at_risk, medium.risk, medium.is_at_risk) == ("high", True, "medium", True)
    assert high.reasons[:2] == ("the renewal date has passed", "health is red")
    assert "Executive sponsor gone" in high.reasons[2]
    rules = policy.renewals.risk.model_copy(
        update={"levels": {"band_red": Risk.MEDIUM, "no_review": Risk.LOW}, "arr_at_risk": (Risk.HIGH,)}
    )
    lenient = policy.model_copy(update={"renewals": policy.renewals.model_copy(update={"risk": rules})})
    assert risk_meanings(lenient) == (RiskMeaning("medium", False, ("health is red",)),)


def test_a_reason_that_the_policy_can_never_find_is_not_told() -> None:
    policy = load_policy(None)
    rules, dates, health = policy.renewals.risk, policy.renewals.date, policy.health
    terms = {
        "risk": rules.model_copy(update={"review_windows": ()}),
        "date": dates.model_copy(update={"disputing": ()}),
    }
    bare = policy.model_copy(
        update={
            "health": health.model_copy(update={"vetoes": {}}),
            "renewals": policy.renewals.model_copy(update=terms),
        }
    )
    high, medium = risk_meanings(bare)
    assert high.reasons == ("the renewal date has passed", "health is red")
    assert medium.reasons == ("health is yellow",)


def test_owners_come_by_what_is_at_risk_soon() -> None:
    dollars, euros = drawn_report().blocks
    columns = ["owner", "customers_count", "near_at_risk_count", "near_at_risk_minor"]
    assert dollars.by_owner.select(columns).rows() == [("Ann", 2, 2, 300050), ("Ben", 2, 1, 300000), ("Cyd", 1, 0, 0)]
    assert euros.by_owner.select(columns).rows() == [(None, 1, 1, 700000)]


def test_this_week_matters_where_time_or_trouble_presses() -> None:
    report = drawn_report()
    urgent = report.accounts.filter("is_urgent")["customer_id"].to_list()
    assert urgent == ["late", "soon", "notice"]  # overdue; within 30 days; notice ends in a week
    pressed = pictured()["renewals"].with_columns(risk=pl.lit("high"))
    assert of(drawn_report(renewals=pressed), "euro")["is_urgent"]  # high risk within 90 days
    assert not of(drawn_report(renewals=pressed), "steady")["is_urgent"]


def test_reasons_evidence_and_actions_are_told_worst_first() -> None:
    soon = of(drawn_report(), "soon")
    assert soon["reasons"] == ["health is yellow"]
    assert soon["evidence"] == ["an escalation is open", "NPS answers are low"]
    assert soon["actions"] == ["Take over at Soon", "Call Soon"]


def test_evidence_comes_in_the_order_of_the_drivers_of_the_score() -> None:
    given = pictured()
    drop = given["signals"].head(1).with_columns(signal=pl.lit("usage_drop"), reason=pl.lit("usage dropped"))
    driven = given["health"].with_columns(
        drivers=pl.when(pl.col("customer_id") == "soon").then(pl.lit(["Usage trend: usage dropped"])).otherwise([])
    )
    signals = pl.concat([given["signals"], drop])
    soon = of(drawn_report(signals=signals, health=driven), "soon")
    assert soon["evidence"] == ["usage dropped", "an escalation is open", "NPS answers are low"]


def test_a_customer_of_whom_nothing_is_concluded_is_listed_as_unknown() -> None:
    stranger = (
        pictured()["customers"].head(1).with_columns(customer_id=pl.lit("new"), owner_name=pl.lit(None, pl.String))
    )
    report = drawn_report(customers=pl.concat([pictured()["customers"], stranger]))
    row = of(report, "new")
    assert (row["window"], row["band"], row["risk"], row["is_at_risk"]) == ("unknown", "insufficient", "unknown", False)
    kinds = report.unknowns.filter(pl.col("customer_id") == "new")["kind"].to_list()
    assert kinds == ["renewal_date", "arr", "health", "owner"]


def test_what_is_unknown_is_counted_and_named() -> None:
    found = drawn_report().unknowns.select("kind", "customer_id").rows()
    assert found == [
        ("renewal_date", "bare"),
        ("disputed", "soon"),
        ("arr", "bare"),
        ("health", "blind"),
        ("owner", "euro"),
        ("inactive_owner", "blind"),
    ]
    assert drawn_report().unknowns["detail"][1] == "2026-12-20: a; 2027-03-01: b"


@pytest.mark.parametrize(
    ("salesforce_until", "is_stale"),
    [("2026-11-20T21:55:00Z", False), ("2026-11-20T08:00:00Z", False), ("2026-11-20T07:59:59Z", True)],
)
def test_a_crm_that_lags_the_other_is_stale(salesforce_until: str, is_stale: bool) -> None:
    report = drawn_report(freshness=_watermarks(salesforce_until, "2026-11-20T20:00:00Z"))
    assert report.freshness["is_stale"].to_list() == [False, is_stale]


def test_both_crms_are_stale_when_neither_was_read_the_day_before() -> None:
    report = drawn_report(freshness=_watermarks("2026-11-18T21:55:00Z", "2026-11-18T21:00:00Z"))
    assert report.freshness["is_stale"].to_list() == [True, True]


def test_the_oldest_watermark_speaks_for_its_crm() -> None:
    until = drawn_report().freshness["until"].dt.hour().to_list()
    assert until == [20, 21]


def test_troubles_are_passed_on() -> None:
    trouble = Trouble("salesforce pull", "not reachable")
    report = drawn_report(troubles=[trouble])
    assert report.troubles == (trouble,)
    assert report.freshness.select("crm", "is_stale").rows() == [("hubspot", False), ("salesforce", True)]
    assert not drawn_report(troubles=[Trouble("salesforce push", "not reachable")]).freshness["is_stale"].any()


def test_an_empty_portfolio_is_a_report_too() -> None:
    empty = {name: frame.clear() for name, frame in pictured().items() if isinstance(frame, pl.DataFrame)}
    report = drawn_report(**empty)
    assert (report.blocks, report.accounts.height, report.unknowns.height) == ((), 0, 0)


def test_invisible_characters_of_names_are_gone_and_amounts_keep_their_decimals() -> None:
    renamed = pictured()["customers"].with_columns(name=pl.lit("Evil\u202e \x00 Inc\n"))
    yen = pictured()["renewals"].with_columns(
        currency=pl.when(pl.col("currency") == "EUR").then(pl.lit("JPY")).otherwise("currency")
    )
    report = drawn_report(customers=renamed, renewals=yen)
    assert of(report, "soon")["customer"] == "Evil Inc"
    assert {block.currency: block.minor_digits for block in report.blocks} == {"USD": 2, "JPY": 0}


@pytest.mark.parametrize("seed", range(8))
def test_every_figure_is_the_sum_of_the_accounts_listed_under_it(seed: int) -> None:
    report = drawn_report(**_portfolio_at_random(random.Random(seed)))
    assert report.accounts.height == 120
    for block in report.blocks:
        mine = report.accounts.filter(pl.col("currency") == block.currency).to_dicts()
        near = [row for row in mine if row["window"] in NEAR]
        assert _sums(mine) == block.total
        assert _sums(near) == block.near
        assert _sums([row for row in mine if row["is_urgent"]]) == block.urgent
        assert _sums([row for row in near if not row["has_review_scheduled"]]) == block.no_review
        _agree(block.near_by_band, near, "band")
        _agree(block.near_by_risk, near, "risk")
        _agree(block.by_window, mine, "window", "band")
        _agree(block.by_owner, mine, "owner")
        _agree_soon(block, near)
    assert {block.currency for block in report.blocks} == set(report.accounts["currency"].drop_nulls())
    assert set(report.unknowns["kind"]) <= set(UNKNOWN_NAMES)


def test_row_order_does_not_matter() -> None:
    given = _portfolio_at_random(random.Random(1))
    turned = {name: frame.reverse() for name, frame in given.items()}
    one, other = drawn_report(**given), drawn_report(**turned)
    assert one.accounts.equals(other.accounts)
    assert one.unknowns.equals(other.unknowns)
    for left, right in zip(one.blocks, other.blocks, strict=True):
        assert left.by_owner.equals(right.by_owner)


def _sums(rows: list[dict[str, Any]]) -> Figures:
    return Figures(
        customers_count=len(rows),
        at_risk_count=sum(row["is_at_risk"] for row in rows),
        arr_minor=sum(row["arr_minor"] for row in rows),
        arr_at_risk_minor=sum(row["arr_at_risk_minor"] or 0 for row in rows),
        arr_unjudged_minor=sum(row["arr_minor"] for row in rows if row["arr_at_risk_minor"] is None),
    )


def _agree(table: pl.DataFrame, rows: list[dict[str, Any]], *keys: str) -> None:
    """Every line of a table is the sum of its rows, and no row is on no line."""
    for line in table.iter_rows(named=True):
        mine = [row for row in rows if all(row[key] == line[key] for key in keys)]
        assert asdict(_sums(mine)) == {name: line[name] for name in Figures.__slots__}
    assert table["customers_count"].sum() == len(rows)


def _agree_soon(block: CurrencyBlock, near: list[dict[str, Any]]) -> None:
    for line in block.by_owner.iter_rows(named=True):
        mine = [row for row in near if row["owner"] == line["owner"] and row["is_at_risk"]]
        assert line["near_at_risk_count"] == len(mine)
        assert line["near_at_risk_minor"] == sum(row["arr_at_risk_minor"] or 0 for row in mine)


def _portfolio_at_random(dice: random.Random) -> dict[str, pl.DataFrame]:
    """120 customers with anything missing."""
    ids = [f"c{number:03}" for number in range(120)]
    base = pictured()
    people = base["customers"].head(1).drop("customer_id", "owner_name")
    owners = [dice.choice(["Ann", "Ben", "Cyd", None]) for _ in ids]
    terms = [_term(dice) for _ in ids]
    customers = pl.DataFrame({"customer_id": ids, "owner_name": owners}).join(people, how="cross")
    rest = base["renewals"].head(1).drop("customer_id", *terms[0])
    renewals = pl.DataFrame({"customer_id": ids}).hstack(
        pl.DataFrame(terms, schema={name: base["renewals"].schema[name] for name in terms[0]}, orient="row")
    )
    health = base["health"].head(1).drop("customer_id", "band")
    bands = pl.DataFrame({"customer_id": ids, "band": [str(dice.choice(list(Band))) for _ in ids]})
    return {
        "customers": customers,
        "renewals": renewals.join(rest, how="cross"),
        "health": bands.join(health, how="cross"),
    }


def _term(dice: random.Random) -> dict[str, Any]:
    risk = dice.choice(list(Risk))
    arr = dice.choice([None, 0, dice.randrange(10**9)])
    at_risk = None if arr is None or risk == "unknown" else arr * (risk in ("high", "medium"))
    return {
        "has_review_scheduled": dice.choice([True, False, None]),
        "window": str(dice.choice(list(RenewalWindow))),
        "risk": str(risk),
        "arr_minor": arr,
        "arr_at_risk_minor": at_risk,
        "currency": None if arr is None else dice.choice(["USD", "EUR", "JPY"]),
    }


def _watermarks(salesforce: str, hubspot: str) -> pl.DataFrame:
    picture = f"crm | until\nsalesforce | {salesforce}\nhubspot | {hubspot}"
    return frame(picture).with_columns(pl.col("until").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC"))
