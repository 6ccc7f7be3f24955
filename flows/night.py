"""The nightly run as a list of steps. Whether a step runs plainly or as a Prefect task is the caller's choice."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, TypeVar

import polars as pl

from flows.assessing import Assessed, assess, resolve_identity
from flows.pulling import pull_crm, read_files
from flows.reporting import write_changes, write_reports
from flows.runtime import Run
from flows.summary import Summary, summary
from flows.writing import desired_changes, push, settle_leftovers
from models.enums import RunStatus

Result = TypeVar("Result")


class Doing(Protocol):
    """Carries out steps: one, or several side by side."""

    def one(self, name: str, step: Callable[[], Result]) -> Result: ...

    def together(self, steps: Mapping[str, Callable[[], Any]]) -> None: ...


class Plainly:
    """Steps as plain calls, CRMs side by side in threads."""

    def one(self, name: str, step: Callable[[], Result]) -> Result:
        return step()

    def together(self, steps: Mapping[str, Callable[[], Any]]) -> None:
        with ThreadPoolExecutor(max_workers=max(1, len(steps))) as pool:
            for future in [pool.submit(step) for step in steps.values()]:
                future.result()


def night(run: Run, do: Doing) -> Summary:
    """Make the CRMs agree with the success plans, as of the run's day; a dry run stops before the first write."""
    started = time.perf_counter()
    with _timed(run, "pull"):
        do.together({f"pull-{crm}": partial(pull_crm, run, crm) for crm in run.ports})
        do.one("read-files", partial(read_files, run))
    if not run.is_dry:
        do.one("settle-leftovers", partial(settle_leftovers, run))
    with _timed(run, "assess"):
        known = do.one("resolve-identity", partial(resolve_identity, run))
        assessed = do.one("assess", partial(assess, run, known))
    with _timed(run, "diff"):
        changes = do.one("diff", partial(desired_changes, run, assessed))
    if not run.is_dry:
        with _timed(run, "push"):
            do.together({f"push-{crm}": partial(push, run, crm) for crm in run.ports if run.is_healthy(crm)})
    with _timed(run, "report"):
        listed = do.one("list-changes", partial(write_changes, run, changes))
        reports = [] if run.is_dry else do.one("report", partial(write_reports, run, assessed))
    run.seconds["total"] = time.perf_counter() - started
    told = _ended(run, assessed, changes)
    return told | {"reports": [str(path) for path in reports], "change_list": str(listed) if listed else None}


def _ended(run: Run, assessed: Assessed, changes: pl.DataFrame) -> Summary:
    told = summary(run, assessed, changes)
    for crm, port in run.ports.items():
        run.store.add_api_calls(run.run_id, crm, port.calls.read, port.calls.write)
    run.store.close_run(run.run_id, RunStatus(told["status"]), told, run.clock())
    return told


@contextmanager
def _timed(run: Run, name: str) -> Iterator[None]:
    """Add the seconds of a block to the run's own account."""
    started = time.perf_counter()
    try:
        yield
    finally:
        run.seconds[name] = run.seconds.get(name, 0.0) + time.perf_counter() - started
