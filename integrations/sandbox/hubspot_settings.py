"""How strict and how slow the emulated HubSpot is: its rate limits and the weaknesses of its search, kept in the state.

Everything is off in a fresh portal, so that benchmarks measure their client; ``ENFORCED`` is what a Professional
account has (*API usage guidelines* and *Increasing our API limits*, developers.hubspot.com).
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

import orjson

from integrations.sandbox.state import State

_KEY = "hubspot_settings"


@dataclass(frozen=True, slots=True)
class HubSpotSettings:
    """What can be changed while the portal runs.

    Args:
        rate_limit: Requests that one token may make in any 10 seconds; None lifts the limit.
        search_limit: Searches that the account answers in any second; None lifts the limit.
        daily_limit: Requests of the account in a day; None lifts the limit, and headers tell the usual one.
        search_lag_s: How long a written record stays unknown to search, in seconds of the portal's clock.
        search_disorder_s: How far sorted search results may stand from their place, in seconds; 0 keeps order.
        unique_on_engagements: Whether custom properties of tasks, notes, meetings, calls and emails may be unique: no
            public page says so of every portal.
        merges_keep_id: Whether a merged record keeps the primary's id, as contacts and companies did before 2025.
    """

    rate_limit: int | None = None
    search_limit: int | None = None
    daily_limit: int | None = None
    search_lag_s: float = 0
    search_disorder_s: float = 0
    merges_keep_id: bool = False
    unique_on_engagements: bool = True

    def __post_init__(self) -> None:
        for name in ("rate_limit", "search_limit", "daily_limit"):
            limit = getattr(self, name)
            if limit is not None and (type(limit) is not int or limit < 0):
                raise ValueError(f"{name} is a whole number or null, not {limit!r}")
        for name in ("search_lag_s", "search_disorder_s"):
            seconds = getattr(self, name)
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
                raise ValueError(f"{name} is a number of seconds, not {seconds!r}")
        for name in ("merges_keep_id", "unique_on_engagements"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is true or false")


ENFORCED = HubSpotSettings(rate_limit=190, search_limit=5, daily_limit=625_000)
"""The limits of a Professional account."""


def settings_of(state: State) -> HubSpotSettings:
    """The settings in force."""
    text = state.meta_get(_KEY)
    return HubSpotSettings(**orjson.loads(text)) if text else HubSpotSettings()


def change_settings(state: State, **changes: Any) -> HubSpotSettings:
    """Change some settings, from the next request on; answers all of them.

    Raises:
        ValueError: A name is not a setting, or its value cannot be.
    """
    known = {each.name for each in fields(HubSpotSettings)}
    if unknown := changes.keys() - known:
        raise ValueError(f"{sorted(unknown)[0]} is no setting; there are {', '.join(sorted(known))}")
    found = HubSpotSettings(**(asdict(settings_of(state)) | changes))
    state.meta_set(_KEY, orjson.dumps(asdict(found)).decode())
    return found
