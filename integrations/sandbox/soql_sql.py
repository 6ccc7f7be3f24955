"""A SOQL tree to SQL with bound parameters, checked against the org's objects and fields."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Any

import orjson

from integrations.sandbox import salesforce_errors as errors
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_ids import made_id
from integrations.sandbox.salesforce_objects import BY_PREFIX, OBJECTS
from integrations.sandbox.salesforce_schema import TEXT_TYPES, Field, SObject, derived
from integrations.sandbox.soql_functions import aggregated, called
from integrations.sandbox.soql_parser import complaint, string_value
from integrations.sandbox.soql_tree import Comparison, Condition, Junction, Not, Operand, Order, Path, Query, Token
from integrations.sandbox.soql_values import WrongLiteralError, bound_value, date_span, day_start, is_null, like_pattern
from integrations.sandbox.state import quoted, table_name

_MANY = 500
MOST_PARENTS = 5
MOST_SEMI_JOINS = 2
GROUPING = "grouping "
"""Begins the SQL of ``GROUPING(field)``, which has an answer only where grouping sets are known."""

_NOT_TOP = (
    "Semi join sub-selects are only allowed at the top level WHERE expressions and not in nested WHERE expressions"
)
_ID_TYPES = frozenset({"id", "reference"})
_POLYMORPHIC = {"name": "Name", "type": "Type", "id": "Id"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """A path that exists: the names as the org spells them, and where its value comes from."""

    names: tuple[str, ...]
    field: Field
    sql: str


@dataclass
class Scope:
    """One SELECT while it is compiled: its object, the joins that its paths need, and its parameters in order.

    ``text`` is the whole query, for messages; ``sees_all`` keeps deleted and archived rows in.
    """

    entity: SObject
    text: str
    today: date
    sees_all: bool
    alias_name: str | None = None
    aliases: Iterator[int] = field(default_factory=count)
    joins: dict[tuple[str, ...], str] = field(default_factory=dict)
    parents: dict[tuple[str, ...], SObject] = field(default_factory=dict)
    join_sql: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)
    table: str = ""
    in_having: bool = False
    grouped_away: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.table = f"t{next(self.aliases)}"

    @property
    def from_sql(self) -> str:
        """The table with the parents that were needed so far: read it after every path was resolved."""
        return " ".join((f"{stored(self.entity)} AS {self.table}", *self.join_sql))

    def fail(self, code: str, at: int, message: str) -> SalesforceError:
        """An error that shows the place in the query."""
        return SalesforceError(code, complaint(self.text, at, message))

    # -- paths --------------------------------------------------------------------------------------------------------

    def resolve(self, path: Path) -> Resolved:
        """Follow a path to its field, joining the parents on the way.

        Raises:
            SalesforceError: INVALID_FIELD, for an unknown field or relationship.
        """
        parts = path.parts
        if len(parts) > 1 and self._is_own_name(parts[0]):
            parts = parts[1:]
        if len(parts) - 1 > MOST_PARENTS:
            message = f"relationship path is longer than {MOST_PARENTS} levels: {path.shown}"
            raise self.fail("MALFORMED_QUERY", path.at, message)
        entity, table = self.entity, self.table
        names: tuple[str, ...] = ()
        for part in parts[:-1]:
            link = entity.by_relationship.get(part.lower())
            if link is None:
                raise self.fail("INVALID_FIELD", path.at, errors.no_such_relationship(part, "field path"))
            names = (*names, str(link.relationship))
            if len(link.refers_to) > 1:
                return self._polymorphic(path, names, f"{table}.{quoted(link.name)}", parts[-1])
            entity = OBJECTS[link.refers_to[0].lower()]
            table = self._joined(names, entity, f"{table}.{quoted(link.name)}")
        found = entity.by_name.get(parts[-1].lower())
        if found is None:
            raise self.fail("INVALID_FIELD", path.at, errors.no_such_column(parts[-1], entity.name))
        return Resolved((*names, found.name), found, f"{table}.{quoted(found.name)}")

    def operand(self, operand: Operand, *, aggregates: bool = False) -> Resolved:
        """A field, or a function of one; aggregates where they are allowed.

        Raises:
            SalesforceError: As ``resolve``; or the function cannot stand here or take such a field.
        """
        if isinstance(operand, Path):
            return self._kept(self.resolve(operand))
        if operand.inner is None or (operand.is_aggregate and not (aggregates or self.in_having)):
            raise self.fail("MALFORMED_QUERY", operand.at, f"unexpected token: '{operand.name}'")
        if operand.name == "grouping" and isinstance(operand.inner, Path):
            inner = self.resolve(operand.inner)
            sql = str(int(inner.sql in self.grouped_away)) if self.in_having else GROUPING + inner.sql
            return Resolved(inner.names, derived(inner.field.name, "int"), sql)
        inner = self.resolve(operand.inner) if isinstance(operand.inner, Path) else self.operand(operand.inner)
        try:
            field, sql = (aggregated if operand.is_aggregate else called)(operand.name, inner.field, inner.sql)
        except SalesforceError as error:
            raise self.fail(error.code, operand.at, error.message) from None
        return self._kept(Resolved(inner.names, field, sql))

    def _kept(self, resolved: Resolved) -> Resolved:
        """The same, or null where a sub-total has grouped it away."""
        is_kept = resolved.sql not in self.grouped_away
        return resolved if is_kept else Resolved(resolved.names, resolved.field, "NULL")

    def parent_id(self, names: tuple[str, ...]) -> str:
        """The SQL of the id of the parent that ``names`` leads to, once a path below it was resolved."""
        return self.joins[names] if names not in self.parents else f"{self.joins[names]}.{quoted('Id')}"

    def parent_kind(self, names: tuple[str, ...]) -> str:
        """The SQL of the name of the object that ``names`` leads to."""
        if names in self.parents:
            return f"'{self.parents[names].name}'"
        cases = " ".join(f"WHEN '{each.key_prefix}' THEN '{each.name}'" for each in BY_PREFIX.values())
        return f"CASE substr({self.joins[names]}, 1, 3) {cases} END"

    def _is_own_name(self, part: str) -> bool:
        if self.alias_name and part.lower() == self.alias_name.lower():
            return True
        return part.lower() == self.entity.name.lower() and part.lower() not in self.entity.by_relationship

    def _joined(self, names: tuple[str, ...], entity: SObject, link_sql: str) -> str:
        if names not in self.joins:
            alias = f"t{next(self.aliases)}"
            self.join_sql.append(f"LEFT JOIN {stored(entity)} AS {alias} ON {alias}.{quoted('Id')} = {link_sql}")
            self.joins[names], self.parents[names] = alias, entity
        return self.joins[names]

    def _polymorphic(self, path: Path, names: tuple[str, ...], link_sql: str, last: str) -> Resolved:
        """A field of a parent that may be of several objects: looked up by the prefix of its id."""
        name = _POLYMORPHIC.get(last.lower())
        if name is None:
            raise self.fail("INVALID_FIELD", path.at, errors.no_such_column(last, "Name"))
        self.joins[names] = link_sql
        cases = " ".join(f"WHEN '{each.key_prefix}' THEN {_name_by_id(each, link_sql)}" for each in BY_PREFIX.values())
        by_name = {
            "Id": link_sql,
            "Type": self.parent_kind(names),
            "Name": f"CASE substr({link_sql}, 1, 3) {cases} END",
        }
        return Resolved((*names, name), derived(name, "string", 255), by_name[name])

    # -- conditions ---------------------------------------------------------------------------------------------------

    def where_sql(self, query: Query) -> str:
        """The WHERE of this SELECT, with its scope and what ``sees_all`` leaves out.

        Raises:
            SalesforceError: A condition names what does not exist or asks for what is not allowed.
        """
        self._check_semi_joins(query.where)
        parts = [self.condition_sql(query.where)] if query.where else []
        if query.scope == "mine" and self._has("OwnerId"):
            parts.append(f"{self.table}.{quoted('OwnerId')} = '{made_id(OBJECTS['user'].key_prefix, 0)}'")
        if not self.sees_all:
            parts += [f"{self.table}.{quoted(name)} = 0" for name in ("IsDeleted", "IsArchived") if self._has(name)]
        return " AND ".join(parts) or "1"

    def _check_semi_joins(self, condition: Condition | None) -> None:
        found = [(each, is_top, word) for each, is_top, word in _semi_joins(condition)]
        if any(word == "or" for _, _, word in found):
            message = "Semi join sub-selects are not allowed with the 'OR' operator"
        elif not all(is_top for _, is_top, _ in found):
            message = _NOT_TOP
        elif len(found) > MOST_SEMI_JOINS:
            message = f"The maximum number of semi join sub-selects is {MOST_SEMI_JOINS}"
        else:
            return
        raise self.fail("MALFORMED_QUERY", found[-1][0].operand.at, message)

    def condition_sql(self, condition: Condition) -> str:
        """One condition; unknown counts as false under NOT, so that nulls are found there."""
        if isinstance(condition, Comparison):
            return self._comparison_sql(condition)
        if isinstance(condition, Not):
            return f"NOT COALESCE({self.condition_sql(condition.inner)}, 0)"
        return "(" + f" {condition.word.upper()} ".join(self.condition_sql(each) for each in condition.inner) + ")"

    def order_sql(self, orders: Sequence[Order]) -> str:
        """The ORDER BY, empty when none is asked for; equal records keep the order in which they were made."""
        parts = []
        for order in orders:
            resolved = self.operand(order.operand)
            if resolved.field.is_long_text:
                message = f"field '{resolved.field.name}' can not be sorted in a query call"
                raise self.fail("INVALID_FIELD", order.operand.at, message)
            way, nulls = "DESC" if order.descending else "ASC", "LAST" if order.nulls_last else "FIRST"
            parts.append(f"{resolved.sql} {way} NULLS {nulls}")
        return f" ORDER BY {', '.join(parts)}, {self.table}._row" if parts else ""

    def _has(self, name: str) -> bool:
        return name.lower() in self.entity.by_name

    def _comparison_sql(self, comparison: Comparison) -> str:
        resolved = self.operand(comparison.operand)
        if resolved.field.is_long_text:
            message = f"field '{resolved.field.name}' can not be filtered in a query call"
            raise self.fail("INVALID_FIELD", comparison.operand.at, message)
        try:
            if isinstance(comparison.value, Query):
                return self._semi_join_sql(resolved, comparison, comparison.value)
            if comparison.operator in {"includes", "excludes"}:
                return self._choices_sql(resolved, comparison)
            if isinstance(comparison.value, tuple):
                return self._members_sql(resolved, comparison.operator, comparison.value)
            if comparison.operator == "like":
                return self._like_sql(resolved, comparison.value, comparison.operand.at)
            return self._simple_sql(resolved, comparison.operator, comparison.value)
        except WrongLiteralError as wrong:
            raise self.fail("INVALID_FIELD", comparison.operand.at, str(wrong)) from None

    def _simple_sql(self, left: Resolved, operator: str, token: Token) -> str:
        if span := date_span(left.field, token, self.today):
            return self._span_sql(left, operator, *(day_start(day, left.field) for day in span))
        value = None if is_null(token) else self._bound(left, token)
        if value is None:
            return f"{left.sql} IS {'NOT ' if operator == '!=' else ''}NULL"
        self.params.append(value)
        if operator == "!=":
            return f"({left.sql} IS NULL OR {left.sql} <> ?)"
        return f"{left.sql} {operator} ?"

    def _bound(self, left: Resolved, token: Token) -> Any:
        if token.kind == "name" and token.text.lower() not in {"true", "false"}:
            raise self.fail("MALFORMED_QUERY", token.at, f"unexpected token: '{token.text}'")
        return bound_value(left.field, token)

    def _span_sql(self, left: Resolved, operator: str, start: str, end: str) -> str:
        """A span of days as one value: before it is ``<``, in it ``=``, after it ``>``."""
        outside = {"<": ("<", start), "<=": ("<", end), ">": (">=", end), ">=": (">=", start)}
        if operator in outside:
            word, value = outside[operator]
            self.params.append(value)
            return f"{left.sql} {word} ?"
        self.params += (start, end)
        if operator == "=":
            return f"({left.sql} >= ? AND {left.sql} < ?)"
        return f"({left.sql} IS NULL OR {left.sql} < ? OR {left.sql} >= ?)"

    def _members_sql(self, left: Resolved, operator: str, tokens: tuple[Token, ...]) -> str:
        if any(date_span(left.field, token, self.today) for token in tokens):
            inner = "(" + " OR ".join(self._simple_sql(left, "=", token) for token in tokens) + ")"
            return inner if operator == "in" else f"NOT COALESCE({inner}, 0)"
        values = [None if is_null(token) else self._bound(left, token) for token in tokens]
        present = [value for value in values if value is not None]
        within = f"{left.sql} {operator.upper()} ({self._list_sql(present)})"
        if operator == "in":
            return within if len(present) == len(values) else f"({within} OR {left.sql} IS NULL)"
        joint = "OR" if len(present) == len(values) else "AND"
        return f"({left.sql} IS {'' if joint == 'OR' else 'NOT '}NULL {joint} {within})"

    def _choices_sql(self, left: Resolved, comparison: Comparison) -> str:
        """Several choices of a field at once: ``'A;B'`` wants both, a list any of its members."""
        if left.field.type != "multipicklist" or not isinstance(comparison.value, tuple):
            message = f"invalid operator on {left.field.type} field"
            raise self.fail("INVALID_QUERY_FILTER_OPERATOR", comparison.operand.at, message)
        wanted = []
        for token in comparison.value:
            self._bound(left, token)
            choices = string_value(token).split(";")
            self.params += [f";{choice.strip().lower()};" for choice in choices]
            wanted.append("(" + " AND ".join([f"instr(';' || lower({left.sql}) || ';', ?) > 0"] * len(choices)) + ")")
        includes = f"COALESCE({' OR '.join(wanted)}, 0)"
        return includes if comparison.operator == "includes" else f"NOT {includes}"

    def _list_sql(self, values: Sequence[Any]) -> str:
        """Bound members; a long list goes as one parameter, since SQLite counts them."""
        if len(values) > _MANY:
            self.params.append(orjson.dumps(values).decode())
            return "SELECT value FROM json_each(?)"
        self.params += values
        return ", ".join("?" for _ in values)

    def _like_sql(self, left: Resolved, token: Token, at: int) -> str:
        if left.field.type not in TEXT_TYPES:
            message = f"invalid operator on {left.field.type} field"
            raise self.fail("INVALID_QUERY_FILTER_OPERATOR", at, message)
        if token.kind != "string":
            self._bound(left, token)
        self.params.append(like_pattern(token))
        return f"{left.sql} LIKE ? ESCAPE '\\'"

    def _semi_join_sql(self, left: Resolved, comparison: Comparison, inner: Query) -> str:
        scope = self.inner(object_named(self, inner.source, inner.source_at), inner.alias)
        if len(inner.fields) != 1 or not isinstance(inner.fields[0], Path):
            raise self.fail("MALFORMED_QUERY", inner.source_at, "semi join sub-selects can only select one field")
        selected = scope.resolve(inner.fields[0])
        self._check_semi_join(left, comparison, selected, inner)
        where = scope.where_sql(inner)
        self.params += scope.params
        sql = f"SELECT {selected.sql} FROM {scope.from_sql} WHERE {where}"  # noqa: S608 - names from the schema
        sql += f" AND {selected.sql} IS NOT NULL"
        within = f"{left.sql} {comparison.operator.upper()} ({sql})"
        return within if comparison.operator == "in" else f"({left.sql} IS NULL OR {within})"

    def _check_semi_join(self, left: Resolved, comparison: Comparison, selected: Resolved, inner: Query) -> None:
        at, message = inner.source_at, ""
        if left.field.type not in _ID_TYPES:
            at = comparison.operand.at
            message = "The left operand field in the where expression for outer query should be an id field"
            message += f", cannot use: '{left.field.name}'"
        elif selected.field.type not in _ID_TYPES:
            message = (
                f"The selected field in the inner query should be an id field, cannot use: '{selected.field.name}'"
            )
        elif inner.source.lower() == self.entity.name.lower():
            message = "The inner and outer selects should not be on the same object type"
        elif inner.order_by or inner.limit is not None or inner.offset or inner.groups.operands:
            message = "ORDER BY, LIMIT, OFFSET and GROUP BY are not allowed in a semi join sub-select"
        elif any(True for _ in _semi_joins(inner.where)):
            message = "Nested semi join sub-selects are not supported"
        if message:
            raise self.fail("MALFORMED_QUERY", at, message)

    def inner(self, entity: SObject, alias: str | None) -> "Scope":
        """A scope inside this one, whose table names do not meet these."""
        return Scope(entity, self.text, self.today, self.sees_all, alias, self.aliases)


def object_named(scope: Scope, name: str, at: int) -> SObject:
    """The object of a FROM.

    Raises:
        SalesforceError: INVALID_TYPE.
    """
    found = OBJECTS.get(name.lower())
    if found is None:
        raise scope.fail("INVALID_TYPE", at, errors.no_such_object(name))
    return found


def _semi_joins(condition: Condition | None, depth: int = 0, word: str = "") -> Iterator[tuple[Comparison, bool, str]]:
    """The semi-joins of a condition: whether each stands at the top level, and the word that joins it to others."""
    if isinstance(condition, Comparison) and isinstance(condition.value, Query):
        yield condition, depth <= 1, word
    elif isinstance(condition, Junction):
        for each in condition.inner:
            yield from _semi_joins(each, depth + 1, condition.word)
    elif isinstance(condition, Not):
        yield from _semi_joins(condition.inner, depth + 2, word)


def stored(entity: SObject) -> str:
    """The quoted table of an object."""
    return quoted(table_name("salesforce", entity.name))


def _name_by_id(entity: SObject, link_sql: str) -> str:
    column = quoted(entity.record_name)
    return f"(SELECT {column} FROM {stored(entity)} WHERE {quoted('Id')} = {link_sql})"  # noqa: S608 - quoted names
