"""Making what an org lacks: a trial, one deployment of what is new, grants one by one, an assignment if asked.

The Metadata API deploys all of a package or nothing, so a refusal leaves the org as it was, and what a lost answer left
behind is seen by the next comparison.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.provisioning import Made, Part
from integrations.salesforce.metadata_files import archive, package, permitted_fields
from integrations.salesforce.needs import OBJECT_RIGHTS, PERMISSION_SET
from integrations.salesforce.org import Org
from integrations.salesforce.soql import select, soql
from integrations.salesforce.wire import CRM, decoded, described_error
from integrations.transport import Request

Json = Mapping[str, Any]

FIRST_POLL_S, LONGEST_POLL_S, LONGEST_DEPLOY_S = 0.2, 10.0, 1_800.0
ROLLED_BACK = "not done: the org takes all of a deployment or nothing"
THERE = "is there already, hidden from the signed-in user; left as it is"
DEPLOY_RIGHTS = "sign in as an admin with the rights that docs/reference/permissions.md names for provisioning"


def create(org: Org, missing: Sequence[Part]) -> Iterator[Made]:
    """Make the missing parts, saying of each what became of it.

    Raises:
        CrmUnavailableError: The org does not answer or is still deploying; the next comparison sees what it did.
        CrmRefusedError: The signed-in user may not deploy.
    """
    deployed = [part for part in missing if part.kind != "permission"]
    if deployed:
        yield from _deployed(org, deployed)
    yield from (_granted(org, part) for part in missing if part.kind == "permission")


# -- deploying --------------------------------------------------------------------------------------------------------


def _deployed(org: Org, wanted: Sequence[Part]) -> Iterator[Made]:
    """Deploy what is new; the org is asked first, without effect, what that is.

    A component that the signed-in user may not see looks missing, and deploying it would change it.
    """
    tried = deploy(org, _archive_of(org, wanted), check_only=True)
    if tried.get("status") != "Succeeded":
        yield from _outcomes(tried, wanted)
        return
    there = {str(each.get("fullName")) for each in _messages(tried, "componentSuccesses") if not each.get("created")}
    for part in wanted:
        if part.name in there:
            yield Made(part, note=THERE, is_new=False)
    new = [part for part in wanted if part.name not in there]
    if new:
        yield from _outcomes(deploy(org, _archive_of(org, new)), new)


def _archive_of(org: Org, wanted: Sequence[Part]) -> bytes:
    return archive(package([part.name for part in wanted], org.config.api_version))


def _messages(result: Json, kind: str) -> Sequence[Json]:
    """The messages of one kind; the org leaves the list away where there is none, and sends a single one bare."""
    found = (result.get("details") or {}).get(kind) or ()
    return (found,) if isinstance(found, dict) else found


def _outcomes(result: Json, wanted: Sequence[Part]) -> Iterator[Made]:
    problems = {str(each.get("fullName")): _problem(each) for each in _messages(result, "componentFailures")}
    is_done = result.get("status") == "Succeeded"
    names = {part.name for part in wanted}
    elsewhere = sorted(f"{name}: {said}" for name, said in problems.items() if name not in names)
    reason = result.get("errorMessage") or "; ".join(elsewhere)
    for part in wanted:
        problem = problems.get(part.name) or (f"{ROLLED_BACK}{f' ({reason})' if reason else ''}")
        yield Made(part, problem="" if is_done else problem)


def _problem(failure: Json) -> str:
    """What the org says of one of our components; it speaks of metadata, never of records."""
    place = f" (line {failure['lineNumber']})" if failure.get("lineNumber") else ""
    return f"{failure.get('problem') or failure.get('problemType') or 'refused'}{place}"


def deploy(org: Org, content: bytes, *, check_only: bool = False) -> Json:
    """Deploy a zipped package, all or nothing, and wait for its end.

    Args:
        check_only: Let the org say what would become of it, and change nothing.

    Returns:
        The org's ``deployResult``, with details.

    Raises:
        CrmUnavailableError: The org does not answer, or is still at it when patience ends.
        CrmRefusedError: The signed-in user may not deploy.
    """
    options = {"checkOnly": check_only, "rollbackOnError": True, "singlePackage": True, "testLevel": "NoTestRun"}
    body, kind = _form({"deployOptions": options}, content)
    path = f"{org.root}/metadata/deployRequest"
    # Deploying the same package again says that nothing changed: it may be repeated.
    request = Request("POST", path, is_repeatable=True, body=body, headers={"Content-Type": kind})
    answer = org.wire.exchange(request, is_write=True, tolerated=frozenset({400, 403}))
    if answer.status >= 400:
        raise CrmRefusedError(f"{CRM}: {request}: HTTP {answer.status} {described_error(answer)}; {DEPLOY_RIGHTS}")
    made = decoded(answer, str(request))
    return _ended(org, f"{path}/{_id_of(made)}")


def _ended(org: Org, path: str) -> Json:
    wait, waited = FIRST_POLL_S, 0.0
    request = Request("GET", path, is_repeatable=True, params={"includeDetails": "true"})
    while True:
        told = decoded(org.wire.exchange(request), str(request)).get("deployResult")
        if not isinstance(told, dict):
            raise CrmUnavailableError(f"{CRM}: {request}: the answer is not a deployment")
        if told.get("done"):
            return told
        if waited + wait > LONGEST_DEPLOY_S:
            raise CrmUnavailableError(
                f"{CRM}: {request}: {told.get('status')} after {waited:.0f} s; see Deployment Status in Setup, then "
                "run this again: it goes on from what is there"
            )
        org.patience.sleep(wait)
        waited, wait = waited + wait, min(LONGEST_POLL_S, wait * 2)


def _id_of(answer: Json) -> str:
    found = str(answer.get("id") or (answer.get("deployResult") or {}).get("id") or "")
    if not found.isalnum():
        raise CrmUnavailableError(f"{CRM}: POST deployRequest: the answer names no deployment")
    return found


def _form(options: Json, content: bytes) -> tuple[bytes, str]:
    """A multipart body of options and zip, and its content type."""
    boundary = f"plansync-{uuid.uuid4().hex}"
    head = f"--{boundary}\r\nContent-Disposition: form-data; name="
    body = b"".join(
        (
            f'{head}"json"\r\nContent-Type: application/json\r\n\r\n'.encode(),
            orjson.dumps(options),
            f'\r\n{head}"file"; filename="deploy.zip"\r\nContent-Type: application/zip\r\n\r\n'.encode(),
            content,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
    return body, f'multipart/form-data; boundary="{boundary}"'


# -- permissions ------------------------------------------------------------------------------------------------------


def _granted(org: Org, part: Part) -> Made:
    """Add one grant to the permission set; others in it stay as they are."""
    path, record = _grant(part.name, _set_id(org))
    return Made(part, problem=_inserted(org, path, record))


def _grant(name: str, set_id: str) -> tuple[str, Json]:
    sobject, _, field_name = name.partition(".")
    record: dict[str, Any] = {"ParentId": set_id, "SobjectType": sobject, "PermissionsRead": True}
    if field_name:
        needed = dict(permitted_fields())[name]
        return "FieldPermissions", {**record, "Field": name, "PermissionsEdit": needed.is_written}
    right = next(each for each in OBJECT_RIGHTS if each.sobject == sobject)
    more = {"PermissionsCreate": right.creates, "PermissionsEdit": right.edits}
    return "ObjectPermissions", {**record, **more, "PermissionsViewAllRecords": right.sees_all}


def assign(org: Org, username: str) -> str:
    """Assign the permission set to an active user; doing it again changes nothing.

    Returns:
        What was done, in a few words.

    Raises:
        CrmRefusedError: There is no such user or permission set, or the signed-in user may not assign.
    """
    users = _ids(org, select("User", ["Id"], soql("Username = {name} AND IsActive = true", name=username)))
    if not users:
        raise CrmRefusedError(f"{CRM}: no active user {username!r}; --assign takes a user name, as on the user's page")
    record = {"AssigneeId": users[0], "PermissionSetId": _set_id(org)}
    where = soql("AssigneeId = {AssigneeId} AND PermissionSetId = {PermissionSetId}", **record)
    if _ids(org, select("PermissionSetAssignment", ["Id"], where)):
        return f"{username} already has the permission set {PERMISSION_SET}"
    if problem := _inserted(org, "PermissionSetAssignment", record):
        raise CrmRefusedError(f"{CRM}: assigning {PERMISSION_SET} to {username!r}: {problem}")
    return f"assigned the permission set {PERMISSION_SET} to {username}"


def _set_id(org: Org) -> str:
    ids = _ids(org, select("PermissionSet", ["Id"], soql("Name = {name}", name=PERMISSION_SET)))
    if not ids:
        raise CrmRefusedError(
            f"{CRM}: there is no permission set {PERMISSION_SET}: run provision without --check first"
        )
    return ids[0]


def _ids(org: Org, query: str) -> list[str]:
    return [str(record["Id"]) for page in org.query_pages(query) for record in page]


def _inserted(org: Org, sobject: str, record: Json) -> str:
    """Insert a record of the org's set-up, which holds no customer's data; why it was refused, or nothing."""
    path = f"{org.root}/sobjects/{sobject}"
    headers = {"Content-Type": "application/json"}
    request = Request("POST", path, is_repeatable=False, body=orjson.dumps(record), headers=headers)
    answer = org.wire.exchange(request, is_write=True, tolerated=frozenset({400, 403, 404}))
    return "" if answer.status < 300 else f"HTTP {answer.status} {described_error(answer)}".rstrip()
