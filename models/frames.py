"""The contracts of every frame that passes from one room to another.

A name says what one row is. ``admitted`` splits a frame from outside into good rows and bad; frames from our own code
are trusted. Suffixes carry the unit: ``_minor`` (money in the currency's smallest unit, beside ``currency``), ``_pct``
(0-100), ``_days``, ``_count``, ``_date``, ``_at`` (UTC). Text from outside is kept as it came.
"""

from enum import StrEnum

import dataframely as dy
import polars as pl

from models import enums


def _word(words: type[StrEnum], *, nullable: bool = False) -> dy.String:
    allowed = [str(word) for word in words]
    return dy.String(nullable=nullable, check={"is_known_word": lambda column: column.is_in(allowed)})


def _instant(*, nullable: bool = False) -> dy.Datetime:
    return dy.Datetime(time_unit="us", time_zone="UTC", nullable=nullable)


def _id(*, nullable: bool = False, primary_key: bool = False) -> dy.String:
    return dy.String(nullable=nullable, primary_key=primary_key, min_length=1)


def empty(schema: type[dy.Schema]) -> pl.DataFrame:
    """A frame without rows that fulfils ``schema``."""
    return pl.DataFrame(schema=dtypes(schema))


def dtypes(schema: type[dy.Schema]) -> dict[str, pl.DataType]:
    """Column names and polars types of ``schema``, in order.

    What every ``pl.DataFrame(...)`` from raw values must be given.
    """
    return {name: column.dtype for name, column in schema.columns().items()}


def admitted(
    schema: type[dy.Schema], rows: pl.DataFrame, *, source: str, target: str, record: str = "crm_id"
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows from outside into those that fulfil ``schema`` and those that do not.

    Args:
        schema: The contract.
        rows: Columns and dtypes of ``schema``, in any order; values unchecked.
        source: Where the rows came from: a CRM or a file.
        target: What they were meant to be, for the error list.
        record: The column that names a row in the error list.

    Returns:
        The good rows, and a ``RowErrors`` with one row per bad record; a record that breaks several rules names
        them all.
    """
    good, failure = schema.filter(rows.select(schema.column_names()))
    if len(failure) == 0:
        return good, empty(RowErrors)  # naming the rules costs more than checking them
    bad = failure.details()
    rules = [name for name in bad.columns if name not in schema.column_names()]
    broken = pl.concat_list(
        [pl.when(pl.col(rule) == "invalid").then(pl.lit(rule)).otherwise(None) for rule in rules] or [pl.lit("")]
    )
    errors = bad.select(
        source=pl.lit(source),
        target=pl.lit(target),
        record=pl.col(record).cast(pl.String).fill_null(""),
        rule=broken.list.drop_nulls().list.join(", "),
        detail=pl.lit(None, dtype=pl.String),
    )
    return good, errors


class Mirrored(dy.Schema):
    """What every record pulled from a CRM carries. ``crm`` + ``crm_id`` name it there."""

    crm = _word(enums.Crm)
    crm_id = _id()
    modified_at = _instant()
    is_deleted = dy.Bool()
    merged_into = _id(nullable=True)


class Owners(Mirrored):
    """One row per CRM user who can own records; never deleted here, only inactive."""

    name = dy.String(nullable=True)
    email = dy.String(nullable=True)
    is_active = dy.Bool()


class Accounts(Mirrored):
    """One row per Salesforce Account or HubSpot company."""

    name = _id()
    website = dy.String(nullable=True)
    parent_crm_id = _id(nullable=True)
    linked_crm_id = _id(nullable=True)  # the same firm's id in the other CRM, where a field says so
    owner_crm_id = _id(nullable=True)
    industry = dy.String(nullable=True)
    segment = dy.String(nullable=True)
    tier = dy.String(nullable=True)
    employees_count = dy.Int64(nullable=True)
    seats_count = dy.Int64(nullable=True)
    arr_minor = dy.Int64(nullable=True)
    currency = dy.String(nullable=True)
    is_strategic = dy.Bool(nullable=True)
    contract_start_date = dy.Date(nullable=True)
    contract_end_date = dy.Date(nullable=True)
    renewal_date = dy.Date(nullable=True)
    notice_days = dy.Int64(nullable=True)
    created_at = _instant(nullable=True)


class Contacts(Mirrored):
    """One row per contact; ``account_crm_id`` is its primary account."""

    account_crm_id = _id(nullable=True)
    name = dy.String(nullable=True)
    email = dy.String(nullable=True)
    title = dy.String(nullable=True)
    role = _word(enums.StakeholderRole, nullable=True)
    has_left = dy.Bool(nullable=True)
    left_date = dy.Date(nullable=True)
    created_at = _instant(nullable=True)


class Opportunities(Mirrored):
    """One row per Salesforce Opportunity or HubSpot deal."""

    account_crm_id = _id(nullable=True)
    owner_crm_id = _id(nullable=True)
    name = dy.String(nullable=True)
    kind = _word(enums.OpportunityKind)
    stage = dy.String(nullable=True)
    is_closed = dy.Bool()
    is_won = dy.Bool()
    amount_minor = dy.Int64(nullable=True)
    currency = dy.String(nullable=True)
    close_date = dy.Date(nullable=True)
    created_at = _instant(nullable=True)


class Tickets(Mirrored):
    """One row per Salesforce Case or HubSpot ticket. ``satisfaction_pct`` is the customer's own rating, 0-100."""

    account_crm_id = _id(nullable=True)
    subject = dy.String(nullable=True)
    priority = _word(enums.TicketPriority)
    status = dy.String(nullable=True)
    is_closed = dy.Bool()
    is_escalated = dy.Bool()
    opened_at = _instant()
    closed_at = _instant(nullable=True)
    satisfaction_pct = dy.Float64(nullable=True, min=0, max=100)


class Activities(Mirrored):
    """One row per meeting, call or email, planned or past. ``is_inbound`` is null where the CRM does not say."""

    account_crm_id = _id(nullable=True)
    contact_crm_id = _id(nullable=True)
    owner_crm_id = _id(nullable=True)
    kind = _word(enums.ActivityKind)
    outcome = _word(enums.ActivityOutcome)
    is_inbound = dy.Bool(nullable=True)
    subject = dy.String(nullable=True)
    occurred_at = _instant()


class Tasks(Mirrored):
    """One row per task. ``record_key`` is set on those that plansync raised."""

    account_crm_id = _id(nullable=True)
    owner_crm_id = _id(nullable=True)
    record_key = _id(nullable=True)
    subject = dy.String(nullable=True)
    body = dy.String(nullable=True)
    priority = _word(enums.TaskPriority, nullable=True)
    is_closed = dy.Bool()
    due_date = dy.Date(nullable=True)


class PlanFields(Mirrored):
    """One row per plan as the CRM holds it.

    A Success_Plan__c, or a company with plan properties (``crm_id`` is the company's).
    """

    account_crm_id = _id(nullable=True)
    record_key = _id(nullable=True)
    health_score = dy.Float64(nullable=True)
    health_band = dy.String(nullable=True)
    renewal_date = dy.Date(nullable=True)


class PlanSections(Mirrored):
    """One row per plan section as the CRM holds it.

    In HubSpot ``crm_id`` is the company's id, a colon and the section.
    """

    account_crm_id = _id(nullable=True)
    record_key = _id(nullable=True)
    section = _word(enums.Section)
    body = dy.String(nullable=True)


class PlanItems(Mirrored):
    """One row per line of a plan that people keep in the CRM as a record, or in a YAML file.

    ``owner_side`` is ``vendor`` or ``customer``. Which columns a kind uses: goals ``title``; outcomes ``title``,
    ``metric``, ``unit``, ``baseline``, ``target``, ``current``, ``due_date``; milestones and actions ``title``,
    ``owner_name``, ``owner_side``, ``due_date``, ``is_done``; stakeholders ``title`` (the name), ``role``,
    ``influence``; risks ``title``, ``likelihood``, ``impact``, ``mitigation``.
    """

    account_crm_id = _id(nullable=True)
    kind = _word(enums.PlanItemKind)
    title = _id()
    detail = dy.String(nullable=True)
    owner_name = dy.String(nullable=True)
    owner_side = dy.String(nullable=True)
    due_date = dy.Date(nullable=True)
    is_done = dy.Bool()
    metric = dy.String(nullable=True)
    unit = dy.String(nullable=True)
    baseline = dy.Float64(nullable=True)
    target = dy.Float64(nullable=True)
    current = dy.Float64(nullable=True)
    role = dy.String(nullable=True)
    influence = dy.String(nullable=True)
    likelihood = dy.String(nullable=True)
    impact = dy.String(nullable=True)
    mitigation = dy.String(nullable=True)


MIRRORED: dict[str, type[Mirrored]] = {
    "owners": Owners,
    "accounts": Accounts,
    "contacts": Contacts,
    "opportunities": Opportunities,
    "tickets": Tickets,
    "activities": Activities,
    "tasks": Tasks,
    "plan_fields": PlanFields,
    "plan_sections": PlanSections,
    "plan_items": PlanItems,
}
"""Every mirrored frame by its name, which is also the name of its table with ``mirror_`` before it."""


class Usage(dy.Schema):
    """One row per account, day and feature.

    The feature ``login`` counts sessions; ``account_ref`` is ``crm:crm_id`` or a web domain.
    """

    account_ref = _id()
    usage_date = dy.Date(nullable=False)
    feature = _id()
    event_count = dy.Int64(nullable=False, min=0)
    user_count = dy.Int64(nullable=True, min=0)


class Surveys(dy.Schema):
    """One row per answer. NPS scores run 0-10; CSAT and CES 0-100."""

    account_ref = _id()
    answered_at = _instant()
    kind = _word(enums.SurveyKind)
    score = dy.Float64(nullable=False, min=0, max=100)
    respondent = dy.String(nullable=True)
    comment = dy.String(nullable=True)


class RowErrors(dy.Schema):
    """One row per record that was set aside. ``source`` is a CRM or a file name; ``record`` an id or a line number."""

    source = _id()
    target = _id()
    record = dy.String(nullable=False)
    rule = _id()
    detail = dy.String(nullable=True)


class Crosswalk(dy.Schema):
    """One row per CRM account that is not deleted: the customer it belongs to, and why."""

    crm = _word(enums.Crm)
    crm_id = _id()
    customer_id = _id()
    method = _word(enums.IdentityMethod)
    confidence = dy.Float64(nullable=False, min=0, max=1)
    reason = dy.String(nullable=False)


class IdentityReviews(dy.Schema):
    """One row per pair of accounts that may be the same firm and that no rule may link: a person decides."""

    left_crm = _word(enums.Crm)
    left_crm_id = _id()
    right_crm = _word(enums.Crm)
    right_crm_id = _id()
    score = dy.Float64(nullable=False, min=0, max=1)
    reason = dy.String(nullable=False)


class Customers(dy.Schema):
    """One row per customer: its accounts' facts, joined by stated precedence; sorted by ``customer_id``."""

    customer_id = _id()
    name = _id()
    domain = dy.String(nullable=True)
    home_crm = _word(enums.Crm)
    home_crm_id = _id()
    owner_crm_id = _id(nullable=True)  # in the home CRM
    owner_name = dy.String(nullable=True)
    owner_is_active = dy.Bool(nullable=True)
    industry = dy.String(nullable=True)
    segment = dy.String(nullable=True)
    tier = dy.String(nullable=True)
    employees_count = dy.Int64(nullable=True)
    seats_count = dy.Int64(nullable=True)
    arr_minor = dy.Int64(nullable=True)
    currency = dy.String(nullable=True)
    is_strategic = dy.Bool(nullable=True)
    contract_start_date = dy.Date(nullable=True)
    created_at = _instant(nullable=True)


class Signals(dy.Schema):
    """One row per customer and signal, classified or not.

    ``episode`` names the stretch for which the signal has been in its present status: the same text as long as the
    condition lasts, another text when it returns. Tasks are keyed by it. ``observed_at`` is the newest fact behind the
    value.
    """

    customer_id = _id()
    signal = _id()
    rule_id = _id()
    value = dy.Float64(nullable=True)
    unit = dy.String(nullable=False)
    status = _word(enums.SignalStatus)
    threshold = dy.String(nullable=False)
    reason = dy.String(nullable=False)
    episode = dy.String(nullable=False)
    source = dy.String(nullable=False)
    observed_at = _instant(nullable=True)


class Health(dy.Schema):
    """One row per customer.

    ``score`` and ``rating`` are null in the insufficient band; the bounds say what missing data could still do.
    """

    customer_id = _id()
    profile = dy.String(nullable=False)
    score = dy.Float64(nullable=True, min=0, max=100)
    rating = dy.Int64(nullable=True, min=1, max=5)
    band = _word(enums.Band)
    coverage_pct = dy.Float64(nullable=False, min=0, max=100)
    lower_bound = dy.Float64(nullable=False, min=0, max=100)
    upper_bound = dy.Float64(nullable=False, min=0, max=100)
    vetoes = dy.List(dy.String(), nullable=False)
    drivers = dy.List(dy.String(), nullable=False)


class Renewals(dy.Schema):
    """One row per customer. ``candidates`` lists every date found, with its source, best first."""

    customer_id = _id()
    renewal_date = dy.Date(nullable=True)
    renewal_source = dy.String(nullable=True)
    is_disputed = dy.Bool(nullable=False)
    candidates = dy.List(dy.String(), nullable=False)
    days_to_renewal = dy.Int64(nullable=True)
    window = _word(enums.RenewalWindow)
    notice_date = dy.Date(nullable=True)
    has_review_scheduled = dy.Bool(nullable=False)
    risk = _word(enums.RenewalRisk)
    reasons = dy.List(dy.String(), nullable=False)
    arr_minor = dy.Int64(nullable=True)
    arr_at_risk_minor = dy.Int64(nullable=True)
    currency = dy.String(nullable=True)


class Lifecycle(dy.Schema):
    """One row per customer: its stage, and the plan and attention that its value asks for."""

    customer_id = _id()
    stage = _word(enums.Stage)
    engagement_model = _word(enums.EngagementModel, nullable=True)
    plan_type = _word(enums.PlanType)
    is_plan_due = dy.Bool(nullable=False)
    has_agreed_plan = dy.Bool(nullable=False)
    last_engagement_date = dy.Date(nullable=True)
    next_review_date = dy.Date(nullable=True)


class TasksDue(dy.Schema):
    """One row per task that should be open now. ``severity`` orders them, worst (largest) first, when a cap bites."""

    record_key = _id()
    customer_id = _id()
    playbook = _id()
    rule_ids = dy.List(dy.String(), nullable=False)
    subject = dy.String(nullable=False)
    body = dy.String(nullable=False)
    reason = dy.String(nullable=False)
    priority = _word(enums.TaskPriority)
    due_days = dy.Int64(nullable=False)
    opened_on = dy.Date(nullable=False)
    severity = dy.Int64(nullable=False)


class SectionTexts(dy.Schema):
    """One row per plan section that should stand in the CRM."""

    record_key = _id()
    plan_key = _id()
    customer_id = _id()
    section = _word(enums.Section)
    body = dy.String(nullable=False)
    rule_ids = dy.List(dy.String(), nullable=False)


class Written(dy.Schema):
    """One row per record key that plansync ever wrote: the newest effect that the CRM confirmed.

    ``readback_hash`` is the hash of the text read back after that write; null until it was read. ``opened_as_of``
    is the run date of the first write.
    """

    record_key = _id()
    customer_id = _id()
    crm = _word(enums.Crm)
    kind = _word(enums.WriteKind)
    crm_id = _id()
    account_crm_id = _id()
    owner_crm_id = _id(nullable=True)
    payload_hash = dy.String(nullable=False)
    readback_hash = dy.String(nullable=True)
    is_closed = dy.Bool(nullable=False)
    opened_as_of = dy.Date(nullable=False)


class Changes(dy.Schema):
    """The change set: one row per thing that is desired, or was written and is no longer desired.

    ``payload`` and ``old`` are JSON objects with the names of ``records.Write.values``; ``crm_id`` is null for a
    create.
    ``effect_key`` hashes the record key and the payload. Sorted by crm, kind, account, record key.
    """

    effect_key = _id()
    record_key = _id()
    plan_key = _id()
    customer_id = _id()
    crm = _word(enums.Crm)
    kind = _word(enums.WriteKind)
    action = _word(enums.WriteAction)
    status = _word(enums.ChangeStatus)
    account_crm_id = _id()
    crm_id = _id(nullable=True)
    payload = dy.String(nullable=False)
    payload_hash = dy.String(nullable=False)
    old = dy.String(nullable=True)
    reason = dy.String(nullable=False)
    rule_ids = dy.List(dy.String(), nullable=False)
