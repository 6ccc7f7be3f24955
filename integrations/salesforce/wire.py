"""HTTP to one Salesforce org: one host, one token, patience, and what its answers mean."""

import io
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import requests
from requests.auth import AuthBase
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, RequestException
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from integrations.crm import CallCounter
from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.mapping import LOOPBACK
from integrations.salesforce.fields import SalesforceConfig
from integrations.transport import Answer, ConnectionLostError, Patience, Request, Verdict, answered

CRM = "salesforce"
TIMEOUT_S = (5.0, 120.0)
TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  # an address
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
    ``integrations.errors``, so that library's own unbounded token renewal never starts.
    """

    def __init__(self, config: SalesforceConfig, calls: CallCounter, patience: Patience) -> None:
        super().__init__()
        self.trust_env = urlsplit(config.base_url).hostname not in LOOPBACK
        self.usage: tuple[int, int] | None = None
        self._config, self._calls, self._patience = config, calls, patience
        self._token = config.access_token.get_secret_value() if config.access_token else None
        self._counting, self._renewing = threading.Lock(), threading.Lock()

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
            tolerated: Statuses of 400 and above that the caller reads himself.

        Raises:
            CrmUnavailableError: As ``transport.answered``.
            CrmRefusedError: Likewise, or the org's daily calls are nearly spent.
        """
        self._keep_budget()
        is_sign_in = request.path == TOKEN_PATH
        used: list[str | None] = [None]

        def send(asked: Request) -> Answer:
            used[0] = None if is_sign_in else self._current_token()
            return self._sent_once(asked, used[0], is_write=is_write)

        def judged(answer: Answer) -> Verdict:
            return Verdict.OK if answer.status in tolerated else judge(answer, is_sign_in=is_sign_in)

        return answered(
            request,
            crm=CRM,
            send=send,
            judge=judged,
            describe=described_error,
            refresh=lambda: self._renew(used[0]),
            asked_wait_s=asked_wait_s,
            patience=self._patience,
        )

    def _sent_once(self, request: Request, token: str | None, *, is_write: bool) -> Answer:
        try:
            with super().request(
                request.method,
                self._config.base_url + request.path,
                params=dict(request.params),
                data=request.body,
                headers={k: v for k, v in request.headers.items() if k.lower() not in UNWANTED_HEADERS},
                auth=_Bearer(token),
                timeout=TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            ) as response:
                # Read at once: by itself, requests unpacks a page of a megabyte in pieces of 10 kB.
                body = response.raw.read(decode_content=True)
        except (RequestException, HTTPError) as error:
            was_sent = not _never_left(error)
            self._count(is_write=is_write, requests_sent=int(was_sent))
            raise ConnectionLostError(type(error).__name__, was_sent=was_sent) from None
        self._count(is_write=is_write, requests_sent=1)
        headers = {name.lower(): value for name, value in response.headers.items()}
        self.usage = _usage(headers.get("sforce-limit-info", "")) or self.usage
        return Answer(response.status_code, headers, body)

    def _keep_budget(self) -> None:
        """Leave the last of the org's daily calls to the people and programs that live on them."""
        used, allowed = self.usage or (0, 1)
        if used * 100 >= self._config.budget_pct * allowed:
            raise CrmRefusedError(f"{CRM}: {used} of {allowed} API calls of 24 hours are used; plansync stops here")

    def _count(self, *, is_write: bool, requests_sent: int) -> None:
        with self._counting:
            self._calls.write += requests_sent if is_write else 0
            self._calls.read += 0 if is_write else requests_sent

    def _current_token(self) -> str:
        if self._token is None:
            self._renew(None)
        assert self._token is not None  # noqa: S101  # _renew sets it or raises
        return self._token

    def _renew(self, refused: str | None) -> None:
        """Sign in, unless another thread has done so since ``refused`` was sent."""
        with self._renewing:
            if self._token != refused:
                return
            self._token = self._signed_in()

    def _signed_in(self) -> str:
        key, secret = self._config.consumer_key, self._config.consumer_secret
        if key is None or secret is None:
            lack = "the access token was refused" if self._token else "there is no access token"
            raise CrmRefusedError(f"{CRM}: {lack}, and no consumer key and secret to sign in with")
        try:
            # Any domain but `login` and `test` will do: the session sends the request to the configured host.
            token, _ = SalesforceLogin(
                session=self,
                consumer_key=key.get_secret_value(),
                consumer_secret=secret.get_secret_value(),
                domain="configured.my",
            )
        except SalesforceAuthenticationFailed as error:
            raise CrmRefusedError(f"{CRM}: POST {TOKEN_PATH}: sign-in refused ({_code_of(error)})") from None
        if not token:
            raise CrmRefusedError(f"{CRM}: POST {TOKEN_PATH}: the answer holds no access token")
        return str(token)


def judge(answer: Answer, *, is_sign_in: bool = False) -> Verdict:
    """What an answer asks for. A sign-in refused in OAuth's own words is left to simple-salesforce, which reads it."""
    status = answer.status
    if status < 300 or (is_sign_in and status in (400, 401, 403) and _is_oauth_error(answer)):
        return Verdict.OK
    if status == 401 and not is_sign_in:
        return Verdict.REFRESH
    if status in (408, 429, 503):
        return Verdict.RETRY
    if status >= 500:
        return Verdict.UNSURE
    code = error_code(answer)
    is_concurrency = code == "REQUEST_LIMIT_EXCEEDED" and b"oncurrent" in answer.body
    return Verdict.RETRY if is_concurrency or code in ("SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW") else Verdict.REFUSED


def described_error(answer: Answer) -> str:
    """The org's error code, with its message where that cannot hold a record's values; nothing if it is not JSON."""
    error = _error(answer)
    code = str(error.get("errorCode") or error.get("error") or "")
    message = str(error.get("message") or "") if code in HARMLESS_MESSAGES else ""
    return f"{code}: {' '.join(message.split())[:300]}" if message else code


def asked_wait_s(answer: Answer) -> float | None:
    """The seconds in ``Retry-After``, which Salesforce itself does not send but a proxy may."""
    asked = answer.headers.get("retry-after", "")
    return float(asked) if asked.isdigit() else None


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


def _code_of(error: SalesforceAuthenticationFailed) -> str:
    code = str(getattr(error, "code", None) or "no code")
    return code if code.replace("_", "").isalnum() else "no code"


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
