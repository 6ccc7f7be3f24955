"""From settings to parts: the only place that picks implementations, reads the clock and names a run."""

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from flows import processes
from flows.secret_file import SecretFile
from flows.settings import CrmSettings, HubSpotSettings, SalesforceSettings, Settings, SettingsError, located
from integrations.crm import CrmPort
from integrations.flatfile import has_unfinished, table_files
from integrations.limits import Shared
from integrations.tokens import InMemory, RefreshToken
from models.enums import Crm, RunStatus, WriteAction, WriteKind
from models.policy.load import load_policy
from models.policy.pack import Policy
from models.store import Store

logger = logging.getLogger(__name__)

LEASE = "nightly-sync"
ZERO_IS_NONE = ("bulk_above", "requests_per_10s")
"""Settings whose 0 means that there is no such limit."""


Config = TypeVar("Config", bound=BaseModel)


class RunHeldError(Exception):
    """Another run is at work, or a person must decide first."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that did not stop the run but that a person should know: which part, what happened, what to do."""

    part: str
    message: str


@dataclass(slots=True)
class Run:
    """One run: its date, its parts, and what went wrong on the way."""

    run_id: str
    as_of: date
    is_dry: bool
    settings: Settings
    policy: Policy
    store: Store
    ports: dict[Crm, CrmPort]
    clock: Callable[[], datetime]
    holder: str
    troubles: list[Trouble] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    pulled: dict[str, dict[str, int]] = field(default_factory=dict)
    settled: Counter[tuple[Crm, WriteKind, WriteAction, bool]] = field(default_factory=Counter)
    """Writes answered in this run, by CRM, kind, action and whether they landed."""

    def note(self, part: str, problem: object) -> None:
        """Remember a trouble for the summary, and say it now."""
        self.troubles.append(Trouble(part, str(problem)))
        logger.warning("%s: %s", part, problem)

    def is_healthy(self, crm: Crm) -> bool:
        """Whether this CRM has done its part so far; one that has not is not written to."""
        return not any(trouble.part.partition(" ")[0] == crm for trouble in self.troubles)

    def keep_lease(self) -> None:
        """Prove that this run is alive, before every batch of writes.

        Raises:
            RunHeldError: Another run took over; this one must stop writing.
        """
        if not self.store.renew_lease(LEASE, self.holder, self.clock(), self.settings.run.lease_s):
            raise RunHeldError(f"run {self.run_id}: another run took over the lease; nothing more is written")


def utc_now() -> datetime:
    """This moment; the only place that reads the clock."""
    return datetime.now(UTC)


def open_store(settings: Settings) -> Store:
    """The store that the settings name, at the newest schema."""
    return Store.open(settings.store.url, segments=settings.store.segments)


def existing_store(settings: Settings) -> Store:
    """The store for a verb that only looks.

    Raises:
        SettingsError: There is none yet; looking must not make one.
    """
    file = Path(settings.store.url.removeprefix("sqlite:///"))
    if settings.store.url.startswith("sqlite:///") and not file.is_file():
        raise SettingsError(f"{file}: no store yet; `plansync run` makes one, or name another with --config")
    return open_store(settings)


def open_ports(settings: Settings, shared: Shared | None = None) -> dict[Crm, CrmPort]:
    """A signed-out port for every CRM in the settings; the first request signs in.

    Args:
        settings: Where the CRMs are and how to sign in.
        shared: Where all processes agree on the CRMs' limits; only this process by default.

    Raises:
        SettingsError: No CRM is set up, or one lacks its credentials.
    """
    ports: dict[Crm, CrmPort] = {}
    if settings.salesforce:
        ports[Crm.SALESFORCE] = _salesforce(settings.salesforce, settings.source, shared)
    if settings.hubspot:
        ports[Crm.HUBSPOT] = _hubspot(settings.hubspot, settings.source, shared)
    if not ports:
        raise SettingsError(
            "no CRM is set up: give [salesforce] or [hubspot] in plansync.toml; `plansync init` proposes both"
        )
    return ports


def _salesforce(settings: SalesforceSettings, file: Path | None, shared: Shared | None) -> CrmPort:
    from integrations.salesforce.client import Salesforce, SalesforceConfig

    refresh = _refresh_token(settings)
    can_sign_in = settings.consumer_key and (
        settings.consumer_secret or refresh or (settings.username and settings.private_key)
    )
    if not settings.access_token and not can_sign_in:
        raise SettingsError(
            "salesforce: no credentials: set PLANSYNC_SALESFORCE__CONSUMER_KEY and PLANSYNC_SALESFORCE__CONSUMER_SECRET"
            " (or …__PRIVATE_KEY_FILE with salesforce.username, or …__REFRESH_TOKEN_FILE)"
        )
    config = _fitted(SalesforceConfig, "salesforce", settings, file)
    return Salesforce(config, shared=shared, refresh_token=refresh)


def _hubspot(settings: HubSpotSettings, file: Path | None, shared: Shared | None) -> CrmPort:
    from integrations.hubspot.client import HubSpot, HubSpotConfig

    refresh = _refresh_token(settings)
    if not settings.access_token and not (refresh and settings.client_id and settings.client_secret):
        raise SettingsError(
            "hubspot: no credentials: set PLANSYNC_HUBSPOT__ACCESS_TOKEN (or, for an OAuth app, hubspot.client_id, "
            "PLANSYNC_HUBSPOT__CLIENT_SECRET and PLANSYNC_HUBSPOT__REFRESH_TOKEN_FILE)"
        )
    config = _fitted(HubSpotConfig, "hubspot", settings, file)
    return HubSpot(config, shared=shared, refresh_token=refresh)


def _refresh_token(settings: CrmSettings) -> RefreshToken | None:
    if settings.refresh_token_file is not None:
        return SecretFile(settings.refresh_token_file)
    return InMemory(settings.refresh_token.get_secret_value()) if settings.refresh_token else None


def _fitted(
    config: type[Config], name: str, settings: SalesforceSettings | HubSpotSettings, file: Path | None
) -> Config:
    """A port's configuration; what it refuses is a wrong setting."""
    try:
        return config(**_for_port(settings))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = (name, *map(str, first["loc"]), *first.get("ctx", {}).get("place", ()))
        raise SettingsError(f"{located(file, place)}: {first['msg']}") from None


def _for_port(settings: SalesforceSettings | HubSpotSettings) -> dict[str, Any]:
    """The part of a CRM's settings that its port reads; windows and where secrets lie are the flows' own affair."""
    names = set(type(settings).model_fields) - {"hold_back_s", "overlap_s", "refresh_token", "refresh_token_file"}
    values = {name: getattr(settings, name) for name in sorted(names)}
    return values | dict.fromkeys(name for name in ZERO_IS_NONE if values.get(name) == 0)


def check_parts(settings: Settings) -> None:
    """Fail now, and plainly, where a run would fail later under an orchestrator's traceback.

    Raises:
        SettingsError, PolicyError, StoreError: A part cannot be used.
        RunHeldError: Another run is at work.
    """
    load_policy(settings.policy.path)
    with open_store(settings) as store:
        _take_lease(store, processes.holder("check"), utc_now(), settings.run.lease_s)
        store.release_lease(LEASE, processes.holder("check"))
    for port in open_ports(settings).values():
        port.close()


@contextmanager
def open_run(
    settings: Settings,
    *,
    as_of: date | None = None,
    is_dry: bool = False,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[Run]:
    """Open everything a run needs, hold the lease meanwhile, and record how the run ended.

    Args:
        settings: Read once, by the caller.
        as_of: The day to assess; today in the settings' time zone by default.
        is_dry: Stop before anything is written to a CRM.
        clock: Tells the time, in UTC.

    Raises:
        RunHeldError: Another run holds the lease.
        SettingsError, PolicyError, StoreError: A part cannot be used.
    """
    day = as_of or clock().astimezone(settings.run.zone).date()
    run_id = f"{day:%Y%m%d}-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        policy = load_policy(settings.policy.path)
        store = stack.enter_context(open_store(settings))
        holder = processes.holder(run_id)
        _take_lease(store, holder, clock(), settings.run.lease_s)
        stack.callback(lambda: store.release_lease(LEASE, holder))
        store.open_run(run_id, day, clock())
        run = Run(run_id, day, is_dry, settings, policy, store, {}, clock, holder)
        try:
            shared = store.shared(holder=holder, is_gone=processes.is_gone, clock=time.monotonic)
            stack.callback(shared.close)
            run.ports = open_ports(settings, shared)
            for port in run.ports.values():
                stack.callback(port.close)
            yield run
        except BaseException as error:
            is_fault = isinstance(error, Exception)  # Ctrl-C and SIGTERM are not, whoever caught them first
            status = RunStatus.FAILED if is_fault else RunStatus.INTERRUPTED
            traffic = {str(crm): port.calls.told() for crm, port in run.ports.items()}
            store.close_run(run_id, status, {"error": type(error).__name__, "traffic": traffic}, clock())
            raise


def _take_lease(store: Store, holder: str, now: datetime, ttl_s: int) -> None:
    """Take the lease, also from a run of this machine that died without giving it back."""
    if store.acquire_lease(LEASE, holder, now, ttl_s):
        return
    other = store.lease_holder(LEASE)
    if other and processes.is_gone(other):
        store.release_lease(LEASE, other)
        if store.acquire_lease(LEASE, holder, now, ttl_s):
            return
    raise RunHeldError(
        f"run {(other or '').rpartition(':')[2]} is at work; wait for it, or until its lease of {ttl_s} s ends"
    )


def files_named(patterns: tuple[str, ...]) -> list[Path]:
    """Every file that the settings name by path, folder or pattern, sorted; what names nothing stays, to be missed.

    Files that somebody is still writing are left for the next run (``flatfile.table_files``), and a pattern that meets
    such files alone names none yet.
    """
    found: set[Path] = set()
    for pattern in patterns:
        if Path(pattern).is_dir():
            found.update(table_files(pattern))
        else:
            found.update(_matched(pattern) or ([] if has_unfinished(pattern) else [Path(pattern)]))
    return sorted(found)


def _matched(pattern: str) -> list[Path]:
    return table_files(pattern) if Path(pattern).is_file() or any(mark in pattern for mark in "*?[") else []
