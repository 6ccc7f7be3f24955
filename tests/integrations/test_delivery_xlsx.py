"""The workbook: text stays text, amounts are numbers, dates are dates, and no cell calculates or links."""

import re
from datetime import date
from io import BytesIO
from zipfile import ZipFile

import pytest
from python_calamine import CalamineWorkbook

from integrations.delivery.xlsx import renewal_risk_workbook
from tests.integrations.hostile import PAYLOADS, hostile_report
from tests.portfolio_drawn import drawn_report, pictured


@pytest.fixture(scope="module")
def hostile() -> bytes:
    return renewal_risk_workbook(hostile_report())


def sheets(content: bytes) -> dict[str, list[list[object]]]:
    book = CalamineWorkbook.from_filelike(BytesIO(content))
    return {name: book.get_sheet_by_name(name).to_python() for name in book.sheet_names}


def parts(content: bytes) -> dict[str, str]:
    with ZipFile(BytesIO(content)) as package:
        return {name: package.read(name).decode() for name in package.namelist()}


def test_no_part_of_the_workbook_calculates_links_or_runs(hostile: bytes) -> None:
    found = parts(hostile)
    assert not [name for name in found if re.search("externalLink|connections|vba|embeddings|hyperlink|ddeLink", name)]
    for name, text in found.items():
        if name.startswith("xl/worksheets/sheet"):
            assert "<f>" not in text
            assert "<f " not in text
            assert "hyperlink" not in text
            assert set(re.findall(r'<c [^>]*t="(\w+)"', text)) <= {"s"}
        if name.endswith(".rels"):
            assert 'TargetMode="External"' not in text


def test_every_payload_comes_back_as_text(hostile: bytes) -> None:
    accounts = sheets(hostile)["Accounts"]
    assert len(accounts) == len(PAYLOADS) + 1
    heading = accounts[0]
    for column in ("Customer", "Owner", "Segment", "Date from", "Currency", "Reasons", "Evidence", "Next actions"):
        values = [row[heading.index(column)] for row in accounts[1:]]
        assert all(isinstance(value, str) for value in values)
    names = [row[0] for row in accounts[1:]]
    for payload in ('=HYPERLINK("https://evil.example","press")', "0012", "true", "_x0041_ _x003D_1+1", "＝1+1"):
        assert payload in names


def test_no_cell_begins_with_a_blank_that_hides_a_formula(hostile: bytes) -> None:
    cells = [cell for rows in sheets(hostile).values() for row in rows for cell in row if isinstance(cell, str)]
    assert not [cell for cell in cells if cell[:1] in ("\t", "\r", "\n")]
    assert not [cell for cell in cells if re.search("[\x00-\x08\u200b\u202a-\u202e\u2066-\u2069]", cell)]
    assert max(map(len, cells)) <= 32_767


def test_amounts_dates_and_counts_have_their_types() -> None:
    accounts = sheets(renewal_risk_workbook(drawn_report()))["Accounts"]
    rows = [dict(zip(accounts[0], row, strict=True)) for row in accounts[1:]]
    late, steady = rows[0], rows[-2]
    assert (late["Customer"], late["ARR"], late["ARR at risk"], late["Currency"]) == ("Late", 1000.5, 1000.5, "USD")
    assert (late["Renewal date"], late["Days"], late["Window"]) == (date(2026, 11, 1), -19, "Overdue")
    assert (steady["Customer"], steady["ARR"], steady["ARR at risk"]) == ("Stead", 4000.01, 0)
    assert {row["Risk"] for row in rows} == {"High risk", "Medium risk", "Low risk", "Not judged"}
    assert [row["Customer"] for row in rows if row["ARR at risk"] == ""] == ["Blind", "Bare"]


def test_the_sums_of_the_accounts_are_the_figures_of_the_summary() -> None:
    found = sheets(renewal_risk_workbook(drawn_report()))
    heading, *accounts = found["Accounts"]
    currency, arr, at_risk = (heading.index(name) for name in ("Currency", "ARR", "ARR at risk"))
    for code in ("USD", "EUR"):
        mine = [row for row in accounts if row[currency] == code]
        start = next(place for place, row in enumerate(found["Summary"]) if row[0] == code)
        total = next(row for row in found["Summary"][start:] if row[0] == "All renewal dates")
        assert total[1] == len(mine)
        assert total[2] == pytest.approx(sum(float(str(row[arr])) for row in mine))
        assert total[4] == pytest.approx(sum(float(str(row[at_risk] or 0)) for row in mine))


def test_what_is_up_for_renewal_is_told_by_health_and_by_risk_with_what_a_risk_means() -> None:
    summary = sheets(renewal_risk_workbook(drawn_report()))["Summary"]
    told = {str(row[0]): row[1:5] for row in reversed(summary)}  # the first currency's rows stand last
    assert told["Next 90 days, and overdue"] == [4, 11000.5, 3, 6000.5]
    assert told["of these, health red"] == [1, 1000.5, 1, 1000.5]
    assert told["of these, health insufficient data"] == [1, 5000, 0, 0]
    assert told["of these, high risk"] == [1, 1000.5, 1, 1000.5]
    assert told["of these, no review scheduled"] == [3, 6000.5, 3, 6000.5]
    assert str(told["High risk (at risk)"][0]).startswith("the renewal date has passed; health is red; a veto holds")


def test_what_is_unknown_is_listed() -> None:
    unknown = sheets(renewal_risk_workbook(drawn_report()))["Unknown"]
    assert [row[:2] for row in unknown[1:3]] == [["No renewal date", "Bare"], ["Disputed renewal date", "Soon"]]
    assert len(unknown) == 7


def test_the_same_report_gives_the_same_bytes() -> None:
    assert renewal_risk_workbook(drawn_report()) == renewal_risk_workbook(drawn_report())
    assert renewal_risk_workbook(drawn_report()) != renewal_risk_workbook(
        drawn_report(renewals=pictured()["renewals"].head(3))
    )


def test_headings_stay_in_sight_and_filter() -> None:
    found = parts(renewal_risk_workbook(drawn_report()))
    for number in (2, 3):
        sheet = found[f"xl/worksheets/sheet{number}.xml"]
        assert 'state="frozen"' in sheet
        assert "<autoFilter" in sheet
