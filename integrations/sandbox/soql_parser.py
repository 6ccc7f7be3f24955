"""SOQL text to a tree. It knows the grammar only; which objects and fields exist is ``soql_sql``'s business."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from integrations.sandbox.salesforce_errors import SalesforceError

TokenKind = Literal["name", "string", "number", "instant", "date", "literal", "symbol", "end"]

_TOKENS = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)
  | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<literal>[A-Za-z_]+:\d+)
  | (?P<name>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*)
  | (?P<symbol><=|>=|!=|<>|[=<>(),])
    """,
    re.VERBOSE | re.DOTALL,
)
_AGGREGATES = frozenset({"count", "count_distinct", "sum", "avg", "min", "max"})
_AROUND = 60


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


@dataclass(frozen=True, slots=True)
class Aggregate:
    """``COUNT(Id) alias``; ``path`` is None for ``COUNT()``."""

    function: str
    path: Path | None
    alias: str | None
    at: int


@dataclass(frozen=True, slots=True)
class AllFields:
    """``FIELDS(ALL)``, ``FIELDS(STANDARD)`` or ``FIELDS(CUSTOM)``."""

    which: str
    at: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """``path operator value``; a list or a sub-query on the right of IN and NOT IN."""

    path: Path
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
    """One field of ORDER BY."""

    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT. ``source`` is an object, or for a sub-query of children the name of the relationship."""

    fields: "tuple[Path | Aggregate | AllFields | Query, ...]"
    source: str
    source_at: int
    alias: str | None
    where: Condition | None
    group_by: tuple[Path, ...]
    order_by: tuple[Order, ...]
    limit: int | None
    offset: int
    all_rows: bool = False


def complaint(text: str, at: int, message: str) -> str:
    """The message with the place it is about, as Salesforce shows it: the text around, a caret, row and column."""
    row = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    start, end = max(0, at - _AROUND), at + _AROUND
    shown = text[start:end].replace("\n", " ")
    return f"\n{shown}\n{' ' * (at - start)}^\nERROR at Row:{row}:Column:{column}\n{message}"


def parsed(text: str) -> Query:
    """Read one SOQL query.

    Raises:
        SalesforceError: MALFORMED_QUERY, with the place.
    """
    parser = _Parser(text)
    query = parser.query()
    parser.expect_end()
    return query


def string_value(token: Token) -> str:
    """What a quoted text means. A backslash before ``%`` or ``_`` stays: it is for LIKE to read."""
    escapes = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "N": "\n", "R": "\r", "T": "\t"}
    return re.sub(
        r"\\(.)",
        lambda match: match[0] if match[1] in "%_" else escapes.get(match[1], match[1]),
        token.text[1:-1],
        flags=re.DOTALL,
    )


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise SalesforceError("MALFORMED_QUERY", complaint(text, at, f"unexpected token: '{text[at]}'"))
        kind = match.lastgroup
        if kind != "space":
            found.append(Token(kind, match[0], at))  # type: ignore[arg-type]  # the groups are the kinds
        at = match.end()
    return [*found, Token("end", "<EOF>", len(text))]


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.next = 0

    # -- words --------------------------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def take(self) -> Token:
        token = self.token
        if token.kind != "end":
            self.next += 1
        return token

    def took(self, *words: str) -> bool:
        if self.token.says(*words):
            self.next += 1
            return True
        return False

    def expect(self, *words: str) -> Token:
        if not self.token.says(*words):
            raise self.unexpected()
        return self.take()

    def expect_end(self) -> None:
        if self.token.kind != "end":
            raise self.unexpected()

    def name(self) -> Token:
        if self.token.kind != "name":
            raise self.unexpected()
        return self.take()

    def unexpected(self) -> SalesforceError:
        shown = self.token.text if self.token.kind == "end" else f"'{self.token.text}'"
        return SalesforceError("MALFORMED_QUERY", complaint(self.text, self.token.at, f"unexpected token: {shown}"))

    # -- clauses ------------------------------------------------------------------------------------------------------

    def query(self) -> Query:
        self.expect("select")
        fields = [self.field()]
        while self.took(","):
            fields.append(self.field())
        self.expect("from")
        source = self.name()
        alias = self.alias()
        where = self.condition() if self.took("where") else None
        self.ignored_clauses()
        group_by = self.group_by()
        order_by = self.order_by()
        limit = self.whole_number() if self.took("limit") else None
        offset = self.whole_number() if self.took("offset") else 0
        self.ignored_clauses()
        return Query(tuple(fields), source.text, source.at, alias, where, group_by, order_by, limit, offset)

    def field(self) -> "Path | Aggregate | AllFields | Query":
        if self.took("("):
            inner = self.query()
            self.expect(")")
            return inner
        token = self.name()
        if not self.token.says("("):
            return _path(token)
        self.take()
        if token.says("fields"):
            which = self.expect("all", "standard", "custom")
            self.expect(")")
            return AllFields(which.text.lower(), token.at)
        return self.aggregate(token)

    def aggregate(self, function: Token) -> Aggregate:
        if not function.says(*_AGGREGATES):
            self.next -= 1
            raise self.unexpected()
        path = None if self.token.says(")") and function.says("count") else _path(self.name())
        self.expect(")")
        alias = self.take().text if self.token.kind == "name" and not self.token.says("from") else None
        return Aggregate(function.text.lower(), path, alias, function.at)

    def alias(self) -> str | None:
        self.took("as")
        if self.token.kind != "name" or self.token.says(
            "where", "order", "group", "limit", "offset", "for", "with", "using", "all"
        ):
            return None
        return self.take().text

    def ignored_clauses(self) -> None:
        """Clauses about sharing and views, which change nothing for an integration user who sees everything."""
        while True:
            if self.took("with"):
                self.expect("security_enforced", "user_mode", "system_mode")
            elif self.took("for"):
                self.expect("view", "reference", "update")
            elif self.took("using"):
                self.expect("scope")
                self.name()
            else:
                return

    def group_by(self) -> tuple[Path, ...]:
        if not self.took("group"):
            return ()
        self.expect("by")
        paths = [_path(self.name())]
        while self.took(","):
            paths.append(_path(self.name()))
        return tuple(paths)

    def order_by(self) -> tuple[Order, ...]:
        if not self.took("order"):
            return ()
        self.expect("by")
        orders = [self.order()]
        while self.took(","):
            orders.append(self.order())
        return tuple(orders)

    def order(self) -> Order:
        path = _path(self.name())
        descending = self.took("desc")
        if not descending:
            self.took("asc")
        nulls_last = self.took("nulls") and self.expect("first", "last").says("last")
        return Order(path, descending, nulls_last)

    def whole_number(self) -> int:
        if self.token.kind != "number" or not self.token.text.isdigit():
            raise self.unexpected()
        return int(self.take().text)

    # -- conditions ---------------------------------------------------------------------------------------------------

    def condition(self) -> Condition:
        first = self.negatable()
        if not self.token.says("and", "or"):
            return first
        word = self.token.text.lower()
        inner = [first]
        while self.took(word):
            inner.append(self.negatable())
        if self.token.says("and", "or"):  # SOQL wants brackets where AND and OR meet
            raise self.unexpected()
        return Junction(word, tuple(inner))

    def negatable(self) -> Condition:
        if self.took("not"):
            return Not(self.negatable())
        if self.took("("):
            inner = self.condition()
            self.expect(")")
            return inner
        return self.comparison()

    def comparison(self) -> Comparison:
        path = _path(self.name())
        if self.took("in"):
            return Comparison(path, "in", self.members())
        if self.token.says("not"):
            self.take()
            self.expect("in")
            return Comparison(path, "not in", self.members())
        operator = self.expect("=", "!=", "<>", "<", "<=", ">", ">=", "like").text.lower()
        return Comparison(path, "!=" if operator == "<>" else operator, self.value())

    def members(self) -> tuple[Token, ...] | Query:
        self.expect("(")
        if self.token.says("select"):
            inner = self.query()
            self.expect(")")
            return inner
        values = [self.value()]
        while self.took(","):
            values.append(self.value())
        self.expect(")")
        return tuple(values)

    def value(self) -> Token:
        if self.token.kind in {"symbol", "end"}:
            raise self.unexpected()
        return self.take()


def _path(token: Token) -> Path:
    parts: Sequence[str] = token.text.split(".")
    return Path(tuple(parts), token.at)
