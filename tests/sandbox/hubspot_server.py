"""The emulated HubSpot on a socket, fresh for every test; and the two ways of talking to it."""

import gzip
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
import urllib3
import uvicorn
from hubspot import HubSpot
from starlette.types import ASGIApp, Receive, Scope, Send

from integrations.sandbox.hubspot_app import create_app
from integrations.sandbox.state import State

TOKEN = "pat-na1-for-tests"
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
FAMILIES = ("/crm/objects/2026-09", "/crm/objects/2026-03", "/crm/v3/objects")


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: urllib3.HTTPHeaderDict
    body: Any


class Switchboard:
    """One socket for all tests; each test plugs its own app in."""

    app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Portal:
    """A running portal: its state, and requests to it."""

    state: State
    url: str
    pool: urllib3.PoolManager

    def call(self, method: str, path: str, body: Any = None, *, token: str = TOKEN, **query: str) -> Reply:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        content = body if isinstance(body, bytes) else None if body is None else orjson.dumps(body)
        url = f"{self.url}{path}{'?' + urlencode(query) if query else ''}"
        answer = self.pool.request(method, url, body=content, headers=headers, retries=False)
        is_json = "json" in answer.headers.get("Content-Type", "")
        return Reply(answer.status, answer.headers, orjson.loads(answer.data) if is_json else answer.data or None)

    def get(self, path: str, **query: str) -> Reply:
        return self.call("GET", path, **query)

    def post(self, path: str, body: Any) -> Reply:
        return self.call("POST", path, body)

    def make(self, kind: str, **properties: str) -> str:
        """Create one record through the API; answers its id."""
        reply = self.post(f"/crm/objects/2026-09/{kind}", {"properties": properties})
        assert reply.status == 201, reply.body
        return str(reply.body["id"])

    def client(self) -> HubSpot:
        """The vendor's own client, unchanged, told where HubSpot is."""
        return HubSpot(access_token=TOKEN, host=self.url, base_url=self.url)


@pytest.fixture(scope="session")
def hubspot_socket() -> Iterator[tuple[Switchboard, str]]:
    board = Switchboard()
    server = uvicorn.Server(uvicorn.Config(board, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield board, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def hs(hubspot_socket: tuple[Switchboard, str]) -> Iterator[Portal]:
    board, url = hubspot_socket
    state = State()
    state.clock.set(NOW)
    board.app = create_app(state, token=TOKEN)
    with urllib3.PoolManager() as pool:
        yield Portal(state, url, pool)
    state.close()


def plug(socket: tuple[Switchboard, str], app: ASGIApp) -> None:
    """Serve another app from here on."""
    socket[0].app = app


def unzipped(content: bytes) -> Any:
    return orjson.loads(gzip.decompress(content))
