"""Composite Graph: up to 500 requests in graphs, each graph all or none.

Follows the vendor's pages "Composite Graph", "Composite Graph Limits" and "Using a Composite Graph". Unverified: the
codes and words with which a whole call is refused.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.sandbox.salesforce_calls import Call, Reply
from integrations.sandbox.salesforce_composite import (
    Composite,
    Inner,
    answers_of,
    has_failed,
    inner_request,
    kind_of,
    undone,
)
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_values import MalformedBodyError

MOST_GRAPHS, MOST_NODES, DEEPEST, MOST_KINDS, MOST_FAILED = 75, 500, 15, 15, 14

_GRAPH_ID = re.compile(r"[A-Za-z0-9][\w-]{0,39}")
_NODE = re.compile(r"/services/data/v[0-9.]+/sobjects/(\w+)")
_REFERENCE = re.compile(r"@\{(\w+)")
_Graph = tuple[str, list[Inner]]


class _RolledBackError(Exception):
    """Makes the transaction of one graph roll back."""


def answered(composite: Composite, call: Call) -> Reply:
    """``POST composite/graph``.

    Raises:
        SalesforceError: The whole is refused, and nothing was done.
    """
    graphs = _graphs(call.json())
    answers: list[dict[str, Any]] = []
    replies: list[Reply] = []
    failed = 0
    for name, nodes in graphs:
        found, is_done = _halted(nodes) if failed > MOST_FAILED else _done(composite, nodes)
        failed += not is_done
        replies += found.values()
        response = {"compositeResponse": answers_of(found, call.version)}
        answers.append({"graphId": name, "graphResponse": response, "isSuccessful": is_done})
    return Reply({"graphs": answers}, records=sum(each.records for each in replies), kind=kind_of(replies))


def _done(composite: Composite, nodes: Sequence[Inner]) -> tuple[Mapping[str, Reply], bool]:
    replies: dict[str, Reply] = {}
    try:
        with composite.state.transaction():
            for node in nodes:
                replies[node.reference] = composite.reply_to(node, replies, is_all_or_none=True)
            if any(has_failed(each) for each in replies.values()):
                raise _RolledBackError
    except _RolledBackError:
        return {name: undone(each) for name, each in replies.items()}, False
    return replies, True


def _halted(nodes: Sequence[Inner]) -> tuple[Mapping[str, Reply], bool]:
    return {node.reference: undone(Reply(status=200)) for node in nodes}, False


def _graphs(body: Mapping[str, Any]) -> list[_Graph]:
    given = body.get("graphs")
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
        raise MalformedBodyError("JSON_PARSER_ERROR", "The body must hold a list of graphs")
    graphs = [_graph(each) for each in given]
    if len(graphs) > MOST_GRAPHS or sum(len(nodes) for _, nodes in graphs) > MOST_NODES:
        message = f"a call holds at most {MOST_GRAPHS} graphs and {MOST_NODES} nodes"
        raise SalesforceError("LIMIT_EXCEEDED", message)
    if len({name for name, _ in graphs}) < len(graphs):
        raise SalesforceError("INVALID_INPUT", "graphId must be unique in a composite graph request")
    return graphs


def _graph(given: Mapping[str, Any]) -> _Graph:
    name, requests = str(given.get("graphId") or ""), given.get("compositeRequest")
    if not _GRAPH_ID.fullmatch(name):
        raise SalesforceError("INVALID_INPUT", "graphId is required, begins with a letter or digit and has at most 40")
    if not isinstance(requests, list) or not requests or not all(isinstance(each, dict) for each in requests):
        raise MalformedBodyError("JSON_PARSER_ERROR", f"{name}: compositeRequest must be a list of requests")
    nodes = [inner_request(each) for each in requests]
    if len({node.reference for node in nodes}) < len(nodes):
        raise SalesforceError("INVALID_INPUT", f"{name}: referenceId must be unique in a graph")
    _check_shape(name, nodes)
    return name, nodes


def _check_shape(name: str, nodes: Sequence[Inner]) -> None:
    kinds = {(node.method, match[1].lower()) for node in nodes if (match := _NODE.match(node.url))}
    if any(not _NODE.match(node.url) for node in nodes):
        raise SalesforceError("INVALID_INPUT", f"{name}: a graph holds requests to sobjects only")
    if len(kinds) > MOST_KINDS or _depth(nodes) > DEEPEST:
        message = f"{name}: a graph has at most {MOST_KINDS} kinds of nodes and is at most {DEEPEST} deep"
        raise SalesforceError("LIMIT_EXCEEDED", message)


def _depth(nodes: Sequence[Inner]) -> int:
    depths: dict[str, int] = {}
    for node in nodes:
        wanted = _REFERENCE.findall(f"{node.url} {node.body}")
        depths[node.reference] = 1 + max((depths.get(each, 0) for each in wanted), default=0)
    return max(depths.values())
