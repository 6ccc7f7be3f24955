"""The needed objects, fields and permission set as files of Salesforce's Metadata API, in both of its formats.

``archive`` is what the API deploys: one file per object. ``project`` is what admins keep and deploy by hand: a source
project with one file per field, for ``sf project deploy start``. Both come from the same elements.
"""

import io
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from xml.etree import ElementTree as Xml

from integrations.salesforce.needs import (
    ACTIVITY,
    OBJECT_RIGHTS,
    OBJECTS,
    PERMISSION_SET,
    PERMISSION_SET_LABEL,
    USER_RIGHTS,
    FieldType,
    NeededField,
    NeededObject,
    ObjectRight,
    homes,
)

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
_SOURCE = "force-app/main/default"
_EPOCH = (2020, 1, 1, 0, 0, 0)
"""Stamp of archived files: the same package has the same bytes."""
_DESCRIPTION = "Kept by plansync; see docs/reference/permissions.md of plansync."


def package(wanted: Collection[str], api_version: str) -> Mapping[str, bytes]:
    """The files of the smallest deployable package that makes ``wanted``.

    Args:
        wanted: Full names: ``Success_Plan__c`` (with all its fields), ``Activity.Plansync_Key__c``, ``Plansync``.
    """
    members: dict[str, list[str]] = {}
    files: dict[str, bytes] = {}
    for home, fields in homes().items():
        whole = next((each for each in OBJECTS if each.name == home and home in wanted), None)
        some = [each for each in fields if whole or f"{home}.{each.name}" in wanted]
        if whole:
            members.setdefault("CustomObject", []).append(home)
        if some:
            members.setdefault("CustomField", []).extend(f"{home}.{each.name}" for each in some)
            files[f"objects/{home}.object"] = _written(_object_element(whole, some))
    if PERMISSION_SET in wanted:
        members["PermissionSet"] = [PERMISSION_SET]
        files[f"permissionsets/{PERMISSION_SET}.permissionset"] = permission_set()
    return {"package.xml": _manifest(members, api_version), **files}


def archive(files: Mapping[str, bytes]) -> bytes:
    """The files as one zip, the same bytes for the same files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in sorted(files.items()):
            packed.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return target.getvalue()


def project(api_version: str) -> Mapping[str, bytes]:
    """Everything that plansync needs as a source project: path and content of each file."""
    about = {
        "packageDirectories": [{"path": "force-app", "default": True}],
        "name": "plansync",
        "sourceApiVersion": api_version,
    }
    files = {"sfdx-project.json": json.dumps(about, indent=2).encode() + b"\n"}
    for each in OBJECTS:
        files[f"{_SOURCE}/objects/{each.name}/{each.name}.object-meta.xml"] = _written(_object_element(each, ()))
    for home, fields in homes().items():
        for field in fields:
            path = f"{_SOURCE}/objects/{home}/fields/{field.name}.field-meta.xml"
            files[path] = _written(_field_element(field, "CustomField"))
    files[f"{_SOURCE}/permissionsets/{PERMISSION_SET}.permissionset-meta.xml"] = permission_set()
    files["manifest/package.xml"] = package(everything(), api_version)["package.xml"]
    return files


def everything() -> tuple[str, ...]:
    """The full names of all that plansync needs."""
    keys = (f"{ACTIVITY}.{each.name}" for each in homes()[ACTIVITY])
    return (*(each.name for each in OBJECTS), *keys, PERMISSION_SET)


def permission_set() -> bytes:
    """The permission set of the nightly user: its rights on objects and fields, and no more."""
    root = Xml.Element("PermissionSet")
    _add(root, "description", _DESCRIPTION)
    for name, field in permitted_fields():
        entry = Xml.SubElement(root, "fieldPermissions")
        _add(entry, "editable", field.is_written)
        _add(entry, "field", name)
        _add(entry, "readable", True)
    _add(root, "hasActivationRequired", False)
    _add(root, "label", PERMISSION_SET_LABEL)
    for right in sorted(OBJECT_RIGHTS, key=lambda each: each.sobject):
        _add_right(root, right)
    for user_right in USER_RIGHTS:
        entry = Xml.SubElement(root, "userPermissions")
        _add(entry, "enabled", True)
        _add(entry, "name", user_right)
    return _written(root)


def permitted_fields() -> Iterator[tuple[str, NeededField]]:
    """The fields that need a permission of their own, by full name as permissions say it: on Task, not Activity."""
    for home, fields in homes().items():
        shown = "Task" if home == ACTIVITY else home
        yield from ((f"{shown}.{each.name}", each) for each in fields if not each.is_always_visible)


def _add_right(root: Xml.Element, right: ObjectRight) -> None:
    entry = Xml.SubElement(root, "objectPermissions")
    for name, value in (
        ("allowCreate", right.creates),
        ("allowDelete", False),
        ("allowEdit", right.edits),
        ("allowRead", True),
        ("modifyAllRecords", False),
    ):
        _add(entry, name, value)
    _add(entry, "object", right.sobject)
    _add(entry, "viewAllRecords", right.sees_all)


def _object_element(needed: NeededObject | None, fields: Sequence[NeededField]) -> Xml.Element:
    """An object with fields; without ``needed``, only the fields, to be added to one that is there."""
    root = Xml.Element("CustomObject")
    if needed is not None:
        _add(root, "deploymentStatus", "Deployed")
        _add(root, "description", _DESCRIPTION)
        _add(root, "enableReports", True)
    root.extend(_field_element(each, "fields") for each in fields)
    if needed is not None:
        _add(root, "label", needed.label)
        root.append(_name_element(needed))
        _add(root, "pluralLabel", needed.plural)
        _add(root, "sharingModel", "ControlledByParent" if needed.master else "ReadWrite")
    return root


def _name_element(needed: NeededObject) -> Xml.Element:
    element = Xml.Element("nameField")
    if needed.number_format:
        _add(element, "displayFormat", needed.number_format)
    _add(element, "label", f"{needed.label} Name")
    _add(element, "type", "AutoNumber" if needed.number_format else "Text")
    return element


def _field_element(field: NeededField, tag: str) -> Xml.Element:
    element = Xml.Element(tag)
    _add(element, "fullName", field.name)
    if field.type is FieldType.CHECKBOX:
        _add(element, "defaultValue", False)
    if field.type is FieldType.LOOKUP:
        _add(element, "deleteConstraint", "SetNull")
    if field.is_key:
        _add(element, "caseSensitive", False)
        _add(element, "externalId", True)
    _add(element, "label", field.label)
    for name, value in _type_details(field):
        _add(element, name, value)
    _add(element, "type", field.type)
    if field.is_key:
        _add(element, "unique", True)
    if field.values:
        element.append(_value_set(field.values))
    return element


def _type_details(field: NeededField) -> Iterator[tuple[str, object]]:
    if field.length:
        yield "length", field.length
    if field.type is FieldType.LONG_TEXT:
        yield "visibleLines", 10
    if field.type is FieldType.NUMBER:
        yield from (("precision", field.digits[0]), ("scale", field.digits[1]))
    if field.parent:
        yield from (("referenceTo", field.parent), ("relationshipLabel", field.children.replace("_", " ")))
        yield "relationshipName", field.children
    if field.type is FieldType.MASTER_DETAIL:
        yield from (("relationshipOrder", 0), ("reparentableMasterDetail", False), ("writeRequiresMasterRead", False))


def _value_set(values: Sequence[str]) -> Xml.Element:
    """Restricted, so that a slip is refused; the values are plansync's own words."""
    element = Xml.Element("valueSet")
    _add(element, "restricted", True)
    definition = Xml.SubElement(element, "valueSetDefinition")
    _add(definition, "sorted", False)
    for value in values:
        entry = Xml.SubElement(definition, "value")
        _add(entry, "fullName", value)
        _add(entry, "default", False)
        _add(entry, "label", value.replace("_", " ").capitalize())
    return element


def _manifest(members: Mapping[str, Sequence[str]], api_version: str) -> bytes:
    root = Xml.Element("Package")
    for kind, names in members.items():
        types = Xml.SubElement(root, "types")
        for name in names:
            _add(types, "members", name)
        _add(types, "name", kind)
    _add(root, "version", api_version)
    return _written(root)


def _add(parent: Xml.Element, tag: str, value: object) -> None:
    Xml.SubElement(parent, tag).text = str(value).lower() if isinstance(value, bool) else str(value)


def _written(root: Xml.Element) -> bytes:
    root.set("xmlns", NAMESPACE)
    Xml.indent(root, "    ")
    text: str = Xml.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()
