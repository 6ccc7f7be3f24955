"""The sandbox's own side door, for tests and demos: clock, request log, write ledger, faults, an admin's acts."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.sandbox.fault_world import acted
from integrations.sandbox.faults import Fault, Faults
from integrations.sandbox.salesforce_app import Credentials, merge_accounts
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_metadata import change_rights
from integrations.sandbox.state import State, quoted

_Endpoint = Callable[[Request], Awaitable[Response]]


class _Admin:
    def __init__(self, state: State, faults: Faults, credentials: Credentials) -> None:
        self.state, self.faults, self.credentials = state, faults, credentials

    async def requests(self, request: Request) -> Any:
        """Counts by CRM and kind; with ``?list=true`` also each request, oldest first."""
        body: dict[str, Any] = {"counts": self.state.request_counts()}
        if request.query_params.get("list") == "true":
            body["requests"] = self.state.requests(request.query_params.get("crm"))
        return body

    async def forget_requests(self, request: Request) -> Any:
        self.state.clear_requests()
        return {"counts": {}}

    async def writes(self, request: Request) -> Any:
        """The records written through the APIs, oldest first; ``?crm=`` and ``?object=`` choose."""
        return {"writes": self.state.writes(request.query_params.get("crm"), request.query_params.get("object"))}

    async def forget_writes(self, request: Request) -> Any:
        self.state.clear_writes()
        return {"writes": []}

    async def clock(self, request: Request) -> Any:
        return {"now": self.state.clock.now().isoformat(), "is_fixed": self.state.clock.fixed_at is not None}

    async def set_clock(self, request: Request) -> Any:
        """``{"now": "2026-11-21T06:00:00Z"}`` stops the clock there; ``{"now": null}`` lets it follow real time."""
        given = (await _body(request))["now"]
        self.state.clock.set(None if given is None else datetime.fromisoformat(given))
        return await self.clock(request)

    async def standing_faults(self, request: Request) -> Any:
        """The faults that can still strike; with ``?all=true`` also spent ones, each with how often it struck."""
        wants_all = request.query_params.get("all") == "true"
        found = self.faults.ordered() if wants_all else self.faults.standing()
        return {"faults": [each.described() for each in found]}

    async def add_fault(self, request: Request) -> Any:
        """One ``faults.Fault`` by its fields; an act is done at once and answers how many records it touched."""
        fault = Fault(**await _body(request))
        if fault.group == "act":
            return {"touched": acted(self.state, fault)}
        self.faults.add(fault)
        return await self.standing_faults(request)

    async def clear_faults(self, request: Request) -> Any:
        self.faults.clear()
        return {"faults": []}

    async def change_rights(self, request: Request) -> Any:
        """``{"ModifyMetadata": false}``: what Salesforce's integration user may do; answers all of it."""
        return change_rights(self.state, await _body(request))

    async def merge(self, request: Request) -> Any:
        """``{"winner": id, "loser": id}``: merge two Salesforce accounts."""
        body = await _body(request)
        merge_accounts(self.state, body["winner"], body["loser"])
        return {"merged": True}

    async def trust(self, request: Request) -> Any:
        """``{"certificate": PEM}``: register the certificate, or public key, of an app that signs its assertions."""
        self.credentials.trust(str((await _body(request))["certificate"]))
        return {"trusted": len(self.credentials.public_keys)}

    async def give_refresh_token(self, request: Request) -> Any:
        """A refresh token, as if a user had signed in; ``{"rotates": true}`` makes each work once from now on."""
        given = await _body(request)
        self.credentials.rotates_refresh_tokens = bool(given.get("rotates", self.credentials.rotates_refresh_tokens))
        return {"refresh_token": self.credentials.issue_refresh_token()}

    async def expire_tokens(self, request: Request) -> Any:
        """Every token that Salesforce's sign-in has handed out stops working."""
        self.credentials.issued.clear()
        return {"expired": True}

    async def counts(self, request: Request) -> Any:
        """Records by CRM and object, without those in a recycle bin where the object has one."""
        found: dict[str, dict[str, int]] = {}
        for (table,) in self.state.query(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB '*[a-z]__*'"
        ):
            crm, _, object_name = table.partition("__")
            where = ' WHERE "IsDeleted" = 0' if "IsDeleted" in self.state.columns(crm, object_name) else ""
            rows = self.state.query(f"SELECT COUNT(*) FROM {quoted(table)}{where}")  # noqa: S608 - quoted name
            found.setdefault(crm, {})[object_name] = rows[0][0]
        return {"counts": found}


def create_app(state: State, faults: Faults, credentials: Credentials) -> Starlette:
    """The side door over HTTP; it answers no host but loopback."""
    admin = _Admin(state, faults, credentials)
    table: tuple[tuple[str, str, Callable[[Request], Awaitable[Any]]], ...] = (
        ("GET", "/requests", admin.requests),
        ("DELETE", "/requests", admin.forget_requests),
        ("GET", "/writes", admin.writes),
        ("DELETE", "/writes", admin.forget_writes),
        ("GET", "/clock", admin.clock),
        ("PUT", "/clock", admin.set_clock),
        ("GET", "/faults", admin.standing_faults),
        ("POST", "/faults", admin.add_fault),
        ("DELETE", "/faults", admin.clear_faults),
        ("POST", "/salesforce/merge", admin.merge),
        ("POST", "/salesforce/certificates", admin.trust),
        ("POST", "/salesforce/refresh-tokens", admin.give_refresh_token),
        ("POST", "/salesforce/expire-tokens", admin.expire_tokens),
        ("PUT", "/salesforce/rights", admin.change_rights),
        ("GET", "/counts", admin.counts),
    )
    routes = [Route(path, _endpoint(act), methods=[method]) for method, path, act in table]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    return Starlette(routes=routes, middleware=[hosts])


def _endpoint(act: Callable[[Request], Awaitable[Any]]) -> _Endpoint:
    async def answer(request: Request) -> Response:
        try:
            status, body = 200, await act(request)
        except SalesforceError as error:
            status, body = error.status, error.as_request_error()
        except (KeyError, TypeError, ValueError) as error:
            status, body = 400, {"error": f"{type(error).__name__}: {error}"}
        return Response(orjson.dumps(body), status, media_type="application/json")

    return answer


async def _body(request: Request) -> dict[str, Any]:
    found = orjson.loads(await request.body())
    if not isinstance(found, dict):
        raise ValueError("the body must be a JSON object")
    return found
