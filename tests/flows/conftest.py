"""A whole house for one test: both CRMs over HTTP in a process of their own, a store, files, and plain nights."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import requests

from flows import settings
from flows.demo import DAY, environment, prepare, write_settings
from flows.night import Plainly, night
from flows.runtime import open_run, open_store
from integrations.sandbox.process import Sandbox, running_sandbox
from models.store import Store

CUSTOMERS = 40


@dataclass
class House:
    """One sandbox, one store, one settings file."""

    folder: Path
    sandbox: Sandbox
    config: Path
    overrides: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> settings.Settings:
        chosen = settings.load(self.config)
        return chosen.model_copy(update=self.overrides)

    def run(self, as_of: date = DAY, *, is_dry: bool = False) -> dict[str, Any]:
        """One nightly run without Prefect."""
        with open_run(self.settings(), as_of=as_of, is_dry=is_dry) as run:
            return night(run, Plainly())

    @contextmanager
    def store(self) -> Iterator[Store]:
        with open_store(self.settings()) as store:
            yield store

    def read(self, name: str) -> pl.DataFrame:
        with self.store() as store:
            return store.read(name)

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, self.sandbox.admin_url + path, json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def write_calls(self) -> int:
        """Writing requests that both CRMs saw since they were last forgotten."""
        counts = self.admin("GET", "/requests")["counts"]
        return sum(kinds.get("write", 0) for kinds in counts.values())

    def forget_requests(self) -> None:
        self.admin("DELETE", "/requests")

    def set_clock(self, now: datetime) -> None:
        self.admin("PUT", "/clock", {"now": now.isoformat()})

    def fault(self, crm: str, kind: str, **more: Any) -> None:
        self.admin("POST", "/faults", {"crm": crm, "kind": kind, **more})

    def salesforce(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """A person's or program's own request to Salesforce."""
        return self._asked(self.sandbox.salesforce, method, f"/services/data/v66.0{path}", body, params)

    def hubspot(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """A person's or program's own request to HubSpot."""
        return self._asked(self.sandbox.hubspot, method, path, body, params)

    @staticmethod
    def _asked(details: Any, method: str, path: str, body: Any, params: dict[str, str]) -> Any:
        headers = {"Authorization": f"Bearer {details.access_token}"}
        answer = requests.request(
            method, details.base_url + path, json=body, params=params, headers=headers, timeout=30
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None


@pytest.fixture(scope="session")
def portfolio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a sample portfolio, made once; every house gets a copy."""
    folder = tmp_path_factory.mktemp("portfolio")
    prepare(folder, customers=CUSTOMERS, seed=7, day=DAY)
    return folder


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for every test that starts Prefect: making its database takes longer than any test."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture
def build(
    portfolio: Path, prefect_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], House]]:
    """Builds houses that share nothing but the stories of their customers."""
    monkeypatch.delenv("PLANSYNC_CONFIG", raising=False)
    opened: list[Any] = []

    def one() -> House:
        folder = tmp_path / f"house-{len(opened)}"
        shutil.copytree(portfolio, folder)
        running = running_sandbox(state=folder / "sandbox.db")
        sandbox = running.__enter__()
        variables = environment(sandbox, folder)
        variables.__enter__()
        os.environ["PREFECT_HOME"] = str(prefect_home)
        opened.extend([variables, running])
        return House(folder, sandbox, write_settings(folder, sandbox))

    yield one
    for each in reversed(opened):
        each.__exit__(None, None, None)


@pytest.fixture
def house(build: Callable[[], House]) -> House:
    return build()
