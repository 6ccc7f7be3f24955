"""Custom objects: their schemas, at ``/crm-object-schemas/{version}/schemas`` and ``/crm/v3/schemas``.

*Custom objects* and *Create a new schema* (developers.hubspot.com). What a developer test account said in autumn 2026
is followed: a standard object's schema can be read too, posting an active schema's name answers 201 with it,
a schema goes to the archive only without records, ``archived=true`` purges it from there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.sandbox import hubspot_properties as properties
from integrations.sandbox.hubspot_answers import (
    Answer,
    Json,
    MissingError,
    a_list,
    an_object,
    demand_fields,
    exists,
    invalid,
    wire_instant,
)
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_links import Ends, add_label, associable
from integrations.sandbox.hubspot_portal import ARCHIVED, GONE, LIVE, Portal
from integrations.sandbox.hubspot_types import PORTAL_ID, SCHEMA_NAME, ObjectType, object_type

_CHANGEABLE = (
    *("labels", "description", "primaryDisplayProperty", "secondaryDisplayProperties"),
    *("requiredProperties", "searchableProperties"),
)
_NAMES_PROPERTIES = (
    "primaryDisplayProperty",
    "secondaryDisplayProperties",
    "requiredProperties",
    "searchableProperties",
)
_ASSOCIATIONS = (
    "SELECT type_id, from_type, to_type, name FROM hubspot__association_labels WHERE from_type = ? OR to_type = ?"
)
_Schema = tuple[int, str, Mapping[str, Any]]


# -- what is shown ----------------------------------------------------------------------------------------------------


def _definitions(portal: Portal, kind: ObjectType) -> list[Json]:
    """The association types that start or end at a type and that the portal made."""
    known = {each.number: each.type_id for each in portal.kinds()}
    return [
        {"id": str(type_id), "fromObjectTypeId": known[source], "toObjectTypeId": known[target], "name": name}
        for type_id, source, target, name in portal.state.query(_ASSOCIATIONS, (kind.number, kind.number))
        if source in known and target in known
    ]


def _about(kind: ObjectType, name: str, definition: Mapping[str, Any], *, is_archived: bool) -> Json:
    return {
        "id": str(kind.number),
        "objectTypeId": kind.type_id,
        "fullyQualifiedName": kind.plural,
        "name": name,
        "labels": definition["labels"],
        "description": definition.get("description"),
        "primaryDisplayProperty": definition.get("primaryDisplayProperty"),
        "secondaryDisplayProperties": definition.get("secondaryDisplayProperties") or [],
        "requiredProperties": definition.get("requiredProperties") or [],
        "searchableProperties": definition.get("searchableProperties") or [],
        "createdAt": wire_instant(definition.get("createdAt")),
        "updatedAt": wire_instant(definition.get("updatedAt")),
        "archived": is_archived,
    }


def _shown(portal: Portal, schema: _Schema, *, is_archived: bool = False) -> Json:
    place, name, definition = schema
    kind = portal.kind_at(place, name, definition)
    rules = [properties.shown(kind, rule) for rule in portal.properties(kind).values()]
    about = _about(kind, name, definition, is_archived=is_archived)
    return about | {"portalId": PORTAL_ID, "properties": rules, "associations": _definitions(portal, kind)}


def _standard(portal: Portal, kind: ObjectType) -> Json:
    labels = {"singular": kind.singular.title(), "plural": kind.plural.title()}
    definition = {
        "labels": labels,
        "requiredProperties": list(kind.required),
        "searchableProperties": list(kind.searched),
    }
    rules = [properties.shown(kind, rule) for rule in portal.properties(kind).values()]
    about = _about(kind, kind.singular.upper(), definition, is_archived=False)
    return about | {"properties": rules, "associations": _definitions(portal, kind)}


def list_schemas(call: Call) -> Answer:
    """``GET .../schemas``: custom objects only; ``archived=true`` adds the archived."""
    found = [_shown(call.portal, schema) for schema in call.portal.schemas()]
    if call.is_set("archived"):
        gone = call.portal.schemas(ARCHIVED)
        found += [_shown(call.portal, schema, is_archived=True) for schema in gone]
    return Answer({"results": found}, records=len(found))


def _schema(call: Call) -> _Schema | None:
    """The live schema that the path names, if it is one."""
    if object_type(call.path["type"]) is not None:
        return None
    kind = call.kind()
    return next(each for each in call.portal.schemas() if call.portal.kind_at(*each).number == kind.number)


def get_schema(call: Call) -> Answer:
    """``GET .../schemas/{type}``: of a standard object too."""
    schema = _schema(call)
    body = _standard(call.portal, call.kind()) if schema is None else _shown(call.portal, schema)
    return Answer(body, records=1)


# -- making -----------------------------------------------------------------------------------------------------------


def _demand_schema(portal: Portal, body: Json, name: str) -> None:
    if not SCHEMA_NAME.fullmatch(name):
        raise invalid(
            f"invalid object type name {name}", subCategory="InboundDbObjectTypeError.OBJECT_TYPE_NAME_FORMAT"
        )
    if any(schema.casefold() == name.casefold() for _, schema, _ in portal.schemas()):
        raise exists(f"{name} already exists", "InboundDbObjectTypeError.OBJECT_TYPE_ALREADY_EXIST")
    if not body.get("primaryDisplayProperty"):
        message = "A primary display property is required"
        raise invalid(message, subCategory="ObjectSchemaError.PRIMARY_DISPLAY_PROPERTY_REQUIRED")
    if not an_object(body["labels"]).get("singular"):
        raise invalid("Invalid input JSON: Some required fields were not set: [singular]")


def _names(value: Any) -> list[str]:
    return [str(name) for name in (value if isinstance(value, list) else [value] if value else [])]


def _demand_held(portal: Portal, kind: ObjectType, definition: Mapping[str, Any]) -> None:
    held = portal.properties(kind)
    for field in _NAMES_PROPERTIES:
        for name in _names(definition.get(field)):
            if name not in held:
                raise invalid(f"Invalid {field}: property {name} does not exist")


def create_schema(call: Call) -> Answer:
    """``POST .../schemas``, with its properties and with what its records can be associated with."""
    demand_fields(call.body, "name", "labels")
    portal, name = call.portal, str(call.body["name"])
    if same := [each for each in portal.schemas() if each[1] == name]:
        return Answer(_shown(portal, same[0]), 201, "write")
    _demand_schema(portal, call.body, name)
    for gone in portal.schemas(ARCHIVED):
        if gone[1].casefold() == name.casefold():
            portal.save_schema(*gone, GONE)
    now, place = portal.now_text(), portal.next_schema_place()
    definition = {field: call.body.get(field) for field in _CHANGEABLE} | {"createdAt": now, "updatedAt": now}
    portal.save_schema(place, name, definition)
    kind = portal.kind(portal.kind_at(place, name, definition).type_id)
    for given in map(an_object, a_list(call.body.get("properties"))):
        properties.make(portal, kind, {"groupName": kind.group} | given)
    _demand_held(portal, kind, definition)
    _associate(portal, kind, _names(call.body.get("associatedObjects")))
    return Answer(_shown(portal, (place, name, definition)), 201, "write", 1)


_ALWAYS_ASSOCIATED = ("EMAIL", "MEETING", "NOTE", "TASK", "CALL")


def _associate(portal: Portal, kind: ObjectType, others: Sequence[str]) -> None:
    for other in dict.fromkeys((*_ALWAYS_ASSOCIATED, *others)):
        associable(portal, Ends(kind, portal.kind(other)))


def update_schema(call: Call) -> Answer:
    """``PATCH .../schemas/{type}``: labels and which properties matter; the name stays."""
    schema = _schema(call)
    if schema is None:
        raise invalid("Invalid object or event type id")
    place, name, before = schema
    changes = {field: call.body[field] for field in _CHANGEABLE if field in call.body}
    definition = {**before, **changes, "updatedAt": call.portal.now_text()}
    _demand_held(call.portal, call.kind(), definition)
    call.portal.save_schema(place, name, definition)
    return Answer(_shown(call.portal, (place, name, definition)), 200, "write", 1)


def archive_schema(call: Call) -> Answer:
    """``DELETE .../schemas/{type}``: of a live schema without records; with ``archived=true``, of an archived one."""
    if call.is_set("archived"):
        return _purge(call)
    schema = _schema(call)
    if schema is None:
        raise invalid("Invalid object or event type id")
    kind = call.kind()
    sql = f"SELECT 1 FROM {call.portal.table(kind)} WHERE _archived = ? LIMIT 1"  # noqa: S608 - quoted name
    if call.portal.state.query(sql, (LIVE,)):
        message = f"Object type {kind.type_id} cannot be deleted until all object records are deleted"
        raise invalid(message, subCategory="ObjectSchemaError.EXISTING_OBJECT_RECORDS")
    call.portal.save_schema(*schema, ARCHIVED)
    return Answer(None, 204, "write", 1)


def _purge(call: Call) -> Answer:
    for place, name, definition in call.portal.schemas(ARCHIVED):
        kind = call.portal.kind_at(place, name, definition)
        if call.path["type"] in {kind.type_id, kind.plural, name}:
            call.portal.save_schema(place, name, definition, GONE)
            return Answer(None, 204, "write", 1)
    raise invalid("Couldn't find soft-deleted object type(s)")


# -- what its records can be associated with --------------------------------------------------------------------------


def create_association(call: Call) -> Answer:
    """``POST .../schemas/{type}/associations``: another object type, under a name."""
    demand_fields(call.body, "fromObjectTypeId", "toObjectTypeId")
    portal = call.portal
    ends = Ends(portal.kind(str(call.body["fromObjectTypeId"])), portal.kind(str(call.body["toObjectTypeId"])))
    name = str(call.body.get("name") or f"{ends.source.singular}_to_{ends.target.singular}")
    found = (
        associable(portal, ends).type_id if not call.body.get("name") else add_label(portal, ends, name, None, None)[0]
    )
    about = {
        "id": str(found),
        "fromObjectTypeId": ends.source.type_id,
        "toObjectTypeId": ends.target.type_id,
        "name": name,
    }
    now = wire_instant(portal.now_text())
    return Answer(about | {"createdAt": now, "updatedAt": now}, 201, "write", 1)


def archive_association(call: Call) -> Answer:
    """``DELETE .../schemas/{type}/associations/{id}``: both directions."""
    sql = "SELECT type_id, inverse_id FROM hubspot__association_labels WHERE CAST(type_id AS TEXT) = ?"
    rows = call.portal.state.query(sql, (call.path["id"],))
    if not rows:
        raise MissingError
    for type_id in rows[0]:
        call.portal.state.execute("DELETE FROM hubspot__association_labels WHERE type_id = ?", (type_id,))
        call.portal.state.execute("DELETE FROM hubspot__associations WHERE type_id = ? AND is_custom = 1", (type_id,))
    return Answer(None, 204, "write", 1)
