"""The jobs of Bulk API 2.0: what is kept of each, how they are shown, and which state may follow which.

A job moves on when it is looked at, a slice of records at a time: it is seen ``InProgress`` at least once before it is
complete, it survives a restart, and no slice keeps the sandbox from answering others for long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from integrations.sandbox.salesforce_errors import SalesforceError, not_found
from integrations.sandbox.salesforce_ids import made_id, number_of
from integrations.sandbox.salesforce_store import INTEGRATION_USER_ID
from integrations.sandbox.soql_values import wire_instant
from integrations.sandbox.state import State

Kind = Literal["query", "ingest"]

JOBS_A_DAY = 10_000
JOBS_A_PAGE = 1_000
FINAL = frozenset({"JobComplete", "Failed", "Aborted"})
_PREFIX = "750"
_TABLE = """CREATE TABLE IF NOT EXISTS salesforce_bulk_jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, at TEXT NOT NULL, changed TEXT NOT NULL,
    operation TEXT NOT NULL, object TEXT NOT NULL, soql TEXT NOT NULL, external_id TEXT NOT NULL,
    version TEXT NOT NULL, state TEXT NOT NULL, line_ending TEXT NOT NULL, delimiter TEXT NOT NULL,
    first INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, processed INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '')"""
_COLUMNS = (
    "number, kind, at, changed, operation, object, soql, external_id, version, state, line_ending, delimiter, "
    "first, total, processed, failed, error"
)


@dataclass(frozen=True, slots=True)
class Job:
    """One job. ``first`` and ``total`` say where a query's rows are kept; ``delimiter`` is the name of one."""

    number: int
    kind: Kind
    at: str
    changed: str
    operation: str
    object: str
    soql: str
    external_id: str
    version: str
    state: str
    line_ending: str
    delimiter: str
    first: int
    total: int
    processed: int
    failed: int
    error: str

    @property
    def id(self) -> str:
        return made_id(_PREFIX, self.number)


class Jobs:
    """The jobs in the state."""

    def __init__(self, state: State) -> None:
        self.state = state
        state.execute(_TABLE)

    def made(self, kind: Kind, **values: Any) -> Job:
        """Keep a new job.

        Raises:
            SalesforceError: The day's query jobs are spent.
        """
        now = self.state.clock.now()
        since = wire_instant(now - timedelta(days=1))
        recent = "SELECT COUNT(*) FROM salesforce_bulk_jobs WHERE kind = 'query' AND at > ?"
        if kind == "query" and self.state.query(recent, (since,))[0][0] >= JOBS_A_DAY:
            message = f"Max bulk v2 query jobs ({JOBS_A_DAY}) per 24 hrs has been reached"
            raise SalesforceError("EXCEEDEDQUOTA", message)
        row = {"kind": kind, "at": wire_instant(now), "changed": wire_instant(now), **values}
        marks = ", ".join("?" for _ in row)
        sql = f"INSERT INTO salesforce_bulk_jobs ({', '.join(row)}) VALUES ({marks})"  # noqa: S608 - our own names
        with self.state.transaction():
            self.state.execute(sql, tuple(row.values()))
            number = self.state.query("SELECT MAX(number) FROM salesforce_bulk_jobs")[0][0]
        return self.found(kind, made_id(_PREFIX, number))

    def found(self, kind: Kind, job_id: str) -> Job:
        """The job of this id.

        Raises:
            SalesforceError: NOT_FOUND.
        """
        number = number_of(job_id, _PREFIX)
        sql = f"SELECT {_COLUMNS} FROM salesforce_bulk_jobs WHERE kind = ? AND number = ?"  # noqa: S608 - our own names
        rows = self.state.query(sql, (kind, number)) if number is not None else []
        if not rows:
            raise not_found()
        return Job(*rows[0])

    def changed(self, job: Job, **values: Any) -> Job:
        """Set what is kept of a job."""
        row = {"changed": wire_instant(self.state.clock.now()), **values}
        assignments = ", ".join(f"{name} = ?" for name in row)
        sql = f"UPDATE salesforce_bulk_jobs SET {assignments} WHERE number = ?"  # noqa: S608 - our own names
        self.state.execute(sql, (*row.values(), job.number))
        return self.found(job.kind, job.id)

    def forgotten(self, job: Job) -> None:
        """Drop what is kept of a job."""
        self.state.execute("DELETE FROM salesforce_bulk_jobs WHERE number = ?", (job.number,))

    def page(self, kind: Kind, after: str) -> tuple[list[Job], str]:
        """Some jobs, newest first, and what to ask for to get the next ones; nothing when these are the last."""
        before = int(after) if after.isdigit() else 2**62
        sql = (
            f"SELECT {_COLUMNS} FROM salesforce_bulk_jobs WHERE kind = ? AND number < ? "  # noqa: S608 - our own names
            "ORDER BY number DESC LIMIT ?"
        )
        jobs = [Job(*row) for row in self.state.query(sql, (kind, before, JOBS_A_PAGE + 1))]
        shown = jobs[:JOBS_A_PAGE]
        return shown, str(shown[-1].number) if len(jobs) > JOBS_A_PAGE else ""


def checked_state(job: Job, asked: object) -> str:
    """The state that a PATCH asks for, when it may follow the job's own.

    Raises:
        SalesforceError: It may not.
    """
    allowed = {"Aborted"} if job.kind == "query" else {"Aborted", "UploadComplete"}
    if asked not in allowed:
        raise SalesforceError("INVALIDJOB", f"Invalid job state: {asked}")
    if job.state in FINAL:
        word = {"JobComplete": "Completed", "Failed": "Failed", "Aborted": "Aborted"}[job.state]
        doing = "Aborting" if asked == "Aborted" else "Closing"
        raise SalesforceError("INVALIDJOBSTATE", f"{doing} already {word} Job not allowed")
    if asked == "UploadComplete" and job.state != "Open":
        raise SalesforceError("INVALIDJOBSTATE", f"Closing already Closed Job not allowed: {job.state}")
    return str(asked)


_NOT_SAID_OF_A_CHANGE = {"lineEnding", "columnDelimiter"}


def shown_change(job: Job) -> dict[str, Any]:
    """An ingest job as the answer to its closing or abortion shows it: the shortest."""
    return {name: value for name, value in shown(job, is_whole=False).items() if name not in _NOT_SAID_OF_A_CHANGE}


def shown(job: Job, *, is_whole: bool = True) -> dict[str, Any]:
    """The job as the API shows it; the answer to its creation is shorter."""
    told: dict[str, Any] = {
        "id": job.id,
        "operation": job.operation,
        "object": job.object,
        "createdById": INTEGRATION_USER_ID,
        "createdDate": job.at,
        "systemModstamp": job.changed,
        "state": job.state,
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.version),
        "lineEnding": job.line_ending,
        "columnDelimiter": job.delimiter,
    }
    if job.external_id:
        told["externalIdFieldName"] = job.external_id
    if job.kind == "ingest" and job.state == "Open":
        told["contentUrl"] = f"services/data/v{job.version}/jobs/ingest/{job.id}/batches"
    return {**told, **_progress(job)} if is_whole else told


def _progress(job: Job) -> Mapping[str, Any]:
    told: dict[str, Any] = {"jobType": "V2Query" if job.kind == "query" else "V2Ingest", "retries": 0}
    told |= {"totalProcessingTime": job.processed // 10, "numberRecordsProcessed": job.processed}
    if job.kind == "query":
        told["isPkChunkingSupported"] = True
    else:
        told |= {
            "numberRecordsFailed": job.failed,
            "apiActiveProcessingTime": job.processed // 10,
            "apexProcessingTime": 0,
        }
    return {**told, "errorMessage": job.error} if job.error else told
