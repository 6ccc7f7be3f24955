"""Pipelines and stages over HTTP.

Codes and texts of refusals as seen on a developer test account in autumn 2026, as a public simulator notes them: labels
are unique among siblings, a deal stage needs a probability from 0 to 1, a pipeline keeps a closed stage, and a stage
that records sit in stays.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from integrations.sandbox.hubspot_answers import (
    Answer,
    HubSpotError,
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
from integrations.sandbox.hubspot_pipelines import PIPELINE_PROPERTIES, Pipeline, Stage
from integrations.sandbox.hubspot_portal import LIVE, Portal
from integrations.sandbox.hubspot_types import ObjectType
from integrations.sandbox.state import quoted

# -- what is shown ----------------------------------------------------------------------------------------------------


def _stage(kind: ObjectType, stage: Stage, order: int) -> Json:
    closed = "true" if stage.is_closed else "false"
    of_ticket = {"ticketState": "CLOSED" if stage.is_closed else "OPEN", "isClosed": closed}
    metadata = {"isClosed": closed, "probability": str(stage.probability)} if kind.plural == "deals" else of_ticket
    return {
        "id": stage.id,
        "label": stage.label,
        "displayOrder": order,
        "metadata": metadata,
        "createdAt": wire_instant(stage.created_at),
        "updatedAt": wire_instant(stage.updated_at),
        "archived": False,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
    }


def shown(kind: ObjectType, pipeline: Pipeline) -> Json:
    """A pipeline as HubSpot's ``Pipeline`` schema has it."""
    return {
        "id": pipeline.id,
        "label": pipeline.label,
        "displayOrder": pipeline.display_order,
        "stages": [_stage(kind, stage, place) for place, stage in enumerate(pipeline.stages)],
        "createdAt": wire_instant(pipeline.created_at),
        "updatedAt": wire_instant(pipeline.updated_at),
        "archived": False,
    }


def list_pipelines(call: Call) -> Answer:
    """``GET .../pipelines/{type}``."""
    kind = call.kind()
    found = [shown(kind, one) for one in call.portal.pipelines(kind)]
    return Answer({"results": found}, records=len(found))


def _the_pipeline(call: Call) -> Pipeline:
    found = [one for one in call.portal.pipelines(call.kind()) if one.id == call.path["id"]]
    if not found:
        raise MissingError
    return found[0]


def get_pipeline(call: Call) -> Answer:
    """``GET .../pipelines/{type}/{id}``."""
    return Answer(shown(call.kind(), _the_pipeline(call)), records=1)


def list_stages(call: Call) -> Answer:
    """``GET .../pipelines/{type}/{id}/stages``."""
    stages = shown(call.kind(), _the_pipeline(call))["stages"]
    return Answer({"results": stages}, records=len(stages))


def _the_stage(call: Call, pipeline: Pipeline) -> Stage:
    found = [one for one in pipeline.stages if one.id == call.path["stage"]]
    if not found:
        raise MissingError
    return found[0]


def get_stage(call: Call) -> Answer:
    """``GET .../pipelines/{type}/{id}/stages/{stage}``."""
    found = _the_stage(call, pipeline := _the_pipeline(call))
    return Answer(_stage(call.kind(), found, pipeline.stages.index(found)), records=1)


def audit(call: Call) -> Answer:
    """``GET .../audit`` of a pipeline or a stage: this portal keeps no log of their changes."""
    _the_pipeline(call)
    return Answer({"results": []})


# -- what is made and changed -----------------------------------------------------------------------------------------


def _demand_label(siblings: Sequence[Any], label: str, message: str, sub_category: str | None = None) -> None:
    if any(one.label.casefold() == label.casefold() for one in siblings):
        raise invalid(message, **({"subCategory": sub_category} if sub_category else {}))


def _demand_stages(kind: ObjectType, pipeline: Pipeline) -> Pipeline:
    if not pipeline.stages:
        raise invalid("Pipeline must have at least one stage")
    if not any(stage.is_closed for stage in pipeline.stages):
        message = f"{kind.plural} pipeline: {pipeline.id} must have at least one closed stage"
        raise invalid(message, subCategory="PipelineError.MISSING_CLOSED_STAGE")
    return pipeline


def _probability(metadata: Json) -> float:
    if metadata.get("probability") is None:
        raise HubSpotError(400, "VALIDATION_ERROR", "must specify probability when writing a dealstage")
    try:
        found = float(metadata["probability"])
    except (TypeError, ValueError):
        found = -1.0
    if not 0 <= found <= 1:
        message = "dealstage probability is not valid, must be between 0.0 and 1.0 (inclusive)"
        raise HubSpotError(400, "VALIDATION_ERROR", message)
    return found


def _described(kind: ObjectType, stage: Stage, metadata: Json) -> Stage:
    """A stage with what its metadata says: a deal is closed by its probability, a ticket by its state."""
    if kind.plural == "deals":
        probability = _probability(metadata)
        is_won, is_lost = probability == 1, probability == 0
        return replace(stage, probability=probability, is_won=is_won, is_closed=is_won or is_lost)
    state = metadata.get("ticketState", "OPEN")
    if state not in ("OPEN", "CLOSED"):
        message = f"Failed to deserialize metadata for object type {kind.plural}"
        raise invalid(message, subCategory="PipelineError.INVALID_PIPELINE_STAGE_METADATA")
    return replace(stage, is_closed=state == "CLOSED")


def _new_stage(call: Call, kind: ObjectType, given: Json, siblings: Sequence[Stage]) -> Stage:
    demand_fields(given, "label")
    label, now = str(given["label"]), call.portal.now_text()
    _demand_label(siblings, label, f"Stage with label {label} already exists", "PipelineError.STAGE_LABEL_EXISTS")
    stage_id = str(given.get("stageId") or secrets.randbelow(10**9))
    if any(stage.id == stage_id for one in call.portal.pipelines(kind) for stage in one.stages):
        message = f"An existing active stage in another pipeline is already using stage id {stage_id}"
        raise exists(message, "PipelineError.STAGE_ID_EXISTS_IN_ANOTHER_PIPELINE")
    stage = Stage(stage_id, label, created_at=now, updated_at=now)
    return _described(kind, stage, an_object(given.get("metadata")))


def _order(given: Json, default: int = 0) -> int:
    order = given.get("displayOrder", default)
    if not isinstance(order, int) or order < 0:
        raise HubSpotError(400, "VALIDATION_ERROR", "Pipeline display order cannot be negative")
    return order


def _placed(stages: Sequence[Stage], stage: Stage, order: int) -> tuple[Stage, ...]:
    others = [one for one in stages if one.id != stage.id]
    return (*others[:order], stage, *others[order:])


def _demand_typed(call: Call) -> ObjectType:
    kind = call.kind()
    if kind.plural not in PIPELINE_PROPERTIES:
        raise invalid(f"Object type {kind.type_id} has no pipelines")
    return kind


def create_pipeline(call: Call) -> Answer:
    """``POST .../pipelines/{type}``, with its stages."""
    kind = _demand_typed(call)
    demand_fields(call.body, "label")
    held, label, now = call.portal.pipelines(kind), str(call.body["label"]), call.portal.now_text()
    pipeline_id = str(call.body.get("pipelineId") or secrets.randbelow(10**9))
    if any(one.id == pipeline_id for one in held):
        raise invalid(f"There's another pipeline in this portal with pipelineId ({pipeline_id}).")
    _demand_label(held, label, f"An active pipeline with label {label} already exists.")
    pipeline = Pipeline(pipeline_id, label, (), _order(call.body), now, now)
    given = sorted(map(an_object, a_list(call.body.get("stages"))), key=_order)
    pipeline = _with_stages(call, kind, pipeline, given)
    call.portal.save_pipelines(kind, (*held, pipeline))
    return Answer(shown(kind, pipeline), 201, "write", 1)


def _with_stages(call: Call, kind: ObjectType, pipeline: Pipeline, given: Sequence[Json]) -> Pipeline:
    stages: list[Stage] = []
    for one in given:
        stages.append(_new_stage(call, kind, one, stages))
    return _demand_stages(kind, replace(pipeline, stages=tuple(stages)))


def _saved(call: Call, kind: ObjectType, pipeline: Pipeline) -> Pipeline:
    """Replace one pipeline by what it is now."""
    now = replace(_demand_stages(kind, pipeline), updated_at=call.portal.now_text())
    held = call.portal.pipelines(kind)
    call.portal.save_pipelines(kind, [now if one.id == pipeline.id else one for one in held])
    return now


def update_pipeline(call: Call) -> Answer:
    """``PATCH .../pipelines/{type}/{id}``: label and order."""
    kind, pipeline = _demand_typed(call), _the_pipeline(call)
    label = str(call.body.get("label") or pipeline.label)
    others = [one for one in call.portal.pipelines(kind) if one.id != pipeline.id]
    _demand_label(others, label, f"An active pipeline with label {label} already exists.")
    new = replace(pipeline, label=label, display_order=_order(call.body, pipeline.display_order))
    return Answer(shown(kind, _saved(call, kind, new)), 200, "write", 1)


def replace_pipeline(call: Call) -> Answer:
    """``PUT .../pipelines/{type}/{id}``: all of it, stages included; those that records sit in stay."""
    kind, pipeline = _demand_typed(call), _the_pipeline(call)
    demand_fields(call.body, "label", "stages")
    given = sorted(map(an_object, a_list(call.body["stages"])), key=_order)
    kept = {str(one.get("stageId")) for one in given}
    _demand_unused(call.portal, kind, [stage for stage in pipeline.stages if stage.id not in kept])
    others = [one for one in call.portal.pipelines(kind) if one.id != pipeline.id]
    _demand_label(
        others, str(call.body["label"]), f"An active pipeline with label {call.body['label']} already exists."
    )
    bare = replace(pipeline, label=str(call.body["label"]), display_order=_order(call.body), stages=())
    call.portal.save_pipelines(kind, [bare if one.id == pipeline.id else one for one in call.portal.pipelines(kind)])
    return Answer(shown(kind, _saved(call, kind, _with_stages(call, kind, bare, given))), 200, "write", 1)


def _demand_unused(portal: Portal, kind: ObjectType, stages: Sequence[Stage]) -> None:
    name = quoted(PIPELINE_PROPERTIES[kind.plural][1])
    for stage in stages:
        sql = f"SELECT _id FROM {portal.table(kind)} WHERE {name} = ? AND _archived = ? LIMIT 10"  # noqa: S608 - quoted
        if ids := [str(row[0]) for row in portal.state.query(sql, (stage.id, LIVE))]:
            message = f"Stage IDs: [{stage.id}] are being referenced by object IDs: [{', '.join(ids)}]"
            context = {"stageIds": [f"[{stage.id}]"], "objectIds": [f"[{', '.join(ids)}]"]}
            raise invalid(message, subCategory="PipelineError.STAGE_ID_IN_USE", context=context)


def archive_pipeline(call: Call) -> Answer:
    """``DELETE .../pipelines/{type}/{id}``: while no record sits in it."""
    kind, pipeline = _demand_typed(call), _the_pipeline(call)
    _demand_unused(call.portal, kind, pipeline.stages)
    call.portal.save_pipelines(kind, [one for one in call.portal.pipelines(kind) if one.id != pipeline.id])
    return Answer(None, 204, "write", 1)


def create_stage(call: Call) -> Answer:
    """``POST .../pipelines/{type}/{id}/stages``."""
    kind, pipeline = _demand_typed(call), _the_pipeline(call)
    stage = _new_stage(call, kind, call.body, pipeline.stages)
    stages = _placed(pipeline.stages, stage, _order(call.body, len(pipeline.stages)))
    _saved(call, kind, replace(pipeline, stages=stages))
    return Answer(_stage(kind, stage, stages.index(stage)), 201, "write", 1)


def update_stage(call: Call) -> Answer:
    """``PATCH .../stages/{stage}``, and ``PUT``: label, order, metadata."""
    kind, pipeline = _demand_typed(call), _the_pipeline(call)
    before = _the_stage(call, pipeline)
    place = pipeline.stages.index(before)
    label = str(call.body.get("label") or before.label)
    others = [one for one in pipeline.stages if one.id != before.id]
    _demand_label(others, label, f"Stage with label {label} already exists", "PipelineError.STAGE_LABEL_EXISTS")
    metadata = _stage(kind, before, place)["metadata"] | an_object(call.body.get("metadata"))
    stage = replace(_described(kind, before, metadata), label=label, updated_at=call.portal.now_text())
    stages = _placed(pipeline.stages, stage, _order(call.body, place))
    _saved(call, kind, replace(pipeline, stages=stages))
    return Answer(_stage(kind, stage, stages.index(stage)), 200, "write", 1)


def archive_stage(call: Call) -> Answer:
    """``DELETE .../stages/{stage}``: 204 also for what is not there."""
    kind, pipeline = _demand_typed(call), _the_pipeline(call)
    found = [one for one in pipeline.stages if one.id == call.path["stage"]]
    if found:
        rest = tuple(one for one in pipeline.stages if one.id != found[0].id)
        _demand_stages(kind, replace(pipeline, stages=rest))
        _demand_unused(call.portal, kind, found)
        _saved(call, kind, replace(pipeline, stages=rest))
    return Answer(None, 204, "write", len(found))
