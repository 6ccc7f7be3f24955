"""Writes as sObject Collections: 200 a call, new records by key, known ones by Id, every row with its own outcome."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby, islice
from typing import Any, TypeVar

from integrations.errors import CrmRefusedError
from integrations.salesforce.fields import KEY_FIELD, PLAN, SECTION, TASK, SalesforceConfig
from integrations.salesforce.org import Org
from integrations.salesforce.soql import select, soql
from integrations.salesforce.words import PRIORITY_WORDS
from models.enums import TaskPriority, WriteAction, WriteKind
from models.records import Outcome, Value, Write

BATCH = 200
KEYS_PER_QUERY = 300
"""Keys of 32 characters, quoted and encoded, stay under 13 kB of the 16 kB that an address may have."""

SOBJECTS: Mapping[WriteKind, str] = {WriteKind.FIELDS: PLAN, WriteKind.SECTIONS: SECTION, WriteKind.TASKS: TASK}
ORDER = tuple(SOBJECTS)
PARENT = "Success_Plan__r"

LOCKED = frozenset({"UNABLE_TO_LOCK_ROW", "ENTITY_IS_LOCKED", "RECORD_LOCKED", "TOO_MANY_APEX_REQUESTS"})
"""Refusals of a row that smaller batches, one after the other, often overcome."""

EXISTS_NOW = frozenset({"DUPLICATE_VALUE", "INVALID_FIELD_FOR_INSERT_UPDATE"})
"""Refusals of a new row that mean: it exists since, by an answer that was lost. Without its parent it is an update."""

SMALLER = (50, 10)
"""Batch sizes of the rounds in which refused rows get another chance."""


Item = TypeVar("Item")


def chunks(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """``items`` in order, ``size`` at a time."""
    rest = iter(items)
    while chunk := tuple(islice(rest, size)):
        yield chunk


def batches(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """Group writes into the fewest calls: fields, then sections, then tasks; new and known records apart.

    Rows of one account stand together, so that no two batches lock the same account.
    """
    ordered = sorted(writes, key=_position)
    for _, group in groupby(ordered, key=lambda write: (write.kind, _is_new(write))):
        yield from chunks(group, BATCH)


def _position(write: Write) -> tuple[int, bool, str, str]:
    return ORDER.index(write.kind), not _is_new(write), write.account_crm_id, write.record_key


def _is_new(write: Write) -> bool:
    return write.action is WriteAction.CREATE


def send(org: Org, batch: Sequence[Write]) -> list[Outcome]:
    """Make one of ``batches`` happen.

    New records are upserted by key. Known ones are updated by Id, never by key: a key that has gone stale would insert.
    A write that lacks its Id is looked up first, and rejected if the record is gone.

    Raises:
        CrmUnavailableError: The effect of the batch is unknown.
        CrmRefusedError: Nothing of it happened.
    """
    if not batch:
        return []
    kind, is_new = batch[0].kind, _is_new(batch[0])
    if any((write.kind, _is_new(write)) != (kind, is_new) for write in batch) or len(batch) > BATCH:
        raise ValueError("a batch holds at most 200 writes of one kind, all new or all known")
    ids = {} if is_new else _ids_of(org, batch)
    present = [write for write in batch if is_new or write.effect_key in ids]
    gone = [
        Outcome(write.effect_key, error_code="NOT_FOUND", message="the record to change no longer exists")
        for write in batch
        if not is_new and write.effect_key not in ids
    ]
    path = f"/{SOBJECTS[kind]}/{KEY_FIELD}" if is_new else ""
    rows = {write.effect_key: record_of(write, ids.get(write.effect_key), org.config) for write in present}
    return gone + _delivered(org, path, rows)


def _ids_of(org: Org, batch: Sequence[Write]) -> dict[str, str]:
    """The record Id of each write whose record is known to exist, by effect key."""
    unknown = [write for write in batch if write.crm_id is None]
    found = find(org, unknown) if unknown else {}
    ids = {write.effect_key: write.crm_id or found.get(write.record_key) for write in batch}
    return {effect: crm_id for effect, crm_id in ids.items() if crm_id is not None}


def _delivered(org: Org, path: str, rows: Mapping[str, dict[str, Any]]) -> list[Outcome]:
    """Write ``rows`` (by effect key), then again those refused for a passing reason, in smaller batches."""
    outcomes = _round(org, path, rows, BATCH)
    for attempt, size in enumerate(SMALLER, start=1):
        waiting = {
            effect: again for effect, row in rows.items() if (again := _again(row, outcomes[effect], path)) is not None
        }
        if not waiting:
            break
        if any(outcomes[effect].error_code in LOCKED for effect in waiting):
            org.patience.sleep(org.patience.wait_s(attempt, None))
        try:
            outcomes |= _round(org, path, waiting, size)
        except CrmRefusedError:
            break  # the first round stands; its refused rows are reported as they were
    return list(outcomes.values())


def _round(org: Org, path: str, rows: Mapping[str, dict[str, Any]], size: int) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    for chunk in chunks(rows.items(), size):
        results = org.collected(path, [row for _, row in chunk])
        outcomes |= {effect: outcome_of(effect, result) for (effect, _), result in zip(chunk, results, strict=True)}
    return outcomes


def _again(row: dict[str, Any], outcome: Outcome, path: str) -> dict[str, Any] | None:
    """The row to send once more, or None if it landed or sending it again cannot help."""
    if outcome.error_code in LOCKED:
        return row
    if path and outcome.error_code in EXISTS_NOW:
        return {name: value for name, value in row.items() if name != PARENT}
    return None


def outcome_of(effect_key: str, result: Mapping[str, Any]) -> Outcome:
    """What one Collections result says."""
    if result.get("success") and result.get("id"):
        return Outcome(effect_key, crm_id=result["id"], is_created=bool(result.get("created")))
    error: Mapping[str, Any] = next(iter(result.get("errors") or ()), {})
    code = str(error.get("statusCode") or "UNKNOWN_EXCEPTION")
    names = ", ".join(error.get("fields") or ())
    message = f"{error.get('message') or ''}{f' [{names}]' if names else ''}"
    return Outcome(effect_key, error_code=code, message=message[:500])


def record_of(write: Write, crm_id: str | None, config: SalesforceConfig) -> dict[str, Any]:
    """One write as a Salesforce record: with its Id if known, else with its key and its parents.

    A known plan gets its key, too: one that a person made has none, and its sections find it by that key.
    """
    record: dict[str, Any] = {"attributes": {"type": SOBJECTS[write.kind]}}
    key = {KEY_FIELD: write.record_key}
    if crm_id is None:
        return {**record, **key, **_parents(write), **_changed(write, config)}
    return {**record, "id": crm_id, **(key if write.kind is WriteKind.FIELDS else {}), **_changed(write, config)}


def _parents(write: Write) -> dict[str, Any]:
    if write.kind is WriteKind.SECTIONS:
        return {PARENT: {KEY_FIELD: write.plan_key}}
    return {"WhatId": write.account_crm_id} if write.kind is WriteKind.TASKS else {}


def _changed(write: Write, config: SalesforceConfig) -> dict[str, Any]:
    values = write.values
    if write.kind is WriteKind.FIELDS:
        names = PLAN_NAMES | (NAME_OF_NEW_PLAN if _is_new(write) else {})
        return {"Account__c": write.account_crm_id, **_named(values, names)}
    if write.kind is WriteKind.SECTIONS:
        return _named(values, SECTION_NAMES)
    if write.action is WriteAction.CLOSE:
        return {"Status": config.closed_status}
    return {**_named(values, TASK_NAMES), **_priority(values), **_owner(write, config)}


NAME_OF_NEW_PLAN = {"customer_name": "Name"}
"""Later the name is people's."""
PLAN_NAMES = {
    "health_score": "Health_Score__c",
    "health_band": "Health_Band__c",
    "renewal_date": "Renewal_Date__c",
}
SECTION_NAMES = {"section": "Section__c", "body": "Body__c"}
TASK_NAMES = {"subject": "Subject", "body": "Description", "due_date": "ActivityDate"}
LONGEST = {"Name": 80, "Subject": 255}
"""Titles are cut to what fits; a text that is too long is refused by the org, visibly."""


def _named(values: Mapping[str, Value], names: Mapping[str, str]) -> dict[str, Any]:
    """The values under Salesforce's names, titles cut to what fits; a value that is not given is not touched."""
    return {vendor: _fitting(vendor, values[name]) for name, vendor in names.items() if name in values}


def _fitting(vendor: str, value: Value) -> Value:
    if isinstance(value, date):
        return value.isoformat()
    return value[: LONGEST[vendor]] if isinstance(value, str) and vendor in LONGEST else value


def _priority(values: Mapping[str, Value]) -> dict[str, str]:
    return {"Priority": PRIORITY_WORDS[TaskPriority(str(values["priority"]))]} if values.get("priority") else {}


def _owner(write: Write, config: SalesforceConfig) -> dict[str, Value]:
    """The owner; an update that names none leaves the present one, a new task without any gets the fallback."""
    owner = write.values.get("owner_crm_id") or (config.fallback_owner if _is_new(write) else None)
    return {"OwnerId": owner} if owner else {}


def find(org: Org, writes: Sequence[Write]) -> dict[str, str]:
    """The Ids of the records of ``writes`` that exist, by ``record_key``; archived ones do, deleted ones do not."""
    found: dict[str, str] = {}
    for kind in ORDER:
        keys = sorted({write.record_key for write in writes if write.kind is kind})
        for chunk in chunks(keys, KEYS_PER_QUERY):
            where = soql(f"{KEY_FIELD} IN {{keys}} AND IsDeleted = false", keys=list(chunk))
            for records in org.query_pages(select(SOBJECTS[kind], ["Id", KEY_FIELD], where)):
                found |= {record[KEY_FIELD]: record["Id"] for record in records}
    return found
