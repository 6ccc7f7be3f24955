"""Fields that an admin removed, renamed, retyped or gave another choice: in describe, in questions and in answers."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from integrations.sandbox.fault_answers import Ask, Told, refusal
from integrations.sandbox.fault_kinds import HUBSPOT, SALESFORCE
from integrations.sandbox.fault_pages import about, asked_soql, values_of
from integrations.sandbox.faults import Fault
from integrations.sandbox.salesforce_errors import no_such_column

Do = Callable[[Ask], Awaitable[Told]]
Json = dict[str, Any]

_LISTS = ("records", "results")


async def drifted(fault: Fault, ask: Ask, do: Do) -> Told:
    """The answer of a CRM whose schema has changed; the records behind it stay as they are."""
    is_gone = fault.kind in {"field_removed", "field_renamed"}
    if is_gone and (refused := _refused(fault, ask)):
        return refused
    given = await do(_by_old_name(fault, ask) if fault.kind == "field_renamed" else ask)
    body = given.json
    if given.status >= 300 or not isinstance(body, dict):
        return given
    if _is_describe(fault, ask):
        return given.having(_described(fault, body))
    for name in _LISTS:
        for row in body.get(name) or ():
            if isinstance(row, dict) and about(fault, ask, row):
                _change(fault, values_of(fault.crm, row))
    if about(fault, ask, body):
        _change(fault, values_of(fault.crm, body))
    return given.having(body)


def _is_describe(fault: Fault, ask: Ask) -> bool:
    if fault.crm == SALESFORCE:
        return ask.path.lower().endswith(f"/sobjects/{fault.object}/describe".lower())
    return "/properties/" in ask.path and ask.path.endswith(f"/{fault.object}")


def _described(fault: Fault, body: Json) -> Json:
    name = "fields" if fault.crm == SALESFORCE else "results"
    found = (_described_field(fault, one) if one["name"] == fault.field else one for one in body[name])
    return {**body, name: [one for one in found if one is not None]}


def _described_field(fault: Fault, one: Json) -> Json | None:
    if fault.kind == "field_removed":
        return None
    if fault.kind == "field_renamed":
        return {**one, "name": fault.to, "label": fault.to}
    if fault.kind == "field_retyped":
        return {**one, "type": fault.to}
    if fault.crm == SALESFORCE:
        entry = {"active": True, "defaultValue": False, "label": fault.value, "validFor": None, "value": fault.value}
        return {**one, "picklistValues": [*one["picklistValues"], entry]}
    return {**one, "options": [*one["options"], {"label": fault.value, "value": fault.value, "hidden": False}]}


def _change(fault: Fault, values: Json) -> None:
    """One record's values, where it has the field at all."""
    if fault.field not in values:
        return
    if fault.kind in {"field_removed", "field_renamed"}:
        value = values.pop(fault.field)
        if fault.kind == "field_renamed":
            values[fault.to] = value
    elif fault.kind == "field_retyped":
        known = values[fault.field]
        said = f"about {known}" if fault.value is None else fault.value
        values[fault.field] = None if known is None else said
    elif fault.draws():
        values[fault.field] = fault.value


def _named(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None


def _is_asked(fault: Fault, soql: str) -> bool:
    return re.search(rf"\bFROM\s+{re.escape(fault.object)}\b", soql, re.IGNORECASE) is not None


def _refused(fault: Fault, ask: Ask) -> Told | None:
    """The CRM's error for a request that names the field; HubSpot passes over unknown names that are only read."""
    if fault.crm == SALESFORCE:
        soql = asked_soql(ask)
        is_written = any(fault.field in row for row in _written(fault, ask))
        if is_written or (_is_asked(fault, soql) and _named(fault.field, soql)):
            return refusal(SALESFORCE, 400, "INVALID_FIELD", no_such_column(fault.field, fault.object))
        return None
    body = ask.json if about(fault, ask, {}) else None
    if not isinstance(body, dict):
        return None
    if any(fault.field in (row.get("properties") or {}) for row in _rows(body) if isinstance(row, dict)):
        return refusal(HUBSPOT, 400, "VALIDATION_ERROR", _doesnt_exist(fault.field))
    filters = [one for group in body.get("filterGroups") or () for one in group.get("filters") or ()]
    is_sought = any(one.get("propertyName") == fault.field for one in filters)
    return refusal(HUBSPOT, 400, "VALIDATION_ERROR", "There was a problem with the request.") if is_sought else None


def _doesnt_exist(name: str) -> str:
    entry = f'{{"isValid":false,"message":"Property \\"{name}\\" does not exist","error":"PROPERTY_DOESNT_EXIST",'
    return f'Property values were not valid: [{entry}"name":"{name}"}}]'


def _rows(body: Json) -> list[Any]:
    """The records of a HubSpot write, of a batch or single; a search's or a read's ``properties`` is a list."""
    inputs = body.get("inputs")
    found = inputs if isinstance(inputs, list) else [body]
    return [row for row in found if isinstance(row, dict) and isinstance(row.get("properties"), dict)]


def _written(fault: Fault, ask: Ask) -> list[Json]:
    """The records of the fault's object in a Salesforce write."""
    body = ask.json if ask.method in {"POST", "PATCH"} else None
    if not isinstance(body, dict):
        return []
    if f"/sobjects/{fault.object}".lower() in ask.path.lower() and "/composite" not in ask.path:
        return [body]
    parts = [part.get("body") or {} for part in body.get("compositeRequest") or ()]
    rows = [row for one in (body, *parts) for row in one.get("records") or ()]
    return [row for row in rows if about(fault, ask, row)]


def _by_old_name(fault: Fault, ask: Ask) -> Ask:
    """A question by the new name, as the records behind it are kept."""
    word = re.compile(rf"(?<!\w){re.escape(fault.to)}(?!\w)")
    if fault.crm == SALESFORCE:
        soql = asked_soql(ask)
        if soql and ask.method == "GET":
            return ask.asking(q=word.sub(fault.field, soql))
        return Ask(ask.method, ask.path, ask.query, ask.headers, word.sub(fault.field, ask.body.decode()).encode())
    if not about(fault, ask, {}):
        return ask
    query = word.sub(fault.field, ask.query)
    return Ask(ask.method, ask.path, query, ask.headers, word.sub(fault.field, ask.body.decode()).encode())
