"""sObject Tree: up to 200 records with their children in one call, all or none.

Follows the vendor's pages "sObject Tree" and "sObject Tree Response Body": results parents first, 201 with every
record's id, or 400 with the records that were refused. Unverified: the words with which a tree is refused as a whole.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.salesforce_calls import Call, Reply
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_schema import SObject
from integrations.sandbox.salesforce_store import entity_named
from integrations.sandbox.salesforce_values import MalformedBodyError
from integrations.sandbox.salesforce_writes import Writer

MOST_RECORDS, MOST_TYPES, DEEPEST = 200, 5, 5


@dataclass(frozen=True, slots=True)
class _Node:
    """One record of the tree: where it hangs, its own values, and its place in the order of creation."""

    entity: SObject
    reference: str
    values: Mapping[str, Any]
    parent: "_Node | None"
    by: str


def created_tree(writer: Writer, call: Call) -> Reply:
    """``POST composite/tree/{type}``.

    Raises:
        SalesforceError: The tree is too large, too deep or malformed; nothing was made.
    """
    nodes = list(_nodes(call.entity, _records(call.json())))
    try:
        _check(nodes)
        with writer.state.transaction():
            results = _made(writer, nodes)
    except _RefusedError as refused:
        return Reply({"hasErrors": True, "results": refused.results}, 400)
    return Reply({"hasErrors": False, "results": results}, 201, len(results))


class _RefusedError(Exception):
    """Makes the transaction roll back; ``results`` says which records were refused and why."""

    def __init__(self, results: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(f"{len(results)} records were refused")
        self.results = results


def _made(writer: Writer, nodes: Sequence[_Node]) -> list[dict[str, Any]]:
    ids: dict[int, str] = {}
    refused = []
    for node in nodes:
        if node.parent is not None and id(node.parent) not in ids:
            continue  # its parent was refused, and so the whole tree will be
        link = {node.by: ids[id(node.parent)]} if node.parent is not None else {}
        try:
            ids[id(node)] = writer.create(node.entity, {**node.values, **link})
        except SalesforceError as error:
            refused.append({"referenceId": node.reference, "errors": [error.as_row_error()]})
    if refused:
        raise _RefusedError(refused)
    return [{"referenceId": node.reference, "id": ids[id(node)]} for node in nodes]


def _nodes(entity: SObject, records: Sequence[Mapping[str, Any]]) -> Iterator[_Node]:
    """The records level by level, parents first."""
    level = [_node(each, None, "", entity) for each in records]
    depth = 1
    while level:
        if depth > DEEPEST:
            raise SalesforceError("INVALID_INPUT", f"A tree is at most {DEEPEST} levels deep.")
        yield from (node for node, _ in level)
        level = [_node(child, node, by, kind) for node, nested in level for by, kind, rows in nested for child in rows]
        depth += 1


_Nested = list[tuple[str, SObject, list[Mapping[str, Any]]]]


def _node(record: Mapping[str, Any], parent: _Node | None, by: str, expected: SObject) -> tuple[_Node, _Nested]:
    attributes = record.get("attributes")
    if not isinstance(attributes, dict) or not attributes.get("referenceId") or not attributes.get("type"):
        raise SalesforceError("INVALID_INPUT", "Include a reference ID and a type in the attributes of every record.")
    entity = entity_named(str(attributes["type"]))
    if entity is not expected:
        raise SalesforceError("INVALID_INPUT", f"A record of {expected.name} is expected, not of {entity.name}.")
    links = {name.lower(): (by, child) for name, child, by, _ in entity.children}
    nested: _Nested = []
    values = {}
    for name, value in record.items():
        if name.lower() in links and isinstance(value, dict):
            field, child = links[name.lower()]
            nested.append((field, entity_named(child), _records(value)))
        elif name != "attributes":
            values[name] = value
    return _Node(entity, str(attributes["referenceId"]), values, parent, by), nested


def _records(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
        raise MalformedBodyError("JSON_PARSER_ERROR", "The body must hold a list of records")
    return records


def _repeated(reference: str) -> dict[str, Any]:
    told = (
        SalesforceError("INVALID_INPUT", "Duplicate ReferenceId provided in the request."),
        SalesforceError("PROCESSING_HALTED", f"Duplicate ReferenceId found: {reference}"),
    )
    return {"referenceId": reference, "errors": [each.as_row_error() for each in told]}


def _check(nodes: Sequence[_Node]) -> None:
    if len(nodes) > MOST_RECORDS:
        raise SalesforceError("INVALID_INPUT", f"A tree holds at most {MOST_RECORDS} records, not {len(nodes)}.")
    if len({node.entity.name for node in nodes}) > MOST_TYPES:
        raise SalesforceError("INVALID_INPUT", f"A tree holds records of at most {MOST_TYPES} objects.")
    counts = Counter(node.reference for node in nodes)
    twice = [_repeated(reference) for reference, count in counts.items() if count > 1]
    if twice:
        raise _RefusedError(twice)
