"""One sandbox for the whole suite; every test runs once per CRM."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

import pytest

from integrations.sandbox.process import Sandbox, running_sandbox
from models.enums import Crm
from tests.contract.hubspot_side import HubSpotSide
from tests.contract.salesforce_side import SalesforceSide
from tests.contract.sides import Admin, Side

SIDES: dict[str, Callable[[Sandbox, Admin], Side]] = {
    str(Crm.SALESFORCE): SalesforceSide,
    **{f"{Crm.HUBSPOT} {version}": partial(HubSpotSide, version=version) for version in ("2026-09", "2026-03", "v3")},
}
"""Every CRM that must pass, HubSpot at every version of its paths that may be set."""


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(customers=30, seed=3, as_of=date(2026, 11, 21)) as running:
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
