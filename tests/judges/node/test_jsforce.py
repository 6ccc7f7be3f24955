"""jsforce, unmodified, works on the emulated Salesforce; the sandbox's own state says whether it came true."""

from tests.judges.node.clients import Witness
from tests.judges.node.conftest import AS_OF, Check

KEY = "Plansync_Key__c"


def without_order(rows: list[dict[str, str]], *names: str) -> list[tuple[str, ...]]:
    return sorted(tuple(str(row[name]) for name in names) for row in rows)


def test_tells_who_it_is(jsforce: Check, witness: Witness) -> None:
    told = jsforce("identity")
    users = witness.soql(f"SELECT Id FROM User WHERE Username = '{told['username']}'")  # noqa: S608 - the sandbox's own
    assert users == [{"Id": told["user_id"]}]
    assert witness.soql("SELECT Id FROM Organization") == [{"Id": told["organization_id"]}]


def test_signs_in_by_client_credentials_and_out(jsforce: Check, witness: Witness) -> None:
    told = jsforce("signIn")
    assert told["totalSize"] == witness.count("salesforce", "Account")
    assert told["after"]["refused"]


def test_reads_the_limits_and_the_usage_header(jsforce: Check) -> None:
    told = jsforce("limits")
    assert told["seen"]["limit"] == told["daily"]["Max"]
    assert told["seen"]["used"] == told["daily"]["Max"] - told["daily"]["Remaining"] + 1


def test_describes_the_org_and_an_object(jsforce: Check, witness: Witness) -> None:
    told = jsforce("describe", object="Contact")
    assert {"Account": "001", "Contact": "003", "Task": "00T", "User": "005"}.items() <= told["objects"].items()
    assert told["required"] == ["LastName"]
    assert jsforce("describe", object="Task")["keys"] == [KEY]
    assert set(told["fields"]) == set(witness.soql("SELECT FIELDS(ALL) FROM Contact LIMIT 1")[0])


def test_queries_with_a_relationship(jsforce: Check, witness: Witness) -> None:
    told = jsforce("query", soql="SELECT Id, Owner.Name FROM Account WHERE Name LIKE '%s' ORDER BY Id LIMIT 5")
    owners = {each["Id"]: each["Name"] for each in witness.soql("SELECT Id, Name FROM User")}
    accounts = {each["Id"]: each["OwnerId"] for each in witness.soql("SELECT Id, OwnerId FROM Account")}
    assert told["done"]
    assert told["records"]
    for each in told["records"]:
        assert each["type"] == "Account"
        assert each["Owner"]["Name"] == owners[accounts[each["Id"]]]


def test_queries_more_until_every_record_is_read(jsforce: Check, witness: Witness) -> None:
    told, expected = jsforce("queryMore", soql="SELECT Id FROM Contact"), witness.count("salesforce", "Contact")
    assert expected > 200
    assert told["pages"][0] == 200
    assert len(told["pages"]) > 1
    assert told["totalSize"] == len(set(told["ids"])) == len(told["ids"]) == expected


def test_fetches_every_page_by_itself(jsforce: Check, witness: Witness) -> None:
    told = jsforce("autoFetch", soql="SELECT Id FROM Contact")
    assert len(set(told["ids"])) == len(told["ids"]) == witness.count("salesforce", "Contact")


def test_finds_by_a_pattern(jsforce: Check, witness: Witness) -> None:
    expected = [each["LastName"] for each in witness.soql("SELECT LastName FROM Contact")]
    assert jsforce("find", like="B%") == sorted(each for each in expected if each.startswith("B"))


def test_creates_updates_and_reads_a_record(jsforce: Check, witness: Witness) -> None:
    told = jsforce("oneRecord", name="Judged by hand")
    found = witness.soql("SELECT Id, Seats__c, Renewal_Date__c FROM Account WHERE Name = 'Judged by hand'")
    assert found == [{"Id": told["created"]["id"], "Seats__c": 4, "Renewal_Date__c": "2027-03-01"}]
    assert told["read"]["Seats__c"] == 4
    account = told["created"]["id"]
    assert witness.writes("salesforce", "Account")[-2:] == [(account, "create"), (account, "update")]


def test_deletes_a_record(jsforce: Check, witness: Witness) -> None:
    before = witness.count("salesforce", "Contact")
    told = jsforce("deleteOne", name="Gone")
    assert told["after"]["code"] == "ENTITY_IS_DELETED"
    assert witness.count("salesforce", "Contact") == before
    assert witness.writes("salesforce", "Contact")[-1] == (told["id"], "delete")


def test_is_refused_in_words_that_it_understands(jsforce: Check) -> None:
    told = jsforce("refusals")
    assert {name: each["code"] for name, each in told.items()} == {
        "requiredField": "REQUIRED_FIELD_MISSING",
        "unknownField": "INVALID_FIELD",
        "missing": "NOT_FOUND",
        "badQuery": "INVALID_FIELD",
        "noObject": "NOT_FOUND",
        "noSession": "INVALID_SESSION_ID",
    }
    assert "ERROR at Row:1:Column:12" in told["badQuery"]["message"]


def test_upserts_a_record_by_external_id(jsforce: Check, witness: Witness) -> None:
    told = jsforce("upsertOne", key="jsforce-1")
    assert (told["first"]["created"], told["second"]["created"]) == (True, False)
    found = witness.soql(f"SELECT Id, Subject FROM Task WHERE {KEY} = 'jsforce-1'")  # noqa: S608 - a constant
    assert found == [{"Id": told["first"]["id"], "Subject": "second"}]


def test_works_on_collections(jsforce: Check, witness: Witness) -> None:
    before = witness.count("salesforce", "Account")
    told = jsforce("collections", names=["Judged A", "Judged B", "Judged C"])
    assert all(each["success"] for name in ("created", "updated", "deleted") for each in told[name])
    assert told["seats"] == [0, 1, 2]
    assert witness.count("salesforce", "Account") == before + 1


def test_tells_the_bad_record_of_a_collection(jsforce: Check, witness: Witness) -> None:
    before = witness.count("salesforce", "Contact")
    told = jsforce("collectionWithErrors", name="Half")
    assert [each["success"] for each in told["some"]] == [True, False]
    assert told["some"][1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert [each["success"] for each in told["none"]] == [False, False]
    assert told["none"][0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert witness.count("salesforce", "Contact") == before + 1


def test_upserts_a_collection_by_external_id(jsforce: Check, witness: Witness) -> None:
    keys = [f"jsforce-many-{number:03}" for number in range(250)]
    told = jsforce("upsertMany", keys=keys)
    assert [each["created"] for each in told["first"]] == [True] * 250
    assert [each["created"] for each in told["second"]] == [False] * 250
    found = witness.soql(f"SELECT {KEY}, Subject FROM Task WHERE {KEY} LIKE 'jsforce-many-%'")  # noqa: S608 - a constant
    assert without_order(found, KEY, "Subject") == [(key, "second") for key in keys]


def test_reads_what_was_updated_and_deleted(jsforce: Check, witness: Witness) -> None:
    jsforce("deleteOne", name="Gone too")
    told = jsforce("changes", **{"from": f"{AS_OF}T21:00:00Z", "to": f"{AS_OF}T22:30:00Z"})
    since = f"SELECT Id FROM Contact WHERE SystemModstamp >= {AS_OF}T21:00:00Z"  # noqa: S608 - a constant
    assert sorted(told["updated"]["ids"]) == sorted(each["Id"] for each in witness.soql(since))
    deleted = {record for record, action in witness.writes("salesforce", "Contact") if action == "delete"}
    assert {each["id"] for each in told["deleted"]["deletedRecords"]} == deleted


def test_composes_requests_that_refer_to_each_other(jsforce: Check, witness: Witness) -> None:
    account, contact = jsforce("composite", name="Composed")["compositeResponse"]
    assert (account["httpStatusCode"], contact["httpStatusCode"]) == (201, 201)
    found = witness.soql("SELECT Id, AccountId FROM Contact WHERE LastName = 'Composed'")
    assert found == [{"Id": contact["body"]["id"], "AccountId": account["body"]["id"]}]


def test_queries_in_bulk(jsforce: Check, witness: Witness) -> None:
    told = jsforce("bulkQuery", soql="SELECT Id, LastName FROM Contact")
    assert without_order(told, "Id", "LastName") == without_order(
        witness.soql("SELECT Id, LastName FROM Contact"), "Id", "LastName"
    )
    assert len(jsforce("bulkQuery", soql="SELECT Id FROM Contact", scanAll=True)) > len(told)


def test_upserts_in_bulk(jsforce: Check, witness: Witness) -> None:
    rows = [{KEY: f"jsforce-bulk-{number}", "Subject": "In bulk", "Priority": "Normal"} for number in range(3)]
    rows.append({KEY: "jsforce-bulk-3", "Subject": "In bulk", "Priority": "x" * 300})
    told = jsforce("bulkIngest", object="Task", operation="upsert", externalIdFieldName=KEY, rows=rows)
    assert [each["sf__Created"] for each in told["successfulResults"]] == ["true"] * 3
    assert [each[KEY] for each in told["failedResults"]] == ["jsforce-bulk-3"]
    found = witness.soql(f"SELECT Id, {KEY} FROM Task WHERE {KEY} LIKE 'jsforce-bulk-%'")  # noqa: S608 - a constant
    assert without_order(told["successfulResults"], "sf__Id", KEY) == without_order(found, "Id", KEY)
    again = jsforce("bulkIngest", object="Task", operation="upsert", externalIdFieldName=KEY, rows=rows[:3])
    assert [each["sf__Created"] for each in again["successfulResults"]] == ["false"] * 3


def test_deletes_in_bulk(jsforce: Check, witness: Witness) -> None:
    jsforce("upsertMany", keys=["jsforce-doomed"])
    doomed = witness.soql(f"SELECT Id FROM Task WHERE {KEY} = 'jsforce-doomed'")  # noqa: S608 - a constant
    told = jsforce("bulkIngest", object="Task", operation="delete", rows=doomed)
    assert [each["sf__Id"] for each in told["successfulResults"]] == [each["Id"] for each in doomed]
    assert witness.soql(f"SELECT Id FROM Task WHERE {KEY} = 'jsforce-doomed'") == []  # noqa: S608 - a constant


def test_follows_a_bulk_job(jsforce: Check, witness: Witness) -> None:
    told = jsforce("bulkJobInfo", rows=[{"LastName": "Ingested"}, {"LastName": "Ingested"}])
    assert (told["opened"]["state"], told["done"]["state"]) == ("Open", "JobComplete")
    assert (told["done"]["numberRecordsProcessed"], told["done"]["numberRecordsFailed"]) == (2, 0)
    assert len(witness.soql("SELECT Id FROM Contact WHERE LastName = 'Ingested'")) == 2
