"""Kill -9 at any moment: afterwards one clean run leaves no duplicate and no missing task (P1)."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.flows.conftest import House

LATENCY_MS = 60
ONE_NIGHT = [sys.executable, "-m", "tests.flows.one_night"]


def tasks_in(house: House) -> Counter[str]:
    """Live tasks by what they say and about whom, straight from both CRMs: the key itself could be lost."""
    soql = "SELECT Subject, AccountId FROM Task WHERE TaskSubtype = 'Task' AND IsDeleted = false"
    found = Counter(f"sf|{each['AccountId']}|{each['Subject']}" for each in paged_salesforce(house, soql))
    for task in paged_hubspot(house):
        companies = task.get("associations", {}).get("companies", {}).get("results", [])
        found[f"hs|{sorted(each['id'] for each in companies)}|{task['properties']['hs_task_subject']}"] += 1
    return found


def paged_salesforce(house: House, soql: str) -> list[dict]:
    answer = house.salesforce("GET", "/query", q=soql)
    records = answer["records"]
    while not answer["done"]:
        answer = house.salesforce("GET", answer["nextRecordsUrl"].removeprefix("/services/data/v66.0"))
        records += answer["records"]
    return records


def paged_hubspot(house: House) -> list[dict]:
    asked = {"limit": "100", "properties": "hs_task_subject", "associations": "companies"}
    records, after = [], {}
    while True:
        answer = house.hubspot("GET", "/crm/objects/2026-09/tasks", **asked, **after)
        records += answer["results"]
        if "paging" not in answer:
            return records
        after = {"after": answer["paging"]["next"]["after"]}


def killed_after(house: House, seen_writes: int, delay_s: float) -> bool:
    """Start a night and kill it a moment after the CRMs saw so many writing calls. Whether it was still running."""
    house.forget_requests()
    night = subprocess.Popen([*ONE_NIGHT, str(house.config)])
    while night.poll() is None and house.write_calls() < seen_writes:
        time.sleep(0.004)
    time.sleep(delay_s)
    was_running = night.poll() is None
    night.kill()
    night.wait()
    return was_running


@pytest.mark.parametrize(
    ("moments", "aimed_between_writes", "least_between"),
    [(2, 2, 1), pytest.param(10, 8, 6, marks=pytest.mark.soak)],
)
def test_kills_at_any_moment_leave_no_duplicate_and_no_missing_task(
    build: Callable[[], House], moments: int, aimed_between_writes: int, least_between: int
) -> None:
    undisturbed = build()
    total = undisturbed.run()["api_calls"]
    writes = sum(calls["write"] for calls in total.values())
    expected = tasks_in(undisturbed)
    draw, hits = random.Random(20261121), 0
    for moment in range(moments):
        house = build()
        for crm in ("salesforce", "hubspot"):
            house.fault(crm, "latency", latency_ms=LATENCY_MS, methods=["POST", "PATCH"])
        aimed = draw.randrange(1, writes) if moment < aimed_between_writes else 0
        delay = draw.uniform(0, 2 * LATENCY_MS / 1000) if aimed else draw.uniform(0.5, 4)
        was_running = killed_after(house, aimed, delay)
        seen = house.write_calls()
        hits += was_running and 0 < seen < writes
        house.admin("DELETE", "/faults")
        house.run()
        assert tasks_in(house) == expected, f"moment {moment}: killed after {seen} of {writes} writing calls"
        house.forget_requests()
        house.run()
        assert house.write_calls() == 0
    assert hits >= least_between, f"only {hits} kills fell between the first and the last write"


def test_a_variant_that_creates_blindly_does_duplicate(house: House) -> None:
    house.fault("hubspot", "commit_then_drop", path="/tasks/batch/create", count=1)
    for _ in range(2):
        subprocess.run([*ONE_NIGHT, str(house.config), "blind"], check=True)
        house.admin("DELETE", "/faults")
    assert any(count > 1 for count in tasks_in(house).values())
