"""Salesforce's side of the contract suite."""

from collections.abc import Mapping
from math import ceil
from typing import Any

import requests
from pydantic import SecretStr

from integrations.crm import CrmPort
from integrations.salesforce.client import Salesforce, SalesforceConfig
from integrations.sandbox.process import Sandbox
from integrations.transport import Patience
from models.enums import Crm, WriteKind
from tests.contract.sides import Admin
from tests.judges.calls import ARRANGING

QUICK = Patience(tries=3, first_wait_s=0.0)


class SalesforceSide:
    """An emulated org; see ``sides.Side``."""

    crm = Crm.SALESFORCE
    batch_size = 200

    def __init__(self, sandbox: Sandbox, admin: Admin) -> None:
        self._details, self._admin = sandbox.salesforce, admin
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = ARRANGING
        self._session.headers["Authorization"] = f"Bearer {self._details.access_token}"

    def port(self, *, token: str | None = None, base_url: str | None = None, **settings: Any) -> CrmPort:
        config = SalesforceConfig(
            base_url=base_url or self._details.base_url,
            access_token=SecretStr(token or self._details.access_token),
            **settings,
        )
        return Salesforce(config, patience=QUICK)

    def counts(self) -> Mapping[tuple[str, ...], int]:
        found = self._admin.counts(self.crm)
        return {
            ("owners",): found["User"],
            ("accounts",): found["Account"],
            ("contacts",): found["Contact"],
            ("opportunities",): found["Opportunity"],
            ("tickets",): found["Case"],
            ("activities", "tasks"): found["Event"] + found["Task"],
            ("plan_fields",): found["Success_Plan__c"],
            ("plan_sections",): found["Success_Plan_Section__c"],
            ("plan_items",): found["Success_Plan_Item__c"],
        }

    def unmapped(self, column: str) -> Mapping[str, Any]:
        return {"fields": {"accounts": {column: ""}}}

    def mapped_wrongly(self) -> Mapping[str, Any]:
        return {"fields": {"accounts": {"arr_minor": "Anual_Recurring_Revenue__c"}}}

    def create_account(self, name: str) -> str:
        return self._create("Account", Name=name)

    def rename_account(self, crm_id: str, name: str) -> None:
        self._asked("PATCH", f"/sobjects/Account/{crm_id}", {"Name": name})

    def delete_account(self, crm_id: str) -> None:
        self._asked("DELETE", f"/sobjects/Account/{crm_id}")

    def merge_accounts(self, winner: str, loser: str) -> str:
        self._admin.merge_salesforce_accounts(winner, loser)
        return winner

    def create_bad_ticket(self) -> str:
        return self._create("Case", Subject="Too happy", CSAT_Score__c=170)

    def reword_section(self, crm_id: str, text: str) -> None:
        self._asked("PATCH", f"/sobjects/Success_Plan_Section__c/{crm_id}", {"Body__c": text})

    def delete_task(self, crm_id: str) -> None:
        self._asked("DELETE", f"/sobjects/Task/{crm_id}")

    def least_calls(self, new: Mapping[WriteKind, int], known: Mapping[WriteKind, int]) -> int:
        return sum(ceil((new.get(kind, 0) + known.get(kind, 0)) / self.batch_size) for kind in WriteKind)

    def _create(self, sobject: str, **values: Any) -> str:
        return str(self._asked("POST", f"/sobjects/{sobject}", values).json()["id"])

    def _asked(self, method: str, path: str, body: Any = None) -> requests.Response:
        url = f"{self._details.base_url}/services/data/v66.0{path}"
        answer = self._session.request(method, url, json=body, timeout=30)
        answer.raise_for_status()
        return answer
