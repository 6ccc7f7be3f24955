"""The Salesforce CLI, unmodified, works on the emulated Salesforce; the sandbox says whether it came true."""

import csv
import json
from pathlib import Path

import pytest

from flows.provision_crm import write_package
from integrations.sandbox.process import Sandbox
from tests.judges.node.clients import Witness
from tests.judges.node.conftest import Check

KEY = "Plansync_Key__c"
TO = ("--target-org", "judged")


@pytest.fixture
def org(sf: Check, witness: Witness) -> Check:
    """The CLI, signed in by an access token."""
    sf("org", "login", "access-token", "--instance-url", witness.sandbox.salesforce.base_url, "--no-prompt",
       "--alias", "judged")  # fmt: skip
    return sf


def test_logs_in_by_access_token(org: Check, witness: Witness) -> None:
    told = org("org", "display", *TO)
    assert told["connectedStatus"] == "Connected"
    assert told["username"] == witness.sandbox.salesforce.username
    assert witness.soql("SELECT Id FROM Organization") == [{"Id": told["id"]}]


def test_reads_the_limits(org: Check) -> None:
    found = {each["name"]: each for each in org("org", "list", "limits", *TO)}
    assert 0 < found["DailyApiRequests"]["remaining"] < found["DailyApiRequests"]["max"]


def test_queries(org: Check, witness: Witness) -> None:
    told = org("data", "query", *TO, "--query", "SELECT Id FROM Contact")
    assert told["totalSize"] == len(told["records"]) == witness.count("salesforce", "Contact")


def test_is_refused_a_wrong_query(org: Check) -> None:
    told = org("data", "query", *TO, "--query", "SELECT Id, Shoe_Size__c FROM Contact", fails=True)
    assert told["name"] == "INVALID_FIELD"


def test_creates_reads_updates_and_deletes_a_record(org: Check, witness: Witness) -> None:
    named = (*TO, "--sobject", "Account", "--where", "Name='Judged by CLI'")
    made = org("data", "create", "record", *TO, "--sobject", "Account", "--values", "Name='Judged by CLI' Seats__c=3")
    assert org("data", "get", "record", *named)["Id"] == made["id"]
    org("data", "update", "record", *named, "--values", "Seats__c=9")
    found = witness.soql("SELECT Id, Seats__c FROM Account WHERE Name = 'Judged by CLI'")
    assert found == [{"Id": made["id"], "Seats__c": 9}]
    org("data", "delete", "record", *named)
    assert witness.soql("SELECT Id FROM Account WHERE Name = 'Judged by CLI'") == []


def test_upserts_in_bulk(org: Check, witness: Witness, tmp_path: Path) -> None:
    rows = tmp_path / "tasks.csv"
    for subject in ("first", "second"):
        rows.write_text(f"{KEY},Subject\n" + "".join(f"cli-{number},{subject}\n" for number in range(3)))
        told = org("data", "upsert", "bulk", *TO, "--sobject", "Task", "--file", str(rows), "--external-id", KEY,
                   "--wait", "2")  # fmt: skip
        assert told["jobInfo"]["numberRecordsProcessed"] == 3
        assert len(told["records"]["successfulResults"]) == 3
    found = witness.soql(f"SELECT {KEY}, Subject FROM Task WHERE {KEY} LIKE 'cli-%'")  # noqa: S608 - a constant
    assert sorted((each[KEY], each["Subject"]) for each in found) == [(f"cli-{n}", "second") for n in range(3)]


def test_imports_and_exports_in_bulk(org: Check, witness: Witness, tmp_path: Path) -> None:
    rows, out = tmp_path / "contacts.csv", tmp_path / "out.csv"
    rows.write_text("LastName\nImported\nImported\n")
    told = org("data", "import", "bulk", *TO, "--sobject", "Contact", "--file", str(rows), "--wait", "2")
    assert told["successfulRecords"] == 2
    org("data", "export", "bulk", *TO, "--query", "SELECT Id, LastName FROM Contact", "--result-format", "csv",
        "--output-file", str(out), "--wait", "2")  # fmt: skip
    with out.open(newline="") as lines:
        found = [(row["Id"], row["LastName"]) for row in csv.DictReader(lines)]
    listed = witness.soql("SELECT Id, LastName FROM Contact")
    assert sorted(found) == sorted((each["Id"], each["LastName"]) for each in listed)
    assert [name for _, name in found].count("Imported") == 2


def test_imports_and_exports_a_tree(org: Check, witness: Witness, tmp_path: Path) -> None:
    leaf = {"attributes": {"type": "Contact", "referenceId": "leaf"}, "LastName": "Leaf"}
    root = {"attributes": {"type": "Account", "referenceId": "root"}, "Name": "Tree", "Contacts": {"records": [leaf]}}
    given = tmp_path / "tree.json"
    given.write_text(json.dumps({"records": [root]}))
    told = {each["refId"]: each["id"] for each in org("data", "import", "tree", *TO, "--files", str(given))}
    assert witness.soql("SELECT Id, AccountId FROM Contact WHERE LastName = 'Leaf'") == [
        {"Id": told["leaf"], "AccountId": told["root"]}
    ]
    query = "SELECT Name, (SELECT LastName FROM Contacts) FROM Account WHERE Name = 'Tree'"
    exported = org("data", "export", "tree", *TO, "--query", query, "--output-dir", str(tmp_path))
    assert [each["Name"] for each in exported["records"]] == ["Tree"]
    assert [each["LastName"] for each in exported["records"][0]["Contacts"]["records"]] == ["Leaf"]


def test_describes_an_object_and_lists_all(org: Check, witness: Witness) -> None:
    told = org("sobject", "describe", *TO, "--sobject", "Success_Plan__c")
    fields = {each["name"]: each for each in told["fields"]}
    assert fields[KEY]["externalId"]
    assert fields[KEY]["unique"]
    listed = org("sobject", "list", *TO, "--sobject", "all")
    assert {"Account", "Success_Plan__c", "Success_Plan_Section__c", "Task"} <= set(listed)
    assert set(fields) == set(witness.soql("SELECT FIELDS(ALL) FROM Success_Plan__c LIMIT 1")[0])


def test_deploys_the_package_for_admins(sf_on_bare: Check, bare_sandbox: Sandbox, tmp_path: Path) -> None:
    sf, org, witness = sf_on_bare, ("--target-org", "bare"), Witness(bare_sandbox)
    sf("org", "login", "access-token", "--instance-url", bare_sandbox.salesforce.base_url, "--no-prompt", "--alias",
       "bare")  # fmt: skip
    assert "Success_Plan__c" not in sf("sobject", "list", *org, "--sobject", "all")
    write_package(tmp_path)
    wanted = {f"{path.parents[1].name}.{path.name.partition('.')[0]}" for path in tmp_path.rglob("*.field-meta.xml")}
    told = sf("project", "deploy", "start", *org, "--manifest", "manifest/package.xml", "--wait", "2", cwd=tmp_path)
    assert (told["status"], told["numberComponentErrors"]) == ("Succeeded", 0)
    assert wanted <= {each["fullName"] for each in told["files"]}
    sf("org", "assign", "permset", *org, "--name", "Plansync")
    assert {"Success_Plan__c", "Success_Plan_Section__c"} <= set(sf("sobject", "list", *org, "--sobject", "all"))
    described = sf("sobject", "describe", *org, "--sobject", "Success_Plan__c")["fields"]
    deployed = {each.partition(".")[2] for each in wanted if each.startswith("Success_Plan__c.")}
    assert deployed <= {each["name"] for each in described}
    assert witness.soql(f"SELECT {', '.join(sorted(deployed))} FROM Success_Plan__c") == []  # noqa: S608 - our own names
