"""Objects, fields and permission sets as metadata files say them: read, checked, and turned into what the org keeps.

Follows the Metadata API's pages "CustomObject", "CustomField" and "PermissionSet". The words of refusals are those that
public logs of deployments show, where some do. Unverified: how the org words a text without its closing tag, a second
definition of one name, and a type that a field may not change to.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree as Xml

from integrations.sandbox.salesforce_permissions import RIGHTS
from integrations.sandbox.salesforce_schema import Field

Json = dict[str, object]

NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"
KINDS = ("CustomObject", "CustomField", "PermissionSet")
ACTIVITY = ("Task", "Event")
"""The objects that have the custom fields of ``Activity``."""

_CUSTOM_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
_LONGEST_TEXT, _LONG_TEXT = 255, range(256, 131_073)
_MOST_DIGITS = 18


class MetadataError(Exception):
    """Why a component is refused, in the org's words."""


@dataclass(frozen=True, slots=True)
class CustomField:
    """One field of a file. ``home`` is the object that the file is about: ``Activity`` for tasks and events."""

    home: str
    name: str
    field: Field

    @property
    def full_name(self) -> str:
        return f"{self.home}.{self.name}"

    @property
    def needs_permission(self) -> bool:
        """Whether a permission set may, and must, grant it."""
        return not (self.field.required or self.field.is_master)


@dataclass(frozen=True, slots=True)
class CustomObject:
    """One object of a file, without its fields. ``number_format`` numbers its records."""

    full_name: str
    label: str
    plural: str
    number_format: str
    is_detail: bool


@dataclass(frozen=True, slots=True)
class PermissionSet:
    """One permission set of a file: flags of records by object and by field, and the user rights."""

    full_name: str
    label: str
    description: str
    objects: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    fields: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    rights: tuple[str, ...] = ()


def parsed(content: bytes, tag: str) -> Xml.Element:
    """The root of a file, namespaces taken off.

    Raises:
        MetadataError: It is no XML, or about something else.
    """
    if b"<!DOCTYPE" in content:
        raise MetadataError("Error parsing file: a document type is not allowed")
    try:
        root = Xml.fromstring(content)  # noqa: S314 - no document type, so no entities
    except Xml.ParseError as error:
        raise MetadataError(f"Error parsing file: {error}") from None
    if root.tag != NAMESPACE + tag:
        raise MetadataError(f"Error parsing file: the root is not a {tag} of the metadata namespace")
    for element in root.iter():
        element.tag = element.tag.removeprefix(NAMESPACE)
    return root


def custom_object(name: str, root: Xml.Element) -> CustomObject:
    """The object itself.

    Raises:
        MetadataError: Something that a new object needs is missing or impossible.
    """
    if not _CUSTOM_NAME.fullmatch(name):
        raise MetadataError(f"The object name: {name} is not a valid custom object name")
    label, plural = _text(root, "label"), _text(root, "pluralLabel")
    if not label:
        raise MetadataError("Must specify a non-empty label for the CustomObject")
    if not plural:
        raise MetadataError("Must specify a non-empty pluralLabel for the CustomObject")
    kind = _text(root, "nameField/type")
    if kind not in {"Text", "AutoNumber"} or not _text(root, "nameField/label"):
        raise MetadataError("Must specify a nameField of type Text or AutoNumber with a label for the CustomObject")
    number_format = _text(root, "nameField/displayFormat") if kind == "AutoNumber" else ""
    if kind == "AutoNumber" and not re.search(r"\{0+\}", number_format):
        raise MetadataError("Must specify a displayFormat with a place for the number, such as A-{0000}")
    is_detail = any(_text(each, "type") == "MasterDetail" for each in root.findall("fields"))
    _check_sharing(_text(root, "sharingModel"), is_detail=is_detail)
    return CustomObject(name, label, plural, number_format, is_detail)


def _check_sharing(model: str, *, is_detail: bool) -> None:
    if not model:
        raise MetadataError("Must specify a sharingModel for the CustomObject")
    if model == "ControlledByParent" and not is_detail:
        raise MetadataError(
            "Cannot set sharingModel to ControlledByParent on a CustomObject without a MasterDetail relationship field"
        )
    if is_detail and model != "ControlledByParent":
        raise MetadataError("The sharingModel of a CustomObject with a MasterDetail field must be ControlledByParent")


def custom_fields(home: str, roots: Iterable[Xml.Element]) -> dict[str, CustomField | MetadataError]:
    """The fields of a file by full name, each as it is to be or why it cannot be."""
    found: dict[str, CustomField | MetadataError] = {}
    for root in roots:
        name = _text(root, "fullName")
        full_name = f"{home}.{name}"
        try:
            if full_name in found:
                raise MetadataError(f"Duplicate field: {name} is defined twice")
            found[full_name] = _custom_field(home, name, root)
        except MetadataError as error:
            found[full_name] = error
    return found


def _custom_field(home: str, name: str, root: Xml.Element) -> CustomField:
    if not _CUSTOM_NAME.fullmatch(name):
        raise MetadataError(f"The field name: {name} is not a valid custom field name")
    if not _text(root, "label"):
        raise MetadataError("Must specify a non-empty label for the CustomField")
    kind = _text(root, "type")
    maker = _MAKERS.get(kind)
    if maker is None:
        raise MetadataError(f"'{kind}' is not a valid value for the enum 'FieldType'")
    made = maker(name, root)
    is_key = _flag(root, "externalId") or _flag(root, "unique")
    if is_key and kind not in {"Text", "Number", "Email"}:
        raise MetadataError(f"Can not specify 'externalId' or 'unique' for a CustomField of type {kind}")
    return CustomField(home, name, made)


def _plain(kind: str) -> Callable[[str, Xml.Element], Field]:
    return lambda name, root: Field(name, kind, required=_flag(root, "required"))


def _string(name: str, root: Xml.Element) -> Field:
    length = _number(root, "length", "Text")
    if not 1 <= length <= _LONGEST_TEXT:
        raise MetadataError(f"The length must be from 1 to {_LONGEST_TEXT} for a CustomField of type Text")
    return Field(
        name, "string", length, required=_flag(root, "required"), unique=_flag(root, "unique"),
        external_id=_flag(root, "externalId"),
    )  # fmt: skip


def _long_text(name: str, root: Xml.Element) -> Field:
    length = _number(root, "length", "LongTextArea")
    _number(root, "visibleLines", "LongTextArea")
    if length not in _LONG_TEXT:
        raise MetadataError("The length must be from 256 to 131072 for a CustomField of type LongTextArea")
    return Field(name, "textarea", length)


def _numeric(kind: str, described: str) -> Callable[[str, Xml.Element], Field]:
    def made(name: str, root: Xml.Element) -> Field:
        precision, scale = _number(root, "precision", kind), _number(root, "scale", kind)
        if not 0 <= scale <= precision <= _MOST_DIGITS:
            raise MetadataError(f"The precision must be at most {_MOST_DIGITS} and the scale at most the precision")
        return Field(
            name, described, scale=scale, required=_flag(root, "required"), unique=_flag(root, "unique"),
            external_id=_flag(root, "externalId"),
        )  # fmt: skip

    return made


def _checkbox(name: str, root: Xml.Element) -> Field:
    if _text(root, "defaultValue") not in {"true", "false"}:
        raise MetadataError("Must specify 'defaultValue' for a CustomField of type Checkbox")
    return Field(name, "boolean", default=int(_flag(root, "defaultValue")))


def _picklist(name: str, root: Xml.Element) -> Field:
    definition = root.find("valueSet/valueSetDefinition")
    if definition is None:
        raise MetadataError("Must specify 'valueSet' for a CustomField of type Picklist")
    values = tuple(_text(each, "fullName") for each in definition.findall("value"))
    if len(set(values)) < len(values) or "" in values:
        raise MetadataError(f"Duplicate or empty picklist value in {name}")
    restricted = _text(root, "valueSet/restricted") == "true"
    return Field(name, "picklist", 255, values=values, restricted=restricted, required=_flag(root, "required"))


def _link(name: str, root: Xml.Element) -> Field:
    target, children = _text(root, "referenceTo"), _text(root, "relationshipName")
    is_master = _text(root, "type") == "MasterDetail"
    if not target:
        raise MetadataError(f"Must specify 'referenceTo' for a CustomField of type {_text(root, 'type')}")
    if not children:
        raise MetadataError(f"Must specify 'relationshipName' for a CustomField of type {_text(root, 'type')}")
    return Field(
        name, "reference", 18, refers_to=(target,), relationship=name.removesuffix("__c") + "__r",
        child_relationship=f"{children}__r", is_master=is_master, required=is_master or _flag(root, "required"),
        updated=not is_master,
    )  # fmt: skip


_MAKERS: Mapping[str, Callable[[str, Xml.Element], Field]] = {
    "Text": _string,
    "LongTextArea": _long_text,
    "Number": _numeric("Number", "double"),
    "Currency": _numeric("Currency", "currency"),
    "Percent": _numeric("Percent", "percent"),
    "Checkbox": _checkbox,
    "Date": _plain("date"),
    "DateTime": _plain("datetime"),
    "Email": lambda name, root: Field(
        name, "email", 80, unique=_flag(root, "unique"), external_id=_flag(root, "externalId")
    ),
    "Phone": lambda name, root: Field(name, "phone", 40),
    "Url": lambda name, root: Field(name, "url", 255),
    "Picklist": _picklist,
    "Lookup": _link,
    "MasterDetail": _link,
}


_OBJECT_FLAGS = {
    "allowRead": "Read", "allowCreate": "Create", "allowEdit": "Edit", "allowDelete": "Delete",
    "viewAllRecords": "ViewAllRecords", "modifyAllRecords": "ModifyAllRecords",
}  # fmt: skip
_DEPENDS = {
    "Create": ("Read",),
    "Edit": ("Read",),
    "Delete": ("Read", "Edit"),
    "ViewAllRecords": ("Read",),
    "ModifyAllRecords": ("Read", "Edit", "Delete", "ViewAllRecords"),
}


def permission_set(name: str, root: Xml.Element) -> PermissionSet:
    """The permission set; whether what it grants exists is for the deployment to see.

    Raises:
        MetadataError: It has no label, grants what depends on something that it does not grant, or an unknown right.
    """
    label = _text(root, "label")
    if not label:
        raise MetadataError("Required field is missing: label")
    rights = tuple(_text(each, "name") for each in root.findall("userPermissions") if _flag(each, "enabled"))
    if unknown := next((right for right in rights if right not in RIGHTS), None):
        raise MetadataError(f"Unknown user permission: {unknown}")
    objects = {
        _text(each, "object"): {flag: _flag(each, tag) for tag, flag in _OBJECT_FLAGS.items()}
        for each in root.findall("objectPermissions")
    }
    for target, flags in objects.items():
        _check_dependencies(target, flags)
    fields = {
        _text(each, "field"): {
            "Read": _flag(each, "readable") or _flag(each, "editable"),
            "Edit": _flag(each, "editable"),
        }
        for each in root.findall("fieldPermissions")
    }
    return PermissionSet(name, label, _text(root, "description"), objects, fields, rights)


def _check_dependencies(target: str, flags: Mapping[str, bool]) -> None:
    for flag, needed in _DEPENDS.items():
        lacking = [f"{each} {target}" for each in needed if flags[flag] and not flags[each]]
        if lacking:
            raise MetadataError(f"Permission {flag} {target} depends on permission(s): {', '.join(lacking)}")


def _text(root: Xml.Element, path: str) -> str:
    return (root.findtext(path) or "").strip()


def _flag(root: Xml.Element, tag: str) -> bool:
    return _text(root, tag) == "true"


def _number(root: Xml.Element, tag: str, kind: str) -> int:
    text = _text(root, tag)
    if not text.isdigit():
        raise MetadataError(f"Must specify '{tag}' for a CustomField of type {kind}")
    return int(text)
