"""HubSpot's own client for Node, unmodified, works on the emulated HubSpot; the sandbox says whether it came true."""

from tests.judges.node.clients import Witness
from tests.judges.node.conftest import AS_OF, Check


def test_creates_updates_reads_and_archives_a_record(hubspot_client: Check, witness: Witness) -> None:
    before = witness.count("hubspot", "companies")
    told = hubspot_client("oneRecord", name="Judged by hand")
    company = told["created"]["id"]
    assert (told["read"]["properties"]["seats"], told["archived"]["archived"]) == ("4", True)
    assert told["after"]["code"] == 404
    assert witness.count("hubspot", "companies") == before + 1  # an archived record is still a row there
    archived = witness.hubspot(f"/crm/v3/objects/companies/{company}", archived="true", properties="seats")
    assert (archived["archived"], archived["properties"]["seats"]) == (True, "4")


def test_lists_page_by_page(hubspot_client: Check, witness: Witness) -> None:
    told = hubspot_client("list")
    listed = witness.hubspot("/crm/v3/objects/companies", limit="100")
    assert told == [each["id"] for each in listed["results"]]
    assert len(told) > 2


def test_upserts_by_a_unique_property(hubspot_client: Check, witness: Witness) -> None:
    keys = [f"judged-{number}" for number in range(100)]
    told = hubspot_client("upsert", keys=keys, at=f"{AS_OF}T10:00:00Z")
    assert [each["_new"] for each in told["first"]["results"]] == [True] * 100
    assert [each["_new"] for each in told["second"]["results"]] == [False] * 100
    for key in (keys[0], keys[-1]):
        found = witness.hubspot(f"/crm/v3/objects/tasks/{key}", idProperty="plansync_key", properties="hs_task_subject")
        assert found["properties"]["hs_task_subject"] == "second"
    assert len({each["id"] for each in told["first"]["results"] + told["second"]["results"]}) == 100


def test_upserts_contacts_by_email(hubspot_client: Check, witness: Witness) -> None:
    emails = ["judged-1@customer.example", "judged-2@customer.example"]
    first = hubspot_client("upsertByEmail", emails=emails[:1], name="First")
    both = hubspot_client("upsertByEmail", emails=emails, name="Second")
    is_new = {each["properties"]["email"]: each["_new"] for each in both["results"]}
    assert is_new == {emails[0]: False, emails[1]: True}
    found = witness.hubspot(f"/crm/v3/objects/contacts/{emails[0]}", idProperty="email", properties="lastname")
    assert (found["id"], found["properties"]["lastname"]) == (first["results"][0]["id"], "Second")


def test_works_in_batches(hubspot_client: Check, witness: Witness) -> None:
    told = hubspot_client("batches", names=["Batch A", "Batch B", "Batch C"])
    read = told["read"]
    assert (told["updated"], read["numErrors"]) == ("COMPLETE", 1)
    assert read["errors"][0]["context"]["ids"] == ["999999999"]
    assert {each["properties"]["lastname"] for each in read["results"]} == {"Batch A", "Batch B", "Batch C"}
    assert all(each["propertiesWithHistory"]["jobtitle"][0]["value"] == "CSM" for each in read["results"])
    assert witness.hubspot(f"/crm/v3/objects/contacts/{told['ids'][0]}")["id"] == told["ids"][0]
    assert [action for _, action in witness.writes("hubspot", "contacts")[-2:]] == ["delete", "delete"]


def test_searches_page_by_page(hubspot_client: Check, witness: Witness) -> None:
    told = hubspot_client("search", limit=50)
    expected, after = [], ""
    while after is not None:
        page = witness.hubspot("/crm/v3/objects/contacts", limit="100", properties="lastname", after=after)
        expected += [each["id"] for each in page["results"] if each["properties"]["lastname"]]
        after = page.get("paging", {}).get("next", {}).get("after")
    assert len(expected) > 100
    assert sorted(told["found"]) == sorted(expected)
    assert set(told["totals"]) == {len(expected)}


def test_searches_for_a_value(hubspot_client: Check, witness: Witness) -> None:
    company = witness.hubspot("/crm/v3/objects/companies", limit="1", properties="name")["results"][0]
    told = hubspot_client("searchFiltered", name=company["properties"]["name"])
    assert [each["id"] for each in told["results"]] == [company["id"]]
    assert hubspot_client("searchFiltered", name="Nobody") == {"total": 0, "results": []}


def test_associates_lists_and_dissociates(hubspot_client: Check, witness: Witness) -> None:
    made = hubspot_client("batches", names=["Linked A"])["ids"]
    made += [each["id"] for each in witness.hubspot("/crm/v3/objects/contacts", limit="2")["results"]]
    company = hubspot_client("oneMore", name="Linked")
    told = hubspot_client("associations", company=company, contacts=made)
    assert sorted(map(str, told["listed"])) == sorted(made)
    assert [each["to"]["id"] for each in told["batch"]["results"]].count(made[2]) == 1
    assert {str(each["toObjectId"]) for each in told["read"]["results"][0]["to"]} == set(made)
    left = witness.hubspot(f"/crm/v4/objects/companies/{company}/associations/contacts")["results"]
    assert [str(each["toObjectId"]) for each in left] == [made[2]] == [str(each) for each in told["after"]]


def test_makes_and_lists_labels(hubspot_client: Check, witness: Witness) -> None:
    told = hubspot_client("labels", label="Judged champion", name="judged_champion")
    listed = witness.hubspot("/crm/v4/associations/companies/contacts/labels")["results"]
    assert told["results"] == listed
    assert "Judged champion" in {each["label"] for each in listed}
    assert {each["category"] for each in told["made"]["results"]} == {"USER_DEFINED"}


def test_reads_owners(hubspot_client: Check, witness: Witness) -> None:
    told, listed = hubspot_client("owners"), witness.hubspot("/crm/v3/owners", limit="100")["results"]
    assert told["all"] == [each["id"] for each in listed]
    assert told["one"]["email"] == listed[0]["email"]


def test_defines_a_property_once(hubspot_client: Check, witness: Witness) -> None:
    told = hubspot_client("properties", group="judged", name="judged_band")
    assert (told["again"]["code"], told["again"]["body"]["category"]) == (409, "OBJECT_ALREADY_EXISTS")
    found = witness.hubspot("/crm/v3/properties/companies/judged_band")
    assert (found["label"], [each["value"] for each in found["options"]]) == ("Judged anew", ["green", "red"])
    assert sorted(told["names"]) == sorted(
        each["name"] for each in witness.hubspot("/crm/v3/properties/companies")["results"]
    )


def test_reads_pipelines(hubspot_client: Check, witness: Witness) -> None:
    told, listed = hubspot_client("pipelines"), witness.hubspot("/crm/v3/pipelines/deals")["results"]
    assert [each["id"] for each in told["results"]] == [each["id"] for each in listed]
    assert told["stages"] == [each["id"] for each in listed[0]["stages"]]


def test_is_refused_in_words_that_it_understands(hubspot_client: Check, witness: Witness) -> None:
    told = hubspot_client("refusals", email="taken@customer.example")
    codes = {name: each["code"] for name, each in told.items() if name != "first"}
    assert codes == {"missing": 404, "missingUpdate": 404, "taken": 409, "unknown": 400, "noType": 400, "noToken": 401}
    assert f"Existing ID: {told['first']}" in told["taken"]["body"]["message"]
    assert told["unknown"]["body"]["category"] == "VALIDATION_ERROR"
    found = witness.hubspot("/crm/v3/objects/contacts/taken@customer.example", idProperty="email")
    assert found["id"] == told["first"]


def test_is_told_when_it_asks_too_often(hubspot_client: Check, witness: Witness) -> None:
    witness.change_hubspot(rate_limit=5)
    try:
        told = hubspot_client("tooMany", token=witness.hubspot_token())
    finally:
        witness.change_hubspot(rate_limit=None)
    assert (told["served"], told["code"]) == (5, 429)
    assert (told["body"]["errorType"], told["body"]["policyName"]) == ("RATE_LIMIT", "TEN_SECONDLY_ROLLING")
