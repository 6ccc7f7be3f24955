"""The nightly flow by hand: the same flow that the schedule starts, and what it says on a terminal."""

import os
from datetime import date
from pathlib import Path

from flows import runtime, settings
from flows.summary import Summary

QUIET_PREFECT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}
"""For a run without a server of its own: the first start builds a database, which takes longer than Prefect's 20 s."""


def by_hand(as_of: date | None, *, is_dry: bool, config: Path | None) -> Summary:
    """Run the nightly flow in this process; what can be wrong with its parts is found before Prefect starts."""
    runtime.check_parts(settings.load(config))
    for name, value in QUIET_PREFECT.items():
        os.environ.setdefault(name, value)
    from flows.nightly_sync import nightly_sync

    return nightly_sync(as_of=as_of, dry_run=is_dry, config=str(config) if config else None)


def printed(told: Summary) -> str:
    """The summary for people."""
    changes, health, windows = told["changes"], told["health"], told["renewals"]
    lines = [
        f"run {told['run_id']} as of {told['as_of']}: {told['status']}",
        f"  customers {told['customers']}, of which {told['plans']} are due a plan",
        f"  health    {_listed(health)}",
        f"  renewals  {_listed(windows)}",
        f"  {'would write' if told['is_dry_run'] else 'written'}   {_listed(changes)}",
    ]
    lines += [f"  {crm}: {_calls(told, crm)}" for crm in told["api_calls"]]
    lines += [f"  trouble in {each['part']}: {each['message']}" for each in told["troubles"]]
    if told["row_errors"]:
        lines.append(f"  {told['row_errors']} records were set aside: plansync errors --run {told['run_id']}")
    lines += [f"  report    {path}" for path in told["reports"]]
    lines += [f"  changes   {told['change_list']}"] if told["change_list"] else []
    return "\n".join(lines)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _calls(told: Summary, crm: str) -> str:
    pulled, calls = told["pulled"].get(crm, {}), told["api_calls"][crm]
    return f"{sum(pulled.values())} records pulled, {calls['read']} reading and {calls['write']} writing calls"
