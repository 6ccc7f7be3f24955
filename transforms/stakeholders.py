"""The people at a customer: who is named, who left, who answers; and the signals that follow.

One person may be a contact in both CRMs: people are told apart by e-mail address, and by id where there is none.
"""

from datetime import date, timedelta

import polars as pl

from models.enums import PlanItemKind, SignalStatus, StakeholderRole
from models.policy.pack import Policy
from transforms.days import days_since, iso, joined_by_number, known_until
from transforms.engagement import engaged, outreach
from transforms.readings import Reading, reading
from transforms.text import said

_SPONSOR = (pl.col("role") == StakeholderRole.EXECUTIVE_SPONSOR).fill_null(False)
_CHAMPION = (pl.col("role") == StakeholderRole.CHAMPION).fill_null(False)


def stakeholders_by_customer(
    contacts: pl.LazyFrame, activities: pl.LazyFrame, plan_items: pl.LazyFrame, *, as_of: date, policy: Policy
) -> pl.LazyFrame:
    """Sum up the people of each customer that has any, in the CRM or in its plan.

    Args:
        contacts: ``Facts.contacts``.
        activities: ``Facts.activities``.
        plan_items: ``Facts.plan_items``; stakeholders named there count as named.
        as_of: Recency is counted back from it.
        policy: Reads roles and windows.

    Returns:
        ``customer_no``; ``contact_count``, ``has_departures`` (whether anything says who left or not),
        ``has_sponsor``, ``has_champion``; when sponsors and champions were last engaged, reached out to and known
        since; ``engaged_people``,
        ``engaged_contact``, ``engaged_name``; and the departure to act on: ``left_id``, ``left_name``, ``left_role``,
        ``left_on``, ``is_unreplaced``, ``left_count``.
    """
    present = contacts.filter(~pl.col("has_left").fill_null(False))
    past = _past(activities, policy)
    everybody = pl.concat([contacts.select("customer_no"), plan_items.select("customer_no")]).unique()
    parts = [
        everybody,
        contacts.group_by("customer_no").agg(
            contact_count=pl.len().cast(pl.Int64), has_departures=pl.col("has_left").is_not_null().any()
        ),
        _roles(present),
        _answers(present, past),
        _engaged_people(present, past, as_of, policy),
        _plan_sponsors(plan_items),
        _departures(contacts, as_of, policy),
    ]
    return joined_by_number(parts)


def _past(activities: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    """Past activities with a contact that took part or was asked to."""
    known = activities.filter(~pl.col("is_ahead") & pl.col("contact_crm_id").is_not_null())
    kinds = known.select("crm", "contact_crm_id", "occurred_at", is_engaged=engaged(policy), is_outreach=outreach())
    return kinds.filter(pl.col("is_engaged") | pl.col("is_outreach"))


def _met(people: pl.LazyFrame, past: pl.LazyFrame) -> pl.LazyFrame:
    """Past activities beside the contact who was part of each."""
    # By the id alone and then by CRM: one text finds its match in half the time of a pair.
    joined = past.select(pl.exclude("crm"), activity_crm="crm").join(
        people, left_on="contact_crm_id", right_on="crm_id"
    )
    return joined.filter(pl.col("crm") == pl.col("activity_crm")).rename({"contact_crm_id": "crm_id"})


def _roles(present: pl.LazyFrame) -> pl.LazyFrame:
    named = present.filter(_SPONSOR | _CHAMPION)
    return named.group_by("customer_no").agg(
        has_sponsor=_SPONSOR.any(),
        has_champion=_CHAMPION.any(),
        sponsor_known_at=pl.col("created_at").filter(_SPONSOR).min(),
    )


def _answers(present: pl.LazyFrame, past: pl.LazyFrame) -> pl.LazyFrame:
    """When sponsors and champions were engaged and reached out to."""
    keyed = present.filter(_SPONSOR | _CHAMPION)
    people = keyed.select("crm", "crm_id", "customer_no", is_sponsor=_SPONSOR, is_champion=_CHAMPION)
    when, is_champion = pl.col("occurred_at"), pl.col("is_champion")
    asked = when.filter(pl.col("is_outreach") & is_champion)
    return (
        _met(people, past)
        .group_by("customer_no")
        .agg(
            sponsor_engaged_at=when.filter(pl.col("is_engaged") & pl.col("is_sponsor")).max(),
            champion_engaged_at=when.filter(pl.col("is_engaged") & is_champion).max(),
            champion_outreach_at=asked.max(),
            champion_first_outreach_at=asked.min(),
        )
    )


def _engaged_people(present: pl.LazyFrame, past: pl.LazyFrame, as_of: date, policy: Policy) -> pl.LazyFrame:
    """Who takes part of late."""
    start = pl.lit(known_until(as_of) - timedelta(days=policy.signals.single_threaded.window_days))
    recent = past.filter(pl.col("is_engaged") & (pl.col("occurred_at") >= start))
    lately = recent.group_by("crm", "contact_crm_id").agg(pl.col("occurred_at").max())
    met = _met(present.select("crm", "crm_id", "customer_no", "name", "email"), lately)
    person = pl.coalesce(pl.col("email").str.to_lowercase(), "crm_id")
    return (
        met.with_columns(person=person)
        .group_by("customer_no")
        .agg(
            engaged_people=pl.col("person").n_unique().cast(pl.Int64),
            engaged_contact=pl.col("crm_id").min(),
            engaged_name=pl.col("name").sort_by("crm_id").first(),
            last_person_engaged_at=pl.col("occurred_at").max(),
        )
    )


def _plan_sponsors(plan_items: pl.LazyFrame) -> pl.LazyFrame:
    role = pl.col("role").str.to_lowercase().str.replace_all(r"[^a-z]+", "_")
    people = plan_items.filter(pl.col("kind") == PlanItemKind.STAKEHOLDER)
    return people.group_by("customer_no").agg(
        has_plan_sponsor=(role == StakeholderRole.EXECUTIVE_SPONSOR).fill_null(False).any()
    )


def _departures(contacts: pl.LazyFrame, as_of: date, policy: Policy) -> pl.LazyFrame:
    """The departure to act on: of a critical role first, unreplaced before replaced, then the latest."""
    rule = policy.signals.stakeholder_left
    keyed = contacts.filter(pl.col("role").is_in([str(role) for role in rule.key_roles]))
    has_gone = pl.col("has_left").fill_null(False)
    present = keyed.filter(~has_gone).select("customer_no", "role", is_replaced=pl.lit(True)).unique()
    gone = keyed.filter(has_gone).join(present, on=["customer_no", "role"], how="left")
    is_unreplaced = pl.col("is_replaced").is_null()
    is_recent = pl.col("left_date") >= as_of - timedelta(days=rule.recent_days)
    is_critical = is_unreplaced & pl.col("role").is_in([str(role) for role in rule.critical_roles])
    grave = gone.filter(is_unreplaced | is_recent).select(
        "customer_no",
        left_name="name",
        left_role=pl.col("role").str.replace_all("_", " "),
        left_on="left_date",
        left_id="crm_id",
        is_critical=is_critical,
        is_unreplaced=is_unreplaced,
    )
    order = ["is_critical", "is_unreplaced", pl.col("left_on").fill_null(date.min), "left_id"]
    columns = ("left_name", "left_role", "left_on", "left_id", "is_critical", "is_unreplaced")
    picked = [pl.col(name).sort_by(order).last() for name in columns]
    return grave.group_by("customer_no").agg(*picked, left_count=pl.len().cast(pl.Int64))


def stakeholder_readings(*, as_of: date, policy: Policy) -> list[Reading]:
    """Signals of the columns about people."""
    return [
        _champion_unresponsive(as_of, policy),
        _has_sponsor_engagement(as_of, policy),
        _single_threaded(policy),
        _sponsor_named(policy),
        _stakeholder_left(policy),
    ]


_NO_CONTACTS = (pl.col("contact_count").fill_null(0) == 0, "no contacts on record")


def _champion_unresponsive(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.champion_unresponsive
    engaged_at, asked_at = pl.col("champion_engaged_at"), pl.col("champion_outreach_at")
    is_waiting = asked_at.is_not_null() & (engaged_at.is_null() | (asked_at > engaged_at))
    last = pl.coalesce(engaged_at, pl.col("champion_first_outreach_at"))
    days = pl.when(is_waiting).then(days_since(last.dt.date(), as_of)).otherwise(0)
    return reading(
        "champion_unresponsive",
        unit="days",
        threshold=f"at risk from {rule.at_risk_days} days without an answer to our outreach",
        source="contacts and activities",
        value=days,
        unknown=[
            _NO_CONTACTS,
            (~pl.col("has_champion").fill_null(False), "no champion is named"),
            (engaged_at.is_null() & asked_at.is_null(), "no activity with the champion on record"),
        ],
        critical=None if rule.critical_days is None else days >= rule.critical_days,
        at_risk=days >= rule.at_risk_days,
        healthy="the champion answers",
        bad=pl.when(engaged_at.is_null())
        .then(said("the champion has not answered since our first outreach on {}", iso(last)))
        .otherwise(said("the champion has not answered since {}", iso(last))),
        episode=iso(last),
        observed_at=pl.max_horizontal(engaged_at, asked_at),
    )


def _has_sponsor_engagement(as_of: date, policy: Policy) -> Reading:
    rule = policy.signals.has_sponsor_engagement
    last = pl.coalesce("sponsor_engaged_at", "sponsor_known_at")
    days = days_since(last.dt.date(), as_of)
    return reading(
        "has_sponsor_engagement",
        unit="days",
        threshold=f"at risk from {rule.at_risk_days} days without the executive sponsor"
        + ("" if rule.critical_days is None else f", critical from {rule.critical_days}"),
        source="contacts and activities",
        value=days,
        unknown=[
            _NO_CONTACTS,
            (~pl.col("has_sponsor").fill_null(False), "no executive sponsor among the contacts"),
            (last.is_null(), "no date for the executive sponsor"),
        ],
        critical=None if rule.critical_days is None else days >= rule.critical_days,
        at_risk=days >= rule.at_risk_days,
        healthy="the executive sponsor takes part",
        bad=pl.when(pl.col("sponsor_engaged_at").is_null())
        .then(said("the executive sponsor, known since {}, has never taken part", iso(last)))
        .otherwise(said("the executive sponsor last took part on {}", iso(last))),
        episode=iso(last),
        observed_at=last,
    )


def _single_threaded(policy: Policy) -> Reading:
    rule = policy.signals.single_threaded
    people = pl.col("engaged_people")
    name = pl.coalesce("engaged_name", "engaged_contact")
    return reading(
        "single_threaded",
        unit="people",
        threshold=f"at risk below {rule.min_contacts} people engaged in {rule.window_days} days",
        source="contacts and activities",
        value=people,
        unknown=[_NO_CONTACTS, (people.is_null(), f"no contact engaged in the last {rule.window_days} days")],
        critical=None,
        at_risk=people < rule.min_contacts,
        healthy=f"{rule.min_contacts} or more people are engaged",
        bad=pl.when(people == 1)
        .then(said("{} is the only engaged contact", name))
        .otherwise(said("fewer than {} engaged contacts, {} among them", pl.lit(rule.min_contacts), name)),
        episode=pl.col("engaged_contact"),
        observed_at=pl.col("last_person_engaged_at"),
    )


def _sponsor_named(policy: Policy) -> Reading:
    rule = policy.signals.sponsor_named
    is_named = pl.col("has_sponsor").fill_null(False) | pl.col("has_plan_sponsor").fill_null(False)
    has_people = (pl.col("contact_count").fill_null(0) > 0) | pl.col("has_plan_sponsor").is_not_null()
    return reading(
        "sponsor_named",
        unit="named",
        threshold=f"{rule.unnamed_status.replace('_', ' ')} while no executive sponsor is named",
        source="contacts and plan",
        value=is_named,
        unknown=[(~has_people, "no contacts on record")],
        critical=~is_named if rule.unnamed_status is SignalStatus.CRITICAL else None,
        at_risk=~is_named,
        healthy="an executive sponsor is named",
        bad=pl.lit("nobody is named as executive sponsor"),
        episode=pl.lit("unnamed"),
        observed_at=pl.lit(None, dtype=pl.Datetime("us", "UTC")),
    )


def _stakeholder_left(policy: Policy) -> Reading:
    rule = policy.signals.stakeholder_left
    critical = ", ".join(role.replace("_", " ") for role in rule.critical_roles) or "nobody"
    who = said("{} ({})", pl.coalesce("left_name", "left_id"), "left_role")
    when = pl.when(pl.col("left_on").is_null()).then(pl.lit("")).otherwise(said(" on {}", iso(pl.col("left_on"))))
    successor = pl.when("is_unreplaced").then(pl.lit(", nobody follows in that role")).otherwise(pl.lit(""))
    return reading(
        "stakeholder_left",
        unit="people",
        threshold=f"critical while {critical} is gone and not replaced, "
        f"at risk while another key role is, or {rule.recent_days} days long",
        source="contacts",
        value=pl.col("left_count").fill_null(0),
        unknown=[_NO_CONTACTS, (~pl.col("has_departures"), "no contact says whether it left")],
        critical=pl.col("is_critical"),
        at_risk=pl.col("left_count") > 0,
        healthy="no key stakeholder left",
        bad=said("{} left{}{}", who, when, successor),
        episode=pl.col("left_id"),
        observed_at=pl.col("left_on").cast(pl.Datetime("us", "UTC")),
    )
