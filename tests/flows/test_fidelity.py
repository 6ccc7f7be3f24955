"""What a night, `doctor` and `init` ask of the CRMs is on the fidelity page."""

import pytest

from flows import setup
from tests.flows.conftest import House
from tests.judges.calls import calls_logged, keep_calls


def logged(house: House) -> list[dict[str, str]]:
    return house.admin("GET", "/requests?list=true")["requests"]


@pytest.mark.lived_in
def test_the_page_knows_what_plansync_calls(house: House) -> None:
    keep_calls("nightly run", calls_logged(logged(house)))
    house.forget_requests()
    setup.findings(house.config)
    keep_calls("doctor", calls_logged(logged(house)))
