"""RavenStack's accounts and tickets as records of two CRMs, written with the vendors' own clients."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from typing import Any
from urllib.parse import urlsplit

import requests
from hubspot import HubSpot
from hubspot.crm import companies, tickets
from simple_salesforce.api import Salesforce

Row = dict[str, Any]

SALESFORCE_BATCH, HUBSPOT_BATCH = 200, 100
TICKET_TO_COMPANY = 26
CLOSED_STAGE, OPEN_STAGE = "4", "3"
_SALESFORCE_TIERS = {"Basic": "SMB", "Pro": "Mid-Market", "Enterprise": "Enterprise"}
_HUBSPOT_TIERS = {"Basic": "smb", "Pro": "mid_market", "Enterprise": "enterprise"}
_CASE_PRIORITIES = {"low": "Low", "medium": "Medium", "high": "High", "urgent": "Critical"}
_INDUSTRIES = {
    "EdTech": "E_LEARNING", "FinTech": "FINANCIAL_SERVICES", "DevTools": "COMPUTER_SOFTWARE",
    "HealthTech": "HOSPITAL_HEALTH_CARE", "Cybersecurity": "COMPUTER_NETWORK_SECURITY",
}  # fmt: skip


class RefusedError(RuntimeError):
    """A CRM did not take a record; the text is its error code and message."""


class _PlainHttp(requests.Session):
    """simple-salesforce speaks https only; a sandbox on loopback has no certificate."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self.base_url, self.trust_env = base_url, False

    def request(self, method: str, url: str, **more: Any) -> requests.Response:  # type: ignore[override]
        parts = urlsplit(url)
        return super().request(method, f"{self.base_url}{parts.path}?{parts.query}", **more)


class SalesforceOrg:
    """Accounts and cases through simple-salesforce, 200 a call."""

    def __init__(self, base_url: str, access_token: str) -> None:
        self._client = Salesforce(
            instance_url=base_url, session_id=access_token, version="66.0", session=_PlainHttp(base_url)
        )

    def is_empty(self) -> bool:
        return int(self._client.query("SELECT COUNT() FROM Account")["totalSize"]) == 0

    def create_accounts(self, rows: Sequence[Row]) -> dict[str, str]:
        """Names and numbers only; returns the new ids by RavenStack's."""
        ids = self._collect(
            "POST", "Account", [{"Name": r["account_name"], "AccountNumber": r["account_id"]} for r in rows]
        )
        return dict(zip((row["account_id"] for row in rows), ids, strict=True))

    def describe_accounts(self, rows: Sequence[Row], ids: dict[str, str]) -> None:
        """What is known of the accounts at the end."""
        self._collect("PATCH", "Account", [_account(row) | {"id": ids[row["account_id"]]} for row in rows])

    def open_cases(self, rows: Sequence[Row], ids: dict[str, str]) -> dict[str, str]:
        """Cases opened now; returns their ids by RavenStack's."""
        made = self._collect("POST", "Case", [_case(row, ids[row["account_id"]]) for row in rows])
        return dict(zip((row["ticket_id"] for row in rows), made, strict=True))

    def close_cases(self, rows: Sequence[Row], ids: dict[str, str]) -> None:
        """Close cases now, with the customer's rating."""
        closed = [
            {"id": ids[row["ticket_id"]], "Status": "Closed", "CSAT_Score__c": row["satisfaction_pct"]} for row in rows
        ]
        self._collect("PATCH", "Case", closed)

    def _collect(self, method: str, name: str, rows: Sequence[Row]) -> list[str]:
        found: list[str] = []
        for some in _batches(rows, SALESFORCE_BATCH):
            records = [{"attributes": {"type": name}, **row} for row in some]
            answer = self._client.restful(
                "composite/sobjects", method=method, json={"allOrNone": True, "records": records}
            )
            for result in answer or ():
                if not result["success"]:
                    raise RefusedError(f"{name}: {result['errors'][0]['statusCode']}: {result['errors'][0]['message']}")
                found.append(result["id"])
        return found


class HubSpotPortal:
    """Companies and tickets through hubspot-api-client, 100 a call."""

    def __init__(self, base_url: str, access_token: str) -> None:
        self._crm = HubSpot(access_token=access_token, host=base_url, base_url=base_url).crm

    def create_companies(self, rows: Sequence[Row]) -> dict[str, str]:
        """Names only; returns the new ids by RavenStack's."""
        found: dict[str, str] = {}
        for some in _batches(rows, HUBSPOT_BATCH):
            inputs = [{"properties": {"name": row["account_name"]}, "associations": []} for row in some]
            answer = self._crm.companies.batch_api.create(
                companies.BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs)
            )
            by_name = {result.properties["name"]: result.id for result in answer.results}
            if len(by_name) != len(some):  # answers come in any order, so names must tell them apart
                raise RefusedError(f"companies: {len(some)} were sent, {len(by_name)} names came back")
            found |= {row["account_id"]: by_name[row["account_name"]] for row in some}
        return found

    def describe_companies(self, rows: Sequence[Row], ids: dict[str, str]) -> None:
        """What is known of the companies at the end."""
        for some in _batches(rows, HUBSPOT_BATCH):
            inputs = [{"id": ids[row["account_id"]], "properties": _company(row)} for row in some]
            self._crm.companies.batch_api.update(companies.BatchInputSimplePublicObjectBatchInput(inputs=inputs))

    def create_tickets(self, rows: Sequence[Row], ids: dict[str, str]) -> None:
        """Tickets with their own opening and closing times, each with its company."""
        for some in _batches(rows, HUBSPOT_BATCH):
            inputs = [_ticket(row, ids[row["account_id"]]) for row in some]
            answer = self._crm.tickets.batch_api.create(
                tickets.BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs)
            )
            if len(answer.results) != len(some):
                raise RefusedError(f"tickets: {len(some) - len(answer.results)} of {len(some)} were not created")


def _batches(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _account(row: Row) -> Row:
    return {
        "Industry": row["industry"],
        "BillingCountry": row["country"],
        "Customer_Tier__c": _SALESFORCE_TIERS.get(row["plan_tier"]),
        "Seats__c": int(row["seats"]),
        "Annual_Recurring_Revenue__c": row["arr"],
        "Contract_Start__c": _day(row["contract_start"]),
        "Contract_End__c": _day(row["contract_end"]),
    }


def _company(row: Row) -> Row:
    return {
        "industry": _INDUSTRIES.get(row["industry"], ""),
        "country": row["country"],
        "customer_class": _HUBSPOT_TIERS.get(row["plan_tier"], ""),
        "seats": row["seats"],
        "current_arr": str(row["arr"]),
        "arr_currency": "USD",
        "contract_start": _day(row["contract_start"]) or "",
        "contract_end": _day(row["contract_end"]) or "",
    }


def _case(row: Row, account_id: str) -> Row:
    return {
        "AccountId": account_id,
        "Subject": f"RavenStack ticket {row['ticket_id']}",
        "Priority": _CASE_PRIORITIES[row["priority"]],
        "Status": "Working",
        "IsEscalated": row["is_escalated"],
    }


def _ticket(row: Row, company_id: str) -> Row:
    opened = datetime.combine(row["opened_on"], time(), UTC)
    properties = {
        "subject": f"RavenStack ticket {row['ticket_id']}",
        "hs_pipeline": "0",
        "hs_pipeline_stage": CLOSED_STAGE if row["closed_at"] else OPEN_STAGE,
        "hs_ticket_priority": row["priority"].upper(),
        "escalated": "true" if row["is_escalated"] else "false",
        "createdate": opened.isoformat(),
    }
    if row["closed_at"]:
        properties["closed_date"] = row["closed_at"].replace(tzinfo=UTC).isoformat()
    if row["satisfaction_pct"] is not None:
        properties["csat_score"] = str(row["satisfaction_pct"])
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TICKET_TO_COMPANY}
    return {"properties": properties, "associations": [{"to": {"id": company_id}, "types": [kind]}]}


def _day(day: Any) -> str | None:
    return day.isoformat() if day else None
