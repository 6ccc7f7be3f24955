"""What stands before each emulated CRM: it lets requests through, and makes the ordered faults happen to them.

A struck request is read whole, handed on whole, and answered whole, so that faults can change every part of it and
nothing else happens meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from email.utils import format_datetime
from typing import Any, ClassVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from integrations.sandbox.fault_answers import Ask, Told, refused
from integrations.sandbox.fault_kinds import HUBSPOT, WRITES
from integrations.sandbox.fault_pages import asked, told
from integrations.sandbox.fault_rows import row_refusals
from integrations.sandbox.fault_schema import drifted
from integrations.sandbox.fault_world import changed_between, expired, view_of
from integrations.sandbox.faults import BREAKING, Fault, Faults
from integrations.sandbox.state import VIEW, State

Do = Callable[[Ask], Awaitable[Told]]


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
    """A CRM's app, on the CRM's own time, with the trouble that was ordered for it.

    Args:
        expire: Makes every token that the CRM's sign-in has given out stop working.
    """

    def __init__(
        self, app: ASGIApp, crm: str, state: State, faults: Faults, *, expire: Callable[[], None] = lambda: None
    ) -> None:
        self.app, self.crm, self.state, self.faults, self.expire = app, crm, state, faults, expire

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        send = self._dated(send)
        struck = self.faults.struck(self.crm, scope["method"], scope["path"]) if scope["type"] == "http" else []
        if not struck:
            await self.app(scope, receive, send)
            return
        await asyncio.sleep(sum(each.latency_ms for each in struck) / 1000)
        breaking = next((each for each in struck if each.group in BREAKING and each.kind != "latency"), None)
        ask = await _read(scope, receive)
        if breaking is None:
            await _tell(await self._answered(scope, ask, struck), send)
        elif breaking.group == "refusal":
            await self._refuse(breaking, ask, send)
        else:
            if breaking.kind in {"commit_then_drop", "truncate"}:
                given = await self._answered(scope, ask, struck)
                if breaking.kind == "truncate":
                    await _tell_half(given, send)
            await _cut(breaking, scope, receive)

    def _dated(self, send: Send) -> Send:
        """``send``, with the CRM's own clock in every answer: clients take the ends of their windows from it."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                at = format_datetime(self.state.clock.now(), usegmt=True).encode()
                message = {**message, "headers": [*message["headers"], (b"date", at)]}
            await send(message)

        return dated

    # -- answers ------------------------------------------------------------------------------------------------------

    async def _answered(self, scope: Scope, ask: Ask, struck: Sequence[Fault]) -> Told:
        """The answer of the CRM under faults that break nothing off."""
        view = VIEW.set(view_of(self.state, [each for each in struck if each.group not in BREAKING]))
        try:
            do: Do = lambda one: self._done(scope, one)  # noqa: E731 - the innermost of a chain
            for fault in reversed(struck):
                do = self._bent(fault, do)
            return await do(ask)
        finally:
            VIEW.reset(view)

    def _bent(self, fault: Fault, do: Do) -> Do:
        """``do`` under one more fault."""

        async def bent(ask: Ask) -> Told:
            if fault.kind in _WHOLE:
                return await _WHOLE[fault.kind](fault, ask, do)
            if fault.kind == "expire_tokens":
                self.expire()
                return expired(fault) if self.crm == HUBSPOT else await do(ask)
            return told(fault, ask, await do(asked(fault, ask)))

        return bent

    async def _done(self, scope: Scope, ask: Ask) -> Told:
        """The CRM's own answer. Nothing here waits for the network, so no other request comes between its parts."""
        messages: list[Message] = []
        unread = [{"type": "http.request", "body": ask.body, "more_body": False}]

        async def receive() -> Message:
            if not unread:
                await asyncio.Event().wait()  # the client is still there; who streams an answer asks
            return unread.pop()

        async def send(message: Message) -> None:
            messages.append(message)

        await self.app(_scope(scope, ask), receive, send)
        start = messages[0]
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Told(start["status"], headers, b"".join(each.get("body", b"") for each in messages[1:]))

    async def _refuse(self, fault: Fault, ask: Ask, send: Send) -> None:
        given = refused(fault, ask)
        kind = "write" if ask.method in WRITES else "read"
        self.state.log_request(self.crm, ask.method, ask.path, given.status, kind=kind)  # type: ignore[arg-type]
        await _tell(given, send)


async def _cut(fault: Fault, scope: Scope, receive: Receive) -> None:
    """Reset the connection, end it in the middle of its answer, or say nothing until the client hangs up."""
    transport = BreakableProtocol.open_transports.get((scope["client"], scope["server"]))
    if transport is not None and fault.kind != "hang":
        transport.close() if fault.kind == "truncate" else transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


_WHOLE: dict[str, Callable[[Fault, Ask, Do], Awaitable[Told]]] = {
    "row_error": row_refusals,
    "lock_row": row_refusals,
    "field_removed": drifted,
    "field_renamed": drifted,
    "field_retyped": drifted,
    "new_value": drifted,
    "mutate": changed_between,
}
"""Kinds that decide themselves whether and how the CRM is asked."""


async def _read(scope: Scope, receive: Receive) -> Ask:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    return Ask(scope["method"], scope["path"], scope["query_string"].decode(), headers, body)


def _scope(scope: Scope, ask: Ask) -> Scope:
    """The scope of a request that a fault may have changed; answers come uncompressed."""
    kept = {name: text for name, text in ask.headers.items() if name not in {"accept-encoding", "content-length"}}
    kept |= {"content-length": str(len(ask.body))} if ask.body else {}
    return {
        **scope,
        "method": ask.method,
        "path": ask.path,
        "raw_path": ask.path.encode(),
        "query_string": ask.query.encode(),
        "headers": [(name.encode(), text.encode()) for name, text in kept.items()],
    }


def _start(given: Told) -> Message:
    headers = {**given.headers, "content-length": str(len(given.body))}
    if given.status == 204:
        headers.pop("content-length")
    raw = [(name.encode(), text.encode()) for name, text in headers.items()]
    return {"type": "http.response.start", "status": given.status, "headers": raw}


async def _tell(given: Told, send: Send) -> None:
    await send(_start(given))
    await send({"type": "http.response.body", "body": given.body})


async def _tell_half(given: Told, send: Send) -> None:
    await send(_start(given))
    await send({"type": "http.response.body", "body": given.body[: len(given.body) // 2], "more_body": True})
