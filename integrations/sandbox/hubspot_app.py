"""HubSpot over HTTP: one portal at the dated paths and at ``v3``/``v4``, behind one bearer token.

No public recording or schema confirms these: pages of 500 in association batch reads, the code ``INVALID_OWNER_ID``,
409 for a taken custom unique value, archived records keeping theirs, and how partial failures look at 2026-09.
"""

import gzip
import hmac
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.sandbox import hubspot_associations as associations
from integrations.sandbox import hubspot_batch as batch
from integrations.sandbox import hubspot_metadata as metadata
from integrations.sandbox import hubspot_objects as objects
from integrations.sandbox.hubspot_answers import Answer, HubSpotError
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_portal import CRM, Portal
from integrations.sandbox.hubspot_schema import DATED_VERSIONS
from integrations.sandbox.hubspot_search import search
from integrations.sandbox.state import State

Handler = Callable[[Call], Answer]
Endpoint = Callable[[Request], Awaitable[Response]]

DAILY_LIMIT, INTERVAL_S, USUAL_LIMIT = 625_000, 10, 190
_SMALLEST_GZIP = 1_000
_READING = frozenset({search, batch.batch_read, associations.batch_read})
"""What is read by POST."""


class RateLimit:
    """Requests of the last window; without a maximum they are counted but never refused."""

    def __init__(self, most: int | None, window_s: float, policy: str) -> None:
        self.most = most
        self._window_s = window_s
        self._policy = policy
        self._seen: deque[float] = deque()

    @property
    def used(self) -> int:
        """Requests of the last window, as of the last one."""
        return len(self._seen)

    def take(self) -> None:
        """Count one request.

        Raises:
            HubSpotError: 429, when it holds too many.
        """
        now = time.monotonic()
        while self._seen and now - self._seen[0] >= self._window_s:
            self._seen.popleft()
        if self.most is not None and len(self._seen) >= self.most:
            message = f"You have reached your {self._policy.lower()} limit."
            more = {
                "errorType": "RATE_LIMIT",
                "policyName": self._policy,
                "groupName": f"publicapi:{self._policy.lower()}",
            }
            raise HubSpotError(429, "RATE_LIMITS", message, **more)
        self._seen.append(now)


class _Gate:
    """Everything around a handler: token, limits, transaction, error bodies, compression, headers, request log."""

    def __init__(self, portal: Portal, token: str, rate_limit: int | None, search_limit: int | None) -> None:
        self._portal = portal
        self._authorization = f"Bearer {token}".encode()
        self._general = RateLimit(rate_limit, INTERVAL_S, "TEN_SECONDLY_ROLLING")
        self._searches = RateLimit(search_limit, 1, "SECONDLY")
        self._day, self._of_today = "", 0

    def endpoint(self, handler: Handler, version: str) -> Endpoint:
        """The handler as Starlette calls it."""

        async def answer(request: Request) -> Response:
            content = await request.body()
            query = {name: request.query_params.getlist(name) for name in request.query_params}
            path = {**request.path_params, "": request.url.path}
            call = Call(self._portal, version, path, query, content, str(request.base_url).rstrip("/"))
            return self._answer(request, handler, call)

        return answer

    def _answer(self, request: Request, handler: Handler, call: Call) -> Response:
        try:
            self._admit(request)
            self._count(handler)
            answer = self._handled(request, handler, call)
        except HubSpotError as error:
            kind = "read" if request.method == "GET" or handler in _READING else "write"
            answer = Answer(error.body(), error.status, "read" if kind == "read" else "write")
        path = call.path[""]
        self._portal.state.log_request(
            CRM, request.method, path, answer.status, kind=answer.kind, records=answer.records
        )
        return _response(request, answer, {} if handler is search else self._rate_headers())

    def _handled(self, request: Request, handler: Handler, call: Call) -> Answer:
        with nullcontext() if _is_read(request, handler) else self._portal.state.transaction():
            return handler(call)

    def _admit(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._authorization):
            message = (
                "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
                "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
            )
            raise HubSpotError(401, "INVALID_AUTHENTICATION", message)

    def _count(self, handler: Handler) -> None:
        """Take the request off its limits."""
        day = self._portal.now_text()[:10]
        self._of_today = self._of_today + 1 if day == self._day else 1
        self._day = day
        self._general.take()
        if handler is search:
            self._searches.take()

    def _rate_headers(self) -> dict[str, str]:
        most = self._general.most or USUAL_LIMIT
        return {
            "X-HubSpot-RateLimit-Daily": str(DAILY_LIMIT),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, DAILY_LIMIT - self._of_today)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(INTERVAL_S * 1000),
            "X-HubSpot-RateLimit-Max": str(most),
            "X-HubSpot-RateLimit-Remaining": str(max(0, most - self._general.used)),
        }


def _is_read(request: Request, handler: Handler) -> bool:
    return request.method == "GET" or handler in _READING


def _response(request: Request, answer: Answer, headers: dict[str, str]) -> Response:
    headers |= {"X-HubSpot-Correlation-Id": str(uuid.uuid4()), "Vary": "Accept-Encoding"}
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    content = orjson.dumps(answer.body)
    if len(content) >= _SMALLEST_GZIP and "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, compresslevel=1)
        headers["Content-Encoding"] = "gzip"
    return Response(content, answer.status, headers, "application/json;charset=utf-8")


# -- paths ------------------------------------------------------------------------------------------------------------

_OBJECTS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/{type}", objects.list_records),
    ("POST", "/{type}", objects.create_record),
    ("POST", "/{type}/search", search),
    ("POST", "/{type}/merge", objects.merge),
    ("POST", "/{type}/batch/read", batch.batch_read),
    ("POST", "/{type}/batch/create", batch.batch_create),
    ("POST", "/{type}/batch/update", batch.batch_update),
    ("POST", "/{type}/batch/upsert", batch.batch_upsert),
    ("POST", "/{type}/batch/archive", batch.batch_archive),
    ("GET", "/{type}/{id}", objects.get_record),
    ("PATCH", "/{type}/{id}", objects.update_record),
    ("DELETE", "/{type}/{id}", objects.archive_record),
)
_SINGLE_ASSOCIATIONS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/{from}/{id}/associations/{to}", associations.list_associations),
    ("PUT", "/{from}/{id}/associations/default/{to}/{to_id}", associations.associate_default),
    ("PUT", "/{from}/{id}/associations/{to}/{to_id}", associations.associate),
    ("DELETE", "/{from}/{id}/associations/{to}/{to_id}", associations.dissociate),
)
_ASSOCIATIONS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/{from}/{to}/labels", associations.list_labels),
    ("POST", "/{from}/{to}/labels", associations.create_label),
    ("POST", "/{from}/{to}/batch/read", associations.batch_read),
    ("POST", "/{from}/{to}/batch/create", associations.batch_create),
    ("POST", "/{from}/{to}/batch/associate/default", associations.batch_default),
    ("POST", "/{from}/{to}/batch/archive", associations.batch_archive),
    ("POST", "/{from}/{to}/batch/labels/archive", associations.batch_archive_labels),
)
_PROPERTIES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/{type}", metadata.list_properties),
    ("POST", "/{type}", metadata.create_property),
    ("POST", "/{type}/batch/create", metadata.batch_create_properties),
    ("GET", "/{type}/groups", metadata.list_groups),
    ("POST", "/{type}/groups", metadata.create_group),
    ("GET", "/{type}/groups/{name}", metadata.get_group),
    ("GET", "/{type}/{name}", metadata.get_property),
    ("DELETE", "/{type}/{name}", metadata.archive_property),
)
_OWNERS: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "", metadata.list_owners),
    ("GET", "/", metadata.list_owners),
    ("GET", "/{id}", metadata.get_owner),
)
_PIPELINES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/{type}", metadata.list_pipelines),
    ("GET", "/{type}/{id}", metadata.get_pipeline),
    ("GET", "/{type}/{id}/stages", metadata.list_stages),
)
_ACCOUNT: tuple[tuple[str, str, Handler], ...] = (("GET", "/details", metadata.account_details),)
_DATED = (
    ("/crm/objects/{}", (*_SINGLE_ASSOCIATIONS, *_OBJECTS)),
    ("/crm/associations/{}", _ASSOCIATIONS),
    ("/crm/properties/{}", _PROPERTIES),
    ("/crm/owners/{}", _OWNERS),
    ("/crm/pipelines/{}", _PIPELINES),
    ("/account-info/{}", _ACCOUNT),
)
_LEGACY = (
    ("v3", "/crm/v3/objects", _OBJECTS),
    ("v3", "/crm/v3/properties", _PROPERTIES),
    ("v3", "/crm/v3/owners", _OWNERS),
    ("v3", "/crm/v3/pipelines", _PIPELINES),
    ("v3", "/account-info/v3", _ACCOUNT),
    ("v4", "/crm/v4/objects", _SINGLE_ASSOCIATIONS),
    ("v4", "/crm/v4/associations", _ASSOCIATIONS),
)


def _unknown_path(call: Call) -> Answer:
    raise HubSpotError(404, "OBJECT_NOT_FOUND", "Unable to find a resource at this path")


def create_app(
    state: State, *, token: str, rate_limit: int | None = None, search_limit: int | None = None
) -> Starlette:
    """HubSpot's HTTP API over the portal in ``state``, which is made when there is none.

    Args:
        token: The only bearer token that is let in.
        rate_limit: Requests allowed in any 10 seconds; None lifts the limit.
        search_limit: Searches allowed in any second; None lifts the limit.
    """
    gate = _Gate(Portal(state), token, rate_limit, search_limit)
    families = [(version, family.format(version), table) for version in DATED_VERSIONS for family, table in _DATED]
    routes = [
        Route(prefix + path, gate.endpoint(handler, version), methods=[method])
        for version, prefix, table in (*families, *_LEGACY)
        for method, path, handler in table
    ]
    every_method = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[*routes, Route("/{path:path}", gate.endpoint(_unknown_path, ""), methods=every_method)])
