"""What plansync needs in a Salesforce org, said once.

The deployable package, the comparison with describe, the permission set, ``doctor`` and the page of permissions all
follow from here. Only plansync's own objects and keys are listed: fields that hold ARR, renewal date and the like are
the org's, and ``[salesforce.fields]`` maps them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from integrations.salesforce.fields import ITEM, KEY_FIELD, PLAN, SECTION, TASK
from models.enums import Band, PlanItemKind, Section

ACTIVITY = "Activity"
"""Where custom fields of Task and Event are defined; describe tells of them on ``Task``."""

PERMISSION_SET = "Plansync"
PERMISSION_SET_LABEL = "plansync"
KEY_LENGTH = 32


class FieldType(StrEnum):
    """The Metadata API's words for what a field holds."""

    TEXT = "Text"
    LONG_TEXT = "LongTextArea"
    NUMBER = "Number"
    PICKLIST = "Picklist"
    DATE = "Date"
    CHECKBOX = "Checkbox"
    LOOKUP = "Lookup"
    MASTER_DETAIL = "MasterDetail"


DESCRIBED_TYPES: Mapping[FieldType, str] = {
    FieldType.TEXT: "string",
    FieldType.LONG_TEXT: "textarea",
    FieldType.NUMBER: "double",
    FieldType.PICKLIST: "picklist",
    FieldType.DATE: "date",
    FieldType.CHECKBOX: "boolean",
    FieldType.LOOKUP: "reference",
    FieldType.MASTER_DETAIL: "reference",
}
"""What describe calls each."""


@dataclass(frozen=True, slots=True)
class NeededField:
    """One custom field.

    Attributes:
        length: Of texts, in characters; more in the org is fine.
        digits: Of numbers: before and behind the decimal point.
        is_key: Unique and an external id: records are upserted by it.
        values: Of a picklist; more in the org are fine.
        parent: The object that a lookup or a master-detail field names.
        children: What the parent calls its records of this object, without ``__r``.
        is_written: Whether the nightly run writes it; else it only reads.
    """

    name: str
    label: str
    type: FieldType
    length: int = 0
    digits: tuple[int, int] = (18, 0)
    is_key: bool = False
    values: tuple[str, ...] = ()
    parent: str = ""
    children: str = ""
    is_written: bool = True

    @property
    def is_always_visible(self) -> bool:
        """Whether who may see the object sees it: such a field takes no permission of its own."""
        return self.type is FieldType.MASTER_DETAIL

    @property
    def wanted(self) -> str:
        """What it must be, for people."""
        said = {
            FieldType.TEXT: f"text {self.length}",
            FieldType.LONG_TEXT: f"long text {self.length:,}",
            FieldType.NUMBER: f"number {self.digits[0]},{self.digits[1]}",
            FieldType.PICKLIST: f"picklist: {', '.join(self.values)}",
            FieldType.LOOKUP: f"lookup to {self.parent}",
            FieldType.MASTER_DETAIL: f"master-detail to {self.parent}",
        }.get(self.type, self.type.lower())
        return f"{said}, unique, external id" if self.is_key else said


@dataclass(frozen=True, slots=True)
class NeededObject:
    """One custom object. ``number_format`` numbers its records; without one a record's name is a text."""

    name: str
    label: str
    plural: str
    fields: tuple[NeededField, ...]
    number_format: str = ""
    is_written: bool = True

    @property
    def master(self) -> str:
        """The object whose records own those of this one; empty if each has an owner of its own."""
        return next((each.parent for each in self.fields if each.type is FieldType.MASTER_DETAIL), "")


@dataclass(frozen=True, slots=True)
class ObjectRight:
    """What the nightly user may do with one object: always read; ``sees_all`` means records of every owner."""

    sobject: str
    creates: bool = False
    edits: bool = False
    sees_all: bool = False


def _text(name: str, length: int, *, is_written: bool = True) -> NeededField:
    kind = FieldType.TEXT if length <= 255 else FieldType.LONG_TEXT
    return NeededField(name, _label(name), kind, length, is_written=is_written)


def _key() -> NeededField:
    return NeededField(KEY_FIELD, "Plansync Key", FieldType.TEXT, KEY_LENGTH, is_key=True)


def _choice(name: str, *values: str, is_written: bool = True) -> NeededField:
    return NeededField(name, _label(name), FieldType.PICKLIST, values=values, is_written=is_written)


def _number(name: str, digits: tuple[int, int], *, is_written: bool = True) -> NeededField:
    return NeededField(name, _label(name), FieldType.NUMBER, digits=digits, is_written=is_written)


def _of_kind(name: str, kind: FieldType, *, is_written: bool = True) -> NeededField:
    return NeededField(name, _label(name), kind, is_written=is_written)


def _of_plan(children: str) -> NeededField:
    return NeededField(PLAN, "Success Plan", FieldType.MASTER_DETAIL, parent=PLAN, children=children)


def _label(name: str) -> str:
    return name.removesuffix("__c").replace("_", " ")


OBJECTS: tuple[NeededObject, ...] = (
    NeededObject(
        PLAN,
        "Success Plan",
        "Success Plans",
        (
            NeededField("Account__c", "Account", FieldType.LOOKUP, parent="Account", children="Success_Plans"),
            _key(),
            _number("Health_Score__c", (5, 1)),
            _choice("Health_Band__c", *map(str, Band)),
            _of_kind("Renewal_Date__c", FieldType.DATE),
        ),
    ),
    NeededObject(
        SECTION,
        "Success Plan Section",
        "Success Plan Sections",
        (_of_plan("Sections"), _key(), _choice("Section__c", *map(str, Section)), _text("Body__c", 32_768)),
        number_format="PS-{000000}",
    ),
    NeededObject(
        ITEM,
        "Success Plan Item",
        "Success Plan Items",
        (
            _of_plan("Items"),
            _choice("Kind__c", *map(str, PlanItemKind), is_written=False),
            _text("Title__c", 255, is_written=False),
            _text("Detail__c", 32_768, is_written=False),
            _text("Owner_Name__c", 120, is_written=False),
            _choice("Owner_Side__c", "vendor", "customer", is_written=False),
            _of_kind("Due_Date__c", FieldType.DATE, is_written=False),
            _of_kind("Is_Done__c", FieldType.CHECKBOX, is_written=False),
            _text("Metric__c", 255, is_written=False),
            _text("Unit__c", 40, is_written=False),
            _number("Baseline__c", (18, 4), is_written=False),
            _number("Target__c", (18, 4), is_written=False),
            _number("Current__c", (18, 4), is_written=False),
            _text("Role__c", 80, is_written=False),
            _text("Influence__c", 80, is_written=False),
            _text("Likelihood__c", 40, is_written=False),
            _text("Impact__c", 40, is_written=False),
            _text("Mitigation__c", 32_768, is_written=False),
        ),
        number_format="PI-{000000}",
        is_written=False,
    ),
)
"""Parents first. A plan's items are people's own records: the nightly run reads them and writes none."""

ON_ACTIVITY: tuple[NeededField, ...] = (_key(),)
"""Custom fields on ``Activity``, so on every task."""

OBJECT_RIGHTS: tuple[ObjectRight, ...] = (
    *(ObjectRight(each, sees_all=True) for each in ("Account", "Contact", "Opportunity", "Case")),
    *(ObjectRight(each.name, creates=each.is_written, edits=each.is_written, sees_all=True) for each in OBJECTS),
)
USER_RIGHTS = ("ApiEnabled", "EditTask")
"""What else the nightly user needs; tasks have no object permission of their own."""

EXCESSIVE_RIGHTS = (
    "AuthorApex",
    "CustomizeApplication",
    "ManageUsers",
    "ModifyAllData",
    "ModifyMetadata",
    "ViewAllData",
)
"""User rights that no nightly run needs and that would let a stolen token do great harm."""

PROVISION_RIGHTS = (
    *("ApiEnabled", "CustomizeApplication", "ManageProfilesPermissionsets", "ModifyMetadata", "ViewSetup"),
)
"""What the admin needs who provisions, once; ``AssignPermissionSets`` as well to assign the permission set."""

WRITTEN_STANDARD: Mapping[str, tuple[str, ...]] = {
    TASK: ("WhatId", "Subject", "Description", "ActivityDate", "Priority", "Status", "OwnerId")
}
"""Standard fields that the nightly run writes."""


def described_on(field_home: str) -> str:
    """The object whose describe tells of fields that are defined on ``field_home``."""
    return TASK if field_home == ACTIVITY else field_home


def homes() -> Mapping[str, tuple[NeededField, ...]]:
    """All needed fields by where they are defined, parents first."""
    return {each.name: each.fields for each in OBJECTS} | {ACTIVITY: ON_ACTIVITY}
