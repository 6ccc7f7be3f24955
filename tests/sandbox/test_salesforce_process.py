"""The sandbox as a process: ready line, restart, clock, logs, merges and ordered trouble."""

import signal
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.sandbox.process import Sandbox, SandboxError, running_sandbox
from tests.sandbox.salesforce_client import Raw


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(as_of=date(2026, 11, 21), token="a-known-token") as running:
        yield running


@pytest.fixture
def raw(sandbox: Sandbox) -> Iterator[Raw]:
    yield Raw(sandbox)
    admin(sandbox, "DELETE", "/faults")


def admin(sandbox: Sandbox, method: str, path: str, body: Any = None) -> Any:
    answer = requests.request(method, sandbox.admin_url + path, json=body, timeout=5)
    assert answer.status_code == 200, answer.text
    return answer.json()


def keys(raw: Raw, *names: str) -> list[dict[str, str]]:
    return [{"Plansync_Key__c": name, "Subject": name} for name in names]


def upserted(raw: Raw, *names: str) -> Any:
    return raw.collection("PATCH", "composite/sobjects/Task/Plansync_Key__c", "Task", *keys(raw, *names))


def test_says_how_to_reach_it(sandbox: Sandbox) -> None:
    assert sandbox.salesforce.access_token == sandbox.hubspot.access_token == "a-known-token"
    assert len({sandbox.salesforce.base_url, sandbox.hubspot.base_url, sandbox.admin_url}) == 3
    owners = requests.get(
        sandbox.hubspot.base_url + "/crm/v3/owners",
        headers={"Authorization": f"Bearer {sandbox.hubspot.access_token}"},
        timeout=5,
    )
    assert owners.status_code == 200


def test_the_clock_stands_on_the_day(sandbox: Sandbox) -> None:
    assert admin(sandbox, "GET", "/clock") == {"now": "2026-11-21T22:00:00+00:00", "is_fixed": True}
    moved = admin(sandbox, "PUT", "/clock", {"now": "2026-11-22T09:00:00+02:00"})
    assert moved["now"] == "2026-11-22T07:00:00+00:00"
    assert admin(sandbox, "PUT", "/clock", {"now": None})["is_fixed"] is False
    admin(sandbox, "PUT", "/clock", {"now": "2026-11-21T22:00:00Z"})
    wrong = requests.put(sandbox.admin_url + "/clock", json={"now": "2026-11-21T06:00:00"}, timeout=5)
    assert wrong.status_code == 400


def test_requests_and_writes_are_noted(sandbox: Sandbox, raw: Raw) -> None:
    admin(sandbox, "DELETE", "/requests")
    admin(sandbox, "DELETE", "/writes")
    made = upserted(raw, "noted-1", "noted-2")
    upserted(raw, "noted-1")
    raw.query("SELECT Id FROM Task")
    raw.send("POST", "composite/sobjects/Task", body={"ids": [made[0]["id"]], "fields": ["Id"]})
    found = admin(sandbox, "GET", "/requests?list=true&crm=salesforce")
    assert found["counts"]["salesforce"] == {"read": 2, "write": 2}
    assert [each["records"] for each in found["requests"]] == [2, 1, 2, 1]
    writes = admin(sandbox, "GET", "/writes?crm=salesforce&object=Task")["writes"]
    assert [(each["id"], each["action"]) for each in writes] == [
        (made[0]["id"], "create"), (made[1]["id"], "create"), (made[0]["id"], "upsert"),
    ]  # fmt: skip


def test_merging_accounts_moves_the_children(sandbox: Sandbox, raw: Raw) -> None:
    made = raw.collection("POST", "composite/sobjects", "Account", {"Name": "Winner"}, {"Name": "Loser"})
    winner, loser = (each["id"] for each in made)
    raw.collection("POST", "composite/sobjects", "Contact", {"LastName": "Moves", "AccountId": loser})
    raw.collection("POST", "composite/sobjects", "Task", {"Subject": "Moves", "WhatId": loser})
    admin(sandbox, "POST", "/salesforce/merge", {"winner": winner, "loser": loser})
    assert raw.query("SELECT AccountId FROM Contact WHERE LastName = 'Moves'")["records"][0]["AccountId"] == winner
    task = raw.query("SELECT WhatId, AccountId FROM Task WHERE Subject = 'Moves'")["records"][0]
    assert (task["WhatId"], task["AccountId"]) == (winner, winner)
    gone = raw.query("SELECT IsDeleted, MasterRecordId FROM Account WHERE Name = 'Loser'", everything=True)["records"][
        0
    ]
    assert (gone["IsDeleted"], gone["MasterRecordId"]) == (True, winner)
    again = requests.post(sandbox.admin_url + "/salesforce/merge", json={"winner": winner, "loser": loser}, timeout=5)
    assert again.status_code == 400
    assert admin(sandbox, "GET", "/counts")["counts"]["salesforce"]["Contact"] >= 1


def test_a_crm_that_is_down_leaves_the_other_up(sandbox: Sandbox, raw: Raw) -> None:
    admin(sandbox, "POST", "/faults", {"crm": "salesforce", "kind": "down"})
    answer = raw.send("GET", "limits")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (503, "SERVER_UNAVAILABLE")
    hubspot = {"Authorization": f"Bearer {sandbox.hubspot.access_token}"}
    assert requests.get(sandbox.hubspot.base_url + "/crm/v3/owners", headers=hubspot, timeout=5).status_code == 200


def test_a_fault_strikes_as_often_and_where_it_was_told(sandbox: Sandbox, raw: Raw) -> None:
    limit = [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
    fault = {"crm": "salesforce", "kind": "status", "status": 403, "count": 2, "path": "/query", "body": limit}
    admin(sandbox, "POST", "/faults", {**fault, "headers": {"Retry-After": "1"}})
    statuses = [raw.send("GET", path, params={"q": "SELECT Id FROM User"}).status_code
                for path in ("limits", "query", "query", "query")]  # fmt: skip
    assert statuses == [200, 403, 403, 200]
    assert admin(sandbox, "GET", "/faults") == {"faults": []}
    seeded = {"crm": "salesforce", "kind": "status", "probability": 0.5, "seed": 7}
    runs = []
    for _ in range(2):
        admin(sandbox, "DELETE", "/faults")
        admin(sandbox, "POST", "/faults", seeded)
        runs.append([raw.send("GET", "limits").status_code for _ in range(20)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}
    wrong = requests.post(sandbox.admin_url + "/faults", json={"crm": "salesforce", "kind": "flood"}, timeout=5)
    assert wrong.status_code == 400


def test_an_answer_can_be_slow(sandbox: Sandbox, raw: Raw) -> None:
    admin(sandbox, "POST", "/faults", {"crm": "salesforce", "kind": "latency", "latency_ms": 200, "count": 1})
    began = time.monotonic()
    assert raw.send("GET", "limits").status_code == 200
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize(("kind", "kept"), [("drop", 0), ("commit_then_drop", 1), ("truncate", 1)])
def test_an_answer_can_be_lost(sandbox: Sandbox, raw: Raw, kind: str, kept: int) -> None:
    raw.query("SELECT Id FROM User")
    admin(sandbox, "POST", "/faults", {"crm": "salesforce", "kind": kind, "count": 1, "methods": ["PATCH"]})
    with pytest.raises(requests.RequestException):
        upserted(raw, f"lost-{kind}")
    soql = f"SELECT Id FROM Task WHERE Plansync_Key__c = 'lost-{kind}'"  # noqa: S608
    assert raw.query(soql)["totalSize"] == kept
    assert upserted(raw, f"lost-{kind}")[0]["created"] is (kept == 0)
    assert raw.query(soql)["totalSize"] == 1


def test_a_restart_keeps_records_clock_cursors_and_the_token(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with running_sandbox(state=state, token="same", as_of=date(2026, 1, 2)) as first:
        raw = Raw(first)
        people = [{"LastName": f"L{number}"} for number in range(200)]
        raw.collection("POST", "composite/sobjects", "Contact", *people)
        raw.collection("POST", "composite/sobjects", "Contact", {"LastName": "Last"})
        page = raw.query("SELECT LastName FROM Contact", batch_size=200)
        port = int(first.salesforce.base_url.rpartition(":")[2])
        assert first.stop() == 0
    with running_sandbox(state=state, token="same", as_of=date(2030, 1, 1), salesforce_port=port) as second:
        assert second.salesforce == first.salesforce
        rest = Raw(second).send("GET", page["nextRecordsUrl"].split("66.0/")[1]).json()
        assert [each["LastName"] for each in rest["records"]] == ["Last"]
        assert admin(second, "GET", "/clock")["now"] == "2026-01-02T22:00:00+00:00"


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with running_sandbox(state=state, token="same") as first:
        answered = len(upserted(Raw(first), *(f"k{number}" for number in range(200))))
        first.process.kill()
        first.process.wait()
    with running_sandbox(state=state, token="same") as second:
        assert Raw(second).query("SELECT COUNT() FROM Task")["totalSize"] == answered == 200
        assert {each["created"] for each in upserted(Raw(second), "k0", "k199")} == {False}
        assert len(admin(second, "GET", "/writes")["writes"]) == 202


def test_ends_well_on_a_signal_even_with_open_connections() -> None:
    with running_sandbox() as running:
        raw = Raw(running)
        raw.send("GET", "limits")
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(5) == 0


def test_says_why_it_did_not_start(sandbox: Sandbox) -> None:
    taken = int(sandbox.salesforce.base_url.rpartition(":")[2])
    with pytest.raises(SandboxError, match="exit code 1"), running_sandbox(salesforce_port=taken):
        pass
