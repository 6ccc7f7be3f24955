"""A bad line: a TCP proxy between a client and the sandbox that delays, cuts, resets and refuses, seeded and counted.

It knows nothing of HTTP but where a request begins (a client speaks again after it was answered), so any client can be
put behind it. ``python -m integrations.sandbox.chaos --help`` runs it by itself.
"""

import argparse
import asyncio
import json
import random
import signal
import socket
import struct
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit

HOST = "127.0.0.1"
LineKind = Literal["latency", "reset", "commit_then_drop", "cut", "drip", "hang"]
_CHUNK = 65_536
_DRIP_EVERY_S = 0.02


@dataclass
class LineFault:
    """One fault of the line.

    ``latency`` waits before the request goes on; ``reset`` resets the connection instead, so nothing is done;
    ``commit_then_drop`` lets the work be done and resets before the first byte of its answer; ``cut`` closes after
    ``size`` bytes of the answer, which makes a page short of what it announced; ``drip`` lets ``size`` bytes a second
    through; ``hang`` swallows the answer and holds the line.

    Args:
        count: How many requests it strikes; None for as long as the proxy runs.
        probability: The chance that it strikes one it applies to, drawn from ``seed``.
        after: How many of those it lets through first.
        holding: What the first bytes of the request must hold, for instance ``POST /crm/``; "" for any.
    """

    kind: LineKind
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    after: int = 0
    holding: str = ""
    latency_ms: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        if self.kind not in get_args(LineKind):
            raise ValueError(f"kind is one of {', '.join(get_args(LineKind))}, not {self.kind!r}")
        if self.kind == "drip" and self.size < 1:
            raise ValueError("drip needs a size: bytes a second")
        self._draw = random.Random(self.seed)
        self._passed = 0

    def strikes(self, head: bytes) -> bool:
        """Whether a request that begins so is struck; counts it if so."""
        if self.count == 0 or self.holding.encode() not in head:
            return False
        self._passed += 1
        if self._passed <= self.after or self._draw.random() >= self.probability:
            return False
        self.count = None if self.count is None else self.count - 1
        return True


class Line:
    """A proxy at ``port`` in front of ``target_port``, both on loopback. Its methods may be called from any thread.

    ``seen`` counts requests, ``struck`` those that were struck, by kind; ``refused`` connections are among them.
    """

    def __init__(self, target_port: int, faults: Sequence[LineFault] = ()) -> None:
        self.target_port = target_port
        self.faults = list(faults)
        self.seen = 0
        self.struck: Counter[str] = Counter()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{HOST}:{self.port}"

    async def start(self, port: int = 0) -> None:
        """Listen; 0 for any free port."""
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._connected, HOST, port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Listen no more: from now on connections are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def refuse(self) -> None:
        """Refuse connections, as when nothing listens; those that are open stay."""
        self._soon(self.stop())

    def accept(self) -> None:
        """Listen again, at the same port."""
        self._soon(self.start(self.port))

    def _soon(self, act: Coroutine[None, None, None]) -> None:
        if self._loop is None:
            raise RuntimeError("the line was not started")
        asyncio.run_coroutine_threadsafe(act, self._loop).result(5)

    # -- one connection -----------------------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            self.struck["refused"] += 1
            _reset(writer)
            return
        exchange = _Exchange()
        ways = [
            asyncio.create_task(self._forth(exchange, reader, far_writer, writer)),
            asyncio.create_task(self._back(exchange, far_reader, writer)),
        ]
        with suppress(asyncio.CancelledError):  # the proxy ends; asyncio would call it an error of ours
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, far_writer):
            with suppress(OSError):
                end.close()

    async def _forth(
        self,
        exchange: "_Exchange",
        reader: asyncio.StreamReader,
        far: asyncio.StreamWriter,
        near: asyncio.StreamWriter,
    ) -> None:
        """Requests, on their way to the CRM."""
        while data := await reader.read(_CHUNK):
            if exchange.is_answered:
                exchange.begin(self._fault_of(data))
            fault = exchange.fault
            if fault is not None and fault.kind == "latency" and not exchange.is_under_way:
                await asyncio.sleep(fault.latency_ms / 1000)
            if fault is not None and fault.kind == "reset":
                _reset(near)
                return
            exchange.is_under_way = True
            far.write(data)
            await far.drain()

    async def _back(self, exchange: "_Exchange", reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        """Answers, on their way to the client."""
        while data := await reader.read(_CHUNK):
            exchange.is_answered = True
            fault = exchange.fault
            if fault is None or fault.kind == "latency":
                near.write(data)
            elif fault.kind == "drip":
                await _dripped(near, data, fault.size)
            elif fault.kind == "commit_then_drop":
                _reset(near)
                return
            elif fault.kind == "cut":
                kept = data[: max(0, fault.size - exchange.passed)]
                exchange.passed += len(data)
                near.write(kept)
                if exchange.passed >= fault.size:
                    await near.drain()
                    return
            await near.drain()

    def _fault_of(self, head: bytes) -> LineFault | None:
        self.seen += 1
        for fault in self.faults:
            if fault.strikes(head):
                self.struck[fault.kind] += 1
                return fault
        return None


class _Exchange:
    """One request and its answer on a connection that may carry many."""

    def __init__(self) -> None:
        self.is_answered = True
        self.begin(None)
        self.is_answered = True

    def begin(self, fault: LineFault | None) -> None:
        """The client speaks: a new request."""
        self.fault = fault
        self.is_answered = self.is_under_way = False
        self.passed = 0


async def _dripped(near: asyncio.StreamWriter, data: bytes, bytes_a_second: int) -> None:
    step = max(1, round(bytes_a_second * _DRIP_EVERY_S))
    for start in range(0, len(data), step):
        near.write(data[start : start + step])
        await near.drain()
        await asyncio.sleep(_DRIP_EVERY_S)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset instead of an end, as a machine that went away."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def bad_line(target_url: str, *faults: LineFault) -> Iterator[Line]:
    """A proxy in a thread of its own, for as long as the block runs; ``target_url`` says where the CRM is."""
    line = Line(int(urlsplit(target_url).port or 0), faults)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(line.start(), loop).result(5)
        yield line
    finally:
        asyncio.run_coroutine_threadsafe(_ended(line), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _ended(line: Line) -> None:
    await line.stop()
    others = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def main() -> None:
    """Serve until stopped; the first line on stdout says where."""
    parser = argparse.ArgumentParser(prog="chaos", description="A bad line in front of an emulated CRM.")
    parser.add_argument("target", help="base URL of the CRM, as the sandbox printed it")
    parser.add_argument("--port", type=int, default=0, help="0 for any free port")
    parser.add_argument("--fault", action="append", default=[], type=json.loads, help='JSON: {"kind": "cut", ...}')
    given = parser.parse_args()
    asyncio.run(_served(given.target, given.port, [LineFault(**each) for each in given.fault]))


async def _served(target: str, port: int, faults: Sequence[LineFault]) -> None:
    line, stopped = Line(int(urlsplit(target).port or 0), faults), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await line.start(port)
    print(json.dumps({"base_url": line.url}), flush=True)
    await stopped.wait()
    await line.stop()
    print(json.dumps({"seen": line.seen, "struck": line.struck}), flush=True)


if __name__ == "__main__":
    main()
