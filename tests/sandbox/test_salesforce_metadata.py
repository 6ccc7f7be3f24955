"""Deployments to the emulated org, as any client would make them: answers, refusals, and what they leave behind."""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from tests.integrations.salesforce_org import RunningOrg, running_org

NAMESPACE = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
FIELD = "<fullName>Grade__c</fullName><label>Grade</label><length>20</length><type>Text</type>"
OBJECT = """<label>Deal</label><nameField><label>Name</label><type>Text</type></nameField>
    <pluralLabel>Deals</pluralLabel><sharingModel>ReadWrite</sharingModel>"""
KEYS_OF_A_MESSAGE = {
    "changed", "columnNumber", "componentType", "created", "createdDate", "deleted", "fileName", "fullName", "id",
    "lineNumber", "problem", "problemType", "success",
}  # fmt: skip


@pytest.fixture
def org() -> Iterator[RunningOrg]:
    with running_org(bare=False) as running:
        yield running


def object_file(*fields: str, about: str = "") -> str:
    found = "".join(f"<fields>{each}</fields>" for each in fields)
    return f"<CustomObject {NAMESPACE}>{found}{about}</CustomObject>"


def manifest(**members: list[str]) -> str:
    types = "".join(
        f"<types>{''.join(f'<members>{name}</members>' for name in names)}<name>{kind}</name></types>"
        for kind, names in members.items()
    )
    return f"<Package {NAMESPACE}>{types}<version>66.0</version></Package>"


def zipped(files: Mapping[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return target.getvalue()


def posted(org: RunningOrg, content: bytes, **options: Any) -> requests.Response:
    asked = json.dumps({"deployOptions": options})
    form = {"json": (None, asked, "application/json"), "file": ("x.zip", content, "application/zip")}
    return org.ask("POST", "metadata/deployRequest", files=form)


def result(org: RunningOrg, files: Mapping[str, str], **options: Any) -> dict[str, Any]:
    """The end of one deployment."""
    place = f"metadata/deployRequest/{posted(org, zipped(files), **options).json()['id']}"
    org.ask("GET", place)
    found: dict[str, Any] = org.ask("GET", place, params={"includeDetails": "true"}).json()["deployResult"]
    return found


def problems(found: Mapping[str, Any]) -> list[str]:
    return [each["problem"] for each in found["details"]["componentFailures"]]


def grade(*fields: str) -> dict[str, str]:
    """A package with one field, ``Account.Grade__c``."""
    return {
        "package.xml": manifest(CustomField=["Account.Grade__c"]),
        "objects/Account.object": object_file(*(fields or (FIELD,))),
    }


PERMITTED = f"""<PermissionSet {NAMESPACE}><label>Graders</label><fieldPermissions><editable>true</editable>
    <field>Account.Grade__c</field><readable>true</readable></fieldPermissions></PermissionSet>"""


def test_a_deployment_goes_from_pending_to_succeeded_with_every_key_of_a_deploy_result(org: RunningOrg) -> None:
    made = posted(org, zipped(grade()))
    assert made.status_code == 201
    assert made.json()["deployResult"]["status"] == "Pending"
    assert made.json()["id"].startswith("0Af")
    place = f"metadata/deployRequest/{made.json()['id']}"
    first = org.ask("GET", place, params={"includeDetails": "true"}).json()["deployResult"]
    assert (first["status"], first["done"], first["details"]["componentSuccesses"]) == ("InProgress", False, [])
    last = org.ask("GET", place, params={"includeDetails": "true"}).json()["deployResult"]
    assert (last["status"], last["done"], last["success"]) == ("Succeeded", True, True)
    field = next(each for each in last["details"]["componentSuccesses"] if each["componentType"] == "CustomField")
    assert field.keys() == KEYS_OF_A_MESSAGE
    assert (field["fullName"], field["created"], field["changed"]) == ("Account.Grade__c", True, True)
    assert (last["numberComponentsTotal"], last["numberComponentsDeployed"], last["numberComponentErrors"]) == (1, 1, 0)
    assert "details" not in org.ask("GET", place).json()["deployResult"]


def test_the_same_deployment_again_changes_nothing(org: RunningOrg) -> None:
    result(org, grade())
    again = result(org, grade())
    assert [each["changed"] for each in again["details"]["componentSuccesses"] if each["componentType"]] == [False]


def test_a_trial_says_what_would_be_and_leaves_nothing(org: RunningOrg) -> None:
    tried = result(org, grade(), checkOnly=True)
    assert (tried["success"], tried["checkOnly"]) == (True, True)
    assert [each["created"] for each in result(org, grade(), checkOnly=True)["details"]["componentSuccesses"]][-1]


def test_a_field_is_seen_and_written_only_by_permission(org: RunningOrg) -> None:
    result(org, grade())
    assert "Grade__c" not in (org.describe("Account") or {})["fields"]
    assert org.ask("POST", "sobjects/Account", json={"Name": "A", "Grade__c": "x"}).status_code == 400
    graders = {"package.xml": manifest(PermissionSet=["Graders"]), "permissionsets/Graders.permissionset": PERMITTED}
    assert result(org, graders)["success"]
    assert "Grade__c" not in (org.describe("Account") or {})["fields"]
    record = {"AssigneeId": _first(org, "User"), "PermissionSetId": _first(org, "PermissionSet")}
    assert org.ask("POST", "sobjects/PermissionSetAssignment", json=record).status_code == 201
    assert (org.describe("Account") or {})["fields"]["Grade__c"]["length"] == 20
    made = org.ask("POST", "sobjects/Account", json={"Name": "A", "Grade__c": "first"}).json()
    assert org.ask("GET", f"sobjects/Account/{made['id']}").json()["Grade__c"] == "first"
    too_long = org.ask("POST", "sobjects/Account", json={"Name": "A", "Grade__c": "x" * 21})
    assert too_long.json()[0]["errorCode"] == "STRING_TOO_LONG"
    (grant,) = org.ask("GET", "query", params={"q": "SELECT Id FROM FieldPermissions"}).json()["records"]
    assert org.ask("PATCH", f"sobjects/FieldPermissions/{grant['Id']}", json={"PermissionsEdit": False}).ok
    assert not (org.describe("Account") or {})["fields"]["Grade__c"]["updateable"]


def _first(org: RunningOrg, sobject: str) -> str:
    answer = org.ask("GET", "query", params={"q": f"SELECT Id FROM {sobject} LIMIT 1"})  # noqa: S608 - our own name
    found: str = answer.json()["records"][0]["Id"]
    return found


def deal(about: str = OBJECT, *fields: str) -> dict[str, str]:
    return {
        "package.xml": manifest(CustomObject=["Deal__c"]),
        "objects/Deal__c.object": object_file(*(fields or (FIELD,)), about=about),
    }


MASTER = """<fullName>Account__c</fullName><label>A</label><referenceTo>Account</referenceTo>
    <relationshipName>Deals</relationshipName><type>MasterDetail</type>"""


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"other.txt": "x"}, "No package.xml found"),
        ({"package.xml": "<Package>"}, "Error parsing file: no element found"),
        ({"package.xml": "<Package/>"}, "not a Package of the metadata namespace"),
        ({"package.xml": f'<!DOCTYPE x [<!ENTITY a "b">]>{manifest()}'}, "document type is not allowed"),
        ({"package.xml": manifest(ApexClass=["Evil"])}, "Unknown type name 'ApexClass'"),
        ({"package.xml": manifest(CustomObject=["Deal__c"])}, "'Deal__c' of type CustomObject was named"),
        (grade(FIELD.replace("Grade__c", "Other__c")), "'Account.Grade__c' of type CustomField was named"),
        (grade() | {"objects/Account.object": object_file(FIELD)[:-9]}, "Error parsing file"),
        (grade(FIELD, FIELD), "Grade__c is defined twice"),
        (grade(FIELD.replace("<length>20</length>", "")), "Must specify 'length' for a CustomField of type Text"),
        (grade(FIELD.replace("20", "300")), "length must be from 1 to 255"),
        (grade(FIELD.replace("Text", "LongTextArea")), "Must specify 'visibleLines'"),
        (grade(FIELD.replace("Text", "Number")), "Must specify 'precision' for a CustomField of type Number"),
        (grade(FIELD.replace("Text", "Txet")), "'Txet' is not a valid value for the enum 'FieldType'"),
        (grade(FIELD.replace("Text", "Picklist")), "Must specify 'valueSet'"),
        (grade(FIELD.replace("Text", "Checkbox")), "Must specify 'defaultValue'"),
        (grade(FIELD.replace("Text", "Lookup")), "Must specify 'referenceTo'"),
        (grade(FIELD.replace("<label>Grade</label>", "")), "non-empty label"),
        (deal(OBJECT, MASTER.replace(">Account<", ">Nothing__c<")), "sharingModel of a CustomObject with"),
        (
            deal(OBJECT.replace("ReadWrite", "ControlledByParent"), MASTER.replace(">Account<", ">Nothing__c<")),
            "'Nothing__c' does not resolve to a valid sObject type",
        ),
        (deal(OBJECT.replace("ReadWrite", "ControlledByParent")), "without a MasterDetail relationship field"),
        (deal(OBJECT.replace("<pluralLabel>Deals</pluralLabel>", "")), "pluralLabel"),
        (deal(re.sub("<nameField>.*</nameField>", "", OBJECT)), "nameField of type Text or AutoNumber"),
        (
            {"package.xml": manifest(PermissionSet=["P"]), "permissionsets/P.permissionset": PERMITTED},
            "no CustomField named Account.Grade__c found",
        ),
    ],
)  # fmt: skip
def test_a_broken_package_fails_with_the_reason_and_leaves_nothing(
    org: RunningOrg, files: Mapping[str, str], said: str
) -> None:
    found = result(org, files)
    assert (found["status"], found["success"], found["done"]) == ("Failed", False, True)
    assert any(said in each for each in problems(found)), problems(found)
    assert org.state.query("SELECT COUNT(*) FROM salesforce_components") == [(0,)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<fieldPermissions><field>Success_Plan_Section__c.Success_Plan__c</field></fieldPermissions>",
         "You cannot deploy to a required field: Success_Plan_Section__c.Success_Plan__c"),
        ("<objectPermissions><allowEdit>true</allowEdit><object>Account</object></objectPermissions>",
         "Permission Edit Account depends on permission(s): Read Account"),
        ("<objectPermissions><allowRead>true</allowRead><object>Nothing__c</object></objectPermissions>",
         "no CustomObject named Nothing__c found"),
        ("<userPermissions><enabled>true</enabled><name>FlyToTheMoon</name></userPermissions>",
         "Unknown user permission: FlyToTheMoon"),
    ],
)  # fmt: skip
def test_a_permission_set_grants_only_what_can_be_granted(org: RunningOrg, text: str, said: str) -> None:
    content = f"<PermissionSet {NAMESPACE}><label>P</label>{text}</PermissionSet>"
    files = {"package.xml": manifest(PermissionSet=["P"]), "permissionsets/P.permissionset": content}
    assert (
        problems(result(org, files)) == [said] if "no Custom" not in said else said in problems(result(org, files))[0]
    )


def test_a_field_keeps_its_type(org: RunningOrg) -> None:
    result(org, grade())
    other = FIELD.replace("<length>20</length><type>Text</type>", "<type>Date</type>")
    assert problems(result(org, grade(other))) == ["Cannot change the type of Account.Grade__c from string to date"]


def test_without_rollback_the_sound_components_stay(org: RunningOrg) -> None:
    files = grade(FIELD, FIELD.replace("Grade__c", "Bad__c").replace("20", "0"))
    files["package.xml"] = manifest(CustomField=["Account.Grade__c", "Account.Bad__c"])
    found = result(org, files, rollbackOnError=False)
    assert (found["status"], len(problems(found))) == ("SucceededPartial", 1)
    assert org.state.query("SELECT full_name FROM salesforce_components") == [("Account.Grade__c",)]
    assert result(org, files)["status"] == "Failed"


def test_a_request_that_is_no_deployment_is_refused(org: RunningOrg) -> None:
    plain = org.ask("POST", "metadata/deployRequest", json={"deployOptions": {}})
    assert (plain.status_code, plain.json()[0]["errorCode"]) == (400, "INVALID_MULTIPART_REQUEST")
    assert org.ask("GET", "metadata/deployRequest/0Af000000000000AAA").status_code == 404
    no_zip = posted(org, b"PK but no zip")
    org.ask("GET", f"metadata/deployRequest/{no_zip.json()['id']}")
    found = org.ask("GET", f"metadata/deployRequest/{no_zip.json()['id']}?includeDetails=true").json()["deployResult"]
    assert problems(found) == ["The file is not a zip"]
