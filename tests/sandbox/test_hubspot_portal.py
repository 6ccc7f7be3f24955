"""What surrounds the records of the emulated HubSpot: sign-in, limits, properties, owners, pipelines, bulk loading."""

import time
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.sandbox.hubspot_app import create_app
from integrations.sandbox.hubspot_load import load, load_associations, load_history, load_owners
from integrations.sandbox.hubspot_portal import Portal as Kept
from integrations.sandbox.hubspot_settings import change_settings
from integrations.sandbox.hubspot_types import TYPES
from integrations.sandbox.state import State
from models.enums import Section
from tests.sandbox.hubspot_server import NOW, TOKEN, Portal, Switchboard, plug, unzipped

VERSIONS = ("2026-09", "2026-03", "v3")
STAMP = "2026-11-21T03:00:00Z"
Socket = tuple[Switchboard, str]
KEYS = (
    *(
        "inputs",
        "properties",
        "id",
        "idProperty",
        "associations",
        "to",
        "from",
        "types",
        "associationTypeId",
        "filters",
    ),
    *(
        "filterGroups",
        "propertyName",
        "operator",
        "value",
        "values",
        "sorts",
        "after",
        "limit",
        "query",
        "name",
        "label",
    ),
    *(
        "type",
        "fieldType",
        "groupName",
        "options",
        "labels",
        "stages",
        "metadata",
        "primaryDisplayProperty",
        "objectId",
        "primaryObjectId",
        "objectIdToMerge",
        "propertiesWithHistory",
    ),
)


def at(family: str, version: str) -> str:
    """A family's path at a version: dates come last, ``v3`` before the family."""
    return f"/crm/v3/{family}" if version == "v3" else f"/crm/{family}/{version}"


# -- the door ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "wrong", f"{TOKEN}x"])
def test_wrong_tokens_are_refused(hs: Portal, token: str) -> None:
    reply = hs.call("GET", "/crm/objects/2026-09/companies", token=token)
    assert (reply.status, reply.body["category"]) == (401, "INVALID_AUTHENTICATION")
    assert reply.body["message"].startswith("Authentication credentials not found.")
    assert set(reply.body) == {"status", "message", "correlationId", "category"}


def test_rate_headers_come_with_answers_and_of_search_only_the_daily_ones(hs: Portal) -> None:
    names = {"Daily": "625000", "Daily-Remaining": "624999", "Interval-Milliseconds": "10000", "Max": "190"}
    listed = hs.get("/crm/objects/2026-09/companies")
    assert {name: listed.headers[f"X-HubSpot-RateLimit-{name}"] for name in names} == names
    assert int(hs.get("/crm/owners/2026-09").headers["X-HubSpot-RateLimit-Remaining"]) == 188
    searched = hs.post("/crm/objects/2026-09/companies/search", {})
    found = {name.lower() for name in searched.headers if "ratelimit" in name.lower()}
    assert found == {"x-hubspot-ratelimit-daily", "x-hubspot-ratelimit-daily-remaining"}


def test_limits_when_they_are_on(hs: Portal, hubspot_socket: Socket) -> None:
    plug(hubspot_socket, create_app(hs.state, token=TOKEN, rate_limit=3, search_limit=1))
    searches = [hs.post("/crm/v3/objects/companies/search", {}) for _ in range(2)]
    assert [reply.status for reply in searches] == [200, 429]
    assert (searches[1].body["policyName"], searches[1].body["errorType"]) == ("SECONDLY", "RATE_LIMIT")
    refused = [hs.get("/crm/v3/objects/companies") for _ in range(3)][-1]
    assert (refused.status, refused.body["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
    assert refused.headers["X-HubSpot-RateLimit-Remaining"] == "0"
    assert refused.body["message"] == "You have reached your ten_secondly_rolling limit."
    change_settings(hs.state, daily_limit=3)
    daily = hs.get("/crm/v3/owners")
    assert (daily.status, daily.body["policyName"]) == (429, "DAILY")
    assert daily.headers["X-HubSpot-RateLimit-Daily-Remaining"] == "0"
    hs.state.clock.set(NOW + timedelta(days=1))
    change_settings(hs.state, rate_limit=None)
    assert hs.get("/crm/v3/owners").status == 200


def test_the_search_limit_is_a_real_second(hs: Portal) -> None:
    change_settings(hs.state, search_limit=2)
    begun = time.monotonic()
    statuses = []
    while statuses.count(200) < 4:
        statuses.append(hs.post("/crm/v3/objects/companies/search", {}).status)
        time.sleep(0.05 if statuses[-1] == 429 else 0)
    assert time.monotonic() - begun >= 1
    assert statuses[:3] == [200, 200, 429]


def test_answers_are_zipped_for_those_who_ask(hs: Portal) -> None:
    load(hs.state, "companies", [{"name": f"Firm {n}"} for n in range(100)])
    headers = {"Authorization": f"Bearer {TOKEN}", "Accept-Encoding": "gzip"}
    url = f"{hs.url}/crm/objects/2026-09/companies?limit=100"
    answer = hs.pool.request("GET", url, headers=headers, decode_content=False)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(unzipped(answer.data)["results"]) == 100
    plain = hs.pool.request("GET", url, headers=headers | {"Accept-Encoding": "identity"}, decode_content=False)
    assert orjson.loads(plain.data) == unzipped(answer.data)
    assert len(plain.data) > 5 * len(answer.data)


def test_the_request_log_tells_reads_from_writes(hs: Portal) -> None:
    hs.post("/crm/objects/2026-09/companies/search", {"query": "secret"})
    hs.post("/crm/objects/2026-09/companies/batch/read", {"inputs": [{"id": "1"}]})
    hs.post("/crm/objects/2026-09/companies/batch/archive", {"inputs": []})
    hs.get("/crm/objects/2026-09/companies/ada", idProperty="domain")
    assert hs.state.request_counts() == {"hubspot": {"read": 3, "write": 1}}
    assert all("?" not in seen.path for seen in hs.state.requests("hubspot"))


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 99)
    | st.text(max_size=5)
    | st.sampled_from(["name", "EQ", "279", "email"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)
ENDPOINTS = (
    *(f"/crm/objects/2026-09/contacts{verb}" for verb in ("", "/search", "/merge", "/batch/read", "/batch/create")),
    *(f"/crm/objects/2026-09/contacts/batch/{verb}" for verb in ("update", "upsert", "archive")),
    *(
        f"/crm/associations/2026-09/contacts/companies/{verb}"
        for verb in ("batch/read", "batch/create", "batch/archive")
    ),
    "/crm/v4/associations/contacts/companies/batch/labels/archive",
    "/crm/v4/associations/contacts/companies/labels",
    *(f"/crm/v3/associations/contacts/companies/batch/{verb}" for verb in ("read", "create", "archive")),
    *(f"/crm/properties/2026-09/contacts{verb}" for verb in ("", "/groups", "/batch/read", "/batch/archive")),
    *("/crm/pipelines/2026-09/deals", "/crm/v3/pipelines/deals/default/stages", "/crm-object-schemas/2026-09/schemas"),
    *("/crm/objects/2026-09/contacts/gdpr-delete", "/oauth/2026-03/token", "/oauth/v1/token"),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(ENDPOINTS), body=st.dictionaries(st.sampled_from(KEYS), TREES, max_size=5))
def test_no_body_breaks_the_portal(hs: Portal, path: str, body: dict[str, object]) -> None:
    assert hs.post(path, body).status < 500


# -- properties --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_describes_itself(hs: Portal, version: str, kind: str) -> None:
    rules = {rule["name"]: rule for rule in hs.get(f"{at('properties', version)}/{kind}").body["results"]}
    assert {*TYPES[kind].shown, *TYPES[kind].always} <= rules.keys()
    assert hs.get(f"{at('properties', version)}/{kind}/hs_object_id").body == rules["hs_object_id"]
    assert hs.get(f"{at('properties', version)}/{kind}/nope").status == 404


def test_the_demo_portal_has_its_own_properties(hs: Portal) -> None:
    rules = {rule["name"]: rule for rule in hs.get("/crm/properties/2026-09/companies").body["results"]}
    assert {f"plansync_section_{section}" for section in Section} <= rules.keys()
    assert rules["plansync_key"]["hasUniqueValue"]
    assert rules["plansync_key"]["groupName"] == "success_plan"
    assert [option["value"] for option in rules["customer_class"]["options"]] == ["enterprise", "mid_market", "smb"]
    assert (rules["csm_owner"]["referencedObjectType"], rules["csm_owner"]["externalOptions"]) == ("OWNER", True)
    assert not rules["current_arr"]["hubspotDefined"]


NEW = {
    "name": "tier_note",
    "label": "Tier note",
    "type": "string",
    "fieldType": "text",
    "groupName": "companyinformation",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_properties_and_groups_can_be_made(hs: Portal, version: str) -> None:
    path = f"{at('properties', version)}/companies"
    assert hs.post(f"{path}/groups", {"name": "notes", "label": "Notes"}).status == 201
    assert hs.post(f"{path}/groups", {"name": "notes", "label": "Notes"}).status == 409
    assert hs.get(f"{path}/groups/notes").body["label"] == "Notes"
    made = hs.post(path, NEW | {"groupName": "notes", "hasUniqueValue": True})
    assert (made.status, made.body["hasUniqueValue"], made.body["hubspotDefined"]) == (201, True, False)
    assert hs.post(path, NEW).status == 409
    inputs = [{"id": "a", "idProperty": "tier_note", "properties": {"name": "Acme"}}]
    upserted = hs.post("/crm/objects/2026-09/companies/batch/upsert", {"inputs": inputs})
    assert upserted.body["results"][0]["properties"]["tier_note"] == "a"
    assert hs.call("DELETE", f"{path}/tier_note").status == 204
    assert hs.get(f"{path}/tier_note").status == 404
    assert hs.call("DELETE", f"{path}/name").status == 400


WRONG = [{"label": ""}, {"type": "text"}, {"fieldType": "number"}, {"groupName": "nope"}, {"name": "Tier Note"}]


@pytest.mark.parametrize("change", WRONG)
def test_wrong_properties_are_refused(hs: Portal, change: dict[str, str]) -> None:
    reply = hs.post("/crm/properties/2026-09/companies", NEW | change)
    assert (reply.status, reply.body["category"]) == (400, "VALIDATION_ERROR")


def test_the_vendors_client_provisions(hs: Portal) -> None:
    api = hs.client().crm.properties
    option = {"label": "Gold", "value": "gold", "displayOrder": 0, "hidden": False}
    body = NEW | {"name": "medal", "type": "enumeration", "fieldType": "select", "options": [option]}
    assert api.core_api.create("companies", body).options[0].value == "gold"
    assert "medal" in [rule.name for rule in api.core_api.get_all("companies").results]
    assert hs.post("/crm/v3/objects/companies", {"properties": {"name": "A", "medal": "tin"}}).status == 400


def test_a_portal_without_the_demo_properties() -> None:
    state = State()
    kept = Kept(state, has_demo_properties=False)
    assert "plansync_key" not in kept.properties(TYPES["companies"])
    assert "success_plan" not in kept.groups(TYPES["companies"])


# -- owners, pipelines, account ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_former_owners_are_listed_apart(hs: Portal, version: str) -> None:
    rows = [{"id": str(n), "email": f"o{n}@example.com", "firstName": "O", "lastName": str(n)} for n in range(1, 503)]
    load_owners(hs.state, [*rows, {"id": "900", "email": "gone@example.com", "archived": "true"}])
    path = at("owners", version)
    first = hs.get(path, limit="500")
    assert (len(first.body["results"]), first.body["paging"]["next"]["after"]) == (500, "500")
    assert [one["id"] for one in hs.get(path, limit="500", after="500").body["results"]] == ["501", "502"]
    (gone,) = hs.get(path, archived="true").body["results"]
    assert (gone["id"], gone["archived"], gone["userId"], gone["userIdIncludingInactive"]) == ("900", True, None, 900)
    assert hs.get(path, limit="501").status == 400
    assert hs.get(f"{path}/7").body["email"] == "o7@example.com"
    assert hs.get(f"{path}/900").status == 404
    assert [one.id for one in hs.client().crm.owners.owners_api.get_page(limit=2).results] == ["1", "2"]


def test_owner_fields_take_owners_only(hs: Portal) -> None:
    load_owners(hs.state, [{"id": "7", "email": "ada@example.com"}])
    record = hs.make("companies", name="Acme", csm_owner="7", hubspot_owner_id="7")
    assert hs.get(f"/crm/v3/objects/companies/{record}", properties="csm_owner").body["properties"]["csm_owner"] == "7"


@pytest.mark.parametrize("version", VERSIONS)
def test_pipelines_say_which_stages_close(hs: Portal, version: str) -> None:
    deals = hs.get(f"{at('pipelines', version)}/deals").body["results"]
    closed = {stage["id"] for line in deals for stage in line["stages"] if stage["metadata"]["isClosed"] == "true"}
    assert closed == {"closedwon", "closedlost", "renewal_won", "renewal_lost"}
    tickets = hs.get(f"{at('pipelines', version)}/0-5/0/stages").body["results"]
    assert [(stage["id"], stage["metadata"]["ticketState"]) for stage in tickets] == [
        ("1", "OPEN"),
        ("2", "OPEN"),
        ("3", "OPEN"),
        ("4", "CLOSED"),
    ]
    assert hs.get(f"{at('pipelines', version)}/deals/nope").status == 404
    assert [line.id for line in hs.client().crm.pipelines.pipelines_api.get_all("deals").results] == [
        "default",
        "renewal",
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_account_details(hs: Portal, version: str) -> None:
    details = hs.get(f"/account-info/{version}/details").body
    assert (details["portalId"], details["timeZone"]) == (4_242_424, "UTC")


# -- bulk loading ------------------------------------------------------------------------------------------------------


def test_loaded_records_keep_what_they_came_with(hs: Portal) -> None:
    given = {"id": "77", "name": "Acme", "createdate": "2024-01-02", "hs_lastmodifieddate": "1795168800001"}
    gone = {"id": "78", "name": "Gone", "archived": "true", "archivedAt": "2026-10-01T00:00:00Z"}
    assert load(hs.state, "companies", [given, gone, {"name": "New"}]) == ["77", "78", "201000000001"]
    kept = hs.get("/crm/v3/objects/companies/77").body
    assert (kept["createdAt"], kept["updatedAt"]) == ("2024-01-02T00:00:00Z", "2026-11-20T10:00:00.001Z")
    assert hs.get("/crm/v3/objects/companies/78", archived="true").body["archivedAt"] == "2026-10-01T00:00:00Z"
    assert int(hs.make("companies", name="Next")) == 201_000_000_002
    with pytest.raises(KeyError, match="shoe_size"):
        load(hs.state, "companies", [{"name": "x", "shoe_size": "44"}])
    load_history(hs.state, "companies", [("77", "seats", "5", "2025-01-01"), ("77", "seats", "9", "2026-01-01")])
    history = hs.get("/crm/v3/objects/companies/77", propertiesWithHistory="seats").body["propertiesWithHistory"]
    assert [entry["value"] for entry in history["seats"]] == ["9", "5"]


def test_loaded_deals_and_tickets_are_closed_by_their_stage(hs: Portal) -> None:
    deal, ticket = load(hs.state, "deals", [{"dealname": "D", "dealstage": "closedlost"}])[0], "1"
    load(hs.state, "tickets", [{"id": ticket, "hs_pipeline_stage": "4", "closed_date": STAMP, "createdate": STAMP}])
    shown = hs.get(f"/crm/v3/objects/deals/{deal}", properties="hs_is_closed,hs_is_closed_won,pipeline").body[
        "properties"
    ]
    assert (shown["hs_is_closed"], shown["hs_is_closed_won"], shown["pipeline"]) == ("true", "false", "default")
    shown = hs.get("/crm/v3/objects/tickets/1", properties="hs_is_closed,closed_date,hs_pipeline").body["properties"]
    assert (shown["hs_is_closed"], shown["closed_date"], shown["hs_pipeline"]) == ("true", STAMP, "0")


def test_loaded_associations_have_one_primary_company(hs: Portal) -> None:
    companies = load(hs.state, "companies", [{"name": "A"}, {"name": "B"}])
    (contact,) = load(hs.state, "contacts", [{"email": "ada@example.com"}])
    for company in companies:
        assert load_associations(hs.state, "contacts", "companies", [(contact, company)]) == 1
    assert load_associations(hs.state, "companies", "contacts", [(company, contact) for company in companies]) == 2
    (shown,) = hs.get("/crm/v3/objects/contacts", associations="companies").body["results"]
    assert [(one["id"], one["type"]) for one in shown["associations"]["companies"]["results"]] == [
        (companies[0], "contact_to_company"),
        (companies[0], "contact_to_company_unlabeled"),
        (companies[1], "contact_to_company_unlabeled"),
    ]


def test_a_portal_outlives_its_server(tmp_path: Path, hs: Portal, hubspot_socket: Socket) -> None:
    for turn in range(2):
        state = State(tmp_path / "crm.db")
        plug(hubspot_socket, create_app(state, token=TOKEN))
        if turn == 0:
            assert hs.post("/crm/properties/2026-09/companies", NEW).status == 201
            hs.make("companies", name="Acme", tier_note="x")
        found = hs.get("/crm/objects/2026-09/companies", properties="tier_note").body["results"]
        assert [record["properties"]["tier_note"] for record in found] == ["x"]
        state.close()
