"""Large windows by Bulk API 2.0: the same frames as by REST, pages asked again, and trouble that never costs a job."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from benchmarks.bulk import measure
from integrations.crm import Page, Window
from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.salesforce import fields
from integrations.salesforce.bulk import CsvPage, bulk_pages
from integrations.salesforce.bulk_rows import page_of_csv
from integrations.salesforce.client import Salesforce, SalesforceConfig
from integrations.salesforce.org import Org
from integrations.salesforce.pull import pull
from integrations.salesforce.rows import Reading
from integrations.sandbox.process import Sandbox, running_sandbox
from integrations.transport import Patience
from models.enums import PullObject
from tests.integrations.scripted import Reply, Script, Seen
from tests.integrations.test_salesforce_wire import org_on

JOB = "7505m0000000001AAA"
POOL = 10
"""Connections that one port may hold: the pool of ``requests``."""

CONFIG = SalesforceConfig(base_url="https://acme.my.salesforce.com")
NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)
MAPPING = {
    "crm_id": "Id",
    "modified_at": "SystemModstamp",
    "is_deleted": "IsDeleted",
    "name": "Name",
    "parent_crm_id": "Parent.Id",
    "seats_count": "Seats__c",
    "arr_minor": "ARR__c",
    "renewal_date": "Renewal__c",
    "is_strategic": "Strategic__c",
}
READING = Reading(fields.ACCOUNTS, MAPPING, CONFIG, NOW)
STAMP = "2026-11-20T10:11:12.000Z"


# -- against the sandbox ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(customers=60, seed=3) as running:
        yield running


def port(sandbox: Sandbox, **more: Any) -> Salesforce:
    details = sandbox.salesforce
    config = SalesforceConfig(base_url=details.base_url, access_token=SecretStr(details.access_token), **more)
    return Salesforce(config, patience=Patience(tries=3, first_wait_s=0.0, sleep=lambda _: None))


def pulled(pages: Iterator[Page]) -> dict[str, pl.DataFrame]:
    found: dict[str, list[pl.DataFrame]] = {}
    for page in pages:
        assert page.rejected.is_empty(), page.rejected
        for name, frame in page.rows.items():
            found.setdefault(name, []).append(frame)
    return {name: pl.concat(frames).sort("crm_id") for name, frames in found.items()}


def asked(sandbox: Sandbox) -> list[tuple[str, str, int]]:
    told = requests.get(sandbox.admin_url + "/requests?list=true&crm=salesforce", timeout=5).json()["requests"]
    jobs = [(each["method"], each["path"].partition("/jobs/query")[2], each["status"]) for each in told]
    return [
        (method, "/".join(path.split("/")[2:]), status) for method, path, status in jobs if path or method == "POST"
    ]


@pytest.fixture
def bulk(sandbox: Sandbox) -> Iterator[Salesforce]:
    for path in ("/requests", "/faults"):
        requests.delete(sandbox.admin_url + path, timeout=5)
    opened = port(sandbox, bulk_above=10, bulk_page_records=20)
    yield opened
    requests.delete(sandbox.admin_url + "/faults", timeout=5)
    opened.close()


def jobs_left(sandbox: Sandbox) -> int:
    url = sandbox.salesforce.base_url + "/services/data/v66.0/jobs/query"
    token = {"Authorization": f"Bearer {sandbox.salesforce.access_token}"}
    return len(requests.get(url, headers=token, timeout=5).json()["records"])


def trouble(sandbox: Sandbox, **fault: Any) -> None:
    answer = requests.post(sandbox.admin_url + "/faults", json={"crm": "salesforce", **fault}, timeout=5)
    assert answer.status_code == 200


@pytest.mark.parametrize("target", list(PullObject))
def test_bulk_gives_what_rest_gives(sandbox: Sandbox, target: PullObject) -> None:
    rest, by_bulk = port(sandbox), port(sandbox, bulk_above=0, bulk_page_records=70)
    now = rest.now()
    for window in (Window(None, now), Window(now - timedelta(days=60), now)):
        expected, found = pulled(rest.pull(target, window)), pulled(by_bulk.pull(target, window))
        assert found.keys() == expected.keys()
        assert expected or window.after
        assert all(found[name].equals(expected[name]) for name in expected)
    assert by_bulk.calls.rows_read == rest.calls.rows_read


def test_deleted_and_hostile_records_arrive_by_bulk(sandbox: Sandbox, bulk: Salesforce) -> None:
    base = f"{sandbox.salesforce.base_url}/services/data/v66.0/sobjects/Account"
    token = {"Authorization": f"Bearer {sandbox.salesforce.access_token}"}
    names = ['"quoted", with\ncommas and lines"', "#N/A", "null", "=1+1", " '; DROP", "null"]
    ids = [requests.post(base, json={"Name": name}, headers=token, timeout=5).json()["id"] for name in names]
    assert requests.delete(f"{base}/{ids[-1]}", headers=token, timeout=5).status_code == 204
    found = pulled(bulk.pull(PullObject.ACCOUNTS, Window(None, bulk.now())))["accounts"].filter(
        pl.col("crm_id").is_in(ids)
    )
    assert found["name"].to_list() == [name.strip() for name in names]
    assert found["is_deleted"].to_list() == [False] * 5 + [True]


def test_a_small_window_stays_with_rest_and_zero_never_leaves_it(sandbox: Sandbox, bulk: Salesforce) -> None:
    list(bulk.pull(PullObject.OWNERS, Window(None, bulk.now())))
    assert asked(sandbox) == []
    never = port(sandbox, bulk_above=None)
    list(never.pull(PullObject.CONTACTS, Window(None, never.now())))
    assert asked(sandbox) == []


def test_busy_polls_and_cut_pages_are_asked_again_and_the_job_is_deleted(sandbox: Sandbox, bulk: Salesforce) -> None:
    expected = pulled(port(sandbox).pull(PullObject.CONTACTS, Window(None, bulk.now())))["contacts"]
    requests.delete(sandbox.admin_url + "/requests", timeout=5)
    trouble(sandbox, kind="status", status=503, count=2, path="/jobs/query/7", methods=["GET"])
    trouble(sandbox, kind="truncate", count=1, path="/results")
    trouble(sandbox, kind="drop", count=1, path="/results")
    found = pulled(bulk.pull(PullObject.CONTACTS, Window(None, bulk.now())))["contacts"]
    assert found.equals(expected)
    seen = asked(sandbox)
    assert [status for method, path, status in seen if (method, path) == ("GET", "")] == [503, 503, 200, 200]
    assert {method for method, _, _ in seen} == {"POST", "GET", "DELETE"}
    assert seen[-1] == ("DELETE", "", 204)
    assert jobs_left(sandbox) == 0
    assert bulk.calls.write == 0


def test_an_org_that_stays_down_while_polled_costs_the_window_and_not_the_job(
    sandbox: Sandbox, bulk: Salesforce
) -> None:
    trouble(sandbox, kind="down", path="/jobs/query/7")
    with pytest.raises(CrmUnavailableError, match="503"):
        list(bulk.pull(PullObject.CONTACTS, Window(None, bulk.now())))
    assert {method for method, _, _ in asked(sandbox)} == {"POST", "GET"}
    assert jobs_left(sandbox) == 1


@pytest.mark.soak
def test_a_million_contacts_stay_within_500_mib_and_twice_the_cheapest_client() -> None:
    told = measure(1_000_000)
    assert told["bulk"]["peak_mib"] < 500
    assert told["bulk"]["connections"] <= POOL
    assert told["bulk"]["cpu_s"] <= 2 * told["bulk_raw"]["cpu_s"]


# -- against answers that no well-behaved org gives -------------------------------------------------------------------


def scripted_job(pages: list[Reply], *states: dict[str, Any], made: Reply | None = None) -> Script:
    """An org with one job, which shows its states and then its pages, each once."""
    rest, shown = list(pages), list(states) or [{"state": "JobComplete", "numberRecordsProcessed": 1}]

    def script(seen: Seen) -> Reply:
        if seen.method == "POST":
            return made or Reply(body={"id": JOB, "state": "UploadComplete"})
        if seen.method == "DELETE":
            return Reply(204)
        if "/results" in seen.path:
            return rest.pop(0)
        return Reply(body=shown.pop(0) if len(shown) > 1 else shown[0])

    return script


def result(text: str = '"Id"\n"001"\n', count: str = "1", locator: str | None = "null") -> Reply:
    headers = {"Sforce-NumberOfRecords": count, **({} if locator is None else {"Sforce-Locator": locator})}
    return Reply(body=text.encode(), headers=headers)


def read(org: Org) -> list[CsvPage]:
    return list(bulk_pages(org, "SELECT Id FROM Account", page_records=1))


def test_waits_longer_each_time_and_counts_every_request() -> None:
    states = [{"state": "UploadComplete"}, *[{"state": "InProgress", "numberRecordsProcessed": 0}] * 3]
    done = {"state": "JobComplete", "numberRecordsProcessed": 2}
    script = scripted_job([result(locator="MQ"), result()], *states, done)
    with org_on(script) as (org, server):
        waits: list[float] = []
        org.patience = Patience(sleep=waits.append)
        assert [page.count for page in read(org)] == [1, 1]
        assert waits == [0.1, 0.2, 0.4, 0.8]
        assert (org.calls.read, org.calls.write) == (len(server.seen), 0)
        assert [seen.path.partition("?")[2] for seen in server.seen if "/results" in seen.path] == [
            "maxRecords=1",
            "maxRecords=1&locator=MQ",
        ]


TWO = {"state": "JobComplete", "numberRecordsProcessed": 2}
FAILED = {"state": "Failed", "errorMessage": "QUERY_TIMEOUT : O'Hara"}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (lambda: scripted_job([result()], TWO), "1 of 2 rows arrived"),
        (lambda: scripted_job([result(locator="MQ")] * 3), "what it holds and what follows"),
        (lambda: scripted_job([result(locator=None)]), "what it holds and what follows"),
        (lambda: scripted_job([result(count="")]), "what it holds and what follows"),
        (lambda: scripted_job([], FAILED), "Failed QUERY_TIMEOUT$"),
        (lambda: scripted_job([], {"state": "Aborted"}), "Aborted$"),
        (lambda: scripted_job([], {"state": "Dreaming"}), "is not a job"),
        (lambda: scripted_job([], made=Reply(body={"id": "../../x"})), "names no job"),
        (lambda: scripted_job([], {"state": "InProgress"}), "bulk_wait_s allows no more"),
    ],
    ids=["count", "replayed", "no locator", "no count", "failed", "aborted", "unknown", "no id", "endless"],
)  # fmt: skip
def test_a_window_that_does_not_add_up_is_not_accepted(script: Callable[[], Script], message: str) -> None:
    with org_on(script(), bulk_wait_s=1) as (org, server):
        with pytest.raises(CrmUnavailableError, match=message):
            read(org)
        assert not any(seen.method == "PATCH" for seen in server.seen)


USERS = [{"Id": f"005{number:012}AAA", "SystemModstamp": STAMP, "Name": "n", "IsActive": True} for number in range(3)]
USER_FIELDS = {"Id": "id", "SystemModstamp": "datetime", "Name": "string", "IsActive": "boolean"}


def org_of_users(bulk_answer: Reply, rest_answer: Reply) -> Script:
    """An org that has users only; ``bulk_answer`` to a new job, ``rest_answer`` to the first query by REST."""
    first = [rest_answer]
    by_bulk = scripted_job([result(CSV_USERS, count="3")], {"state": "JobComplete", "numberRecordsProcessed": 3})

    def script(seen: Seen) -> Reply:
        if "/describe" in seen.path:
            return Reply(body={"fields": [{"name": name, "type": kind} for name, kind in USER_FIELDS.items()]})
        if seen.method == "POST":
            return bulk_answer
        if "/jobs/" in seen.path:
            return by_bulk(seen)
        return first.pop() if first else Reply(body={"totalSize": 3, "done": True, "records": USERS})

    return script


CSV_USERS = "".join(
    f'"{line}"\n' for line in ['","'.join(USER_FIELDS), *(f'{u["Id"]}","{STAMP}","n","true' for u in USERS)]
)
THREE = Reply(body={"totalSize": 3, "done": True, "records": USERS})
CREATED = Reply(body={"id": JOB, "state": "UploadComplete"})


@pytest.mark.parametrize(
    "words",
    ["CaseStatus is not supported by the Bulk API", "Max bulk v2 query jobs (10000) per 24 hrs has been reached"],
)
def test_what_bulk_cannot_run_is_read_by_rest(words: str) -> None:
    refused = Reply(400, [{"errorCode": "INVALIDENTITY", "message": words}])
    with org_on(org_of_users(refused, THREE), bulk_above=1) as (org, server):
        pages = list(pull(org, PullObject.OWNERS, Window(None, NOW)))
        assert [page.rows["owners"].height for page in pages] == [3]
        assert [seen.method for seen in server.seen] == ["GET", "GET", "POST", "GET"]


@pytest.mark.parametrize("code", ["QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "OPERATION_TOO_LARGE"])
def test_what_takes_rest_too_long_is_read_by_bulk(code: str) -> None:
    too_long = Reply(400, [{"errorCode": code, "message": "too long"}])
    with org_on(org_of_users(CREATED, too_long)) as (org, server):
        pages = list(pull(org, PullObject.OWNERS, Window(None, NOW)))
        assert [page.rows["owners"].height for page in pages] == [3]
        assert [seen.method for seen in server.seen] == ["GET", "GET", "POST", "GET", "GET", "DELETE"]


def test_a_query_that_is_refused_is_refused() -> None:
    made = Reply(400, [{"errorCode": "INVALID_FIELD", "message": "No such column 'X'"}])
    with org_on(scripted_job([], made=made)) as (org, _), pytest.raises(CrmRefusedError, match="No such column 'X'"):
        read(org)


# -- CSV to frames ----------------------------------------------------------------------------------------------------


def csv_page(*rows: dict[str, str], count: int | None = None) -> CsvPage:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    names = list(MAPPING.values())
    writer.writerow(names)
    least = {"SystemModstamp": STAMP, "IsDeleted": "false", "Name": "n"}
    writer.writerows([[{**least, **row}.get(name, "") for name in names] for row in rows])
    return CsvPage(text.getvalue().encode(), len(rows) if count is None else count)


def test_values_are_typed_by_the_mapping() -> None:
    typed = {"Seats__c": "1.2E7", "ARR__c": "1.6147805824397E13", "Renewal__c": "2027-02-19", "Strategic__c": "true"}
    page = page_of_csv(
        csv_page({"Id": "001A", **typed}, {"Id": "001B", "SystemModstamp": "2026-11-20T10:11:12.345Z"}), READING
    )
    first, second = page.rows["accounts"].rows(named=True)
    assert (first["seats_count"], first["arr_minor"], str(first["renewal_date"])) == (
        12_000_000,
        1614780582439700,
        "2027-02-19",
    )
    assert (first["is_strategic"], second["is_strategic"], second["arr_minor"]) == (True, None, None)
    assert second["modified_at"] == datetime(2026, 11, 20, 10, 11, 12, 345_000, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"", b"\n", csv_page().body], ids=["nothing", "line", "header"])
def test_a_page_may_be_empty(body: bytes) -> None:
    page = page_of_csv(CsvPage(body, 0), READING)
    assert (page.rows["accounts"].height, page.rejected.height) == (0, 0)


def test_rows_that_cannot_be_read_are_set_aside_with_their_reason() -> None:
    bad = [
        {"Id": "001nul", "Name": "a\x00b"},
        {"Id": "001num", "Seats__c": "many"},
        {"Id": "001bool", "IsDeleted": "maybe"},
        {"Id": "001date", "Renewal__c": "soon"},
        {"Id": "001when", "SystemModstamp": ""},
    ]
    page = page_of_csv(csv_page({"Id": "001good"}, *bad), READING)
    assert page.rows["accounts"]["crm_id"].to_list() == ["001good"]
    assert {(row["record"], row["rule"]) for row in page.rejected.to_dicts()} == {
        ("001nul", "name|nul"),
        ("001num", "seats_count|type"),
        ("001bool", "is_deleted|type"),
        ("001date", "renewal_date|readable"),
        ("001when", "modified_at|nullability"),
    }


@pytest.mark.parametrize(
    "body",
    [
        csv_page({"Id": "001A"}, {"Id": "001B"}).body,
        csv_page({"Id": "001A"}).body[:-1],
        csv_page({"Id": "001A"}).body[:-30],
        b"<html>Sorry</html>\n",
        b'"Id"\n"001A"\n',
        b"",
        csv_page({"Id": "001A"}).body.replace(b"001A", b"\xff"),
    ],
    ids=["more", "cut", "cut in a value", "html", "columns", "empty", "not utf-8"],
)
def test_a_page_that_is_not_whole_is_no_page(body: bytes) -> None:
    with pytest.raises(CrmUnavailableError, match="bulk results") as raised:
        page_of_csv(CsvPage(body, 1), READING)
    assert "001A" not in str(raised.value)


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=12
) | st.sampled_from(['"', '""', ",", "\n", "\r\n", '",\n"', "#N/A", "null", " ", "'"])


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=40))
def test_any_text_comes_out_as_it_went_in(names: list[str]) -> None:
    page = page_of_csv(csv_page(*({"Id": f"001{number}", "Name": name} for number, name in enumerate(names))), READING)
    assert page.rows["accounts"]["name"].to_list() == names
