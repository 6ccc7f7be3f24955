"""The columns that a query answers with: ``query?columns=true``, which the Salesforce CLI asks before it prints.

The vendor's pages do not have it; shape and meaning follow what the CLI's data plugin reads. Unverified: every key
that it does not read.
"""

from typing import Any

from integrations.sandbox.salesforce_objects import OBJECTS
from integrations.sandbox.salesforce_schema import NUMBER_TYPES, TEXT_TYPES, Field, SObject
from integrations.sandbox.salesforce_store import entity_named
from integrations.sandbox.soql_parser import parsed
from integrations.sandbox.soql_tree import AllFields, Function, Path, Query, TypeOf


def columns(soql: str) -> dict[str, Any]:
    """The columns of a query that is known to be sound.

    Raises:
        SalesforceError: It is malformed, or its object is unknown.
    """
    query = parsed(soql)
    entity = entity_named(query.source)
    found = _columns(query, entity)
    names = {each["columnName"].lower() for each in found}
    return {
        "columnMetadata": found,
        "entityName": entity.name,
        "groupBy": bool(query.groups.operands),
        "idSelected": "id" in names,
        "keyPrefix": None if entity.is_history else entity.key_prefix,
    }


def _columns(query: Query, entity: SObject) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    unnamed = 0
    for each in query.fields:
        if isinstance(each, Path):
            _add(found, _own_parts(each, query, entity), entity)
        elif isinstance(each, Function):
            found.append(_column(each.alias or f"expr{unnamed}", None, label=each.shown, is_aggregate=True))
            unnamed += each.alias is None
        elif isinstance(each, TypeOf):
            found.append(_column(each.relationship.text, None))
        elif isinstance(each, AllFields):
            found += [_column(field.name, field) for field in entity.fields]
        elif isinstance(each, Query):
            children = next((child for name, child, _, _ in entity.children if name.lower() == each.source.lower()), "")
            inner = _columns(each, entity_named(children))
            found.append(_column(each.source, None, is_aggregate=True, joined=inner))
    return found


def _own_parts(path: Path, query: Query, entity: SObject) -> tuple[str, ...]:
    first = path.parts[0].lower()
    is_own = first in {entity.name.lower(), (query.alias or "").lower()} and first not in entity.by_relationship
    return path.parts[1:] if len(path.parts) > 1 and is_own else path.parts


def _add(found: list[dict[str, Any]], parts: tuple[str, ...], entity: SObject) -> None:
    """Put a field in its place, below the columns of the parents that lead to it."""
    for part in parts[:-1]:
        link = entity.by_relationship.get(part.lower())
        name = str(link.relationship) if link else part
        column = next((each for each in found if each["columnName"] == name and each["joinColumns"]), None)
        if column is None:
            column = _column(name, None)
            found.append(column)
        found, entity = column["joinColumns"], OBJECTS[link.refers_to[0].lower()] if link else entity
    field = entity.by_name.get(parts[-1].lower())
    found.append(_column(field.name if field else parts[-1], field))


def _column(
    name: str,
    field: Field | None,
    *,
    label: str | None = None,
    is_aggregate: bool = False,
    joined: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    kind = field.type if field else "string"
    return {
        "aggregate": is_aggregate,
        "apexType": kind.capitalize(),
        "booleanType": kind == "boolean",
        "columnName": name,
        "custom": bool(field and field.is_custom),
        "displayName": label or name,
        "foreignKeyName": field.relationship if field else None,
        "insertable": bool(field and field.written),
        "joinColumns": joined or [],
        "numberType": kind in NUMBER_TYPES,
        "textType": kind in TEXT_TYPES,
        "updatable": bool(field and field.written and field.updated),
    }
