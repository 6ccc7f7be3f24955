"""Deployments by the Metadata API's REST resource: a zipped package in, what became of each component out.

Follows the pages "Deploy Metadata with Apex Testing Using REST", "Check the Status of Your Deployment Using REST
Resources" and "DeployResult". The work is done when the request comes; the first look at it still says that it is in
progress, as clients of the real thing nearly always see.

Deployed are custom objects, custom fields (also on ``Activity``, ``Account`` and so on) and permission sets. Not here:
every other type of metadata, destructive changes, retrieving, cancelling, quick deployments, the SOAP calls.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from integrations.sandbox import salesforce_deployed as org
from integrations.sandbox.salesforce_calls import Call, Reply
from integrations.sandbox.salesforce_components import (
    CustomField,
    MetadataError,
    PermissionSet,
    custom_fields,
    custom_object,
    parsed,
    permission_set,
)
from integrations.sandbox.salesforce_errors import SalesforceError, not_found
from integrations.sandbox.salesforce_ids import made_id
from integrations.sandbox.salesforce_objects import DEFAULT
from integrations.sandbox.salesforce_package import (
    MANIFEST,
    MOST_BYTES,
    deploy_options,
    fields_of,
    members_of,
    multipart,
    unzipped,
)
from integrations.sandbox.salesforce_permissions import RIGHTS
from integrations.sandbox.salesforce_store import INTEGRATION_USER_ID, load, set_columns
from integrations.sandbox.soql_values import wire_instant
from integrations.sandbox.state import State

Json = dict[str, Any]

_TABLE = """CREATE TABLE IF NOT EXISTS salesforce_deployments (
    place INTEGER PRIMARY KEY, answer TEXT NOT NULL, looks INTEGER NOT NULL DEFAULT 0)"""
_PREFIX = "0Af"
_OPTIONS: Mapping[str, Any] = {
    "allowMissingFiles": False,
    "autoUpdatePackage": False,
    "checkOnly": False,
    "ignoreWarnings": False,
    "performRetrieve": False,
    "purgeOnDelete": False,
    "rollbackOnError": True,
    "runTests": None,
    "singlePackage": True,
    "testLevel": "NoTestRun",
}
_NO_TESTS: Mapping[str, Any] = {
    "codeCoverage": [],
    "codeCoverageWarnings": [],
    "failures": [],
    "flowCoverage": [],
    "flowCoverageWarnings": [],
    "numFailures": 0,
    "numTestsRun": 0,
    "successes": [],
    "totalTime": 0.0,
}


def prepare_metadata(state: State) -> None:
    """Make the tables of components and deployments; doing it again changes nothing."""
    org.prepare_components(state)
    state.execute(_TABLE)


def deploy(state: State, call: Call) -> Reply:
    """``POST /metadata/deployRequest``: options and zip in one multipart body.

    Raises:
        SalesforceError: 403, when the user may not deploy; 400, when the body is not what it should be.
    """
    _check_rights(state)
    parts = multipart(call)
    options = {**_OPTIONS, **deploy_options(parts)}
    content = parts.get("file")
    if content is None or len(content) > MOST_BYTES:
        raise SalesforceError(
            "INVALID_MULTIPART_REQUEST", "a part named file with the zip, of at most 39 MB, is needed"
        )
    place = int(state.query("SELECT COUNT(*) + 1 FROM salesforce_deployments")[0][0])
    deployment = made_id(_PREFIX, place)
    result = _Deployment(state, options, deployment).carried_out(content)
    answer = {"id": deployment, "validatedDeployRequestId": None, "deployOptions": options, "deployResult": result}
    state.execute(
        "INSERT INTO salesforce_deployments (place, answer) VALUES (?, ?)", (place, orjson.dumps(answer).decode())
    )
    return Reply({**answer, "deployResult": _not_yet(result, "Pending")}, 201)


def status(state: State, call: Call) -> Reply:
    """``GET /metadata/deployRequest/{id}``: with ``includeDetails=true`` also component by component."""
    rows = state.query("SELECT place, answer, looks FROM salesforce_deployments")
    found = next(
        (row for row in rows if call.path["id"] in {made_id(_PREFIX, row[0]), made_id(_PREFIX, row[0])[:15]}), None
    )
    if found is None:
        raise not_found()
    state.execute("UPDATE salesforce_deployments SET looks = looks + 1 WHERE place = ?", (found[0],))
    answer = orjson.loads(found[1])
    result = answer["deployResult"] if found[2] else _not_yet(answer["deployResult"], "InProgress")
    if call.query.get("includeDetails") != "true":
        result = {name: value for name, value in result.items() if name != "details"}
    return Reply({**answer, "deployResult": result})


def change_rights(state: State, changes: Mapping[str, bool]) -> Json:
    """Give rights to the integration user, or take them; answers all of them.

    Raises:
        ValueError: The org knows no such right.
    """
    if unknown := sorted(changes.keys() - set(RIGHTS)):
        raise ValueError(f"{unknown[0]} is no right; there are {', '.join(RIGHTS)}")
    for right, is_held in changes.items():
        state.execute(f'UPDATE "salesforce__UserPermissionAccess" SET "Permissions{right}" = ?', (int(is_held),))  # noqa: S608
    return _rights(state)


def _rights(state: State) -> Json:
    row = state.records('SELECT * FROM "salesforce__UserPermissionAccess"')[0]
    return {right: bool(row[f"Permissions{right}"]) for right in RIGHTS}


def _check_rights(state: State) -> None:
    held = _rights(state)
    if not (held["ModifyMetadata"] or held["ModifyAllData"]):
        message = "use of the Metadata API requires a user with the ModifyAllData or ModifyMetadata permissions"
        raise SalesforceError("INSUFFICIENT_ACCESS", message, status=403)


# -- the work ---------------------------------------------------------------------------------------------------------


class _RolledBackError(Exception):
    """Everything that the deployment did is taken back."""


@dataclass(slots=True)
class _Deployment:
    """One package on its way into the org."""

    state: State
    options: Mapping[str, Any]
    id: str
    successes: list[Json] = field(default_factory=list)
    failures: list[Json] = field(default_factory=list)

    def carried_out(self, content: bytes) -> Json:
        """Do it, or take it all back; the org's ``deployResult`` either way."""
        try:
            with self.state.transaction():
                self._carry_out(content)
                if self.options["checkOnly"] or (self.failures and self.options["rollbackOnError"]):
                    raise _RolledBackError
                org.make_tables(self.state)
        except _RolledBackError:
            pass
        return self._result()

    def _carry_out(self, content: bytes) -> None:
        try:
            files = unzipped(content)
            members = members_of(files)
        except MetadataError as error:
            self._fail("", MANIFEST, MANIFEST, str(error))
            return
        self._succeed("", MANIFEST, MANIFEST, is_new=False)
        for name in members["CustomObject"]:
            self._component("CustomObject", name, f"objects/{name}.object", files, self._object)
        for name in (*fields_of(members, files), *members["CustomField"]):
            self._component("CustomField", name, f"objects/{name.partition('.')[0]}.object", files, self._field)
        for name in members["PermissionSet"]:
            self._component("PermissionSet", name, f"permissionsets/{name}.permissionset", files, self._permission_set)

    def _component(
        self, kind: str, name: str, path: str, files: Mapping[str, bytes], act: Callable[[str, bytes], bool | None]
    ) -> None:
        if any(
            each["fullName"] == name and each["componentType"] == kind for each in (*self.successes, *self.failures)
        ):
            return
        if path not in files:
            message = (
                f"An object '{name}' of type {kind} was named in package.xml, but was not found in zipped directory"
            )
            self._fail(kind, name, MANIFEST, message)
            return
        try:
            self._succeed(kind, name, path, is_new=act(name, files[path]))
        except MetadataError as error:
            self._fail(kind, name, path, str(error))

    def _object(self, name: str, content: bytes) -> bool | None:
        """Keep an object; whether it is new, or None if nothing changed."""
        made = custom_object(name, parsed(content, "CustomObject"))
        known = org.deployed(self.state).objects.get(name)
        if name.lower() in org.all_objects(self.state).by_name and known is None:
            return None
        if known is not None and known[0] == made:
            return None
        org.keep_object(self.state, made)
        return known is None

    def _field(self, name: str, content: bytes) -> bool | None:
        """Keep a field; whether it is new, or None if nothing changed."""
        home = name.partition(".")[0]
        found = custom_fields(home, parsed(content, "CustomObject").findall("fields"))
        made = found.get(name)
        if made is None:
            message = f"An object '{name}' of type CustomField was named in package.xml, but was not found in zipped"
            raise MetadataError(f"{message} directory")
        if isinstance(made, MetadataError):
            raise made
        self._check_field(made)
        known = org.deployed(self.state).fields.get(name)
        base = self._base_field(made) if known is None else None
        if (known is not None and known == made) or base is not None:
            return None
        org.keep_field(self.state, made)
        return known is None

    def _check_field(self, made: CustomField) -> None:
        objects = org.all_objects(self.state).by_name
        home = "task" if made.home == "Activity" else made.home.lower()
        if home not in objects:
            raise MetadataError(f"In field: object - no CustomObject named {made.home} found")
        for target in made.field.refers_to:
            if target.lower() not in objects:
                raise MetadataError(f"referenceTo value of '{target}' does not resolve to a valid sObject type")
        known = objects[home].by_name.get(made.name.lower())
        if known is not None and known.type != made.field.type:
            raise MetadataError(f"Cannot change the type of {made.full_name} from {known.type} to {made.field.type}")
        twin = made.field.child_relationship
        if twin and any(
            child == twin and (by, of) != (made.name, made.home)
            for target in made.field.refers_to
            for child, of, by, _ in objects[target.lower()].children
        ):
            raise MetadataError(f"The Child Relationship Name {twin.removesuffix('__r')} is in use already")

    def _base_field(self, made: CustomField) -> object | None:
        """The field of that name that the org began with."""
        if org.is_bare(self.state):
            return None
        entity = DEFAULT.by_name.get("task" if made.home == "Activity" else made.home.lower())
        return entity.by_name.get(made.name.lower()) if entity else None

    def _permission_set(self, name: str, content: bytes) -> bool | None:
        """Keep a permission set with its grants; whether it is new, or None if it is unchanged in name."""
        made = permission_set(name, parsed(content, "PermissionSet"))
        self._check_grants(made)
        rows = self.state.query(
            'SELECT "Id" FROM "salesforce__PermissionSet" WHERE "Name" = ? AND "IsDeleted" = 0', (name,)
        )
        rights = {f"Permissions{right}": right in made.rights for right in RIGHTS}
        about = {"Label": made.label, "Description": made.description[:255]}
        if rows:
            set_id = str(rows[0][0])
            set_columns(self.state, DEFAULT.by_name["permissionset"], set_id, {**about, **_as_numbers(rights)})
        else:
            set_id = load(self.state, "PermissionSet", [{"Name": name, **about, **rights}])[0]
        for target, flags in made.objects.items():
            self._grant("ObjectPermissions", set_id, {"SobjectType": target}, flags)
        for target, flags in made.fields.items():
            self._grant("FieldPermissions", set_id, {"Field": target, "SobjectType": target.partition(".")[0]}, flags)
        return not rows or None

    def _check_grants(self, made: PermissionSet) -> None:
        objects = org.all_objects(self.state).by_name
        for target in made.objects:
            if target.lower() not in objects:
                raise MetadataError(f"In field: object - no CustomObject named {target} found")
        for target in made.fields:
            home, _, name = target.partition(".")
            known = objects[home.lower()].by_name.get(name.lower()) if home.lower() in objects else None
            if known is None:
                raise MetadataError(f"In field: field - no CustomField named {target} found")
            if known.is_master or (known.required and known.is_custom):
                raise MetadataError(f"You cannot deploy to a required field: {target}")

    def _grant(self, table: str, set_id: str, target: Mapping[str, str], flags: Mapping[str, bool]) -> None:
        name, wanted = next(iter(target.items()))
        rows = self.state.query(
            f'SELECT "Id" FROM "salesforce__{table}" WHERE "ParentId" = ? AND "{name}" = ? AND "IsDeleted" = 0',  # noqa: S608
            (set_id, wanted),
        )
        granted = {f"Permissions{flag}": is_held for flag, is_held in flags.items()}
        if rows:
            set_columns(self.state, DEFAULT.by_name[table.lower()], str(rows[0][0]), _as_numbers(granted))
        elif any(flags.values()):
            load(self.state, table, [{"ParentId": set_id, **target, **granted}])

    # -- the answer ---------------------------------------------------------------------------------------------------

    def _succeed(self, kind: str, name: str, path: str, *, is_new: bool | None) -> None:
        changes = {"created": bool(is_new), "changed": is_new is not None, "success": True}
        self.successes.append(self._message(kind, name, path) | changes)

    def _fail(self, kind: str, name: str, path: str, problem: str) -> None:
        self.failures.append(self._message(kind, name, path) | {"problem": problem, "problemType": "Error"})

    def _message(self, kind: str, name: str, path: str) -> Json:
        now = wire_instant(self.state.clock.now())
        return {
            "changed": False,
            "columnNumber": None,
            "componentType": kind,
            "created": False,
            "createdDate": now,
            "deleted": False,
            "fileName": path,
            "fullName": name,
            "id": None,
            "lineNumber": None,
            "problem": None,
            "problemType": None,
            "success": False,
        }

    def _result(self) -> Json:
        now = wire_instant(self.state.clock.now())
        components = [each for each in self.successes if each["componentType"]]
        is_partial = bool(self.failures) and not self.options["rollbackOnError"]
        state = "Succeeded" if not self.failures else "SucceededPartial" if is_partial and components else "Failed"
        return {
            "checkOnly": bool(self.options["checkOnly"]),
            "completedDate": now,
            "createdBy": INTEGRATION_USER_ID[:15],
            "createdByName": "Integration User",
            "createdDate": now,
            "details": {
                "allComponentMessages": [],
                "componentFailures": self.failures,
                "componentSuccesses": self.successes,
                "retrieveResult": None,
                "runTestResult": dict(_NO_TESTS),
            },
            "done": True,
            "id": self.id,
            "ignoreWarnings": bool(self.options["ignoreWarnings"]),
            "lastModifiedDate": now,
            "numberComponentErrors": len(self.failures),
            "numberComponentsDeployed": len(components),
            "numberComponentsTotal": len(components) + len(self.failures),
            "numberTestErrors": 0,
            "numberTestsCompleted": 0,
            "numberTestsTotal": 0,
            "rollbackOnError": bool(self.options["rollbackOnError"]),
            "runTestsEnabled": False,
            "startDate": now,
            "status": state,
            "success": state == "Succeeded",
        }


def _not_yet(result: Json, state: str) -> Json:
    """The same deployment before it was done."""
    started = {} if state == "Pending" else {"startDate": result["startDate"]}
    details = {**result["details"], "componentFailures": [], "componentSuccesses": []}
    open_ended = {name: value for name, value in result.items() if name not in {"completedDate", "startDate"}}
    counts = {"numberComponentErrors": 0, "numberComponentsDeployed": 0, "numberComponentsTotal": 0}
    return {**open_ended, **started, **counts, "details": details, "done": False, "status": state, "success": False}


def _as_numbers(flags: Mapping[str, bool]) -> dict[str, int]:
    return {name: int(is_held) for name, is_held in flags.items()}
