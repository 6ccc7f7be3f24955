"""Salesforce over HTTP: sign-in, describe, queries, records and collections of the org in the state.

No public recording confirms these: that an unknown field refuses a whole collection and not one record; that a second
upsert of one key in a call is refused by itself; that a key is free again once its record is in the recycle bin; that
deleting an account takes its cases along; the words of ``INVALID_EMAIL_ADDRESS`` and of a missing ``attributes.type``.

Bulk API 2.0 is in ``salesforce_bulk``. Not here: Bulk API 1.0, composite batches, graphs and trees, metadata and
tooling, search, history objects, currencies, person accounts.
Text compares without regard to case for ASCII letters only.
"""

import gzip
import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.sandbox import salesforce_bulk
from integrations.sandbox import salesforce_collections as collections
from integrations.sandbox.salesforce_auth import ORG_ID, Credentials, basic_pair
from integrations.sandbox.salesforce_calls import Call, Reply, answer_of
from integrations.sandbox.salesforce_composite import Composite, Resource
from integrations.sandbox.salesforce_errors import SalesforceError, not_found, session_refused
from integrations.sandbox.salesforce_objects import OBJECTS
from integrations.sandbox.salesforce_query import SMALLEST_PAGE, Page, Queries
from integrations.sandbox.salesforce_schema import API_VERSIONS
from integrations.sandbox.salesforce_store import (
    CRM,
    INTEGRATION_USER_ID,
    load,
    merge_accounts,
    prepare,
)
from integrations.sandbox.salesforce_writes import MultipleMatchesError, Writer, path_id
from integrations.sandbox.soql_plan import LARGEST_PAGE
from integrations.sandbox.state import RequestKind, State

__all__ = ["Credentials", "create_app", "load", "merge_accounts"]

DAILY_REQUESTS = 100_000
_SMALLEST_GZIP = 1_000
_LONGEST_ADDRESS = 16_384
_TOO_LONG = "<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>"
_BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)


class Org:
    """The org's resources, one method each: a call in, a reply out."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.queries = Queries(state)
        self.writer = Writer(state)
        self.used_requests = sum(state.request_counts().get(CRM, {}).values())
        self._described: dict[tuple[str, str], orjson.Fragment] = {}
        inside = [each for each in _TABLE if each[1].startswith(("/sobjects", "/query", "/composite/"))]
        resources = [Resource(method, _DATA + path, kind, partial(act, self)) for method, path, kind, act in inside]
        self._composite = Composite(state, resources)

    # -- about the org ------------------------------------------------------------------------------------------------

    def versions(self, call: Call) -> Reply:
        return Reply(
            [{"label": f"Release {each}", "url": f"/services/data/v{each}", "version": each} for each in API_VERSIONS]
        )

    def resources(self, call: Call) -> Reply:
        base = f"/services/data/v{call.version}"
        names = ("sobjects", "query", "queryAll", "limits", "composite")
        return Reply({name: f"{base}/{name}" for name in names})

    def limits(self, call: Call) -> Reply:
        left = DAILY_REQUESTS - self.used_requests
        return Reply({"DailyApiRequests": {"Max": DAILY_REQUESTS, "Remaining": left}})

    def describe_global(self, call: Call) -> Reply:
        found = [each.summary(call.version) for each in OBJECTS.values()]
        return Reply({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": found})

    def basic(self, call: Call) -> Reply:
        return Reply({"objectDescribe": call.entity.summary(call.version), "recentItems": []})

    def describe(self, call: Call) -> Reply:
        key = (call.entity.name, call.version)
        if key not in self._described:
            self._described[key] = orjson.Fragment(orjson.dumps(call.entity.describe(call.version)))
        return Reply(self._described[key])

    # -- queries ------------------------------------------------------------------------------------------------------

    def query(self, call: Call) -> Reply:
        return self._queried(call, sees_all=False)

    def query_all(self, call: Call) -> Reply:
        return self._queried(call, sees_all=True)

    def query_more(self, call: Call) -> Reply:
        return _page(self.queries.more(call.path["locator"], version=call.version, batch_size=_batch_size(call)))

    def _queried(self, call: Call, *, sees_all: bool) -> Reply:
        soql = call.query.get("q")
        if not soql:
            raise SalesforceError("MALFORMED_QUERY", "unexpected token: <EOF>")
        size = _batch_size(call)
        return _page(self.queries.first(soql, version=call.version, sees_all=sees_all, batch_size=size))

    # -- one record ---------------------------------------------------------------------------------------------------

    def create(self, call: Call) -> Reply:
        record_id = self.writer.create(call.entity, call.json())
        return Reply({"id": record_id, "success": True, "errors": []}, 201, 1)

    def read(self, call: Call) -> Reply:
        record_id = path_id(call.entity, call.path["id"])
        self.writer.current(call.entity, record_id)
        names = [each.name for each in call.entity.fields]
        if "fields" in call.query:
            names = ["Id", *(each for each in call.query["fields"].split(",") if each.lower() != "id")]
        return Reply(self.queries.records(call.entity, names, [record_id], call.version)[0], records=1)

    def read_by_key(self, call: Call) -> Reply:
        by = collections.external_id_field(call.entity, call.path["key"])
        ids = self.writer.named_by(call.entity, by, call.path["value"])
        if not ids:
            raise not_found()
        if len(ids) > 1:
            raise MultipleMatchesError(ids)
        names = [each.name for each in call.entity.fields]
        return Reply(self.queries.records(call.entity, names, ids, call.version)[0], records=1)

    def update(self, call: Call) -> Reply:
        self.writer.update(call.entity, path_id(call.entity, call.path["id"]), call.json())
        return Reply(None, 204, 1)

    def delete(self, call: Call) -> Reply:
        self.writer.delete(call.entity, path_id(call.entity, call.path["id"]))
        return Reply(None, 204, 1)

    def upsert(self, call: Call) -> Reply:
        by = collections.external_id_field(call.entity, call.path["key"])
        record_id, is_new = self.writer.upsert(call.entity, by, call.path["value"], call.json())
        body = {"id": record_id, "success": True, "errors": [], "created": is_new}
        return Reply(body, 201 if is_new else 200, 1)

    # -- collections --------------------------------------------------------------------------------------------------

    def create_all(self, call: Call) -> Reply:
        return _written(collections.created_all(self.writer, call.json()))

    def update_all(self, call: Call) -> Reply:
        return _written(collections.updated_all(self.writer, call.json()))

    def upsert_all(self, call: Call) -> Reply:
        by = collections.external_id_field(call.entity, call.path["key"])
        return _written(collections.upserted_all(self.writer, call.entity, by, call.json()))

    def delete_all(self, call: Call) -> Reply:
        ids = [each for each in call.query.get("ids", "").split(",") if each]
        all_or_none = call.query.get("allOrNone", "false").lower() == "true"
        return _written(collections.deleted_all(self.writer, ids, all_or_none=all_or_none))

    def retrieve_all(self, call: Call) -> Reply:
        """The records of a list of ids: by POST with a body, by GET with query parameters."""
        if call.body:
            body = call.json()
            ids, names = body.get("ids") or [], body.get("fields") or []
        else:
            ids = [each for each in call.query.get("ids", "").split(",") if each]
            names = [each for each in call.query.get("fields", "").split(",") if each]
        if not names:
            raise SalesforceError("MISSING_ARGUMENT", "fields not specified")
        found = self.queries.records(call.entity, names, collections.wanted_ids(ids), call.version)
        return Reply(found, records=len(found))

    def composite(self, call: Call) -> Reply:
        """Several of the other requests in one, except those about the org itself."""
        return self._composite.answered(call)


_Act = Callable[[Org, Call], Reply]
_READ: RequestKind = "read"
_WRITE: RequestKind = "write"
_DATA = "/services/data/v{version}"
_TABLE: tuple[tuple[str, str, RequestKind, _Act], ...] = (
    ("GET", "", _READ, Org.resources),
    ("GET", "/limits", _READ, Org.limits),
    ("GET", "/query", _READ, Org.query),
    ("GET", "/queryAll", _READ, Org.query_all),
    ("GET", "/query/{locator}", _READ, Org.query_more),
    ("GET", "/queryAll/{locator}", _READ, Org.query_more),
    ("GET", "/sobjects", _READ, Org.describe_global),
    ("GET", "/sobjects/{type}", _READ, Org.basic),
    ("POST", "/sobjects/{type}", _WRITE, Org.create),
    ("GET", "/sobjects/{type}/describe", _READ, Org.describe),
    ("GET", "/sobjects/{type}/{id}", _READ, Org.read),
    ("PATCH", "/sobjects/{type}/{id}", _WRITE, Org.update),
    ("DELETE", "/sobjects/{type}/{id}", _WRITE, Org.delete),
    ("GET", "/sobjects/{type}/{key}/{value:path}", _READ, Org.read_by_key),
    ("PATCH", "/sobjects/{type}/{key}/{value:path}", _WRITE, Org.upsert),
    ("POST", "/composite", _WRITE, Org.composite),
    ("POST", "/composite/sobjects", _WRITE, Org.create_all),
    ("PATCH", "/composite/sobjects", _WRITE, Org.update_all),
    ("DELETE", "/composite/sobjects", _WRITE, Org.delete_all),
    ("POST", "/composite/sobjects/{type}", _READ, Org.retrieve_all),
    ("GET", "/composite/sobjects/{type}", _READ, Org.retrieve_all),
    ("PATCH", "/composite/sobjects/{type}/{key}", _WRITE, Org.upsert_all),
)


def create_app(state: State, credentials: Credentials) -> Starlette:
    """Salesforce's HTTP API over the org in ``state``, whose tables are made when there are none."""
    prepare(state)
    gate = _Gate(Org(state), credentials)
    routes = [Route("/services/oauth2/token", gate.sign_in, methods=["POST"])]
    routes += [
        Route("/services/data", gate.open_to_all(Org.versions)),
        Route("/services/data/", gate.open_to_all(Org.versions)),
    ]
    for method, path, kind, act in _TABLE:
        endpoint = gate.endpoint(kind, act)
        ways = [_DATA + path] if "{value" in path else [_DATA + path, _DATA + path + "/"]
        routes += [Route(way, endpoint, methods=[method]) for way in ways]
    routes += salesforce_bulk.routes(state, credentials, gate.counted)
    every_method = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    routes.append(Route("/{path:path}", gate.endpoint(_READ, _unknown), methods=every_method))
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return app


class _Gate:
    """Around every resource: the token, the version, error bodies, compression, the usage header, the request log."""

    def __init__(self, org: Org, credentials: Credentials) -> None:
        self.org, self.credentials = org, credentials

    def endpoint(self, kind: RequestKind, act: _Act) -> Callable[[Request], Any]:
        """The Starlette endpoint of a resource that wants a token."""

        async def answer(request: Request) -> Response:
            body = await request.body()
            if request.headers.get("content-encoding", "").lower() == "gzip":
                body = gzip.decompress(body)
            is_too_long = len(request.url.path) + len(request.url.query) > _LONGEST_ADDRESS
            reply = Reply(status=414) if is_too_long else self._answered(request, body, act)
            usage = self.counted()
            self.org.state.log_request(
                CRM, request.method, request.url.path, reply.status, kind=reply.kind or kind, records=reply.records
            )
            return _response(request, reply, usage)

        return answer

    def counted(self) -> dict[str, str]:
        """Count one more request; the header that says how many of the day's are used."""
        self.org.used_requests += 1
        return {"Sforce-Limit-Info": f"api-usage={self.org.used_requests}/{DAILY_REQUESTS}"}

    def open_to_all(self, act: _Act) -> Callable[[Request], Any]:
        """The Starlette endpoint of a resource that wants no token."""

        async def answer(request: Request) -> Response:
            reply = act(self.org, Call({}, {}, request.headers, b""))
            self.org.state.log_request(CRM, request.method, request.url.path, reply.status, kind=_READ)
            return _response(request, reply, {})

        return answer

    async def sign_in(self, request: Request) -> Response:
        """OAuth's client credentials: key and secret in the form or as basic authorization."""
        form = {
            name: values[-1] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()
        }
        reply = self._signed_in(form, request.headers.get("authorization", ""), _own_url(request))
        self.org.state.log_request(CRM, request.method, request.url.path, reply.status, kind=_READ)
        return _response(request, reply, {"Cache-Control": "no-store"})

    def _signed_in(self, form: Mapping[str, str], authorization: str, own_url: str) -> Reply:
        key, secret = basic_pair(authorization) or (form.get("client_id", ""), form.get("client_secret", ""))
        if form.get("grant_type") != "client_credentials":
            return Reply({"error": "unsupported_grant_type", "error_description": "grant type not supported"}, 400)
        if not hmac.compare_digest(key.encode(), self.credentials.consumer_key.encode()):
            return Reply({"error": "invalid_client_id", "error_description": "client identifier invalid"}, 400)
        if not hmac.compare_digest(secret.encode(), self.credentials.consumer_secret.encode()):
            return Reply({"error": "invalid_client", "error_description": "invalid client credentials"}, 400)
        return Reply(
            {
                "access_token": self.credentials.issue(),
                "signature": secrets.token_urlsafe(32),
                "scope": "api",
                "instance_url": own_url,
                "id": f"{own_url}/id/{ORG_ID}/{INTEGRATION_USER_ID}",
                "token_type": "Bearer",
                "issued_at": str(time.time_ns() // 1_000_000),
            }
        )

    def _answered(self, request: Request, body: bytes, act: _Act) -> Reply:
        def answered() -> Reply:
            if not self.credentials.admits(request.headers.get("authorization", "")):
                raise session_refused()
            if request.path_params.get("version", API_VERSIONS[-1]) not in API_VERSIONS:
                raise not_found()
            call = Call(request.path_params, request.query_params, request.headers, body)
            if request.method == "GET":
                return act(self.org, call)
            with self.org.state.transaction():
                return act(self.org, call)

        return answer_of(answered, request.url.path)


def _unknown(org: Org, call: Call) -> Reply:
    raise not_found()


def _page(page: Page) -> Reply:
    return Reply(page.body, records=page.count)


def _written(results: list[dict[str, Any]]) -> Reply:
    return Reply(results, records=sum(bool(each["success"]) for each in results))


def _batch_size(call: Call) -> int:
    """What the caller asks for, within Salesforce's bounds."""
    asked = _BATCH_SIZE.search(call.headers.get("sforce-query-options", ""))
    return min(LARGEST_PAGE, max(SMALLEST_PAGE, int(asked[1]))) if asked else LARGEST_PAGE


def _own_url(request: Request) -> str:
    return f"{request.url.scheme}://{request.headers.get('host', '127.0.0.1')}"


def _response(request: Request, reply: Reply, headers: dict[str, str]) -> Response:
    if reply.status == 204:
        return Response(status_code=204, headers=headers)
    if reply.status == 414:
        return Response(_TOO_LONG, 414, headers, "text/html")
    body = orjson.dumps(reply.body)
    if len(body) > _SMALLEST_GZIP and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    return Response(body, reply.status, headers, "application/json;charset=UTF-8")
