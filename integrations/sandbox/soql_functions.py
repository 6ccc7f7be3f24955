"""SOQL's functions of one field as SQL. Days are those of UTC, fiscal years begin in January, the language is English.

No public recording confirms how ``FORMAT`` writes numbers and dates.
"""

from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_schema import NUMBER_TYPES, Field, derived

_WHOLE = "CAST(strftime('%{letter}', {at}) AS INTEGER)"
_PARTS = {"month": "m", "year": "Y", "day_in_month": "d", "day_in_year": "j", "hour_in_day": "H"}
NUMERIC_ONLY = frozenset({"sum", "avg"})


def called(name: str, field: Field, sql: str) -> tuple[Field, str]:
    """The type of a function of one field, and its SQL.

    Raises:
        SalesforceError: INVALID_FIELD, for a field of a type that the function does not take; without the place.
    """
    if name in {"tolabel", "convertcurrency"}:
        return field, sql
    if name == "format":
        return derived(field.name, "string", 255), _formatted(field, sql)
    if field.type not in {"date", "datetime"}:
        raise SalesforceError("INVALID_FIELD", f"field {field.name} does not support date function {name.upper()}")
    if name == "converttimezone":
        return field, sql
    if name == "day_only":
        return derived(field.name, "date"), f"substr({sql}, 1, 10)"
    return derived(field.name, "int"), _date_part(name, f"substr({sql}, 1, 19)")


def aggregated(name: str, field: Field, sql: str) -> tuple[Field, str]:
    """The type of an aggregate of one field, and its SQL.

    Raises:
        SalesforceError: INVALID_FIELD, for a field of a type that the function does not take; without the place.
    """
    is_wrong = field.is_long_text or (name in NUMERIC_ONLY and field.type not in NUMBER_TYPES)
    if is_wrong or (name in {"min", "max"} and field.type == "boolean"):
        raise SalesforceError("INVALID_FIELD", f"field {field.name} does not support aggregate operator {name.upper()}")
    if name == "count_distinct":
        return derived(field.name, "int"), f"COUNT(DISTINCT {sql})"
    if name == "count":
        return derived(field.name, "int"), f"COUNT({sql})"
    return (field if name in {"min", "max"} else derived(field.name, "double")), f"{name}({sql})"


def _date_part(name: str, at: str) -> str:
    part = name.removeprefix("calendar_").removeprefix("fiscal_")
    if part in _PARTS:
        return _WHOLE.format(letter=_PARTS[part], at=at)
    if part == "quarter":
        return f"({_date_part('month', at)} + 2) / 3"
    if part == "day_in_week":
        return f"{_WHOLE.format(letter='w', at=at)} + 1"
    days = "day_in_month" if part == "week_in_month" else "day_in_year"
    return f"({_date_part(days, at)} - 1) / 7 + 1"


def _formatted(field: Field, sql: str) -> str:
    if field.type in {"currency", "double", "percent"}:
        whole, cents = f"printf('%,d', CAST(abs({sql}) AS INTEGER))", f"substr(printf('%.2f', abs({sql})), -3)"
        sign, mark = f"CASE WHEN {sql} < 0 THEN '-' ELSE '' END", "$" if field.type == "currency" else ""
        return f"CASE WHEN {sql} IS NULL THEN NULL ELSE {sign} || '{mark}' || {whole} || {cents} END"
    if field.type == "int":
        return f"printf('%,d', {sql})"
    if field.type in {"date", "datetime"}:
        month, day = (f"ltrim(substr({sql}, {start}, 2), '0')" for start in (6, 9))
        clock = f" || ' ' || substr({sql}, 12, 5)" if field.type == "datetime" else ""
        return f"{month} || '/' || {day} || '/' || substr({sql}, 1, 4){clock}"
    return sql
