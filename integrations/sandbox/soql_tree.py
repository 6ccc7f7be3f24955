"""What a SOQL query consists of, once it is read."""

from dataclasses import dataclass
from typing import Literal

TokenKind = Literal["name", "string", "number", "instant", "date", "literal", "symbol", "end"]

AGGREGATES = frozenset({"count", "count_distinct", "sum", "avg", "min", "max", "grouping"})
CONVERSIONS = frozenset({"tolabel", "convertcurrency", "format"})
DATE_FUNCTIONS = frozenset(
    {"calendar_month", "calendar_quarter", "calendar_year", "day_in_month", "day_in_week", "day_in_year", "day_only"}
    | {"fiscal_month", "fiscal_quarter", "fiscal_year", "hour_in_day", "week_in_month", "week_in_year"}
    | {"converttimezone"}
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word of the query; ``at`` is its offset in the text."""

    kind: TokenKind
    text: str
    at: int

    def says(self, *words: str) -> bool:
        return self.kind in {"name", "symbol"} and self.text.lower() in words


@dataclass(frozen=True, slots=True)
class Path:
    """A field, perhaps of a parent: ``Account.Owner.Name``."""

    parts: tuple[str, ...]
    at: int
    alias: str | None = None

    @property
    def shown(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Function:
    """``COUNT(Id) alias``, ``CALENDAR_YEAR(CreatedDate)``, ``toLabel(Status)``; ``inner`` is None for ``COUNT()``."""

    name: str
    inner: "Path | Function | None"
    alias: str | None
    at: int

    @property
    def is_aggregate(self) -> bool:
        return self.name in AGGREGATES

    @property
    def shown(self) -> str:
        return f"{self.name}({self.inner.shown if self.inner else ''})"


Operand = Path | Function


@dataclass(frozen=True, slots=True)
class AllFields:
    """``FIELDS(ALL)``, ``FIELDS(STANDARD)`` or ``FIELDS(CUSTOM)``."""

    which: str
    at: int


@dataclass(frozen=True, slots=True)
class TypeOf:
    """``TYPEOF What WHEN Account THEN Phone ELSE Name END``: fields by the object that the relationship leads to."""

    relationship: Token
    branches: tuple[tuple[Token, tuple[Path, ...]], ...]
    otherwise: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """``operand operator value``; a list or a sub-query on the right of IN and NOT IN, a list of INCLUDES."""

    operand: Operand
    operator: str
    value: "Token | tuple[Token, ...] | Query"


@dataclass(frozen=True, slots=True)
class Not:
    """``NOT`` a condition."""

    inner: "Condition"


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by ``and`` or by ``or``."""

    word: str
    inner: "tuple[Condition, ...]"


Condition = Comparison | Not | Junction


@dataclass(frozen=True, slots=True)
class Order:
    """One operand of ORDER BY."""

    operand: Operand
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Groups:
    """GROUP BY; ``kind`` is empty, ``rollup`` or ``cube``."""

    operands: tuple[Operand, ...] = ()
    kind: str = ""
    having: Condition | None = None


Selected = Path | Function | AllFields | TypeOf


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT. ``source`` is an object, or for a sub-query of children the name of the relationship."""

    fields: "tuple[Selected | Query, ...]"
    source: str
    source_at: int
    alias: str | None
    scope: str | None
    where: Condition | None
    groups: Groups
    order_by: tuple[Order, ...]
    limit: int | None
    offset: int

    @property
    def is_aggregate(self) -> bool:
        aggregates = (isinstance(each, Function) and each.is_aggregate for each in self.fields)
        return bool(self.groups.operands) or any(aggregates)
