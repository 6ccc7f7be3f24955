"""HubSpot as plansync's port: one portal, its token, its property mapping."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from integrations.crm import CallCounter, Page, Window
from integrations.hubspot import check, provision, pull, push
from integrations.hubspot.fields import SOURCES, HubSpotConfig
from integrations.hubspot.wire import Portal
from integrations.limits import Shared
from integrations.provisioning import Made, Part
from integrations.tokens import RefreshToken
from integrations.transport import Patience
from models.enums import Crm, PullObject, WriteKind
from models.records import Finding, Outcome, Write

__all__ = ["HubSpot", "HubSpotConfig"]


class HubSpot:
    """One portal behind ``integrations.crm.CrmPort``; nothing is sent before the first method that asks for something.

    Its requests may come from several threads at once: they share one pool, one token and one pace.

    Args:
        config: Where the portal is, how to sign in, what it calls things.
        patience: How long to keep trying; its ``sleep`` also keeps the pace.
        shared: Where all processes that ask this portal agree on the pace; only this process by default.
        refresh_token: Of an OAuth app, where the settings name one.
    """

    crm = Crm.HUBSPOT

    def __init__(
        self,
        config: HubSpotConfig,
        *,
        patience: Patience | None = None,
        shared: Shared | None = None,
        refresh_token: RefreshToken | None = None,
    ) -> None:
        self.config = config
        self.calls = CallCounter()
        self._portal = Portal(config, self.calls, patience=patience, shared=shared, refresh_token=refresh_token)
        self._told: Window | None = None

    def now(self) -> datetime:
        """The portal's own clock, UTC, whole seconds."""
        return self._portal.now()

    def check(self) -> list[Finding]:
        """Access, property mapping, scopes, key mode, plan properties; a portal that cannot be asked is one finding."""
        return check.findings(self._portal)

    def propose_mapping(self) -> dict[str, dict[str, str]]:
        """A first ``HubSpotConfig.properties`` for this portal.

        Raises:
            CrmUnavailableError, CrmRefusedError: The portal cannot be asked.
        """
        return check.proposed_mapping(self._portal)

    def pull(self, target: PullObject, window: Window) -> Iterator[Page]:
        """As ``CrmPort.pull``.

        Plans live on companies, so the pages of ``ACCOUNTS`` carry ``plan_fields`` and ``plan_sections``, too, and
        ``PLANS`` asks only where this client has not told that window's accounts to the end. A full load takes all that
        the portal lists, whatever its time. Search lags, so windows after it should end ``HubSpotConfig.search_lag_s``
        ago. An association that changes does not mark its record as changed; only the next full load sees it.
        """
        if target is PullObject.OWNERS:
            yield from pull.owners(self._portal, window)
        elif target is PullObject.PLANS:
            yield from () if window == self._told else pull.plans(self._portal, window)
        else:
            for source in SOURCES[target]:
                yield from pull.pulled(self._portal, source, window)
        if target is PullObject.ACCOUNTS:
            self._told = window

    def batches(self, writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
        """As ``CrmPort.batches``: 100 records a call; all writes of one company are one record."""
        return push.batches(writes)

    def send(self, batch: Sequence[Write]) -> list[Outcome]:
        """As ``CrmPort.send``."""
        return push.send(self._portal, batch)

    def find(self, writes: Sequence[Write]) -> Mapping[str, str]:
        """As ``CrmPort.find``; an archived task is not found."""
        return push.find(self._portal, writes)

    def read_back(self, kind: WriteKind, crm_ids: Sequence[str]) -> Iterator[Page]:
        """As ``CrmPort.read_back``: 100 records a call."""
        return pull.read_back(self._portal, kind, crm_ids)

    def parts(self) -> list[Part]:
        """As ``CrmPort.parts``: property groups and properties."""
        return provision.parts(self._portal)

    def create(self, missing: Sequence[Part]) -> Iterator[Made]:
        """As ``CrmPort.create``: one by one."""
        return provision.create(self._portal, missing)

    def close(self) -> None:
        """Release connections."""
        self._portal.close()
