"""Query jobs of Bulk API 2.0: the rows are found when the job is made, written as CSV slice by slice, and then kept.

What a job found does not change with its records, so a locator gives the same bytes however often it is asked.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.salesforce_bulk_csv import DELIMITERS, LINE_ENDINGS, quoted_line
from integrations.sandbox.salesforce_bulk_jobs import FINAL, Job, Jobs
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_objects import OBJECTS
from integrations.sandbox.salesforce_schema import Field
from integrations.sandbox.soql_parser import parsed
from integrations.sandbox.soql_plan import planned, selected
from integrations.sandbox.soql_sql import Resolved, Scope, object_named
from integrations.sandbox.soql_tree import AllFields, Path, Query
from integrations.sandbox.state import State

PAGE_RECORDS = 50_000
"""Records of a result page when the client names no number; Salesforce decides by size and does not say how."""

PAGES_AN_ANSWER = 5
SLICE = 200_000
_LINES_AT_ONCE = 5_000
_NO_LOCATOR = "null"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS salesforce_bulk_found (seq INTEGER PRIMARY KEY, row INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS salesforce_bulk_lines (seq INTEGER PRIMARY KEY, line TEXT NOT NULL)",
)


@dataclass(frozen=True, slots=True)
class ResultPage:
    """One page of results. ``parts`` are read from the database while they are sent."""

    parts: Iterator[bytes]
    count: int
    locator: str


class QueryJobs:
    """Answers query jobs from the state, by default ``page_records`` a page."""

    def __init__(self, state: State, *, page_records: int = PAGE_RECORDS) -> None:
        self.state, self.jobs, self.page_records = state, Jobs(state), page_records
        for table in _TABLES:
            state.execute(table)

    def create(self, body: Mapping[str, Any], version: str) -> Job:
        """A new job, its rows already found.

        Raises:
            SalesforceError: The query is none, or Bulk cannot run it.
        """
        operation, soql = body.get("operation"), body.get("query")
        if operation not in ("query", "queryAll"):
            raise SalesforceError("INVALIDJOB", f"Invalid operation: {operation}")
        if not isinstance(soql, str) or not soql.strip():
            raise SalesforceError("INVALIDJOB", "No query was given")
        delimiter, line_ending = _format(body)
        query, scope = self._read(soql, sees_all=operation == "queryAll")
        plan = planned(query, scope, version)
        first = 1 + (self.state.query("SELECT MAX(seq) FROM salesforce_bulk_found")[0][0] or 0)
        total = self.state.execute(f"INSERT INTO salesforce_bulk_found (row) {plan.row_sql}", plan.params)
        return self.jobs.made(
            "query", operation=operation, object=scope.entity.name, soql=soql, external_id="", version=version,
            state="UploadComplete", line_ending=line_ending, delimiter=delimiter, first=first, total=total,
        )  # fmt: skip

    def looked_at(self, job_id: str) -> Job:
        """The job after its next slice."""
        job = self.jobs.found("query", job_id)
        if job.state in FINAL:
            return job
        if job.state == "InProgress" and job.processed == job.total:
            return self.jobs.changed(job, state="JobComplete")
        end = min(job.total, job.processed + SLICE)
        self._write_lines(job, end)
        return self.jobs.changed(job, state="InProgress", processed=end)

    def deleted(self, job: Job) -> None:
        """Forget a job and its results.

        Raises:
            SalesforceError: It is still at work.
        """
        if job.state == "InProgress":
            raise SalesforceError("INVALIDJOBSTATE", "Deleting a Job that is InProgress is not allowed")
        last = job.first + job.total - 1
        for table in ("salesforce_bulk_found", "salesforce_bulk_lines"):
            self.state.execute(f"DELETE FROM {table} WHERE seq BETWEEN ? AND ?", (job.first, last))  # noqa: S608
        self.jobs.forgotten(job)

    def results(self, job: Job, locator: str | None, most: int | None) -> ResultPage:
        """The page of results that begins at ``locator``.

        Raises:
            SalesforceError: The job is not complete, or the locator is none.
        """
        start = self._start(job, locator)
        end = min(job.total, start + (most or self.page_records))
        following = _NO_LOCATOR if end >= job.total else _locator(end)
        return ResultPage(self._parts(job, start, end), end - start, following)

    def result_pages(self, job: Job, locator: str | None) -> dict[str, Any]:
        """Up to five addresses of result pages, and where to ask for the next ones."""
        start = self._start(job, locator)
        base = f"/services/data/v{job.version}/jobs/query/{job.id}"
        starts = range(start, max(job.total, start + 1), self.page_records)
        pages = [{"resultUrl": f"{base}/results?locator={_locator(each)}"} for each in starts[:PAGES_AN_ANSWER]]
        told: dict[str, Any] = {"resultPages": pages, "done": len(starts) <= PAGES_AN_ANSWER}
        if not told["done"]:
            told["nextRecordsUrl"] = f"{base}/resultPages?locator={_locator(starts[PAGES_AN_ANSWER])}"
        return told

    # -- inside -------------------------------------------------------------------------------------------------------

    def _read(self, soql: str, *, sees_all: bool) -> tuple[Query, Scope]:
        query = parsed(soql)
        today = self.state.clock.now().date()
        anywhere = Scope(OBJECTS["account"], soql, today, sees_all)
        entity = object_named(anywhere, query.source, query.source_at)
        _refuse_what_bulk_cannot(query)
        return query, Scope(entity, soql, today, sees_all, query.alias)

    def _columns(self, job: Job) -> tuple[list[Resolved], Scope]:
        query, scope = self._read(job.soql, sees_all=job.operation == "queryAll")
        return list(selected(query, scope)), scope

    def _write_lines(self, job: Job, end: int) -> None:
        columns, scope = self._columns(job)
        between = f" || '{DELIMITERS[job.delimiter]}' || "
        line = between.join(
            f"""'"' || replace({_text_sql(each.field, each.sql)}, '"', '""') || '"'""" for each in columns
        )
        ending = "char(13, 10)" if job.line_ending == "CRLF" else "char(10)"
        self.state.execute(
            f"INSERT INTO salesforce_bulk_lines SELECT page.seq, {line} || {ending} "  # noqa: S608 - schema names
            f"FROM salesforce_bulk_found AS page CROSS JOIN {scope.from_sql} "
            f"WHERE page.seq >= ? AND page.seq < ? AND {scope.table}._row = page.row",
            (job.first + job.processed, job.first + end),
        )

    def _parts(self, job: Job, start: int, end: int) -> Iterator[bytes]:
        columns, _ = self._columns(job)
        names = [".".join(each.names) for each in columns]
        yield quoted_line(names, DELIMITERS[job.delimiter], LINE_ENDINGS[job.line_ending]).encode()
        sql = "SELECT line FROM salesforce_bulk_lines WHERE seq >= ? AND seq < ? ORDER BY seq"
        for first in range(start, end, _LINES_AT_ONCE):
            last = min(end, first + _LINES_AT_ONCE)
            yield "".join(row[0] for row in self.state.query(sql, (job.first + first, job.first + last))).encode()

    def _start(self, job: Job, locator: str | None) -> int:
        if job.state != "JobComplete":
            words = {"UploadComplete": "UPLOAD_COMPLETE", "InProgress": "IN_PROGRESS"}
            status = words.get(job.state, job.state.upper())
            message = (
                "can only download query results of successfully completed bulk job with status: JOB_COMPLETE. "
                f"Current status: {status}"
            )
            raise SalesforceError("JOB_NOT_COMPLETE", message, status=412)
        if not locator:
            return 0
        try:
            start = int(urlsafe_b64decode(locator + "=" * (-len(locator) % 4)))
        except (ValueError, Base64Error):
            start = -1
        if not 0 <= start <= job.total:
            raise SalesforceError("INVALID_QUERY_LOCATOR", f"Invalid locator: {locator}")
        return start


def _locator(start: int) -> str:
    return urlsafe_b64encode(str(start).encode()).decode().rstrip("=")


def _format(body: Mapping[str, Any]) -> tuple[str, str]:
    """The names of the column delimiter and line ending.

    Raises:
        SalesforceError: One of them does not exist.
    """
    delimiter, line_ending = body.get("columnDelimiter", "COMMA"), body.get("lineEnding", "LF")
    if delimiter not in DELIMITERS or line_ending not in LINE_ENDINGS:
        raise SalesforceError("INVALIDJOB", f"Invalid columnDelimiter or lineEnding: {delimiter}, {line_ending}")
    return str(delimiter), str(line_ending)


def _refuse_what_bulk_cannot(query: Query) -> None:
    """Bulk reads plain fields of an object and of its parents, nothing else."""
    if any(isinstance(each, Query) for each in query.fields):
        message = "Aggregate Relationships not supported in Bulk Query with CSV content type"
    elif query.offset or query.is_aggregate:
        message = f"{'OFFSET' if query.offset else 'Aggregates and GROUP BY'} not supported in Bulk Query"
    elif not all(isinstance(each, Path | AllFields) for each in query.fields):
        message = "TYPEOF and functions not supported in Bulk Query"
    else:
        return
    raise SalesforceError("API_ERROR", message)


def _text_sql(field: Field, sql: str) -> str:
    """A value as Bulk writes it: nothing for null, ``Z`` for UTC, and numbers as Java prints a double."""
    if field.type == "boolean":
        return f"CASE WHEN {sql} THEN 'true' ELSE 'false' END"
    if field.type == "datetime":
        return f"COALESCE(substr({sql}, 1, 23) || 'Z', '')"
    if field.type in {"double", "currency", "percent"}:
        return f"COALESCE({double_sql(sql)}, '')"
    return f"COALESCE(CAST({sql} AS TEXT), '')"


def double_sql(sql: str) -> str:
    """From ten million up and below a thousandth, digits and exponent: ``1.6147805824397E13``."""
    shown = f"printf('%.14e', {sql})"
    digits = f"rtrim(substr({shown}, 1, instr({shown}, 'e') - 1), '0')"
    whole = f"{digits} || CASE WHEN {digits} LIKE '%.' THEN '0' ELSE '' END"
    exponent = f"CAST(substr({shown}, instr({shown}, 'e') + 1) AS INTEGER)"
    is_usual = f"{sql} = 0 OR abs({sql}) BETWEEN 0.001 AND 9999999.99999999"
    usual = f"WHEN {sql} IS NULL THEN NULL WHEN {is_usual} THEN CAST({sql} AS TEXT)"
    return f"CASE {usual} ELSE {whole} || 'E' || {exponent} END"
