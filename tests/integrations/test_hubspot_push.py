"""Writing to a portal: the fewest calls, bad rows singled out, nothing twice."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

import pytest

from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.hubspot.client import HubSpot
from models.enums import PullObject, WriteAction, WriteKind
from models.records import Outcome, Write
from tests.integrations.hubspot_portal import (
    FULL,
    Portal,
    companies,
    load,
    load_owners,
    plan_write,
    pulled,
    rows_of,
    running_portal,
    task_write,
)

VERSIONS = ["2026-09", "2026-03", "v3"]
TASK: dict[str, Any] = {
    "subject": "Call Ann",
    "body": "Why?\n1 < 2 & so on",
    "due_date": date(2026, 12, 1),
    "priority": "normal",
}


@pytest.fixture
def portal() -> Iterator[Portal]:
    with running_portal() as running:
        yield running


def push(client: HubSpot, writes: Sequence[Write]) -> dict[str, Outcome]:
    """Everything sent, the outcomes by effect key."""
    return {one.effect_key: one for batch in client.batches(writes) for one in client.send(batch)}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_task_is_created_updated_closed_and_read_back(portal: Portal, version: str) -> None:
    (firm,) = companies(portal, {})
    load_owners(portal.state, [{"id": "7", "email": "a@us.example"}, {"id": "8", "email": "b@us.example"}])
    client = portal.hubspot(version=version, fallback_owner="7")
    made = push(client, [task_write("k1", firm, **TASK)])["effect-k1"]
    assert made.is_created
    assert made.crm_id is not None
    shown = ["record_key", "subject", "body", "due_date", "priority", "owner_crm_id", "account_crm_id", "is_closed"]
    (page,) = client.read_back(WriteKind.TASKS, [made.crm_id])
    row = ("k1", "Call Ann", "Why?\n1 < 2 & so on", date(2026, 12, 1), "normal", "7", firm, False)
    assert page.rows["tasks"].select(shown).rows() == [row]
    assert page.rows["tasks"].equals(pulled(client, PullObject.TASKS, FULL))

    changes = {"subject": "Call Bob", "priority": "high", "owner_crm_id": "8"}
    push(client, [task_write("k1", firm, WriteAction.UPDATE, made.crm_id, **changes)])
    push(client, [task_write("k1", firm, WriteAction.CLOSE, made.crm_id, closed_reason="cleared")])
    (page,) = client.read_back(WriteKind.TASKS, [made.crm_id])
    row = ("k1", "Call Bob", "Why?\n1 < 2 & so on", date(2026, 12, 1), "high", "8", firm, True)
    assert page.rows["tasks"].select(shown).rows() == [row]
    assert client.find([task_write("k1", firm), task_write("k2", firm)]) == {"k1": made.crm_id}
    assert client.calls.write == 3


@pytest.mark.parametrize("version", VERSIONS)
def test_a_plan_is_one_update_of_its_company(portal: Portal, version: str) -> None:
    first, second = companies(portal, {}, {})
    writes = [
        plan_write(
            "f1", first, customer_name="A", health_score=72.5, health_band="yellow", renewal_date=date(2027, 1, 31)
        ),
        plan_write("s1", first, WriteKind.SECTIONS, section="health_and_risk", body="Two tickets.\nOne <b>old</b>."),
        plan_write("s2", first, WriteKind.SECTIONS, section="customer_overview", body="A firm."),
        plan_write("f2", second, health_score=None, health_band="insufficient", renewal_date=None),
    ]
    client = portal.hubspot(version=version)
    outcomes = push(client, writes)
    assert client.calls.write == 1
    assert {one.effect_key: one.crm_id for one in outcomes.values()} == {
        "effect-f1": first,
        "effect-s1": f"{first}:health_and_risk",
        "effect-s2": f"{first}:customer_overview",
        "effect-f2": second,
    }
    fields = rows_of(list(client.read_back(WriteKind.FIELDS, [first, second])), "plan_fields")
    assert fields.select("crm_id", "record_key", "health_score", "health_band", "renewal_date").rows() == [
        (first, f"plan-{first}", 72.5, "yellow", date(2027, 1, 31)),
        (second, f"plan-{second}", None, "insufficient", None),
    ]
    section = rows_of(list(client.read_back(WriteKind.SECTIONS, [f"{first}:health_and_risk"])), "plan_sections")
    assert section["body"].to_list() == ["Two tickets.\nOne <b>old</b>."]
    assert client.find(writes) == {
        "f1": first,
        "s1": f"{first}:health_and_risk",
        "s2": f"{first}:customer_overview",
        "f2": second,
    }


def test_the_fewest_calls_are_made(portal: Portal) -> None:
    firms = companies(portal, *({} for _ in range(150)))
    plans = [plan_write(f"f{one}", one, health_band="green") for one in firms]
    plans += [plan_write(f"s{one}", one, WriteKind.SECTIONS, section="customer_overview", body="x") for one in firms]
    new = [task_write(f"t{one}", one, **TASK) for one in firms]
    client = portal.hubspot()
    outcomes = push(client, [*new, *plans])
    assert client.calls.write == 2 + 2
    assert all(one.error_code is None for one in outcomes.values())
    known = [
        task_write(f"t{one}", one, WriteAction.CLOSE, outcomes[f"effect-t{one}"].crm_id, closed_reason="cleared")
        for one in firms[:60]
    ] + [
        task_write(f"t{one}", one, WriteAction.UPDATE, outcomes[f"effect-t{one}"].crm_id, subject="Now")
        for one in firms[60:100]
    ]
    assert [len(batch) for batch in client.batches(known)] == [100]
    push(client, known)
    assert client.calls.write == 2 + 2 + 1


def test_batches_do_not_depend_on_the_order_of_writes(portal: Portal) -> None:
    writes = [task_write(f"k{place}", f"{place % 7}", **TASK) for place in range(250)]
    client = portal.hubspot()
    forth = [[one.record_key for one in batch] for batch in client.batches(writes)]
    back = [[one.record_key for one in batch] for batch in client.batches(writes[::-1])]
    assert forth == back
    assert [len(batch) for batch in forth] == [100, 100, 50]


# -- bad rows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bad_row_does_not_spoil_its_batch(portal: Portal, version: str) -> None:
    firms = companies(portal, *({} for _ in range(20)))
    writes = [task_write(f"k{one}", one, **TASK) for one in firms]
    writes[3] = task_write("bad_owner", firms[3], **TASK, owner_crm_id="666")
    writes[7] = task_write("no_firm", "999", **TASK)
    client = portal.hubspot(version=version)
    outcomes = push(client, writes)
    assert {key: one.error_code for key, one in outcomes.items() if one.error_code} == {
        "effect-bad_owner": "INVALID_OWNER_ID",
        "effect-no_firm": "VALIDATION_ERROR",
    }
    assert outcomes["effect-bad_owner"].message == "VALIDATION_ERROR INVALID_OWNER_ID (hubspot_owner_id)"
    assert len(outcomes) == 20
    assert client.calls.write == 1
    assert pulled(client, PullObject.TASKS, FULL).height == 18


def test_a_batch_that_is_refused_whole_is_taken_apart(portal: Portal) -> None:
    firms = companies(portal, *({} for _ in range(32)))
    writes = [task_write(f"k{place:02d}", one, **TASK) for place, one in enumerate(firms)]
    portal.faults.refuse(b'"k13"', 409, {"status": "error", "category": "CONFLICT", "message": "no"})
    client = portal.hubspot()
    outcomes = push(client, writes)
    assert {key: one.error_code for key, one in outcomes.items() if one.error_code} == {"effect-k13": "CONFLICT"}
    assert client.calls.write == 1 + 2 * 5
    assert pulled(client, PullObject.TASKS, FULL)["record_key"].n_unique() == 31


def test_a_refusal_that_names_its_row_is_isolated_at_once(portal: Portal) -> None:
    firms = companies(portal, *({} for _ in range(32)))
    writes = [task_write(f"k{place:02d}", one, **TASK) for place, one in enumerate(firms)]
    portal.faults.refuse(b'"k13"', 400, {"status": "error", "category": "VALIDATION_ERROR", "message": "k13 is bad"})
    client = portal.hubspot()
    outcomes = push(client, writes)
    assert [key for key, one in outcomes.items() if one.error_code] == ["effect-k13"]
    assert client.calls.write == 3


def test_one_bad_section_does_not_hold_back_the_others(portal: Portal) -> None:
    (firm,) = companies(portal, {})
    writes = [
        plan_write("f", firm, health_band="green"),
        plan_write("long", firm, WriteKind.SECTIONS, section="health_and_risk", body="x" * 70_000),
        plan_write("good", firm, WriteKind.SECTIONS, section="customer_overview", body="ok"),
    ]
    outcomes = push(portal.hubspot(), writes)
    assert {key: one.error_code for key, one in outcomes.items()} == {
        "effect-f": None,
        "effect-long": "PROPERTY_VALUE_TOO_LONG",
        "effect-good": None,
    }
    assert "xxx" not in str(outcomes["effect-long"].message)


def test_a_record_that_is_gone_is_an_outcome(portal: Portal) -> None:
    (firm,) = companies(portal, {})
    writes = [plan_write("here", firm, health_band="green"), plan_write("gone", "201999", health_band="green")]
    outcomes = push(portal.hubspot(), writes)
    assert outcomes["effect-here"].crm_id == firm
    assert outcomes["effect-gone"].error_code == "OBJECT_NOT_FOUND"


def test_a_task_that_a_person_archived_is_not_raised_again(portal: Portal) -> None:
    (firm,) = companies(portal, {})
    load(portal.state, "tasks", [{"plansync_key": "k1", "hs_timestamp": "1", "archived": "true"}])
    outcomes = push(portal.hubspot(), [task_write("k1", firm, **TASK), task_write("k2", firm, **TASK)])
    assert outcomes["effect-k1"].error_code == "CONFLICT"
    assert outcomes["effect-k2"].is_created


def test_a_task_that_is_there_already_has_landed_before(portal: Portal) -> None:
    (firm,) = companies(portal, {})
    client = portal.hubspot()
    first = push(client, [task_write("k1", firm, **TASK)])["effect-k1"]
    again = push(client, [task_write("k1", firm, **TASK)])["effect-k1"]
    assert (again.crm_id, again.is_created) == (first.crm_id, False)
    assert pulled(client, PullObject.TASKS, FULL).height == 1


def test_a_portal_without_the_plan_properties_stops_the_push(portal: Portal) -> None:
    (firm,) = companies(portal, {})
    portal.state.execute("DELETE FROM hubspot__property_definitions WHERE name LIKE 'plansync%'")
    with pytest.raises(CrmRefusedError, match=r"PROPERTY_DOESNT_EXIST.*plansync_key.*plansync provision hubspot"):
        push(portal.hubspot(), [plan_write("f", firm, health_band="green")])


# -- lost answers -----------------------------------------------------------------------------------------------------


def test_a_lost_answer_to_a_creation_is_settled_by_key_not_repeated(portal: Portal) -> None:
    (firm,) = companies(portal, {})
    portal.faults.lose("/tasks/batch/create")
    client = portal.hubspot()
    writes = [task_write("k1", firm, **TASK), task_write("k2", firm, **TASK)]
    with pytest.raises(CrmUnavailableError, match="answer lost"):
        push(client, writes)
    assert portal.count("/tasks/batch/create") == 1
    found = client.find([*writes, task_write("never", firm, **TASK)])
    assert found.keys() == {"k1", "k2"}
    assert pulled(client, PullObject.TASKS, FULL)["crm_id"].to_list() == sorted(found.values())


def test_a_lost_answer_to_an_update_is_asked_for_again(portal: Portal) -> None:
    (firm,) = companies(portal, {})
    portal.faults.lose("/companies/batch/update")
    client = portal.hubspot()
    assert push(client, [plan_write("f", firm, health_band="green")])["effect-f"].crm_id == firm
    assert portal.count("/companies/batch/update") == client.calls.write == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_portal_that_breaks_may_have_created_the_task(portal: Portal, status: int) -> None:
    (firm,) = companies(portal, {})
    portal.faults.answer("/tasks/batch/create", status, b"<html>oops</html>")
    with pytest.raises(CrmUnavailableError, match="effect unknown"):
        push(portal.hubspot(), [task_write("k1", firm, **TASK)])
    assert portal.count("/tasks/batch/create") == 1


def test_an_answer_that_forgets_a_row_leaves_the_batch_unknown(portal: Portal) -> None:
    firms = companies(portal, {}, {})
    portal.faults.change("/batch/create", lambda answer: answer | {"results": answer["results"][:1]})
    with pytest.raises(CrmUnavailableError, match="every row"):
        push(portal.hubspot(), [task_write(f"k{one}", one, **TASK) for one in firms])


def test_results_without_trace_ids_are_told_apart_by_key_and_id(portal: Portal) -> None:
    firms = companies(portal, {}, {}, {})

    def untraced(answer: dict[str, list[dict[str, object]]]) -> object:
        stripped = [{name: one[name] for name in one if name != "objectWriteTraceId"} for one in answer["results"]]
        return answer | {"results": stripped[::-1]}

    client = portal.hubspot()
    portal.faults.change("/batch/create", untraced)
    outcomes = push(client, [task_write(f"k{one}", one, **TASK) for one in firms])
    by_key = dict(pulled(client, PullObject.TASKS, FULL).select("record_key", "crm_id").rows())
    assert {key.removeprefix("effect-"): one.crm_id for key, one in outcomes.items()} == by_key
    portal.faults.change("/batch/update", untraced)
    updated = push(client, [plan_write(one, one, health_band="red") for one in firms])
    assert {key.removeprefix("effect-"): one.crm_id for key, one in updated.items()} == {one: one for one in firms}
