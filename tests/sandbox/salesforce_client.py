"""An unmodified simple-salesforce client, and raw requests, against a sandbox on a socket."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from simple_salesforce import Salesforce

from integrations.sandbox.process import Sandbox

VERSION = "66.0"


class LoopbackSession(requests.Session):
    """Sends what was meant for https://...salesforce.com to the sandbox."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url, self.trust_env = base_url, False

    def request(self, method: str, url: str, **more: Any) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(url)
        return super().request(method, f"{self.base_url}{parts.path}?{parts.query}", **more)


def signed_in(sandbox: Sandbox) -> Salesforce:
    """simple-salesforce, signed in by client credentials."""
    details = sandbox.salesforce
    return Salesforce(
        session=LoopbackSession(details.base_url),
        version=VERSION,
        consumer_key=details.consumer_key,
        consumer_secret=details.consumer_secret,
        domain="acme.my",
    )


@dataclass
class Raw:
    """Plain HTTP with the static token."""

    sandbox: Sandbox
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        whole = {"Authorization": f"Bearer {self.sandbox.salesforce.access_token}", **(headers or {})}
        url = f"{self.sandbox.salesforce.base_url}/services/data/v{VERSION}/{path}"
        return self.session.request(method, url, json=body, params=params, headers=whole, timeout=10)

    def query(self, soql: str, *, batch_size: int | None = None, everything: bool = False) -> Any:
        headers = {} if batch_size is None else {"Sforce-Query-Options": f"batchSize={batch_size}"}
        answer = self.send("GET", "queryAll" if everything else "query", params={"q": soql}, headers=headers)
        return answer.json()

    def error(self, soql: str) -> tuple[int, str, str]:
        """Status, code and message of a query that is refused."""
        answer = self.send("GET", "query", params={"q": soql})
        return answer.status_code, answer.json()[0]["errorCode"], answer.json()[0]["message"]

    def collection(self, method: str, path: str, kind: str, *records: Mapping[str, Any], **more: Any) -> Any:
        body = {"records": [{"attributes": {"type": kind}, **each} for each in records], **more}
        return self.send(method, path, body=body).json()
