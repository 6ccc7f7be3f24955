"""What ``doctor`` and ``init`` ask of a portal: does the mapping hold, are our keys there, what looks like ours."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.errors import CrmError
from integrations.hubspot.fields import FITTING, KEY, PROVISION, SOURCES, Column, Source
from integrations.hubspot.keys import MODE_A, MODE_B, has_unique_task_key
from integrations.hubspot.needs import excess, lacking
from integrations.hubspot.provision import parts
from integrations.hubspot.pull import OWNERS_PAGE
from integrations.hubspot.wire import Portal
from integrations.mapping import nearest
from integrations.provisioning import Standing
from integrations.tokens import kept_finding
from models.records import Finding

Json = dict[str, Any]

ALL_SOURCES = tuple(source for sources in SOURCES.values() for source in sources)
IN_SETTINGS = "correct [hubspot.properties] in plansync.toml"


def findings(portal: Portal) -> list[Finding]:
    """Access, mapping, keys, plan properties, fallback owner; what cannot be asked is a finding, too."""
    try:
        at = portal.now()
    except CrmError as error:
        fix = "check hubspot.base_url and the service key, and that the key may read the CRM"
        return [Finding("hubspot access", is_ok=False, detail=str(error), fix=fix)]
    first = Finding(
        "hubspot access", is_ok=True, detail=f"signed in at {portal.config.api_version}; its clock says {at}"
    )
    found = [first, *kept_finding("hubspot", portal.refresh_token)]
    for source in ALL_SOURCES:
        found += _asked(f"hubspot {source.type}", lambda source=source: _mapping(portal, source))
    for kind in ("companies", "tasks"):
        found += _asked(f"hubspot {kind} key", lambda kind=kind: _key(portal, kind))
    found += _asked("hubspot key mode", lambda: _key_mode(portal))
    found += _asked("hubspot scopes", lambda: _scopes(portal))
    found += _asked("hubspot plan properties", lambda: _plan(portal))
    return found + _asked("hubspot fallback owner", lambda: _fallback_owner(portal))


def proposed_mapping(portal: Portal) -> dict[str, dict[str, str]]:
    """A first ``HubSpotConfig.properties``: per object, the properties that most look like what plansync reads.

    Raises:
        CrmUnavailableError, CrmRefusedError: The portal cannot be asked.
    """
    guesses = {source.object: _guesses(source, portal.properties(source.type)) for source in ALL_SOURCES}
    return {name: found for name, found in guesses.items() if found}


def _asked(check: str, ask: Any) -> list[Finding]:
    try:
        return list(ask())
    except CrmError as error:
        fix = "grant the service key the scope that HubSpot names"
        return [Finding(check, is_ok=False, detail=str(error), fix=fix)]


def _mapping(portal: Portal, source: Source) -> Iterator[Finding]:
    known = portal.properties(source.type)
    mapped = portal.config.properties.get(source.object, {})
    problems = [problem for column in source.columns if (problem := _problem(column, mapped, known))]
    check = f"hubspot {source.type} properties"
    yield from (Finding(check, is_ok=False, detail=f"{source.object}.{text}", fix=IN_SETTINGS) for text in problems)
    if not problems:
        named = [column for column in source.columns if column.hints]
        pairs = [(column.name, _chosen(column, mapped, known)) for column in named]
        detail = ", ".join(f"{name} from {found}" if found else f"{name} not mapped" for name, found in pairs)
        yield Finding(check, is_ok=True, detail=detail or "standard properties only")


def _chosen(column: Column, mapped: Mapping[str, str], known: Mapping[str, Json]) -> str | None:
    if column.name in mapped:
        return mapped[column.name] or None
    return next((one for one in column.candidates if one in known), None)


def _problem(column: Column, mapped: Mapping[str, str], known: Mapping[str, Json]) -> str | None:
    name = _chosen(column, mapped, known)
    if name is None:
        return None
    if name not in known:
        return f'{column.name} is mapped to "{name}", which the portal lacks{nearest(name, known)}'
    if known[name].get("type") not in FITTING[column.kind]:
        return f'{column.name} is mapped to "{name}", a {known[name].get("type")}, and needs a {column.kind}'
    return None


def _key(portal: Portal, kind: str) -> Iterator[Finding]:
    """The key of companies must be unique; that of tasks should be, and its absence is key mode b."""
    known = portal.properties(kind).get(KEY)
    check, name = f"hubspot {kind} key", f"{kind}.{KEY}"
    if known is None:
        yield Finding(check, is_ok=False, detail=f"{name} is not there", fix=PROVISION)
    elif known.get("hasUniqueValue"):
        yield Finding(check, is_ok=True, detail=f"{name} is unique")
    else:
        detail = f"{name} is not unique, and can no longer be made so"
        fix = f"delete the property {KEY}, then {PROVISION}"
        yield Finding(check, is_ok=kind == "tasks", detail=detail, fix="" if kind == "tasks" else fix)


def _key_mode(portal: Portal) -> Iterator[Finding]:
    check = "hubspot key mode"
    if KEY not in portal.properties("tasks"):
        yield Finding(check, is_ok=False, detail="none: no task can be written", fix=PROVISION)
    elif has_unique_task_key(portal):
        yield Finding(check, is_ok=True, detail=f"{MODE_A}: HubSpot itself refuses a second task with one key")
    else:
        detail = f"{MODE_B}: safe against crashes and lost answers, not against a second installation at work"
        fix = (
            f"let only one installation write; before its first run, {KEY} of tasks may be deleted and provisioned anew"
        )
        yield Finding(check, is_ok=True, detail=detail, fix=fix, is_warning=True)


def _plan(portal: Portal) -> Iterator[Finding]:
    """The plan's properties on companies; the keys have lines of their own."""
    plan = [part for part in parts(portal) if part.kind == "property" and not part.name.endswith(f".{KEY}")]
    missing = [part.name.partition(".")[2] for part in plan if part.standing is Standing.MISSING]
    check = "hubspot plan properties"
    if missing:
        yield Finding(check, is_ok=False, detail=f"companies lack {', '.join(missing)}", fix=PROVISION)
    wrong = [part for part in plan if part.standing is Standing.DIFFERS]
    for part in wrong:
        yield Finding(check, is_ok=False, detail=f"{part.name} {part.detail}", fix=part.todo)
    if not missing and not wrong:
        yield Finding(check, is_ok=True, detail="all there")


def _scopes(portal: Portal) -> Iterator[Finding]:
    """What the key may do against what a night needs; a portal that does not tell is no fault."""
    check = "hubspot scopes"
    held = portal.scopes()
    if held is None:
        yield Finding(check, is_ok=True, detail="unknown: HubSpot does not tell what this key may do")
        return
    short = lacking(held)
    detail = f"lacks {', '.join(short)}" if short else "all that a night needs"
    yield Finding(check, is_ok=not short, detail=detail, fix="add these scopes to the key" if short else "")
    more = excess(held)
    detail = f"holds {', '.join(more)} without need" if more else "none"
    fix = "give the nightly run a key with only the scopes of docs/reference/permissions.md" if more else ""
    yield Finding("hubspot excess scopes", is_ok=True, detail=detail, fix=fix, is_warning=bool(more))


def _fallback_owner(portal: Portal) -> Iterator[Finding]:
    wanted = portal.config.fallback_owner
    if wanted is None:
        return
    listed = portal.get(portal.area("owners"), {"limit": str(OWNERS_PAGE)}).data.get("results", [])
    is_ok = any(str(one["id"]) == wanted for one in listed)
    detail = f"owner {wanted} is {'there' if is_ok else 'not among the active owners'}"
    fix = "" if is_ok else "set hubspot.fallback_owner to an active owner's id"
    yield Finding("hubspot fallback owner", is_ok=is_ok, detail=detail, fix=fix)


def _guesses(source: Source, known: Mapping[str, Json]) -> dict[str, str]:
    guesses = {column.name: _guess(column, known) for column in source.columns if column.hints}
    return {name: guess for name, guess in guesses.items() if guess is not None}


def _guess(column: Column, known: Mapping[str, Json]) -> str | None:
    """The property named or labelled as a hint, else with one in it; earlier hints, then shorter names, first."""
    ranked = [
        (rank, len(name), name)
        for name, one in known.items()
        if one.get("type") in FITTING[column.kind] and not name.startswith("plansync_")
        if (rank := _rank(column, name, str(one.get("label") or ""))) is not None
    ]
    return min(ranked)[2] if ranked else None


def _rank(column: Column, name: str, label: str) -> tuple[bool, int] | None:
    spoken = {_words(name), _words(label)}
    ranks = [
        (hint not in spoken, place)
        for place, hint in enumerate(map(_words, column.hints))
        if any(f" {hint} " in f" {words} " for words in spoken)
    ]
    return min(ranks) if ranks else None


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))
