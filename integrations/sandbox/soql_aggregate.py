"""SOQL queries that count and group: what each column is called, and one SQL statement for all grouping sets."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.soql_sql import GROUPING, Resolved, Scope
from integrations.sandbox.soql_tree import (
    Comparison,
    Condition,
    Function,
    Groups,
    Not,
    Operand,
    Order,
    Path,
    Query,
)

LARGEST_ANSWER = 2_000
MOST_ROLLED_UP = 3


@dataclass(frozen=True, slots=True)
class Aggregation:
    """The names of the columns, which of them are true or false, the SQL, and its parameters."""

    names: list[str]
    booleans: list[bool]
    sql: str
    params: list[Any]


def count_sql(query: Query, scope: Scope) -> str:
    """The SQL of ``SELECT COUNT()``; a LIMIT bounds what is counted."""
    where = scope.where_sql(query)
    limit = "" if query.limit is None else f" LIMIT {query.limit}"
    return f"SELECT COUNT(*) FROM (SELECT 1 FROM {scope.from_sql} WHERE {where}{limit})"  # noqa: S608 - schema names


def aggregation(query: Query, scope: Scope) -> Aggregation:
    """A query with aggregates or groups as SQL.

    Raises:
        SalesforceError: A field is neither grouped nor aggregated, or cannot be.
    """
    if not query.groups.operands and query.limit is not None:
        message = "Non-grouped query that uses overall aggregate functions cannot also use LIMIT"
        raise SalesforceError("MALFORMED_QUERY", message)
    groups = [_grouped(operand, scope) for operand in query.groups.operands]
    if query.groups.kind and len(groups) > MOST_ROLLED_UP:
        raise SalesforceError("MALFORMED_QUERY", f"GROUP BY {query.groups.kind.upper()} takes at most 3 fields")
    names, columns = _columns(query, scope, groups)
    orders = [_ordered(order, scope, groups) for order in query.order_by]
    if query.groups.having is not None:
        _check_having(query.groups.having, scope, groups)
    where = scope.where_sql(query)
    from_sql, where_params = f"FROM {scope.from_sql} WHERE {where}", tuple(scope.params)
    branches, params = [], []
    for kept in _grouping_sets(query.groups, len(groups)):
        having, having_params = _having(query, scope, {each.sql for each in groups}, {groups[n].sql for n in kept})
        branches.append(_branch(kept, groups, [*columns, *orders], from_sql, having))
        params += [*where_params, *having_params]
    sql = " UNION ALL ".join(branches) + _order_sql(query.order_by, len(columns)) + _limit_sql(query)
    return Aggregation(names, [each.field.type == "boolean" for each in columns], sql, params)


def _grouped(operand: Operand, scope: Scope) -> Resolved:
    found = scope.operand(operand)
    can_group = isinstance(operand, Function) or found.field.is_groupable
    if not can_group:
        message = f"field '{found.field.name}' can not be grouped in a query call"
        raise scope.fail("INVALID_FIELD", operand.at, message)
    return found


def _columns(query: Query, scope: Scope, groups: Sequence[Resolved]) -> tuple[list[str], list[Resolved]]:
    names: list[str] = []
    columns: list[Resolved] = []
    unnamed = 0
    for each in query.fields:
        if not isinstance(each, Path | Function) or (isinstance(each, Function) and each.inner is None):
            raise SalesforceError("MALFORMED_QUERY", "Grouped query cannot use child relationships or COUNT()")
        found = scope.operand(each, aggregates=True)
        is_aggregate = isinstance(each, Function) and each.is_aggregate
        if not is_aggregate and found.sql not in [group.sql for group in groups]:
            raise SalesforceError("MALFORMED_QUERY", f"Field must be grouped or aggregated: {each.shown}")
        name = each.alias or (found.names[-1] if isinstance(each, Path) else f"expr{unnamed}")
        unnamed += isinstance(each, Function) and not each.alias
        if name.lower() in [other.lower() for other in names]:
            raise scope.fail("MALFORMED_QUERY", each.at, f"duplicate alias: {name}")
        names.append(name)
        columns.append(found)
    return names, columns


def _ordered(order: Order, scope: Scope, groups: Sequence[Resolved]) -> Resolved:
    found = scope.operand(order.operand, aggregates=True)
    is_aggregate = isinstance(order.operand, Function) and order.operand.is_aggregate
    if not is_aggregate and found.sql not in [group.sql for group in groups]:
        raise SalesforceError("MALFORMED_QUERY", f"Ordered field must be grouped or aggregated: {order.operand.shown}")
    return found


def _check_having(condition: Condition, scope: Scope, groups: Sequence[Resolved]) -> None:
    for operand in _operands(condition):
        is_aggregate = isinstance(operand, Function) and operand.is_aggregate
        if not is_aggregate and scope.operand(operand).sql not in [group.sql for group in groups]:
            raise SalesforceError("MALFORMED_QUERY", f"Field must be grouped or aggregated: {operand.shown}")


def _having(query: Query, scope: Scope, groups: set[str], kept: set[str]) -> tuple[str, list[Any]]:
    """HAVING with its parameters, where only some groups are kept: the others are null in it."""
    if query.groups.having is None:
        return "", []
    scope.params, scope.in_having, scope.grouped_away = [], True, frozenset(groups - kept)
    return f" HAVING {scope.condition_sql(query.groups.having)}", scope.params


def _operands(condition: Condition) -> Iterator[Operand]:
    if isinstance(condition, Comparison):
        yield condition.operand
        return
    for each in (condition.inner,) if isinstance(condition, Not) else condition.inner:
        yield from _operands(each)


def _grouping_sets(groups: Groups, count: int) -> list[tuple[int, ...]]:
    """Which groups each branch keeps: all; for ROLLUP also every beginning of the list; for CUBE every choice."""
    if groups.kind == "rollup":
        return [tuple(range(kept)) for kept in range(count, -1, -1)]
    if groups.kind == "cube":
        return [kept for size in range(count, -1, -1) for kept in combinations(range(count), size)]
    return [tuple(range(count))]


def _branch(
    kept: Sequence[int], groups: Sequence[Resolved], columns: Sequence[Resolved], from_sql: str, having: str
) -> str:
    dropped = {group.sql for number, group in enumerate(groups) if number not in kept}
    shown = []
    for each in columns:
        if each.sql.startswith(GROUPING):
            shown.append(str(int(each.sql.removeprefix(GROUPING) in dropped)))
        else:
            shown.append("NULL" if each.sql in dropped else each.sql)
    by = ", ".join(groups[number].sql for number in kept)
    # A branch that keeps no group still is one group, and none when nothing matches; HAVING needs a GROUP BY.
    grouped = f" GROUP BY {by}" if by else " GROUP BY NULL" if groups else ""
    return f"SELECT {', '.join(shown)} {from_sql}{grouped}{having}"


def _order_sql(orders: Sequence[Order], first: int) -> str:
    terms = [
        f"{first + number} {'DESC' if each.descending else 'ASC'} NULLS {'LAST' if each.nulls_last else 'FIRST'}"
        for number, each in enumerate(orders, 1)
    ]
    return f" ORDER BY {', '.join(terms)}" if terms else ""


def _limit_sql(query: Query) -> str:
    most = LARGEST_ANSWER + 1 if query.limit is None else query.limit
    return f" LIMIT {most} OFFSET {query.offset}"
