"""A whole house for one test: both CRMs over HTTP in a process of their own, a store, files, and plain nights."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
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

    def log(self) -> list[dict[str, Any]]:
        """The requests that both CRMs saw since they were last forgotten, oldest first."""
        found: list[dict[str, Any]] = self.admin("GET", "/requests?list=true")["requests"]
        return found

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


@contextmanager
def opened_house(origin: Path, folder: Path, prefect_home: Path) -> Iterator[House]:
    """A copy of ``origin`` in ``folder``, with its CRMs running."""
    shutil.copytree(origin, folder)
    with running_sandbox(state=folder / "sandbox.db") as sandbox, environment(sandbox, folder):
        os.environ["PREFECT_HOME"] = str(prefect_home)
        yield House(folder, sandbox, write_settings(folder, sandbox))


@pytest.fixture(scope="session")
def first_night(portfolio: Path, prefect_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a house whose first night is over, made once: CRMs and store as that night left them."""
    folder = tmp_path_factory.mktemp("first-night") / "house"
    with opened_house(portfolio, folder, prefect_home) as house:
        told = house.run()
        assert told["status"] == "ok", told["troubles"]
    return folder


@pytest.fixture
def build(
    portfolio: Path, prefect_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., House]]:
    """Builds houses that share nothing but the stories of their customers; ``origin`` is another house to copy."""
    monkeypatch.delenv("PLANSYNC_CONFIG", raising=False)
    with ExitStack() as opened:

        def one(origin: Path = portfolio) -> House:
            folder = tmp_path / f"house-{len(list(tmp_path.glob('house-*')))}"
            return opened.enter_context(opened_house(origin, folder, prefect_home))

        yield one


@pytest.fixture
def house(request: pytest.FixtureRequest, build: Callable[..., House]) -> House:
    """A house of one's own; for a test marked ``lived_in`` its first night is over."""
    if request.node.get_closest_marker("lived_in") is None:
        return build()
    origin: Path = request.getfixturevalue("first_night")
    house = build(origin)
    text = house.config.read_text()
    for kind in ("usage", "surveys"):  # a file under another path would be another file, and be counted again
        text = text.replace(f'"{house.folder}/{kind}"', f'"{origin}/{kind}"')
    house.config.write_text(text)
    return house
