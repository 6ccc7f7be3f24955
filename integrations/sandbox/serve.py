"""Both CRMs and the side door in one process, on loopback, until they are told to stop."""

import asyncio
import json
import secrets
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from integrations.sandbox import admin, hubspot_app, hubspot_side_door, salesforce_app
from integrations.sandbox.bare import strip
from integrations.sandbox.fault_gate import BreakableProtocol, FaultGate
from integrations.sandbox.faults import Faults
from integrations.sandbox.hubspot_tokens import OAuthClient
from integrations.sandbox.salesforce_app import Credentials
from integrations.sandbox.salesforce_store import CRM, INTEGRATION_USERNAME, ORG_ID
from integrations.sandbox.state import State

HOST = "127.0.0.1"
_EVENING = time(22, tzinfo=UTC)
_LONGEST_GOODBYE_S = 2


@dataclass(frozen=True, slots=True)
class SalesforceDetails:
    """How to reach the emulated Salesforce."""

    base_url: str
    access_token: str
    consumer_key: str
    consumer_secret: str
    username: str = INTEGRATION_USERNAME


@dataclass(frozen=True, slots=True)
class HubSpotDetails:
    """How to reach the emulated HubSpot: by the static token, or by OAuth as its one installed app."""

    base_url: str
    access_token: str
    client_id: str
    client_secret: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Details:
    """What the sandbox says, as one line of JSON, when it is ready."""

    salesforce: SalesforceDetails
    hubspot: HubSpotDetails
    admin_url: str

    def as_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_line(cls, line: str) -> "Details":
        """The details that ``as_line`` said."""
        found = json.loads(line)
        return cls(SalesforceDetails(**found["salesforce"]), HubSpotDetails(**found["hubspot"]), found["admin_url"])


def serve(
    *,
    salesforce_port: int = 0,
    hubspot_port: int = 0,
    state_path: Path | None = None,
    customers: int | None = None,
    seed: int = 0,
    as_of: date | None = None,
    files: Path | None = None,
    token: str | None = None,
    bare: bool = False,
    announce: Callable[[str], None] = lambda line: print(line, flush=True),
) -> None:
    """Serve both CRMs until SIGTERM or SIGINT.

    Args:
        salesforce_port: 0 for any free port; so for ``hubspot_port``.
        state_path: Where the state is kept; None for memory only. A state that was served or filled before is served
            as it is, whatever ``customers`` and ``as_of`` say.
        customers: How many sample customers a fresh state gets; None or 0 for none.
        seed: Which sample.
        as_of: The day that both CRMs believe it is, at 22:00 UTC, when the state is fresh; None for real time.
        files: Where the sample's ``usage`` and ``surveys`` files go; None for nowhere.
        token: Access token of both CRMs, from which the consumer key and secret follow; None for random ones, each of
            the form that its CRM's own clients expect.
        bare: Whether a fresh state lacks everything that ``plansync provision`` makes.
        announce: Takes the line that says that the sandbox is ready.
    """
    state = State(state_path)
    try:
        if not state.columns(CRM, "Account"):
            with state.transaction():  # killed half-way, it starts afresh
                _furnish(state, customers=customers or 0, seed=seed, as_of=as_of, files=files)
                if bare:
                    strip(state)
        credentials = _credentials(token)
        hubspot_token = token or secrets.token_urlsafe(24)
        asyncio.run(_serve(state, credentials, hubspot_token, (salesforce_port, hubspot_port), announce))
    finally:
        state.close()


def _furnish(state: State, *, customers: int, seed: int, as_of: date | None, files: Path | None) -> None:
    """Give a fresh state its day and its sample customers."""
    if as_of is not None:
        state.clock.set(datetime.combine(as_of, _EVENING))
    if not customers:
        return
    from integrations.sandbox import portfolio  # noqa: PLC0415 - an empty sandbox starts without its word lists

    truth = portfolio.populate(state, customers=customers, seed=seed, as_of=as_of or state.clock.now().date())
    if files is not None:
        portfolio.write_usage(files / "usage", truth)
        portfolio.write_surveys(files / "surveys", truth)


async def _serve(
    state: State, credentials: Credentials, token: str, ports: tuple[int, int], announce: Callable[[str], None]
) -> None:
    faults = Faults()
    salesforce, hubspot = salesforce_app.create_app(state, credentials), hubspot_app.create_app(state, token=token)
    apps: list[tuple[ASGIApp, int]] = [
        (FaultGate(salesforce, "salesforce", state, faults, expire=credentials.issued.clear), ports[0]),
        (FaultGate(hubspot, "hubspot", state, faults), ports[1]),
        (_side_door(state, faults, credentials, token), 0),
    ]
    listeners = [_listener(port) for _, port in apps]
    urls = [f"http://{HOST}:{each.getsockname()[1]}" for each in listeners]
    servers = [_QuietServer(_config(app)) for app, _ in apps]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, servers)
    running = [
        asyncio.create_task(server.serve([listener])) for server, listener in zip(servers, listeners, strict=True)
    ]
    while not all(server.started for server in servers):
        await asyncio.sleep(0.005)
    announce(_details(urls, credentials, token).as_line())
    await asyncio.gather(*running)


def _side_door(state: State, faults: Faults, credentials: Credentials, token: str) -> ASGIApp:
    app = admin.create_app(state, faults, credentials)
    app.router.routes += hubspot_side_door.routes(state, token)
    return app


def _details(urls: list[str], credentials: Credentials, token: str) -> Details:
    opened = (credentials.access_token, credentials.consumer_key, credentials.consumer_secret)
    app = OAuthClient.of(token)
    hubspot = HubSpotDetails(urls[1], token, app.client_id, app.client_secret, app.refresh_token)
    return Details(SalesforceDetails(urls[0], *opened), hubspot, urls[2])


class _QuietServer(uvicorn.Server):
    """A server that leaves the signals to whoever runs several of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BreakableProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        date_header=False,  # the CRMs tell their own time
        log_level="critical",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_LONGEST_GOODBYE_S,
        h11_max_incomplete_event_size=65_536,
    )


def _listener(port: int) -> socket.socket:
    # asyncio switches Nagle's delay off only for sockets that say they are TCP: without it each answer takes 40 ms
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    return listener


def _stop(servers: list[_QuietServer]) -> None:
    for server in servers:
        server.force_exit = server.should_exit
        server.should_exit = True


def _credentials(token: str | None) -> Credentials:
    token = token or f"{ORG_ID[:15]}!{secrets.token_hex(24)}"
    return Credentials(token, f"key-{_follows(token, 'key')}", _follows(token, "secret"))


def _follows(token: str, what: str) -> str:
    return sha256(f"{what}:{token}".encode()).hexdigest()[:40]
