"""Merging records: the losers go into the recycle bin and name their master, and their children move to it.

Follows "merge()" in the SOAP developer guide: at most two losers, all of one object that can be merged. REST has no
merge; clients call SOAP or Apex. Unverified: the words of the refusals.
"""

from collections.abc import Sequence

from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_ids import normal_id
from integrations.sandbox.salesforce_objects import OBJECTS
from integrations.sandbox.salesforce_schema import SObject
from integrations.sandbox.salesforce_store import entity_named, set_columns, stamps
from integrations.sandbox.salesforce_tracking import set_deleted
from integrations.sandbox.soql_sql import stored
from integrations.sandbox.soql_values import wire_instant
from integrations.sandbox.state import State, quoted

MOST_LOSERS = 2


def merge_accounts(state: State, winner: str, loser: str) -> None:
    """Merge one account into another, as an admin would.

    Raises:
        SalesforceError: INVALID_CROSS_REFERENCE_KEY, when either is no account or is deleted.
    """
    with state.transaction():
        merge_records(state, entity_named("Account"), winner, [loser])


def merge_records(state: State, entity: SObject, winner: str, losers: Sequence[str]) -> list[str]:
    """Merge records into one of their kind. Callers open the transaction.

    Returns:
        The ids of the children that moved.

    Raises:
        SalesforceError: The object cannot be merged, there are too many, or one is missing, deleted or named twice.
    """
    if not entity.is_mergeable or not 1 <= len(losers) <= MOST_LOSERS:
        message = f"merge takes one or two records of Account, Contact or Case, not {len(losers)} of {entity.name}"
        raise SalesforceError("INVALID_OPERATION", message, fields=[])
    ids = [normal_id(each) or "" for each in (winner, *losers)]
    marks = ", ".join("?" for _ in ids)
    alive = f'SELECT COUNT(*) FROM {stored(entity)} WHERE "Id" IN ({marks}) AND "IsDeleted" = 0'  # noqa: S608
    if state.query(alive, ids)[0][0] != len(ids):
        raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", fields=[])
    return [each for loser in ids[1:] for each in _merge(state, entity, ids[0], loser)]


def _merge(state: State, entity: SObject, winner: str, loser: str) -> list[str]:
    moved = [
        each
        for _, child, by, _ in entity.children
        if not OBJECTS[child.lower()].is_history
        for each in _move(state, entity_named(child), by, winner, loser)
    ]
    if entity.name == "Account":
        for activity in ("Task", "Event"):
            _move(state, entity_named(activity), "AccountId", winner, loser)
    master = {"MasterRecordId": winner} if "masterrecordid" in entity.by_name else {}
    set_columns(state, entity, loser, {"IsDeleted": 1, **master, **stamps(state)})
    set_deleted(state, entity, loser, is_deleted=True)
    return moved


def _move(state: State, entity: SObject, by: str, winner: str, loser: str) -> list[str]:
    table, link = stored(entity), quoted(by)
    moved = state.query(f'SELECT "Id" FROM {table} WHERE {link} = ?', (loser,))  # noqa: S608 - names from the schema
    stamp = wire_instant(state.clock.now())
    sql = f'UPDATE {table} SET {link} = ?, "SystemModstamp" = ? WHERE {link} = ?'  # noqa: S608
    state.execute(sql, (winner, stamp, loser))
    return [str(row[0]) for row in moved]
