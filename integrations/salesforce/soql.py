"""SOQL text: values quoted by simple-salesforce, names checked, nothing formatted in by hand."""

from collections.abc import Sequence
from datetime import datetime
from string import Formatter
from typing import Any

from simple_salesforce.format import format_soql

from integrations.salesforce.fields import IDENTIFIER


def soql(query: str, /, **values: Any) -> str:
    """Put ``values``, quoted, into the ``{name}`` places of ``query``. Instants keep whole seconds.

    Raises:
        ValueError: An instant without a time zone, an empty list, or a format spec, which would leave a value unquoted.
    """
    for name, value in values.items():
        if isinstance(value, datetime) and value.tzinfo is None:
            raise ValueError(f"{name}: SOQL needs an instant with its time zone")
        if isinstance(value, (list, tuple, set)) and not value:
            raise ValueError(f"{name}: SOQL has no empty list")
    for _, place, spec, conversion in Formatter().parse(query):
        if spec or conversion:
            raise ValueError(f"{place}: goes into the query quoted and in no other way")
    return format_soql(query, **values)


def select(sobject: str, fields: Sequence[str], where: str = "") -> str:
    """A SOQL query over checked identifiers; ``where`` comes from ``soql`` or is constant."""
    columns = ", ".join(dict.fromkeys(identifier(name) for name in fields))
    return " ".join(["SELECT", columns, "FROM", identifier(sobject), *(["WHERE", where] if where else [])])


def identifier(name: str) -> str:
    """``name``, if it is a Salesforce name or a path of names.

    Raises:
        ValueError: It is not.
    """
    if not IDENTIFIER.fullmatch(name):
        raise ValueError(f"not a Salesforce name: {name!r}")
    return name
