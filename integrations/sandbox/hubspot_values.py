"""What HubSpot accepts as a property value, and what it makes of it. Values are text both ways; None is "no value"."""

import re
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

from integrations.sandbox.hubspot_answers import Problem, canonical, invalid
from integrations.sandbox.hubspot_schema import Property

LONGEST_TEXT = 65_536
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_MILLISECONDS = re.compile(r"-?\d{1,15}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ValueRefusedError(Exception):
    """A value that its property does not take."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def as_text(value: Any) -> str | None:
    """A JSON value as HubSpot reads it: numbers and booleans become text.

    Raises:
        HubSpotError: 400, for a list or an object.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise invalid("Invalid input JSON: Cannot deserialize value of type `java.lang.String` from a nested value")


def instant_of(text: str) -> datetime | None:
    """The instant that a text names: milliseconds since 1970 or ISO 8601; a bare day is its midnight, UTC."""
    if _MILLISECONDS.fullmatch(text):
        try:
            return _EPOCH + timedelta(milliseconds=int(text))
        except OverflowError:
            return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _as_instant(text: str) -> str:
    found = instant_of(text)
    if found is None:
        raise ValueRefusedError("INVALID_DATE", f"{text} was not a valid long or ISO-8601 timestamp.")
    return canonical(found)


def _as_day(text: str) -> str:
    found = instant_of(text)
    if found is None:
        raise ValueRefusedError("INVALID_DATE", f"{text} was not a valid date.")
    if found.timetz() != _EPOCH.timetz():
        clock = f"{found.hour}:{found.minute}:{found.second}.{found.microsecond // 1000}"
        raise ValueRefusedError("INVALID_DATE", f"{text} is at {clock} UTC, not midnight!")
    return date(found.year, found.month, found.day).isoformat()


def _as_number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise ValueRefusedError("INVALID_INTEGER", f"{text} was not a valid number.")
    return text


def _as_option(text: str, options: Collection[str], *, is_many: bool) -> str:
    chosen = [part for part in text.split(";") if part] if is_many else [text]
    for one in chosen:
        if one not in options:
            raise ValueRefusedError(
                "INVALID_OPTION", f"{one} was not one of the allowed options: [{', '.join(options)}]"
            )
    return text


def _as_owner(text: str, owners: Collection[str]) -> str:
    if not text.isdigit():
        raise ValueRefusedError("INVALID_INTEGER", f"{text} was not a valid integer (for owner ID).")
    if text not in owners:
        raise ValueRefusedError("INVALID_OWNER_ID", f"Owner {text} does not exist")
    return text


def _as_string(text: str, rule: Property) -> str:
    kept = text if rule.is_kept_verbatim else text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(kept) > LONGEST_TEXT:
        raise ValueRefusedError("PROPERTY_VALUE_TOO_LONG", f"Value is longer than {LONGEST_TEXT} characters.")
    if rule.name == "email":
        kept = kept.lower()
        if kept and not _EMAIL.fullmatch(kept):
            raise ValueRefusedError("INVALID_EMAIL", f"Email address {kept} is invalid")
    return kept


def accepted(rule: Property, text: str, owners: Collection[str]) -> str | None:
    """The value as HubSpot keeps it; None when it is cleared.

    Raises:
        ValueRefusedError: The property's type does not take it.
    """
    if rule.type in {"string", "phone_number"}:
        return _as_string(text, rule) or None
    trimmed = text.strip()
    if not trimmed:
        return None
    if rule.refers_to_owners:
        return _as_owner(trimmed, owners)
    if rule.type == "enumeration":
        return _as_option(trimmed, rule.options, is_many=rule.field_type == "checkbox")
    if rule.type == "bool":
        return _as_option(trimmed.lower(), ("true", "false"), is_many=False)
    by_type = {"number": _as_number, "date": _as_day, "datetime": _as_instant}
    return by_type[rule.type](trimmed)


def refusal(rule: Property, error: ValueRefusedError) -> Problem:
    """A refused value as an entry of the error body."""
    return Problem(rule.name, error.code, error.message)


def sought(rule: Property, text: str) -> str | float:
    """A search filter's value in the form in which the state compares it; nonsense stays text and matches nothing."""
    if rule.type == "datetime":
        found = instant_of(text.strip())
        return canonical(found) if found else text
    if rule.type == "date":
        found = instant_of(text.strip())
        return found.date().isoformat() if found else text
    if rule.type == "number":
        try:
            return float(text)
        except ValueError:
            return text
    return text
