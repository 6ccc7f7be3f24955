"""Every kind of trouble, ordered at the side door of a sandbox on a socket and seen by a plain client."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.sandbox.fault_answers import Ask, Told
from integrations.sandbox.fault_kinds import KINDS
from integrations.sandbox.fault_pages import told
from integrations.sandbox.fault_reference import reference
from integrations.sandbox.faults import FIELDS, Fault
from integrations.sandbox.process import Sandbox, running_sandbox

PAGE = Path(__file__).parents[2] / "docs/reference/sandbox-faults.md"
SF = "/services/data/v66.0"
HS = "/crm/objects/2026-09"


@dataclass
class World:
    """One sandbox, its side door, and a plain client of both CRMs."""

    sandbox: Sandbox

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, self.sandbox.admin_url + path, json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, crm: str, kind: str, **more: Any) -> Any:
        return self.admin("POST", "/faults", {"crm": crm, "kind": kind, **more})

    def tick(self, seconds: int) -> None:
        now = datetime.fromisoformat(self.admin("GET", "/clock")["now"]).timestamp() + seconds
        self.admin("PUT", "/clock", {"now": datetime.fromtimestamp(now).astimezone().isoformat()})

    def call(self, crm: str, method: str, path: str, body: Any = None, **params: str) -> requests.Response:
        details = self.sandbox.salesforce if crm == "salesforce" else self.sandbox.hubspot
        headers = {"Authorization": f"Bearer {details.access_token}"}
        url = details.base_url + path
        return requests.request(method, url, json=body, params=params, headers=headers, timeout=5)

    def soql(self, query: str) -> Any:
        return self.call("salesforce", "GET", f"{SF}/query", q=query).json()

    def search(self, kind: str, **body: Any) -> Any:
        return self.call("hubspot", "POST", f"{HS}/{kind}/search", body).json()

    def accounts(self, *names: str) -> list[str]:
        rows = [{"attributes": {"type": "Account"}, "Name": name} for name in names]
        made = self.call("salesforce", "POST", f"{SF}/composite/sobjects", {"records": rows}).json()
        return [each["id"] for each in made]

    def companies(self, *names: str) -> list[str]:
        inputs = [{"properties": {"name": name}} for name in names]
        made = self.call("hubspot", "POST", f"{HS}/companies/batch/create", {"inputs": inputs}).json()["results"]
        return [each["id"] for each in made]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(as_of=date(2026, 11, 21)) as running:
        yield running


@pytest.fixture
def world(sandbox: Sandbox) -> Iterator[World]:
    made = World(sandbox)
    made.tick(3600)
    yield made
    made.admin("DELETE", "/faults")


# -- orders -----------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_code_does() -> None:
    assert PAGE.read_text() == reference()
    assert list(FIELDS) == [each.name for each in fields(Fault)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_of_the_page_is_accepted(world: World, kind: str) -> None:
    example = dict(KINDS[kind].example)
    world.companies("Any")
    if "ids" in example:
        example["ids"] = world.companies("Example") if example["crm"] == "hubspot" else world.accounts("Example")
    if kind == "restore":
        world.call("salesforce", "DELETE", f"{SF}/sobjects/Account/{example['ids'][0]}")
    answer = world.admin("POST", "/faults", example)
    assert answer.get("touched", 0) > 0 or [each["kind"] for each in answer["faults"]] == [kind]


def test_an_order_that_cannot_be_is_refused_with_what_can(world: World) -> None:
    for wrong in ({"kind": "flood"}, {"kind": "disorder"}, {"kind": "down", "share": 2}, {"kind": "down", "sice": 2}):
        answer = requests.post(f"{world.sandbox.admin_url}/faults", json={"crm": "salesforce", **wrong}, timeout=5)
        assert answer.status_code == 400
    assert "commit_then_drop" in requests.post(
        f"{world.sandbox.admin_url}/faults", json={"crm": "hubspot", "kind": "flood"}, timeout=5
    ).text  # fmt: skip


def test_faults_let_some_pass_count_what_they_struck_and_add_up(world: World) -> None:
    world.accounts("One", "Two", "Three")
    world.fault("salesforce", "down", after=2, count=1)
    world.fault("salesforce", "wrong_total", by=5)
    world.fault("salesforce", "page_shrink", size=1)
    found = [world.call("salesforce", "GET", f"{SF}/query", q="SELECT Id FROM Account LIMIT 3") for _ in range(4)]
    assert [each.status_code for each in found] == [200, 200, 503, 200]
    assert (found[0].json()["totalSize"], len(found[0].json()["records"]), found[0].json()["done"]) == (8, 1, False)
    struck = {each["kind"]: each["struck"] for each in world.admin("GET", "/faults?all=true")["faults"]}
    assert struck == {"down": 1, "wrong_total": 4, "page_shrink": 4}
    assert [each["kind"] for each in world.admin("GET", "/faults")["faults"]] == ["wrong_total", "page_shrink"]


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["SECONDLY", "TEN_SECONDLY_ROLLING", "DAILY"])
def test_hubspots_limits_name_their_policy(world: World, policy: str) -> None:
    world.fault("hubspot", "rate_limit", variant=policy, retry_after_s=7)
    answer = world.call("hubspot", "GET", f"{HS}/companies")
    assert (answer.status_code, answer.json()["policyName"], answer.headers["Retry-After"]) == (429, policy, "7")


@pytest.mark.parametrize(
    ("crm", "variant", "told"),
    [
        ("salesforce", "INVALID_SESSION_ID", "INVALID_SESSION_ID"),
        ("salesforce", "INVALID_AUTH_HEADER", "INVALID_AUTH_HEADER"),
        ("salesforce", "INVALID_JWT_FORMAT", "INVALID_JWT_FORMAT"),
        ("salesforce", "OBJECT", '{"error":'),
        ("salesforce", "HTML", "<html>"),
        ("hubspot", "", "INVALID_AUTHENTICATION"),
        ("hubspot", "EXPIRED_AUTHENTICATION", "EXPIRED_AUTHENTICATION"),
        ("hubspot", "HTML", "<html>"),
    ],
)
def test_tokens_are_refused_in_every_way(world: World, crm: str, variant: str, told: str) -> None:
    world.fault(crm, "unauthorized", variant=variant)
    answer = world.call(crm, "GET", f"{SF}/limits" if crm == "salesforce" else f"{HS}/companies")
    assert answer.status_code == 401
    assert told in answer.text


def test_salesforces_limits_are_403_of_two_kinds(world: World) -> None:
    world.fault("salesforce", "rate_limit", variant="CONCURRENT", count=1)
    world.fault("salesforce", "rate_limit", count=1)
    said = [world.call("salesforce", "GET", f"{SF}/limits") for _ in range(2)]
    assert [(each.status_code, each.json()[0]["errorCode"]) for each in said] == [(403, "REQUEST_LIMIT_EXCEEDED")] * 2
    assert ["TotalRequests" in each.text for each in said] == [False, True]


def test_a_whole_batch_conflicts_and_a_key_matches_twice(world: World) -> None:
    world.fault("hubspot", "conflict", count=1)
    body = {"inputs": [{"properties": {"name": "In conflict"}}]}
    assert world.call("hubspot", "POST", f"{HS}/companies/batch/create", body).status_code == 409
    assert world.call("hubspot", "POST", f"{HS}/companies/batch/create", body).status_code == 201
    world.fault("salesforce", "multiple_matches", count=1)
    path = f"{SF}/sobjects/Task/Plansync_Key__c/twice"
    answer = world.call("salesforce", "PATCH", path, {"Subject": "Twice"})
    assert answer.status_code == 300
    assert [each.rpartition("/")[0] for each in answer.json()] == [f"{SF}/sobjects/Task"] * 2


# -- the line ---------------------------------------------------------------------------------------------------------


def test_a_request_can_hang(world: World) -> None:
    world.fault("hubspot", "hang", count=1)
    details = world.sandbox.hubspot
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{details.base_url}{HS}/companies", timeout=0.2)
    assert world.call("hubspot", "GET", f"{HS}/companies").status_code == 200


# -- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["invalid_json", "html"])
def test_a_page_can_be_garbled(world: World, kind: str) -> None:
    world.fault("salesforce", kind, count=1, path="/limits")
    answer = world.call("salesforce", "GET", f"{SF}/limits")
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_pages_shrink_lose_rows_and_double_them(world: World) -> None:
    world.companies(*(f"Page {number}" for number in range(10)))
    world.fault("hubspot", "page_shrink", size=4)
    listed = world.call("hubspot", "GET", f"{HS}/companies", limit="100").json()
    assert len(listed["results"]) == len(world.search("companies", limit=100)["results"]) == 4
    assert listed["paging"]["next"]["after"] == listed["results"][-1]["id"]
    world.fault("hubspot", "truncate_page", share=0.5, count=1)
    world.fault("hubspot", "dup_rows", share=0.5, after=1)
    short, doubled = (world.call("hubspot", "GET", f"{HS}/companies", limit="100").json() for _ in range(2))
    assert (len(short["results"]), len(doubled["results"])) == (2, 6)
    assert len({each["id"] for each in doubled["results"]}) == 4
    assert short["paging"] == doubled["paging"] == listed["paging"]


def test_a_next_page_can_be_the_same_again(world: World) -> None:
    world.accounts("Same", "again", "and again")
    world.companies("Same", "again", "and again")
    for crm in ("salesforce", "hubspot"):
        world.fault(crm, "page_shrink", size=1)
        world.fault(crm, "repeat_page", after=1)
    first = world.soql("SELECT Id FROM Account")
    second = world.call("salesforce", "GET", first["nextRecordsUrl"]).json()
    assert second["nextRecordsUrl"] == first["nextRecordsUrl"]
    after = world.call("hubspot", "GET", f"{HS}/companies").json()["paging"]["next"]["after"]
    assert world.call("hubspot", "GET", f"{HS}/companies", after=after).json()["paging"]["next"]["after"] == after


def test_a_search_may_keep_no_order_and_know_no_bounds(world: World) -> None:
    first, *_ = world.companies("Older")
    world.tick(60)
    second, *_ = world.companies("Newer")
    asked = {"sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}], "properties": ["hs_object_id"]}
    until = datetime.fromisoformat(world.admin("GET", "/clock")["now"]).timestamp() * 1000 - 1000
    window = {"propertyName": "hs_lastmodifieddate", "operator": "BETWEEN", "value": f"{until - 90_000:.0f}"}
    asked["filterGroups"] = [{"filters": [{**window, "highValue": f"{until:.0f}"}]}]
    assert [each["id"] for each in world.search("companies", **asked)["results"]] == [first]
    world.fault("hubspot", "outside_window", by=5_000)
    assert [each["id"] for each in world.search("companies", **asked)["results"]] == [first, second]
    world.fault("hubspot", "disorder")
    assert [each["id"] for each in world.search("companies", **asked)["results"]] == [second, first]


def test_texts_can_be_nasty_in_json_and_in_csv(world: World) -> None:
    (account,) = world.accounts("Nasty")
    world.fault("salesforce", "nasty_text", object="Account", field="Name")
    name = world.soql(f"SELECT Name FROM Account WHERE Id = '{account}'")["records"][0]["Name"]  # noqa: S608
    assert name == 'Nasty\r\n"quoted", and\x00more'
    fault = Fault("salesforce", "nasty_text", object="Account", field="Name")
    ask = Ask("GET", f"{SF}/jobs/query/750/results", "", {})
    given = Told(200, {"content-type": "text/csv"}, b'"Id","Name"\n"1","Plain"\n')
    rows = list(csv.reader(io.StringIO(told(fault, ask, given).body.decode(), newline="")))
    assert rows == [["Id", "Name"], ["1", 'Plain\r\n"quoted", and\x00more']]


def test_bulk_polls_break_and_bulk_pages_lie(world: World) -> None:
    world.accounts("Bulk", "of", "three")
    body = {"operation": "query", "query": "SELECT Id, Name FROM Account"}
    job = f"{SF}/jobs/query/" + world.call("salesforce", "POST", f"{SF}/jobs/query", body).json()["id"]
    world.fault("salesforce", "status", path="/jobs/query/", methods=["GET"], count=1)
    assert [world.call("salesforce", "GET", job).status_code for _ in range(2)] == [503, 200]
    assert world.call("salesforce", "GET", job).json()["state"] == "JobComplete"
    results = f"{job}/results"
    whole = world.call("salesforce", "GET", results, maxRecords="1000")
    count = int(whole.headers["Sforce-NumberOfRecords"])
    world.fault("salesforce", "nasty_text", object="Account", field="Name", count=1)
    world.fault("salesforce", "wrong_total", by=-1, count=1)
    nasty = world.call("salesforce", "GET", results, maxRecords="1000")
    rows = list(csv.DictReader(io.StringIO(nasty.text, newline="")))
    assert (len(rows), int(nasty.headers["Sforce-NumberOfRecords"])) == (count, count - 1)
    assert all(row["Name"].endswith('\r\n"quoted", and\x00more') for row in rows)
    first = world.call("salesforce", "GET", results, maxRecords="1").headers["Sforce-Locator"]
    world.fault("salesforce", "repeat_page", path="/results", count=1)
    again = world.call("salesforce", "GET", results, maxRecords="1", locator=first)
    assert again.headers["Sforce-Locator"] == first
    world.fault("salesforce", "truncate_page", path="/results", share=0.5, count=1)
    short = world.call("salesforce", "GET", results, maxRecords="1000")
    assert len(list(csv.reader(io.StringIO(short.text, newline="")))) - 1 < count


# -- rows -------------------------------------------------------------------------------------------------------------


def rows_of(world: World, number: int) -> list[dict[str, Any]]:
    return [{"attributes": {"type": "Account"}, "Name": f"Row {each}"} for each in range(number)]


@pytest.mark.parametrize("is_composite", [False, True])
def test_some_rows_of_a_salesforce_write_are_refused_the_others_written(world: World, is_composite: bool) -> None:
    world.fault("salesforce", "row_error", share=0.3, seed=4, code="DUPLICATES_DETECTED")
    body: dict[str, Any] = {"allOrNone": False, "records": rows_of(world, 20)}
    path = f"{SF}/composite/sobjects"
    if is_composite:
        body = {"compositeRequest": [{"method": "POST", "url": path, "referenceId": "a", "body": body}]}
        path = f"{SF}/composite"

    def results() -> list[dict[str, Any]]:
        answer = world.call("salesforce", "POST", path, body).json()
        return answer["compositeResponse"][0]["body"] if is_composite else answer

    before = world.soql("SELECT COUNT() FROM Account")["totalSize"]
    found = results()
    lost = [place for place, each in enumerate(found) if not each["success"]]
    assert 0 < len(lost) < 20
    assert found[lost[0]]["errors"][0]["statusCode"] == "DUPLICATES_DETECTED"
    assert world.soql("SELECT COUNT() FROM Account")["totalSize"] - before == 20 - len(lost)
    for place in {0, 7, 19} - set(lost):  # each result stands in its row's place
        read = world.call("salesforce", "GET", f"{SF}/sobjects/Account/{found[place]['id']}").json()
        assert read["Name"] == f"Row {place}"
    assert [place for place, each in enumerate(results()) if not each["success"]] == lost


def test_locked_rows_are_free_another_time(world: World) -> None:
    world.fault("salesforce", "lock_row", share=0.5, seed=1)
    body = {"allOrNone": False, "records": rows_of(world, 30)}
    answers = [world.call("salesforce", "POST", f"{SF}/composite/sobjects", body).json() for _ in range(2)]
    lost = [[place for place, each in enumerate(found) if not each["success"]] for found in answers]
    assert lost[0] != lost[1]
    assert answers[0][lost[0][0]]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"


@pytest.mark.parametrize(("version", "status"), [("2026-09", 201), ("2026-03", 207)])
def test_some_rows_of_a_hubspot_batch_are_refused(world: World, version: str, status: int) -> None:
    world.fault("hubspot", "row_error", share=0.3, seed=4)
    inputs = [{"properties": {"name": f"Row {each}"}} for each in range(20)]
    path = f"/crm/objects/{version}/companies/batch/create"
    assert world.call("hubspot", "POST", path, {"inputs": inputs}).status_code == 400
    traced = [{**each, "objectWriteTraceId": str(place)} for place, each in enumerate(inputs)]
    answer = world.call("hubspot", "POST", path, {"inputs": traced})
    refused = {each["context"]["objectWriteTraceId"][0] for each in answer.json()["errors"]}
    written = {each["objectWriteTraceId"] for each in answer.json()["results"]}
    assert answer.status_code == status
    assert refused
    assert written
    assert refused | written == {str(place) for place in range(20)}


# -- schemas ----------------------------------------------------------------------------------------------------------


def described(world: World, crm: str) -> dict[str, Any]:
    if crm == "salesforce":
        answer = world.call(crm, "GET", f"{SF}/sobjects/Account/describe").json()["fields"]
    else:
        answer = world.call(crm, "GET", "/crm/properties/2026-09/companies").json()["results"]
    return {each["name"]: each for each in answer}


def test_a_salesforce_field_leaves_or_changes_its_name_or_type(world: World) -> None:
    (account,) = world.accounts("Drifts")
    world.call("salesforce", "PATCH", f"{SF}/sobjects/Account/{account}", {"Annual_Recurring_Revenue__c": 12})
    soql = f"SELECT {{}} FROM Account WHERE Id = '{account}'"  # noqa: S608
    where = {"object": "Account", "field": "Annual_Recurring_Revenue__c"}
    world.fault("salesforce", "field_removed", **where)
    assert "Annual_Recurring_Revenue__c" not in described(world, "salesforce")
    assert world.soql(soql.format("Annual_Recurring_Revenue__c"))[0]["errorCode"] == "INVALID_FIELD"
    written = world.call("salesforce", "PATCH", f"{SF}/sobjects/Account/{account}", {"Annual_Recurring_Revenue__c": 13})
    assert written.json()[0]["errorCode"] == "INVALID_FIELD"
    world.admin("DELETE", "/faults")
    world.fault("salesforce", "field_renamed", to="Arr_Now__c", **where)
    assert {"Annual_Recurring_Revenue__c", "Arr_Now__c"} & described(world, "salesforce").keys() == {"Arr_Now__c"}
    assert world.soql(soql.format("Annual_Recurring_Revenue__c"))[0]["errorCode"] == "INVALID_FIELD"
    assert world.soql(soql.format("Arr_Now__c"))["records"][0]["Arr_Now__c"] == 12
    world.admin("DELETE", "/faults")
    world.fault("salesforce", "field_retyped", to="string", **where)
    assert described(world, "salesforce")["Annual_Recurring_Revenue__c"]["type"] == "string"
    assert (
        world.soql(soql.format("Annual_Recurring_Revenue__c"))["records"][0]["Annual_Recurring_Revenue__c"]
        == "about 12.0"
    )


def test_a_hubspot_property_leaves_or_changes_its_name_or_type(world: World) -> None:
    (company,) = world.companies("Drifts")
    path = f"{HS}/companies/{company}"
    world.call("hubspot", "PATCH", path, {"properties": {"current_arr": "12"}})

    def read(name: str) -> Any:
        return world.call("hubspot", "GET", path, properties=name).json()["properties"].get(name, "absent")

    where = {"object": "companies", "field": "current_arr"}
    world.fault("hubspot", "field_removed", **where)
    assert "current_arr" not in described(world, "hubspot")
    assert read("current_arr") == "absent"
    refused = world.call("hubspot", "PATCH", path, {"properties": {"current_arr": "13"}})
    assert "PROPERTY_DOESNT_EXIST" in refused.text
    world.admin("DELETE", "/faults")
    world.fault("hubspot", "field_renamed", to="arr_now", **where)
    assert {"current_arr", "arr_now"} & described(world, "hubspot").keys() == {"arr_now"}
    assert (read("current_arr"), read("arr_now")) == ("absent", "12")
    world.admin("DELETE", "/faults")
    world.fault("hubspot", "field_retyped", to="string", **where)
    assert described(world, "hubspot")["current_arr"]["type"] == "string"
    assert read("current_arr") == "about 12"


def test_a_choice_can_gain_a_value(world: World) -> None:
    world.fault("hubspot", "new_value", object="companies", field="industry", value="SPACE")
    assert described(world, "hubspot")["industry"]["options"][-1]["value"] == "SPACE"
    world.call("salesforce", "POST", f"{SF}/sobjects/Case", {"Subject": "New", "Priority": "High"})
    world.fault("salesforce", "new_value", object="Case", field="Priority", value="Blocker")
    assert world.soql("SELECT Priority FROM Case")["records"][0]["Priority"] == "Blocker"


# -- the world --------------------------------------------------------------------------------------------------------


def test_records_show_late_to_queries_with_their_older_stamps(world: World) -> None:
    world.fault("salesforce", "late_visibility", object="Account", late_s=600)
    world.fault("hubspot", "late_visibility", object="companies", late_s=600)
    (account,), (company,) = world.accounts("Late"), world.companies("Late")
    soql = f"SELECT Id, SystemModstamp FROM Account WHERE Id = '{account}'"  # noqa: S608
    sought = {"filterGroups": [{"filters": [{"propertyName": "hs_object_id", "operator": "EQ", "value": company}]}]}

    def totals() -> tuple[int, int]:
        return world.soql(soql)["totalSize"], world.search("companies", **sought)["total"]

    stamp = world.call("salesforce", "GET", f"{SF}/sobjects/Account/{account}").json()["SystemModstamp"]
    assert totals() == (0, 0)
    assert world.call("hubspot", "GET", f"{HS}/companies/{company}").status_code == 200
    world.tick(599)
    assert totals() == (0, 0)
    world.tick(1)
    assert totals() == (1, 1)
    assert world.soql(soql)["records"][0]["SystemModstamp"] == stamp


def test_others_change_records_between_two_pages(world: World) -> None:
    account, *_ = world.accounts("Before", "Beside")
    world.fault("salesforce", "page_shrink", size=1)
    change = {"method": "PATCH", "path": f"{SF}/sobjects/Account/{account}", "body": {"Name": "After"}}
    made = {"method": "POST", "path": f"{SF}/sobjects/Account", "body": {"Name": "Between"}}
    gone = {"method": "DELETE", "path": f"{SF}/sobjects/Account/{account}"}
    world.fault("salesforce", "mutate", path="/query/", count=1, requests=[change, made, gone])
    first = world.soql("SELECT Id FROM Account")
    assert world.soql("SELECT Id FROM Account WHERE Name = 'Between'")["totalSize"] == 0
    world.call("salesforce", "GET", first["nextRecordsUrl"])
    assert world.soql("SELECT Id FROM Account WHERE Name = 'Between'")["totalSize"] == 1
    assert world.call("salesforce", "GET", f"{SF}/sobjects/Account/{account}").status_code == 404
    assert world.admin("GET", "/faults?all=true")["faults"][1]["statuses"] == [204, 201, 204]


def test_tokens_expire_after_some_requests(world: World) -> None:
    details = world.sandbox.salesforce
    form = {"grant_type": "client_credentials", "client_id": details.consumer_key}
    form["client_secret"] = details.consumer_secret
    token = requests.post(f"{details.base_url}/services/oauth2/token", data=form, timeout=5).json()["access_token"]
    world.fault("salesforce", "expire_tokens", after=2, count=1)
    world.fault("hubspot", "expire_tokens", after=1, count=1)
    headers = {"Authorization": f"Bearer {token}"}
    found = [requests.get(f"{details.base_url}{SF}/limits", headers=headers, timeout=5) for _ in range(4)]
    assert [each.status_code for each in found] == [200, 200, 401, 401]
    statuses = [world.call("hubspot", "GET", f"{HS}/companies").status_code for _ in range(3)]
    assert statuses == [200, 401, 200]


# -- acts -------------------------------------------------------------------------------------------------------------


def test_records_can_share_one_stamp(world: World) -> None:
    world.companies("Tied", "too")
    at = datetime(2026, 11, 21, 20, tzinfo=UTC)
    touched = world.fault("hubspot", "ties", object="companies", value=at.isoformat())["touched"]
    at_once = {"propertyName": "hs_lastmodifieddate", "operator": "EQ", "value": f"{at.timestamp() * 1000:.0f}"}
    tied = world.search("companies", filterGroups=[{"filters": [at_once]}])["total"]
    assert touched >= tied == world.search("companies")["total"] >= 2
    assert world.fault("hubspot", "ties", object="companies", value=at.isoformat(), size=1) == {"touched": 1}


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_records_come_back_or_vanish(world: World, crm: str) -> None:
    root = f"{SF}/sobjects/Account/" if crm == "salesforce" else f"{HS}/companies/"
    name = "Account" if crm == "salesforce" else "companies"
    (one,) = world.accounts("Returns") if crm == "salesforce" else world.companies("Returns")
    world.call(crm, "DELETE", root + one)
    assert world.call(crm, "GET", root + one).status_code == 404
    assert world.fault(crm, "restore", object=name, ids=[one]) == {"touched": 1}
    assert world.call(crm, "GET", root + one).status_code == 200
    assert world.fault(crm, "vanish", object=name, ids=[one]) == {"touched": 1}
    assert world.call(crm, "GET", root + one).status_code == 404
