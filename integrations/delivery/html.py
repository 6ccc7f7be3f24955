"""Reports as one self-contained page: no script, no remote load, customer text escaped."""

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from integrations.delivery import said
from integrations.delivery.chart import COLOURS, renewals_chart
from models.enums import RenewalRisk as Risk
from models.enums import RenewalWindow
from models.reports import (
    BAND_NAMES,
    NEAR,
    RISK_NAMES,
    UNKNOWN_NAMES,
    CurrencyBlock,
    Figures,
    RenewalRisk,
    RiskMeaning,
    WindowDays,
    window_names,
)

HERE = Path(__file__).parent
FULL_ROWS = 300
"""Customers at risk that a page tells in full: beyond, it is too long to read and to send. The workbook has all."""
SHORT_ROWS = 600
"""Customers without known risk, and unknowns of each kind, that a page lists."""
URGENT_ROWS = 8
SHOWN_ACTIONS = 3
SHOWN_EVIDENCE = 4
CARD_TEXTS = 3

_ISO_DATE = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
Row = dict[str, Any]


def renewal_risk_page(report: RenewalRisk) -> bytes:
    """The renewal-risk report as one HTML page in UTF-8; the same report gives the same bytes.

    Customers at risk are told in full, the others in a line each, the largest amounts first; a page that leaves some
    out says how many.

    Source:
        WHATWG HTML (escaping by Jinja2); CSP level 3: only the page's own style sheet, named by its hash, applies.
    """
    style = (HERE / "renewal_risk.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = (
        _environment()
        .get_template("renewal_risk.html.jinja")
        .render(
            style=Markup(style),  # noqa: S704  # our own file
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            **_told(report),
        )
    )
    return page.encode("utf-8", errors="replace")


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"counted": said.counted}
    return environment


def _told(report: RenewalRisk) -> dict[str, Any]:
    """Everything the template says, already in words."""
    rows = [_row(row) for row in report.accounts.iter_rows(named=True)]
    return {
        "as_of": said.day(report.as_of),
        "policy_version": said.inert(report.policy_version),
        "meanings": [_meaning(each) for each in report.meanings],
        "customers_count": len(rows),
        "blocks": [_block(block, number, report.windows) for number, block in enumerate(report.blocks, start=1)],
        "urgent": [row for row in _largest_first(rows) if row["is_urgent"]],
        "urgent_rows": URGENT_ROWS,
        "windows": _windows(rows, window_names(report.windows)),
        "soon_days": report.windows.d30_days,
        "near_days": report.windows.d90_days,
        "unpriced_count": sum(row["is_at_risk"] and row["minor"] is None for row in rows),
        "unknowns": _unknowns(report.unknowns),
        "sources": [_source(row) for row in report.freshness.iter_rows(named=True)],
        "troubles": [
            {"part": said.sentence(each.part), "message": said.inert(each.message)} for each in report.troubles
        ],
    }


def _largest_first(rows: list[Row]) -> list[Row]:
    """Rows come by window; within one currency the eye wants the largest amount first."""
    order = list(dict.fromkeys(row["currency"] for row in rows if row["currency"]))
    return sorted(
        rows, key=lambda row: (order.index(row["currency"]) if row["currency"] else len(order), -(row["minor"] or 0))
    )


def _block(block: CurrencyBlock, number: int, windows: WindowDays) -> dict[str, Any]:
    names = window_names(windows)
    return {
        "number": number,
        "currency": said.inert(block.currency, 12),
        "near": _figures(block.near, block),
        "total": _figures(block.total, block),
        "bands": _bands(block),
        "risks": [
            {"name": RISK_NAMES[row["risk"]]} | _figures(_figures_of(row), block)
            for row in block.near_by_risk.iter_rows(named=True)
        ],
        "no_review": _figures(block.no_review, block),
        "urgent": _figures(block.urgent, block),
        "chart": renewals_chart(block, number, windows),
        "cells": [
            {"window": names[row["window"]], "band": row["band"], "band_name": BAND_NAMES[row["band"]]}
            | _figures(_figures_of(row), block)
            for row in block.by_window.iter_rows(named=True)
        ],
        "owners": _owners(block),
    }


def _bands(block: CurrencyBlock) -> list[dict[str, Any]]:
    """What is up for renewal by health, each with where its part of a bar of 1,000 begins and how long it is."""
    told, begun = [], 0
    for row in block.near_by_band.iter_rows(named=True):
        ended = begun + row["arr_minor"]
        start, end = (round(1000 * minor / max(block.near.arr_minor, 1)) for minor in (begun, ended))
        bar = {"start": start, "length": end - start, "colour": COLOURS[row["band"]]}
        told.append({"band": row["band"], "name": BAND_NAMES[row["band"]]} | bar | _figures(_figures_of(row), block))
        begun = ended
    return told


def _meaning(meaning: RiskMeaning) -> dict[str, Any]:
    *others, last = (said.inert(reason, 2 * said.TEXT_LIMIT) for reason in meaning.reasons)
    reasons = f"{', '.join(others)}, or {last}" if others else last
    return {"name": RISK_NAMES[meaning.risk], "is_at_risk": meaning.is_at_risk, "reasons": reasons}


def _figures_of(row: Row) -> Figures:
    return Figures(**{name: row[name] for name in Figures.__slots__})


def _figures(figures: Figures, block: CurrencyBlock) -> dict[str, Any]:
    digits = block.minor_digits
    return {
        "customers": figures.customers_count,
        "at_risk": figures.at_risk_count,
        "arr": said.amount(figures.arr_minor, digits),
        "has_arr": figures.arr_minor > 0,
        "arr_at_risk": said.amount(figures.arr_at_risk_minor, digits),
        "unjudged": said.amount(figures.arr_unjudged_minor, digits) if figures.arr_unjudged_minor else "",
        "share": said.share(figures.arr_at_risk_minor, figures.arr_minor),
    }


def _owners(block: CurrencyBlock) -> list[dict[str, Any]]:
    rows = block.by_owner.to_dicts()
    most = max([row["near_at_risk_minor"] for row in rows] + [1])
    return [
        {
            "owner": said.inert(row["owner"]) or "Nobody",
            "near": said.amount(row["near_at_risk_minor"], block.minor_digits),
            "near_count": row["near_at_risk_count"],
            "bar": round(100 * row["near_at_risk_minor"] / most, 1),
        }
        | _figures(_figures_of(row), block)
        for row in rows
    ]


def _row(row: Row) -> Row:
    """One customer in words."""
    actions, reasons, evidence = (_unbroken(row[name]) for name in ("actions", "reasons", "evidence"))
    called = [text for each in row["action_reasons"] for text in _unbroken([each]) or [""]]
    money = (row["currency"], row["minor_digits"])
    return {
        "customer": said.inert(row["customer"]),
        "owner": said.inert(row["owner"]),
        "has_inactive_owner": row["owner_is_active"] is False,
        "about": " · ".join(filter(None, [said.inert(row["segment"]), _stage(row["stage"])])),
        "currency": row["currency"],
        "minor": row["arr_at_risk_minor"],
        "arr": said.money(row["arr_minor"], *money),
        "arr_at_risk": said.money(row["arr_at_risk_minor"], *money),
        "window": row["window"],
        "renewal": said.day(row["renewal_date"]),
        "distance": said.distance(row["days_to_renewal"]),
        "source": _source_of_date(row["renewal_source"]),
        "is_disputed": row["is_disputed"],
        "notice": _notice(row),
        "last": said.day(row["last_engagement_date"]) if row["last_engagement_date"] else "",
        "band": row["band"],
        "band_name": BAND_NAMES[row["band"]],
        "score": "" if row["score"] is None else f"{row['score']:.0f}",
        "coverage": f"{row['coverage_pct'] or 0:.0f} %",
        "risk": RISK_NAMES[row["risk"]],
        "is_high": row["risk"] == Risk.HIGH,
        "is_at_risk": row["is_at_risk"],
        "is_urgent": row["is_urgent"],
        "reasons": reasons,
        "on_card": _on_card(reasons, evidence, called),
        "evidence": _kept(evidence, called[:SHOWN_ACTIONS], SHOWN_EVIDENCE),
        "more_evidence": max(0, len(evidence) - SHOWN_EVIDENCE),
        "actions": actions[:SHOWN_ACTIONS],
        "more_actions": max(0, len(actions) - SHOWN_ACTIONS),
    }


def _kept(evidence: Sequence[str], called: Sequence[str], count: int) -> list[str]:
    """The worst of the evidence and whatever the shown actions answer, in order, then as much else as there is room."""
    wanted = [text for text in evidence if text == evidence[0] or text in called]
    chosen = list(dict.fromkeys([*wanted, *evidence]))[:count]
    return [text for text in evidence if text in chosen]


def _on_card(reasons: Sequence[str], evidence: Sequence[str], called: Sequence[str]) -> list[str]:
    """What a card of three lines says: the worst of the evidence and what the one action answers always stand on it."""
    room = CARD_TEXTS - len({*evidence[:1], *called[:1]} & set(evidence))
    told = list(reasons[:room])
    return told + _kept(evidence, called[:1], CARD_TEXTS - len(told))


def _unbroken(texts: Sequence[str]) -> list[str]:
    """Sentences whose dates no line end tears apart."""
    return [_ISO_DATE.sub("\\1\u2011\\2\u2011\\3", text) for text in said.sentences(texts)]


def _source_of_date(source: str | None) -> str:
    crm, blank, words = said.inert(source).partition(" ")
    return said.crm_name(crm) + blank + words


def _notice(row: Row) -> str:
    """The last day to give notice, in the words of the day that was assessed."""
    if row["notice_date"] is None or row["days_to_renewal"] is None:
        return ""
    is_past = (row["renewal_date"] - row["notice_date"]).days > row["days_to_renewal"]
    return f"Notice {'ended' if is_past else 'until'} {said.day(row['notice_date'])}"


def _stage(stage: str) -> str:
    return "" if stage == "unknown" else said.sentence(stage.replace("_", "-"))


def _windows(rows: list[Row], names: dict[str, str]) -> list[dict[str, Any]]:
    """Customers by window; full and short rows are shared out nearest window first."""
    full, short, told = FULL_ROWS, SHORT_ROWS, []
    for window, name in names.items():
        mine = [row for row in rows if row["window"] == window]
        at_risk, others = [row for row in mine if row["is_at_risk"]], [row for row in mine if not row["is_at_risk"]]
        told.append(
            {
                "name": name,
                "is_near": window in NEAR,
                "is_undated": window == RenewalWindow.UNKNOWN,
                "count": len(mine),
                "at_risk_count": len(at_risk),
                "high_count": sum(row["is_high"] for row in at_risk),
                "at_risk": at_risk[:full],
                "others_count": len(others),
                "others": others[:short],
                "left_out": len(at_risk[full:]) + len(others[short:]),
            }
        )
        full, short = max(0, full - len(at_risk)), max(0, short - len(others))
    return [each for each in told if each["count"]]


def _unknowns(unknowns: pl.DataFrame) -> list[dict[str, Any]]:
    told = []
    for kind, (name, meaning) in UNKNOWN_NAMES.items():
        found = unknowns.filter(pl.col("kind") == kind)
        rows = [
            _row(row) | {"detail": said.inert(row["detail"])}
            for row in found.head(SHORT_ROWS // 6).iter_rows(named=True)
        ]
        left_out = found.height - len(rows)
        told.append({"name": name, "meaning": meaning, "count": found.height, "rows": rows, "left_out": left_out})
    return told


def _source(row: Row) -> dict[str, Any]:
    return {"crm": said.crm_name(row["crm"]), "until": said.instant(row["until"]), "is_stale": row["is_stale"]}
