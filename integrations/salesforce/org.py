"""What plansync asks of one Salesforce org: describe, limits, queries, retrieves and Collections.

simple-salesforce describes; everything else is exchanged raw and parsed once, by orjson.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from simple_salesforce.api import Salesforce as SimpleSalesforce
from simple_salesforce.exceptions import SalesforceResourceNotFound

from integrations.crm import CallCounter
from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.limits import Shared
from integrations.salesforce.composite import WRITE_HEADERS, Part, composite_body, results_of
from integrations.salesforce.fields import SalesforceConfig
from integrations.salesforce.mapping import Described, described
from integrations.salesforce.soql import identifier
from integrations.salesforce.wire import CRM, Wire, decoded, described_error, error_code
from integrations.tokens import RefreshToken
from integrations.transport import Answer, Patience, Request

AGAIN_LATER = frozenset(
    {"INVALID_QUERY_LOCATOR", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE"}
)
"""Codes of a refusal that a later run, starting afresh, can overcome."""


TOO_LARGE = frozenset({"OPERATION_TOO_LARGE", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG"})
"""Codes of a refusal that the same query escapes when the org has more time for it."""


class LargeQueryError(Exception):
    """A query finds more records than its caller wants to read a page at a time, or than REST finds in its time."""


class Org:
    """What plansync asks of one org.

    Args:
        config: Where it is and how to sign in; the first request signs in.
        calls: Counts every request that left.
        patience: Tries and waits.
        shared: Where the processes that ask this org agree on its limits; only this process by default.
        refresh_token: To sign in with, where the settings name one.

    Safe for several threads, as ``wire.Wire`` is; ``describe`` may then ask for an object twice.
    """

    def __init__(
        self,
        config: SalesforceConfig,
        calls: CallCounter,
        patience: Patience,
        *,
        shared: Shared | None = None,
        refresh_token: RefreshToken | None = None,
    ) -> None:
        self.config = config
        self.calls = calls
        self.patience = patience
        self.root = f"/services/data/v{config.api_version}"
        self.wire = Wire(config, calls, patience, shared=shared, refresh_token=refresh_token)
        self._described: dict[str, Described | None] = {}
        self._describing = SimpleSalesforce(
            session=self.wire,
            session_id="set by the session",
            instance_url=config.base_url,
            version=config.api_version,
            object_pairs_hook=None,
        )

    def describe(self, sobject: str) -> Described | None:
        """The fields of ``sobject``, asked once in this object's life; None if the org does not show it."""
        if sobject not in self._described:
            try:
                self._described[sobject] = described(getattr(self._describing, identifier(sobject)).describe())
            except SalesforceResourceNotFound:
                self._described[sobject] = None
            except ValueError:
                raise CrmUnavailableError(f"{CRM}: describe {sobject}: the answer is not JSON") from None
        return self._described[sobject]

    def limits(self) -> tuple[Answer, dict[str, Any]]:
        """The org's limits: the answer, for its clock, and the decoded body."""
        answer = self.wire.exchange(Request("GET", f"{self.root}/limits", is_repeatable=True))
        return answer, decoded(answer, "GET limits")

    def now(self) -> datetime:
        """The org's clock, whole seconds, UTC.

        Raises:
            CrmUnavailableError: The answer carries no readable date.
        """
        answer, _ = self.limits()
        with suppress(ValueError):
            return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
        raise CrmUnavailableError(f"{CRM}: GET limits: no readable Date header, so the org's clock is unknown")

    def query_pages(self, query: str, *, at_most: int | None = None) -> Iterator[list[dict[str, Any]]]:
        """Yield the records of ``query``, deleted and archived ones included, an answer at a time.

        Raises:
            LargeQueryError: Before the first answer is yielded, if ``at_most`` is given: it names more records than
                that, or the org gave up searching.
            CrmUnavailableError: The answers do not add up to the total that the org named, or the cursor expired.
            CrmRefusedError: The org refuses the query.
        """
        page = self._page(f"{self.root}/queryAll", {"q": query}, is_first_of_many=at_most is not None)
        total, seen, visited = page["totalSize"], 0, set[str]()
        if at_most is not None and total > at_most:
            raise LargeQueryError
        while True:
            seen += len(page["records"])
            yield page["records"]
            if page["done"]:
                break
            path = self._next_path(page.get("nextRecordsUrl"))
            if path in visited:
                raise CrmUnavailableError(f"{CRM}: query: the org named the same next page twice")
            visited.add(path)
            page = self._page(path, {})
        if seen != total:
            raise CrmUnavailableError(f"{CRM}: query: {seen} of {total} rows arrived; the window is incomplete")

    def _next_path(self, link: object) -> str:
        """The path of the next page of an answer that says that it is not complete."""
        if link is None:
            raise CrmUnavailableError(f"{CRM}: query: not done, but no next page is named")
        return self.wire.path_of(link, "query: nextRecordsUrl")

    def _page(self, path: str, params: Mapping[str, str], *, is_first_of_many: bool = False) -> dict[str, Any]:
        request = Request("GET", path, is_repeatable=True, params=params)
        answer = self.wire.exchange(request, tolerated=frozenset({400}))
        if answer.status == 400:
            if is_first_of_many and error_code(answer) in TOO_LARGE:
                raise LargeQueryError
            error = CrmUnavailableError if error_code(answer) in AGAIN_LATER else CrmRefusedError
            raise error(f"{CRM}: query: HTTP 400 {described_error(answer)}")
        page: dict[str, Any] = decoded(answer, "query")
        if not {"totalSize", "done", "records"} <= page.keys():
            raise CrmUnavailableError(f"{CRM}: query: the answer is not a page of records")
        return page

    def retrieved(self, sobject: str, ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, Any]]:
        """The records of ``ids`` (2,000 at most) that still exist, with ``fields`` (no paths over relationships)."""
        body = orjson.dumps({"ids": list(ids), "fields": [identifier(name) for name in fields]})
        path = f"{self.root}/composite/sobjects/{identifier(sobject)}"
        request = Request("POST", path, is_repeatable=True, body=body, headers={"Content-Type": "application/json"})
        return [record for record in decoded(self.wire.exchange(request), f"POST {path}") if record is not None]

    def collected(self, path: str, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Write up to 200 records by Collections, each by itself; one result per record, in order.

        Raises:
            CrmUnavailableError: The effect is unknown.
            CrmRefusedError: Nothing happened.
        """
        request = self._write("PATCH", f"/sobjects{path}", {"allOrNone": False, "records": records})
        results = decoded(self.wire.exchange(request, is_write=True), str(request))
        if not isinstance(results, list) or len(results) != len(records):
            raise CrmUnavailableError(f"{CRM}: {request}: the answer does not match the batch; its effect is unknown")
        return results

    def collected_together(self, parts: Sequence[Part]) -> list[dict[str, Any]]:
        """Write up to 200 records by up to 5 Collections in one call; one result per record, in order.

        A part that was refused whole is a refusal of each of its records.

        Raises:
            CrmUnavailableError: The effect is unknown.
            CrmRefusedError: Nothing happened.
        """
        request = self._write("POST", "", composite_body(f"{self.root}/composite", parts))
        return results_of(decoded(self.wire.exchange(request, is_write=True), str(request)), parts)

    def _write(self, method: str, path: str, body: Mapping[str, Any]) -> Request:
        """A write that may be repeated: it holds upserts by key and updates by Id."""
        headers = {"Content-Type": "application/json", **WRITE_HEADERS}
        url = f"{self.root}/composite{path}"
        return Request(method, url, is_repeatable=True, body=orjson.dumps(body), headers=headers)

    def close(self) -> None:
        """Release connections."""
        self.wire.close()
