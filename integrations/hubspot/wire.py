"""Requests to one portal: its paths, its pace, what its answers mean. Everything else in this folder asks here."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import hubspot
import orjson
import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from integrations.crm import CallCounter
from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.hubspot.fields import HubSpotConfig
from integrations.hubspot.pacing import WINDOW_S, Pacing
from integrations.transport import Answer, ConnectionLostError, Patience, Request, Verdict, answered

Json = dict[str, Any]

SCOPES_PATH = "/oauth/v2/private-apps/get/access-token-info"
"""Where HubSpot tells what a static token may do; it has no dated path yet."""
CONNECT_TIMEOUT_S = 5.0
LOCKED_WAIT_S = 2.0
SECOND_WAIT_S = 1.0
BUSY = frozenset({423, 429, 477})
_CODE = re.compile(r'"(?:error|code|category|subCategory|policyName)"\s*:\s*"([A-Za-z0-9_.\-]{1,80})"')
_PROPERTY = re.compile(r'"(?:name|propertyName)"\s*:\s*\[?\s*"([a-z][a-z0-9_]{0,99})"')


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, parsed. ``date`` is the portal's clock as it was told."""

    status: int
    data: Json
    date: str | None


class Portal:
    """One HubSpot portal over one pooled client.

    The pool, its TLS settings and the authorisation are the official client's; its models, retries and exceptions stay
    out: answers are parsed once, and its exceptions would carry headers and bodies.
    """

    def __init__(
        self,
        config: HubSpotConfig,
        calls: CallCounter,
        *,
        patience: Patience | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config, self.calls = config, calls
        self._patience = patience or Patience()
        searches_per_s = config.searches_per_s if config.requests_per_10s else None
        self._pacing = Pacing(config.requests_per_10s, searches_per_s, sleep=self._patience.sleep, monotonic=monotonic)
        self._counting = threading.Lock()
        self._properties: dict[str, dict[str, Json]] = {}
        token = config.access_token.get_secret_value() if config.access_token else None
        official = hubspot.HubSpot(access_token=token, host=config.base_url, base_url=config.base_url, retry=False)
        # Every access of the attribute chain builds another pool: it is walked once.
        self._client = official.crm.companies.basic_api.api_client
        self._client.set_default_header("Accept-Encoding", "gzip")
        self._headers = dict(self._client.default_headers)
        self._client.update_params_for_auth(self._headers, [], ["oauth2"])
        self._timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=config.timeout_s)

    def close(self) -> None:
        """Release connections."""
        self._client.rest_client.pool_manager.clear()
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
        at = _instant(self.get(self.area("owners"), {"limit": "1"}).date)
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
        """The scopes of the key; None where HubSpot does not tell, as of tokens that came by OAuth."""
        token = self.config.access_token
        if token is None:
            return None
        body = orjson.dumps({"tokenKey": token.get_secret_value()})
        request = Request("POST", SCOPES_PATH, is_repeatable=True, body=body)
        reply = self._asked(request, tolerated=frozenset({400, 403, 404}))
        scopes = reply.data.get("scopes")
        return frozenset(map(str, scopes)) if reply.status == 200 and isinstance(scopes, list) else None

    def _asked(self, request: Request, *, is_write: bool = False, tolerated: frozenset[int] = frozenset()) -> Reply:
        if self.config.access_token is None:
            raise CrmRefusedError("hubspot: no access token; set hubspot.access_token")
        parsed: list[Json] = []

        def judge(answer: Answer) -> Verdict:
            if not (200 <= answer.status < 300 or answer.status in tolerated):
                return _verdict(answer)
            data = _object(answer.body)
            if data is None and answer.status < 300:  # cut or garbled: a short page must never pass for a whole one
                return Verdict.UNSURE
            parsed.append(data or {})
            return Verdict.OK

        answer = answered(
            request,
            crm="hubspot",
            send=lambda one: self._sent(one, is_write=is_write),
            judge=judge,
            describe=described,
            refresh=lambda: None,
            asked_wait_s=_asked_wait_s,
            patience=self._patience,
        )
        return Reply(answer.status, parsed[-1], answer.headers.get("date"))

    def _sent(self, request: Request, *, is_write: bool) -> Answer:
        self._pacing.wait(is_search=request.path.endswith("/search"))
        content = {} if request.body is None else {"Content-Type": "application/json"}
        # Commas stay: a list of property names then needs no quoting, which would cost more than sending it.
        query = "?" + urlencode(request.params, safe=",") if request.params else ""
        try:
            answer = self._client.rest_client.pool_manager.urlopen(
                request.method,
                self.config.base_url + request.path + query,
                body=request.body,
                headers=self._headers | content,
                timeout=self._timeout,
                retries=False,
                redirect=False,
            )
        except (NewConnectionError, ConnectTimeoutError) as error:
            raise ConnectionLostError(type(error).__name__, was_sent=False) from None
        except HTTPError as error:
            self._count(is_write)
            raise ConnectionLostError(type(error).__name__, was_sent=True) from None
        self._count(is_write)
        found = {name.lower(): value for name, value in answer.headers.items()}
        self._pacing.heed(found)
        return Answer(answer.status, found, answer.data)

    def _count(self, is_write: bool) -> None:
        with self._counting:
            if is_write:
                self.calls.write += 1
            else:
                self.calls.read += 1


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


def _verdict(answer: Answer) -> Verdict:
    if answer.status == 429 and _policy(answer) == "DAILY":
        return Verdict.REFUSED
    if answer.status in BUSY:
        return Verdict.RETRY
    if answer.status >= 500:
        return Verdict.UNSURE
    return Verdict.REFUSED  # 401 too: the token is static, there is none to fetch


def _policy(answer: Answer) -> str:
    return str((_object(answer.body) or {}).get("policyName", ""))


def _asked_wait_s(answer: Answer) -> float | None:
    """To the end of the window that is spent; ``Retry-After`` where there is one."""
    after = answer.headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    if answer.status == 429:
        return SECOND_WAIT_S if _policy(answer) == "SECONDLY" else WINDOW_S
    return LOCKED_WAIT_S if answer.status == 423 else None


def _object(body: bytes) -> Json | None:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return data if isinstance(data, dict) else None


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).astimezone(UTC).replace(microsecond=0)
    except ValueError:
        return None
