"""HTTP to one Salesforce org: one host, one token, one pool, patience, and what its answers mean."""

import io
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, RequestException
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from integrations.crm import CallCounter
from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.hosts import path_on
from integrations.limits import Alone, AtOnce, Budget, Shared, Turns
from integrations.mapping import LOOPBACK
from integrations.salesforce.fields import SalesforceConfig
from integrations.salesforce.signin import TOKEN_PATH, check_instance, sign_in_for
from integrations.tokens import AccessToken, RefreshToken
from integrations.transport import (
    Answer,
    ConnectionLostError,
    Patience,
    Request,
    Verdict,
    Way,
    answered,
    retry_after_s,
)

CRM = "salesforce"
DATA = "/services/data/"
CONNECT_TIMEOUT_S = 5.0
_KIND = re.compile(r"/(oauth2|jobs|composite|queryAll|query|describe|limits|sobjects)(?:/|$)")
_KINDS = {"oauth2": "sign-in", "jobs": "bulk", "queryAll": "query"}
UNWANTED_HEADERS = frozenset({"x-prettyprint", "content-length"})
"""What simple-salesforce sets and we do not want: indentation makes answers a third larger."""

HARMLESS_MESSAGES = frozenset(
    {
        "API_DISABLED_FOR_ORG",
        "INSUFFICIENT_ACCESS",
        "INVALID_FIELD",
        "INVALID_QUERY_LOCATOR",
        "INVALID_SESSION_ID",
        "INVALID_TYPE",
        "NOT_FOUND",
        "REQUEST_LIMIT_EXCEEDED",
        "SERVER_UNAVAILABLE",
    }
)
"""Codes whose message speaks of our request or the org, never of a record's values."""


class _Bearer(AuthBase):
    """Sets the token that is valid now; having any auth at all also keeps ``.netrc`` from replacing the header."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Wire(requests.Session):
    """The session that simple-salesforce is given: one host, timeouts, no redirects, patience, a count of calls.

    Every request that simple-salesforce makes on it comes back answered for good or raises one of
    ``integrations.errors``, so that library's own unbounded token renewal never starts. Safe for several threads: they
    share one pool of ``SalesforceConfig.connections``, one token, and the org's limits with all other processes.

    Args:
        config: Where the org is, how to sign in, how much to ask.
        calls: Counts every request that left.
        patience: Tries and waits.
        shared: Where the processes that ask this org agree; only this process by default.
        refresh_token: To sign in with, where the settings name one.
    """

    def __init__(
        self,
        config: SalesforceConfig,
        calls: CallCounter,
        patience: Patience,
        *,
        shared: Shared | None = None,
        refresh_token: RefreshToken | None = None,
    ) -> None:
        super().__init__()
        self.trust_env = urlsplit(config.base_url).hostname not in LOOPBACK
        self.refresh_token = refresh_token
        self._config, self._calls, self._patience = config, calls, patience
        adapter = HTTPAdapter(pool_connections=1, pool_maxsize=config.connections, pool_block=True)
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        self._places = threading.BoundedSemaphore(min(config.connections, config.requests_at_once))
        between = shared or Alone()
        self._turns = Turns(f"{CRM} {config.base_url}", between, sleep=patience.sleep, waited=calls.queued)
        longest_s = CONNECT_TIMEOUT_S + config.timeout_s
        self._at_once = AtOnce(self._turns, between, config.requests_at_once, longest_s)
        self._budget = Budget(CRM, config.budget_pct)
        given = config.access_token.get_secret_value() if config.access_token else None
        self._access = AccessToken(CRM, given, sign_in_for(config, self, self.exchange, refresh_token))

    @property
    def usage(self) -> tuple[int, int] | None:
        """API calls used and allowed in 24 hours, of all programs, as the org last told."""
        return self._budget.told

    def path_of(self, link: object, what: str) -> str:
        """The path of a link that the org named, for ``exchange``.

        Raises:
            CrmRefusedError: It leads anywhere else than to this org.
        """
        path = path_on(self._config.base_url, link, what=f"{CRM}: {what}")
        if not path.startswith(DATA):
            raise CrmRefusedError(f"{CRM}: {what} leads out of {DATA}; nothing was sent there")
        return path

    def request(self, method: Any, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """What simple-salesforce calls: the same as ``exchange``, in the types of ``requests``."""
        parts = urlsplit(url)
        given = requests.Request(method, url, data=options.get("data"), json=options.get("json")).prepare()
        body = given.body.encode() if isinstance(given.body, str) else given.body
        headers = {**given.headers, **(options.get("headers") or {})}
        params = {**dict(parse_qsl(parts.query)), **(options.get("params") or {})}
        is_repeatable = method.upper() == "GET" or parts.path == TOKEN_PATH
        asked = Request(method, parts.path, is_repeatable=is_repeatable, body=body, params=params, headers=headers)
        return _as_response(self.exchange(asked, tolerated=frozenset({404})), url)

    def exchange(self, request: Request, *, is_write: bool = False, tolerated: frozenset[int] = frozenset()) -> Answer:
        """Send ``request`` until it is answered for good.

        Args:
            request: ``path`` counts from the host, whatever host an answer named.
            is_write: Count it as a write.
            tolerated: Statuses of 300 and above that the caller reads himself.

        Raises:
            CrmUnavailableError: As ``transport.answered``.
            CrmRefusedError: Likewise, or the org's daily calls are nearly spent.
        """
        is_sign_in = request.path == TOKEN_PATH
        way = Way(
            crm=CRM,
            turn=lambda: self._turn(is_sign_in=is_sign_in, is_write=is_write),
            send=lambda asked, token, longest_s: self._sent_once(asked, token, longest_s, is_write=is_write),
            judge=lambda answer: Verdict.OK if answer.status in tolerated else judge(answer, is_sign_in=is_sign_in),
            describe=described_error,
            refresh=self._access.renewed,
            asked_wait_s=asked_wait_s,
            retried=self._calls.retried,
        )
        answer = answered(request, way, self._patience)
        if is_sign_in:
            check_instance(self._config, answer)
        return answer

    @contextmanager
    def _turn(self, *, is_sign_in: bool, is_write: bool) -> Iterator[str | None]:
        """A token, a connection and a place, in this order: who signs in needs the other two."""
        token = None if is_sign_in else self._access.current()
        if not is_sign_in:
            self._budget.check(is_write=is_write)
        with self._places, self._at_once.turn():
            yield token

    def _sent_once(self, request: Request, token: str | None, longest_s: float | None, *, is_write: bool) -> Answer:
        read_s = min(self._config.timeout_s, longest_s or self._config.timeout_s)
        try:
            with super().request(
                request.method,
                self._config.base_url + request.path,
                params=dict(request.params),
                data=request.body,
                headers={k: v for k, v in request.headers.items() if k.lower() not in UNWANTED_HEADERS},
                auth=_Bearer(token),
                timeout=(CONNECT_TIMEOUT_S, read_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                # Read at once: by itself, requests unpacks a page of a megabyte in pieces of 10 kB.
                body = response.raw.read(decode_content=True)
        except (RequestException, HTTPError) as error:
            was_sent = not _never_left(error)
            if was_sent:
                self._count(request, 0, is_write=is_write)
            raise ConnectionLostError(type(error).__name__, was_sent=was_sent) from None
        self._count(request, response.raw.tell(), is_write=is_write)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return self._heeded(Answer(response.status_code, headers, body))

    def _heeded(self, answer: Answer) -> Answer:
        """The answer, once all who ask this org know what it says of its limits."""
        usage = _usage(answer.headers.get("sforce-limit-info", ""))
        if usage:
            self._budget.note(*usage)
        wait_s = retry_after_s(answer)
        if wait_s and answer.status >= 400:
            self._turns.hold_off(wait_s)
        return answer

    def _count(self, request: Request, received: int, *, is_write: bool) -> None:
        self._calls.add(kind_of(request.path), is_write=is_write, sent=len(request.body or b""), received=received)


def kind_of(path: str) -> str:
    """What a request does, for the run's account of its calls."""
    found = _KIND.search(path)
    if found is None:
        return "other"
    return "describe" if path.endswith("/describe") else _KINDS.get(found[1], found[1])


def judge(answer: Answer, *, is_sign_in: bool = False) -> Verdict:
    """What an answer asks for. A sign-in refused in OAuth's own words is left to simple-salesforce, which reads it."""
    status = answer.status
    if status < 300 or (is_sign_in and status in (400, 401, 403) and _is_oauth_error(answer)):
        return Verdict.OK
    if status == 401 and not is_sign_in:
        return Verdict.REFRESH
    code = error_code(answer)
    if status in (408, 429) or (status == 503 and code == "SERVER_UNAVAILABLE"):
        return Verdict.RETRY
    if status >= 500:
        return Verdict.UNSURE
    is_concurrency = code == "REQUEST_LIMIT_EXCEEDED" and b"oncurrent" in answer.body
    return Verdict.RETRY if is_concurrency or code in ("SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW") else Verdict.REFUSED


def described_error(answer: Answer) -> str:
    """The org's error code, with its message where that cannot hold a record's values; nothing if it is not JSON."""
    error = _error(answer)
    code = str(error.get("errorCode") or error.get("error") or "")
    message = str(error.get("message") or "") if code in HARMLESS_MESSAGES else ""
    return f"{code}: {' '.join(message.split())[:300]}" if message else code


def asked_wait_s(answer: Answer) -> float | None:
    """Seconds by ``Retry-After``, which Salesforce itself does not send but a proxy may."""
    return retry_after_s(answer)


def decoded(answer: Answer, what: str) -> Any:
    """The JSON body.

    Raises:
        CrmUnavailableError: It is cut or is not JSON.
    """
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        raise CrmUnavailableError(f"{CRM}: {what}: the answer is not JSON") from None


def _error(answer: Answer) -> Mapping[str, Any]:
    with suppress(orjson.JSONDecodeError):
        body = orjson.loads(answer.body)
        first = body[0] if isinstance(body, list) and body else body
        return first if isinstance(first, dict) else {}
    return {}


def _is_oauth_error(answer: Answer) -> bool:
    """Whether the body is what OAuth prescribes; simple-salesforce cannot read any other, such as a REST error list."""
    with suppress(orjson.JSONDecodeError):
        body = orjson.loads(answer.body)
        return isinstance(body, dict) and "error" in body
    return False


def error_code(answer: Answer) -> str:
    """The org's error code, or nothing."""
    return str(_error(answer).get("errorCode", ""))


def _never_left(error: Exception) -> bool:
    if isinstance(error, ConnectTimeout):
        return True
    cause = error.args[0] if isinstance(error, RequestsConnectionError) and error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _usage(header: str) -> tuple[int, int] | None:
    """Calls used and allowed in 24 hours, from ``api-usage=18/5000``."""
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        used, _, allowed = value.partition("/")
        if name == "api-usage" and used.isdigit() and allowed.isdigit():
            return int(used), int(allowed)
    return None


def _as_response(answer: Answer, url: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response.url = answer.status, url
    response.headers.update(
        {k: v for k, v in answer.headers.items() if k not in ("content-encoding", "content-length")}
    )
    response.raw = io.BytesIO(answer.body)
    return response
