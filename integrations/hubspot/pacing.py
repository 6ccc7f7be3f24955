"""Staying under a portal's limits: so many requests in 10 seconds, searches in a second, or fewer if it says so."""

import threading
from collections import deque
from collections.abc import Callable, Mapping

WINDOW_S = 10.0
SEARCH_WINDOW_S = 1.0


class Pacing:
    """Sliding windows over the requests of one process; any thread may wait.

    Args:
        requests_per_10s: None paces nothing, on a loopback sandbox.
        searches_per_s: The same for searches, which count in both.
        sleep: Waits for so many seconds.
        monotonic: Seconds on a clock that never goes back.
    """

    def __init__(
        self,
        requests_per_10s: int | None,
        searches_per_s: int | None,
        *,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._limits = {False: requests_per_10s, True: searches_per_s}
        self._sent: dict[bool, deque[float]] = {False: deque(), True: deque()}
        self._blocked_until = 0.0
        self._sleep, self._monotonic = sleep, monotonic
        self._lock = threading.Lock()

    def wait(self, *, is_search: bool) -> None:
        """Return once one more request is allowed, and count it."""
        with self._lock:
            delay = max(self._delay(False), self._delay(True) if is_search else 0.0)
            if delay > 0:
                self._sleep(delay)
            self._count(is_search)

    def heed(self, headers: Mapping[str, str]) -> None:
        """Take the portal's own figures: a lower maximum than ours counts, and what others spent is waited out."""
        with self._lock:
            limit = self._limits[False]
            interval = _number(headers.get("x-hubspot-ratelimit-interval-milliseconds"))
            if limit is None or not interval:
                return
            maximum = _number(headers.get("x-hubspot-ratelimit-max"))
            if maximum and interval == WINDOW_S * 1000:
                self._limits[False] = limit = min(limit, maximum)
            is_spent = _number(headers.get("x-hubspot-ratelimit-remaining")) == 0
            if is_spent and len(self._sent[False]) < limit:
                self._blocked_until = self._monotonic() + interval / 1000

    def _delay(self, is_search: bool) -> float:
        now, limit = self._monotonic(), self._limits[is_search]
        blocked = self._blocked_until - now
        sent, span = self._sent[is_search], SEARCH_WINDOW_S if is_search else WINDOW_S
        while sent and sent[0] <= now - span:
            sent.popleft()
        if limit is None or len(sent) < limit:
            return blocked
        return max(blocked, sent[len(sent) - limit] + span - now)

    def _count(self, is_search: bool) -> None:
        now = self._monotonic()
        self._sent[False].append(now)
        if is_search:
            self._sent[True].append(now)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
