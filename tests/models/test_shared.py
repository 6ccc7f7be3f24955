"""What processes agree on: one at a time, nothing lost, nobody held up by the dead."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from models.shared import SharedFile, SharedTable
from models.store import Store, StoreError, StoreUnavailableError

Shared = SharedFile | SharedTable
HOUSE = Path(__file__).parent.parent.parent
COUNTING = """
import sys, time
from models.store import Store
with Store.open(sys.argv[1], segments=sys.argv[2]) as store:
    shared = store.shared(holder="child", is_gone=lambda _: False, clock=time.monotonic)
    print("counting", flush=True)
    for _ in range(int(sys.argv[3])):
        shared.change("crm", lambda state, now: state.update(count=state.get("count", 0) + 1))
    sys.stdin.readline()
    shared.change("crm", lambda state, now: (state.update(count=-1), print("inside", flush=True), time.sleep(60)))
"""


def shared_of(store: Store) -> Shared:
    return store.shared(holder="test", is_gone=lambda _: False, clock=time.monotonic)


def count_up(state: dict[str, int], _now: float) -> int:
    state["count"] = state.get("count", 0) + 1
    return state["count"]


def child(store: Store, store_url: str, times: int) -> subprocess.Popen[str]:
    segments = str(store._db.segments)
    command = [sys.executable, "-c", COUNTING, store_url, segments, str(times)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, "PYTHONPATH": str(HOUSE)})


def test_threads_and_processes_change_in_turn_and_the_dead_hold_nobody_up(store: Store, store_url: str) -> None:
    """The other process counts, too, then is killed inside a change: that one is undone."""
    shared = shared_of(store)
    each = 100 if store_url.startswith("sqlite") else 15
    other = child(store, store_url, 3 * each)
    assert other.stdin is not None
    assert other.stdout is not None
    assert other.stdout.readline() == "counting\n"
    threads = [threading.Thread(target=lambda: [shared.change("crm", count_up) for _ in range(each)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.stdin.write("\n")
    other.stdin.flush()
    assert other.stdout.readline() == "inside\n"
    other.send_signal(signal.SIGKILL)
    other.wait()
    started = time.monotonic()
    assert shared.change("crm", count_up) == 6 * each + 1
    assert time.monotonic() - started < 5
    assert shared.change("another crm", count_up) == 1
    shared.close()


def test_a_change_that_fails_is_undone(store: Store) -> None:
    shared = shared_of(store)

    def failing(state: dict[str, int], now: float) -> None:
        count_up(state, now)
        raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        shared.change("crm", failing)
    assert shared.change("crm", count_up) == 1
    shared.close()


def test_time_goes_on(store: Store) -> None:
    shared = shared_of(store)
    first = shared.change("crm", lambda _, now: now)
    time.sleep(0.01)
    assert 0.005 < shared.change("crm", lambda _, now: now) - first < 5
    shared.close()


def file_at(path: Path) -> SharedFile:
    return SharedFile(path, holder="test", is_gone=lambda _: False, clock=time.monotonic)


def test_a_commit_that_fails_is_undone_and_said(tmp_path: Path) -> None:
    """SQLite checks a deferred key at COMMIT alone, and leaves the transaction open then."""
    shared = file_at(tmp_path / "limits")
    shared.change("crm", count_up)
    db = shared._db
    assert db is not None
    db.execute("PRAGMA foreign_keys=ON")
    db.execute("CREATE TABLE child (parent TEXT REFERENCES shared (key) DEFERRABLE INITIALLY DEFERRED)")

    def orphaned(state: dict[str, int], now: float) -> None:
        count_up(state, now)
        db.execute("INSERT INTO child VALUES ('nobody')")

    with pytest.raises(StoreError, match="FOREIGN KEY"):
        shared.change("crm", orphaned)
    assert not db.in_transaction
    assert shared.change("crm", count_up) == 2
    shared.close()


def test_what_is_no_such_file_is_said(tmp_path: Path) -> None:
    spoiled = tmp_path / "limits"
    spoiled.write_bytes(b"not a database at all, but long enough to look at" * 100)
    with pytest.raises(StoreError, match="delete it"):
        file_at(spoiled).change("crm", count_up)
    with pytest.raises(StoreUnavailableError, match="folder can be written"):
        file_at(tmp_path / "missing" / "limits").change("crm", count_up)
