"""Creating, changing and deleting records one at a time, with every rule that Salesforce enforces on the way."""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.sandbox.salesforce_bin import RecycleBin
from integrations.sandbox.salesforce_derived import account_of, derived_values, is_archived
from integrations.sandbox.salesforce_errors import SalesforceError, not_found
from integrations.sandbox.salesforce_ids import normal_id
from integrations.sandbox.salesforce_objects import BY_PREFIX, OBJECTS, USER
from integrations.sandbox.salesforce_schema import Field, SObject
from integrations.sandbox.salesforce_store import CRM, INTEGRATION_USER_ID, new_id, next_row, set_columns, stamps
from integrations.sandbox.salesforce_tracking import note_changed, note_created
from integrations.sandbox.salesforce_values import MalformedBodyError, kept_value
from integrations.sandbox.soql_sql import stored
from integrations.sandbox.state import State, WriteAction

Body = Mapping[str, Any]


class MultipleMatchesError(Exception):
    """An external id that names several records; ``ids`` lists them."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} records match")
        self.ids = ids


class Writer:
    """Writes records into the state and notes each in the ledger. Callers open the transaction."""

    def __init__(self, state: State) -> None:
        self.state = state

    def create(self, entity: SObject, body: Body) -> str:
        """Make a record; returns its id.

        Raises:
            MalformedBodyError: The body cannot be read as the object.
            SalesforceError: A rule of the object refuses it.
        """
        _refuse_read_only(entity, "create")
        values = self.checked(entity, body, creating=True)
        given = {**{each.name: each.default for each in entity.fields if each.default is not None}, **values}
        missing = [each.name for each in entity.fields if each.required and given.get(each.name) is None]
        _require(missing)
        if entity.has_owner and not given.get("OwnerId"):
            given["OwnerId"] = INTEGRATION_USER_ID
        self.check_unique(entity, given, except_id="")
        number = next_row(self.state, entity)
        record_id = new_id(entity, number)
        row = self._new_row(entity, given, record_id, number)
        _refuse_early_activation(entity, row)
        self.state.insert_many(CRM, entity.name, [row])
        self._follow_up(entity, row)
        note_created(self.state, entity, row)
        self.note(entity, record_id, "create")
        return record_id

    def update(self, entity: SObject, record_id: str, body: Body, *, action: WriteAction = "update") -> None:
        """Change a record.

        Raises:
            MalformedBodyError: The body cannot be read as the object.
            SalesforceError: There is no such record, or a rule refuses the change.
        """
        _refuse_read_only(entity, "update")
        current = self.current(entity, record_id)
        changes = self.checked(entity, body, creating=False)
        _require([name for name, value in changes.items() if value is None and _field(entity, name).required])
        self.check_unique(entity, changes, except_id=record_id)
        row = {**current, **changes}
        changes = {**changes, **self._derived(entity, row), **stamps(self.state)}
        set_columns(self.state, entity, record_id, changes)
        self._follow_up(entity, {**row, **changes})
        note_changed(self.state, entity, current, {**row, **changes})
        self.note(entity, record_id, action)

    def upsert(self, entity: SObject, by: Field, value: Any, body: Body) -> tuple[str, bool]:
        """Change the record whose external id ``by`` is ``value``, or make it.

        Returns:
            The record's id, and whether it was made.

        Raises:
            MultipleMatchesError: Several records carry the value.
            MalformedBodyError: The body cannot be read as the object.
            SalesforceError: A rule refuses it.
        """
        kept = kept_value(by, value)
        if kept is None:
            raise SalesforceError("MISSING_ARGUMENT", f"{by.name} not specified", fields=[by.name])
        found = self.named_by(entity, by, kept)
        if len(found) > 1:
            raise MultipleMatchesError(found)
        rest = {name: each for name, each in body.items() if name.lower() != by.name.lower()}
        if not found:
            return self.create(entity, {**rest, by.name: value}), True
        self.update(entity, found[0], rest, action="upsert")
        return found[0], False

    def named_by(self, entity: SObject, by: Field, value: Any) -> list[str]:
        """The ids of the records, outside the recycle bin, whose field ``by`` is ``value``."""
        sql = f'SELECT "Id" FROM {stored(entity)} WHERE "{by.name}" = ? AND "IsDeleted" = 0'  # noqa: S608
        return [str(row[0]) for row in self.state.query(sql, (value,))]

    def delete(self, entity: SObject, record_id: str) -> None:
        """Put a record and what belongs to it into the recycle bin.

        Raises:
            SalesforceError: There is no such record, or it cannot be deleted.
        """
        self.current(entity, record_id)
        if not (entity.can_be_deleted and entity.can_be_written):
            message = f"insufficient access rights to delete {entity.name}"
            raise SalesforceError("INSUFFICIENT_ACCESS_OR_READONLY", message)
        RecycleBin(self.state).put(entity, record_id, self.note)

    def current(self, entity: SObject, record_id: str) -> dict[str, Any]:
        """The stored row of a record that exists.

        Raises:
            SalesforceError: NOT_FOUND or ENTITY_IS_DELETED.
        """
        found = self.stored_row(entity, record_id)
        if found["IsDeleted"]:
            raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", status=404, fields=[])
        return found

    def stored_row(self, entity: SObject, record_id: str) -> dict[str, Any]:
        """The stored row of a record, even of one in the recycle bin.

        Raises:
            SalesforceError: NOT_FOUND.
        """
        found = self.state.records(f'SELECT * FROM {stored(entity)} WHERE "Id" = ?', (record_id,))  # noqa: S608
        if not found:
            raise not_found()
        return found[0]

    def checked(self, entity: SObject, body: Body, *, creating: bool) -> dict[str, Any]:
        """The body's values as they will be stored.

        Raises:
            MalformedBodyError: A field that does not exist, or a value of the wrong JSON type.
            SalesforceError: A field that may not be written, or a value that a rule refuses.
        """
        fields, parents = _split(entity, body)
        refused = [each.name for each, _ in fields if not (each.written and (creating or each.updated))]
        if refused:
            message = (
                f"Unable to create/update fields: {', '.join(refused)}. Please check the security settings of this "
                "field and verify that it is read/write for your profile or permission set."
            )
            raise SalesforceError("INVALID_FIELD_FOR_INSERT_UPDATE", message, fields=refused)
        values = {each.name: kept_value(each, value) for each, value in fields}
        for each, parent in parents:
            values[each.name] = self._parent_id(each, parent)
        for name, value in values.items():
            if value is not None and _field(entity, name).type == "reference":
                self._check_reference(entity, name, value)
        return values

    # -- inside -------------------------------------------------------------------------------------------------------

    def _new_row(self, entity: SObject, given: Body, record_id: str, number: int) -> dict[str, Any]:
        written = stamps(self.state)
        booleans = {each.name: 0 for each in entity.fields if each.type == "boolean"}
        created = {"CreatedDate": written["SystemModstamp"], "CreatedById": INTEGRATION_USER_ID}
        automatic = {each.name: each.auto_number.format(number) for each in entity.fields if each.auto_number}
        if "name" in entity.by_name and entity.by_name["name"].written and not given.get("Name"):
            automatic["Name"] = record_id  # Salesforce names a record without a name by its id
        row = {**booleans, **automatic, **created, **written, **given, "_row": number, "Id": record_id, **automatic}
        return {**row, **self._derived(entity, row)}

    def _derived(self, entity: SObject, row: Body) -> dict[str, Any]:
        values = derived_values(entity, row, self.state.clock.now())
        if "isarchived" in entity.by_name:
            values["AccountId"] = account_of(self.state, row)
            values["IsArchived"] = int(is_archived(entity, {**row, **values}, self.state.clock.now()))
        return values

    def _check_reference(self, entity: SObject, name: str, target_id: str) -> None:
        target = BY_PREFIX[target_id[:3]]
        flag = '"IsActive"' if target.name == USER.name else "1"
        sql = f'SELECT "IsDeleted", {flag} FROM {stored(target)} WHERE "Id" = ?'  # noqa: S608 - names from the schema
        found = self.state.query(sql, (target_id,))
        if not found:
            raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", fields=[name])
        if found[0][0]:
            raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", fields=[name])
        if name == "OwnerId" and not found[0][1]:
            message = f"operation performed with inactive user [{target_id}] as owner of {entity.name.lower()}"
            raise SalesforceError("INACTIVE_OWNER_OR_USER", message, fields=[name])

    def _parent_id(self, link: Field, parent: Body) -> str:
        """The id of a parent that the body names by its external id."""
        given = {name: value for name, value in parent.items() if name.lower() != "attributes"}
        kind = str((parent.get("attributes") or {}).get("type", link.refers_to[0]))
        target = OBJECTS.get(kind.lower())
        name, value = next(iter(given.items()), ("", None))
        by = target.by_name.get(name.lower()) if target else None
        if target is None or by is None or not (by.external_id or by.type == "id"):
            raise MalformedBodyError("INVALID_FIELD", f"{name} is not an External ID or unique field of {kind}")
        found = self.named_by(target, by, kept_value(by, value))
        if len(found) != 1:
            message = f"Foreign key external ID: {value} not found for field {by.name} in entity {target.name}"
            raise SalesforceError("INVALID_FIELD", message, fields=[])
        return found[0]

    def check_unique(self, entity: SObject, values: Body, *, except_id: str) -> None:
        """Refuse values that another living record has in a unique field.

        Raises:
            SalesforceError: DUPLICATE_VALUE.
        """
        for each in entity.fields:
            if not each.unique or values.get(each.name) is None:
                continue
            sql = f'SELECT "Id" FROM {stored(entity)} WHERE "{each.name}" = ? AND "Id" <> ? AND "IsDeleted" = 0'  # noqa: S608
            found = self.state.query(sql, (values[each.name], except_id))
            if found:
                message = f"duplicate value found: {each.name} duplicates value on record with id: {found[0][0][:15]}"
                raise SalesforceError("DUPLICATE_VALUE", message, fields=[])

    def _follow_up(self, entity: SObject, row: Body) -> None:
        """An opportunity has one primary contact: a new one takes the place of the old."""
        if entity.name == "OpportunityContactRole" and row.get("IsPrimary"):
            sql = f'UPDATE {stored(entity)} SET "IsPrimary" = 0 WHERE "OpportunityId" = ? AND "Id" <> ?'  # noqa: S608
            self.state.execute(sql, (row["OpportunityId"], row["Id"]))

    def note(self, entity: SObject, record_id: str, action: WriteAction) -> None:
        """Keep in the ledger that a record was written."""
        self.state.record_writes(CRM, entity.name, [record_id], action)


def path_id(entity: SObject, given: str) -> str:
    """The id in a path, in its long form.

    Raises:
        SalesforceError: It is no id of this object.
    """
    found = normal_id(given)
    if found is None or not found.startswith(entity.key_prefix):
        raise not_found("Provided external ID field does not exist or is not accessible: " + given)
    return found


def _split(entity: SObject, body: Body) -> tuple[list[tuple[Field, Any]], list[tuple[Field, Body]]]:
    """The body's plain fields, and the parents that it names by external id."""
    fields: list[tuple[Field, Any]] = []
    parents: list[tuple[Field, Body]] = []
    for name, value in body.items():
        known, link = entity.by_name.get(name.lower()), entity.by_relationship.get(name.lower())
        if known is not None:
            fields.append((known, value))
        elif link is not None and isinstance(value, dict):
            parents.append((link, value))
        elif name.lower() != "attributes":
            raise MalformedBodyError("INVALID_FIELD", f"No such column '{name}' on sobject of type {entity.name}")
    return fields, parents


def _field(entity: SObject, name: str) -> Field:
    return entity.by_name[name.lower()]


def _refuse_read_only(entity: SObject, verb: str) -> None:
    if not entity.can_be_written:
        message = f"entity type {entity.name} does not support {verb}"
        raise SalesforceError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message, fields=[])


def _refuse_early_activation(entity: SObject, row: Body) -> None:
    if entity.name == "Contract" and row.get("StatusCode") != "Draft":
        message = "Choose a valid contract status and save your changes. Ask your admin for details."
        raise SalesforceError("FAILED_ACTIVATION", message, fields=["Status"])


def _require(missing: Sequence[str]) -> None:
    if missing:
        message = f"Required fields are missing: [{', '.join(missing)}]"
        raise SalesforceError("REQUIRED_FIELD_MISSING", message, fields=missing)
