"""Answers that are wrong in what they say: pages too short, doubled, out of order, or garbled."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integrations.sandbox.fault_answers import Ask, Told, html
from integrations.sandbox.fault_kinds import HUBSPOT, SALESFORCE
from integrations.sandbox.faults import Fault

NASTY = '\r\n"quoted", and\x00more'
_ROWS = {SALESFORCE: "records", HUBSPOT: "results"}
_TOTALS = ("totalSize", "total")
_COUNT_HEADER, _LOCATOR_HEADER = "sforce-numberofrecords", "sforce-locator"

Rows = list[Any]


# -- before the work --------------------------------------------------------------------------------------------------


def asked(fault: Fault, ask: Ask) -> Ask:
    """The request as the CRM is to understand it."""
    change = _ASKED.get(fault.kind)
    return change(fault, ask) if change else ask


def _shrunk(fault: Fault, ask: Ask) -> Ask:
    """Fewer rows a page; Salesforce's pages follow from ``state.View``."""
    if fault.crm == SALESFORCE:
        return ask.asking(maxRecords=str(fault.size)) if "/jobs/query/" in ask.path else ask
    if ask.method == "GET":
        return ask.asking(limit=str(min(fault.size, int(ask.params.get("limit", "10")))))
    return ask.having({**ask.json, "limit": min(fault.size, ask.json.get("limit", 10))})


def _disordered(fault: Fault, ask: Ask) -> Ask:
    stamp = "lastmodifieddate" if "/contacts/" in ask.path else "hs_lastmodifieddate"
    return ask.having({**ask.json, "sorts": [{"propertyName": stamp, "direction": "DESCENDING"}]})


def _widened(fault: Fault, ask: Ask) -> Ask:
    def wide(one: dict[str, Any]) -> dict[str, Any]:
        is_window = one.get("operator") == "BETWEEN" and str(one.get("highValue")).isdigit()
        return {**one, "highValue": str(int(one["highValue"]) + fault.by)} if is_window else one

    groups = [{**group, "filters": [wide(one) for one in group["filters"]]} for group in ask.json["filterGroups"]]
    return ask.having({**ask.json, "filterGroups": groups})


_ASKED: dict[str, Callable[[Fault, Ask], Ask]] = {
    "page_shrink": _shrunk,
    "disorder": _disordered,
    "outside_window": _widened,
}


# -- after the work ---------------------------------------------------------------------------------------------------


def told(fault: Fault, ask: Ask, given: Told) -> Told:
    """The answer as the client is to see it; refusals stay as they are."""
    change = _TOLD.get(fault.kind)
    return change(fault, ask, given) if change and given.status < 300 else given


def _garbled(fault: Fault, ask: Ask, given: Told) -> Told:
    return replace(given, body=given.body[: max(1, len(given.body) * 2 // 3)])


def _html(fault: Fault, ask: Ask, given: Told) -> Told:
    return html(200, "Please wait")


def _short(fault: Fault, ask: Ask, given: Told) -> Told:
    def missing(rows: Rows) -> Rows:
        gone = fault.chosen(len(rows))
        return [row for place, row in enumerate(rows) if place not in gone]

    return with_rows(fault.crm, given, missing)


def _doubled(fault: Fault, ask: Ask, given: Told) -> Told:
    def twice(rows: Rows) -> Rows:
        again = fault.chosen(len(rows))
        return [row for place, row in enumerate(rows) for _ in range(2 if place in again else 1)]

    return with_rows(fault.crm, given, twice)


def _miscounted(fault: Fault, ask: Ask, given: Told) -> Told:
    if given.is_csv:
        count = int(given.headers.get(_COUNT_HEADER, "0")) + fault.by
        return replace(given, headers={**given.headers, _COUNT_HEADER: str(count)})
    body = given.json
    if not isinstance(body, dict):
        return given
    return given.having({name: one + fault.by if name in _TOTALS else one for name, one in body.items()})


def _repeated(fault: Fault, ask: Ask, given: Told) -> Told:
    """The next page is this one; a first page is left alone, since only later ones have a name."""
    if given.is_csv:
        own = ask.params.get("locator")
        return replace(given, headers={**given.headers, _LOCATOR_HEADER: own}) if own else given
    body = given.json
    if fault.crm == SALESFORCE:
        is_first = ask.path.rstrip("/").endswith(("/query", "/queryAll"))
        return given if is_first else given.having({**body, "done": False, "nextRecordsUrl": ask.path})
    own = ask.params.get("after") if ask.method == "GET" else ask.json.get("after")
    return given.having({**body, "paging": {"next": {"after": str(own)}}}) if own else given


def _nasty(fault: Fault, ask: Ask, given: Told) -> Told:
    if given.is_csv:
        return with_table(given, lambda table: _nasty_table(fault, table))

    def change(rows: Rows) -> Rows:
        for row in rows:
            values = values_of(fault.crm, row)
            is_its = about(fault, ask, row) and isinstance(values.get(fault.field), str)
            if is_its and fault.draws():
                values[fault.field] += NASTY
        return rows

    return with_rows(fault.crm, given, change)


def _nasty_table(fault: Fault, table: list[list[str]]) -> list[list[str]]:
    if not table or fault.field not in table[0]:
        return table
    place = table[0].index(fault.field)
    for row in table[1:]:
        row[place] += NASTY if fault.draws() else ""
    return table


_TOLD: dict[str, Callable[[Fault, Ask, Told], Told]] = {
    "invalid_json": _garbled,
    "html": _html,
    "truncate_page": _short,
    "dup_rows": _doubled,
    "wrong_total": _miscounted,
    "repeat_page": _repeated,
    "nasty_text": _nasty,
}


# -- rows of an answer ------------------------------------------------------------------------------------------------


def with_rows(crm: str, given: Told, change: Callable[[Rows], Rows]) -> Told:
    """The answer with other rows; one that holds none stays as it is."""
    if given.is_csv:
        return with_table(given, lambda table: table[:1] + change(table[1:]) if len(table) > 1 else table)
    body = given.json
    if not isinstance(body, dict) or not body.get(_ROWS[crm]):
        return given
    return given.having({**body, _ROWS[crm]: change(body[_ROWS[crm]])})


def with_table(given: Told, change: Callable[[list[list[str]]], list[list[str]]]) -> Told:
    """A CSV answer with other lines, the header's among them."""
    table = change(list(csv.reader(io.StringIO(given.body.decode(), newline=""))))
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(table)
    return replace(given, body=text.getvalue().encode())


def values_of(crm: str, row: Any) -> dict[str, Any]:
    """The values of a record by the CRM's names: the record itself, or its ``properties``."""
    found = row.get("properties") if crm == HUBSPOT else row
    return found if isinstance(found, dict) else {}


def about(fault: Fault, ask: Ask, row: Any) -> bool:
    """Whether a row is of the fault's object; HubSpot says it in the path only."""
    if fault.crm == HUBSPOT:
        return f"/{fault.object}" in urlsplit(ask.path).path
    kind = row.get("attributes", {}).get("type") if isinstance(row, dict) else None
    return str(kind).lower() == fault.object.lower()


def asked_soql(ask: Ask) -> str:
    """The query of a Salesforce request, wherever it stands; empty where there is none."""
    if "/query" in ask.path and ask.method == "GET":
        return parse_qs(ask.query).get("q", [""])[0]
    body = ask.json
    return str(body.get("query", "")) if "/jobs/query" in ask.path and isinstance(body, dict) else ""
