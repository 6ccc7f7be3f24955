"""Several requests in one, in raw HTTP: order, references, refusals, all or none, and what is counted."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from integrations.sandbox.process import Sandbox, running_sandbox
from tests.sandbox.salesforce_client import VERSION, Raw

ROOT = f"/services/data/v{VERSION}"
BY_KEY = "composite/sobjects/Task/Plansync_Key__c"
HALTED = {
    "errorCode": "PROCESSING_HALTED",
    "message": "The transaction was rolled back since another operation in the same transaction failed.",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        requests.put(running.admin_url + "/clock", json={"now": "2026-11-21T06:00:00Z"}, timeout=5)
        yield running


@pytest.fixture(scope="module")
def raw(sandbox: Sandbox) -> Raw:
    return Raw(sandbox)


def inner(reference: str, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if body is None else {"body": body}
    return {"referenceId": reference, "method": method, "url": f"{ROOT}/{path}", **given, **more}


def tasks(*records: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"records": [{"attributes": {"type": "Task"}, **each} for each in records], **more}


def composed(raw: Raw, *parts: Mapping[str, Any], **more: Any) -> list[Any]:
    answer = raw.send("POST", "composite", body={"compositeRequest": parts, **more})
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["compositeResponse"]
    assert [each["referenceId"] for each in found] == [each["referenceId"] for each in parts]
    assert all(set(each) == {"body", "httpHeaders", "httpStatusCode", "referenceId"} for each in found)
    return found


def counted(raw: Raw, pattern: str) -> int:
    return int(raw.query(f"SELECT Id FROM Task WHERE Plansync_Key__c LIKE '{pattern}'")["totalSize"])  # noqa: S608


def test_upserts_by_key_and_updates_by_id_answer_row_by_row(raw: Raw) -> None:
    known = raw.collection("PATCH", BY_KEY, "Task", {"Plansync_Key__c": "old", "Subject": "Old"})[0]["id"]
    new = tasks({"Plansync_Key__c": "new-1", "Subject": "1"}, {"Plansync_Key__c": "new-2", "OwnerId": "x"})
    old = tasks({"id": "00T5m00000zzzzz", "Subject": "No"}, {"id": known, "Subject": "New"})
    made, changed = composed(
        raw, inner("new", "PATCH", BY_KEY, new), inner("old", "PATCH", "composite/sobjects", old), allOrNone=False
    )
    assert (made["httpStatusCode"], changed["httpStatusCode"]) == (200, 200)
    assert [(each["success"], each.get("created")) for each in made["body"]] == [(True, True), (False, None)]
    assert changed["body"][0]["errors"][0]["statusCode"] == "INVALID_CROSS_REFERENCE_KEY"
    assert changed["body"][1] == {"id": known, "success": True, "errors": []}
    assert raw.send("GET", f"sobjects/Task/{known}").json()["Subject"] == "New"
    assert counted(raw, "new-%") == 1


def test_the_whole_is_one_call_and_a_write_only_if_a_part_writes(sandbox: Sandbox, raw: Raw) -> None:
    requests.delete(sandbox.admin_url + "/requests", timeout=5)
    before = raw.send("GET", "limits").json()["DailyApiRequests"]["Remaining"]
    first = tasks({"Plansync_Key__c": "counted-1"}, {"Plansync_Key__c": "counted-2"})
    composed(
        raw, inner("a", "PATCH", BY_KEY, first), inner("b", "PATCH", BY_KEY, tasks({"Plansync_Key__c": "counted-3"}))
    )
    composed(raw, inner("q", "GET", "query?q=SELECT+Id+FROM+User"), inner("none", "GET", "sobjects/Task/nothing"))
    assert raw.send("GET", "limits").json()["DailyApiRequests"]["Remaining"] == before - 3
    seen = requests.get(sandbox.admin_url + "/requests?list=true&crm=salesforce", timeout=5).json()["requests"]
    whole, read = (each for each in seen if each["path"] == f"{ROOT}/composite")
    assert (whole["kind"], whole["status"], whole["records"]) == ("write", 200, 3)
    assert (read["kind"], read["status"]) == ("read", 200)


def test_later_requests_refer_to_earlier_ones(raw: Raw) -> None:
    plan = {"Account__c": "@{account.id}", "Plansync_Key__c": "referred"}
    account, made, found, lost, last = composed(
        raw,
        inner("account", "POST", "sobjects/Account", {"Name": "Referred"}),
        inner("plan", "POST", "sobjects/Success_Plan__c", plan),
        inner("query", "GET", "query?q=SELECT+Account__c+FROM+Success_Plan__c+WHERE+Id+=+'@{plan.id}'"),
        inner("lost", "PATCH", "sobjects/Account/@{nobody.id}", {"Name": "x"}),
        inner("last", "PATCH", "sobjects/Account/@{query.records[0].Account__c}", {"Name": "Referred again"}),
    )
    account_id = account["body"]["id"]
    assert (account["httpStatusCode"], made["httpStatusCode"]) == (201, 201)
    assert account["httpHeaders"] == {"Location": f"{ROOT}/sobjects/Account/{account_id}"}
    assert found["body"]["records"][0]["Account__c"] == account_id
    assert (lost["httpStatusCode"], lost["body"][0]["errorCode"]) == (400, "PROCESSING_HALTED")
    assert "No value for nobody.id" in lost["body"][0]["message"]
    assert (last["httpStatusCode"], last["body"]) == (204, None)
    assert raw.send("GET", f"sobjects/Account/{account_id}").json()["Name"] == "Referred again"


@pytest.mark.parametrize("text", ["@{first.nothing}", "@{first}", "@{first.errors[3]}", "@{bad.id}", "@{later.id}"])
def test_a_reference_to_nothing_halts_its_request_alone(raw: Raw, text: str) -> None:
    first, bad, this, later = composed(
        raw,
        inner("first", "POST", "sobjects/Account", {"Name": "First"}),
        inner("bad", "POST", "sobjects/Account", {}),
        inner("this", "PATCH", "composite/sobjects", tasks({"id": "00T5m0000000001", "Subject": text})),
        inner("later", "POST", "sobjects/Account", {"Name": "Later"}),
    )
    assert [each["httpStatusCode"] for each in (first, bad, this, later)] == [201, 400, 400, 201]
    assert this["body"][0]["errorCode"] == "PROCESSING_HALTED"


def test_a_part_that_fails_leaves_the_others_unless_all_or_none(raw: Raw) -> None:
    good = inner("good", "PATCH", BY_KEY, tasks({"Plansync_Key__c": "kept"}))
    bad = inner("bad", "PATCH", BY_KEY, tasks({"Plansync_Key__c": "bad", "Foo__c": 1}))
    kept, refused = composed(raw, good, bad)
    assert (kept["httpStatusCode"], refused["httpStatusCode"]) == (200, 400)
    assert refused["body"][0]["errorCode"] == "INVALID_FIELD"
    assert counted(raw, "kept") == 1
    undone = inner("undone", "PATCH", BY_KEY, tasks({"Plansync_Key__c": "undone"}))
    halted, refused = composed(raw, undone, bad, allOrNone=True)
    assert (halted["httpStatusCode"], halted["body"]) == (400, [HALTED])
    assert refused["body"][0]["errorCode"] == "INVALID_FIELD"
    assert counted(raw, "undone") == 0


def test_all_or_none_of_the_whole_rules_the_collections_inside(raw: Raw) -> None:
    rows = tasks({"Plansync_Key__c": "ruled-1"}, {"Plansync_Key__c": "ruled-2", "OwnerId": "x"}, allOrNone=False)
    parts = inner("one", "POST", "sobjects/Account", {"Name": "Ruled"}), inner("two", "PATCH", BY_KEY, rows)
    one, two = composed(raw, *parts, allOrNone=True)
    assert one["body"] == [HALTED]
    assert [each["errors"][0]["statusCode"] for each in two["body"]] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "MALFORMED_ID",
    ]
    assert counted(raw, "ruled-%") == 0
    one, two = composed(raw, *parts)
    assert (one["httpStatusCode"], counted(raw, "ruled-%")) == (201, 1)


def test_unknown_paths_inside_are_not_found(raw: Raw) -> None:
    paths = ["limits", "composite", "sobjects/Nothing", "nothing"]
    found = composed(raw, *(inner(f"r{number}", "GET", path) for number, path in enumerate(paths)))
    assert [each["body"][0]["errorCode"] for each in found] == ["NOT_FOUND"] * 4
    old = {"referenceId": "old", "method": "GET", "url": "/services/data/v12.0/sobjects"}
    assert composed(raw, old)[0]["httpStatusCode"] == 404


QUERY = inner("q", "GET", "query?q=SELECT+Id+FROM+User")
WRITE = inner("w", "POST", "sobjects/Account", {"Name": "Never"})


@pytest.mark.parametrize(
    "parts",
    [
        None,
        [],
        ["text"],
        [WRITE, WRITE],
        [{**WRITE, "referenceId": None}],
        [{**WRITE, "referenceId": "a-b"}],
        [{**WRITE, "method": "post"}],
        [{**WRITE, "url": "https://elsewhere.example/services/data/v66.0/sobjects/Account"}],
        [{**WRITE, "httpHeaders": {"content-type": "text/plain"}}],
        [{**WRITE, "referenceId": f"r{number}"} for number in range(26)],
        [WRITE, *({**QUERY, "referenceId": f"q{number}"} for number in range(6))],
        [WRITE, *(inner(f"c{number}", "PATCH", BY_KEY, tasks({"Plansync_Key__c": "never"})) for number in range(6))],
    ],
    ids=["none", "empty", "text", "twice", "blank", "sign", "method", "url", "header", "26", "queries", "collections"],
)
def test_a_malformed_whole_is_refused_and_does_nothing(raw: Raw, parts: Any) -> None:
    answer = raw.send("POST", "composite", body={"compositeRequest": parts})
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"]
    assert raw.query("SELECT Id FROM Account WHERE Name = 'Never'")["totalSize"] == 0
    assert counted(raw, "never") == 0


def test_25_requests_and_5_collections_are_fine(raw: Raw) -> None:
    many = [{**inner(f"r{number}", "POST", "sobjects/Account", {"Name": "Many"})} for number in range(20)]
    heavy = [{**QUERY, "referenceId": f"q{number}"} for number in range(5)]
    assert {each["httpStatusCode"] for each in composed(raw, *many, *heavy)} == {200, 201}


def test_headers_of_a_request_inside_are_its_own(raw: Raw) -> None:
    people = {"records": [{"attributes": {"type": "Contact"}, "LastName": f"P{number}"} for number in range(200)]}
    composed(raw, inner("a", "POST", "composite/sobjects", people), inner("b", "POST", "composite/sobjects", people))
    headers = {"Sforce-Query-Options": "batchSize=200"}
    small, whole = composed(
        raw,
        inner("small", "GET", "query?q=SELECT+Id+FROM+Contact", httpHeaders=headers),
        inner("whole", "GET", "query?q=SELECT+Id+FROM+Contact"),
    )
    assert (len(small["body"]["records"]), small["body"]["done"]) == (200, False)
    assert whole["body"]["done"] is True
