"""Properties and their groups over HTTP.

Codes and texts of refusals as seen on a developer test account in autumn 2026, as a public simulator notes them: an
active name is 409 ``OBJECT_ALREADY_EXISTS``, an archived name comes back as newly posted with its values, a change of
``hasUniqueValue`` is passed over, a group goes only when it is empty.
"""

import re
from dataclasses import replace
from typing import Any

import orjson

from integrations.sandbox.hubspot_answers import (
    Answer,
    HubSpotError,
    Json,
    a_list,
    an_object,
    batch_answer,
    demand_fields,
    exists,
    failure,
    invalid,
    wire_instant,
)
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_portal import Portal
from integrations.sandbox.hubspot_schema import Property
from integrations.sandbox.hubspot_settings import settings_of
from integrations.sandbox.hubspot_types import ObjectType

_FIELD_TYPES = {
    "bool": ("booleancheckbox", "calculation_equation"),
    "date": ("date",),
    "datetime": ("date",),
    "enumeration": ("select", "radio", "checkbox", "booleancheckbox"),
    "number": ("number", "calculation_equation"),
    "phone_number": ("phonenumber",),
    "string": ("text", "textarea", "html", "file", "phonenumber"),
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
_MOST_UNIQUE, LARGEST = 10, 100
_REQUIRED = ("name", "label", "type", "fieldType", "groupName")
_CHANGEABLE = frozenset(
    {"label", "type", "fieldType", "groupName", "description", "options", "displayOrder", "hidden", "formField"}
)
_LASTING = ("created_at", "has_unique_value", "is_hubspot_defined", "is_read_only", "is_kept_verbatim")


# -- what is shown ----------------------------------------------------------------------------------------------------


def _label_of(rule: Property) -> str:
    return rule.label or rule.name.removeprefix("hs_").replace("_", " ").capitalize()


def _option(rule: Property, value: str, order: int) -> Json:
    label = rule.option_labels.get(value, value)
    return {"label": label, "value": value, "description": "", "displayOrder": order, "hidden": False}


def shown(kind: ObjectType, rule: Property) -> Json:
    """A property as HubSpot's ``Property`` schema has it."""
    found: Json = {
        "name": rule.name,
        "label": _label_of(rule),
        "type": rule.type,
        "fieldType": rule.field_type,
        "description": rule.description,
        "groupName": rule.group_name or kind.group,
        "options": [_option(rule, value, order) for order, value in enumerate(rule.options)],
        "createdAt": wire_instant(rule.created_at),
        "updatedAt": wire_instant(rule.updated_at),
        "displayOrder": rule.display_order,
        "calculated": False,
        "externalOptions": rule.refers_to_owners,
        "archived": rule.archived_at is not None,
        "hasUniqueValue": rule.has_unique_value,
        "hidden": rule.is_hidden,
        "hubspotDefined": rule.is_hubspot_defined,
        "modificationMetadata": {
            "archivable": not rule.is_hubspot_defined,
            "readOnlyDefinition": rule.is_hubspot_defined,
            "readOnlyValue": rule.is_read_only,
        },
        "formField": rule.is_form_field,
        "dataSensitivity": rule.sensitivity,
    }
    if rule.archived_at is not None:
        found["archivedAt"] = wire_instant(rule.archived_at)
    return found | ({"referencedObjectType": "OWNER"} if rule.refers_to_owners else {})


def list_properties(call: Call) -> Answer:
    """``GET .../properties/{type}``: all of them, no paging; ``archived=true`` lists the archived instead."""
    kind = call.kind()
    rules = call.portal.properties(kind, is_archived=call.is_set("archived"))
    found = [shown(kind, rule) for rule in rules.values()]
    return Answer({"results": found}, records=len(found))


def _absent(name: str) -> HubSpotError:
    return HubSpotError(404, "OBJECT_NOT_FOUND", f"Property {name} does not exist")


def _property(call: Call, kind: ObjectType, *, is_archived: bool = False) -> Property:
    rule = call.portal.properties(kind, is_archived=is_archived).get(call.path["name"])
    if rule is None:
        raise _absent(call.path["name"])
    return rule


def get_property(call: Call) -> Answer:
    """``GET .../properties/{type}/{name}``."""
    kind = call.kind()
    return Answer(shown(kind, _property(call, kind, is_archived=call.is_set("archived"))), records=1)


def batch_read(call: Call) -> Answer:
    """``POST .../properties/{type}/batch/read``: names that are unknown come back as errors."""
    kind = call.kind()
    names = [str(given.get("name")) for given in call.inputs(LARGEST)]
    rules = call.portal.properties(kind, is_archived=call.body.get("archived") is True)
    found = [shown(kind, rules[name]) for name in names if name in rules]
    absent = [name for name in names if name not in rules]
    errors = [failure("OBJECT_NOT_FOUND", f"Property {name} does not exist", {"name": [name]}) for name in absent]
    return batch_answer(found, errors, version=call.version, now=call.portal.now())


# -- what is made and changed -----------------------------------------------------------------------------------------


def _asked(portal: Portal, kind: ObjectType, body: Json) -> Property:
    demand_fields(body, *_REQUIRED)
    if not _NAME.fullmatch(str(body["name"])):
        raise invalid(f"{body['name']} is not a valid property name", subCategory="Properties.INVALID_NAME")
    _demand_possible(portal, kind, body)
    return _defined(portal, body)


def _demand_possible(portal: Portal, kind: ObjectType, body: Json) -> None:
    if body["fieldType"] not in _FIELD_TYPES.get(str(body["type"]), ()):
        raise invalid(f"fieldType {body['fieldType']} does not go with type {body['type']}")
    if str(body["groupName"]) not in portal.groups(kind):
        raise invalid(f"Property group {body['groupName']} does not exist")


def _options(body: Json) -> dict[str, str]:
    """The labels of an enumeration's values."""
    options = [an_object(option) for option in a_list(body.get("options"))]
    labels = {str(option.get("value")): str(option.get("label")) for option in options}
    if len(labels) < len(options):
        raise invalid("Property option values must be unique", subCategory="PropertyValidationError.DUPLICATE_OPTIONS")
    return labels


def _order(body: Json) -> int:
    order = body.get("displayOrder", -1)
    if not isinstance(order, int):
        raise invalid("Invalid input JSON: displayOrder is not a number")
    return order


def _defined(portal: Portal, body: Json) -> Property:
    labels, now = _options(body), portal.now_text()
    is_owner = body.get("referencedObjectType") == "OWNER"
    if body["type"] == "enumeration" and body.get("options") is None and not is_owner:
        raise invalid("Options are required for enumeration properties")
    return Property(
        name=str(body["name"]),
        type=str(body["type"]),
        field_type=str(body["fieldType"]),
        label=str(body["label"]),
        group_name=str(body["groupName"]),
        description=str(body.get("description") or ""),
        options=("true", "false") if body["type"] == "bool" else tuple(labels),
        option_labels=labels,
        refers_to_owners=is_owner,
        has_unique_value=body.get("hasUniqueValue") is True,
        is_hubspot_defined=False,
        display_order=_order(body),
        is_hidden=body.get("hidden") is True,
        is_form_field=body.get("formField") is True,
        sensitivity=str(body.get("dataSensitivity") or "non_sensitive"),
        created_at=now,
        updated_at=now,
    )


def make(portal: Portal, kind: ObjectType, body: Json) -> Property:
    """Make a property as a request describes it.

    Raises:
        HubSpotError: 400, when it cannot be; 409, when its name is taken.
    """
    rule = _asked(portal, kind, body)
    known = portal.properties(kind)
    if rule.name in known:
        message = f"A property named '{rule.name}' already exists."
        raise exists(message, "Properties.PROPERTY_WITH_NAME_EXISTS")
    _demand_unique_possible(portal, kind, rule, known)
    if (before := portal.properties(kind, is_archived=True).get(rule.name)) is not None:
        rule = replace(rule, created_at=before.created_at)
    portal.add_property(kind, rule)
    return rule


def _demand_unique_possible(portal: Portal, kind: ObjectType, rule: Property, known: dict[str, Property]) -> None:
    """``hasUniqueValue`` goes with text and numbers, and with ten properties of an object type."""
    if not rule.has_unique_value:
        return
    if kind.required == ("hs_timestamp",) and not settings_of(portal.state).unique_on_engagements:
        raise invalid(f"Properties of object type {kind.type_id} cannot have unique values")
    if rule.type not in {"string", "number"}:
        raise invalid(f"Property {rule.name} of type {rule.type} cannot have unique values")
    custom_unique = [one for one in known.values() if one.has_unique_value and not one.is_hubspot_defined]
    if len(custom_unique) >= _MOST_UNIQUE:
        raise invalid(f"At most {_MOST_UNIQUE} properties of object type {kind.type_id} can have unique values")


def create_property(call: Call) -> Answer:
    """``POST .../properties/{type}``."""
    kind = call.kind()
    rule = make(call.portal, kind, call.body)
    headers = {"Location": f"{call.path['']}/{rule.name}"}
    return Answer(shown(kind, rule), 201, "write", 1, headers)


def batch_create(call: Call) -> Answer:
    """``POST .../properties/{type}/batch/create``."""
    kind = call.kind()
    made = [shown(kind, make(call.portal, kind, body)) for body in call.inputs(LARGEST)]
    return batch_answer(made, version=call.version, now=call.portal.now(), status=201, kind="write")


def update_property(call: Call) -> Answer:
    """``PATCH .../properties/{type}/{name}``: of HubSpot's own, the order only; what cannot change is passed over."""
    kind = call.kind()
    rule = _property(call, kind)
    given = {name: value for name, value in call.body.items() if name in _CHANGEABLE and value is not None}
    if rule.is_hubspot_defined and given.keys() - {"displayOrder", "groupName", "formField", "hidden"}:
        message = f"Property {rule.name} is read-only: its definition cannot be changed"
        raise invalid(message, subCategory="PropertyValidationError.READ_ONLY_DEFINITION")
    before = shown(kind, rule)
    after = before | given
    _demand_possible(call.portal, kind, after)
    lasting = {name: getattr(rule, name) for name in _LASTING}
    call.portal.add_property(kind, replace(_defined(call.portal, after), **lasting))
    return Answer(shown(kind, call.portal.properties(kind)[rule.name]), 200, "write", 1)


def _archive(portal: Portal, kind: ObjectType, rule: Property) -> None:
    if rule.is_hubspot_defined:
        raise invalid(f"Property {rule.name} is defined by HubSpot and cannot be archived")
    portal.remove_property(kind, rule)


def archive_property(call: Call) -> Answer:
    """``DELETE .../properties/{type}/{name}``; HubSpot's own stay."""
    kind = call.kind()
    _archive(call.portal, kind, _property(call, kind))
    return Answer(None, 204, "write", 1)


def batch_archive(call: Call) -> Answer:
    """``POST .../properties/{type}/batch/archive``: names that are unknown are passed over."""
    kind = call.kind()
    known = call.portal.properties(kind)
    rules = [known[name] for given in call.inputs(LARGEST) if (name := str(given.get("name"))) in known]
    for rule in rules:
        _archive(call.portal, kind, rule)
    return Answer(None, 204, "write", len(rules))


# -- groups -----------------------------------------------------------------------------------------------------------


def _group(name: str, label: str) -> Json:
    return {"name": name, "label": label, "displayOrder": -1, "archived": False}


def _label_of_group(call: Call, kind: ObjectType) -> str:
    groups = call.portal.groups(kind)
    if call.path["name"] not in groups:
        raise HubSpotError(404, "OBJECT_NOT_FOUND", f"Property group {call.path['name']} does not exist")
    return groups[call.path["name"]]


def list_groups(call: Call) -> Answer:
    """``GET .../properties/{type}/groups``."""
    found = [_group(*one) for one in call.portal.groups(call.kind()).items()]
    return Answer({"results": found}, records=len(found))


def get_group(call: Call) -> Answer:
    """``GET .../properties/{type}/groups/{name}``."""
    return Answer(_group(call.path["name"], _label_of_group(call, call.kind())), records=1)


def create_group(call: Call) -> Answer:
    """``POST .../properties/{type}/groups``."""
    kind = call.kind()
    demand_fields(call.body, "name", "label")
    name, label = str(call.body["name"]), str(call.body["label"])
    if name in call.portal.groups(kind):
        raise exists(f"A property group named '{name}' already exists.")
    call.portal.add_group(kind, name, label)
    return Answer(_group(name, label), 201, "write", 1)


def update_group(call: Call) -> Answer:
    """``PATCH .../properties/{type}/groups/{name}``: the label; the order is kept for nobody."""
    kind = call.kind()
    label = str(call.body.get("label") or _label_of_group(call, kind))
    _label_of_group(call, kind)
    call.portal.add_group(kind, call.path["name"], label)
    return Answer(_group(call.path["name"], label), 200, "write", 1)


def archive_group(call: Call) -> Answer:
    """``DELETE .../properties/{type}/groups/{name}``: refused, in a nested error body, while it has properties."""
    kind, name = call.kind(), call.path["name"]
    _label_of_group(call, kind)
    if any((rule.group_name or kind.group) == name for rule in call.portal.properties(kind).values()):
        message = "Can't delete or purge a group with active properties"
        nested = invalid(message, subCategory="PropertyGroupError.GROUP_WITH_ACTIVE_PROPERTIES")
        raise HubSpotError(400, "VALIDATION_ERROR", _as_text(nested.body()))
    call.portal.remove_group(kind, name)
    return Answer(None, 204, "write", 1)


def _as_text(body: Any) -> str:
    return orjson.dumps(body).decode()
