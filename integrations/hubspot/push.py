"""Writing to a portal: 100 records a call, bad rows singled out, and no task created twice."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import orjson

from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.hubspot import fields
from integrations.hubspot.fields import KEY, PROVISION
from integrations.hubspot.inputs import Group, input_of, plan_values
from integrations.hubspot.keys import task_ids
from integrations.hubspot.pull import BATCH, batch_read, slices
from integrations.hubspot.wire import Portal, Reply, codes_in
from models.enums import WriteAction, WriteKind
from models.records import Outcome, Write

Json = dict[str, Any]
Item = TypeVar("Item")

ROW_REFUSALS = frozenset({400, 404, 409, 413})
"""Statuses that may be one row's fault and refuse the whole batch."""
UNKNOWN_PROPERTY = b"PROPERTY_DOESNT_EXIST"
MISSING = "OBJECT_NOT_FOUND"
KEY_TAKEN = ("CONFLICT", "ALREADY_EXISTS")
"""Parts of the codes that say that another record has a unique value: ``CONFLICTING_UNIQUE_VALUE`` is one."""


def batches(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """Group writes into the fewest calls: companies with their fields and sections, then new tasks, then known ones."""
    plans = [write for write in writes if write.kind is not WriteKind.TASKS]
    tasks = [write for write in writes if write.kind is WriteKind.TASKS]
    new = [write for write in tasks if write.action is WriteAction.CREATE]
    known = [write for write in tasks if write.action is not WriteAction.CREATE]
    for some in (plans, new, known):
        grouped = sorted(groups(some), key=lambda group: (group[0].account_crm_id, group[0].record_key))
        for start in range(0, len(grouped), BATCH):
            yield [write for group in grouped[start : start + BATCH] for write in group]


def groups(writes: Sequence[Write]) -> list[Group]:
    """Writes that share one input, in the order of their first."""
    found: dict[tuple[str, str], list[Write]] = {}
    for write in writes:
        is_task = write.kind is WriteKind.TASKS
        key = ("task", write.record_key) if is_task else ("company", write.account_crm_id)
        found.setdefault(key, []).append(write)
    return [tuple(group) for group in found.values()]


def send(portal: Portal, batch: Sequence[Write]) -> list[Outcome]:
    """Make one of ``batches`` happen.

    New tasks are created, and a creation is never repeated after a lost answer; all else is an update by id, which
    repeats without harm. A batch that is refused as a whole for one row is taken apart until that row stands alone.

    Raises:
        CrmUnavailableError: The effect of the batch is unknown.
        CrmRefusedError: Nothing of it happened.
    """
    if not batch:
        return []
    grouped = groups(batch)
    if len({_path(portal, group[0]) for group in grouped}) > 1 or len(grouped) > BATCH:
        raise ValueError("a batch holds at most 100 records of one kind, all new or all known")
    present, outcomes = _with_ids(portal, grouped)
    waiting = [present] if present else []
    is_answered = False
    while waiting:
        some = waiting.pop()
        try:
            reply = _sent(portal, some)
        except CrmRefusedError as refused:
            if not is_answered:
                raise
            raise CrmUnavailableError(f"{refused}; a part of the batch had been answered") from refused
        if not is_answered:
            _demand_properties(_path(portal, some[0][0]), reply)
        settled, parts = _settled(some, reply)
        is_answered = True
        outcomes += settled
        waiting += parts
    return _landed_before(portal, batch, outcomes)


def _with_ids(portal: Portal, grouped: Sequence[Group]) -> tuple[list[Group], list[Outcome]]:
    """The groups, known tasks whose id nobody noted looked up by key; those that are gone are outcomes already."""
    unknown = [group[0] for group in grouped if group[0].crm_id is None and _needs_id(group[0])]
    found = find(portal, unknown) if unknown else {}
    present = [
        (replace(group[0], crm_id=found[group[0].record_key]),) if group[0] in unknown else group
        for group in grouped
        if group[0] not in unknown or group[0].record_key in found
    ]
    gone = [write for write in unknown if write.record_key not in found]
    return present, [_rejected(write, {"category": MISSING}) for write in gone]


def _needs_id(write: Write) -> bool:
    return write.kind is WriteKind.TASKS and write.action is not WriteAction.CREATE


def _is_new_task(write: Write) -> bool:
    return write.kind is WriteKind.TASKS and write.action is WriteAction.CREATE


def _settled(grouped: Sequence[Group], reply: Reply) -> tuple[list[Outcome], list[list[Group]]]:
    """The outcomes that an answer gives, and what has to be sent again, in smaller parts, to find the row at fault."""
    if reply.status in ROW_REFUSALS:
        parts = _parts(grouped, orjson.dumps(reply.data).decode())
        return ([], parts) if parts else ([_rejected(grouped[0][0], reply.data)], [])
    return _judged(grouped, reply)


def _demand_properties(path: str, reply: Reply) -> None:
    """A property that the portal lacks is no fault of a row: nothing was written, and nothing would be."""
    body = orjson.dumps(reply.data)
    if UNKNOWN_PROPERTY in body and not reply.data.get("results"):
        raise CrmRefusedError(f"hubspot: POST {path}: {codes_in(body)}; {PROVISION}")


def find(portal: Portal, writes: Sequence[Write]) -> dict[str, str]:
    """The ids of the records of ``writes`` that exist and are not archived, by ``record_key``.

    A plan exists where its company carries the plan's key; a section where its text stands on that company, too.
    """
    found = task_ids(portal, [write for write in writes if write.kind is WriteKind.TASKS])
    plans = [write for write in writes if write.kind is not WriteKind.TASKS]
    companies = {
        str(record["id"]): record["properties"]
        for some in slices(sorted({write.account_crm_id for write in plans}), BATCH)
        for record in batch_read(portal, "companies", some, fields.PLAN_PROPERTIES)
    }
    for write in plans:
        held = companies.get(write.account_crm_id, {})
        if held.get(KEY) == write.plan_key and _stands(write, held):
            found[write.record_key] = _crm_id(write, write.account_crm_id)
    return found


def _stands(write: Write, held: Mapping[str, str | None]) -> bool:
    if write.kind is WriteKind.FIELDS:
        return True
    body = str(write.values.get("body") or "").strip()
    return (held.get(fields.SECTION_PROPERTIES[str(write.values["section"])]) or "") == body


# -- requests ---------------------------------------------------------------------------------------------------------


def _path(portal: Portal, write: Write) -> str:
    if write.kind is not WriteKind.TASKS:
        return portal.objects("companies", "/batch/update")
    verb = "create" if write.action is WriteAction.CREATE else "update"
    return portal.objects("tasks", f"/batch/{verb}")


def _sent(portal: Portal, grouped: Sequence[Group]) -> Reply:
    """One call. Each input's trace id is its place: HubSpot then judges each by itself and says which is which."""
    first = grouped[0][0]
    inputs = [
        {**input_of(group, portal.config), "objectWriteTraceId": str(place)} for place, group in enumerate(grouped)
    ]
    return portal.write(
        _path(portal, first), {"inputs": inputs}, is_repeatable=not _is_new_task(first), tolerated=ROW_REFUSALS
    )


# -- answers ----------------------------------------------------------------------------------------------------------


def _crm_id(write: Write, record_id: str) -> str:
    return f"{record_id}:{write.values['section']}" if write.kind is WriteKind.SECTIONS else record_id


def _judged(grouped: Sequence[Group], reply: Reply) -> tuple[list[Outcome], list[list[Group]]]:
    """What became of each write, whatever the status: refusals may stand inside an answer that says all is well.

    Raises:
        CrmUnavailableError: A row was neither answered nor refused.
    """
    landed = _landed(grouped, reply.data.get("results", []))
    errors = _errors(grouped, reply.data.get("errors", []))
    outcomes: list[Outcome] = []
    again: list[list[Group]] = []
    for place, group in enumerate(grouped):
        if place in landed:
            outcomes += [_done(write, landed[place]) for write in group]
        elif place not in errors:
            raise CrmUnavailableError("hubspot: a batch answered without saying what became of every row")
        elif errors[place].get("category") != MISSING and (parts := _parts([group], _json(errors[place]))):
            again += parts
        else:
            outcomes += [_rejected(write, errors[place]) for write in group]
    return outcomes, again


def _done(write: Write, record_id: str) -> Outcome:
    return Outcome(write.effect_key, crm_id=_crm_id(write, record_id), is_created=_is_new_task(write))


def _rejected(write: Write, error: Json) -> Outcome:
    """The row's own error code, with the codes and properties that HubSpot names beside it."""
    first: Json = next(iter(error.get("errors") or ()), {})
    code = first.get("code") or error.get("category") or error.get("errorType") or "UNKNOWN"
    return Outcome(write.effect_key, error_code=str(code), message=codes_in(orjson.dumps(error))[:500])


def _json(error: Json) -> str:
    return orjson.dumps(error).decode()


def _landed(grouped: Sequence[Group], results: Sequence[Json]) -> dict[int, str]:
    """Record id by place: by trace id, else by the record's id, else by its key."""
    places = {str(place): place for place in range(len(grouped))}
    named = {_name(group[0]): place for place, group in enumerate(grouped)}
    found: dict[int, str] = {}
    for result in results:
        trace, key = result.get("objectWriteTraceId"), result.get("properties", {}).get(KEY)
        place = places.get(str(trace), named.get(str(result["id"]), named.get(str(key))))
        if place is not None:
            found[place] = str(result["id"])
    return found


def _name(write: Write) -> str:
    if write.kind is not WriteKind.TASKS:
        return write.account_crm_id
    return write.record_key if write.action is WriteAction.CREATE else str(write.crm_id)


def _errors(grouped: Sequence[Group], errors: Sequence[Json]) -> dict[int, Json]:
    """Refusal by place: by trace id, else by the ids that it names."""
    named = {_name(group[0]): place for place, group in enumerate(grouped)}
    found: dict[int, Json] = {}
    for error in errors:
        context = error.get("context", {})
        traces = context.get("objectWriteTraceId", [])
        for trace in [traces] if isinstance(traces, str) else traces:
            found[int(trace)] = error
        for one in context.get("ids", []):
            if str(one) in named:
                found[named[str(one)]] = error
    return found


def _parts(grouped: Sequence[Group], refusal: str) -> list[list[Group]]:
    """Refused rows in two: those that the refusal names and the rest, else halves; nothing for a single write.

    Rows are named by their id or key; the writes of one company by their properties.
    """
    if len(grouped) > 1:
        named = [_name(group[0]) in refusal for group in grouped]
        return [list(part) for part in _two(grouped, named)]
    plain = refusal.replace("\\", "")
    writes = grouped[0]
    if len(writes) == 1:
        return []
    named = [any(f'"{name}"' in plain for name in plan_values(write)) for write in writes]
    return [[tuple(part)] for part in _two(writes, named)]


def _two(items: Sequence[Item], named: Sequence[bool]) -> tuple[Sequence[Item], Sequence[Item]]:
    """Several items in two, neither empty: the named and the others, or halves where that is no division."""
    if any(named) and not all(named):
        chosen = [item for item, is_named in zip(items, named, strict=True) if is_named]
        return chosen, [item for item, is_named in zip(items, named, strict=True) if not is_named]
    half = len(items) // 2
    return items[:half], items[half:]


def _landed_before(portal: Portal, batch: Sequence[Write], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes, but a new task whose key is taken has landed by an answer that was lost, if that task is there.

    It is not when a person archived it: an archived task keeps its key, and stays away.
    """
    taken = {one.effect_key for one in outcomes if one.error_code and any(code in _codes(one) for code in KEY_TAKEN)}
    doubted = [write for write in batch if write.effect_key in taken and _is_new_task(write)]
    keys = {write.effect_key: write.record_key for write in doubted}
    there = find(portal, doubted) if doubted else {}
    return [
        Outcome(one.effect_key, crm_id=there[keys[one.effect_key]]) if keys.get(one.effect_key) in there else one
        for one in outcomes
    ]


def _codes(outcome: Outcome) -> str:
    return f"{outcome.error_code} {outcome.message}"
