"""Step 1: what the CRMs and files say, landed in the store together with how far it goes."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import polars as pl

from flows.runtime import Run, files_named
from flows.settings import located
from integrations.crm import Page, Window
from integrations.errors import CrmError, FieldMismatchError
from integrations.flatfile import content_hash
from integrations.surveys.files import SurveyFileError, read_surveys
from integrations.usage.files import UsageFileError, read_usage
from models.enums import Crm, PullObject
from models.frames import RowErrors, empty
from models.store import Watermark

Item = TypeVar("Item")
RUNS_BACK = 20
"""How many runs back the bad rows of an unchanged file are looked for; some may have ended before they read it."""


def pull_crm(run: Run, crm: Crm) -> dict[str, int]:
    """Pull every object of one CRM since its watermark. Returns rows by frame name.

    A CRM that fails keeps what it delivered so far, with watermarks unmoved, and is noted as trouble; the run goes on
    with what is known. So is an object of which a mapped field is gone or changed; the other objects are pulled.
    """
    counts = run.pulled.setdefault(crm, {})
    try:
        now = run.ports[crm].now()
        for target in PullObject:
            try:
                counts.update(_pull_object(run, crm, target, now))
            except FieldMismatchError as error:
                where = located(run.settings.source, error.setting)
                run.note(f"{crm} {target}", f"{where}: {error}; correct the mapping, then run again")
    except CrmError as error:
        run.note(f"{crm} pull", error)
    return counts


def _pull_object(run: Run, crm: Crm, target: PullObject, now: datetime) -> Counter[str]:
    """Read up to this moment, but vouch only for what lies before the hold-back: later records may not all show yet.

    Reading them all the same keeps a person's edit of a minute ago from being overwritten.
    """
    patience, low = run.settings.crm(crm), run.store.watermark(crm, target, at=now)
    until = now - timedelta(seconds=patience.hold_back_s)
    after = None
    if low is not None:
        until = max(until, low)
        after = low - timedelta(seconds=patience.overlap_s)
    counts: Counter[str] = Counter()
    pages = run.ports[crm].pull(target, Window(after, now))
    for page, is_last in _with_last(pages, empty=Page({}, empty(RowErrors))):
        mark = Watermark(crm, target, until) if is_last else None
        run.store.land(page.rows, run_id=run.run_id, loaded_at=run.clock(), watermark=mark)
        run.store.add_row_errors(page.rejected, run.run_id)
        counts.update({name: rows.height for name, rows in page.rows.items()})
    return counts


def _with_last(items: Iterator[Item], *, empty: Item) -> Iterator[tuple[Item, bool]]:
    """Each item with whether it is the last; ``empty`` alone if there is none, so that a watermark has a carrier."""
    held = next(items, empty)
    for item in items:
        yield held, False
        held = item
    yield held, True


def read_files(run: Run) -> dict[str, int]:
    """Read usage and survey files that are new or changed; bad rows become row errors. Returns good rows by kind."""
    counts = {"usage": 0, "surveys": 0}
    for path in files_named(run.settings.usage.files):
        counts["usage"] += _read_file(run, path, "usage")
    for path in files_named(run.settings.surveys.files):
        counts["surveys"] += _read_file(run, path, "surveys")
    return counts


def _read_file(run: Run, path: Path, kind: str) -> int:
    read, add = (read_usage, run.store.add_usage) if kind == "usage" else (read_surveys, run.store.add_surveys)
    try:
        content = content_hash(path)
        if run.store.has_file(str(path.resolve()), content):
            run.store.add_row_errors(_listed_before(run, path), run.run_id)
            return 0
        rows, errors = read(path)
    except (UsageFileError, SurveyFileError, OSError) as error:
        run.note(f"{kind} file", error)
        return 0
    run.store.add_row_errors(errors, run.run_id)
    add(str(path.resolve()), content, rows, run.run_id)
    return rows.height


def _listed_before(run: Run, path: Path) -> pl.DataFrame:
    """What an earlier run set aside of this very file: it stays listed until the file is mended."""
    for run_id in run.store.runs(RUNS_BACK)["run_id"]:
        listed = run.store.row_errors(run_id).filter(pl.col("source") == str(path))
        if listed.height:
            return listed.select(RowErrors.column_names())
    return empty(RowErrors)
