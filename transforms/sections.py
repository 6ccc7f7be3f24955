"""The six sections of a success plan, as text for the CRM.

Text comes from facts and from what people agreed; nothing is invented. It states dates, never counts of days, and
neither the day of the run nor a measure that moves every night, so that a quiet night changes nothing.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from models import frames, keys
from models.enums import Band, PlanItemKind, PlanType, Section
from models.policy.pack import Policy, SignalTrigger
from transforms import section_lines as lines
from transforms import text
from transforms.days import iso
from transforms.facts import Facts
from transforms.section_lines import NOT_AGREED
from transforms.segments import segment_label, tier_beside

RULES: Mapping[Section, tuple[str, ...]] = {
    Section.CUSTOMER_OVERVIEW: ("R-011", "R-018", "R-019", "R-190"),
    Section.BUSINESS_GOALS: ("R-011", "R-020", "R-090"),
    Section.SUCCESS_OUTCOMES: ("R-011", "R-024", "R-093"),
    Section.CURRENT_QUARTER: ("R-011", "R-023", "R-111", "R-113", "R-114", "R-115"),
    Section.HEALTH_AND_RISK: ("R-011", "R-021", "R-138"),
    Section.RENEWAL_AND_EXPANSION: ("R-011", "R-022"),
}
LIGHTWEIGHT_RULES = ("R-007", "R-031")
BODY_CHARS = 32_000
"""What fits into a long text field of either CRM."""


def section_texts(
    customers: pl.LazyFrame,
    facts: Facts,
    *,
    signals: pl.LazyFrame,
    health: pl.LazyFrame,
    renewals: pl.LazyFrame,
    lifecycle: pl.LazyFrame,
    tasks: pl.LazyFrame,
    as_of: date,
    policy: Policy,
) -> pl.LazyFrame:
    """Write the plan of every customer that is due one.

    A formal or one-page plan has all six sections. A lightweight plan has one, ``success_outcomes``, of three
    sentences: what success is, what is at risk, what comes next.

    Args:
        customers: ``frames.Customers``.
        facts: Reads contacts, opportunities and plan items.
        signals: ``frames.Signals``; those at risk or critical are the active risks.
        health: ``frames.Health``.
        renewals: ``frames.Renewals``.
        lifecycle: ``frames.Lifecycle``; says who is due a plan, and which.
        tasks: ``frames.TasksDue``; the answer to a risk, where a playbook has one.
        as_of: Decides the current quarter, and which deadlines are missed.
        policy: Titles of signals, and which playbook answers which.

    Returns:
        ``frames.SectionTexts``, by customer and in reading order. A customer that is due no plan has none.

    Source:
        Rulebook R-011, R-018 to R-024, R-031, R-110 to R-115.
    """
    due = lifecycle.filter("is_plan_due").select(
        "customer_id", "stage", "engagement_model", "plan_type", "last_engagement_date", "next_review_date"
    )
    wide = customers.join(due, on="customer_id")
    wide = wide.join(health.drop("profile"), on="customer_id", how="left")
    wide = wide.join(renewals.drop("arr_minor", "currency"), on="customer_id", how="left")
    titles = {name: policy.signals.rule(name).title for name in policy.signals.enabled}
    risks = lines.active_risks(signals, titles, lines.answers(tasks, _answered_signals(policy)))
    for part in (
        lines.key_people(facts.contacts, facts.plan_items),
        lines.goals(facts.plan_items),
        lines.outcomes(facts.plan_items),
        lines.work(facts.plan_items, PlanItemKind.ACTION, as_of),
        lines.work(facts.plan_items, PlanItemKind.MILESTONE, as_of),
        lines.risk_register(facts.plan_items),
        risks,
        lines.next_steps(tasks),
        lines.expansions(facts.opportunities),
    ):
        wide = wide.join(part, on="customer_id", how="left")
    return _sections(wide.with_columns(segment=segment_label(policy), tier=tier_beside(policy)), as_of)


def _answered_signals(policy: Policy) -> dict[str, str]:
    triggers = {name: book.trigger for name, book in policy.playbooks.items()}
    return {name: trigger.signal for name, trigger in triggers.items() if isinstance(trigger, SignalTrigger)}


def _sections(wide: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """One row per customer and section, from one wide row per customer."""
    is_light = pl.col("plan_type") == str(PlanType.LIGHTWEIGHT)
    bodies: dict[Section, pl.Expr] = {
        Section.CUSTOMER_OVERVIEW: _overview(),
        Section.BUSINESS_GOALS: pl.col("goals").fill_null(NOT_AGREED),
        Section.SUCCESS_OUTCOMES: pl.when(is_light).then(_in_three_sentences()).otherwise(_outcomes()),
        Section.CURRENT_QUARTER: _current_quarter(as_of),
        Section.HEALTH_AND_RISK: _health_and_risk(),
        Section.RENEWAL_AND_EXPANSION: _renewal_and_expansion(),
    }
    found = [_section(wide, section, body, is_light) for section, body in bodies.items()]
    order = {str(section): place for place, section in enumerate(Section)}
    texts = pl.concat(found).sort("customer_id", pl.col("section").replace_strict(order, return_dtype=pl.Int8))
    return texts.select(frames.SectionTexts.column_names())


def _section(wide: pl.LazyFrame, section: Section, body: pl.Expr, is_light: pl.Expr) -> pl.LazyFrame:
    has_section = pl.lit(True) if section is Section.SUCCESS_OUTCOMES else ~is_light
    full = pl.lit(list(RULES[section]), dtype=pl.List(pl.String))
    light = pl.lit(list(LIGHTWEIGHT_RULES), dtype=pl.List(pl.String))
    return wide.filter(has_section).select(
        "customer_id",
        record_key=keys.hashed("section", pl.col("customer_id"), str(section)),
        plan_key=keys.hashed("plan", pl.col("customer_id")),
        section=pl.lit(str(section)),
        body=text.clipped(body, BODY_CHARS),
        rule_ids=pl.when(is_light).then(light).otherwise(full),
    )


def _overview() -> pl.Expr:
    """Two paragraphs: who they are and why they bought; who the people are (R-018)."""
    name = lines.clean("name")
    traits = lines.joined(
        [
            lines.clean("segment"),
            lines.clean("tier"),
            lines.clean("industry"),
            text.said("{} employees", text.grouped(pl.col("employees_count"))),
            text.said("{} seats", text.grouped(pl.col("seats_count"))),
        ],
        ", ",
    )
    who = pl.concat_str(
        [name, text.said(" ({})", "domain"), pl.when(traits != "").then(text.said(": {}", traits))], ignore_nulls=True
    )
    first = lines.joined(
        [
            text.said("{}.", who),
            text.said("Customer since {}.", iso(pl.col("contract_start_date"))),
            text.said("CSM: {}.", lines.clean("owner_name").fill_null("not known")),
            text.said("Stage: {}.", text.words(pl.col("stage"))),
            text.said("Engagement: {}.", text.words(pl.col("engagement_model"))),
            text.said("Why they bought: {}", pl.col("why").fill_null(NOT_AGREED)),
        ],
        " ",
    )
    return text.said("{}\n\nKey people: {}", first, text.said("{}.", "people").fill_null(NOT_AGREED))


def _outcomes() -> pl.Expr:
    return pl.col("outcomes").fill_null(NOT_AGREED)


def _in_three_sentences() -> pl.Expr:
    """What success is, what is at risk, what comes next: all that a small account gets (R-007, R-031)."""
    success = text.said(
        "Success for {}: {}.", lines.clean("name"), pl.col("outcomes_in_short").fill_null(NOT_AGREED.rstrip("."))
    )
    risk = text.said("At risk: {}.", pl.col("risk_titles").fill_null("nothing that is known"))
    step = pl.coalesce(pl.col("next_step"), pl.lit("the annual check-in"))
    renewal = pl.coalesce(text.said("renewal on {}", iso(pl.col("renewal_date"))), pl.lit("renewal date not known"))
    return lines.joined([success, risk, text.said("Next: {}; {}.", step, renewal)], " ")


def _current_quarter(as_of: date) -> pl.Expr:
    """Commitments of both sides, with names and dates; a missed date shows (R-111 to R-115)."""
    quarter = f"Q{(as_of.month + 2) // 3} {as_of.year}"
    share = text.said("The customer owns {} of {}.", "action_customer_count", "action_count")
    actions = lines.headed(f"Actions for {quarter}:", pl.col("action_lines"))
    milestones = lines.headed("Milestones:", pl.col("milestone_lines"))
    review = text.said("Next review: {}.", iso(pl.col("next_review_date")).fill_null("not planned yet"))
    return lines.joined([lines.joined([actions, share], "\n"), milestones, review], "\n\n")


def _health_and_risk() -> pl.Expr:
    """Score and band, every active risk with its mitigation, and the last contact that counts (R-021)."""
    known = pl.col("coverage_pct").round(0).cast(pl.Int64)
    scored = text.said(
        "Health: {} of 100 ({}), rating {} of 5, known for {} % of the weight.",
        pl.col("score").round(0).cast(pl.Int64), "band", "rating", known,
    )  # fmt: skip
    unscored = text.said("Health: insufficient data, known for {} % of the weight; there is no score.", known)
    is_scored = pl.col("band") != str(Band.INSUFFICIENT)
    score = pl.when(is_scored).then(scored).otherwise(unscored).fill_null("Health: not assessed.")
    vetoes = pl.col("vetoes").list.join("; ")
    held = pl.when(vetoes != "").then(text.said("Veto, whatever the score: {}.", vetoes))
    contact = text.said("Last meaningful contact: {}.", iso(pl.col("last_engagement_date")).fill_null("none on record"))
    risks = lines.joined([pl.col("risks"), pl.col("register")], "\n")
    listed = (
        pl.when(risks != "").then(text.said("Active risks:\n{}", risks)).otherwise(pl.lit("Active risks: none known."))
    )
    return lines.joined([lines.joined([score, held, contact], "\n"), listed], "\n\n")


def _renewal_and_expansion() -> pl.Expr:
    """Renewal date with its source, ARR, target NRR and open expansions (R-022)."""
    source = text.said("Renewal: {} ({}).", iso(pl.col("renewal_date")), text.words(pl.col("renewal_source")))
    dispute = pl.when("is_disputed").then(
        text.said("Sources disagree on the renewal date: {}.", pl.col("candidates").list.join("; "))
    )
    facts = [
        source.fill_null("Renewal: date not known."),
        dispute,
        text.said("Notice is due by {}.", iso(pl.col("notice_date"))),
        text.said("Current ARR: {}.", text.money(pl.col("arr_minor"), pl.col("currency")).fill_null("not known")),
        text.said("Target NRR: {}", pl.col("target_nrr").fill_null(NOT_AGREED)),
    ]
    open_deals = text.said("Open expansion opportunities:\n{}", "expansions").fill_null(
        "Open expansion opportunities: none."
    )
    return lines.joined([lines.joined(facts, "\n"), open_deals], "\n\n")
