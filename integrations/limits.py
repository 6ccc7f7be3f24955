"""Taking turns at a CRM's limits, together with every other process that asks the same CRM.

What the processes must agree on is one small JSON object per CRM behind ``Shared``: ``flows.runtime`` hands in one that
lives in a file or in PostgreSQL; ``Alone`` keeps it in this process.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from integrations.errors import CrmRefusedError, CrmUnavailableError

State = dict[str, Any]
Result = TypeVar("Result")

ARRIVAL_S = 6.0
"""Longest time from a turn to the request's arrival: a connection is given up after 5 s."""

MARGIN_S = 0.05
"""How much longer than its window a request counts, since clocks of two machines do not tick alike."""

LONGEST_QUEUE_S = 600.0
"""A turn that does not come in this time will not come: the CRM's limits are spent by someone else."""

POLL_S = 0.05


class Shared(Protocol):
    """What the processes at one CRM read and change in turn."""

    holder: str
    """Names this process."""

    def change(self, key: str, step: Callable[[State, float], Result]) -> Result:
        """Let ``step`` read and change the object under ``key`` while nobody else does, and keep what it left.

        ``step`` also gets the time: seconds on the clock that all processes share.
        """
        ...

    def is_gone(self, holder: str) -> bool:
        """Whether the process of that name has surely ended."""
        ...


class Alone:
    """``Shared`` for one process; safe for several threads."""

    holder = "this process"

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._states, self._lock = clock, dict[str, State](), threading.Lock()

    def change(self, key: str, step: Callable[[State, float], Result]) -> Result:
        """As ``Shared.change``."""
        with self._lock:
            return step(self._states.setdefault(key, {}), self._clock())

    def is_gone(self, holder: str) -> bool:
        """Never: there is only this process."""
        return False


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``most`` requests of a kind in any window of ``window_s`` seconds."""

    kind: str
    most: int
    window_s: float


Waited = Callable[[float], None]


class Turns:
    """Waiting for a turn; what a turn needs is the caller's ``step``.

    Args:
        key: Names the CRM's account.
        shared: Where the processes agree.
        sleep: Waits for so many seconds.
        waited: Is told the seconds of every wait.
    """

    def __init__(self, key: str, shared: Shared, *, sleep: Callable[[float], None], waited: Waited) -> None:
        self._key, self._shared = key, shared
        self._sleep, self._waited = sleep, waited

    def take(self, step: Callable[[State, float], float]) -> None:
        """Return once ``step`` says that no more seconds are to be waited; it has taken the turn then.

        Raises:
            CrmUnavailableError: The CRM asked for a longer pause than anybody should wait in line, or no turn came.
        """
        spent = 0.0
        while (wait := self._shared.change(self._key, lambda state, now: self._wait_s(state, now, step))) > 0:
            if spent + wait > LONGEST_QUEUE_S:
                raise CrmUnavailableError(f"{self._key}: no turn to ask within {wait:.0f} s", retry_after_s=wait)
            self._sleep(wait)
            self._waited(wait)
            spent += wait

    def give_back(self, step: Callable[[State, float], None]) -> None:
        """Note that an answer came, or that none will."""
        self._shared.change(self._key, step)

    def hold_off(self, seconds: float) -> None:
        """Let nobody, in any process, take a turn for so long: the CRM asked for it."""

        def held(state: State, now: float) -> None:
            state["blocked_until"] = max(state.get("blocked_until", 0.0), now + seconds)

        self._shared.change(self._key, held)

    @staticmethod
    def _wait_s(state: State, now: float, step: Callable[[State, float], float]) -> float:
        if state.get("seen_at", 0.0) > now + 1:  # the clock began anew with the machine
            state.clear()
        state["seen_at"] = now
        blocked: float = state.get("blocked_until", 0.0) - now
        return blocked if blocked > 0 else step(state, now)


class Pace:
    """So many requests in any window, whoever sends them. Safe for several threads and processes.

    A request counts from its turn until a window after its answer: it reached the CRM somewhere between the two. So no
    window at the CRM holds more than the limit, however long requests are on their way. One whose process dies counts
    until a window after ``ARRIVAL_S``, and keeps nobody waiting longer.
    """

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._lines = {False: threading.Lock(), True: threading.Lock()}

    @contextmanager
    def turn(self, limits: Sequence[Limit]) -> Iterator[None]:
        """Wait for a turn under all of ``limits``; the block sends the request and reads its answer."""
        name = uuid4().hex
        with self._lines[len(limits) > 1]:  # one thread of each line asks; the others need not wake for nothing
            self._turns.take(lambda state, now: _taken(state, now, name, limits))
        try:
            yield
        finally:
            self._turns.give_back(lambda state, now: _answered(state, now, name))


def _taken(state: State, now: float, name: str, limits: Sequence[Limit]) -> float:
    """Seconds until a turn may come; 0 when it was taken. A slot is [kinds, when taken, when answered]."""
    slots: dict[str, list[Any]] = state.setdefault("slots", {})
    longest = state["longest_s"] = max([state.get("longest_s", 0.0), *(limit.window_s for limit in limits)])
    for old in [each for each, slot in slots.items() if _end_s(slot, longest) <= now]:
        del slots[old]
    waits = [_full_for_s(slots, now, limit) for limit in limits]
    if max(waits, default=0.0) > 0:
        return max(waits)
    slots[name] = [[limit.kind for limit in limits], now, None]
    return 0.0


def _answered(state: State, now: float, name: str) -> None:
    if slot := state.get("slots", {}).get(name):
        slot[2] = now


def _end_s(slot: Sequence[Any], window_s: float) -> float:
    """When a request has surely left every window; ``slot`` as in ``_taken``."""
    _, taken, answered = slot
    last: float = answered if answered is not None else taken + ARRIVAL_S
    return last + window_s + MARGIN_S


def _full_for_s(slots: Mapping[str, Sequence[Any]], now: float, limit: Limit) -> float:
    """Seconds until this limit may have room. One unanswered, if answered now, leaves a window from now."""
    counted = [slot for slot in slots.values() if limit.kind in slot[0] and _end_s(slot, limit.window_s) > now]
    if len(counted) < limit.most:
        return 0.0
    if_answered = [slot if slot[2] is not None else (*slot[:2], min(now, slot[1] + ARRIVAL_S)) for slot in counted]
    soonest = sorted(_end_s(slot, limit.window_s) for slot in if_answered)
    return max(soonest[len(counted) - limit.most] - now, 0.001)


def counted(state: State, now: float, limit: Limit) -> int:
    """How many requests of this plansync the window may hold now."""
    slots: Mapping[str, Sequence[Any]] = state.get("slots", {})
    return sum(limit.kind in slot[0] and _end_s(slot, limit.window_s) > now for slot in slots.values())


class AtOnce:
    """So many requests under way at the same time, whoever sends them. Safe for several threads and processes.

    A place whose process has ended is free at once; one of a machine out of sight after ``longest_s``.
    """

    def __init__(self, turns: Turns, shared: Shared, most: int, longest_s: float) -> None:
        self._turns, self._shared = turns, shared
        self._most, self._longest_s = most, longest_s

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a place; the block sends the request and reads its answer."""
        name = uuid4().hex
        self._turns.take(lambda state, now: self._placed(state, now, name))
        try:
            yield
        finally:
            self._turns.give_back(lambda state, _: state.get("flying", {}).pop(name, None))

    def _placed(self, state: State, now: float, name: str) -> float:
        flying: dict[str, list[Any]] = state.setdefault("flying", {})
        if len(flying) >= self._most:
            gone = [each for each, (holder, at) in flying.items() if self._is_over(holder, now - at)]
            for each in gone:
                del flying[each]
        if len(flying) >= self._most:
            return POLL_S
        flying[name] = [self._shared.holder, now]
        return 0.0

    def _is_over(self, holder: str, age_s: float) -> bool:
        return age_s > self._longest_s or self._shared.is_gone(holder)


class Budget:
    """The account's calls of a day, used by anyone, as the CRM last told. Reading stops first, writing at the very end.

    Args:
        crm: For the message.
        share_pct: Part of the day's calls at which reading stops.
    """

    def __init__(self, crm: str, share_pct: int) -> None:
        self._crm, self._share_pct = crm, share_pct
        self.told: tuple[int, int] | None = None
        """Calls used, and calls allowed."""

    def note(self, used: int, allowed: int) -> None:
        """Remember what an answer told."""
        self.told = (used, allowed)

    def check(self, *, is_write: bool) -> None:
        """Pass if one more call may be made.

        Raises:
            CrmRefusedError: The share is used. What a run has begun to write may use the rest of the day's calls.
        """
        used, allowed = self.told or (0, 1)
        share_pct = 100 if is_write else self._share_pct
        if used * 100 >= share_pct * allowed:
            verb = "writing" if is_write else "reading"
            raise CrmRefusedError(f"{self._crm}: {used} of {allowed} API calls of the day are used; {verb} stops here")
