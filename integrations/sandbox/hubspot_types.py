"""The object types of a HubSpot portal: its own from the start, those that connectors ask for, and custom objects."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

DATED_VERSIONS = ("2026-09", "2026-03")
PORTAL_ID = 4_242_424


@dataclass(frozen=True, slots=True)
class ObjectType:
    """One kind of record.

    ``plural`` names it in answers and in the state: of a custom object, it is the fully qualified name. ``created`` and
    ``modified`` name the properties behind the envelope's ``createdAt`` and ``updatedAt``; ``shown`` are the properties
    answered when none are asked for; ``first_id`` is where ids begin; ``searched`` is where words are sought.
    """

    plural: str
    singular: str
    number: int
    first_id: int
    shown: tuple[str, ...]
    created: str = "createdate"
    modified: str = "hs_lastmodifieddate"
    required: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    is_custom: bool = False

    @property
    def type_id(self) -> str:
        return f"{2 if self.is_custom else 0}-{self.number}"

    @property
    def stored(self) -> str:
        """What the state calls it; a custom object's name may come back after its schema was purged."""
        return f"{self.plural}__{self.number}" if self.is_custom else self.plural

    @property
    def group(self) -> str:
        """The property group that it starts with."""
        return f"{self.plural.partition('_')[2]}_information" if self.is_custom else f"{self.singular}information"

    @property
    def always(self) -> tuple[str, ...]:
        """Answered whatever is asked for."""
        return (self.created, self.modified, "hs_object_id")


def _engagement(plural: str, singular: str, number: int, *searched: str) -> ObjectType:
    first_id = number * 1_000_000_001
    return ObjectType(
        plural, singular, number, first_id, (), "hs_createdate", required=("hs_timestamp",), searched=searched
    )


TYPES: Mapping[str, ObjectType] = {
    kind.plural: kind
    for kind in (
        ObjectType(
            "contacts",
            "contact",
            1,
            101_000_000_001,
            ("firstname", "lastname", "email"),
            modified="lastmodifieddate",
            searched=("firstname", "lastname", "email", "phone", "company"),
        ),
        ObjectType(
            "companies",
            "company",
            2,
            201_000_000_001,
            ("name", "domain"),
            searched=("name", "domain", "website", "phone"),
        ),
        ObjectType(
            "deals",
            "deal",
            3,
            301_000_000_001,
            ("dealname", "amount", "closedate", "pipeline", "dealstage"),
            searched=("dealname",),
        ),
        ObjectType(
            "tickets",
            "ticket",
            5,
            501_000_000_001,
            ("subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority"),
            required=("hs_pipeline_stage",),
            searched=("subject", "content"),
        ),
        _engagement("tasks", "task", 27, "hs_task_subject", "hs_task_body"),
        _engagement("notes", "note", 46, "hs_note_body"),
        _engagement("meetings", "meeting", 47, "hs_meeting_title", "hs_meeting_body"),
        _engagement("calls", "call", 48, "hs_call_title", "hs_call_body"),
        _engagement("emails", "email", 49, "hs_email_subject", "hs_email_text"),
    )
}
"""What every portal has from the start."""


def _side_type(plural: str, singular: str, number: int, *shown: str, is_dated: bool = False) -> ObjectType:
    created = "hs_createdate" if is_dated else "createdate"
    return ObjectType(plural, singular, number, number * 1_000_000_001, shown, created, searched=shown[:1])


SIDE_TYPES: Mapping[str, ObjectType] = {
    kind.plural: kind
    for kind in (
        _side_type("products", "product", 7, "name", "price", "hs_sku", "description"),
        _side_type("line_items", "line_item", 8, "name", "quantity", "price"),
        _side_type("quotes", "quote", 14, "hs_title", "hs_status", "hs_expiration_date", is_dated=True),
        _side_type("communications", "communication", 18, "hs_communication_body", "hs_timestamp", is_dated=True),
        _side_type("feedback_submissions", "feedback_submission", 19, "hs_content", "hs_value", is_dated=True),
        _side_type("goal_targets", "goal_target", 74, "hs_goal_name", "hs_target_amount", is_dated=True),
        _side_type("postal_mail", "postal_mail", 116, "hs_postal_mail_body", "hs_timestamp", is_dated=True),
        _side_type("leads", "lead", 136, "hs_lead_name", "hs_lead_type", is_dated=True),
    )
}
"""What a portal makes when a request first names it: connectors ask for these, plansync does not."""

_SPELLINGS = {
    spelling: kind
    for kind in (*TYPES.values(), *SIDE_TYPES.values())
    for spelling in (kind.plural, kind.singular, kind.type_id, kind.singular.upper())
}


def object_type(spelling: str) -> ObjectType | None:
    """HubSpot's own type that a path names: ``companies``, ``company`` or ``0-2``."""
    return _SPELLINGS.get(spelling)


SCHEMA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")
_FIRST_SCHEMA_NUMBER = 4_243_001


def custom_type(name: str, place: int) -> ObjectType:
    """The type of a custom object, the portal's ``place``-th schema, counted from 0."""
    full_name, number = f"p{PORTAL_ID}_{name}", _FIRST_SCHEMA_NUMBER + place
    return ObjectType(full_name, full_name, number, number * 10_000_001, (), "hs_createdate", is_custom=True)
