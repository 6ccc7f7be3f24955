"""Signing in to the emulated Salesforce: the OAuth endpoints under ``/services/oauth2`` and the identity page.

Grants: client credentials, JWT bearer (the signature is verified against a registered certificate), refresh token
(with rotation, if the app has it) and authorization code with PKCE. Every token acts as the integration user, the
only one who is pre-authorized.

Follows the help pages "OAuth 2.0 Authorization Errors", "OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration",
"OAuth 2.0 Refresh Token Flow for Renewed Sessions", "OpenID Connect Token Introspection", "Revoke OAuth Tokens" and
"UserInfo Endpoint". Unverified: the words for an assertion that is expired or names no known app, and for a code
whose verifier is wrong. The authorize page asks nobody and sends codes to loopback only. Not here: the
username-password, device, SAML and token exchange flows, and tokens in the form of a JWT.
"""

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import jwt

from integrations.sandbox.salesforce_auth import ORG_ID, AuthorizationCode, Credentials, basic_pair
from integrations.sandbox.salesforce_calls import Reply
from integrations.sandbox.salesforce_identity import identity, user_info
from integrations.sandbox.salesforce_store import INTEGRATION_USER_ID, INTEGRATION_USERNAME
from integrations.sandbox.state import State

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LOGIN_HOSTS = ["https://login.salesforce.com", "https://test.salesforce.com"]
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_NO_STORE = {"Cache-Control": "no-cache, no-store", "Pragma": "no-cache"}
_SESSION_S = 7_200


@dataclass(frozen=True, slots=True)
class OAuthCall:
    """One request to an OAuth endpoint: its form or query, its Authorization header, and where it was sent."""

    form: Mapping[str, str]
    authorization: str
    own_url: str

    def __getitem__(self, name: str) -> str:
        return self.form.get(name, "")

    @property
    def token(self) -> str:
        """The token of the Authorization header or of the form."""
        scheme, _, token = self.authorization.partition(" ")
        return token if scheme.lower() in {"bearer", "oauth"} else self["access_token"]


class OAuthError(Exception):
    """A refusal by an OAuth endpoint."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error, self.description, self.status = error, description, status


class OAuth:
    """The endpoints, one method each: a call in, a reply out."""

    def __init__(self, state: State, credentials: Credentials) -> None:
        self.state, self.credentials = state, credentials
        self._grants: Mapping[str, Callable[[OAuthCall], dict[str, Any]]] = {
            "client_credentials": self._by_client,
            _JWT_BEARER: self._by_assertion,
            "refresh_token": self._by_refresh_token,
            "authorization_code": self._by_code,
        }

    def token(self, call: OAuthCall) -> Reply:
        """``token``: an access token for what the call shows."""
        grant = self._grants.get(call["grant_type"])
        try:
            if grant is None:
                raise OAuthError("unsupported_grant_type", "grant type not supported")
            return Reply(grant(call), headers=_NO_STORE)
        except OAuthError as error:
            body = {"error": error.error, "error_description": error.description}
            return Reply(body, error.status, headers=_NO_STORE)

    def authorize(self, call: OAuthCall) -> Reply:
        """``authorize``: back to the app with a code, as if the user had allowed it."""
        target = urlsplit(call["redirect_uri"])
        if call["client_id"] != self.credentials.consumer_key:
            return _page("error=invalid_client_id&error_description=client%20identifier%20invalid", 400)
        if call["response_type"] != "code" or target.hostname not in _LOOPBACK:
            return _page(
                "error=redirect_uri_mismatch&error_description=redirect_uri%20must%20match%20configuration", 400
            )
        code = "aPrx" + secrets.token_urlsafe(32)
        self.credentials.codes[code] = AuthorizationCode(call["redirect_uri"], call["code_challenge"] or None)
        given = {"code": code, "state": call["state"]} if call["state"] else {"code": code}
        return _page("", 302, {"Location": f"{call['redirect_uri']}?{urlencode(given)}"})

    def revoke(self, call: OAuthCall) -> Reply:
        """``revoke``: an access or refresh token stops working; the answer is empty."""
        if self.credentials.revoke(call["token"]):
            return _page("", 200)
        return Reply({"error": "invalid_token", "error_description": "invalid token"}, 400)

    def introspect(self, call: OAuthCall) -> Reply:
        """``introspect``: whether a token lives, told to the app that shows its secret."""
        try:
            self._check_client(call, needs_secret=True)
        except OAuthError as error:
            return Reply({"error": error.error, "error_description": error.description}, 401)
        token, now = call["token"], int(time.time())
        is_refresh = token in self.credentials.refresh_tokens
        if not (is_refresh or self.credentials.is_living(token)):
            return Reply({"active": False})
        said = {
            "active": True,
            "scope": "api refresh_token" if is_refresh else "api",
            "client_id": self.credentials.consumer_key,
            "username": INTEGRATION_USERNAME,
            "sub": self._id_url(call),
            "token_type": "refresh_token" if is_refresh else "access_token",
            "iat": now,
            "nbf": now,
        }
        return Reply(said if is_refresh else {**said, "exp": now + _SESSION_S})

    def user_info(self, call: OAuthCall) -> Reply:
        """``userinfo``: the user of the token, in OpenID's words."""
        refused = self._refused(call)
        return refused or Reply(user_info(self.state, call.own_url))

    def identity(self, call: OAuthCall, path: str) -> Reply:
        """``/id/{organization}/{user}``: the user of the token, in Salesforce's words."""
        if refused := self._refused(call):
            return refused
        ours = {
            f"{org}/{user}" for org in (ORG_ID, ORG_ID[:15]) for user in (INTEGRATION_USER_ID, INTEGRATION_USER_ID[:15])
        }
        return Reply(identity(self.state, call.own_url)) if path in ours else _page("Bad_Id", 404)

    # -- grants -------------------------------------------------------------------------------------------------------

    def _by_client(self, call: OAuthCall) -> dict[str, Any]:
        self._check_client(call, needs_secret=True)
        return {**self._session(call), **_signed()}

    def _by_assertion(self, call: OAuthCall) -> dict[str, Any]:
        try:
            said = jwt.decode(call["assertion"], options={"verify_signature": False})
            if said.get("iss") != self.credentials.consumer_key:
                raise OAuthError("invalid_client_id", "client identifier invalid")
            said = self.credentials.verified_claims(
                call["assertion"], [*_LOGIN_HOSTS, call.own_url, call.own_url + "/"]
            )
        except jwt.InvalidAudienceError:
            raise OAuthError("invalid_grant", "Audience validation failed") from None
        except jwt.ExpiredSignatureError:
            raise OAuthError("invalid_grant", "assertion expired") from None
        except jwt.InvalidTokenError:
            raise OAuthError("invalid_grant", "invalid assertion") from None
        self._check_approved(said["sub"])
        return self._session(call)

    def _by_refresh_token(self, call: OAuthCall) -> dict[str, Any]:
        self._check_client(call, needs_secret=False)
        if call["refresh_token"] not in self.credentials.refresh_tokens:
            raise OAuthError("invalid_grant", "expired access/refresh token")
        answer = {**self._session(call, "refresh_token api"), **_signed()}
        if self.credentials.rotates_refresh_tokens:
            self.credentials.refresh_tokens.discard(call["refresh_token"])
            answer["refresh_token"] = self.credentials.issue_refresh_token()
        return answer

    def _by_code(self, call: OAuthCall) -> dict[str, Any]:
        self._check_client(call, needs_secret=False)
        code = self.credentials.codes.pop(call["code"], None)
        if code is None:
            raise OAuthError("invalid_grant", "expired authorization code")
        if code.redirect_uri != call["redirect_uri"]:
            raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
        if code.challenge and not hmac.compare_digest(code.challenge, _challenge(call["code_verifier"])):
            raise OAuthError("invalid_grant", "invalid code verifier")
        refresh_token = self.credentials.issue_refresh_token()
        return {**self._session(call, "refresh_token api"), "refresh_token": refresh_token, **_signed()}

    # -- inside -------------------------------------------------------------------------------------------------------

    def _check_client(self, call: OAuthCall, *, needs_secret: bool) -> None:
        key, secret = basic_pair(call.authorization) or (call["client_id"], call["client_secret"])
        if not hmac.compare_digest(key.encode(), self.credentials.consumer_key.encode()):
            raise OAuthError("invalid_client_id", "client identifier invalid")
        is_right = hmac.compare_digest(secret.encode(), self.credentials.consumer_secret.encode())
        if not is_right and (secret or needs_secret):
            raise OAuthError("invalid_client", "invalid client credentials")

    def _check_approved(self, username: str) -> None:
        if username.lower() == INTEGRATION_USERNAME:
            return
        known = self.state.query('SELECT 1 FROM "salesforce__User" WHERE "Username" = ?', (username,))
        if known:
            raise OAuthError("invalid_app_access", "user is not admin approved to access this app")
        raise OAuthError("invalid_grant", "user hasn't approved this consumer")

    def _session(self, call: OAuthCall, scope: str = "api") -> dict[str, Any]:
        return {
            "access_token": self.credentials.issue(),
            "scope": scope,
            "instance_url": call.own_url,
            "id": self._id_url(call),
            "token_type": "Bearer",
        }

    def _id_url(self, call: OAuthCall) -> str:
        return f"{call.own_url}/id/{ORG_ID}/{INTEGRATION_USER_ID}"

    def _refused(self, call: OAuthCall) -> Reply | None:
        if not call.token:
            return _page("Missing_OAuth_Token", 403)
        return None if self.credentials.is_living(call.token) else _page("Bad_OAuth_Token", 403)


def _signed() -> dict[str, str]:
    return {"signature": secrets.token_urlsafe(32), "issued_at": str(time.time_ns() // 1_000_000)}


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _page(text: str, status: int, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(content=text.encode(), media_type="text/html;charset=UTF-8", status=status, headers=headers or {})
