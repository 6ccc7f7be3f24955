"""What changed and what was deleted in a span of time: ``sobjects/{type}/updated`` and ``sobjects/{type}/deleted``.

Follows the vendor's pages "sObject Get Updated" and "sObject Get Deleted": seconds are ignored, updates reach back 30
days and deletions 15, at most 600,000 ids. Unverified: the words of the refusals. What was emptied from the recycle
bin is no longer told.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.sandbox.salesforce_calls import Call, Reply
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.soql_sql import stored
from integrations.sandbox.soql_values import wire_instant
from integrations.sandbox.state import State

UPDATES_KEPT, DELETIONS_KEPT = timedelta(days=30), timedelta(days=15)
MOST_IDS = 600_000


def updated(state: State, call: Call) -> Reply:
    """The ids of the living records that were written in the span."""
    start, end = _span(state, call)
    if start < state.clock.now() - UPDATES_KEPT:
        raise SalesforceError("INVALID_REPLICATION_DATE", "startDate cannot be more than 30 days ago")
    found = [record_id for record_id, _ in _written(state, call, start, end, is_deleted=False)]
    return Reply({"ids": found, "latestDateCovered": _covered(state, end)}, records=len(found))


def deleted(state: State, call: Call) -> Reply:
    """The records that were deleted in the span, with the time of their deletion."""
    start, end = _span(state, call)
    earliest = _whole_minute(state.clock.now() - DELETIONS_KEPT)
    found = _written(state, call, max(start, earliest), end, is_deleted=True)
    body: dict[str, Any] = {
        "deletedRecords": [{"id": record_id, "deletedDate": at} for record_id, at in found],
        "earliestDateAvailable": wire_instant(earliest),
        "latestDateCovered": _covered(state, end),
    }
    return Reply(body, records=len(found))


def _written(state: State, call: Call, start: datetime, end: datetime, *, is_deleted: bool) -> list[tuple[str, str]]:
    entity = call.entity
    if entity.is_history:
        raise SalesforceError("INVALID_OPERATION", f"{entity.name} is not replicable")
    sql = (
        f'SELECT "Id", "SystemModstamp" FROM {stored(entity)} WHERE "IsDeleted" = ? '  # noqa: S608 - from the schema
        'AND "SystemModstamp" >= ? AND "SystemModstamp" < ? ORDER BY "SystemModstamp", _row'
    )
    found = state.query(sql, (int(is_deleted), wire_instant(start), wire_instant(end)))
    if len(found) > MOST_IDS:
        raise SalesforceError("EXCEEDED_ID_LIMIT", f"more than {MOST_IDS} ids: choose dates that are closer together")
    return [(str(record_id), str(at)) for record_id, at in found]


def _span(state: State, call: Call) -> tuple[datetime, datetime]:
    start, end = (_instant(call, name) for name in ("start", "end"))
    if start >= end:
        message = "startDate must be at least one minute before endDate"
        raise SalesforceError("INVALID_REPLICATION_DATE", message)
    return start, end


def _instant(call: Call, name: str) -> datetime:
    given = call.query.get(name, "").replace(" ", "+")  # a plus sign that was not encoded
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise SalesforceError("MALFORMED_QUERY", f"{name} is no date and time in ISO 8601: {given}") from None
    return _whole_minute(found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC))


def _whole_minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def _covered(state: State, end: datetime) -> str:
    return wire_instant(min(end, _whole_minute(state.clock.now())))
