"""Associations over HTTP: batches, single ones and labels, at ``v4`` and at the dated paths."""

from collections.abc import Sequence
from typing import Any

from integrations.sandbox.hubspot_answers import (
    Answer,
    HubSpotError,
    Json,
    a_list,
    an_object,
    batch_answer,
    failure,
    invalid,
)
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_links import (
    UNLABELLED,
    Ends,
    LinkType,
    Pair,
    add_label,
    add_links,
    labels,
    links_of,
    remove_labels,
    remove_pairs,
)
from integrations.sandbox.hubspot_objects import check_link_type
from integrations.sandbox.hubspot_portal import Portal, known_type
from integrations.sandbox.hubspot_records import as_id, ids_of

MOST_READ, MOST_WRITTEN = 1_000, 2_000
LONGEST_PAGE = 500


def _ends(call: Call) -> Ends:
    ends = Ends(known_type(call.path["from"]), known_type(call.path["to"]))
    if ends.numbers not in UNLABELLED:
        raise invalid(f"No association exists between {ends.source.singular} and {ends.target.singular}")
    return ends


def _shown_id(call: Call, record_id: int) -> int | str:
    """``v4`` sends ids of associated records as numbers, the dated paths as text."""
    return record_id if call.version == "v4" else str(record_id)


# -- reading ----------------------------------------------------------------------------------------------------------


def _page(call: Call, ends: Ends, source: int, after: int, limit: int) -> Json:
    """One page of what a record is associated with: ``results``, and ``paging`` when there is more."""
    named = labels(call.portal, ends)
    held = links_of(call.portal, ends, source, after=after, limit=limit + 1)
    page = list(held.items())[:limit]
    results = [
        {
            "toObjectId": _shown_id(call, target),
            "associationTypes": [
                {"category": one.category, "typeId": one.type_id, "label": named.get(one)} for one in types
            ],
        }
        for target, types in page
    ]
    if len(held) <= limit:
        return {"results": results}
    path = f"/crm/v4/objects/{ends.source.type_id}/{source}/associations/{ends.target.type_id}"
    last = str(page[-1][0])
    return {"results": results, "paging": {"next": {"after": last, "link": f"{call.origin}{path}?after={last}"}}}


def list_associations(call: Call) -> Answer:
    """``GET .../{type}/{id}/associations/{toType}``."""
    ends = _ends(call)
    source = _existing(call, ends)
    page = _page(call, ends, source, call.after(), call.limit(LONGEST_PAGE, LONGEST_PAGE))
    return Answer(page, records=len(page["results"]))


def _existing(call: Call, ends: Ends) -> int:
    found = ids_of(call.portal, ends.source, [call.path["id"]], None)
    if not found:
        raise HubSpotError(404, "OBJECT_NOT_FOUND", "resource not found")
    return found[call.path["id"]]


def _none_found(ends: Ends, key: str) -> Json:
    source, target = ends.source.singular, ends.target.singular
    context = {"fromObjectId": [key], "fromObjectType": [source], "toObjectType": [target]}
    sub_category = "crm.associations.NO_ASSOCIATIONS_FOUND"
    message = f"No {target} is associated with {source} {key}."
    return failure("OBJECT_NOT_FOUND", message, context, subCategory=sub_category)


def batch_read(call: Call) -> Answer:
    """``POST .../batch/read``: each input may name its own ``after``; who has none is named in ``errors``."""
    ends = _ends(call)
    results: list[Json] = []
    errors: list[Json] = []
    for given in call.inputs(MOST_READ):
        key, source = str(given.get("id")), as_id(given.get("id"))
        page = _page(call, ends, source or 0, as_id(given.get("after") or 0) or 0, LONGEST_PAGE)
        if page["results"]:
            results.append({"from": {"id": key}, "to": page.pop("results"), **page})
        else:
            errors.append(_none_found(ends, key))
    return batch_answer(results, errors, version=call.version, now=call.portal.now())


# -- writing ----------------------------------------------------------------------------------------------------------


def _id_at(given: Json, end: str) -> int:
    found = as_id(an_object(given.get(end)).get("id"))
    return -1 if found is None else found


def _present(portal: Portal, ends: Ends, pairs: Sequence[Pair]) -> set[Pair]:
    """The pairs of which both records live."""
    sources = ids_of(portal, ends.source, [str(source) for source, _ in pairs], None)
    targets = ids_of(portal, ends.target, [str(target) for _, target in pairs], None)
    return {(source, target) for source, target in pairs if str(source) in sources and str(target) in targets}


def _absent(ends: Ends, pair: Pair) -> Json:
    source, target = ends.source.singular, ends.target.singular
    context = {"fromObjectId": [str(pair[0])], "toObjectId": [str(pair[1])]}
    return failure("OBJECT_NOT_FOUND", f"{source} {pair[0]} or {target} {pair[1]} does not exist.", context)


def _label_names(portal: Portal, ends: Ends, link_types: Sequence[LinkType]) -> list[str]:
    named = labels(portal, ends)
    return [label for one in link_types if (label := named.get(one)) is not None]


def _associated(call: Call, ends: Ends, pair: Pair, link_types: Sequence[LinkType]) -> Json:
    return {
        "fromObjectTypeId": ends.source.type_id,
        "fromObjectId": _shown_id(call, pair[0]),
        "toObjectTypeId": ends.target.type_id,
        "toObjectId": _shown_id(call, pair[1]),
        "labels": _label_names(call.portal, ends, link_types),
    }


def _typed(call: Call, ends: Ends, given: Json) -> list[LinkType]:
    specs = a_list(given.get("types"))
    if not specs:
        raise invalid("Invalid input JSON: Some required fields were not set: [types]")
    return [check_link_type(call.portal, ends, an_object(spec)) for spec in specs]


def _write(call: Call, ends: Ends, wanted: Sequence[tuple[Pair, list[LinkType]]]) -> tuple[list[Any], list[Json]]:
    present = _present(call.portal, ends, [pair for pair, _ in wanted])
    done = [(pair, types) for pair, types in wanted if pair in present]
    add_links(call.portal, ends, [(*pair, one) for pair, types in done for one in types])
    call.portal.write_log("associations", [source for (source, _), _ in done], "create")
    return done, [_absent(ends, pair) for pair, _ in wanted if pair not in present]


def batch_create(call: Call) -> Answer:
    """``POST .../batch/create``: 201, and 200 at 2026-09."""
    ends = _ends(call)
    inputs = call.inputs(MOST_WRITTEN)
    wanted = [((_id_at(given, "from"), _id_at(given, "to")), _typed(call, ends, given)) for given in inputs]
    done, errors = _write(call, ends, wanted)
    results = [_associated(call, ends, pair, types) for pair, types in done]
    status = 200 if call.version == "2026-09" else 201
    return batch_answer(results, errors, version=call.version, now=call.portal.now(), status=status, kind="write")


def _default(ends: Ends, pair: Pair) -> Json:
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": ends.unlabelled.type_id}
    return {"from": {"id": str(pair[0])}, "to": {"id": str(pair[1])}, "associationSpec": spec}


def batch_default(call: Call) -> Answer:
    """``POST .../batch/associate/default``: the unlabelled association, both directions answered."""
    ends = _ends(call)
    pairs = [(_id_at(given, "from"), _id_at(given, "to")) for given in call.inputs(MOST_WRITTEN)]
    done, errors = _write(call, ends, [(pair, [ends.unlabelled]) for pair in pairs])
    results = [one for pair, _ in done for one in (_default(ends, pair), _default(ends.reverse, (pair[1], pair[0])))]
    return batch_answer(results, errors, version=call.version, now=call.portal.now(), kind="write")


def _removed(call: Call, count: int) -> Answer:
    """Nothing to say, but at 2026-09 an empty batch answer."""
    if call.version != "2026-09":
        return Answer(None, 204, "write", count)
    return batch_answer([], version=call.version, now=call.portal.now(), kind="write")


def batch_archive(call: Call) -> Answer:
    """``POST .../batch/archive``: each input parts one record from several."""
    ends = _ends(call)
    inputs = call.inputs(MOST_WRITTEN)
    pairs = [
        (_id_at(given, "from"), as_id(an_object(to).get("id")) or 0)
        for given in inputs
        for to in a_list(given.get("to"))
    ]
    remove_pairs(call.portal, ends, pairs)
    call.portal.write_log("associations", [source for source, _ in pairs], "delete")
    return _removed(call, len(pairs))


def batch_archive_labels(call: Call) -> Answer:
    """``POST .../batch/labels/archive``."""
    ends = _ends(call)
    inputs = call.inputs(MOST_WRITTEN)
    links = [(_id_at(given, "from"), _id_at(given, "to"), one) for given in inputs for one in _typed(call, ends, given)]
    remove_labels(call.portal, ends, links)
    call.portal.write_log("associations", [source for source, _, _ in links], "delete")
    return _removed(call, len(links))


def _pair(call: Call) -> Pair:
    return as_id(call.path["id"]) or 0, as_id(call.path["to_id"]) or 0


def _single(call: Call, ends: Ends, link_types: list[LinkType]) -> Pair:
    pair = _pair(call)
    _, errors = _write(call, ends, [(pair, link_types)])
    if errors:
        raise HubSpotError(404, "OBJECT_NOT_FOUND", "resource not found")
    return pair


def associate(call: Call) -> Answer:
    """``PUT .../{type}/{id}/associations/{toType}/{toId}`` with a list of types."""
    ends = _ends(call)
    link_types = _typed(call, ends, {"types": call.json})
    return Answer(_associated(call, ends, _single(call, ends, link_types), link_types), 201, "write", 1)


def associate_default(call: Call) -> Answer:
    """``PUT .../{type}/{id}/associations/default/{toType}/{toId}``."""
    ends = _ends(call)
    pair = _single(call, ends, [ends.unlabelled])
    results = [_default(ends, pair), _default(ends.reverse, (pair[1], pair[0]))]
    return batch_answer(results, version=call.version, now=call.portal.now(), kind="write")


def dissociate(call: Call) -> Answer:
    """``DELETE .../{type}/{id}/associations/{toType}/{toId}``."""
    remove_pairs(call.portal, _ends(call), [_pair(call)])
    call.portal.write_log("associations", [_pair(call)[0]], "delete")
    return Answer(None, 204, "write", 1)


# -- labels -----------------------------------------------------------------------------------------------------------


def _label(link_type: LinkType, label: str | None) -> Json:
    return {"category": link_type.category, "typeId": link_type.type_id, "label": label}


def list_labels(call: Call) -> Answer:
    """``GET .../{fromType}/{toType}/labels``."""
    found = [_label(link_type, label) for link_type, label in labels(call.portal, _ends(call)).items()]
    return Answer({"results": found}, records=len(found))


def create_label(call: Call) -> Answer:
    """``POST .../{fromType}/{toType}/labels``: answers both directions."""
    ends = _ends(call)
    name, label = call.body.get("name"), call.body.get("label")
    if not name or not label:
        raise invalid("Invalid input JSON: Some required fields were not set: [name, label]")
    inverse = call.body.get("inverseLabel") or label
    there, back = add_label(call.portal, ends, str(name), str(label), str(inverse))
    made = [_label(LinkType(there, True), str(label)), _label(LinkType(back, True), str(inverse))]
    return Answer({"results": made}, 200, "write", 1)
