"""Requests and answers whole, so that a fault can change them; and the refusals that need no work."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from integrations.sandbox.fault_kinds import HUBSPOT, SALESFORCE
from integrations.sandbox.faults import Fault

_AWAY = "The service is currently unavailable."
_HTML = "<html><head><title>Error</title></head><body><h1>{}</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``headers`` are lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body, or None where it is no JSON."""
        return json_of(self.body)

    @property
    def params(self) -> dict[str, str]:
        """The parameters of the query string."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def having(self, json: Any) -> "Ask":
        """The same request with another body."""
        return replace(self, body=orjson.dumps(json))

    def asking(self, **params: str) -> "Ask":
        """The same request with some other parameters."""
        return replace(self, query=urlencode(self.params | params))


@dataclass(frozen=True, slots=True)
class Told:
    """One answer. ``headers`` are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body, or None where it is no JSON."""
        return json_of(self.body)

    @property
    def is_csv(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/csv")

    def having(self, json: Any) -> "Told":
        """The same answer with another body."""
        return replace(self, body=orjson.dumps(json))


def json_of(body: bytes) -> Any:
    """JSON, or None where it is none."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Told:
    """An answer of JSON, or of HTML where ``body`` is text."""
    is_text = isinstance(body, str)
    content = body.encode() if isinstance(body, str) else orjson.dumps(body)
    kind = "text/html;charset=utf-8" if is_text else "application/json;charset=utf-8"
    return Told(
        status, {"content-type": kind, **{name.lower(): text for name, text in (headers or {}).items()}}, content
    )


def refusal(crm: str, status: int, code: str, message: str, **more: Any) -> Told:
    """An error answer in the CRM's own form."""
    if crm == SALESFORCE:
        return answer(status, [{"message": message, "errorCode": code, **more}])
    told = {"status": "error", "message": message, "correlationId": "00000000-0000-0000-0000-000000000000"}
    return answer(status, told | more | {"category": code})


def refused(fault: Fault, ask: Ask) -> Told:
    """The answer of a fault of the group ``refusal``."""
    made = _MADE[fault.kind](fault, ask)
    if fault.body is not None:
        made = answer(made.status, fault.body)
    wait = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
    return replace(made, headers={**made.headers, **wait, **{k.lower(): v for k, v in fault.headers.items()}})


def html(status: int, title: str) -> Told:
    """A page of HTML where JSON is expected."""
    return answer(status, _HTML.format(title))


def _away(fault: Fault, ask: Ask) -> Told:
    code = "SERVER_UNAVAILABLE" if fault.crm == SALESFORCE else "INTERNAL_ERROR"
    return refusal(fault.crm, fault.status, code, _AWAY)


def _limited(fault: Fault, ask: Ask) -> Told:
    if fault.crm == HUBSPOT:
        policy = fault.variant or "TEN_SECONDLY_ROLLING"
        names = {"errorType": "RATE_LIMIT", "policyName": policy, "groupName": f"publicapi:{policy.lower()}"}
        return refusal(HUBSPOT, 429, "RATE_LIMITS", f"You have reached your {policy.lower()} limit.", **names)
    is_daily = (fault.variant or "DAILY") == "DAILY"
    text = "TotalRequests Limit exceeded." if is_daily else "ConcurrentPerOrgLongTxn Limit exceeded."
    return refusal(SALESFORCE, 403, "REQUEST_LIMIT_EXCEEDED", text)


def _unauthorized(fault: Fault, ask: Ask) -> Told:
    if fault.variant == "HTML":
        return html(401, "Unauthorized")
    if fault.variant == "OBJECT":
        return answer(401, {"error": "invalid_token", "error_description": "expired access/refresh token"})
    usual = "INVALID_SESSION_ID" if fault.crm == SALESFORCE else "INVALID_AUTHENTICATION"
    code = fault.variant or usual
    return refusal(fault.crm, 401, code, _UNAUTHORIZED.get(code, "The access token is not valid"))


_UNAUTHORIZED = {
    "INVALID_SESSION_ID": "Session expired or invalid",
    "INVALID_AUTH_HEADER": "INVALID_HEADER_TYPE",
    "INVALID_JWT_FORMAT": "JWT token format is invalid",
    "INVALID_AUTHENTICATION": "Authentication credentials not found.",
    "EXPIRED_AUTHENTICATION": "The OAuth token used to make this call expired.",
}


def _conflict(fault: Fault, ask: Ask) -> Told:
    return refusal(fault.crm, 409, "CONFLICT", "Another record of this batch or portal already has that value.")


def _several(fault: Fault, ask: Ask) -> Told:
    base, _, rest = ask.path.partition("/sobjects/")
    name = rest.partition("/")[0]
    return answer(300, [f"{base}/sobjects/{name}/{name[:3].upper():0<3}00000000000{each}AAA" for each in "12"])


_MADE = {
    "down": _away,
    "status": _away,
    "rate_limit": _limited,
    "unauthorized": _unauthorized,
    "conflict": _conflict,
    "multiple_matches": _several,
}
