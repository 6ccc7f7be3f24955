"""What Salesforce remembers: field history, the recycle bin, merges, and what changed in a span of time."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from simple_salesforce import Salesforce

from integrations.sandbox.process import Sandbox, running_sandbox
from tests.sandbox.salesforce_client import Raw, signed_in


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def raw(sandbox: Sandbox) -> Raw:
    at(sandbox, "2026-11-21T06:00:00Z")
    return Raw(sandbox)


def at(sandbox: Sandbox, now: str) -> None:
    requests.put(sandbox.admin_url + "/clock", json={"now": now}, timeout=5)


def created(raw: Raw, kind: str, **values: Any) -> str:
    answer = raw.send("POST", f"sobjects/{kind}", body=values)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def changed(raw: Raw, kind: str, record_id: str, **values: Any) -> None:
    assert raw.send("PATCH", f"sobjects/{kind}/{record_id}", body=values).status_code == 204


def told(raw: Raw, history: str, parent: str, record_id: str) -> list[tuple[Any, ...]]:
    soql = f"SELECT Field, DataType, OldValue, NewValue FROM {history} WHERE {parent} = '{record_id}'"  # noqa: S608
    return [
        (each["Field"], each["DataType"], each["OldValue"], each["NewValue"]) for each in raw.query(soql)["records"]
    ]


def test_tracked_fields_tell_what_changed(raw: Raw) -> None:
    account = created(raw, "Account", Name="Told", Annual_Recurring_Revenue__c=100)
    changed(raw, "Account", account, Annual_Recurring_Revenue__c=250.5, Description="not tracked")
    changed(raw, "Account", account, Annual_Recurring_Revenue__c=250.5)
    changed(raw, "Account", account, Renewal_Date__c="2027-01-31", Name="Told again")
    assert told(raw, "AccountHistory", "AccountId", account) == [
        ("created", "Text", None, None),
        ("Annual_Recurring_Revenue__c", "Currency", 100.0, 250.5),
        ("Name", "Text", "Told", "Told again"),
        ("Renewal_Date__c", "DateOnly", None, "2027-01-31"),
    ]


def test_a_lookup_tells_names_and_ids(raw: Raw) -> None:
    user = created(raw, "User", LastName="Csm", Username="csm@v.example", Email="csm@v.example", IsActive=True)
    account = created(raw, "Account", Name="Owned")
    before = raw.send("GET", f"sobjects/Account/{account}").json()["OwnerId"]
    changed(raw, "Account", account, OwnerId=user, CSM__c=user)
    assert told(raw, "AccountHistory", "AccountId", account)[1:] == [
        ("Owner", "Text", "Integration User", "Csm"),
        ("Owner", "EntityId", before, user),
        ("CSM__c", "Text", None, "Csm"),
        ("CSM__c", "EntityId", None, user),
    ]


def test_values_keep_their_types(raw: Raw) -> None:
    account = created(raw, "Account", Name="Typed")
    contact = created(raw, "Contact", LastName="Typed", AccountId=account)
    changed(raw, "Contact", contact, Left_Company__c=True)
    assert told(raw, "ContactHistory", "ContactId", contact)[1:] == [("Left_Company__c", "Boolean", False, True)]
    contract = created(raw, "Contract", AccountId=account, StartDate="2026-01-01", ContractTerm=12)
    changed(raw, "Contract", contract, ContractTerm=24)
    assert told(raw, "ContractHistory", "ContractId", contract)[1:] == [
        ("ContractTerm", "Double", 12.0, 24.0),
        ("EndDate", "DateOnly", "2026-12-31", "2027-12-31"),
    ]


def test_opportunities_keep_fields_and_snapshots_and_custom_objects_their_parent(raw: Raw) -> None:
    account = created(raw, "Account", Name="Deals")
    deal = {"AccountId": account, "Name": "Deal", "StageName": "Prospecting", "CloseDate": "2027-01-31"}
    opportunity = created(raw, "Opportunity", **deal)
    changed(raw, "Opportunity", opportunity, StageName="Closed Won", Amount=9)
    changed(raw, "Opportunity", opportunity, NextStep="not in a snapshot")
    assert told(raw, "OpportunityFieldHistory", "OpportunityId", opportunity)[1:] == [
        ("StageName", "DynamicEnum", "Prospecting", "Closed Won"),
        ("Amount", "Currency", None, 9.0),
    ]
    soql = f"SELECT StageName, Amount FROM OpportunityHistory WHERE OpportunityId = '{opportunity}'"  # noqa: S608
    snapshots = [(each["StageName"], each["Amount"]) for each in raw.query(soql)["records"]]
    assert snapshots == [("Prospecting", None), ("Closed Won", 9.0)]
    plan = created(raw, "Success_Plan__c", Account__c=account, Name="P")
    changed(raw, "Success_Plan__c", plan, Health_Score__c=71)
    assert told(raw, "Success_Plan__History", "ParentId", plan)[1:] == [("Health_Score__c", "Double", None, 71.0)]


def test_nobody_writes_history(raw: Raw) -> None:
    for kind in ("AccountHistory", "OpportunityHistory", "Organization"):
        answer = raw.send("POST", f"sobjects/{kind}", body={})
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY")


def soap(raw: Raw, operation: str, *, token: str | None = None) -> requests.Response:
    envelope = (
        '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header><SessionHeader>'
        f"<sessionId>{token or raw.sandbox.salesforce.access_token}</sessionId></SessionHeader></env:Header>"
        f'<env:Body xmlns="urn:partner.soap.sforce.com">{operation}</env:Body></env:Envelope>'
    )
    url = raw.sandbox.salesforce.base_url + "/services/Soap/u/64.0"
    return requests.post(url, data=envelope, headers={"Content-Type": "text/xml", "SOAPAction": '""'}, timeout=5)


def exists(raw: Raw, kind: str, record_id: str) -> bool:
    return raw.send("GET", f"sobjects/{kind}/{record_id}").status_code == 200


def test_what_was_deleted_together_comes_back_together(raw: Raw) -> None:
    account = created(raw, "Account", Name="Restored")
    contact = created(raw, "Contact", LastName="With it", AccountId=account)
    alone = created(raw, "Contact", LastName="Before it", AccountId=account)
    assert raw.send("DELETE", f"sobjects/Contact/{alone}").status_code == 204
    assert raw.send("DELETE", f"sobjects/Account/{account}").status_code == 204
    child_first = soap(raw, f"<undelete><ids>{contact}</ids></undelete>").text
    assert "UNDELETE_FAILED" in child_first
    answer = soap(raw, f"<undelete><ids>{account}</ids><ids>{account[:-3]}</ids></undelete>").text
    assert answer.count("<success>true</success>") == answer.count("<success>false</success>") == 1
    assert [exists(raw, "Account", account), exists(raw, "Contact", contact)] == [True, True]
    assert not exists(raw, "Contact", alone)
    assert told(raw, "AccountHistory", "AccountId", account)[0][0] == "created"


def test_an_emptied_bin_leaves_nothing(raw: Raw) -> None:
    account = created(raw, "Account", Name="Purged")
    assert "INVALID_ID_FIELD" in soap(raw, f"<emptyRecycleBin><ids>{account}</ids></emptyRecycleBin>").text
    raw.send("DELETE", f"sobjects/Account/{account}")
    assert "<success>true</success>" in soap(raw, f"<emptyRecycleBin><ids>{account}</ids></emptyRecycleBin>").text
    soql = f"SELECT Id FROM Account WHERE Id = '{account}'"  # noqa: S608
    assert raw.query(soql, everything=True)["totalSize"] == 0
    assert raw.query(f"SELECT Id FROM AccountHistory WHERE AccountId = '{account}'", everything=True)["totalSize"] == 0  # noqa: S608
    assert created(raw, "Account", Name="After") != account


def test_a_key_that_was_taken_meanwhile_stays_deleted(raw: Raw) -> None:
    first = created(raw, "Task", Subject="A", Plansync_Key__c="once")
    raw.send("DELETE", f"sobjects/Task/{first}")
    created(raw, "Task", Subject="B", Plansync_Key__c="once")
    assert "DUPLICATE_VALUE" in soap(raw, f"<undelete><ids>{first}</ids></undelete>").text
    assert not exists(raw, "Task", first)


def test_merged_accounts_give_their_children_to_the_master(raw: Raw) -> None:
    master, one, two = (created(raw, "Account", Name=name) for name in ("Master", "One", "Two"))
    contacts = [created(raw, "Contact", LastName="C", AccountId=each) for each in (one, two)]
    record = f"<masterRecord><type>Account</type><Id>{master}</Id><Industry>Retail</Industry></masterRecord>"
    losers = f"<recordToMergeIds>{one}</recordToMergeIds><recordToMergeIds>{two}</recordToMergeIds>"
    answer = soap(raw, f"<merge><request>{record}{losers}</request></merge>").text
    assert "<success>true</success>" in answer
    assert all(f"<updatedRelatedIds>{each}</updatedRelatedIds>" in answer for each in contacts)
    found = raw.query(f"SELECT Id, MasterRecordId FROM Account WHERE Id IN ('{one}', '{two}')", everything=True)  # noqa: S608
    assert [each["MasterRecordId"] for each in found["records"]] == [master, master]
    assert raw.send("GET", f"sobjects/Account/{master}").json()["Industry"] == "Retail"
    again = soap(raw, f"<merge><request>{record}{losers}</request></merge>").text
    assert "INVALID_CROSS_REFERENCE_KEY" in again


def test_soap_says_no(raw: Raw) -> None:
    strange = soap(raw, "<getServerTimestamp/>", token="wrong")
    assert (strange.status_code, "sf:INVALID_SESSION_ID" in strange.text) == (500, True)
    assert soap(raw, "<login><username>u</username></login>").status_code == 500
    doctype = requests.post(
        raw.sandbox.salesforce.base_url + "/services/Soap/u/64.0", data="<!DOCTYPE x><Envelope/>", timeout=5
    )
    assert doctype.status_code == 500
    assert "2026-11-21T06:00:00.000Z" in soap(raw, "<getServerTimestamp/>").text


def test_spans_tell_updates_and_deletions(sandbox: Sandbox, raw: Raw) -> None:
    at(sandbox, "2026-11-20T10:00:30Z")
    early, late = (created(raw, "Contract", AccountId=created(raw, "Account", Name="Span")) for _ in range(2))
    at(sandbox, "2026-11-20T11:00:00Z")
    changed(raw, "Contract", late, SpecialTerms="S")
    raw.send("DELETE", f"sobjects/Contract/{early}")
    at(sandbox, "2026-11-20T12:30:45Z")
    span = {"start": "2026-11-20T10:00:59Z", "end": "2026-11-20T11:00:00Z"}
    assert raw.send("GET", "sobjects/Contract/updated/", params=span).json() == {
        "ids": [],
        "latestDateCovered": "2026-11-20T11:00:00.000+0000",
    }
    span["end"] = "2026-11-21T00:00:00+00:00"
    told_updates = raw.send("GET", "sobjects/Contract/updated", params=span).json()
    assert told_updates == {"ids": [late], "latestDateCovered": "2026-11-20T12:30:00.000+0000"}
    told_deletions = raw.send("GET", "sobjects/Contract/deleted", params=span).json()
    assert told_deletions["deletedRecords"] == [{"id": early, "deletedDate": "2026-11-20T11:00:00.000+0000"}]
    assert told_deletions["earliestDateAvailable"] == "2026-11-05T12:30:00.000+0000"


def test_a_span_may_not_be_empty_or_too_old(raw: Raw) -> None:
    for start, end in (
        ("2026-11-20T10:00:00Z", "2026-11-20T10:00:59Z"),
        ("2026-10-01T00:00:00Z", "2026-11-20T00:00:00Z"),
    ):
        answer = raw.send("GET", "sobjects/Account/updated", params={"start": start, "end": end})
        assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_REPLICATION_DATE")
    assert raw.send("GET", "sobjects/Account/updated", params={"start": "soon"}).status_code == 400


def test_simple_salesforce_replicates(sandbox: Sandbox, raw: Raw) -> None:
    from datetime import UTC, datetime

    made = created(raw, "Asset", Name="Replicated")
    sf: Salesforce = signed_in(sandbox)
    start, end = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)
    assert sf.Asset.updated(start, end)["ids"] == [made]
    sf.Asset.delete(made)
    assert [each["id"] for each in sf.Asset.deleted(start, end)["deletedRecords"]] == [made]
