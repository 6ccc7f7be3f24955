"""HubSpot over HTTP: one portal at the dated paths and at ``v3``/``v4``, behind bearer tokens with scopes.

Shapes follow HubSpot's OpenAPI specifications of ``v3``, ``v4``, 2026-03 and 2026-09 as its own clients carry them. No
public recording or schema confirms these: pages of 500 in association batch reads, the code ``INVALID_OWNER_ID``, 409
for a taken custom unique value, archived records keeping theirs, how partial failures look at 2026-09, and that an
unknown path is a page to who takes HTML and an error body to who takes only JSON.
"""

import gzip
import uuid
from collections.abc import Mapping
from contextlib import nullcontext
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from integrations.sandbox.hubspot_answers import (
    PAGE_404,
    Answer,
    HubSpotError,
    MissingRecordError,
)
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_limits import Limits
from integrations.sandbox.hubspot_portal import CRM, Portal
from integrations.sandbox.hubspot_routes import ROUTER, Route
from integrations.sandbox.hubspot_search import search
from integrations.sandbox.hubspot_settings import change_settings, settings_of
from integrations.sandbox.hubspot_tokens import Token, Tokens
from integrations.sandbox.state import State

_SMALLEST_GZIP = 1_000


class HubSpotApp:
    """Everything around a handler: token, limits, scopes, transaction, error bodies, compression, request log."""

    def __init__(self, portal: Portal, token: str) -> None:
        self._portal = portal
        self._tokens = Tokens(portal.state, token)
        self._limits = Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        content = await request.body()
        await self._answer(request, content)(scope, receive, send)

    def _answer(self, request: Request, content: bytes) -> Response:
        path, method = request.scope["path"], request.method
        route, parts = ROUTER.route(method, path)
        is_read = method == "GET" or route.is_read
        token: Token | None = None
        try:
            if not route.is_open:
                token = self._tokens.admitted(request.headers.get("authorization", ""))
                self._count(token, route)
            call = self._call(request, route, parts, content)
            answer = self._handled(route, call, token, is_read=is_read)
        except HubSpotError as error:
            answer = _refusal(error, request, is_read=is_read)
        self._portal.state.log_request(
            CRM, method, route.logged or path, answer.status, kind=answer.kind, records=answer.records
        )
        return _response(request, answer, self._headers(route, token))

    def _count(self, token: Token, route: Route) -> None:
        day = self._portal.now_text()[:10]
        self._limits.take(settings_of(self._portal.state), token.name, day, is_search=route.handler is search)

    def _call(self, request: Request, route: Route, parts: Mapping[str, str], content: bytes) -> Call:
        query = parse_qs(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        origin = str(request.base_url).rstrip("/")
        path = {**parts, "": request.scope["path"]}
        return Call(self._portal, self._tokens, route.version, path, query, content, origin, request.method == "GET")

    def _handled(self, route: Route, call: Call, token: Token | None, *, is_read: bool) -> Answer:
        if token is not None and token.scopes is not None and route.scopes is not None:
            token.demand(route.scopes(call))
        with nullcontext() if is_read else self._portal.transaction():
            return route.handler(call)

    def _headers(self, route: Route, token: Token | None) -> dict[str, str]:
        if token is None:
            return {}
        settings = settings_of(self._portal.state)
        is_search = route.handler is search
        return self._limits.headers(settings, token.name, is_search=is_search, is_oauth=token.is_oauth)


def _refusal(error: HubSpotError, request: Request, *, is_read: bool) -> Answer:
    accepted = request.headers.get("accept", "*/*")
    is_page = error.is_page and ("*/*" in accepted or "text/html" in accepted)
    body = PAGE_404 if is_page or isinstance(error, MissingRecordError) else error.body()
    return Answer(body, error.status, "read" if is_read else "write")


def _response(request: Request, answer: Answer, limits: Mapping[str, str]) -> Response:
    headers = {**limits, **answer.headers, "X-HubSpot-Correlation-Id": str(uuid.uuid4()), "Vary": "Accept-Encoding"}
    if answer.body is None:
        return Response(status_code=answer.status, headers=headers)
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, headers, "text/html;charset=utf-8")
    content = orjson.dumps(answer.body)
    if len(content) >= _SMALLEST_GZIP and "gzip" in request.headers.get("accept-encoding", ""):
        content = gzip.compress(content, compresslevel=1)
        headers["Content-Encoding"] = "gzip"
    return Response(content, answer.status, headers, "application/json;charset=utf-8")


def create_app(
    state: State, *, token: str, rate_limit: int | None = None, search_limit: int | None = None
) -> HubSpotApp:
    """HubSpot's HTTP API over the portal in ``state``, which is made when there is none.

    Args:
        token: A static bearer token that may do everything; ``hubspot_oauth`` says what follows from it.
        rate_limit: Requests allowed in any 10 seconds, as from now on; None leaves ``settings_of`` as they are.
        search_limit: Searches allowed in any second, likewise.
    """
    portal = Portal(state)
    limits = {"rate_limit": rate_limit, "search_limit": search_limit}
    if changes := {name: limit for name, limit in limits.items() if limit is not None}:
        change_settings(state, **changes)
    return HubSpotApp(portal, token)
