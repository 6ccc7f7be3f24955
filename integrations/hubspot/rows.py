"""From HubSpot's records to plansync's frames: one table of texts, then expressions. Nothing here asks the portal."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Any

import polars as pl

from integrations.crm import Page
from integrations.hubspot import fields, values
from integrations.hubspot.fields import MERGED_IDS, Column, HubSpotConfig, Kind, Source
from integrations.hubspot.task_text import text_of
from models import frames
from models.enums import ActivityOutcome, Crm, OpportunityKind, TicketPriority

Json = dict[str, Any]
Names = Mapping[str, str | None]
"""The portal's property for each column of a source; None where it has none."""


@dataclass(slots=True)
class Records:
    """Records of one source, their values as they came, by property and in order.

    Values, not records: dictionaries that outlive their answer keep the garbage collector busy, texts do not.
    ``links`` holds, per linked type, record id to the id it is linked to, or None; ``merged_at``, per id of a record
    that was merged into one of these, when that was, as HubSpot writes instants.
    """

    properties: Mapping[str, list[Any]]
    ids: list[str] = field(default_factory=list)
    updated: list[str | None] = field(default_factory=list)
    archived: list[str | None] = field(default_factory=list)
    links: dict[str, dict[str, str | None]] = field(default_factory=dict)
    is_archived: bool = False
    merged_at: Mapping[str, str] = field(default_factory=dict)

    def add(self, found: Sequence[Json]) -> None:
        """Take over what ``found`` say of these properties, and when they changed; links are the caller's."""
        told = [record["properties"] for record in found]
        for name, values_so_far in self.properties.items():
            values_so_far.extend(_each(told, name))
        self.ids.extend([str(record["id"]) for record in found])
        self.updated.extend(_each(found, "updatedAt"))
        self.archived.extend(_each(found, "archivedAt"))

    def holding(self, name: str) -> list[str]:
        """The ids of the records that have something in this property."""
        if name not in self.properties:
            return []
        return [one for one, text in zip(self.ids, self.properties[name], strict=True) if text]


def _each(told: Sequence[Json], name: str) -> Iterable[Any]:
    try:
        return list(map(itemgetter(name), told))  # half the time of a comprehension over ``get``
    except KeyError:
        return [one.get(name) for one in told]


def no_records(properties: Iterable[str], links: Iterable[str] = (), *, is_archived: bool = False) -> Records:
    """Room for records of these properties and of links to these types."""
    return Records({name: [] for name in properties}, links={to: {} for to in links}, is_archived=is_archived)


def asked_properties(source: Source, names: Names) -> list[str]:
    """The properties to ask for, each once."""
    merged = [MERGED_IDS] if source.is_mergeable else []
    return sorted({name for name in (*names.values(), source.cursor, *merged) if name})


def pages_of(source: Source, names: Names, records: Records, config: HubSpotConfig) -> Page:
    """The records as frames, bad rows set aside, plus a deleted row for every record that was merged into another.

    One row per record id: a record that came twice is taken once.
    """
    read = _typed(source, names, records, config).unique("crm_id", keep="last", maintain_order=True)
    readable, unreadable = _readable(source, names, read)
    shaped = SHAPES[source.frame](readable, source, config)
    rows, rejected = frames.admitted(frames.MIRRORED[source.frame], shaped, source=Crm.HUBSPOT, target=source.frame)
    pages = {source.frame: pl.concat([rows, *_losers(source, rows, readable, records.merged_at)])}
    broken = [unreadable, rejected]
    if source.frame == "accounts":
        for name, plan in (("plan_fields", _plan_fields(readable)), ("plan_sections", _plan_sections(readable, names))):
            good, bad = frames.admitted(frames.MIRRORED[name], plan, source=Crm.HUBSPOT, target=name)
            pages |= {name: good} if good.height else {}
            broken.append(bad)
    return Page(pages, pl.concat(broken))


def within(page: Page, after: datetime | None, until: datetime) -> Page:
    """Only the rows changed in ``after < modified_at <= until``: searches answer with some from outside."""
    changed = pl.col("modified_at") <= until
    if after is not None:
        changed &= pl.col("modified_at") > after
    return Page({name: rows.filter(changed) for name, rows in page.rows.items()}, page.rejected)


# -- texts ------------------------------------------------------------------------------------------------------------


def _typed(source: Source, names: Names, records: Records, config: HubSpotConfig) -> pl.DataFrame:
    """One row per record: the mirrored columns, those of the source, and its texts with a dot before the name."""
    raw = _texts(source, records)
    typed = [
        _read(column, _raw(column, names), config).alias(column.name)
        for column in source.columns
        if column.name != "currency"
    ]
    return raw.with_columns(_currency(source, names, config)).with_columns(typed)


def _texts(source: Source, records: Records) -> pl.DataFrame:
    table = pl.DataFrame(
        [pl.Series("." + name, told, dtype=pl.String, strict=False) for name, told in records.properties.items()]
    )
    return table.with_columns(
        pl.when(pl.all() != "").then(pl.all()),
        pl.Series("crm_id", records.ids, dtype=pl.String),
        *(
            pl.Series(column, list(map(records.links.get(to, {}).get, records.ids)), dtype=pl.String)
            for to, column in (("companies", "account_crm_id"), ("contacts", "contact_crm_id"))
        ),
        pl.Series("_updated", records.updated, dtype=pl.String),
        pl.Series("_archived_at", records.archived, dtype=pl.String),
        crm=pl.lit(str(Crm.HUBSPOT)),
        is_deleted=pl.lit(records.is_archived),
        merged_into=pl.lit(None, dtype=pl.String),
    ).with_columns(modified_at=_modified(source, records))


def _modified(source: Source, records: Records) -> pl.Expr:
    """The cursor property; archiving leaves it alone, so an archived record changed when it was archived."""
    changed = pl.coalesce(values.instants(pl.col("." + source.cursor)), values.instants(pl.col("_updated")))
    if not records.is_archived:
        return changed
    return pl.coalesce(values.instants(pl.col("_archived_at")), changed)


def _raw(column: Column, names: Names) -> pl.Expr:
    name = names[column.name]
    return pl.col("." + name) if name else pl.lit(None, dtype=pl.String)


def _currency(source: Source, names: Names, config: HubSpotConfig) -> list[pl.Expr]:
    column = next((column for column in source.columns if column.name == "currency"), None)
    if column is None:
        return []
    return [_raw(column, names).str.strip_chars().str.to_uppercase().fill_null(config.currency).alias("currency")]


def _read(column: Column, text: pl.Expr, config: HubSpotConfig) -> pl.Expr:
    if column.kind is Kind.MONEY:
        return values.minor_units(text, pl.col("currency"))
    return values.read(column.kind, text)


def _readable(source: Source, names: Names, read: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split off records with a value that its column cannot hold, so that a property of another type blanks nothing."""
    checked = [column for column in source.columns if column.kind is not Kind.TEXT and names[column.name]]
    rules = [
        pl.when(_raw(column, names).is_not_null() & pl.col(column.name).is_null()).then(
            pl.lit(f"{column.name}: {names[column.name]} is no {column.kind}")
        )
        for column in checked
    ]
    rule = pl.concat_str(rules, separator=", ", ignore_nulls=True) if rules else pl.lit("")
    judged = read.with_columns(_rule=rule)
    bad = judged.filter(pl.col("_rule") != "")
    errors = bad.select(
        source=pl.lit(str(Crm.HUBSPOT)),
        target=pl.lit(source.frame),
        record="crm_id",
        rule="_rule",
        detail=pl.lit(None, dtype=pl.String),
    )
    return judged.filter(pl.col("_rule") == ""), errors


def _losers(
    source: Source, rows: pl.DataFrame, readable: pl.DataFrame, merged_at: Mapping[str, str]
) -> Iterator[pl.DataFrame]:
    """A deleted row for every record that was merged into one of ``rows``; what it once said is not repeated."""
    if not source.is_mergeable:
        return
    merged = readable.select(survivor="crm_id", loser=pl.col("." + MERGED_IDS).str.split(";")).explode("loser")
    pairs = merged.with_columns(pl.col("loser").str.strip_chars()).filter(pl.col("loser") != "")
    columns = frames.MIRRORED[source.frame].columns()
    kept = {"crm_id", "is_deleted", "merged_into"} | {name for name, column in columns.items() if not column.nullable}
    stamp = values.instants(pl.col("loser").replace_strict(dict(merged_at), default=None, return_dtype=pl.String))
    blank = [pl.lit(None, dtype=column.dtype).alias(name) for name, column in columns.items() if name not in kept]
    yield (
        rows.join(pairs, left_on="crm_id", right_on="survivor")
        .filter(pl.col("loser") != pl.col("crm_id"))
        .with_columns(
            merged_into="crm_id",
            crm_id="loser",
            is_deleted=pl.lit(True),
            modified_at=pl.coalesce(stamp, "modified_at"),
        )
        .with_columns(blank)
        .select(rows.columns)
    )


# -- shapes -----------------------------------------------------------------------------------------------------------


def _account_rows(read: pl.DataFrame, source: Source, config: HubSpotConfig) -> pl.DataFrame:
    """A company without a name goes by its domain, as in HubSpot's own lists."""
    gone = pl.when("is_deleted").then(pl.lit("(deleted)"))
    return read.with_columns(
        name=pl.coalesce("name", "_domain", gone),
        website=pl.coalesce("website", "_domain"),
    )


def _contact_rows(read: pl.DataFrame, source: Source, config: HubSpotConfig) -> pl.DataFrame:
    words = {**fields.ROLE_WORDS, **{word.strip().lower(): role for word, role in config.role_words.items()}}
    name = pl.concat_str("_first", "_last", separator=" ", ignore_nulls=True).str.strip_chars()
    return read.with_columns(name=pl.when(name != "").then(name), role=values.worded(pl.col("role"), words))


def _opportunity_rows(read: pl.DataFrame, source: Source, config: HubSpotConfig) -> pl.DataFrame:
    kind = values.worded(pl.col("kind"), fields.OPPORTUNITY_WORDS).fill_null(str(OpportunityKind.OTHER))
    return read.with_columns(
        kind=kind, is_closed=pl.col("is_closed").fill_null(False), is_won=pl.col("is_won").fill_null(False)
    )


def _ticket_rows(read: pl.DataFrame, source: Source, config: HubSpotConfig) -> pl.DataFrame:
    return read.with_columns(
        priority=values.worded(pl.col("priority"), fields.TICKET_WORDS).fill_null(str(TicketPriority.NORMAL)),
        is_closed=pl.coalesce("is_closed", pl.col("closed_at").is_not_null()),
        is_escalated=pl.col("is_escalated").fill_null(False),
    )


def _activity_rows(read: pl.DataFrame, source: Source, config: HubSpotConfig) -> pl.DataFrame:
    held = set(read.columns)
    outcome = pl.col("outcome") if "outcome" in held else pl.lit(None, dtype=pl.String)
    inbound = pl.col("is_inbound") if "is_inbound" in held else pl.lit(None, dtype=pl.String)
    started = ["occurred_at"] if "occurred_at" in held else []
    return read.with_columns(
        kind=pl.lit(str(source.activity)),
        outcome=values.worded(outcome, fields.OUTCOME_WORDS).fill_null(str(ActivityOutcome.UNKNOWN)),
        is_inbound=values.worded(inbound, fields.INBOUND_WORDS, pl.Boolean),
        occurred_at=pl.coalesce(*started, "_at"),
    )


def _task_rows(read: pl.DataFrame, source: Source, config: HubSpotConfig) -> pl.DataFrame:
    return read.with_columns(
        body=text_of(pl.col("body")),
        priority=values.worded(pl.col("priority"), fields.TASK_PRIORITY_WORDS),
        is_closed=pl.col("is_closed").eq_missing(fields.CLOSED),
    )


SHAPES: Mapping[str, Callable[[pl.DataFrame, Source, HubSpotConfig], pl.DataFrame]] = {
    "accounts": _account_rows,
    "contacts": _contact_rows,
    "opportunities": _opportunity_rows,
    "tickets": _ticket_rows,
    "activities": _activity_rows,
    "tasks": _task_rows,
}


def _plan_fields(read: pl.DataFrame) -> pl.DataFrame:
    """One row per company with a plan; its id is the company's."""
    return read.filter(pl.col("_plan_key").is_not_null()).with_columns(
        account_crm_id="crm_id",
        record_key="_plan_key",
        health_score="_health_score",
        health_band="_health_band",
        renewal_date="_plan_renewal",
    )


def _plan_sections(read: pl.DataFrame, names: Names) -> pl.DataFrame:
    """One row per section that the portal has a property for, of every company with a plan or with text in one of them.

    Text without a plan was there before plansync: it comes along, so that the first write sees it. Empty sections come
    too, since a person may clear one. The portal keeps no key of a section: it is named by its company.
    """
    held = {f"_{name}": section for section, name in fields.SECTION_PROPERTIES.items() if names[f"_{name}"]}
    bodies = (
        read.filter(pl.any_horizontal(pl.col("_plan_key", *held).is_not_null()))
        .select("crm", "crm_id", "modified_at", "is_deleted", "merged_into", *held)
        .unpivot(
            on=list(held),
            index=["crm", "crm_id", "modified_at", "is_deleted", "merged_into"],
            variable_name="_property",
            value_name="body",
        )
    )
    section = pl.col("_property").replace_strict(held, default=None, return_dtype=pl.String)
    return bodies.with_columns(
        account_crm_id="crm_id",
        record_key=pl.lit(None, dtype=pl.String),
        section=section,
        body=pl.col("body").cast(pl.String),
    ).with_columns(crm_id=pl.concat_str("crm_id", pl.lit(":"), "section"))


# -- owners -----------------------------------------------------------------------------------------------------------


def owners_page(found: Sequence[Json]) -> Page:
    """Owners as frames; an archived one is inactive, not deleted."""
    text = dict.fromkeys(("id", "email", "firstName", "lastName", "updatedAt", "createdAt"), pl.String)
    raw = pl.DataFrame(list(found), schema=text | {"archived": pl.Boolean}, strict=False)
    name = pl.concat_str("firstName", "lastName", separator=" ", ignore_nulls=True).str.strip_chars()
    rows = raw.select(
        "email",
        crm=pl.lit(str(Crm.HUBSPOT)),
        crm_id="id",
        modified_at=pl.coalesce(values.instants(pl.col("updatedAt")), values.instants(pl.col("createdAt"))),
        is_deleted=pl.lit(False),
        merged_into=pl.lit(None, dtype=pl.String),
        name=pl.when(name != "").then(name).otherwise("email"),
        is_active=~pl.col("archived").fill_null(False),
    )
    good, bad = frames.admitted(frames.Owners, rows, source=Crm.HUBSPOT, target="owners")
    return Page({"owners": good}, bad)
