"""What the promises are tried on: both CRMs behind sockets, a store, a plain client, pulls as the flow does them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from pydantic import SecretStr

from flows.pulling import pull_crm
from flows.runtime import Run, open_run
from flows.settings import HubSpotSettings, SalesforceSettings, Settings, StoreSettings
from integrations.crm import CrmPort
from integrations.hubspot.client import HubSpot, HubSpotConfig
from integrations.salesforce.client import Salesforce, SalesforceConfig
from integrations.sandbox.process import Sandbox
from integrations.transport import Patience
from models.enums import Crm
from models.store import Store, Watermark

QUICK = Patience(tries=4, first_wait_s=0.0)
SF, HS = "/services/data/v66.0", "/crm/objects/2026-09"
BATCH = {Crm.SALESFORCE: 200, Crm.HUBSPOT: 100}
NAMES = {
    Crm.SALESFORCE: {"accounts": "Account", "contacts": "Contact", "opportunities": "Opportunity", "tickets": "Case",
                     "tasks": "Task"},
    Crm.HUBSPOT: {"accounts": "companies", "contacts": "contacts", "opportunities": "deals", "tickets": "tickets",
                  "tasks": "tasks"},
}  # fmt: skip
Stamps = dict[str, datetime]


@dataclass
class World:
    """One sandbox and one store. Arranging goes through the CRMs' own APIs, never through the code under test."""

    sandbox: Sandbox
    store_url: str
    segments: Path
    overrides: dict[str, Any] = field(default_factory=dict)
    urls: dict[Crm, str] = field(default_factory=dict)

    # -- the side door ------------------------------------------------------------------------------------------------

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(method, self.sandbox.admin_url + path, json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, crm: Crm, kind: str, **more: Any) -> Any:
        return self.admin("POST", "/faults", {"crm": crm, "kind": kind, **more})

    def mend(self) -> None:
        self.admin("DELETE", "/faults")

    def now(self) -> datetime:
        return datetime.fromisoformat(self.admin("GET", "/clock")["now"]).astimezone(UTC)

    def tick(self, **time: float) -> datetime:
        later = self.now() + timedelta(**time)
        self.admin("PUT", "/clock", {"now": later.isoformat()})
        return later

    # -- the CRMs' own users ------------------------------------------------------------------------------------------

    def call(self, crm: Crm, method: str, path: str, body: Any = None, **params: str) -> Any:
        details = self.sandbox.salesforce if crm is Crm.SALESFORCE else self.sandbox.hubspot
        headers = {"Authorization": f"Bearer {details.access_token}"}
        url = details.base_url + path
        answer = requests.request(method, url, json=body, params=params, headers=headers, timeout=30)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    def create(self, crm: Crm, target: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """New records of one object, by the CRM's names of fields; answers their ids."""
        name, made = NAMES[crm].get(target, target), []
        for start in range(0, len(rows), BATCH[crm]):
            some = rows[start : start + BATCH[crm]]
            if crm is Crm.SALESFORCE:
                records = [{"attributes": {"type": name}, **row} for row in some]
                answer = self.call(crm, "POST", f"{SF}/composite/sobjects", {"allOrNone": True, "records": records})
                assert all(each["success"] for each in answer), answer
                made += [each["id"] for each in answer]
            else:
                inputs = [{"properties": row} for row in some]
                answer = self.call(crm, "POST", f"{HS}/{name}/batch/create", {"inputs": inputs})
                made += [each["id"] for each in answer["results"]]
        return made

    def accounts(self, crm: Crm, count: int, name: str = "Account") -> list[str]:
        key = "Name" if crm is Crm.SALESFORCE else "name"
        return self.create(crm, "accounts", [{key: f"{name} {number}"} for number in range(count)])

    def path(self, crm: Crm, target: str, record_id: str) -> str:
        name = NAMES[crm].get(target, target)
        return f"{SF}/sobjects/{name}/{record_id}" if crm is Crm.SALESFORCE else f"{HS}/{name}/{record_id}"

    def change(self, crm: Crm, target: str, record_id: str, **values: Any) -> None:
        body: Any = values if crm is Crm.SALESFORCE else {"properties": values}
        self.call(crm, "PATCH", self.path(crm, target, record_id), body)

    def rename(self, crm: Crm, account: str, name: str) -> None:
        self.change(crm, "accounts", account, **{"Name" if crm is Crm.SALESFORCE else "name": name})

    def delete(self, crm: Crm, target: str, record_id: str) -> None:
        self.call(crm, "DELETE", self.path(crm, target, record_id))

    def living(self, crm: Crm, target: str) -> dict[str, tuple[str, datetime]]:
        """Every living record of an object: what it is called, and its stamp, read page by page without faults."""
        if crm is Crm.SALESFORCE:
            return self._living_salesforce(NAMES[crm][target])
        return self._living_hubspot(NAMES[crm][target])

    def _living_salesforce(self, name: str) -> dict[str, tuple[str, datetime]]:
        called = {"Case": "Subject", "Task": "Subject"}.get(name, "Name")
        where = " WHERE TaskSubtype = 'Task'" if name == "Task" else ""  # calls and mails are activities
        soql = f"SELECT Id, {called}, SystemModstamp FROM {name}{where}"  # noqa: S608
        answer = self.call(Crm.SALESFORCE, "GET", f"{SF}/query", q=soql)
        rows = answer["records"]
        while not answer["done"]:
            answer = self.call(Crm.SALESFORCE, "GET", answer["nextRecordsUrl"])
            rows += answer["records"]
        return {row["Id"]: (row[called], datetime.fromisoformat(row["SystemModstamp"])) for row in rows}

    def _living_hubspot(self, name: str) -> dict[str, tuple[str, datetime]]:
        called = {"tickets": "subject", "tasks": "hs_task_subject", "deals": "dealname", "contacts": "lastname"}
        label, rows, after = called.get(name, "name"), [], {}
        while True:
            asked = {"limit": "100", "properties": label, **after}
            answer = self.call(Crm.HUBSPOT, "GET", f"{HS}/{name}", **asked)
            rows += answer["results"]
            if "paging" not in answer:
                break
            after = {"after": answer["paging"]["next"]["after"]}
        return {row["id"]: (row["properties"][label], datetime.fromisoformat(row["updatedAt"])) for row in rows}

    # -- plansync -----------------------------------------------------------------------------------------------------

    def settings(self) -> Settings:
        salesforce, hubspot = self.sandbox.salesforce, self.sandbox.hubspot
        chosen = Settings(
            store=StoreSettings(url=self.store_url, segments=self.segments),
            salesforce=SalesforceSettings(base_url=salesforce.base_url, access_token=salesforce.access_token),
            hubspot=HubSpotSettings(base_url=hubspot.base_url, access_token=hubspot.access_token),
        )
        return chosen.model_copy(update=self.overrides)

    def port(self, crm: Crm) -> CrmPort:
        """As the flow makes it, but without waiting between tries; ``urls`` may lead it over a bad line."""
        if crm is Crm.SALESFORCE:
            details = self.sandbox.salesforce
            url, token = self.urls.get(crm, details.base_url), SecretStr(details.access_token)
            return Salesforce(SalesforceConfig(base_url=url, access_token=token), patience=QUICK)
        url, token = self.urls.get(crm, self.sandbox.hubspot.base_url), SecretStr(self.sandbox.hubspot.access_token)
        config = HubSpotConfig(base_url=url, access_token=token, requests_per_10s=None)
        return HubSpot(config, patience=QUICK)

    @contextmanager
    def run(self, *crms: Crm) -> Iterator[Run]:
        """A run opened as the flow opens it, at the CRMs' own time, with ports that do not wait."""
        now = self.now()
        with open_run(self.settings(), as_of=now.date(), clock=lambda: now) as run:
            for port in run.ports.values():
                port.close()
            run.ports = {crm: self.port(crm) for crm in crms or Crm}
            try:
                yield run
            finally:
                for port in run.ports.values():
                    port.close()

    def pull(self, *crms: Crm) -> Run:
        """Pull as the night does; the run says what troubled it and what its ports did."""
        with self.run(*crms) as run:
            for crm in crms or Crm:
                pull_crm(run, crm)
        return run

    @contextmanager
    def store(self) -> Iterator[Store]:
        with Store.open(self.store_url, segments=self.segments) as opened:
            yield opened

    def mirrored(self, crm: Crm, frame: str) -> dict[str, tuple[str, datetime]]:
        """The living records of a frame as the store has them: what they are called, and their stamps."""
        with self.store() as store:
            rows = store.read(frame)
        label = {"tickets": "subject", "tasks": "subject"}.get(frame, "name")
        found = rows.filter((rows["crm"] == str(crm)) & ~rows["is_deleted"])
        return {row["crm_id"]: (row[label], row["modified_at"]) for row in found.to_dicts()}

    def watermark(self, crm: Crm, target: str) -> datetime | None:
        with self.store() as store:
            return store.watermark(crm, target)

    def set_watermark(self, crm: Crm, target: str, until: datetime) -> None:
        """As if a run had read everything up to then."""
        with self.store() as store:
            store.land({}, run_id="before", loaded_at=until, watermark=Watermark(crm, target, until))


Build = Callable[..., World]
