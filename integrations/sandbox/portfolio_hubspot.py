"""The sample portfolio in the words of the sandbox's HubSpot portal."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from functools import cache

from integrations.sandbox.firms import Activity, Contact, Firm, Opportunity, Ticket, Todo
from integrations.sandbox.hubspot_load import load, load_associations, load_owners
from integrations.sandbox.hubspot_merges import merge_records
from integrations.sandbox.hubspot_portal import Portal
from integrations.sandbox.hubspot_types import TYPES
from integrations.sandbox.state import State

Row = dict[str, str | None]

_FIRST_OWNER = 70_000_001
_ORDER = ("companies", "contacts", "deals", "tickets", "meetings", "calls", "emails", "tasks")
_INDUSTRIES = (
    "COMPUTER_SOFTWARE", "BANKING", "EDUCATION_MANAGEMENT", "HOSPITAL_HEALTH_CARE", "MACHINERY", "RETAIL", "WHOLESALE",
)  # fmt: skip
_STAGES = {
    ("new", "won"): ("default", "closedwon", "newbusiness"),
    ("renewal", "open"): ("renewal", "renewal_upcoming", "renewal"),
    ("expansion", "open"): ("default", "presentationscheduled", "existingbusiness"),
}
_OUTCOMES = {"scheduled": "SCHEDULED", "completed": "COMPLETED", "no_show": "NO_SHOW", "cancelled": "CANCELED"}
_TICKET_PRIORITIES = {"low": "LOW", "normal": "MEDIUM", "high": "HIGH", "urgent": "URGENT"}
_TASK_PRIORITIES = {"low": "LOW", "normal": "MEDIUM", "high": "HIGH"}


class HubSpotBook:
    """Collects rows and associations, then saves them.

    Args:
        csms: Active customer success managers; one former one comes on top, and one salesperson for every two.
        people: First and last names for them.
        since: When the portal was set up, UTC.
    """

    def __init__(self, csms: int, people: Iterable[tuple[str, str]], since: datetime) -> None:
        self._numbers = dict.fromkeys(_ORDER, 0)
        self._rows: dict[str, list[Row]] = {name: [] for name in _ORDER}
        self._pairs: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._merges: list[tuple[str, str, datetime]] = []
        self._csms, self._sales = csms, 1 + csms // 2
        self._new_owners = [
            _owner(place, *name, since, is_former=place == csms)
            for place, name in zip(range(csms + 1 + self._sales), people, strict=False)
        ]
        self._owners = [str(row["id"]) for row in self._new_owners]

    def new_id(self, name: str) -> str:
        """The next id of a type; a row that carries it may follow."""
        self._numbers[name] += 1
        return str(TYPES[name].first_id + self._numbers[name] - 1)

    def _keep(self, name: str, row: Row) -> str:
        crm_id = row.get("id") or self.new_id(name)
        self._rows[name].append({"id": crm_id, **{key: value for key, value in row.items() if value is not None}})
        return crm_id

    def _link(self, source: str, target: str, source_id: str, target_id: str) -> None:
        self._pairs.setdefault((source, target), []).append((source_id, target_id))

    def save(self, state: State) -> None:
        """Write what was collected since the last time, records before their associations."""
        load_owners(state, self._new_owners)
        self._new_owners.clear()
        for name, rows in self._rows.items():
            load(state, name, rows)
            rows.clear()
        for (source, target), pairs in self._pairs.items():
            load_associations(state, source, target, pairs)
        self._pairs.clear()
        self._merge(state)

    def _merge(self, state: State) -> None:
        """Merge as the portal itself does, each at its own time; sample data leaves no entry in the write ledger."""
        if not self._merges:
            return
        before, portal = state.clock.fixed_at, Portal(state)
        for survivor, loser, at in self._merges:
            state.clock.set(at)
            merge_records(portal, portal.kind("companies"), int(survivor), int(loser))
        state.clock.set(before)
        state.clear_writes()
        self._merges.clear()

    def add(self, firm: Firm, company_id: str, linked_id: str | None = None) -> None:
        """Everything about one firm; of one in both CRMs, no sales or support, and every other activity."""
        is_second = firm.placement == "both"
        if firm.story == "name_only":
            self._keep("companies", {"id": company_id, "name": firm.name, "createdate": _instant(firm.created_at)})
            return
        self._keep("companies", self._company(firm, company_id, linked_id))
        contacts = [self._keep("contacts", _contact(each)) for each in firm.contacts]
        for contact_id in contacts:
            self._link("contacts", "companies", contact_id, company_id)
        if not is_second:
            self._add_sales_and_support(firm, company_id)
        owner = self._csm(firm)
        for activity in firm.activities[1::2] if is_second else firm.activities:
            kind, row = _engagement(activity)
            engagement_id = self._keep(kind, row | {"hubspot_owner_id": owner})
            self._link(kind, "companies", engagement_id, company_id)
            self._link(kind, "contacts", engagement_id, contacts[activity.contact])

    def _add_sales_and_support(self, firm: Firm, company_id: str) -> None:
        for opportunity in firm.opportunities:
            deal_id = self._keep("deals", _deal(opportunity, firm.currency))
            self._link("deals", "companies", deal_id, company_id)
        for ticket in firm.tickets:
            self._link("tickets", "companies", self._keep("tickets", _ticket(ticket)), company_id)
        for todo in firm.todos:
            task_id = self._keep("tasks", _task(todo) | {"hubspot_owner_id": self._csm(firm)})
            self._link("tasks", "companies", task_id, company_id)

    def add_merged(self, firm: Firm, company_id: str) -> str:
        """A second company of the same firm, merged into the first; returns its id."""
        row: Row = {"name": f"{firm.name} (old)", "domain": firm.domain, "createdate": _instant(firm.created_at)}
        loser = self._keep("companies", row)
        self._merges.append((company_id, loser, firm.changed_at))
        return loser

    def _csm(self, firm: Firm) -> str:
        return self._owners[self._csms if firm.story == "inactive_owner" else firm.csm % self._csms]

    def _company(self, firm: Firm, company_id: str, linked_id: str | None) -> Row:
        is_named_otherwise = firm.placement == "both"
        has_domain = not is_named_otherwise or firm.link == "domain"
        return {
            "id": company_id,
            "name": firm.other_name if is_named_otherwise else firm.name,
            "domain": firm.domain if has_domain else None,
            "website": f"https://{firm.domain}/" if has_domain else None,
            "industry": _INDUSTRIES[firm.industry],
            "numberofemployees": str(firm.employees),
            "hubspot_owner_id": self._owners[self._csms + 1 + firm.csm % self._sales],
            "lifecyclestage": "customer",
            "current_arr": str(firm.arr),
            "arr_currency": firm.currency,
            "next_renewal": _day(firm.other_renewal if is_named_otherwise else firm.renewal_date),
            "customer_class": firm.tier,
            "market_segment": firm.segment,
            "csm_owner": self._csm(firm),
            "seats": str(firm.seats),
            "is_strategic": "true" if firm.is_strategic else "false",
            "contract_start": _day(firm.contract_start),
            "contract_end": _day(firm.contract_end),
            "notice_days": str(firm.notice_days),
            "salesforceaccountid": linked_id,
            "archived": "true" if firm.story == "deleted" else None,
            "archivedAt": _instant(firm.changed_at) if firm.story == "deleted" else None,
            "createdate": _instant(firm.created_at),
            "hs_lastmodifieddate": _instant(firm.changed_at),
        }


@cache
def _instant(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z") if at else None


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _noon(day: date) -> str | None:
    return _instant(datetime.combine(day, time(12), UTC))


def _owner(place: int, first: str, last: str, since: datetime, *, is_former: bool) -> Row:
    return {
        "id": str(_FIRST_OWNER + place),
        "email": f"{first}.{last}.{place}@vendor.example".lower(),
        "firstName": first,
        "lastName": last,
        "archived": "true" if is_former else None,
        "createdAt": _instant(since),
        "updatedAt": _instant(since),
    }


def _contact(person: Contact) -> Row:
    return {
        "firstname": person.first,
        "lastname": person.last,
        "email": person.email,
        "jobtitle": person.title,
        "stakeholder_role": person.role,
        "left_company": "true" if person.left_on else None,
        "left_company_on": _day(person.left_on),
        "createdate": _instant(person.created_at),
        "lastmodifieddate": _noon(person.left_on) if person.left_on else _instant(person.created_at),
    }


def _deal(deal: Opportunity, currency: str) -> Row:
    pipeline, stage, kind = _STAGES[deal.kind, deal.state]
    return {
        "dealname": deal.name,
        "pipeline": pipeline,
        "dealstage": stage,
        "dealtype": kind,
        "amount": str(deal.amount),
        "deal_currency_code": currency,
        "closedate": _noon(deal.close_date),
        "createdate": _instant(deal.created_at),
        "hs_lastmodifieddate": _instant(deal.created_at),
    }


def _ticket(ticket: Ticket) -> Row:
    rating = ticket.satisfaction_pct
    return {
        "subject": ticket.subject,
        "hs_pipeline": "0",
        "hs_pipeline_stage": "4" if ticket.closed_at else "3",
        "hs_ticket_priority": _TICKET_PRIORITIES[ticket.priority],
        "escalated": "true" if ticket.is_escalated else "false",
        "csat_score": None if rating is None else str(rating),
        "closed_date": _instant(ticket.closed_at),
        "createdate": _instant(ticket.opened_at),
        "hs_lastmodifieddate": _instant(ticket.closed_at or ticket.opened_at),
    }


def _engagement(activity: Activity) -> tuple[str, Row]:
    """The type that keeps this kind of activity, and its row."""
    at, logged = _instant(activity.at), _instant(activity.logged_at)
    row: Row = {"hs_timestamp": at, "hs_createdate": logged, "hs_lastmodifieddate": logged}
    if activity.kind == "meeting":
        outcome = _OUTCOMES[activity.outcome]
        return "meetings", row | {
            "hs_meeting_title": activity.subject, "hs_meeting_start_time": at, "hs_meeting_outcome": outcome,
        }  # fmt: skip
    if activity.kind == "call":
        direction = "INBOUND" if activity.is_inbound else "OUTBOUND"
        return "calls", row | {
            "hs_call_title": activity.subject, "hs_call_direction": direction, "hs_call_status": "COMPLETED",
        }  # fmt: skip
    direction = "INCOMING_EMAIL" if activity.is_inbound else "EMAIL"
    return "emails", row | {"hs_email_subject": activity.subject, "hs_email_direction": direction}


def _task(todo: Todo) -> Row:
    return {
        "hs_task_subject": todo.subject,
        "hs_task_type": "TODO",
        "hs_task_status": "COMPLETED" if todo.is_done else "NOT_STARTED",
        "hs_task_priority": _TASK_PRIORITIES[todo.priority],
        "hs_timestamp": _noon(todo.due_date),
        "hs_createdate": _instant(todo.created_at),
        "hs_lastmodifieddate": _noon(todo.due_date) if todo.is_done else _instant(todo.created_at),
    }
