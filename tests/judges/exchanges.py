"""What was asked and answered on the wire, as the sandbox's transcript has it, and which endpoint that was."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import orjson
from starlette.routing import Match, Route

from integrations.sandbox.hubspot_routes import ROUTER
from integrations.sandbox.salesforce_app import DATA_ENDPOINTS, Credentials, create_app
from integrations.sandbox.state import State

UNKNOWN = "(no such path)"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    crm: str
    agent: str
    method: str
    path: str
    query: str
    request: str
    status: int
    content_type: str
    answer: str

    @property
    def template(self) -> str:
        return path_template(self.crm, self.method, self.path)


class Transcript:
    """A sandbox's transcript, read as it grows."""

    def __init__(self, file: Path) -> None:
        self.file, self._read = file, 0

    def since_last(self) -> list[Exchange]:
        """The exchanges that are new since this was asked before, oldest first."""
        with self.file.open("rb") as lines:
            lines.seek(self._read)
            content = lines.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        return [Exchange(**orjson.loads(line)) for line in whole.splitlines()]


@lru_cache(maxsize=8192)
def path_template(crm: str, method: str, path: str) -> str:
    """A path with its ids and names in braces, as the sandbox's own table of routes has it."""
    if crm == "hubspot":
        return ROUTER.route(method, path)[0].template or UNKNOWN
    scope: dict[str, Any] = {"type": "http", "method": method, "path": path.replace("//", "/"), "headers": []}
    for route in _salesforce_routes():
        if route.matches(scope)[0] is Match.FULL:
            template = route.path.replace(":path", "").rstrip("/")
            return UNKNOWN if template == "/{path}" else template
    return UNKNOWN


def served() -> Iterator[tuple[str, str, str]]:
    """Every endpoint that the sandbox serves: CRM, method, path template."""
    seen = {("hubspot", route.method, route.template) for route in ROUTER.routes()}
    known = {path for _, path in DATA_ENDPOINTS}
    for route in _salesforce_routes():
        path = route.path.rstrip("/")
        for method in (route.methods or set()) - {"HEAD"}:
            if path != "/{path:path}" and (path not in known or (method, path) in DATA_ENDPOINTS):
                seen.add(("salesforce", method, path.replace(":path", "")))
    yield from sorted(seen)


@cache
def _salesforce_routes() -> list[Route]:
    state = State()
    app = create_app(state, Credentials("token", "key", "secret"))
    return [route for route in app.routes if isinstance(route, Route)]
