"""Pages of Bulk results as frames: CSV bytes to columns in one pass, typed by the field mapping."""

import polars as pl

from integrations.crm import Page
from integrations.errors import CrmUnavailableError
from integrations.salesforce.bulk import CsvPage
from integrations.salesforce.fields import Column, Kind
from integrations.salesforce.rows import WIRE_TYPES, Reading, page_of_wire
from integrations.salesforce.wire import CRM

NUL = "\x00"
"""No database of ours keeps it, and no CRM should: a row that holds one is set aside."""

TEXTS = frozenset({Kind.TEXT, Kind.DATE, Kind.INSTANT})


def page_of_csv(page: CsvPage, reading: Reading) -> Page:
    """Records as the frame of their source; unreadable ones and those that break its contract set aside.

    An empty value is null: an org keeps no empty texts.

    Raises:
        CrmUnavailableError: The page is not CSV, has other columns than were asked for, or another number of records
            than it says.
    """
    return page_of_wire(_wire_frame(_table(page, reading), reading, has_nul=NUL.encode() in page.body), reading)


def _table(page: CsvPage, reading: Reading) -> pl.DataFrame:
    """One column of texts per selected field.

    A last line without its end was cut; polars would fill what it lacks with nulls.
    """
    paths = list(dict.fromkeys(reading.mapping.values()))
    if page.count == 0 and not page.body.strip():
        return pl.DataFrame(schema=dict.fromkeys(paths, pl.String))
    try:
        table = pl.read_csv(page.body, infer_schema=False, null_values=[""])
    except pl.exceptions.PolarsError:  # its text quotes records
        raise CrmUnavailableError(f"{CRM}: bulk results: the page cannot be read as CSV") from None
    if table.columns != paths:
        raise CrmUnavailableError(f"{CRM}: bulk results: the page's columns are not those that were asked for")
    if table.height != page.count or not page.body.endswith(b"\n"):
        raise CrmUnavailableError(f"{CRM}: bulk results: {table.height} of {page.count} rows arrived whole")
    return table


def _wire_frame(table: pl.DataFrame, reading: Reading, *, has_nul: bool) -> pl.DataFrame:
    columns = [(column, reading.mapping.get(column.name)) for column in reading.source.columns]
    wire = table.select(_value(column, path) for column, path in columns)
    lost = [
        _rule(table[path].is_not_null() & wire[column.name].is_null(), f"{column.name}|type ")
        for column, path in columns
        if path and wire[column.name].null_count() != table[path].null_count()
    ]
    if has_nul:
        marked = [column.name for column, _ in columns if column.kind in TEXTS]
        lost += [
            _rule(wire[name].str.contains(NUL, literal=True).fill_null(value=False), f"{name}|nul ") for name in marked
        ]
        wire = wire.with_columns(crm_id=pl.col("crm_id").str.replace_all(NUL, "", literal=True))
    return wire.with_columns(_broken=pl.concat_str([pl.lit(""), *lost]) if lost else pl.lit(""))


def _value(column: Column, path: str | None) -> pl.Expr:
    dtype = WIRE_TYPES[column.kind]
    if path is None:
        return pl.lit(None, dtype=dtype).alias(column.name)
    text = pl.col(path)
    if column.kind is Kind.BOOL:
        value = pl.when(text == "true").then(statement=True).when(text == "false").then(statement=False)
        return value.otherwise(None).alias(column.name)
    return (text if column.kind in TEXTS else text.cast(dtype, strict=False)).alias(column.name)


def _rule(is_broken: pl.Series, rule: str) -> pl.Series:
    return is_broken.replace_strict({True: rule, False: ""}, return_dtype=pl.String)
