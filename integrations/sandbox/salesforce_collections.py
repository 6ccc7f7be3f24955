"""sObject Collections: up to 200 records a call, one outcome each, in the order of the request."""

from collections.abc import Callable, Sequence
from typing import Any

from integrations.sandbox.salesforce_errors import SalesforceError, not_found
from integrations.sandbox.salesforce_ids import normal_id
from integrations.sandbox.salesforce_objects import BY_PREFIX
from integrations.sandbox.salesforce_schema import Field, SObject
from integrations.sandbox.salesforce_store import entity_named
from integrations.sandbox.salesforce_values import MalformedBodyError
from integrations.sandbox.salesforce_writes import Body, MultipleMatchesError, Writer

LARGEST_WRITE, LARGEST_READ = 200, 2_000

Result = dict[str, Any]


def created_all(writer: Writer, body: Body) -> list[Result]:
    """``POST composite/sobjects``."""

    def create(record: Body) -> Result:
        return _done(writer.create(_type_of(record), record))

    return _each(writer, _records(body), create, all_or_none=bool(body.get("allOrNone")))


def updated_all(writer: Writer, body: Body) -> list[Result]:
    """``PATCH composite/sobjects``: each record names its ``id``."""

    def update(record: Body) -> Result:
        entity = _type_of(record)
        given = _given_id(record)
        if not given:
            raise SalesforceError("MISSING_ARGUMENT", "Id not specified in an update call", fields=[])
        record_id = _own_id(entity, given)
        writer.update(entity, record_id, {name: each for name, each in record.items() if name.lower() != "id"})
        return _done(record_id)

    return _each(writer, _records(body), update, all_or_none=bool(body.get("allOrNone")))


def upserted_all(writer: Writer, entity: SObject, by: Field, body: Body) -> list[Result]:
    """``PATCH composite/sobjects/{type}/{external id}``; a value that the call repeats is refused the second time."""
    seen: set[str] = set()

    def upsert(record: Body) -> Result:
        if _type_of(record) is not entity:
            raise SalesforceError("INVALID_TYPE", f"the record's type is not {entity.name}")
        value = next((each for name, each in record.items() if name.lower() == by.name.lower()), None)
        _refuse_repeated(seen, value)
        if by.type == "id":
            return _upserted_by_id(writer, entity, record)
        record_id, is_new = writer.upsert(entity, by, value, record)
        return {**_done(record_id), "created": is_new}

    return _each(writer, _records(body), upsert, all_or_none=bool(body.get("allOrNone")))


def deleted_all(writer: Writer, ids: Sequence[str], *, all_or_none: bool) -> list[Result]:
    """``DELETE composite/sobjects?ids=``."""
    if not ids:
        raise SalesforceError("REQUIRED_FIELD_MISSING", "At least 1 Id is required.")
    _refuse_many(len(ids), LARGEST_WRITE)

    def delete(record: Body) -> Result:
        given = str(record["id"])
        entity = BY_PREFIX.get(given[:3])
        if entity is None:
            raise SalesforceError("MALFORMED_ID", f"malformed id {given}", fields=[])
        record_id = _own_id(entity, given)
        writer.delete(entity, record_id)
        return _done(record_id)

    return _each(writer, [{"id": each} for each in ids], delete, all_or_none=all_or_none)


def wanted_ids(ids: Sequence[Any]) -> list[str]:
    """The ids of a retrieve in their long form, in order.

    Raises:
        SalesforceError: Too many, or one that is no id.
    """
    _refuse_many(len(ids), LARGEST_READ)
    found = [normal_id(str(each)) for each in ids]
    for given, each in zip(ids, found, strict=True):
        if each is None:
            raise SalesforceError("MALFORMED_ID", f"malformed id {given}")
    return [each for each in found if each]


def external_id_field(entity: SObject, name: str) -> Field:
    """The field by which records may be upserted: an external id, or a standard field that finds a record.

    Raises:
        SalesforceError: NOT_FOUND, when it is neither.
    """
    found = entity.by_name.get(name.lower())
    if found is None or not entity.is_found_by(found):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return found


def _each(writer: Writer, records: Sequence[Body], act: Callable[[Body], Result], *, all_or_none: bool) -> list[Result]:
    """Do all records in one transaction, each by itself; all or none when one failure must undo the rest.

    Raises:
        MalformedBodyError: One of them cannot be read; nothing is kept.
    """
    results: list[Result] = []
    try:
        with writer.state.transaction():
            results = [_outcome(writer, record, act) for record in records]
            if all_or_none and not all(each["success"] for each in results):
                raise _RolledBackError
    except _RolledBackError:
        message = "Record rolled back because not all records were valid and the request was using AllOrNone header"
        undone = SalesforceError("ALL_OR_NONE_OPERATION_ROLLED_BACK", message)
        return [_failed(undone) if each["success"] else each for each in results]
    return results


def _outcome(writer: Writer, record: Body, act: Callable[[Body], Result]) -> Result:
    try:
        with writer.state.transaction():
            return act(record)
    except MalformedBodyError:
        raise
    except SalesforceError as error:
        return _failed(_inside(error))
    except MultipleMatchesError as several:
        message = f"duplicate value found: more than one record found: {', '.join(several.ids)}"
        return _failed(SalesforceError("DUPLICATE_VALUE", message))


class _RolledBackError(Exception):
    """Makes the transaction of the whole call roll back."""


def _upserted_by_id(writer: Writer, entity: SObject, record: Body) -> Result:
    rest = {name: each for name, each in record.items() if name.lower() != "id"}
    given = _given_id(record)
    if not given:
        return {**_done(writer.create(entity, rest)), "created": True}
    record_id = _own_id(entity, given)
    writer.update(entity, record_id, rest, action="upsert")
    return {**_done(record_id), "created": False}


def _records(body: Body) -> list[Body]:
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
        raise MalformedBodyError("JSON_PARSER_ERROR", "The body must hold a list of records")
    if not records:
        raise SalesforceError("REQUIRED_FIELD_MISSING", "At least 1 record is required")
    _refuse_many(len(records), LARGEST_WRITE)
    return records


def _refuse_many(count: int, most: int) -> None:
    if count > most:
        message = f"record limit reached. cannot submit more than {most} records into this call"
        raise SalesforceError("EXCEEDED_ID_LIMIT", message)


def _refuse_repeated(seen: set[str], value: Any) -> None:
    if value is None:
        return
    if str(value).lower() in seen:
        raise SalesforceError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}")
    seen.add(str(value).lower())


def _type_of(record: Body) -> SObject:
    attributes = record.get("attributes")
    kind = attributes.get("type") if isinstance(attributes, dict) else None
    if not isinstance(kind, str):
        raise MalformedBodyError("INVALID_TYPE", "Each record must name its type in attributes")
    return entity_named(kind)


def _given_id(record: Body) -> str:
    return str(next((each for name, each in record.items() if name.lower() == "id"), None) or "")


def _own_id(entity: SObject, given: str) -> str:
    found = normal_id(given)
    if found is None or not found.startswith(entity.key_prefix):
        raise SalesforceError("MALFORMED_ID", f"malformed id {given}", fields=["Id"])
    return found


def _inside(error: SalesforceError) -> SalesforceError:
    """A record that is missing is a 404 by itself, and a wrong reference in a collection."""
    if error.code == "NOT_FOUND":
        return SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", fields=[])
    return error


def _done(record_id: str) -> Result:
    return {"id": record_id, "success": True, "errors": []}


def _failed(error: SalesforceError) -> Result:
    return {"success": False, "errors": [error.as_row_error()]}
