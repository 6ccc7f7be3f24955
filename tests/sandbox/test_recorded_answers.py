"""What recordings of the real CRMs show, word for word where clients read the words.

``docs/reference/judges/recordings.json`` names the recordings.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from integrations.sandbox.process import Sandbox, running_sandbox
from tests.sandbox.hubspot_server import Portal
from tests.sandbox.salesforce_client import Raw

CONTACT = {"attributes": {"type": "Contact"}}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(as_of=date(2026, 11, 21)) as running:
        yield running


@pytest.fixture
def raw(sandbox: Sandbox) -> Raw:
    return Raw(sandbox)


def contacts(raw: Raw, verb: str, path: str, *records: dict[str, Any]) -> Any:
    return raw.send(verb, path, body={"allOrNone": False, "records": [{**CONTACT, **each} for each in records]})


# -- Salesforce -------------------------------------------------------------------------------------------------------


def test_contacts_are_upserted_by_their_e_mail_address(raw: Raw) -> None:
    first = contacts(raw, "PATCH", "composite/sobjects/Contact/Email", {"LastName": "Ada", "Email": "a@x.example"})
    (made,) = first.json()
    assert made == {"id": made["id"], "success": True, "errors": [], "created": True}
    both = [{"LastName": "Bob", "Email": "a@x.example"}, {"LastName": "Cyd", "Email": "c@x.example"}]
    again = contacts(raw, "PATCH", "composite/sobjects/Contact/Email", *both).json()
    assert [each["created"] for each in again] == [False, True]
    assert again[0]["id"] == made["id"]


def test_an_upsert_by_id_without_one_creates(raw: Raw) -> None:
    (made,) = contacts(raw, "PATCH", "composite/sobjects/Contact/Id", {"LastName": "Ada", "Id": None}).json()
    assert made["created"]


def test_an_update_without_an_id_is_refused_by_itself(raw: Raw) -> None:
    (refused,) = contacts(raw, "PATCH", "composite/sobjects", {"LastName": "Nobody"}).json()
    error = {"statusCode": "MISSING_ARGUMENT", "message": "Id not specified in an update call", "fields": []}
    assert refused == {"success": False, "errors": [error]}


def test_collections_of_nothing_are_refused(raw: Raw) -> None:
    created, deleted = contacts(raw, "POST", "composite/sobjects"), raw.send("DELETE", "composite/sobjects?ids=")
    assert (created.status_code, created.json()) == (
        400,
        [{"message": "At least 1 record is required", "errorCode": "REQUIRED_FIELD_MISSING"}],
    )
    assert (deleted.status_code, deleted.json()) == (
        400,
        [{"message": "At least 1 Id is required.", "errorCode": "REQUIRED_FIELD_MISSING"}],
    )


def test_records_are_counted(raw: Raw) -> None:
    contacts(raw, "POST", "composite/sobjects", {"LastName": "One more"})
    counted = raw.send("GET", "limits/recordCount?sObjects=Contact,Opportunity").json()["sObjects"]
    found = raw.send("GET", "query?q=SELECT+COUNT()+FROM+Contact").json()["totalSize"]
    assert counted == [{"count": found, "name": "Contact"}]


def test_closing_a_bulk_job_says_less_than_reading_it(raw: Raw) -> None:
    order = {"object": "Contact", "operation": "insert", "contentType": "CSV", "lineEnding": "LF"}
    job = raw.send("POST", "jobs/ingest", body=order).json()["id"]
    closed = raw.send("PATCH", f"jobs/ingest/{job}", body={"state": "Aborted"}).json()
    assert set(closed) == {
        *("id", "operation", "object", "createdById", "createdDate", "systemModstamp", "state"),
        *("concurrencyMode", "contentType", "apiVersion"),
    }


# -- HubSpot ----------------------------------------------------------------------------------------------------------


def test_an_update_answers_what_was_sent_and_the_stamps(hs: Portal) -> None:
    record = hs.make("contacts", email="a@x.example", firstname="Ada", lastname="L")
    stamps = {"createdate", "lastmodifieddate", "hs_object_id"}
    one = hs.call("PATCH", f"/crm/v3/objects/contacts/{record}", {"properties": {"lastname": "M"}})
    assert set(one.body["properties"]) == {"lastname", *stamps}
    inputs = [{"id": record, "properties": {"firstname": "Bob"}}]
    many = hs.post("/crm/v3/objects/contacts/batch/update", {"inputs": inputs})
    assert set(many.body["results"][0]["properties"]) == {"firstname", *stamps}


def test_a_creation_says_where_the_record_is(hs: Portal) -> None:
    made = hs.post("/crm/v3/objects/companies", {"properties": {"name": "Acme"}})
    assert made.headers["Location"].endswith(f"/crm/v3/objects/companies/{made.body['id']}")


def test_a_batch_names_the_owner_of_an_address_only_when_traced(hs: Portal) -> None:
    owner = hs.make("contacts", email="a@x.example")
    taken = {"properties": {"email": "a@x.example"}}
    whole = hs.post("/crm/v3/objects/contacts/batch/create", {"inputs": [taken]})
    assert (whole.status, whole.body["message"]) == (409, "Contact already exists")
    traced = hs.post("/crm/v3/objects/contacts/batch/create", {"inputs": [{**taken, "objectWriteTraceId": "0"}]})
    (error,) = traced.body["errors"]
    assert error["message"] == f"Contact already exists. Existing ID: {owner}"
    assert error["context"] == {"objectWriteTraceId": ["0"], "existingId": [owner]}


def test_repeated_ids_are_named(hs: Portal) -> None:
    record = hs.make("contacts", lastname="L")
    inputs = [{"id": record, "properties": {"lastname": "M"}}] * 2
    reply = hs.post("/crm/v3/objects/contacts/batch/update", {"inputs": inputs})
    assert reply.body["message"] == f"Duplicate IDs found in batch input: [{record}]. IDs must be unique"
