"""P22 and P23: only what can help is tried again, only what is safe, and never before the CRM said so."""

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.errors import CrmError, CrmRefusedError, CrmUnavailableError
from integrations.transport import Answer, Patience, retry_after_s
from models.shared import SharedFile
from tests.integrations.scripted import Reply, Seen, in_turn, scripted
from tests.promises.clients import VENDORS, client_of, serving, side_by_side

RESET, TIMEOUT, CUT, NEVER_SENT = "reset", "timeout", "cut", "never sent"
LIMITED = {"status": "error", "policyName": "TEN_SECONDLY_ROLLING", "message": "limit"}

# What happens every time, tries of a repeatable request, tries of one that is not.
CASES: list[tuple[int | str, int, int]] = [
    (400, 1, 1),
    (401, 1, 1),
    (403, 1, 1),
    (404, 1, 1),
    (409, 1, 1),
    (414, 1, 1),
    (429, 5, 5),
    (500, 5, 1),
    (502, 5, 1),
    (503, 5, 1),
    (504, 5, 1),
    (RESET, 5, 1),
    (TIMEOUT, 5, 1),
    (CUT, 5, 1),
]


@dataclass
class Waits:
    """A clock that sleeping moves, and how long each sleep was."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, **more: Any) -> Patience:
        return Patience(sleep=self.sleep, clock=lambda: self.now, **more)


def happening(event: int | str) -> Any:
    def script(_: Seen) -> Reply:
        if event == TIMEOUT:
            time.sleep(0.3)
        if event == RESET:
            return Reply(None)
        if event == CUT:
            return Reply(200, {"results": ["more than arrives"]}, cut=9)
        return Reply(event if isinstance(event, int) else 200, LIMITED if event == 429 else {})

    return script


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("event", "repeatable", "not_repeatable"), CASES)
def test_each_answer_is_tried_as_often_as_can_help(
    vendor: str, event: int | str, repeatable: int, not_repeatable: int
) -> None:
    for is_repeatable, tries in ((True, repeatable), (False, not_repeatable)):
        waits = Waits()
        settings = {"timeout_s": 0.03} if event == TIMEOUT else {}
        with serving(vendor, happening(event), patience=waits.patience(), **settings) as (client, server):
            with pytest.raises(CrmError) as raised:
                client.post(is_repeatable=is_repeatable)
            assert client.calls.write == tries
            assert len(server.seen) == tries or event == TIMEOUT  # the server may not get to read the last in time
            is_hopeless = isinstance(event, int) and event < 500 and event != 429
            assert isinstance(raised.value, CrmRefusedError if is_hopeless else CrmUnavailableError)
            assert sum(waits.slept) <= 120
            assert client.calls.retries == tries - 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_what_never_left_may_leave_again(vendor: str) -> None:
    with scripted(in_turn(Reply())) as gone:
        url = gone.url
    client = client_of(vendor, url)
    with pytest.raises(CrmUnavailableError, match="gave up after 5 tries"):
        client.post(is_repeatable=False)
    assert client.calls.write == 0
    client.close()


def test_waits_are_drawn_from_the_whole_range_below_a_doubling_ceiling() -> None:
    patience = Patience()
    for attempt, ceiling in enumerate((1, 2, 4, 8, 16, 30, 30), start=1):
        drawn = [patience.wait_s(attempt, None) for _ in range(200)]
        assert 0 <= min(drawn) < ceiling / 8
        assert ceiling * 7 / 8 < max(drawn) <= ceiling


def test_no_try_starts_after_two_minutes_however_slow_each_is() -> None:
    waits = Waits()

    def slow(_: Seen) -> Reply:
        waits.now += 50
        return Reply(500)

    with serving("salesforce", slow, patience=waits.patience()) as (client, server):
        with pytest.raises(CrmUnavailableError, match="gave up after 3 tries"):
            client.read()
        assert len(server.seen) == 3


NOW = datetime(2026, 11, 21, 3, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=30), usegmt=True)}, 30.0),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=30), usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
    ],
    ids=["none", "seconds", "date", "past date", "words", "negative", "fraction"],
)
def test_retry_after_is_read_as_seconds_and_as_a_date_by_the_answers_own_clock(
    headers: dict[str, str], wait_s: float | None
) -> None:
    dated = {"date": format_datetime(NOW, usegmt=True), **headers}
    assert retry_after_s(Answer(503, dated, b"")) == wait_s


@pytest.mark.parametrize("vendor", ["hubspot", pytest.param("salesforce", marks=pytest.mark.soak)])
def test_no_process_asks_while_the_crm_wants_a_pause(vendor: str, tmp_path: Path) -> None:
    """One client is told to pause; another, of another process, has asked nothing yet and waits all the same."""
    at: list[float] = []

    def script(_: Seen) -> Reply:
        at.append(time.monotonic())
        return Reply(503, {}, {"Retry-After": "1"}) if len(at) == 1 else Reply(body={})

    settings = {"requests_per_10s": 100} if vendor == "hubspot" else {}
    with scripted(script) as server:
        both = [
            client_of(vendor, server.url, patience=Patience(first_wait_s=0.0), shared=shared, **settings)
            for shared in (shared_at(tmp_path), shared_at(tmp_path))
        ]
        first = threading.Thread(target=both[0].read)
        first.start()
        while not at:
            time.sleep(0.002)
        time.sleep(0.1)
        both[1].read()
        first.join()
        for client in both:
            client.close()
    assert len(at) == 3
    assert min(at[1:]) - at[0] >= 1.0


def shared_at(folder: Path) -> SharedFile:
    return SharedFile(folder / "limits", holder="test", is_gone=lambda _: False, clock=time.monotonic)


def test_the_salesforce_cap_holds_over_processes(tmp_path: Path) -> None:
    """Two clients with a pool of six each, four requests at once between them."""
    now, most, lock = 0, 0, threading.Lock()

    def script(_: Seen) -> Reply:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.05)
        with lock:
            now -= 1
        return Reply(body={})

    with scripted(script) as server:
        settings = {"connections": 6, "requests_at_once": 4, "patience": Patience()}
        both = [client_of("salesforce", server.url, shared=shared_at(tmp_path), **settings) for _ in range(2)]
        turns = iter(both * 6)
        assert side_by_side(12, lambda: next(turns).read()) == []
        assert len(server.seen) == 12
        assert server.connections <= 12
    assert 2 <= most <= 4
    for client in both:
        client.close()


@pytest.mark.parametrize("vendor", VENDORS)
def test_reading_stops_at_ninety_percent_of_the_day_and_writing_goes_on(vendor: str) -> None:
    used = {
        "Sforce-Limit-Info": "api-usage=90/100; per-app-api-usage=1/250(appName=x)",
        "X-HubSpot-RateLimit-Daily": "100",
        "X-HubSpot-RateLimit-Daily-Remaining": "10",
    }
    with serving(vendor, in_turn(Reply(body={}, headers=used))) as (client, server):
        client.read()
        with pytest.raises(CrmRefusedError, match="90 of 100 API calls of the day are used; reading stops"):
            client.read()
        client.post(is_repeatable=True)
        assert len(server.seen) == 2


@pytest.mark.parametrize("vendor", VENDORS)
def test_threads_share_a_pool_that_never_grows(vendor: str) -> None:
    def script(_: Seen) -> Reply:
        time.sleep(0.002)
        return Reply(body={})

    with serving(vendor, script, connections=4) as (client, server):
        threads = [threading.Thread(target=lambda: [client.read() for _ in range(5)]) for _ in range(20)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(server.seen) == 100 == client.calls.read
        assert server.connections <= 4
        assert {asked.headers["accept-encoding"].partition(",")[0] for asked in server.seen} == {"gzip"}
        assert client.calls.bytes_received == 200
