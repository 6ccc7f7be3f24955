"""Writes of which some rows are refused and the others happen."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from zlib import crc32

import orjson

from integrations.sandbox.fault_answers import Ask, Told, answer, refusal
from integrations.sandbox.fault_kinds import HUBSPOT
from integrations.sandbox.faults import Fault

Do = Callable[[Ask], Awaitable[Told]]
Json = dict[str, Any]

_CODES = {"row_error": {"salesforce": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "hubspot": "VALIDATION_ERROR"}}
_LOCKED = ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
_ROLLED_BACK = ("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back because not all records were valid")
_WHOLE = 1 << 32


async def row_refusals(fault: Fault, ask: Ask, do: Do) -> Told:
    """Have the rows that are not struck written, and answer for all of them, each in its place."""
    body = ask.json
    if not isinstance(body, dict):
        return await do(ask)
    if fault.crm == HUBSPOT:
        return await (_inputs if isinstance(body.get("inputs"), list) else _single)(fault, ask, do)
    if isinstance(body.get("compositeRequest"), list):
        return await _composite(fault, ask, do)
    return await (_collection if isinstance(body.get("records"), list) else _single)(fault, ask, do)


def is_struck(fault: Fault, row: Any) -> bool:
    """Whether a row is refused: by who it is, so that trying again does not help; a lock strikes anew each time."""
    if fault.kind == "lock_row":
        return fault.draws()
    return crc32(f"{fault.seed}:{_identity(row)}".encode()) < fault.share * _WHOLE


def _identity(row: Json) -> str:
    properties = row.get("properties") or row
    key = row.get("id") or row.get("Id") or properties.get("plansync_key") or properties.get("Plansync_Key__c")
    plain = {name: value for name, value in row.items() if name != "objectWriteTraceId"}
    return str(key or orjson.dumps(plain, option=orjson.OPT_SORT_KEYS).decode())


def _said(fault: Fault) -> tuple[str, str]:
    if fault.kind == "lock_row":
        return _LOCKED
    return fault.code or _CODES["row_error"][fault.crm], fault.message


async def _single(fault: Fault, ask: Ask, do: Do) -> Told:
    return refusal(fault.crm, 400, *_said(fault)) if is_struck(fault, ask.json) else await do(ask)


# -- Salesforce -------------------------------------------------------------------------------------------------------


def _error(code: str, message: str) -> Json:
    return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": []}]}


async def _collection(fault: Fault, ask: Ask, do: Do) -> Told:
    if ask.method == "POST" and isinstance(ask.json.get("ids"), list):
        return await do(ask)
    kept, struck = _parted(fault, ask.json)
    if not struck:
        return await do(ask)
    if not kept["records"]:
        return answer(200, _whole(fault, ask.json, [], struck))
    given = await do(ask.having(kept))
    results = given.json
    return given.having(_whole(fault, ask.json, results, struck)) if isinstance(results, list) else given


def _parted(fault: Fault, body: Json) -> tuple[Json, set[int]]:
    """The body without the rows that are struck, and their places; all or none means all."""
    rows = body["records"]
    struck = {place for place, row in enumerate(rows) if is_struck(fault, row)}
    if struck and body.get("allOrNone"):
        return {**body, "records": []}, struck
    return {**body, "records": [row for place, row in enumerate(rows) if place not in struck]}, struck


def _whole(fault: Fault, body: Json, results: Sequence[Json], struck: set[int]) -> list[Json]:
    """Results of all rows in order: those of the CRM, and refusals in between."""
    left = iter(results)
    return [
        _error(*_said(fault)) if place in struck else next(left, _error(*_ROLLED_BACK))
        for place in range(len(body["records"]))
    ]


async def _composite(fault: Fault, ask: Ask, do: Do) -> Told:
    """Several collections in one call; parts of other kinds pass as they are."""
    asked_for = ask.json["compositeRequest"]
    bodies = {part["referenceId"]: part["body"] for part in asked_for if "records" in (part.get("body") or {})}
    parted = {name: _parted(fault, body) for name, body in bodies.items()}
    left = [
        {**part, "body": parted[part["referenceId"]][0]} if part["referenceId"] in parted else part
        for part in asked_for
        if part["referenceId"] not in parted or parted[part["referenceId"]][0]["records"]
    ]
    given = await do(ask.having({**ask.json, "compositeRequest": left})) if left else answer(200, {})
    if given.status >= 300:
        return given
    answered = {one["referenceId"]: one for one in given.json.get("compositeResponse", [])}
    whole = []
    for part in asked_for:
        name = part["referenceId"]
        one = answered.get(name, {"body": [], "httpHeaders": {}, "httpStatusCode": 200, "referenceId": name})
        if name in parted and isinstance(one["body"], list) and one["httpStatusCode"] < 300:
            one = {**one, "body": _whole(fault, bodies[name], one["body"], parted[name][1])}
        whole.append(one)
    return given.having({"compositeResponse": whole})


# -- HubSpot ----------------------------------------------------------------------------------------------------------


async def _inputs(fault: Fault, ask: Ask, do: Do) -> Told:
    inputs = ask.json["inputs"]
    struck = [row for row in inputs if is_struck(fault, row)]
    if not struck:
        return await do(ask)
    code, message = _said(fault)
    if not all("objectWriteTraceId" in row for row in inputs):
        return refusal(HUBSPOT, 400, code, message)
    kept = [row for row in inputs if row not in struck]
    given = await do(ask.having({**ask.json, "inputs": kept})) if kept else _nothing_done(ask)
    if given.status >= 300:
        return given
    errors = [
        {
            "status": "error",
            "category": code,
            "message": message,
            "context": {"objectWriteTraceId": [str(row["objectWriteTraceId"])]},
        }
        for row in struck
    ]
    body = given.json
    errors = [*body.get("errors", []), *errors]
    status = given.status if "/2026-09/" in ask.path else 207
    return answer(status, {**body, "numErrors": len(errors), "errors": errors}, given.headers)


def _nothing_done(ask: Ask) -> Told:
    status = 201 if ask.path.endswith("/create") else 200
    at = "2026-01-01T00:00:00.000Z"
    return answer(status, {"status": "COMPLETE", "results": [], "startedAt": at, "completedAt": at})
