"""What ``doctor`` says of an org beside its mapping: the keys that make writing safe, lacks, excess."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from integrations.errors import CrmRefusedError
from integrations.provisioning import Part, Standing
from integrations.salesforce.fields import ITEM, KEY_FIELD, PLAN, SECTION, TASK
from integrations.salesforce.needs import ACTIVITY, EXCESSIVE_RIGHTS
from integrations.salesforce.org import Org
from integrations.salesforce.soql import select
from integrations.salesforce.standing import described, parts, unwritable
from models.records import Finding

PROVISION = "run: plansync provision salesforce (or deploy its package by hand: --package FOLDER)"
KEYED: Mapping[str, str] = {TASK: ACTIVITY, PLAN: PLAN, SECTION: SECTION}
"""Where new records are upserted by key, and where that key is defined."""


def findings(org: Org) -> Iterator[Finding]:
    """Keys, plan objects, rights.

    Raises:
        CrmUnavailableError, CrmRefusedError: The org cannot be asked.
    """
    found = parts(org)
    by_name = {part.name: part for part in found}
    yield from (_key(sobject, by_name[f"{home}.{KEY_FIELD}"]) for sobject, home in KEYED.items())
    yield _key_mode(by_name)
    yield from _plan_objects(found)
    yield from _tasks(org)
    yield excess(org)


def _is_usable(part: Part) -> bool:
    return part.standing is Standing.PRESENT


def _key(sobject: str, part: Part) -> Finding:
    name = f"{sobject}.{KEY_FIELD}"
    detail = f"{name} is a unique external id" if _is_usable(part) else f"{name}: {_said(part)}"
    return Finding(f"salesforce {sobject} key", _is_usable(part), detail, _fix(part))


def _key_mode(by_name: Mapping[str, Part]) -> Finding:
    lacking = [sobject for sobject, home in KEYED.items() if not _is_usable(by_name[f"{home}.{KEY_FIELD}"])]
    if lacking:
        detail = f"none: {', '.join(lacking)} cannot be upserted by {KEY_FIELD}, so nothing new can be written there"
        return Finding("salesforce key mode", False, detail, PROVISION)
    detail = f"a (unique key): new records are upserted by the unique external id {KEY_FIELD}"
    return Finding("salesforce key mode", True, detail)


def _plan_objects(found: Sequence[Part]) -> Iterator[Finding]:
    keys = {f"{home}.{KEY_FIELD}" for home in KEYED.values()}
    lacking = [part for part in found if part.standing is not Standing.PRESENT and part.name not in keys]
    if all(part.name.startswith(ITEM) or part.kind.startswith("permission") for part in lacking):
        yield Finding("salesforce plan objects", True, "as needed")
    for part in lacking:
        is_optional = part.name.startswith(ITEM) or part.kind.startswith("permission")
        why = "; plan items can only come from files" if part.name == ITEM else ""
        if part.kind in {"object", "permission set"} or not _is_within(part, lacking):
            yield Finding(
                f"salesforce {part.kind} {part.name}",
                is_optional,
                f"{_said(part)}{why}",
                _fix(part),
                is_warning=is_optional and part.standing is Standing.DIFFERS,
            )


def _is_within(part: Part, lacking: Sequence[Part]) -> bool:
    """Whether the part's object is lacking as a whole, which says enough."""
    return any(other.kind == "object" and part.name.startswith(f"{other.name}.") for other in lacking)


def _said(part: Part) -> str:
    return part.detail or f"is {part.standing} ({part.wanted})"


def _fix(part: Part) -> str:
    return "" if _is_usable(part) else part.todo or PROVISION


def _tasks(org: Org) -> Iterator[Finding]:
    known = described(org, TASK)
    if known is None:
        return  # the mapping's check has said so
    names = unwritable(known)
    is_ok = bool(known.get("createable") and known.get("updateable")) and not names
    detail = "may be created and edited" if is_ok else f"may not be written: {', '.join(names) or 'no record at all'}"
    fix = "" if is_ok else "grant the user the right Edit Tasks, and edit on these fields"
    yield Finding("salesforce task rights", is_ok, detail, fix)


def excess(org: Org) -> Finding:
    """Rights that the signed-in user holds and no nightly run needs."""
    check = "salesforce excess rights"
    query = select("UserPermissionAccess", [f"Permissions{right}" for right in EXCESSIVE_RIGHTS])
    try:
        held: dict[str, Any] = next((record for page in org.query_pages(query) for record in page), {})
    except CrmRefusedError:
        return Finding(check, True, "unknown: the org does not tell of this user's rights")
    names = [right for right in EXCESSIVE_RIGHTS if held.get(f"Permissions{right}")]
    if not names:
        return Finding(check, True, f"none of {', '.join(EXCESSIVE_RIGHTS)}")
    fix = "let the nightly run sign in as a user with the permission set Plansync and little else"
    return Finding(check, True, f"holds {', '.join(names)}", fix, is_warning=True)
