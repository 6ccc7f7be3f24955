"""What Salesforce works out by itself: names, closed flags, closing times, the account of an activity."""

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from integrations.sandbox.salesforce_objects import (
    BY_PREFIX,
    CLOSED_CASE_STATUSES,
    CLOSED_TASK_STATUSES,
    LOST_STAGE,
    WON_STAGE,
)
from integrations.sandbox.salesforce_schema import SObject
from integrations.sandbox.soql_values import wire_instant
from integrations.sandbox.state import State

Values = Mapping[str, Any]

_ACCOUNT_BY = {
    "006": "AccountId", "500": "AccountId", "a00": "Account__c", "003": "AccountId", "800": "AccountId",
    "02i": "AccountId",
}  # fmt: skip
_CONTRACT_CODES = {"Draft": "Draft", "In Approval Process": "InApproval", "Activated": "Activated"}
_EVENT_MINUTES = 60
_ARCHIVED_AFTER = timedelta(days=365)


def derived_values(entity: SObject, row: Values, now: datetime) -> dict[str, Any]:
    """The computed fields of one record that follow from its own other fields.

    Args:
        row: The record as it will be, by field name; fields may be missing.
        now: The instant of the write.
    """
    rule = _RULES.get(entity.name)
    return rule(row, now) if rule else {}


def account_of(state: State, row: Values) -> str | None:
    """The account of an activity: of what it is about, else of whom it is with."""
    what, who = row.get("WhatId"), row.get("WhoId")
    if what and what.startswith("001"):
        return str(what)
    for link in (what, who):
        column = _ACCOUNT_BY.get(str(link)[:3]) if link else None
        if column:
            table = BY_PREFIX[str(link)[:3]].name
            found = state.query(f'SELECT "{column}" FROM "salesforce__{table}" WHERE "Id" = ?', (link,))  # noqa: S608
            return found[0][0] if found else None
    return None


def is_archived(entity: SObject, row: Values, now: datetime) -> bool:
    """Whether an activity is so old that only ``queryAll`` shows it: due a year ago and, for a task, closed."""
    day = row.get("ActivityDate")
    if not day or (entity.name == "Task" and not row.get("IsClosed")):
        return False
    return str(day) < (now - _ARCHIVED_AFTER).date().isoformat()


def _person(row: Values, now: datetime) -> dict[str, Any]:
    return {"Name": " ".join(part for part in (row.get("FirstName"), row.get("LastName")) if part)}


def _opportunity(row: Values, now: datetime) -> dict[str, Any]:
    stage = row.get("StageName")
    return {"IsClosed": int(stage in {WON_STAGE, LOST_STAGE}), "IsWon": int(stage == WON_STAGE)}


def _case(row: Values, now: datetime) -> dict[str, Any]:
    is_closed = row.get("Status") in CLOSED_CASE_STATUSES
    closed_at = (row.get("ClosedDate") or wire_instant(now)) if is_closed else None
    return {"IsClosed": int(is_closed), "ClosedDate": closed_at}


def _task(row: Values, now: datetime) -> dict[str, Any]:
    is_closed = row.get("Status") in CLOSED_TASK_STATUSES
    completed_at = (row.get("CompletedDateTime") or wire_instant(now)) if is_closed else None
    return {"IsClosed": int(is_closed), "CompletedDateTime": completed_at}


def _event(row: Values, now: datetime) -> dict[str, Any]:
    starts = row.get("StartDateTime")
    if not starts:
        return {}
    minutes = row.get("DurationInMinutes") or _EVENT_MINUTES
    ends = datetime.strptime(starts[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC) + timedelta(minutes=minutes)
    return {
        "ActivityDate": starts[:10],
        "DurationInMinutes": minutes,
        "EndDateTime": row.get("EndDateTime") or wire_instant(ends),
    }


def _contract(row: Values, now: datetime) -> dict[str, Any]:
    """The end is the last day of the term; the status has a code that does not depend on what an admin calls it."""
    code, start, months = _CONTRACT_CODES.get(str(row.get("Status"))), row.get("StartDate"), row.get("ContractTerm")
    ends = _after_months(date.fromisoformat(start), int(months)) - timedelta(days=1) if start and months else None
    activated_at = (row.get("ActivatedDate") or wire_instant(now)) if code == "Activated" else None
    return {"StatusCode": code, "EndDate": ends.isoformat() if ends else None, "ActivatedDate": activated_at}


def _after_months(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


_RULES: Mapping[str, Callable[[Values, datetime], dict[str, Any]]] = {
    "Contact": _person,
    "User": _person,
    "Opportunity": _opportunity,
    "Case": _case,
    "Task": _task,
    "Event": _event,
    "Contract": _contract,
}
