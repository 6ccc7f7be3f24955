"""Staying under a portal's limits: so many requests in 10 seconds, searches in a second, or fewer if it says so."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from integrations.limits import Limit, Pace, Shared, State, Turns, counted

WINDOW_S, SEARCH_WINDOW_S = 10.0, 1.0
HEADROOM = 0.95
"""Part of what a portal allows that we use where it allows less than the settings."""


class PortalPace:
    """One portal's windows, kept together with all processes that ask it. Safe for several threads.

    Args:
        key: Names the portal.
        requests: In ``window_s`` seconds, as the settings say.
        searches: In a second; they count in both windows.
        shared: Where the processes agree.
        turns: Waits in line.
        window_s: Length of the window of all requests.
    """

    def __init__(
        self, key: str, requests: int, searches: int, *, shared: Shared, turns: Turns, window_s: float = WINDOW_S
    ) -> None:
        self._key, self._requests, self._window_s = key, requests, window_s
        self._searches = Limit("search", searches, SEARCH_WINDOW_S)
        self._shared, self._turns, self._pace = shared, turns, Pace(turns)

    @contextmanager
    def turn(self, *, is_search: bool) -> Iterator[None]:
        """Wait until one more request is allowed; the block sends it and reads its answer."""
        with self._pace.turn([self._all, self._searches] if is_search else [self._all]):
            yield

    def heed(self, headers: Mapping[str, str]) -> None:
        """Take the portal's own figures: a lower maximum than ours counts, and what others spent is waited out.

        Other apps' and installations' requests show only in what is left of the portal's window.
        """
        interval = _number(headers.get("x-hubspot-ratelimit-interval-milliseconds"))
        maximum = _number(headers.get("x-hubspot-ratelimit-max"))
        if interval != self._window_s * 1000 or not maximum:
            return
        if maximum < self._requests:
            self._requests = max(1, int(maximum * HEADROOM))
        if _number(headers.get("x-hubspot-ratelimit-remaining")) == 0:
            self._shared.change(self._key, lambda state, now: self._leave_to_others(state, now, maximum))

    def hold_off(self, seconds: float) -> None:
        """Let nobody ask for so long, in any process."""
        self._turns.hold_off(seconds)

    @property
    def _all(self) -> Limit:
        return Limit("request", self._requests, self._window_s)

    def _leave_to_others(self, state: State, now: float, maximum: int) -> None:
        if counted(state, now, self._all) < min(maximum, self._requests):
            state["blocked_until"] = max(state.get("blocked_until", 0.0), now + self._window_s)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
