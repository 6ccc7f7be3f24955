"""Bulk API 2.0 query jobs: made, waited for, read page by page, and deleted.

The retry unit is one page: a locator names the same rows as long as the job lives, so a page whose answer was lost or
cut is asked for again. A job that is at work is never aborted: trouble with a poll says nothing about the job.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from integrations.errors import CrmError, CrmRefusedError, CrmUnavailableError
from integrations.salesforce.org import AGAIN_LATER, Org
from integrations.salesforce.wire import CRM, decoded, described_error, error_code
from integrations.transport import Answer, Request

FIRST_POLL_S, LONGEST_POLL_S = 0.1, 10.0
AT_WORK, ENDED = frozenset({"UploadComplete", "InProgress"}), frozenset({"Failed", "Aborted"})
NO_LOCATOR = "null"
JOB_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
UNFIT = (
    b"is not supported by the Bulk API",
    b"not supported in Bulk Query",
    b"Max bulk v2 query jobs",
    b"Max bulk v2 query result size",
)
"""What the org says of a query that Bulk cannot run, or not today; REST can."""


class UnfitForBulkError(Exception):
    """Bulk cannot run this query, or runs no more of them today; nothing was made."""


@dataclass(frozen=True, slots=True)
class CsvPage:
    """One page of results: CSV with its header, and how many records the org says it holds."""

    body: bytes
    count: int


def bulk_pages(org: Org, query: str, *, page_records: int) -> Iterator[CsvPage]:
    """Yield the records of ``query``, deleted and archived ones included, ``page_records`` at a time.

    Raises:
        UnfitForBulkError: Bulk cannot run the query; ask by REST.
        CrmUnavailableError: The job failed or took too long, or its pages do not add up to what it processed.
        CrmRefusedError: The org refuses the query.
    """
    job = _made(org, query)
    processed = _completed(org, job)
    try:
        seen = 0
        for page in _results(org, job, page_records):
            seen += page.count
            yield page
        if seen != processed:
            raise CrmUnavailableError(f"{CRM}: bulk job: {seen} of {processed} rows arrived; the window is incomplete")
    finally:
        _forget(org, job)


def _made(org: Org, query: str) -> str:
    """Make the job; the path of it. A second one, after a lost answer, does no harm: the org forgets it in a week."""
    path = f"{org.root}/jobs/query"
    body = orjson.dumps({"operation": "queryAll", "query": query})
    request = Request("POST", path, is_repeatable=True, body=body, headers={"Content-Type": "application/json"})
    answer = org.wire.exchange(request, tolerated=frozenset({400}))
    if answer.status == 400:
        if any(words in answer.body for words in UNFIT):
            raise UnfitForBulkError
        error = CrmUnavailableError if error_code(answer) in AGAIN_LATER else CrmRefusedError
        raise error(f"{CRM}: {request}: HTTP 400 {described_error(answer)}")
    job_id = _object(answer, str(request)).get("id")
    if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
        raise CrmUnavailableError(f"{CRM}: {request}: the answer names no job")
    return f"{path}/{job_id}"


def _completed(org: Org, job: str) -> int:
    """Wait until the job is complete; the number of records that it processed.

    Raises:
        CrmUnavailableError: It failed, was aborted by someone, or is still at work when patience ends.
    """
    wait, waited = FIRST_POLL_S, 0.0
    request = Request("GET", job, is_repeatable=True)
    while True:
        told = _object(org.wire.exchange(request), str(request))
        state, processed = told.get("state"), told.get("numberRecordsProcessed")
        if state == "JobComplete" and isinstance(processed, int):
            return processed
        if state in ENDED:
            _forget(org, job)
            raise CrmUnavailableError(f"{CRM}: bulk job: {state} {_reason(told)}".rstrip())
        if state not in AT_WORK:
            raise CrmUnavailableError(f"{CRM}: {request}: the answer is not a job")
        if waited + wait > org.config.bulk_wait_s:
            raise CrmUnavailableError(f"{CRM}: bulk job: {state} after {waited:.0f} s; bulk_wait_s allows no more")
        org.patience.sleep(wait)
        waited, wait = waited + wait, min(LONGEST_POLL_S, wait * 2)


def _results(org: Org, job: str, page_records: int) -> Iterator[CsvPage]:
    locator, visited = "", set[str]()
    while locator != NO_LOCATOR:
        params = {"maxRecords": str(page_records), **({"locator": locator} if locator else {})}
        request = Request("GET", f"{job}/results", is_repeatable=True, params=params, headers={"Accept": "text/csv"})
        answer = org.wire.exchange(request)
        count, locator = answer.headers.get("sforce-numberofrecords", ""), answer.headers.get("sforce-locator", "")
        if not count.isdigit() or not locator or locator in visited:
            raise CrmUnavailableError(f"{CRM}: {request}: the answer does not say what it holds and what follows")
        visited.add(locator)
        yield CsvPage(answer.body, int(count))


def _forget(org: Org, job: str) -> None:
    """Delete the job with its results; one that cannot be deleted is gone in a week by itself."""
    with suppress(CrmError):
        org.wire.exchange(Request("DELETE", job, is_repeatable=True), tolerated=frozenset({400, 404}))


def _object(answer: Answer, what: str) -> Mapping[str, Any]:
    told = decoded(answer, what)
    return told if isinstance(told, dict) else {}


def _reason(told: Mapping[str, Any]) -> str:
    """The code before the colon of a job's error message; what follows may quote records."""
    code = str(told.get("errorMessage") or "").partition(":")[0].strip()
    return code if code.replace("_", "").replace(" ", "").isalnum() else ""
