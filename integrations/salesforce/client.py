"""Salesforce as plansync's port: one org, signed in, with its field mapping."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from integrations.crm import CallCounter, Page, Window
from integrations.errors import CrmError
from integrations.limits import Shared
from integrations.provisioning import Made, Part
from integrations.salesforce import provision, pull, push, rights, standing
from integrations.salesforce.fields import SOURCES, SalesforceConfig, Source
from integrations.salesforce.mapping import chosen, mapping_problems, proposed
from integrations.salesforce.org import Org
from integrations.tokens import RefreshToken, kept_finding
from integrations.transport import Patience
from models.enums import Crm, PullObject, WriteKind
from models.records import Finding, Outcome, Write

__all__ = ["Salesforce", "SalesforceConfig"]

LOW_BUDGET = 0.2
"""Part of the daily calls below which ``check`` warns."""


class Salesforce:
    """One org behind ``integrations.crm.CrmPort``; nothing is sent before the first method that asks for something.

    Its requests may come from several threads at once: they share one pool, one token and the org's limits.

    Args:
        config: Where the org is, how to sign in, what it calls things.
        patience: How long to keep trying.
        shared: Where all processes that ask this org agree on its limits; only this process by default.
        refresh_token: To sign in with, where the settings name one.
    """

    crm = Crm.SALESFORCE

    def __init__(
        self,
        config: SalesforceConfig,
        *,
        patience: Patience | None = None,
        shared: Shared | None = None,
        refresh_token: RefreshToken | None = None,
    ) -> None:
        self.calls = CallCounter()
        self._org = Org(config, self.calls, patience or Patience(), shared=shared, refresh_token=refresh_token)

    def now(self) -> datetime:
        """The org's own clock, UTC, whole seconds."""
        return self._org.now()

    def pull(self, target: PullObject, window: Window) -> Iterator[Page]:
        """As ``CrmPort.pull``."""
        return pull.pull(self._org, target, window)

    def batches(self, writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
        """As ``CrmPort.batches``: 200 a call."""
        return push.batches(writes)

    def send(self, batch: Sequence[Write]) -> list[Outcome]:
        """As ``CrmPort.send``."""
        return push.send(self._org, batch)

    def find(self, writes: Sequence[Write]) -> Mapping[str, str]:
        """As ``CrmPort.find``; a record in the recycle bin is not found."""
        return push.find(self._org, writes)

    def read_back(self, kind: WriteKind, crm_ids: Sequence[str]) -> Iterator[Page]:
        """As ``CrmPort.read_back``: 2,000 ids a call."""
        return pull.read_back(self._org, kind, crm_ids)

    def propose_mapping(self) -> dict[str, dict[str, str]]:
        """A first ``SalesforceConfig.fields``: per object, the org's fields that most look like what plansync reads.

        Raises:
            CrmUnavailableError, CrmRefusedError: The org cannot be asked.
        """
        return proposed(self._org.describe)

    def check(self) -> list[Finding]:
        """Access, budget, field mapping, keys, plan objects, rights; an org that cannot be asked is one finding."""
        try:
            signed_in = self._check_access()
            return [*signed_in, *self._check_fields(), *rights.findings(self._org)]
        except CrmError as error:
            fix = "check base_url, the consumer key and secret or access token, and that the app may use the API"
            return [Finding("salesforce access", is_ok=False, detail=str(error), fix=fix)]

    def parts(self) -> list[Part]:
        """As ``CrmPort.parts``, for the signed-in user."""
        return standing.parts(self._org)

    def parts_for_others(self) -> list[Part]:
        """As ``parts``, with the permission set even if the signed-in user may do everything without it."""
        return standing.parts(self._org, needs_set=True)

    def create(self, missing: Sequence[Part]) -> Iterator[Made]:
        """As ``CrmPort.create``: one deployment, all or nothing, then grants one by one."""
        return provision.create(self._org, missing)

    def assign(self, username: str) -> str:
        """Assign the permission set to a user; says what was done.

        Raises:
            CrmUnavailableError, CrmRefusedError: The org cannot be asked, or refuses.
        """
        return provision.assign(self._org, username)

    def close(self) -> None:
        """Release connections."""
        self._org.close()

    def _check_access(self) -> Iterator[Finding]:
        _, limits = self._org.limits()
        yield Finding(
            "salesforce access", is_ok=True, detail=f"signed in at API version {self._org.config.api_version}"
        )
        yield from kept_finding("salesforce", self._org.wire.refresh_token)
        budget = limits.get("DailyApiRequests", {})
        allowed, left = int(budget.get("Max", 0)), int(budget.get("Remaining", 0))
        is_ok = not allowed or left >= LOW_BUDGET * allowed
        fix = "" if is_ok else "wait for the rolling 24 hours, or buy more API calls"
        yield Finding(
            "salesforce API budget", is_ok=is_ok, detail=f"{left} of {allowed} calls left in 24 hours", fix=fix
        )

    def _check_fields(self) -> Iterator[Finding]:
        for source in (each for sources in SOURCES.values() for each in sources if each.object):
            if self._org.describe(source.sobject) is None:
                detail = f"{source.sobject} is not visible to the API user"
                yield Finding(
                    f"salesforce {source.sobject} ({source.object})",
                    is_ok=False,
                    detail=detail,
                    fix=f"grant read on {source.sobject}",
                )
                continue
            problems = list(mapping_problems(source, self._org.describe, self._org.config))
            yield from (
                Finding(
                    f"salesforce {source.sobject} fields ({source.object})",
                    is_ok=False,
                    detail=problem,
                    fix="correct it in plansync.toml",
                )
                for problem in problems
            )
            if not problems:
                yield self._mapped(source)

    def _mapped(self, source: Source) -> Finding:
        """Where the columns that orgs name themselves come from; an unmapped one is a missing signal, not a fault."""
        named = [column for column in source.columns if column.hints]
        paths = {column.name: chosen(source, column, self._org.describe, self._org.config) for column in named}
        detail = ", ".join(f"{name} from {path}" if path else f"{name} not mapped" for name, path in paths.items())
        return Finding(
            f"salesforce {source.sobject} fields ({source.object})", is_ok=True, detail=detail or "standard fields only"
        )
