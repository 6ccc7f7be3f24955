"""The chart of the renewal-risk report, as inline SVG without script, style or link."""

import json
import re

import vl_convert
from markupsafe import Markup, escape

from integrations.delivery.said import amount, counted, inert
from models.enums import Band
from models.reports import BAND_NAMES, NEAR, CurrencyBlock, WindowDays, empty_windows, window_names

COLOURS: dict[str, str] = {
    Band.RED: "#c8452d",
    Band.YELLOW: "#eba72a",
    Band.GREEN: "#1f8a70",
    Band.INSUFFICIENT: "#8b93a1",
}
"""Band colours that people with any colour vision tell apart: they differ in lightness as well."""

_NAME = "chart-{}"


def renewals_chart(block: CurrencyBlock, number: int, windows: WindowDays) -> Markup:
    """Stacked bars: ARR up for renewal in the near windows, overdue ones among them, by health band.

    Args:
        block: One currency.
        number: Sets the chart's ids apart from those of the page's other charts.
        windows: How many days each window reaches.

    Returns:
        An ``<svg>`` with title and description; empty where nothing renews.
    """
    bars = _bars(block, window_names(windows))
    if not bars:
        return Markup("")
    drawn = vl_convert.vegalite_to_svg(json.dumps(_spec(bars, _ends(block, windows)), sort_keys=True))
    return _named(drawn, block, number, windows)


def _bars(block: CurrencyBlock, names: dict[str, str]) -> list[dict[str, object]]:
    near = {str(window) for window in NEAR}
    rows = [row for row in block.by_window.iter_rows(named=True) if row["window"] in near]
    return [
        {
            "window": names[row["window"]],
            "band": BAND_NAMES[row["band"]],
            "place": list(BAND_NAMES).index(row["band"]),
            "amount": row["arr_minor"] / 10**block.minor_digits,
        }
        for row in rows
        if row["arr_minor"]
    ]


def _ends(block: CurrencyBlock, windows: WindowDays) -> list[dict[str, object]]:
    """What stands at the end of each bar: exact amounts and customers."""
    return [
        {"window": name, "amount": minor / 10**block.minor_digits, "label": label}
        for name, minor, label in window_totals(block, windows)
    ]


def window_totals(block: CurrencyBlock, windows: WindowDays) -> list[tuple[str, int, str]]:
    """Name, ARR and words for each near window, nearest first; the words say what is at risk, too."""
    totals, names = [], window_names(windows)
    for window in NEAR:
        rows = [row for row in block.by_window.iter_rows(named=True) if row["window"] == window]
        if not rows and window in empty_windows(windows):
            continue
        minor, at_risk = (sum(row[name] for row in rows) for name in ("arr_minor", "arr_at_risk_minor"))
        count, endangered = (sum(row[name] for row in rows) for name in ("customers_count", "at_risk_count"))
        risk = f"{amount(at_risk, block.minor_digits)} at risk" if endangered else "none at risk"
        words = f"{amount(minor, block.minor_digits)} · {counted(count, 'customer')} · {risk}" if count else "none"
        totals.append((names[window], minor, words))
    return totals


def _spec(bars: list[dict[str, object]], ends: list[dict[str, object]]) -> dict[str, object]:
    rows = {"field": "window", "type": "nominal", "sort": [end["window"] for end in ends], "title": None}
    axis = {"domain": False, "ticks": False, "labelPadding": 12}
    scale = {"type": "linear", "nice": False, "domainMin": 0, "domainMax": 1.75 * max(_number(end) for end in ends)}
    length = {"field": "amount", "type": "quantitative", "title": None, "axis": None, "scale": scale}
    colour = {
        "field": "band",
        "type": "nominal",
        "title": None,
        "scale": {"domain": list(BAND_NAMES.values()), "range": [COLOURS[band] for band in BAND_NAMES]},
        "legend": {"orient": "top", "symbolType": "square", "offset": 14, "columnPadding": 18},
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": 720,
        "height": {"step": 46},
        "background": None,
        "padding": {"left": 34, "right": 24, "top": 2, "bottom": 2},
        "layer": [
            {
                "data": {"values": bars},
                "mark": {"type": "bar", "height": 24, "stroke": "#ffffff", "strokeWidth": 1},
                "encoding": {
                    "y": rows | {"axis": axis},
                    "x": length | {"stack": "zero"},
                    "color": colour,
                    "order": {"field": "place", "type": "quantitative"},
                },
            },
            {
                "data": {"values": ends},
                "mark": {"type": "text", "align": "left", "dx": 10, "fontSize": 14},
                "encoding": {"y": rows, "x": length, "text": {"field": "label", "type": "nominal"}},
            },
        ],
        "config": {
            "aria": False,
            "font": "sans-serif",
            "view": {"stroke": None},
            "axisY": {"labelFontSize": 14, "labelLimit": 200},
            "legend": {"labelFontSize": 13, "symbolSize": 140},
        },
    }


def _number(end: dict[str, object]) -> float:
    return float(str(end["amount"]))


def _named(drawn: str, block: CurrencyBlock, number: int, windows: WindowDays) -> Markup:
    """Give the drawing a name and a description that screen readers find, and take away fixed size and style."""
    head, _, rest = re.sub(r' style="[^"]*"', "", drawn).partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    title, described = _NAME.format(f"title-{number}"), _NAME.format(f"words-{number}")
    words = "; ".join(f"{name}: {label}" for name, _, label in window_totals(block, windows))
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-labelledby="{title} {described}">'
        '<title id="{title}">ARR up for renewal in the next {days} days, and overdue, by health, {currency}</title>'
        '<desc id="{described}">{words}</desc>{rest}'
    ).format(
        box=Markup(box.group() if box else ""),  # noqa: S704  # digits only
        title=title,
        days=windows.d90_days,
        described=described,
        currency=inert(block.currency, 12),
        words=escape(words),
        rest=Markup(rest),  # noqa: S704  # drawn from our own words and numbers
    )
