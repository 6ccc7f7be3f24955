"""Definitions at the paths before ``v3``, which connectors still ask for when they start: properties and pipelines.

Records at those paths are not served: *Legacy APIs and legacy apps: what's going unsupported and when*
(developers.hubspot.com) ends them.
"""

from datetime import datetime

from integrations.sandbox import hubspot_pipeline_calls as pipelines
from integrations.sandbox import hubspot_properties as properties
from integrations.sandbox.hubspot_answers import Answer, Json
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_types import ObjectType


def _property(rule: Json) -> Json:
    kept = (
        "name",
        "label",
        "description",
        "groupName",
        "fieldType",
        "formField",
        "displayOrder",
        "hidden",
        "calculated",
    )
    options = [{name: value for name, value in option.items() if name != "description"} for option in rule["options"]]
    more = {
        "type": rule["type"],
        "options": options,
        "externalOptions": rule["externalOptions"],
    }
    return {name: rule[name] for name in kept} | more | {"readOnlyValue": rule["modificationMetadata"]["readOnlyValue"]}


def _properties(call: Call, kind: ObjectType) -> Answer:
    rules = call.portal.properties(kind).values()
    found = [_property(properties.shown(kind, rule)) for rule in rules]
    return Answer(found, records=len(found))


def company_properties(call: Call) -> Answer:
    """``GET /companies/v2/properties``."""
    return _properties(call, call.portal.kind("companies"))


def deal_properties(call: Call) -> Answer:
    """``GET /properties/v1/deals/properties``."""
    return _properties(call, call.portal.kind("deals"))


def _stage(stage: Json) -> Json:
    probability = float(stage["metadata"]["probability"])
    about = {"stageId": stage["id"], "label": stage["label"], "displayOrder": stage["displayOrder"], "active": True}
    return about | {"probability": probability, "closedWon": probability == 1}


def deal_pipelines(call: Call) -> Answer:
    """``GET /deals/v1/pipelines``."""
    kind = call.portal.kind("deals")
    found = [
        {
            "pipelineId": one["id"],
            "label": one["label"],
            "displayOrder": one["displayOrder"],
            "active": True,
            "stages": [_stage(stage) for stage in one["stages"]],
        }
        for one in (pipelines.shown(kind, each) for each in call.portal.pipelines(kind))
    ]
    return Answer(found, records=len(found))


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def _v1(shown: Json, id_name: str) -> Json:
    """A pipeline or a stage as ``v1`` words it."""
    about = {"label": shown["label"], "displayOrder": shown["displayOrder"], "active": True, id_name: shown["id"]}
    return about | {"createdAt": _milliseconds(shown["createdAt"]), "updatedAt": _milliseconds(shown["updatedAt"])}


def crm_pipelines(call: Call) -> Answer:
    """``GET /crm-pipelines/v1/pipelines/{type}``."""
    kind = call.kind()
    found = [
        _v1(one, "pipelineId")
        | {"objectType": kind.singular.upper(), "objectTypeId": kind.type_id, "default": one["id"] in {"default", "0"}}
        | {"stages": [_v1(stage, "stageId") | {"metadata": stage["metadata"]} for stage in one["stages"]]}
        for one in (pipelines.shown(kind, each) for each in call.portal.pipelines(kind))
    ]
    return Answer({"results": found}, records=len(found))
