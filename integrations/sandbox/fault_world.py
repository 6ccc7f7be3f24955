"""Faults that lie in what the CRM holds: records that show late, changes by others, and acts."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import orjson

from integrations.sandbox.fault_answers import Ask, Told, refusal
from integrations.sandbox.fault_kinds import HUBSPOT, SALESFORCE
from integrations.sandbox.faults import Fault
from integrations.sandbox.hubspot_answers import canonical
from integrations.sandbox.hubspot_merges import restore_records
from integrations.sandbox.hubspot_portal import Portal
from integrations.sandbox.hubspot_types import object_type
from integrations.sandbox.salesforce_bin import RecycleBin
from integrations.sandbox.salesforce_store import entity_named
from integrations.sandbox.soql_values import wire_instant
from integrations.sandbox.state import State, View, quoted, table_name

Do = Callable[[Ask], Awaitable[Told]]

_THOUSAND = 1000


# -- what one request sees --------------------------------------------------------------------------------------------


def view_of(state: State, faults: list[Fault]) -> View:
    """How a request sees the state under these faults."""
    late = [each for each in faults if each.kind == "late_visibility"]
    sizes = [each.size for each in faults if each.kind == "page_shrink" and each.crm == SALESFORCE]
    return View(dict(_hidden(state, each) for each in late), min(sizes, default=None))


def _hidden(state: State, fault: Fault) -> tuple[str, str]:
    """A table, and the condition of its rows that queries find already."""
    name, key, stamp = _stored(fault)
    shown_to = _kept(fault.crm, state.clock.now() - timedelta(seconds=fault.late_s))
    chosen = f"({key} * 7919 + {int(fault.seed) * 104729}) % {_THOUSAND} < {round(fault.share * _THOUSAND)}"
    return name, f"NOT ({chosen} AND {quoted(stamp)} > '{shown_to}')"


def _stored(fault: Fault) -> tuple[str, str, str]:
    """The table of the fault's object, the column that numbers its rows, and that of its stamp."""
    if fault.crm == SALESFORCE:
        return table_name(SALESFORCE, entity_named(fault.object).name), "_row", "SystemModstamp"
    kind = object_type(fault.object)
    if kind is None:
        raise ValueError(f"HubSpot has no object {fault.object!r} of its own")
    return table_name(HUBSPOT, kind.stored), "_id", kind.modified


def _kept(crm: str, instant: datetime) -> str:
    """An instant as the state keeps it."""
    return wire_instant(instant) if crm == SALESFORCE else canonical(instant)


# -- what others do ---------------------------------------------------------------------------------------------------


async def changed_between(fault: Fault, ask: Ask, do: Do) -> Told:
    """Somebody else's requests first, then the one that was struck."""
    for one in fault.requests:
        path, _, query = str(one["path"]).partition("?")
        body = b"" if one.get("body") is None else orjson.dumps(one["body"])
        headers = {**ask.headers, "content-type": "application/json"}
        fault.statuses.append((await do(Ask(one["method"], path, query, headers, body))).status)
    return await do(ask)


def expired(fault: Fault) -> Told:
    """What HubSpot says of a token whose time is over."""
    return refusal(HUBSPOT, 401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired.")


# -- acts -------------------------------------------------------------------------------------------------------------


def acted(state: State, fault: Fault) -> int:
    """Carry out a fault of the group ``act``; answers how many records it touched.

    Raises:
        ValueError: The order lacks what it needs, or ``value`` is no instant.
    """
    table, key, stamp = _stored(fault)
    with state.transaction():
        if fault.kind == "ties":
            return _tied(state, fault, table, key, stamp)
        own = _own_ids(fault)
        act = _restore if fault.kind == "restore" else _vanish
        return act(state, fault, quoted(table), own)


def _tied(state: State, fault: Fault, table: str, key: str, stamp: str) -> int:
    instant = datetime.fromisoformat(str(fault.value))
    if instant.tzinfo is None:
        raise ValueError("ties needs a value with a time zone")
    at = _kept(fault.crm, instant)
    stamps = [stamp, "LastModifiedDate"] if fault.crm == SALESFORCE else [stamp]
    settings = ", ".join(f"{quoted(name)} = :at" for name in stamps)
    first = f"SELECT {key} FROM {quoted(table)} ORDER BY {key} LIMIT :size"  # noqa: S608 - quoted names
    sql = f"UPDATE {quoted(table)} SET {settings} WHERE {key} IN ({first})"  # noqa: S608 - quoted names
    return state.execute(sql, {"at": at, "size": fault.size or -1})


def _own_ids(fault: Fault) -> tuple[str, str, list[Any]]:
    """The column of ids, parameter marks, and the ids as kept."""
    if not fault.ids:
        raise ValueError(f"{fault.kind} needs ids")
    bad = [each for each in fault.ids if not re.fullmatch(r"[A-Za-z0-9]+", str(each))]
    if bad:
        raise ValueError(f"not ids: {bad}")
    ids: list[Any] = [str(each) if fault.crm == SALESFORCE else int(each) for each in fault.ids]
    return '"Id"' if fault.crm == SALESFORCE else "_id", ", ".join("?" * len(ids)), ids


def _restore(state: State, fault: Fault, table: str, own: tuple[str, str, list[Any]]) -> int:
    """Salesforce stamps what is undeleted; HubSpot's restore leaves the stamp alone, as its archiving does."""
    _, _, ids = own
    if fault.crm == SALESFORCE:
        entity = entity_named(fault.object)
        for record_id in ids:
            RecycleBin(state).take_out(entity, record_id, lambda *written: None)
        return len(ids)
    portal = Portal(state)
    return len(restore_records(portal, portal.kind(fault.object), ids))


def _vanish(state: State, fault: Fault, table: str, own: tuple[str, str, list[Any]]) -> int:
    column, marks, ids = own
    return state.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", ids)  # noqa: S608 - quoted names
