"""A Salesforce sandbox on a loopback socket, in this process, and plansync's client of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from integrations.salesforce.client import Salesforce, SalesforceConfig
from integrations.sandbox.bare import strip
from integrations.sandbox.salesforce_app import Credentials, create_app
from integrations.sandbox.salesforce_store import INTEGRATION_USERNAME
from integrations.sandbox.state import State
from integrations.transport import Patience
from tests.integrations.hubspot_portal import Switchboard

TOKEN, VERSION = "00D5g0000000001!test", "66.0"
USERNAME = INTEGRATION_USERNAME
NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)


@dataclass
class RunningOrg:
    """An emulated org: its state and where it listens. ``waits`` are the seconds that clients would have slept."""

    state: State
    url: str
    waits: list[float] = field(default_factory=list)

    def salesforce(self) -> Salesforce:
        """A client that waits for nothing."""
        config = SalesforceConfig.model_validate({"base_url": self.url, "access_token": TOKEN})
        return Salesforce(config, patience=Patience(sleep=self.waits.append))

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """A request as any other program would make it."""
        headers = {"Authorization": f"Bearer {TOKEN}", **more.pop("headers", {})}
        url = f"{self.url}/services/data/v{VERSION}/{path}"
        return requests.request(method, url, headers=headers, timeout=10, **more)

    def describe(self, sobject: str) -> Mapping[str, Any] | None:
        """The org's description of an object, fields by name; None if it shows none."""
        answer = self.ask("GET", f"sobjects/{sobject}/describe")
        if answer.status_code == 404:
            return None
        found = answer.json()
        return {**found, "fields": {each["name"]: each for each in found["fields"]}}


_idle: list[Switchboard] = []


@contextmanager
def running_org(*, bare: bool = True) -> Iterator[RunningOrg]:
    """An org without customers whose clock stands at ``NOW``; a bare one lacks what ``plansync provision`` makes."""
    board, state = _idle.pop() if _idle else Switchboard(), State()
    state.clock.set(NOW)
    if bare:
        strip(state)
    board.app = create_app(state, Credentials(TOKEN, "key", "secret"))
    try:
        yield RunningOrg(state, f"http://127.0.0.1:{board.port}")
    finally:
        state.close()
        _idle.append(board)
