"""How the clients from npm are started, each in a process of its own, and how what they called becomes known."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import requests

from integrations.sandbox.process import Sandbox

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
_LONGEST_CALL_S = 120
_QUIET = {
    "SF_AUTOUPDATE_DISABLE": "true",
    "SF_DISABLE_LOG_FILE": "true",
    "SF_DISABLE_TELEMETRY": "true",
    "SF_SKIP_NEW_VERSION_CHECK": "true",
    "SF_USE_GENERIC_UNIX_KEYCHAIN": "true",
    "SF_ORG_METADATA_REST_DEPLOY": "true",
    "NO_COLOR": "1",
}


def node() -> Path | str:
    """The Node 22 that came along, or the one on the path where npm has none for the machine."""
    shipped = sorted(PACKAGES.glob("node-linux-*/bin/node"))
    return shipped[0] if shipped else "node"


def version_of(package: str) -> str:
    """The installed version of a package."""
    return str(json.loads((PACKAGES / package / "package.json").read_text())["version"])


@dataclass
class Judge:
    """A client at work on the sandbox, and what it called there."""

    sandbox: Sandbox
    called: list[dict[str, Any]] = field(default_factory=list)

    def ran(
        self, command: list[Any], given: str, environment: Mapping[str, str], cwd: Path = HERE
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, and add its requests to ``called``."""
        requests.delete(f"{self.sandbox.admin_url}/requests", timeout=5)
        ended = subprocess.run(
            command,
            input=given,
            env=dict(environment),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=_LONGEST_CALL_S,
            check=False,
        )
        self.called += requests.get(f"{self.sandbox.admin_url}/requests?list=true", timeout=5).json()["requests"]
        return ended

    def script(self, name: str) -> Callable[..., Any]:
        """A script beside this file: its check's name and what it is given in, what it saw out."""

        def check(which: str, **given: Any) -> Any:
            handed = json.dumps({**asdict(self.sandbox.details), "given": given})
            ended = self.ran([node(), name, which], handed, {"PATH": os.environ["PATH"]})
            assert ended.returncode == 0, ended.stderr
            return json.loads(ended.stdout)

        return check

    def salesforce_cli(self, home: Path) -> Callable[..., Any]:
        """The Salesforce CLI, with a home of its own: arguments in, its JSON out."""
        homes = {name: str(home) for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
        path = os.pathsep.join((str(PACKAGES / ".bin"), os.environ["PATH"]))
        environment = {**_QUIET, **homes, "PATH": path}

        def sf(*arguments: str, fails: bool = False, cwd: Path = HERE) -> Any:
            environment["SF_ACCESS_TOKEN"] = self.sandbox.salesforce.access_token
            command = [node(), PACKAGES / "@salesforce" / "cli" / "bin" / "run.js", *arguments, "--json"]
            ended = self.ran(command, "", environment, cwd)
            assert bool(ended.returncode) is fails, ended.stdout + ended.stderr
            told = json.loads(ended.stdout)
            return told if fails else told["result"]

        return sf


@dataclass(frozen=True)
class Witness:
    """What the sandbox itself says, asked without any judge."""

    sandbox: Sandbox

    def soql(self, query: str) -> list[dict[str, Any]]:
        """The records of a query, without their ``attributes``."""
        crm = self.sandbox.salesforce
        headers = {"Authorization": f"Bearer {crm.access_token}"}
        url = f"{crm.base_url}/services/data/v66.0/query"
        found: list[dict[str, Any]] = []
        while url:
            answer = requests.get(url, {"q": query}, headers=headers, timeout=30).json()
            found += answer["records"]
            url = crm.base_url + answer["nextRecordsUrl"] if not answer["done"] else ""
        return [{name: value for name, value in each.items() if name != "attributes"} for each in found]

    def hubspot(self, path: str, **query: str) -> Any:
        """What HubSpot answers to a GET."""
        crm = self.sandbox.hubspot
        headers = {"Authorization": f"Bearer {crm.access_token}", "Accept": "application/json"}
        return requests.get(crm.base_url + path, query, headers=headers, timeout=30).json()

    def count(self, crm: str, kind: str) -> int:
        """How many live records the sandbox counts."""
        return int(self._admin("counts")[crm][kind])

    def writes(self, crm: str, kind: str) -> list[tuple[str, str]]:
        """What the ledger has, as ``(id, action)``, oldest first."""
        return [(each["id"], each["action"]) for each in self._admin("writes", crm=crm, object=kind)]

    def change_hubspot(self, **settings: Any) -> None:
        """Change the portal's settings, as its administrator."""
        answer = requests.put(f"{self.sandbox.admin_url}/hubspot/settings", json=settings, timeout=5)
        assert answer.status_code == 200, answer.text

    def hubspot_token(self) -> str:
        """A token of its own that may do everything: limits count by token."""
        answer = requests.post(f"{self.sandbox.admin_url}/hubspot/tokens", json={"scopes": None}, timeout=5)
        return str(answer.json()["token"])

    def _admin(self, what: str, **query: str) -> Any:
        return requests.get(f"{self.sandbox.admin_url}/{what}", query, timeout=5).json()[what]
