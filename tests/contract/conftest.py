"""One sandbox for the whole suite; every test runs once per CRM, and what it said to HubSpot is judged."""

import os
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from integrations.sandbox.process import Sandbox, running_sandbox
from models.enums import Crm
from tests.contract.hubspot_side import HubSpotSide
from tests.contract.salesforce_side import SalesforceSide
from tests.contract.sides import Admin, Side
from tests.judges.calls import RECORDING, check_known
from tests.judges.exchanges import Transcript
from tests.judges.hubspot_schema import findings
from tests.judges.waivers import unwaived

SIDES: dict[str, Callable[[Sandbox, Admin], Side]] = {
    str(Crm.SALESFORCE): SalesforceSide,
    **{f"{Crm.HUBSPOT} {version}": partial(HubSpotSide, version=version) for version in ("2026-09", "2026-03", "v3")},
}
"""Every CRM that must pass, HubSpot at every version of its paths that may be set."""


@pytest.fixture(scope="session")
def transcript(tmp_path_factory: pytest.TempPathFactory) -> Transcript:
    return Transcript(Path(os.environ.get(RECORDING) or tmp_path_factory.mktemp("transcript") / "contract.jsonl"))


@pytest.fixture(scope="session")
def sandbox(transcript: Transcript) -> Iterator[Sandbox]:
    with running_sandbox(customers=30, seed=3, as_of=date(2026, 11, 21), transcript=transcript.file) as running:
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
def judged(sandbox: Sandbox, transcript: Transcript) -> Iterator[None]:
    """Every request and answer of the test agrees with HubSpot's own models, and has a row in the fidelity page."""
    yield
    exchanges = transcript.since_last()
    wrong = unwaived(finding for exchange in exchanges if exchange.crm == "hubspot" for finding in findings(exchange))
    assert not wrong, "\n".join(map(str, wrong))
    check_known(exchanges)
