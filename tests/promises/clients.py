"""Both vendors' transports on a scripted server, asked in the same way."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from integrations.crm import CallCounter
from integrations.hubspot.fields import HubSpotConfig
from integrations.hubspot.wire import TOKEN_PATH as HUBSPOT_TOKEN_PATH
from integrations.hubspot.wire import Portal
from integrations.limits import Shared
from integrations.salesforce.fields import SalesforceConfig
from integrations.salesforce.signin import TOKEN_PATH as SALESFORCE_TOKEN_PATH
from integrations.salesforce.wire import Wire
from integrations.tokens import RefreshToken
from integrations.transport import Patience, Request
from tests.integrations.scripted import Reply, Script, ScriptedServer, Seen, scripted

VENDORS = ["salesforce", "hubspot"]
TOKEN_PATHS = {"salesforce": SALESFORCE_TOKEN_PATH, "hubspot": HUBSPOT_TOKEN_PATH}
REFRESHED = {
    "salesforce": {"consumer_key": "key", "consumer_secret": "s3cret"},
    "hubspot": {"client_id": "key", "client_secret": "s3cret"},
}
"""What a refresh token needs beside it."""


@dataclass
class Client:
    """One vendor's transport: ``read`` asks for something small, ``post`` changes something."""

    calls: CallCounter
    ask: Callable[..., Any]
    close: Callable[[], None]

    def read(self) -> Any:
        return self.ask("GET", is_repeatable=True)

    def post(self, *, is_repeatable: bool) -> Any:
        return self.ask("POST", is_repeatable=is_repeatable)


def client_of(
    vendor: str,
    url: str,
    *,
    patience: Patience | None = None,
    shared: Shared | None = None,
    refresh_token: RefreshToken | None = None,
    **settings: Any,
) -> Client:
    """A transport of ``vendor`` that asks ``url`` and waits for nothing, unless ``patience`` says otherwise."""
    patience = patience or Patience(first_wait_s=0.0, sleep=lambda _: None)
    calls = CallCounter()
    given = {"base_url": url, "access_token": "token-1"} | settings
    if vendor == "salesforce":
        wire = Wire(SalesforceConfig.model_validate(given), calls, patience, shared=shared, refresh_token=refresh_token)

        def asked(method: str, *, is_repeatable: bool) -> Any:
            body = None if method == "GET" else b"{}"
            request = Request(method, "/services/data/v66.0/limits", is_repeatable=is_repeatable, body=body)
            return wire.exchange(request, is_write=method != "GET")

        return Client(calls, asked, wire.close)
    config = HubSpotConfig.model_validate({"requests_per_10s": None} | given)
    portal = Portal(config, calls, patience=patience, shared=shared, refresh_token=refresh_token)

    def sent(method: str, *, is_repeatable: bool) -> Any:
        path = portal.objects("companies")
        if method == "GET":
            return portal.get(path)
        return portal.write(path + "/batch/create", {}, is_repeatable=is_repeatable, tolerated=frozenset())

    return Client(calls, sent, portal.close)


@contextmanager
def serving(vendor: str, script: Script, **settings: Any) -> Iterator[tuple[Client, ScriptedServer]]:
    """A client of ``vendor`` and the server that answers it."""
    with scripted(script) as server:
        client = client_of(vendor, server.url, **settings)
        yield client, server
        client.close()


class Issuer:
    """A CRM whose tokens run out: each is good for ``uses`` requests, and each sign-in gives another."""

    def __init__(self, vendor: str, uses: int, *, rotates: bool = False) -> None:
        self._path, self._uses, self._rotates = TOKEN_PATHS[vendor], uses, rotates
        self._lock = threading.Lock()
        self.sign_ins: list[dict[str, str]] = []
        self.used: dict[str, int] = {}
        self.refused = 0

    def __call__(self, asked: Seen) -> Reply:
        with self._lock:
            return self._issued(asked) if asked.path == self._path else self._answered(asked)

    def _issued(self, asked: Seen) -> Reply:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        self.sign_ins.append(form)
        number = len(self.sign_ins) + 1
        told: dict[str, Any] = {"access_token": f"token-{number}", "instance_url": "https://acme.my.salesforce.com"}
        told |= {"refresh_token": f"refresh-{number}"} if self._rotates else {}
        return Reply(body=told)

    def _answered(self, asked: Seen) -> Reply:
        token = asked.headers["authorization"].removeprefix("Bearer ")
        self.used[token] = self.used.get(token, 0) + 1
        if token != f"token-{len(self.sign_ins) + 1}" or self.used[token] > self._uses:
            self.refused += 1
            return Reply(401, [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired"}])
        return Reply(body={})


def side_by_side(threads: int, act: Callable[[], object]) -> list[Exception]:
    """Let so many threads act at once; what went wrong in them."""
    wrong: list[Exception] = []
    barrier = threading.Barrier(threads)

    def acting() -> None:
        barrier.wait()
        try:
            act()
        except Exception as error:
            wrong.append(error)

    started = [threading.Thread(target=acting) for _ in range(threads)]
    for each in started:
        each.start()
    for each in started:
        each.join()
    return wrong
