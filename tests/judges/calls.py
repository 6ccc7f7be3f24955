"""Which endpoints plansync itself calls: read off recordings, never listed by hand."""

from collections.abc import Iterable

from tests.contract.sides import ARRANGING
from tests.judges.exchanges import Exchange
from tests.judges.results import FOLDER, Endpoint, read

RECORDING = "PLANSYNC_CONTRACT_TRANSCRIPT"
"""Names the environment variable under which ``make fidelity`` says where the suite's transcript is to be kept."""
FILE = FOLDER / "plansync.json"


def endpoints(exchanges: Iterable[Exchange]) -> set[Endpoint]:
    """The endpoints that the product asked for; the suite's own hands go by another name."""
    return {(each.crm, each.method, each.template) for each in exchanges if each.agent != ARRANGING}


def check_known(exchanges: Iterable[Exchange]) -> None:
    """Fail for an endpoint that the fidelity page has no row for."""
    (known,) = read(FILE)
    new = endpoints(exchanges) - set(known.checks)
    assert not new, f"plansync calls endpoints that the fidelity page does not know; run `make fidelity`: {sorted(new)}"
