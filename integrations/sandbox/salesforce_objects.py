"""The objects of the sandbox's Salesforce org: the standard ones as far as needed, and the org's own fields."""

from collections.abc import Mapping

from integrations.sandbox.salesforce_histories import OPPORTUNITY_HISTORY, history_of
from integrations.sandbox.salesforce_org import CurrentObjects, CurrentPrefixes, OrgObjects
from integrations.sandbox.salesforce_permissions import PERMISSION_OBJECTS
from integrations.sandbox.salesforce_related import (
    ACCOUNT_CONTACT_RELATION,
    ASSET,
    CONTRACT,
    OPPORTUNITY_CONTACT_ROLE,
    ORGANIZATION,
)
from integrations.sandbox.salesforce_schema import (
    Field,
    SObject,
    derived,
    key,
    picklist,
    reference,
    text,
    typed,
)
from models.enums import Band, PlanItemKind, Section

_WHAT = ("Account", "Opportunity", "Case", "Contract", "Asset", "Success_Plan__c")
_TIERS = ("Enterprise", "Mid-Market", "SMB")
_OUTCOMES = ("Scheduled", "Completed", "No Show", "Cancelled")
_ROLES = ("Executive Sponsor", "Champion", "IT / Procurement", "Technical Admin", "Day-to-day")

OPEN_STAGES = ("Prospecting", "Qualification", "Needs Analysis", "Value Proposition", "Id. Decision Makers",
               "Perception Analysis", "Proposal/Price Quote", "Negotiation/Review")  # fmt: skip
WON_STAGE, LOST_STAGE = "Closed Won", "Closed Lost"
CLOSED_CASE_STATUSES = frozenset({"Closed"})
CLOSED_TASK_STATUSES = frozenset({"Completed"})


def _plan(children: str) -> Field:
    name = "Success_Plan__c"
    return reference(name, name, relationship="Success_Plan__r", children=children, master=True)


USER = SObject(
    "User",
    "Users",
    "005",
    (
        text("Username", 80, required=True),
        text("FirstName", 40),
        text("LastName", 80, required=True),
        derived("Name", "string", 121),
        Field("Email", "email", 128, required=True),
        text("Title", 80),
        typed("IsActive", "boolean"),
        picklist("UserType", "Standard", default="Standard"),
        reference("ManagerId", "User", relationship="Manager"),
    ),
    has_owner=False,
    can_be_deleted=False,
)

ACCOUNT = SObject(
    "Account",
    "Accounts",
    "001",
    (
        reference("MasterRecordId", "Account", relationship="MasterRecord", written=False),
        text("Name", 255, required=True),
        picklist("Type", "Prospect", "Customer - Direct", "Customer - Channel", "Partner", "Other"),
        reference("ParentId", "Account", relationship="Parent", children="ChildAccounts"),
        typed("Phone", "phone"),
        typed("Website", "url"),
        picklist("Industry", "Technology", "Banking", "Education", "Healthcare", "Manufacturing", "Retail", "Other"),
        typed("AnnualRevenue", "currency"),
        typed("NumberOfEmployees", "int"),
        text("Description", 32000),
        Field("BillingStreet", "textarea", 255),
        text("BillingCity", 40),
        text("BillingState", 80),
        text("BillingPostalCode", 20),
        text("BillingCountry", 80),
        text("AccountNumber", 40),
        typed("Annual_Recurring_Revenue__c", "currency", scale=2),
        typed("Renewal_Date__c", "date"),
        picklist("Customer_Tier__c", *_TIERS, restricted=True),
        text("Segment__c", 80),
        Field("Products__c", "multipicklist", 4099, values=("Core", "Insights", "Connect")),
        reference("CSM__c", "User", relationship="CSM__r"),
        typed("Seats__c", "double"),
        typed("Strategic__c", "boolean"),
        typed("Contract_Start__c", "date"),
        typed("Contract_End__c", "date"),
        typed("Notice_Period_Days__c", "double"),
        text("HubSpot_Company_Id__c", 40),
    ),
    is_mergeable=True,
    tracked=(
        "Name", "OwnerId", "Type", "Industry", "Annual_Recurring_Revenue__c", "Renewal_Date__c", "Customer_Tier__c",
        "Segment__c", "CSM__c", "Seats__c", "Contract_End__c",
    ),
)  # fmt: skip

CONTACT = SObject(
    "Contact",
    "Contacts",
    "003",
    (
        reference("MasterRecordId", "Contact", relationship="MasterRecord", written=False),
        reference("AccountId", "Account", relationship="Account", children="Contacts"),
        text("LastName", 80, required=True),
        text("FirstName", 40),
        derived("Name", "string", 121),
        typed("Email", "email"),
        typed("Phone", "phone"),
        text("Title", 128),
        text("Department", 80),
        picklist("Stakeholder_Role__c", *_ROLES, restricted=True),
        typed("Left_Company__c", "boolean"),
        typed("Left_Company_On__c", "date"),
    ),
    indexed=("AccountId",),
    is_mergeable=True,
    tracked=("AccountId", "OwnerId", "Email", "Title", "Stakeholder_Role__c", "Left_Company__c"),
)

OPPORTUNITY = SObject(
    "Opportunity",
    "Opportunities",
    "006",
    (
        reference("AccountId", "Account", relationship="Account", children="Opportunities"),
        text("Name", 120, required=True),
        text("Description", 32000),
        Field("StageName", "picklist", 255, required=True, values=(*OPEN_STAGES, WON_STAGE, LOST_STAGE)),
        typed("Amount", "currency", scale=2),
        typed("Probability", "percent"),
        typed("CloseDate", "date", required=True),
        picklist("Type", "New Business", "Renewal", "Expansion"),
        text("NextStep", 255),
        derived("IsClosed", "boolean"),
        derived("IsWon", "boolean"),
    ),
    indexed=("AccountId",),
    tracked=("StageName", "Amount", "CloseDate", "Probability", "OwnerId", "Type"),
)

CASE = SObject(
    "Case",
    "Cases",
    "500",
    (
        derived("CaseNumber", "string", 30, auto_number="{:08d}"),
        reference("ContactId", "Contact", relationship="Contact", children="Cases"),
        reference("AccountId", "Account", relationship="Account", children="Cases"),
        text("Subject", 255),
        text("Description", 32000),
        picklist("Type", "Problem", "Feature Request", "Question"),
        picklist("Status", "New", "Working", "Escalated", "Closed", default="New"),
        picklist("Priority", "Low", "Medium", "High", "Critical", default="Medium"),
        picklist("Origin", "Email", "Phone", "Web"),
        derived("IsClosed", "boolean"),
        derived("ClosedDate", "datetime"),
        typed("IsEscalated", "boolean"),
        typed("CSAT_Score__c", "percent"),
    ),
    indexed=("AccountId",),
    record_name="CaseNumber",
    is_mergeable=True,
    tracked=("Status", "Priority", "OwnerId", "IsEscalated"),
)


def _activity(children: str) -> tuple[Field, ...]:
    return (
        reference("WhoId", "Contact", relationship="Who", children=children),
        reference("WhatId", *_WHAT, relationship="What", children=children),
        reference("AccountId", "Account", relationship="Account", written=False),
        text("Subject", 255),
        text("Description", 32000),
        derived("IsArchived", "boolean"),
        picklist("Outcome__c", *_OUTCOMES, restricted=True),
        picklist("Direction__c", "Inbound", "Outbound", restricted=True),
        key("Plansync_Key__c"),
    )


TASK = SObject(
    "Task",
    "Tasks",
    "00T",
    (
        *_activity("Tasks"),
        typed("ActivityDate", "date"),
        picklist("Status", "Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred",
                 default="Not Started"),
        picklist("Priority", "High", "Normal", "Low", default="Normal"),
        picklist("TaskSubtype", "Task", "Call", "Email", restricted=True, default="Task"),
        derived("IsClosed", "boolean"),
        derived("CompletedDateTime", "datetime"),
        typed("IsRecurrence", "boolean"),
    ),
    indexed=("WhatId",),
    record_name="Subject",
)  # fmt: skip

EVENT = SObject(
    "Event",
    "Events",
    "00U",
    (
        *_activity("Events"),
        typed("StartDateTime", "datetime"),
        typed("EndDateTime", "datetime"),
        typed("DurationInMinutes", "int"),
        typed("ActivityDate", "date"),
        typed("IsAllDayEvent", "boolean"),
        text("Location", 255),
    ),
    indexed=("WhatId",),
    record_name="Subject",
)

SUCCESS_PLAN = SObject(
    "Success_Plan__c",
    "Success Plans",
    "a00",
    (
        text("Name", 80),
        reference("Account__c", "Account", relationship="Account__r", children="Success_Plans__r", required=True),
        key("Plansync_Key__c"),
        typed("Health_Score__c", "double", scale=1),
        picklist("Health_Band__c", *map(str, Band), restricted=True),
        typed("Renewal_Date__c", "date"),
    ),
    indexed=("Account__c",),
    tracked=("Health_Score__c", "Health_Band__c", "Renewal_Date__c"),
)

SUCCESS_PLAN_SECTION = SObject(
    "Success_Plan_Section__c",
    "Success Plan Sections",
    "a01",
    (
        derived("Name", "string", 80, auto_number="PS-{:06d}"),
        _plan("Sections__r"),
        key("Plansync_Key__c"),
        picklist("Section__c", *map(str, Section), restricted=True),
        text("Body__c", 32768),
    ),
    indexed=("Success_Plan__c",),
    has_owner=False,
)  # fmt: skip

SUCCESS_PLAN_ITEM = SObject(
    "Success_Plan_Item__c",
    "Success Plan Items",
    "a02",
    (
        derived("Name", "string", 80, auto_number="PI-{:06d}"),
        _plan("Items__r"),
        key("Plansync_Key__c"),
        picklist("Kind__c", *map(str, PlanItemKind), restricted=True),
        text("Title__c", 255),
        text("Detail__c", 32768),
        text("Owner_Name__c", 120),
        picklist("Owner_Side__c", "vendor", "customer", restricted=True),
        typed("Due_Date__c", "date"),
        typed("Is_Done__c", "boolean"),
        text("Metric__c", 255),
        text("Unit__c", 40),
        typed("Baseline__c", "double", scale=4),
        typed("Target__c", "double", scale=4),
        typed("Current__c", "double", scale=4),
        text("Role__c", 80),
        text("Influence__c", 80),
        text("Likelihood__c", 40),
        text("Impact__c", 40),
        text("Mitigation__c", 32768),
    ),
    indexed=("Success_Plan__c",),
    has_owner=False,
)  # fmt: skip

_WRITTEN = (
    USER, ACCOUNT, CONTACT, OPPORTUNITY, CASE, TASK, EVENT, CONTRACT, ASSET, OPPORTUNITY_CONTACT_ROLE,
    ACCOUNT_CONTACT_RELATION, SUCCESS_PLAN, SUCCESS_PLAN_SECTION, SUCCESS_PLAN_ITEM,
)  # fmt: skip

STANDARD = (
    *_WRITTEN,
    *PERMISSION_OBJECTS,
    ORGANIZATION,
    OPPORTUNITY_HISTORY,
    *(history_of(each) for each in _WRITTEN if each.tracked),
)
"""All that the org of the samples has."""
PLANSYNC_OBJECTS = (SUCCESS_PLAN, SUCCESS_PLAN_SECTION, SUCCESS_PLAN_ITEM)
PLANSYNC_KEY = "Plansync_Key__c"
"""On ``Activity``: what plansync's package deploys to tasks."""

DEFAULT = OrgObjects.of(STANDARD)
OBJECTS: Mapping[str, SObject] = CurrentObjects(DEFAULT)
"""The org's objects by lower-case name, as far as the API shows them to the request that is being answered."""
BY_PREFIX: Mapping[str, SObject] = CurrentPrefixes(DEFAULT)
"""The objects whose ids tell what they are: all but the histories, which share one prefix."""
