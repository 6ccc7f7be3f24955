"""Salesforce over HTTP: sign-in, describe, queries, records and collections of the org in the state.

Versions 31 to 68 are served; what a version lacks in the real org is left out where clients could tell (an upsert
that updates answers 204 below v46).

No public recording confirms these: that an unknown field refuses a whole collection and not one record; that a second
upsert of one key in a call is refused by itself; that a key is free again once its record is in the recycle bin; that
deleting an account takes its cases along; the words of ``INVALID_EMAIL_ADDRESS`` and of a missing
``attributes.type``; the body of a retired version's 410.

Bulk API 2.0 is in ``salesforce_bulk``, deployments are in ``salesforce_metadata``. Not here: Bulk API 1.0, tooling,
layouts, search, currencies, person accounts, XML as the format of REST bodies. Text compares without regard to case for
ASCII letters only.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from integrations.sandbox import salesforce_batches as batches
from integrations.sandbox import salesforce_bulk
from integrations.sandbox import salesforce_collections as collections
from integrations.sandbox import salesforce_conditions as conditions
from integrations.sandbox import salesforce_graphs as graphs
from integrations.sandbox import salesforce_metadata as metadata
from integrations.sandbox import salesforce_replication as replication
from integrations.sandbox.salesforce_auth import ORG_ID, Credentials
from integrations.sandbox.salesforce_bin import prepare_bin
from integrations.sandbox.salesforce_calls import Call, Reply
from integrations.sandbox.salesforce_columns import columns
from integrations.sandbox.salesforce_composite import Composite, Resource
from integrations.sandbox.salesforce_deployed import OwnObjects
from integrations.sandbox.salesforce_describe import described, summary
from integrations.sandbox.salesforce_errors import SalesforceError, not_found
from integrations.sandbox.salesforce_gate import Gate, SingleSlash
from integrations.sandbox.salesforce_ids import normal_id
from integrations.sandbox.salesforce_limits import limits
from integrations.sandbox.salesforce_merges import merge_accounts
from integrations.sandbox.salesforce_objects import OBJECTS
from integrations.sandbox.salesforce_query import SMALLEST_PAGE, Page, Queries
from integrations.sandbox.salesforce_schema import API_VERSIONS, SObject
from integrations.sandbox.salesforce_soap import Soap
from integrations.sandbox.salesforce_store import CRM, INTEGRATION_USER_ID, entity_named, load, prepare, records_of
from integrations.sandbox.salesforce_trees import created_tree
from integrations.sandbox.salesforce_writes import MultipleMatchesError, Writer, path_id
from integrations.sandbox.soql_plan import LARGEST_PAGE
from integrations.sandbox.state import RequestKind, State

__all__ = ["Credentials", "create_app", "load", "merge_accounts"]

_TELLS_OF_UPDATES = 46
_BATCH_SIZE = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)
_SEASONS = ("Winter", "Spring", "Summer")


class Org:
    """The org's resources, one method each: a call in, a reply out."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.queries = Queries(state)
        self.writer = Writer(state)
        self.used_requests = sum(state.request_counts().get(CRM, {}).values())
        self._described: dict[tuple[str, str, str], tuple[SObject, orjson.Fragment]] = {}
        self._composite = Composite(state, self._resources("/sobjects", "/query", "/composite/sobjects"))
        self._batched = self._resources("/sobjects", "/query", "/limits")

    def _resources(self, *prefixes: str) -> list[Resource]:
        """The resources that requests inside another may name."""
        inside = [each for each in _TABLE if each[1].startswith(prefixes)]
        return [Resource(method, _DATA + path, kind, partial(act, self)) for method, path, kind, act in inside]

    # -- about the org ------------------------------------------------------------------------------------------------

    def versions(self, call: Call) -> Reply:
        return Reply(
            [{"label": _release(each), "url": f"/services/data/v{each}", "version": each} for each in API_VERSIONS]
        )

    def resources(self, call: Call) -> Reply:
        base = f"/services/data/v{call.version}"
        names = ("sobjects", "query", "queryAll", "limits", "composite", "jobs", "metadata")
        user = f"{_host(call)}/id/{ORG_ID}/{INTEGRATION_USER_ID}"
        return Reply({**{name: f"{base}/{name}" for name in names}, "identity": user})

    def limits(self, call: Call) -> Reply:
        return Reply(limits(self.used_requests))

    def record_counts(self, call: Call) -> Reply:
        """How many records objects have; an object without any is left out, and so is one that is none."""
        asked = {name.lower() for name in call.query.get("sObjects", "").split(",") if name}
        entities = sorted((each for each in OBJECTS.values() if not asked or each.name.lower() in asked), key=_name)
        counted = [{"count": records_of(self.state, each), "name": each.name} for each in entities]
        return Reply({"sObjects": [each for each in counted if each["count"]]})

    def describe_global(self, call: Call) -> Reply:
        found = [summary(each, call.version) for each in sorted(OBJECTS.values(), key=_name)]
        return Reply({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": found})

    def basic(self, call: Call) -> Reply:
        return Reply({"objectDescribe": summary(call.entity, call.version), "recentItems": []})

    def describe(self, call: Call) -> Reply:
        key = (call.entity.name, call.version, _host(call))
        entity, told = self._described.get(key, (None, None))
        if entity is not call.entity or told is None:  # what is deployed meanwhile makes another of it
            told = orjson.Fragment(orjson.dumps(described(call.entity, call.version, key[2])))
            self._described[key] = (call.entity, told)
        return Reply(told)

    def updated(self, call: Call) -> Reply:
        return replication.updated(self.state, call)

    def deleted(self, call: Call) -> Reply:
        return replication.deleted(self.state, call)

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
        if call.query.get("columns", "false").lower() == "true":
            self.queries.first(soql, version=call.version, sees_all=sees_all, batch_size=SMALLEST_PAGE)
            return Reply(columns(soql))
        return _page(self.queries.first(soql, version=call.version, sees_all=sees_all, batch_size=size))

    # -- one record ---------------------------------------------------------------------------------------------------

    def create(self, call: Call) -> Reply:
        record_id = self.writer.create(call.entity, call.json())
        return Reply({"id": record_id, "success": True, "errors": []}, 201, 1)

    def read(self, call: Call) -> Reply:
        return self._read(call, path_id(call.entity, call.path["id"]))

    def read_by_key(self, call: Call) -> Reply:
        """The record that an external id names, or what a relationship of a record leads to."""
        record_id = normal_id(call.path["key"])
        if record_id and record_id.startswith(call.entity.key_prefix):
            return self._related(call, record_id)
        ids = self._named(call)
        if not ids:
            raise not_found()
        return self._read(call, ids[0])

    def update(self, call: Call) -> Reply:
        record_id = path_id(call.entity, call.path["id"])
        conditions.check_write(call.entity, self.writer.current(call.entity, record_id), call)
        self.writer.update(call.entity, record_id, call.json())
        headers = conditions.headers_of(call.entity, self.writer.current(call.entity, record_id), call)
        return Reply(None, 204, 1, headers=headers)

    def _read(self, call: Call, record_id: str) -> Reply:
        row = self.writer.current(call.entity, record_id)
        if unread := conditions.unread(call.entity, row, call):
            return unread
        found = self.queries.records(call.entity, _asked_names(call, call.entity), [record_id], call.version)[0]
        return Reply(found, records=1, headers=conditions.headers_of(call.entity, row, call))

    def _named(self, call: Call) -> list[str]:
        by = collections.external_id_field(call.entity, call.path["key"])
        ids = self.writer.named_by(call.entity, by, call.path["value"])
        if len(ids) > 1:
            raise MultipleMatchesError(ids)
        return ids

    def _related(self, call: Call, record_id: str) -> Reply:
        row, name = self.writer.current(call.entity, record_id), call.path["value"].strip("/").lower()
        link = call.entity.by_relationship.get(name)
        if link is not None and row[link.name]:
            target = next(each for each in OBJECTS.values() if row[link.name].startswith(each.key_prefix))
            return Reply(
                self.queries.records(target, _asked_names(call, target), [row[link.name]], call.version)[0], records=1
            )
        for relationship, child, by, _ in call.entity.children:
            if relationship.lower() == name:
                fields = ", ".join(_asked_names(call, entity_named(child)))
                soql = f"SELECT {fields} FROM {child} WHERE {by} = '{record_id}'"  # noqa: S608 - names from the schema
                return _page(self.queries.first(soql, version=call.version, sees_all=False, batch_size=LARGEST_PAGE))
        raise not_found()

    def delete(self, call: Call) -> Reply:
        self.writer.delete(call.entity, path_id(call.entity, call.path["id"]))
        return Reply(None, 204, 1)

    def delete_by_key(self, call: Call) -> Reply:
        ids = self._named(call)
        if not ids:
            raise not_found()
        self.writer.delete(call.entity, ids[0])
        return Reply(None, 204, 1)

    def upsert(self, call: Call) -> Reply:
        by = collections.external_id_field(call.entity, call.path["key"])
        if call.query.get("updateOnly", "false").lower() == "true" and not self._named(call):
            raise not_found()
        record_id, is_new = self.writer.upsert(call.entity, by, call.path["value"], call.json())
        body = {"id": record_id, "success": True, "errors": []}
        if float(call.version) < _TELLS_OF_UPDATES:
            return Reply(body, 201, 1) if is_new else Reply(None, 204, 1)
        return Reply({**body, "created": is_new}, 201 if is_new else 200, 1)

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

    def composites(self, call: Call) -> Reply:
        base = f"/services/data/v{call.version}/composite"
        return Reply({name: f"{base}/{name}" for name in ("tree", "batch", "sobjects", "graph")})

    def graph(self, call: Call) -> Reply:
        return graphs.answered(self._composite, call)

    def batch(self, call: Call) -> Reply:
        return batches.answered(self.state, self._batched, call)

    def tree(self, call: Call) -> Reply:
        return created_tree(self.writer, call)

    def deploy(self, call: Call) -> Reply:
        return metadata.deploy(self.state, call)

    def deployment(self, call: Call) -> Reply:
        return metadata.status(self.state, call)


_Act = Callable[[Org, Call], Reply]
_READ: RequestKind = "read"
_WRITE: RequestKind = "write"
_DATA = "/services/data/v{version}"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_TABLE: tuple[tuple[str, str, RequestKind, _Act], ...] = (
    ("GET", "", _READ, Org.resources),
    ("GET", "/limits", _READ, Org.limits),
    ("GET", "/limits/recordCount", _READ, Org.record_counts),
    ("GET", "/query", _READ, Org.query),
    ("GET", "/queryAll", _READ, Org.query_all),
    ("GET", "/query/{locator}", _READ, Org.query_more),
    ("GET", "/queryAll/{locator}", _READ, Org.query_more),
    ("GET", "/sobjects", _READ, Org.describe_global),
    ("GET", "/sobjects/{type}", _READ, Org.basic),
    ("POST", "/sobjects/{type}", _WRITE, Org.create),
    ("GET", "/sobjects/{type}/describe", _READ, Org.describe),
    ("GET", "/sobjects/{type}/updated", _READ, Org.updated),
    ("GET", "/sobjects/{type}/deleted", _READ, Org.deleted),
    ("POST", "/sobjects/{type}/Id", _WRITE, Org.create),
    ("GET", "/sobjects/{type}/{id}", _READ, Org.read),
    ("PATCH", "/sobjects/{type}/{id}", _WRITE, Org.update),
    ("DELETE", "/sobjects/{type}/{id}", _WRITE, Org.delete),
    ("GET", "/sobjects/{type}/{key}/{value:path}", _READ, Org.read_by_key),
    ("PATCH", "/sobjects/{type}/{key}/{value:path}", _WRITE, Org.upsert),
    ("DELETE", "/sobjects/{type}/{key}/{value:path}", _WRITE, Org.delete_by_key),
    ("GET", "/composite", _READ, Org.composites),
    ("POST", "/composite", _WRITE, Org.composite),
    ("POST", "/composite/graph", _WRITE, Org.graph),
    ("POST", "/composite/batch", _WRITE, Org.batch),
    ("POST", "/composite/tree/{type}", _WRITE, Org.tree),
    ("POST", "/composite/sobjects", _WRITE, Org.create_all),
    ("PATCH", "/composite/sobjects", _WRITE, Org.update_all),
    ("DELETE", "/composite/sobjects", _WRITE, Org.delete_all),
    ("POST", "/composite/sobjects/{type}", _READ, Org.retrieve_all),
    ("GET", "/composite/sobjects/{type}", _READ, Org.retrieve_all),
    ("PATCH", "/composite/sobjects/{type}/{key}", _WRITE, Org.upsert_all),
    ("POST", "/metadata/deployRequest", _WRITE, Org.deploy),
    ("GET", "/metadata/deployRequest/{id}", _READ, Org.deployment),
)

DATA_ENDPOINTS = tuple((method, _DATA + path) for method, path, _, _ in _TABLE)
"""Method and path of what is answered below ``/services/data``, Bulk aside; other methods of a path are refused."""


def create_app(state: State, credentials: Credentials) -> Starlette:
    """Salesforce's HTTP API over the org in ``state``, whose tables are made when there are none."""
    prepare(state)
    prepare_bin(state)
    metadata.prepare_metadata(state)
    org = Org(state)
    gate = Gate(org, credentials)
    routes = [*_open_routes(org, gate)]
    for method, path, kind, act in _TABLE:
        endpoint = gate.endpoint(kind, partial(act, org))
        routes += [Route(way, endpoint, methods=[method]) for way in _ways(path)]
    for path in dict.fromkeys(path for _, path, _, _ in _TABLE):
        routes += _refusals(path, gate)
    routes += salesforce_bulk.routes(state, credentials, gate.counted)
    routes.append(Route("/{path:path}", gate.endpoint(_READ, _unknown), methods=list(_METHODS)))
    app = Starlette(routes=routes, middleware=[Middleware(SingleSlash), Middleware(OwnObjects, state=state)])
    app.router.redirect_slashes = False
    return app


def _open_routes(org: Org, gate: Gate) -> list[Route]:
    """The routes that take no token in a header, or see to it by themselves."""
    oauth, soap = gate.oauth, gate.soap(Soap(org.writer, gate.credentials))
    ways = {"token": oauth.token, "authorize": oauth.authorize, "revoke": oauth.revoke, "userinfo": oauth.user_info,
            "introspect": oauth.introspect}  # fmt: skip
    versions = gate.open_to_all(org.versions)
    return [
        *(
            Route(f"/services/oauth2/{name}", gate.oauth_endpoint(act), methods=["GET", "POST"])
            for name, act in ways.items()
        ),
        Route("/id/{path:path}", gate.identity, methods=["GET", "POST"]),
        *(
            Route(way, soap, methods=["POST"])
            for way in ("/services/Soap/u/{version}", "/services/Soap/u/{version}/{org}")
        ),
        Route("/services/data", versions),
        Route("/services/data/", versions),
    ]


def _ways(path: str) -> list[str]:
    return [_DATA + path] if "{value" in path else [_DATA + path, _DATA + path + "/"]


def _refusals(path: str, gate: Gate) -> list[Route]:
    """The routes that refuse the other methods of a path."""
    allowed = [method for method, each, _, _ in _TABLE if each == path]
    return [
        Route(way, gate.endpoint(_READ, partial(_not_allowed, method, allowed)), methods=[method])
        for method in _METHODS
        if method not in allowed
        for way in _ways(path)
    ]


def _not_allowed(method: str, allowed: list[str], call: Call) -> Reply:
    message = f"HTTP Method '{method}' not allowed. Allowed are {','.join(sorted(allowed))}"
    raise SalesforceError("METHOD_NOT_ALLOWED", message, status=405)


def _unknown(call: Call) -> Reply:
    raise not_found()


def _release(version: str) -> str:
    """What a version is called: v68.0 is Winter '27."""
    year, season = divmod(int(float(version)) + 13, 3)
    return f"{_SEASONS[season]} '{year}"


def _name(entity: SObject) -> str:
    return entity.name


def _host(call: Call) -> str:
    return f"http://{call.headers.get('host', '127.0.0.1')}"


def _asked_names(call: Call, entity: SObject) -> list[str]:
    if "fields" not in call.query:
        return [each.name for each in entity.fields]
    return ["Id", *(each for each in call.query["fields"].split(",") if each.lower() != "id")]


def _page(page: Page) -> Reply:
    return Reply(page.body, records=page.count)


def _written(results: list[dict[str, Any]]) -> Reply:
    return Reply(results, records=sum(bool(each["success"]) for each in results))


def _batch_size(call: Call) -> int:
    """What the caller asks for, within Salesforce's bounds."""
    asked = _BATCH_SIZE.search(call.headers.get("sforce-query-options", ""))
    return min(LARGEST_PAGE, max(SMALLEST_PAGE, int(asked[1]))) if asked else LARGEST_PAGE
