"""Ingest jobs of Bulk API 2.0: CSV in, records written one by one, and what became of each as CSV out."""

import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import islice
from typing import Any

from integrations.sandbox import salesforce_collections as collections
from integrations.sandbox.salesforce_bulk_csv import (
    DELIMITERS,
    LINE_ENDINGS,
    NULL_WORD,
    WrongCsvError,
    quoted_line,
    records_of,
)
from integrations.sandbox.salesforce_bulk_jobs import FINAL, Job, Jobs
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_schema import SObject
from integrations.sandbox.salesforce_store import entity_named
from integrations.sandbox.salesforce_values import MalformedBodyError, kept_value
from integrations.sandbox.salesforce_writes import Writer
from integrations.sandbox.state import State

LARGEST_UPLOAD = 150_000_000
SLICE = 2_000
_LINES_AT_ONCE = 2_000
_OPERATIONS = ("insert", "update", "upsert", "delete")
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})
_TABLES = (
    """CREATE TABLE IF NOT EXISTS salesforce_bulk_uploads (
        job INTEGER NOT NULL, seq INTEGER NOT NULL, part BLOB NOT NULL, PRIMARY KEY (job, seq))""",
    """CREATE TABLE IF NOT EXISTS salesforce_bulk_outcomes (
        job INTEGER NOT NULL, seq INTEGER NOT NULL, is_good INTEGER NOT NULL, line TEXT NOT NULL,
        PRIMARY KEY (job, seq))""",
)


class IngestJobs:
    """Carries out ingest jobs on the state."""

    def __init__(self, state: State) -> None:
        self.state, self.jobs, self.writer = state, Jobs(state), Writer(state)
        self._open: dict[int, tuple[int, Iterator[list[str]]]] = {}
        for table in _TABLES:
            state.execute(table)

    def create(self, body: Mapping[str, Any], version: str) -> Job:
        """A new, open job.

        Raises:
            SalesforceError: It asks for what does not exist.
        """
        operation, name = body.get("operation"), str(body.get("object", ""))
        delimiter, line_ending = body.get("columnDelimiter", "COMMA"), body.get("lineEnding", "LF")
        if operation == "hardDelete":
            message = "hardDelete operation requires special user profile permission"
            raise SalesforceError("FEATURENOTENABLED", message)
        if operation not in _OPERATIONS or delimiter not in DELIMITERS or line_ending not in LINE_ENDINGS:
            raise SalesforceError("INVALIDJOB", "Invalid operation, columnDelimiter or lineEnding")
        try:
            entity = entity_named(name)
        except SalesforceError:
            raise SalesforceError("INVALIDJOB", f"Unable to find object: {name}") from None
        return self.jobs.made(
            "ingest", operation=operation, object=entity.name, soql="", external_id=_key(entity, body), version=version,
            state="Open", line_ending=line_ending, delimiter=delimiter,
        )  # fmt: skip

    async def upload(self, job: Job, parts: AsyncIterator[bytes], *, is_zipped: bool) -> None:
        """Keep the data of an open job, part by part.

        Raises:
            SalesforceError: The job is not open, has its data already, or gets too much.
        """
        if job.state != "Open":
            raise SalesforceError("INVALIDJOBSTATE", f"Uploading to a Job that is {job.state} is not allowed")
        if self.state.query("SELECT 1 FROM salesforce_bulk_uploads WHERE job = ? LIMIT 1", (job.number,)):
            message = (
                f"Found multiple contents for job: <{job.id}>, please 'Close' / 'Abort' / 'Delete' the current Job "
                "then create a new Job and make sure you only do 'PUT' once on a given Job."
            )
            raise SalesforceError("CLIENTINPUTERROR", message)
        unpack, size, seq = zlib.decompressobj(wbits=47).decompress if is_zipped else bytes, 0, 0
        async for part in parts:
            plain = unpack(part)
            size, seq = size + len(plain), seq + 1
            if size > LARGEST_UPLOAD:
                self.state.execute("DELETE FROM salesforce_bulk_uploads WHERE job = ?", (job.number,))
                raise SalesforceError("CLIENTINPUTERROR", "The data is larger than 150 MB", status=413)
            if plain:
                self.state.execute("INSERT INTO salesforce_bulk_uploads VALUES (?, ?, ?)", (job.number, seq, plain))

    def looked_at(self, job_id: str) -> Job:
        """The job after its next slice."""
        job = self.jobs.found("ingest", job_id)
        if job.state in FINAL or job.state == "Open":
            return job
        if job.state == "InProgress" and job.total:
            return self.jobs.changed(job, state="JobComplete")
        try:
            return self._advanced(job)
        except WrongCsvError as wrong:
            return self.jobs.changed(job, state="Failed", error=str(wrong))

    def deleted(self, job: Job) -> None:
        """Forget a job, its data and its outcomes.

        Raises:
            SalesforceError: It is open or at work.
        """
        if job.state in ("Open", "InProgress"):
            raise SalesforceError("INVALIDJOBSTATE", f"Deleting a Job that is {job.state} is not allowed")
        for table in ("salesforce_bulk_uploads", "salesforce_bulk_outcomes"):
            self.state.execute(f"DELETE FROM {table} WHERE job = ?", (job.number,))  # noqa: S608 - our own names
        self.jobs.forgotten(job)

    def outcomes(self, job: Job, *, is_good: bool) -> Iterator[bytes]:
        """What was written, or what failed, as CSV; in another order than it came, as in Salesforce."""
        self._refuse_unfinished(job)
        header = self._header(job)
        names = ["sf__Id", "sf__Created" if is_good else "sf__Error", *header]
        sql = """SELECT line FROM salesforce_bulk_outcomes WHERE job = ? AND is_good = ?
                 ORDER BY seq % 7, seq LIMIT ? OFFSET ?"""

        def parts() -> Iterator[bytes]:
            yield quoted_line(names, DELIMITERS[job.delimiter], LINE_ENDINGS[job.line_ending]).encode()
            start = 0
            while rows := self.state.query(sql, (job.number, int(is_good), _LINES_AT_ONCE, start)):
                yield "".join(row[0] for row in rows).encode()
                start += len(rows)

        return parts()

    def unprocessed(self, job: Job) -> Iterator[bytes]:
        """The rows that a failed or aborted job never came to, as they were uploaded."""
        self._refuse_unfinished(job)
        header = self._header(job)

        def parts() -> Iterator[bytes]:
            yield self._line(job, header)
            rows = islice(self._rows(job), 1 + job.processed, None)
            try:
                yield from (self._line(job, row) for row in (rows if job.state != "JobComplete" else ()))
            except WrongCsvError:
                return

        return parts()

    # -- inside -------------------------------------------------------------------------------------------------------

    def _advanced(self, job: Job) -> Job:
        entity = entity_named(job.object)
        header = self._header(job)
        _check_header(entity, header, job)
        at, rows = self._open.pop(job.number, (-1, iter(())))
        if at != job.processed:
            rows = islice(self._rows(job), 1 + job.processed, None)
        failed, count, seen = job.failed, job.processed, set[str]()
        wrong: WrongCsvError | None = None
        try:
            for row in islice(rows, SLICE):
                failed += not self._written(job, entity, dict(zip(header, row, strict=True)), count, seen)
                count += 1
        except WrongCsvError as error:
            wrong = error
        self._open[job.number] = (count, rows)
        is_read = count - job.processed < SLICE
        # `total` is set once the data is read to its end: the next look finds the job complete.
        told = self.jobs.changed(
            job, state="InProgress", processed=count, failed=failed, total=max(count, 1) if is_read else 0
        )
        if wrong:
            return self.jobs.changed(told, state="Failed", error=str(wrong))
        return told

    def _written(self, job: Job, entity: SObject, record: Mapping[str, str], number: int, seen: set[str]) -> bool:
        """Write one record and note what became of it."""
        try:
            body = _body(entity, record)
            if job.operation == "upsert":
                _refuse_repeated(seen, record, job.external_id)
            result = self._result(job, entity, body)
        except SalesforceError as error:
            result = {"success": False, "errors": [error.as_row_error()]}
        own = next((value for name, value in record.items() if name.lower() == "id"), "")
        if result["success"]:
            start = [result["id"], str(job.operation == "insert" or result.get("created", False)).lower()]
        else:
            start = [own, _row_error(result["errors"][0])]
        line = self._line(job, [*start, *record.values()]).decode()
        values = (job.number, number, int(result["success"]), line)
        self.state.execute("INSERT INTO salesforce_bulk_outcomes VALUES (?, ?, ?, ?)", values)
        return bool(result["success"])

    def _result(self, job: Job, entity: SObject, body: dict[str, Any]) -> Mapping[str, Any]:
        if job.operation == "delete":
            given = next((str(value) for name, value in body.items() if name.lower() == "id"), "")
            return collections.deleted_all(self.writer, [given], all_or_none=False)[0]
        records = {"records": [{"attributes": {"type": entity.name}, **body}]}
        if job.operation == "insert":
            return collections.created_all(self.writer, records)[0]
        if job.operation == "update":
            return collections.updated_all(self.writer, records)[0]
        by = collections.external_id_field(entity, job.external_id)
        return collections.upserted_all(self.writer, entity, by, records)[0]

    def _rows(self, job: Job) -> Iterator[list[str]]:
        return records_of(self._uploaded(job), DELIMITERS[job.delimiter], LINE_ENDINGS[job.line_ending])

    def _uploaded(self, job: Job) -> Iterator[bytes]:
        at = -1
        sql = "SELECT seq, part FROM salesforce_bulk_uploads WHERE job = ? AND seq > ? ORDER BY seq LIMIT 1"
        while rows := self.state.query(sql, (job.number, at)):
            at, part = rows[0]
            yield part

    def _header(self, job: Job) -> list[str]:
        try:
            return next(self._rows(job), [])
        except WrongCsvError:
            if job.state in FINAL:
                return []
            raise

    def _line(self, job: Job, values: list[str]) -> bytes:
        return quoted_line(values, DELIMITERS[job.delimiter], LINE_ENDINGS[job.line_ending]).encode()

    def _refuse_unfinished(self, job: Job) -> None:
        if job.state not in FINAL:
            message = f"Results are available when a Job has ended; it is {job.state}"
            raise SalesforceError("INVALIDJOBSTATE", message)


def _key(entity: SObject, body: Mapping[str, Any]) -> str:
    name = str(body.get("externalIdFieldName") or "")
    if body.get("operation") != "upsert":
        return ""
    if not name:
        message = f"External ID was blank for {entity.name}. An External ID must be specified for upsert."
        raise SalesforceError("INVALIDJOB", message)
    found = entity.by_name.get(name.lower())
    if found is None or not entity.is_found_by(found):
        message = f"Field name provided, {name} does not match an External ID, Salesforce Id, or indexed field for "
        raise SalesforceError("INVALIDJOB", message + entity.name)
    return found.name


def _check_header(entity: SObject, header: list[str], job: Job) -> None:
    """Every column must be a field or a parent's external id.

    Raises:
        WrongCsvError: One is neither, or the column that names the records is missing.
    """
    for name in header:
        head, _, rest = name.rpartition(":")[2].partition(".")
        known = entity.by_relationship if rest else entity.by_name
        if head.lower() not in known:
            raise WrongCsvError(f"InvalidBatch : Field name not found : {name}")
    needed = {"update": "Id", "delete": "Id", "upsert": job.external_id}.get(job.operation)
    if needed and needed.lower() not in {name.lower() for name in header}:
        raise WrongCsvError(f"InvalidBatch : Field name not found : {needed}")


def _body(entity: SObject, record: Mapping[str, str]) -> dict[str, Any]:
    """The record as REST would be sent it: empty values left out, ``#N/A`` null, parents by external id nested.

    Raises:
        SalesforceError: INVALID_TYPE_ON_FIELD_IN_RECORD, for a text that is no value of the field's type.
    """
    body: dict[str, Any] = {}
    for name, text in record.items():
        if text == "":
            continue
        value = None if text == NULL_WORD else text
        kind, _, path = name.rpartition(":")
        head, _, rest = path.partition(".")
        if rest:
            body[head] = {**({"attributes": {"type": kind}} if kind else {}), rest: value}
        else:
            body[name] = _checked(entity, head, value)
    return body


def _checked(entity: SObject, name: str, value: str | None) -> str | None:
    field = entity.by_name[name.lower()]
    if value is not None and field.type == "boolean":
        value = "true" if value.lower() in _TRUE else "false" if value.lower() in _FALSE else value
    try:
        if field.type != "id":
            kept_value(field, value)
    except MalformedBodyError:
        message = f"{field.label}: value not of required type: {value}"
        raise SalesforceError("INVALID_TYPE_ON_FIELD_IN_RECORD", message, fields=[field.name]) from None
    return value


def _refuse_repeated(seen: set[str], record: Mapping[str, str], by: str) -> None:
    value = next((each for name, each in record.items() if name.lower() == by.lower()), "").lower()
    if value and value in seen:
        raise SalesforceError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", fields=[by])
    seen.add(value)


def _row_error(error: Mapping[str, Any]) -> str:
    return f"{error['statusCode']}:{error['message']}:{','.join(error['fields'])} --"
