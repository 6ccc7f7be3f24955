"""The signals of a policy pack: what each has for thresholds, and what every block of a pack has in common."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from models.enums import SignalStatus as Status
from models.enums import StakeholderRole, TicketPriority

RuleId = Annotated[str, StringConstraints(pattern=r"^(R-\d{3}|X\d{1,2}|A\d{1,2})$")]
Source = Annotated[str, StringConstraints(pattern=r"^(\d{3}|choice|vendor)$")]
Percent = Annotated[int, Field(ge=0, le=100)]
BadStatus = Literal[Status.AT_RISK, Status.CRITICAL]
SignalName = Literal[
    "champion_unresponsive",
    "engagement_silence",
    "feature_breadth",
    "has_sponsor_engagement",
    "login_frequency",
    "login_recency",
    "milestone_overdue",
    "missed_checkins",
    "nps",
    "single_threaded",
    "sponsor_named",
    "stakeholder_left",
    "ticket_escalation",
    "ticket_load",
    "ticket_sentiment",
    "usage_below_baseline",
    "usage_drop",
]


class Block(BaseModel):
    """A part of a pack: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ruled(Block):
    """A part that says where its values come from."""

    rule_ids: Annotated[tuple[RuleId, ...], Field(min_length=1)]
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]


def known(name: str, names: tuple[str, ...], what: str) -> None:
    """Refuse a name that is not among ``names``; ``load`` adds the nearest."""
    if name not in names:
        raise PydanticCustomError("unknown_name", "{what} '{name}' is unknown", _context(what, name, names))


def _context(what: str, name: str, names: tuple[str, ...]) -> dict[str, object]:
    return {"what": what, "name": name, "known": list(names)}


def ordered(larger: int, smaller: int, text: str) -> None:
    """Refuse two values that stand in the wrong order, with ``text``."""
    if larger < smaller:
        raise PydanticCustomError("not_ordered", "{text}", {"text": text})


class SignalRule(Ruled):
    """What every signal has: a title for people, and whether it is watched at all."""

    title: str
    is_enabled: bool = True


class LoginFrequency(SignalRule):
    """At risk after ``weeks`` full weeks in a row with fewer than ``min_per_week`` logins, critical after
    ``silent_weeks`` without any.
    """

    min_per_week: PositiveInt
    weeks: Annotated[int, Field(ge=1, le=12)]
    silent_weeks: Annotated[int, Field(ge=1, le=12)]


class Days(SignalRule):
    """Days since something last happened: at risk when reached, critical when reached (null: never)."""

    at_risk_days: PositiveInt
    critical_days: PositiveInt | None = None

    @model_validator(mode="after")
    def _critical_is_later(self) -> Self:
        ordered(self.critical_days or self.at_risk_days, self.at_risk_days, "critical_days is below at_risk_days")
        return self


class UsageDrop(SignalRule):
    """Fall of the last ``weeks`` full weeks against as many before, of which ``min_baseline_weeks`` saw use."""

    weeks: Annotated[int, Field(ge=1, le=8)]
    at_risk_pct: Percent
    critical_pct: Percent
    min_baseline_weeks: PositiveInt

    @model_validator(mode="after")
    def _critical_is_deeper(self) -> Self:
        ordered(self.critical_pct, self.at_risk_pct, "critical_pct is below at_risk_pct")
        ordered(self.weeks, self.min_baseline_weeks, "min_baseline_weeks is more than weeks")
        return self


class UsageBelowBaseline(SignalRule):
    """Each of the last ``weeks`` full weeks under ``threshold_pct`` of the mean of the ``baseline_weeks`` before
    them.
    """

    threshold_pct: Percent
    weeks: Annotated[int, Field(ge=1, le=4)]
    baseline_weeks: Annotated[int, Field(ge=1, le=12)]
    min_baseline_weeks: PositiveInt

    @model_validator(mode="after")
    def _baseline_is_filled(self) -> Self:
        ordered(self.baseline_weeks, self.min_baseline_weeks, "min_baseline_weeks is more than baseline_weeks")
        return self


class FeatureBreadth(SignalRule):
    """Features used in the last ``weeks`` full weeks; ``core_features`` do not count."""

    healthy_min: PositiveInt
    at_risk_min: PositiveInt
    weeks: Annotated[int, Field(ge=1, le=12)]
    core_features: tuple[str, ...]

    @model_validator(mode="after")
    def _healthy_is_more(self) -> Self:
        ordered(self.healthy_min, self.at_risk_min, "healthy_min is below at_risk_min")
        return self


class TicketLoad(SignalRule):
    """At risk when ``weeks`` weeks brought ``min_tickets`` or more, and ``rise_pct`` more than the mean of
    ``baseline_weeks`` before.
    """

    weeks: Annotated[int, Field(ge=1, le=8)]
    baseline_weeks: Annotated[int, Field(ge=1, le=26)]
    rise_pct: NonNegativeInt
    min_tickets: PositiveInt


class TicketEscalation(SignalRule):
    """Critical while an escalated ticket is open, at risk while one of ``at_risk_priorities`` is."""

    at_risk_priorities: tuple[TicketPriority, ...]


class TicketSentiment(SignalRule):
    """Mean rating of tickets and CSAT answers over ``weeks`` weeks; ``min_answers`` or more are needed."""

    healthy_min_pct: Percent
    at_risk_min_pct: Percent
    weeks: Annotated[int, Field(ge=1, le=26)]
    min_answers: PositiveInt

    @model_validator(mode="after")
    def _healthy_is_more(self) -> Self:
        ordered(self.healthy_min_pct, self.at_risk_min_pct, "healthy_min_pct is below at_risk_min_pct")
        return self


class Count(SignalRule):
    """A number of bad things: at risk when reached, critical when reached (null: never)."""

    at_risk_count: PositiveInt
    critical_count: PositiveInt | None = None


class MissedCheckins(Count):
    """Meetings missed in a row, the last of them within ``lookback_days``."""

    lookback_days: PositiveInt


class SponsorNamed(SignalRule):
    """How grave it is that nobody is named as executive sponsor."""

    unnamed_status: BadStatus


class StakeholderLeft(SignalRule):
    """A gone and unreplaced holder of a key role: critical for ``critical_roles``; at risk ``recent_days`` long even
    if replaced.
    """

    key_roles: tuple[StakeholderRole, ...]
    critical_roles: tuple[StakeholderRole, ...]
    recent_days: PositiveInt


class SingleThreaded(SignalRule):
    """At risk when fewer contacts than ``min_contacts`` took part within ``window_days``."""

    min_contacts: Annotated[int, Field(ge=2)]
    window_days: PositiveInt


class Nps(SignalRule):
    """The least score of healthy and of at risk, from answers of the last ``window_days``."""

    healthy_min: Annotated[int, Field(ge=0, le=10)]
    at_risk_min: Annotated[int, Field(ge=0, le=10)]
    window_days: PositiveInt

    @model_validator(mode="after")
    def _healthy_is_more(self) -> Self:
        ordered(self.healthy_min, self.at_risk_min, "healthy_min is below at_risk_min")
        return self


class Signals(Block):
    """Every signal, each with its own threshold (R-153)."""

    champion_unresponsive: Days
    engagement_silence: Days
    feature_breadth: FeatureBreadth
    has_sponsor_engagement: Days
    login_frequency: LoginFrequency
    login_recency: Days
    milestone_overdue: Count
    missed_checkins: MissedCheckins
    nps: Nps
    single_threaded: SingleThreaded
    sponsor_named: SponsorNamed
    stakeholder_left: StakeholderLeft
    ticket_escalation: TicketEscalation
    ticket_load: TicketLoad
    ticket_sentiment: TicketSentiment
    usage_below_baseline: UsageBelowBaseline
    usage_drop: UsageDrop

    def rule(self, name: str) -> SignalRule:
        """The block of one signal."""
        found: SignalRule = getattr(self, name)
        return found

    @property
    def enabled(self) -> tuple[str, ...]:
        """Names of the signals that are watched, in alphabetical order."""
        return tuple(sorted(name for name in type(self).model_fields if self.rule(name).is_enabled))
