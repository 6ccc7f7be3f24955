"""How HubSpot says yes and no: answers, error bodies and instants on the wire."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from integrations.sandbox.hubspot_types import PORTAL_ID

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets. ``records`` counts the records read or written, for the request log.

    A body of bytes is sent as it is, as HTML; anything else as JSON.
    """

    body: Any = None
    status: int = 200
    kind: Literal["read", "write"] = "read"
    records: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """One property value that HubSpot refuses, with its own error code."""

    name: str
    code: str
    message: str


class HubSpotError(Exception):
    """A refusal as HubSpot words it: an HTTP status and a body."""

    def __init__(self, status: int, category: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.more = more

    @property
    def is_page(self) -> bool:
        """Whether those who take HTML get a page instead of the body."""
        return False

    def body(self) -> Json:
        """The error body, with a fresh correlation id."""
        about = {"status": "error", "message": self.message, "correlationId": str(uuid.uuid4())}
        return about | self.more | {"category": self.category}


class MissingRecordError(HubSpotError):
    """404 for a record that is not there: a page, whatever the caller takes, as measured by backlot 0.1.0."""

    def __init__(self) -> None:
        super().__init__(404, "OBJECT_NOT_FOUND", "resource not found")


PAGE_404 = (
    b'<html>\n<head>\n<meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>\n'
    b"<title>Error 404 Not Found</title>\n</head>\n"
    b"<body><h2>HTTP ERROR 404</h2>\n<p>Resource not found</p>\n</body>\n</html>\n"
)
"""The page of HubSpot's web server for what it does not find."""


class UnknownTypeError(HubSpotError):
    """400 for a name that is of no type; its body has no category, as measured by backlot 0.1.0."""

    def __init__(self, spelling: str) -> None:
        is_id = spelling.replace("-", "", 1).isdigit()
        words = "Invalid object or event type id" if is_id else "Unable to infer object type from"
        super().__init__(400, "", f"{words}: {spelling}")

    def body(self) -> Json:
        return {name: value for name, value in super().body().items() if name != "category"}


class MissingError(HubSpotError):
    """404 for what has no resource: HubSpot's web server answers it, not its API.

    Who takes HTML, or anything, gets the server's page; who takes nothing but JSON gets an error body.
    """

    def __init__(self) -> None:
        super().__init__(404, "OBJECT_NOT_FOUND", "resource not found")

    @property
    def is_page(self) -> bool:
        return True


def invalid(message: str, **more: Any) -> HubSpotError:
    """400: the request is wrong, and repeating it cannot help."""
    return HubSpotError(400, "VALIDATION_ERROR", message, **more)


def invalid_values(problems: Iterable[Problem]) -> HubSpotError:
    """400 for property values; the message carries the list as JSON text, as HubSpot's does."""
    found = list(problems)
    listed = [
        {
            "isValid": False,
            "message": problem.message,
            "error": problem.code,
            "name": problem.name,
            "localizedErrorMessage": problem.message,
            "portalId": PORTAL_ID,
        }
        for problem in found
    ]
    errors = [
        {"message": problem.message, "code": problem.code, "context": {"propertyName": [problem.name]}}
        for problem in found
    ]
    return invalid(f"Property values were not valid: {orjson.dumps(listed).decode()}", errors=errors)


def an_object(value: Any) -> Json:
    """A JSON object; nothing is an empty one.

    Raises:
        HubSpotError: 400, when it is something else.
    """
    if value is not None and not isinstance(value, dict):
        raise invalid("Invalid input JSON: Cannot deserialize an object")
    return value or {}


def a_list(value: Any) -> list[Any]:
    """A JSON list; nothing is an empty one.

    Raises:
        HubSpotError: 400, when it is something else.
    """
    if value is not None and not isinstance(value, list):
        raise invalid("Invalid input JSON: Cannot deserialize a list")
    return value or []


def a_name(value: Any) -> str | None:
    """A name in JSON, or None.

    Raises:
        HubSpotError: 400, when it is not text.
    """
    if value is not None and not isinstance(value, str):
        raise invalid("Invalid input JSON: Cannot deserialize a string")
    return value


def not_found() -> HubSpotError:
    """404 for what a write was meant for; the real body names no id."""
    return HubSpotError(404, "OBJECT_NOT_FOUND", "resource not found")


def conflict(message: str) -> HubSpotError:
    """409: a unique value is taken."""
    return HubSpotError(409, "CONFLICT", message)


def exists(message: str, sub_category: str | None = None) -> HubSpotError:
    """409: a definition of that name exists."""
    more = {"subCategory": sub_category} if sub_category else {}
    return HubSpotError(409, "OBJECT_ALREADY_EXISTS", message, **more)


def demand_fields(body: Json, *names: str) -> None:
    """Demand that a body says something under each of some names.

    Raises:
        HubSpotError: 400, naming those that are missing.
    """
    missing = [name for name in names if not body.get(name)]
    if missing:
        raise invalid(f"Invalid input JSON: Some required fields were not set: [{', '.join(missing)}]")


def canonical(instant: datetime) -> str:
    """An aware instant as kept in the state: fixed width, milliseconds, so that text order is time order."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{instant.microsecond // 1000:03d}Z"


def wire_instant(kept: str | None) -> str | None:
    """A kept instant as HubSpot sends it: without milliseconds when they are zero."""
    return kept.replace(".000Z", "Z") if kept else kept


def failure(category: str, message: str, context: Mapping[str, Sequence[str]], **more: Any) -> Json:
    """One entry of a batch answer's ``errors``."""
    return {"status": "error", "category": category, "message": message, "context": context, **more}


def batch_answer(
    results: Sequence[Any],
    errors: Sequence[Json] = (),
    *,
    version: str,
    now: datetime,
    status: int = 200,
    kind: Literal["read", "write"] = "read",
) -> Answer:
    """A batch's answer: partial failure is 207 at ``v3``, ``v4`` and 2026-03, and hides in the 2xx body at 2026-09."""
    at = canonical(now)
    body: Json = {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
    if errors:
        body |= {"numErrors": len(errors), "errors": errors}
        status = status if version == "2026-09" else 207
    return Answer(body, status, kind, len(results))
