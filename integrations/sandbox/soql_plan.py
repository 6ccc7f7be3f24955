"""A checked SOQL query as the SQL that finds its rows and the SQL that renders them as JSON records."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox import salesforce_errors as errors
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.soql_sql import Resolved, Scope, object_named
from integrations.sandbox.soql_tree import DATE_FUNCTIONS, AllFields, Function, Operand, Path, Query, TypeOf

LARGEST_PAGE, LONG_TEXT_PAGE = 2_000, 200
LARGEST_OFFSET = 2_000
MOST_CHILDREN, FIRST_DEEP_VERSION = 5, 58.0
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
        shape.fields[resolved.names[-1]] = _value_sql(resolved)

    def json_sql(self, version: str) -> str:
        """The SQL of the whole record with its attributes."""
        url = f"'/services/data/v{version}/sobjects/' || {self.kind_sql} || '/' || {self.id_sql}"
        pairs = [f"'attributes', json_object('type', {self.kind_sql}, 'url', {url})"]
        pairs += [f"'{name}', {value.replace('{version}', version)}" for name, value in self.fields.items()]
        for name, parent in self.parents.items():
            whole = f"CASE WHEN {parent.id_sql} IS NULL THEN 'null' ELSE {parent.json_sql(version)} END"
            pairs.append(f"'{name}', json({whole})")
        return f"json_object({', '.join(pairs)})"


def _value_sql(resolved: Resolved) -> str:
    """The SQL of a value as JSON has it. Where any type may stand, a whole number is a boolean."""
    boolean = f"CASE WHEN {resolved.sql} THEN 'true' ELSE 'false' END"
    if resolved.field.type == "anyType":
        is_boolean = f"typeof({resolved.sql}) = 'integer'"
        return f"json(CASE WHEN {is_boolean} THEN {boolean} ELSE json_quote({resolved.sql}) END)"
    return f"json({boolean})" if resolved.field.type == "boolean" else resolved.sql


@dataclass(frozen=True, slots=True)
class Children:
    """A sub-query of children. Its SQL takes the parents' ids as JSON; its rows are parent id, own id and record."""

    name: str
    sql: str
    params: list[Any]
    limit: int | None
    children: "list[Children]"


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
    where = scope.where_sql(query)
    order = scope.order_sql(query.order_by)
    limit = f" LIMIT {-1 if query.limit is None else query.limit} OFFSET {query.offset}"
    row_sql = f"SELECT {scope.table}._row FROM {scope.from_sql} WHERE {where}{order}{limit}"  # noqa: S608
    shape, long_texts = _shape(query, scope)
    children = _all_children(query, scope, version, 1)
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


def _own_shape(scope: Scope) -> Shape:
    return Shape(f'{scope.table}."Id"', f"'{scope.entity.name}'")


def _shape(query: Query, scope: Scope) -> tuple[Shape, int]:
    """The shape of the records, and how many custom long texts they show: two make the pages smaller."""
    shape = _own_shape(scope)
    long_texts = 0
    for each in query.fields:
        if isinstance(each, TypeOf):
            _add_type_of(shape, each, scope)
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
    for each in _operands(query, scope):
        if isinstance(each, Function) and each.name in DATE_FUNCTIONS:
            raise SalesforceError("MALFORMED_QUERY", f"Field must be grouped or aggregated: {each.shown}")
        resolved = scope.operand(each)
        if isinstance(each, Path) and each.alias:
            raise scope.fail("MALFORMED_QUERY", each.at, "only aggregate expressions use field aliasing")
        if each.alias:
            resolved = Resolved((each.alias,), resolved.field, resolved.sql)
        if resolved.names in seen:
            raise scope.fail("INVALID_FIELD", each.at, f"duplicate field selected: {each.shown}")
        seen.add(resolved.names)
        yield resolved


def _operands(query: Query, scope: Scope) -> Iterable[Operand]:
    for each in query.fields:
        if isinstance(each, AllFields):
            kinds = {"all": {True, False}, "custom": {True}, "standard": {False}}[each.which]
            if True in kinds and (query.limit is None or query.limit > FIELDS_LIMIT):
                raise SalesforceError("MALFORMED_QUERY", "The SOQL FIELDS function must have a LIMIT of at most 200")
            yield from (Path((one.name,), each.at) for one in scope.entity.fields if one.is_custom in kinds)
        elif not isinstance(each, Query | TypeOf):
            yield each


def _add_type_of(shape: Shape, type_of: TypeOf, scope: Scope) -> None:
    """Show a parent by the fields that are asked of its object; null where no branch is for it."""
    name = type_of.relationship
    link = scope.entity.by_relationship.get(name.text.lower())
    if link is None or len(link.refers_to) < 2:
        message = errors.no_such_relationship(name.text, "field path")
        raise scope.fail("INVALID_FIELD", name.at, message)
    link_sql = f'{scope.table}."{link.name}"'
    cases = []
    for kind, paths in type_of.branches:
        entity = object_named(scope, kind.text, kind.at)
        if entity.name not in link.refers_to:
            raise scope.fail("INVALID_FIELD", kind.at, f"{entity.name} is no type of {link.relationship}")
        inner = scope.inner(entity, None)
        own = _own_shape(inner)
        for path in paths:
            own.add(inner.resolve(path), inner)
        record = f'SELECT {own.json_sql("{version}")} FROM {inner.from_sql} WHERE {inner.table}."Id" = {link_sql}'  # noqa: S608
        cases.append(f"WHEN '{entity.key_prefix}' THEN ({record})")
    other = Shape("", "")
    for path in type_of.otherwise:
        other.add(scope.resolve(Path((name.text, *path.parts), path.at)), scope)
    rest = other.parents[str(link.relationship)].json_sql("{version}") if other.parents else "'null'"
    chosen = f"CASE substr({link_sql}, 1, 3) {' '.join(cases)} ELSE {rest} END"
    shape.fields[str(link.relationship)] = f"json(CASE WHEN {link_sql} IS NULL THEN 'null' ELSE {chosen} END)"


def _all_children(query: Query, scope: Scope, version: str, depth: int) -> list[Children]:
    found = [each for each in query.fields if isinstance(each, Query)]
    deepest = MOST_CHILDREN if float(version) >= FIRST_DEEP_VERSION else 1
    if found and depth > deepest:
        message = f"SOQL statements cannot query aggregate relationships more than {deepest} level away from the root "
        raise scope.fail("MALFORMED_QUERY", found[0].source_at, message + "entity object.")
    return [_children(each, scope, version, depth) for each in found]


def _children(query: Query, parent: Scope, version: str, depth: int) -> Children:
    links = {name.lower(): (name, child, by) for name, child, by, _ in parent.entity.children}
    link = links.get(query.source.lower())
    if link is None:
        message = errors.no_such_relationship(query.source, "FROM part of query call")
        raise parent.fail("INVALID_TYPE", query.source_at, message)
    name, child, by = link
    scope = parent.inner(object_named(parent, child, query.source_at), query.alias)
    where, order = scope.where_sql(query), scope.order_sql(query.order_by)
    shape, _ = _shape(query, scope)
    sql = (
        f'SELECT {scope.table}."{by}", {scope.table}."Id", {shape.json_sql(version)} FROM {scope.from_sql} '  # noqa: S608
        f'WHERE {scope.table}."{by}" IN (SELECT value FROM json_each(?)) AND ({where}){order}'
    )
    return Children(name, sql, scope.params, query.limit, _all_children(query, scope, version, depth + 1))
