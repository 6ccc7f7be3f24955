"""Associations over HTTP: batches, single ones and labels, at ``v4`` and at the dated paths."""

from collections.abc import Sequence
from typing import Any

from integrations.sandbox.hubspot_answers import (
    Answer,
    Json,
    a_list,
    a_name,
    an_object,
    batch_answer,
    demand_fields,
    failure,
    invalid,
    not_found,
)
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_links import (
    Ends,
    LinkType,
    Pair,
    add_label,
    add_links,
    associable,
    labels,
    links_of,
    plain_type,
    remove_labels,
    remove_pairs,
)
from integrations.sandbox.hubspot_objects import check_link_type
from integrations.sandbox.hubspot_portal import Portal
from integrations.sandbox.hubspot_records import as_id, ids_of

MOST_READ, MOST_WRITTEN = 1_000, 2_000
LONGEST_PAGE = 500


def ends_of(call: Call) -> Ends:
    """The two object types of a path.

    Raises:
        HubSpotError: 400, when records of these types cannot be associated.
    """
    ends = Ends(call.kind("from"), call.kind("to"))
    if plain_type(call.portal, ends) is None:
        raise invalid(f"No association exists between {ends.source.singular} and {ends.target.singular}")
    return ends


def _plain(call: Call, ends: Ends) -> LinkType:
    found = plain_type(call.portal, ends)
    if found is None:
        raise invalid(f"No association exists between {ends.source.singular} and {ends.target.singular}")
    return found


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
    """``GET .../{type}/{id}/associations/{toType}``: of a merged record's old id, nothing.

    *Announcement: Deals now support merging* (developers.hubspot.com): associations are under the new id only.
    """
    ends = ends_of(call)
    if not ids_of(call.portal, ends.source, [call.path["id"]], None):
        raise not_found()
    page = _page(call, ends, as_id(call.path["id"]) or 0, call.after(), call.limit(LONGEST_PAGE, LONGEST_PAGE))
    return Answer(page, records=len(page["results"]))


def _none_found(ends: Ends, key: str) -> Json:
    source, target = ends.source.singular, ends.target.singular
    context = {"fromObjectId": [key], "fromObjectType": [source], "toObjectType": [target]}
    sub_category = "crm.associations.NO_ASSOCIATIONS_FOUND"
    message = f"No {target} is associated with {source} {key}."
    return failure("OBJECT_NOT_FOUND", message, context, subCategory=sub_category)


def batch_read(call: Call) -> Answer:
    """``POST .../batch/read``: each input may name its own ``after``; who has none is named in ``errors``."""
    ends = ends_of(call)
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
    ends = ends_of(call)
    inputs = call.inputs(MOST_WRITTEN)
    wanted = [((_id_at(given, "from"), _id_at(given, "to")), _typed(call, ends, given)) for given in inputs]
    done, errors = _write(call, ends, wanted)
    results = [_associated(call, ends, pair, types) for pair, types in done]
    status = 200 if call.version == "2026-09" else 201
    return batch_answer(results, errors, version=call.version, now=call.portal.now(), status=status, kind="write")


def _default(call: Call, ends: Ends, pair: Pair) -> Json:
    plain = _plain(call, ends)
    spec = {"associationCategory": plain.category, "associationTypeId": plain.type_id}
    return {"from": {"id": str(pair[0])}, "to": {"id": str(pair[1])}, "associationSpec": spec}


def _both_defaults(call: Call, ends: Ends, pair: Pair) -> list[Json]:
    return [_default(call, ends, pair), _default(call, ends.reverse, (pair[1], pair[0]))]


def batch_default(call: Call) -> Answer:
    """``POST .../batch/associate/default``: the unlabelled association, both directions answered."""
    ends = ends_of(call)
    pairs = [(_id_at(given, "from"), _id_at(given, "to")) for given in call.inputs(MOST_WRITTEN)]
    done, errors = _write(call, ends, [(pair, [_plain(call, ends)]) for pair in pairs])
    results = [one for pair, _ in done for one in _both_defaults(call, ends, pair)]
    return batch_answer(results, errors, version=call.version, now=call.portal.now(), kind="write")


def _removed(call: Call, count: int) -> Answer:
    """Nothing to say, but at 2026-09 an empty batch answer."""
    if call.version != "2026-09":
        return Answer(None, 204, "write", count)
    return batch_answer([], version=call.version, now=call.portal.now(), kind="write")


def batch_archive(call: Call) -> Answer:
    """``POST .../batch/archive``: each input parts one record from several."""
    ends = ends_of(call)
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
    ends = ends_of(call)
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
        raise not_found()
    return pair


def associate(call: Call) -> Answer:
    """``PUT .../{type}/{id}/associations/{toType}/{toId}`` with a list of types."""
    ends = ends_of(call)
    link_types = _typed(call, ends, {"types": call.json})
    return Answer(_associated(call, ends, _single(call, ends, link_types), link_types), 201, "write", 1)


def associate_default(call: Call) -> Answer:
    """``PUT .../{type}/{id}/associations/default/{toType}/{toId}``."""
    ends = ends_of(call)
    results = _both_defaults(call, ends, _single(call, ends, [_plain(call, ends)]))
    return batch_answer(results, version=call.version, now=call.portal.now(), kind="write")


def dissociate(call: Call) -> Answer:
    """``DELETE .../{type}/{id}/associations/{toType}/{toId}``."""
    remove_pairs(call.portal, ends_of(call), [_pair(call)])
    call.portal.write_log("associations", [_pair(call)[0]], "delete")
    return Answer(None, 204, "write", 1)


# -- labels -----------------------------------------------------------------------------------------------------------


def _label(link_type: LinkType, label: str | None) -> Json:
    return {"category": link_type.category, "typeId": link_type.type_id, "label": label}


def list_labels(call: Call) -> Answer:
    """``GET .../{fromType}/{toType}/labels``."""
    ends = Ends(call.kind("from"), call.kind("to"))
    found = [_label(link_type, label) for link_type, label in labels(call.portal, ends).items()]
    return Answer({"results": found}, records=len(found))


def create_label(call: Call) -> Answer:
    """``POST .../{fromType}/{toType}/labels``: answers both directions; with a custom object, a plain type too."""
    ends = Ends(call.kind("from"), call.kind("to"))
    demand_fields(call.body, "name", "label")
    name, label = str(call.body["name"]), str(call.body["label"])
    _demand_new_label(call, ends, name, label)
    if plain_type(call.portal, ends) is None:
        _demand_custom(ends)
        associable(call.portal, ends)
    inverse = a_name(call.body.get("inverseLabel")) or label
    there, back = add_label(call.portal, ends, name, label, inverse)
    made = [_label(LinkType(there, True), label), _label(LinkType(back, True), inverse)]
    return Answer({"results": made}, 200, "write", 1)


def _demand_new_label(call: Call, ends: Ends, name: str, label: str) -> None:
    sql = "SELECT 1 FROM hubspot__association_labels WHERE name = ?"
    if call.portal.state.query(sql, (name,)):
        raise invalid(f"Association definition named {name} already exists for portal")
    if label in labels(call.portal, ends).values():
        pair = f"{ends.source.type_id}-{ends.target.type_id}"
        message = f'Association definition label "{label}" already exists on ObjectType pair {pair}'
        raise invalid(message, subCategory="AssociationValidationError.DUPLICATE_ASSOCIATION_LABEL")


def _demand_custom(ends: Ends) -> None:
    if not (ends.source.is_custom or ends.target.is_custom):
        raise invalid(f"No association exists between {ends.source.singular} and {ends.target.singular}")


def _inverse_of(call: Call, type_id: int) -> int:
    rows = call.portal.state.query("SELECT inverse_id FROM hubspot__association_labels WHERE type_id = ?", (type_id,))
    if not rows:
        raise invalid(f"Unable to find association type {type_id}")
    return int(rows[0][0])


def update_label(call: Call) -> Answer:
    """``PUT .../{fromType}/{toType}/labels``: without an inverse, both sides get the label."""
    label, type_id = a_name(call.body.get("label")), as_id(call.body.get("associationTypeId")) or 0
    inverse_id = _inverse_of(call, type_id)
    sql = "UPDATE hubspot__association_labels SET label = ? WHERE type_id = ?"
    call.portal.state.execute(sql, (label, type_id))
    call.portal.state.execute(sql, (a_name(call.body.get("inverseLabel")) or label, inverse_id))
    return Answer(None, 204, "write", 1)


def archive_label(call: Call) -> Answer:
    """``DELETE .../{fromType}/{toType}/labels/{typeId}``: both sides, and the labels from all records."""
    type_id = as_id(call.path["id"]) or 0
    for one in (type_id, _inverse_of(call, type_id)):
        call.portal.state.execute("DELETE FROM hubspot__association_labels WHERE type_id = ?", (one,))
        call.portal.state.execute("DELETE FROM hubspot__associations WHERE type_id = ? AND is_custom = 1", (one,))
    return Answer(None, 204, "write", 1)
