"""What plansync's columns are called in a HubSpot portal, and what the portal's words mean.

Every portal names ARR, renewal date, tier and owner differently: ``HubSpotConfig.properties`` maps them. The defaults
below apply where a portal happens to have a property of that name; one that it lacks leaves its column empty.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from integrations.mapping import FieldMap, known_columns, one_host
from models.enums import (
    ActivityKind,
    ActivityOutcome,
    OpportunityKind,
    PullObject,
    Section,
    StakeholderRole,
    TaskPriority,
    TicketPriority,
)

PROVISION = "run: plansync provision hubspot"
"""What to do where a portal lacks what plansync writes."""

KEY = "plansync_key"
"""The unique property on companies (the plan's record key) and on tasks (the task's)."""

HEALTH_SCORE, HEALTH_BAND, RENEWAL_DATE = "plansync_health_score", "plansync_health_band", "plansync_renewal_date"
SECTION_PROPERTIES: Mapping[str, str] = {str(section): f"plansync_section_{section}" for section in Section}
PLAN_PROPERTIES = (KEY, HEALTH_SCORE, HEALTH_BAND, RENEWAL_DATE, *SECTION_PROPERTIES.values())
MERGED_IDS = "hs_merged_object_ids"

DOMAINS = frozenset({"hubapi.com", "hubspot.com"})
"""HubSpot's own hosts; data centres have one each under them."""

PROPERTY_NAME = re.compile(r"[a-z][a-z0-9_]*")


class HubSpotConfig(BaseModel):
    """One portal: where it is, how to sign in, and what it calls things.

    Attributes:
        access_token: A service key, or the token of a private app: a static bearer token.
        client_id, client_secret: Of an OAuth app; its refresh token is handed in beside this, since it may change.
        properties: Per object (accounts, contacts, opportunities, tickets, meetings, calls, emails, tasks): plansync's
            column = the portal's property. An empty text switches a default off.
        role_words: The portal's values for stakeholder roles, beside the default ones; upper and lower case are the
            same.
        fallback_owner: Owner id for tasks that name none; None leaves them unassigned.
        currency: Of amounts that carry none.
        search_lag_s: How long a change may take to appear in search (fact: up to an hour); windows should end that long
            ago.
        search_cap: A window with more changes than this is split; HubSpot itself stops at 10,000.
        requests_per_10s: Pace of all requests, shared by all processes; None lifts this one and that of searches, for
            a loopback sandbox. HubSpot allows a paid portal 190.
        searches_per_s: Pace of searches, which HubSpot limits by themselves, for all apps of an account together.
        window_s: Length of the window that ``requests_per_10s`` speaks of; HubSpot's own is 10.
        connections: Most connections open at a time, so most requests under way.
        timeout_s: Longest wait for an answer.
        budget_pct: Part of the account's daily calls, used by anyone, at which reading stops.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = "https://api.hubapi.com"
    api_version: Literal["2026-09", "2026-03", "v3"] = "2026-09"
    access_token: SecretStr | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    properties: dict[str, dict[str, str]] = Field(default_factory=dict)
    role_words: dict[str, StakeholderRole] = Field(default_factory=dict)
    fallback_owner: str | None = None
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    search_lag_s: int = Field(default=3600, ge=0)
    search_cap: int = Field(default=9_500, ge=1, le=10_000)
    requests_per_10s: int | None = Field(default=180, ge=1)
    searches_per_s: int = Field(default=5, ge=1)
    window_s: float = Field(default=10.0, gt=0)
    connections: int = Field(default=10, ge=1, le=100)
    timeout_s: float = Field(default=60.0, gt=0)
    budget_pct: int = Field(default=90, ge=1, le=100)

    @field_validator("base_url")
    @classmethod
    def _is_a_host(cls, url: str) -> str:
        return one_host(url, example="https://api.hubapi.com", domains=DOMAINS)

    @field_validator("properties")
    @classmethod
    def _are_known_columns(cls, properties: FieldMap) -> FieldMap:
        return known_columns(properties, MAPPABLE, spelling=PROPERTY_NAME, what="HubSpot property name")


class Kind(StrEnum):
    """What a column holds; decides which HubSpot types fit and how values, always text, are read."""

    TEXT = "text"
    NUMBER = "number"
    COUNT = "count"
    MONEY = "money"
    BOOL = "bool"
    DATE = "date"
    INSTANT = "instant"


FITTING: Mapping[Kind, frozenset[str]] = {
    Kind.TEXT: frozenset({"string", "enumeration", "phone_number", "number", "json"}),
    Kind.NUMBER: frozenset({"number"}),
    Kind.COUNT: frozenset({"number"}),
    Kind.MONEY: frozenset({"number"}),
    Kind.BOOL: frozenset({"bool", "enumeration"}),
    Kind.DATE: frozenset({"date", "datetime"}),
    Kind.INSTANT: frozenset({"datetime"}),
}
"""The property types that a column of each kind can be read from."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a pulled frame.

    ``candidates`` are the properties looked for by default, first found wins; ``hints`` are what people call such a
    property, for guessing a mapping. A column whose name starts with ``_`` only helps to work out others.
    """

    name: str
    kind: Kind
    candidates: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """One HubSpot object type that fills one frame. ``object`` is its name in ``HubSpotConfig.properties``.

    ``links`` names the object types whose ids come by association: companies fill ``account_crm_id``, contacts
    ``contact_crm_id``.
    """

    frame: str
    type: str
    object: str
    columns: tuple[Column, ...]
    links: tuple[str, ...] = ()
    cursor: str = "hs_lastmodifieddate"
    is_mergeable: bool = False
    activity: ActivityKind | None = None


def _text(name: str, *candidates: str, hints: tuple[str, ...] = ()) -> Column:
    return Column(name, Kind.TEXT, candidates, hints)


_CREATED = Column("created_at", Kind.INSTANT, ("createdate",))
_PLAN = (
    _text("_plan_key", KEY),
    Column("_health_score", Kind.NUMBER, (HEALTH_SCORE,)),
    _text("_health_band", HEALTH_BAND),
    Column("_plan_renewal", Kind.DATE, (RENEWAL_DATE,)),
    *(_text(f"_{name}", name) for name in SECTION_PROPERTIES.values()),
)

ACCOUNTS = Source(
    "accounts",
    "companies",
    "accounts",
    (
        _text("name", "name"),
        _text("website", "website"),
        _text("_domain", "domain"),
        _text("parent_crm_id", "hs_parent_company_id"),
        _text(
            "linked_crm_id",
            "salesforceaccountid",
            hints=("salesforceaccountid", "salesforce account id", "salesforce id"),
        ),
        _text(
            "owner_crm_id",
            "csm_owner",
            "hubspot_owner_id",  # the sales owner, where nobody else is named
            hints=("csm", "csm owner", "customer success manager", "success manager"),
        ),
        _text("industry", "industry"),
        _text("segment", "market_segment", hints=("segment", "market segment", "customer segment")),
        _text(
            "tier", "customer_class", hints=("customer tier", "tier", "account tier", "customer class", "service tier")
        ),
        Column("employees_count", Kind.COUNT, ("numberofemployees",)),
        Column("seats_count", Kind.COUNT, ("seats",), ("seats", "licenses", "licensed seats", "users purchased")),
        Column(
            "arr_minor",
            Kind.MONEY,
            ("current_arr",),
            ("current arr", "arr", "annual recurring revenue", "acv", "annual contract value"),
        ),
        _text("currency", "arr_currency", hints=("arr currency", "contract currency", "currency")),
        Column("is_strategic", Kind.BOOL, ("is_strategic",), ("strategic", "strategic account", "key account")),
        Column(
            "contract_start_date",
            Kind.DATE,
            ("contract_start",),
            ("contract start", "subscription start", "term start"),
        ),
        Column("contract_end_date", Kind.DATE, ("contract_end",), ("contract end", "subscription end", "term end")),
        Column(
            "renewal_date",
            Kind.DATE,
            ("next_renewal",),
            ("renewal date", "next renewal", "renewal", "next renewal date"),
        ),
        Column("notice_days", Kind.COUNT, ("notice_days",), ("notice period days", "notice period", "notice days")),
        _CREATED,
        *_PLAN,
    ),
    is_mergeable=True,
)

CONTACTS = Source(
    "contacts",
    "contacts",
    "contacts",
    (
        _text("_first", "firstname"),
        _text("_last", "lastname"),
        _text("email", "email"),
        _text("title", "jobtitle"),
        _text("role", "stakeholder_role", hints=("stakeholder role", "customer role", "persona")),
        Column("has_left", Kind.BOOL, ("left_company",), ("left company", "no longer at company")),
        Column("left_date", Kind.DATE, ("left_company_on",), ("left company on", "left on", "departure date")),
        _CREATED,
    ),
    links=("companies",),
    cursor="lastmodifieddate",
    is_mergeable=True,
)

OPPORTUNITIES = Source(
    "opportunities",
    "deals",
    "opportunities",
    (
        _text("owner_crm_id", "hubspot_owner_id"),
        _text("name", "dealname"),
        _text("kind", "dealtype"),
        _text("stage", "dealstage"),
        Column("is_closed", Kind.BOOL, ("hs_is_closed",)),
        Column("is_won", Kind.BOOL, ("hs_is_closed_won",)),
        Column("amount_minor", Kind.MONEY, ("amount",)),
        _text("currency", "deal_currency_code"),
        Column("close_date", Kind.DATE, ("closedate",)),
        _CREATED,
    ),
    links=("companies",),
    is_mergeable=True,
)

TICKETS = Source(
    "tickets",
    "tickets",
    "tickets",
    (
        _text("subject", "subject"),
        _text("priority", "hs_ticket_priority"),
        _text("status", "hs_pipeline_stage"),
        Column("is_closed", Kind.BOOL, ("hs_is_closed",)),
        Column("is_escalated", Kind.BOOL, ("escalated",), ("escalated", "is escalated")),
        Column("opened_at", Kind.INSTANT, ("createdate",)),
        Column("closed_at", Kind.INSTANT, ("closed_date",)),
        Column("satisfaction_pct", Kind.NUMBER, ("csat_score",), ("csat score", "csat", "customer satisfaction")),
    ),
    links=("companies",),
    is_mergeable=True,
)

_AT = Column("_at", Kind.INSTANT, ("hs_timestamp",))
_OWNER = _text("owner_crm_id", "hubspot_owner_id")

MEETINGS = Source(
    "activities",
    "meetings",
    "meetings",
    (
        _OWNER,
        _text("subject", "hs_meeting_title"),
        _text("outcome", "hs_meeting_outcome"),
        Column("occurred_at", Kind.INSTANT, ("hs_meeting_start_time",)),
        _AT,
    ),
    links=("companies", "contacts"),
    activity=ActivityKind.MEETING,
)

CALLS = Source(
    "activities",
    "calls",
    "calls",
    (
        _OWNER,
        _text("subject", "hs_call_title"),
        _text("outcome", "hs_call_status"),
        _text("is_inbound", "hs_call_direction"),
        _AT,
    ),
    links=("companies", "contacts"),
    activity=ActivityKind.CALL,
)

EMAILS = Source(
    "activities",
    "emails",
    "emails",
    (_OWNER, _text("subject", "hs_email_subject"), _text("is_inbound", "hs_email_direction"), _AT),
    links=("companies", "contacts"),
    activity=ActivityKind.EMAIL,
)

TASKS = Source(
    "tasks",
    "tasks",
    "tasks",
    (
        _OWNER,
        _text("record_key", KEY),
        _text("subject", "hs_task_subject"),
        _text("body", "hs_task_body"),
        _text("priority", "hs_task_priority"),
        _text("is_closed", "hs_task_status"),
        Column("due_date", Kind.DATE, ("hs_timestamp",)),
    ),
    links=("companies",),
)

SOURCES: Mapping[PullObject, tuple[Source, ...]] = {
    PullObject.ACCOUNTS: (ACCOUNTS,),
    PullObject.CONTACTS: (CONTACTS,),
    PullObject.OPPORTUNITIES: (OPPORTUNITIES,),
    PullObject.TICKETS: (TICKETS,),
    PullObject.ACTIVITIES: (MEETINGS, CALLS, EMAILS),
    PullObject.TASKS: (TASKS,),
    PullObject.PLANS: (),
}
"""What is asked of the portal for each object of the port. Owners are no CRM object there; plans ride on companies."""

MAPPABLE: Mapping[str, frozenset[str]] = {
    source.object: frozenset(
        column.name for column in source.columns if not column.name.startswith("_") and column.name != "record_key"
    )
    for sources in SOURCES.values()
    for source in sources
}
"""The columns that ``HubSpotConfig.properties`` may map, by object."""

ROLE_WORDS: Mapping[str, StakeholderRole] = {str(role): role for role in StakeholderRole} | {
    "executive sponsor": StakeholderRole.EXECUTIVE_SPONSOR,
    "it / procurement": StakeholderRole.IT_PROCUREMENT,
    "technical admin": StakeholderRole.TECHNICAL_ADMIN,
    "day-to-day": StakeholderRole.DAY_TO_DAY,
}

OPPORTUNITY_WORDS: Mapping[str, OpportunityKind] = {
    "newbusiness": OpportunityKind.NEW,
    "existingbusiness": OpportunityKind.EXPANSION,
    "renewal": OpportunityKind.RENEWAL,
}
"""Every other type of deal, and none, is ``other``."""

TICKET_WORDS: Mapping[str, TicketPriority] = {
    "low": TicketPriority.LOW,
    "medium": TicketPriority.NORMAL,
    "high": TicketPriority.HIGH,
    "urgent": TicketPriority.URGENT,
}
"""Every other priority of a ticket, and none, is ``normal``."""

OUTCOME_WORDS: Mapping[str, ActivityOutcome] = {
    "scheduled": ActivityOutcome.SCHEDULED,
    "completed": ActivityOutcome.COMPLETED,
    "no_show": ActivityOutcome.NO_SHOW,
    "canceled": ActivityOutcome.CANCELLED,
    "rescheduled": ActivityOutcome.CANCELLED,  # the new date is a meeting of its own
    "queued": ActivityOutcome.SCHEDULED,
    "no_answer": ActivityOutcome.NO_SHOW,
    "busy": ActivityOutcome.NO_SHOW,
    "missed": ActivityOutcome.NO_SHOW,
}
"""Meeting outcomes and call states; every other is ``unknown``."""

INBOUND_WORDS: Mapping[str, bool] = {
    "inbound": True,
    "incoming_email": True,
    "outbound": False,
    "email": False,
}
"""Directions of calls and emails; a forwarded email has none."""

TASK_PRIORITY_WORDS: Mapping[str, TaskPriority] = {
    "low": TaskPriority.LOW,
    "medium": TaskPriority.NORMAL,
    "high": TaskPriority.HIGH,
}
TASK_PRIORITY_VALUES: Mapping[str, str] = {str(word): value.upper() for value, word in TASK_PRIORITY_WORDS.items()}
OPEN, CLOSED = "NOT_STARTED", "COMPLETED"
