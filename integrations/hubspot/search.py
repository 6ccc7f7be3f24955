"""Which records changed in a window.

Search stops at 10,000 results, promises no order and may lag: a window is split until it fits, and counts only when as
many ids came as the portal says there are.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.crm import Window
from integrations.errors import CrmUnavailableError
from integrations.hubspot.fields import MERGED_IDS, Source
from integrations.hubspot.wire import Portal

Json = dict[str, Any]
Filters = list[Json]

PAGE = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_MS = 1_000
"""Search answers 500 at the epoch itself."""


def changed_ids(portal: Portal, source: Source, window: Window) -> list[str]:
    """The ids of the live records changed in ``window``, each once, in order of id.

    Raises:
        CrmUnavailableError: A stretch of the window never came out complete.
    """
    low, high = _window_ms(window)
    found: set[str] = set()
    stretches = [(low, high)] if low <= high else []
    while stretches:
        low, high = stretches.pop()
        filters = _between(source, low, high)
        first = _found(portal, source, filters)
        total, cap = first["total"], portal.config.search_cap
        if total > cap and low < high:
            stretches += split(low, high, -(-total // cap))
        else:
            found |= _complete(portal, source, filters, first)
    return sorted(found, key=lambda one: (len(one), one))


def merged_ids(portal: Portal, source: Source) -> list[str]:
    """The ids of all live records into which others were merged, whenever that was.

    Raises:
        CrmUnavailableError: They never came out complete.
    """
    filters: Filters = [{"propertyName": MERGED_IDS, "operator": "HAS_PROPERTY"}]
    return sorted(_complete(portal, source, filters, _found(portal, source, filters)))


def split(low: int, high: int, parts: int) -> list[tuple[int, int]]:
    """``low..high`` (ms, inclusive) in about ``parts`` equal stretches without gap or overlap, at least 2."""
    step = max(1, -(-(high - low + 1) // max(2, parts)))
    return [(start, min(start + step - 1, high)) for start in range(low, high + 1, step)]


def _window_ms(window: Window) -> tuple[int, int]:
    """Both ends inclusive, in HubSpot's milliseconds."""
    low = EARLIEST_MS if window.after is None else max(EARLIEST_MS, _ms(window.after) + 1)
    return low, _ms(window.until)


def _ms(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(milliseconds=1)


def _between(source: Source, low: int, high: int) -> Filters:
    return [{"propertyName": source.cursor, "operator": "BETWEEN", "value": str(low), "highValue": str(high)}]


def _found(portal: Portal, source: Source, filters: Filters, after: str | None = None) -> Json:
    body: Json = {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": ["hs_object_id"],
        "limit": PAGE,
    }
    data = portal.look_up(portal.objects(source.type, "/search"), body | ({"after": after} if after else {})).data
    if not isinstance(data.get("total"), int) or not isinstance(data.get("results"), list):
        raise CrmUnavailableError(f"hubspot: search of {source.type}: an answer without total or results")
    return data


def _ids(answer: Json) -> list[str]:
    return [str(record["id"]) for record in answer["results"]]


def _next(answer: Json) -> str | None:
    after = answer.get("paging", {}).get("next", {}).get("after")
    return str(after) if after else None


def _complete(portal: Portal, source: Source, filters: Filters, first: Json) -> set[str]:
    """All ids of one stretch, as many as the portal says there are.

    They are read a page of larger ids at a time, so that a record that changes meanwhile, and so leaves the stretch,
    moves no other from its page, and one instant may hold more than the cap (a mass update). Where that comes out short
    because the portal kept no order, pages by number get a try.
    """
    ids, total = _drained(portal, source, filters, first)
    if len(ids) != total <= portal.config.search_cap:
        ids, total = _paged(portal, source, filters)
    if len(ids) != total:
        raise CrmUnavailableError(
            f"hubspot: search of {source.type}: {len(ids)} records of {total}; the window is incomplete"
        )
    return ids


def _drained(portal: Portal, source: Source, filters: Filters, first: Json) -> tuple[set[str], int]:
    """All ids, and the total that the first page named."""
    answer, ids = first, set(_ids(first))
    while answer["results"] and len(answer["results"]) < answer["total"]:
        last = max(_ids(answer), key=int)
        beyond: Json = {"propertyName": "hs_object_id", "operator": "GT", "value": last}
        answer = _found(portal, source, [*filters, beyond])
        ids.update(_ids(answer))
    return ids, first["total"]


def _paged(portal: Portal, source: Source, filters: Filters) -> tuple[set[str], int]:
    """All ids, and the total, or -1 where it changed between pages."""
    answer = _found(portal, source, filters)
    ids, totals, seen = set(_ids(answer)), {answer["total"]}, set[str]()
    while after := _next(answer):
        if after in seen:
            raise CrmUnavailableError(f"hubspot: search of {source.type} repeats a page")
        seen.add(after)
        answer = _found(portal, source, filters, after)
        ids.update(_ids(answer))
        totals.add(answer["total"])
    return ids, totals.pop() if len(totals) == 1 else -1
