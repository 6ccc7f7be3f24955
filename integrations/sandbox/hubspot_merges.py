"""Merging two records, bringing archived ones back, and deleting a contact for good."""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.sandbox.hubspot_answers import Answer, a_name, invalid, not_found
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_links import move_links, part_records, rejoin_records
from integrations.sandbox.hubspot_objects import shown
from integrations.sandbox.hubspot_portal import ARCHIVED, CRM, GONE, LIVE, MERGED, Portal, chunks, marks
from integrations.sandbox.hubspot_records import as_id, ids_of
from integrations.sandbox.hubspot_settings import settings_of
from integrations.sandbox.hubspot_types import ObjectType
from integrations.sandbox.hubspot_writes import current_rows, write_history, write_values

_NO_MERGES = frozenset({"tasks", "notes", "meetings", "calls", "emails"})


# -- merging ----------------------------------------------------------------------------------------------------------


def merge(call: Call) -> Answer:
    """``POST .../{type}/merge``: answers the record that both became.

    *Updated merge functionality for contacts and companies* (developers.hubspot.com): the merged record is a new one,
    to whose id both old ones lead; the primary's values count, and its primary associations.
    """
    kind = call.kind()
    if kind.plural in _NO_MERGES:
        raise invalid(f"Merging is not supported for object type {kind.type_id}")
    keys = [str(call.body.get(name)) for name in ("primaryObjectId", "objectIdToMerge")]
    found = ids_of(call.portal, kind, keys, None)
    if len(found) < len(set(keys)):
        raise not_found()
    primary, other = (found[key] for key in keys)
    if primary == other:
        raise invalid("Cannot merge a record with itself")
    keeps_id = settings_of(call.portal.state).merges_keep_id
    merged = merge_records if keeps_id else merge_anew
    return Answer(shown(call.portal, kind, [merged(call.portal, kind, primary, other)])[0], 200, "write", 1)


def _filled(kept: Mapping[str, Any], lost: Mapping[str, Any]) -> dict[str, Any]:
    """What a record takes from the one that is merged into it: what it has not, and who else was merged."""
    filled = {name: value for name, value in lost.items() if not name.startswith("_") and kept[name] is None and value}
    merged = [kept["hs_merged_object_ids"], lost["hs_merged_object_ids"], str(lost["_id"])]
    return filled | {"hs_merged_object_ids": ";".join(filter(None, merged))}


def _lose(portal: Portal, kind: ObjectType, loser: int, survivor: int) -> None:
    """Let a record answer as another from now on; what was unique in it is free."""
    uniques = {name: None for name, rule in portal.properties(kind).items() if rule.has_unique_value}
    state = {"_archived": MERGED, "_merged_into": survivor, "_archived_at": portal.now_text()}
    write_values(portal, kind, loser, uniques | state)


def merge_records(portal: Portal, kind: ObjectType, survivor: int, loser: int) -> int:
    """Merge one record into another, which keeps its id; modification stamps stay."""
    current = current_rows(portal, kind, (survivor, loser))
    kept, lost = current[survivor], current[loser]
    changed = _filled(kept, lost)
    _lose(portal, kind, loser, survivor)
    write_history(portal, kind, kept, changed, portal.now_text())
    write_values(portal, kind, survivor, changed)
    move_links(portal, kind, loser, survivor)
    portal.write_log(kind.plural, (survivor,), "update")
    portal.write_log(kind.plural, (loser,), "delete")
    return survivor


def merge_anew(portal: Portal, kind: ObjectType, primary: int, other: int) -> int:
    """Make a new record of two; its stamps are the primary's, so that no window of changes shows it."""
    current = current_rows(portal, kind, (primary, other))
    changed = _filled(current[primary], current[other])
    changed["hs_merged_object_ids"] += f";{primary}"
    new = portal.next_id(kind)
    for loser in (primary, other):
        _lose(portal, kind, loser, new)
    portal.state.insert_many(CRM, kind.stored, [{**current[primary], **changed, "_id": new}])
    _copy_history(portal, kind, primary, new)
    write_history(portal, kind, {**current[primary], "_id": new}, changed, portal.now_text())
    for loser in (primary, other):
        move_links(portal, kind, loser, new)
        portal.write_log(kind.plural, (loser,), "delete")
    portal.write_log(kind.plural, (new,), "create")
    return new


def _copy_history(portal: Portal, kind: ObjectType, source: int, target: int) -> None:
    sql = """INSERT INTO hubspot__history SELECT object, ?, property, value, at, source FROM hubspot__history
             WHERE object = ? AND id = ? ORDER BY rowid"""
    portal.state.execute(sql, (target, kind.stored, source))


# -- coming back and going for good -----------------------------------------------------------------------------------


def restore_records(portal: Portal, kind: ObjectType, ids: Sequence[int]) -> list[int]:
    """Bring archived records back with what they were associated with, as a person does on the screen; no API can.

    Returns:
        The ids that were archived.
    """
    found = [row for row in current_rows(portal, kind, ids).values() if row["_archived"] == ARCHIVED]
    restored = [int(row["_id"]) for row in found]
    for some in chunks(restored):
        sql = f"UPDATE {portal.table(kind)} SET _archived = ?, _archived_at = NULL WHERE _id IN ({marks(some)})"  # noqa: S608 - quoted name
        portal.state.execute(sql, (LIVE, *some))
    rejoin_records(portal, kind, restored)
    portal.write_log(kind.plural, restored, "update")
    return restored


def gdpr_delete(call: Call) -> Answer:
    """``POST .../contacts/gdpr-delete``: nothing stays of a contact, archived or not, by id or by ``email``."""
    kind = call.kind()
    if kind.plural != "contacts":
        raise invalid(f"Permanent deletion is not supported for object type {kind.type_id}")
    key, id_property = str(call.body.get("objectId")), a_name(call.body.get("idProperty"))
    by = None if id_property == "hs_object_id" else id_property
    if by is None and as_id(key) is None:
        raise invalid(f"objectId {key} is not a record id")
    for state in (LIVE, ARCHIVED):
        found = ids_of(call.portal, kind, [key], by, archived=state)
        for record_id in found.values():
            _forget(call.portal, kind, record_id)
    return Answer(None, 204, "write", 1)


def _forget(portal: Portal, kind: ObjectType, record_id: int) -> None:
    """Empty a record; only its id stays, so that it is given to no other."""
    part_records(portal, kind, [record_id])
    portal.state.execute("DELETE FROM hubspot__parted WHERE from_type = ? AND from_id = ?", (kind.number, record_id))
    portal.state.execute("DELETE FROM hubspot__history WHERE object = ? AND id = ?", (kind.stored, record_id))
    held = current_rows(portal, kind, [record_id])[record_id]
    nothing = {name: None for name in held if not name.startswith("_")}
    write_values(portal, kind, record_id, {**nothing, "_archived": GONE, "_archived_at": None})
    portal.write_log(kind.plural, (record_id,), "delete")
