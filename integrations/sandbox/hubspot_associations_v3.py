"""Associations as ``v3`` has them: one type name for a pair of object types, ids as text, no labels.

*Associations v3* (developers.hubspot.com). Reading pages by ``after`` in each input, which the models of HubSpot's own
clients leave out (HubSpot/hubspot-api-python issue 187).
"""

from typing import Any

from integrations.sandbox.hubspot_answers import (
    Answer,
    Json,
    MissingError,
    an_object,
    batch_answer,
    failure,
    invalid,
    not_found,
)
from integrations.sandbox.hubspot_associations import MOST_READ, ends_of
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_links import (
    PRIMARY,
    UNLABELLED,
    Ends,
    LinkType,
    Pair,
    add_links,
    labels,
    links_of,
    plain_type,
    remove_labels,
    remove_pairs,
)
from integrations.sandbox.hubspot_objects import shown
from integrations.sandbox.hubspot_records import as_id, ids_of

MOST_WRITTEN, LONGEST_PAGE = 100, 500


def type_names(call: Call, ends: Ends) -> dict[str, LinkType]:
    """The names of a pair's association types; the first is the plain one's, which a primary has to itself."""
    between = f"{ends.source.singular}_to_{ends.target.singular}"
    found: dict[str, LinkType] = {}
    if ends.numbers in PRIMARY:
        found[between] = LinkType(PRIMARY[ends.numbers])
        found[f"{between}_unlabeled"] = LinkType(UNLABELLED[ends.numbers])
    elif (plain := plain_type(call.portal, ends)) is not None:
        found[between] = plain
    for link_type, label in labels(call.portal, ends).items():
        if label and link_type not in found.values():
            found[label.casefold().replace(" ", "_")] = link_type
    return found


def _named(call: Call, ends: Ends, name: Any) -> LinkType:
    """A type by its name or its number; none means the plain one."""
    if not name:
        return next(iter(type_names(call, ends).values()))
    by_number = {str(one.type_id): one for one in labels(call.portal, ends)}
    found = {**by_number, **type_names(call, ends)}.get(str(name))
    if found is None:
        raise invalid(f"Invalid association type: {name}", context={"type": [str(name)]})
    return found


def list_types(call: Call) -> Answer:
    """``GET /crm/v3/associations/{fromType}/{toType}/types``."""
    found = [{"id": str(one.type_id), "name": name} for name, one in type_names(call, ends_of(call)).items()]
    return Answer({"results": found}, records=len(found))


def _entries(call: Call, ends: Ends, source: int, after: int) -> Json:
    names = {one: name for name, one in type_names(call, ends).items()}
    held = links_of(call.portal, ends, source, after=after, limit=LONGEST_PAGE + 1)
    page = list(held.items())[:LONGEST_PAGE]
    found: Json = {"to": [_entry(target, names.get(one)) for target, types in page for one in types]}
    if len(held) > LONGEST_PAGE:
        last = str(page[-1][0])
        found["paging"] = {"next": {"after": last, "link": call.next_link(last)}}
    return found


def _entry(target: int, name: str | None) -> Json:
    return {"id": str(target), "type": name or "unlabeled"}


def batch_read(call: Call) -> Answer:
    """``POST .../batch/read``: who has none is named in ``errors``."""
    ends = ends_of(call)
    results, errors = [], []
    for given in call.inputs(MOST_READ):
        key = str(given.get("id"))
        entries = _entries(call, ends, as_id(key) or 0, as_id(given.get("after") or 0) or 0)
        if entries["to"]:
            results.append({"from": {"id": key}, **entries})
        else:
            errors.append(_none_found(ends, key))
    return batch_answer(results, errors, version=call.version, now=call.portal.now())


def _none_found(ends: Ends, key: str) -> Json:
    source, target = ends.source.singular, ends.target.singular
    context = {"fromObjectId": [key], "fromObjectType": [source], "toObjectType": [target]}
    message = f"No {target} is associated with {source} {key}."
    return failure("OBJECT_NOT_FOUND", message, context, subCategory="crm.associations.NO_ASSOCIATIONS_FOUND")


def _pairs(call: Call, ends: Ends) -> list[tuple[Pair, LinkType]]:
    found = []
    for given in call.inputs(MOST_WRITTEN):
        ids = [as_id(an_object(given.get(end)).get("id")) for end in ("from", "to")]
        found.append(((ids[0] or 0, ids[1] or 0), _named(call, ends, given.get("type"))))
    return found


def batch_create(call: Call) -> Answer:
    """``POST .../batch/create``: refused whole when a record is missing."""
    ends = ends_of(call)
    pairs = _pairs(call, ends)
    for end, ids in ((ends.source, [pair[0] for pair, _ in pairs]), (ends.target, [pair[1] for pair, _ in pairs])):
        keys = [str(one) for one in ids]
        if missing := sorted(set(keys) - ids_of(call.portal, end, keys, None).keys()):
            raise invalid(f"{end.singular} objects do not exist: {', '.join(missing)}", context={"ids": missing})
    add_links(call.portal, ends, [(*pair, one) for pair, one in pairs])
    call.portal.write_log("associations", [pair[0] for pair, _ in pairs], "create")
    names = {one: name for name, one in type_names(call, ends).items()}
    results = [
        {"from": {"id": str(pair[0])}, "to": {"id": str(pair[1])}, "type": names.get(one, str(one.type_id))}
        for pair, one in pairs
    ]
    return batch_answer(results, version=call.version, now=call.portal.now(), status=201, kind="write")


def batch_archive(call: Call) -> Answer:
    """``POST .../batch/archive``."""
    ends = ends_of(call)
    pairs = _pairs(call, ends)
    _part(call, ends, pairs)
    return Answer(None, 204, "write", len(pairs))


def _part(call: Call, ends: Ends, pairs: list[tuple[Pair, LinkType]]) -> None:
    """Take an association off; the name that a primary has stands for all of the association."""
    first = next(iter(type_names(call, ends).values()))
    remove_pairs(call.portal, ends, [pair for pair, one in pairs if one == first])
    remove_labels(call.portal, ends, [(*pair, one) for pair, one in pairs if one != first])
    call.portal.write_log("associations", [pair[0] for pair, _ in pairs], "delete")


def list_associations(call: Call) -> Answer:
    """``GET /crm/v3/objects/{type}/{id}/associations/{toType}``."""
    ends = ends_of(call)
    if not ids_of(call.portal, ends.source, [call.path["id"]], None):
        raise MissingError
    found = _entries(call, ends, as_id(call.path["id"]) or 0, call.after())
    return Answer({"results": found.pop("to"), **found}, records=1)


def _single(call: Call, ends: Ends) -> tuple[Pair, LinkType]:
    pair = as_id(call.path["id"]) or 0, as_id(call.path["to_id"]) or 0
    present = [
        ids_of(call.portal, end, [str(one)], None) for end, one in zip((ends.source, ends.target), pair, strict=True)
    ]
    if not all(present):
        raise not_found()
    return pair, _named(call, ends, call.path["name"])


def associate(call: Call) -> Answer:
    """``PUT /crm/v3/objects/{type}/{id}/associations/{toType}/{toId}/{name}``: answers the record."""
    ends = ends_of(call)
    pair, link_type = _single(call, ends)
    add_links(call.portal, ends, [(*pair, link_type)])
    call.portal.write_log("associations", [pair[0]], "create")
    entries = _entries(call, ends, pair[0], 0)["to"]
    (record,) = shown(call.portal, ends.source, [pair[0]])
    return Answer(record | {"associations": {ends.target.plural: {"results": entries}}}, 200, "write", 1)


def dissociate(call: Call) -> Answer:
    """``DELETE`` of the same."""
    ends = ends_of(call)
    _part(call, ends, [_single(call, ends)])
    return Answer(None, 204, "write", 1)
