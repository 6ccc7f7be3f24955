"""SOQL's date literals: ``TODAY``, ``LAST_N_DAYS:30``, ``THIS_QUARTER``. Weeks start on Sunday, years in January."""

from datetime import date, timedelta

Span = tuple[date, date]
"""First day, and the first day that no longer belongs."""

_UNITS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")


def literal_span(text: str, today: date) -> Span | None:
    """The days that a date literal means on ``today``, or None when it is none."""
    name, _, number = text.upper().partition(":")
    name = name.replace("FISCAL_", "")
    plain = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}
    if not number and name in plain:
        return _moved("DAY", today, plain[name], 1)
    if not number and name in {"LAST_90_DAYS", "NEXT_90_DAYS"}:
        return _counted(name.replace("90", "N"), 90, today)
    if number:
        return _counted(name, int(number), today)
    which, _, unit = name.partition("_")
    at = {"LAST": -1, "THIS": 0, "NEXT": 1}.get(which)
    return None if at is None or unit not in _UNITS[1:] else _moved(unit, today, at, 1)


def _counted(name: str, count: int, today: date) -> Span | None:
    """``LAST_N_DAYS`` runs through today, ``LAST_N_WEEKS`` and longer end with the unit before this one."""
    for unit in _UNITS:
        starts = {f"LAST_N_{unit}S": -count, f"NEXT_N_{unit}S": 1, f"N_{unit}S_AGO": -count}
        lengths = {f"LAST_N_{unit}S": count + (unit == "DAY"), f"NEXT_N_{unit}S": count, f"N_{unit}S_AGO": 1}
        if name in starts:
            return _moved(unit, today, starts[name], lengths[name])
    return None


def _moved(unit: str, today: date, by: int, length: int) -> Span:
    """The span of ``length`` units that begins ``by`` units from the one around ``today``."""
    return _start(unit, today, by), _start(unit, today, by + length)


def _start(unit: str, today: date, by: int) -> date:
    if unit == "DAY":
        return today + timedelta(days=by)
    if unit == "WEEK":
        return today - timedelta(days=(today.weekday() + 1) % 7) + timedelta(weeks=by)
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[unit]
    whole = (today.year * 12 + today.month - 1) // months * months + by * months
    return date(whole // 12, whole % 12 + 1, 1)
