"""Where each customer stands, and the plan and attention that its value asks for."""

from datetime import date, timedelta
from decimal import Decimal

import polars as pl

from models.enums import EngagementModel, OpportunityKind, PlanItemKind, PlanType, RenewalWindow, Stage
from models.policy.pack import Cadence, Policy
from transforms.days import days_since
from transforms.engagement import last_engagements, meetings_ahead
from transforms.facts import Facts
from transforms.health import segment_of
from transforms.renewals import won_renewals

_NEAR = [str(RenewalWindow.OVERDUE), str(RenewalWindow.D30), str(RenewalWindow.D60), str(RenewalWindow.D90)]


def lifecycle(
    customers: pl.LazyFrame, facts: Facts, renewals: pl.LazyFrame, *, as_of: date, policy: Policy
) -> pl.LazyFrame:
    """Place each customer in its life with us.

    Args:
        customers: ``frames.Customers``.
        facts: Reads opportunities, activities, plan items and account dates.
        renewals: ``frames.Renewals`` of these customers.
        as_of: Stages are counted to it.
        policy: Plan types by value, engagement models, cadences.

    Returns:
        ``frames.Lifecycle``, sorted by customer. A plan counts as agreed once it holds a goal or an outcome. The next
        review is the next scheduled meeting, else the last completed one and the cadence, even if that day has
        passed. The joint model is a choice of people and is never derived.

    Source:
        Rulebook R-030 to R-039, R-057, R-070 to R-076, X1.
    """
    return (
        _joined(customers, facts, renewals, policy)
        .with_columns(stage=_stage(as_of, policy), acv=_acv(policy), spelled_segment=segment_of(policy))
        .with_columns(engagement_model=_engagement_model(policy), plan_type=_plan_type(policy))
        .select(
            "customer_id",
            "stage",
            "engagement_model",
            "plan_type",
            pl.col("plan_type").is_in([str(kind) for kind in policy.plan_types.due]).alias("is_plan_due"),
            pl.col("has_agreed_plan").fill_null(False),
            pl.col("last_engaged_at").dt.date().alias("last_engagement_date"),
            pl.coalesce("next_meeting_date", _review_due(policy)).alias("next_review_date"),
        )
        .sort("customer_id")
    )


def _joined(customers: pl.LazyFrame, facts: Facts, renewals: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    wanted = ("customer_id", "tier", "segment", "arr_minor", "currency", "is_strategic", "contract_start_date")
    parts = [
        _starts(facts),
        won_renewals(facts.opportunities),
        _agreed_plans(facts.plan_items),
        last_engagements(facts.activities, policy=policy),
        meetings_ahead(facts.activities, words=policy.renewals.review_words),
    ]
    joined = customers.select(wanted)
    for part in (renewals.select("customer_id", "renewal_date", "window"), facts.numbers):
        joined = joined.join(part, on="customer_id", how="left")
    for part in parts:
        joined = joined.join(part, on="customer_no", how="left")
    return joined


def _starts(facts: Facts) -> pl.LazyFrame:
    """The first contract start that any account states, else the first won deal."""
    stated = facts.account_dates.group_by("customer_no").agg(stated_start=pl.col("contract_start_date").min())
    is_first = pl.col("is_won") & (pl.col("kind") == OpportunityKind.NEW)
    won = facts.opportunities.filter(is_first).group_by("customer_no").agg(won_start=pl.col("close_date").min())
    joined = stated.join(won, on="customer_no", how="full", coalesce=True)
    return joined.select("customer_no", start_date=pl.coalesce("stated_start", "won_start"))


def _agreed_plans(plan_items: pl.LazyFrame) -> pl.LazyFrame:
    agreed = plan_items.filter(pl.col("kind").is_in([str(PlanItemKind.GOAL), str(PlanItemKind.OUTCOME)]))
    return agreed.select("customer_no", has_agreed_plan=pl.lit(True)).unique()


def _stage(as_of: date, policy: Policy) -> pl.Expr:
    rules = policy.lifecycle
    start = pl.coalesce("contract_start_date", "start_date")
    return (
        pl.when(pl.col("window").is_in(_NEAR))
        .then(pl.lit(str(Stage.RENEWAL)))
        .when(days_since(pl.col("renewed_on"), as_of) <= rules.post_renewal_days)
        .then(pl.lit(str(Stage.POST_RENEWAL)))
        .when(days_since(start, as_of) < rules.onboarding_days)
        .then(pl.lit(str(Stage.ONBOARDING)))
        .when(start.is_not_null() | pl.col("renewal_date").is_not_null())
        .then(pl.lit(str(Stage.ADOPTION)))
        .otherwise(pl.lit(str(Stage.UNKNOWN)))
    )


def _acv(policy: Policy) -> pl.Expr:
    """The ARR in the smallest unit of the thresholds' currency, exact; null in a currency that the policy does not
    list.
    """
    scale = 10 ** policy.money.currencies[policy.money.currency].decimals
    factors = {
        code: Decimal(scale) * currency.rate / Decimal(10**currency.decimals)
        for code, currency in policy.money.currencies.items()
    }
    millionths = {code: int(factor * 1_000_000) for code, factor in factors.items()}
    code = pl.col("currency").fill_null(policy.money.currency)
    factor = code.replace_strict(millionths, default=None, return_dtype=pl.Int64)
    return (pl.col("arr_minor").cast(pl.Int128) * factor).floordiv(1_000_000)


def _engagement_model(policy: Policy) -> pl.Expr:
    rules = policy.engagement_models
    by_segment = {str(segment): str(model) for segment, model in rules.by_segment.items()}
    fallback = pl.col("spelled_segment").replace_strict(by_segment, default=None, return_dtype=pl.String)
    return (
        pl.when(pl.col("acv") >= _threshold(rules.high_touch_min_acv, policy))
        .then(pl.lit(str(EngagementModel.HIGH_TOUCH)))
        .when(pl.col("acv") > _threshold(rules.hybrid_above_acv, policy))
        .then(pl.lit(str(EngagementModel.HYBRID)))
        .when(pl.col("acv").is_not_null())
        .then(pl.lit(str(EngagementModel.LOW_TOUCH)))
        .otherwise(fallback)
    )


def _plan_type(policy: Policy) -> pl.Expr:
    rules = policy.plan_types
    by_segment = {str(segment): str(kind) for segment, kind in rules.by_segment.items()}
    fallback = pl.col("spelled_segment").replace_strict(by_segment, default=None, return_dtype=pl.String)
    return (
        pl.when(pl.col("is_strategic").fill_null(False))
        .then(pl.lit(str(rules.strategic)))
        .when(pl.col("acv") >= _threshold(rules.formal_min_acv, policy))
        .then(pl.lit(str(PlanType.FORMAL)))
        .when(pl.col("acv") > _threshold(rules.one_page_above_acv, policy))
        .then(pl.lit(str(PlanType.ONE_PAGE)))
        .when(pl.col("acv") > _threshold(rules.lightweight_above_acv, policy))
        .then(pl.lit(str(PlanType.LIGHTWEIGHT)))
        .when(pl.col("acv").is_not_null())
        .then(pl.lit(str(PlanType.NONE)))
        .otherwise(fallback.fill_null(str(PlanType.UNKNOWN)))
    )


def _threshold(units: int, policy: Policy) -> int:
    return int(units * 10 ** policy.money.currencies[policy.money.currency].decimals)


def _review_due(policy: Policy) -> pl.Expr:
    due = pl.lit(None, dtype=pl.Date)
    for model, cadence in policy.cadences.items():
        for stage, days in _cadence_days(cadence).items():
            here = (pl.col("engagement_model") == str(model)) & (pl.col("stage") == str(stage))
            due = pl.when(here).then(pl.col("last_meeting_at").dt.date() + timedelta(days=days)).otherwise(due)
    return due


def _cadence_days(cadence: Cadence) -> dict[Stage, int]:
    return {
        Stage.ONBOARDING: cadence.onboarding_days,
        Stage.ADOPTION: cadence.adoption_days,
        Stage.RENEWAL: cadence.renewal_days,
        Stage.POST_RENEWAL: cadence.post_renewal_days,
    }
