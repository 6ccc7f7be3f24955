"""Signing in: OAuth tokens at ``/oauth/2026-03`` and at the deprecated ``/oauth/v1``, and what a token may do.

*Migrate from the OAuth v1 API to the latest date-based versioned API*, *v1 OAuth API Deprecation* and *New OAuth v3 API
Endpoints and Standardized Error Responses* (developers.hubspot.com): parameters in the body at the newer paths, errors
as RFC 6749 beside HubSpot's own fields. The sandbox's portal agrees to whatever an app asks for, so that
``authorize`` redirects at once.
"""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qs, urlencode

from integrations.sandbox.hubspot_answers import Answer, HubSpotError, Json, MissingError, invalid
from integrations.sandbox.hubspot_calls import Call
from integrations.sandbox.hubspot_scopes import ALL
from integrations.sandbox.hubspot_tokens import CODE_LIFETIME_S, LIFETIME_S, Token
from integrations.sandbox.hubspot_types import PORTAL_ID

APP_ID, USER_ID = 1_234_567, 7_654_321
_USER, _DOMAIN = "admin@vendor.example", "vendor.example"


class OAuthError(HubSpotError):
    """A refusal as RFC 6749 words it, with HubSpot's older fields beside."""

    def __init__(self, error: str, description: str, status_name: str) -> None:
        super().__init__(400, status_name, description)
        self.error = error

    def body(self) -> Json:
        """The four fields of *Standardized OAuth Error Responses*."""
        about = {"error": self.error, "error_description": self.message}
        return about | {"status": self.category, "message": self.message}


def _form(call: Call) -> dict[str, str]:
    """The parameters of a request; only the deprecated paths take them from the query as well."""
    try:
        found = parse_qs(call.content.decode())
    except UnicodeDecodeError as error:
        raise OAuthError("invalid_request", "the body is not a form", "BAD_REQUEST") from error
    if call.version == "v1":
        found = {**call.query, **found}
    return {name: values[-1] for name, values in found.items() if values}


def _demand_client(call: Call, form: dict[str, str]) -> None:
    client = call.tokens.client
    if form.get("client_id") != client.client_id:
        raise OAuthError("invalid_client", "missing or unknown client id", "BAD_CLIENT_ID")
    if form.get("client_secret") != client.client_secret:
        raise OAuthError("invalid_client", "missing or invalid client secret", "BAD_CLIENT_SECRET")


def _scopes(token: Token) -> list[str]:
    return sorted(ALL if token.scopes is None else {"oauth", *token.scopes})


def create_token(call: Call) -> Answer:
    """``POST /oauth/.../token``: by refresh token, or by the code of ``authorize``."""
    form = _form(call)
    grants = {"refresh_token": "refresh", "authorization_code": "code"}
    kind = grants.get(form.get("grant_type", ""))
    if kind is None:
        raise OAuthError("unsupported_grant_type", "grant type is missing or unknown", "BAD_GRANT_TYPE")
    _demand_client(call, form)
    given = form.get("refresh_token" if kind == "refresh" else "code", "")
    found = call.tokens.found(given)
    if found is None or found.kind != kind or _is_over(found, call.portal.now()):
        what, name = ("refresh token", "BAD_REFRESH_TOKEN") if kind == "refresh" else ("auth code", "BAD_AUTH_CODE")
        raise OAuthError("invalid_grant", f"{what} is invalid, expired or revoked", name)
    scopes = None if found.scopes is None else sorted(found.scopes)
    refresh = given
    if kind == "code":
        call.tokens.revoke(given)
        refresh = call.tokens.issue("refresh", scopes)
    access = call.tokens.issue("access", scopes, lifetime_s=LIFETIME_S)
    return Answer(_tokens(access, refresh, found), kind="write", headers={"Cache-Control": "no-store"})


def _tokens(access: str, refresh: str, held: Token) -> Json:
    return {
        "token_type": "bearer",
        "refresh_token": refresh,
        "access_token": access,
        "hub_id": PORTAL_ID,
        "scopes": _scopes(held),
        "expires_in": LIFETIME_S,
    }


def _is_over(token: Token, now: datetime) -> bool:
    return token.expires_at is not None and token.expires_at <= now


def authorize(call: Call) -> Answer:
    """``GET /oauth/authorize``: back to the app with a code, for the scopes it asks for."""
    target = call.one("redirect_uri") or ""
    if call.one("client_id") != call.tokens.client.client_id or not target.startswith(("http://", "https://")):
        raise invalid("Authorization failed because the client id or the redirect URL is missing or unknown.")
    scopes = [name for name in (call.one("scope") or "").replace(",", " ").split() if name]
    with call.portal.state.transaction():
        code = call.tokens.issue("code", scopes or None, lifetime_s=CODE_LIFETIME_S)
    given = {"code": code} | ({"state": state} if (state := call.one("state")) else {})
    joint = "&" if "?" in target else "?"
    return Answer(None, 302, headers={"Location": f"{target}{joint}{urlencode(given)}"})


# -- what a token is --------------------------------------------------------------------------------------------------


def _about(token: Token) -> Json:
    return {"user": _USER, "hub_domain": _DOMAIN, "scopes": _scopes(token), "hub_id": PORTAL_ID, "user_id": USER_ID}


def _left_s(call: Call, token: Token) -> int:
    expires_at = token.expires_at or call.portal.now()
    return max(0, int((expires_at - call.portal.now()).total_seconds()))


def _known(call: Call, text: str, kinds: Sequence[str]) -> Token:
    found = call.tokens.found(text)
    if found is None or found.kind not in kinds:
        raise MissingError
    return found


def access_token_info(call: Call) -> Answer:
    """``GET /oauth/v1/access-tokens/{token}``."""
    found = _known(call, call.path["token"], ("access",))
    more = {"token": call.path["token"], "app_id": APP_ID, "expires_in": _left_s(call, found), "token_type": "access"}
    return Answer(more | _about(found), records=1)


def refresh_token_info(call: Call) -> Answer:
    """``GET /oauth/v1/refresh-tokens/{token}``."""
    found = _known(call, call.path["token"], ("refresh",))
    more = {"token": call.path["token"], "client_id": call.tokens.client.client_id, "token_type": "refresh"}
    return Answer(more | _about(found), records=1)


def introspect(call: Call) -> Answer:
    """``POST /oauth/.../token/introspect``: of what is no token, only that it is not active."""
    form = _form(call)
    _demand_client(call, form)
    text = form.get("token", "")
    found = call.tokens.found(text)
    if found is None or found.kind not in {"access", "refresh"} or _is_over(found, call.portal.now()):
        return Answer({"active": False})
    more: Json = {"token": text, "active": True, "app_id": APP_ID, "client_id": call.tokens.client.client_id}
    more |= {"token_use": f"{found.kind}_token", "token_type": "bearer", **_about(found)}
    if found.kind == "access":
        more |= {"expires_in": _left_s(call, found), "is_private_distribution": False}
    return Answer(more, records=1)


def revoke(call: Call) -> Answer:
    """``POST /oauth/.../token/revoke``: nothing to say, also of what is no token (RFC 7009)."""
    form = _form(call)
    _demand_client(call, form)
    call.tokens.revoke(form.get("token", ""))
    return Answer(None, 200, "write")


def delete_refresh_token(call: Call) -> Answer:
    """``DELETE /oauth/v1/refresh-tokens/{token}``."""
    if not call.tokens.revoke(call.path["token"]):
        raise MissingError
    return Answer(None, 204, "write")


def private_app_info(call: Call) -> Answer:
    """``POST /oauth/v2/private-apps/get/access-token-info`` with ``tokenKey``: the scopes of a static token."""
    found = call.tokens.found(str(call.body.get("tokenKey") or ""))
    if found is None or found.kind != "static":
        raise invalid("tokenKey is not the key of a private app or a service key")
    about = {"userId": USER_ID, "hubId": PORTAL_ID, "appId": APP_ID, "scopes": _scopes(found), "isUserToken": False}
    return Answer(about, records=1)
