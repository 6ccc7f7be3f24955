"""The sample portfolio in the words of the sandbox's Salesforce org."""

from collections.abc import Iterable
from datetime import UTC, datetime, time
from functools import cache
from typing import Any

from integrations.sandbox.firms import Activity, Contact, Firm, Opportunity, PlanItem, Ticket, Todo
from integrations.sandbox.salesforce_ids import record_id
from integrations.sandbox.salesforce_store import load
from integrations.sandbox.state import State

Row = dict[str, Any]

_PREFIXES = {
    "User": "005", "Account": "001", "Contact": "003", "Opportunity": "006", "Case": "500", "Event": "00U",
    "Task": "00T", "Success_Plan__c": "a00", "Success_Plan_Item__c": "a02",
}  # fmt: skip
_INDUSTRIES = ("Technology", "Banking", "Education", "Healthcare", "Manufacturing", "Retail", "Other")
_TIERS = {"enterprise": "Enterprise", "mid_market": "Mid-Market", "smb": "SMB"}
_SEGMENTS = _TIERS | {"public_sector": "Public Sector", "startup": "Startup"}
_ROLES = {
    "executive_sponsor": "Executive Sponsor", "champion": "Champion", "it_procurement": "IT / Procurement",
    "technical_admin": "Technical Admin", "day_to_day": "Day-to-day",
}  # fmt: skip
_KINDS = {"new": "New Business", "renewal": "Renewal", "expansion": "Expansion"}
_OPEN_STAGES = {"renewal": "Negotiation/Review", "expansion": "Value Proposition"}
_TICKET_PRIORITIES = {"low": "Low", "normal": "Medium", "high": "High", "urgent": "Critical"}
_TASK_PRIORITIES = {"low": "Low", "normal": "Normal", "high": "High"}
_OUTCOMES = {"scheduled": "Scheduled", "completed": "Completed", "no_show": "No Show", "cancelled": "Cancelled"}
_ITEM_FIELDS = {
    "owner_name": "Owner_Name__c", "owner_side": "Owner_Side__c", "due_date": "Due_Date__c", "is_done": "Is_Done__c",
    "metric": "Metric__c", "unit": "Unit__c", "baseline": "Baseline__c", "target": "Target__c",
    "current": "Current__c", "role": "Role__c", "influence": "Influence__c", "likelihood": "Likelihood__c",
    "impact": "Impact__c", "mitigation": "Mitigation__c",
}  # fmt: skip


class SalesforceBook:
    """Collects rows, then saves them.

    Args:
        csms: Active customer success managers; one former one comes on top, and one salesperson for every two.
        people: First and last names for them.
        since: When the org was set up, UTC.
    """

    def __init__(self, csms: int, people: Iterable[tuple[str, str]], since: datetime) -> None:
        self._numbers = dict.fromkeys(_PREFIXES, 0)
        self._rows: dict[str, list[Row]] = {name: [] for name in _PREFIXES}
        self._csms, self._sales = csms, 1 + csms // 2
        self._users = [
            self._user(place, *name, since) for place, name in zip(range(csms + 1 + self._sales), people, strict=False)
        ]

    def _user(self, place: int, first: str, last: str, since: datetime) -> str:
        name = f"{first}.{last}.{place}@vendor.example".lower()
        row = {"Username": name, "FirstName": first, "LastName": last, "Email": name, "IsActive": place != self._csms}
        return self._keep("User", row | {"CreatedDate": _instant(since)})

    def _keep(self, name: str, row: Row) -> str:
        crm_id = row.get("Id") or self.new_id(name)
        self._rows[name].append({"Id": crm_id, **row})
        return str(crm_id)

    def new_id(self, name: str) -> str:
        """The next id of an object; a row that carries it may follow."""
        self._numbers[name] += 1
        return record_id(_PREFIXES[name], self._numbers[name])

    def save(self, state: State) -> None:
        """Write what was collected since the last time, parents first."""
        for name, rows in self._rows.items():
            load(state, name, rows)
            rows.clear()

    def add(self, firm: Firm, account_id: str, linked_id: str | None = None) -> None:
        """Everything about one firm; of one in both CRMs, every other activity."""
        if firm.story == "name_only":
            sales = self._users[self._csms + 1]
            self._keep(
                "Account",
                {"Id": account_id, "Name": firm.name, "OwnerId": sales, "CreatedDate": _instant(firm.created_at)},
            )
            return
        self._keep("Account", self._account(firm, account_id, linked_id))
        contacts = [self._keep("Contact", _contact(each, account_id)) for each in firm.contacts]
        for opportunity in firm.opportunities:
            self._keep("Opportunity", _opportunity(opportunity, account_id))
        for ticket in firm.tickets:
            self._keep("Case", _case(ticket, account_id, contacts[ticket.contact]))
        owner = self._csm(firm)
        for activity in firm.activities[:: 2 if firm.placement == "both" else 1]:
            row = _event(activity) if activity.kind == "meeting" else _logged_task(activity)
            who = contacts[activity.contact]
            about = {"WhoId": who, "WhatId": account_id, "AccountId": account_id, "OwnerId": owner}
            self._keep("Event" if activity.kind == "meeting" else "Task", row | about)
        for todo in firm.todos:
            self._keep("Task", _task(todo) | {"WhatId": account_id, "AccountId": account_id, "OwnerId": owner})
        if firm.plan_items:
            self._add_plan(firm, account_id)

    def add_merged(self, firm: Firm, account_id: str) -> str:
        """A second account of the same firm, merged into the first; returns its id."""
        row: Row = {
            "Name": f"{firm.name} (old)", "Website": firm.domain, "IsDeleted": True, "MasterRecordId": account_id,
            "CreatedDate": _instant(firm.created_at), "SystemModstamp": _instant(firm.changed_at),
        }  # fmt: skip
        return self._keep("Account", row)

    def _csm(self, firm: Firm) -> str:
        return self._users[self._csms if firm.story == "inactive_owner" else firm.csm % self._csms]

    def _account(self, firm: Firm, account_id: str, linked_id: str | None) -> Row:
        return {
            "Id": account_id,
            "Name": firm.name,
            "Type": "Customer - Direct",
            "Website": f"https://www.{firm.domain}",
            "Industry": _INDUSTRIES[firm.industry],
            "NumberOfEmployees": firm.employees,
            "OwnerId": self._users[self._csms + 1 + firm.csm % self._sales],
            "Annual_Recurring_Revenue__c": firm.arr,
            "Renewal_Date__c": firm.renewal_date,
            "Customer_Tier__c": _TIERS[firm.tier],
            "Segment__c": _SEGMENTS[firm.segment],
            "CSM__c": self._csm(firm),
            "Seats__c": firm.seats,
            "Strategic__c": firm.is_strategic,
            "Contract_Start__c": firm.contract_start,
            "Contract_End__c": firm.contract_end,
            "Notice_Period_Days__c": firm.notice_days,
            "HubSpot_Company_Id__c": linked_id,
            "IsDeleted": firm.story == "deleted",
            "CreatedDate": _instant(firm.created_at),
            "SystemModstamp": _instant(firm.changed_at),
        }

    def _add_plan(self, firm: Firm, account_id: str) -> None:
        stamps = {"CreatedDate": _instant(firm.created_at), "SystemModstamp": _instant(firm.changed_at)}
        plan_id = self._keep(
            "Success_Plan__c", {"Name": f"{firm.name[:60]}: success plan", "Account__c": account_id, **stamps}
        )
        for item in firm.plan_items:
            self._keep("Success_Plan_Item__c", {"Success_Plan__c": plan_id, **_plan_item(item), **stamps})


@cache
def _instant(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000") if at else None


def _contact(person: Contact, account_id: str) -> Row:
    left_at = datetime.combine(person.left_on, time(12), UTC) if person.left_on else None
    return {
        "AccountId": account_id,
        "FirstName": person.first,
        "LastName": person.last,
        "Email": person.email,
        "Title": person.title,
        "Stakeholder_Role__c": _ROLES[person.role] if person.role else None,
        "Left_Company__c": person.left_on is not None,
        "Left_Company_On__c": person.left_on,
        "CreatedDate": _instant(person.created_at),
        "SystemModstamp": _instant(left_at or person.created_at),
    }


def _opportunity(deal: Opportunity, account_id: str) -> Row:
    return {
        "AccountId": account_id,
        "Name": deal.name,
        "Type": _KINDS[deal.kind],
        "StageName": "Closed Won" if deal.state == "won" else _OPEN_STAGES[deal.kind],
        "Amount": deal.amount,
        "CloseDate": deal.close_date,
        "CreatedDate": _instant(deal.created_at),
        "SystemModstamp": _instant(deal.created_at),
    }


def _case(ticket: Ticket, account_id: str, contact_id: str) -> Row:
    open_status = "Escalated" if ticket.is_escalated else "Working"
    return {
        "AccountId": account_id,
        "ContactId": contact_id,
        "Subject": ticket.subject,
        "Priority": _TICKET_PRIORITIES[ticket.priority],
        "Status": "Closed" if ticket.closed_at else open_status,
        "IsEscalated": ticket.is_escalated,
        "CSAT_Score__c": ticket.satisfaction_pct,
        "ClosedDate": _instant(ticket.closed_at),
        "CreatedDate": _instant(ticket.opened_at),
        "SystemModstamp": _instant(ticket.closed_at or ticket.opened_at),
    }


def _event(meeting: Activity) -> Row:
    return {
        "Subject": meeting.subject,
        "StartDateTime": _instant(meeting.at),
        "Outcome__c": _OUTCOMES[meeting.outcome],
        "CreatedDate": _instant(meeting.logged_at),
        "SystemModstamp": _instant(meeting.logged_at),
    }


def _logged_task(activity: Activity) -> Row:
    """A call or an email: Salesforce keeps both as closed tasks."""
    return {
        "Subject": activity.subject,
        "TaskSubtype": "Call" if activity.kind == "call" else "Email",
        "Status": "Completed",
        "Outcome__c": _OUTCOMES[activity.outcome] if activity.kind == "call" else None,
        "Direction__c": "Inbound" if activity.is_inbound else "Outbound",
        "ActivityDate": activity.at.date(),
        "CompletedDateTime": _instant(activity.at),
        "CreatedDate": _instant(activity.logged_at),
        "SystemModstamp": _instant(activity.logged_at),
    }


def _task(todo: Todo) -> Row:
    done_at = datetime.combine(todo.due_date, time(15), UTC) if todo.is_done else None
    return {
        "Subject": todo.subject,
        "TaskSubtype": "Task",
        "Status": "Completed" if todo.is_done else "Not Started",
        "Priority": _TASK_PRIORITIES[todo.priority],
        "ActivityDate": todo.due_date,
        "CompletedDateTime": _instant(done_at),
        "CreatedDate": _instant(todo.created_at),
        "SystemModstamp": _instant(done_at or todo.created_at),
    }


def _plan_item(item: PlanItem) -> Row:
    return {"Kind__c": item.kind, "Title__c": item.title, **{_ITEM_FIELDS[name]: it for name, it in item.more.items()}}
