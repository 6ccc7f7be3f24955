"""Taking turns: what no window may hold, what no wait may exceed, and what the dead may not keep."""

import heapq
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.hubspot.pacing import PortalPace
from integrations.limits import ARRIVAL_S, LONGEST_QUEUE_S, MARGIN_S, Alone, AtOnce, Budget, Turns

KEY = "somecrm"


class Watch:
    """A clock that sleeping moves; what was put off happens on the way."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._later: list[tuple[float, int, Callable[[], object]]] = []

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_(seconds)

    def pass_(self, seconds: float) -> None:
        until = self.now + seconds
        while self._later and self._later[0][0] <= until:
            self.now, _, act = heapq.heappop(self._later)
            act()
        self.now = until

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        heapq.heappush(self._later, (self.now + seconds, len(self._later), act))


def turns(watch: Watch, shared: Alone) -> Turns:
    return Turns(KEY, shared, sleep=watch.sleep, waited=lambda _: None)


def pace(watch: Watch, requests: int = 7, searches: int = 2) -> PortalPace:
    shared = Alone(watch.read)
    return PortalPace(KEY, requests, searches, shared=shared, turns=turns(watch, shared))


def fly(watch: Watch, turn: AbstractContextManager[None], flight_s: float) -> None:
    """Take a turn now, and give it back when the answer comes."""
    turn.__enter__()
    watch.later(flight_s, lambda: turn.__exit__(None, None, None))


@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.floats(0, 3), st.floats(0, 5.9), st.floats(0, 1)), min_size=20, max_size=120
    )
)
@settings(max_examples=60, deadline=None)
def test_no_window_at_the_crm_holds_more_than_its_limit_however_long_requests_travel(
    steps: list[tuple[bool, float, float, float]],
) -> None:
    """One step: is it a search, the pause before, how long it is under way, and where on the way it arrives."""
    watch, seen = Watch(), list[tuple[float, bool]]()
    portal = pace(watch)
    for is_search, pause_s, flight_s, part in steps:
        watch.pass_(pause_s)
        fly(watch, portal.turn(is_search=is_search), flight_s)
        seen.append((watch.now + flight_s * part, is_search))
    for at, _ in seen:
        assert sum(at - 10 <= then <= at for then, _ in seen) <= 7
        assert sum(at - 1 <= then <= at and searched for then, searched in seen) <= 2


def test_a_request_counts_from_its_turn_until_a_window_after_its_answer() -> None:
    watch = Watch()
    portal = pace(watch, requests=1)
    fly(watch, portal.turn(is_search=False), 3.0)
    with portal.turn(is_search=False):
        assert watch.now == pytest.approx(3.0 + 10 + MARGIN_S)


def test_a_request_whose_process_died_keeps_its_place_only_until_it_must_have_arrived() -> None:
    watch = Watch()
    portal = pace(watch, requests=1)
    unanswered = portal.turn(is_search=False)
    unanswered.__enter__()
    with portal.turn(is_search=False):
        assert watch.now == pytest.approx(ARRIVAL_S + 10 + MARGIN_S, abs=1)


def told(maximum: int, remaining: int, interval_ms: int = 10_000) -> dict[str, str]:
    """HubSpot's headers."""
    return {
        "x-hubspot-ratelimit-interval-milliseconds": str(interval_ms),
        "x-hubspot-ratelimit-max": str(maximum),
        "x-hubspot-ratelimit-remaining": str(remaining),
    }


def count_at_once(watch: Watch, portal: PortalPace) -> int:
    """How many turns come without a wait."""
    watch.slept.clear()
    for count in range(1_000):
        with portal.turn(is_search=False):
            if watch.slept:
                return count
    raise AssertionError("no limit at all")


@pytest.mark.parametrize(
    ("headers", "at_once"),
    [
        ({}, 180),
        (told(190, 100), 180),
        (told(250, 100), 180),
        (told(100, 50), 95),
        (told(100, 50, interval_ms=1_000), 180),
        ({**told(100, 50), "x-hubspot-ratelimit-max": "many"}, 180),
    ],
    ids=["silent", "the usual", "an increase", "a small portal", "another window", "garbled"],
)
def test_a_portal_that_allows_less_than_the_settings_is_believed(headers: dict[str, str], at_once: int) -> None:
    watch = Watch()
    portal = pace(watch, requests=180)
    portal.heed(headers)
    assert count_at_once(watch, portal) == at_once


def test_what_other_programs_spent_is_waited_out() -> None:
    watch = Watch()
    portal = pace(watch, requests=100)
    with portal.turn(is_search=False):
        portal.heed(told(100, 0))
    with portal.turn(is_search=False):
        assert watch.now == pytest.approx(10)


def test_a_pause_that_the_crm_asks_for_holds_off_everybody() -> None:
    watch, shared = Watch(), Alone(lambda: watch.now)
    one, other = turns(watch, shared), turns(watch, shared)
    one.hold_off(30)
    one.hold_off(5)  # a later, shorter one does not shorten it
    other.take(lambda _state, _now: 0.0)
    assert watch.now == 30


def test_a_pause_too_long_to_wait_in_line_is_left_to_the_caller() -> None:
    watch, shared = Watch(), Alone(lambda: watch.now)
    line = turns(watch, shared)
    line.hold_off(LONGEST_QUEUE_S + 1)
    with pytest.raises(CrmUnavailableError) as raised:
        line.take(lambda _state, _now: 0.0)
    assert (watch.slept, raised.value.retry_after_s) == ([], LONGEST_QUEUE_S + 1)


def test_a_clock_that_began_anew_forgets_what_was() -> None:
    watch, shared = Watch(), Alone(lambda: watch.now)
    watch.now = 1_000_000.0
    turns(watch, shared).take(lambda _state, _now: 0.0)
    turns(watch, shared).hold_off(600)
    watch.now = 12.0  # the machine was started again
    turns(watch, shared).take(lambda _state, _now: 0.0)
    assert watch.slept == []


class Several(Alone):
    """Processes of which some have ended."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch.read)
        self.ended: set[str] = set()

    def is_gone(self, holder: str) -> bool:
        return holder in self.ended


def place(watch: Watch, shared: Several) -> AbstractContextManager[None]:
    return AtOnce(turns(watch, shared), shared, most=2, longest_s=125).turn()


@pytest.mark.parametrize(("ended", "free_at"), [(set(), 125.0), ({"other"}, 0.0)], ids=["lost machine", "dead process"])
def test_places_of_the_dead_become_free(ended: set[str], free_at: float) -> None:
    watch = Watch()
    shared = Several(watch)
    shared.holder = "other"
    kept = [place(watch, shared), place(watch, shared)]
    for each in kept:
        each.__enter__()
    shared.holder, shared.ended = "alive", ended
    with place(watch, shared), place(watch, shared):
        assert watch.now == pytest.approx(free_at, abs=0.2)


def test_a_place_is_given_back_whatever_happens() -> None:
    watch = Watch()
    shared = Several(watch)
    for _ in range(5):
        with pytest.raises(ValueError, match="oops"), place(watch, shared):
            raise ValueError("oops")
    assert watch.slept == []


def test_reading_stops_at_its_share_and_writing_at_the_end_of_the_day() -> None:
    budget = Budget("somecrm", share_pct=90)
    for used, reads, writes in ((None, True, True), (899, True, True), (900, False, True), (1_000, False, False)):
        if used is not None:
            budget.note(used, 1_000)
        for is_write, may in ((False, reads), (True, writes)):
            if may:
                budget.check(is_write=is_write)
            else:
                with pytest.raises(CrmRefusedError, match=f"{used} of 1000 API calls of the day"):
                    budget.check(is_write=is_write)
