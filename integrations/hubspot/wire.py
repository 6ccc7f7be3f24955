"""Requests to one portal: its paths, its pace, what its answers mean. Everything else in this folder asks here."""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import hubspot
import orjson
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from integrations.crm import CallCounter
from integrations.errors import CrmRefusedError, CrmUnavailableError, check_credentials
from integrations.hubspot.fields import HubSpotConfig
from integrations.hubspot.pacing import WINDOW_S, PortalPace
from integrations.limits import Alone, Budget, Shared, Turns
from integrations.tokens import AccessToken, Issued, RefreshToken
from integrations.transport import (
    Answer,
    ConnectionLostError,
    Patience,
    Request,
    Verdict,
    Way,
    answered,
    instant,
    retry_after_s,
)

Json = dict[str, Any]

SCOPES_PATH = "/oauth/v2/private-apps/get/access-token-info"
"""Where HubSpot tells what a static token may do; it has no dated path yet."""
CONNECT_TIMEOUT_S = 5.0
LOCKED_WAIT_S = 2.0
SECOND_WAIT_S = 1.0
BUSY = frozenset({423, 429, 477})
TOKEN_PATH = "/oauth/2026-03/token"  # noqa: S105  # an address
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_CODE = re.compile(r'"(?:error|code|category|subCategory|policyName)"\s*:\s*"([A-Za-z0-9_.\-]{1,80})"')
_PROPERTY = re.compile(r'"(?:name|propertyName)"\s*:\s*\[?\s*"([a-z][a-z0-9_]{0,99})"')
_KIND = re.compile(r"/(search|batch/read|batch|owners|properties|associations|oauth)(?:/|$)")
_KINDS = {"batch/read": "batch-read", "batch": "batch-write", "oauth": "sign-in"}


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, parsed. ``date`` is the portal's clock as it was told."""

    status: int
    data: Json
    date: str | None


class Portal:
    """One HubSpot portal over one pooled client. Safe for several threads: each may ask at any time.

    The pool, its TLS settings and the user agent are the official client's; its models, retries and exceptions stay
    out: answers are parsed once, and its exceptions would carry headers and bodies. No more connections are open than
    ``HubSpotConfig.connections``; threads beyond them wait for one.

    Args:
        config: Where the portal is, how to sign in, how fast to ask.
        calls: Counts every request that left.
        patience: Tries and waits; its ``sleep`` also keeps the pace.
        shared: Where the processes that ask this portal agree on the pace; only this process by default.
        refresh_token: Of the OAuth app, where the settings name one.
    """

    def __init__(
        self,
        config: HubSpotConfig,
        calls: CallCounter,
        *,
        patience: Patience | None = None,
        shared: Shared | None = None,
        refresh_token: RefreshToken | None = None,
    ) -> None:
        self.config, self.calls, self.refresh_token = config, calls, refresh_token
        self._patience = patience or Patience()
        self._pace = _pace(config, calls, self._patience, shared or Alone())
        self._budget = Budget("hubspot", config.budget_pct)
        self._properties: dict[str, dict[str, Json]] = {}
        given = config.access_token.get_secret_value() if config.access_token else None
        self._access = AccessToken("hubspot", given, self._signed_in if refresh_token else None)
        self._places = threading.BoundedSemaphore(config.connections)
        official = hubspot.HubSpot(host=config.base_url, base_url=config.base_url, retry=False)
        # Every access of the attribute chain builds another pool: it is walked once.
        self._client = official.crm.companies.basic_api.api_client
        self._pool = self._client.rest_client.pool_manager
        self._pool.connection_pool_kw.update(maxsize=config.connections, block=True)
        self._headers = dict(self._client.default_headers) | {"Accept-Encoding": "gzip"}

    def close(self) -> None:
        """Release connections."""
        self._pool.clear()
        self._client.close()

    # -- paths --------------------------------------------------------------------------------------------------------

    def objects(self, object_type: str, tail: str = "") -> str:
        """The path of an object type, or of something under it."""
        version = self.config.api_version
        root = "/crm/v3/objects" if version == "v3" else f"/crm/objects/{version}"
        return f"{root}/{object_type}{tail}"

    def associations(self, of: str, to: str) -> str:
        """The path that reads associations in batches; before the dated paths only v4 has types and paging."""
        version = self.config.api_version
        root = "/crm/v4/associations" if version == "v3" else f"/crm/associations/{version}"
        return f"{root}/{of}/{to}/batch/read"

    def area(self, name: str, tail: str = "") -> str:
        """The path of ``owners`` or ``properties``."""
        version = self.config.api_version
        return f"/crm/v3/{name}{tail}" if version == "v3" else f"/crm/{name}/{version}{tail}"

    # -- requests -----------------------------------------------------------------------------------------------------

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Reply:
        """Read one path."""
        return self._asked(Request("GET", path, is_repeatable=True, params=params or {}))

    def look_up(self, path: str, body: Json) -> Reply:
        """Read by POST: searches and batch reads, which change nothing."""
        return self._asked(Request("POST", path, is_repeatable=True, body=orjson.dumps(body)))

    def write(self, path: str, body: Json, *, is_repeatable: bool, tolerated: frozenset[int]) -> Reply:
        """Change records. An answer with a status in ``tolerated`` comes back for the caller to read."""
        request = Request("POST", path, is_repeatable=is_repeatable, body=orjson.dumps(body))
        return self._asked(request, is_write=True, tolerated=tolerated)

    def now(self) -> datetime:
        """The portal's clock, from the cheapest answer there is."""
        at = instant(self.get(self.area("owners"), {"limit": "1"}).date)
        if at is None:
            raise CrmUnavailableError("hubspot: answers carry no Date header")
        return at

    def properties(self, object_type: str) -> Mapping[str, Json]:
        """The properties that an object type has now, by name; asked once."""
        if object_type not in self._properties:
            found = self.get(self.area("properties", f"/{object_type}")).data.get("results", [])
            self._properties[object_type] = {str(one["name"]): one for one in found}
        return self._properties[object_type]

    def scopes(self) -> frozenset[str] | None:
        """What the token may do; None where HubSpot does not tell."""
        reply = self._asked(self._introspection(), tolerated=frozenset({400, 401, 403, 404}))
        scopes = reply.data.get("scopes")
        return frozenset(map(str, scopes)) if reply.status == 200 and isinstance(scopes, list) else None

    def _introspection(self) -> Request:
        """HubSpot tells of static tokens and of those that came by OAuth at two places."""
        id_, secret, token = self.config.client_id, self.config.client_secret, self._access.current()
        if self.refresh_token is None or id_ is None or secret is None:
            return Request("POST", SCOPES_PATH, is_repeatable=True, body=orjson.dumps({"tokenKey": token}))
        form = {"client_id": id_, "client_secret": secret.get_secret_value(), "token": token}
        path = f"{TOKEN_PATH}/introspect"
        return Request("POST", path, is_repeatable=True, body=urlencode(form).encode(), headers=FORM)

    def _asked(self, request: Request, *, is_write: bool = False, tolerated: frozenset[int] = frozenset()) -> Reply:
        parsed: list[Json] = []

        def judge(answer: Answer) -> Verdict:
            if not (200 <= answer.status < 300 or answer.status in tolerated):
                return _verdict(answer, is_renewable=self._access.is_renewable and request.path != TOKEN_PATH)
            data = _object(answer.body)
            if data is None and answer.status < 300:  # cut or garbled: a short page must never pass for a whole one
                return Verdict.UNSURE
            parsed.append(data or {})
            return Verdict.OK

        way = Way(
            crm="hubspot",
            turn=lambda: self._turn(request, is_write=is_write),
            send=lambda one, token, longest_s: self._sent(one, token, longest_s, is_write=is_write),
            judge=judge,
            describe=described,
            refresh=self._access.renewed,
            asked_wait_s=asked_wait_s,
            retried=self.calls.retried,
            advise=lambda answer: self._advice(request, answer),
        )
        answer = answered(request, way, self._patience)
        return Reply(answer.status, parsed[-1], answer.headers.get("date"))

    def _advice(self, request: Request, answer: Answer) -> str:
        """Which credentials to check: an app's where it signs in, else the key."""
        if answer.status != 401 and not (request.path == TOKEN_PATH and answer.status in (400, 403)):
            return ""
        app = ("client_secret", "refresh_token")
        return check_credentials("hubspot", *(app if self._access.is_renewable else ("access_token",)))

    @contextmanager
    def _turn(self, request: Request, *, is_write: bool) -> Iterator[str | None]:
        """A token, a connection and a turn, in this order: who signs in needs the other two."""
        is_sign_in = request.path == TOKEN_PATH
        token = None if is_sign_in else self._access.current()
        if not is_sign_in:
            self._budget.check(is_write=is_write)
        paced = self._pace.turn(is_search=request.path.endswith("/search")) if self._pace else nullcontext()
        with self._places, paced:
            yield token

    def _sent(self, request: Request, token: str | None, longest_s: float | None, *, is_write: bool) -> Answer:
        content = {} if request.body is None else {"Content-Type": "application/json"}
        signed = {} if token is None else {"Authorization": f"Bearer {token}"}
        # Commas stay: a list of property names then needs no quoting, which would cost more than sending it.
        query = "?" + urlencode(request.params, safe=",") if request.params else ""
        read_s = min(self.config.timeout_s, longest_s or self.config.timeout_s)
        try:
            answer = self._pool.urlopen(
                request.method,
                self.config.base_url + request.path + query,
                body=request.body,
                headers={**self._headers, **content, **request.headers, **signed},
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=read_s),
                retries=False,
                redirect=False,
            )
        except (NewConnectionError, ConnectTimeoutError) as error:
            raise ConnectionLostError(type(error).__name__, was_sent=False) from None
        except HTTPError as error:
            self._count(request, 0, is_write=is_write)
            raise ConnectionLostError(type(error).__name__, was_sent=True) from None
        self._count(request, answer.tell(), is_write=is_write)
        found = {name.lower(): value for name, value in answer.headers.items()}
        return self._heeded(Answer(answer.status, found, answer.data))

    def _heeded(self, answer: Answer) -> Answer:
        """The answer, once all who ask this portal know what it says of its limits."""
        allowed, left = (answer.headers.get(f"x-hubspot-ratelimit-daily{part}", "") for part in ("", "-remaining"))
        if allowed.isdigit() and left.isdigit():
            self._budget.note(int(allowed) - int(left), int(allowed))
        if self._pace is not None:
            self._pace.heed(answer.headers)
            wait_s = asked_wait_s(answer)
            if wait_s and (answer.status == 429 or retry_after_s(answer) is not None) and not _is_daily(answer):
                self._pace.hold_off(wait_s)
        return answer

    def _count(self, request: Request, received: int, *, is_write: bool) -> None:
        sent = len(request.body or b"")
        self.calls.add(kind_of(request.path), is_write=is_write, sent=sent, received=received)

    def _signed_in(self) -> Issued:
        """A new access token for the refresh token, whose successor is kept before anything else happens."""
        id_, secret = self.config.client_id, self.config.client_secret
        if self.refresh_token is None or id_ is None or secret is None:
            raise CrmRefusedError(
                "hubspot: a refresh token needs hubspot.client_id and hubspot.client_secret beside it"
            )
        with self.refresh_token.held() as refresh:
            form = {
                "grant_type": "refresh_token",
                "client_id": id_,
                "client_secret": secret.get_secret_value(),
                "refresh_token": refresh,
            }
            request = Request("POST", TOKEN_PATH, is_repeatable=True, body=urlencode(form).encode(), headers=FORM)
            told = self._asked(request).data
            successor = told.get("refresh_token")
            if isinstance(successor, str) and successor and successor != refresh:
                self.refresh_token.replace(successor)
        token, lives_s = told.get("access_token"), told.get("expires_in")
        if not isinstance(token, str) or not token:
            raise CrmRefusedError(f"hubspot: POST {TOKEN_PATH}: the answer holds no access token")
        return Issued(token, float(lives_s) if isinstance(lives_s, int | float) and lives_s > 0 else None)


def _pace(config: HubSpotConfig, calls: CallCounter, patience: Patience, shared: Shared) -> PortalPace | None:
    if config.requests_per_10s is None:
        return None
    key = f"hubspot {config.base_url}"
    turns = Turns(key, shared, sleep=patience.sleep, waited=calls.queued)
    return PortalPace(
        key,
        config.requests_per_10s,
        config.searches_per_s,
        shared=shared,
        turns=turns,
        window_s=config.window_s,
    )


def kind_of(path: str) -> str:
    """What a request does, for the run's account of its calls."""
    if "/associations/" in path:
        return "associations"
    found = _KIND.search(path)
    return _KINDS.get(found[1], found[1]) if found else "records" if "/objects/" in path else "other"


def described(answer: Answer) -> str:
    """HubSpot's own codes and the properties they name, for errors."""
    return codes_in(answer.body)


def codes_in(body: bytes) -> str:
    """Error codes and property names in an error's JSON (messages hold escaped JSON), each once, in order.

    HubSpot's messages repeat record values, so they stay out.
    """
    plain = body.decode(errors="replace").replace('\\"', '"')
    codes = _unique(_CODE.findall(plain))
    names = _unique(_PROPERTY.findall(plain))
    return " ".join(codes) + (f" ({', '.join(names)})" if names else "")


def _unique(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _verdict(answer: Answer, *, is_renewable: bool) -> Verdict:
    if _is_daily(answer):
        return Verdict.REFUSED
    if answer.status == 401 and is_renewable:
        return Verdict.REFRESH
    if answer.status == 408 or answer.status in BUSY:
        return Verdict.RETRY
    if answer.status >= 500:
        return Verdict.UNSURE
    return Verdict.REFUSED


def _is_daily(answer: Answer) -> bool:
    return answer.status == 429 and _policy(answer) == "DAILY"


def _policy(answer: Answer) -> str:
    return str((_object(answer.body) or {}).get("policyName", ""))


def asked_wait_s(answer: Answer) -> float | None:
    """Seconds to the end of the window that is spent; ``Retry-After`` where there is one."""
    after = retry_after_s(answer)
    if after is not None:
        return after
    if answer.status == 429:
        return SECOND_WAIT_S if _policy(answer) == "SECONDLY" else WINDOW_S
    return LOCKED_WAIT_S if answer.status == 423 else None


def _object(body: bytes) -> Json | None:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return data if isinstance(data, dict) else None
