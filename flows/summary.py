"""What a run says at its end: one versioned JSON object, the same for the command line, the store and the artifacts."""

from collections import Counter
from typing import Any

import polars as pl

from flows.assessing import Assessed
from flows.runtime import Run
from models.enums import Band, ChangeStatus, Crm, RenewalWindow, RunStatus, WriteAction, WriteKind

FORMAT_VERSION = 1
Summary = dict[str, Any]


def summary(run: Run, assessed: Assessed, changes: pl.DataFrame) -> Summary:
    """The run summary.

    ``changes`` counts what the CRMs confirmed; in a dry run, what would be written. ``unchanged``, ``contested`` and
    ``deferred`` come from the change set. ``status`` is ``degraded`` when a part failed, a record was set aside, or a
    write was refused. ``traffic`` says more of ``api_calls``: kinds, retries, waits, bytes.
    """
    errors = run.store.row_errors(run.run_id)
    failed = sum(count for (*_, landed), count in run.settled.items() if not landed)
    is_ok = not (run.troubles or errors.height or failed)
    return {
        "format_version": FORMAT_VERSION,
        "run_id": run.run_id,
        "as_of": run.as_of.isoformat(),
        "status": str(RunStatus.OK if is_ok else RunStatus.DEGRADED),
        "is_dry_run": run.is_dry,
        "pulled": {str(crm): run.pulled.get(crm, {}) for crm in run.ports},
        "customers": assessed.customers.height,
        "plans": assessed.lifecycle["is_plan_due"].sum(),
        "health": _counted(assessed.health["band"], Band),
        "renewals": _counted(assessed.renewals["window"], RenewalWindow),
        "changes": _changes(run, changes) | {"failed": failed},
        "changes_by_crm": {str(crm): _by_kind(run, changes, crm) for crm in run.ports},
        "row_errors": errors.height,
        "troubles": [{"part": trouble.part, "message": trouble.message} for trouble in run.troubles],
        "api_calls": {
            str(crm): {"read": port.calls.read, "write": port.calls.write} for crm, port in run.ports.items()
        },
        "traffic": {str(crm): port.calls.told() for crm, port in run.ports.items()},
        "seconds": {name: round(seconds, 3) for name, seconds in run.seconds.items()},
    }


def _counted(words: pl.Series, known: type[Band] | type[RenewalWindow]) -> dict[str, int]:
    found = Counter(words.to_list())
    return {str(word): found[str(word)] for word in known}


def _changes(run: Run, changes: pl.DataFrame) -> dict[str, int]:
    statuses = Counter(changes["status"].to_list())
    left = (ChangeStatus.UNCHANGED, ChangeStatus.CONTESTED, ChangeStatus.DEFERRED)
    return _actions(run, changes) | {str(status): statuses[str(status)] for status in left}


def _by_kind(run: Run, changes: pl.DataFrame, crm: Crm) -> dict[str, dict[str, int]]:
    return {str(kind): _actions(run, changes, crm, kind) for kind in WriteKind}


def _actions(run: Run, changes: pl.DataFrame, crm: Crm | None = None, kind: WriteKind | None = None) -> dict[str, int]:
    counted: Counter[str] = Counter()
    if run.is_dry:
        planned = changes.filter(
            pl.col("status") == str(ChangeStatus.PLANNED),
            pl.lit(crm is None) | (pl.col("crm") == str(crm)),
            pl.lit(kind is None) | (pl.col("kind") == str(kind)),
        )
        counted.update(planned["action"].to_list())
    for (its_crm, its_kind, action, landed), count in run.settled.items():
        if landed and crm in (None, its_crm) and kind in (None, its_kind):
            counted[str(action)] += count
    return {str(action): counted[str(action)] for action in WriteAction}
