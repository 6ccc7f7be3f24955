"""Reading a portal: all by list, or changes by search; deletions from the archived list, merges from survivors."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from integrations.crm import Page, Window
from integrations.errors import CrmUnavailableError, FieldMismatchError
from integrations.hubspot.fields import ACCOUNTS, FITTING, MERGED_IDS, TASKS, Column, Source
from integrations.hubspot.rows import Names, Records, asked_properties, no_records, owners_page, pages_of, within
from integrations.hubspot.search import changed_ids, merged_ids
from integrations.hubspot.wire import Portal
from integrations.mapping import nearest
from models import frames
from models.enums import WriteKind

Json = dict[str, Any]

LIST_PAGE = 100
BATCH, HISTORY_BATCH = 100, 50
LINK_BATCH = 1_000
OWNERS_PAGE = 500
ROWS_A_PAGE = 10_000
"""Records that become one frame: building a frame costs the same for a hundred."""
PRIMARY_TYPES = frozenset({1, 5, 26})
"""contact, deal and ticket to its primary company; all else is unlabelled or a portal's own label."""
SINGULAR = {"companies": "company", "contacts": "contact"}


@dataclass(frozen=True, slots=True)
class Reading:
    """One source in one portal, with the portal's name for each of its columns."""

    portal: Portal
    source: Source
    names: Names

    @property
    def properties(self) -> list[str]:
        """What to ask for of each record."""
        return asked_properties(self.source, self.names)

    def page(self, records: Records) -> Page:
        """The records as frames, their rows counted."""
        page = pages_of(self.source, self.names, records, self.portal.config)
        read = self.portal.calls.rows_read
        for frame, rows in page.rows.items():
            read[frame] = read.get(frame, 0) + rows.height
        return page


def reading(portal: Portal, source: Source) -> Reading:
    """The source with its property names resolved against what the portal has today.

    Raises:
        FieldMismatchError: A property that the settings map is not there, or holds something else.
    """
    known = portal.properties(source.type)
    mapped = portal.config.properties.get(source.object, {})
    names: dict[str, str | None] = {}
    for column in source.columns:
        if column.name not in mapped:
            names[column.name] = next((one for one in column.candidates if one in known), None)
            continue
        name = mapped[column.name]
        if name and (problem := _mismatch(column, name, known)):
            raise FieldMismatchError(
                f"hubspot: {source.type} {problem}, which hubspot.properties maps to {source.object}.{column.name}"
                + ("" if name in known else nearest(name, known)),
                setting=("hubspot", "properties", source.object, column.name),
            )
        names[column.name] = name or None
    return Reading(portal, source, names)


def _mismatch(column: Column, name: str, known: Mapping[str, Json]) -> str | None:
    """Why a column cannot be read from a property, if so."""
    if name not in known:
        return f'have no property "{name}"'
    kind = known[name].get("type")
    return None if kind in FITTING[column.kind] else f'have in "{name}" a {kind}, where a {column.kind} is needed'


def pulled(portal: Portal, source: Source, window: Window) -> Iterator[Page]:
    """Yield what changed in ``window``, then what was merged or archived in it.

    A full load yields all that the portal lists. A record merged into another is a deleted row that names the survivor.
    """
    asked = reading(portal, source)
    told: set[str] = set()
    for records in _listed(asked) if window.after is None else _changed(asked, window):
        told.update(records.holding(MERGED_IDS))
        page = asked.page(records)
        page = page if window.after is None else within(page, window.after, window.until)
        yield _only(page, source.frame, pl.col("merged_into").is_null())
    if source.is_mergeable:
        survivors = sorted(told) if window.after is None else merged_ids(portal, source)
        yield from _merged(asked, survivors, window, told)
    for records in _archived(asked, window):
        yield asked.page(records)


def plans(portal: Portal, window: Window) -> Iterator[Page]:
    """Yield the plans on the companies that changed in ``window``, without the companies."""
    for page in pulled(portal, ACCOUNTS, window):
        rows = {name: frame for name, frame in page.rows.items() if name.startswith("plan_")}
        yield Page(rows, page.rejected.filter(pl.col("target").str.starts_with("plan_")))


def _only(page: Page, frame: str, rule: pl.Expr) -> Page:
    return Page({**page.rows, frame: page.rows[frame].filter(rule)}, page.rejected)


def owners(portal: Portal, window: Window) -> Iterator[Page]:
    """Yield the owners changed in ``window``, and every former one: nobody promises that leaving changes the stamp."""
    for archived in (False, True):
        params = {"limit": str(OWNERS_PAGE), "archived": str(archived).lower()}
        page = owners_page([one for some in _pages(portal, portal.area("owners"), params) for one in some])
        read = portal.calls.rows_read
        read["owners"] = read.get("owners", 0) + page.rows["owners"].height
        yield page if archived or window.after is None else within(page, window.after, window.until)


def read_back(portal: Portal, kind: WriteKind, crm_ids: Sequence[str]) -> Iterator[Page]:
    """The records with these ids as they are now; ids that are gone are left out."""
    if kind is WriteKind.TASKS:
        asked = reading(portal, TASKS)
        for some in slices(list(dict.fromkeys(crm_ids)), LINK_BATCH):
            yield asked.page(_bodies(asked, some))
        return
    frame = "plan_fields" if kind is WriteKind.FIELDS else "plan_sections"
    companies = reading(portal, ACCOUNTS)
    for some in slices(list(dict.fromkeys(one.split(":")[0] for one in crm_ids)), LINK_BATCH):
        page = companies.page(_bodies(companies, some))
        rows = page.rows.get(frame, frames.empty(frames.MIRRORED[frame]))
        rows = rows.filter(pl.col("crm_id").is_in(sorted(crm_ids)))
        yield Page({frame: rows}, page.rejected.filter(pl.col("target") == frame))


def slices(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """``ids`` in runs of at most ``size``."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


# -- lists ------------------------------------------------------------------------------------------------------------


def _pages(portal: Portal, path: str, params: Mapping[str, str]) -> Iterator[list[Json]]:
    """All pages of a list: only the absence of a next page ends it, and a page that comes again is an error."""
    after: str | None = None
    seen: set[str] = set()
    while True:
        data = portal.get(path, {**params, **({"after": after} if after else {})}).data
        if not isinstance(data.get("results"), list):
            raise CrmUnavailableError(f"hubspot: GET {path}: an answer without results")
        yield data["results"]
        after = data.get("paging", {}).get("next", {}).get("after")
        if not after:
            return
        if after in seen:
            raise CrmUnavailableError(f"hubspot: GET {path}: repeats a page")
        seen.add(after)


def _listed(asked: Reading) -> Iterator[Records]:
    params = {"limit": str(LIST_PAGE), "properties": ",".join(asked.properties), "archived": "false"}
    if asked.source.links:
        params["associations"] = ",".join(asked.source.links)
    pages = _pages(asked.portal, asked.portal.objects(asked.source.type), params)
    return _gathered(asked, pages, asked.source.links)


def _archived(asked: Reading, window: Window) -> Iterator[Records]:
    """The archived list cannot be asked by time: all of it is read, and what was archived in ``window`` is kept."""
    params = {"limit": str(LIST_PAGE), "properties": ",".join(asked.properties), "archived": "true"}
    pages = _pages(asked.portal, asked.portal.objects(asked.source.type), params)
    recent = ([one for one in page if not one.get("archivedAt") or _is_in(window, one["archivedAt"])] for page in pages)
    return _gathered(asked, recent, is_archived=True)


def _gathered(
    asked: Reading, pages: Iterable[list[Json]], links: Sequence[str] = (), *, is_archived: bool = False
) -> Iterator[Records]:
    """The records of many pages at once, with the links that came along."""
    held = no_records(asked.properties, links, is_archived=is_archived)
    for found in pages:
        held.add(found)
        for to in links:
            held.links[to].update(_inline(found, to))
        if len(held.ids) >= ROWS_A_PAGE:
            yield _with_all_links(asked, held)
            held = no_records(asked.properties, links, is_archived=is_archived)
    if held.ids:
        yield _with_all_links(asked, held)


def _with_all_links(asked: Reading, held: Records) -> Records:
    for to, links in held.links.items():
        overflowing = [one for one, linked in links.items() if linked is None]
        links.update(_linked(asked.portal, asked.source.type, to, overflowing))
    return held


# -- changes ----------------------------------------------------------------------------------------------------------


def _changed(asked: Reading, window: Window) -> Iterator[Records]:
    for some in slices(changed_ids(asked.portal, asked.source, window), LINK_BATCH):
        yield _bodies(asked, some)


def _bodies(asked: Reading, ids: Sequence[str]) -> Records:
    """Bodies and links of up to 1,000 records; search knows neither links nor always the newest values."""
    held = no_records(asked.properties)
    for some in slices(ids, BATCH):
        held.add(batch_read(asked.portal, asked.source.type, some, asked.properties))
    return _with_read_links(asked, held)


def _with_read_links(asked: Reading, held: Records) -> Records:
    for to in asked.source.links:
        held.links[to] = dict(_linked(asked.portal, asked.source.type, to, held.ids))
    return held


def batch_read(
    portal: Portal,
    object_type: str,
    ids: Sequence[str],
    properties: Sequence[str],
    *,
    key: str | None = None,
    history: Sequence[str] = (),
) -> list[Json]:
    """Up to 100 records (with ``history`` 50) by id, or by the unique property ``key``; absent ones are left out.

    Raises:
        CrmUnavailableError: An id was neither answered nor named as missing.
    """
    inputs = [{"id": one} for one in ids]
    body: Json = {"inputs": inputs, "properties": list(properties), "propertiesWithHistory": list(history)}
    data = portal.look_up(portal.objects(object_type, "/batch/read"), body | ({"idProperty": key} if key else {})).data
    found: list[Json] = data.get("results", [])
    if key is None and (lost := _unaccounted(ids, data)):
        raise CrmUnavailableError(f"hubspot: batch read of {object_type}: {lost} of {len(ids)} ids unanswered")
    return found


def _unaccounted(ids: Sequence[str], data: Json) -> int:
    """How many ids are neither in the results (by their own id or as one merged into it) nor named in the errors."""
    errors = data.get("errors", [])
    named = {str(one) for error in errors for one in error.get("context", {}).get("ids", [])}
    if errors and not named:
        return 0  # missing, without saying which
    results = data.get("results", [])
    merged = {one for record in results for one in str(record["properties"].get(MERGED_IDS) or "").split(";")}
    return len(set(ids) - {str(record["id"]) for record in results} - named - merged)


# -- merges -----------------------------------------------------------------------------------------------------------


def _merged(asked: Reading, ids: Sequence[str], window: Window, told: Collection[str]) -> Iterator[Page]:
    """The losers of merges in ``window``, and their survivors unless they were ``told`` before.

    Nothing else tells: a merge leaves the survivor's stamp alone, and its loser is in no list. Only the history of the
    survivor's merged ids says when.
    """
    for some in slices(ids, LINK_BATCH):
        records = [
            record
            for part in slices(some, HISTORY_BATCH)
            for record in batch_read(asked.portal, asked.source.type, part, asked.properties, history=[MERGED_IDS])
        ]
        merged_at = {loser: at for record in records for loser, at in _losers_of(record).items() if _is_in(window, at)}
        recent = [record for record in records if _losers_of(record).keys() & merged_at.keys()]
        if not recent:
            continue
        held = no_records(asked.properties)
        held.add(recent)
        held.merged_at = merged_at
        page = asked.page(_with_read_links(asked, held))
        is_new = pl.col("merged_into").is_null() & ~pl.col("crm_id").is_in(sorted(told))
        yield _only(page, asked.source.frame, is_new | pl.col("crm_id").is_in(sorted(merged_at)))


def _losers_of(record: Json) -> dict[str, str]:
    """When each record was merged into this one: the first time that its id is among the merged ids, else the stamp."""
    history = record.get("propertiesWithHistory", {}).get(MERGED_IDS, [])
    present = {"value": record["properties"].get(MERGED_IDS), "timestamp": record["updatedAt"]}
    found: dict[str, str] = {}
    for entry in [*sorted(history, key=lambda one: str(one["timestamp"])), present]:
        for loser in str(entry["value"] or "").split(";"):
            found.setdefault(loser.strip(), str(entry["timestamp"]))
    return {loser: at for loser, at in found.items() if loser}


def _is_in(window: Window, at: str) -> bool:
    return window.after is None or window.after < datetime.fromisoformat(at) <= window.until


# -- links ------------------------------------------------------------------------------------------------------------


def _inline(found: Sequence[Json], to: str) -> dict[str, str | None]:
    """Links that came with the records; None for a record with more than fit, which must be read on their own."""
    primary = f"_to_{SINGULAR[to]}"
    chosen: dict[str, str | None] = {}
    for record in found:
        block = record.get("associations", {}).get(to)
        if not block:
            continue
        results = block["results"]
        if block.get("paging"):
            chosen[str(record["id"])] = None
        elif len(results) == 1:  # nearly always, and there is nothing to rank
            chosen[str(record["id"])] = str(results[0]["id"])
        elif results:
            ranked = [(not str(one["type"]).endswith(primary), int(one["id"])) for one in results]
            chosen[str(record["id"])] = str(min(ranked)[1])
    return chosen


def _linked(portal: Portal, of: str, to: str, ids: Sequence[str]) -> dict[str, str]:
    """The primary record, else the one with the smallest id, that each of ``ids`` is associated with."""
    ranked: dict[str, tuple[bool, int]] = {}
    for one, targets in links(portal, of, to, ids):
        ranks = [(not _is_primary(target), int(target["toObjectId"])) for target in targets]
        best = [ranked[one], *ranks] if one in ranked else ranks
        if best:
            ranked[one] = min(best)
    return {one: str(best[1]) for one, best in ranked.items()}


def links(portal: Portal, of: str, to: str, ids: Sequence[str]) -> Iterator[tuple[str, Sequence[Json]]]:
    """Yield each of ``ids`` with the records of type ``to`` that it is associated with, a page of them at a time.

    Raises:
        CrmUnavailableError: The portal names the same page twice.
    """
    inputs: list[Json] = [{"id": one} for one in ids]
    asked: set[tuple[str, str]] = set()
    while inputs:
        some, inputs = inputs[:LINK_BATCH], inputs[LINK_BATCH:]
        for result in portal.look_up(portal.associations(of, to), {"inputs": some}).data.get("results", []):
            one = str(result["from"]["id"])
            yield one, result.get("to", [])
            after = result.get("paging", {}).get("next", {}).get("after")
            if after:
                if (one, str(after)) in asked:
                    raise CrmUnavailableError(f"hubspot: associations of {of} repeat a page")
                asked.add((one, str(after)))
                inputs.append({"id": one, "after": str(after)})


def _is_primary(target: Json) -> bool:
    return any(
        one.get("typeId") in PRIMARY_TYPES or one.get("label") == "Primary"
        for one in target.get("associationTypes", [])
    )
