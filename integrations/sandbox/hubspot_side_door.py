"""What an administrator does on HubSpot's screens, through the sandbox's side door: settings, tokens, restoring."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.sandbox.hubspot_answers import HubSpotError
from integrations.sandbox.hubspot_merges import restore_records
from integrations.sandbox.hubspot_portal import Portal
from integrations.sandbox.hubspot_settings import change_settings, settings_of
from integrations.sandbox.hubspot_tokens import Tokens
from integrations.sandbox.state import State

_Act = Callable[[Mapping[str, Any]], Any]


class _Door:
    def __init__(self, portal: Portal, token: str) -> None:
        self._portal, self._tokens = portal, Tokens(portal.state, token)

    def settings(self, body: Mapping[str, Any]) -> Any:
        """The settings in force, as ``HubSpotSettings`` has them."""
        return asdict(settings_of(self._portal.state))

    def change(self, body: Mapping[str, Any]) -> Any:
        """``{"search_lag_s": 30}`` changes what it names, from the next request on."""
        return asdict(change_settings(self._portal.state, **body))

    def issue(self, body: Mapping[str, Any]) -> Any:
        """``{"scopes": ["crm.objects.contacts.read"]}``: a static token that may do that; null for everything."""
        scopes = body["scopes"]
        if scopes is not None and not (isinstance(scopes, list) and all(isinstance(one, str) for one in scopes)):
            raise ValueError("scopes is a list of names, or null")
        return {"token": self._tokens.issue("static", scopes)}

    def expire(self, body: Mapping[str, Any]) -> Any:
        """Every OAuth access token expires now; refresh tokens stay good."""
        return {"expired": self._tokens.expire()}

    def restore(self, body: Mapping[str, Any]) -> Any:
        """``{"object": "companies", "ids": ["..."]}``: bring archived records back."""
        kind = self._portal.kind(str(body["object"]))
        with self._portal.state.transaction():
            restored = restore_records(self._portal, kind, [int(one) for one in body["ids"]])
        return {"restored": [str(one) for one in restored]}


def routes(state: State, token: str) -> list[Route]:
    """The paths below ``/hubspot``, for whoever keeps the side door.

    Args:
        token: The portal's first token, as ``create_app`` was given it.
    """
    door = _Door(Portal(state), token)
    table: tuple[tuple[str, str, _Act], ...] = (
        ("GET", "/hubspot/settings", door.settings),
        ("PUT", "/hubspot/settings", door.change),
        ("POST", "/hubspot/tokens", door.issue),
        ("POST", "/hubspot/expire-tokens", door.expire),
        ("POST", "/hubspot/restore", door.restore),
    )
    return [Route(path, _endpoint(act), methods=[method]) for method, path, act in table]


def _endpoint(act: _Act) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        content = await request.body()
        try:
            body = orjson.loads(content) if content else {}
            if not isinstance(body, dict):
                raise ValueError("the body must be a JSON object")
            status, found = 200, act(body)
        except HubSpotError as error:
            status, found = error.status, {"error": error.message}
        except (KeyError, TypeError, ValueError) as error:
            status, found = 400, {"error": f"{type(error).__name__}: {error}"}
        return Response(orjson.dumps(found), status, media_type="application/json")

    return answer
