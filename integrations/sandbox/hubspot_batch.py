"""Batches of up to 100 records. One bad row fails the whole batch, unless every input carries its own trace id."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from integrations.sandbox.hubspot_answers import (
    Answer,
    HubSpotError,
    Json,
    a_name,
    batch_answer,
    conflict,
    failure,
    invalid,
    not_found,
)
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_links import add_links
from integrations.sandbox.hubspot_objects import asked_links, finished, shown
from integrations.sandbox.hubspot_portal import ARCHIVED, LIVE, Portal
from integrations.sandbox.hubspot_records import ids_of, read_rows, selection, texts
from integrations.sandbox.hubspot_types import ObjectType
from integrations.sandbox.hubspot_writes import (
    EXISTING_ID,
    Draft,
    Values,
    archive_records,
    cleaned,
    create_records,
    update_records,
)

LARGEST, LARGEST_WITH_HISTORY = 100, 50


@dataclass(frozen=True, slots=True)
class _Written:
    """What became of one input: the record's id, whether it is new, and what is told of it, None for everything."""

    record_id: int
    is_new: bool
    trace: str | None
    told: frozenset[str] | None = None


_Write = Callable[[Portal, ObjectType, Sequence[Json]], list[_Written]]


# -- reading ----------------------------------------------------------------------------------------------------------


def _missing(kind: ObjectType, keys: Sequence[str]) -> Json:
    what = f"Could not get some {kind.singular.upper()} objects"
    message = f"{what}, they may be deleted or not exist. Check that ids are valid."
    return failure("OBJECT_NOT_FOUND", message, {"ids": keys})


def batch_read(call: Call) -> Answer:
    """``POST .../batch/read``: what is missing is named in ``errors``; a merge loser's id answers the survivor."""
    kind = call.kind()
    history = texts(call.body.get("propertiesWithHistory"))
    if history and len(call.inputs(LARGEST)) > LARGEST_WITH_HISTORY:
        raise invalid(
            "The maximum number of inputs supported in a batch request for property histories is "
            f"{LARGEST_WITH_HISTORY}, got {len(call.inputs(LARGEST))}"
        )
    keys = list(dict.fromkeys(str(given.get("id")) for given in call.inputs(LARGEST)))
    state = ARCHIVED if call.is_set("archived") else LIVE
    found = ids_of(call.portal, kind, keys, a_name(call.body.get("idProperty")), archived=state)
    chosen = selection(call.portal, kind, texts(call.body.get("properties")), history)
    records = list(read_rows(call.portal, kind, sorted(set(found.values())), chosen.properties).values())
    finished(call, kind, records, chosen)
    absent = [key for key in keys if key not in found]
    errors = [_missing(kind, absent)] if absent else []
    return batch_answer(records, errors, version=call.version, now=call.portal.now())


# -- writing ----------------------------------------------------------------------------------------------------------


def _trace(given: Json) -> str | None:
    trace = given.get("objectWriteTraceId")
    return None if trace is None else str(trace)


def _are_traced(inputs: Sequence[Json]) -> bool:
    traces = [_trace(given) for given in inputs]
    return None not in traces and len(set(traces)) == len(traces)


def _outcomes(
    portal: Portal, kind: ObjectType, inputs: Sequence[Json], write: _Write
) -> Iterator[tuple[list[_Written], Json | None]]:
    """The whole batch at once; or, when every input is traced, each by itself with its own refusal."""
    if not _are_traced(inputs):
        yield _whole_outcome(portal, kind, inputs, write), None
        return
    for given in inputs:
        yield _one_outcome(portal, kind, given, write)


def _whole_outcome(portal: Portal, kind: ObjectType, inputs: Sequence[Json], write: _Write) -> list[_Written]:
    """Refused as a whole, it does not say whose e-mail address is taken."""
    try:
        return write(portal, kind, inputs)
    except HubSpotError as error:
        message, owner = _owned(error)
        if owner is None:
            raise
        raise conflict(message) from None


def _owned(error: HubSpotError) -> tuple[str, str | None]:
    """What a refusal says without the record that has the e-mail address already, and that record's id."""
    message, _, owner = error.message.partition(EXISTING_ID)
    return message, owner or None


def _one_outcome(portal: Portal, kind: ObjectType, given: Json, write: _Write) -> tuple[list[_Written], Json | None]:
    try:
        with portal.transaction():
            return write(portal, kind, [given]), None
    except HubSpotError as error:
        more = {name: value for name, value in error.more.items() if name == "errors"}
        _, owner = _owned(error)
        context = {"objectWriteTraceId": [str(_trace(given))], **({"existingId": [owner]} if owner else {})}
        return [], failure(error.category, error.message, context, **more)


def _told(record: Json, one: _Written) -> Json:
    if one.told is None:
        return record
    return record | {"properties": {name: value for name, value in record["properties"].items() if name in one.told}}


def _batch(call: Call, write: _Write, *, status: int, has_new: bool = False) -> Answer:
    kind = call.kind()
    written: list[_Written] = []
    errors: list[Json] = []
    for some, error in _outcomes(call.portal, kind, call.inputs(LARGEST), write):
        written += some
        errors += [error] if error else []
    records = shown(call.portal, kind, [one.record_id for one in written])
    results = [
        _told(record, one)
        | ({"new": one.is_new} if has_new else {})
        | ({"objectWriteTraceId": one.trace} if one.trace else {})
        for record, one in zip(records, written, strict=True)
    ]
    return batch_answer(results, errors, version=call.version, now=call.portal.now(), status=status, kind="write")


def _create(portal: Portal, kind: ObjectType, inputs: Sequence[Json]) -> list[_Written]:
    links = [asked_links(portal, kind, given.get("associations")) for given in inputs]
    ids = create_records(portal, kind, [cleaned(portal, kind, given.get("properties")) for given in inputs])
    for record_id, some in zip(ids, links, strict=True):
        for ends, target, link_type in some:
            add_links(portal, ends, [(record_id, target, link_type)])
    return [_Written(record_id, True, _trace(given)) for record_id, given in zip(ids, inputs, strict=True)]


def batch_create(call: Call) -> Answer:
    """``POST .../batch/create``."""
    return _batch(call, _create, status=201)


def _id_property(inputs: Sequence[Json]) -> str | None:
    names = {a_name(given.get("idProperty")) for given in inputs}
    if len(names) > 1:
        raise invalid("All inputs of a batch must have the same idProperty")
    return names.pop() if names else None


def _once(keys: Sequence[str]) -> None:
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        message = f"Duplicate IDs found in batch input: [{', '.join(twice)}]. IDs must be unique"
        raise invalid(message, context={"ids": twice})


def batch_update(call: Call) -> Answer:
    """``POST .../batch/update``: records that do not exist are named in ``errors``, the others are written.

    As of a single ``PATCH``, what was sent and the stamps are answered, not the whole records.
    """
    kind = call.kind()
    inputs = call.inputs(LARGEST)
    keys = [str(given.get("id")) for given in inputs]
    _once(keys)
    found = ids_of(call.portal, kind, keys, _id_property(inputs))
    absent = [key for key in keys if key not in found]

    def update(portal: Portal, kind: ObjectType, some: Sequence[Json]) -> list[_Written]:
        present = [given for given in some if str(given.get("id")) in found]
        drafts = [Draft(found[str(given["id"])], cleaned(portal, kind, given.get("properties"))) for given in present]
        update_records(portal, kind, drafts)
        return [
            _Written(draft.record_id or 0, False, _trace(given), frozenset((*draft.values, *kind.always)))
            for given, draft in zip(present, drafts, strict=True)
        ]

    answer = _batch(call, update, status=200)
    errors = [*answer.body.get("errors", ()), *([_missing(kind, absent)] if absent else ())]
    return batch_answer(answer.body["results"], errors, version=call.version, now=call.portal.now(), kind="write")


def _keys(portal: Portal, kind: ObjectType, inputs: Sequence[Json], name: str | None) -> list[str]:
    """The inputs' keys as the portal keeps them, each once."""
    keys = [str(given.get("id")) for given in inputs]
    if name:
        portal.unique_property(kind, name)
        keys = [cleaned(portal, kind, {name: key})[name] or "" for key in keys]
    _once(keys)
    return keys


def _upsert(portal: Portal, kind: ObjectType, inputs: Sequence[Json]) -> list[_Written]:
    name = _id_property(inputs)
    keys = _keys(portal, kind, inputs, name)
    found = ids_of(portal, kind, keys, name)
    if not name and len(found) < len(keys):
        raise not_found()
    values = dict(zip(keys, (_upserted(portal, kind, given) for given in inputs), strict=True))
    update_records(portal, kind, [Draft(found[key], values[key]) for key in keys if key in found])
    fresh = [key for key in keys if key not in found]
    made = create_records(portal, kind, [{str(name): key, **values[key]} for key in fresh])
    ids = found | dict(zip(fresh, made, strict=True))
    return [_Written(ids[key], key not in found, _trace(given)) for key, given in zip(keys, inputs, strict=True)]


def _upserted(portal: Portal, kind: ObjectType, given: Json) -> Values:
    return cleaned(portal, kind, given.get("properties") or {})


def batch_upsert(call: Call) -> Answer:
    """``POST .../batch/upsert``, by a unique property; each result says whether it is ``new``."""
    _once([str(given.get("id")) for given in call.inputs(LARGEST)])
    return _batch(call, _upsert, status=200, has_new=True)


def batch_archive(call: Call) -> Answer:
    """``POST .../batch/archive``: ids that do not exist are passed over."""
    kind = call.kind()
    keys = [str(given.get("id")) for given in call.inputs(LARGEST)]
    ids = sorted(set(ids_of(call.portal, kind, keys, None).values()))
    archive_records(call.portal, kind, ids)
    return Answer(None, 204, "write", len(ids))
