"""A checked SOQL query as the SQL that finds its rows and the SQL that renders them as JSON records."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox import salesforce_errors as errors
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.soql_parser import Aggregate, AllFields, Path, Query
from integrations.sandbox.soql_sql import Resolved, Scope, object_named

LARGEST_PAGE, LONG_TEXT_PAGE = 2_000, 200
LARGEST_OFFSET = 2_000
FIELDS_LIMIT = 200


@dataclass
class Shape:
    """What a record shows: its own fields and its parents', rendered by SQLite while it reads them."""

    id_sql: str
    kind_sql: str
    fields: dict[str, str] = field(default_factory=dict)
    parents: dict[str, "Shape"] = field(default_factory=dict)

    def add(self, resolved: Resolved, scope: Scope) -> None:
        """Give a field its place, below the parents that lead to it."""
        shape = self
        for depth in range(1, len(resolved.names)):
            path = resolved.names[:depth]
            shape = shape.parents.setdefault(path[-1], Shape(scope.parent_id(path), scope.parent_kind(path)))
        is_boolean = resolved.field.type == "boolean"
        value = f"json(CASE WHEN {resolved.sql} THEN 'true' ELSE 'false' END)" if is_boolean else resolved.sql
        shape.fields[resolved.names[-1]] = value

    def json_sql(self, version: str) -> str:
        """The SQL of the whole record with its attributes."""
        url = f"'/services/data/v{version}/sobjects/' || {self.kind_sql} || '/' || {self.id_sql}"
        pairs = [f"'attributes', json_object('type', {self.kind_sql}, 'url', {url})"]
        pairs += [f"'{name}', {value}" for name, value in self.fields.items()]
        for name, parent in self.parents.items():
            whole = f"CASE WHEN {parent.id_sql} IS NULL THEN 'null' ELSE {parent.json_sql(version)} END"
            pairs.append(f"'{name}', json({whole})")
        return f"json_object({', '.join(pairs)})"


@dataclass(frozen=True, slots=True)
class Children:
    """A sub-query of children. Its SQL takes the parents' ids as JSON; its rows are parent id and record."""

    name: str
    sql: str
    params: list[Any]
    limit: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A query of records: ``row_sql`` finds its row numbers; ``page_sql`` takes some as JSON, gives id and record."""

    row_sql: str
    params: list[Any]
    page_sql: str
    children: list[Children]
    largest_page: int


def planned(query: Query, scope: Scope, version: str) -> Plan:
    """Check the whole query before anything runs.

    Raises:
        SalesforceError: It names what does not exist or asks for what is not allowed.
    """
    if query.offset > LARGEST_OFFSET:
        raise SalesforceError("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
    where = scope.where_sql(query.where)
    order = scope.order_sql(query.order_by)
    limit = f" LIMIT {-1 if query.limit is None else query.limit} OFFSET {query.offset}"
    row_sql = f"SELECT {scope.table}._row FROM {scope.from_sql} WHERE {where}{order}{limit}"  # noqa: S608
    shape, long_texts = _shape(query, scope)
    children = [_children(each, scope, version) for each in query.fields if isinstance(each, Query)]
    largest = LONG_TEXT_PAGE if long_texts > 1 else LARGEST_PAGE
    return Plan(row_sql, scope.params, read_sql(shape, scope, "_row", version), children, largest)


def read_sql(shape: Shape, scope: Scope, by: str, version: str) -> str:
    """The SQL that gives id and record of the rows whose column ``by`` is in a JSON list, in the list's order."""
    return (
        f'SELECT {scope.table}."Id", {shape.json_sql(version)} '  # noqa: S608 - names from the schema
        f"FROM json_each(?) AS page CROSS JOIN {scope.from_sql} "
        f'WHERE {scope.table}."{by}" = page.value ORDER BY page.key'
    )


def fields_shape(names: Iterable[str], scope: Scope) -> Shape:
    """A shape of plain fields.

    Raises:
        SalesforceError: INVALID_FIELD.
    """
    shape = _own_shape(scope)
    for name in names:
        found = scope.entity.by_name.get(name.lower())
        if found is None:
            raise SalesforceError("INVALID_FIELD", errors.no_such_column(name, scope.entity.name))
        shape.add(scope.resolve(Path((found.name,), 0)), scope)
    return shape


def aggregate_sql(query: Query, scope: Scope) -> tuple[list[str], str]:
    """The names of an aggregate query's columns, and its SQL.

    Raises:
        SalesforceError: A field is neither grouped nor aggregated.
    """
    groups = [scope.resolve(path) for path in query.group_by]
    names: list[str] = []
    columns: list[str] = []
    for each in query.fields:
        if isinstance(each, Aggregate) and each.path is not None:
            names.append(each.alias or f"expr{sum(name.startswith('expr') for name in names)}")
            columns.append(_call_sql(each, scope.resolve(each.path)))
        elif isinstance(each, Path) and scope.resolve(each) in groups:
            names.append(scope.resolve(each).names[-1])
            columns.append(scope.resolve(each).sql)
        else:
            shown = ".".join(each.parts) if isinstance(each, Path) else "expression"
            raise SalesforceError("MALFORMED_QUERY", f"Field must be grouped or aggregated: {shown}")
    where = scope.where_sql(query.where)
    grouped = f" GROUP BY {', '.join(group.sql for group in groups)}" if groups else ""
    limit = f" LIMIT {query.limit}" if query.limit is not None else ""
    return names, f"SELECT {', '.join(columns)} FROM {scope.from_sql} WHERE {where}{grouped}{limit}"  # noqa: S608


def _call_sql(aggregate: Aggregate, resolved: Resolved) -> str:
    if aggregate.function == "count_distinct":
        return f"COUNT(DISTINCT {resolved.sql})"
    return f"{aggregate.function}({resolved.sql})"


def _own_shape(scope: Scope) -> Shape:
    return Shape(f'{scope.table}."Id"', f"'{scope.entity.name}'")


def _shape(query: Query, scope: Scope) -> tuple[Shape, int]:
    """The shape of the records, and how many custom long texts they show: two make the pages smaller."""
    shape = _own_shape(scope)
    long_texts = 0
    for resolved in selected(query, scope):
        long_texts += resolved.field.is_long_text and resolved.field.is_custom
        shape.add(resolved, scope)
    return shape, long_texts


def selected(query: Query, scope: Scope) -> Iterator[Resolved]:
    """The fields that a query selects, in order.

    Raises:
        SalesforceError: One does not exist or is selected twice.
    """
    seen: set[tuple[str, ...]] = set()
    for path in _paths(query, scope):
        resolved = scope.resolve(path)
        if resolved.names in seen:
            raise scope.fail("INVALID_FIELD", path.at, f"duplicate field selected: {'.'.join(path.parts)}")
        seen.add(resolved.names)
        yield resolved


def _paths(query: Query, scope: Scope) -> Iterable[Path]:
    for each in query.fields:
        if isinstance(each, Path):
            yield each
        elif isinstance(each, AllFields):
            if query.limit is None or query.limit > FIELDS_LIMIT:
                raise SalesforceError("MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200")
            kinds = {"all": {True, False}, "custom": {True}, "standard": {False}}[each.which]
            yield from (Path((one.name,), each.at) for one in scope.entity.fields if one.is_custom in kinds)


def _children(query: Query, parent: Scope, version: str) -> Children:
    links = {name.lower(): (name, child, by) for name, child, by, _ in parent.entity.children}
    link = links.get(query.source.lower())
    if link is None:
        message = errors.no_such_relationship(query.source, "FROM part of query call")
        raise parent.fail("INVALID_TYPE", query.source_at, message)
    name, child, by = link
    scope = parent.inner(object_named(parent, child, query.source_at), query.alias)
    where, order = scope.where_sql(query.where), scope.order_sql(query.order_by)
    shape, _ = _shape(query, scope)
    sql = (
        f'SELECT {scope.table}."{by}", {shape.json_sql(version)} FROM {scope.from_sql} '  # noqa: S608
        f'WHERE {scope.table}."{by}" IN (SELECT value FROM json_each(?)) AND ({where}){order}'
    )
    return Children(name, sql, scope.params, query.limit)
