"""The clients from npm work on one sandbox; what they called, check by check, is written down when all have passed."""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from integrations.sandbox.process import Sandbox, running_sandbox
from tests.judges.endpoints import Confirmed
from tests.judges.node.clients import PACKAGES, Judge, Witness, version_of

AS_OF = date(2026, 11, 21)
RECORD = Path(__file__).parents[3] / "docs" / "reference" / "judges" / "node.json"
_CONFIRMED, _PASSED = pytest.StashKey[Confirmed](), pytest.StashKey[bool]()

Check = Callable[..., Any]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Only a whole round counts: a part of it would leave endpoints out."""
    confirmed = session.stash.get(_CONFIRMED, None)
    if confirmed is not None and exitstatus == 0 and len(confirmed.versions) == len(_JUDGES) and _is_whole(session):
        confirmed.write(RECORD)


def _is_whole(session: pytest.Session) -> bool:
    config = session.config
    return not config.option.keyword and not config.option.lf and not any("::" in each for each in config.args)


_JUDGES = ("@hubspot/api-client", "@salesforce/cli", "jsforce")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    if os.environ.get("PLANSYNC_JUDGES") != "node":
        pytest.skip("clients from npm judge the sandbox in a job of their own: make judges-node")
    if not PACKAGES.is_dir():
        pytest.skip("the clients from npm are not installed: make judges-node installs them")
    with running_sandbox(customers=80, seed=7, as_of=AS_OF) as running:
        yield running


@pytest.fixture(scope="session")
def bare_sandbox(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Another one, without what plansync needs of a CRM."""
    with running_sandbox(bare=True, as_of=AS_OF) as running:
        yield running


@pytest.fixture(scope="session")
def confirmed(request: pytest.FixtureRequest) -> Confirmed:
    return request.session.stash.setdefault(_CONFIRMED, Confirmed())


@pytest.fixture
def witness(sandbox: Sandbox) -> Witness:
    return Witness(sandbox)


@contextmanager
def watched(request: pytest.FixtureRequest, name: str) -> Iterator[Judge]:
    """A judge for one test, whose calls count when the test has passed."""
    judge = Judge(request.getfixturevalue("sandbox"))
    confirmed: Confirmed = request.getfixturevalue("confirmed")
    yield judge
    if request.node.stash.get(_PASSED, False):
        confirmed.versions[name] = version_of(name)
        confirmed.add(name, request.node.name.removeprefix("test_").replace("_", " "), judge.called)


@pytest.fixture
def jsforce(request: pytest.FixtureRequest) -> Iterator[Check]:
    with watched(request, "jsforce") as judge:
        yield judge.script("jsforce.mjs")


@pytest.fixture
def hubspot_client(request: pytest.FixtureRequest) -> Iterator[Check]:
    with watched(request, "@hubspot/api-client") as judge:
        yield judge.script("hubspot.mjs")


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def sf(request: pytest.FixtureRequest, home: Path) -> Iterator[Check]:
    with watched(request, "@salesforce/cli") as judge:
        yield judge.salesforce_cli(home)


@pytest.fixture
def sf_on_bare(request: pytest.FixtureRequest, bare_sandbox: Sandbox, home: Path) -> Iterator[Check]:
    with watched(request, "@salesforce/cli") as judge:
        judge.sandbox = bare_sandbox
        yield judge.salesforce_cli(home)
