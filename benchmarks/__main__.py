"""`make bench`: every step at 2,000 and 20,000 customers, a row each, also written to `benchmarks/last.json`."""

import json
import math
import os
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import bulk
from benchmarks.measuring import in_child, median_of
from benchmarks.pace import pace
from flows.demo import DAY, environment, write_settings
from integrations.sandbox.process import running_sandbox

SIZES = (2_000, 20_000)
ROUNDS = 3
LAST = Path(__file__).with_name("last.json")
SALESFORCE_BATCH, HUBSPOT_BATCH = 200, 100


def main() -> None:
    """Measure the sizes named on the command line, or both."""
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    told = {"machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", "sizes": {}}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            told["sizes"][str(size)] = measured = measure(Path(folder), size)
        show(size, measured)
    told["bulk"] = by_bulk = bulk.measure(bulk.CONTACTS)
    show_bulk(by_bulk)
    with tempfile.TemporaryDirectory() as folder:
        told["pace"] = rate = pace(Path(folder))
    shown = f"at most {rate['most']} in any, {rate['used_share']:.0%} of the allowed used"
    Console(width=170).print(f"two processes at {rate['limit']} requests in 10 s: {shown}")
    LAST.write_text(json.dumps(told, indent=1, default=str) + "\n")


def measure(folder: Path, customers: int) -> dict[str, Any]:
    """One size: the raw client and our pull in turns, then two nights, then assess beside its scan."""
    made = in_child("make", folder, customers=customers)
    with running_sandbox(state=folder / "sandbox.db") as sandbox, environment(sandbox, folder):
        os.environ["PLANSYNC_CONFIG"] = str(write_settings(folder, sandbox))
        os.environ["PLANSYNC_POLICY__PATH"] = str(_without_cap(folder))
        rounds = [(in_child("pull", folder), in_child("raw", folder)) for _ in range(ROUNDS)]
        first = in_child("run", folder, day=str(DAY))
        quiet = in_child("run", folder, day=str(DAY + timedelta(days=1)))
        assess = in_child("assess", folder)
    return {
        "customers": first["summary"]["customers"],
        "make": made,
        "pull": median_of([ours for ours, _ in rounds]),
        "raw": median_of([raw for _, raw in rounds]),
        "first": first,
        "quiet": quiet,
        "assess": assess,
        "write_minimum": write_minimum(first["summary"]),
    }


def _without_cap(folder: Path) -> Path:
    """A policy under which no task waits for a later day, so that the night after the first is quiet."""
    pack = folder / "pack.yaml"
    pack.write_text("name: bench\ntasks:\n  cap_per_owner_and_day: 1000000\n")
    return pack


def write_minimum(summary: dict[str, Any]) -> dict[str, int]:
    """Writing calls that no client could do without: records over batch size, per object.

    In HubSpot a customer's fields and sections are one company record; tasks carry their associations inline.
    """
    kinds = {
        crm: {kind: sum(counts.values()) for kind, counts in by.items()}
        for crm, by in summary["changes_by_crm"].items()
    }
    salesforce = sum(math.ceil(count / SALESFORCE_BATCH) for count in kinds.get("salesforce", {}).values())
    hubspot = kinds.get("hubspot", {})
    companies, tasks = hubspot.get("fields", 0), hubspot.get("tasks", 0)
    return {
        "salesforce": salesforce,
        "hubspot": math.ceil(companies / HUBSPOT_BATCH) + math.ceil(tasks / HUBSPOT_BATCH),
    }


def rows(told: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """Step, CPU seconds, wall seconds, peak MiB, and what it means beside its limit."""
    pull, raw, assess = told["pull"], told["raw"], told["assess"]
    ratio = pull["cpu_s"] / raw["cpu_s"]
    yield _row("pull, pages to frames", pull, f"{ratio:.2f} times the raw client ({pull['result']:,} records)")
    yield _row("raw client, same pages", raw, "1")
    for name, run in (("first night", told["first"]), ("quiet night", told["quiet"])):
        calls = run["summary"]["api_calls"]
        for step, seconds in run["steps"].items():
            yield _row(f"{name}: {step}", seconds, "")
        least = told["write_minimum"] if name == "first night" else dict.fromkeys(calls, 0)
        wrote = ", ".join(f"{crm} {used['write']} of at least {least[crm]}" for crm, used in calls.items())
        read = ", ".join(f"{crm} {used['read']}" for crm, used in calls.items())
        whole = {"cpu_s": run["cpu_s"], "wall_s": run["summary"]["seconds"]["total"], "peak_mib": run["peak_mib"]}
        yield _row(f"{name}: whole", whole, f"writing calls: {wrote}; reading calls: {read}")
    scan = assess["scan_cpu_s"]
    beside = f"{assess['assess_cpu_s'] / scan:.1f} times a scan of the same columns ({scan:.3f} s)"
    yield _row("signals, health, renewals", {"cpu_s": assess["assess_cpu_s"], "peak_mib": assess["peak_mib"]}, beside)


def bulk_rows(told: dict[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """As ``rows``, of a full load by Salesforce's Bulk API."""
    ours, raw = told["bulk"], told["bulk_raw"]
    ratio, opened = ours["cpu_s"] / raw["cpu_s"], ours["connections"]
    yield _row("bulk pull, pages to frames", ours, f"{ratio:.2f} times raw; {ours['calls']} calls, {opened} connection")
    yield _row("urllib3 + polars.read_csv, same pages", raw, "1")


def _row(step: str, told: dict[str, Any], note: str) -> tuple[str, str, str, str, str]:
    cpu, wall, peak = (told.get(name) for name in ("cpu_s", "wall_s", "peak_mib"))
    return step, _number(cpu, 2), _number(wall, 2), _number(peak, 0), note


def _number(value: float | None, places: int) -> str:
    return "" if value is None else f"{value:,.{places}f}"


def show(size: int, told: dict[str, Any]) -> None:
    """Print one size as a table."""
    _print(f"{size:,} sample firms, {told['customers']:,} customers", rows(told))


def show_bulk(told: dict[str, Any]) -> None:
    """Print the full load as a table."""
    _print(f"{told['bulk']['result']:,} Salesforce contacts by Bulk API 2.0", bulk_rows(told))


def _print(title: str, lines: Iterable[tuple[str, str, str, str, str]]) -> None:
    table = Table(title=title, title_justify="left")
    for name in ("step", "CPU s", "wall s", "peak MiB", "beside its limit"):
        table.add_column(name, justify="left" if name in ("step", "beside its limit") else "right")
    for row in lines:
        table.add_row(*row)
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
