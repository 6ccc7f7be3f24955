"""Filling a portal from Python, in bulk: no request, no check of values, no history, no entry in the write ledger."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from integrations.sandbox.hubspot_answers import canonical
from integrations.sandbox.hubspot_links import PRIMARY, UNLABELLED, Ends, Pair
from integrations.sandbox.hubspot_portal import ARCHIVED, CRM, LIVE, Portal
from integrations.sandbox.hubspot_types import ObjectType
from integrations.sandbox.hubspot_values import instant_of
from integrations.sandbox.hubspot_writes import Values, derived, with_defaults
from integrations.sandbox.state import State

Row = Mapping[str, str | None]


def load(state: State, object_name: str, rows: Sequence[Row]) -> list[str]:
    """Insert records.

    Args:
        object_name: ``companies``, ``contacts``, ...
        rows: Property values as text, with instants in ISO 8601 or milliseconds. ``id``, ``createdate`` (of
            engagements: ``hs_createdate``), ``hs_lastmodifieddate`` (of contacts: ``lastmodifieddate``), ``archived``
            (``"true"``) and ``archivedAt`` are kept when given, else made up. Whether deals and tickets are closed
            follows from their stage.

    Returns:
        The records' ids, in order.

    Raises:
        KeyError: A row names a property that the portal does not have.
        sqlite3.IntegrityError: An id or a unique value exists already.
    """
    portal = Portal(state)
    kind = portal.kind(object_name)
    with state.transaction():
        ready = list(_ready(portal, kind, rows))
        state.insert_many(CRM, kind.stored, ready)
    return [str(row["_id"]) for row in ready]


def _ready(portal: Portal, kind: ObjectType, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    now, following = portal.now_text(), portal.next_id(kind)
    following = max([following, *(int(row["id"] or 0) + 1 for row in rows if row.get("id"))])
    known = portal.properties(kind)
    instants = {name for name, rule in known.items() if rule.type == "datetime"}
    envelope = {"id", "archived", "archivedAt", "hs_object_id"}
    for row in rows:
        given_id = row.get("id")
        values = {name: value or None for name, value in row.items() if name not in envelope}
        if unknown := values.keys() - known.keys():
            raise KeyError(f"{kind.plural} have no property {sorted(unknown)[0]}")
        for name in instants & values.keys():
            values[name] = _kept(values[name])
        yield _record(portal, kind, values, {**row, "id": str(given_id or following)}, now)
        following += not given_id


def _record(portal: Portal, kind: ObjectType, values: Values, row: Row, now: str) -> dict[str, Any]:
    created = values.get(kind.created) or now
    modified = values.get(kind.modified) or created
    full = with_defaults(portal, kind, values)
    record: dict[str, Any] = derived(portal, kind, full, {}, modified) | full
    record |= {"_id": int(row["id"] or 0), kind.created: created, kind.modified: modified, "_archived": LIVE}
    if row.get("archived") == "true":
        record |= {"_archived": ARCHIVED, "_archived_at": _kept(row.get("archivedAt")) or modified}
    return record


def _kept(text: str | None) -> str | None:
    if not text or (len(text) == 24 and text[-1] == "Z"):
        return text or None
    if len(text) == 20 and text[-1] == "Z":
        return f"{text[:-1]}.000Z"
    found = instant_of(text)
    if found is None:
        raise ValueError("not an instant")
    return canonical(found)


def load_associations(state: State, from_type: str, to_type: str, pairs: Iterable[tuple[str, str]]) -> int:
    """Associate records, both directions: unlabelled, and primary for each record's first company.

    Args:
        pairs: Ids of existing records, ``from_type`` first; a pair that is there already is passed over.

    Returns:
        How many pairs were given.
    """
    portal = Portal(state)
    ends = Ends(portal.kind(from_type), portal.kind(to_type))
    numbered = [(int(source), int(target)) for source, target in pairs]
    rows = [row for source, target in numbered for row in _both_ways(ends, source, target, UNLABELLED)]
    if ends.numbers in PRIMARY:
        first = _first_companies(portal, ends, numbered)
        rows += [row for source, target in first for row in _both_ways(ends, source, target, PRIMARY)]
    portal.state.execute_many("INSERT OR IGNORE INTO hubspot__associations VALUES (?, ?, ?, ?, ?, 0)", sorted(rows))
    return len(numbered)


def _both_ways(
    ends: Ends, source: int, target: int, types: Mapping[tuple[int, int], int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    there = (*ends.numbers, source, target, types[ends.numbers])
    return there, (*ends.reverse.numbers, target, source, types[ends.reverse.numbers])


def _first_companies(portal: Portal, ends: Ends, pairs: Sequence[Pair]) -> list[Pair]:
    """The first pair of each record that has no primary company yet; the other end is the company."""
    own = 0 if ends.target.plural == "companies" else 1
    seen = ends if own == 0 else ends.reverse
    sql = "SELECT from_id FROM hubspot__associations WHERE from_type = ? AND to_type = ? AND type_id = ?"
    settled = {row[0] for row in portal.state.query(sql, (*seen.numbers, PRIMARY[seen.numbers]))}
    first: dict[int, Pair] = {}
    for pair in pairs:
        if pair[own] not in settled:
            first.setdefault(pair[own], pair)
    return list(first.values())


def load_owners(state: State, rows: Sequence[Row]) -> None:
    """Insert owners.

    Args:
        rows: ``id``, ``email``, ``firstName``, ``lastName``; when wanted ``userId`` (default: the id), ``archived``
            (``"true"``), ``createdAt`` and ``updatedAt``.
    """
    portal = Portal(state)
    now = portal.now_text()
    values = [
        (
            int(row["id"] or 0),
            int(row.get("userId") or row["id"] or 0),
            row.get("email"),
            row.get("firstName"),
            row.get("lastName"),
            int(row.get("archived") == "true"),
            _kept(row.get("createdAt")) or now,
            _kept(row.get("updatedAt")) or now,
        )
        for row in rows
    ]
    state.execute_many("INSERT INTO hubspot__owners VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def load_history(state: State, object_name: str, rows: Iterable[tuple[str, str, str | None, str]]) -> None:
    """Insert past property values, the present one included: record id, property, value, instant of the change."""
    portal = Portal(state)
    kind = portal.kind(object_name)
    values = [(kind.stored, int(record_id), name, value, _kept(at)) for record_id, name, value, at in rows]
    portal.state.execute_many("INSERT INTO hubspot__history VALUES (?, ?, ?, ?, ?, 'CRM_UI')", values)
