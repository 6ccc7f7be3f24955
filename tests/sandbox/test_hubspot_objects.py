"""Single records of the emulated HubSpot, at all three path families and with the vendor's own client."""

from datetime import timedelta
from typing import Any

import pytest

from integrations.sandbox.hubspot_load import load, load_associations
from integrations.sandbox.hubspot_settings import change_settings
from tests.sandbox.hubspot_server import FAMILIES, NOW, TOKEN, Portal, Reply

STAMP = "2026-11-21T03:00:00Z"


def problem(reply: Reply) -> tuple[int, str, str]:
    """Status, category and first property code of a refusal."""
    codes = [error["code"] for error in reply.body.get("errors", ())]
    return reply.status, reply.body["category"], codes[0] if codes else ""


def later(hs: Portal, seconds: int = 60) -> None:
    hs.state.clock.set(NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["companies", "company", "0-2"])
def test_a_record_lives_at_every_path(hs: Portal, family: str, kind: str) -> None:
    made = hs.post(f"{family}/{kind}", {"properties": {"name": "Acme"}})
    assert made.status == 201
    path = f"{family}/{kind}/{made.body['id']}"
    assert hs.call("PATCH", path, {"properties": {"name": "Acme Ltd"}}).body["properties"]["name"] == "Acme Ltd"
    assert hs.get(path).body == {
        "id": made.body["id"],
        "properties": {
            "name": "Acme Ltd",
            "domain": None,
            "createdate": STAMP,
            "hs_lastmodifieddate": STAMP,
            "hs_object_id": made.body["id"],
        },
        "createdAt": STAMP,
        "updatedAt": STAMP,
        "archived": False,
    }
    assert hs.call("DELETE", path).status == 204
    assert hs.get(path).status == 404


def test_the_vendors_client_works_unchanged(hs: Portal) -> None:
    api = hs.client().crm.companies.basic_api
    made = api.create({"properties": {"name": "Acme", "seats": 25}})
    assert made.properties["seats"] == "25"
    assert made.created_at == NOW
    assert api.update(made.id, {"properties": {"seats": ""}}).properties.get("seats") is None
    assert [found.id for found in api.get_page(limit=100).results] == [made.id]
    api.archive(made.id)
    assert [found.id for found in api.get_page(archived=True).results] == [made.id]


REFUSED_VALUES = [
    ("companies", "shoe_size", "44", "PROPERTY_DOESNT_EXIST"),
    ("companies", "current_arr", "a lot", "INVALID_INTEGER"),
    ("companies", "customer_class", "huge", "INVALID_OPTION"),
    ("companies", "industry", "Software", "INVALID_OPTION"),
    ("companies", "is_strategic", "maybe", "INVALID_OPTION"),
    ("companies", "next_renewal", "31.01.2027", "INVALID_DATE"),
    ("companies", "next_renewal", "2027-01-31T08:00:00Z", "INVALID_DATE"),
    ("companies", "next_renewal", "1801353600001", "INVALID_DATE"),
    ("companies", "csm_owner", "99", "INVALID_OWNER_ID"),
    ("companies", "hubspot_owner_id", "Ada", "INVALID_INTEGER"),
    ("companies", "hs_object_id", "7", "READ_ONLY_VALUE"),
    ("companies", "hs_lastmodifieddate", STAMP, "READ_ONLY_VALUE"),
    ("companies", "name", "x" * 65_537, "PROPERTY_VALUE_TOO_LONG"),
    ("contacts", "email", "not an address", "INVALID_EMAIL"),
    ("deals", "dealstage", "dreaming", "INVALID_OPTION"),
    ("deals", "dealstage", "renewal_won", "INVALID_OPTION"),
    ("tasks", "hs_timestamp", "tomorrow", "INVALID_DATE"),
]


@pytest.mark.parametrize(("kind", "name", "value", "code"), REFUSED_VALUES)
def test_wrong_values_are_refused(hs: Portal, kind: str, name: str, value: str, code: str) -> None:
    enough = {"companies": {"name": "Acme"}, "tasks": {"hs_timestamp": STAMP}}.get(kind, {})
    reply = hs.post(f"/crm/objects/2026-09/{kind}", {"properties": enough | {name: value}})
    assert problem(reply) == (400, "VALIDATION_ERROR", code)
    assert reply.body["status"] == "error"
    assert reply.body["message"].startswith("Property values were not valid: [{")
    assert len(reply.body["correlationId"]) == 36
    assert hs.get(f"/crm/objects/2026-09/{kind}").body["results"] == []


KEPT_VALUES: list[tuple[str, Any, str | None]] = [
    ("name", "  Acme\r\nLtd \n", "Acme\nLtd"),
    ("current_arr", 12_000, "12000"),
    ("current_arr", "-1.50", "-1.50"),
    ("is_strategic", True, "true"),
    ("is_strategic", "FALSE", "false"),
    ("next_renewal", "2027-01-31", "2027-01-31"),
    ("next_renewal", "1801353600000", "2027-01-31"),
    ("next_renewal", "", None),
    ("next_renewal", None, None),
]


@pytest.mark.parametrize(("name", "value", "kept"), KEPT_VALUES)
def test_values_are_kept_as_text(hs: Portal, name: str, value: object, kept: str | None) -> None:
    record = hs.make("companies", name="Acme", next_renewal="2026-12-31")
    path = f"/crm/objects/2026-09/companies/{record}"
    hs.call("PATCH", path, {"properties": {name: value}})
    assert hs.get(path, properties=name).body["properties"][name] == kept


def test_instants_are_taken_as_milliseconds_or_iso_and_task_text_is_not_touched(hs: Portal) -> None:
    body = "  <p>two\r\nlines</p> "
    record = hs.make("tasks", hs_timestamp="1795748400500", hs_task_body=body, hs_task_subject=" Call ")
    shown = hs.get(
        f"/crm/v3/objects/0-27/{record}", properties="hs_timestamp,hs_task_body,hs_task_subject,hs_task_status"
    )
    assert shown.body["properties"] == {
        "hs_createdate": STAMP,
        "hs_lastmodifieddate": STAMP,
        "hs_object_id": record,
        "hs_timestamp": "2026-11-27T03:00:00.500Z",
        "hs_task_body": body,
        "hs_task_subject": "Call",
        "hs_task_status": "NOT_STARTED",
    }


@pytest.mark.parametrize(
    ("kind", "missing"), [("tasks", "hs_timestamp"), ("notes", "hs_timestamp"), ("tickets", "hs_pipeline_stage")]
)
def test_required_properties_are_demanded(hs: Portal, kind: str, missing: str) -> None:
    reply = hs.post(f"/crm/objects/2026-09/{kind}", {"properties": {}})
    assert problem(reply) == (400, "VALIDATION_ERROR", "")
    assert reply.body["context"] == {"properties": [missing]}


def test_unique_values_stay_unique_even_after_archiving(hs: Portal) -> None:
    first = hs.make("contacts", email="Ada@Example.com")
    again = hs.post("/crm/v3/objects/contacts", {"properties": {"email": "ada@example.com"}})
    assert (again.status, again.body["category"]) == (409, "CONFLICT")
    assert again.body["message"] == f"Contact already exists. Existing ID: {first}"
    assert hs.get("/crm/v3/objects/contacts/ada@example.com", idProperty="email").body["id"] == first
    task = hs.make("tasks", hs_timestamp=STAMP, plansync_key="k1")
    hs.call("DELETE", f"/crm/v3/objects/tasks/{task}")
    reply = hs.post("/crm/v3/objects/tasks", {"properties": {"hs_timestamp": STAMP, "plansync_key": "k1"}})
    assert reply.status == 409
    assert hs.post("/crm/v3/objects/tasks", {"properties": {"hs_timestamp": STAMP, "plansync_key": "k2"}}).status == 201


def test_only_property_writes_move_the_modification_stamp(hs: Portal) -> None:
    company, other, contact = (hs.make("companies", name="A"), hs.make("companies", name="B"), hs.make("contacts"))
    later(hs)
    hs.call("PUT", f"/crm/v4/objects/contacts/{contact}/associations/default/companies/{company}")
    hs.post("/crm/v3/objects/companies/merge", {"primaryObjectId": company, "objectIdToMerge": other})
    hs.call("DELETE", f"/crm/v3/objects/contacts/{contact}")
    assert hs.get(f"/crm/v3/objects/companies/{company}").body["updatedAt"] == STAMP
    (gone,) = hs.get("/crm/v3/objects/contacts", archived="true").body["results"]
    assert (gone["updatedAt"], gone["archivedAt"], gone["archived"]) == (STAMP, "2026-11-21T03:01:00Z", True)
    hs.call("PATCH", f"/crm/v3/objects/companies/{company}", {"properties": {"name": "C"}})
    assert hs.get(f"/crm/v3/objects/companies/{company}").body["updatedAt"] == "2026-11-21T03:01:00Z"


def test_stages_close_deals_and_tickets(hs: Portal) -> None:
    names = "hs_is_closed,hs_is_closed_won,pipeline"
    deal = hs.make("deals", dealname="Renewal", pipeline="renewal", dealstage="renewal_upcoming")
    path = f"/crm/objects/2026-09/deals/{deal}"
    assert hs.get(path, properties=names).body["properties"]["hs_is_closed"] == "false"
    hs.call("PATCH", path, {"properties": {"dealstage": "renewal_won"}})
    won = hs.get(path, properties=names).body["properties"]
    assert (won["hs_is_closed"], won["hs_is_closed_won"], won["pipeline"]) == ("true", "true", "renewal")
    ticket = hs.make("tickets", subject="Down", hs_pipeline_stage="1")
    path = f"/crm/objects/2026-09/tickets/{ticket}"
    for stage, closed, when in (("4", "true", STAMP), ("3", "false", None)):
        hs.call("PATCH", path, {"properties": {"hs_pipeline_stage": stage}})
        shown = hs.get(path, properties="hs_is_closed,closed_date").body["properties"]
        assert (shown["hs_is_closed"], shown["closed_date"]) == (closed, when)


def test_lists_page_by_cursor_and_the_archived_are_listed_apart(hs: Portal) -> None:
    ids = load(hs.state, "companies", [{"name": f"Firm {n}"} for n in range(230)])
    load(hs.state, "companies", [{"name": "Gone", "archived": "true"}])
    seen: list[str] = []
    page = hs.get("/crm/objects/2026-09/companies", limit="100")
    while True:
        seen += [record["id"] for record in page.body["results"]]
        if "paging" not in page.body:
            break
        after = page.body["paging"]["next"]
        assert after["link"] == f"{hs.url}/crm/objects/2026-09/companies?limit=100&after={after['after']}"
        page = hs.get("/crm/objects/2026-09/companies", limit="100", after=after["after"])
    assert seen == ids
    archived = hs.get("/crm/objects/2026-09/companies", archived="true", properties="name").body["results"]
    assert [record["properties"]["name"] for record in archived] == ["Gone"]
    assert [record.id for record in hs.client().crm.companies.get_all()] == ids


@pytest.mark.parametrize(
    "query", [{"limit": "101"}, {"limit": "0"}, {"after": "x"}, {"limit": "51", "propertiesWithHistory": "name"}]
)
def test_pages_have_limits(hs: Portal, query: dict[str, str]) -> None:
    assert problem(hs.get("/crm/objects/2026-09/companies", **query))[:2] == (400, "VALIDATION_ERROR")


def test_inline_associations_stop_at_100_and_say_so(hs: Portal) -> None:
    (company,) = load(hs.state, "companies", [{"name": "Acme"}])
    deals = load(hs.state, "deals", [{"dealname": str(n), "dealstage": "contractsent"} for n in range(101)])
    load_associations(hs.state, "deals", "companies", [(deal, company) for deal in deals])
    (shown,) = hs.get("/crm/v3/objects/companies", associations="deals,contacts").body["results"]
    assert set(shown["associations"]) == {"deals"}
    inline = shown["associations"]["deals"]
    assert len(inline["results"]) == 100
    assert inline["results"][:2] == [
        {"id": deals[0], "type": "company_to_deal"},
        {"id": deals[0], "type": "company_to_deal_unlabeled"},
    ]
    rest = hs.get(inline["paging"]["next"]["link"].removeprefix(hs.url)).body["results"]
    assert {entry["id"] for entry in inline["results"]} | {str(one["toObjectId"]) for one in rest} == set(deals)


def test_history_is_newest_first_and_knows_the_first_value(hs: Portal) -> None:
    record = hs.make("companies", name="Acme", seats="10")
    later(hs)
    hs.call("PATCH", f"/crm/v3/objects/companies/{record}", {"properties": {"seats": "12", "name": "Acme"}})
    found = hs.get(f"/crm/v3/objects/companies/{record}", propertiesWithHistory="seats,name,domain").body
    history = found["propertiesWithHistory"]
    assert [(entry["value"], entry["timestamp"]) for entry in history["seats"]] == [
        ("12", "2026-11-21T03:01:00Z"),
        ("10", STAMP),
    ]
    assert [entry["value"] for entry in history["name"]] == ["Acme"]
    assert history["domain"] == []
    (typed,) = hs.client().crm.companies.basic_api.get_page(limit=50, properties_with_history=["seats"]).results
    assert [entry.value for entry in typed.properties_with_history["seats"]] == ["12", "10"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_merge_makes_a_new_record_that_answers_for_both(hs: Portal, family: str) -> None:
    first, second, third = (hs.make("companies", name=name) for name in ("A", "B", "C"))
    hs.call("PATCH", f"{family}/companies/{second}", {"properties": {"seats": "7", "plansync_key": "k2"}})
    contact = hs.make("contacts", email="ada@example.com")
    hs.call("PUT", f"/crm/v4/objects/contacts/{contact}/associations/default/companies/{third}")
    merge = f"{family}/companies/merge"
    between = hs.post(merge, {"primaryObjectId": second, "objectIdToMerge": third}).body["id"]
    merged = hs.post(merge, {"primaryObjectId": first, "objectIdToMerge": second})
    assert len({first, second, third, between, merged.body["id"]}) == 5
    assert merged.body["properties"]["hs_merged_object_ids"].split(";") == [third, second, between, first]
    assert (merged.body["properties"]["name"], merged.body["properties"]["seats"]) == ("A", "7")
    assert merged.body["properties"]["plansync_key"] == "k2"
    for old in (first, second, third, between):
        read = hs.post(f"{family}/companies/batch/read", {"inputs": [{"id": old}]})
        assert [record["id"] for record in read.body["results"]] == [merged.body["id"]]
    for archived in ("false", "true"):
        listed = [record["id"] for record in hs.get(f"{family}/companies", archived=archived).body["results"]]
        assert listed == ([merged.body["id"]] if archived == "false" else [])
    held = hs.get(f"/crm/v4/objects/contacts/{contact}/associations/companies").body["results"]
    assert [(one["toObjectId"], len(one["associationTypes"])) for one in held] == [(int(merged.body["id"]), 2)]
    assert hs.get(f"/crm/v4/objects/companies/{third}/associations/contacts").body["results"] == []


def test_the_primary_wins_a_merge_and_keeps_its_primary_company(hs: Portal) -> None:
    one, two = hs.make("companies", name="One"), hs.make("companies", name="Two")
    primary, other = (hs.make("contacts", email=f"{name}@example.com", firstname=name) for name in ("p", "o"))
    for contact, company in ((primary, two), (primary, one), (other, one)):
        hs.call("PUT", f"/crm/v4/objects/contacts/{contact}/associations/default/companies/{company}")
    merged = hs.post("/crm/v3/objects/contacts/merge", {"primaryObjectId": primary, "objectIdToMerge": other}).body
    assert (merged["properties"]["email"], merged["updatedAt"]) == ("p@example.com", STAMP)
    held = hs.get(f"/crm/v4/objects/contacts/{merged['id']}/associations/companies").body["results"]
    types = {str(each["toObjectId"]): {kind["typeId"] for kind in each["associationTypes"]} for each in held}
    assert types == {one: {279}, two: {279, 1}}
    assert hs.post("/crm/v3/objects/contacts", {"properties": {"email": "o@example.com"}}).status == 201
    history = hs.get(f"/crm/v3/objects/contacts/{merged['id']}", propertiesWithHistory="firstname").body
    assert [entry["value"] for entry in history["propertiesWithHistory"]["firstname"]] == ["p"]


def test_merges_as_they_were(hs: Portal) -> None:
    change_settings(hs.state, merges_keep_id=True)
    first, second = hs.make("companies", name="A"), hs.make("companies", name="B")
    merged = hs.post("/crm/v3/objects/companies/merge", {"primaryObjectId": first, "objectIdToMerge": second}).body
    assert (merged["id"], merged["properties"]["hs_merged_object_ids"]) == (first, second)


@pytest.mark.parametrize(
    ("accept", "body"),
    [("*/*", "page"), ("application/json, */*;q=0.8", "page"), ("text/html", "page"), ("application/json", "error")],
)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_missing_record_is_a_page_to_who_takes_html(hs: Portal, family: str, accept: str, body: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept": accept}
    answer = hs.pool.request("GET", f"{hs.url}{family}/companies/999", headers=headers)
    assert answer.status == 404
    if body == "page":
        assert answer.headers["Content-Type"].startswith("text/html")
        assert b"<title>Error 404 Not Found</title>" in answer.data
    else:
        assert answer.json()["message"] == "resource not found"


def test_what_does_not_exist(hs: Portal) -> None:
    for method in ("PATCH", "DELETE"):
        reply = hs.call(method, "/crm/v3/objects/companies/999", {"properties": {}} if method == "PATCH" else None)
        assert (reply.status, reply.body["message"], reply.body["category"]) == (
            404,
            "resource not found",
            "OBJECT_NOT_FOUND",
        )
    spelled = hs.get("/crm/v3/objects/companies/ada@example.com")
    assert (spelled.status, spelled.body["context"]) == (404, {"id": ["ada@example.com"]})
    assert hs.get("/crm/v3/objects/spaceships").status == 400
    assert hs.get("/crm/objects/2025-01/companies").status == 404
    assert hs.get("/crm/v3/nonsense").status == 404
    record = hs.make("companies", name="Acme")
    assert [hs.call("DELETE", f"/crm/v3/objects/companies/{record}").status for _ in range(2)] == [204, 204]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"properties": []}', b'{"properties": {"name": ["a"]}}', b"\xff"])
def test_nonsense_is_refused_in_json(hs: Portal, body: bytes) -> None:
    reply = hs.call("POST", "/crm/v3/objects/companies", body)
    assert problem(reply)[:2] == (400, "VALIDATION_ERROR")


def test_writes_enter_the_ledger_and_refused_ones_do_not(hs: Portal) -> None:
    record = hs.make("companies", name="Acme")
    hs.post("/crm/v3/objects/companies", {"properties": {"name": "B", "nope": "1"}})
    hs.call("PATCH", f"/crm/v3/objects/companies/{record}", {"properties": {"name": "C"}})
    hs.call("DELETE", f"/crm/v3/objects/companies/{record}")
    assert [(seen.object, seen.id, seen.action) for seen in hs.state.writes("hubspot")] == [
        ("companies", record, "create"),
        ("companies", record, "update"),
        ("companies", record, "delete"),
    ]
    seen = hs.state.requests("hubspot")
    assert [(one.method, one.status, one.kind, one.records) for one in seen] == [
        ("POST", 201, "write", 1),
        ("POST", 400, "write", 0),
        ("PATCH", 200, "write", 1),
        ("DELETE", 204, "write", 1),
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_stays_of_a_contact_deleted_for_good(hs: Portal, family: str) -> None:
    company = hs.make("companies", name="A")
    first, second = (hs.make("contacts", email=f"{name}@example.com", firstname="Ada") for name in ("a", "b"))
    hs.call("PUT", f"/crm/v4/objects/contacts/{second}/associations/default/companies/{company}")
    hs.call("PATCH", f"{family}/contacts/{second}", {"properties": {"firstname": "Bea"}})
    hs.call("DELETE", f"{family}/contacts/{first}")
    gone = [{"objectId": first}, {"objectId": "b@example.com", "idProperty": "email"}]
    assert [hs.post(f"{family}/contacts/gdpr-delete", body).status for body in gone] == [204, 204]
    for archived in ("false", "true"):
        assert hs.get(f"{family}/contacts", archived=archived).body["results"] == []
        assert hs.get(f"{family}/contacts/{second}", archived=archived).status == 404
    assert hs.get(f"/crm/v4/objects/companies/{company}/associations/contacts").body["results"] == []
    third = hs.make("contacts", email="b@example.com")
    assert third not in {first, second}
    assert not [row for row in hs.state.query("SELECT * FROM hubspot__history") if "Bea" in row or "Ada" in row]
    assert hs.post(f"{family}/companies/gdpr-delete", {"objectId": company}).status == 400


def test_history_says_who_changed_what(hs: Portal) -> None:
    record = hs.make("companies", name="Acme", seats="10")
    later(hs)
    hs.call("PATCH", f"/crm/v3/objects/companies/{record}", {"properties": {"seats": "12"}})
    found = hs.get(f"/crm/objects/2026-09/companies/{record}", propertiesWithHistory="seats").body
    newest, first = found["propertiesWithHistory"]["seats"]
    assert (newest["sourceType"], newest["sourceId"]) == ("INTEGRATION", "1234567")
    assert (first["sourceType"], first["updatedByUserId"]) == ("CRM_UI", 7_654_321)
    body = {"inputs": [{"id": record}], "propertiesWithHistory": ["seats"]}
    (read,) = hs.post("/crm/v3/objects/companies/batch/read", body).body["results"]
    assert read["propertiesWithHistory"] == found["propertiesWithHistory"]
