"""The ledger: no effect twice, none lost, no key with two payloads."""

from datetime import date, timedelta
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from models import bulk, frames, keys, tables
from models.enums import Crm, LedgerState, WriteAction, WriteKind
from models.records import Outcome
from models.store import KeyConflictError, Store, StoreError
from tests.models.samples import NOW, TODAY

TOMORROW = TODAY + timedelta(days=1)


def change(record: str, payload: dict[str, Any], **values: Any) -> dict[str, Any]:
    text = orjson.dumps(payload).decode()
    row = {
        "effect_key": keys.record_key(record, text),
        "record_key": record,
        "plan_key": "plan",
        "customer_id": "cus_1",
        "crm": "hubspot",
        "kind": "tasks",
        "action": "create",
        "status": "planned",
        "account_crm_id": "77",
        "crm_id": None,
        "payload": text,
        "payload_hash": keys.record_key(text),
        "old": None,
        "reason": "R-153",
        "rule_ids": ["R-153"],
    }
    return row | values


def changes(*rows: dict[str, Any]) -> pl.DataFrame:
    return frames.Changes.validate(pl.DataFrame(list(rows), schema=frames.dtypes(frames.Changes)))


def task(record: str, version: int = 1, **values: Any) -> dict[str, Any]:
    return change(record, {"subject": f"{record} v{version}", "owner_crm_id": "o1"}, **values)


def plan(store: Store, *rows: dict[str, Any], as_of: date = TODAY, **options: Any) -> int:
    return store.plan_effects(changes(*rows), run_id="run", as_of=as_of, at=NOW, **options)


def send(store: Store, *rows: dict[str, Any]) -> list[str]:
    return store.mark_sending([row["effect_key"] for row in rows], "run", NOW)


def done(row: dict[str, Any], crm_id: str = "t1") -> Outcome:
    return Outcome(row["effect_key"], crm_id, is_created=True)


def refused(row: dict[str, Any]) -> Outcome:
    return Outcome(row["effect_key"], error_code="INVALID_OWNER", message="no such owner")


def waiting(store: Store) -> list[str]:
    return [write.record_key for write in store.pending("hubspot")]


def test_a_planned_change_waits_as_a_write_with_days_as_days(store: Store) -> None:
    payload = {
        "subject": "Call 株式会社",
        "due_date": "2026-12-01",
        "renewal_date": None,
        "health_score": 71.5,
        "owner_crm_id": None,
    }
    row = change("r1", payload)
    assert plan(store, row, task("r2", status="contested"), task("r3", crm="salesforce")) == 2
    [write] = store.pending("hubspot")
    assert (write.effect_key, write.crm, write.kind, write.action) == (
        row["effect_key"],
        Crm.HUBSPOT,
        WriteKind.TASKS,
        WriteAction.CREATE,
    )
    assert write.values == payload | {"due_date": date(2026, 12, 1)}
    assert write.crm_id is None
    assert len(store.pending("salesforce")) == 1


def test_parents_come_first_then_accounts_and_keys(store: Store) -> None:
    rows = [
        task("d", account_crm_id="2"),
        task("c", account_crm_id="2"),
        task("e", account_crm_id="1"),
        task("b", kind="sections"),
        task("a", kind="fields", account_crm_id="9"),
    ]
    plan(store, *rows)
    assert waiting(store) == ["a", "b", "e", "c", "d"]


def test_a_done_effect_is_not_planned_again_until_another_one_followed(store: Store) -> None:
    green, red = task("r1", 1), task("r1", 2)
    for row in (green, red, green):
        assert plan(store, row) == 1
        assert plan(store, row) == 1  # planned again before it was sent: still one
        send(store, row)
        store.settle([done(row)], NOW)
        assert plan(store, row) == 0
        assert waiting(store) == []
    assert store.written()["payload_hash"].to_list() == [green["payload_hash"]]


def test_a_refused_effect_waits_again_when_it_is_planned_again_and_counts_its_tries(store: Store) -> None:
    row = task("r1")
    for tries in (1, 2):
        plan(store, row)
        send(store, row)
        store.settle([refused(row)], NOW)
        assert store.failures().select("record_key", "error_code", "message", "tries").rows() == [
            ("r1", "INVALID_OWNER", "no such owner", tries)
        ]
        assert waiting(store) == []
    assert store.written().is_empty()
    plan(store)
    assert store.failures().is_empty()


def test_what_a_change_set_no_longer_asks_for_is_superseded(store: Store) -> None:
    plan(store, task("r1"), task("r2"), task("r3", crm="salesforce"))
    plan(store, task("r1", 2), crms=["hubspot"])
    assert [write.values["subject"] for write in store.pending("hubspot")] == ["r1 v2"]
    assert len(store.pending("salesforce")) == 1
    assert plan(store, task("r2")) == 1
    assert waiting(store) == ["r2"]
    assert store.pending("salesforce") == []


def test_what_is_being_sent_is_neither_superseded_nor_armed(store: Store) -> None:
    row = task("r1")
    plan(store, row)
    send(store, row)
    plan(store)
    assert plan(store, row) == 0
    assert [write.record_key for write in store.unsettled("hubspot")] == ["r1"]
    store.release([row["effect_key"]])
    assert store.unsettled("hubspot") == []
    assert waiting(store) == ["r1"]


def test_one_worker_claims_an_effect(store: Store) -> None:
    rows = [task("r1"), task("r2")]
    plan(store, *rows)
    assert send(store, rows[0]) == [rows[0]["effect_key"]]
    assert send(store, *rows) == [rows[1]["effect_key"]]
    assert send(store, *rows) == []


def test_a_key_never_carries_another_payload(store: Store) -> None:
    row = task("r1")
    plan(store, row)
    with pytest.raises(KeyConflictError, match=f"{row['effect_key']} is in the ledger with another payload"):
        plan(store, task("r2"), row | {"payload": '{"subject":"other"}'})
    with pytest.raises(KeyConflictError, match="share the effect_key"):
        plan(store, row, row | {"payload": '{"subject":"other"}'})
    with pytest.raises(KeyConflictError, match="share the record_key r1"):
        plan(store, row, task("r1", 2))
    assert waiting(store) == ["r1"]
    assert plan(store, row, row) == 1


def test_an_outcome_counts_once_and_a_later_error_does_not_undo_it(store: Store) -> None:
    row = task("r1")
    plan(store, row)
    send(store, row)
    store.settle([done(row)], NOW)
    store.settle([refused(row)], NOW)
    store.settle([done(row, "another")], NOW)
    assert store.failures().is_empty()
    assert store.written()["crm_id"].to_list() == ["t1"]


def test_an_outcome_of_nothing_settles_nothing(store: Store) -> None:
    row = task("r1")
    plan(store, row)
    send(store, row)
    with pytest.raises(StoreError, match="the first unknown, name no effect"):
        store.settle([done(row), Outcome("unknown", "t9")], NOW)
    assert store.written().is_empty()
    assert len(store.unsettled("hubspot")) == 1


def test_written_keeps_the_first_day_and_forgets_the_text_read_before(store: Store) -> None:
    opened = task("r1")
    closed = change("r1", {"closed_reason": "cleared"}, action="close", crm_id="t1")
    plan(store, opened)
    send(store, opened)
    store.settle([done(opened)], NOW)
    store.record_readback(pl.DataFrame({"record_key": ["r1", "unknown"], "readback_hash": ["h1", "h2"]}))
    expected = {
        "record_key": "r1",
        "customer_id": "cus_1",
        "crm": "hubspot",
        "kind": "tasks",
        "crm_id": "t1",
        "account_crm_id": "77",
        "owner_crm_id": "o1",
        "payload_hash": opened["payload_hash"],
        "readback_hash": "h1",
        "is_closed": False,
        "opened_as_of": TODAY,
    }
    assert store.written().row(0, named=True) == expected
    plan(store, closed, as_of=TOMORROW)
    send(store, closed)
    store.settle([Outcome(closed["effect_key"], "t1")], NOW)
    later = {"payload_hash": closed["payload_hash"], "readback_hash": None, "is_closed": True}
    assert store.written().row(0, named=True) == expected | later


def test_tasks_raised_for_a_day_are_counted_by_owner_lost_answers_included(store: Store) -> None:
    rows = [task("r1"), task("r2"), task("r3"), change("r4", {"subject": "no owner"}), task("r5", kind="sections")]
    plan(store, *rows)
    send(store, *rows)
    store.settle([done(rows[0]), refused(rows[1]), done(rows[4])], NOW)
    assert store.raised(TODAY).rows() == [("o1", "hubspot", 2), (None, "hubspot", 1)]
    assert store.raised(TOMORROW).is_empty()


def test_many_effects_go_through(store: Store) -> None:
    """More than fit into one statement's parameters."""
    rows = [task(f"r{number:05}") for number in range(2_000)]
    assert plan(store, *rows) == 2_000
    assert len(send(store, *rows)) == 2_000
    store.settle([done(row, row["record_key"]) for row in rows], NOW)
    assert store.written().height == 2_000
    assert plan(store, *rows) == 0


RECORDS = st.sampled_from(["r1", "r2", "r3"])


class LedgerMachine(RuleBasedStateMachine):
    """Plans, claims, answers and losses in any order: a plain dictionary and both databases must agree."""

    stores: list[Store]

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[tuple[str, int], LedgerState] = {}
        self.in_force: dict[str, int] = {}
        for store in self.stores:
            with store._db.writing() as connection:
                connection.execute(tables.ledger.delete())
                connection.execute(tables.written.delete())

    @rule(wanted=st.dictionaries(RECORDS, st.integers(1, 2)))
    def plan(self, wanted: dict[str, int]) -> None:
        armed = {
            key
            for key in wanted.items()
            if self.state.get(key) is not LedgerState.SENDING
            and not (self.state.get(key) is LedgerState.DONE and self.in_force[key[0]] == key[1])
        }
        for store in self.stores:
            assert plan(store, *(task(*key) for key in wanted.items())) == len(armed)
        for key, state in self.state.items():
            if state in {LedgerState.PENDING, LedgerState.REJECTED} and key not in wanted.items():
                self.state[key] = LedgerState.SUPERSEDED
        self.state.update(dict.fromkeys(armed, LedgerState.PENDING))

    @rule(record=RECORDS, version=st.integers(1, 2))
    def claim(self, record: str, version: int) -> None:
        key = (record, version)
        is_waiting = self.state.get(key) is LedgerState.PENDING
        for store in self.stores:
            assert bool(send(store, task(*key))) == is_waiting
        if is_waiting:
            self.state[key] = LedgerState.SENDING

    @rule(record=RECORDS, version=st.integers(1, 2), is_ok=st.booleans())
    def settle(self, record: str, version: int, is_ok: bool) -> None:
        key = (record, version)
        if self.state.get(key) is not LedgerState.SENDING:
            return
        for store in self.stores:
            store.settle([done(task(*key)) if is_ok else refused(task(*key))], NOW)
        self.state[key] = LedgerState.DONE if is_ok else LedgerState.REJECTED
        if is_ok:
            self.in_force[record] = version

    @rule(record=RECORDS, version=st.integers(1, 2))
    def release(self, record: str, version: int) -> None:
        for store in self.stores:
            store.release([task(record, version)["effect_key"]])
        if self.state.get((record, version)) is LedgerState.SENDING:
            self.state[record, version] = LedgerState.PENDING

    @invariant()
    def agree(self) -> None:
        expected = sorted((task(*key)["effect_key"], str(state)) for key, state in self.state.items())
        for store in self.stores:
            with store._db.reading() as connection:
                found = bulk.read(connection, tables.ledger, {"effect_key": pl.String(), "state": pl.String()})
            assert sorted(found.rows()) == expected
            assert dict(store.written().select("record_key", "payload_hash").rows()) == {
                record: task(record, version)["payload_hash"] for record, version in self.in_force.items()
            }


def test_any_order_of_events_leaves_both_databases_and_the_model_in_the_same_state(both_stores: list[Store]) -> None:
    class Machine(LedgerMachine):
        stores = both_stores

    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=12,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=checks,
        ),
    )
