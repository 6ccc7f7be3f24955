"""One sandbox for the whole suite; every test runs once per CRM, and what it said to HubSpot is judged."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

import pytest

from integrations.sandbox.process import Sandbox, running_sandbox
from models.enums import Crm
from tests.contract.hubspot_side import HubSpotSide
from tests.contract.salesforce_side import SalesforceSide
from tests.contract.sides import Admin, Side
from tests.judges.bench import Bench
from tests.judges.calls import keep_calls

SIDES: dict[str, Callable[[Sandbox, Admin], Side]] = {
    str(Crm.SALESFORCE): SalesforceSide,
    **{f"{Crm.HUBSPOT} {version}": partial(HubSpotSide, version=version) for version in ("2026-09", "2026-03", "v3")},
}
"""Every CRM that must pass, HubSpot at every version of its paths that may be set."""


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The judge by HubSpot's own models, and at the end what it confirmed and which endpoints the ports called."""
    judging = Bench(tmp_path_factory.mktemp("transcript") / "contract.jsonl")
    yield judging
    judging.keep("hubspot-models")
    keep_calls("contract suite", judging.calls)


@pytest.fixture(scope="session")
def sandbox(bench: Bench) -> Iterator[Sandbox]:
    with running_sandbox(customers=30, seed=3, as_of=date(2026, 11, 21), transcript=bench.file) as running:
        yield running


@pytest.fixture
def admin(sandbox: Sandbox) -> Iterator[Admin]:
    door = Admin(sandbox)
    yield door
    door.clear_faults()
    door.close()


@pytest.fixture(params=SIDES, ids=str)
def side(request: pytest.FixtureRequest, sandbox: Sandbox, admin: Admin) -> Side:
    return SIDES[request.param](sandbox, admin)


@pytest.fixture(autouse=True)
def judged(sandbox: Sandbox, bench: Bench) -> Iterator[None]:
    """Every request and answer of the test agrees with HubSpot's own models."""
    yield
    bench.judge()
