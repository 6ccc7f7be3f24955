"""What a Salesforce object is: its fields, their types and limits. ``salesforce_describe`` tells of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

API_VERSION = "66.0"
API_VERSIONS = tuple(f"{number}.0" for number in range(31, 69))
RETIRED_VERSIONS = frozenset(f"{number}.0" for number in range(7, 31))

TEXT_TYPES = frozenset({"string", "textarea", "picklist", "multipicklist", "email", "phone", "url", "combobox"})
NUMBER_TYPES = frozenset({"double", "currency", "percent", "int"})

_SQLITE_TYPES = {
    "id": "TEXT UNIQUE",
    "reference": "TEXT",
    "boolean": "INTEGER NOT NULL DEFAULT 0",
    "int": "INTEGER",
    "double": "REAL",
    "currency": "REAL",
    "percent": "REAL",
    "date": "TEXT",
    "datetime": "TEXT",
    "anyType": "BLOB",
}
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``written`` says whether the API may set it, ``updated`` whether it may be set again."""

    name: str
    type: str
    length: int = 0
    scale: int = 0
    required: bool = False
    written: bool = True
    updated: bool = True
    unique: bool = False
    external_id: bool = False
    refers_to: tuple[str, ...] = ()
    relationship: str | None = None
    child_relationship: str | None = None
    is_master: bool = False
    cascades: bool = False
    values: tuple[str, ...] = ()
    restricted: bool = False
    default: Any = None
    calculated: bool = False
    auto_number: str | None = None

    @property
    def is_custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def label(self) -> str:
        if self.is_custom:
            return self.name.removesuffix("__c").replace("_", " ")
        words = _WORDS.sub(" ", self.name)
        return words.removesuffix(" Id") + " ID" if words.endswith(" Id") else words

    @property
    def is_long_text(self) -> bool:
        return self.type == "textarea" and self.length > 255

    @property
    def is_open(self) -> bool:
        """Whether a query may filter by it."""
        return not self.is_long_text and self.type != "anyType"

    @property
    def is_groupable(self) -> bool:
        """Whether a query may group by it."""
        return self.is_open and self.type not in {"double", "currency", "percent", "datetime", "multipicklist"}

    @property
    def sqlite_type(self) -> str:
        """Text compares without regard to case, as in SOQL."""
        return _SQLITE_TYPES.get(self.type, "TEXT COLLATE NOCASE")


@dataclass(frozen=True)
class SObject:
    """One object with its fields in order; ``indexed`` names the columns that get an index."""

    name: str
    plural: str
    key_prefix: str
    own_fields: tuple[Field, ...]
    indexed: tuple[str, ...] = ()
    has_owner: bool = True
    can_be_deleted: bool = True
    can_be_written: bool = True
    """Whether the API may create and update it; what is not, Salesforce writes by itself."""
    is_mergeable: bool = False
    is_history: bool = False
    """Rows that tell of changes to another object: no stamps but the creation's, no key prefix in describe."""
    tracked: tuple[str, ...] = ()
    """The fields whose changes are kept in the object's field history."""
    record_name: str = "Name"
    children: list[tuple[str, str, str, bool]] = field(default_factory=list)
    """Relationship name, child object, its reference field, and whether it is deleted together with its parent."""

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        owner = (reference("OwnerId", "User", relationship="Owner"),) if self.has_owner else ()
        deleted = (_IS_DELETED,) if self.can_be_deleted else ()
        return (_ID, *deleted, *self.own_fields, *owner, *(_SYSTEM[:2] if self.is_history else _SYSTEM))

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """The fields by their lower-case name: Salesforce reads names without regard to case."""
        return {each.name.lower(): each for each in self.fields}

    @cached_property
    def by_relationship(self) -> Mapping[str, Field]:
        """The references by the lower-case name with which a path follows them."""
        return {each.relationship.lower(): each for each in self.fields if each.relationship}

    def is_found_by(self, field: Field) -> bool:
        """Whether one of its fields names a record, so that records may be upserted by it."""
        if field.external_id or field.type == "id" or field.name == "Email":
            return True
        return field.name == self.record_name and self.is_custom

    @property
    def is_custom(self) -> bool:
        return self.name.endswith(("__c", "__History"))

    @property
    def label(self) -> str:
        return _WORDS.sub(" ", self.name.removesuffix("__c").replace("_", " "))


def text(name: str, length: int = 255, *, required: bool = False, written: bool = True, default: Any = None) -> Field:
    """A line of text, or long text from 256 characters on."""
    kind = "textarea" if length > 255 else "string"
    return Field(name, kind, length, required=required, written=written, default=default)


def key(name: str, length: int = 64) -> Field:
    """A text that names the record for another system: unique, and an external id."""
    return Field(name, "string", length, unique=True, external_id=True)


def typed(name: str, kind: str, *, scale: int = 0, required: bool = False, written: bool = True) -> Field:
    """A field of a simple type: boolean, int, double, currency, percent, date, datetime, email, phone or url."""
    lengths = {"email": 80, "phone": 40, "url": 255}
    return Field(name, kind, lengths.get(kind, 0), scale=scale, required=required, written=written)


def picklist(name: str, *values: str, restricted: bool = False, default: str | None = None, **more: Any) -> Field:
    """A choice; only a restricted one refuses other values."""
    return Field(name, "picklist", 255, values=values, restricted=restricted, default=default, **more)


def reference(
    name: str, *refers_to: str, relationship: str, children: str | None = None, master: bool = False, **more: Any
) -> Field:
    """A lookup, or a master-detail: then it is required and the record is deleted with its master."""
    rules = {"required": master, "updated": not master, **more}
    return Field(
        name, "reference", 18, refers_to=refers_to, relationship=relationship, child_relationship=children,
        is_master=master, **rules,
    )  # fmt: skip


def derived(name: str, kind: str, length: int = 0, **more: Any) -> Field:
    """A field that Salesforce computes and no one may write."""
    return Field(name, kind, length, written=False, **more)


_ID = derived("Id", "id", 18)
_IS_DELETED = derived("IsDeleted", "boolean")
_SYSTEM = (
    derived("CreatedDate", "datetime"),
    reference("CreatedById", "User", relationship="CreatedBy", written=False),
    derived("LastModifiedDate", "datetime"),
    reference("LastModifiedById", "User", relationship="LastModifiedBy", written=False),
    derived("SystemModstamp", "datetime"),
)


def linked(objects: Iterable[SObject]) -> dict[str, SObject]:
    """The objects by lower-case name, with the child relationships that their references make."""
    found: Sequence[SObject] = tuple(objects)
    by_name = {each.name.lower(): each for each in found}
    for child in found:
        for each in child.fields:
            for parent in each.refers_to if each.child_relationship else ():
                cascades = each.is_master or each.cascades or each.name in {"AccountId", "WhatId"}
                by_name[parent.lower()].children.append((str(each.child_relationship), child.name, each.name, cascades))
    return by_name
