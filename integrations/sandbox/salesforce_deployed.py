"""What has been deployed to the org: kept in the state, and shown to the integration user as far as it is permitted.

An org of the samples has everything; a bare one lacks what plansync's package deploys. What is deployed later is seen
only through a permission set that is assigned to the user, as in an org where nobody touched the profiles.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from integrations.sandbox.salesforce_components import ACTIVITY, CustomField, CustomObject
from integrations.sandbox.salesforce_objects import DEFAULT, PLANSYNC_KEY, PLANSYNC_OBJECTS, STANDARD
from integrations.sandbox.salesforce_org import ORG, OrgObjects
from integrations.sandbox.salesforce_schema import Field, SObject, derived, text
from integrations.sandbox.salesforce_store import INTEGRATION_USER_ID, make_table
from integrations.sandbox.state import State

_TABLE = """CREATE TABLE IF NOT EXISTS salesforce_components (
    full_name TEXT PRIMARY KEY, place INTEGER NOT NULL, definition TEXT NOT NULL)"""
_BARE = "salesforce_bare"
_FIRST_PREFIX = 0xA00
_GRANTS = """
    SELECT grants."{name}", {flags} FROM "salesforce__{table}" grants
    JOIN "salesforce__PermissionSetAssignment" held ON held."PermissionSetId" = grants."ParentId"
    WHERE held."AssigneeId" = ? AND held."IsDeleted" = 0 AND grants."IsDeleted" = 0 AND grants."PermissionsRead" = 1
"""


@dataclass(frozen=True, slots=True)
class Deployed:
    """The components that were deployed, oldest first, objects with the prefix of their ids."""

    objects: Mapping[str, tuple[CustomObject, str]]
    fields: Mapping[str, CustomField]


def prepare_components(state: State) -> None:
    """Make the table of deployed components; doing it again changes nothing."""
    state.execute(_TABLE)


def make_bare(state: State) -> None:
    """Take what plansync's package deploys out of the org: objects, records, and the keys of tasks."""
    state.meta_set(_BARE, "1")
    for entity in PLANSYNC_OBJECTS:
        state.execute(f'DELETE FROM "salesforce__{entity.name}"')  # noqa: S608 - our own names


def is_bare(state: State) -> bool:
    """Whether the org began without plansync's objects."""
    return state.meta_get(_BARE) == "1"


def deployed(state: State) -> Deployed:
    """Everything that was deployed, whoever may see it."""
    rows = state.query("SELECT definition FROM salesforce_components ORDER BY place")
    found = [orjson.loads(row[0]) for row in rows]
    objects = [(CustomObject(**each["object"]), each["prefix"]) for each in found if "object" in each]
    fields = [CustomField(each["home"], each["name"], _field(each["field"])) for each in found if "field" in each]
    return Deployed(
        {each.full_name: (each, prefix) for each, prefix in objects}, {each.full_name: each for each in fields}
    )


def keep_object(state: State, made: CustomObject) -> None:
    """Deploy an object, or replace what was said of it."""
    known = deployed(state).objects.get(made.full_name)
    _keep(state, made.full_name, {"object": asdict(made), "prefix": known[1] if known else _free_prefix(state)})


def keep_field(state: State, made: CustomField) -> None:
    """Deploy a field, or replace what was said of it."""
    _keep(state, made.full_name, {"home": made.home, "name": made.name, "field": asdict(made.field)})


def make_tables(state: State) -> None:
    """Give everything that is deployed its tables and columns."""
    for entity in _all_objects(state, None).by_name.values():
        make_table(state, entity)


def _keep(state: State, full_name: str, definition: Mapping[str, Any]) -> None:
    sql = """INSERT INTO salesforce_components VALUES (?, (SELECT COUNT(*) FROM salesforce_components), ?)
             ON CONFLICT (full_name) DO UPDATE SET definition = excluded.definition"""
    state.execute(sql, (full_name, orjson.dumps(definition).decode()))


def _field(found: Mapping[str, Any]) -> Field:
    return Field(**{**found, "refers_to": tuple(found["refers_to"]), "values": tuple(found["values"])})


def _free_prefix(state: State) -> str:
    taken = {prefix for _, prefix in deployed(state).objects.values()} | DEFAULT.by_prefix.keys()
    return next(prefix for number in range(_FIRST_PREFIX, 0x1000) if (prefix := f"{number:03x}") not in taken)


# -- what the API shows -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Permitted:
    """What the integration user may see, and beside it whether it may write it."""

    objects: Mapping[str, bool]
    fields: Mapping[str, bool]


def _permitted(state: State) -> _Permitted:
    def granted(table: str, name: str, flags: str) -> dict[str, bool]:
        rows = state.query(_GRANTS.format(table=table, name=name, flags=flags), (INTEGRATION_USER_ID,))
        found: dict[str, bool] = {}
        for target, is_written in rows:
            found[target] = found.get(target, False) or bool(is_written)
        return found

    objects = granted("ObjectPermissions", "SobjectType", 'grants."PermissionsCreate" AND grants."PermissionsEdit"')
    return _Permitted(objects, granted("FieldPermissions", "Field", 'grants."PermissionsEdit"'))


def all_objects(state: State) -> OrgObjects:
    """The org as it is, whoever may see it."""
    return _all_objects(state, None)


def _all_objects(state: State, permitted: _Permitted | None) -> OrgObjects:
    has = deployed(state)
    base = _without_plansync() if is_bare(state) else STANDARD
    shown = [
        _with_fields(
            entity,
            [each for home in _homes(entity.name) for each in has.fields.values() if each.home == home],
            permitted,
        )
        for entity in (*base, *(_entity(*each) for each in has.objects.values()))
        if permitted is None or entity.name not in has.objects or entity.name in permitted.objects
    ]
    if permitted is not None:
        shown = [_as_permitted(each, has, permitted) for each in shown]
    return OrgObjects.of(shown)


def _homes(name: str) -> Sequence[str]:
    return (name, "Activity") if name in ACTIVITY else (name,)


def _without_plansync() -> Iterator[SObject]:
    gone = {each.name for each in PLANSYNC_OBJECTS}
    gone |= {f"{name.removesuffix('__c')}__History" for name in gone}
    for entity in STANDARD:
        if entity.name not in gone:
            fields = tuple(each for each in entity.own_fields if each.name != PLANSYNC_KEY)
            yield replace(entity, own_fields=fields)


def _entity(made: CustomObject, prefix: str) -> SObject:
    number = made.number_format
    digits = number.count("0", number.find("{"), number.find("}")) if number else 0
    counted = f"{number.partition('{')[0]}{{:0{digits}d}}{number.partition('}')[2]}"
    name = derived("Name", "string", 80, auto_number=counted) if number else text("Name", 80)
    return SObject(made.full_name, made.plural, prefix, (name,), has_owner=not made.is_detail)


def _with_fields(entity: SObject, added: Sequence[CustomField], permitted: _Permitted | None) -> SObject:
    known = {each.name.lower() for each in entity.own_fields}
    fields = [
        replace(each.field, written=each.field.written and _may_write(entity.name, each, permitted))
        for each in added
        if each.name.lower() not in known and _may_see(entity.name, each, permitted)
    ]
    return replace(entity, own_fields=(*entity.own_fields, *fields)) if fields else entity


def _may_see(home: str, made: CustomField, permitted: _Permitted | None) -> bool:
    return permitted is None or not made.needs_permission or _permission_name(home, made) in permitted.fields


def _may_write(home: str, made: CustomField, permitted: _Permitted | None) -> bool:
    if permitted is None or not made.needs_permission:
        return True
    return permitted.fields.get(_permission_name(home, made), False)


def _permission_name(home: str, made: CustomField) -> str:
    """Fields of tasks and events are permitted as the task's."""
    return f"{ACTIVITY[0] if made.home == 'Activity' else home}.{made.name}"


def _as_permitted(entity: SObject, has: Deployed, permitted: _Permitted) -> SObject:
    may_write = entity.name not in has.objects or permitted.objects.get(entity.name, False)
    return entity if may_write else replace(entity, can_be_written=False)


_FINGERPRINT = """SELECT
    (SELECT COUNT(*) || definition FROM salesforce_components ORDER BY place DESC LIMIT 1),
    (SELECT COUNT(*) || '/' || MAX("SystemModstamp") FROM "salesforce__PermissionSetAssignment" WHERE "IsDeleted" = 0),
    (SELECT COUNT(*) || '/' || SUM("PermissionsEdit") || '/' || SUM("PermissionsRead")
       FROM "salesforce__FieldPermissions" WHERE "IsDeleted" = 0),
    (SELECT COUNT(*) || '/' || SUM("PermissionsEdit") || '/' || SUM("PermissionsCreate")
       || '/' || SUM("PermissionsRead") FROM "salesforce__ObjectPermissions" WHERE "IsDeleted" = 0)
"""


class OwnObjects:
    """Lets every request see the objects that this org has at the moment."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app, self._state = app, state
        self._known: tuple[Any, OrgObjects] = (None, DEFAULT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        mark = ORG.set(self._current())
        try:
            await self._app(scope, receive, send)
        finally:
            ORG.reset(mark)

    def _current(self) -> OrgObjects:
        has_own = is_bare(self._state) or self._state.query("SELECT 1 FROM salesforce_components LIMIT 1")
        if not has_own:
            return DEFAULT
        fingerprint = self._state.query(_FINGERPRINT)[0]
        if fingerprint != self._known[0]:
            self._known = (fingerprint, _all_objects(self._state, _permitted(self._state)))
        return self._known[1]
