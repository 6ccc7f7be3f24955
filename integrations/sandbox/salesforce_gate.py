"""Around every resource of the org: token, version, error bodies, compression, usage header, request log."""

import gzip
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from integrations.sandbox.salesforce_auth import Credentials
from integrations.sandbox.salesforce_calls import Call, Reply, answer_of
from integrations.sandbox.salesforce_errors import SalesforceError, not_found, session_refused
from integrations.sandbox.salesforce_limits import usage_header
from integrations.sandbox.salesforce_oauth import OAuth, OAuthCall
from integrations.sandbox.salesforce_schema import API_VERSIONS, RETIRED_VERSIONS
from integrations.sandbox.salesforce_soap import Soap
from integrations.sandbox.salesforce_store import CRM
from integrations.sandbox.state import RequestKind, State

_SMALLEST_GZIP = 1_000
_LONGEST_ADDRESS = 16_384
_TOO_LONG = "<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>"
_WITHOUT_BODY = frozenset({204, 304})

_SLASHES = re.compile(r"^/{2,}")

Endpoint = Callable[[Request], Any]


class SingleSlash:
    """Takes the doubled slash off the front of a path: what clients make of an instance URL that ends in one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("//"):
            scope = {**scope, "path": _SLASHES.sub("/", scope["path"])}
        await self.app(scope, receive, send)


class Counted(Protocol):
    """What the gate needs of the org: its state, and a counter of the requests it has used."""

    state: State
    used_requests: int


class Gate:
    """Turns resources of the org into endpoints."""

    def __init__(self, org: Counted, credentials: Credentials) -> None:
        self.org, self.credentials = org, credentials
        self.oauth = OAuth(org.state, credentials)

    def endpoint(self, kind: RequestKind, act: Callable[[Call], Reply]) -> Endpoint:
        """The endpoint of a resource that wants a token."""

        async def answer(request: Request) -> Response:
            body = await request.body()
            is_too_long = len(request.url.path) + len(request.url.query) > _LONGEST_ADDRESS
            reply = Reply(status=414) if is_too_long else self._answered(request, body, act)
            return self._sent(request, reply, kind, self.counted())

        return answer

    def counted(self) -> dict[str, str]:
        """Count one more request; the header that says how many of the day's are used."""
        self.org.used_requests += 1
        return usage_header(self.org.used_requests)

    def open_to_all(self, act: Callable[[Call], Reply]) -> Endpoint:
        """The endpoint of a resource that wants no token."""

        async def answer(request: Request) -> Response:
            return self._sent(request, act(Call({}, {}, request.headers, b"")), "read")

        return answer

    def soap(self, soap: Soap) -> Endpoint:
        """The endpoint of the SOAP API, which has the token in its envelope."""

        async def answer(request: Request) -> Response:
            self.counted()
            return self._sent(request, soap.answered(await request.body()), "write")

        return answer

    def oauth_endpoint(self, act: Callable[[OAuthCall], Reply]) -> Endpoint:
        """The endpoint of an OAuth resource: it reads a form or a query, and counts as no call."""

        async def answer(request: Request) -> Response:
            return self._sent(request, act(await _oauth_call(request)), "read")

        return answer

    async def identity(self, request: Request) -> Response:
        """The identity page of a user."""
        reply = self.oauth.identity(await _oauth_call(request), request.path_params["path"])
        return self._sent(request, reply, "read")

    def _sent(
        self, request: Request, reply: Reply, kind: RequestKind, headers: Mapping[str, str] | None = None
    ) -> Response:
        self.org.state.log_request(
            CRM, request.method, request.url.path, reply.status, kind=reply.kind or kind, records=reply.records
        )
        return _response(request, reply, {**(headers or {}), **reply.headers})

    def _answered(self, request: Request, body: bytes, act: Callable[[Call], Reply]) -> Reply:
        def answered() -> Reply:
            if not self.credentials.admits(request.headers.get("authorization", "")):
                raise session_refused()
            _check_version(request.path_params.get("version", API_VERSIONS[-1]))
            call = Call(request.path_params, request.query_params, request.headers, _unpacked(request, body))
            if request.method == "GET":
                return act(call)
            with self.org.state.transaction():
                return act(call)

        return answer_of(answered, request.url.path)


def _check_version(version: str) -> None:
    if version in RETIRED_VERSIONS:
        message = f"API version {version} is retired: use one that /services/data lists"
        raise SalesforceError("UNSUPPORTED_API_VERSION", message, status=410)
    if version not in API_VERSIONS:
        raise not_found()


def _unpacked(request: Request, body: bytes) -> bytes:
    if request.headers.get("content-encoding", "").lower() != "gzip":
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        raise SalesforceError("MALFORMED_REQUEST", "the body is not what Content-Encoding says: gzip") from None


async def _oauth_call(request: Request) -> OAuthCall:
    form = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    given = {**dict(request.query_params), **{name: values[-1] for name, values in form.items()}}
    own_url = f"{request.url.scheme}://{request.headers.get('host', '127.0.0.1')}"
    return OAuthCall(given, request.headers.get("authorization", ""), own_url)


def _response(request: Request, reply: Reply, headers: dict[str, str]) -> Response:
    if reply.status in _WITHOUT_BODY:
        return Response(status_code=reply.status, headers=headers)
    if reply.status == 414:
        return Response(_TOO_LONG, 414, headers, "text/html")
    body = orjson.dumps(reply.body) if reply.content is None else reply.content
    if len(body) > _SMALLEST_GZIP and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    return Response(body, reply.status, headers, reply.media_type)
