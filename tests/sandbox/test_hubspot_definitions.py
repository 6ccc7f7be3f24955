"""What a HubSpot portal can be taught: custom objects, properties and groups that change, pipelines and stages."""

from typing import Any

import pytest

from tests.sandbox.hubspot_server import FAMILIES, Portal, Reply

SCHEMA_PATHS = ("/crm-object-schemas/2026-09/schemas", "/crm-object-schemas/v3/schemas", "/crm/v3/schemas")
PROPERTIES = "/crm/properties/2026-09"
PIPELINES = "/crm/v3/pipelines"
PLAN: dict[str, Any] = {
    "name": "plan",
    "labels": {"singular": "Plan", "plural": "Plans"},
    "primaryDisplayProperty": "title",
    "secondaryDisplayProperties": [],
    "requiredProperties": ["title"],
    "searchableProperties": ["title"],
    "properties": [
        {"name": "title", "label": "Title", "type": "string", "fieldType": "text"},
        {"name": "plan_key", "label": "Key", "type": "string", "fieldType": "text", "hasUniqueValue": True},
    ],
    "associatedObjects": ["COMPANY"],
}
NOTE = {"name": "tier_note", "label": "Note", "type": "string", "fieldType": "text", "groupName": "companyinformation"}


def refusal(reply: Reply) -> tuple[int, str, str | None]:
    return reply.status, reply.body["category"], reply.body.get("subCategory")


# -- custom objects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SCHEMA_PATHS)
def test_a_schema_is_made_read_changed_and_archived(hs: Portal, path: str) -> None:
    made = hs.post(path, PLAN)
    assert (made.status, made.body["fullyQualifiedName"]) == (201, "p4242424_plan")
    type_id = made.body["objectTypeId"]
    assert type_id.startswith("2-")
    assert {"title", "plan_key", "hs_object_id"} <= {rule["name"] for rule in made.body["properties"]}
    pairs = {(each["fromObjectTypeId"], each["toObjectTypeId"]) for each in made.body["associations"]}
    assert {(type_id, "0-2"), ("0-2", type_id), (type_id, "0-27")} <= pairs
    assert [each["name"] for each in hs.get(path).body["results"]] == ["plan"]
    changed = hs.call("PATCH", f"{path}/{type_id}", {"labels": {"singular": "Success plan"}, "requiredProperties": []})
    assert (changed.body["labels"], changed.body["requiredProperties"]) == ({"singular": "Success plan"}, [])
    record = hs.post(f"/crm/v3/objects/{type_id}", {"properties": {}}).body["id"]
    assert refusal(hs.call("DELETE", f"{path}/plan"))[2] == "ObjectSchemaError.EXISTING_OBJECT_RECORDS"
    hs.call("DELETE", f"/crm/v3/objects/plan/{record}")
    assert hs.call("DELETE", f"{path}/plan").status == 204
    assert hs.get("/crm/v3/objects/plan").status == 400
    assert [each["archived"] for each in hs.get(path, archived="true").body["results"]] == [True]
    assert hs.call("DELETE", f"{path}/{type_id}", archived="true").status == 204
    assert hs.post(path, PLAN).body["objectTypeId"] != type_id


def test_schemas_that_cannot_be(hs: Portal) -> None:
    (path, *_), wrong = SCHEMA_PATHS, "Some required fields were not set: [labels]"
    assert hs.post(path, {"name": "plan"}).body["message"] == f"Invalid input JSON: {wrong}"
    assert refusal(hs.post(path, PLAN | {"name": "1plan"}))[2] == "InboundDbObjectTypeError.OBJECT_TYPE_NAME_FORMAT"
    without = refusal(hs.post(path, {name: value for name, value in PLAN.items() if name != "primaryDisplayProperty"}))
    assert without[2] == "ObjectSchemaError.PRIMARY_DISPLAY_PROPERTY_REQUIRED"
    assert hs.post(path, PLAN | {"requiredProperties": ["nope"]}).status == 400
    assert hs.get("/crm/v3/objects/plan").status == 400
    assert hs.post(path, PLAN | {"properties": [PLAN["properties"][0] | {"name": "No Name"}]}).status == 400
    assert hs.get(path).body["results"] == []
    assert [hs.post(path, PLAN).status for _ in range(2)] == [201, 201]
    assert refusal(hs.post(path, PLAN | {"name": "Plan"}))[:2] == (409, "OBJECT_ALREADY_EXISTS")
    assert hs.get(f"{path}/companies").body["objectTypeId"] == "0-2"
    assert hs.get(f"{path}/nothing").status == 400


@pytest.mark.parametrize("family", FAMILIES)
def test_custom_records_behave_as_all_others(hs: Portal, family: str) -> None:
    type_id = hs.post(SCHEMA_PATHS[0], PLAN).body["objectTypeId"]
    assert hs.post(f"{family}/plan", {"properties": {}}).body["context"] == {"properties": ["title"]}
    inputs = [{"id": key, "idProperty": "plan_key", "properties": {"title": f"Plan {key}"}} for key in ("a", "b")]
    made = [hs.post(f"{family}/{spelling}/batch/upsert", {"inputs": inputs}).body for spelling in ("plan", "p_plan")]
    assert [[one["new"] for one in body["results"]] for body in made] == [[True, True], [False, False]]
    ids = [one["id"] for one in made[0]["results"]]
    for spelling in ("plan", "p_plan", "p4242424_plan", type_id):
        assert [one["id"] for one in hs.get(f"{family}/{spelling}").body["results"]] == ids
        found = hs.post(f"{family}/{spelling}/search", {"query": "Plan b", "properties": ["title"]}).body
        assert [one["id"] for one in found["results"]] == ids[1:]
    company = hs.make("companies", name="Acme")
    (plain,) = hs.get("/crm/v4/associations/plan/companies/labels").body["results"]
    assert (plain["category"], plain["label"]) == ("USER_DEFINED", None)
    types = [{"associationCategory": "USER_DEFINED", "associationTypeId": plain["typeId"]}]
    body = {"properties": {"title": "Third"}, "associations": [{"to": {"id": company}, "types": types}]}
    third = hs.post(f"{family}/plan", body).body["id"]
    shown = hs.get(f"{family}/companies/{company}", associations="p_plan,nothing").body
    assert [one["id"] for one in shown["associations"]["p4242424_plan"]["results"]] == [third]
    merged = hs.post(f"{family}/plan/merge", {"primaryObjectId": ids[0], "objectIdToMerge": third}).body["id"]
    held = hs.get(f"/crm/v4/objects/companies/{company}/associations/{type_id}").body["results"]
    assert [str(one["toObjectId"]) for one in held] == [merged]


def test_the_vendors_client_makes_a_custom_object(hs: Portal) -> None:
    client = hs.client().crm
    schema = client.schemas.core_api.create(PLAN)
    made = client.objects.basic_api.create("plan", {"properties": {"title": "One"}})
    assert client.objects.basic_api.get_by_id(schema.object_type_id, made.id, properties=["title"]).id == made.id
    assert [each.name for each in client.schemas.core_api.get_all().results] == ["plan"]


# -- properties and groups ---------------------------------------------------------------------------------------------


def test_a_property_changes_goes_and_comes_back_with_its_values(hs: Portal) -> None:
    path = f"{PROPERTIES}/companies"
    option = {"label": "Gold", "value": "gold", "displayOrder": 0, "hidden": False}
    assert hs.post(path, NOTE | {"hasUniqueValue": True}).status == 201
    record = hs.make("companies", name="Acme", tier_note="gold")
    changed = hs.call("PATCH", f"{path}/tier_note", {"label": "Medal", "hasUniqueValue": False, "nonsense": 1}).body
    assert (changed["label"], changed["hasUniqueValue"], changed["createdAt"]) == (
        "Medal",
        True,
        "2026-11-21T03:00:00Z",
    )
    assert hs.call("PATCH", f"{path}/name", {"label": "Other"}).status == 400
    assert hs.call("PATCH", f"{path}/tier_note", {"fieldType": "number"}).status == 400
    assert hs.call("DELETE", f"{path}/tier_note").status == 204
    assert [rule["name"] for rule in hs.get(path, archived="true").body["results"]] == ["tier_note"]
    assert "tier_note" not in hs.get(f"/crm/v3/objects/companies/{record}", properties="tier_note").body["properties"]
    back = hs.post(path, NOTE | {"type": "enumeration", "fieldType": "select", "options": [option]})
    assert (back.status, back.body["archived"]) == (201, False)
    shown = hs.get(f"/crm/v3/objects/companies/{record}", properties="tier_note").body
    assert shown["properties"]["tier_note"] == "gold"
    assert refusal(hs.post(path, NOTE)) == (409, "OBJECT_ALREADY_EXISTS", "Properties.PROPERTY_WITH_NAME_EXISTS")


def test_unique_properties_have_rules(hs: Portal) -> None:
    path = f"{PROPERTIES}/companies"
    for wrong in ({"type": "bool", "fieldType": "booleancheckbox"}, {"type": "date", "fieldType": "date"}):
        assert hs.post(path, NOTE | wrong | {"hasUniqueValue": True}).status == 400
    for number in range(9):
        assert hs.post(path, NOTE | {"name": f"key_{number}", "hasUniqueValue": True}).status == 201
    assert hs.post(path, NOTE | {"name": "one_too_many", "hasUniqueValue": True}).status == 400
    for name in ("A", "B"):
        hs.make("companies", name=name)
    hs.post(path, NOTE)
    companies = hs.get("/crm/v3/objects/companies").body["results"]
    same = [{"id": one["id"], "properties": {"tier_note": "same"}} for one in companies]
    hs.post("/crm/v3/objects/companies/batch/update", {"inputs": same})
    for name in ("tier_note", "key_0"):
        hs.call("DELETE", f"{path}/{name}")
    assert hs.post(path, NOTE | {"hasUniqueValue": True}).status == 400


def test_properties_in_batches_and_groups(hs: Portal) -> None:
    path = f"{PROPERTIES}/companies"
    inputs = [NOTE | {"name": name} for name in ("one", "two")]
    assert hs.post(f"{path}/batch/create", {"inputs": inputs}).status == 201
    read = hs.post(f"{path}/batch/read", {"inputs": [{"name": name} for name in ("one", "nope")], "archived": False})
    assert ([rule["name"] for rule in read.body["results"]], read.body["numErrors"]) == (["one"], 1)
    assert hs.post(f"{path}/groups", {"name": "extra", "label": "Extra"}).status == 201
    hs.call("PATCH", f"{path}/one", {"groupName": "extra"})
    full = hs.call("DELETE", f"{path}/groups/extra")
    assert full.status == 400
    assert "PropertyGroupError.GROUP_WITH_ACTIVE_PROPERTIES" in full.body["message"]
    assert hs.post(f"{path}/batch/archive", {"inputs": [{"name": "one"}, {"name": "nope"}]}).status == 204
    assert hs.call("PATCH", f"{path}/groups/extra", {"label": "More"}).body["label"] == "More"
    assert hs.call("DELETE", f"{path}/groups/extra").status == 204
    assert hs.get(f"{path}/groups/extra").status == 404


# -- pipelines ---------------------------------------------------------------------------------------------------------

STAGES = [
    {"label": "Open", "displayOrder": 0, "stageId": "p_open", "metadata": {"probability": "0.3"}},
    {"label": "Won", "displayOrder": 1, "stageId": "p_won", "metadata": {"probability": "1.0"}},
]


def test_a_pipeline_and_its_stages_live_and_records_follow(hs: Portal) -> None:
    made = hs.post(f"{PIPELINES}/deals", {"label": "Pilot", "displayOrder": 2, "stages": STAGES, "pipelineId": "pilot"})
    assert (made.status, [stage["id"] for stage in made.body["stages"]]) == (201, ["p_open", "p_won"])
    deal = hs.make("deals", dealname="D", pipeline="pilot", dealstage="p_won")
    shown = hs.get(f"/crm/v3/objects/deals/{deal}", properties="hs_is_closed_won,pipeline").body["properties"]
    assert (shown["hs_is_closed_won"], shown["pipeline"]) == ("true", "pilot")
    path = f"{PIPELINES}/deals/pilot"
    lost = hs.post(f"{path}/stages", {"label": "Lost", "stageId": "p_lost", "metadata": {"probability": "0"}})
    assert (lost.status, lost.body["metadata"]["isClosed"]) == (201, "true")
    moved = hs.call("PATCH", f"{path}/stages/p_lost", {"label": "Gone", "displayOrder": 0})
    assert (moved.body["label"], hs.get(f"{path}/stages").body["results"][0]["id"]) == ("Gone", "p_lost")
    options = hs.get("/crm/v3/properties/deals/dealstage").body["options"]
    assert ("p_lost", "Gone") in [(option["value"], option["label"]) for option in options]
    assert refusal(hs.call("DELETE", path))[2] == "PipelineError.STAGE_ID_IN_USE"
    assert refusal(hs.call("DELETE", f"{path}/stages/p_won"))[2] == "PipelineError.STAGE_ID_IN_USE"
    assert [hs.call("DELETE", f"{path}/stages/{stage}").status for stage in ("p_lost", "never")] == [204, 204]
    hs.call("DELETE", f"/crm/v3/objects/deals/{deal}")
    assert hs.call("DELETE", path).status == 204
    assert hs.get(path).status == 404
    assert [one["id"] for one in hs.get(f"{PIPELINES}/deals").body["results"]] == ["default", "renewal"]


REFUSED: list[tuple[dict[str, Any], str | None]] = [
    ({"stages": []}, None),
    ({"stages": STAGES[:1]}, "PipelineError.MISSING_CLOSED_STAGE"),
    ({"label": "sales pipeline"}, None),
    ({"pipelineId": "default"}, None),
    ({"stages": [STAGES[0], STAGES[1] | {"label": "Open"}]}, "PipelineError.STAGE_LABEL_EXISTS"),
    ({"stages": [STAGES[0], STAGES[1] | {"metadata": {}}]}, None),
    ({"stages": [STAGES[0], STAGES[1] | {"metadata": {"probability": "7"}}]}, None),
    ({"displayOrder": -1}, None),
]


@pytest.mark.parametrize(("change", "code"), REFUSED)
def test_pipelines_that_cannot_be(hs: Portal, change: dict[str, Any], code: str | None) -> None:
    reply = hs.post(f"{PIPELINES}/deals", {"label": "Pilot", "displayOrder": 0, "stages": STAGES} | change)
    assert refusal(reply) == (400, "VALIDATION_ERROR", code)
    assert len(hs.get(f"{PIPELINES}/deals").body["results"]) == 2


def test_the_vendors_client_keeps_pipelines(hs: Portal) -> None:
    api = hs.client().crm.pipelines
    state = {"ticketState": "CLOSED"}
    body = {"label": "Help", "displayOrder": 1, "stages": [{"label": "Done", "displayOrder": 0, "metadata": state}]}
    made = api.pipelines_api.create("tickets", body)
    assert made.stages[0].metadata == {"ticketState": "CLOSED", "isClosed": "true"}
    api.pipelines_api.update("tickets", made.id, {"label": "Helpdesk"})
    replaced = body | {"label": "Desk", "stages": [body["stages"][0] | {"label": "Over"}]}  # type: ignore[index]
    assert api.pipelines_api.replace("tickets", made.id, replaced).stages[0].label == "Over"
    assert {one.label for one in api.pipelines_api.get_all("tickets").results} == {"Support Pipeline", "Desk"}


# -- what connectors ask when they start -------------------------------------------------------------------------------


def test_definitions_at_older_paths(hs: Portal) -> None:
    assert {"name", "label", "type"} <= hs.get("/companies/v2/properties").body[0].keys()
    assert "dealstage" in [rule["name"] for rule in hs.get("/properties/v1/deals/properties").body]
    assert hs.get("/deals/v1/pipelines").body[1]["stages"][2] == {
        "stageId": "renewal_won", "label": "Renewed", "displayOrder": 2, "active": True, "probability": 1.0,
        "closedWon": True,
    }  # fmt: skip
    (support,) = hs.get("/crm-pipelines/v1/pipelines/tickets").body["results"]
    assert (support["pipelineId"], support["stages"][3]["metadata"]["ticketState"]) == ("0", "CLOSED")
    assert hs.get("/crm/v4/objects/tickets", limit="1").body == {"results": []}
    assert hs.post("/crm/v3/lists/search", {}).body["lists"] == []


@pytest.mark.parametrize("kind", ["products", "line_items", "quotes", "leads", "0-116", "communication"])
def test_types_that_only_connectors_ask_for(hs: Portal, kind: str) -> None:
    rules = {rule["name"]: rule for rule in hs.get(f"/crm/v3/properties/{kind}").body["results"]}
    text = next(name for name, rule in rules.items() if rule["type"] == "string" and not name.startswith("hs_merged"))
    made = hs.post(f"/crm/v3/objects/{kind}", {"properties": {text: "x"}})
    assert made.status == 201
    assert [one["id"] for one in hs.get(f"/crm/v3/objects/{kind}").body["results"]] == [made.body["id"]]
