"""The vendors' own Python clients, unmodified, at the real addresses, which lead to the sandbox."""

import csv
import io
from importlib.metadata import version
from typing import Any

import pytest
import requests
from hubspot import HubSpot
from hubspot.crm.associations.v4 import (
    AssociationSpec,
    BatchInputPublicAssociationMultiPost,
    BatchInputPublicFetchAssociationsBatchRequest,
    PublicAssociationMultiPost,
    PublicFetchAssociationsBatchRequest,
    PublicObjectId,
)
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInputUpsert,
    Filter,
    FilterGroup,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.properties import PropertyCreate
from simple_salesforce import Salesforce

from tests.judges.conftest import World
from tests.judges.results import keep

VERSION = "66.0"
WORKS = "asked and understood"


@pytest.fixture
def sf(world: World) -> Salesforce:
    """simple-salesforce, signed in by client credentials at the org's own domain."""
    session = requests.Session()
    session.trust_env = False
    session.proxies, session.verify = {"https": world.proxy.url}, str(world.proxy.ca_file)
    details = world.sandbox.salesforce
    world.forget_requests()
    key, secret = details.consumer_key, details.consumer_secret
    return Salesforce(session=session, version=VERSION, consumer_key=key, consumer_secret=secret, domain="acme.my")


@pytest.fixture
def hs(world: World) -> HubSpot:
    """HubSpot's client, which knows one address only: the real one."""
    world.forget_requests()
    token = world.sandbox.hubspot.access_token
    return HubSpot(access_token=token, proxy=world.proxy.url, ssl_ca_cert=str(world.proxy.ca_file))


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_simple_salesforce(world: World, sf: Salesforce) -> None:
    counts = world.counts("salesforce")
    assert {"Account", "Case", "Success_Plan__c"} <= {each["name"] for each in sf.describe()["sobjects"]}
    assert {"Id", "Name", "OwnerId"} <= {each["name"] for each in sf.Account.describe()["fields"]}
    assert sf.Account.metadata()["objectDescribe"]["keyPrefix"] == "001"
    assert sf.limits()["DailyApiRequests"]["Max"] > 0
    every = sf.query_all("SELECT Id, Account.Name FROM Contact")
    assert (every["totalSize"], len(every["records"])) == (counts["Contact"], counts["Contact"])
    made = sf.Account.create({"Name": "Strangers & Co"})["id"]
    assert sf.Account.update(made, {"Seats__c": 13}) == 204
    assert sf.Account.get(made)["Seats__c"] == 13.0
    assert sf.Account.upsert(f"Id/{made}", {"Seats__c": 14}) == 200
    plan = {"Account__c": made, "Name": "Plan"}
    assert sf.Success_Plan__c.upsert("Plansync_Key__c/strangers", plan) == 201
    assert sf.Success_Plan__c.get_by_custom_id("Plansync_Key__c", "strangers")["Account__c"] == made
    assert in_bulk(sf, made) == {"strangers": "Plan", "in bulk": "Another"}
    found = sf.query(f"SELECT COUNT(Id) n FROM Success_Plan__c WHERE Account__c = '{made}'")  # noqa: S608 - it is SOQL
    assert found["records"][0]["n"] == 2
    assert sf.Account.delete(made) == 204
    assert world.counts("salesforce")["Account"] == counts["Account"]
    keep("simple-salesforce", "simple-salesforce", version("simple-salesforce"), confirmed(world, "salesforce"))


def in_bulk(sf: Salesforce, account: str) -> dict[str, str]:
    """One plan upserted and all plans of the account read back by Bulk API 2.0: name by key."""
    rows = [{"Plansync_Key__c": "in bulk", "Account__c": account, "Name": "Another"}]
    (told,) = sf.bulk2.Success_Plan__c.upsert(records=rows, external_id_field="Plansync_Key__c", wait=0)
    assert (told["numberRecordsFailed"], told["numberRecordsProcessed"]) == (0, 1)
    assert len(table(sf.bulk2.Success_Plan__c.get_successful_records(told["job_id"]))) == 1
    assert table(sf.bulk2.Success_Plan__c.get_failed_records(told["job_id"])) == []
    soql = f"SELECT Plansync_Key__c, Name FROM Success_Plan__c WHERE Account__c = '{account}'"  # noqa: S608 - it is SOQL
    pages = sf.bulk2.Success_Plan__c.query(soql, wait=0)
    return {row["Plansync_Key__c"]: row["Name"] for page in pages for row in table(page)}


def test_hubspot_api_client(world: World, hs: HubSpot) -> None:
    counts = world.counts("hubspot")
    people = hs.crm.contacts.get_all()
    assert len(people) == counts["contacts"] > 100
    assert len(hs.crm.owners.get_all()) == counts["owners"]
    assert [each.name for each in hs.crm.properties.core_api.get_all("contacts").results]
    assert [each.id for each in hs.crm.pipelines.pipelines_api.get_all("deals").results]
    hs.crm.properties.core_api.create("contacts", unique_property())
    ids = upserted(hs, {"a": "Anna", "b": "Bo"})
    assert upserted(hs, {"b": "Bob", "c": "Cy"})["b"] == ids["b"]
    assert searched(hs, "Bob") == [ids["b"]]
    hs.crm.contacts.basic_api.update(ids["a"], SimplePublicObjectInput(properties={"firstname": "Ann"}))
    assert hs.crm.contacts.basic_api.get_by_id(ids["a"], properties=["firstname"]).properties["firstname"] == "Ann"
    firm = hs.crm.companies.basic_api.create(SimplePublicObjectInputForCreate(properties={"name": "Strangers & Co"}))
    assert associated(hs, ids["a"], firm.id) == {firm.id}
    hs.crm.contacts.basic_api.archive(ids["a"])
    hs.crm.companies.basic_api.archive(firm.id)
    assert world.counts("hubspot")["contacts"] == counts["contacts"] + 2
    keep("hubspot-api-client", "hubspot-api-client", version("hubspot-api-client"), confirmed(world, "hubspot"))


def unique_property() -> PropertyCreate:
    return PropertyCreate(
        name="strangers_key",
        label="Strangers' key",
        type="string",
        field_type="text",
        group_name="contactinformation",
        has_unique_value=True,
    )


def upserted(hs: HubSpot, names: dict[str, str]) -> dict[str, str]:
    """Contacts by key: their ids."""
    inputs = [
        SimplePublicObjectBatchInputUpsert(
            id=key, id_property="strangers_key", properties={"strangers_key": key, "firstname": name}
        )
        for key, name in names.items()
    ]
    answer = hs.crm.contacts.batch_api.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=inputs))
    return {each.properties["strangers_key"]: each.id for each in answer.results}


def searched(hs: HubSpot, first_name: str) -> list[str]:
    by_name = Filter(property_name="firstname", operator="EQ", value=first_name)
    has_key = Filter(property_name="strangers_key", operator="HAS_PROPERTY")
    body = PublicObjectSearchRequest(filter_groups=[FilterGroup(filters=[by_name, has_key])], limit=10)
    return [each.id for each in hs.crm.contacts.search_api.do_search(body).results]


def associated(hs: HubSpot, contact: str, company: str) -> set[str]:
    """Associate the two; the companies that the contact then has, by list and by batch, which agree."""
    api = hs.crm.associations.v4
    spec = AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=279)
    link = PublicAssociationMultiPost(_from=PublicObjectId(id=contact), to=PublicObjectId(id=company), types=[spec])
    api.batch_api.create("contacts", "companies", BatchInputPublicAssociationMultiPost(inputs=[link]))
    listed = {str(each.to_object_id) for each in api.basic_api.get_page("contacts", contact, "companies").results}
    wanted: Any = BatchInputPublicFetchAssociationsBatchRequest(
        inputs=[PublicFetchAssociationsBatchRequest(id=contact)]
    )
    (read,) = api.batch_api.get_page("contacts", "companies", wanted).results
    assert listed == {str(each.to_object_id) for each in read.to}
    return listed


def confirmed(world: World, crm: str) -> dict[tuple[str, str, str], list[str]]:
    return {endpoint: [WORKS] for endpoint in world.answered(crm)}
