"""Composite: up to 25 requests in one call, in order, each with its own answer; later ones may refer to earlier ones.

The whole counts as one call. ``allOrNone`` of the composite rules that of every collection inside it.

No public recording confirms these: the codes and words with which a whole call is refused, and the status of a
collection that ``allOrNone`` undid for one of its own rows (400 here). Requests are never collated.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
from starlette.routing import compile_path

from integrations.sandbox.salesforce_calls import Call, Reply, answer_of
from integrations.sandbox.salesforce_errors import SalesforceError, not_found
from integrations.sandbox.salesforce_objects import BY_PREFIX
from integrations.sandbox.salesforce_schema import API_VERSIONS
from integrations.sandbox.salesforce_values import MalformedBodyError
from integrations.sandbox.state import RequestKind, State

LARGEST, LARGEST_HEAVY = 25, 5

_METHODS = frozenset({"DELETE", "GET", "PATCH", "POST", "PUT"})
_INHERITED = frozenset({"accept", "authorization", "content-type"})
_HEAVY = re.compile(r"/services/data/v[0-9.]+/(composite/sobjects|query|queryAll)\b")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_REFERENCE = re.compile(r"@\{(\w+)((?:\.\w+|\[\d+\])*)\}")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")
_HALTED = "The transaction was rolled back since another operation in the same transaction failed."


class Resource:
    """What a request inside may ask for: the method, the path's pattern, what it does to records, who answers."""

    def __init__(self, method: str, path: str, kind: RequestKind, act: Callable[[Call], Reply]) -> None:
        self.method, self.kind, self.act = method, kind, act
        self._pattern, _, _ = compile_path(path)

    def parts(self, method: str, path: str) -> Mapping[str, str] | None:
        """The parts of a path that it serves, by name; None if it does not."""
        found = self._pattern.match(path.removesuffix("/")) if method == self.method else None
        return found.groupdict() if found else None


@dataclass(frozen=True, slots=True)
class Inner:
    """One request inside a composite one."""

    reference: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: Any


class Composite:
    """The resource ``composite`` of the org in ``state``, over the resources that requests inside may name."""

    def __init__(self, state: State, resources: Sequence[Resource]) -> None:
        self.state, self.resources = state, resources

    def answered(self, call: Call) -> Reply:
        """``POST composite``. A request inside that fails is an answer; only a malformed whole is refused.

        Raises:
            SalesforceError: The whole is refused, and nothing was done.
        """
        body = call.json()
        asked, is_all_or_none = inner_requests(body), bool(body.get("allOrNone"))
        replies: dict[str, Reply] = {}
        try:
            with self.state.transaction():
                for inner in asked:
                    replies[inner.reference] = self.reply_to(inner, replies, is_all_or_none)
                if is_all_or_none and any(has_failed(each) for each in replies.values()):
                    raise _RolledBackError
        except _RolledBackError:
            replies = {name: undone(each) for name, each in replies.items()}
        return Reply(
            {"compositeResponse": answers_of(replies, call.version)},
            records=sum(each.records for each in replies.values()),
            kind=kind_of(replies.values()),
        )

    def reply_to(self, inner: Inner, replies: Mapping[str, Reply], is_all_or_none: bool) -> Reply:
        """The answer to one request inside, which may refer to the ``replies`` before it."""
        done: list[RequestKind] = []

        def act() -> Reply:
            known = _resolved(inner, replies)
            resource, call = self._routed(known, is_all_or_none)
            done.append(resource.kind)
            with self.state.transaction():
                return resource.act(call)

        reply = answer_of(act, inner.url.partition("?")[0])
        return replace(reply, kind=done[0] if done else "read")

    def _routed(self, inner: Inner, is_all_or_none: bool) -> tuple[Resource, Call]:
        path, _, query = inner.url.partition("?")
        body, asked = inner.body, dict(parse_qsl(query))
        if is_all_or_none:
            body = {**body, "allOrNone": True} if isinstance(body, dict) and "records" in body else body
            asked["allOrNone"] = "true"
        content = b"" if body is None else orjson.dumps(body)
        for resource in self.resources:
            parts = resource.parts(inner.method, unquote(path))
            if parts and parts["version"] in API_VERSIONS:
                return resource, Call(parts, asked, inner.headers, content)
        raise not_found()


def inner_requests(body: Mapping[str, Any]) -> list[Inner]:
    """The requests that a composite body holds.

    Raises:
        SalesforceError: They are too many, or one of them is malformed or shares its reference with another.
    """
    given = body.get("compositeRequest")
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
        raise MalformedBodyError("JSON_PARSER_ERROR", "The body must hold a list of requests in compositeRequest")
    found = [inner_request(each) for each in given]
    heavy = sum(_HEAVY.match(each.url) is not None for each in found)
    if len(found) > LARGEST or heavy > LARGEST_HEAVY:
        message = (
            f"a composite request holds at most {LARGEST} subrequests, {LARGEST_HEAVY} of them collections or queries"
        )
        raise SalesforceError("LIMIT_EXCEEDED", message)
    if len({each.reference for each in found}) < len(found):
        raise SalesforceError("INVALID_INPUT", "referenceId must be unique in a composite request")
    return found


def inner_request(given: Mapping[str, Any]) -> Inner:
    """One request inside.

    Raises:
        SalesforceError: It is malformed.
    """
    reference, method, url = (str(given.get(name) or "") for name in ("referenceId", "method", "url"))
    headers = given.get("httpHeaders") or {}
    if not _NAME.fullmatch(reference):
        raise SalesforceError("INVALID_INPUT", "referenceId is required and holds letters, digits and underscores only")
    if method not in _METHODS or not url.startswith("/services/data/v"):
        raise SalesforceError("INVALID_INPUT", f"{reference}: a method and a url of this API are required")
    if not isinstance(headers, dict) or _INHERITED & {str(name).lower() for name in headers}:
        raise SalesforceError("INVALID_INPUT", f"{reference}: Accept, Authorization and Content-Type are inherited")
    lower = {str(name).lower(): str(value) for name, value in headers.items()}
    return Inner(reference, method, url, lower, given.get("body"))


class _RolledBackError(Exception):
    """Makes the transaction of the whole call roll back."""


def has_failed(reply: Reply) -> bool:
    """Whether a request inside, or a row of a collection inside, was refused."""
    rows = reply.body if isinstance(reply.body, list) else ()
    return reply.status >= 300 or any(isinstance(each, dict) and each.get("success") is False for each in rows)


def undone(reply: Reply) -> Reply:
    """What is said of a request inside once the whole was rolled back: its own refusal, or that another failed."""
    error = SalesforceError("PROCESSING_HALTED", _HALTED)
    body = reply.body if has_failed(reply) else error.as_request_error()
    return Reply(body, max(reply.status, 400), kind=reply.kind)


def answers_of(replies: Mapping[str, Reply], version: str) -> list[dict[str, Any]]:
    """The answers by reference, each with its own headers and status."""
    return [
        {
            "body": each.body,
            "httpHeaders": _headers(each, version),
            "httpStatusCode": each.status,
            "referenceId": reference,
        }
        for reference, each in replies.items()
    ]


def kind_of(replies: Iterable[Reply]) -> RequestKind:
    """A call is a write if a part of it is."""
    return "write" if any(each.kind == "write" for each in replies) else "read"


def _headers(reply: Reply, version: str) -> dict[str, str]:
    if reply.status != 201 or not isinstance(reply.body, dict):
        return dict(reply.headers)
    entity = BY_PREFIX[reply.body["id"][:3]]
    return {"Location": f"/services/data/v{version}/sobjects/{entity.name}/{reply.body['id']}"}


def _resolved(inner: Inner, replies: Mapping[str, Reply]) -> Inner:
    """The request with every ``@{reference.field}`` replaced by what the earlier answer holds there.

    Raises:
        SalesforceError: PROCESSING_HALTED; there is no such answer, it is a refusal, or it holds no such value.
    """
    return replace(inner, url=str(_filled(inner.url, replies)), body=_filled(inner.body, replies))


def _filled(value: Any, replies: Mapping[str, Reply]) -> Any:
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: _referred(found[1], found[2], replies), value)
    if isinstance(value, dict):
        return {name: _filled(each, replies) for name, each in value.items()}
    return [_filled(each, replies) for each in value] if isinstance(value, list) else value


def _referred(reference: str, steps: str, replies: Mapping[str, Reply]) -> str:
    earlier = replies.get(reference)
    found: Any = orjson.loads(orjson.dumps(earlier.body)) if earlier and earlier.status < 300 else None
    for name, index in _STEP.findall(steps):
        if name:
            found = found.get(name) if isinstance(found, dict) else None
        else:
            found = found[int(index)] if isinstance(found, list) and int(index) < len(found) else None
    if found is None or isinstance(found, dict | list):
        message = f"Invalid reference specified. No value for {reference}{steps} found in {reference}"
        raise SalesforceError("PROCESSING_HALTED", message)
    return str(found)
