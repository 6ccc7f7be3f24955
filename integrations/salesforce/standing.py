"""What plansync needs against what the org says of itself: describe for what is there, grants for who may use it.

A field that the signed-in user may not see is missing from describe as if nobody had made it. The grants of plansync's
permission set tell the two apart, where the user may read them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.errors import CrmRefusedError
from integrations.provisioning import Part, Standing
from integrations.salesforce.needs import (
    ACTIVITY,
    DESCRIBED_TYPES,
    OBJECT_RIGHTS,
    OBJECTS,
    PERMISSION_SET,
    WRITTEN_STANDARD,
    FieldType,
    NeededField,
    NeededObject,
    ObjectRight,
    described_on,
    homes,
)
from integrations.salesforce.org import Org
from integrations.salesforce.soql import identifier, select, soql
from integrations.salesforce.wire import decoded
from integrations.transport import Request

Json = Mapping[str, Any]

ASSIGN = f"assign the permission set {PERMISSION_SET} to the user, in Setup or by --assign USERNAME"
NO_CHANGE = "plansync changes nothing that is there: change or rename it in Setup, then run this again"
_ALSO_FIT: Mapping[FieldType, frozenset[str]] = {
    FieldType.PICKLIST: frozenset({"string"}),
    FieldType.NUMBER: frozenset({"currency", "percent"}),
}
"""Other types in which an org may keep the same values."""


@dataclass(frozen=True, slots=True)
class Grants:
    """What plansync's permission set grants: by field and by object, what may be done beside reading.

    ``is_known`` is False where the user may not read permission sets; ``set_id`` is None where there is no such set.
    """

    is_known: bool
    set_id: str | None = None
    fields: Mapping[str, bool] = field(default_factory=dict)
    objects: Mapping[str, Json] = field(default_factory=dict)


def described(org: Org, sobject: str) -> Json | None:
    """The org's own description of an object, read anew; None if the org does not show it."""
    path = f"{org.root}/sobjects/{identifier(sobject)}/describe"
    answer = org.wire.exchange(Request("GET", path, is_repeatable=True), tolerated=frozenset({404}))
    return None if answer.status == 404 else decoded(answer, f"describe {sobject}")


def grants(org: Org) -> Grants:
    """What plansync's permission set grants now."""
    own = soql("Parent.Name = {name}", name=PERMISSION_SET)
    try:
        sets = _records(org, select("PermissionSet", ["Id"], soql("Name = {name}", name=PERMISSION_SET)))
        if not sets:
            return Grants(is_known=True)
        fields = _records(org, select("FieldPermissions", ["Field", "PermissionsEdit"], own))
        names = ["SobjectType", "PermissionsCreate", "PermissionsEdit", "PermissionsViewAllRecords"]
        objects = _records(org, select("ObjectPermissions", names, own))
    except CrmRefusedError:
        return Grants(is_known=False)
    return Grants(
        is_known=True,
        set_id=str(sets[0]["Id"]),
        fields={str(each["Field"]): bool(each["PermissionsEdit"]) for each in fields},
        objects={str(each["SobjectType"]): each for each in objects},
    )


def _records(org: Org, query: str) -> list[dict[str, Any]]:
    return [record for page in org.query_pages(query) for record in page]


def parts(org: Org, *, needs_set: bool = False) -> list[Part]:
    """Everything that plansync needs, and how it stands for the signed-in user.

    Args:
        needs_set: The permission set is needed even if this user may do everything without it: another will have it.
    """
    known = {name: described(org, described_on(name)) for name in homes()}
    granted = grants(org)
    found: list[Part] = []
    for needed in OBJECTS:
        found += _of_object(needed, known[needed.name], granted)
    found += _of_fields(ACTIVITY, homes()[ACTIVITY], known[ACTIVITY], granted)
    is_needed = needs_set or any(part.standing is not Standing.PRESENT for part in found)
    return [*found, *_of_grants(granted, is_needed=is_needed)]


def _of_object(needed: NeededObject, known: Json | None, granted: Grants) -> Iterator[Part]:
    wanted = f"custom object, {len(needed.fields)} fields"
    if known is None:
        is_hidden = needed.name in granted.objects
        standing = Standing.HIDDEN if is_hidden else Standing.MISSING
        yield Part("object", needed.name, wanted, standing, *((_UNSEEN, ASSIGN) if is_hidden else ()))
    else:
        yield Part("object", needed.name, wanted, *_object_standing(needed, known))
    yield from _of_fields(needed.name, needed.fields, known, granted)


_UNSEEN = "the signed-in user may not see it"


def _object_standing(needed: NeededObject, known: Json) -> tuple[Standing, str, str]:
    written = {each.name for each in needed.fields}
    demanded = [name for name in _demanded(known) if name not in written] if needed.is_written else []
    if demanded:
        detail = f"a new record needs {', '.join(demanded)}, which plansync does not write"
        return Standing.DIFFERS, detail, f"make {', '.join(demanded)} optional, or give a default"
    if needed.is_written and not (known.get("createable") and known.get("updateable")):
        return Standing.HIDDEN, "the signed-in user may not create and edit its records", ASSIGN
    return Standing.PRESENT, "", ""


def _demanded(known: Json) -> list[str]:
    """The custom fields without which no record can be made."""
    return [
        str(each["name"])
        for each in known["fields"]
        if each["custom"] and each["createable"] and not each["nillable"] and not each["defaultedOnCreate"]
        if each["type"] != "boolean"
    ]


def _of_fields(home: str, needed: Sequence[NeededField], known: Json | None, granted: Grants) -> Iterator[Part]:
    there = {str(each["name"]): each for each in known["fields"]} if known else {}
    for each in needed:
        name = f"{home}.{each.name}"
        if each.name in there:
            yield Part("field", name, each.wanted, *_field_standing(each, there[each.name]))
        elif f"{described_on(home)}.{each.name}" in granted.fields or (known is None and home in granted.objects):
            yield Part("field", name, each.wanted, Standing.HIDDEN, _UNSEEN, ASSIGN)
        else:
            yield Part("field", name, each.wanted, Standing.MISSING)


def _field_standing(needed: NeededField, known: Json) -> tuple[Standing, str, str]:
    problems = list(differences(needed, known))
    if problems:
        return Standing.DIFFERS, "; ".join(problems), NO_CHANGE
    is_fixed = needed.type is FieldType.MASTER_DETAIL  # set once, by the record's making
    if needed.is_written and not (known.get("createable") and (is_fixed or known.get("updateable"))):
        return Standing.HIDDEN, "the signed-in user may not write it", ASSIGN
    return Standing.PRESENT, "", ""


def differences(needed: NeededField, known: Json) -> Iterator[str]:
    """Why a field that is there cannot serve, a reason each."""
    kind, wanted = str(known["type"]), DESCRIBED_TYPES[needed.type]
    is_text_read = not needed.is_written and needed.type in {FieldType.TEXT, FieldType.LONG_TEXT}
    also = frozenset({"picklist", "string", "textarea"}) if is_text_read else _ALSO_FIT.get(needed.type, frozenset())
    if kind != wanted and kind not in also:
        yield f"is of type {kind}, not {wanted}"
        return
    if needed.is_written and int(known.get("length") or 0) < needed.length:
        yield f"holds {known.get('length')} characters, not {needed.length}"
    if needed.is_key:
        yield from (
            f"is {not_so}"
            for key, not_so in (("unique", "not unique"), ("externalId", "no external id"))
            if not known.get(key)
        )
    if needed.type is FieldType.NUMBER and int(known.get("scale") or 0) < needed.digits[1]:
        yield f"keeps {known.get('scale')} decimal places, not {needed.digits[1]}"
    if needed.parent and needed.parent not in (known.get("referenceTo") or ()):
        yield f"leads to {', '.join(known.get('referenceTo') or ()) or 'nothing'}, not to {needed.parent}"
    if lacking := _lacking_values(needed, known):
        yield f"refuses the values {', '.join(lacking)}"


def _lacking_values(needed: NeededField, known: Json) -> list[str]:
    if not (needed.is_written and known.get("restrictedPicklist")):
        return []
    active = {each["value"] for each in known.get("picklistValues") or () if each.get("active")}
    return [value for value in needed.values if value not in active]


def _of_grants(granted: Grants, *, is_needed: bool) -> Iterator[Part]:
    """The permission set, and what it lacks; nothing where the user may not know, or needs none of it."""
    if not granted.is_known:
        return
    wanted = "rights of the nightly user, and no more"
    if granted.set_id is None:
        if is_needed:
            yield Part("permission set", PERMISSION_SET, wanted, Standing.MISSING)
        return
    yield Part("permission set", PERMISSION_SET, wanted, Standing.PRESENT)
    for home, fields in homes().items():
        for each in fields:
            if not each.is_always_visible:
                yield from _of_field_grant(f"{described_on(home)}.{each.name}", each, granted)
    for right in OBJECT_RIGHTS:
        yield from _of_object_grant(right, granted)


def _of_field_grant(name: str, needed: NeededField, granted: Grants) -> Iterator[Part]:
    wanted = f"{PERMISSION_SET}: {'edit' if needed.is_written else 'read'}"
    if name not in granted.fields:
        yield Part("permission", name, wanted, Standing.MISSING)
    elif needed.is_written and not granted.fields[name]:
        yield Part("permission", name, wanted, Standing.DIFFERS, "may only be read", _GRANT)


_GRANT = f"grant it in the permission set {PERMISSION_SET}"


def _of_object_grant(right: ObjectRight, granted: Grants) -> Iterator[Part]:
    asked = {
        "create": (right.creates, "PermissionsCreate"),
        "edit": (right.edits, "PermissionsEdit"),
        "view all": (right.sees_all, "PermissionsViewAllRecords"),
    }
    words = [word for word, (is_asked, _) in asked.items() if is_asked]
    wanted = f"{PERMISSION_SET}: {', '.join(['read', *words])}"
    held = granted.objects.get(right.sobject)
    if held is None:
        yield Part("permission", right.sobject, wanted, Standing.MISSING)
    elif lacking := [word for word in words if not held[asked[word][1]]]:
        yield Part("permission", right.sobject, wanted, Standing.DIFFERS, f"lacks {', '.join(lacking)}", _GRANT)


def unwritable(known: Json) -> list[str]:
    """The standard fields of tasks that the nightly run writes and the signed-in user may not."""
    there = {str(each["name"]): each for each in known["fields"]}
    return [
        name
        for names in WRITTEN_STANDARD.values()
        for name in names
        if name not in there or not (there[name]["createable"] and there[name]["updateable"])
    ]
