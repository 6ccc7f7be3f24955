"""HubSpot's side of the contract suite."""

from collections.abc import Mapping
from math import ceil
from typing import Any

import requests
from pydantic import SecretStr

from integrations.crm import CrmPort
from integrations.hubspot.client import HubSpot, HubSpotConfig
from integrations.sandbox.process import Sandbox
from integrations.transport import Patience
from models.enums import Crm, Section, WriteKind
from tests.contract.sides import Admin
from tests.judges.calls import ARRANGING

QUICK = Patience(tries=3, first_wait_s=0.0)
OBJECTS = {
    ("accounts",): "companies",
    ("contacts",): "contacts",
    ("opportunities",): "deals",
    ("tickets",): "tickets",
    ("tasks",): "tasks",
}
ENGAGEMENTS = ("meetings", "calls", "emails")
HAS_PLAN = {"propertyName": "plansync_key", "operator": "HAS_PROPERTY"}


class HubSpotSide:
    """An emulated portal, asked at one version of its paths; see ``sides.Side``."""

    crm = Crm.HUBSPOT
    batch_size = 100

    def __init__(self, sandbox: Sandbox, admin: Admin, *, version: Any) -> None:
        self._version = version
        self._details = sandbox.hubspot
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = ARRANGING
        self._session.headers["Authorization"] = f"Bearer {self._details.access_token}"

    def port(self, *, token: str | None = None, base_url: str | None = None, **settings: Any) -> CrmPort:
        config = HubSpotConfig(
            base_url=base_url or self._details.base_url,
            access_token=SecretStr(token or self._details.access_token),
            api_version=self._version,
            requests_per_10s=None,
            **settings,
        )
        return HubSpot(config, patience=QUICK)

    def counts(self) -> Mapping[tuple[str, ...], int]:
        plans = self._total("companies", HAS_PLAN)
        return {
            ("owners",): self._owners(archived=False) + self._owners(archived=True),
            **{names: self._total(name) for names, name in OBJECTS.items()},
            ("activities",): sum(map(self._total, ENGAGEMENTS)),
            ("plan_fields",): plans,
            ("plan_sections",): plans * len(Section),
        }

    def unmapped(self, column: str) -> Mapping[str, Any]:
        return {"properties": {"accounts": {column: ""}}}

    def mapped_wrongly(self) -> Mapping[str, Any]:
        return {"properties": {"accounts": {"arr_minor": "curent_arr"}}}

    def create_account(self, name: str) -> str:
        return self._create("companies", name=name)

    def rename_account(self, crm_id: str, name: str) -> None:
        self._change(crm_id, name=name)

    def delete_account(self, crm_id: str) -> None:
        self._asked("DELETE", f"/objects/2026-09/companies/{crm_id}")

    def merge_accounts(self, winner: str, loser: str) -> str:
        body = {"primaryObjectId": winner, "objectIdToMerge": loser}
        return str(self._asked("POST", "/objects/2026-09/companies/merge", body).json()["id"])

    def create_bad_ticket(self) -> str:
        return self._create("tickets", subject="Too happy", hs_pipeline_stage="1", csat_score="170")

    def reword_section(self, crm_id: str, text: str) -> None:
        company, _, section = crm_id.partition(":")
        self._change(company, **{f"plansync_section_{section}": text})

    def delete_task(self, crm_id: str) -> None:
        self._asked("DELETE", f"/objects/2026-09/tasks/{crm_id}")

    def least_calls(self, new: Mapping[WriteKind, int], known: Mapping[WriteKind, int]) -> int:
        """A company, which exists, takes its fields and sections in one row; new and known tasks take calls apart."""
        fields, sections = (new.get(each, 0) + known.get(each, 0) for each in (WriteKind.FIELDS, WriteKind.SECTIONS))
        companies = max(fields, ceil(sections / len(Section)))
        tasks = (each.get(WriteKind.TASKS, 0) for each in (new, known))
        return sum(ceil(count / self.batch_size) for count in (companies, *tasks))

    def _total(self, name: str, *filters: Mapping[str, str]) -> int:
        body = {"filterGroups": [{"filters": list(filters)}] if filters else [], "limit": 1}
        return int(self._asked("POST", f"/objects/2026-09/{name}/search", body).json()["total"])

    def _owners(self, *, archived: bool) -> int:
        path = f"/owners/2026-09?limit=500&archived={str(archived).lower()}"
        return len(self._asked("GET", path).json()["results"])

    def _create(self, object_type: str, **properties: str) -> str:
        return str(self._asked("POST", f"/objects/2026-09/{object_type}", {"properties": properties}).json()["id"])

    def _change(self, company: str, **properties: str) -> None:
        self._asked("PATCH", f"/objects/2026-09/companies/{company}", {"properties": properties})

    def _asked(self, method: str, path: str, body: Any = None) -> requests.Response:
        answer = self._session.request(method, f"{self._details.base_url}/crm{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer
