"""Associations of the emulated HubSpot, at ``v4`` and at the dated paths."""

from typing import Any

import pytest

from integrations.sandbox.hubspot_load import load, load_associations
from tests.sandbox.hubspot_server import Portal

FAMILIES = ("/crm/associations/2026-09", "/crm/associations/2026-03", "/crm/v4/associations")
TYPES = """from      | to        | plain | primary
           contacts  | companies | 279   | 1
           companies | contacts  | 280   | 2
           deals     | companies | 341   | 5
           companies | deals     | 342   | 6
           tickets   | companies | 339   | 26
           companies | tickets   | 340   | 25
           tasks     | companies | 192   |
           tasks     | contacts  | 204   |
           meetings  | companies | 188   |
           meetings  | contacts  | 200   |
           calls     | companies | 182   |
           calls     | contacts  | 194   |
           emails    | companies | 186   |
           emails    | contacts  | 198   |
           notes     | companies | 190   |
           notes     | contacts  | 202   |
           companies | tasks     | 191   |
           contacts  | tasks     | 203   |"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TYPES.splitlines()[1:]]


def link(source: str, target: str, *type_ids: int) -> dict[str, Any]:
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": one} for one in type_ids]
    return {"from": {"id": source}, "to": {"id": target}, "types": types}


def held(hs: Portal, source: str, source_id: str, target: str) -> dict[str, set[int]]:
    """What a record is associated with, and by which types."""
    found = hs.get(f"/crm/v4/objects/{source}/{source_id}/associations/{target}").body["results"]
    return {str(one["toObjectId"]): {kind["typeId"] for kind in one["associationTypes"]} for one in found}


@pytest.mark.parametrize(("source", "target", "plain", "primary"), ROWS)
def test_labels_say_the_type_ids(hs: Portal, source: str, target: str, plain: str, primary: str) -> None:
    labels = hs.get(f"/crm/v4/associations/{source}/{target}/labels").body["results"]
    wanted = [{"category": "HUBSPOT_DEFINED", "typeId": int(primary), "label": "Primary"}] if primary else []
    assert labels == [*wanted, {"category": "HUBSPOT_DEFINED", "typeId": int(plain), "label": None}]
    assert hs.get(f"/crm/associations/2026-09/{source}/{target}/labels").body["results"] == labels


@pytest.mark.parametrize("family", FAMILIES)
def test_both_directions_and_a_primary_follow_from_one_association(hs: Portal, family: str) -> None:
    contact, first, second = hs.make("contacts"), hs.make("companies", name="A"), hs.make("companies", name="B")
    made = hs.post(f"{family}/contacts/companies/batch/create", {"inputs": [link(contact, first, 279)]})
    assert made.status == (200 if "2026-09" in family else 201)
    assert made.body["results"][0]["toObjectTypeId"] == "0-2"
    assert held(hs, "contacts", contact, "companies") == {first: {279, 1}}
    assert held(hs, "companies", first, "contacts") == {contact: {280, 2}}
    hs.post(f"{family}/companies/contacts/batch/create", {"inputs": [link(second, contact, 280)]})
    assert held(hs, "contacts", contact, "companies") == {first: {279, 1}, second: {279}}
    hs.post(f"{family}/contact/company/batch/create", {"inputs": [link(contact, second, 1)]})
    assert held(hs, "contacts", contact, "companies") == {first: {279}, second: {279, 1}}
    assert held(hs, "companies", first, "contacts") == {contact: {280}}
    assert held(hs, "companies", second, "contacts") == {contact: {280, 2}}


@pytest.mark.parametrize("family", FAMILIES)
def test_batch_reads_page_per_id_and_name_the_lonely(hs: Portal, family: str) -> None:
    company, lonely = load(hs.state, "companies", [{"name": "Hub"}, {"name": "Lonely"}])
    tasks = load(hs.state, "tasks", [{"hs_timestamp": "2026-11-21T00:00:00Z"} for _ in range(501)])
    load_associations(hs.state, "tasks", "companies", [(task, company) for task in tasks])
    path = f"{family}/companies/tasks/batch/read"
    first = hs.post(path, {"inputs": [{"id": company}, {"id": lonely}]})
    assert first.status == (200 if "2026-09" in family else 207)
    assert first.body["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    (page,) = first.body["results"]
    assert (page["from"], len(page["to"])) == ({"id": company}, 500)
    after = page["paging"]["next"]["after"]
    (rest,) = hs.post(path, {"inputs": [{"id": company, "after": after}]}).body["results"]
    assert "paging" not in rest
    seen = [entry["toObjectId"] for entry in (*page["to"], *rest["to"])]
    assert seen == [int(task) if "v4" in family else task for task in tasks]
    assert page["to"][0]["associationTypes"] == [{"category": "HUBSPOT_DEFINED", "typeId": 191, "label": None}]


@pytest.mark.parametrize("family", FAMILIES)
def test_limits_unknown_types_and_missing_records(hs: Portal, family: str) -> None:
    contact, company = hs.make("contacts"), hs.make("companies", name="A")
    read = hs.post(f"{family}/contacts/companies/batch/read", {"inputs": [{"id": "1"}] * 1_001})
    create = hs.post(f"{family}/contacts/companies/batch/create", {"inputs": [link("1", "2", 279)] * 2_001})
    wrong = hs.post(f"{family}/contacts/companies/batch/create", {"inputs": [link(contact, company, 341)]})
    assert [(one.status, one.body["category"]) for one in (read, create, wrong)] == [(400, "VALIDATION_ERROR")] * 3
    path = f"{family}/contacts/companies/batch/create"
    partly = hs.post(path, {"inputs": [link(contact, company, 279), link(contact, "4711", 279)]})
    assert partly.status == (200 if "2026-09" in family else 207)
    assert (len(partly.body["results"]), partly.body["numErrors"]) == (1, 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_parting_takes_the_labels_along(hs: Portal, family: str) -> None:
    contact, company = hs.make("contacts"), hs.make("companies", name="A")
    hs.post(f"{family}/contacts/companies/batch/create", {"inputs": [link(contact, company, 1)]})
    hs.post(f"{family}/contacts/companies/batch/labels/archive", {"inputs": [link(contact, company, 1)]})
    assert held(hs, "contacts", contact, "companies") == {company: {279}}
    body = {"inputs": [{"from": {"id": contact}, "to": [{"id": company}]}]}
    reply = hs.post(f"{family}/contacts/companies/batch/archive", body)
    assert reply.status == (200 if "2026-09" in family else 204)
    assert held(hs, "contacts", contact, "companies") == {} == held(hs, "companies", company, "contacts")


def test_archiving_a_record_parts_it_from_everything(hs: Portal) -> None:
    contact, company = hs.make("contacts"), hs.make("companies", name="A")
    hs.call("PUT", f"/crm/v4/objects/contacts/{contact}/associations/default/companies/{company}")
    hs.call("DELETE", f"/crm/v3/objects/contacts/{contact}")
    assert held(hs, "companies", company, "contacts") == {}


def test_a_portals_own_labels(hs: Portal) -> None:
    contact, company = hs.make("contacts"), hs.make("companies", name="A")
    body = {"name": "sponsor_of", "label": "Sponsor", "inverseLabel": "Sponsored by"}
    there, back = hs.post("/crm/v4/associations/contacts/companies/labels", body).body["results"]
    types = [{"associationCategory": "USER_DEFINED", "associationTypeId": there["typeId"]}]
    made = hs.call("PUT", f"/crm/v4/objects/contacts/{contact}/associations/companies/{company}", types)
    assert (made.status, made.body["labels"]) == (201, ["Sponsor"])
    (seen,) = hs.get(f"/crm/v4/objects/companies/{company}/associations/contacts").body["results"]
    assert {one["label"] for one in seen["associationTypes"]} == {None, "Primary", back["label"]}


def test_the_vendors_client_reads_and_writes(hs: Portal) -> None:
    contact, company = hs.make("contacts"), hs.make("companies", name="A")
    api = hs.client().crm.associations.v4
    made = api.batch_api.create("contacts", "companies", {"inputs": [link(contact, company, 279)]})
    assert made.status == "COMPLETE"
    read = api.batch_api.get_page("contacts", "companies", {"inputs": [{"id": contact}]})
    assert [one.to_object_id for one in read.results[0].to] == [company]
    found = api.basic_api.get_page("companies", company, "contacts").results
    assert [one.to_object_id for one in found] == [contact]
    api.basic_api.archive("contacts", contact, "companies", company)
    assert api.basic_api.get_page("companies", company, "contacts").results == []


# -- labels that change, and v3 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["/crm/associations/2026-09", "/crm/v4/associations"])
def test_labels_change_and_go(hs: Portal, family: str) -> None:
    contact, company = hs.make("contacts"), hs.make("companies", name="A")
    path = f"{family}/contacts/companies/labels"
    there, back = hs.post(path, {"name": "champion", "label": "Champion"}).body["results"]
    assert hs.post(path, {"name": "champion", "label": "Other"}).status == 400
    assert hs.post(path, {"name": "other", "label": "Champion"}).status == 400
    assert hs.post(path, {"label": "Nameless"}).status == 400
    types = [{"associationCategory": "USER_DEFINED", "associationTypeId": there["typeId"]}]
    hs.call("PUT", f"/crm/v4/objects/contacts/{contact}/associations/companies/{company}", types)
    body = {"associationTypeId": back["typeId"], "label": "Championed by", "inverseLabel": "Champion of"}
    assert hs.call("PUT", path, body).status == 204
    labels = {each["typeId"]: each["label"] for each in hs.get(path).body["results"]}
    assert labels[there["typeId"]] == "Champion of"
    assert hs.call("PUT", path, body | {"associationTypeId": 999}).status == 400
    assert hs.call("DELETE", f"{path}/{there['typeId']}").status == 204
    assert held(hs, "contacts", contact, "companies") == {company: {279, 1}}
    assert len(hs.get(path).body["results"]) == 2


def test_v3_knows_types_by_name(hs: Portal) -> None:
    contact, first, second = hs.make("contacts"), hs.make("companies", name="A"), hs.make("companies", name="B")
    path = "/crm/v3/associations/contacts/companies"
    names = [each["name"] for each in hs.get(f"{path}/types").body["results"]]
    assert names == ["contact_to_company", "contact_to_company_unlabeled"]
    inputs = [
        {"from": {"id": contact}, "to": {"id": company}, "type": name}
        for company, name in zip((first, second), names, strict=True)
    ]
    made = hs.post(f"{path}/batch/create", {"inputs": inputs})
    assert (made.status, [each["type"] for each in made.body["results"]]) == (201, names)
    assert held(hs, "contacts", contact, "companies") == {first: {279, 1}, second: {279}}
    read = hs.post(f"{path}/batch/read", {"inputs": [{"id": contact}, {"id": "9"}]})
    assert (read.status, read.body["numErrors"]) == (207, 1)
    (page,) = read.body["results"]
    assert [(each["id"], each["type"]) for each in page["to"]] == [
        (first, names[0]), (first, names[1]), (second, names[1]),
    ]  # fmt: skip
    assert hs.post(f"{path}/batch/create", {"inputs": [inputs[0] | {"type": "friend"}]}).status == 400
    assert hs.post(f"{path}/batch/create", {"inputs": [inputs[0] | {"to": {"id": "9"}}]}).status == 400
    assert hs.post(f"{path}/batch/archive", {"inputs": [inputs[0]]}).status == 204
    assert held(hs, "contacts", contact, "companies") == {second: {279}}


def test_v3_pages_and_single_associations(hs: Portal) -> None:
    (company,) = load(hs.state, "companies", [{"name": "Hub"}])
    tasks = load(hs.state, "tasks", [{"hs_timestamp": "2026-11-21T00:00:00Z"} for _ in range(501)])
    load_associations(hs.state, "tasks", "companies", [(task, company) for task in tasks])
    path = "/crm/v3/associations/companies/tasks/batch/read"
    (page,) = hs.post(path, {"inputs": [{"id": company}]}).body["results"]
    after = page["paging"]["next"]["after"]
    (rest,) = hs.post(path, {"inputs": [{"id": company, "after": after}]}).body["results"]
    assert [each["id"] for each in (*page["to"], *rest["to"])] == tasks
    contact = hs.make("contacts")
    single = f"/crm/v3/objects/contacts/{contact}/associations/companies"
    made = hs.call("PUT", f"{single}/{company}/contact_to_company")
    assert (made.status, made.body["associations"]["companies"]["results"][0]["id"]) == (200, company)
    assert {each["id"] for each in hs.get(single).body["results"]} == {company}
    assert hs.call("DELETE", f"{single}/{company}/contact_to_company").status == 204
    assert hs.get(single).body["results"] == []
    assert hs.get("/crm/v3/objects/contacts/999/associations/companies").status == 404


def test_the_vendors_client_reads_v3(hs: Portal) -> None:
    contact, company = hs.make("contacts"), hs.make("companies", name="A")
    api = hs.client().crm.associations.batch_api
    pair = {"from": {"id": contact}, "to": {"id": company}, "type": "contact_to_company"}
    assert api.create("contacts", "companies", {"inputs": [pair]}).status == "COMPLETE"
    assert api.read("contacts", "companies", {"inputs": [{"id": contact}]}).results[0].to[0].id == company
