"""What a policy pack may say, typed. The values live in ``default.yaml``, each with its rule ids and its source.

A block's ``rule_ids`` name rules of the rulebook (``R-124``), contradictions that it resolves (``X1``) or facts about
the CRMs (``A10``). ``sources`` name the articles that state the numbers, or ``choice`` where no article does and the
pack decides.
"""

import hashlib
import json
import re
from decimal import Decimal
from string import Formatter
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from models.enums import ActivityOutcome, Band, EngagementModel, PlanType, RenewalRisk, RenewalWindow, TaskPriority
from models.policy.signal_rules import (
    BadStatus,
    Block,
    Percent,
    Ruled,
    RuleId,
    SignalName,
    Signals,
    Source,
    known,
    ordered,
)

SegmentName = Literal["enterprise", "mid_market", "smb"]
TEMPLATE_FIELDS = ("customer", "reason", "renewal_date", "notice_date", "candidates")


class Feeds(Ruled):
    """How far a feed reaches, and when that is too old to conclude from.

    Usage covers a week in which at least ``min_reporting_pct`` percent as many accounts reported as usual: the median
    of the eight weeks before it, thin ones included, so that a lasting lower level becomes the usual after four or five
    weeks; of the covered ones while there are fewer than eight. With 0 a single row covers its week for everybody.
    Nothing is concluded when no covered full week ended within ``usage_stale_days``.
    """

    usage_stale_days: PositiveInt
    min_reporting_pct: Percent


class Engagement(Ruled):
    """Which past meetings and calls count as contact with the customer; inbound mail always does."""

    counted_outcomes: tuple[ActivityOutcome, ...]


class Profile(Ruled):
    """Weights of signals in the score; they need not sum to 100."""

    weights: Annotated[dict[SignalName, PositiveInt], Field(min_length=1)]


class Points(Ruled):
    """What a signal adds to the score by its status, 0-100."""

    healthy: Percent
    at_risk: Percent
    critical: Percent

    @model_validator(mode="after")
    def _falls(self) -> Self:
        ordered(self.healthy, self.at_risk, "at_risk is above healthy")
        ordered(self.at_risk, self.critical, "critical is above at_risk")
        return self


class Bands(Ruled):
    """Lowest score of green and of yellow; below is red."""

    green_min: Percent
    yellow_min: Percent

    @model_validator(mode="after")
    def _green_is_higher(self) -> Self:
        ordered(self.green_min, self.yellow_min, "green_min is below yellow_min")
        return self


class Rating(Ruled):
    """Lowest scores of ratings 2, 3, 4 and 5."""

    lowest_scores: tuple[Percent, Percent, Percent, Percent]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        for smaller, larger in zip(self.lowest_scores, self.lowest_scores[1:], strict=False):
            ordered(larger, smaller, "lowest_scores must rise")
        return self


class CoverageFloor(Ruled):
    """Share of the weight that must be classifiable; below it the band is "insufficient"."""

    min_pct: Percent


class Veto(Ruled):
    """A signal that alone keeps the band at ``at_most``, whatever the score."""

    title: str
    signal: SignalName
    statuses: Annotated[tuple[BadStatus, ...], Field(min_length=1)]
    at_most: Literal[Band.YELLOW, Band.RED]


class Health(Block):
    """How signals become a score and a band."""

    points: Points
    bands: Bands
    rating: Rating
    coverage_floor: CoverageFloor
    max_drivers: PositiveInt
    profiles: Annotated[dict[str, Profile], Field(min_length=1)]
    profile_by_segment: dict[SegmentName, str]
    default_profile: str
    vetoes: dict[str, Veto]

    @model_validator(mode="after")
    def _profiles_exist(self) -> Self:
        for name in (self.default_profile, *self.profile_by_segment.values()):
            known(name, tuple(self.profiles), "profile")
        return self


class Segments(Ruled):
    """Spellings of the segments in the CRMs' tier and segment fields; case, spaces and dashes do not matter."""

    names: dict[SegmentName, tuple[str, ...]]


class Currency(Block):
    """One currency: its decimals, and what a unit of it is worth."""

    decimals: Annotated[int, Field(ge=0, le=4)]
    rate: Annotated[Decimal, Field(gt=0)]


class Money(Ruled):
    """How amounts are compared with thresholds: ``rate`` is the worth of one unit in the thresholds' currency."""

    currency: str
    currencies: dict[str, Currency]

    @model_validator(mode="after")
    def _currency_is_listed(self) -> Self:
        known(self.currency, tuple(self.currencies), "currency")
        return self


class PlanTypes(Ruled):
    """Smallest ACV, in whole units of ``money.currency``, of each plan, and what strategic customers get (X1)."""

    formal_min_acv: NonNegativeInt
    one_page_above_acv: NonNegativeInt
    lightweight_above_acv: NonNegativeInt
    strategic: PlanType
    by_segment: dict[SegmentName, PlanType]
    due: tuple[PlanType, ...]


class EngagementModels(Ruled):
    """Smallest ACV of each model, in whole units; the segment decides where the ACV is unknown."""

    high_touch_min_acv: NonNegativeInt
    hybrid_above_acv: NonNegativeInt
    by_segment: dict[SegmentName, EngagementModel]


class LifecycleRules(Ruled):
    """How long the first and the last stage of a term last, in days."""

    onboarding_days: PositiveInt
    post_renewal_days: PositiveInt


class Cadence(Ruled):
    """Days between reviews of a plan, by stage."""

    onboarding_days: PositiveInt
    adoption_days: PositiveInt
    renewal_days: PositiveInt
    post_renewal_days: PositiveInt


DateSource = Literal["account_field", "contract_end", "open_renewal", "won_plus_term"]
RiskReason = Literal["band_red", "band_yellow", "veto", "overdue", "disputed", "no_review"]


class RenewalDate(Ruled):
    """Which date wins, first found first, and when dates contradict each other."""

    precedence: Annotated[tuple[DateSource, ...], Field(min_length=1)]
    disputing: tuple[DateSource, ...]
    dispute_days: NonNegativeInt
    settled_by_win_days: NonNegativeInt
    assumed_term_months: PositiveInt


class RenewalWindows(Ruled):
    """Largest number of days to the renewal in each window."""

    d30_days: PositiveInt
    d60_days: PositiveInt
    d90_days: PositiveInt

    @model_validator(mode="after")
    def _rises(self) -> Self:
        ordered(self.d60_days, self.d30_days, "d60_days is below d30_days")
        ordered(self.d90_days, self.d60_days, "d90_days is below d60_days")
        return self


class RenewalRiskRules(Ruled):
    """How grave each reason is, and from which risk on the ARR counts as at risk."""

    levels: dict[RiskReason, Literal[RenewalRisk.LOW, RenewalRisk.MEDIUM, RenewalRisk.HIGH]]
    arr_at_risk: tuple[Literal[RenewalRisk.MEDIUM, RenewalRisk.HIGH], ...]
    review_windows: tuple[RenewalWindow, ...]

    @field_validator("arr_at_risk", mode="before")
    @classmethod
    def _names_a_risk(cls, given: object) -> object:
        """A low risk is safe, and of an unknown one no amount can be told: neither has reasons that a report names."""
        if isinstance(given, list | tuple) and {"low", "unknown"} & {str(each) for each in given}:
            raise PydanticCustomError("no_risk", "ARR is at risk from medium or high on, never from low or unknown")
        return given


class RenewalRules(Block):
    """Which date counts, when a renewal is near, and what makes it a risk."""

    date: RenewalDate
    windows: RenewalWindows
    risk: RenewalRiskRules
    review_words: tuple[str, ...]


class SignalTrigger(Block):
    """Raised while a signal has one of the statuses; named by the signal's episode."""

    kind: Literal["signal"]
    signal: SignalName
    statuses: Annotated[tuple[BadStatus, ...], Field(min_length=1)]


class RenewalTrigger(Block):
    """Raised inside the windows, if the condition holds; named by the renewal date."""

    kind: Literal["renewal"]
    windows: Annotated[tuple[RenewalWindow, ...], Field(min_length=1)]
    only_if: Literal["always", "no_review", "silent", "disputed", "undated"] = "always"


class PlanTrigger(Block):
    """Raised while a customer that is due a plan has agreed none; named "not agreed"."""

    kind: Literal["plan"]
    only_if: Literal["not_agreed"]


class Playbook(Ruled):
    """A trigger and the task that answers it (R-137).

    Texts may hold the names of ``TEMPLATE_FIELDS`` in braces. They state dates, never counts of days, so that a quiet
    night changes nothing. ``severity`` orders tasks when the cap bites, worst (largest) first. Without
    ``engagement_models`` it is for everybody.
    """

    trigger: Annotated[SignalTrigger | RenewalTrigger | PlanTrigger, Field(discriminator="kind")]
    subject: str
    body: str
    priority: TaskPriority
    severity: Annotated[int, Field(ge=0, le=100)]
    due_days: NonNegativeInt
    owner: Literal["csm"]
    engagement_models: tuple[EngagementModel, ...] = ()

    @model_validator(mode="after")
    def _placeholders_are_known(self) -> Self:
        for text in (self.subject, self.body):
            for field in template_parts(text)[1::2]:
                known(field, TEMPLATE_FIELDS, "placeholder")
        return self


class Tasks(Ruled):
    """How many new tasks an owner may get in a day."""

    cap_per_owner_and_day: PositiveInt


class Identity(Ruled):
    """Name scores from which accounts are linked, or shown to a person; domains that belong to nobody."""

    fuzzy_link_score: Annotated[float, Field(ge=0, le=1)]
    review_score: Annotated[float, Field(ge=0, le=1)]
    shared_domains: tuple[str, ...]


class Contradiction(Block):
    """A point on which the articles disagree, and the side that this pack takes."""

    conflict: str
    choice: str
    sources: tuple[Source, ...]


class Policy(Block):
    """A whole pack."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    feeds: Feeds
    engagement: Engagement
    signals: Signals
    health: Health
    segments: Segments
    money: Money
    plan_types: PlanTypes
    engagement_models: EngagementModels
    lifecycle: LifecycleRules
    cadences: dict[EngagementModel, Cadence]
    renewals: RenewalRules
    playbooks: dict[str, Playbook]
    tasks: Tasks
    identity: Identity
    contradictions: dict[RuleId, Contradiction]

    @model_validator(mode="after")
    def _weighted_signals_are_enabled(self) -> Self:
        weighted = {signal for profile in self.health.profiles.values() for signal in profile.weights}
        for signal in sorted(weighted):
            known(signal, self.signals.enabled, "weighted signal")
        return self

    @property
    def version(self) -> str:
        """The pack's name and a short hash of everything it says."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:10]}"


def template_parts(text: str) -> list[str]:
    """A playbook's text cut at its placeholders: literal, field, literal, field, ..., literal.

    Raises:
        PydanticCustomError: A brace is open, or a placeholder holds more than a name.
    """
    parts: list[str] = []
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise PydanticCustomError("bad_template", "{text}", {"text": str(error)}) from error
    tail = ""
    for literal, field, spec, conversion in pieces:
        tail += literal
        if field is None:
            continue
        if spec or conversion or not re.fullmatch(r"\w*", field):
            raise PydanticCustomError("bad_template", "placeholder {{{field}}} is more than a name", {"field": field})
        parts += [tail, field]
        tail = ""
    return [*parts, tail]
