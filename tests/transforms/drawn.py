"""Tables drawn as text: what goes in and what comes out, with the edges in the picture."""

from typing import Any

import dataframely as dy
import polars as pl

from models import frames


def drawn(picture: str, schema: type[dy.Schema] | None = None, **fixed: Any) -> pl.DataFrame:
    """A frame from a picture: a header line, then a row a line, cells between bars; an empty cell is null.

    With ``schema`` the columns that are not drawn come from ``fixed``, else from ``ORDINARY``, else are null, and
    every column has its type; without, all columns are text.
    """
    lines = [[cell.strip() for cell in line.split("|")] for line in picture.strip().splitlines()]
    header, rows = lines[0], [[cell or None for cell in line] for line in lines[1:]]
    table = pl.DataFrame(rows, schema=dict.fromkeys(header, pl.String()), orient="row")
    if schema is None:
        return table
    columns = [_column(name, dtype, table, fixed) for name, dtype in frames.dtypes(schema).items()]
    return table.select(columns)


ORDINARY: dict[str, Any] = {"is_deleted": False, "modified_at": "2026-11-01T00:00:00Z"}


def _column(name: str, dtype: pl.DataType, table: pl.DataFrame, fixed: dict[str, Any]) -> pl.Expr:
    if name not in table.columns:
        value = fixed.get(name, ORDINARY.get(name))
        cell = pl.lit(value) if not isinstance(value, list) else pl.lit(pl.Series([value], dtype=dtype)).first()
        return (_cast(cell, dtype) if isinstance(value, str) else cell.cast(dtype)).alias(name)
    return _cast(pl.col(name), dtype).alias(name)


def _cast(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Boolean:
        return cell.replace_strict({"yes": True, "no": False}, default=None, return_dtype=pl.Boolean)
    if dtype == pl.Date:
        return cell.str.to_date("%Y-%m-%d")
    if isinstance(dtype, pl.Datetime):
        return cell.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC", time_unit="us")
    if isinstance(dtype, pl.List):
        return cell.str.split(", ")
    return cell.cast(dtype)
