"""Writes as Collections: how they are grouped, what is sent, and what becomes of refused rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.salesforce import push
from integrations.salesforce.fields import SalesforceConfig
from models.enums import Crm, WriteAction, WriteKind
from models.keys import record_key
from models.records import Outcome, Value, Write
from tests.integrations.scripted import Reply, Seen
from tests.integrations.test_salesforce_wire import org_on

CONFIG = SalesforceConfig(base_url="https://acme.my.salesforce.com", fallback_owner="00Gqueue")
VALUES: dict[WriteKind, dict[str, Value]] = {
    WriteKind.FIELDS: {
        "customer_name": "Acme", "health_score": 71.5, "health_band": "yellow", "renewal_date": date(2027, 2, 19),
    },
    WriteKind.SECTIONS: {"section": "business_goals", "body": "Not agreed yet.\nAsk."},
    WriteKind.TASKS: {
        "subject": "Call", "body": "Why", "due_date": date(2026, 12, 1), "priority": "high", "owner_crm_id": "005A",
    },
}  # fmt: skip


def write(
    kind: WriteKind,
    number: int,
    action: WriteAction = WriteAction.CREATE,
    crm_id: str | None = None,
    **values: Value,
) -> Write:
    plan, key = record_key("plan", str(number)), record_key(kind, str(number))
    given_values = {"closed_reason": "gone"} if action is WriteAction.CLOSE else VALUES[kind] | values
    return Write(
        effect_key=f"effect-{kind}-{number}",
        record_key=plan if kind is WriteKind.FIELDS else key,
        plan_key=plan,
        customer_id=f"cus_{number}",
        crm=Crm.SALESFORCE,
        kind=kind,
        action=action,
        account_crm_id=f"001{number % 7}",
        crm_id=crm_id,
        values=given_values,
    )


def test_a_new_plan_names_its_key_and_account() -> None:
    made = write(WriteKind.FIELDS, 1)
    assert push.record_of(made, None, CONFIG) == {
        "attributes": {"type": "Success_Plan__c"},
        "Plansync_Key__c": made.record_key,
        "Account__c": "0011",
        "Name": "Acme",
        "Health_Score__c": 71.5,
        "Health_Band__c": "yellow",
        "Renewal_Date__c": "2027-02-19",
    }


def test_a_known_plan_keeps_its_name_and_gets_the_key_by_which_its_sections_find_it() -> None:
    known = write(WriteKind.FIELDS, 1, WriteAction.UPDATE, "a00X")
    assert push.record_of(known, "a00X", CONFIG) == {
        "attributes": {"type": "Success_Plan__c"},
        "id": "a00X",
        "Plansync_Key__c": known.record_key,
        "Account__c": "0011",
        "Health_Score__c": 71.5,
        "Health_Band__c": "yellow",
        "Renewal_Date__c": "2027-02-19",
    }


def test_a_new_section_names_its_plan_by_key_and_a_known_one_does_not() -> None:
    made = write(WriteKind.SECTIONS, 1)
    assert push.record_of(made, None, CONFIG)["Success_Plan__r"] == {"Plansync_Key__c": made.plan_key}
    assert push.record_of(made, "a01X", CONFIG) == {
        "attributes": {"type": "Success_Plan_Section__c"},
        "id": "a01X",
        "Section__c": "business_goals",
        "Body__c": "Not agreed yet.\nAsk.",
    }


def test_tasks() -> None:
    made = push.record_of(write(WriteKind.TASKS, 1), None, CONFIG)
    assert (made["WhatId"], made["OwnerId"], made["Priority"]) == ("0011", "005A", "High")
    assert (made["Subject"], made["Description"], made["ActivityDate"]) == ("Call", "Why", "2026-12-01")
    assert push.record_of(write(WriteKind.TASKS, 1, owner_crm_id=None), None, CONFIG)["OwnerId"] == "00Gqueue"
    changed = push.record_of(write(WriteKind.TASKS, 1, WriteAction.UPDATE, owner_crm_id=None), "00TX", CONFIG)
    assert "OwnerId" not in changed
    assert "WhatId" not in changed
    closed = push.record_of(write(WriteKind.TASKS, 1, WriteAction.CLOSE), "00TX", CONFIG)
    assert closed == {"attributes": {"type": "Task"}, "id": "00TX", "Status": "Completed"}


def test_an_unknown_score_is_written_as_nothing() -> None:
    made = push.record_of(write(WriteKind.FIELDS, 1, health_score=None, renewal_date=None), None, CONFIG)
    assert (made["Health_Score__c"], made["Renewal_Date__c"]) == (None, None)


def some(kind: WriteKind, created: int, updated: int, closed: int = 0) -> list[Write]:
    """So many writes of one kind, no two of one record, known ones with their Id."""
    actions = [WriteAction.CREATE] * created + [WriteAction.UPDATE] * updated + [WriteAction.CLOSE] * closed
    return [
        write(kind, number, action, None if action is WriteAction.CREATE else f"00T{number}")
        for number, action in enumerate(actions)
    ]


MIXES = st.tuples(*(st.one_of(st.integers(0, 3), st.integers(0, 450)) for _ in range(3)))


@given(fields=MIXES, sections=MIXES, tasks=MIXES)
def test_batches_are_the_fewest_and_parents_come_first(
    fields: tuple[int, int, int], sections: tuple[int, int, int], tasks: tuple[int, int, int]
) -> None:
    mixes = (*fields[:2], 0), (*sections[:2], 0), tasks
    writes = [each for kind, mix in zip(WriteKind, mixes, strict=True) for each in some(kind, *mix)]
    groups = list(push.batches(writes[::-1]))
    assert len(groups) == sum(-(-sum(mix) // 200) for mix in mixes)
    assert sorted(each.effect_key for group in groups for each in group) == sorted(each.effect_key for each in writes)
    kinds = [group[0].kind for group in groups]
    assert kinds == sorted(kinds, key=list(WriteKind).index)
    for group in groups:
        assert 0 < len(group) <= 200
        assert len({each.kind for each in group}) == 1
        assert group == tuple(sorted(group, key=lambda each: (each.action != "create", each.account_crm_id)))


@pytest.mark.parametrize(
    ("created", "updated", "sizes"),
    [
        (150, 50, [(150, 50)]),
        (150, 51, [(150, 0), (0, 51)]),
        (200, 1, [(200, 0), (0, 1)]),
        (201, 401, [(200, 0), (0, 200), (0, 200), (1, 1)]),
        (0, 1, [(0, 1)]),
        (1, 0, [(1, 0)]),
    ],
)
def test_what_is_left_of_new_and_known_records_shares_a_call_if_it_fits(
    created: int, updated: int, sizes: list[tuple[int, int]]
) -> None:
    groups = [
        Counter(each.action for each in group) for group in push.batches(some(WriteKind.FIELDS, created, updated))
    ]
    assert [(group[WriteAction.CREATE], group[WriteAction.UPDATE]) for group in groups] == sizes


def test_text_that_a_composite_would_read_as_a_reference_keeps_new_and_known_records_apart() -> None:
    made, changed = some(WriteKind.SECTIONS, 1, 1)
    hostile = replace(changed, values={**changed.values, "body": "See @{part_0[0].id} there"})
    assert [list(group) for group in push.batches([made, changed])] == [[made, changed]]
    assert [list(group) for group in push.batches([made, hostile])] == [[made], [hostile]]
    with org_on(lambda _: Reply(503)) as (org, _), pytest.raises(ValueError, match="share a call"):
        push.send(org, [made, hostile])


class Tasks:
    """The Collections resource of an org that refuses some keys with a code, for so many rounds."""

    def __init__(self, code: str, rounds: dict[str, int]) -> None:
        self.code, self.rounds, self.sizes = code, dict(rounds), list[int]()
        self.bodies: list[Any] = []

    def __call__(self, asked: Seen) -> Reply:
        self.bodies.append(orjson.loads(asked.body))
        records = self.bodies[-1]["records"]
        self.sizes.append(len(records))
        return Reply(body=[self._result(record) for record in records])

    def _result(self, record: dict[str, Any]) -> dict[str, Any]:
        key = record["Plansync_Key__c"]
        if self.rounds.get(key, 0) > 0:
            self.rounds[key] -= 1
            return {"success": False, "errors": [{"statusCode": self.code, "message": "no", "fields": ["OwnerId"]}]}
        return {"id": f"00T{key}", "success": True, "created": True, "errors": []}


def sent(writes: Sequence[Write], tasks: Tasks) -> dict[str, Outcome]:
    with org_on(tasks) as (org, _):
        outcomes = push.send(org, writes)
    assert sorted(outcome.effect_key for outcome in outcomes) == sorted(each.effect_key for each in writes)
    return {outcome.effect_key: outcome for outcome in outcomes}


def test_one_refused_row_does_not_spoil_its_batch() -> None:
    writes = [write(WriteKind.TASKS, number) for number in range(5)]
    tasks = Tasks("INVALID_CROSS_REFERENCE_KEY", {writes[2].record_key: 99})
    outcomes = sent(writes, tasks)
    refused = outcomes[writes[2].effect_key]
    assert (refused.error_code, refused.message, refused.crm_id) == (
        "INVALID_CROSS_REFERENCE_KEY",
        "no [OwnerId]",
        None,
    )
    assert sum(outcome.is_created for outcome in outcomes.values()) == 4
    assert tasks.sizes == [5]


def test_locked_rows_are_sent_again_in_smaller_batches_and_then_reported() -> None:
    writes = [write(WriteKind.TASKS, number) for number in range(120)]
    stuck = {each.record_key: 1 for each in writes[:60]} | {writes[0].record_key: 99}
    tasks = Tasks("UNABLE_TO_LOCK_ROW", stuck)
    outcomes = sent(writes, tasks)
    assert tasks.sizes == [120, 50, 10, 1]
    assert [key for key, outcome in outcomes.items() if outcome.error_code] == [writes[0].effect_key]


def test_a_record_that_an_earlier_lost_answer_made_is_updated() -> None:
    section = write(WriteKind.SECTIONS, 1)
    tasks = Tasks("INVALID_FIELD_FOR_INSERT_UPDATE", {section.record_key: 1})
    outcome = sent([section], tasks)[section.effect_key]
    assert outcome.crm_id is not None
    assert "Success_Plan__r" in tasks.bodies[0]["records"][0]
    assert "Success_Plan__r" not in tasks.bodies[1]["records"][0]


def test_a_change_without_an_id_is_looked_up_and_never_inserts() -> None:
    known, stale = (write(WriteKind.TASKS, number, WriteAction.CLOSE) for number in (1, 2))

    def script(asked: Seen) -> Reply:
        if asked.method == "GET":
            records = [{"Id": "00TX", "Plansync_Key__c": known.record_key}]
            return Reply(body={"totalSize": 1, "done": True, "records": records})
        assert asked.path.endswith("/composite/sobjects")
        assert [record["id"] for record in orjson.loads(asked.body)["records"]] == ["00TX"]
        return Reply(body=[{"id": "00TX", "success": True, "errors": []}])

    with org_on(script) as (org, _):
        outcomes = {outcome.effect_key: outcome for outcome in push.send(org, [known, stale])}
    assert outcomes[known.effect_key].crm_id == "00TX"
    assert outcomes[stale.effect_key].error_code == "NOT_FOUND"


class Mixed:
    """An org that answers the parts of the first composite as told, and afterwards does all that it is asked."""

    def __init__(self, *parts: tuple[int, Any]) -> None:
        self.parts = parts
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, asked: Seen) -> Reply:
        body = orjson.loads(asked.body)
        self.asked.append((asked.path.partition("/composite")[2], body))
        if "records" in body:
            return Reply(body=[done(record) for record in body["records"]])
        parts = body["compositeRequest"]
        told = (
            self.parts if len(self.asked) == 1 else [(200, list(map(done, each["body"]["records"]))) for each in parts]
        )
        answers = [
            {"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": inner["referenceId"]}
            for (status, body), inner in zip(told, parts, strict=False)
        ]
        return Reply(body={"compositeResponse": answers[::-1]})


def done(record: dict[str, Any]) -> dict[str, Any]:
    crm_id = record.get("id")
    return {"id": crm_id or "00Tnew", "success": True, "errors": [], **({} if crm_id else {"created": True})}


def failed(code: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"statusCode": code, "message": "no", "fields": []}]}


def refused(code: str) -> list[dict[str, str]]:
    return [{"errorCode": code, "message": "Acme is bankrupt"}]


def mixed(org_answers: Mixed, created: int = 2, updated: int = 2) -> list[Outcome]:
    """What becomes of so many new tasks and so many changed ones, in the order of the batch."""
    writes = some(WriteKind.TASKS, created, updated)
    with org_on(org_answers) as (org, _):
        outcomes = {each.effect_key: each for each in push.send(org, writes)}
        assert org.calls.write == len(org_answers.asked)
    return [outcomes[each.effect_key] for each in writes]


def test_new_and_known_records_share_a_call_and_each_row_has_its_own_outcome() -> None:
    made = {"id": "00Tnew", "success": True, "created": True, "errors": []}
    org = Mixed((200, [made, failed("STRING_TOO_LONG")]), (200, [failed("ENTITY_IS_DELETED"), done({"id": "00T3"})]))
    outcomes = mixed(org)
    assert [(each.crm_id, each.is_created, each.error_code) for each in outcomes] == [
        ("00Tnew", True, None),
        (None, False, "STRING_TOO_LONG"),
        (None, False, "ENTITY_IS_DELETED"),
        ("00T3", False, None),
    ]
    ((path, body),) = org.asked
    assert (path, body["allOrNone"]) == ("", False)
    root = "/services/data/v66.0/composite/sobjects"
    assert [(inner["method"], inner["url"]) for inner in body["compositeRequest"]] == [
        ("PATCH", f"{root}/Task/Plansync_Key__c"),
        ("PATCH", root),
    ]
    for inner in body["compositeRequest"]:
        assert inner["body"]["allOrNone"] is False
        assert inner["httpHeaders"] == {"Sforce-Auto-Assign": "FALSE", "Sforce-Duplicate-Rule-Header": "allowSave=true"}


def test_one_part_that_is_refused_whole_leaves_the_other_standing() -> None:
    outcomes = mixed(Mixed((400, refused("JSON_PARSER_ERROR")), (200, [done({"id": "00T2"}), done({"id": "00T3"})])))
    assert [each.error_code for each in outcomes] == ["JSON_PARSER_ERROR", "JSON_PARSER_ERROR", None, None]
    assert "Acme" not in str(outcomes)


def test_a_call_whose_parts_are_all_refused_did_nothing() -> None:
    with pytest.raises(CrmRefusedError, match="INVALID_FIELD"):
        mixed(Mixed((400, refused("JSON_PARSER_ERROR")), (400, refused("INVALID_FIELD"))))


def test_locked_parts_and_rows_are_sent_again_in_smaller_batches() -> None:
    locked_rows = [done({"id": "00T40"}), *[failed("UNABLE_TO_LOCK_ROW")] * 39]
    org = Mixed((400, refused("UNABLE_TO_LOCK_ROW")), (200, locked_rows))
    outcomes = mixed(org, 40, 40)
    assert [each.crm_id for each in outcomes] == ["00Tnew"] * 40 + [f"00T{number}" for number in range(40, 80)]
    bodies = [[inner["body"] for inner in body.get("compositeRequest", [])] or [body] for _, body in org.asked]
    assert [[len(part["records"]) for part in body] for body in bodies] == [[40, 40], [40, 10], [29]]


@pytest.mark.parametrize(
    "parts",
    [
        [(200, [done({}), done({})])],
        [(200, [done({}), done({})]), (200, [done({"id": "00T2"})])],
        [(200, [done({}), done({})]), (503, refused("SERVER_UNAVAILABLE"))],
        [(500, None), (400, refused("INVALID_FIELD"))],
        [(200, [done({}), done({})]), (200, None)],
    ],
    ids=["missing", "short", "unavailable", "broken", "empty"],
)
def test_a_part_without_a_fitting_answer_leaves_the_batch_unknown(parts: list[tuple[int, Any]]) -> None:
    with pytest.raises(CrmUnavailableError):
        mixed(Mixed(*parts))


@pytest.mark.parametrize("body", [{}, [], {"compositeResponse": None}, {"compositeResponse": [1, 2]}])
def test_an_answer_that_is_no_composite_leaves_the_batch_unknown(body: Any) -> None:
    with org_on(lambda _: Reply(body=body)) as (org, _), pytest.raises(CrmUnavailableError):
        push.send(org, some(WriteKind.TASKS, 1, 1))


def test_a_lost_answer_of_a_mixed_batch_is_asked_for_again() -> None:
    right = Mixed((200, [done({})]), (200, [done({"id": "00T1"})]))
    first = iter([Reply(None)])
    with org_on(lambda asked: next(first, None) or right(asked)) as (org, _):
        outcomes = push.send(org, some(WriteKind.TASKS, 1, 1))
    assert [each.crm_id for each in outcomes] == ["00Tnew", "00T1"]


def test_a_mixed_batch_whose_known_records_are_gone_is_a_plain_call() -> None:
    made, stale = some(WriteKind.TASKS, 1, 1)
    right = Mixed()

    def script(asked: Seen) -> Reply:
        empty = {"totalSize": 0, "done": True, "records": []}
        return Reply(body=empty) if asked.method == "GET" else right(asked)

    with org_on(script) as (org, _):
        outcomes = {each.effect_key: each for each in push.send(org, [made, replace(stale, crm_id=None)])}
    assert [path for path, _ in right.asked] == ["/sobjects/Task/Plansync_Key__c"]
    assert (outcomes[made.effect_key].crm_id, outcomes[stale.effect_key].error_code) == ("00Tnew", "NOT_FOUND")


def test_nothing_left_to_change_makes_no_write() -> None:
    with org_on(lambda _: Reply(body={"totalSize": 0, "done": True, "records": []})) as (org, _):
        push.send(org, [write(WriteKind.TASKS, 1, WriteAction.CLOSE)])
        assert org.calls.write == 0


def test_an_answer_lost_in_a_later_round_leaves_the_whole_batch_unknown() -> None:
    made = write(WriteKind.TASKS, 1)
    replies = iter([Reply(body=[{"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW"}]}])])
    with org_on(lambda _: next(replies, Reply(None))) as (org, _), pytest.raises(CrmUnavailableError):
        push.send(org, [made])


def test_a_batch_of_two_kinds_is_our_own_mistake() -> None:
    with org_on(lambda _: Reply(503)) as (org, _), pytest.raises(ValueError, match="one kind"):
        push.send(org, [write(WriteKind.TASKS, 1), write(WriteKind.SECTIONS, 1)])


def test_long_key_lists_stay_below_the_longest_address() -> None:
    def script(asked: Seen) -> Reply:
        assert len(asked.path) + sum(len(name) + len(value) for name, value in asked.headers.items()) < 16_000
        return Reply(body={"totalSize": 0, "done": True, "records": []})

    with org_on(script) as (org, server):
        assert push.find(org, [write(WriteKind.TASKS, number) for number in range(700)]) == {}
        assert len(server.seen) == 3
