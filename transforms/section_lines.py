"""The lines of a plan's sections: one frame per kind of line, one row per customer that has any."""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from models.enums import OpportunityKind, PlanItemKind, SignalStatus
from transforms import text
from transforms.days import iso

ROLES = {
    "executive_sponsor": "executive sponsor",
    "champion": "champion",
    "it_procurement": "IT and procurement",
    "technical_admin": "technical admin",
    "day_to_day": "day-to-day contact",
}
NOT_AGREED = "Not agreed yet."
NO_MITIGATION = "no mitigation agreed yet"
LINE_CHARS = 400
LINES = 30
PEOPLE = 8
FOREVER = date(9999, 12, 31)


def clean(column: str) -> pl.Expr:
    """A column of text from outside as one short line of ours."""
    return text.clipped(text.one_line(pl.col(column)), LINE_CHARS)


def joined(parts: Sequence[pl.Expr], separator: str) -> pl.Expr:
    """The parts that are there, in order."""
    return pl.concat_str(parts, separator=separator, ignore_nulls=True)


def headed(heading: str, lines: pl.Expr) -> pl.Expr:
    """Lines under their heading, or that there are none yet."""
    return pl.concat_str(
        [pl.lit(heading), pl.when(lines.is_null()).then(pl.lit(f" {NOT_AGREED}")).otherwise(pl.lit("\n") + lines)]
    )


def key_people(contacts: pl.LazyFrame, plan_items: pl.LazyFrame) -> pl.LazyFrame:
    """Who matters, by name: the plan's stakeholders, then contacts with a role; a plan's stakeholder who left is
    marked.

    Returns:
        ``customer_id``, ``people``: at most ``PEOPLE`` of them, separated by semicolons.
    """
    named = contacts.select(
        "customer_id",
        "crm_id",
        "has_left",
        "left_date",
        name=clean("name"),
        job=clean("title"),
        role=_role(pl.col("role")),
    ).drop_nulls("name")
    named = named.with_columns(folded=pl.col("name").str.to_lowercase())
    gone = named.filter("has_left").group_by("customer_id", "folded").agg(pl.col("left_date").max())
    planned = _items(plan_items, PlanItemKind.STAKEHOLDER).select(
        "customer_id",
        "crm_id",
        name=clean("title"),
        job=pl.lit(None, dtype=pl.String),
        role=_role(clean("role")),
        influence=text.words(clean("influence")),
    )
    planned = planned.with_columns(folded=pl.col("name").str.to_lowercase())
    planned = planned.join(gone.with_columns(is_gone=pl.lit(True)), on=["customer_id", "folded"], how="left")
    others = named.filter(pl.col("role").is_not_null(), ~pl.col("has_left").fill_null(False))
    others = others.join(planned, on=["customer_id", "folded"], how="anti").drop("has_left", "left_date")
    people = pl.concat([planned.with_columns(rank=pl.lit(0)), others.with_columns(rank=pl.lit(1))], how="diagonal")
    left = pl.when("is_gone").then(pl.coalesce(text.said("left on {}", iso(pl.col("left_date"))), pl.lit("left")))
    influence = pl.when((pl.col("influence").str.to_lowercase() != pl.col("role")).fill_null(True)).then("influence")
    traits = joined([pl.col("job"), pl.col("role"), influence, left], ", ")
    said = pl.when(traits != "").then(text.said("{} ({})", "name", traits)).otherwise("name")
    order = ["rank", "role", "folded", "crm_id"]
    once = people.sort(order, nulls_last=True).unique(["customer_id", "folded"], keep="first", maintain_order=True)
    return _listed(once, said, order, "people", separator="; ", most=PEOPLE)


def _role(word: pl.Expr) -> pl.Expr:
    return word.replace_strict(ROLES, default=text.words(word), return_dtype=pl.String)


def goals(plan_items: pl.LazyFrame) -> pl.LazyFrame:
    """What the customer wants, in its words (R-020), and why it bought (R-019), which is the goals' ``detail``.

    Returns:
        ``customer_id``, ``goals``, ``why``.
    """
    rows = _items(plan_items, PlanItemKind.GOAL).with_columns(said=clean("title"), why=clean("detail"))
    listed = _listed(rows, text.said("- {}", "said"), ["said", "crm_id"], "goals")
    reasons = _listed(
        rows.drop_nulls("why"),
        text.said("{}.", pl.col("why").str.strip_chars_end(".")),
        ["said", "crm_id"],
        "why",
        separator=" ",
    )
    return listed.join(reasons, on="customer_id", how="left")


def outcomes(plan_items: pl.LazyFrame) -> pl.LazyFrame:
    """Outcomes with metric, baseline, target and date; what is missing is said (R-024, R-093).

    Returns:
        ``customer_id``, ``outcomes``, ``outcomes_in_short`` (one sentence's worth), ``target_nrr``.
    """
    rows = _items(plan_items, PlanItemKind.OUTCOME).with_columns(
        said=clean("title"),
        metric=clean("metric"),
        due=iso(pl.col("due_date")),
        **_measures("baseline", "target", "current"),
    )
    facts = joined(
        [
            pl.col("metric"),
            text.said("baseline {}", "baseline").fill_null("baseline not agreed"),
            text.said("target {}", "target").fill_null("target not agreed"),
            text.said("due {}", "due").fill_null("date not agreed"),
            text.said("now {}", "current"),
        ],
        ", ",
    )
    short = joined([pl.col("said"), text.said("({} by {})", "target", "due")], " ")
    order = ["due_date", "said", "crm_id"]
    is_nrr = pl.col("metric").str.to_lowercase().is_in(["nrr", "net revenue retention", "net revenue retention rate"])
    target = rows.filter(is_nrr, pl.col("target").is_not_null())
    listed = _listed(rows, text.said("- {}: {}.", "said", facts), order, "outcomes")
    listed = listed.join(
        _listed(rows, short, order, "outcomes_in_short", separator="; ", most=2), on="customer_id", how="left"
    )
    nrr = _listed(target, text.said("{}.", "target"), order, "target_nrr", most=1)
    return listed.join(nrr, on="customer_id", how="left")


def work(plan_items: pl.LazyFrame, kind: PlanItemKind, as_of: date) -> pl.LazyFrame:
    """Open actions or milestones, and those of this quarter that are done; a missed date shows (R-111, R-114).

    Returns:
        ``customer_id``, ``<kind>_lines``, ``<kind>_count`` and ``<kind>_customer_count`` (those that the customer
        owns).
    """
    first = date(as_of.year, (as_of.month - 1) // 3 * 3 + 1, 1)
    rows = _items(plan_items, kind).filter(~pl.col("is_done") | (pl.col("due_date") >= first))
    due = iso(pl.col("due_date"))
    deadline = (
        pl.when("is_done")
        .then(pl.lit("done"))
        .when(pl.col("due_date") < as_of)
        .then(text.said("missed, was due {}", due))
        .otherwise(text.said("due {}", due).fill_null("date not agreed"))
    )
    owner = pl.concat_str(
        [clean("owner_name").fill_null("owner not named"), text.said(" ({})", clean("owner_side"))], ignore_nulls=True
    )
    line = text.said("- {}: {}, {}", clean("title"), owner, deadline)
    listed = _listed(rows, line, ["due_date", "title", "crm_id"], f"{kind}_lines")
    counts = rows.group_by("customer_id").agg(
        pl.len().alias(f"{kind}_count"), (pl.col("owner_side") == "customer").sum().alias(f"{kind}_customer_count")
    )
    return listed.join(counts, on="customer_id", how="left")


def answers(tasks: pl.LazyFrame, answered: Mapping[str, str]) -> pl.LazyFrame:
    """The task that answers each signal: ``customer_id``, ``signal``, ``answer``; the worst one where several do."""
    signal = pl.col("playbook").replace_strict(answered, default=None, return_dtype=pl.String)
    rows = tasks.select("customer_id", "severity", signal=signal, answer=clean("subject")).drop_nulls("signal")
    return rows.group_by("customer_id", "signal").agg(
        pl.col("answer").sort_by("severity", "answer", descending=[True, False]).first()
    )


def active_risks(signals: pl.LazyFrame, titles: Mapping[str, str], answers: pl.LazyFrame) -> pl.LazyFrame:
    """Signals that are at risk or critical, worst first, each with what is done about it (R-021, R-137).

    Returns:
        ``customer_id``, ``risks``, ``risk_titles``.
    """
    bad = {str(SignalStatus.CRITICAL): 0, str(SignalStatus.AT_RISK): 1}
    rows = signals.filter(pl.col("status").is_in(list(bad))).join(answers, on=["customer_id", "signal"], how="left")
    rows = rows.with_columns(
        rank=pl.col("status").replace_strict(bad, return_dtype=pl.Int64),
        title=pl.col("signal").replace_strict(titles, default=text.words(pl.col("signal")), return_dtype=pl.String),
    )
    response = text.said("response: {}", "answer").fill_null(NO_MITIGATION)
    line = text.said(
        "- {} ({}): {}; {}.", "title", text.words(pl.col("status")), clean("reason").str.strip_chars_end("."), response
    )
    order = ["rank", "title", "signal"]
    listed = _listed(rows, line, order, "risks")
    return listed.join(
        _listed(rows, pl.col("title"), order, "risk_titles", separator=", ", most=3), on="customer_id", how="left"
    )


def risk_register(plan_items: pl.LazyFrame) -> pl.LazyFrame:
    """The risks that people keep in the plan and have not closed: ``customer_id``, ``register`` (R-139)."""
    rows = _items(plan_items, PlanItemKind.RISK).filter(~pl.col("is_done"))
    grade = joined([text.said("likelihood {}", clean("likelihood")), text.said("impact {}", clean("impact"))], ", ")
    mitigation = text.said("mitigation: {}", clean("mitigation")).fill_null(NO_MITIGATION)
    named = pl.concat_str([clean("title"), pl.when(grade != "").then(text.said(" ({})", grade))], ignore_nulls=True)
    return _listed(
        rows, text.said("- {}; {}.", named, mitigation.str.strip_chars_end(".")), ["title", "crm_id"], "register"
    )


def next_steps(tasks: pl.LazyFrame) -> pl.LazyFrame:
    """The worst task that should be open: ``customer_id``, ``next_step``."""
    step = clean("subject").sort_by("severity", "record_key", descending=[True, False]).first()
    return tasks.group_by("customer_id").agg(next_step=step)


def expansions(opportunities: pl.LazyFrame) -> pl.LazyFrame:
    """Open expansion opportunities, next to close first: ``customer_id``, ``expansions`` (R-022)."""
    rows = opportunities.filter(~pl.col("is_closed"), pl.col("kind") == str(OpportunityKind.EXPANSION))
    facts = joined(
        [
            clean("stage"),
            text.money(pl.col("amount_minor"), pl.col("currency")).fill_null("amount not known"),
            text.said("expected {}", iso(pl.col("close_date"))).fill_null("date not known"),
        ],
        ", ",
    )
    line = text.said("- {}: {}", clean("name").fill_null("no name"), facts)
    return _listed(rows, line, ["close_date", "name", "crm", "crm_id"], "expansions")


def _items(plan_items: pl.LazyFrame, kind: PlanItemKind) -> pl.LazyFrame:
    return plan_items.filter(pl.col("kind") == str(kind))


def _measures(*names: str) -> dict[str, pl.Expr]:
    """Numbers with their unit."""
    unit = clean("unit")
    return {name: pl.concat_str([text.number(pl.col(name)), text.said(" {}", unit).fill_null("")]) for name in names}


def _listed(
    rows: pl.LazyFrame, line: pl.Expr, order: Sequence[str], name: str, *, separator: str = "\n", most: int = LINES
) -> pl.LazyFrame:
    """``customer_id`` and ``name``: a customer's lines in ``order``, nulls last, joined; those cut off are counted."""
    ranked = pl.col("_line").sort_by(list(order), nulls_last=True)
    grouped = rows.with_columns(_line=line).group_by("customer_id").agg(shown=ranked.head(most), found=pl.len())
    rest = pl.when(pl.col("found") > most).then(text.said("{}and {} more", pl.lit(separator), pl.col("found") - most))
    whole = pl.concat_str([pl.col("shown").list.join(separator), rest], ignore_nulls=True)
    return grouped.select("customer_id", whole.alias(name))
