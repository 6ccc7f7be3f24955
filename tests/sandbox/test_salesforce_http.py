"""The emulated Salesforce on a socket: through unmodified simple-salesforce, and in raw HTTP where words matter."""

import gzip
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceAuthenticationFailed, SalesforceResourceNotFound

from integrations.sandbox.process import Sandbox, running_sandbox
from tests.sandbox.salesforce_client import VERSION, LoopbackSession, Raw, signed_in


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        requests.put(running.admin_url + "/clock", json={"now": "2026-11-21T06:00:00Z"}, timeout=5)
        yield running


@pytest.fixture(scope="module")
def raw(sandbox: Sandbox) -> Raw:
    return Raw(sandbox)


@pytest.fixture(scope="module")
def sf(sandbox: Sandbox) -> Salesforce:
    return signed_in(sandbox)


def created(raw: Raw, kind: str, **values: Any) -> str:
    answer = raw.send("POST", f"sobjects/{kind}", body=values)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def stored(raw: Raw, kind: str, record_id: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = raw.send("GET", f"sobjects/{kind}/{record_id}").json()
    return found


# -- signing in -------------------------------------------------------------------------------------------------------


def test_simple_salesforce_signs_in_and_works(sf: Salesforce) -> None:
    record_id = sf.Account.create({"Name": "Signed In", "Seats__c": 12})["id"]
    assert sf.Account.get(record_id)["Seats__c"] == 12.0
    assert sf.Account.update(record_id, {"Seats__c": 13}) == 204
    assert sf.Account.upsert(f"Id/{record_id}", {"Seats__c": 14}) == 200
    assert sf.query(f"SELECT Seats__c FROM Account WHERE Id = '{record_id}'")["records"][0]["Seats__c"] == 14.0  # noqa: S608
    assert sf.Account.delete(record_id) == 204
    with pytest.raises(SalesforceResourceNotFound):
        sf.Account.get(record_id)
    assert sf.api_usage["api-usage"].total == 100_000


def test_a_wrong_secret_gets_no_token(sandbox: Sandbox) -> None:
    with pytest.raises(SalesforceAuthenticationFailed, match="invalid_client"):
        Salesforce(
            session=LoopbackSession(sandbox.salesforce.base_url),
            consumer_key=sandbox.salesforce.consumer_key,
            consumer_secret="no",
            domain="acme.my",
        )


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_id": "no", "client_secret": "no"}, "invalid_client_id"),
        ({"grant_type": "client_credentials"}, "invalid_client_id"),
    ],
)
def test_sign_in_says_what_is_wrong(sandbox: Sandbox, form: dict[str, str], error: str) -> None:
    answer = requests.post(sandbox.salesforce.base_url + "/services/oauth2/token", data=form, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_a_token_comes_with_its_instance(sandbox: Sandbox) -> None:
    details = sandbox.salesforce
    form = {"grant_type": "client_credentials", "client_id": details.consumer_key}
    form["client_secret"] = details.consumer_secret
    found = requests.post(details.base_url + "/services/oauth2/token", data=form, timeout=5).json()
    assert found["instance_url"] == details.base_url
    assert found["token_type"] == "Bearer"
    assert int(found["issued_at"]) > 1_700_000_000_000


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic wrong"])
def test_a_wrong_token_is_an_expired_session(raw: Raw, authorization: str) -> None:
    answer = raw.send("GET", "query", params={"q": "SELECT Id FROM User"}, headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_expired_tokens_are_renewed_by_the_client(sandbox: Sandbox) -> None:
    client = signed_in(sandbox)
    requests.post(sandbox.admin_url + "/salesforce/expire-tokens", timeout=5)
    before = client.session_id
    assert client.query("SELECT COUNT() FROM User")["totalSize"] >= 1
    assert client.session_id != before


# -- describing -------------------------------------------------------------------------------------------------------


def test_versions_resources_and_unknown_paths(sandbox: Sandbox, raw: Raw) -> None:
    versions = requests.get(sandbox.salesforce.base_url + "/services/data", timeout=5).json()
    assert VERSION in [each["version"] for each in versions]
    assert raw.send("GET", "").json()["query"] == f"/services/data/v{VERSION}/query"
    for path in ("nothing", "sobjects/Nothing", "sobjects/Nothing/describe"):
        answer = raw.send("GET", path)
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "NOT_FOUND")
    for version, status in (("12.0", 410), ("31.0", 200), ("68.0", 200), ("99.0", 404)):
        answer = requests.get(
            f"{sandbox.salesforce.base_url}/services/data/v{version}/limits",
            headers={"Authorization": f"Bearer {sandbox.salesforce.access_token}"},
            timeout=5,
        )
        assert answer.status_code == status


DESCRIBED = """
    Account                | Id                          | id        | createable=False nillable=False
    Account                | Name                        | string    | nillable=False createable=True length=255
    Account                | Annual_Recurring_Revenue__c | currency  | custom=True scale=2
    Account                | MasterRecordId              | reference | updateable=False referenceTo=['Account']
    Account                | CSM__c                      | reference | relationshipName=CSM__r referenceTo=['User']
    Account                | Customer_Tier__c            | picklist  | restrictedPicklist=True
    Contact                | Name                        | string    | createable=False
    Task                   | Plansync_Key__c             | string    | externalId=True unique=True
    Event                  | Plansync_Key__c             | string    | externalId=True unique=True
    Task                   | AccountId                   | reference | createable=False
    Success_Plan_Section__c | Success_Plan__c            | reference | cascadeDelete=True nillable=False
    Success_Plan_Section__c | Body__c                    | textarea  | length=32768 filterable=False
"""


@pytest.mark.parametrize(
    ("kind", "name", "type_", "said"),
    [[cell.strip() for cell in line.split("|")] for line in DESCRIBED.strip().splitlines()],
)
def test_describes(sf: Salesforce, kind: str, name: str, type_: str, said: str) -> None:
    field = {each["name"]: each for each in getattr(sf, kind).describe()["fields"]}[name]
    assert field["type"] == type_
    assert {each: str(field[each.partition("=")[0]]) for each in said.split()} == {
        each: each.partition("=")[2] for each in said.split()
    }


def test_the_global_describe_and_its_key_prefixes(sf: Salesforce) -> None:
    prefixes = {each["name"]: each["keyPrefix"] for each in sf.describe()["sobjects"]}
    standard = {"Account": "001", "Contact": "003", "Opportunity": "006", "Case": "500", "Task": "00T", "User": "005"}
    assert standard.items() <= prefixes.items()
    assert prefixes["Success_Plan__c"].startswith("a")
    links = {each["relationshipName"] for each in sf.Account.describe()["childRelationships"]}
    assert {"Contacts", "Opportunities", "Cases", "Success_Plans__r"} <= links


# -- pages ------------------------------------------------------------------------------------------------------------


def test_pages_join_to_the_whole(raw: Raw) -> None:
    account = created(raw, "Account", Name="Paged")
    for start in range(0, 2100, 200):
        people = [
            {"LastName": f"P{number:04d}", "AccountId": account} for number in range(start, min(start + 200, 2100))
        ]
        results = raw.collection("POST", "composite/sobjects", "Contact", *people)
        assert all(each["success"] for each in results)
    soql = f"SELECT LastName FROM Contact WHERE AccountId = '{account}' ORDER BY LastName"  # noqa: S608
    page = raw.query(soql)
    assert (page["totalSize"], page["done"], len(page["records"])) == (2100, False, 2000)
    rest = raw.send("GET", page["nextRecordsUrl"].split(f"v{VERSION}/")[1]).json()
    assert (rest["done"], len(rest["records"])) == (True, 100)
    assert "nextRecordsUrl" not in rest
    small = raw.query(soql, batch_size=10)
    assert len(small["records"]) == 200
    names = [each["LastName"] for each in page["records"] + rest["records"]]
    assert names == [f"P{number:04d}" for number in range(2100)]
    lost = raw.send("GET", "query/0r80000000000-2000")
    assert (lost.status_code, lost.json()[0]["errorCode"]) == (400, "INVALID_QUERY_LOCATOR")


def test_long_answers_are_compressed_when_asked_for(raw: Raw) -> None:
    plain = raw.send("GET", "sobjects/Account/describe", headers={"Accept-Encoding": "identity"})
    packed = raw.send("GET", "sobjects/Account/describe", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.json() == plain.json()
    body = gzip.compress(b'{"Name": "Packed"}')
    headers = {"Content-Encoding": "gzip", "Authorization": f"Bearer {raw.sandbox.salesforce.access_token}"}
    url = f"{raw.sandbox.salesforce.base_url}/services/data/v{VERSION}/sobjects/Account"
    assert requests.post(url, data=body, headers=headers, timeout=5).status_code == 201


def test_every_data_answer_tells_the_usage(raw: Raw) -> None:
    used = [
        int(raw.send("GET", path).headers["Sforce-Limit-Info"].removeprefix("api-usage=").split("/")[0])
        for path in ("limits", "nothing")
    ]
    assert used[1] == used[0] + 1
    assert raw.send("GET", "limits").json()["DailyApiRequests"]["Max"] == 100_000


def test_answers_carry_the_orgs_own_time(raw: Raw) -> None:
    assert raw.send("GET", "limits").headers["Date"] == "Sat, 21 Nov 2026 06:00:00 GMT"


def test_a_long_address_is_refused(raw: Raw) -> None:
    ids = ", ".join(f"'0015m0000{number:06d}'" for number in range(800))
    answer = raw.send("GET", "query", params={"q": f"SELECT Id FROM Account WHERE Id IN ({ids})"})  # noqa: S608
    assert answer.status_code == 414


# -- one record -------------------------------------------------------------------------------------------------------


def test_salesforce_keeps_text_its_own_way(raw: Raw) -> None:
    """Trailing space goes, line ends become LF, numbers round to their scale, instants lose their fraction."""
    plan = created(
        raw, "Success_Plan__c", Account__c=created(raw, "Account", Name="  Trim me  "), Health_Score__c=71.25
    )
    body = "One\r\nTwo\rThree  \n \n"
    section = created(raw, "Success_Plan_Section__c", Success_Plan__c=plan, Body__c=body)
    found = stored(raw, "Success_Plan_Section__c", section)
    assert found["Body__c"] == "One\nTwo\nThree"
    assert found["Name"] == "PS-000001"
    plan_found = stored(raw, "Success_Plan__c", plan)
    assert plan_found["Health_Score__c"] == 71.3
    assert plan_found["Name"] == plan
    assert stored(raw, "Account", plan_found["Account__c"])["Name"] == "Trim me"
    event = created(raw, "Event", Subject="Call", StartDateTime="2026-11-21T12:00:00.750+01:00")
    assert stored(raw, "Event", event)["StartDateTime"] == "2026-11-21T11:00:00.000+0000"
    assert stored(raw, "Event", event)["ActivityDate"] == "2026-11-21"


def test_salesforce_works_out_what_follows(raw: Raw) -> None:
    account = created(raw, "Account", Name="Derived")
    contact = created(raw, "Contact", FirstName="Ann", LastName="Ames", AccountId=account)
    deal = created(raw, "Opportunity", Name="R", AccountId=account, StageName="Closed Won", CloseDate="2026-12-01")
    case = created(raw, "Case", Subject="Broken", AccountId=account)
    by_deal = created(raw, "Task", Subject="A", WhatId=deal)
    by_contact = created(raw, "Task", Subject="B", WhoId=contact)
    assert stored(raw, "Contact", contact)["Name"] == "Ann Ames"
    won = stored(raw, "Opportunity", deal)
    assert (won["IsClosed"], won["IsWon"]) == (True, True)
    assert [stored(raw, "Task", each)["AccountId"] for each in (by_deal, by_contact)] == [account, account]
    assert stored(raw, "Task", by_deal)["Status"] == "Not Started"
    for kind, record_id, closed_at in (("Case", case, "ClosedDate"), ("Task", by_deal, "CompletedDateTime")):
        status = "Closed" if kind == "Case" else "Completed"
        assert raw.send("PATCH", f"sobjects/{kind}/{record_id}", body={"Status": status}).status_code == 204
        found = stored(raw, kind, record_id)
        assert (found["IsClosed"], found[closed_at]) == (True, "2026-11-21T06:00:00.000+0000")
        raw.send("PATCH", f"sobjects/{kind}/{record_id}", body={"Status": "New"})
        assert (stored(raw, kind, record_id)["IsClosed"], stored(raw, kind, record_id)[closed_at]) == (False, None)


def test_every_write_moves_the_stamp(sandbox: Sandbox, raw: Raw) -> None:
    account = created(raw, "Account", Name="Stamped")
    requests.put(sandbox.admin_url + "/clock", json={"now": "2026-11-21T07:00:00Z"}, timeout=5)
    raw.send("PATCH", f"sobjects/Account/{account}", body={"Name": "Stamped"})
    found = stored(raw, "Account", account)
    requests.put(sandbox.admin_url + "/clock", json={"now": "2026-11-21T06:00:00Z"}, timeout=5)
    assert found["CreatedDate"] == "2026-11-21T06:00:00.000+0000"
    assert found["SystemModstamp"] == found["LastModifiedDate"] == "2026-11-21T07:00:00.000+0000"


def test_upsert_by_key_creates_then_updates(raw: Raw) -> None:
    path = "sobjects/Task/Plansync_Key__c/key%2Fwith%20odd%3Fsigns"
    first = raw.send("PATCH", path, body={"Subject": "One"})
    again = raw.send("PATCH", path, body={"Subject": "Two"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert (first.json()["created"], again.json()["created"]) == (True, False)
    assert first.json()["id"] == again.json()["id"]
    found = raw.send("GET", path).json()
    assert (found["Subject"], found["Plansync_Key__c"]) == ("Two", "key/with odd?signs")
    assert raw.send("GET", "sobjects/Task/Plansync_Key__c/none").status_code == 404
    assert raw.send("PATCH", "sobjects/Task/Subject/x", body={}).json()[0]["errorCode"] == "NOT_FOUND"


def test_deleted_records_leave_queries_but_not_query_all(raw: Raw) -> None:
    account = created(raw, "Account", Name="Doomed")
    contact = created(raw, "Contact", LastName="Doomed too", AccountId=account)
    assert raw.send("DELETE", f"sobjects/Account/{account}").status_code == 204
    soql = f"SELECT Id, IsDeleted FROM Contact WHERE Id = '{contact}'"  # noqa: S608
    assert raw.query(soql)["totalSize"] == 0
    assert raw.query(soql, everything=True)["records"][0]["IsDeleted"] is True
    for method in ("GET", "PATCH", "DELETE"):
        answer = raw.send(method, f"sobjects/Account/{account}", body={} if method == "PATCH" else None)
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (404, "ENTITY_IS_DELETED")


def test_old_activities_are_archived(raw: Raw) -> None:
    old = created(raw, "Task", Subject="Old", Status="Completed", ActivityDate="2025-11-20")
    open_ = created(raw, "Task", Subject="Old but open", ActivityDate="2025-11-20")
    soql = f"SELECT Id FROM Task WHERE Id IN ('{old}', '{open_}')"  # noqa: S608
    assert [each["Id"] for each in raw.query(soql)["records"]] == [open_]
    assert raw.query(soql, everything=True)["totalSize"] == 2


REFUSALS = """
    Account | {} | REQUIRED_FIELD_MISSING | Required fields are missing: [Name]
    Account | {"Name": "A", "Foo__c": 1} | INVALID_FIELD | No such column 'Foo__c' on sobject of type Account
    Account | {"Name": 5} | JSON_PARSER_ERROR | instance of string from VALUE_NUMBER_INT value 5
    Account | {"Name": "A", "Seats__c": "many"} | JSON_PARSER_ERROR | double from VALUE_STRING value many
    Account | {"Name": "A", "Strategic__c": "maybe"} | JSON_PARSER_ERROR | instance of boolean
    Account | {"Name": "A", "Renewal_Date__c": "soon"} | JSON_PARSER_ERROR | instance of date
    Account | {"Name": "A", "Customer_Tier__c": "Gold"} | INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST | picklist field: Gold
    Account | {"AccountNumber": "11111111111111111111111111111111111111111"} | STRING_TOO_LONG | (max length=40)
    Account | {"Name": "A", "OwnerId": "nobody"} | MALFORMED_ID | id value of incorrect type: nobody
    Account | {"Name": "A", "OwnerId": "0015m0000000001AAA"} | FIELD_INTEGRITY_EXCEPTION | id value of incorrect type
    Account | {"Name": "A", "ParentId": "0015m0000zzzzzzBBB"} | MALFORMED_ID | id value of incorrect type
    Account | {"Name": "A", "ParentId": "0015m00000zzzzz"} | INVALID_CROSS_REFERENCE_KEY | invalid cross reference id
    Account | {"Name": "A", "SystemModstamp": "2026-01-01"} | INVALID_FIELD_FOR_INSERT_UPDATE | fields: SystemModstamp.
    Contact | {"LastName": "A", "Email": "not an address"} | INVALID_EMAIL_ADDRESS | invalid email address
    Task | {"AccountId": null} | INVALID_FIELD_FOR_INSERT_UPDATE | fields: AccountId.
    Account | {"Name": "A", "Seats__c": 1e30} | NUMBER_OUTSIDE_VALID_RANGE | value outside of valid range
    Success_Plan_Section__c | {"Body__c": "B"} | REQUIRED_FIELD_MISSING | missing: [Success_Plan__c]
    Account | [] | JSON_PARSER_ERROR | must be a JSON object
"""


@pytest.mark.parametrize(
    ("kind", "body", "code", "message"),
    [[cell.strip() for cell in line.split("|")] for line in REFUSALS.strip().splitlines()],
)
def test_refuses_a_record(raw: Raw, kind: str, body: str, code: str, message: str) -> None:
    headers = {"Authorization": f"Bearer {raw.sandbox.salesforce.access_token}"}
    url = f"{raw.sandbox.salesforce.base_url}/services/data/v{VERSION}/sobjects/{kind}"
    answer = requests.post(url, data=body.encode(), headers=headers, timeout=5)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)
    assert message in answer.json()[0]["message"]


def test_refuses_an_inactive_owner_and_a_key_that_is_taken(raw: Raw) -> None:
    gone = created(raw, "User", LastName="Gone", Username="gone@v.example", Email="gone@v.example", IsActive=False)
    answer = raw.send("POST", "sobjects/Task", body={"Subject": "S", "OwnerId": gone})
    assert answer.json()[0]["errorCode"] == "INACTIVE_OWNER_OR_USER"
    created(raw, "Task", Subject="S", Plansync_Key__c="taken")
    answer = raw.send("POST", "sobjects/Task", body={"Subject": "S", "Plansync_Key__c": "TAKEN"})
    assert answer.json()[0]["errorCode"] == "DUPLICATE_VALUE"
    assert "Plansync_Key__c duplicates value on record with id: 00T" in answer.json()[0]["message"]


# -- collections ------------------------------------------------------------------------------------------------------


def test_a_collection_answers_for_each_record_in_order(raw: Raw) -> None:
    account = created(raw, "Account", Name="Collected")
    created(raw, "Success_Plan__c", Account__c=account, Plansync_Key__c="plan-1")
    sections = [
        {"Plansync_Key__c": "s-1", "Section__c": "customer_overview", "Success_Plan__r": {"Plansync_Key__c": "plan-1"}},
        {"Plansync_Key__c": "s-2", "Section__c": "nonsense", "Success_Plan__r": {"Plansync_Key__c": "plan-1"}},
        {"Plansync_Key__c": "s-3", "Success_Plan__r": {"Plansync_Key__c": "plan-none"}},
        {"Section__c": "customer_overview", "Success_Plan__r": {"Plansync_Key__c": "plan-1"}},
        {"Plansync_Key__c": "s-1", "Body__c": "again"},
        {"Plansync_Key__c": "s-4", "Success_Plan__r": {"Plansync_Key__c": "plan-1"}, "Body__c": "Four"},
    ]
    path = "composite/sobjects/Success_Plan_Section__c/Plansync_Key__c"
    results = raw.collection("PATCH", path, "Success_Plan_Section__c", *sections)
    assert [each["success"] for each in results] == [True, False, False, False, False, True]
    assert [each["errors"][0]["statusCode"] for each in results if not each["success"]] == [
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "INVALID_FIELD",
        "MISSING_ARGUMENT",
        "DUPLICATE_VALUE",
    ]
    assert "Foreign key external ID: plan-none not found" in results[2]["errors"][0]["message"]
    again = raw.collection("PATCH", path, "Success_Plan_Section__c", {"Plansync_Key__c": "s-4", "Body__c": "New"})
    assert again == [{"id": results[5]["id"], "success": True, "errors": [], "created": False}]
    found = raw.query("SELECT Plansync_Key__c, Success_Plan__r.Account__c FROM Success_Plan_Section__c "
                      "WHERE Success_Plan__r.Plansync_Key__c = 'plan-1' ORDER BY Plansync_Key__c")  # fmt: skip
    assert [each["Plansync_Key__c"] for each in found["records"]] == ["s-1", "s-4"]
    assert found["records"][0]["Success_Plan__r"]["Account__c"] == account


def test_all_or_none_leaves_nothing(raw: Raw) -> None:
    good, bad = {"Plansync_Key__c": "all-1", "Subject": "S"}, {"Plansync_Key__c": "all-2", "WhatId": "nonsense"}
    results = raw.collection("PATCH", "composite/sobjects/Task/Plansync_Key__c", "Task", good, bad, allOrNone=True)
    codes = [each["errors"][0]["statusCode"] for each in results]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "MALFORMED_ID"]
    assert raw.query("SELECT Id FROM Task WHERE Plansync_Key__c LIKE 'all-%'")["totalSize"] == 0


def test_collections_create_update_retrieve_and_delete(raw: Raw) -> None:
    made = raw.collection("POST", "composite/sobjects", "Account", {"Name": "C1"}, {"Phone": "1"}, {"Name": "C3"})
    assert [each["success"] for each in made] == [True, False, True]
    ids = [each["id"] for each in made if each["success"]]
    changes = [{"id": ids[0], "Name": "C1b"}, {"id": "0015m00000zzzzz", "Name": "No"}, {"id": "x", "Name": "No"}]
    updated = raw.collection("PATCH", "composite/sobjects", "Account", *changes)
    assert [each["success"] or each["errors"][0]["statusCode"] for each in updated] == [
        True, "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID",
    ]  # fmt: skip
    wanted = {"ids": [ids[1], "0015m00000zzzzz", ids[0]], "fields": ["Id", "Name"]}
    found = raw.send("POST", "composite/sobjects/Account", body=wanted).json()
    assert [each and each["Name"] for each in found] == ["C3", None, "C1b"]
    gone = raw.send("DELETE", "composite/sobjects", params={"ids": ",".join([*ids, ids[0]])}).json()
    assert [each["success"] for each in gone] == [True, True, False]
    assert gone[2]["errors"][0]["statusCode"] == "ENTITY_IS_DELETED"
    assert raw.send("POST", "composite/sobjects/Account", body=wanted).json() == [None, None, None]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "composite/sobjects"), ("PATCH", "composite/sobjects/Task/Plansync_Key__c")]
)
def test_a_collection_is_refused_whole(raw: Raw, method: str, path: str) -> None:
    def code(*records: dict[str, Any]) -> Any:
        answer = raw.collection(method, path, "Task", *records)
        return answer[0].get("errorCode")

    fine = {"Plansync_Key__c": f"whole-{method}", "Subject": "S"}
    assert code(*[fine] * 201) == "EXCEEDED_ID_LIMIT"
    assert code(fine, {"Plansync_Key__c": "x", "Foo__c": 1}) == "INVALID_FIELD"
    assert code(fine, {"Plansync_Key__c": "x", "ActivityDate": "soon"}) == "JSON_PARSER_ERROR"
    assert raw.query("SELECT Id FROM Task WHERE Plansync_Key__c LIKE 'whole%'")["totalSize"] == 0
