"""Reports as a workbook that holds data only: text stays text, amounts are numbers, dates are dates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from io import BytesIO
from typing import Any

import polars as pl
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from integrations.delivery import said
from models.reports import (
    BAND_NAMES,
    RISK_NAMES,
    UNKNOWN_NAMES,
    CurrencyBlock,
    Figures,
    RenewalRisk,
    WindowDays,
    window_names,
)

CELL_LIMIT = 2000
"""Characters of one cell: what a person reads there; Excel itself ends at 32,767."""

Row = dict[str, Any]
Value = str | int | float | date | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sheet: its heading, its width in characters, and its value in a row."""

    heading: str
    width: int
    value: Callable[[Row], Value]


def _text(name: str) -> Callable[[Row], Value]:
    return lambda row: row[name]


def _lines(name: str) -> Callable[[Row], Value]:
    return lambda row: "\n".join(said.sentences(row[name]))


def _major(name: str) -> Callable[[Row], Value]:
    """An amount in major units; exact to 15 digits, which is all that a spreadsheet keeps."""
    return lambda row: None if row[name] is None else row[name] / 10 ** row["minor_digits"]


ACCOUNTS = (
    Column("Customer", 32, _text("customer")),
    Column("Owner", 20, _text("owner")),
    Column("Owner active", 9, lambda row: {True: "yes", False: "no"}.get(row["owner_is_active"])),
    Column("Segment", 14, _text("segment")),
    Column("Stage", 13, lambda row: str(row["stage"]).replace("_", "-")),
    Column("Window", 16, _text("window_name")),
    Column("Renewal date", 12, _text("renewal_date")),
    Column("Days", 7, _text("days_to_renewal")),
    Column("Date from", 30, _text("renewal_source")),
    Column("Disputed", 9, lambda row: "yes" if row["is_disputed"] else "no"),
    Column("Notice until", 12, _text("notice_date")),
    Column("Review scheduled", 10, lambda row: "yes" if row["has_review_scheduled"] else "no"),
    Column("Currency", 9, _text("currency")),
    Column("ARR", 15, _major("arr_minor")),
    Column("ARR at risk", 15, _major("arr_at_risk_minor")),
    Column("Risk", 13, lambda row: RISK_NAMES[row["risk"]]),
    Column("This week", 10, lambda row: "yes" if row["is_urgent"] else "no"),
    Column("Health", 17, lambda row: BAND_NAMES[row["band"]]),
    Column("Score", 8, _text("score")),
    Column("Data %", 8, _text("coverage_pct")),
    Column("Last contact", 12, _text("last_engagement_date")),
    Column("Reasons", 42, _lines("reasons")),
    Column("Evidence", 52, _lines("evidence")),
    Column("Next actions", 56, _lines("actions")),
    Column("Customer id", 23, _text("customer_id")),
)
UNKNOWN = (
    Column("Unknown", 30, lambda row: UNKNOWN_NAMES[row["kind"]][0]),
    Column("Customer", 32, _text("customer")),
    Column("Owner", 20, _text("owner")),
    Column("Renewal date", 12, _text("renewal_date")),
    Column("Currency", 9, _text("currency")),
    Column("ARR", 15, _major("arr_minor")),
    Column("Detail", 70, _text("detail")),
    Column("Customer id", 23, _text("customer_id")),
)
_WIDE = ("Reasons", "Evidence", "Next actions", "Detail")
_FIGURES = ("Customers", "ARR", "Customers at risk", "ARR at risk", "ARR not judged")


def renewal_risk_workbook(report: RenewalRisk) -> bytes:
    """The renewal-risk report as XLSX: sheets Summary, Accounts and Unknown; the same report gives the same bytes.

    Source:
        ECMA-376; cells are written by type, never by the look of their text, so that none becomes a formula or a link.
    """
    target = BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(target, options) as book:
        made = datetime.combine(report.as_of, time.min)
        book.set_properties({"title": f"Renewal risk, {report.as_of}", "author": "plansync", "created": made})
        looks = _Looks.of(book)
        _summary(_Sheet(book.add_worksheet("Summary"), looks), report)
        _table(_Sheet(book.add_worksheet("Accounts"), looks), ACCOUNTS, _named_windows(report).iter_rows(named=True))
        _table(_Sheet(book.add_worksheet("Unknown"), looks), UNKNOWN, report.unknowns.iter_rows(named=True))
    return target.getvalue()


@dataclass(frozen=True, slots=True)
class _Looks:
    """The formats of a workbook."""

    title: Format
    heading: Format
    number_heading: Format
    label: Format
    text: Format
    wide: Format
    date: Format
    number: Format
    amounts: dict[int, Format]

    @classmethod
    def of(cls, book: xlsxwriter.Workbook) -> "_Looks":
        top = {"valign": "top"}
        head = {"bold": True, "bg_color": "#1C2330", "font_color": "#FFFFFF", "valign": "vcenter", "text_wrap": True}
        return cls(
            title=book.add_format({"bold": True, "font_size": 18}),
            heading=book.add_format(head),
            number_heading=book.add_format(head | {"align": "right"}),
            label=book.add_format({"bold": True}),
            text=book.add_format(top),
            wide=book.add_format(top | {"text_wrap": True}),
            date=book.add_format(top | {"num_format": "yyyy-mm-dd", "align": "left"}),
            number=book.add_format(top | {"num_format": "#,##0"}),
            amounts={digits: book.add_format(top | {"num_format": _amount_format(digits)}) for digits in (0, 2, 3)},
        )


def _amount_format(digits: int) -> str:
    return "#,##0" + ("." + "0" * digits if digits else "")


class _Sheet:
    """The one safe writer: a cell's type comes from the value's type, and text is never read."""

    def __init__(self, sheet: Worksheet, looks: _Looks) -> None:
        self.sheet = sheet
        self.looks = looks

    def write(self, row: int, column: int, value: Value, look: Format | None = None) -> None:
        looks = self.looks
        if value is None:
            return
        if isinstance(value, str):
            lines = [said.inert(line, CELL_LIMIT) for line in value[: 8 * CELL_LIMIT].split("\n")]
            text = "\n".join(filter(None, lines))[: 8 * CELL_LIMIT]
            self.sheet.write_string(row, column, text, look or looks.text)
        elif isinstance(value, date):
            self.sheet.write_datetime(row, column, datetime.combine(value, time.min), look or looks.date)
        else:
            self.sheet.write_number(row, column, value, look or looks.number)

    def line(self, row: int, values: Sequence[Value], look: Format | None = None) -> None:
        for column, value in enumerate(values):
            self.write(row, column, value, look)


def _named_windows(report: RenewalRisk) -> pl.DataFrame:
    names = {str(window): name for window, name in window_names(report.windows).items()}
    return report.accounts.with_columns(window_name=pl.col("window").replace_strict(names, return_dtype=pl.String))


def _table(target: _Sheet, columns: Sequence[Column], rows: Any) -> None:
    """A heading that stays in sight, filters, and one row per row."""
    looks, sheet = target.looks, target.sheet
    for place, column in enumerate(columns):
        sheet.set_column(place, place, column.width)
        target.write(0, place, column.heading, looks.heading)
    last = 0
    for last, row in enumerate(rows, start=1):
        for place, column in enumerate(columns):
            target.write(last, place, column.value(row), _look(column, row, looks))
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, last, len(columns) - 1)
    sheet.set_row(0, 30)
    sheet.set_landscape()
    sheet.repeat_rows(0)
    sheet.fit_to_pages(1, 0)


def _look(column: Column, row: Row, looks: _Looks) -> Format | None:
    if column.heading.startswith("ARR"):
        return looks.amounts[row["minor_digits"]]
    return looks.wide if column.heading in _WIDE else None


def _summary(target: _Sheet, report: RenewalRisk) -> None:
    """What is at risk in each currency, by window and band and by owner; from when the data is."""
    looks, sheet = target.looks, target.sheet
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 7, 19)
    target.write(0, 0, "Renewal risk", looks.title)
    row = 1
    for label, value in _about(report):
        target.write(row, 0, label, looks.label)
        target.write(row, 1, value)
        row += 1
    for block in report.blocks:
        row = _totals(target, row + 1, block, report.windows)
        row = _windows(target, row + 1, block, report.windows)
        row = _owners(target, row + 1, block, report.windows)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


def _about(report: RenewalRisk) -> list[tuple[str, Value]]:
    sources = [
        (
            f"{said.crm_name(row['crm'])} data up to",
            said.instant(row["until"]) + (" (stale)" if row["is_stale"] else ""),
        )
        for row in report.freshness.iter_rows(named=True)
    ]
    troubles = [("Trouble", f"{trouble.part}: {trouble.message}") for trouble in report.troubles]
    meanings = [
        (
            f"{RISK_NAMES[each.risk]} ({'at risk' if each.is_at_risk else 'not counted as at risk'})",
            "; ".join(each.reasons),
        )
        for each in report.meanings
    ]
    unknown = [
        (f"Unknown: {name}", sum(kind == each for each in report.unknowns["kind"]))
        for kind, (name, _) in UNKNOWN_NAMES.items()
    ]
    return [
        ("As of", report.as_of),
        ("Customers", report.accounts.height),
        *sources,
        *troubles,
        ("Policy version", report.policy_version),
        *meanings,
        *unknown,
    ]


def _heading(target: _Sheet, row: int, words: Sequence[str], texts: int) -> None:
    for place, word in enumerate(words):
        target.write(row, place, word, target.looks.heading if place < texts else target.looks.number_heading)


def _totals(target: _Sheet, row: int, block: CurrencyBlock, windows: WindowDays) -> int:
    _heading(target, row, [f"{block.currency}", *_FIGURES], 1)
    for name, figures in _named_totals(block, windows):
        row += 1
        target.write(row, 0, name)
        _figures(target, row, 1, figures, block)
    return row + 1


def _named_totals(block: CurrencyBlock, windows: WindowDays) -> list[tuple[str, Figures]]:
    """What is up for renewal first, then its parts by health and by risk, then the rest."""
    health = [
        (f"of these, health {BAND_NAMES[row['band']].lower()}", row) for row in block.near_by_band.iter_rows(named=True)
    ]
    risks = [(f"of these, {RISK_NAMES[row['risk']].lower()}", row) for row in block.near_by_risk.iter_rows(named=True)]
    return [
        (f"Next {windows.d90_days} days, and overdue", block.near),
        *((name, _figures_of(row)) for name, row in [*health, *risks]),
        ("of these, no review scheduled", block.no_review),
        ("This week", block.urgent),
        ("All renewal dates", block.total),
    ]


def _figures(target: _Sheet, row: int, column: int, figures: Figures, block: CurrencyBlock) -> None:
    look, unit = target.looks.amounts[block.minor_digits], 10**block.minor_digits
    target.write(row, column, figures.customers_count)
    target.write(row, column + 1, figures.arr_minor / unit, look)
    target.write(row, column + 2, figures.at_risk_count)
    target.write(row, column + 3, figures.arr_at_risk_minor / unit, look)
    target.write(row, column + 4, figures.arr_unjudged_minor / unit, look)


def _windows(target: _Sheet, row: int, block: CurrencyBlock, windows: WindowDays) -> int:
    names = window_names(windows)
    _heading(target, row, [f"{block.currency} by renewal window", "Health", *_FIGURES], 2)
    for cell in block.by_window.iter_rows(named=True):
        row += 1
        target.line(row, [names[cell["window"]], BAND_NAMES[cell["band"]]])
        _figures(target, row, 2, _figures_of(cell), block)
    return row + 1


def _owners(target: _Sheet, row: int, block: CurrencyBlock, windows: WindowDays) -> int:
    look, unit = target.looks.amounts[block.minor_digits], 10**block.minor_digits
    near = f"at risk, next {windows.d90_days} days, and overdue"
    _heading(target, row, [f"{block.currency} by owner", *_FIGURES, f"Customers {near}", f"ARR {near}"], 1)
    for owner in block.by_owner.iter_rows(named=True):
        row += 1
        target.write(row, 0, owner["owner"] or "Nobody")
        _figures(target, row, 1, _figures_of(owner), block)
        target.write(row, 6, owner["near_at_risk_count"])
        target.write(row, 7, owner["near_at_risk_minor"] / unit, look)
    return row + 1


def _figures_of(row: Row) -> Figures:
    return Figures(**{name: row[name] for name in Figures.__slots__})
