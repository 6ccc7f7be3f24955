"""Single records: list, get, create, update, archive."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from re import fullmatch
from typing import Any
from urllib.parse import urlencode

from integrations.sandbox.hubspot_answers import (
    Answer,
    HubSpotError,
    Json,
    MissingRecordError,
    a_list,
    an_object,
    invalid,
    not_found,
)
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_links import PRIMARY, UNLABELLED, Ends, LinkType, add_links, links_of, target_of
from integrations.sandbox.hubspot_links import labels as labels_between
from integrations.sandbox.hubspot_portal import ARCHIVED, LIVE, Portal
from integrations.sandbox.hubspot_records import (
    Selection,
    add_histories,
    as_id,
    everything,
    ids_of,
    list_rows,
    read_rows,
    selection,
    without_blanks,
)
from integrations.sandbox.hubspot_types import ObjectType
from integrations.sandbox.hubspot_writes import (
    Draft,
    archive_records,
    cleaned,
    create_records,
    update_records,
)

LONGEST_PAGE, LONGEST_PAGE_WITH_HISTORY, LONGEST_INLINE = 100, 50, 100
WITHOUT_ARCHIVED_LIST = {"meetings": "MEETING_EVENT", "communications": "COMMUNICATION"}
"""Types whose archived records cannot be listed, with HubSpot's own name of each, as measured by backlot 0.1.0."""


# -- reading ----------------------------------------------------------------------------------------------------------


def _selected(call: Call, kind: ObjectType) -> Selection:
    associated = dict.fromkeys(_known(call.portal, call.names("associations")))
    return selection(call.portal, kind, call.names("properties"), call.names("propertiesWithHistory"), associated)


def _known(portal: Portal, spellings: Sequence[str]) -> Iterator[ObjectType]:
    """The types named; names of none are passed over, as HubSpot's reference says of ``associations``."""
    for spelling in spellings:
        with suppress(HubSpotError):
            yield portal.kind(spelling)


def _type_name(ends: Ends, link_type: LinkType) -> str:
    between = f"{ends.source.singular}_to_{ends.target.singular}"
    is_unlabelled = ends.numbers in PRIMARY and link_type == LinkType(UNLABELLED[ends.numbers])
    return f"{between}_unlabeled" if is_unlabelled else between


def _inline(call: Call, ends: Ends, record_id: int) -> Json | None:
    """At most 100 entries of one record's associations; what is left is named by ``paging``."""
    held = links_of(call.portal, ends, record_id, limit=LONGEST_INLINE + 1)
    entries = [
        {"id": str(target), "type": _type_name(ends, link_type)}
        for target, types in list(held.items())[:LONGEST_INLINE]
        for link_type in types
    ]
    if not entries:
        return None
    if len(held) <= LONGEST_INLINE and len(entries) <= LONGEST_INLINE:
        return {"results": entries}
    entries = entries[:LONGEST_INLINE]
    after = entries[-1]["id"]
    path = f"/crm/v4/objects/{ends.source.type_id}/{record_id}/associations/{ends.target.type_id}"
    link = f"{call.origin}{path}?{urlencode({'after': after})}"
    return {"results": entries, "paging": {"next": {"after": after, "link": link}}}


def finished(call: Call, kind: ObjectType, records: Sequence[Json], chosen: Selection) -> None:
    """Give records the history and the associations that were asked for."""
    add_histories(call.portal, kind, records, chosen.history)
    for target in chosen.associations:
        ends = Ends(kind, target)
        for record in records:
            if (entries := _inline(call, ends, int(record["id"]))) is not None:
                record.setdefault("associations", {})[target.plural] = entries


def list_records(call: Call) -> Answer:
    """``GET .../{type}``: by id, with an ``after`` cursor and no cap."""
    kind = call.kind()
    chosen = _selected(call, kind)
    if call.is_set("archived") and kind.plural in WITHOUT_ARCHIVED_LIST:
        what = f"{kind.type_id} ({WITHOUT_ARCHIVED_LIST[kind.plural]})"
        raise invalid(f"Paging through deleted objects is not yet supported for object type {what}")
    limit = call.limit(10, LONGEST_PAGE_WITH_HISTORY if chosen.history else LONGEST_PAGE)
    records = list_rows(
        call.portal, kind, chosen.properties, after=call.after(), limit=limit, is_archived=call.is_set("archived")
    )
    page = records[:limit]
    finished(call, kind, page, chosen)
    body: Json = {"results": page}
    if len(records) > limit:
        body["paging"] = {"next": {"after": page[-1]["id"], "link": call.next_link(page[-1]["id"])}}
    return Answer(body, records=len(page))


def _the_id(call: Call, kind: ObjectType, *, archived: int = LIVE) -> int:
    key = call.path["id"]
    id_property = call.one("idProperty")
    if not id_property:
        check_id(key)
    found = ids_of(call.portal, kind, [key], id_property, archived=archived)
    if key not in found:
        raise MissingRecordError if call.is_reading else not_found()
    return found[key]


def check_id(key: str) -> None:
    """Refuse an id that no record can have; the words as measured by backlot 0.1.0.

    Raises:
        HubSpotError: 404, when it is no number of 64 bits or not above zero.
    """
    number = int(key) if fullmatch(r"-?[0-9]{1,19}", key) else 2**63
    if 0 < number < 2**63:
        return
    what = " objectId is usually positive." if -(2**63) <= number <= 0 else "  objectId are usually numeric."
    raise HubSpotError(404, "OBJECT_NOT_FOUND", f"Object not found.{what}", context={"id": [key]})


def get_record(call: Call) -> Answer:
    """``GET .../{type}/{id}``."""
    kind = call.kind()
    chosen = _selected(call, kind)
    record_id = _the_id(call, kind, archived=ARCHIVED if call.is_set("archived") else LIVE)
    record = read_rows(call.portal, kind, [record_id], chosen.properties)[record_id]
    finished(call, kind, [record], chosen)
    return Answer(record, records=1)


# -- writing ----------------------------------------------------------------------------------------------------------


def shown(portal: Portal, kind: ObjectType, ids: Sequence[int]) -> list[Json]:
    """Records as answers to writes show them, in the order of ``ids``."""
    found = read_rows(portal, kind, ids, everything(portal, kind).properties)
    return [without_blanks(found[record_id]) for record_id in ids]


def asked_links(portal: Portal, kind: ObjectType, associations: Any) -> list[tuple[Ends, int, LinkType]]:
    """The associations that a create request carries inline.

    Raises:
        HubSpotError: 400, when a type does not start at ``kind`` or a record does not exist.
    """
    found: list[tuple[Ends, int, LinkType]] = []
    for given in map(an_object, a_list(associations)):
        target_id = as_id(an_object(given.get("to")).get("id"))
        for spec in a_list(given.get("types")):
            ends, link_type = _ends_of(portal, kind, an_object(spec))
            if target_id is None or not ids_of(portal, ends.target, [str(target_id)], None):
                raise invalid(f"No {ends.target.singular} with id {target_id} exists", context={"id": [str(target_id)]})
            found.append((ends, target_id, link_type))
    return found


def _ends_of(portal: Portal, kind: ObjectType, spec: Json) -> tuple[Ends, LinkType]:
    link_type = _asked_type(spec)
    target = target_of(portal, kind, link_type)
    if target is None:
        raise invalid(f"Association type {link_type.type_id} does not start at {kind.singular}")
    return Ends(kind, target), link_type


def _asked_type(spec: Json) -> LinkType:
    return LinkType(as_id(spec.get("associationTypeId")) or 0, spec.get("associationCategory") == "USER_DEFINED")


def check_link_type(portal: Portal, ends: Ends, spec: Json) -> LinkType:
    """An association type between two given object types.

    Raises:
        HubSpotError: 400, when there is none such.
    """
    link_type = _asked_type(spec)
    if link_type not in labels_between(portal, ends):
        type_id = link_type.type_id
        raise invalid(
            f"Association type {type_id} does not exist from {ends.source.singular} to {ends.target.singular}"
        )
    return link_type


def create_record(call: Call) -> Answer:
    """``POST .../{type}``, with associations inline."""
    kind = call.kind()
    links = asked_links(call.portal, kind, call.body.get("associations"))
    (record_id,) = create_records(call.portal, kind, [cleaned(call.portal, kind, call.body.get("properties"))])
    for ends, target, link_type in links:
        add_links(call.portal, ends, [(record_id, target, link_type)])
    headers = {"Location": f"{call.origin}{call.path['']}/{record_id}"}
    return Answer(shown(call.portal, kind, [record_id])[0], 201, "write", 1, headers)


def update_record(call: Call) -> Answer:
    """``PATCH .../{type}/{id}``: the answer has what was sent and the stamps, not the whole record."""
    kind = call.kind()
    record_id = _the_id(call, kind)
    values = cleaned(call.portal, kind, call.body.get("properties"))
    update_records(call.portal, kind, [Draft(record_id, values)])
    record = read_rows(call.portal, kind, [record_id], sorted({*values, *kind.always}))[record_id]
    return Answer(without_blanks(record), 200, "write", 1)


def archive_record(call: Call) -> Answer:
    """``DELETE .../{type}/{id}``: 204 also when it was archived before; 404 for what never existed."""
    kind = call.kind()
    if ids_of(call.portal, kind, [call.path["id"]], None, archived=ARCHIVED):
        return Answer(None, 204, "write")
    archive_records(call.portal, kind, [_the_id(call, kind)])
    return Answer(None, 204, "write", 1)
