"""What the portal says about itself: properties and their groups, owners, pipelines, account details."""

import re
from typing import Any

from integrations.sandbox.hubspot_answers import (
    Answer,
    HubSpotError,
    Json,
    a_list,
    an_object,
    conflict,
    invalid,
    not_found,
    wire_instant,
)
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_pipelines import PIPELINES, Pipeline, Stage
from integrations.sandbox.hubspot_portal import Portal, known_type
from integrations.sandbox.hubspot_records import as_id
from integrations.sandbox.hubspot_schema import PORTAL_ID, ObjectType, Property

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
_MOST_UNIQUE = 10
_LONGEST_PAGE_OF_OWNERS = 500
_EPOCH = "2020-01-01T00:00:00Z"


# -- properties -------------------------------------------------------------------------------------------------------


def _label_of(rule: Property) -> str:
    return rule.label or rule.name.removeprefix("hs_").replace("_", " ").capitalize()


def _option(rule: Property, value: str, order: int) -> Json:
    label = rule.option_labels.get(value, value)
    return {"label": label, "value": value, "displayOrder": order, "hidden": False}


def _shown(kind: ObjectType, rule: Property) -> Json:
    shown: Json = {
        "name": rule.name,
        "label": _label_of(rule),
        "type": rule.type,
        "fieldType": rule.field_type,
        "description": rule.description,
        "groupName": rule.group_name or f"{kind.singular}information",
        "options": [_option(rule, value, order) for order, value in enumerate(rule.options)],
        "createdAt": _EPOCH,
        "updatedAt": _EPOCH,
        "displayOrder": -1,
        "calculated": False,
        "externalOptions": rule.refers_to_owners,
        "archived": False,
        "hasUniqueValue": rule.has_unique_value,
        "hidden": False,
        "hubspotDefined": rule.is_hubspot_defined,
        "modificationMetadata": {
            "archivable": not rule.is_hubspot_defined,
            "readOnlyDefinition": rule.is_hubspot_defined,
            "readOnlyValue": rule.is_read_only,
        },
        "formField": False,
        "dataSensitivity": "non_sensitive",
    }
    return shown | ({"referencedObjectType": "OWNER"} if rule.refers_to_owners else {})


def list_properties(call: Call) -> Answer:
    """``GET .../properties/{type}``: all of them, no paging."""
    kind = known_type(call.path["type"])
    found = [] if call.is_set("archived") else [_shown(kind, rule) for rule in call.portal.properties(kind).values()]
    return Answer({"results": found}, records=len(found))


def _property(call: Call, kind: ObjectType) -> Property:
    rule = call.portal.properties(kind).get(call.path["name"])
    if rule is None:
        raise HubSpotError(404, "OBJECT_NOT_FOUND", f"Property {call.path['name']} does not exist")
    return rule


def get_property(call: Call) -> Answer:
    """``GET .../properties/{type}/{name}``."""
    kind = known_type(call.path["type"])
    return Answer(_shown(kind, _property(call, kind)), records=1)


def _asked(portal: Portal, kind: ObjectType, body: Json) -> Property:
    missing = [name for name in ("name", "label", "type", "fieldType", "groupName") if not body.get(name)]
    if missing:
        raise invalid(f"Invalid input JSON: Some required fields were not set: [{', '.join(missing)}]")
    if not _NAME.fullmatch(str(body["name"])):
        raise invalid(f"{body['name']} is not a valid property name", subCategory="Properties.INVALID_NAME")
    if body["fieldType"] not in _FIELD_TYPES.get(str(body["type"]), ()):
        raise invalid(f"fieldType {body['fieldType']} does not go with type {body['type']}")
    if str(body["groupName"]) not in portal.groups(kind):
        raise invalid(f"Property group {body['groupName']} does not exist")
    return _defined(body)


def _defined(body: Json) -> Property:
    options = [an_object(option) for option in a_list(body.get("options"))]
    values = tuple(str(option.get("value")) for option in options)
    if body["type"] == "enumeration" and len(set(values)) < len(values):
        raise invalid("Property option values must be unique")
    return Property(
        name=str(body["name"]),
        type=str(body["type"]),
        field_type=str(body["fieldType"]),
        label=str(body["label"]),
        group_name=str(body["groupName"]),
        description=str(body.get("description") or ""),
        options=("true", "false") if body["type"] == "bool" else values,
        option_labels={str(option.get("value")): str(option.get("label")) for option in options},
        refers_to_owners=body.get("referencedObjectType") == "OWNER",
        has_unique_value=body.get("hasUniqueValue") is True,
        is_hubspot_defined=False,
    )


def _make(portal: Portal, kind: ObjectType, body: Json) -> Property:
    rule = _asked(portal, kind, body)
    known = portal.properties(kind)
    if rule.name in known:
        raise conflict(f"A property named '{rule.name}' already exists.")
    custom_unique = [one for one in known.values() if one.has_unique_value and not one.is_hubspot_defined]
    if rule.has_unique_value and len(custom_unique) >= _MOST_UNIQUE:
        raise invalid(f"At most {_MOST_UNIQUE} properties of an object type can have unique values")
    portal.add_property(kind, rule)
    return rule


def create_property(call: Call) -> Answer:
    """``POST .../properties/{type}``."""
    kind = known_type(call.path["type"])
    return Answer(_shown(kind, _make(call.portal, kind, call.body)), 201, "write", 1)


def batch_create_properties(call: Call) -> Answer:
    """``POST .../properties/{type}/batch/create``."""
    kind = known_type(call.path["type"])
    made = [_shown(kind, _make(call.portal, kind, body)) for body in call.inputs(100)]
    return Answer({"status": "COMPLETE", "results": made}, 201, "write", len(made))


def archive_property(call: Call) -> Answer:
    """``DELETE .../properties/{type}/{name}``; HubSpot's own stay."""
    kind = known_type(call.path["type"])
    rule = _property(call, kind)
    if rule.is_hubspot_defined:
        raise invalid(f"Property {rule.name} is defined by HubSpot and cannot be archived")
    call.portal.remove_property(kind, rule.name)
    return Answer(None, 204, "write", 1)


def _group(name: str, label: str) -> Json:
    return {"name": name, "label": label, "displayOrder": -1, "archived": False}


def list_groups(call: Call) -> Answer:
    """``GET .../properties/{type}/groups``."""
    found = [_group(*one) for one in call.portal.groups(known_type(call.path["type"])).items()]
    return Answer({"results": found}, records=len(found))


def get_group(call: Call) -> Answer:
    """``GET .../properties/{type}/groups/{name}``."""
    groups = call.portal.groups(known_type(call.path["type"]))
    if call.path["name"] not in groups:
        raise not_found()
    return Answer(_group(call.path["name"], groups[call.path["name"]]), records=1)


def create_group(call: Call) -> Answer:
    """``POST .../properties/{type}/groups``."""
    kind = known_type(call.path["type"])
    name, label = call.body.get("name"), call.body.get("label")
    if not name or not label:
        raise invalid("Invalid input JSON: Some required fields were not set: [name, label]")
    if str(name) in call.portal.groups(kind):
        raise conflict(f"A property group named '{name}' already exists.")
    call.portal.add_group(kind, str(name), str(label))
    return Answer(_group(str(name), str(label)), 201, "write", 1)


# -- owners -----------------------------------------------------------------------------------------------------------

_OWNER_COLUMNS = "id, user_id, email, first_name, last_name, archived, created_at, updated_at"


def _owner(row: Any) -> Json:
    owner_id, user_id, email, first, last, archived, created_at, updated_at = row
    return {
        "id": str(owner_id),
        "email": email,
        "type": "PERSON",
        "firstName": first or "",
        "lastName": last or "",
        "userId": None if archived else user_id,
        "userIdIncludingInactive": user_id,
        "createdAt": wire_instant(created_at),
        "updatedAt": wire_instant(updated_at),
        "archived": bool(archived),
    }


def list_owners(call: Call) -> Answer:
    """``GET .../owners``: former owners only with ``archived=true``."""
    limit = call.limit(100, _LONGEST_PAGE_OF_OWNERS)
    sql = f"""SELECT {_OWNER_COLUMNS} FROM hubspot__owners
              WHERE archived = ? AND id > ? AND (? IS NULL OR email = ?) ORDER BY id LIMIT ?"""  # noqa: S608 - fixed names
    email = call.one("email")
    rows = call.portal.state.query(sql, (call.is_set("archived"), call.after(), email, email, limit + 1))
    page = [_owner(row) for row in rows[:limit]]
    body: Json = {"results": page}
    if len(rows) > limit:
        link = f"{call.origin}{call.path['']}?after={page[-1]['id']}"
        body["paging"] = {"next": {"after": page[-1]["id"], "link": link}}
    return Answer(body, records=len(page))


def get_owner(call: Call) -> Answer:
    """``GET .../owners/{id}``, by owner id or with ``idProperty=userId``."""
    column = "user_id" if call.one("idProperty") == "userId" else "id"
    sql = f"SELECT {_OWNER_COLUMNS} FROM hubspot__owners WHERE {column} = ? AND archived = ?"  # noqa: S608 - fixed names
    rows = call.portal.state.query(sql, (as_id(call.path["id"]), call.is_set("archived")))
    if not rows:
        raise not_found()
    return Answer(_owner(rows[0]), records=1)


# -- pipelines and the account ----------------------------------------------------------------------------------------


def _stage(kind: ObjectType, stage: Stage, order: int) -> Json:
    closed = "true" if stage.is_closed else "false"
    of_ticket = {"ticketState": "CLOSED" if stage.is_closed else "OPEN", "isClosed": closed}
    metadata = {"isClosed": closed, "probability": str(stage.probability)} if kind.plural == "deals" else of_ticket
    return {
        "id": stage.id,
        "label": stage.label,
        "displayOrder": order,
        "metadata": metadata,
        "createdAt": _EPOCH,
        "updatedAt": _EPOCH,
        "archived": False,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
    }


def _pipeline(kind: ObjectType, pipeline: Pipeline, order: int) -> Json:
    return {
        "id": pipeline.id,
        "label": pipeline.label,
        "displayOrder": order,
        "stages": [_stage(kind, stage, place) for place, stage in enumerate(pipeline.stages)],
        "createdAt": _EPOCH,
        "updatedAt": _EPOCH,
        "archived": False,
    }


def _pipelines(call: Call) -> list[Json]:
    kind = known_type(call.path["type"])
    return [_pipeline(kind, one, order) for order, one in enumerate(PIPELINES.get(kind.plural, ()))]


def list_pipelines(call: Call) -> Answer:
    """``GET .../pipelines/{type}``."""
    found = _pipelines(call)
    return Answer({"results": found}, records=len(found))


def _one_pipeline(call: Call) -> Json:
    found = [one for one in _pipelines(call) if one["id"] == call.path["id"]]
    if not found:
        raise not_found()
    return found[0]


def get_pipeline(call: Call) -> Answer:
    """``GET .../pipelines/{type}/{id}``."""
    return Answer(_one_pipeline(call), records=1)


def list_stages(call: Call) -> Answer:
    """``GET .../pipelines/{type}/{id}/stages``."""
    stages = _one_pipeline(call)["stages"]
    return Answer({"results": stages}, records=len(stages))


def account_details(call: Call) -> Answer:
    """``GET /account-info/.../details``."""
    details = {
        "portalId": PORTAL_ID,
        "accountType": "DEVELOPER_TEST",
        "timeZone": "UTC",
        "companyCurrency": "USD",
        "additionalCurrencies": [],
        "utcOffset": "+00:00",
        "utcOffsetMilliseconds": 0,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    }
    return Answer(details, records=1)
