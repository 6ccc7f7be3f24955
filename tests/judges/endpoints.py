"""What a client called, in the words of the sandbox's own route tables, and the record of it that we commit."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from starlette.routing import Match, Route

from integrations.sandbox import salesforce_app
from integrations.sandbox.hubspot_routes import ROUTER
from integrations.sandbox.salesforce_auth import Credentials
from integrations.sandbox.state import State

_ANYTHING = "/{path:path}"
_NOT_FOUND = 404


def path_template(crm: str, method: str, path: str) -> str:
    """The path with names in braces in place of what changes: ``/crm/v3/objects/{type}/{id}``.

    Raises:
        LookupError: The sandbox serves no such path.
    """
    found = _salesforce_template(method, path) if crm == "salesforce" else ROUTER.route(method, path)[0].template
    if not found:
        raise LookupError(f"the sandbox does not serve {method} {path} of {crm}")
    return found


def _salesforce_template(method: str, path: str) -> str:
    scope = {"type": "http", "method": method, "path": path, "root_path": ""}
    for route in _salesforce_routes():
        if route.path != _ANYTHING and route.matches(scope)[0] is Match.FULL:
            return route.path.replace(":path}", "}").rstrip("/")
    return ""


@cache
def _salesforce_routes() -> list[Route]:
    state = State()
    try:
        routes = salesforce_app.create_app(state, Credentials("token", "key", "secret")).routes
        return [each for each in routes if isinstance(each, Route)]
    finally:
        state.close()


class Confirmed:
    """Which endpoints each judge called, and in which of its checks."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self._checks: defaultdict[tuple[str, str, str, str], set[str]] = defaultdict(set)

    def add(self, judge: str, check: str, requests: Iterable[Mapping[str, Any]]) -> None:
        """Note what a passed check called; ``requests`` as the side door lists them.

        What the sandbox does not serve confirms nothing when it answered 404, as an org without the feature does.

        Raises:
            LookupError: Such a path was answered otherwise.
        """
        for each in requests:
            try:
                template = path_template(each["crm"], each["method"], each["path"])
            except LookupError:
                if each["status"] == _NOT_FOUND:
                    continue
                raise
            self._checks[judge, each["crm"], template, each["method"]].add(check)

    def as_list(self) -> list[dict[str, Any]]:
        """One entry a judge, by name; its endpoints by CRM, path and method."""
        return [
            {"judge": judge, "version": version, "endpoints": self._endpoints(judge)}
            for judge, version in sorted(self.versions.items())
        ]

    def _endpoints(self, judge: str) -> list[dict[str, Any]]:
        return [
            {"crm": crm, "method": method, "path_template": template, "checks": sorted(checks)}
            for (by, crm, template, method), checks in sorted(self._checks.items())
            if by == judge
        ]

    def write(self, path: Path) -> None:
        """Write the record, the same bytes for the same calls."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_list(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
