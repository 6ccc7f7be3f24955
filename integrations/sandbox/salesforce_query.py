"""Queries as the REST API answers them: run once, then cut into pages.

Public reports confirm the words of refusal for binds, ``ALL ROWS``, field aliases, grouping, FIELDS, and nested
semi-joins; those for paths and sub-queries that lead too far, for both sides of a semi-join, and for TYPEOF are ours.
A query's rows are found once; their numbers in order are kept as its cursor, so that a page costs only its own rows.
"""

import secrets
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_ids import id_18
from integrations.sandbox.salesforce_objects import OBJECTS
from integrations.sandbox.salesforce_schema import SObject
from integrations.sandbox.soql_aggregate import LARGEST_ANSWER, aggregation, count_sql
from integrations.sandbox.soql_parser import parsed
from integrations.sandbox.soql_plan import Children, Plan, fields_shape, planned, read_sql
from integrations.sandbox.soql_sql import Scope, object_named
from integrations.sandbox.soql_tree import Function, Query
from integrations.sandbox.state import VIEW, State

LONGEST_QUERY = 100_000
SMALLEST_PAGE = 200
CURSOR_LIFE = timedelta(days=2)

_CURSORS = """CREATE TABLE IF NOT EXISTS salesforce_cursors (
    locator TEXT PRIMARY KEY, at TEXT NOT NULL, soql TEXT NOT NULL, sees_all INTEGER NOT NULL,
    row_numbers BLOB NOT NULL)"""


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a query in order, and the locator under which they are kept; empty when one page holds them."""

    locator: str
    row_numbers: "array[int]"


@dataclass(frozen=True, slots=True)
class Page:
    """The body of a query's answer, and how many records it holds."""

    body: dict[str, Any]
    count: int


class Queries:
    """Answers SOQL from the state."""

    def __init__(self, state: State) -> None:
        self.state = state
        state.execute(_CURSORS)

    def first(self, soql: str, *, version: str, sees_all: bool, batch_size: int) -> Page:
        """The first page of a query; ``sees_all`` shows deleted and archived records too.

        Raises:
            SalesforceError: The query is malformed or names what does not exist.
        """
        query, scope = self._read(soql, sees_all)
        if query.is_aggregate:
            return self._aggregated(query, scope)
        plan = planned(query, scope, version)
        found = Found("", array("q", (row[0] for row in self.state.query(plan.row_sql, plan.params))))
        if len(found.row_numbers) > min(batch_size, _largest_page(plan)):
            found = Found(self._kept(soql, sees_all, found.row_numbers), found.row_numbers)
        return self._page(plan, found, 0, batch_size, version)

    def more(self, cursor: str, *, version: str, batch_size: int) -> Page:
        """The page that a ``nextRecordsUrl`` names.

        Raises:
            SalesforceError: INVALID_QUERY_LOCATOR.
        """
        locator, _, offset = cursor.partition("-")
        since = (self.state.clock.now() - CURSOR_LIFE).isoformat()
        found = self.state.query(
            "SELECT soql, sees_all, row_numbers FROM salesforce_cursors WHERE locator = ? AND at >= ?", (locator, since)
        )
        if not found or not offset.isdigit():
            raise SalesforceError("INVALID_QUERY_LOCATOR", "invalid query locator")
        soql, sees_all, row_numbers = found[0]
        plan = planned(*self._read(soql, bool(sees_all)), version)
        return self._page(plan, Found(locator, array("q", row_numbers)), int(offset), batch_size, version)

    def records(
        self, entity: SObject, names: Sequence[str], ids: Sequence[str], version: str
    ) -> list[orjson.Fragment | None]:
        """The records with these ids in their order, None where there is none or it was deleted.

        Raises:
            SalesforceError: INVALID_FIELD.
        """
        scope = self._scope(entity, "", sees_all=False)
        sql = read_sql(fields_shape(names, scope), scope, "Id", version)
        found = {row[0]: orjson.Fragment(row[1]) for row in self.state.query(sql, (orjson.dumps(list(ids)).decode(),))}
        if entity.can_be_deleted:
            own_id = f'{scope.table}."Id"'
            gone = f'SELECT {own_id} FROM json_each(?) JOIN {scope.from_sql} ON {own_id} = value WHERE "IsDeleted" = 1'  # noqa: S608
            for (each,) in self.state.query(gone, (orjson.dumps(list(found)).decode(),)):
                del found[each]
        return [found.get(each) for each in ids]

    # -- inside -------------------------------------------------------------------------------------------------------

    def _read(self, soql: str, sees_all: bool) -> tuple[Query, Scope]:
        if len(soql) > LONGEST_QUERY:
            raise SalesforceError("QUERY_TOO_COMPLICATED", "SOQL statement is longer than 100,000 characters")
        query = parsed(soql)
        anywhere = self._scope(OBJECTS["account"], soql, sees_all)
        return query, self._scope(object_named(anywhere, query.source, query.source_at), soql, sees_all, query.alias)

    def _scope(self, entity: SObject, soql: str, sees_all: bool, alias: str | None = None) -> Scope:
        return Scope(entity, soql, self.state.clock.now().date(), sees_all, alias)

    def _kept(self, soql: str, sees_all: bool, row_numbers: "array[int]") -> str:
        now = self.state.clock.now()
        locator = id_18("0r8" + secrets.token_hex(6))
        with self.state.transaction():
            self.state.execute("DELETE FROM salesforce_cursors WHERE at < ?", ((now - CURSOR_LIFE).isoformat(),))
            row = (locator, now.isoformat(), soql, int(sees_all), row_numbers.tobytes())
            self.state.execute("INSERT INTO salesforce_cursors VALUES (?, ?, ?, ?, ?)", row)
        return locator

    def _page(self, plan: Plan, found: Found, start: int, batch_size: int, version: str) -> Page:
        total = len(found.row_numbers)
        numbers = found.row_numbers[start : start + min(batch_size, _largest_page(plan))]
        rows = self.state.query(plan.page_sql, (orjson.dumps(numbers.tolist()).decode(),)) if numbers else []
        for children in plan.children:
            rows = self._with_children(children, rows)
        end = start + len(numbers)
        body: dict[str, Any] = {"totalSize": total, "done": end >= total}
        if end < total:
            body["nextRecordsUrl"] = f"/services/data/v{version}/query/{found.locator}-{end}"
        return Page({**body, "records": [orjson.Fragment(row[1]) for row in rows]}, len(rows))

    def _with_children(self, children: Children, parents: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
        """The parents' ids and records, each record with its children at its end, null where it has none."""
        by_parent: dict[str, list[tuple[str, str]]] = {}
        ids = orjson.dumps([parent_id for parent_id, _ in parents]).decode()
        for parent_id, own_id, record in self.state.query(children.sql, [ids, *children.params]):
            of_parent = by_parent.setdefault(parent_id, [])
            if children.limit is None or len(of_parent) < children.limit:
                of_parent.append((own_id, record))
        if children.children:
            flat: Sequence[Sequence[str]] = [each for own in by_parent.values() for each in own]
            for grandchildren in children.children:
                flat = self._with_children(grandchildren, flat)
            by_id = {each[0]: each[1] for each in flat}
            by_parent = {parent: [(own_id, by_id[own_id]) for own_id, _ in own] for parent, own in by_parent.items()}
        whole = []
        for parent_id, record in parents:
            own = [each for _, each in by_parent.get(parent_id, [])]
            nested = f'{{"totalSize":{len(own)},"done":true,"records":[{",".join(own)}]}}' if own else "null"
            whole.append((parent_id, f'{record[:-1]},"{children.name}":{nested}}}'))
        return whole

    def _aggregated(self, query: Query, scope: Scope) -> Page:
        first = query.fields[0]
        if isinstance(first, Function) and first.inner is None and len(query.fields) == 1 and not query.groups.operands:
            count = self.state.query(count_sql(query, scope), scope.params)[0][0]
            return Page({"totalSize": count, "done": True, "records": []}, 0)
        plan = aggregation(query, scope)
        rows = self.state.query(plan.sql, plan.params)
        if len(rows) > LARGEST_ANSWER:
            message = (
                "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"
            )
            raise SalesforceError("EXCEEDED_ID_LIMIT", message)
        records = [
            {"attributes": {"type": "AggregateResult"}, **_shown(plan.names, plan.booleans, row)} for row in rows
        ]
        return Page({"totalSize": len(records), "done": True, "records": records}, len(records))


def _shown(names: Sequence[str], booleans: Sequence[bool], row: Sequence[Any]) -> dict[str, Any]:
    """One aggregated row; what follows its named columns only served its order."""
    values = zip(names, booleans, row, strict=False)
    return {name: bool(value) if is_boolean and value is not None else value for name, is_boolean, value in values}


def _largest_page(plan: Plan) -> int:
    """The most rows a page holds: wide rows shrink it, and so may a fault."""
    return min(plan.largest_page, VIEW.get().largest_page or plan.largest_page)
