"""Bulk API 2.0 on a socket: by simple-salesforce as it is, and in raw HTTP where that client does not go."""

import csv
import io
import sqlite3
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.sandbox.process import Sandbox, running_sandbox
from integrations.sandbox.salesforce_bulk_csv import WrongCsvError, records_of
from integrations.sandbox.salesforce_bulk_query import QueryJobs, double_sql
from integrations.sandbox.salesforce_store import load, prepare
from integrations.sandbox.state import State
from tests.sandbox.salesforce_client import VERSION, Raw, signed_in

DATABASE = sqlite3.connect(":memory:")
NAMES = ["plain", 'quotes "and" commas, too', "two\nlines", "Ünïcode 🚀", "#N/A as text", ""]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        requests.put(running.admin_url + "/clock", json={"now": "2026-11-21T06:00:00Z"}, timeout=5)
        yield running


@pytest.fixture(scope="module")
def raw(sandbox: Sandbox) -> Raw:
    return Raw(sandbox)


def table(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def complete(raw: Raw, kind: str, job_id: str) -> dict[str, Any]:
    """Look at a job until it has ended; the states seen on the way are in ``seen``."""
    seen: list[str] = []
    while True:
        job: dict[str, Any] = raw.send("GET", f"jobs/{kind}/{job_id}").json()
        seen.append(job["state"])
        if job["state"] in ("JobComplete", "Failed", "Aborted"):
            return {**job, "seen": seen}


def query_job(raw: Raw, soql: str, **more: Any) -> str:
    made = raw.send("POST", "jobs/query", body={"operation": "query", "query": soql, **more})
    assert made.status_code == 200, made.text
    assert made.json()["state"] == "UploadComplete"
    return str(made.json()["id"])


def ingested(raw: Raw, data: str, *, upload: bool = True, **job: Any) -> dict[str, Any]:
    """The ended job that was given ``data``."""
    made = raw.send("POST", "jobs/ingest", body={"object": "Account", "operation": "insert", **job}).json()
    assert (made["state"], made["contentUrl"]) == ("Open", f"services/data/v{VERSION}/jobs/ingest/{made['id']}/batches")
    if upload:
        assert put(raw, made["id"], data).status_code == 201
    closed = raw.send("PATCH", f"jobs/ingest/{made['id']}", body={"state": "UploadComplete"})
    assert closed.json()["state"] == "UploadComplete"
    return complete(raw, "ingest", made["id"])


def put(raw: Raw, job_id: str, data: str) -> requests.Response:
    url = f"{raw.sandbox.salesforce.base_url}/services/data/v{VERSION}/jobs/ingest/{job_id}/batches"
    headers = {"Authorization": f"Bearer {raw.sandbox.salesforce.access_token}", "Content-Type": "text/csv"}
    return raw.session.put(url, data=data.encode(), headers=headers, timeout=10)


def results(raw: Raw, job: dict[str, Any], which: str) -> list[dict[str, str]]:
    answer = raw.send("GET", f"jobs/ingest/{job['id']}/{which}")
    answer.encoding = "utf-8"
    return table(answer.text)


def accounts(*rows: Sequence[str], header: Sequence[str] = ("Name", "AccountNumber")) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def test_simple_salesforce_queries_and_upserts_unmodified(sandbox: Sandbox, raw: Raw) -> None:
    sf = signed_in(sandbox)
    account = raw.send("POST", "sobjects/Account", body={"Name": "Bulk & Söhne"}).json()["id"]
    plans = [{"Plansync_Key__c": f"p{n}", "Account__c": account, "Name": name or "-"} for n, name in enumerate(NAMES)]
    plans.append({"Plansync_Key__c": "wrong", "Account__c": "001", "Name": "x"})
    told = sf.bulk2.Success_Plan__c.upsert(records=plans, external_id_field="Plansync_Key__c", wait=0)
    assert {name: told[0][name] for name in ("numberRecordsFailed", "numberRecordsProcessed")} == {
        "numberRecordsFailed": 1,
        "numberRecordsProcessed": 7,
    }
    failed = table(sf.bulk2.Success_Plan__c.get_failed_records(told[0]["job_id"]))
    assert [(row["Plansync_Key__c"], row["sf__Error"].partition(":")[0]) for row in failed] == [
        ("wrong", "MALFORMED_ID")
    ]
    soql = "SELECT Plansync_Key__c, Name, Account__r.Name FROM Success_Plan__c ORDER BY Plansync_Key__c"
    pages = list(sf.bulk2.Success_Plan__c.query(soql, max_records=4, wait=0))
    assert [len(table(page)) for page in pages] == [4, 2]
    rows = [row for page in pages for row in table(page)]
    assert [row["Name"] for row in rows] == [name or "-" for name in NAMES]
    assert {row["Account__r.Name"] for row in rows} == {"Bulk & Söhne"}


def test_values_are_written_as_bulk_writes_them(raw: Raw) -> None:
    odd = {"Annual_Recurring_Revenue__c": 16147805824397, "Seats__c": 12, "Renewal_Date__c": "2027-01-31"}
    raw.send("POST", "sobjects/Account", body={"Name": "odd one", "Strategic__c": True, **odd})
    fields = (
        "Name, Annual_Recurring_Revenue__c, Seats__c, Renewal_Date__c, Strategic__c, CreatedDate, Phone, Parent.Name"
    )
    soql = f"SELECT {fields} FROM Account WHERE Name = 'odd one'"  # noqa: S608 - it is SOQL
    job_id = query_job(raw, soql, lineEnding="CRLF", columnDelimiter="TAB")
    assert complete(raw, "query", job_id)["seen"] == ["InProgress", "JobComplete"]
    answer = raw.send("GET", f"jobs/query/{job_id}/results")
    head, line, rest = answer.content.decode().split("\r\n")
    assert head == "\t".join(f'"{name}"' for name in fields.split(", "))
    values = ["odd one", "1.6147805824397E13", "12.0", "2027-01-31", "true", "2026-11-21T06:00:00.000Z", "", ""]
    assert (line, rest) == ("\t".join(f'"{value}"' for value in values), "")


def test_a_locator_gives_the_same_bytes_again_whatever_happens_to_the_records(raw: Raw) -> None:
    job = ingested(raw, accounts(*[[f"loc {n:02}", "L"] for n in range(10)]))
    job_id = query_job(raw, "SELECT Id, Name FROM Account WHERE AccountNumber = 'L' ORDER BY Name")
    assert raw.send("GET", f"jobs/query/{job_id}/results").status_code == 412
    assert complete(raw, "query", job_id)["numberRecordsProcessed"] == 10
    first = raw.send("GET", f"jobs/query/{job_id}/results", params={"maxRecords": "4"})
    pages, locator = [first.content], first.headers["Sforce-Locator"]
    assert first.headers["Sforce-NumberOfRecords"] == "4"
    raw.send("DELETE", f"sobjects/Account/{results(raw, job, 'successfulResults')[3]['sf__Id']}")
    for _ in range(2):
        again = raw.send("GET", f"jobs/query/{job_id}/results", params={"maxRecords": "6", "locator": locator})
        assert (again.headers["Sforce-Locator"], again.headers["Sforce-NumberOfRecords"]) == ("null", "6")
        pages.append(again.content)
    assert pages[1] == pages[2]
    assert [row["Name"] for page in pages[:2] for row in table(page.decode())] == [f"loc {n:02}" for n in range(10)]
    assert raw.send("GET", f"jobs/query/{job_id}/resultPages").json() == {
        "resultPages": [{"resultUrl": f"/services/data/v{VERSION}/jobs/query/{job_id}/results?locator=MA"}],
        "done": True,
    }
    old = raw.sandbox.salesforce.base_url + f"/services/data/v65.0/jobs/query/{job_id}/results"
    token = {"Authorization": f"Bearer {raw.sandbox.salesforce.access_token}"}
    assert raw.session.get(old, headers=token, timeout=10).status_code == 409
    assert raw.send("DELETE", f"jobs/query/{job_id}").status_code == 204
    assert raw.send("GET", f"jobs/query/{job_id}").status_code == 404


def test_deleted_records_are_found_by_query_all_only(raw: Raw) -> None:
    ingested(raw, accounts(["gone", "D"], ["here", "D"]))
    gone = raw.query("SELECT Id FROM Account WHERE AccountNumber = 'D' AND Name = 'gone'")["records"][0]["Id"]
    assert ingested(raw, f"Id\n{gone}\n", operation="delete")["numberRecordsFailed"] == 0
    counts = []
    for operation in ("query", "queryAll"):
        soql = "SELECT Id, IsDeleted FROM Account WHERE AccountNumber = 'D'"
        counts.append(complete(raw, "query", query_job(raw, soql, operation=operation))["numberRecordsProcessed"])
    assert counts == [1, 2]


def test_an_empty_value_keeps_and_a_null_word_empties(raw: Raw) -> None:
    job = ingested(raw, accounts(["keep", "K"], ["drop", "K"]))
    ids = {row["Name"]: row["sf__Id"] for row in results(raw, job, "successfulResults")}
    assert {row["sf__Created"] for row in results(raw, job, "successfulResults")} == {"true"}
    rows = [[ids["keep"], "", "5"], [ids["drop"], "#N/A", "#N/A"], ["001", "x", "1"], [ids["keep"], "y", "many"]]
    job = ingested(raw, accounts(*rows, header=["Id", "AccountNumber", "Seats__c"]), operation="update")
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (4, 2)
    errors = {row["Id"]: row["sf__Error"] for row in results(raw, job, "failedResults")}
    wrong_type = "INVALID_TYPE_ON_FIELD_IN_RECORD:Seats: value not of required type: many:Seats__c --"
    assert errors == {"001": "MALFORMED_ID:malformed id 001:Id --", ids["keep"]: wrong_type}
    kept = raw.query("SELECT Name, AccountNumber, Seats__c FROM Account WHERE Name IN ('keep', 'drop') ORDER BY Name")
    assert [(row["AccountNumber"], row["Seats__c"]) for row in kept["records"]] == [(None, None), ("K", 5.0)]


def test_a_parent_is_found_by_its_external_id_and_a_repeated_key_is_refused(raw: Raw) -> None:
    account = raw.send("POST", "sobjects/Account", body={"Name": "parent"}).json()["id"]
    raw.send("POST", "sobjects/Success_Plan__c", body={"Name": "n", "Account__c": account, "Plansync_Key__c": "top"})
    data = "Success_Plan__r.Plansync_Key__c|Plansync_Key__c|Body__c\r\ntop|s1|one\r\ntop|s1|two\r\nnone|s2|three\r\n"
    options = {"columnDelimiter": "PIPE", "lineEnding": "CRLF", "externalIdFieldName": "Plansync_Key__c"}
    job = ingested(raw, data, object="Success_Plan_Section__c", operation="upsert", **options)
    assert job["externalIdFieldName"] == "Plansync_Key__c"
    answer = raw.send("GET", f"jobs/ingest/{job['id']}/failedResults").text
    assert sorted(row["sf__Error"].partition(":")[0] for row in table(answer, "|")) == [
        "DUPLICATE_VALUE",
        "INVALID_FIELD",
    ]


@pytest.mark.parametrize(
    ("data", "job", "error"),
    [
        ("Nme\nx\n", {}, "InvalidBatch : Field name not found : Nme"),
        ("Name\nx\n", {"operation": "update"}, "InvalidBatch : Field name not found : Id"),
        (
            "Name\r\nx\r\n",
            {},
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
        ),
        ('Name\n"x\n', {}, "ClientInputError : Failed to parse CSV. Found unescaped quote"),
        ("Name\nx\ny,z\nw\n", {}, "InvalidBatch : Failed to parse CSV. A row has another number of values"),
    ],
    ids=["field", "id", "line ending", "quote", "ragged"],
)
def test_data_that_cannot_be_read_fails_the_job(raw: Raw, data: str, job: dict[str, str], error: str) -> None:
    ended = ingested(raw, data, **job)
    assert (ended["state"], ended["errorMessage"]) == ("Failed", error)


def test_an_aborted_job_shows_what_it_never_came_to(raw: Raw) -> None:
    made = raw.send("POST", "jobs/ingest", body={"object": "Account", "operation": "insert"}).json()
    put(raw, made["id"], accounts(["never", 'A "1"'], ["ever", "two\nlines"]))
    assert "only do 'PUT' once" in put(raw, made["id"], "x").json()[0]["message"]
    assert raw.send("GET", f"jobs/ingest/{made['id']}/failedResults").json()[0]["errorCode"] == "INVALIDJOBSTATE"
    assert raw.send("PATCH", f"jobs/ingest/{made['id']}", body={"state": "Aborted"}).json()["state"] == "Aborted"
    unprocessed = results(raw, made, "unprocessedrecords")
    assert [(row["Name"], row["AccountNumber"]) for row in unprocessed] == [("never", 'A "1"'), ("ever", "two\nlines")]
    assert raw.query("SELECT COUNT() FROM Account WHERE Name IN ('never', 'ever')")["totalSize"] == 0
    again = raw.send("PATCH", f"jobs/ingest/{made['id']}", body={"state": "Aborted"})
    assert (again.status_code, again.json()[0]["errorCode"]) == (400, "INVALIDJOBSTATE")
    assert made["id"] in [job["id"] for job in raw.send("GET", "jobs/ingest").json()["records"]]


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Nme FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Acount", "INVALID_TYPE"),
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("SELECT COUNT() FROM Account", "API_ERROR"),
        ("SELECT Id FROM Account OFFSET 5", "API_ERROR"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "API_ERROR"),
        ("SELECT Industry FROM Account GROUP BY Industry", "API_ERROR"),
        ("", "INVALIDJOB"),
    ],
)
def test_refuses_a_query_that_bulk_cannot_run(raw: Raw, soql: str, code: str) -> None:
    answer = raw.send("POST", "jobs/query", body={"operation": "query", "query": soql})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


def test_a_bulk_request_needs_a_token_and_counts(sandbox: Sandbox, raw: Raw) -> None:
    before = requests.get(sandbox.admin_url + "/requests", timeout=5).json()["counts"]["salesforce"]["read"]
    url = f"{sandbox.salesforce.base_url}/services/data/v{VERSION}/jobs/query"
    assert requests.get(url, timeout=5).json()[0]["errorCode"] == "INVALID_SESSION_ID"
    assert raw.send("GET", "jobs/query").headers["Sforce-Limit-Info"].startswith("api-usage=")
    after = requests.get(sandbox.admin_url + "/requests", timeout=5).json()["counts"]["salesforce"]["read"]
    assert after == before + 2


def test_result_pages_come_five_at_a_time() -> None:
    state = State()
    prepare(state)
    load(state, "Account", [{"Name": str(number)} for number in range(12)])
    jobs = QueryJobs(state, page_records=2)
    job = jobs.create({"operation": "query", "query": "SELECT Name FROM Account ORDER BY CreatedDate"}, VERSION)
    while job.state != "JobComplete":
        job = jobs.looked_at(job.id)
    first = jobs.result_pages(job, None)
    second = jobs.result_pages(job, first["nextRecordsUrl"].partition("locator=")[2])
    assert (first["done"], second["done"]) == (False, True)
    urls = [page["resultUrl"] for page in (*first["resultPages"], *second["resultPages"])]
    assert [len(first["resultPages"]), len(set(urls))] == [5, 6]
    pages = [jobs.results(job, url.partition("locator=")[2], None) for url in urls]
    rows = [row["Name"] for page in pages for row in table(b"".join(page.parts).decode())]
    assert rows == [str(number) for number in range(12)]
    state.close()


@settings(max_examples=200, deadline=None)
@given(st.decimals(-(10**14), 10**14, places=3, allow_nan=False) | st.decimals(-1, 1, places=9, allow_nan=False))
def test_a_number_is_written_as_java_does(amount: Decimal) -> None:
    value = float(f"{amount:.14e}")
    text = DATABASE.execute(f"SELECT {double_sql('?1')}", (value,)).fetchone()[0]
    assert float(text) == value
    assert ("E" in text) == (value != 0 and not 1e-3 <= abs(value) < 1e7)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_data_is_read_the_same_however_it_is_cut(size: int) -> None:
    lines = [["Id", "Name"], *([str(number), name] for number, name in enumerate(NAMES))]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    data = text.getvalue().encode()
    assert list(records_of((data[at : at + size] for at in range(0, len(data), size)), ",", "\n")) == lines
    with pytest.raises(WrongCsvError):
        list(records_of([data, b"\xff"], ",", "\n"))
