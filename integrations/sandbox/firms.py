"""The facts of the sample portfolio: a firm, its people, and what happened, in nobody's field names."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Literal

Tone = Literal["healthy", "middling", "trouble", "none"]
Placement = Literal["salesforce", "hubspot", "both"]
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Contact:
    """A person at the firm; one without a role plays no part that anybody noted."""

    first: str
    last: str
    email: str
    title: str
    role: str | None
    left_on: date | None
    created_at: datetime


@dataclass(slots=True)
class Activity:
    """A meeting, call or email with one contact, by its place in ``Firm.contacts``. Emails have no outcome."""

    kind: str
    subject: str
    at: datetime
    outcome: str
    is_inbound: bool
    contact: int
    logged_at: datetime


@dataclass(slots=True)
class Ticket:
    """A question or complaint; the rating comes when it is closed."""

    subject: str
    priority: str
    is_escalated: bool
    opened_at: datetime
    closed_at: datetime | None
    satisfaction_pct: int | None
    contact: int


@dataclass(slots=True)
class Opportunity:
    """A sale: the first contract, a renewal, or more seats."""

    name: str
    kind: str
    state: Literal["open", "won"]
    amount: int
    close_date: date
    created_at: datetime


@dataclass(slots=True)
class Todo:
    """A task that a person made."""

    subject: str
    due_date: date
    is_done: bool
    priority: str
    created_at: datetime


@dataclass(slots=True)
class PlanItem:
    """One line of a success plan; ``more`` has the fields that only some kinds use."""

    kind: str
    title: str
    more: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Firm:
    """One customer: who it is, what was agreed, and everything that happened. Money in whole units of ``currency``."""

    number: int
    story: str
    tone: Tone
    placement: Placement
    link: str
    name: str
    other_name: str
    domain: str
    industry: int = 0
    segment: str = "smb"
    tier: str = "smb"
    employees: int = 0
    seats: int = 0
    arr: int = 0
    currency: str = "USD"
    is_strategic: bool = False
    notice_days: int = 30
    contract_start: date | None = None
    contract_end: date | None = None
    renewal_date: date | None = None
    """What the CRM's field says; ``true_renewal`` is what holds."""
    other_renewal: date | None = None
    opportunity_renewal: date | None = None
    true_renewal: date | None = None
    dispute: str | None = None
    created_at: datetime = _NEVER
    changed_at: datetime = _NEVER
    csm: int = 0
    contacts: list[Contact] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    opportunities: list[Opportunity] = field(default_factory=list)
    todos: list[Todo] = field(default_factory=list)
    plan_items: list[PlanItem] = field(default_factory=list)

    @property
    def has_plan(self) -> bool:
        return bool(self.plan_items)
