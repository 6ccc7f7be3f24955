"""Which tasks should be open now, and what they say.

A task is named by its playbook, its customer and the episode that called for it, so it is the same task every night
until the condition clears. Its texts state dates and names of that episode, never counts of days: a quiet night
changes nothing.
"""

from datetime import date

import polars as pl

from models.frames import TasksDue, empty
from models.keys import hashed
from models.policy.pack import Playbook, Policy, RenewalTrigger, SignalTrigger, template_parts
from transforms.days import iso
from transforms.text import said

_SILENT = "engagement_silence"
_BAD = ["at_risk", "critical"]


def tasks_due(
    customers: pl.LazyFrame,
    signals: pl.LazyFrame,
    health: pl.LazyFrame,
    renewals: pl.LazyFrame,
    lifecycle: pl.LazyFrame,
    *,
    as_of: date,
    policy: Policy,
) -> pl.LazyFrame:
    """Answer each trigger with its task.

    Args:
        customers: ``frames.Customers``; reads ``customer_id`` and ``name``.
        signals: ``frames.Signals``.
        health: ``frames.Health``; a customer without a row gets no task.
        renewals: ``frames.Renewals``.
        lifecycle: ``frames.Lifecycle``.
        as_of: Becomes ``opened_on``; nothing else depends on it.
        policy: Playbooks.

    Returns:
        ``frames.TasksDue``, worst first within a customer, sorted by customer. ``opened_on`` is this run's day:
        whoever compares with what was written keeps the first one.

    Source:
        Rulebook R-120 to R-137, R-170 to R-177.
    """
    facts = _facts(customers, health, renewals, lifecycle, signals)
    raised = [
        _called_for(playbook, facts, signals).pipe(_task, name, playbook, as_of)
        for name, playbook in sorted(policy.playbooks.items())
    ]
    tasks = pl.concat(raised) if raised else empty(TasksDue).lazy()
    return tasks.sort("customer_id", -pl.col("severity"), "record_key")


def _facts(
    customers: pl.LazyFrame,
    health: pl.LazyFrame,
    renewals: pl.LazyFrame,
    lifecycle: pl.LazyFrame,
    signals: pl.LazyFrame,
) -> pl.LazyFrame:
    """One row per customer with what triggers and texts read."""
    dates = renewals.select(
        "customer_id",
        "window",
        "is_disputed",
        "has_review_scheduled",
        renewal_date=iso(pl.col("renewal_date")),
        notice_date=iso(pl.col("notice_date")),
        candidates=pl.col("candidates").list.join("\n"),
    )
    silent = signals.filter((pl.col("signal") == _SILENT) & pl.col("status").is_in(_BAD))
    return (
        customers.select("customer_id", customer="name")
        .join(health.select("customer_id"), on="customer_id")
        .join(dates, on="customer_id")
        .join(lifecycle.select("customer_id", "engagement_model", "is_plan_due", "has_agreed_plan"), on="customer_id")
        .join(silent.select("customer_id", is_silent=pl.lit(True)), on="customer_id", how="left")
        .with_columns(pl.col("is_silent").fill_null(False))
    )


def _called_for(playbook: Playbook, facts: pl.LazyFrame, signals: pl.LazyFrame) -> pl.LazyFrame:
    """The customers for whom a playbook's trigger holds, with ``episode`` and ``reason``."""
    trigger = playbook.trigger
    reached = facts
    if playbook.engagement_models:
        reached = facts.filter(pl.col("engagement_model").is_in([str(model) for model in playbook.engagement_models]))
    if isinstance(trigger, SignalTrigger):
        statuses = [str(status) for status in trigger.statuses]
        wanted = signals.filter((pl.col("signal") == trigger.signal) & pl.col("status").is_in(statuses))
        return reached.join(wanted.select("customer_id", "episode", "reason"), on="customer_id")
    if isinstance(trigger, RenewalTrigger):
        return _renewal_calls(trigger, reached)
    is_open = pl.col("is_plan_due") & ~pl.col("has_agreed_plan")
    return reached.filter(is_open).with_columns(
        episode=pl.lit("not_agreed"), reason=pl.lit("no goal or outcome is agreed yet")
    )


def _renewal_calls(trigger: RenewalTrigger, facts: pl.LazyFrame) -> pl.LazyFrame:
    conditions = {
        "always": (pl.lit(True), pl.lit("")),
        "no_review": (~pl.col("has_review_scheduled"), pl.lit(", no review is scheduled before it")),
        "silent": (pl.col("is_silent"), pl.lit(", and the customer is silent")),
        "disputed": (pl.col("is_disputed"), pl.lit(", but sources disagree")),
        "undated": (pl.col("renewal_date").is_null(), pl.lit("")),
    }
    holds, more = conditions[trigger.only_if]
    windows = [str(window) for window in trigger.windows]
    return facts.filter(pl.col("window").is_in(windows) & holds).with_columns(
        episode=pl.col("renewal_date").fill_null("undated"),
        reason=pl.coalesce(said("renewal on {}{}", "renewal_date", more), pl.lit("no renewal date on record")),
    )


def _task(called: pl.LazyFrame, name: str, playbook: Playbook, as_of: date) -> pl.LazyFrame:
    return called.select(
        record_key=hashed("task", name, pl.col("customer_id"), pl.col("episode")),
        customer_id="customer_id",
        playbook=pl.lit(name),
        rule_ids=pl.lit(list(playbook.rule_ids), dtype=pl.List(pl.String)),
        subject=_filled(playbook.subject),
        body=_filled(playbook.body),
        reason="reason",
        priority=pl.lit(str(playbook.priority)),
        due_days=pl.lit(playbook.due_days, dtype=pl.Int64),
        opened_on=pl.lit(as_of),
        severity=pl.lit(playbook.severity, dtype=pl.Int64),
    )


def _filled(template: str) -> pl.Expr:
    """A playbook's text with the customer's facts in place; they are never read as part of the template."""
    parts = template_parts(template)
    pieces = [pl.lit(part) if place % 2 == 0 else _field(part) for place, part in enumerate(parts)]
    return pl.concat_str(pieces)


def _field(name: str) -> pl.Expr:
    value = pl.col(name)
    if name == "reason":  # texts begin with it
        value = pl.concat_str(value.str.head(1).str.to_uppercase(), value.str.slice(1))
    return value.fill_null("unknown")
