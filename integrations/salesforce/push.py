"""Writes as sObject Collections: 200 a call, new records by key, known ones by Id, every row with its own outcome.

What is left of both after the full batches shares a call, if it fits: a composite of two Collections.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain, groupby, islice
from typing import Any, TypeVar

from integrations.errors import CrmRefusedError
from integrations.salesforce.composite import LOCKED, REFERENCE_MARK
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


@dataclass(frozen=True, slots=True)
class Row:
    """One write as it is sent: ``path`` is that of its Collections call, by key for a new record, else empty."""

    effect_key: str
    path: str
    record: dict[str, Any]


def batches(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """Group writes into the fewest calls: fields, then sections, then tasks; in each, new records before known ones.

    Rows of one account stand together, so that no two batches of new or of known records lock the same account.
    """
    ordered = sorted(writes, key=_position)
    for _, same in groupby(ordered, key=lambda write: write.kind):
        yield from _batches_of_kind([tuple(half) for _, half in groupby(same, key=_is_new)])


def _batches_of_kind(halves: Sequence[Sequence[Write]]) -> Iterator[Sequence[Write]]:
    """Full batches of new and of known records, then what is left of both, together if one call can hold it."""
    rests = []
    for half in halves:
        full = len(half) - len(half) % BATCH
        yield from chunks(half[:full], BATCH)
        rests.append(half[full:])
    together = tuple(chain.from_iterable(rests))
    yield from (each for each in ([together] if _fits_one_call(together) else rests) if each)


def _fits_one_call(batch: Sequence[Write]) -> bool:
    """Whether the writes, all of one kind, may share a call.

    Text that a composite would read as a reference to another answer keeps new and known records apart.
    """
    is_mixed = len({_is_new(write) for write in batch}) > 1
    return len(batch) <= BATCH and not (is_mixed and any(_may_refer(write) for write in batch))


def _may_refer(write: Write) -> bool:
    return any(isinstance(value, str) and REFERENCE_MARK in value for value in write.values.values())


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
    if len({write.kind for write in batch}) > 1 or not _fits_one_call(batch):
        raise ValueError("a batch holds at most 200 writes of one kind, which may share a call")
    known = [write for write in batch if not _is_new(write)]
    ids = _ids_of(org, known)
    gone = [
        Outcome(write.effect_key, error_code="NOT_FOUND", message="the record to change no longer exists")
        for write in known
        if write.effect_key not in ids
    ]
    present = [write for write in batch if _is_new(write) or write.effect_key in ids]
    return gone + _delivered(org, [_row(write, ids.get(write.effect_key), org.config) for write in present])


def _row(write: Write, crm_id: str | None, config: SalesforceConfig) -> Row:
    path = f"/{SOBJECTS[write.kind]}/{KEY_FIELD}" if _is_new(write) else ""
    return Row(write.effect_key, path, record_of(write, crm_id, config))


def _ids_of(org: Org, known: Sequence[Write]) -> dict[str, str]:
    """The record Id of each write whose record is known to exist, by effect key."""
    unknown = [write for write in known if write.crm_id is None]
    found = find(org, unknown) if unknown else {}
    ids = {write.effect_key: write.crm_id or found.get(write.record_key) for write in known}
    return {effect: crm_id for effect, crm_id in ids.items() if crm_id is not None}


def _delivered(org: Org, rows: Sequence[Row]) -> list[Outcome]:
    """Write ``rows``, then again those refused for a passing reason, in smaller batches."""
    outcomes = _round(org, rows, BATCH)
    for attempt, size in enumerate(SMALLER, start=1):
        waiting = [again for row in rows if (again := _again(row, outcomes[row.effect_key])) is not None]
        if not waiting:
            break
        if any(outcomes[row.effect_key].error_code in LOCKED for row in waiting):
            org.patience.sleep(org.patience.wait_s(attempt, None))
        try:
            outcomes |= _round(org, waiting, size)
        except CrmRefusedError:
            break  # the first round stands; its refused rows are reported as they were
    return list(outcomes.values())


def _round(org: Org, rows: Sequence[Row], size: int) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    for chunk in chunks(sorted(rows, key=lambda row: not row.path), size):
        parts = [(path, [row.record for row in part]) for path, part in groupby(chunk, key=lambda row: row.path)]
        results = org.collected(*parts[0]) if len(parts) == 1 else org.collected_together(parts)
        outcomes |= {row.effect_key: outcome_of(row.effect_key, each) for row, each in zip(chunk, results, strict=True)}
    return outcomes


def _again(row: Row, outcome: Outcome) -> Row | None:
    """The row to send once more, or None if it landed or sending it again cannot help."""
    if outcome.error_code in LOCKED:
        return row
    if row.path and outcome.error_code in EXISTS_NOW:
        return replace(row, record={name: value for name, value in row.record.items() if name != PARENT})
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
