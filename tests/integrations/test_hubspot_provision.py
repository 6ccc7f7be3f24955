"""From a portal that nobody prepared to one that a night can write to, in either key mode, and with the least key."""

from collections.abc import Iterator

import pytest
import requests

from integrations.errors import CrmUnavailableError
from integrations.hubspot.fields import PLAN_PROPERTIES
from integrations.hubspot.needs import NIGHTLY_SCOPES, PROPERTIES, PROVISION_SCOPES
from integrations.provisioning import Standing, missing
from integrations.sandbox.hubspot_settings import change_settings
from integrations.sandbox.hubspot_tokens import Tokens
from models.enums import PullObject
from tests.integrations.hubspot_portal import FULL, TOKEN, Portal, companies, pulled, running_portal, task_write
from tests.integrations.test_hubspot_push import TASK, push

VERSIONS = ("2026-09", "2026-03", "v3")
LEAST = [each.name for each in NIGHTLY_SCOPES]
TO_PROVISION = [*LEAST, *(each.name for each in PROVISION_SCOPES)]


@pytest.fixture
def portal() -> Iterator[Portal]:
    with running_portal(bare=True) as running:
        yield running


def key_with(portal: Portal, scopes: list[str]) -> str:
    with portal.state.transaction():
        return Tokens(portal.state, TOKEN).issue("static", scopes)


def test_the_declaration_is_what_is_read_and_written() -> None:
    assert {each.name for each in PROPERTIES if each.of == "companies"} == set(PLAN_PROPERTIES)
    assert all(each.name.startswith("plansync_") for each in PROPERTIES)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bare_portal_gets_what_it_lacks_once(portal: Portal, version: str) -> None:
    client = portal.hubspot(version=version)
    lacking = missing(client.parts())
    assert [part.name for part in lacking][:2] == ["companies.success_plan", "companies.plansync_key"]
    assert len(lacking) == len(PROPERTIES) + 2
    assert [made.part for made in client.create(lacking) if not made.problem] == lacking
    assert {part.standing for part in client.parts()} == {Standing.PRESENT}
    portal.state.clear_requests()
    assert missing(client.parts()) == []
    assert portal.state.requests("hubspot", "write") == []


def test_a_crash_half_way_is_gone_on_from(portal: Portal) -> None:
    client = portal.hubspot()
    making = client.create(missing(client.parts()))
    done = [next(making).part.name for _ in range(4)]
    rest = [part.name for part in missing(portal.hubspot().parts())]
    assert not set(done) & set(rest)
    assert len(done) + len(rest) == len(PROPERTIES) + 2
    assert not [made.problem for made in client.create(missing(client.parts())) if made.problem]
    assert missing(client.parts()) == []


def test_a_lost_answer_to_a_property_is_no_failure(portal: Portal) -> None:
    portal.faults.lose("/properties/2026-09/companies")
    portal.faults.lose("/groups")
    client = portal.hubspot()
    lacking = missing(client.parts())
    portal.faults.lose("/properties/2026-09/companies")
    portal.faults.lose("/groups")
    assert not [made.problem for made in client.create(lacking) if made.problem]
    assert missing(client.parts()) == []


def test_a_refused_property_does_not_keep_the_others_from_being_made(portal: Portal) -> None:
    client = portal.hubspot()
    lacking = missing(client.parts())
    portal.faults.answer("/properties/2026-09/companies", 400, {"status": "error", "category": "VALIDATION_ERROR"})
    problems = {made.part.name: made.problem for made in client.create(lacking) if made.problem}
    assert problems == {"companies.plansync_key": "HTTP 400 VALIDATION_ERROR"}
    assert [part.name for part in missing(client.parts())] == ["companies.plansync_key"]


def test_what_differs_is_named_and_left_alone(portal: Portal) -> None:
    client = portal.hubspot()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    wrong = {"name": "plansync_renewal_date", "label": "Mine", "groupName": "companyinformation"}
    path = f"{portal.url}/crm/v3/properties/companies"
    made = requests.post(path, json=wrong | {"type": "string", "fieldType": "text"}, headers=headers, timeout=10)
    key = {"name": "plansync_key", "label": "Key", "groupName": "companyinformation"}
    requests.post(path, json=key | {"type": "string", "fieldType": "text"}, headers=headers, timeout=10)
    assert made.status_code == 201
    assert not [one.problem for one in client.create(missing(client.parts())) if one.problem]
    differing = {part.name: part.detail for part in client.parts() if part.standing is Standing.DIFFERS}
    assert differing == {
        "companies.plansync_key": "is not unique, and HubSpot cannot make it so any more",
        "companies.plansync_renewal_date": "is of type string, not date",
    }
    failed = {each.check for each in portal.hubspot().check() if not each.is_ok}
    assert failed == {"hubspot companies key", "hubspot companies properties", "hubspot plan properties"}
    kept = requests.get(f"{path}/plansync_renewal_date", headers=headers, timeout=10).json()
    assert (kept["label"], kept["type"]) == ("Mine", "string")


# -- scopes -----------------------------------------------------------------------------------------------------------


def test_the_documented_scopes_are_enough_to_provision_and_for_a_night(portal: Portal) -> None:
    (firm,) = companies(portal, {})
    admin = portal.hubspot(access_token=key_with(portal, TO_PROVISION))
    assert not [made.problem for made in admin.create(missing(admin.parts())) if made.problem]
    nightly = portal.hubspot(access_token=key_with(portal, LEAST))
    found = {each.check: each for each in nightly.check()}
    assert not [each for each in found.values() if not each.is_ok or each.is_warning]
    for target in PullObject:
        list(nightly.pull(target, FULL))
    assert [each.error_code for each in push(nightly, [task_write("k1", firm, **TASK)]).values()] == [None]


def test_a_key_without_the_rights_to_provision_makes_nothing_and_says_which_is_missing(portal: Portal) -> None:
    client = portal.hubspot(access_token=key_with(portal, LEAST))
    problems = [made.problem for made in client.create(missing(client.parts()))]
    assert all(problem.startswith("HTTP 403 MISSING_SCOPES") for problem in problems if "companies" in problem)
    assert len([problem for problem in problems if problem]) >= len(PROPERTIES)


@pytest.mark.parametrize("scope", LEAST)
def test_doctor_names_each_scope_that_is_lacking(portal: Portal, scope: str) -> None:
    client = portal.hubspot(access_token=key_with(portal, [each for each in LEAST if each != scope]))
    found = [each for each in client.check() if each.check == "hubspot scopes"]
    # without owners.read even the portal's clock cannot be asked
    assert found == [] if scope == "crm.objects.owners.read" else [each.detail for each in found] == [f"lacks {scope}"]


def test_doctor_warns_of_scopes_that_no_night_needs(portal: Portal) -> None:
    client = portal.hubspot(access_token=key_with(portal, [*LEAST, "crm.objects.deals.write", "content"]))
    found = next(each for each in client.check() if each.check == "hubspot excess scopes")
    assert (found.is_ok, found.is_warning) == (True, True)
    assert found.detail == "holds content, crm.objects.deals.write without need"


# -- key mode b -------------------------------------------------------------------------------------------------------


@pytest.fixture
def without_unique(portal: Portal) -> Portal:
    """A portal that keeps no property of tasks unique, provisioned."""
    change_settings(portal.state, unique_on_engagements=False)
    client = portal.hubspot()
    notes = {made.part.name: made.note for made in client.create(missing(client.parts()))}
    assert "key mode b" in notes["tasks.plansync_key"]
    return portal


def test_doctor_names_the_key_mode(portal: Portal, without_unique: Portal) -> None:
    found = {each.check: each for each in without_unique.hubspot().check()}
    assert not [each for each in found.values() if not each.is_ok]
    assert found["hubspot key mode"].is_warning
    assert found["hubspot key mode"].detail.startswith("b (stamp, query, create)")
    assert missing(without_unique.hubspot().parts()) == []


def test_a_lost_answer_is_settled_by_the_company_s_own_tasks(without_unique: Portal) -> None:
    portal = without_unique
    firm, other = companies(portal, {}, {})
    writes = [task_write("k1", firm, **TASK), task_write("k2", firm, **TASK), task_write("k3", other, **TASK)]
    portal.faults.lose("/tasks/batch/create")
    client = portal.hubspot()
    with pytest.raises(CrmUnavailableError, match="answer lost"):
        push(client, writes)
    found = client.find([*writes, task_write("never", firm, **TASK)])
    assert found.keys() == {"k1", "k2", "k3"}
    assert pulled(client, PullObject.TASKS, FULL)["crm_id"].to_list() == sorted(found.values())
    assert portal.count("/tasks/search") == 0


def test_of_two_tasks_with_one_key_the_older_is_found(without_unique: Portal) -> None:
    (firm,) = companies(without_unique, {})
    client = without_unique.hubspot()
    write = task_write("k1", firm, **TASK)
    first, second = (push(client, [write])[write.effect_key].crm_id for _ in range(2))
    assert first != second
    assert client.find([task_write("k1", firm, **TASK)]) == {"k1": first}
