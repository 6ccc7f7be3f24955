"""Who may call the emulated HubSpot: static tokens (private app, service key) and OAuth tokens, each with its scopes.

The state keeps digests, never tokens. Messages and shapes are HubSpot's: ``INVALID_AUTHENTICATION`` for what is no
token, ``EXPIRED_AUTHENTICATION`` with the expiry for an OAuth token past it (airbytehq/airbyte issue 74726),
``MISSING_SCOPES`` with the scopes of which one is required (HubSpot/hubspot-api-nodejs issue 268).
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

import orjson

from integrations.sandbox.hubspot_answers import HubSpotError, canonical, wire_instant
from integrations.sandbox.state import State

Kind = Literal["static", "access", "refresh", "code"]

LIFETIME_S = 1_800
"""How long an OAuth access token is good for (*OAuth quickstart guide*, developers.hubspot.com: 30 minutes)."""
CODE_LIFETIME_S = 60
_SCOPES_PAGE = "https://developers.hubspot.com/scopes"


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was found. ``scopes`` is None when it may do everything."""

    name: str
    kind: Kind
    scopes: frozenset[str] | None = None
    expires_at: datetime | None = None

    @property
    def is_oauth(self) -> bool:
        return self.kind != "static"

    def demand(self, any_of: Sequence[str]) -> None:
        """Let through who has at least one of some scopes; nobody is asked for none.

        Raises:
            HubSpotError: 403, naming the scopes.
        """
        if self.scopes is None or not any_of or not self.scopes.isdisjoint(any_of):
            return
        message = (
            "This app hasn't been granted all required scopes to make this call. "
            f"Read more about required scopes here: {_SCOPES_PAGE}."
        )
        required = {"requiredGranularScopes": list(any_of)}
        errors = [{"message": "One or more of the following scopes are required.", "context": required}]
        raise HubSpotError(403, "MISSING_SCOPES", message, errors=errors, links={"scopes": _SCOPES_PAGE})


def _invalid() -> HubSpotError:
    message = (
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find "
        "more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
    )
    return HubSpotError(401, "INVALID_AUTHENTICATION", message)


def _expired(at: datetime, now: datetime) -> HubSpotError:
    passed = max(0, int((now - at).total_seconds()))
    counts = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
    length, unit = next((each for each in counts if passed >= each[0]), counts[-1])
    message = f"The OAuth token used to make this call expired {passed // length} {unit}(s) ago."
    return HubSpotError(401, "EXPIRED_AUTHENTICATION", message, context={"expire time": [wire_instant(canonical(at))]})


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """The one app that may sign in, installed in the portal: its refresh token never expires."""

    client_id: str
    client_secret: str
    refresh_token: str

    @classmethod
    def of(cls, first: str) -> "OAuthClient":
        """The app that belongs to a portal's first token."""
        return cls(
            _digest(f"client:{first}")[:36], _digest(f"secret:{first}")[:36], f"na1-{_digest(f'refresh:{first}')}"
        )


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


class Tokens:
    """The tokens of one portal: ``first``, which may do everything, and those that were issued."""

    def __init__(self, state: State, first: str) -> None:
        self._state = state
        self.client = OAuthClient.of(first)
        self._first = Token(_digest(first), "static")
        self._refresh = Token(_digest(self.client.refresh_token), "refresh")
        self._authorization = f"Bearer {first}".encode()

    def admitted(self, authorization: str) -> Token:
        """The token of an ``Authorization`` header.

        Raises:
            HubSpotError: 401, when it is none, or expired.
        """
        if hmac.compare_digest(authorization.encode(), self._authorization):
            return self._first
        scheme, _, text = authorization.partition(" ")
        found = self.found(text.strip()) if scheme.casefold() == "bearer" else None
        if found is None or found.kind not in {"static", "access"}:
            raise _invalid()
        now = self._state.clock.now()
        if found.expires_at is not None and found.expires_at <= now:
            raise _expired(found.expires_at, now)
        return found

    def found(self, token: str) -> Token | None:
        """What is known of a token of any kind, expired or not."""
        digest = _digest(token)
        for known in (self._first, self._refresh):
            if digest == known.name:
                return known
        rows = self._state.query("SELECT kind, scopes, expires_at FROM hubspot__tokens WHERE digest = ?", (digest,))
        if not rows:
            return None
        kind, scopes, expires_at = rows[0]
        held = None if scopes is None else frozenset(orjson.loads(scopes))
        return Token(digest, kind, held, datetime.fromisoformat(expires_at) if expires_at else None)

    def issue(self, kind: Kind, scopes: Sequence[str] | None, *, lifetime_s: float | None = None) -> str:
        """Make a token; the caller holds the transaction.

        Args:
            scopes: What it may do; None for everything.
            lifetime_s: Seconds of the portal's clock until it expires; None for never.
        """
        token = f"{'pat-na1' if kind == 'static' else kind}-{secrets.token_urlsafe(24)}"
        self.keep(token, kind, scopes, lifetime_s=lifetime_s)
        return token

    def keep(self, token: str, kind: Kind, scopes: Sequence[str] | None, *, lifetime_s: float | None = None) -> None:
        """Let a token of the caller's choice in."""
        held = None if scopes is None else orjson.dumps(sorted(scopes)).decode()
        now = self._state.clock.now()
        expires_at = None if lifetime_s is None else (now + timedelta(seconds=lifetime_s)).isoformat()
        sql = "INSERT OR REPLACE INTO hubspot__tokens VALUES (?, ?, ?, ?)"
        self._state.execute(sql, (_digest(token), kind, held, expires_at))

    def revoke(self, token: str) -> bool:
        """Forget an issued token; whether there was one."""
        is_known = self.found(token) is not None
        self._state.execute("DELETE FROM hubspot__tokens WHERE digest = ?", (_digest(token),))
        return is_known

    def expire(self) -> int:
        """End every OAuth access token at once; how many."""
        now = self._state.clock.now().isoformat()
        sql = "SELECT COUNT(*) FROM hubspot__tokens WHERE kind = 'access'"
        count = int(self._state.query(sql)[0][0])
        self._state.execute("UPDATE hubspot__tokens SET expires_at = ? WHERE kind = 'access'", (now,))
        return count
