"""A HubSpot sandbox on a loopback socket, with faults between it and the client."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import polars as pl
import uvicorn

from integrations.crm import Page, Window
from integrations.hubspot.client import HubSpot, HubSpotConfig
from integrations.sandbox.bare import strip
from integrations.sandbox.hubspot_app import create_app
from integrations.sandbox.hubspot_load import load, load_associations, load_owners
from integrations.sandbox.state import State
from integrations.transport import Patience
from models.enums import Crm, PullObject, WriteAction, WriteKind
from models.frames import MIRRORED, empty
from models.records import Value, Write

TOKEN = "pat-test-token"
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
FULL = Window(None, NOW)


@dataclass
class Faults:
    """What happens to the next requests whose path ends so; each fault is used once."""

    instead: dict[str, list[tuple[int, Any, Mapping[str, str]]]] = field(default_factory=dict)
    changed: dict[str, list[Callable[[Any], Any]]] = field(default_factory=dict)
    cut: dict[str, int] = field(default_factory=dict)
    poison: tuple[bytes, int, Any] | None = None

    def refuse(self, poison: bytes, status: int, body: Any) -> None:
        """Refuse every write whose body holds ``poison``, whole."""
        self.poison = (poison, status, body)

    def answer(self, tail: str, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """Answer so, without asking the portal."""
        self.instead.setdefault(tail, []).append((status, body, headers or {}))

    def change(self, tail: str, change: Callable[[Any], Any]) -> None:
        """Let the portal act, and change what it answers."""
        self.changed.setdefault(tail, []).append(change)

    def lose(self, tail: str, times: int = 1) -> None:
        """Let the portal act, and cut its answer short."""
        self.cut[tail] = times

    @staticmethod
    def due(faults: Mapping[str, Any], path: str) -> Any:
        """The faults for a path, if there are any left."""
        return next((found for tail, found in faults.items() if path.endswith(tail) and found), None)


@dataclass
class Portal:
    """A running sandbox: its state, where it listens, and every request body by path."""

    state: State
    url: str
    faults: Faults
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    def hubspot(self, *, version: str = "2026-09", **settings: Any) -> HubSpot:
        """A client that waits for nothing."""
        config = HubSpotConfig.model_validate(
            {"base_url": self.url, "api_version": version, "access_token": TOKEN, "requests_per_10s": None} | settings
        )
        return HubSpot(config, patience=Patience(sleep=lambda _: None))

    def count(self, tail: str) -> int:
        """How many requests went to paths that end so."""
        return sum(path.endswith(tail) for path, _ in self.asked)

    def sql(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        """Look into the sandbox's tables."""
        return [tuple(row) for row in self.state.query(statement, params)]


def _wrapped(portal: Portal, app: Any) -> Any:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        messages: list[Any] = []
        body, whole = b"", False

        async def heard() -> Any:
            nonlocal body, whole
            if whole:
                return {"type": "http.request", "body": body}
            message = await receive()
            body += message.get("body", b"")
            whole = not message.get("more_body")
            return message

        async def held(message: Any) -> None:
            messages.append(message)

        path, faults = scope["path"], portal.faults
        if faults.poison is not None and path.endswith(("/create", "/update")):
            await _drained(heard)
            if faults.poison[0] in body:
                faults.answer(path, *faults.poison[1:])
        if waiting := faults.due(faults.instead, path):
            await _drained(heard)
            status, answer, headers = waiting.pop(0)
            content = answer if isinstance(answer, bytes) else orjson.dumps(answer)
            names = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            messages = [
                {"type": "http.response.start", "status": status, "headers": names},
                {"type": "http.response.body", "body": content},
            ]
        else:
            if waiting := faults.due(faults.changed, path):
                scope = {**scope, "headers": [one for one in scope["headers"] if one[0] != b"accept-encoding"]}
            await app(scope, heard, held)
            if waiting:
                messages = _altered(messages, waiting.pop(0))
        portal.asked.append((path, body))
        if any(path.endswith(tail) and left for tail, left in faults.cut.items()):
            for tail in [tail for tail in faults.cut if path.endswith(tail)]:
                faults.cut[tail] -= 1
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999999")]})
            return  # the server hangs up on an answer that was announced and never came
        for message in messages:
            await send(message)

    return serve


async def _drained(receive: Any) -> None:
    while (await receive()).get("more_body"):
        pass


def _altered(messages: Sequence[Any], change: Callable[[Any], Any]) -> list[Any]:
    content = orjson.dumps(change(orjson.loads(b"".join(message.get("body", b"") for message in messages))))
    start = messages[0] | {"headers": [one for one in messages[0]["headers"] if one[0] != b"content-length"]}
    return [start, {"type": "http.response.body", "body": content}]


class Switchboard:
    """A server that outlives its portals, since stopping one takes a tenth of a second."""

    def __init__(self) -> None:
        self.app: Any = None
        server = uvicorn.Server(
            uvicorn.Config(self._serve, port=0, log_level="critical", lifespan="off", interface="asgi3")
        )
        threading.Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.005)
        self.port = server.servers[0].sockets[0].getsockname()[1]

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


_idle: list[Switchboard] = []


@contextmanager
def running_portal(*, bare: bool = False) -> Iterator[Portal]:
    """An empty portal whose clock stands at ``NOW``; a bare one lacks what ``plansync provision`` makes."""
    board, state = _idle.pop() if _idle else Switchboard(), State()
    state.clock.set(NOW)
    if bare:
        strip(state)
    portal = Portal(state, f"http://127.0.0.1:{board.port}", Faults())
    board.app = _wrapped(portal, create_app(state, token=TOKEN))
    try:
        yield portal
    finally:
        state.close()
        _idle.append(board)


def at(minute: int, millisecond: int = 0) -> str:
    """An instant on the day before ``NOW``, as HubSpot writes it."""
    return f"2026-11-20T{minute // 60:02d}:{minute % 60:02d}:00.{millisecond:03d}Z"


def instant(minute: int, millisecond: int = 0) -> datetime:
    """The same instant as Python has it."""
    return datetime.fromisoformat(at(minute, millisecond))


def companies(portal: Portal, *rows: Mapping[str, str | None]) -> list[str]:
    """Companies, each with a name unless it has one."""
    return load(portal.state, "companies", [{"name": f"Firm {place}"} | dict(row) for place, row in enumerate(rows)])


def rows_of(pages: Iterator[Page] | Sequence[Page], frame: str) -> pl.DataFrame:
    """All rows of one frame, in order of id."""
    found = [page.rows[frame] for page in pages if frame in page.rows]
    return pl.concat([empty(MIRRORED[frame]), *found]).sort("crm_id")


def pulled(client: HubSpot, target: PullObject, window: Window, frame: str | None = None) -> pl.DataFrame:
    """All rows of one frame of one pull."""
    return rows_of(list(client.pull(target, window)), frame or str(target))


def task_write(
    key: str,
    account: str,
    action: WriteAction = WriteAction.CREATE,
    crm_id: str | None = None,
    **values: Value,
) -> Write:
    """A write of one task."""
    return Write(f"effect-{key}", key, "plan", "cus_1", Crm.HUBSPOT, WriteKind.TASKS, action, account, crm_id, values)


def plan_write(key: str, account: str, kind: WriteKind = WriteKind.FIELDS, **values: Value) -> Write:
    """A write of the fields, or of one section, of one plan."""
    action = WriteAction.CREATE
    return Write(f"effect-{key}", key, f"plan-{account}", "cus_1", Crm.HUBSPOT, kind, action, account, None, values)


__all__ = [
    "FULL",
    "NOW",
    "TOKEN",
    "Faults",
    "Portal",
    "at",
    "companies",
    "instant",
    "load",
    "load_associations",
    "load_owners",
    "plan_write",
    "pulled",
    "rows_of",
    "running_portal",
    "task_write",
]
