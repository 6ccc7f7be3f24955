"""Bulk API 2.0 over HTTP: query and ingest jobs of the org in the state.

No public recording confirms these: the words and status of most refusals beyond those of a job's state; that a result
page without ``maxRecords`` holds 50,000 records; the order of ingest results; that a repeated key is refused within the
2,000 records of a slice rather than 200. Jobs move on when they are looked at, see ``salesforce_bulk_jobs``.

Not here: hard deletes, multipart creation, PK chunking, the daily size of results.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from integrations.sandbox.salesforce_auth import Credentials
from integrations.sandbox.salesforce_bulk_csv import zipped
from integrations.sandbox.salesforce_bulk_ingest import IngestJobs
from integrations.sandbox.salesforce_bulk_jobs import Job, checked_state, shown, shown_change
from integrations.sandbox.salesforce_bulk_query import QueryJobs
from integrations.sandbox.salesforce_calls import Call
from integrations.sandbox.salesforce_errors import SalesforceError, not_found, session_refused
from integrations.sandbox.salesforce_schema import API_VERSIONS
from integrations.sandbox.salesforce_store import CRM
from integrations.sandbox.state import RequestKind, State

_ROOT = "/services/data/v{version}/jobs"
_FIRST_VERSION, _FIRST_PARALLEL_VERSION = 47.0, 58.0

_Act = Callable[[Request], Awaitable[Response]]


class Bulk:
    """The resources below ``/jobs``, one method each."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.query, self.ingest = QueryJobs(state), IngestJobs(state)

    async def create_query(self, request: Request) -> Response:
        body = await _body(request)
        with self.state.transaction():
            return _json(shown(self.query.create(body, _version(request)), is_whole=False))

    async def create_ingest(self, request: Request) -> Response:
        body = await _body(request)
        with self.state.transaction():
            return _json(shown(self.ingest.create(body, _version(request)), is_whole=False))

    async def list_query(self, request: Request) -> Response:
        return self._listed(request, *self.query.jobs.page("query", request.query_params.get("queryLocator", "")))

    async def list_ingest(self, request: Request) -> Response:
        return self._listed(request, *self.ingest.jobs.page("ingest", request.query_params.get("queryLocator", "")))

    async def read_query(self, request: Request) -> Response:
        with self.state.transaction():
            return _json(shown(self.query.looked_at(request.path_params["id"])))

    async def read_ingest(self, request: Request) -> Response:
        with self.state.transaction():
            return _json(shown(self.ingest.looked_at(request.path_params["id"])))

    async def change_query(self, request: Request) -> Response:
        body = await _body(request)
        job = self._query_job(request, is_result=False)
        return _json(shown(self.query.jobs.changed(job, state=checked_state(job, body.get("state")))))

    async def change_ingest(self, request: Request) -> Response:
        body = await _body(request)
        job = self._ingest_job(request)
        return _json(shown_change(self.ingest.jobs.changed(job, state=checked_state(job, body.get("state")))))

    async def delete_query(self, request: Request) -> Response:
        with self.state.transaction():
            self.query.deleted(self._query_job(request, is_result=False))
        return Response(status_code=204)

    async def delete_ingest(self, request: Request) -> Response:
        with self.state.transaction():
            self.ingest.deleted(self._ingest_job(request))
        return Response(status_code=204)

    async def results(self, request: Request) -> Response:
        most = request.query_params.get("maxRecords")
        if most is not None and (not most.isdigit() or int(most) == 0):
            raise SalesforceError("INVALIDJOB", f"Invalid maxRecords: {most}")
        job = self._query_job(request, is_result=True)
        page = self.query.results(job, request.query_params.get("locator"), int(most) if most else None)
        headers = {"Sforce-Locator": page.locator, "Sforce-NumberOfRecords": str(page.count)}
        return _csv(request, page.parts, headers, page.count)

    async def result_pages(self, request: Request) -> Response:
        if float(_version(request)) < _FIRST_PARALLEL_VERSION:
            raise not_found()
        job = self._query_job(request, is_result=True)
        return _json(self.query.result_pages(job, request.query_params.get("locator")))

    async def upload(self, request: Request) -> Response:
        is_zipped = request.headers.get("content-encoding", "").lower() == "gzip"
        await self.ingest.upload(self._ingest_job(request), request.stream(), is_zipped=is_zipped)
        return Response(status_code=201)

    async def successful(self, request: Request) -> Response:
        job = self._ingest_job(request)
        return _csv(request, self.ingest.outcomes(job, is_good=True), {}, job.processed - job.failed)

    async def failed(self, request: Request) -> Response:
        job = self._ingest_job(request)
        return _csv(request, self.ingest.outcomes(job, is_good=False), {}, job.failed)

    async def unprocessed(self, request: Request) -> Response:
        return _csv(request, self.ingest.unprocessed(self._ingest_job(request)), {}, 0)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _query_job(self, request: Request, *, is_result: bool) -> Job:
        job = self.query.jobs.found("query", request.path_params["id"])
        if is_result and job.version != _version(request):
            message = f"The API version of the results must be that of the job, {job.version}"
            raise SalesforceError("INVALIDVERSION", message, status=409)
        return job

    def _ingest_job(self, request: Request) -> Job:
        return self.ingest.jobs.found("ingest", request.path_params["id"])

    def _listed(self, request: Request, jobs: list[Job], after: str) -> Response:
        path = f"{request.url.path}?queryLocator={after}"
        told = {"done": not after, "records": [shown(job) for job in jobs], "nextRecordsUrl": path if after else None}
        return _json(told)


_TABLE: tuple[tuple[str, str, RequestKind, Callable[[Bulk, Request], Awaitable[Response]]], ...] = (
    ("POST", "/query", "read", Bulk.create_query),
    ("GET", "/query", "read", Bulk.list_query),
    ("GET", "/query/{id}", "read", Bulk.read_query),
    ("PATCH", "/query/{id}", "read", Bulk.change_query),
    ("DELETE", "/query/{id}", "read", Bulk.delete_query),
    ("GET", "/query/{id}/results", "read", Bulk.results),
    ("GET", "/query/{id}/resultPages", "read", Bulk.result_pages),
    ("POST", "/ingest", "write", Bulk.create_ingest),
    ("GET", "/ingest", "read", Bulk.list_ingest),
    ("GET", "/ingest/{id}", "read", Bulk.read_ingest),
    ("PATCH", "/ingest/{id}", "write", Bulk.change_ingest),
    ("DELETE", "/ingest/{id}", "write", Bulk.delete_ingest),
    ("PUT", "/ingest/{id}/batches", "write", Bulk.upload),
    ("GET", "/ingest/{id}/successfulResults", "read", Bulk.successful),
    ("GET", "/ingest/{id}/failedResults", "read", Bulk.failed),
    ("GET", "/ingest/{id}/unprocessedrecords", "read", Bulk.unprocessed),
    ("GET", "/ingest/{id}/unprocessedRecords", "read", Bulk.unprocessed),
)


def routes(state: State, credentials: Credentials, counted: Callable[[], dict[str, str]]) -> Iterator[Route]:
    """The routes of Bulk API 2.0; ``counted`` counts a request and says so in a header."""
    bulk = Bulk(state)
    for method, path, kind, act in _TABLE:
        endpoint = _endpoint(bulk, credentials, counted, kind, act)
        for way in (_ROOT + path, _ROOT + path + "/"):
            yield Route(way, endpoint, methods=[method])


def _endpoint(
    bulk: Bulk,
    credentials: Credentials,
    counted: Callable[[], dict[str, str]],
    kind: RequestKind,
    act: Callable[[Bulk, Request], Awaitable[Response]],
) -> _Act:
    async def answer(request: Request) -> Response:
        try:
            if not credentials.admits(request.headers.get("authorization", "")):
                raise session_refused()
            if _version(request) not in API_VERSIONS or float(_version(request)) < _FIRST_VERSION:
                raise not_found()
            response = await act(bulk, request)
        except SalesforceError as error:
            response = _json(error.as_request_error(), error.status)
        response.headers.update(counted())
        records = int(response.headers.get("sforce-numberofrecords", 0))
        bulk.state.log_request(CRM, request.method, request.url.path, response.status_code, kind=kind, records=records)
        return response

    return answer


async def _body(request: Request) -> Any:
    return Call(request.path_params, request.query_params, request.headers, await request.body()).json()


def _version(request: Request) -> str:
    return str(request.path_params["version"])


def _json(told: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(told), status, media_type="application/json;charset=UTF-8")


def _csv(request: Request, parts: Iterator[bytes], headers: dict[str, str], count: int) -> Response:
    if "gzip" in request.headers.get("accept-encoding", "") and count:
        parts, headers = zipped(parts), {**headers, "Content-Encoding": "gzip"}
    return StreamingResponse(parts, 200, headers, "text/csv")
