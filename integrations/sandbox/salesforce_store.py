"""The org in the state: its tables, its integration user, itself as a record, bulk loading, and stored values."""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.sandbox.salesforce_derived import account_of, derived_values, is_archived
from integrations.sandbox.salesforce_errors import SalesforceError, no_such_object
from integrations.sandbox.salesforce_ids import id_18, made_id, normal_id
from integrations.sandbox.salesforce_objects import OBJECTS, USER
from integrations.sandbox.salesforce_permissions import INITIAL_RIGHTS, USER_PERMISSION_ACCESS
from integrations.sandbox.salesforce_related import ORGANIZATION
from integrations.sandbox.salesforce_schema import Field, SObject
from integrations.sandbox.salesforce_values import loaded_value
from integrations.sandbox.soql_sql import stored
from integrations.sandbox.soql_values import wire_instant
from integrations.sandbox.state import State

CRM = "salesforce"
INTEGRATION_USER_ID = made_id(USER.key_prefix, 0)
INTEGRATION_USERNAME = "integration@sandbox.invalid"
ORG_ID = id_18("00D5g0000000001")

_HISTORIES = [each.name for each in OBJECTS.values() if each.is_history]
_MANY_HISTORIES = 64


def prepare(state: State) -> None:
    """Make the org's tables, and the user as whom integrations write. Doing it again changes nothing."""
    with state.transaction():
        for entity in OBJECTS.values():
            make_table(state, entity)
        if not state.query(f'SELECT 1 FROM {stored(USER)} WHERE "Id" = ?', (INTEGRATION_USER_ID,)):  # noqa: S608
            load(state, "User", [_integration_user()])
        if not state.query(f"SELECT 1 FROM {stored(ORGANIZATION)}"):  # noqa: S608 - our own name
            load(state, "Organization", [_organization()])
        if not state.query(f"SELECT 1 FROM {stored(USER_PERMISSION_ACCESS)}"):  # noqa: S608 - our own name
            load(state, "UserPermissionAccess", [{f"Permissions{right}": True for right in INITIAL_RIGHTS}])


def make_table(state: State, entity: SObject) -> None:
    """Make the table of an object, or add the columns that it lacks."""
    columns = {"_row": "INTEGER PRIMARY KEY", **{each.name: each.sqlite_type for each in entity.fields}}
    if not entity.can_be_deleted:
        columns["IsDeleted"] = "INTEGER NOT NULL DEFAULT 0"
    unique = [each.name for each in entity.fields if each.unique]
    stamp = () if "systemmodstamp" not in entity.by_name else ("SystemModstamp",)
    indexes = [(name,) for name in (*stamp, *entity.indexed, *unique)]
    state.create_table(CRM, entity.name, columns, indexes=indexes)


def entity_named(name: str) -> SObject:
    """The object of this name, in any spelling of capitals.

    Raises:
        SalesforceError: INVALID_TYPE.
    """
    found = OBJECTS.get(name.lower())
    if found is None:
        raise SalesforceError("INVALID_TYPE", no_such_object(name))
    return found


def load(state: State, object_name: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Put records in as they are, unchecked and unlogged: for sample data, not for the API.

    What a row gives is kept (also ``Id``, ``CreatedDate``, ``SystemModstamp``, ``IsDeleted``); what it leaves out is
    worked out as Salesforce would. Values may be of Python's types: aware datetimes, dates, Decimals, booleans.

    Returns:
        The ids in the order of the rows.

    Raises:
        SalesforceError: INVALID_TYPE or INVALID_FIELD, for a name that the org does not know.
        ValueError: An id is no id of this object.
        sqlite3.IntegrityError: An id exists already.
    """
    entity = entity_named(object_name)
    names = {name: _column(entity, name) for row in {tuple(row) for row in rows} for name in row}
    with state.transaction():
        first = next_row(state, entity)
        loader = _Loader(state, entity, names)
        whole = [loader.whole(row, number) for number, row in enumerate(rows, first)]
        state.insert_many(CRM, entity.name, whole)
    return [str(row["Id"]) for row in whole]


def records_of(state: State, entity: SObject) -> int:
    """How many records an object has outside the recycle bin."""
    return int(state.query(f'SELECT COUNT(*) FROM {stored(entity)} WHERE "IsDeleted" = 0')[0][0])  # noqa: S608


def next_row(state: State, entity: SObject) -> int:
    """The number of the next record of an object; ids and automatic numbers follow from it, and none comes twice."""
    sql = (
        f"SELECT 1 + MAX(COALESCE((SELECT MAX(_row) FROM {stored(entity)}), 0), "  # noqa: S608 - from the schema
        "COALESCE((SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?), 0))"
    )
    return int(state.query(sql, (_used_rows(entity),))[0][0])


def keep_numbers_used(state: State, entity: SObject) -> None:
    """Remember the highest number so far, before records are deleted for good: no id is ever given again."""
    state.meta_set(_used_rows(entity), str(next_row(state, entity) - 1))


def _used_rows(entity: SObject) -> str:
    return f"salesforce_used_rows:{entity.name}"


def new_id(entity: SObject, number: int) -> str:
    """The id for the record in row ``number``; histories, which share a prefix, share no id."""
    if entity.is_history:
        number = number * _MANY_HISTORIES + _HISTORIES.index(entity.name)
    return made_id(entity.key_prefix, number)


def stamps(state: State) -> dict[str, Any]:
    """What every write by the integration user sets."""
    now = wire_instant(state.clock.now())
    return {"LastModifiedDate": now, "LastModifiedById": INTEGRATION_USER_ID, "SystemModstamp": now}


def set_columns(state: State, entity: SObject, record_id: str, changes: Mapping[str, Any]) -> None:
    """Set stored values of one record."""
    assignments = ", ".join(f'"{name}" = ?' for name in changes)
    sql = f'UPDATE {stored(entity)} SET {assignments} WHERE "Id" = ?'  # noqa: S608 - names from the schema
    state.execute(sql, (*changes.values(), record_id))


class _Loader:
    """Fills in what rows leave out."""

    def __init__(self, state: State, entity: SObject, names: Mapping[str, str]) -> None:
        self.state, self.entity, self.names = state, entity, names
        self.now = state.clock.now()
        self.defaults = {each.name: _default(each) for each in entity.fields if _default(each) is not None}
        self.flags = dict.fromkeys((each.name for each in entity.fields if each.type == "boolean"), 0)
        self.auto = next(((each.name, each.auto_number) for each in entity.fields if each.auto_number), None)
        self.is_activity = "isarchived" in entity.by_name

    def whole(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        given = {self.names[name]: loaded_value(value) for name, value in row.items()}
        given["Id"] = self._id(given.get("Id"), number)
        created = given.setdefault("CreatedDate", wire_instant(self.now))
        modified = given.setdefault("LastModifiedDate", given.get("SystemModstamp") or created)
        given.setdefault("SystemModstamp", modified)
        given = {**self.defaults, **{name: value for name, value in given.items() if value is not None}}
        given = {**derived_values(self.entity, given, self.now), **given}
        if self.auto and self.auto[1]:
            given.setdefault(self.auto[0], self.auto[1].format(number))
        if self.is_activity:
            self._place(given)
        if self.entity.is_history:
            given = {name: value for name, value in given.items() if name.lower() in self.entity.by_name}
        return {"_row": number, **self.flags, **given}

    def _id(self, given: str | None, number: int) -> str:
        if given is None:
            return new_id(self.entity, number)
        if not given.startswith(self.entity.key_prefix) or normal_id(given) != given:
            raise ValueError(f"not an 18-character id of {self.entity.name}: {given!r}")
        return given

    def _place(self, given: dict[str, Any]) -> None:
        if "AccountId" not in given:
            given["AccountId"] = account_of(self.state, given)
        given.setdefault("IsArchived", is_archived(self.entity, given, self.now))


def _column(entity: SObject, name: str) -> str:
    if name == "IsDeleted":
        return name
    found = entity.by_name.get(name.lower())
    if found is None:
        raise SalesforceError("INVALID_FIELD", f"No such column '{name}' on sobject of type {entity.name}")
    return found.name


def _default(field: Field) -> Any:
    if field.name in {"OwnerId", "CreatedById", "LastModifiedById"}:
        return INTEGRATION_USER_ID
    return field.default


def _integration_user() -> dict[str, Any]:
    return {
        "Id": INTEGRATION_USER_ID,
        "Username": INTEGRATION_USERNAME,
        "LastName": "Integration User",
        "Email": INTEGRATION_USERNAME,
        "IsActive": True,
    }


def _organization() -> dict[str, Any]:
    return {
        "Id": ORG_ID,
        "Name": "Sandbox",
        "DefaultLocaleSidKey": "en_US",
        "TimeZoneSidKey": "GMT",
        "LanguageLocaleKey": "en_US",
        "OrganizationType": "Enterprise Edition",
        "InstanceName": "LO1",
        "IsSandbox": True,
    }
