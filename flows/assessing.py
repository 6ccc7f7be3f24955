"""Steps 2 to 4: who is who, what follows, and what should stand in the CRMs. Decides nothing itself."""

from dataclasses import dataclass

import polars as pl

from flows.runtime import Run
from models import frames
from transforms.changes import plan_fields_desired
from transforms.customers import customers, domains
from transforms.facts import Facts, facts, unmatched_surveys, unmatched_usage, weeks_not_covered
from transforms.health import health
from transforms.identity import resolve
from transforms.lifecycle import lifecycle
from transforms.playbooks import tasks_due
from transforms.renewals import renewals
from transforms.sections import section_texts
from transforms.signals import signals


@dataclass(frozen=True, slots=True)
class Known:
    """Who the customers are, and the facts of each."""

    customers: pl.DataFrame
    facts: Facts


@dataclass(frozen=True, slots=True)
class Assessed:
    """What is concluded about every customer, a frame per conclusion, each by its contract in ``models.frames``."""

    customers: pl.DataFrame
    signals: pl.DataFrame
    health: pl.DataFrame
    renewals: pl.DataFrame
    lifecycle: pl.DataFrame
    tasks: pl.DataFrame
    sections: pl.DataFrame
    plan_fields: pl.DataFrame


def resolve_identity(run: Run) -> Known:
    """Link accounts to customers, keep the links and what a person must decide, and gather each customer's facts."""
    mirror = {name: run.store.read(name) for name in frames.MIRRORED}
    mirror["plan_items"] = run.store.plan_items()
    rules = run.policy.identity
    identity = resolve(
        mirror["accounts"],
        known=run.store.crosswalk(),
        decisions=run.store.identity_decisions(),
        fuzzy_link_score=rules.fuzzy_link_score,
        review_score=rules.review_score,
        shared_domains=rules.shared_domains,
    )
    run.store.save_crosswalk(identity.crosswalk)
    run.store.save_identity_reviews(identity.reviews)
    run.store.add_aliases(identity.aliases)
    people = customers(
        mirror["accounts"].lazy(),
        mirror["owners"].lazy(),
        identity.crosswalk.lazy(),
        run.store.homes().lazy(),
        preferred_crm=run.settings.run.preferred_crm,
        shared_domains=rules.shared_domains,
    ).collect()
    return Known(people, _facts(run, mirror, identity.crosswalk))


def _facts(run: Run, mirror: dict[str, pl.DataFrame], crosswalk: pl.DataFrame) -> Facts:
    usage, surveys = run.store.usage(), run.store.surveys()
    links = crosswalk.lazy()
    web = domains(mirror["accounts"].lazy(), links, shared_domains=run.policy.identity.shared_domains)
    for strangers in (unmatched_usage(usage, links, web), unmatched_surveys(surveys, links, web)):
        run.store.add_row_errors(strangers.collect(), run.run_id)
    records = {name: rows.lazy() for name, rows in mirror.items()}
    return facts(records, usage, surveys, links, web, as_of=run.as_of, policy=run.policy)


def assess(run: Run, known: Known) -> Assessed:
    """Everything that follows from the facts as of the run's day, in one pass; a dry run keeps none of it."""
    day, policy, people, found = run.as_of, run.policy, known.customers.lazy(), known.facts
    _note_thin_weeks(run, found)
    flags = signals(people, found, as_of=day, policy=policy).collect()
    scores = health(people, flags.lazy(), policy=policy).collect()
    terms = renewals(people, found, scores.lazy(), as_of=day, policy=policy).collect()
    stages = lifecycle(people, found, terms.lazy(), as_of=day, policy=policy).collect()
    if not run.is_dry:
        run.store.save_assessment(
            run.run_id, day, policy.version, signals=flags, health=scores, renewals=terms, lifecycle=stages
        )
    tasks = tasks_due(
        people, flags.lazy(), scores.lazy(), terms.lazy(), stages.lazy(), as_of=day, policy=policy
    ).collect()
    return Assessed(
        customers=known.customers,
        signals=flags,
        health=scores,
        renewals=terms,
        lifecycle=stages,
        tasks=tasks,
        sections=section_texts(
            people,
            found,
            signals=flags.lazy(),
            health=scores.lazy(),
            renewals=terms.lazy(),
            lifecycle=stages.lazy(),
            tasks=tasks.lazy(),
            as_of=day,
            policy=policy,
        ).collect(),
        plan_fields=plan_fields_desired(known.customers, scores, terms, stages),
    )


def _note_thin_weeks(run: Run, found: Facts) -> None:
    """Say which recent weeks no usage signal counts: a feed that failed looks like customers who all fell silent."""
    thin = weeks_not_covered(found.feeds.collect(), as_of=run.as_of, within_days=run.policy.feeds.usage_stale_days)
    if thin:
        run.note(
            "usage feed",
            f"too few accounts reported in {', '.join(thin)}: no usage signal counts these weeks. Load what is "
            "missing; if these accounts really used nothing, state counts of zero",
        )
