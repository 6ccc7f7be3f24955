"""Batches of the emulated HubSpot: limits, missing ids, unique keys, and who pays for a bad row."""

from typing import Any

import pytest

from integrations.sandbox.hubspot_load import load
from tests.sandbox.hubspot_server import FAMILIES, Portal, Reply

STAMP = "2026-11-21T03:00:00Z"
PARTIAL = dict(zip(FAMILIES, (200, 207, 207), strict=True))
"""The status of an answer that holds refusals."""


def task(key: str, **properties: str) -> dict[str, Any]:
    return {"id": key, "idProperty": "plansync_key", "properties": {"hs_timestamp": STAMP, **properties}}


def ids(reply: Reply) -> list[str]:
    return [record["id"] for record in reply.body["results"]]


@pytest.mark.parametrize("family", FAMILIES)
def test_reading_names_what_is_missing(hs: Portal, family: str) -> None:
    record, gone = hs.make("companies", name="Acme"), hs.make("companies", name="Gone")
    hs.call("DELETE", f"/crm/v3/objects/companies/{gone}")
    inputs = [{"id": key} for key in (record, gone, "4711", "x")]
    reply = hs.post(f"{family}/companies/batch/read", {"inputs": inputs, "properties": ["name", "nope"]})
    assert (reply.status, ids(reply)) == (PARTIAL[family], [record])
    assert reply.body["status"] == "COMPLETE"
    assert reply.body["results"][0]["properties"]["name"] == "Acme"
    assert "nope" not in reply.body["results"][0]["properties"]
    assert reply.body["numErrors"] == 1
    (error,) = reply.body["errors"]
    assert (error["category"], error["context"]) == ("OBJECT_NOT_FOUND", {"ids": [gone, "4711", "x"]})
    assert ids(hs.call("POST", f"{family}/companies/batch/read", {"inputs": [{"id": gone}]}, archived="true")) == [gone]


@pytest.mark.parametrize("family", FAMILIES)
def test_reading_by_a_unique_property(hs: Portal, family: str) -> None:
    record = hs.make("contacts", email="ada@example.com")
    by_email = {"idProperty": "email", "inputs": [{"id": "ada@example.com"}, {"id": "bob@example.com"}]}
    reply = hs.post(f"{family}/contacts/batch/read", by_email)
    assert (ids(reply), reply.body["numErrors"]) == ([record], 1)
    by_name = {"idProperty": "lastname", "inputs": [{"id": "Lovelace"}]}
    assert hs.post(f"{family}/contacts/batch/read", by_name).status == 400


@pytest.mark.parametrize("verb", ["read", "create", "update", "upsert", "archive"])
def test_batches_over_100_are_refused_whole(hs: Portal, verb: str) -> None:
    inputs = [task(f"k{n}", plansync_key=f"k{n}") for n in range(101)]
    reply = hs.post(f"/crm/objects/2026-09/tasks/batch/{verb}", {"inputs": inputs})
    assert (reply.status, reply.body["category"]) == (400, "VALIDATION_ERROR")
    assert hs.get("/crm/objects/2026-09/tasks").body["results"] == []


def test_reads_with_history_stop_at_50(hs: Portal) -> None:
    records = load(hs.state, "companies", [{"name": str(n)} for n in range(51)])
    body = {"inputs": [{"id": one} for one in records], "propertiesWithHistory": ["name"]}
    assert hs.post("/crm/objects/2026-09/companies/batch/read", body).status == 400
    body["inputs"] = body["inputs"][:50]
    found = hs.post("/crm/objects/2026-09/companies/batch/read", body).body["results"]
    assert [record["propertiesWithHistory"]["name"][0]["value"] for record in found] == [str(n) for n in range(50)]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_upsert_creates_once_and_then_updates(hs: Portal, family: str) -> None:
    def upsert(subject: str) -> Reply:
        inputs = [task(key, hs_task_subject=subject) for key in ("b", "a")]
        return hs.post(f"{family}/tasks/batch/upsert", {"inputs": inputs})

    first, second = upsert("Call"), upsert("Meet")
    assert (first.status, second.status) == (200, 200)
    assert [record["new"] for record in (*first.body["results"], *second.body["results"])] == [True, True, False, False]
    assert ids(first) == ids(second)
    shown = [record["properties"] for record in second.body["results"]]
    assert [(one["plansync_key"], one["hs_task_subject"]) for one in shown] == [("b", "Meet"), ("a", "Meet")]


def test_the_vendors_client_upserts(hs: Portal) -> None:
    api = hs.client().crm.objects.tasks.batch_api
    answer = api.upsert({"inputs": [task("k1"), task("k2")]})
    assert [record.new for record in answer.results] == [True, True]
    read = api.read({"inputs": [{"id": "k1"}, {"id": "k9"}], "idProperty": "plansync_key", "properties": []})
    assert (len(read.results), read.num_errors) == (1, 1)


REFUSED_UPSERTS = [
    ("the record id as key", [task("1") | {"idProperty": "hs_object_id"}]),
    ("a property that may repeat", [task("1") | {"idProperty": "hs_task_subject"}]),
    ("the same key twice", [task("k1"), task("k1")]),
    ("the same key after trimming", [task("k1"), task(" k1 ")]),
    ("two key properties", [task("k1"), task("k2") | {"idProperty": "hs_task_subject"}]),
    ("a bad value in one row", [task("k1"), task("k2", hs_task_status="LATER")]),
]


@pytest.mark.parametrize("inputs", [case[1] for case in REFUSED_UPSERTS], ids=[case[0] for case in REFUSED_UPSERTS])
def test_refused_upserts_write_nothing(hs: Portal, inputs: list[dict[str, Any]]) -> None:
    reply = hs.post("/crm/objects/2026-09/tasks/batch/upsert", {"inputs": inputs})
    assert (reply.status, reply.body["category"]) == (400, "VALIDATION_ERROR")
    assert hs.get("/crm/objects/2026-09/tasks").body["results"] == []
    assert hs.state.writes("hubspot") == []


def test_a_taken_key_fails_the_whole_batch(hs: Portal) -> None:
    hs.make("tasks", hs_timestamp=STAMP, plansync_key="taken")
    other = hs.make("tasks", hs_timestamp=STAMP)
    create = [{"properties": {"hs_timestamp": STAMP, "plansync_key": key}} for key in ("free", "taken")]
    update = [{"id": other, "properties": {"plansync_key": "taken"}}]
    for verb, inputs in (("create", create), ("update", update)):
        reply = hs.post(f"/crm/objects/2026-09/tasks/batch/{verb}", {"inputs": inputs})
        assert (reply.status, reply.body["category"]) == (409, "CONFLICT")
    assert len(hs.get("/crm/objects/2026-09/tasks").body["results"]) == 2


@pytest.mark.parametrize("family", FAMILIES)
def test_trace_ids_buy_partial_success(hs: Portal, family: str) -> None:
    hs.make("tasks", hs_timestamp=STAMP, plansync_key="taken")
    values = [{"plansync_key": "free"}, {"plansync_key": "taken"}, {"nope": "1"}]
    inputs = [
        {"objectWriteTraceId": f"t{n}", "properties": {"hs_timestamp": STAMP, **one}} for n, one in enumerate(values)
    ]
    reply = hs.post(f"{family}/tasks/batch/create", {"inputs": inputs})
    assert reply.status == (201 if PARTIAL[family] == 200 else 207)
    assert [record["objectWriteTraceId"] for record in reply.body["results"]] == ["t0"]
    assert [(one["category"], one["context"]["objectWriteTraceId"]) for one in reply.body["errors"]] == [
        ("CONFLICT", ["t1"]),
        ("VALIDATION_ERROR", ["t2"]),
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_update_writes_what_exists_and_names_the_rest(hs: Portal, family: str) -> None:
    record = hs.make("companies", name="Acme")
    inputs = [{"id": key, "properties": {"name": "New"}} for key in (record, "4711")]
    reply = hs.post(f"{family}/companies/batch/update", {"inputs": inputs})
    assert (reply.status, ids(reply)) == (PARTIAL[family], [record])
    assert reply.body["errors"][0]["context"] == {"ids": ["4711"]}
    assert hs.get(f"{family}/companies/{record}").body["properties"]["name"] == "New"


def test_an_update_by_key(hs: Portal) -> None:
    record = hs.make("companies", name="Acme", plansync_key="k1")
    inputs = [{"id": "k1", "idProperty": "plansync_key", "properties": {"plansync_health_score": "71.5"}}]
    reply = hs.post("/crm/objects/2026-09/companies/batch/update", {"inputs": inputs})
    assert reply.body["results"][0]["properties"]["plansync_health_score"] == "71.5"
    assert ids(reply) == [record]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_creation_with_associations_inline(hs: Portal, family: str) -> None:
    company, contact = hs.make("companies", name="Acme"), hs.make("contacts", email="ada@example.com")
    links = [
        {"to": {"id": to}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]}
        for to, type_id in ((company, 192), (contact, 204))
    ]
    inputs = [{"properties": {"hs_timestamp": STAMP}, "associations": links} for _ in range(2)]
    reply = hs.post(f"{family}/tasks/batch/create", {"inputs": inputs})
    assert reply.status == 201
    (shown, _) = hs.get(f"{family}/tasks", associations="companies,contacts").body["results"]
    assert shown["associations"] == {
        "companies": {"results": [{"id": company, "type": "task_to_company"}]},
        "contacts": {"results": [{"id": contact, "type": "task_to_contact"}]},
    }
    wrong = links[0] | {"to": {"id": "4711"}}
    refused = hs.post(f"{family}/tasks/batch/create", {"inputs": [inputs[0] | {"associations": [wrong]}]})
    assert refused.status == 400
    assert len(hs.get(f"{family}/tasks").body["results"]) == 2


def test_archiving_passes_over_what_is_not_there(hs: Portal) -> None:
    record = hs.make("companies", name="Acme")
    reply = hs.post("/crm/v3/objects/companies/batch/archive", {"inputs": [{"id": record}, {"id": "4711"}]})
    assert (reply.status, reply.body) == (204, None)
    assert [one["id"] for one in hs.get("/crm/v3/objects/companies", archived="true").body["results"]] == [record]
