"""``python -m tests.flows.one_night CONFIG [blind]``: one nightly run as a process that can be killed.

``blind`` is the mutant that proves the crash test: tasks are created under a new key each time, and a lost answer is
never looked up.
"""

import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flows import settings
from flows.demo import DAY
from flows.night import Plainly, night
from flows.runtime import open_run
from integrations.crm import CrmPort
from models.enums import Crm, WriteAction, WriteKind
from models.records import Outcome, Write


class Blind:
    """A HubSpot port that creates tasks under a new key each time, and never asks whether one exists."""

    def __init__(self, port: CrmPort) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def send(self, batch: Sequence[Write]) -> list[Outcome]:
        is_new = [write.kind is WriteKind.TASKS and write.action is WriteAction.CREATE for write in batch]
        renamed = [replace(write, record_key=secrets.token_hex(16)) for write in batch]
        return self._port.send([new if fresh else old for old, new, fresh in zip(batch, renamed, is_new, strict=True)])

    def find(self, writes: Sequence[Write]) -> Mapping[str, str]:
        return {}


def main() -> None:
    config, *mutants = sys.argv[1:]
    with open_run(settings.load(Path(config)), as_of=DAY) as run:
        if "blind" in mutants:
            run.ports[Crm.HUBSPOT] = Blind(run.ports[Crm.HUBSPOT])  # type: ignore[assignment]
        night(run, Plainly())


if __name__ == "__main__":
    main()
