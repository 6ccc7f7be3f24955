"""Field history as Salesforce keeps it: a row for each change of a tracked field, and snapshots of opportunities.

Follows the object reference's "AccountHistory" and "OpportunityHistory" and the help page "Track Field History". A
lookup makes two rows, one with names and one with ids; long text keeps no values; a new record makes one row whose
field is ``created``. Only writes through the APIs are tracked: sample data has no past but its own dates.

Unverified: the exact words of ``DataType`` for each type of field.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from integrations.sandbox.salesforce_histories import (
    CREATED,
    OPPORTUNITY_HISTORY,
    history_name,
    parent_field,
    tracked_name,
)
from integrations.sandbox.salesforce_objects import BY_PREFIX, OBJECTS
from integrations.sandbox.salesforce_schema import Field, SObject
from integrations.sandbox.salesforce_store import CRM, INTEGRATION_USER_ID, new_id, next_row
from integrations.sandbox.soql_sql import stored
from integrations.sandbox.soql_values import wire_instant
from integrations.sandbox.state import State, quoted

_SNAPSHOT = ("StageName", "Amount", "Probability", "CloseDate")
_DATA_TYPES = {
    "boolean": "Boolean",
    "currency": "Currency",
    "date": "DateOnly",
    "datetime": "DateTime",
    "double": "Double",
    "int": "Double",
    "percent": "Percent",
    "picklist": "DynamicEnum",
}

Row = Mapping[str, Any]
_Change = tuple[str, str | None, Any, Any]


def note_created(state: State, entity: SObject, row: Row) -> None:
    """Keep the birth of a record that came through an API."""
    if entity.tracked:
        _keep(state, entity, row["Id"], [(CREATED, "Text", None, None)])
    if entity.name == "Opportunity":
        _snapshot(state, row)


def note_changed(state: State, entity: SObject, before: Row, after: Row) -> None:
    """Keep what an update through an API changed.

    Args:
        before: The stored row as it was, by field name; so ``after``, as it is.
    """
    changed = [name for name in entity.tracked if before.get(name) != after.get(name)]
    if changed:
        fields = (entity.by_name[name.lower()] for name in changed)
        changes = [each for field in fields for each in _changes(state, field, before, after)]
        _keep(state, entity, before["Id"], changes)
    if entity.name == "Opportunity" and any(before.get(name) != after.get(name) for name in _SNAPSHOT):
        _snapshot(state, after)


def set_deleted(state: State, entity: SObject, record_id: str, *, is_deleted: bool) -> None:
    """Let the history of a record follow it into the recycle bin or out of it."""
    for child, by in histories(entity):
        sql = f'UPDATE {stored(child)} SET "IsDeleted" = ? WHERE {quoted(by)} = ?'  # noqa: S608 - names from the schema
        state.execute(sql, (int(is_deleted), record_id))


def histories(entity: SObject) -> Iterable[tuple[SObject, str]]:
    """The history objects of an object, each with the field that names the record."""
    for _, child, by, _ in entity.children:
        if OBJECTS[child.lower()].is_history:
            yield OBJECTS[child.lower()], by


def _changes(state: State, field: Field, before: Row, after: Row) -> list[_Change]:
    name, old, new = tracked_name(field), before.get(field.name), after.get(field.name)
    if field.type == "reference":
        return [(name, "Text", _name_of(state, old), _name_of(state, new)), (name, "EntityId", old, new)]
    if field.is_long_text:
        return [(name, "Text", None, None)]
    if field.type == "int":  # where any type may stand, whole numbers are booleans
        old, new = (None if each is None else float(each) for each in (old, new))
    return [(name, _DATA_TYPES.get(field.type, "Text"), old, new)]


def _name_of(state: State, record_id: str | None) -> str | None:
    if not record_id:
        return None
    target = BY_PREFIX[record_id[:3]]
    sql = f'SELECT {quoted(target.record_name)} FROM {stored(target)} WHERE "Id" = ?'  # noqa: S608 - from the schema
    found = state.query(sql, (record_id,))
    return str(found[0][0]) if found else None


def _keep(state: State, entity: SObject, record_id: str, changes: Iterable[_Change]) -> None:
    history = OBJECTS[history_name(entity).lower()]
    parent = parent_field(entity)
    rows = [
        {parent: record_id, "Field": name, "DataType": kind, "OldValue": old, "NewValue": new}
        for name, kind, old, new in changes
    ]
    _insert(state, history, rows)


def _snapshot(state: State, row: Row) -> None:
    values = {name: row.get(name) for name in _SNAPSHOT}
    stamp = {"SystemModstamp": wire_instant(state.clock.now())}
    _insert(state, OBJECTS[OPPORTUNITY_HISTORY.name.lower()], [{"OpportunityId": row["Id"], **values, **stamp}])


def _insert(state: State, history: SObject, rows: Iterable[Row]) -> None:
    first, now = next_row(state, history), wire_instant(state.clock.now())
    made = {"CreatedDate": now, "CreatedById": INTEGRATION_USER_ID, "IsDeleted": 0}
    numbered = enumerate(rows, first)
    state.insert_many(
        CRM, history.name, [{"_row": at, "Id": new_id(history, at), **made, **row} for at, row in numbered]
    )
