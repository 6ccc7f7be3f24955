"""The pages that a pull asked for, so that a raw client can ask for exactly the same."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import urllib3
from urllib3.connectionpool import HTTPConnectionPool

KEPT_HEADERS = ("authorization", "content-type", "accept-encoding", "sforce-query-options")


@contextmanager
def recorded(path: Path) -> Iterator[None]:
    """Write down every request that leaves this process meanwhile, whichever vendor client sends it."""
    seen: list[dict[str, Any]] = []
    inner = HTTPConnectionPool.urlopen

    def urlopen(
        pool: HTTPConnectionPool, method: str, url: str, body: Any = None, headers: Any = None, **kw: Any
    ) -> Any:
        target = urlsplit(url)
        seen.append(
            {
                "method": method,
                "url": f"http://{pool.host}:{pool.port}{target.path}" + (f"?{target.query}" if target.query else ""),
                "body": body.decode() if isinstance(body, bytes) else body,
                "headers": {k: str(v) for k, v in dict(headers or {}).items() if k.lower() in KEPT_HEADERS},
            }
        )
        return inner(pool, method, url, body=body, headers=headers, **kw)

    HTTPConnectionPool.urlopen = urlopen  # type: ignore[method-assign]
    try:
        yield
    finally:
        HTTPConnectionPool.urlopen = inner  # type: ignore[method-assign]
        path.write_text(json.dumps(seen))


@contextmanager
def connections_opened() -> Iterator[list[str]]:
    """A list to which every host is added that a connection is opened to meanwhile, whichever client opens it."""
    opened: list[str] = []
    inner = HTTPConnectionPool._new_conn

    def new_connection(pool: HTTPConnectionPool) -> Any:
        opened.append(str(pool.host))
        return inner(pool)

    HTTPConnectionPool._new_conn = new_connection  # type: ignore[method-assign]
    try:
        yield opened
    finally:
        HTTPConnectionPool._new_conn = inner  # type: ignore[method-assign]


def replayed(path: Path) -> int:
    """Ask for every recorded page again with a plain keep-alive client and parse it with orjson. Returns bytes read."""
    pool, read = urllib3.PoolManager(), 0
    for request in json.loads(path.read_text()):
        answer = pool.request(request["method"], request["url"], body=request["body"], headers=request["headers"])
        orjson.loads(answer.data)
        read += len(answer.data)
    return read
