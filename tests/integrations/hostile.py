"""Customer text as attackers write it, in every place where a report shows customer text."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from models.reports import CurrencyBlock, RenewalRisk, RiskMeaning, Trouble
from tests.portfolio_drawn import drawn_report, pictured

PAYLOADS = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</svg><img src=x onerror=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<a href='javascript:alert(1)'>press</a>",
    "javascript:alert(1)",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content=0;url=https://evil.example>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<form action=https://evil.example><input>",
    "https://evil.example/",
    "mailto:evil@evil.example",
    "{{ 7 * 7 }}{% for x in y %}",
    "${alert(1)} #{7*7}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "＜script＞alert(1)＜/script＞",
    '=HYPERLINK("https://evil.example","press")',
    "=cmd|' /C calc'!A0",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",
    "＋1＋1",
    "＠SUM(1)",
    "{=1+1}",
    "_x0041_ _x003D_1+1",
    "internal:Summary!A1",
    "external:c:\\evil.xlsx",
    "1234567890123456789",
    "0012",
    "true",
    "abc\u202efdp.exe",
    "\u2066abc\u2069 \u200bzero\ufeff",
    "nul\x00nul \x1b[31mred\x07",
    "\ud800lone surrogate",
    "x" * 1_000_000,
    "<b>" * 50_000,
    "👩‍👩‍👧 Zalgo Z̸a̸l̸g̸o̸",
]


def hostile_report(texts: Sequence[str] = PAYLOADS) -> RenewalRisk:
    """A report in which every free text is one of ``texts``: names, owners, reasons, tasks, currencies, troubles.

    The texts reach the frames behind the transform's own cleaning, as they would if it were ever forgotten.
    """
    given = pictured()
    report = drawn_report(customers=_many(given["customers"], len(texts)), **_rest(given, len(texts)))
    accounts = report.accounts.sort("customer_id")
    column = pl.Series("text", [_encodable(text) for text in texts])
    free = ["customer", "owner", "segment", "renewal_source", "currency"]
    lists = ["reasons", "evidence", "actions", "action_reasons", "candidates"]
    filled = accounts.with_columns(
        *[column.alias(name) for name in free], *[pl.concat_list(column, column).alias(name) for name in lists]
    )
    unknowns = filled.select(pl.lit("disputed").alias("kind"), column.alias("detail"), pl.all())
    blocks = tuple(_block(report.blocks[0], _encodable(text)) for text in texts[:6])
    return RenewalRisk(
        as_of=report.as_of,
        policy_version=texts[0],
        windows=report.windows,
        meanings=(RiskMeaning("high", True, tuple(_encodable(text) for text in texts)), *report.meanings),
        blocks=blocks,
        accounts=filled,
        unknowns=unknowns,
        freshness=report.freshness,
        troubles=tuple(Trouble(text, text) for text in texts),
    )


def _block(block: CurrencyBlock, text: str) -> CurrencyBlock:
    return replace(block, currency=text, by_owner=block.by_owner.with_columns(owner=pl.lit(text)))


def _encodable(text: str) -> str:
    """Polars holds UTF-8 only, so a lone surrogate never gets as far as a frame."""
    return text.encode("utf-8", "ignore").decode()


def _many(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    """The row of one customer under many ids."""
    ids = pl.Series("customer_id", [f"c{number:03}" for number in range(count)])
    return pl.concat([rows.filter(pl.col("customer_id") == "soon")] * count).with_columns(ids)


def _rest(given: dict[str, object], count: int) -> dict[str, pl.DataFrame]:
    frames = {name: given[name] for name in ("renewals", "health", "lifecycle")}
    return {name: _many(frame, count) for name, frame in frames.items() if isinstance(frame, pl.DataFrame)}
