"""The bench on which HubSpot's own models sit: reads a transcript as it grows, refuses what they refuse."""

from collections import defaultdict
from importlib.metadata import version
from pathlib import Path

from tests.judges.calls import calls_in
from tests.judges.exchanges import Transcript
from tests.judges.hubspot_schema import JUDGE, checks, findings
from tests.judges.results import Endpoint, keep
from tests.judges.waivers import unwaived

PACKAGE = "hubspot-api-client"


class Bench:
    """Judges all HubSpot traffic of one sandbox.

    Args:
        file: The sandbox's transcript.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.calls: set[Endpoint] = set()
        """What the product asked for."""
        self.confirmed: defaultdict[Endpoint, set[str]] = defaultdict(set)
        self._transcript = Transcript(file)

    def judge(self) -> None:
        """Judge what was said since this was asked before.

        Raises:
            AssertionError: Something disagrees with the models, and no waiver says why.
        """
        exchanges = self._transcript.since_last()
        self.calls |= calls_in(exchanges)
        told = [each for each in exchanges if each.crm == "hubspot"]
        found = [finding for each in told for finding in findings(each)]
        wrong = unwaived(found)
        assert not wrong, "\n".join(map(str, wrong))
        for each in told:
            if judged := checks(each):
                self.confirmed[each.crm, each.method, each.template].update(judged)

    def keep(self, name: str) -> None:
        """Keep, or compare, which endpoints the models confirmed, as the file ``name``."""
        keep(name, JUDGE, version(PACKAGE), self.confirmed)
