"""The REST resources that strangers' clients ask for: describe, trees, graphs, batches, conditions, keys, limits."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
import requests

from integrations.sandbox.process import Sandbox, running_sandbox
from tests.sandbox.salesforce_client import VERSION, Raw

DATA = f"/services/data/v{VERSION}"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        requests.put(running.admin_url + "/clock", json={"now": "2026-11-21T06:00:00Z"}, timeout=5)
        yield running


@pytest.fixture(scope="module")
def raw(sandbox: Sandbox) -> Raw:
    return Raw(sandbox)


def created(raw: Raw, kind: str, **values: Any) -> str:
    answer = raw.send("POST", f"sobjects/{kind}", body=values)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def refusal(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()[0]["errorCode"]


def count(raw: Raw, kind: str, name: str) -> int:
    return int(raw.query(f"SELECT COUNT() FROM {kind} WHERE Name = '{name}'")["totalSize"])  # noqa: S608


# -- about the org ----------------------------------------------------------------------------------------------------

PREFIXES = {
    "Account": "001", "Contact": "003", "Opportunity": "006", "OpportunityContactRole": "00K", "Case": "500",
    "AccountContactRelation": "07k", "Task": "00T", "Event": "00U", "User": "005", "Contract": "800", "Asset": "02i",
    "Organization": "00D", "OpportunityHistory": None, "AccountHistory": None, "OpportunityFieldHistory": None,
    "CaseHistory": None, "ContractHistory": None, "Success_Plan__History": None,
}  # fmt: skip
FIELD_KEYS = """
    aggregatable aiPredictionField autoNumber byteLength calculated calculatedFormula cascadeDelete caseSensitive
    compoundFieldName controllerName createable custom defaultValue defaultValueFormula defaultedOnCreate
    dependentPicklist deprecatedAndHidden digits displayLocationInDecimal encrypted externalId extraTypeInfo filterable
    filteredLookupInfo formulaTreatNullNumberAsZero groupable highScaleNumber htmlFormatted idLookup inlineHelpText
    label length mask maskType name nameField namePointing nillable permissionable picklistValues polymorphicForeignKey
    precision queryByDistance referenceTargetField referenceTo relationshipName relationshipOrder restrictedDelete
    restrictedPicklist scale searchPrefilterable soapType sortable type unique updateable writeRequiresMasterRead
"""
OBJECT_KEYS = """
    actionOverrides activateable associateEntityType associateParentEntity childRelationships compactLayoutable
    createable custom customSetting dataTranslationEnabled deepCloneable defaultImplementation deletable
    deprecatedAndHidden
    extendedBy extendsInterfaces feedEnabled fields hasSubtypes implementedBy implementsInterfaces isInterface isSubtype
    keyPrefix label labelPlural layoutable listviewable lookupLayoutable mergeable mruEnabled name namedLayoutInfos
    networkScopeFieldName queryable recordTypeInfos replicateable retrieveable searchLayoutable searchable
    sobjectDescribeOption supportedScopes triggerable undeletable updateable urls
"""


def test_describe_has_every_key_of_the_real_answer(raw: Raw) -> None:
    for kind in PREFIXES:
        said = raw.send("GET", f"sobjects/{kind}/describe").json()
        assert set(said) == set(OBJECT_KEYS.split())
        assert all(set(field) == set(FIELD_KEYS.split()) for field in said["fields"])
        names = [field["name"] for field in said["fields"]]
        assert len(set(names)) == len(names)
        assert said["urls"]["describe"] == f"{DATA}/sobjects/{kind}/describe"


def test_the_global_describe_names_prefixes_and_what_may_be_done(raw: Raw) -> None:
    found = {each["name"]: each for each in raw.send("GET", "sobjects").json()["sobjects"]}
    assert PREFIXES.items() <= {name: each["keyPrefix"] for name, each in found.items()}.items()
    assert [name for name, each in found.items() if each["mergeable"]] == ["Account", "Case", "Contact"]
    assert not any(found[name]["createable"] for name in ("AccountHistory", "Organization"))


def test_every_described_field_can_be_read(raw: Raw) -> None:
    for kind in PREFIXES:
        names = [each["name"] for each in raw.send("GET", f"sobjects/{kind}/describe").json()["fields"]]
        assert "records" in raw.query(f"SELECT {', '.join(names)} FROM {kind} LIMIT 1"), kind  # noqa: S608


def test_limits_have_a_most_and_a_rest(raw: Raw) -> None:
    found = raw.send("GET", "limits").json()
    assert {"DailyApiRequests", "DailyBulkV2QueryJobs", "DataStorageMB", "HourlyDashboardStatuses"} <= found.keys()
    assert all(0 <= each["Remaining"] <= each["Max"] for each in found.values())


def test_resources_name_who_asks(raw: Raw) -> None:
    headers = {"Authorization": f"Bearer {raw.sandbox.salesforce.access_token}"}
    who = requests.get(raw.send("GET", "").json()["identity"], headers=headers, timeout=5).json()
    assert who["username"] == raw.sandbox.salesforce.username
    versions = requests.get(raw.sandbox.salesforce.base_url + "//services/data", timeout=5).json()
    assert [each["label"] for each in versions if each["version"] in {"31.0", "66.0", "68.0"}] == [
        "Summer '14", "Spring '26", "Winter '27",
    ]  # fmt: skip


def test_a_wrong_method_and_a_wrong_body_are_told_apart(raw: Raw) -> None:
    answer = raw.send("PUT", "sobjects/Account")
    assert refusal(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer.json()[0]["message"] == "HTTP Method 'PUT' not allowed. Allowed are GET,POST"
    url = f"{raw.sandbox.salesforce.base_url}{DATA}/sobjects/Account"
    headers = {"Authorization": f"Bearer {raw.sandbox.salesforce.access_token}", "Content-Encoding": "gzip"}
    assert refusal(requests.post(url, data=b"not packed", headers=headers, timeout=5)) == (400, "MALFORMED_REQUEST")


def test_columns_of_a_query(raw: Raw) -> None:
    soql = "SELECT Id, Owner.Name, (SELECT LastName FROM Contacts) FROM Account"
    said = raw.send("GET", "query", params={"q": soql, "columns": "true"}).json()
    assert (said["entityName"], said["keyPrefix"], said["idSelected"]) == ("Account", "001", True)
    shape = [
        (each["columnName"], [sub["columnName"] for sub in each["joinColumns"]]) for each in said["columnMetadata"]
    ]
    assert shape == [("Id", []), ("Owner", ["Name"]), ("Contacts", ["LastName"])]
    grouped = {"q": "SELECT COUNT(Id), Type FROM Account GROUP BY Type", "columns": "true"}
    first = raw.send("GET", "query", params=grouped).json()["columnMetadata"][0]
    assert (first["columnName"], first["displayName"], first["aggregate"]) == ("expr0", "count(Id)", True)


# -- records ----------------------------------------------------------------------------------------------------------


def test_upsert_answers_by_version(raw: Raw) -> None:
    base = raw.sandbox.salesforce.base_url
    headers = {"Authorization": f"Bearer {raw.sandbox.salesforce.access_token}"}

    def upserted(version: str, key: str) -> tuple[int, bytes]:
        url = f"{base}/services/data/v{version}/sobjects/Task/Plansync_Key__c/{key}"
        answer = requests.patch(url, json={"Subject": "S"}, headers=headers, timeout=5)
        return answer.status_code, answer.content

    assert [upserted("45.0", "old")[0], upserted("45.0", "old")] == [201, (204, b"")]
    assert [upserted("46.0", "new")[0], upserted("46.0", "new")[0]] == [201, 200]


def test_an_update_only_upsert_makes_nothing(raw: Raw) -> None:
    path = "sobjects/Task/Plansync_Key__c/nobody"
    assert refusal(raw.send("PATCH", path, body={"Subject": "S"}, params={"updateOnly": "true"})) == (404, "NOT_FOUND")
    assert refusal(raw.send("GET", path)) == (404, "NOT_FOUND")


def test_a_key_reads_and_deletes_its_record(raw: Raw) -> None:
    made = created(raw, "Task", Subject="By key", Plansync_Key__c="a/b c")
    path = "sobjects/Task/Plansync_Key__c/a%2Fb%20c"
    assert raw.send("GET", path, params={"fields": "Subject"}).json()["Id"] == made
    assert raw.send("DELETE", path).status_code == 204
    assert raw.send("GET", path).status_code == 404


def test_relationships_lead_to_parents_and_children(raw: Raw) -> None:
    account = created(raw, "Account", Name="Related")
    contact = created(raw, "Contact", LastName="Child", AccountId=account)
    children = raw.send("GET", f"sobjects/Account/{account}/Contacts", params={"fields": "LastName"}).json()
    assert [(each["Id"], each["LastName"]) for each in children["records"]] == [(contact, "Child")]
    assert raw.send("GET", f"sobjects/Contact/{contact}/Account").json()["Name"] == "Related"
    assert refusal(raw.send("GET", f"sobjects/Contact/{contact}/Nothing")) == (404, "NOT_FOUND")


def test_a_contract_ends_with_its_term_and_begins_as_a_draft(raw: Raw) -> None:
    account = created(raw, "Account", Name="Contracted")
    early = raw.send("POST", "sobjects/Contract", body={"AccountId": account, "Status": "Activated"})
    assert refusal(early) == (400, "FAILED_ACTIVATION")
    made = created(
        raw, "Contract", AccountId=account, StartDate="2026-01-31", ContractTerm=13, OwnerExpirationNotice="60"
    )
    assert raw.send("PATCH", f"sobjects/Contract/{made}", body={"Status": "Activated"}).status_code == 204
    said = raw.send("GET", f"sobjects/Contract/{made}").json()
    assert (said["EndDate"], said["StatusCode"]) == ("2027-02-27", "Activated")
    assert said["ActivatedDate"] == "2026-11-21T06:00:00.000+0000"
    ends = raw.send("PATCH", f"sobjects/Contract/{made}", body={"EndDate": "2030-01-01"})
    assert refusal(ends) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")


def test_an_opportunity_has_one_primary_contact(raw: Raw) -> None:
    account = created(raw, "Account", Name="Roles")
    deal = created(raw, "Opportunity", Name="D", AccountId=account, StageName="Prospecting", CloseDate="2027-01-01")
    people = [created(raw, "Contact", LastName=name, AccountId=account) for name in "AB"]
    for each in people:
        created(raw, "OpportunityContactRole", OpportunityId=deal, ContactId=each, IsPrimary=True)
    soql = f"SELECT ContactId FROM OpportunityContactRole WHERE OpportunityId = '{deal}' AND IsPrimary = true"  # noqa: S608
    assert [each["ContactId"] for each in raw.query(soql)["records"]] == people[1:]


# -- conditions -------------------------------------------------------------------------------------------------------


def test_conditions_decide_whether_an_account_is_read(raw: Raw) -> None:
    path = f"sobjects/Account/{created(raw, 'Account', Name='Conditional')}"
    first = raw.send("GET", path)
    tag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    later = format_datetime(datetime(2026, 11, 22, tzinfo=UTC), usegmt=True)
    earlier = format_datetime(datetime(2026, 11, 20, tzinfo=UTC), usegmt=True)
    statuses = {
        "If-None-Match": {tag: 304, f'"other", {tag}': 304, '"other"': 200, "unquoted": 200},
        "If-Match": {tag: 200, '"other"': 412},
        "If-Modified-Since": {modified: 304, later: 304, earlier: 200, "some day": 200},
        "If-Unmodified-Since": {modified: 200, earlier: 412},
    }
    seen = {
        name: {value: raw.send("GET", path, headers={name: value}).status_code for value in values}
        for name, values in statuses.items()
    }
    assert seen == statuses
    assert raw.send("GET", path, headers={"If-None-Match": tag}).content == b""


def test_a_stale_tag_does_not_overwrite(raw: Raw) -> None:
    path = f"sobjects/Account/{created(raw, 'Account', Name='Guarded')}"
    tag = raw.send("GET", path).headers["ETag"]
    written = raw.send("PATCH", path, body={"Name": "First"}, headers={"If-Match": tag})
    assert written.status_code == 204
    assert written.headers["ETag"] != tag
    assert raw.send("PATCH", path, body={"Name": "Second"}, headers={"If-Match": tag}).status_code == 412
    assert raw.send("PATCH", path, body={"Name": "Second"}, headers={"If-Match": "no tag"}).status_code == 400
    earlier = {"If-Unmodified-Since": "Fri, 20 Nov 2026 00:00:00 GMT"}
    assert raw.send("PATCH", path, body={"Name": "Second"}, headers=earlier).status_code == 412
    assert raw.send("GET", path).json()["Name"] == "First"


def test_only_accounts_have_tags(raw: Raw) -> None:
    path = f"sobjects/Contact/{created(raw, 'Contact', LastName='Untagged')}"
    answer = raw.send("GET", path, headers={"If-Match": '"other"'})
    assert (answer.status_code, "ETag" in answer.headers) == (200, False)
    assert raw.send("GET", path, headers={"If-Modified-Since": answer.headers["Last-Modified"]}).status_code == 304


# -- trees, batches, graphs -------------------------------------------------------------------------------------------


def branch(kind: str, reference: str, **values: Any) -> dict[str, Any]:
    nested = {name: {"records": each} if isinstance(each, list) else each for name, each in values.items()}
    return {"attributes": {"type": kind, "referenceId": reference}, **nested}


def test_a_tree_is_made_level_by_level(raw: Raw) -> None:
    leaf = branch("Contact", "leaf", LastName="Leaf")
    trees = [branch("Account", "a", Name="Tree", Contacts=[leaf]), branch("Account", "b", Name="Bush")]
    answer = raw.send("POST", "composite/tree/Account/", body={"records": trees})
    assert (answer.status_code, answer.json()["hasErrors"]) == (201, False)
    ids = {each["referenceId"]: each["id"] for each in answer.json()["results"]}
    assert list(ids) == ["a", "b", "leaf"]
    assert raw.send("GET", f"sobjects/Contact/{ids['leaf']}").json()["AccountId"] == ids["a"]


def test_a_tree_with_a_bad_leaf_is_not_made(raw: Raw) -> None:
    bad = branch("Contact", "leaf", LastName="L", Email="123")
    tree = branch("Account", "a", Name="Rotten", Contacts=[bad])
    answer = raw.send("POST", "composite/tree/Account", body={"records": [tree]})
    assert answer.status_code == 400
    (result,) = answer.json()["results"]
    assert (result["referenceId"], result["errors"][0]["statusCode"]) == ("leaf", "INVALID_EMAIL_ADDRESS")
    twice = [branch("Account", "a", Name="Rotten"), branch("Account", "a", Name="Rotten")]
    answer = raw.send("POST", "composite/tree/Account", body={"records": twice})
    (result,) = answer.json()["results"]
    assert answer.status_code == 400
    assert [each["statusCode"] for each in result["errors"]] == ["INVALID_INPUT", "PROCESSING_HALTED"]
    assert count(raw, "Account", "Rotten") == 0


@pytest.mark.parametrize(
    "records",
    [
        [branch("Account", str(number), Name="Too many") for number in range(201)],
        [branch("Contact", "a", LastName="Too many")],
        [{"attributes": {"type": "Account"}, "Name": "Too many"}],
    ],
    ids=["201 records", "another object", "no reference"],
)
def test_a_malformed_tree_is_refused_whole(raw: Raw, records: list[dict[str, Any]]) -> None:
    assert refusal(raw.send("POST", "composite/tree/Account", body={"records": records})) == (400, "INVALID_INPUT")
    assert count(raw, "Account", "Too many") == 0


def test_a_batch_does_each_by_itself_and_can_halt(raw: Raw) -> None:
    asked = [
        {"method": "POST", "url": f"v{VERSION}/sobjects/Account", "richInput": {"Name": "Batched"}},
        {"method": "GET", "url": f"v{VERSION}/sobjects/Account/nothing"},
        {"method": "GET", "url": f"v{VERSION}/query?q=SELECT+COUNT()+FROM+Account+WHERE+Name='Batched'"},
    ]
    said = raw.send("POST", "composite/batch", body={"batchRequests": asked}).json()
    assert (said["hasErrors"], [each["statusCode"] for each in said["results"]]) == (True, [201, 404, 200])
    assert said["results"][2]["result"]["totalSize"] == 1
    halted = raw.send("POST", "composite/batch", body={"batchRequests": asked, "haltOnError": True}).json()["results"]
    assert [each["statusCode"] for each in halted] == [201, 404, 412]
    assert halted[2]["result"][0]["errorCode"] == "BATCH_PROCESSING_HALTED"
    assert refusal(raw.send("POST", "composite/batch", body={"batchRequests": asked * 9})) == (400, "LIMIT_EXCEEDED")


def node(reference: str, kind: str, **body: Any) -> dict[str, Any]:
    return {"method": "POST", "url": f"{DATA}/sobjects/{kind}/", "referenceId": reference, "body": body}


def test_each_graph_is_all_or_none(raw: Raw) -> None:
    good = [node("A", "Account", Name="Graph"), node("C", "Contact", LastName="G", AccountId="@{A.id}")]
    bad = [node("A", "Account", Name="Graph"), node("C", "Contact", AccountId="@{A.id}")]
    body = {"graphs": [{"graphId": name, "compositeRequest": each} for name, each in (("1", good), ("2", bad))]}
    first, second = raw.send("POST", "composite/graph", body=body).json()["graphs"]
    assert [first["isSuccessful"], second["isSuccessful"]] == [True, False]
    account, contact = first["graphResponse"]["compositeResponse"]
    assert account["httpHeaders"]["Location"] == f"{DATA}/sobjects/Account/{account['body']['id']}"
    assert raw.send("GET", f"sobjects/Contact/{contact['body']['id']}").json()["AccountId"] == account["body"]["id"]
    codes = [each["body"][0]["errorCode"] for each in second["graphResponse"]["compositeResponse"]]
    assert codes == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert count(raw, "Account", "Graph") == 1


def test_after_15_failed_graphs_the_rest_is_not_done(raw: Raw) -> None:
    bad = [node("C", "Contact")]
    good = [node("A", "Account", Name="Sixteenth")]
    graphs = [{"graphId": f"g{at}", "compositeRequest": bad if at < 15 else good} for at in range(16)]
    answers = raw.send("POST", "composite/graph", body={"graphs": graphs}).json()["graphs"]
    assert not any(each["isSuccessful"] for each in answers)
    assert answers[-1]["graphResponse"]["compositeResponse"][0]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert count(raw, "Account", "Sixteenth") == 0


def test_too_large_or_malformed_graphs_are_refused_whole(raw: Raw) -> None:
    one = [node("A", "Account", Name="Refused")]
    chain = [node("n0", "Account", Name="Refused")]
    chain += [node(f"n{at}", "Account", Name="Refused", ParentId=f"@{{n{at - 1}.id}}") for at in range(1, 16)]
    query = [{"method": "GET", "url": f"{DATA}/query?q=SELECT+Id+FROM+Account", "referenceId": "q"}]
    cases = [
        ([("a", one)] * 2, "INVALID_INPUT"),
        ([("-", one)], "INVALID_INPUT"),
        ([("a", query)], "INVALID_INPUT"),
        ([("a", chain)], "LIMIT_EXCEEDED"),
        ([(f"g{at}", one) for at in range(76)], "LIMIT_EXCEEDED"),
    ]
    for graphs, code in cases:
        body = {"graphs": [{"graphId": name, "compositeRequest": each} for name, each in graphs]}
        assert refusal(raw.send("POST", "composite/graph", body=body)) == (400, code)
    assert count(raw, "Account", "Refused") == 0
