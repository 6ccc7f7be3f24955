"""Records of an org as frames: one query per object and window, by REST or, when it is large, by Bulk API 2.0."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from integrations.crm import Page, Window
from integrations.salesforce import fields
from integrations.salesforce.bulk import UnfitForBulkError, bulk_pages
from integrations.salesforce.bulk_rows import page_of_csv
from integrations.salesforce.mapping import field_at, resolved, silent_fields
from integrations.salesforce.org import LargeQueryError, Org
from integrations.salesforce.rows import Columns, Reading, columns_of, page_of, page_of_columns
from integrations.salesforce.soql import select, soql
from models.enums import PullObject, WriteKind

RETRIEVE, ROWS_PER_FRAME = 2_000, 10_000
PLAN_LOOKUP = "Success_Plan__c"
LONG_TEXT_SHARE = 10


def pull(org: Org, target: PullObject, window: Window) -> Iterator[Page]:
    """Yield the records of ``target`` changed in ``window``, deletions and merges included.

    A page holds up to 12,000 records, by Bulk ``bulk_page_records``.

    An org without the plan objects has no plans to pull. Window ends count to the whole second. An object of which a
    formula field is mapped is read in full, because formulas change unseen by any window.

    Raises:
        CrmUnavailableError, CrmRefusedError: The window is incomplete.
    """
    for source in fields.SOURCES[target]:
        if target is PullObject.PLANS and org.describe(source.sobject) is None:
            continue
        reading = Reading(source, resolved(source, org.describe, org.config), org.config, window.until)
        for read, page in _read(org, reading, _query(org, reading, window)):
            org.calls.rows_read[source.frame] = org.calls.rows_read.get(source.frame, 0) + read
            yield page


def _read(org: Org, reading: Reading, query: str) -> Iterator[tuple[int, Page]]:
    """Pages of a query with the number of records in each.

    REST's first answer names the total, so that to count first costs no call: an answer that names more than
    ``bulk_above`` is dropped, and the query put to Bulk, unless Bulk cannot run it. The same for a query of which REST
    says that it takes too long.
    """
    try:
        yield from _read_by_rest(org, reading, query, at_most=org.config.bulk_above)
        return
    except LargeQueryError:
        pass
    try:
        for page in bulk_pages(org, query, page_records=_page_records(org, reading)):
            yield page.count, page_of_csv(page, reading)
        return
    except UnfitForBulkError:
        pass
    yield from _read_by_rest(org, reading, query, at_most=None)


def _read_by_rest(org: Org, reading: Reading, query: str, *, at_most: int | None) -> Iterator[tuple[int, Page]]:
    for columns in _gathered(org.query_pages(query, at_most=at_most), reading):
        yield len(columns["crm_id"]), page_of_columns(columns, reading)


def _page_records(org: Org, reading: Reading) -> int:
    """Records of a Bulk page: few where a record can hold long text, so that a page stays within some 100 MB."""
    found = (field_at(org.describe, reading.source.sobject, path) for path in reading.mapping.values())
    has_long_text = any(info and info.type == "textarea" for info in found)
    return max(1, org.config.bulk_page_records // (LONG_TEXT_SHARE if has_long_text else 1))


def _gathered(answers: Iterator[list[dict[str, Any]]], reading: Reading) -> Iterator[Columns]:
    """The values of several answers at once: a frame costs the same 10 ms for two rows as for thousands.

    Values, not records: dictionaries that outlive their answer keep the garbage collector busy, texts do not.
    """
    held = columns_of([], reading)
    for records in answers:
        for name, values in columns_of(records, reading).items():
            held[name].extend(values)
        if len(held["crm_id"]) >= ROWS_PER_FRAME:
            yield held
            held = columns_of([], reading)
    if held["crm_id"]:
        yield held


def _query(org: Org, reading: Reading, window: Window) -> str:
    source = reading.source
    conditions = [soql("SystemModstamp <= {until}", until=window.until)]
    if window.after is not None and not silent_fields(source, reading.mapping, org.describe):
        conditions.insert(0, soql("SystemModstamp > {after}", after=window.after))
    if source.where:
        conditions.append(source.where)
    # The rule of a series is no meeting, and an invitee's copy is not another one.
    present = org.describe(source.sobject) or {}
    conditions += [f"{name} = false" for name in ("IsRecurrence", "IsChild") if name in present]
    return select(source.sobject, list(reading.mapping.values()), " AND ".join(conditions))


def read_back(org: Org, kind: WriteKind, crm_ids: Sequence[str]) -> Iterator[Page]:
    """The records just written, as the org now holds them; deleted ones are left out.

    Retrieving by Id follows no relationship, so the accounts of sections are read from their plans.
    """
    source = {
        WriteKind.FIELDS: fields.PLAN_FIELDS,
        WriteKind.SECTIONS: fields.PLAN_SECTIONS,
        WriteKind.TASKS: fields.TASKS,
    }[kind]
    reading = Reading(
        source, resolved(source, org.describe, org.config), org.config, now=datetime.max.replace(tzinfo=UTC)
    )
    plain = [path for path in reading.mapping.values() if "." not in path]
    for start in range(0, len(crm_ids), RETRIEVE):
        ids = crm_ids[start : start + RETRIEVE]
        if kind is WriteKind.SECTIONS:
            records = _with_plans(org, org.retrieved(source.sobject, ids, [*plain, PLAN_LOOKUP]))
        else:
            records = org.retrieved(source.sobject, ids, plain)
        yield page_of(records, reading)


def _with_plans(org: Org, sections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    plan_ids = sorted({section[PLAN_LOOKUP] for section in sections})
    plans = org.retrieved(fields.PLAN, plan_ids, ["Id", "Account__c"]) if plan_ids else []
    accounts = {plan["Id"]: plan for plan in plans}
    return [{**section, "Success_Plan__r": accounts.get(section[PLAN_LOOKUP])} for section in sections]
