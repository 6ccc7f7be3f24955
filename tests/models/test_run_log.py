"""Runs, their cost, and the lease that lets one worker in at a time."""

from datetime import timedelta

import pytest

from models.enums import RunStatus
from models.store import Store, StoreError
from tests.models.samples import NOW, TODAY


def minutes(count: int) -> timedelta:
    return timedelta(minutes=count)


def test_runs_are_listed_newest_first_with_how_they_ended(store: Store) -> None:
    for number, status in enumerate([RunStatus.OK, RunStatus.DEGRADED, RunStatus.FAILED]):
        store.open_run(f"run {number}", TODAY, NOW + minutes(number))
        store.close_run(f"run {number}", status, {"customers": number}, NOW + minutes(number + 1))
    store.open_run("run 3", TODAY, NOW + minutes(3))
    assert store.runs(3).select("run_id", "status", "summary", "finished_at").rows() == [
        ("run 3", "running", "{}", None),
        ("run 2", "failed", '{"customers":2}', NOW + minutes(3)),
        ("run 1", "degraded", '{"customers":1}', NOW + minutes(2)),
    ]


def test_a_new_store_has_no_run(store: Store) -> None:
    assert store.runs(5).is_empty()
    with pytest.raises(StoreError, match="run 7 was never opened"):
        store.close_run("run 7", RunStatus.OK, {}, NOW)


def test_api_calls_of_a_run_add_up(store: Store) -> None:
    for read, write in ((10, 0), (1, 2)):
        store.add_api_calls("run", "hubspot", read, write)
    store.add_api_calls("run", "salesforce", 5, 0)
    store.add_api_calls("other", "salesforce", 99, 0)
    assert store.api_calls("run").rows() == [("run", "hubspot", 11, 2), ("run", "salesforce", 5, 0)]


def test_a_lease_belongs_to_one_holder_until_it_ends(store: Store) -> None:
    assert store.lease_token("sync") == 0
    assert store.acquire_lease("sync", "a", NOW, 60)
    assert not store.acquire_lease("sync", "b", NOW + timedelta(seconds=59), 60)
    assert store.acquire_lease("other", "b", NOW, 60)
    assert store.renew_lease("sync", "a", NOW + timedelta(seconds=59), 60)
    assert not store.acquire_lease("sync", "b", NOW + timedelta(seconds=61), 60)
    assert store.acquire_lease("sync", "b", NOW + minutes(2), 60)
    assert not store.renew_lease("sync", "a", NOW + minutes(2), 60)
    assert (store.lease_holder("sync"), store.lease_token("sync")) == ("b", 2)


def test_a_lease_given_back_is_free_at_once(store: Store) -> None:
    store.acquire_lease("sync", "a", NOW, 60)
    store.release_lease("sync", "b")
    assert store.lease_holder("sync") == "a"
    store.release_lease("sync", "a")
    assert store.lease_holder("sync") is None
    assert not store.renew_lease("sync", "a", NOW, 60)
    assert store.acquire_lease("sync", "b", NOW, 60)


def test_a_holder_that_returns_gets_its_lease_again_under_a_new_number(store: Store) -> None:
    store.acquire_lease("sync", "a", NOW, 60)
    assert store.acquire_lease("sync", "a", NOW, 60)
    assert store.lease_token("sync") == 2
