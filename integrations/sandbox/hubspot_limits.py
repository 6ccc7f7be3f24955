"""HubSpot's rate limits: requests of a token in 10 seconds, searches of the account in a second, requests in a day.

They run in real time, whatever the portal's clock says, except that the day is the portal's. A refused request counts
against nothing. Answers to searches carry the daily headers only, and those to OAuth tokens none of the daily ones
(*Rate limit headers will now appear for OAuth authenticated calls*, developers.hubspot.com).
"""

import time
from collections import deque

from integrations.sandbox.hubspot_answers import HubSpotError
from integrations.sandbox.hubspot_settings import ENFORCED, HubSpotSettings

INTERVAL_S, SEARCH_INTERVAL_S = 10, 1


def _refused(policy: str) -> HubSpotError:
    name = policy.lower()
    more = {"errorType": "RATE_LIMIT", "policyName": policy, "groupName": f"publicapi:{name}"}
    return HubSpotError(429, "RATE_LIMITS", f"You have reached your {name} limit.", **more)


class _Window:
    """The requests of the last seconds."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._seen: deque[float] = deque()

    def used(self) -> int:
        """How many requests it holds now."""
        now = time.monotonic()
        while self._seen and now - self._seen[0] >= self._length_s:
            self._seen.popleft()
        return len(self._seen)

    def add(self) -> None:
        """Count one more, and forget those that have passed, so that a lifted limit costs no memory."""
        self.used()
        self._seen.append(time.monotonic())


class Limits:
    """What is left of each limit. One request is one call of ``take``."""

    def __init__(self) -> None:
        self._of_token: dict[str, _Window] = {}
        self._searches = _Window(SEARCH_INTERVAL_S)
        self._day, self._of_today = "", 0

    def take(self, settings: HubSpotSettings, token: str, day: str, *, is_search: bool) -> None:
        """Count one request of a token.

        Args:
            token: Any name of the token.
            day: The portal's day.

        Raises:
            HubSpotError: 429, naming the policy: ``DAILY``, ``TEN_SECONDLY_ROLLING`` or, of searches, ``SECONDLY``.
        """
        if day != self._day:
            self._day, self._of_today = day, 0
        window = self._of_token.setdefault(token, _Window(INTERVAL_S))
        if settings.daily_limit is not None and self._of_today >= settings.daily_limit:
            raise _refused("DAILY")
        if settings.rate_limit is not None and window.used() >= settings.rate_limit:
            raise _refused("TEN_SECONDLY_ROLLING")
        if is_search and settings.search_limit is not None and self._searches.used() >= settings.search_limit:
            raise _refused("SECONDLY")
        self._of_today += 1
        window.add()
        if is_search:
            self._searches.add()

    def headers(self, settings: HubSpotSettings, token: str, *, is_search: bool, is_oauth: bool) -> dict[str, str]:
        """The rate-limit headers of an answer."""
        found: dict[str, str] = {}
        if not is_oauth:
            of_day = ENFORCED.daily_limit if settings.daily_limit is None else settings.daily_limit
            found["X-HubSpot-RateLimit-Daily"] = str(of_day)
            found["X-HubSpot-RateLimit-Daily-Remaining"] = str(max(0, (of_day or 0) - self._of_today))
        if not is_search:
            most = ENFORCED.rate_limit if settings.rate_limit is None else settings.rate_limit
            used = self._of_token[token].used() if token in self._of_token else 0
            found["X-HubSpot-RateLimit-Interval-Milliseconds"] = str(INTERVAL_S * 1000)
            found["X-HubSpot-RateLimit-Max"] = str(most)
            found["X-HubSpot-RateLimit-Remaining"] = str(max(0, (most or 0) - used))
        return found
