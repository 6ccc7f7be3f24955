"""Trouble on request: a CRM that is down, slow, refuses, or commits a write and then loses the answer."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from email.utils import format_datetime
from typing import Any, ClassVar, Literal, get_args

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from integrations.sandbox.state import State

FaultKind = Literal["down", "status", "latency", "drop", "commit_then_drop", "truncate"]

_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_REFUSALS: dict[str, Any] = {
    "salesforce": [{"message": "The service is currently unavailable.", "errorCode": "SERVER_UNAVAILABLE"}],
    "hubspot": {"status": "error", "message": "The service is currently unavailable.", "category": "INTERNAL_ERROR"},
}


@dataclass
class Fault:
    """One fault of one CRM.

    ``down`` and ``status`` answer ``status`` without doing anything; ``latency`` waits first; ``drop`` closes the
    connection unanswered; ``commit_then_drop`` does the work, then closes it; ``truncate`` answers half.

    Args:
        count: How many requests it strikes; None for as long as it stands.
        probability: The chance that it strikes a request it applies to, drawn from ``seed``.
        methods: HTTP methods it applies to; none for its kind's own choice: writes for ``commit_then_drop``, else all.
        path: What the request's path must contain.
        body: JSON of the answer instead of the CRM's usual words.
    """

    crm: str
    kind: FaultKind
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    status: int = 503
    latency_ms: int = 0
    methods: tuple[str, ...] = ()
    path: str = ""
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.crm not in _REFUSALS or self.kind not in get_args(FaultKind):
            raise ValueError(f"crm is one of {sorted(_REFUSALS)}, kind one of {get_args(FaultKind)}")
        self.methods = tuple(self.methods) or (_WRITES if self.kind == "commit_then_drop" else ())
        self._draw = random.Random(self.seed)

    def strikes(self, method: str, path: str) -> bool:
        """Whether this request is struck; counts it if so."""
        if self.count == 0 or (self.methods and method not in self.methods) or self.path not in path:
            return False
        if self._draw.random() >= self.probability:
            return False
        self.count = None if self.count is None else self.count - 1
        return True

    def described(self) -> dict[str, Any]:
        """The fault as the side door shows it."""
        return asdict(self)


class Faults:
    """The faults that stand, first come first."""

    def __init__(self) -> None:
        self._standing: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Order one more fault."""
        self._standing.append(fault)

    def clear(self) -> None:
        """Let everything work again."""
        self._standing.clear()

    def standing(self) -> Sequence[Fault]:
        """The faults that can still strike."""
        return tuple(each for each in self._standing if each.count != 0)

    def struck(self, crm: str, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if any."""
        own = (each for each in self._standing if each.crm == crm)
        return next((each for each in own if each.strikes(method, path)), None)


class BreakableProtocol(H11Protocol):
    """uvicorn's own protocol, which also lets a connection be cut while its request is served."""

    open_transports: ClassVar[dict[tuple[Any, Any], asyncio.Transport]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.open_transports[self.client, self.server] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.open_transports.pop((self.client, self.server), None)
        super().connection_lost(exc)


class FaultGate:
    """A CRM's app, on the CRM's own time, with the trouble that was ordered for it."""

    def __init__(self, app: ASGIApp, crm: str, state: State, faults: Faults) -> None:
        self.app, self.crm, self.state, self.faults = app, crm, state, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = self._dated(send)
        fault = self.faults.struck(self.crm, scope["method"], scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self.app(scope, receive, send)
            return
        await asyncio.sleep(fault.latency_ms / 1000)
        if fault.kind == "latency":
            await self.app(scope, receive, send)
        elif fault.kind in {"down", "status"}:
            await self._refuse(fault, scope, send)
        else:
            await self._break(fault, scope, receive, send)

    def _dated(self, send: Send) -> Send:
        """``send``, with the CRM's own clock in every answer: clients take the ends of their windows from it."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                at = format_datetime(self.state.clock.now(), usegmt=True).encode()
                message = {**message, "headers": [*message["headers"], (b"date", at)]}
            await send(message)

        return dated

    async def _refuse(self, fault: Fault, scope: Scope, send: Send) -> None:
        body = orjson.dumps(_REFUSALS[self.crm] if fault.body is None else fault.body)
        kind = "write" if scope["method"] in _WRITES else "read"
        self.state.log_request(self.crm, scope["method"], scope["path"], fault.status, kind=kind)  # type: ignore[arg-type]
        headers = {"content-type": "application/json", "content-length": str(len(body)), **fault.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": fault.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    async def _break(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """Cut the connection before the work, after it, or in the middle of the answer."""

        async def swallow(message: Message) -> None:
            return None

        async def halve(message: Message) -> None:
            if message["type"] == "http.response.body":
                half = message.get("body", b"")[: len(message.get("body", b"")) // 2]
                message = {**message, "body": half, "more_body": True}
            await send(message)

        if fault.kind != "drop":
            await self.app(scope, receive, halve if fault.kind == "truncate" else swallow)
        transport = BreakableProtocol.open_transports.get((scope["client"], scope["server"]))
        if transport is not None:
            transport.close() if fault.kind == "truncate" else transport.abort()
        while (await receive())["type"] != "http.disconnect":
            pass
