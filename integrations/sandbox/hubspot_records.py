"""Records of a portal as rows: found, shown, listed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.hubspot_answers import Json, wire_instant
from integrations.sandbox.hubspot_portal import ARCHIVED, LIVE, MERGED, Portal, chunks, marks
from integrations.sandbox.hubspot_types import ObjectType
from integrations.sandbox.state import Row, quoted

_LONGEST_CHAIN = 50
_SOURCES: Mapping[str, Json] = {
    "CRM_UI": {"sourceId": "userId:7654321", "updatedByUserId": 7_654_321},
    "INTEGRATION": {"sourceId": "1234567", "sourceLabel": "sandbox"},
}
"""Who is behind a change: a person at the screen, or an app."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is shown of each record: known properties, properties with history, and associated types."""

    properties: tuple[str, ...]
    history: tuple[str, ...] = ()
    associations: tuple[ObjectType, ...] = ()


def selection(
    portal: Portal,
    kind: ObjectType,
    properties: Iterable[str] = (),
    history: Iterable[str] = (),
    associations: Iterable[ObjectType] = (),
) -> Selection:
    """A selection of what was asked for; names that the portal does not know are left out, as HubSpot does."""
    known = portal.properties(kind)
    asked = [name for name in properties if name in known]
    with_history = tuple(dict.fromkeys(name for name in history if name in known))
    shown = tuple(sorted({*(asked or kind.shown), *kind.always, *with_history}))
    return Selection(shown, with_history, tuple(associations))


def everything(portal: Portal, kind: ObjectType) -> Selection:
    """All properties: what a write answers, its blanks left out."""
    return Selection(tuple(portal.properties(kind)))


def _column(portal: Portal, kind: ObjectType, name: str) -> str:
    if name == "hs_object_id":
        return "CAST(_id AS TEXT)"
    if portal.properties(kind)[name].type == "datetime":
        return f"replace({quoted(name)}, '.000Z', 'Z')"
    return quoted(name)


def columns_sql(portal: Portal, kind: ObjectType, names: Sequence[str]) -> str:
    """The SELECT list behind ``records_of``: the envelope first, then the properties."""
    envelope = f"_id, {quoted(kind.created)}, {quoted(kind.modified)}, _archived, _archived_at"
    return ", ".join((envelope, *(_column(portal, kind, name) for name in names)))


def records_of(rows: Iterable[Row], names: Sequence[str]) -> list[Json]:
    """Rows of ``columns_sql`` as HubSpot's envelopes, in the same order."""
    return [_record(row, names) for row in rows]


def _record(row: Row, names: Sequence[str]) -> Json:
    record: Json = {
        "id": str(row[0]),
        "properties": dict(zip(names, row[5:], strict=True)),
        "createdAt": wire_instant(row[1]),
        "updatedAt": wire_instant(row[2]),
        "archived": row[3] != LIVE,
    }
    if row[3] != LIVE:
        record["archivedAt"] = wire_instant(row[4])
    return record


def without_blanks(record: Json) -> Json:
    """The record with only the properties that have a value, as answers to writes show it."""
    held = {name: value for name, value in record["properties"].items() if value is not None}
    return record | {"properties": held}


def read_rows(portal: Portal, kind: ObjectType, ids: Sequence[int], names: Sequence[str]) -> dict[int, Json]:
    """Records by id, whatever their state; unknown ids are left out."""
    columns = columns_sql(portal, kind, names)
    found: dict[int, Json] = {}
    for some in chunks(ids):
        sql = f"SELECT {columns} FROM {portal.table(kind)} WHERE _id IN ({marks(some)})"  # noqa: S608 - quoted names
        rows = portal.state.query(sql, some)
        found |= {row[0]: record for row, record in zip(rows, records_of(rows, names), strict=True)}
    return found


def list_rows(
    portal: Portal, kind: ObjectType, names: Sequence[str], *, after: int, limit: int, is_archived: bool
) -> list[Json]:
    """A page of live or archived records by id, beginning behind ``after``, and one record more."""
    columns = columns_sql(portal, kind, names)
    sql = f"SELECT {columns} FROM {portal.table(kind)} WHERE _archived = ? AND _id > ? ORDER BY _id LIMIT ?"  # noqa: S608 - quoted names
    rows = portal.state.query(sql, (ARCHIVED if is_archived else LIVE, after, limit + 1))
    return records_of(rows, names)


def as_id(text: object) -> int | None:
    """A record id as a number; None for what cannot be one."""
    spelled = str(text)
    return int(spelled) if spelled.isascii() and spelled.isdigit() and len(spelled) < 19 else None


def ids_of(
    portal: Portal, kind: ObjectType, keys: Sequence[str], id_property: str | None, *, archived: int = LIVE
) -> dict[str, int]:
    """Record ids by the key under which they were asked for; a merge loser's id leads to its survivor.

    Args:
        keys: Record ids, or values of ``id_property``.
        archived: The state that the records must be in.

    Raises:
        HubSpotError: 400, when ``id_property`` is not unique.
    """
    if id_property:
        portal.unique_property(kind, id_property)
        return _ids_by_value(portal, kind, keys, id_property, archived)
    wanted = {key: number for key in keys if (number := as_id(key)) is not None}
    states = _states(portal, kind, set(wanted.values()))
    resolved = {key: _survivor(portal, kind, number, states) for key, number in wanted.items()}
    return {key: number for key, number in resolved.items() if number is not None and states[number][0] == archived}


def _ids_by_value(portal: Portal, kind: ObjectType, values: Sequence[str], name: str, archived: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in chunks(list(dict.fromkeys(values))):
        sql = f"""SELECT {quoted(name)}, _id FROM {portal.table(kind)}
                  WHERE {quoted(name)} IN ({marks(some)}) AND +_archived = ?"""  # noqa: S608 - quoted names
        found |= dict(portal.state.query(sql, (*some, archived)))
    return found


def _states(portal: Portal, kind: ObjectType, ids: Iterable[int]) -> dict[int, tuple[int, int | None]]:
    found: dict[int, tuple[int, int | None]] = {}
    for some in chunks(list(ids)):
        sql = f"SELECT _id, _archived, _merged_into FROM {portal.table(kind)} WHERE _id IN ({marks(some)})"  # noqa: S608 - quoted names
        found |= {row[0]: (row[1], row[2]) for row in portal.state.query(sql, some)}
    return found


def _survivor(portal: Portal, kind: ObjectType, number: int, states: dict[int, tuple[int, int | None]]) -> int | None:
    for _ in range(_LONGEST_CHAIN):
        if number not in states:
            states |= _states(portal, kind, (number,))
        state, merged_into = states.get(number, (None, None))
        if state != MERGED or merged_into is None:
            return number if state is not None else None
        number = merged_into
    return None


def add_histories(portal: Portal, kind: ObjectType, records: Sequence[Json], names: Sequence[str]) -> None:
    """Give each record ``propertiesWithHistory``, newest first; what never changed has its one value since creation."""
    if not names:
        return
    entries = _entries(portal, kind, [int(record["id"]) for record in records], names)
    for record in records:
        record["propertiesWithHistory"] = {
            name: entries.get((int(record["id"]), name)) or _only_entry(record, name) for name in names
        }


def _only_entry(record: Json, name: str) -> list[Json]:
    value = record["properties"].get(name)
    return [] if value is None else [_entry(value, record["createdAt"], "CRM_UI")]


def _entry(value: str | None, at: str, source: str) -> Json:
    return {"value": value or "", "timestamp": at, "sourceType": source, **_SOURCES.get(source, {})}


def _entries(
    portal: Portal, kind: ObjectType, ids: Sequence[int], names: Sequence[str]
) -> Mapping[tuple[int, str], list[Json]]:
    found: dict[tuple[int, str], list[Json]] = {}
    for some in chunks(ids):
        sql = f"""SELECT id, property, value, at, source FROM hubspot__history
                  WHERE object = ? AND id IN ({marks(some)}) AND property IN ({marks(names)})
                  ORDER BY at DESC, rowid DESC"""  # noqa: S608 - marks only
        for record_id, name, value, at, source in portal.state.query(sql, (kind.stored, *some, *names)):
            found.setdefault((record_id, name), []).append(_entry(value, wire_instant(at) or "", source))
    return found


def texts(values: Any) -> list[str]:
    """A JSON list of names, of which anything but text is left out."""
    return [value for value in values or () if isinstance(value, str)] if isinstance(values, list) else []
