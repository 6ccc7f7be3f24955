"""What the right side of a SOQL comparison means for a field of some type."""

import re
from datetime import UTC, date, datetime
from typing import Any

from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_ids import normal_id
from integrations.sandbox.salesforce_schema import Field
from integrations.sandbox.soql_dates import Span, literal_span
from integrations.sandbox.soql_parser import string_value
from integrations.sandbox.soql_tree import Token

_NAMES = {"datetime": "dateTime", "currency": "double", "percent": "double", "reference": "ID", "id": "ID"}
_IN_QUOTES = frozenset(
    {"string", "textarea", "picklist", "multipicklist", "email", "phone", "url", "combobox"} | {"id", "reference"}
)


class WrongLiteralError(Exception):
    """The value is of another type than the field: the message is Salesforce's, without the place."""


def wire_instant(instant: datetime) -> str:
    """An aware datetime as Salesforce writes it: UTC, milliseconds, ``+0000``. Sorts as text."""
    in_utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return in_utc.isoformat(timespec="milliseconds")[:-6] + "+0000"


def day_start(day: date, field: Field) -> str:
    """The first instant of a day, or the day itself, as the field stores it."""
    return f"{day.isoformat()}T00:00:00.000+0000" if field.type == "datetime" else day.isoformat()


def is_null(token: Token) -> bool:
    """Whether the token is the word ``null``."""
    return token.kind == "name" and token.text.lower() == "null"


def date_span(field: Field, token: Token, today: date) -> Span | None:
    """The days that a date literal means, when the field is a date or datetime and the token such a literal.

    Raises:
        SalesforceError: The days lie outside of the calendar.
    """
    if field.type not in {"date", "datetime"} or token.kind not in {"name", "literal"}:
        return None
    try:
        return literal_span(token.text, today)
    except (ValueError, OverflowError):
        raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", f"Invalid date: {token.text}") from None


def bound_value(field: Field, token: Token) -> Any:
    """The value to bind for ``token``; an empty text is null to Salesforce.

    Raises:
        WrongLiteralError: The field's type takes no such literal.
        SalesforceError: An id that is none, or a date that does not exist.
    """
    if field.type in _IN_QUOTES:
        if token.kind != "string":
            raise _wrong(field)
        text = string_value(token)
        return _id_value(text) if field.type in {"id", "reference"} else text or None
    if field.type == "boolean":
        if token.kind != "name" or token.text.lower() not in {"true", "false"}:
            raise _wrong(field)
        return int(token.text.lower() == "true")
    if field.type in {"date", "datetime"}:
        return _time_value(field, token)
    if token.kind != "number":
        raise _wrong(field)
    return float(token.text)


def like_pattern(token: Token) -> str:
    """A SOQL LIKE pattern as SQL's, with ``\\`` as the escape character."""
    kept = {"%": r"\%", "_": r"\_", "\\": r"\\", "n": "\n", "r": "\r", "t": "\t"}
    return re.sub(r"\\(.)", lambda match: kept.get(match[1], match[1]), token.text[1:-1], flags=re.DOTALL)


def _time_value(field: Field, token: Token) -> str:
    if token.kind != {"date": "date", "datetime": "instant"}[field.type]:
        raise _wrong(field)
    try:
        if field.type == "date":
            return date.fromisoformat(token.text).isoformat()
        return wire_instant(datetime.fromisoformat(token.text))
    except ValueError:
        raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", f"Invalid date: {token.text}") from None


def _id_value(text: str) -> str:
    found = normal_id(text)
    if found is None:
        raise SalesforceError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {text}")
    return found


def _wrong(field: Field) -> WrongLiteralError:
    quotes = "should be enclosed" if field.type in _IN_QUOTES else "should not be enclosed"
    kind = _NAMES.get(field.type, "string" if field.type in _IN_QUOTES else field.type)
    return WrongLiteralError(
        f"value of filter criterion for field '{field.name}' must be of type {kind} and {quotes} in quotes"
    )
