"""From an org that nobody prepared to one that a night can write to, and what stands in the way."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from integrations.errors import CrmRefusedError
from integrations.provisioning import Part, Standing, missing
from integrations.salesforce import push
from integrations.salesforce.client import Salesforce
from integrations.salesforce.fields import PLAN_FIELDS, PLAN_ITEMS, PLAN_SECTIONS
from integrations.salesforce.metadata_files import archive, everything, package, permission_set, project
from integrations.salesforce.needs import EXCESSIVE_RIGHTS, OBJECTS, USER_RIGHTS, homes
from integrations.salesforce.standing import differences
from integrations.sandbox.salesforce_metadata import change_rights
from tests.integrations.salesforce_org import USERNAME, RunningOrg, running_org

TEXT_KEY = {"name": "Plansync_Key__c", "type": "string", "length": 32, "unique": True, "externalId": True}


@pytest.fixture
def org() -> Iterator[RunningOrg]:
    with running_org() as running:
        yield running


def standings(client: Salesforce) -> set[Standing]:
    return {part.standing for part in client.parts()}


def provisioned(org: RunningOrg) -> Salesforce:
    client = org.salesforce()
    assert not [made.problem for made in client.create(missing(client.parts())) if made.problem]
    client.assign(USERNAME)
    return client


# -- the declaration --------------------------------------------------------------------------------------------------


def test_the_declaration_holds_every_field_of_ours_that_is_read_or_written() -> None:
    declared = {home: {each.name for each in fields} for home, fields in homes().items()}
    for source in (PLAN_FIELDS, PLAN_SECTIONS, PLAN_ITEMS):
        read = {
            path for column in source.columns for path in column.candidates if path.endswith("__c") and "." not in path
        }
        assert read - declared[source.sobject] == set()
    assert set(push.PLAN_NAMES.values()) <= declared["Success_Plan__c"]
    assert set(push.SECTION_NAMES.values()) <= declared["Success_Plan_Section__c"]


def test_no_field_of_the_business_is_declared() -> None:
    own = {each.name for each in OBJECTS}
    assert set(homes()) - own == {"Activity"}
    assert [each.name for each in homes()["Activity"]] == ["Plansync_Key__c"]


def test_the_permission_set_gives_no_right_that_doctor_calls_excessive() -> None:
    assert not set(USER_RIGHTS) & set(EXCESSIVE_RIGHTS)
    text = permission_set().decode()
    assert "<modifyAllRecords>true" not in text
    assert "<allowDelete>true" not in text


# -- provisioning -----------------------------------------------------------------------------------------------------


def test_a_bare_org_lacks_everything_and_has_it_after_one_deployment(org: RunningOrg) -> None:
    client = org.salesforce()
    lacking = missing(client.parts())
    assert {part.name for part in lacking} >= set(everything())
    made = list(client.create(lacking))
    assert [each.part for each in made] == lacking
    assert not [each for each in made if each.problem]
    assert all(each.is_new for each in made)
    assert len([each for each in org.state.requests("salesforce", "write") if "deployRequest" in each.path]) == 2
    assert len(org.waits) == 2


def test_what_is_deployed_is_hidden_until_the_permission_set_is_assigned(org: RunningOrg) -> None:
    client = org.salesforce()
    list(client.create(missing(client.parts())))
    assert standings(client) == {Standing.HIDDEN, Standing.PRESENT}
    assert org.describe("Success_Plan__c") is None
    assert "assigned" in client.assign(USERNAME)
    assert standings(client) == {Standing.PRESENT}
    assert "already has" in client.assign(USERNAME)
    key = (org.describe("Task") or {})["fields"]["Plansync_Key__c"]
    assert (key["unique"], key["externalId"], key["createable"], key["length"]) == (True, True, True, 32)
    items = org.describe("Success_Plan_Item__c") or {}
    assert not items["createable"]
    assert not items["fields"]["Title__c"]["updateable"]


def test_a_second_provision_sends_nothing(org: RunningOrg) -> None:
    client = provisioned(org)
    org.state.clear_requests()
    assert missing(client.parts()) == []
    assert org.state.requests("salesforce", "write") == []


def test_an_org_that_can_do_everything_already_needs_nothing_but_for_another_user() -> None:
    with running_org(bare=False) as org:
        client = org.salesforce()
        assert missing(client.parts()) == []
        assert [part.name for part in missing(client.parts_for_others())] == ["Plansync"]


def test_records_can_be_written_to_what_was_deployed(org: RunningOrg) -> None:
    provisioned(org)
    account = org.ask("POST", "sobjects/Account", json={"Name": "Acme"}).json()["id"]
    plan = {"Name": "Acme", "Account__c": account, "Health_Score__c": 71.5, "Health_Band__c": "yellow"}
    made = org.ask("PATCH", "sobjects/Success_Plan__c/Plansync_Key__c/p1", json=plan)
    assert made.status_code == 201, made.text
    section = {"Success_Plan__r": {"Plansync_Key__c": "p1"}, "Section__c": "business_goals", "Body__c": "Grow."}
    assert org.ask("PATCH", "sobjects/Success_Plan_Section__c/Plansync_Key__c/s1", json=section).status_code == 201
    assert org.ask("PATCH", "sobjects/Task/Plansync_Key__c/t1", json={"Subject": "Call"}).status_code == 201
    assert org.ask("PATCH", "sobjects/Task/Plansync_Key__c/t1", json={"Subject": "Again"}).status_code == 200
    asked = "SELECT Name, Success_Plan__r.Account__r.Name FROM Success_Plan_Section__c"
    (row,) = org.ask("GET", "query", params={"q": asked}).json()["records"]
    assert (row["Name"], row["Success_Plan__r"]["Account__r"]["Name"]) == ("PS-000001", "Acme")
    refused = org.ask("PATCH", "sobjects/Success_Plan__c/Plansync_Key__c/p2", json=plan | {"Health_Band__c": "pink"})
    assert refused.json()[0]["errorCode"] == "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"


def deploy_by_hand(org: RunningOrg, files: dict[str, bytes]) -> dict[str, Any]:
    """What an admin has done before: any package, to its end."""
    form = {
        "json": (None, '{"deployOptions": {"rollbackOnError": true}}', "application/json"),
        "file": ("deploy.zip", archive(files), "application/zip"),
    }
    made = org.ask("POST", "metadata/deployRequest", files=form).json()
    for _ in range(2):
        answer = org.ask("GET", f"metadata/deployRequest/{made['id']}", params={"includeDetails": "true"}).json()
    result: dict[str, Any] = answer["deployResult"]
    return result


def altered(pattern: str, by: str, *names: str) -> dict[str, bytes]:
    """The package of some components, changed by a person."""
    return {
        name: re.sub(pattern, by, content.decode(), flags=re.DOTALL).encode()
        for name, content in package(names or everything(), "66.0").items()
    }


def test_what_differs_is_named_and_left_alone_and_the_rest_is_made(org: RunningOrg) -> None:
    wrong = altered("<unique>true</unique>", "<unique>false</unique>", "Activity.Plansync_Key__c", "Success_Plan__c")
    assert deploy_by_hand(org, wrong)["success"]
    client = org.salesforce()
    made = {each.part.name: each for each in client.create(missing(client.parts()))}
    assert {name for name, each in made.items() if not each.is_new} >= {"Success_Plan__c", "Activity.Plansync_Key__c"}
    assert made["Success_Plan_Section__c"].is_new
    client.assign(USERNAME)
    left = {part.name: part for part in client.parts() if part.standing is not Standing.PRESENT}
    assert left.keys() == {"Activity.Plansync_Key__c", "Success_Plan__c.Plansync_Key__c"}
    assert {(part.standing, part.detail) for part in left.values()} == {(Standing.DIFFERS, "is not unique")}
    mode = next(each for each in client.check() if each.check == "salesforce key mode")
    assert not mode.is_ok
    assert "Task, Success_Plan__c" in mode.detail


def test_a_refusal_takes_the_whole_deployment_back_and_says_which_component_it_was(org: RunningOrg) -> None:
    clash = altered("Success_Plan(__c|)\\b", r"Old_Plan\1", "Success_Plan__c")
    renamed = {name.replace("Success_Plan__c", "Old_Plan__c"): content for name, content in clash.items()}
    assert deploy_by_hand(org, renamed)["success"]
    client = org.salesforce()
    made = {each.part.name: each.problem for each in client.create(missing(client.parts()))}
    assert made["Success_Plan__c.Account__c"] == "The Child Relationship Name Success_Plans is in use already"
    assert all(made.values())
    assert made["Success_Plan_Section__c"].startswith("not done: the org takes all of a deployment or nothing")
    assert org.describe("Success_Plan_Section__c") is None


def test_missing_grants_are_added_and_others_stay(org: RunningOrg) -> None:
    client = provisioned(org)
    org.state.execute('DELETE FROM "salesforce__FieldPermissions" WHERE "Field" = ?', ("Task.Plansync_Key__c",))
    org.state.execute('DELETE FROM "salesforce__ObjectPermissions" WHERE "SobjectType" = ?', ("Case",))
    assert "Plansync_Key__c" not in (org.describe("Task") or {})["fields"]
    lacking = missing(client.parts())
    assert {(part.kind, part.name) for part in lacking} >= {
        ("permission", "Task.Plansync_Key__c"),
        ("permission", "Case"),
    }
    assert not [
        made.problem for made in client.create([part for part in lacking if part.kind == "permission"]) if made.problem
    ]
    assert missing(client.parts()) == []


def test_a_user_who_may_not_deploy_is_told_what_to_sign_in_as(org: RunningOrg) -> None:
    change_rights(org.state, {"ModifyMetadata": False})
    client = org.salesforce()
    with pytest.raises(CrmRefusedError, match=r"403 INSUFFICIENT_ACCESS.*sign in as an admin") as refused:
        list(client.create(missing(client.parts())))
    assert "Bearer" not in str(refused.value)


def test_assigning_names_the_unknown_user_and_the_missing_set(org: RunningOrg) -> None:
    client = org.salesforce()
    with pytest.raises(CrmRefusedError, match="no permission set Plansync"):
        client.assign(USERNAME)
    with pytest.raises(CrmRefusedError, match=r"no active user \"nobody's@x.example\""):
        client.assign("nobody's@x.example")


# -- doctor -----------------------------------------------------------------------------------------------------------


def test_doctor_warns_of_rights_that_no_night_needs_and_names_the_key_mode(org: RunningOrg) -> None:
    client = provisioned(org)
    findings = list(client.check())
    found = {each.check: each for each in findings}
    assert len(found) == len(findings), "two findings of one name"
    assert [each for each in found.values() if not each.is_ok] == []
    assert found["salesforce key mode"].detail.startswith("a (unique key)")
    excess = found["salesforce excess rights"]
    assert (excess.is_warning, excess.detail) == (True, "holds CustomizeApplication, ModifyMetadata")
    change_rights(org.state, {"CustomizeApplication": False, "ModifyMetadata": False})
    excess = next(each for each in client.check() if each.check == "salesforce excess rights")
    assert (excess.is_warning, excess.detail.startswith("none of")) == (False, True)


def test_doctor_tells_hidden_from_missing(org: RunningOrg) -> None:
    client = org.salesforce()
    list(client.create(missing(client.parts())))
    found = {each.check: each for each in client.check()}
    assert "may not see it" in found["salesforce Task key"].detail
    assert "assign the permission set" in found["salesforce Task key"].fix


# -- comparing --------------------------------------------------------------------------------------------------------


FIELDS = {f"{home}.{each.name}": each for home, fields in homes().items() for each in fields}


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("Activity.Plansync_Key__c", TEXT_KEY, []),
        ("Activity.Plansync_Key__c", TEXT_KEY | {"length": 64}, []),
        ("Activity.Plansync_Key__c", TEXT_KEY | {"length": 20}, ["holds 20 characters, not 32"]),
        ("Activity.Plansync_Key__c", TEXT_KEY | {"externalId": False}, ["is no external id"]),
        ("Activity.Plansync_Key__c", TEXT_KEY | {"type": "double"}, ["is of type double, not string"]),
        ("Success_Plan__c.Health_Score__c", {"type": "double", "scale": 0}, ["keeps 0 decimal places, not 1"]),
        ("Success_Plan__c.Health_Score__c", {"type": "percent", "scale": 2}, []),
        ("Success_Plan__c.Health_Band__c", {"type": "string", "length": 40}, []),
        (
            "Success_Plan__c.Health_Band__c",
            {"type": "picklist", "restrictedPicklist": True, "picklistValues": [{"value": "green", "active": True}]},
            ["refuses the values yellow, red, insufficient"],
        ),
        ("Success_Plan__c.Health_Band__c", {"type": "picklist", "restrictedPicklist": False}, []),
        (
            "Success_Plan__c.Account__c",
            {"type": "reference", "referenceTo": ["Contact"]},
            ["leads to Contact, not to Account"],
        ),
        ("Success_Plan_Item__c.Title__c", {"type": "textarea", "length": 100}, []),
    ],
)  # fmt: skip
def test_a_field_differs_only_where_it_cannot_serve(name: str, known: dict[str, Any], said: list[str]) -> None:
    assert list(differences(FIELDS[name], known)) == said


# -- the package ------------------------------------------------------------------------------------------------------


def test_the_same_needs_make_the_same_bytes() -> None:
    assert archive(package(everything(), "66.0")) == archive(package(everything(), "66.0"))


def test_the_project_and_the_deployed_archive_say_the_same(tmp_path: Path) -> None:
    source, deployed = project("66.0"), package(everything(), "66.0")
    for name, content in deployed.items():
        if not name.startswith("objects/"):
            continue
        home = name.removeprefix("objects/").removesuffix(".object")
        fields = {_text(each, "fullName"): each for each in _root(content).iter() if each.tag.endswith("}fields")}
        for field_name, element in fields.items():
            path = f"force-app/main/default/objects/{home}/fields/{field_name}.field-meta.xml"
            assert _leaves(_root(source[path])) == _leaves(element)
        written = {path for path in source if path.startswith(f"force-app/main/default/objects/{home}/fields/")}
        assert len(written) == len(fields)
    assert source["force-app/main/default/permissionsets/Plansync.permissionset-meta.xml"] == permission_set()


def _root(content: bytes) -> Xml.Element:
    return Xml.fromstring(content)  # noqa: S314 - our own


def _text(element: Xml.Element, tag: str) -> str:
    return next((each.text or "" for each in element if each.tag.endswith(f"}}{tag}")), "")


def _leaves(element: Xml.Element) -> list[tuple[str, str]]:
    return [(each.tag, (each.text or "").strip()) for each in element.iter()][1:]


def test_a_part_of_the_package_holds_only_what_is_asked_for() -> None:
    files = package(["Activity.Plansync_Key__c"], "66.0")
    assert files.keys() == {"package.xml", "objects/Activity.object"}
    assert b"<label>Success Plan</label>" not in files["objects/Activity.object"]


def test_parts_name_what_they_must_be(org: RunningOrg) -> None:
    wanted = {part.name: part.wanted for part in org.salesforce().parts()}
    assert wanted["Activity.Plansync_Key__c"] == "text 32, unique, external id"
    assert wanted["Success_Plan__c.Health_Score__c"] == "number 5,1"
    assert all(isinstance(part, Part) for part in org.salesforce().parts())
