"""Frames drawn as text, so that a test shows what goes in and what comes out."""

from typing import Any

import dataframely as dy
import polars as pl

from models import frames

ORDINARY: dict[str, Any] = {
    "crm": "salesforce",
    "is_deleted": False,
    "modified_at": "2026-01-01",
    "is_closed": False,
    "is_won": False,
    "is_escalated": False,
    "is_done": False,
    "priority": "normal",
    "kind": "other",
    "outcome": "unknown",
    "feature": "login",
}
"""What a column holds that a picture leaves out, if not null."""


def frame(picture: str, schema: type[dy.Schema] | None = None, **fixed: Any) -> pl.DataFrame:
    """Read a drawn table: a line of names, then a line a row, cells between bars; an empty cell is null.

    Args:
        picture: The table. Booleans are ``yes`` and ``no``; instants ``2026-11-21`` (midnight UTC) or ``2026-11-21
            10:30``; lists ``a; b``.
        schema: The contract that gives names, order and types; without one every column is text.
        fixed: What columns hold that are not drawn: text as in a cell, or the value itself.
    """
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in picture.strip().splitlines()]
    rows = [[cell or None for cell in line] for line in lines if line != [""]]
    text = pl.DataFrame(rows, schema=dict.fromkeys(head, pl.String()), orient="row")
    if schema is None:
        return text
    unknown = {*head, *fixed} - set(schema.column_names())
    assert not unknown, f"no such column: {sorted(unknown)}"
    values = ORDINARY | fixed
    return text.select(
        (_typed(pl.col(name), dtype) if name in head else _fixed(values.get(name), dtype)).alias(name)
        for name, dtype in frames.dtypes(schema).items()
    )


def _fixed(value: Any, dtype: pl.DataType) -> pl.Expr:
    if isinstance(value, list):
        return pl.lit(pl.Series([value], dtype=dtype)).first()
    return _typed(pl.lit(value), dtype) if isinstance(value, str) else pl.lit(value, dtype=dtype)


def _typed(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Boolean:
        return cell.replace_strict({"yes": True, "no": False}, return_dtype=pl.Boolean)
    if dtype == pl.Date:
        return cell.str.to_date("%Y-%m-%d")
    if isinstance(dtype, pl.Datetime):
        whole = pl.when(cell.str.len_chars() == 10).then(cell + pl.lit(" 00:00")).otherwise(cell)
        return whole.str.to_datetime("%Y-%m-%d %H:%M", time_unit="us", time_zone="UTC")
    if isinstance(dtype, pl.List):
        return cell.str.split("; ")
    return cell.cast(dtype)
