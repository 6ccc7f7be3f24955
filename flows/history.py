"""What ran, what was set aside, and what waits for a person: plain rows for the command line."""

from pathlib import Path
from typing import Any

import orjson
import polars as pl

from flows import runtime, settings
from flows.settings import SettingsError
from models.enums import Crm, PullObject

Rows = list[dict[str, Any]]


def listed_runs(limit: int, config: Path | None) -> Rows:
    """The newest runs: id, day, status, when, and what was written."""
    with runtime.existing_store(settings.load(config)) as store:
        found = store.runs(limit)
    return [_run_row(row) for row in found.iter_rows(named=True)]


def _run_row(row: dict[str, Any]) -> dict[str, Any]:
    told = orjson.loads(row["summary"]) if row["summary"] else {}
    changes = told.get("changes", {})
    return {
        "run_id": row["run_id"],
        "as_of": row["as_of"],
        "status": row["status"],
        "dry": told.get("is_dry_run"),
        "started_at": row["started_at"],
        "seconds": told.get("seconds", {}).get("total"),
        **{name: changes.get(name) for name in ("create", "update", "close", "contested", "failed")},
    }


def listed_errors(run_id: str | None, config: Path | None) -> Rows:
    """Parts that failed and records set aside in a run (by default the newest), and writes that a CRM refused."""
    with runtime.existing_store(settings.load(config)) as store:
        newest = store.runs(1)["run_id"].to_list()
        wanted = run_id or (newest[0] if newest else None)
        if wanted is None:
            return []
        aside = store.row_errors(wanted).select("source", "target", "record", "rule", "detail")
        refused = store.failures().select(
            source="crm", target="kind", record="record_key", rule="error_code", detail="message"
        )
        told = store.runs(1_000).filter(pl.col("run_id") == wanted)["summary"].to_list()
    return _troubles(told[0] if told else None) + pl.concat([aside, refused]).to_dicts()


def _troubles(summary: str | None) -> Rows:
    """Parts of a run that failed, as rows beside the records that were set aside."""
    troubles = orjson.loads(summary).get("troubles", []) if summary else []
    return [
        {"source": each["part"], "target": "", "record": "", "rule": "trouble", "detail": each["message"]}
        for each in troubles
    ]


def listed_reviews(config: Path | None) -> Rows:
    """Pairs of accounts that a person must decide on, with both names."""
    with runtime.existing_store(settings.load(config)) as store:
        names = store.read("accounts").select("crm", "crm_id", "name")
        pairs = store.identity_reviews()
    for side in ("left", "right"):
        pairs = pairs.join(
            names.rename({"crm": f"{side}_crm", "crm_id": f"{side}_crm_id", "name": f"{side}_name"}),
            on=[f"{side}_crm", f"{side}_crm_id"],
            how="left",
        ).with_columns(pl.concat_str(f"{side}_crm", f"{side}_crm_id", separator=":").alias(side))
    ordered = pairs.sort(pl.col("score").neg(), "left", "right")
    return ordered.select("left", "left_name", "right", "right_name", "score", "reason").to_dicts()


def decide_identity(left: str, right: str, *, is_same: bool, decided_by: str, config: Path | None) -> str:
    """Keep a person's word on two accounts."""
    pair = [_account(left), _account(right)]
    with runtime.existing_store(settings.load(config)) as store:
        known = set(store.read("accounts").select("crm", "crm_id").iter_rows())
        for crm, crm_id in pair:
            if (crm, crm_id) not in known:
                raise SettingsError(
                    f"no account {crm}:{crm_id} has been pulled; `plansync identity review` lists pairs"
                )
        store.decide(*pair, is_same=is_same, decided_by=decided_by, decided_at=runtime.utc_now())
    return f"kept: {left} and {right} are {'one firm' if is_same else 'two firms'}; the next run follows"


def _account(text: str) -> tuple[str, str]:
    crm, _, crm_id = text.partition(":")
    if crm not in set(Crm) or not crm_id:
        raise SettingsError(f"{text!r} names no account: write salesforce:ID or hubspot:ID")
    return crm, crm_id


def forget_watermark(crm: Crm, target: PullObject, config: Path | None) -> str:
    """Have the next run read all of one object of one CRM again. Records, plans and the ledger stay."""
    with runtime.existing_store(settings.load(config)) as store:
        store.forget_watermark(crm, target)
    return f"the next run reads all {target} of {crm} again"
