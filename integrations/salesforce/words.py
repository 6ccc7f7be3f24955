"""What the words of an org mean: roles, kinds, priorities, outcomes. All lower case."""

from collections.abc import Mapping

from models.enums import ActivityOutcome, OpportunityKind, StakeholderRole, TaskPriority, TicketPriority

ROLE_WORDS: Mapping[str, StakeholderRole] = {
    "executive sponsor": StakeholderRole.EXECUTIVE_SPONSOR,
    "economic buyer": StakeholderRole.EXECUTIVE_SPONSOR,
    "champion": StakeholderRole.CHAMPION,
    "it / procurement": StakeholderRole.IT_PROCUREMENT,
    "it/procurement": StakeholderRole.IT_PROCUREMENT,
    "procurement": StakeholderRole.IT_PROCUREMENT,
    "technical admin": StakeholderRole.TECHNICAL_ADMIN,
    "administrator": StakeholderRole.TECHNICAL_ADMIN,
    "day-to-day": StakeholderRole.DAY_TO_DAY,
    "day-to-day user": StakeholderRole.DAY_TO_DAY,
    "end user": StakeholderRole.DAY_TO_DAY,
} | {str(role): role for role in StakeholderRole}

OPPORTUNITY_WORDS: Mapping[str, OpportunityKind] = {
    "new": OpportunityKind.NEW,
    "new business": OpportunityKind.NEW,
    "new customer": OpportunityKind.NEW,
    "renewal": OpportunityKind.RENEWAL,
    "existing customer - renewal": OpportunityKind.RENEWAL,
    "expansion": OpportunityKind.EXPANSION,
    "upsell": OpportunityKind.EXPANSION,
    "cross-sell": OpportunityKind.EXPANSION,
    "existing customer - upgrade": OpportunityKind.EXPANSION,
}
"""Every other type of opportunity, and none, is ``other``."""

TICKET_WORDS: Mapping[str, TicketPriority] = {
    "low": TicketPriority.LOW,
    "p4": TicketPriority.LOW,
    "medium": TicketPriority.NORMAL,
    "high": TicketPriority.HIGH,
    "p2": TicketPriority.HIGH,
    "critical": TicketPriority.URGENT,
    "urgent": TicketPriority.URGENT,
    "p1": TicketPriority.URGENT,
}
"""Every other priority of a case, and none, is ``normal``."""

OUTCOME_WORDS: Mapping[str, ActivityOutcome] = {
    "scheduled": ActivityOutcome.SCHEDULED,
    "completed": ActivityOutcome.COMPLETED,
    "held": ActivityOutcome.COMPLETED,
    "no show": ActivityOutcome.NO_SHOW,
    "no-show": ActivityOutcome.NO_SHOW,
    "cancelled": ActivityOutcome.CANCELLED,
    "canceled": ActivityOutcome.CANCELLED,
}

DIRECTION_WORDS: Mapping[str, bool] = {"inbound": True, "outbound": False}
PRIORITY_WORDS: Mapping[TaskPriority, str] = {
    TaskPriority.LOW: "Low",
    TaskPriority.NORMAL: "Normal",
    TaskPriority.HIGH: "High",
}
