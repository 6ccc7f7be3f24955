"""P22: several processes together stay under a portal's limit, use what it allows, and survive each other's deaths."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.pace import asked_together, go, seen, start
from integrations.sandbox.process import Sandbox, running_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


def test_two_processes_stay_under_a_portals_limit_and_use_it(sandbox: Sandbox, tmp_path: Path) -> None:
    told = asked_together(sandbox, tmp_path / "limits", limit=40, window_s=1.0, windows=2)
    print(f"most in a window: {told.most_in(1.0)} of 40; used: {told.used_share(40, 1.0, 2):.0%}")
    assert told.most_in(1.0) <= 40
    assert told.used_share(40, 1.0, 2) >= 0.85


@pytest.mark.soak
def test_a_process_that_dies_amid_requests_keeps_nobody_waiting(sandbox: Sandbox, tmp_path: Path) -> None:
    """What it had under way counts a while longer; the rest of the limit is its heir's at once."""
    shared, limit, window_s = tmp_path / "limits", 40, 0.5
    doomed = start(sandbox, shared, limit=limit, window_s=window_s, seconds=60, threads=8)
    heir = start(sandbox, shared, limit=limit, window_s=window_s, seconds=1.0, threads=8)
    try:
        go([doomed])
        time.sleep(0.6)
        doomed.kill()
        doomed.wait()
        go([heir])
        heir.communicate(timeout=30)
    finally:
        for each in (doomed, heir):
            each.kill()
            each.wait()
    told = seen(sandbox)
    assert told.most_in(window_s) <= limit
    assert told.used_share(limit, window_s, 3) >= 0.6


@pytest.mark.soak
def test_two_processes_use_what_a_real_portal_allows(sandbox: Sandbox, tmp_path: Path) -> None:
    """190 in 10 s, five times: never more in any window, and at least 85 % of them used (median)."""
    shares = []
    for turn in range(5):
        told = asked_together(sandbox, tmp_path / f"limits-{turn}", limit=190, window_s=10.0, windows=3)
        assert told.most_in(10.0) <= 190
        shares.append(told.used_share(190, 10.0, 3))
    print(f"used of what was allowed: {sorted(shares)}")
    assert statistics.median(shares) >= 0.85
