"""Writing records as HubSpot does: values checked, required ones demanded, unique ones kept unique, stages followed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.hubspot_answers import HubSpotError, Problem, conflict, invalid, invalid_values
from integrations.sandbox.hubspot_links import part_records
from integrations.sandbox.hubspot_pipelines import PIPELINE_PROPERTIES, stage_of
from integrations.sandbox.hubspot_portal import ARCHIVED, CRM, LIVE, Portal, chunks, marks
from integrations.sandbox.hubspot_schema import Property
from integrations.sandbox.hubspot_types import ObjectType
from integrations.sandbox.hubspot_values import ValueRefusedError, accepted, as_text, refusal
from integrations.sandbox.state import quoted

Values = dict[str, str | None]
_TASK_DEFAULTS: Values = {"hs_task_status": "NOT_STARTED", "hs_task_priority": "NONE", "hs_task_type": "TODO"}


EXISTING_ID = ". Existing ID: "


@dataclass(frozen=True, slots=True)
class Draft:
    """Accepted values of one record: a new one when ``record_id`` is None."""

    record_id: int | None
    values: Values


# -- what is accepted -------------------------------------------------------------------------------------------------


def cleaned(portal: Portal, kind: ObjectType, properties: Any) -> Values:
    """The values of a request as they will be kept.

    Raises:
        HubSpotError: 400, naming every property that is unknown, read-only or has a wrong value.
    """
    if not isinstance(properties, dict):
        raise invalid("Invalid input JSON: Some required fields were not set: [properties]")
    known = portal.properties(kind)
    values: Values = {}
    problems: list[Problem] = []
    for name, value in properties.items():
        rule = known.get(name)
        if rule is None:
            problems.append(Problem(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
        elif rule.is_read_only:
            message = f'"{name}" is a read only property; its value cannot be set.'
            problems.append(Problem(name, "READ_ONLY_VALUE", message))
        else:
            _take(portal, rule, as_text(value) or "", values, problems)
    if problems:
        raise invalid_values(problems)
    return values


def _take(portal: Portal, rule: Property, text: str, values: Values, problems: list[Problem]) -> None:
    owners = portal.owners() if rule.refers_to_owners else ()
    try:
        values[rule.name] = accepted(rule, text, owners)
    except ValueRefusedError as error:
        problems.append(refusal(rule, error))


def completed(portal: Portal, kind: ObjectType, values: Values) -> Values:
    """A new record's values with HubSpot's defaults.

    Raises:
        HubSpotError: 400, when a required property is missing.
    """
    missing = [name for name in kind.required if not values.get(name)]
    if kind.plural == "companies" and not (values.get("name") or values.get("domain")):
        missing = ["name", "domain"]
    if missing:
        message = f"Error creating {kind.singular.upper()}. Some required properties were not set."
        raise invalid(message, context={"properties": missing})
    return with_defaults(portal, kind, values)


def with_defaults(portal: Portal, kind: ObjectType, values: Values) -> Values:
    """The values, and what HubSpot sets when they say nothing of it."""
    defaults = _TASK_DEFAULTS if kind.plural == "tasks" else {}
    if kept := portal.pipelines(kind):
        defaults = {PIPELINE_PROPERTIES[kind.plural][0]: kept[0].id}
    return defaults | {name: value for name, value in values.items() if value is not None or name not in defaults}


def derived(portal: Portal, kind: ObjectType, values: Values, current: Mapping[str, str | None], now: str) -> Values:
    """What follows from a stage or a status that is written.

    Raises:
        HubSpotError: 400, when the stage is not one of the record's pipeline.
    """
    if kind.plural == "tasks" and "hs_task_status" in values:
        return {"hs_task_completion_date": now if values["hs_task_status"] == "COMPLETED" else None}
    if kind.plural not in PIPELINE_PROPERTIES:
        return {}
    pipeline_name, stage_name = PIPELINE_PROPERTIES[kind.plural]
    after = {**current, **values}
    stage_id = after.get(stage_name)
    found = stage_of(portal.pipelines(kind), stage_id) if stage_id else None
    if found is None or not {pipeline_name, stage_name} & values.keys():
        return {}
    pipeline, stage = found
    if after.get(pipeline_name) != pipeline.id:
        message = f"{stage_id} is not a stage of pipeline {after.get(pipeline_name)}"
        raise invalid_values([Problem(stage_name, "INVALID_OPTION", message)])
    closed = "true" if stage.is_closed else "false"
    if kind.plural == "deals":
        return {"hs_is_closed": closed, "hs_is_closed_won": "true" if stage.is_won else "false"}
    return {"hs_is_closed": closed} | _closing(values, current, now, is_closed=stage.is_closed)


def _closing(values: Values, current: Mapping[str, str | None], now: str, *, is_closed: bool) -> Values:
    if "closed_date" in values:
        return {}
    if not is_closed:
        return {"closed_date": None}
    return {} if current.get("closed_date") else {"closed_date": now}


def demand_unique(portal: Portal, kind: ObjectType, drafts: Sequence[Draft]) -> None:
    """Refuse values that another record, archived ones included, or another draft already has.

    Raises:
        HubSpotError: 409, naming the record that has the value.
    """
    for rule in portal.properties(kind).values():
        if rule.has_unique_value:
            _demand_unique(portal, kind, rule.name, drafts)


def _demand_unique(portal: Portal, kind: ObjectType, name: str, drafts: Sequence[Draft]) -> None:
    wanted = [(draft, value) for draft in drafts if (value := draft.values.get(name)) is not None]
    taken: dict[str, int | None] = {}
    for some in chunks([value for _, value in wanted]):
        column = quoted(name)
        sql = f"SELECT {column}, _id FROM {portal.table(kind)} WHERE {column} IN ({marks(some)})"  # noqa: S608 - quoted names
        taken |= dict(portal.state.query(sql, some))
    for draft, value in wanted:
        if value in taken and taken[value] != draft.record_id:
            raise _taken(kind, name, taken[value])
        taken[value] = draft.record_id


def _taken(kind: ObjectType, name: str, owner: int | None) -> HubSpotError:
    if name == "email":
        return conflict(f"Contact already exists{EXISTING_ID}{owner}")
    where = f"objectTypeId={kind.type_id}, propertyName={name}"
    return conflict(f"Cannot set PropertyValueCoordinates{{{where}}}. {owner} already has that value.")


# -- what is written --------------------------------------------------------------------------------------------------


def create_records(portal: Portal, kind: ObjectType, all_values: Sequence[Values]) -> list[int]:
    """Write new records; answers their ids in order. The caller holds the transaction.

    Raises:
        HubSpotError: 400 or 409, when a draft breaks a rule.
    """
    now = portal.now_text()
    ready = [completed(portal, kind, values) for values in all_values]
    demand_unique(portal, kind, [Draft(None, values) for values in ready])
    first = portal.next_id(kind)
    stamps = {kind.created: now, kind.modified: now}
    rows: list[dict[str, Any]] = [
        {"_id": first + number} | stamps | derived(portal, kind, values, {}, now) | values
        for number, values in enumerate(ready)
    ]
    portal.state.insert_many(CRM, kind.stored, rows)
    ids = [row["_id"] for row in rows]
    portal.write_log(kind.plural, ids, "create")
    return ids


def update_records(portal: Portal, kind: ObjectType, drafts: Sequence[Draft]) -> None:
    """Write values of existing records and their history. The caller holds the transaction.

    Raises:
        HubSpotError: 400 or 409, when a draft breaks a rule.
    """
    now = portal.now_text()
    demand_unique(portal, kind, drafts)
    current = current_rows(portal, kind, [draft.record_id for draft in drafts if draft.record_id is not None])
    for draft in drafts:
        held = current[draft.record_id or 0]
        after = derived(portal, kind, draft.values, held, now) | draft.values
        changed = {name: value for name, value in after.items() if held.get(name) != value}
        write_history(portal, kind, held, changed, now)
        write_values(portal, kind, draft.record_id or 0, changed | {kind.modified: now})
    portal.write_log(kind.plural, current, "update")


def current_rows(portal: Portal, kind: ObjectType, ids: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """Records as the state keeps them, by id, whatever became of them."""
    found: dict[int, Mapping[str, Any]] = {}
    for some in chunks(ids):
        sql = f"SELECT * FROM {portal.table(kind)} WHERE _id IN ({marks(some)})"  # noqa: S608 - quoted name
        found |= {row["_id"]: row for row in portal.state.records(sql, some)}
    return found


def write_values(portal: Portal, kind: ObjectType, record_id: int, values: Mapping[str, Any]) -> None:
    """Set columns of one record; no check, no history."""
    settings = ", ".join(f"{quoted(name)} = ?" for name in values)
    sql = f"UPDATE {portal.table(kind)} SET {settings} WHERE _id = ?"  # noqa: S608 - quoted names
    portal.state.execute(sql, (*values.values(), record_id))


def write_history(
    portal: Portal, kind: ObjectType, held: Mapping[str, Any], changed: Mapping[str, str | None], now: str
) -> None:
    """Keep the new values; the first change of a property keeps its first value, since creation, too."""
    first = """INSERT INTO hubspot__history SELECT :object, :id, :name, :value, :at, 'CRM_UI' WHERE NOT EXISTS
               (SELECT 1 FROM hubspot__history WHERE object = :object AND id = :id AND property = :name)"""
    key = {"object": kind.stored, "id": held["_id"]}
    known_since = held.get(kind.created) or now
    was = [
        key | {"name": name, "value": held[name], "at": known_since} for name in changed if held.get(name) is not None
    ]
    portal.state.execute_many(first, was)
    rows = [(kind.stored, held["_id"], name, value, now, "INTEGRATION") for name, value in changed.items()]
    portal.state.execute_many("INSERT INTO hubspot__history VALUES (?, ?, ?, ?, ?, ?)", rows)


def archive_records(portal: Portal, kind: ObjectType, ids: Sequence[int]) -> None:
    """Move live records to the bin, apart from everything they were associated with; their stamps stay."""
    now = portal.now_text()
    for some in chunks(ids):
        sql = f"""UPDATE {portal.table(kind)} SET _archived = ?, _archived_at = ?
                  WHERE _id IN ({marks(some)}) AND +_archived = ?"""  # noqa: S608 - quoted name
        portal.state.execute(sql, (ARCHIVED, now, *some, LIVE))
        part_records(portal, kind, some)
    portal.write_log(kind.plural, ids, "delete")
