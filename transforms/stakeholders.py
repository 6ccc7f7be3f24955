"""The people at a customer: who is named, who left, who answers; and the signals that follow.

One person may be a contact in both CRMs: people are told apart by e-mail address, and by id where there is none.
"""

from datetime import date, timedelta

import polars as pl

from models.enums import PlanItemKind, SignalStatus, StakeholderRole
from models.policy.pack import Policy
from transforms.days import by_number, days_since, iso, known_until
from transforms.engagement import engaged, outreach
from transforms.numbered import latest_by_number
from transforms.readings import Reading, reading
from transforms.text import said

_SPONSOR = (pl.col("role") == StakeholderRole.EXECUTIVE_SPONSOR).fill_null(False)
_CHAMPION = (pl.col("role") == StakeholderRole.CHAMPION).fill_null(False)


def stakeholders_by_customer(
    contacts: pl.DataFrame,
    activities: pl.DataFrame,
    plan_items: pl.DataFrame,
    *,
    count: int,
    as_of: date,
    policy: Policy,
) -> pl.DataFrame:
    """Sum up the people of each customer, in the CRM or in its plan.

    Args:
        contacts: ``Facts.contacts``.
        activities: ``Facts.activities``.
        plan_items: ``Facts.plan_items``; stakeholders named there count as named.
        count: How many customers there are.
        as_of: Recency is counted back from it.
        policy: Reads roles and windows.

    Returns:
        A row per ``customer_no`` in that order, and one more for nobody: ``contact_count``, ``has_departures``
        (whether anything says who left or not), ``has_sponsor``, ``has_champion``; when sponsors and champions were
        last engaged, reached out to and known since; ``engaged_people``, ``engaged_contact``, ``engaged_name``; and
        the departure to act on: ``left_id``, ``left_name``, ``left_role``, ``left_on``, ``is_unreplaced``,
        ``left_count``. Null where the customer has nobody of the kind.
    """
    past = _past(activities, policy)
    people = contacts.with_columns(engaged_at=_last_engaged(past, contacts.height)[contacts["contact_no"]])
    has_gone = pl.col("has_left").fill_null(False)
    present, gone = people.filter(~has_gone).lazy(), people.filter(has_gone).lazy()
    counted = contacts.lazy().group_by("customer_no")
    parts = [
        counted.agg(contact_count=pl.len().cast(pl.Int64), has_departures=pl.col("has_left").is_not_null().any()),
        _sponsors_and_champions(present),
        _champion_outreach(present, past.lazy()),
        _engaged_people(present, as_of, policy),
        _plan_sponsors(plan_items.lazy()),
        _departures(present, gone, as_of, policy),
    ]
    return pl.concat([by_number(part, count) for part in pl.collect_all(parts, engine="in-memory")], how="horizontal")


def _past(activities: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Past activities with a known contact that took part or was asked to."""
    known = activities.lazy().filter(~pl.col("is_ahead") & pl.col("contact_no").is_not_null())
    kinds = known.select("contact_no", "occurred_at", is_engaged=engaged(policy), is_outreach=outreach())
    return kinds.collect()


def _last_engaged(past: pl.DataFrame, contacts: int) -> pl.Series:
    """When each contact last took part, in the order of ``contact_no``."""
    took_part = past.filter("is_engaged")
    return latest_by_number(took_part["contact_no"], took_part["occurred_at"], contacts)


def _sponsors_and_champions(present: pl.LazyFrame) -> pl.LazyFrame:
    keyed = present.filter(_SPONSOR | _CHAMPION).select(
        "customer_no",
        is_sponsor=_SPONSOR,
        is_champion=_CHAMPION,
        sponsor_known_at=pl.when(_SPONSOR).then("created_at"),
        sponsor_engaged_at=pl.when(_SPONSOR).then("engaged_at"),
        champion_engaged_at=pl.when(_CHAMPION).then("engaged_at"),
    )
    return keyed.group_by("customer_no").agg(
        pl.col("sponsor_known_at").min(),
        pl.col("sponsor_engaged_at", "champion_engaged_at").max(),
        has_sponsor=pl.col("is_sponsor").any(),
        has_champion=pl.col("is_champion").any(),
    )


def _champion_outreach(present: pl.LazyFrame, past: pl.LazyFrame) -> pl.LazyFrame:
    """When champions were reached out to."""
    champions = present.filter(_CHAMPION).select("contact_no", "customer_no")
    asked = past.filter("is_outreach").join(champions, on="contact_no")
    return asked.group_by("customer_no").agg(
        champion_outreach_at=pl.col("occurred_at").max(), champion_first_outreach_at=pl.col("occurred_at").min()
    )


def _engaged_people(present: pl.LazyFrame, as_of: date, policy: Policy) -> pl.LazyFrame:
    """Who takes part of late; the one to name is the first by id."""
    start = pl.lit(known_until(as_of) - timedelta(days=policy.signals.single_threaded.window_days))
    person = pl.coalesce(pl.col("email").str.to_lowercase(), "crm_id")
    recent = present.filter(pl.col("engaged_at") >= start)
    summed = (
        recent.with_columns(person=person.hash())  # counting numbers is several times as fast as counting texts
        .group_by("customer_no")
        .agg(
            pl.col("contact_no").min(),
            engaged_people=pl.col("person").n_unique().cast(pl.Int64),
            last_person_engaged_at=pl.col("engaged_at").max(),
        )
    )
    names = present.select("contact_no", engaged_contact="crm_id", engaged_name="name")
    return summed.join(names, on="contact_no").drop("contact_no")


def _plan_sponsors(plan_items: pl.LazyFrame) -> pl.LazyFrame:
    role = pl.col("role").str.to_lowercase().str.replace_all(r"[^a-z]+", "_")
    people = plan_items.filter(pl.col("kind") == PlanItemKind.STAKEHOLDER)
    return people.group_by("customer_no").agg(
        has_plan_sponsor=(role == StakeholderRole.EXECUTIVE_SPONSOR).fill_null(False).any()
    )


def _departures(present: pl.LazyFrame, gone: pl.LazyFrame, as_of: date, policy: Policy) -> pl.LazyFrame:
    """The departure to act on: of a critical role first, unreplaced before replaced, then the latest."""
    rule = policy.signals.stakeholder_left
    left = gone.filter(pl.col("role").is_in([str(role) for role in rule.key_roles]))
    roles = left.select("customer_no", "role").unique()
    followed = present.join(roles, on=["customer_no", "role"], how="semi")
    replaced = followed.select("customer_no", "role", is_replaced=pl.lit(True)).unique()
    left = left.join(replaced, on=["customer_no", "role"], how="left")
    is_unreplaced = pl.col("is_replaced").is_null()
    is_recent = pl.col("left_date") >= as_of - timedelta(days=rule.recent_days)
    is_critical = is_unreplaced & pl.col("role").is_in([str(role) for role in rule.critical_roles])
    grave = left.filter(is_unreplaced | is_recent).select(
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
