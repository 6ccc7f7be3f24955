"""The needed properties against the portal's own, and making what is missing, one by one.

Each property is one call: a refusal concerns it alone, and what was made before a crash stays made and is seen by the
next comparison.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from integrations.hubspot.keys import MODE_B
from integrations.hubspot.needs import GROUP, GROUP_LABEL, PROPERTIES, NeededProperty, labels, object_types
from integrations.hubspot.wire import Portal, codes_in
from integrations.provisioning import Made, Part, Standing

Json = Mapping[str, Any]

REFUSALS = frozenset({400, 403, 409})
NO_CHANGE = "plansync changes nothing that is there: change or rename it in HubSpot, then run this again"
NOT_UNIQUE = "is not unique, and HubSpot cannot make it so any more"
_ALSO_FIT: Mapping[str, frozenset[str]] = {"enumeration": frozenset({"string"})}


def parts(portal: Portal) -> list[Part]:
    """Everything that plansync needs, and how it stands in the portal now."""
    found: list[Part] = []
    for object_type in object_types():
        known = _listed(portal, object_type)
        properties = [_part(each, known.get(each.name)) for each in PROPERTIES if each.of == object_type]
        if any(part.standing is Standing.MISSING for part in properties):
            groups = _listed(portal, object_type, "/groups")
            standing = Standing.PRESENT if GROUP in groups else Standing.MISSING
            found.append(Part("property group", f"{object_type}.{GROUP}", f'"{GROUP_LABEL}"', standing))
        found += properties
    return found


def _listed(portal: Portal, object_type: str, tail: str = "") -> Mapping[str, Json]:
    """Properties or groups by name, read anew."""
    results = portal.get(portal.area("properties", f"/{object_type}{tail}")).data.get("results", [])
    return {str(each["name"]): each for each in results}


def _part(needed: NeededProperty, known: Json | None) -> Part:
    if known is None:
        return Part("property", needed.full_name, needed.wanted, Standing.MISSING)
    problems = list(differences(needed, known))
    if problems:
        return Part("property", needed.full_name, needed.wanted, Standing.DIFFERS, "; ".join(problems), NO_CHANGE)
    detail = f"key mode {MODE_B}" if needed.is_key and not known.get("hasUniqueValue") else ""
    return Part("property", needed.full_name, needed.wanted, Standing.PRESENT, detail)


def differences(needed: NeededProperty, known: Json) -> Iterator[str]:
    """Why a property that is there cannot serve, a reason each.

    The key of tasks serves without unique values, too: in key mode b.
    """
    kind = str(known.get("type"))
    if kind != needed.type and kind not in _ALSO_FIT.get(needed.type, frozenset()):
        yield f"is of type {kind}, not {needed.type}"
        return
    if needed.is_key and needed.of != "tasks" and not known.get("hasUniqueValue"):
        yield NOT_UNIQUE
    if known.get("calculated") or (known.get("modificationMetadata") or {}).get("readOnlyValue"):
        yield "is read-only"
    allowed = {str(option["value"]) for option in known.get("options") or ()}
    if kind == "enumeration" and (refused := [value for value in needed.options if value not in allowed]):
        yield f"refuses the values {', '.join(refused)}"


def create(portal: Portal, missing: Sequence[Part]) -> Iterator[Made]:
    """Make the missing groups and properties, saying of each what became of it.

    Raises:
        CrmUnavailableError, CrmRefusedError: The portal does not answer, or refuses the key.
    """
    by_name = {each.full_name: each for each in PROPERTIES}
    for part in missing:
        if part.kind == "property group":
            yield Made(part, problem=_made(portal, part.name.partition(".")[0], "/groups", _group()))
        else:
            yield _property(portal, part, by_name[part.name])


def _property(portal: Portal, part: Part, needed: NeededProperty) -> Made:
    """One property; a key of tasks that may not be unique is made all the same, for key mode b."""
    problem = _made(portal, needed.of, "", _definition(needed, is_unique=needed.is_key))
    if problem and needed.is_key and needed.of == "tasks" and problem.startswith("HTTP 400"):
        second = _made(portal, needed.of, "", _definition(needed, is_unique=False))
        return Made(
            part,
            problem=second,
            note="" if second else f"key mode {MODE_B}: HubSpot refused unique values there ({problem})",
        )
    return Made(part, problem=problem)


def _group() -> dict[str, Any]:
    return {"name": GROUP, "label": GROUP_LABEL, "displayOrder": -1}


def _definition(needed: NeededProperty, *, is_unique: bool) -> dict[str, Any]:
    return {
        "name": needed.name,
        "label": needed.label,
        "type": needed.type,
        "fieldType": needed.field_type,
        "groupName": GROUP,
        "description": "Kept by plansync.",
        "hasUniqueValue": is_unique,
        **({"options": labels(needed)} if needed.options else {}),
    }


def _made(portal: Portal, object_type: str, tail: str, body: dict[str, Any]) -> str:
    """Make one thing; why it was refused, or nothing. What is there since a lost answer is made."""
    path = portal.area("properties", f"/{object_type}{tail}")
    reply = portal.write(path, body, is_repeatable=True, tolerated=REFUSALS)
    if reply.status < 300 or (reply.status == 409 and body["name"] in _listed(portal, object_type, tail)):
        return ""
    return f"HTTP {reply.status} {codes_in(orjson.dumps(reply.data))}".rstrip()
