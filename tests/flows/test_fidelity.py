"""What a night and `doctor` ask of the CRMs is on the fidelity page."""

import pytest

from flows import setup
from tests.flows.conftest import House
from tests.judges.calls import calls_logged, keep_calls


@pytest.mark.lived_in
def test_the_page_knows_what_plansync_calls(house: House) -> None:
    keep_calls("nightly run", calls_logged(house.log()))
    house.forget_requests()
    setup.findings(house.config)
    keep_calls("doctor", calls_logged(house.log()))
