"""What plansync's columns are called in a Salesforce org, and what the org's words mean.

Every org names ARR, renewal date, tier and owner differently: ``SalesforceConfig.fields`` maps them. The defaults below
apply where an org happens to have a field of that name and type; one that it lacks leaves its column empty.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from integrations.mapping import FieldMap, known_columns, one_host
from models.enums import PullObject, StakeholderRole

KEY_FIELD = "Plansync_Key__c"
"""The unique external id on ``Activity`` and on the plan objects that carries ``record_key``."""

PLAN, SECTION, ITEM, TASK = "Success_Plan__c", "Success_Plan_Section__c", "Success_Plan_Item__c", "Task"
DOMAINS = frozenset({"salesforce.com", "force.com"})
"""Salesforce's own hosts."""

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")


class SalesforceConfig(BaseModel):
    """One org: where it is, how to sign in, and what it calls things.

    Attributes:
        base_url: The org's own My Domain host; every request goes there and nowhere else.
        consumer_key: Of the External Client App that signs in: with ``consumer_secret`` alone by client credentials,
            with ``username`` and ``private_key`` by JWT bearer, or by a refresh token that is handed in beside this.
        private_key: PEM text of the RSA key whose certificate the app knows.
        is_test_org: JWT assertions are meant for test.salesforce.com instead of login.salesforce.com.
        fields: Per object (accounts, contacts, opportunities, tickets, activities, tasks): plansync's column = the
            org's field. A path over relationships (``Owner.Name``) is allowed; an empty text switches a default off.
        role_words: The org's words for stakeholder roles, beside the default ones; upper and lower case are the same.
        fallback_owner: User or queue id that owns tasks without an owner; None leaves them to the API user.
        currency: Of amounts in an org that has one currency.
        closed_status: The Task status that a close writes.
        bulk_above: Records of one object in one window above which they are read by Bulk API 2.0; None: never.
        bulk_page_records: Records of one page of Bulk results; a tenth where records hold long text.
        bulk_wait_s: Seconds within which the org must have carried out a Bulk job.
        budget_pct: Part of the org's daily API calls, used by anyone, at which reading stops.
        requests_at_once: Requests under way together, of all processes. Salesforce refuses more than 25 that take
            20 seconds or longer, of all programs together; 5 in a Developer Edition.
        connections: Most connections that this process opens.
        timeout_s: Longest wait for an answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str
    api_version: str = Field(default="66.0", pattern=r"^\d{2}\.0$")
    access_token: SecretStr | None = None
    consumer_key: SecretStr | None = None
    consumer_secret: SecretStr | None = None
    username: str | None = None
    private_key: SecretStr | None = None
    is_test_org: bool = False
    fields: dict[str, dict[str, str]] = Field(default_factory=dict)
    role_words: dict[str, StakeholderRole] = Field(default_factory=dict)
    fallback_owner: str | None = None
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    closed_status: str = "Completed"
    budget_pct: int = Field(default=90, ge=1, le=100)
    bulk_above: int | None = Field(default=50_000, ge=0)
    bulk_page_records: int = Field(default=50_000, ge=1)
    bulk_wait_s: int = Field(default=3_600, ge=1)
    requests_at_once: int = Field(default=15, ge=1, le=25)
    connections: int = Field(default=10, ge=1, le=100)
    timeout_s: float = Field(default=120.0, gt=0)

    @field_validator("base_url")
    @classmethod
    def _is_a_host(cls, url: str) -> str:
        return one_host(url, example="https://acme.my.salesforce.com", domains=DOMAINS)

    @field_validator("fields")
    @classmethod
    def _are_known_columns(cls, fields: FieldMap) -> FieldMap:
        return known_columns(fields, MAPPABLE, spelling=IDENTIFIER, what="Salesforce field name")


class Kind(StrEnum):
    """What a column holds; decides which Salesforce types fit and how values are read."""

    TEXT = "text"
    NUMBER = "number"
    COUNT = "count"
    MONEY = "money"
    BOOL = "bool"
    DATE = "date"
    INSTANT = "instant"


NUMERIC = frozenset({"currency", "double", "int", "long", "percent"})
FITTING: Mapping[Kind, frozenset[str]] = {
    Kind.TEXT: frozenset(
        {"combobox", "email", "encryptedstring", "id", "multipicklist", "phone", "picklist", "reference", "string"}
        | {"textarea", "url"}
    ),
    Kind.NUMBER: NUMERIC,
    Kind.COUNT: NUMERIC,
    Kind.MONEY: NUMERIC,
    Kind.BOOL: frozenset({"boolean"}),
    Kind.DATE: frozenset({"date", "datetime"}),
    Kind.INSTANT: frozenset({"datetime"}),
}
"""The describe types that a column of each kind can be read from."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a pulled frame.

    ``candidates`` are the fields looked for by default, first found wins; ``hints`` are what people call such a field,
    for guessing a mapping. A column whose name starts with ``_`` only helps to work out others.
    """

    name: str
    kind: Kind
    candidates: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """One Salesforce object that fills one frame. ``object`` is its name in ``SalesforceConfig.fields``."""

    frame: str
    sobject: str
    columns: tuple[Column, ...]
    object: str = ""
    where: str = ""


def _text(name: str, *candidates: str, hints: tuple[str, ...] = ()) -> Column:
    return Column(name, Kind.TEXT, candidates, hints)


_MIRRORED = (
    _text("crm_id", "Id"),
    Column("modified_at", Kind.INSTANT, ("SystemModstamp",)),
    Column("is_deleted", Kind.BOOL, ("IsDeleted",)),
    _text("merged_into", "MasterRecordId"),
)
_CREATED = Column("created_at", Kind.INSTANT, ("CreatedDate",))
_CURRENCY = _text("currency", "CurrencyIsoCode")

ACCOUNTS = Source(
    "accounts",
    "Account",
    (
        *_MIRRORED,
        _text("name", "Name"),
        _text("website", "Website"),
        _text("parent_crm_id", "ParentId"),
        _text(
            "linked_crm_id", "HubSpot_Company_Id__c", hints=("hubspot company id", "hubspot id", "hubspot record id")
        ),
        _text("owner_crm_id", "CSM__c", hints=("csm", "customer success manager", "success manager", "csm owner")),
        _text("_account_owner", "OwnerId"),
        _text("industry", "Industry"),
        _text("segment", "Segment__c", hints=("segment", "customer segment", "market segment")),
        _text(
            "tier",
            "Customer_Tier__c",
            hints=("customer tier", "tier", "account tier", "customer class", "service tier"),
        ),
        Column("employees_count", Kind.COUNT, ("NumberOfEmployees",)),
        Column("seats_count", Kind.COUNT, ("Seats__c",), ("seats", "licenses", "licensed seats", "users purchased")),
        Column(
            "arr_minor",
            Kind.MONEY,
            ("Annual_Recurring_Revenue__c",),
            ("annual recurring revenue", "arr", "current arr", "acv", "annual contract value"),
        ),
        _CURRENCY,
        Column("is_strategic", Kind.BOOL, ("Strategic__c",), ("strategic", "strategic account", "key account")),
        Column(
            "contract_start_date",
            Kind.DATE,
            ("Contract_Start__c",),
            ("contract start", "subscription start", "term start"),
        ),
        Column("contract_end_date", Kind.DATE, ("Contract_End__c",), ("contract end", "subscription end", "term end")),
        Column(
            "renewal_date",
            Kind.DATE,
            ("Renewal_Date__c",),
            ("renewal date", "next renewal", "renewal", "next renewal date"),
        ),
        Column(
            "notice_days",
            Kind.COUNT,
            ("Notice_Period_Days__c",),
            ("notice period days", "notice period", "notice days"),
        ),
        _CREATED,
    ),
    object="accounts",
)

CONTACTS = Source(
    "contacts",
    "Contact",
    (
        *_MIRRORED,
        _text("account_crm_id", "AccountId"),
        _text("name", "Name"),
        _text("email", "Email"),
        _text("title", "Title"),
        _text("role", "Stakeholder_Role__c", hints=("stakeholder role", "role", "customer role", "persona")),
        Column(
            "has_left", Kind.BOOL, ("Left_Company__c",), ("left company", "no longer at company", "no longer there")
        ),
        Column("left_date", Kind.DATE, ("Left_Company_On__c",), ("left company on", "left on", "departure date")),
        _CREATED,
    ),
    object="contacts",
)

OPPORTUNITIES = Source(
    "opportunities",
    "Opportunity",
    (
        *_MIRRORED,
        _text("account_crm_id", "AccountId"),
        _text("owner_crm_id", "OwnerId"),
        _text("name", "Name"),
        _text("kind", "Type"),
        _text("stage", "StageName"),
        Column("is_closed", Kind.BOOL, ("IsClosed",)),
        Column("is_won", Kind.BOOL, ("IsWon",)),
        Column("amount_minor", Kind.MONEY, ("Amount",)),
        _CURRENCY,
        Column("close_date", Kind.DATE, ("CloseDate",)),
        _CREATED,
    ),
    object="opportunities",
)

TICKETS = Source(
    "tickets",
    "Case",
    (
        *_MIRRORED,
        _text("account_crm_id", "AccountId"),
        _text("subject", "Subject"),
        _text("priority", "Priority"),
        _text("status", "Status"),
        Column("is_closed", Kind.BOOL, ("IsClosed",)),
        Column("is_escalated", Kind.BOOL, ("IsEscalated",)),
        Column("opened_at", Kind.INSTANT, ("CreatedDate",)),
        Column("closed_at", Kind.INSTANT, ("ClosedDate",)),
        Column("satisfaction_pct", Kind.NUMBER, ("CSAT_Score__c",), ("csat score", "csat", "customer satisfaction")),
    ),
    object="tickets",
)

_ACTIVITY = (
    *_MIRRORED,
    _text("account_crm_id", "AccountId"),
    _text("owner_crm_id", "OwnerId"),
    _text("subject", "Subject"),
    _text("_what", "WhatId"),
    Column("_day", Kind.DATE, ("ActivityDate",)),
)
_OUTCOME = _text("outcome", "Outcome__c", hints=("outcome", "meeting outcome", "result"))
_WHO = _text("contact_crm_id", "WhoId")

MEETINGS = Source(
    "activities",
    "Event",
    (*_ACTIVITY, _WHO, _OUTCOME, Column("occurred_at", Kind.INSTANT, ("StartDateTime",))),
    object="activities",
)

CALLS_AND_EMAILS = Source(
    "activities",
    "Task",
    (
        *_ACTIVITY,
        _WHO,
        _OUTCOME,
        _text("kind", "TaskSubtype"),
        _text("is_inbound", "Direction__c", "CallType", hints=("direction", "call direction")),
        Column("is_closed", Kind.BOOL, ("IsClosed",)),
        Column("occurred_at", Kind.INSTANT, ("CompletedDateTime",)),
        _CREATED,
    ),
    object="activities",
    where="TaskSubtype IN ('Call', 'Email')",
)

TASKS = Source(
    "tasks",
    TASK,
    (
        *_ACTIVITY,
        _text("record_key", KEY_FIELD),
        _text("body", "Description"),
        _text("priority", "Priority"),
        Column("is_closed", Kind.BOOL, ("IsClosed",)),
    ),
    object="tasks",
    where="(TaskSubtype = 'Task' OR TaskSubtype = null)",
)

OWNERS = Source(
    "owners",
    "User",
    (*_MIRRORED, _text("name", "Name"), _text("email", "Email"), Column("is_active", Kind.BOOL, ("IsActive",))),
)

PLAN_FIELDS = Source(
    "plan_fields",
    PLAN,
    (
        *_MIRRORED,
        _text("account_crm_id", "Account__c"),
        _text("record_key", KEY_FIELD),
        Column("health_score", Kind.NUMBER, ("Health_Score__c",)),
        _text("health_band", "Health_Band__c"),
        Column("renewal_date", Kind.DATE, ("Renewal_Date__c",)),
    ),
)

PLAN_SECTIONS = Source(
    "plan_sections",
    SECTION,
    (
        *_MIRRORED,
        _text("account_crm_id", "Success_Plan__r.Account__c"),
        _text("record_key", KEY_FIELD),
        _text("section", "Section__c"),
        _text("body", "Body__c"),
    ),
)

PLAN_ITEMS = Source(
    "plan_items",
    ITEM,
    (
        *_MIRRORED,
        _text("account_crm_id", "Success_Plan__r.Account__c"),
        _text("kind", "Kind__c"),
        _text("title", "Title__c"),
        _text("detail", "Detail__c"),
        _text("owner_name", "Owner_Name__c"),
        _text("owner_side", "Owner_Side__c"),
        Column("due_date", Kind.DATE, ("Due_Date__c",)),
        Column("is_done", Kind.BOOL, ("Is_Done__c",)),
        _text("metric", "Metric__c"),
        _text("unit", "Unit__c"),
        Column("baseline", Kind.NUMBER, ("Baseline__c",)),
        Column("target", Kind.NUMBER, ("Target__c",)),
        Column("current", Kind.NUMBER, ("Current__c",)),
        _text("role", "Role__c"),
        _text("influence", "Influence__c"),
        _text("likelihood", "Likelihood__c"),
        _text("impact", "Impact__c"),
        _text("mitigation", "Mitigation__c"),
    ),
)

SOURCES: Mapping[PullObject, tuple[Source, ...]] = {
    PullObject.OWNERS: (OWNERS,),
    PullObject.ACCOUNTS: (ACCOUNTS,),
    PullObject.CONTACTS: (CONTACTS,),
    PullObject.OPPORTUNITIES: (OPPORTUNITIES,),
    PullObject.TICKETS: (TICKETS,),
    PullObject.ACTIVITIES: (MEETINGS, CALLS_AND_EMAILS),
    PullObject.TASKS: (TASKS,),
    PullObject.PLANS: (PLAN_FIELDS, PLAN_SECTIONS, PLAN_ITEMS),
}
"""What is asked of the org for each object of the port."""

_FIXED = frozenset({column.name for column in _MIRRORED} | {"record_key", "kind"})
MAPPABLE: Mapping[str, frozenset[str]] = {
    name: frozenset(
        column.name
        for sources in SOURCES.values()
        for source in sources
        if source.object == name
        for column in source.columns
        if not column.name.startswith("_")
        and (column.name not in _FIXED or (name, column.name) == ("opportunities", "kind"))
    )
    for name in ("accounts", "contacts", "opportunities", "tickets", "activities", "tasks")
}
"""The columns that ``SalesforceConfig.fields`` may map, by object."""
