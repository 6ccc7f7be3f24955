"""The words that every room uses, one each."""

from enum import StrEnum


class Crm(StrEnum):
    """A system that holds customers and where CSMs work."""

    SALESFORCE = "salesforce"
    HUBSPOT = "hubspot"


class PullObject(StrEnum):
    """What is pulled from a CRM, in the order in which it is pulled."""

    OWNERS = "owners"
    ACCOUNTS = "accounts"
    CONTACTS = "contacts"
    OPPORTUNITIES = "opportunities"
    TICKETS = "tickets"
    ACTIVITIES = "activities"
    TASKS = "tasks"
    PLANS = "plans"
    """Plan fields, plan sections and plan items as the CRM holds them."""


class SignalStatus(StrEnum):
    """What one signal says by its own threshold (R-153, R-157)."""

    HEALTHY = "healthy"
    AT_RISK = "at_risk"
    CRITICAL = "critical"
    NOT_CLASSIFIABLE = "not_classifiable"


class Band(StrEnum):
    """The colour of a customer's health (R-157); missing data is never a colour."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    INSUFFICIENT = "insufficient"


class RenewalWindow(StrEnum):
    """How near a renewal is (R-175 to R-177)."""

    OVERDUE = "overdue"
    D30 = "d30"
    D60 = "d60"
    D90 = "d90"
    LATER = "later"
    UNKNOWN = "unknown"


class RenewalRisk(StrEnum):
    """How likely the renewal is to be lost, as far as the data tells."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    UNKNOWN = "unknown"


class Stage(StrEnum):
    """Where a customer stands in its life with us (R-057)."""

    ONBOARDING = "onboarding"
    ADOPTION = "adoption"
    RENEWAL = "renewal"
    POST_RENEWAL = "post_renewal"
    UNKNOWN = "unknown"


class EngagementModel(StrEnum):
    """How a customer is looked after (R-032 to R-039)."""

    HIGH_TOUCH = "high_touch"
    HYBRID = "hybrid"
    LOW_TOUCH = "low_touch"
    JOINT = "joint"


class PlanType(StrEnum):
    """Which written plan a customer is due (R-030 to R-039, X1)."""

    FORMAL = "formal"
    ONE_PAGE = "one_page"
    LIGHTWEIGHT = "lightweight"
    NONE = "none"
    UNKNOWN = "unknown"


class Section(StrEnum):
    """The six sections of a success plan, in reading order (R-011)."""

    CUSTOMER_OVERVIEW = "customer_overview"
    BUSINESS_GOALS = "business_goals"
    SUCCESS_OUTCOMES = "success_outcomes"
    CURRENT_QUARTER = "current_quarter"
    HEALTH_AND_RISK = "health_and_risk"
    RENEWAL_AND_EXPANSION = "renewal_and_expansion"


class StakeholderRole(StrEnum):
    """The part a contact plays for the customer (R-190); influence is another matter (X9)."""

    EXECUTIVE_SPONSOR = "executive_sponsor"
    CHAMPION = "champion"
    IT_PROCUREMENT = "it_procurement"
    TECHNICAL_ADMIN = "technical_admin"
    DAY_TO_DAY = "day_to_day"


class OpportunityKind(StrEnum):
    """What an opportunity sells."""

    NEW = "new"
    RENEWAL = "renewal"
    EXPANSION = "expansion"
    OTHER = "other"


class TicketPriority(StrEnum):
    """How urgent a ticket is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class ActivityKind(StrEnum):
    """How people met."""

    MEETING = "meeting"
    CALL = "call"
    EMAIL = "email"


class ActivityOutcome(StrEnum):
    """How a meeting or call ended; emails have none."""

    SCHEDULED = "scheduled"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class TaskPriority(StrEnum):
    """How soon a task wants doing."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class SurveyKind(StrEnum):
    """What a survey asked (R-156)."""

    NPS = "nps"
    CSAT = "csat"
    CES = "ces"


class PlanItemKind(StrEnum):
    """What a line of a success plan is."""

    GOAL = "goal"
    OUTCOME = "outcome"
    MILESTONE = "milestone"
    STAKEHOLDER = "stakeholder"
    RISK = "risk"
    ACTION = "action"


class IdentityMethod(StrEnum):
    """Why a CRM account belongs to a customer, strongest first."""

    PERSON = "person"
    EXPLICIT_LINK = "explicit_link"
    MERGED = "merged"
    DOMAIN = "domain"
    EXACT_NAME = "exact_name"
    FUZZY = "fuzzy"
    ALONE = "alone"


class WriteKind(StrEnum):
    """What is written to a CRM, in the order in which it is pushed."""

    FIELDS = "fields"
    """The typed fields of a plan: score, band, renewal date."""
    SECTIONS = "sections"
    TASKS = "tasks"


class WriteAction(StrEnum):
    """What a write does to a record; a task is closed, never deleted."""

    CREATE = "create"
    UPDATE = "update"
    CLOSE = "close"


class ChangeStatus(StrEnum):
    """What the diff decided about one desired or once written thing."""

    PLANNED = "planned"
    UNCHANGED = "unchanged"
    CONTESTED = "contested"
    """A person edited the text, or the task, since we wrote it: it is listed, not overwritten."""
    DEFERRED = "deferred"
    """Over the owner's cap for the day: raised on a later day unless it clears."""


class LedgerState(StrEnum):
    """Where one effect on the outside world stands."""

    PENDING = "pending"
    SENDING = "sending"
    """Handed to the CRM, answer not recorded: settled by reading back, never by a blind retry."""
    DONE = "done"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    """Never came to pass, and a later change set no longer asks for it."""


class RunStatus(StrEnum):
    """How a run stands, or how it ended."""

    RUNNING = "running"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
