"""What a write looks like in HubSpot: one input of a batch."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from integrations.hubspot import fields
from integrations.hubspot.fields import KEY, HubSpotConfig
from integrations.hubspot.task_text import html_of
from models.enums import TaskPriority, WriteAction, WriteKind
from models.records import Value, Write

Json = dict[str, Any]
Group = tuple[Write, ...]
"""The writes that become one input of a call: all of one company, or one task."""

TASK_TO_COMPANY = 192
NOON = "T12:00:00Z"
"""HubSpot keeps a due time, not a due date: noon in UTC is that same day from UTC-12 to UTC+11."""


def input_of(group: Group, config: HubSpotConfig) -> Json:
    """One input of a batch: a task, or a company with everything of its plan that is written."""
    first = group[0]
    if first.kind is not WriteKind.TASKS:
        properties = {KEY: first.plan_key}
        for write in group:
            properties |= plan_values(write)
        return {"id": first.account_crm_id, "properties": properties}
    if first.action is WriteAction.CLOSE:
        return {"id": first.crm_id, "properties": {"hs_task_status": fields.CLOSED}}
    if first.action is WriteAction.UPDATE:
        return {"id": first.crm_id, "properties": _task_values(first.values)}
    owner = {"hubspot_owner_id": config.fallback_owner} if config.fallback_owner else {}
    fresh = {KEY: first.record_key, "hs_task_status": fields.OPEN, "hs_task_type": "TODO"}
    association = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TASK_TO_COMPANY}
    return {
        "properties": fresh | owner | _task_values(first.values),
        "associations": [{"to": {"id": first.account_crm_id}, "types": [association]}],
    }


def plan_values(write: Write) -> dict[str, str]:
    """What one write of a plan puts on its company, under HubSpot's names."""
    if write.kind is WriteKind.SECTIONS:
        return {fields.SECTION_PROPERTIES[str(write.values["section"])]: _text(write.values.get("body"))}
    names = {
        "health_score": fields.HEALTH_SCORE,
        "health_band": fields.HEALTH_BAND,
        "renewal_date": fields.RENEWAL_DATE,
    }
    return {vendor: _text(write.values[name]) for name, vendor in names.items() if name in write.values}


def _task_values(values: Mapping[str, Value]) -> dict[str, str]:
    """A task's values under HubSpot's names; what is not given is not touched, nor is the owner where none is named."""
    found: dict[str, str] = {}
    if "subject" in values:
        found["hs_task_subject"] = _text(values["subject"])
    if "body" in values:
        found["hs_task_body"] = html_of(_text(values["body"]))
    if isinstance(due := values.get("due_date"), date):
        found["hs_timestamp"] = due.isoformat() + NOON
    if values.get("priority"):
        found["hs_task_priority"] = fields.TASK_PRIORITY_VALUES[TaskPriority(str(values["priority"]))]
    if values.get("owner_crm_id"):
        found["hubspot_owner_id"] = _text(values["owner_crm_id"])
    return found


def _text(value: Value) -> str:
    """A value as HubSpot takes it: text; the empty text clears a property."""
    if value is None:
        return ""
    if isinstance(value, date):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)
