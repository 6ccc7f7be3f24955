"""Values as readers see them, the same in every output; text from outside made harmless first."""

import re
from collections.abc import Sequence
from datetime import date, datetime

TEXT_LIMIT = 300
"""Characters of one piece of customer text that an output shows."""

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff"
    "\ufff0-\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def inert(text: str | None, limit: int = TEXT_LIMIT) -> str:
    """Text from outside as one line that shows what it holds: no controls, no direction overrides, no endless line."""
    kept = (text or "")[: limit * 8]  # a line of a megabyte is not searched to its end
    line = " ".join(_UNSEEN.sub("", kept).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def sentence(text: str | None) -> str:
    """``inert`` text that begins with a capital."""
    line = inert(text)
    return line[:1].upper() + line[1:]


def sentences(texts: Sequence[str] | None) -> list[str]:
    """``sentence`` of each; blank ones are left out."""
    return [line for text in texts or () if (line := sentence(text))]


def amount(minor: int, digits: int) -> str:
    """An exact amount with its thousands set apart: ``1,234,567`` or ``99.95``."""
    whole, rest = divmod(abs(minor), 10**digits)
    cents = f".{rest:0{digits}d}" if rest else ""
    return f"{'-' if minor < 0 else ''}{whole:,}{cents}"


def money(minor: int | None, currency: str | None, digits: int) -> str:
    """An amount with its currency, ``USD 85,000``; a dash where either is unknown."""
    return "–" if minor is None or currency is None else f"{inert(currency, 12)}\u00a0{amount(minor, digits)}"


def share(part: int, whole: int) -> str:
    """A part of a whole in percent; nothing where there is no whole, and never 0 or 100 by rounding alone."""
    if whole <= 0:
        return ""
    percent = round(100 * part / whole)
    if percent == 0 and part > 0:
        return "under 1 %"
    return "over 99 %" if percent == 100 and part < whole else f"{percent} %"


def day(value: date | None) -> str:
    """A date as ``20 Nov 2026``, whatever the locale."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}" if value else "–"


def instant(value: datetime) -> str:
    """A UTC instant as ``2026-11-19 21:55 UTC``."""
    return f"{value:%Y-%m-%d %H:%M} UTC"


def distance(days: int | None) -> str:
    """How far ahead, or past, a day is."""
    if days is None:
        return ""
    if days == 0:
        return "today"
    plural = "" if abs(days) == 1 else "s"
    return f"in {days} day{plural}" if days > 0 else f"{-days} day{plural} ago"


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """``1 customer``, ``12 customers``."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def crm_name(crm: str) -> str:
    """A CRM as its vendor writes it."""
    return {"salesforce": "Salesforce", "hubspot": "HubSpot"}.get(crm, inert(crm))
