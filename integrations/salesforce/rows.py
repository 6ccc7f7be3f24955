"""From an org's values to plansync's frames: types, words, money, and the rows set aside. Nothing here asks the org."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

import polars as pl

from integrations.crm import Page
from integrations.salesforce import words
from integrations.salesforce.fields import Kind, SalesforceConfig, Source
from integrations.salesforce.wire import CRM
from models import frames
from models.enums import ActivityKind, ActivityOutcome, OpportunityKind, TicketPriority
from models.money import minor_digits_of

WIRE_TYPES: Mapping[Kind, type[pl.DataType]] = {
    Kind.TEXT: pl.String,
    Kind.NUMBER: pl.Float64,
    Kind.COUNT: pl.Float64,
    Kind.MONEY: pl.Float64,
    Kind.BOOL: pl.Boolean,
    Kind.DATE: pl.String,
    Kind.INSTANT: pl.String,
}
REST_INSTANT, BULK_INSTANT = "%Y-%m-%dT%H:%M:%S.000+0000", "%Y-%m-%dT%H:%M:%S.000Z"
INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%S%.f%z"
MONEY = pl.Decimal(38, 9)
CONTACT_PREFIX, ACCOUNT_PREFIX = "003", "001"


Columns = Mapping[str, list[Any]]
"""The values of some records by the name of their column, as JSON gave them."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What turning records into a frame depends on, beside the records. ``now`` splits planned from past meetings."""

    source: Source
    mapping: Mapping[str, str]
    config: SalesforceConfig
    now: datetime


def page_of(records: Sequence[Mapping[str, Any]], reading: Reading) -> Page:
    """Records as the frame of their source; unreadable ones and those that break its contract set aside."""
    return page_of_columns(columns_of(records, reading), reading)


def page_of_columns(columns: Columns, reading: Reading) -> Page:
    """As ``page_of``, of values by column."""
    return page_of_wire(_wire_frame(columns, reading.source), reading)


def page_of_wire(wire: pl.DataFrame, reading: Reading) -> Page:
    """As ``page_of``, of a frame with a column of ``WIRE_TYPES`` per column of the source, and ``_broken``.

    ``_broken`` names what cannot be read in a row, as ``column|rule`` with a blank after each; nothing in a good row.
    """
    source = reading.source
    typed, unreadable = _typed(wire, source)
    finished = FINISH[source.sobject if source.frame == "activities" else source.frame](typed, reading)
    schema = frames.MIRRORED[source.frame]
    whole = finished.with_columns(crm=pl.lit(CRM), is_deleted=pl.col("is_deleted").fill_null(value=False))
    absent = [
        pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in frames.dtypes(schema).items()
        if name not in whole.columns
    ]
    good, rejected = frames.admitted(schema, whole.with_columns(absent), source=CRM, target=source.frame)
    return Page({source.frame: good}, pl.concat([rejected, unreadable]) if unreadable.height else rejected)


def columns_of(records: Sequence[Mapping[str, Any]], reading: Reading) -> Columns:
    """The values of each column of the source, in the order of the records."""
    return {column.name: _values(records, reading.mapping.get(column.name)) for column in reading.source.columns}


def _wire_frame(columns: Columns, source: Source) -> pl.DataFrame:
    """One column per column of the source, as JSON types it; ``_broken`` names the values of another type."""
    found: list[pl.Series] = []
    broken = pl.Series("_broken", [""] * len(columns["crm_id"]), dtype=pl.String)
    for column in source.columns:
        values = columns[column.name]
        series = pl.Series(column.name, values, dtype=WIRE_TYPES[column.kind], strict=False)
        if series.null_count() != values.count(None):
            is_lost = pl.Series([value is not None for value in values]) & series.is_null()
            broken = broken + is_lost.replace_strict({True: f"{column.name}|type ", False: ""}, return_dtype=pl.String)
        found.append(series)
    return pl.DataFrame([*found, broken])


def _values(records: Sequence[Mapping[str, Any]], path: str | None) -> list[Any]:
    if path is None:
        return [None] * len(records)
    head, _, rest = path.partition(".")
    if not rest:
        try:
            return list(map(itemgetter(head), records))  # half the time of a comprehension over ``get``
        except KeyError:
            return [record.get(head) for record in records]
    return _values([record.get(head) or {} for record in records], rest)


def _typed(wire: pl.DataFrame, source: Source) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Dates, instants and counts in their own types; rows with a value that cannot be read come back as row errors."""
    reads = {column.name: read(pl.col(column.name)) for column in source.columns if (read := READ.get(column.kind))}
    typed = wire.with_columns(**reads)
    lost_in = [name for name in reads if typed[name].null_count() != wire[name].null_count()]
    if not lost_in and not (wire["_broken"] != "").any():
        return typed, frames.empty(frames.RowErrors)
    lost = [
        pl.when(wire[name].is_not_null() & typed[name].is_null())
        .then(pl.lit(f"{name}|readable "))
        .otherwise(pl.lit(""))
        for name in lost_in
    ]
    typed = typed.with_columns(_broken=pl.concat_str(["_broken", *lost]).str.strip_chars())
    bad = typed.filter(pl.col("_broken") != "")
    errors = bad.select(
        source=pl.lit(CRM),
        target=pl.lit(source.frame),
        record=pl.col("crm_id").fill_null(""),
        rule=pl.col("_broken").str.replace_all(" ", ", ", literal=True),
        detail=pl.lit(None, dtype=pl.String),
    )
    return typed.filter(pl.col("_broken") == ""), errors


def _count(number: pl.Expr) -> pl.Expr:
    return number.round(0).cast(pl.Int64, strict=False)


def _date(text: pl.Expr) -> pl.Expr:
    return text.str.head(10).str.to_date("%Y-%m-%d", strict=False)


def _instant(text: pl.Expr) -> pl.Expr:
    return text.map_batches(_instants_of, return_dtype=pl.Datetime("us", "UTC"), is_elementwise=True)


def _instants_of(text: pl.Series) -> pl.Series:
    """Whole seconds in UTC, as the org says them, are read four times as fast by a format without open places."""
    usual_format = BULK_INSTANT if text.str.ends_with("Z").any() else REST_INSTANT
    usual = text.str.to_datetime(usual_format, time_unit="us", strict=False)
    if usual.null_count() == text.null_count():
        return usual.dt.replace_time_zone("UTC")
    return text.str.replace("Z$", "+0000").str.to_datetime(INSTANT_FORMAT, time_unit="us", strict=False)


def _decimal(number: pl.Expr) -> pl.Expr:
    """The decimal number that the JSON said: the shortest text of a double gives it back exactly."""
    return number.cast(pl.String).cast(MONEY, strict=False)


READ: Mapping[Kind, Callable[[pl.Expr], pl.Expr]] = {
    Kind.COUNT: _count,
    Kind.DATE: _date,
    Kind.INSTANT: _instant,
    Kind.MONEY: _decimal,
}


def _minor(amount: str) -> pl.Expr:
    """An amount in the smallest unit of its row's currency; half units away from zero."""
    digits = minor_digits_of(pl.col("currency"))
    scaled = pl.when(digits == 0).then(pl.col(amount)).when(digits == 3).then(pl.col(amount) * 1000)
    return scaled.otherwise(pl.col(amount) * 100).round(0, mode="half_away_from_zero").cast(pl.Int64, strict=False)


def _word(name: str, meanings: Mapping[Any, Any], default: Any = None, dtype: type[pl.DataType] = pl.String) -> pl.Expr:
    table = {str(word): str(value) if dtype is pl.String else value for word, value in meanings.items()}
    return pl.col(name).str.to_lowercase().str.strip_chars().replace_strict(table, default=default, return_dtype=dtype)


def _start_of_day(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _as_it_is(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    return rows


def _accounts(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    currency = pl.col("currency").fill_null(reading.config.currency)
    return rows.with_columns(
        currency=currency, owner_crm_id=pl.coalesce("owner_crm_id", "_account_owner")
    ).with_columns(arr_minor=_minor("arr_minor"))


def _contacts(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    own = {word.lower(): role for word, role in reading.config.role_words.items()}
    return rows.with_columns(role=_word("role", {**words.ROLE_WORDS, **own}))


def _opportunities(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    kind = _word("kind", words.OPPORTUNITY_WORDS, str(OpportunityKind.OTHER))
    currency = pl.col("currency").fill_null(reading.config.currency)
    return rows.with_columns(kind=kind, currency=currency).with_columns(amount_minor=_minor("amount_minor"))


def _tickets(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    priority = _word("priority", words.TICKET_WORDS, str(TicketPriority.NORMAL))
    return rows.with_columns(priority=priority, is_escalated=pl.col("is_escalated").fill_null(value=False))


def _about(rows: pl.DataFrame) -> pl.DataFrame:
    """The account that an activity is about; Salesforce derives none from some related objects."""
    what = pl.when(pl.col("_what").str.starts_with(ACCOUNT_PREFIX)).then("_what")
    return rows.with_columns(account_crm_id=pl.coalesce("account_crm_id", what))


def _activities(rows: pl.DataFrame) -> pl.DataFrame:
    contact = pl.when(pl.col("contact_crm_id").str.starts_with(CONTACT_PREFIX)).then("contact_crm_id")
    outcome = (
        pl.when(pl.col("outcome").is_not_null())
        .then(_word("outcome", words.OUTCOME_WORDS, str(ActivityOutcome.UNKNOWN)))
        .otherwise("_silent_outcome")
    )
    return _about(rows).with_columns(contact_crm_id=contact, outcome=outcome)


def _meetings(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """A meeting of which nobody recorded the outcome is scheduled while it lies ahead, and unknown once it is past."""
    occurred = pl.coalesce("occurred_at", _start_of_day("_day"))
    silent = pl.when(occurred > reading.now).then(pl.lit(str(ActivityOutcome.SCHEDULED)))
    return _activities(
        rows.with_columns(
            occurred_at=occurred,
            _silent_outcome=silent.otherwise(pl.lit(str(ActivityOutcome.UNKNOWN))),
            kind=pl.lit(str(ActivityKind.MEETING)),
        )
    )


def _calls_and_emails(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """A call or email happened when its task was completed, else on its day, else when it was logged."""
    silent = pl.when("is_closed").then(pl.lit(str(ActivityOutcome.COMPLETED)))
    return _activities(
        rows.with_columns(
            occurred_at=pl.coalesce("occurred_at", _start_of_day("_day"), "created_at"),
            _silent_outcome=silent.otherwise(pl.lit(str(ActivityOutcome.UNKNOWN))),
            kind=pl.col("kind").str.to_lowercase(),
            is_inbound=_word("is_inbound", words.DIRECTION_WORDS, dtype=pl.Boolean),
        )
    )


def _tasks(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    ours = {vendor.lower(): str(word) for word, vendor in words.PRIORITY_WORDS.items()}
    return _about(rows).with_columns(due_date=pl.col("_day"), priority=_word("priority", ours))


def _plan_items(rows: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    kind = pl.col("kind").str.to_lowercase()
    return rows.with_columns(kind=kind, is_done=pl.col("is_done").fill_null(value=False))


FINISH: Mapping[str, Callable[[pl.DataFrame, Reading], pl.DataFrame]] = {
    "owners": _as_it_is,
    "accounts": _accounts,
    "contacts": _contacts,
    "opportunities": _opportunities,
    "tickets": _tickets,
    "Event": _meetings,
    "Task": _calls_and_emails,
    "tasks": _tasks,
    "plan_fields": _as_it_is,
    "plan_sections": _as_it_is,
    "plan_items": _plan_items,
}
"""What makes plansync's columns out of the org's, by frame; activities come from two objects."""
