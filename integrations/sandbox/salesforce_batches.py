"""Composite Batch: up to 25 independent requests in one call, each by itself.

Follows the vendor's pages "Composite Batch" and "Batch Response Body": URLs begin with the version, results come in
order, and with ``haltOnError`` what follows a failure is not done and says 412. Unverified: the refusals of a whole
call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from integrations.sandbox.salesforce_calls import Call, Reply, answer_of
from integrations.sandbox.salesforce_composite import Resource, kind_of
from integrations.sandbox.salesforce_errors import SalesforceError, not_found
from integrations.sandbox.salesforce_schema import API_VERSIONS
from integrations.sandbox.salesforce_values import MalformedBodyError
from integrations.sandbox.state import State

LARGEST = 25

_HALTED = "Batch processing halted per request parameter. Reference this batch's previous results for more information."


def answered(state: State, resources: Sequence[Resource], call: Call) -> Reply:
    """``POST composite/batch``.

    Raises:
        SalesforceError: The whole is refused, and nothing was done.
    """
    body = call.json()
    given = body.get("batchRequests")
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
        raise MalformedBodyError("JSON_PARSER_ERROR", "The body must hold a list of requests in batchRequests")
    if len(given) > LARGEST:
        raise SalesforceError("LIMIT_EXCEEDED", f"a batch holds at most {LARGEST} requests, not {len(given)}")
    replies: list[Reply] = []
    for each in given:
        is_halted = bool(body.get("haltOnError")) and any(reply.status >= 400 for reply in replies)
        replies.append(_halted() if is_halted else _reply_to(state, resources, each, call))
    results = [{"statusCode": each.status, "result": each.body} for each in replies]
    has_errors = any(each.status >= 400 for each in replies)
    records = sum(each.records for each in replies)
    return Reply({"hasErrors": has_errors, "results": results}, records=records, kind=kind_of(replies))


def _halted() -> Reply:
    return Reply(SalesforceError("BATCH_PROCESSING_HALTED", _HALTED).as_request_error(), 412)


def _reply_to(state: State, resources: Sequence[Resource], given: Mapping[str, Any], call: Call) -> Reply:
    path, _, query = str(given.get("url") or "").partition("?")
    path = "/services/data/" + path.removeprefix("/services/data/").lstrip("/")
    content = orjson.dumps(given["richInput"]) if "richInput" in given else b""
    for resource in resources:
        parts = resource.parts(str(given.get("method") or "").upper(), unquote(path))
        if parts and parts["version"] in API_VERSIONS:
            return _done(state, resource, Call(parts, dict(parse_qsl(query)), call.headers, content), path)
    return answer_of(_nothing, path)


def _done(state: State, resource: Resource, call: Call, path: str) -> Reply:
    def act() -> Reply:
        with state.transaction():
            return resource.act(call)

    return replace(answer_of(act, path), kind=resource.kind)


def _nothing() -> Reply:
    raise not_found()
