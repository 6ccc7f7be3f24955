"""A real HTTP server on loopback that answers by script, for what no well-behaved CRM does on demand."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One answer; ``cut`` sends fewer bytes than announced, and None for a status hangs up without an answer."""

    status: int | None = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0

    @property
    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)


Script = Callable[[Seen], Reply]


@dataclass
class ScriptedServer:
    """Where it listens, everything it was asked, and over how many connections."""

    url: str
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0


@contextmanager
def scripted(script: Script) -> Iterator[ScriptedServer]:
    """Serve ``script`` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Seen(self.command, self.path, headers, self.rfile.read(length))
            server.seen.append(asked)
            reply = script(asked)
            if reply.status is None:
                self.close_connection = True
                return
            payload = reply.payload
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(payload)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload[: len(payload) - reply.cut])
            self.close_connection = self.close_connection or reply.cut > 0

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815  # names that the library looks for

        def log_message(self, *_: Any) -> None:
            """Stay quiet."""

    class Listener(ThreadingHTTPServer):
        request_queue_size = 64  # with the usual 5, threads that connect at once wait a second for their turn

        def get_request(self) -> Any:
            server.connections += 1
            return super().get_request()

    listener = Listener(("127.0.0.1", 0), Handler)
    server = ScriptedServer(f"http://127.0.0.1:{listener.server_port}")
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def in_turn(*replies: Reply) -> Script:
    """One reply after the other, the last for ever."""
    rest = list(replies)
    lock = threading.Lock()

    def script(_: Seen) -> Reply:
        with lock:
            return rest.pop(0) if len(rest) > 1 else rest[0]

    return script
