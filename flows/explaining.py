"""Why a customer stands where it stands: every figure with its rule, its source and what is behind it."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from flows import runtime, settings
from flows.customers import customer_named
from flows.settings import SettingsError
from models.store import Store

Told = dict[str, Any]


def explained(name: str, as_of: date | None, config: Path | None) -> Told:
    """Everything that was concluded about one customer on an assessed day, the newest by default.

    Raises:
        SettingsError: No such customer, or no day was assessed yet.
    """
    chosen = settings.load(config)
    with runtime.existing_store(chosen) as store:
        customer = customer_named(store, chosen, name)
        day, version = _day(store, as_of)
        found = {
            part: rows.filter(pl.col("customer_id") == customer["customer_id"])
            for part, rows in store.assessment(day, version).items()
        }
        links = store.crosswalk().filter(pl.col("customer_id") == customer["customer_id"])
        tasks = store.read("tasks").filter(
            pl.col("crm") == customer["home_crm"],
            pl.col("account_crm_id") == customer["home_crm_id"],
            pl.col("record_key").is_not_null() & ~pl.col("is_deleted"),
        )
    return {
        "format_version": 1,
        "as_of": day,
        "policy_version": version,
        "customer": customer,
        "accounts": links.drop("customer_id").to_dicts(),
        **{part: found[part].to_dicts()[0] for part in ("health", "renewals", "lifecycle") if found[part].height},
        "signals": found["signals"].drop("customer_id").to_dicts(),
        "tasks": tasks.select("crm_id", "subject", "due_date", "priority", "is_closed", "owner_crm_id").to_dicts(),
    }


def _day(store: Store, as_of: date | None) -> tuple[date, str]:
    days = store.assessment_days()
    chosen = days if as_of is None else days.filter(pl.col("as_of") == as_of)
    if not chosen.height:
        raise SettingsError(
            "nothing was assessed yet: run `plansync run` first" if as_of is None else f"no assessment as of {as_of}"
        )
    row = chosen.row(-1, named=True)
    return row["as_of"], row["policy_version"]


def explained_as_text(told: Told) -> str:
    """The same for people, on a terminal."""
    customer, health, terms = told["customer"], told.get("health"), told.get("renewals")
    lines = [f"{customer['name']} ({customer['customer_id']}), as of {told['as_of']}, policy {told['policy_version']}"]
    lines += [
        f"  account {each['crm']}:{each['crm_id']}: {each['method']}, {each['reason']}" for each in told["accounts"]
    ]
    if health:
        lines += ["", f"Health: {_score(health)}", *(f"  veto: {each}" for each in health["vetoes"])]
        lines += [f"  driver: {each}" for each in health["drivers"]]
    if terms:
        lines += ["", f"Renewal: {terms['renewal_date'] or 'unknown'} ({terms['window']}), risk {terms['risk']}"]
        lines += [f"  date found: {each}" for each in terms["candidates"]] + [
            f"  reason: {each}" for each in terms["reasons"]
        ]
    lines += ["", "Signals:"] + [_signal(each) for each in told["signals"]]
    lines += ["", "Tasks:"] + [_task(each) for each in told["tasks"]]
    return "\n".join(lines)


def _score(health: Told) -> str:
    score = "no score" if health["score"] is None else f"{health['score']:.1f} of 100, {health['rating']} of 5"
    bounds = f"between {health['lower_bound']:.1f} and {health['upper_bound']:.1f} whatever is missing"
    evidence = f"{health['coverage_pct']:.0f} % of the evidence ({bounds})"
    return f"{health['band']}; {score}; {evidence}; profile {health['profile']}"


def _signal(signal: Told) -> str:
    value = "" if signal["value"] is None else f" {signal['value']:g} {signal['unit']}"
    return (
        f"  {signal['status']:<16} {signal['signal']} ({signal['rule_id']}):{value}; {signal['reason']}"
        f" [{signal['threshold']}; {signal['source']}]"
    )


def _task(task: Told) -> str:
    return f"  {'closed' if task['is_closed'] else 'open  '} {task['due_date']} {task['priority']}: {task['subject']}"
