"""What is measured, a function a step; `benchmarks.measuring.in_child` runs each in a process of its own."""

import json
import os
import statistics
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.bulk_steps import bulk, bulk_raw, contacts
from benchmarks.measuring import cpu_s, measured, peak_mib
from benchmarks.recording import recorded, replayed
from flows import runtime, settings
from flows.assessing import resolve_identity
from flows.demo import DAY, prepare
from flows.night import Plainly, Result, night
from integrations.crm import Window
from models.enums import PullObject
from transforms.facts import Facts
from transforms.health import health
from transforms.renewals import READ as RENEWALS_READ
from transforms.renewals import renewals
from transforms.signals import READ as SIGNALS_READ
from transforms.signals import signals

ROUNDS = 5
READ: dict[str, set[str]] = {
    "customers": {"customer_id", "tier", "segment", "home_crm", "arr_minor", "currency"},
    "numbers": {"customer_no", "customer_id"},
} | {name: {*SIGNALS_READ.get(name, ()), *RENEWALS_READ.get(name, ())} for name in SIGNALS_READ.keys() | RENEWALS_READ}
"""The columns that signals, health and renewals read, by table; what none of them reads is not scanned either."""


def make(folder: Path, customers: int) -> dict[str, Any]:
    """The portfolio, its usage and survey files."""
    return measured(lambda: str(prepare(folder, customers=customers, seed=7, day=DAY)))


def pull(folder: Path) -> dict[str, Any]:
    """Every page of both CRMs into frames, nothing kept: what pulling itself costs. The requests are written down.

    All by REST, whose pages can be asked for again; ``benchmarks.bulk`` measures Bulk, whose jobs are deleted.
    """
    os.environ["PLANSYNC_SALESFORCE__BULK_ABOVE"] = "0"
    ports = runtime.open_ports(settings.load())

    def fetch() -> int:
        rows = 0
        for port in ports.values():
            window = Window(None, port.now())
            rows += sum(
                frame.height
                for target in PullObject
                for page in port.pull(target, window)
                for frame in page.rows.values()
            )
        return rows

    with recorded(folder / "requests.json"):
        told = measured(fetch)
    return told | {"peak_mib": peak_mib()}


def raw(folder: Path) -> dict[str, Any]:
    """The same pages by a plain keep-alive client with orjson."""
    return measured(lambda: replayed(folder / "requests.json")) | {"peak_mib": peak_mib()}


class Measuring(Plainly):
    """Carries out steps plainly and notes the seconds of each; steps that run side by side are measured together."""

    def __init__(self) -> None:
        self.steps: dict[str, dict[str, float]] = {}

    def one(self, name: str, step: Callable[[], Result]) -> Result:
        told = measured(step)
        result: Result = told.pop("result")
        self.steps[name] = told
        return result

    def together(self, steps: Mapping[str, Callable[[], Any]]) -> None:
        self.one(next(iter(steps)).partition("-")[0], lambda: Plainly.together(self, steps))


def run(folder: Path, day: str) -> dict[str, Any]:
    """A whole nightly run, step by step."""
    doing, before = Measuring(), cpu_s()
    with runtime.open_run(settings.load(), as_of=date.fromisoformat(day)) as night_run:
        told = night(night_run, doing)
    return {"steps": doing.steps, "cpu_s": cpu_s() - before, "summary": told, "peak_mib": peak_mib()}


def assess(folder: Path) -> dict[str, Any]:
    """Signals, health and renewals from Parquet beside a scan of ``READ``, the columns that they read: CPU medians of
    rounds in turn.
    """

    with runtime.open_run(settings.load(), as_of=DAY) as opened:
        known = resolve_identity(opened)
        policy = opened.policy
    tables = _as_parquet(folder / "facts", known.customers, known.facts)
    people, facts = tables["customers"], Facts(**{name: tables[name] for name in Facts.__dataclass_fields__})

    def concluded() -> None:
        flags = signals(people, facts, as_of=DAY, policy=policy).collect()
        scores = health(people, flags.lazy(), policy=policy).collect()
        renewals(people, facts, scores.lazy(), as_of=DAY, policy=policy).collect()

    def scanned() -> None:
        for name, columns in READ.items():
            tables[name].select(sorted(columns)).collect()

    ours, scans = [], []
    for _ in range(ROUNDS):
        scans.append(measured(scanned)["cpu_s"])
        ours.append(measured(concluded)["cpu_s"])
    return {"assess_cpu_s": statistics.median(ours), "scan_cpu_s": statistics.median(scans), "peak_mib": peak_mib()}


def _as_parquet(folder: Path, customers: pl.DataFrame, facts: Facts) -> dict[str, pl.LazyFrame]:
    folder.mkdir(exist_ok=True)
    frames = {"customers": customers.lazy()} | {name: getattr(facts, name) for name in Facts.__dataclass_fields__}
    for name, frame in frames.items():
        frame.collect().write_parquet(folder / f"{name}.parquet")
    return {name: pl.scan_parquet(folder / f"{name}.parquet") for name in frames}


STEPS: dict[str, Callable[..., dict[str, Any]]] = {"make": make, "pull": pull, "raw": raw, "run": run, "assess": assess}
STEPS |= {"contacts": contacts, "bulk": bulk, "bulk_raw": bulk_raw}

if __name__ == "__main__":
    step, where, arguments = sys.argv[1:]
    sys.stdout.write(json.dumps(STEPS[step](Path(where), **json.loads(arguments)), default=str) + "\n")
