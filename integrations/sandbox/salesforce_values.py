"""What Salesforce accepts as the value of a field, and how it keeps it: trimmed, rounded, in UTC, or refused."""

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_ids import normal_id
from integrations.sandbox.salesforce_objects import BY_PREFIX
from integrations.sandbox.salesforce_schema import NUMBER_TYPES, TEXT_TYPES, Field
from integrations.sandbox.soql_values import wire_instant

_EMAIL = re.compile(r"[^@\s<>(),;:\"]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_LINE_ENDS = re.compile(r"\r\n?")
_DIGITS = 18
_JSON_KINDS = {bool: "VALUE_TRUE", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT", str: "VALUE_STRING"}


class MalformedBodyError(SalesforceError):
    """A body that cannot be read as the object: the whole request is refused, whatever else it holds."""


def kept_value(field: Field, value: Any) -> Any:
    """The value as it is stored, for one that came through the API.

    Raises:
        MalformedBodyError: JSON_PARSER_ERROR, for a value of another JSON type than the field's.
        SalesforceError: The value breaks a rule of the field.
    """
    if value is None:
        return _nothing(field)
    if field.type in TEXT_TYPES:
        return _text(field, value)
    if field.type in NUMBER_TYPES:
        return _number(field, value)
    if field.type == "boolean":
        return _boolean(field, value)
    if field.type in {"date", "datetime"}:
        return _time(field, value)
    return _reference(field, value)


def loaded_value(value: Any) -> Any:
    """The value as it is stored, for one that a loader gives in Python's types."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return wire_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _nothing(field: Field) -> Any:
    if field.type == "boolean":
        raise SalesforceError(
            "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{field.label}: value not of required type: ", fields=[field.name]
        )
    return None


def _text(field: Field, value: Any) -> str | None:
    if not isinstance(value, str):
        raise _unreadable("string", value)
    text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", value))
    text = text.rstrip() if field.type == "textarea" else text.strip()
    if len(text) > field.length:
        message = f"{field.label}: data value too large: {text} (max length={field.length})"
        raise SalesforceError("STRING_TOO_LONG", message, fields=[field.name])
    if text and field.restricted and text not in field.values:
        message = f"{field.label}: bad value for restricted picklist field: {text}"
        raise SalesforceError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, fields=[field.name])
    if text and field.type == "email" and not _EMAIL.fullmatch(text):
        message = f"{field.label}: invalid email address: {text}"
        raise SalesforceError("INVALID_EMAIL_ADDRESS", message, fields=[field.name])
    return text or None


def _number(field: Field, value: Any) -> float | int:
    kind = "int" if field.type == "int" else "double"
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _unreadable(kind, value)
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise _unreadable(kind, value) from None
    if not number.is_finite() or (kind == "int" and number != number.to_integral_value()):
        raise _unreadable(kind, value)
    if abs(number) >= Decimal(10) ** (_DIGITS - field.scale):
        message = f"{field.label}: value outside of valid range on numeric field: {value}"
        raise SalesforceError("NUMBER_OUTSIDE_VALID_RANGE", message, fields=[field.name])
    if kind == "int":
        return int(number)
    return float(number.quantize(Decimal(1).scaleb(-field.scale), ROUND_HALF_UP) if field.is_custom else number)


def _boolean(field: Field, value: Any) -> int:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return int(value.lower() == "true")
    raise _unreadable("boolean", value)


def _time(field: Field, value: Any) -> str:
    kind = "date" if field.type == "date" else "datetime"
    if not isinstance(value, str):
        raise _unreadable(kind, value)
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise _unreadable(kind, value) from None
    if kind == "date":
        return instant.date().isoformat()
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return wire_instant(instant.replace(microsecond=0))


def _reference(field: Field, value: Any) -> str | None:
    if not isinstance(value, str):
        raise _unreadable(field.name, value)
    if not value.strip():
        return None
    found = normal_id(value.strip())
    message = f"{field.label}: id value of incorrect type: {value}"
    if found is None:
        raise SalesforceError("MALFORMED_ID", message, fields=[field.name])
    target = BY_PREFIX.get(found[:3])
    if target is None or (field.refers_to and target.name not in field.refers_to):
        raise SalesforceError("FIELD_INTEGRITY_EXCEPTION", message, fields=[field.name])
    return found


def _unreadable(kind: str, value: Any) -> MalformedBodyError:
    seen = _JSON_KINDS.get(type(value), "START_ARRAY" if isinstance(value, list) else "START_OBJECT")
    shown = f" value {value}" if isinstance(value, str | int | float) else ""
    message = f"Cannot deserialize instance of {kind} from {seen}{shown} or request may be missing a required field"
    return MalformedBodyError("JSON_PARSER_ERROR", f"{message} at [line:1, column:1]")
