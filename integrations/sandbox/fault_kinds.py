"""Every kind of trouble that can be ordered: what it does, to which requests, and an order to copy.

``docs/reference/sandbox-faults.md`` is made from this list and from ``faults.Fault``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SALESFORCE, HUBSPOT = "salesforce", "hubspot"
WRITES = ("POST", "PUT", "PATCH", "DELETE")

_ALL: Mapping[str, str] = {SALESFORCE: "", HUBSPOT: ""}
_TYPE = r"/crm/(v3/objects|objects/[^/]+)/[^/]+"
_PAGES = {
    SALESFORCE: r"^GET .*/(query|queryAll)(/|$)|^GET .*/jobs/query/[^/]+/results$",
    HUBSPOT: rf"^GET {_TYPE}$|^POST {_TYPE}/(search|batch/read)$",
}
_PAGED = {SALESFORCE: _PAGES[SALESFORCE], HUBSPOT: rf"^GET {_TYPE}$|^POST {_TYPE}/search$"}
_LAGGING = {SALESFORCE: r"^GET .*/(query|queryAll)(/|$)|/jobs/query", HUBSPOT: rf"^POST {_TYPE}/search$"}
_SEARCHES = {HUBSPOT: rf"^POST {_TYPE}/search$"}
_ROWS = {
    SALESFORCE: r"^(POST|PATCH) .*/(composite|composite/sobjects.*|sobjects/.+)$",
    HUBSPOT: rf"^POST {_TYPE}/batch/(create|update|upsert)$|^POST {_TYPE}$|^PATCH {_TYPE}/[^/]+$",
}
_BATCHES = {HUBSPOT: rf"^POST {_TYPE}/batch/(create|update|upsert)$"}
_UPSERTS = {SALESFORCE: r"^(GET|PATCH) .*/sobjects/[^/]+/[^/]+/.+$"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of trouble.

    Args:
        group: ``refusal`` (an answer without the work), ``line`` (the connection), ``page`` (what an answer says),
            ``row``, ``schema``, ``world`` (what the CRM holds), or ``act``, which happens at once and does not stand.
        on: By CRM that has it, what ``METHOD path`` must match; "" for every request.
        example: The body to POST to ``/faults``.
    """

    name: str
    group: str
    does: str
    on: Mapping[str, str]
    example: Mapping[str, Any]


def _kind(name: str, group: str, on: Mapping[str, str], does: str, **example: Any) -> Kind:
    crm = example.pop("crm", next(iter(on)))
    return Kind(name, group, does, on, {"crm": crm, "kind": name, **example})


_KINDS = (
    _kind("down", "refusal", _ALL, "Answers `status` and the CRM's own words for being away."),
    _kind(
        "status", "refusal", _ALL,
        "Answers `status` with `body` (JSON, or text as HTML) and `headers`. A Bulk job whose poll breaks is one.",
        status=503, path="/jobs/query/", methods=["GET"], after=1, count=1,
    ),
    _kind(
        "rate_limit", "refusal", _ALL,
        "429 of policy `variant` at HubSpot (`SECONDLY`, `TEN_SECONDLY_ROLLING`, `DAILY`), 403 `REQUEST_LIMIT_EXCEEDED`"
        " at Salesforce (`DAILY`, `CONCURRENT`); with `Retry-After` when `retry_after_s` is given.",
        crm=HUBSPOT, variant="TEN_SECONDLY_ROLLING", retry_after_s=2, probability=0.1, seed=1,
    ),
    _kind(
        "unauthorized", "refusal", _ALL,
        "401 of the kind `variant`: `INVALID_SESSION_ID`, `INVALID_AUTH_HEADER`, `INVALID_JWT_FORMAT`, `OBJECT` (a body"
        " that is no list) at Salesforce; `INVALID_AUTHENTICATION`, `EXPIRED_AUTHENTICATION` at HubSpot; `HTML` at"
        " both.",
        variant="INVALID_JWT_FORMAT", count=1,
    ),
    _kind(
        "conflict", "refusal", _BATCHES, "409 for a whole batch, of which nothing is written.", count=1
    ),
    _kind(
        "multiple_matches", "refusal", _UPSERTS, "300: the key names two records; the body lists their addresses.",
        count=1,
    ),
    _kind("latency", "line", _ALL, "Waits `latency_ms` before the work.", latency_ms=200),
    _kind("hang", "line", _ALL, "Reads the request and never answers: the client's timeout ends it.", count=1),
    _kind("drop", "line", _ALL, "Closes the connection before the work.", probability=0.05, seed=3),
    _kind(
        "commit_then_drop", "line", _ALL, "Does the work, then closes the connection unanswered; writes, by default.",
        crm=HUBSPOT, path="/tasks/batch/create", count=1,
    ),
    _kind("truncate", "line", _ALL, "Answers half of the body and closes: shorter than its Content-Length.", count=1),
    _kind("invalid_json", "page", _ALL, "200, whole by its length, but cut in the middle of its JSON.", count=1),
    _kind("html", "page", _ALL, "200 with a page of HTML, as some proxy sends it.", count=1),
    _kind(
        "page_shrink", "page", _PAGED, "Pages of at most `size` rows, whatever was asked for.",
        size=50,
    ),
    _kind(
        "truncate_page", "page", _PAGES, "`share` of a page's rows (at least one) are missing; nothing else says so.",
        share=0.1, probability=0.1, seed=1,
    ),
    _kind("dup_rows", "page", _PAGES, "`share` of a page's rows (at least one) come twice.", share=0.1),
    _kind(
        "wrong_total", "page", {SALESFORCE: _PAGES[SALESFORCE], HUBSPOT: _SEARCHES[HUBSPOT]},
        "`totalSize`, `total` or `Sforce-NumberOfRecords` is off by `by`.", by=-1,
    ),
    _kind(
        "repeat_page", "page", _PAGED, "The answer names the page that was just asked for as the next one.",
        count=1, after=1,
    ),
    _kind(
        "disorder", "page", _SEARCHES, "The asked sort is not honoured: results come newest first.",
    ),
    _kind(
        "outside_window", "page", _SEARCHES,
        "Rows up to `by` ms beyond the upper end of a BETWEEN are found, and counted.", by=600_000,
    ),
    _kind(
        "nasty_text", "page", _PAGES,
        "Texts in `field` of `object` gain a line break, quotes, a comma and a NUL, in JSON and in Bulk's CSV.",
        object="Account", field="Name", share=0.2, seed=1,
    ),
    _kind(
        "row_error", "row", _ROWS,
        "`share` of the rows of writes are refused with `code` (and `message`); the others are written. A row that is"
        " refused stays refused (`seed` chooses which), and at HubSpot a batch whose inputs carry no"
        " `objectWriteTraceId` is refused whole.",
        share=0.02, seed=5, code="FIELD_CUSTOM_VALIDATION_EXCEPTION",
    ),
    _kind(
        "lock_row", "row", {SALESFORCE: _ROWS[SALESFORCE]},
        "As `row_error` with `UNABLE_TO_LOCK_ROW`, but other rows each time: trying again helps.", share=0.3, seed=5,
    ),
    _kind(
        "field_removed", "schema", _ALL,
        "`field` of `object` is gone from describe, from answers and, with the CRM's error, from queries and writes.",
        object="Account", field="Annual_Recurring_Revenue__c",
    ),
    _kind("field_renamed", "schema", _ALL, "`field` is called `to`.", crm=HUBSPOT, object="companies",
          field="current_arr", to="arr_now"),
    _kind(
        "field_retyped", "schema", _ALL, "`field` is of type `to`; its values read `value` (by default their text).",
        object="Account", field="Annual_Recurring_Revenue__c", to="string",
    ),
    _kind(
        "new_value", "schema", _ALL, "The choices of `field` have `value`, too, and `share` of the rows hold it.",
        object="Case", field="Priority", value="Blocker", share=0.5, seed=2,
    ),
    _kind(
        "late_visibility", "world", _LAGGING,
        "Records of `object` (`share` of them, chosen by `seed`) are found by queries and searches only `late_s` after"
        " their stamp, by the sandbox's clock, and keep that stamp. Lists and reads by id know them at once.",
        object="Account", late_s=840, share=0.04, seed=9,
    ),
    _kind(
        "mutate", "world", _ALL,
        "Before the struck request is answered, `requests` are made by somebody else, one after the other: a scripted"
        " change between two pages. Their statuses stand in `GET /faults?all=true`.",
        path="/query/", count=1,
        requests=[{"method": "POST", "path": "/services/data/v66.0/sobjects/Account", "body": {"Name": "Between"}}],
    ),
    _kind(
        "expire_tokens", "world", _ALL,
        "After `after` requests, what Salesforce's sign-in gave out no longer works; HubSpot answers 401"
        " `EXPIRED_AUTHENTICATION`.",
        after=300, count=1,
    ),
    _kind(
        "ties", "act", _ALL, "The first `size` records of `object` (0: all) get one stamp, `value`, as after a mass"
        " update.", crm=HUBSPOT, object="companies", size=0, value="2026-11-21T20:00:00Z",
    ),
    _kind(
        "restore", "act", _ALL, "The records `ids` of `object` come back from the recycle bin or the archive.",
        object="Account", ids=["001..."],
    ),
    _kind(
        "vanish", "act", _ALL, "The records `ids` of `object` are gone without a trace, as after a purge.",
        crm=HUBSPOT, object="companies", ids=["7000000001"],
    ),
)  # fmt: skip

KINDS: Mapping[str, Kind] = {each.name: each for each in _KINDS}
"""By name."""
