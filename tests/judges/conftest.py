"""A sandbox and the internet that leads to it, for clients that strangers wrote."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests

from integrations.sandbox.process import Sandbox, running_sandbox
from tests.judges.bench import Bench
from tests.judges.connect_proxy import Proxy, running_proxy
from tests.judges.environments import MISSING
from tests.judges.exchanges import UNKNOWN, path_template
from tests.judges.results import KEEPING, Endpoint
from tests.judges.waivers import NEEDED, waivers

EVERY_JUDGE = "all"
"""What ``make judges`` sets ``KEEPING`` to: then a waiver that nothing needed is out of date."""
LARGE_ENOUGH_TO_TURN_PAGES = 60
"""Customers, with more than 100 contacts in each CRM."""


@dataclass
class World:
    """A sandbox, the proxy that plays the internet, and the bench that judges what HubSpot is asked."""

    sandbox: Sandbox
    proxy: Proxy
    bench: Bench
    session: requests.Session

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the sandbox's side door."""
        answer = self.session.request(method, self.sandbox.admin_url + path, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def counts(self, crm: str) -> dict[str, int]:
        """The living records of each object."""
        found: dict[str, int] = self.admin("GET", "/counts")["counts"][crm]
        return found

    def forget_requests(self) -> None:
        """Begin the log anew, so that what follows is the next client's alone."""
        self.admin("DELETE", "/requests")

    def answered(self, crm: str) -> set[Endpoint]:
        """The endpoints that gave what was asked for since the log was begun."""
        log = self.admin("GET", f"/requests?list=true&crm={crm}")["requests"]
        done = [each for each in log if each["status"] < 400]
        found = {(crm, each["method"], path_template(crm, each["method"], each["path"])) for each in done}
        assert not [each for each in found if each[2] == UNKNOWN]
        return found


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("judges")
    bench, session = Bench(folder / "transcript.jsonl"), requests.Session()
    session.trust_env = False
    with (
        running_sandbox(
            customers=LARGE_ENOUGH_TO_TURN_PAGES, seed=3, as_of=date(2026, 11, 21), transcript=bench.file
        ) as sandbox,
        running_proxy(_hosts(sandbox), folder) as proxy,
        session,
    ):
        yield World(sandbox, proxy, bench, session)


@pytest.fixture(autouse=True)
def judged(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a stranger's client and the sandbox said to one another agrees with HubSpot's own models."""
    yield
    if "world" in request.fixturenames:
        shared: World = request.getfixturevalue("world")
        shared.bench.judge()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def _hosts(sandbox: Sandbox) -> dict[str, str]:
    salesforce = sandbox.salesforce.base_url
    names = ("login.salesforce.com", "*.my.salesforce.com")
    return {**dict.fromkeys(names, salesforce), "api.hubapi.com": sandbox.hubspot.base_url}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Refuse waivers that no finding needed, when every judge has had its say."""
    stale = [each for each in waivers() if each not in NEEDED]
    has_heard_all = os.environ.get(KEEPING) == EVERY_JUDGE and session.testsfailed == 0 and not MISSING
    if has_heard_all and stale:
        print("\nwaivers that nothing needs any more:", *stale, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
