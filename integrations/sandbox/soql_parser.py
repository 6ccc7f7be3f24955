"""SOQL text to a tree. It knows the grammar only; which objects and fields exist is ``soql_sql``'s business."""

import re
from collections.abc import Callable
from typing import TypeVar

from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.soql_tree import (
    AGGREGATES,
    CONVERSIONS,
    DATE_FUNCTIONS,
    AllFields,
    Comparison,
    Condition,
    Function,
    Groups,
    Junction,
    Not,
    Operand,
    Order,
    Path,
    Query,
    Selected,
    Token,
    TypeOf,
)

T = TypeVar("T")

_TOKENS = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<instant>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)
  | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<literal>[A-Za-z_]+:\d+)
  | (?P<name>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*)
  | (?P<symbol><=|>=|!=|<>|[=<>(),:])
    """,
    re.VERBOSE | re.DOTALL,
)
_FUNCTIONS = AGGREGATES | CONVERSIONS | DATE_FUNCTIONS
_SCOPES = ("delegated", "everything", "mine", "mine_and_my_groups", "my_territory", "my_team_territory", "team")
_AFTER_FROM = ("where", "order", "group", "limit", "offset", "for", "with", "using", "all", "having", "update")
_AROUND = 60
_DEEPEST = 60


def complaint(text: str, at: int, message: str) -> str:
    """The message with the place it is about, as Salesforce shows it: the text around, a caret, row and column."""
    row, column = _place(text, at)
    start, end = max(0, at - _AROUND), at + _AROUND
    shown = text[start:end].replace("\n", " ")
    return f"\n{shown}\n{' ' * (at - start)}^\nERROR at Row:{row}:Column:{column}\n{message}"


def parsed(text: str) -> Query:
    """Read one SOQL query.

    Raises:
        SalesforceError: MALFORMED_QUERY, with the place; QUERY_TOO_COMPLICATED.
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


def _place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise SalesforceError("MALFORMED_QUERY", complaint(text, at, _lexical(text, at)))
        kind = match.lastgroup
        if kind != "space":
            found.append(Token(kind, match[0], at))  # type: ignore[arg-type]  # the groups are the kinds
        at = match.end()
    return [*found, Token("end", "<EOF>", len(text))]


def _lexical(text: str, at: int) -> str:
    """What the real lexer says of a character that begins nothing, or of a quote that is never closed."""
    row, column = _place(text, at)
    if text[at] == "'":
        row, column = _place(text, len(text))
        return f"line {row}:{column} mismatched character '<EOF>' expecting '''"
    return f"line {row}:{column} no viable alternative at character '{text[at]}'"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.next = 0
        self.depth = 0

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

    def listed(self, item: Callable[[], T]) -> tuple[T, ...]:
        items = [item()]
        while self.took(","):
            items.append(item())
        return tuple(items)

    def deeper(self, read: Callable[[], T]) -> T:
        """Something inside brackets; a text of brackets only must not exhaust the reader."""
        if self.depth == _DEEPEST:
            message = "Query is either selecting too many fields or the filter conditions are too complicated."
            raise SalesforceError("QUERY_TOO_COMPLICATED", message)
        self.depth += 1
        inner = read()
        self.depth -= 1
        return inner

    def unexpected(self) -> SalesforceError:
        shown = self.token.text if self.token.kind == "end" else f"'{self.token.text}'"
        return self.wrong(f"unexpected token: {shown}")

    def wrong(self, message: str, at: int | None = None) -> SalesforceError:
        place = self.token.at if at is None else at
        return SalesforceError("MALFORMED_QUERY", complaint(self.text, place, message))

    # -- clauses ------------------------------------------------------------------------------------------------------

    def query(self) -> Query:
        self.expect("select")
        fields = self.listed(self.field)
        self.expect("from")
        source = self.name()
        alias = self.alias()
        scope = self.scope() if self.took("using") else None
        where = self.condition() if self.took("where") else None
        self.sharing_clause()
        groups = self.groups() if self.took("group") else Groups()
        order_by: tuple[Order, ...] = ()
        if self.took("order"):
            self.expect("by")
            order_by = self.listed(self.order)
        limit = self.whole_number() if self.took("limit") else None
        offset = self.whole_number() if self.took("offset") else 0
        self.viewing_clauses()
        return Query(fields, source.text, source.at, alias, scope, where, groups, order_by, limit, offset)

    def field(self) -> Selected | Query:
        if self.took("("):
            inner = self.deeper(self.query)
            self.expect(")")
            return inner
        if self.token.says("typeof") and self.tokens[self.next + 1].kind == "name":
            return self.type_of()
        if self.token.says("fields") and self.tokens[self.next + 1].says("("):
            at = self.take().at
            self.take()
            which = self.expect("all", "standard", "custom")
            self.expect(")")
            return AllFields(which.text.lower(), at)
        found = self.operand()
        has_alias = self.token.kind == "name" and not self.token.says("from")
        alias = self.take().text if has_alias else None
        if isinstance(found, Path):
            return Path(found.parts, found.at, alias)
        return Function(found.name, found.inner, alias, found.at)

    def operand(self) -> Operand:
        token = self.name()
        if not self.token.says("("):
            return _path(token)
        if token.text.lower() not in _FUNCTIONS:
            self.next -= 1
            raise self.unexpected()
        self.take()
        inner = None
        if not (self.token.says(")") and token.says("count")):
            inner = self.deeper(self.operand)
        self.expect(")")
        return Function(token.text.lower(), inner, None, token.at)

    def type_of(self) -> TypeOf:
        self.take()
        relationship = self.name()
        branches = []
        self.expect("when")
        while True:
            kind = self.name()
            self.expect("then")
            branches.append((kind, self.listed(self.path)))
            if not self.took("when"):
                break
        otherwise = self.listed(self.path) if self.took("else") else ()
        self.expect("end")
        return TypeOf(relationship, tuple(branches), otherwise)

    def path(self) -> Path:
        return _path(self.name())

    def alias(self) -> str | None:
        self.took("as")
        if self.token.kind != "name" or self.token.says(*_AFTER_FROM):
            return None
        return self.take().text

    def scope(self) -> str:
        self.expect("scope")
        return self.expect(*_SCOPES).text.lower()

    def sharing_clause(self) -> None:
        """What changes nothing for an integration user who sees everything."""
        while self.took("with"):
            self.expect("security_enforced", "user_mode", "system_mode")

    def viewing_clauses(self) -> None:
        """What notes that someone looked, which the sandbox does not; and what only Apex may ask."""
        while True:
            if self.took("for"):
                self.expect("view", "reference", "update")
            elif self.took("update"):
                self.expect("tracking", "viewstat")
            elif self.took("all"):
                self.expect("rows")
                raise SalesforceError("MALFORMED_QUERY", "ALL ROWS not allowed in this context")
            else:
                return

    def groups(self) -> Groups:
        self.expect("by")
        kind = ""
        if self.token.says("rollup", "cube") and self.tokens[self.next + 1].says("("):
            kind = self.take().text.lower()
            self.take()
        operands = self.listed(self.operand)
        if kind:
            self.expect(")")
        return Groups(operands, kind, self.condition() if self.took("having") else None)

    def order(self) -> Order:
        operand = self.operand()
        descending = self.took("desc")
        if not descending:
            self.took("asc")
        nulls_last = self.took("nulls") and self.expect("first", "last").says("last")
        return Order(operand, descending, nulls_last)

    def whole_number(self) -> int:
        self.refuse_bind()
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
            return Not(self.deeper(self.negatable))
        if self.took("("):
            inner = self.deeper(self.condition)
            self.expect(")")
            return inner
        return self.comparison()

    def comparison(self) -> Comparison:
        operand = self.operand()
        if self.took("in"):
            return Comparison(operand, "in", self.members())
        if self.token.says("not"):
            self.take()
            self.expect("in")
            return Comparison(operand, "not in", self.members())
        if self.token.says("includes", "excludes"):
            operator = self.take().text.lower()
            self.expect("(")
            values = self.listed(self.value)
            self.expect(")")
            return Comparison(operand, operator, values)
        operator = self.expect("=", "!=", "<>", "<", "<=", ">", ">=", "like").text.lower()
        return Comparison(operand, "!=" if operator == "<>" else operator, self.value())

    def members(self) -> tuple[Token, ...] | Query:
        if self.token.kind in {"name", "string"}:
            raise self.wrong("Bind variables only allowed in Apex code")
        self.refuse_bind()
        self.expect("(")
        if self.token.says("select"):
            inner = self.deeper(self.query)
            self.expect(")")
            return inner
        values = self.listed(self.value)
        self.expect(")")
        return values

    def value(self) -> Token:
        self.refuse_bind()
        if self.token.kind in {"symbol", "end"}:
            raise self.unexpected()
        return self.take()

    def refuse_bind(self) -> None:
        if self.token.says(":"):
            raise self.wrong("Bind variables only allowed in Apex code")


def _path(token: Token) -> Path:
    return Path(tuple(token.text.split(".")), token.at)
