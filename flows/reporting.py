"""Step 8: the renewal-risk report, as files that are either the old or the new, never half."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from flows.assessing import Assessed
from flows.customers import all_customers
from flows.runtime import Run, existing_store
from flows.settings import SettingsError, load
from integrations.delivery.files import write_whole
from integrations.delivery.html import renewal_risk_page
from integrations.delivery.xlsx import renewal_risk_workbook
from models.enums import ChangeStatus
from models.policy.load import load_policy
from models.policy.pack import Policy
from models.reports import RenewalRisk, Trouble
from models.store import Store
from transforms.playbooks import tasks_due
from transforms.portfolio import renewal_risk

NAME = "renewal-risk-{}"
SAID = (
    "status", "action", "crm", "kind", "customer_id", "account_crm_id", "crm_id", "reason", "rule_ids", "old",
    "payload",
)  # fmt: skip
"""What a line of the change list says, in this order."""


def write_changes(run: Run, changes: pl.DataFrame) -> Path | None:
    """Write what a run changes, or in a dry run would change, and what it leaves to a person, one JSON object a line.

    Every row of the change set (``frames.Changes``) but the unchanged ones: status, action, where, whose, old value,
    new value, reason and rule ids. This is a dry run's whole output.
    """
    rows = changes.filter(pl.col("status") != str(ChangeStatus.UNCHANGED)).select(SAID)
    path = run.settings.report.folder / f"changes-{run.run_id}.jsonl"
    lines = [orjson.dumps(_decoded(row)) for row in rows.iter_rows(named=True)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, b"".join(line + b"\n" for line in lines))
    except OSError as error:
        run.note("change list", f"cannot write to {path.parent}: {error.strerror or error}")
        return None
    return path


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: orjson.loads(text) if name in ("old", "payload") and text else text for name, text in row.items()}


def write_reports(run: Run, assessed: Assessed) -> list[Path]:
    """Write the renewal-risk report of this run into the settings' folder.

    Returns:
        The paths written: the page, then the workbook. A folder that cannot be written is a trouble of the run, since
        the CRMs have their plans and tasks by then.
    """
    report = renewal_risk(
        assessed.customers,
        signals=assessed.signals,
        health=assessed.health,
        renewals=assessed.renewals,
        lifecycle=assessed.lifecycle,
        tasks=assessed.tasks,
        as_of=run.as_of,
        policy=run.policy,
        policy_version=run.policy.version,
        freshness=run.store.watermarks(),
        troubles=[Trouble(trouble.part, trouble.message) for trouble in run.troubles],
    )
    try:
        return _written(report, run.settings.report.folder)
    except OSError as error:
        run.note("report", f"cannot write to {run.settings.report.folder}: {error.strerror or error}")
        return []


def reports_by_hand(as_of: date | None, folder: Path | None, config: Path | None) -> list[Path]:
    """Write the renewal-risk report from what the last run concluded about a day.

    Args:
        as_of: A day that was assessed; the newest by default.
        folder: Where to write; the settings' folder by default.
        config: The settings file.

    Returns:
        The paths written: the page, then the workbook.

    Raises:
        SettingsError: That day was never assessed, or the folder cannot be written.
    """
    settings = load(config)
    target = folder or settings.report.folder
    with existing_store(settings) as store:
        customers = all_customers(store, settings)
        report = _concluded(store, customers, load_policy(settings.policy.path), as_of)
    try:
        return _written(report, target)
    except OSError as error:
        raise SettingsError(f"cannot write to {target}: {error.strerror or error}") from error


def _concluded(store: Store, customers: pl.DataFrame, policy: Policy, as_of: date | None) -> RenewalRisk:
    """The report of an assessed day, without assessing it again; tasks follow from it under the policy of now."""
    days = store.assessment_days()
    wanted = days if as_of is None else days.filter(pl.col("as_of") == as_of)
    if not wanted.height:
        missing = "nothing was assessed yet" if as_of is None else f"{as_of} was never assessed"
        raise SettingsError(f"{missing}: `plansync run` assesses a day")
    last = wanted.sort("as_of", "number").row(-1, named=True)
    day: date = last["as_of"]
    found = store.assessment(day, last["policy_version"])
    known = customers.join(found["health"].select("customer_id"), on="customer_id", how="semi")
    concluded = (found[name].lazy() for name in ("signals", "health", "renewals", "lifecycle"))
    return renewal_risk(
        known,
        **found,
        tasks=tasks_due(known.lazy(), *concluded, as_of=day, policy=policy).collect(),
        as_of=day,
        policy=policy,
        policy_version=last["policy_version"],
        freshness=store.watermarks(),
        troubles=[*_troubles(store, last["run_id"]), *_other_policy(last["policy_version"], policy, day)],
    )


def _other_policy(judged_by: str, policy: Policy, day: date) -> Sequence[Trouble]:
    if judged_by == policy.version:
        return ()
    text = f"{day} was judged by {judged_by}, while tasks and definitions here are those of {policy.version}"
    return (Trouble("policy", f"{text}: `plansync run --as-of {day}` judges it anew"),)


def _troubles(store: Store, run_id: str) -> Sequence[Trouble]:
    """What the run that assessed the day said went wrong."""
    found = store.runs(1000).filter(pl.col("run_id") == run_id)
    told = orjson.loads(found["summary"][0]) if found.height else {}
    return [Trouble(each["part"], each["message"]) for each in told.get("troubles", [])]


def _written(report: RenewalRisk, folder: Path) -> list[Path]:
    name = NAME.format(report.as_of.isoformat())
    contents = {".html": renewal_risk_page(report), ".xlsx": renewal_risk_workbook(report)}
    paths = []
    for suffix, content in contents.items():
        write_whole(folder / f"{name}{suffix}", content)
        paths.append(folder / f"{name}{suffix}")
    return paths
