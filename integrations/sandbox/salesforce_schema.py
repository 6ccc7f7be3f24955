"""What a Salesforce object is: its fields, their types and limits, and how ``describe`` tells of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

API_VERSION = "66.0"
API_VERSIONS = tuple(f"{number}.0" for number in range(41, 69))

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
}
_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "double": "xsd:double",
    "currency": "xsd:double",
    "percent": "xsd:double",
}


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
        return self.name.removesuffix("__c").replace("_", " ")

    @property
    def is_long_text(self) -> bool:
        return self.type == "textarea" and self.length > 255

    @property
    def sqlite_type(self) -> str:
        """Text compares without regard to case, as in SOQL."""
        return _SQLITE_TYPES.get(self.type, "TEXT COLLATE NOCASE")

    def describe(self) -> dict[str, Any]:
        """The field as one entry of ``fields`` in a describe answer."""
        return {
            "aggregatable": not self.is_long_text,
            "autoNumber": self.auto_number is not None,
            "byteLength": self.length * 3,
            "calculated": self.calculated,
            "calculatedFormula": None,
            "cascadeDelete": self.is_master,
            "caseSensitive": False,
            "createable": self.written,
            "custom": self.is_custom,
            "defaultValue": self.default if self.type == "boolean" else None,
            "defaultedOnCreate": self.default is not None or self.type == "boolean" or not self.written,
            "dependentPicklist": False,
            "deprecatedAndHidden": False,
            "digits": 8 if self.type == "int" else 0,
            "externalId": self.external_id,
            "filterable": not self.is_long_text,
            "groupable": not self.is_long_text and self.type not in {"double", "currency", "percent", "datetime"},
            "idLookup": self.external_id or self.type == "id" or self.name == "Email",
            "inlineHelpText": None,
            "label": self.label,
            "length": self.length,
            "name": self.name,
            "nameField": self.name == "Name" or (self.name == "Subject" and not self.refers_to),
            "namePointing": len(self.refers_to) > 1,
            "nillable": not self.required and self.type not in {"id", "boolean"},
            "permissionable": self.written and not self.required,
            "picklistValues": [
                {
                    "active": True,
                    "defaultValue": value == self.default,
                    "label": value,
                    "validFor": None,
                    "value": value,
                }
                for value in self.values
            ],
            "polymorphicForeignKey": len(self.refers_to) > 1,
            "precision": 18 if self.type in {"double", "currency", "percent"} else 0,
            "referenceTo": list(self.refers_to),
            "relationshipName": self.relationship,
            "relationshipOrder": 0 if self.is_master else None,
            "restrictedDelete": False,
            "restrictedPicklist": self.restricted,
            "scale": self.scale,
            "soapType": _SOAP_TYPES.get(self.type, "xsd:string"),
            "sortable": not self.is_long_text,
            "type": self.type,
            "unique": self.unique,
            "updateable": self.written and self.updated,
            "writeRequiresMasterRead": False,
        }


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
    record_name: str = "Name"
    children: list[tuple[str, str, str, bool]] = field(default_factory=list)
    """Relationship name, child object, its reference field, and whether it is deleted together with its parent."""

    @cached_property
    def fields(self) -> tuple[Field, ...]:
        owner = (reference("OwnerId", "User", relationship="Owner"),) if self.has_owner else ()
        deleted = (_IS_DELETED,) if self.can_be_deleted else ()
        return (_ID, *deleted, *self.own_fields, *owner, *_SYSTEM)

    @cached_property
    def by_name(self) -> Mapping[str, Field]:
        """The fields by their lower-case name: Salesforce reads names without regard to case."""
        return {each.name.lower(): each for each in self.fields}

    @cached_property
    def by_relationship(self) -> Mapping[str, Field]:
        """The references by the lower-case name with which a path follows them."""
        return {each.relationship.lower(): each for each in self.fields if each.relationship}

    @property
    def is_custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def label(self) -> str:
        return self.name.removesuffix("__c").replace("_", " ")

    def summary(self, version: str) -> dict[str, Any]:
        """The object as one entry of the global describe."""
        urls = f"/services/data/v{version}/sobjects/{self.name}"
        can = ("createable", "deletable", "layoutable", "mergeable", "queryable", "replicateable", "retrieveable")
        more = ("searchable", "triggerable", "undeletable", "updateable")
        return {
            "activateable": False,
            "custom": self.is_custom,
            "customSetting": False,
            "deprecatedAndHidden": False,
            "feedEnabled": False,
            "hasSubtypes": False,
            "isSubtype": False,
            "keyPrefix": self.key_prefix,
            "label": self.label,
            "labelPlural": self.plural,
            "name": self.name,
            **dict.fromkeys(can + more, True),
            "urls": {"sobject": urls, "describe": urls + "/describe", "rowTemplate": urls + "/{ID}"},
        }

    def describe(self, version: str) -> dict[str, Any]:
        """The whole answer of ``sobjects/{name}/describe``."""
        children = [
            {
                "cascadeDelete": cascades,
                "childSObject": child,
                "deprecatedAndHidden": False,
                "field": by,
                "junctionIdListNames": [],
                "junctionReferenceTo": [],
                "relationshipName": name,
                "restrictedDelete": False,
            }
            for name, child, by, cascades in self.children
        ]
        described = [each.describe() for each in self.fields]
        return {**self.summary(version), "childRelationships": children, "fields": described, "recordTypeInfos": []}


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


def picklist(name: str, *values: str, restricted: bool = False, default: str | None = None) -> Field:
    """A choice; only a restricted one refuses other values."""
    return Field(name, "picklist", 255, values=values, restricted=restricted, default=default)


def reference(
    name: str, *refers_to: str, relationship: str, children: str | None = None, master: bool = False, **more: Any
) -> Field:
    """A lookup, or a master-detail: then it is required and the record is deleted with its master."""
    return Field(
        name, "reference", 18, refers_to=refers_to, relationship=relationship, child_relationship=children,
        is_master=master, required=master or more.pop("required", False), updated=not master, **more,
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
                cascades = each.is_master or each.name in {"AccountId", "WhatId"}
                by_name[parent.lower()].children.append((str(each.child_relationship), child.name, each.name, cascades))
    return by_name
