"""The portfolio as leaders read it: what is at risk, where, whose, and why."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import polars as pl

from models.enums import Band, RenewalWindow, SignalStatus, Stage
from models.enums import RenewalRisk as Risk
from models.money import minor_digits, minor_digits_of
from models.policy.pack import Policy
from models.reports import (
    ACCOUNT_COLUMNS,
    BAND_NAMES,
    NEAR,
    RISK_NAMES,
    UNKNOWN_NAMES,
    WINDOWS,
    CurrencyBlock,
    Figures,
    RenewalRisk,
    Trouble,
)
from transforms.health import driver_text
from transforms.risk_words import risk_meanings, window_days
from transforms.segments import segment_label
from transforms.text import one_line

NOTICE_SOON_DAYS = 7
STALE_AFTER = timedelta(hours=12)
"""A CRM that lags the other by more than this missed a night."""

_SOON = [str(RenewalWindow.OVERDUE), str(RenewalWindow.D30)]
_TEXTS = pl.List(pl.String)


def renewal_risk(
    customers: pl.DataFrame,
    *,
    signals: pl.DataFrame,
    health: pl.DataFrame,
    renewals: pl.DataFrame,
    lifecycle: pl.DataFrame,
    tasks: pl.DataFrame,
    as_of: date,
    policy: Policy,
    policy_version: str,
    freshness: pl.DataFrame,
    troubles: Sequence[Trouble] = (),
) -> RenewalRisk:
    """Gather what leaders ask about renewals.

    Args:
        customers: ``frames.Customers``; every one of them is in the report.
        signals: ``frames.Signals``; reads those that are at risk or critical.
        health: ``frames.Health``.
        renewals: ``frames.Renewals``; its ARR and currency are the ones summed.
        lifecycle: ``frames.Lifecycle``.
        tasks: ``frames.TasksDue``.
        as_of: The day that was assessed.
        policy: Says which risks count as at risk, and what segments are called.
        policy_version: The policy that judged.
        freshness: The store's watermarks: reads ``crm`` and ``until``.
        troubles: What went wrong in the run; a part such as ``salesforce pull`` makes that CRM's data stale.

    Returns:
        A report whose every figure is the exact sum over accounts that it lists.

    Source:
        Rulebook R-175 to R-179, R-205.
    """
    parts = [
        health.select("customer_id", "band", "score", "coverage_pct"),
        renewals,
        lifecycle.select("customer_id", "stage", "last_engagement_date"),
        _evidence(signals, health, policy),
        _actions(tasks),
    ]
    joined = _joined(customers, parts, policy)
    accounts = joined.pipe(_judged, as_of, policy.renewals.risk.arr_at_risk).pipe(_ordered).select(*ACCOUNT_COLUMNS)
    sizes = _summed(accounts, "currency").sort("arr_minor", "currency", descending=[True, False])
    return RenewalRisk(
        as_of=as_of,
        policy_version=policy_version,
        windows=window_days(policy),
        meanings=risk_meanings(policy),
        blocks=tuple(_block(accounts, currency) for currency in sizes["currency"]),
        accounts=accounts,
        unknowns=_unknowns(accounts),
        freshness=_freshness(freshness, as_of, troubles),
        troubles=tuple(troubles),
    )


def _joined(customers: pl.DataFrame, parts: Sequence[pl.DataFrame], policy: Policy) -> pl.DataFrame:
    """One row per customer with all that is known, texts as one visible line each."""
    joined = customers.select(
        "customer_id",
        "owner_is_active",
        segment=segment_label(policy),
        customer=one_line(pl.col("name")),
        owner=one_line(pl.col("owner_name")),
    )
    for part in parts:
        joined = joined.join(part, on="customer_id", how="left")
    lists = pl.col("reasons", "evidence", "actions", "action_reasons", "candidates").fill_null(pl.lit([], dtype=_TEXTS))
    return joined.with_columns(
        lists,
        pl.col("customer").fill_null(pl.col("customer_id")),
        pl.col("is_disputed", "has_review_scheduled").fill_null(False),
        pl.col("window").fill_null(str(RenewalWindow.UNKNOWN)),
        pl.col("band").fill_null(str(Band.INSUFFICIENT)),
        pl.col("risk").fill_null(str(Risk.UNKNOWN)),
        pl.col("stage").fill_null(str(Stage.UNKNOWN)),
    )


def _evidence(signals: pl.DataFrame, health: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """The reasons of bad signals, each said once: those that drive the score, worst first, then critical ones first."""
    order = {str(SignalStatus.CRITICAL): 0, str(SignalStatus.AT_RISK): 1}
    bad = signals.filter(pl.col("status").is_in(list(order))).with_columns(driver=driver_text(policy))
    rank = pl.col("status").replace_strict(order, return_dtype=pl.Int8)
    placed = bad.join(_driver_places(health), on=["customer_id", "driver"], how="left")
    ordered = placed.sort("customer_id", "place", rank, "signal", nulls_last=True)
    ordered = ordered.with_columns(one_line(pl.col("reason")))
    return ordered.group_by("customer_id", maintain_order=True).agg(
        evidence=pl.col("reason").drop_nulls().unique(maintain_order=True)
    )


def _driver_places(health: pl.DataFrame) -> pl.DataFrame:
    """Each customer's drivers with their place, the worst being 0."""
    drivers = health.select("customer_id", driver="drivers", place=pl.int_ranges(pl.col("drivers").list.len()))
    return drivers.filter(pl.col("driver").list.len() > 0).explode("driver", "place")


def _actions(tasks: pl.DataFrame) -> pl.DataFrame:
    """The subjects of the tasks due, worst first, and beside each what called for it."""
    ordered = tasks.sort("customer_id", -pl.col("severity"), "record_key").with_columns(
        one_line(pl.col("subject", "reason"))
    )
    said_once = ordered.drop_nulls("subject").unique(["customer_id", "subject"], keep="first", maintain_order=True)
    return said_once.group_by("customer_id", maintain_order=True).agg(
        actions="subject", action_reasons=pl.col("reason").fill_null("")
    )


def _judged(joined: pl.DataFrame, as_of: date, at_risk_levels: Sequence[str]) -> pl.DataFrame:
    """Add what follows for one account: whether its money counts, whether it is at risk, whether this week matters."""
    is_money = pl.col("arr_minor").is_not_null() & pl.col("currency").is_not_null()
    is_at_risk = pl.col("risk").is_in([str(level) for level in at_risk_levels])
    is_near_loss = pl.col("window").is_in([str(window) for window in NEAR]) & (pl.col("risk") == str(Risk.HIGH))
    notice_near = pl.col("notice_date").is_between(as_of, as_of + timedelta(days=NOTICE_SOON_DAYS)).fill_null(False)
    return joined.with_columns(
        pl.when(is_money).then(one_line(pl.col("currency"))).alias("currency"),
        pl.when(is_money).then("arr_minor").alias("arr_minor"),
        pl.when(is_money).then("arr_at_risk_minor").alias("arr_at_risk_minor"),
        is_at_risk=is_at_risk,
        is_urgent=is_at_risk & (pl.col("window").is_in(_SOON) | notice_near | is_near_loss),
    ).with_columns(minor_digits=minor_digits_of(pl.col("currency")))


def _ordered(accounts: pl.DataFrame) -> pl.DataFrame:
    sizes = accounts.drop_nulls("currency").group_by("currency").agg(currency_size=pl.col("arr_minor").sum())
    ranked = accounts.join(sizes, on="currency", how="left")
    at_risk = pl.col("arr_at_risk_minor").fill_null(-1)
    keys = [
        _place(pl.col("window"), WINDOWS),
        -pl.col("currency_size").fill_null(-1),
        pl.col("currency"),
        -at_risk,
        ~pl.col("is_at_risk"),
        _place(pl.col("band"), list(BAND_NAMES)),
        pl.col("days_to_renewal"),
        pl.col("customer"),
        pl.col("customer_id"),
    ]
    return ranked.sort(keys, nulls_last=True)


def _place(word: pl.Expr, order: Sequence[str]) -> pl.Expr:
    return word.replace_strict({str(each): place for place, each in enumerate(order)}, return_dtype=pl.Int8)


def _sums() -> list[pl.Expr]:
    """The fields of ``Figures`` over a group of accounts of one currency."""
    is_unjudged = pl.col("arr_at_risk_minor").is_null()
    return [
        pl.len().cast(pl.Int64).alias("customers_count"),
        pl.col("is_at_risk").sum().cast(pl.Int64).alias("at_risk_count"),
        pl.col("arr_minor").sum(),
        pl.col("arr_at_risk_minor").sum(),
        pl.col("arr_minor").filter(is_unjudged).sum().alias("arr_unjudged_minor"),
    ]


def _summed(accounts: pl.DataFrame, *by: str) -> pl.DataFrame:
    return accounts.drop_nulls("currency").group_by(by).agg(_sums())


def _figures(accounts: pl.DataFrame) -> Figures:
    return Figures(**accounts.select(_sums()).row(0, named=True))


def _block(accounts: pl.DataFrame, currency: str) -> CurrencyBlock:
    mine = accounts.filter(pl.col("currency") == currency)
    near = mine.filter(pl.col("window").is_in([str(window) for window in NEAR]))
    order = [_place(pl.col("window"), WINDOWS), _place(pl.col("band"), list(BAND_NAMES))]
    return CurrencyBlock(
        currency=currency,
        minor_digits=minor_digits(currency),
        total=_figures(mine),
        near=_figures(near),
        near_by_band=_every(near, "band", BAND_NAMES),
        near_by_risk=_every(near, "risk", RISK_NAMES),
        no_review=_figures(near.filter(~pl.col("has_review_scheduled"))),
        urgent=_figures(mine.filter("is_urgent")),
        by_window=_summed(mine, "window", "band").sort(order),
        by_owner=_by_owner(mine, near),
    )


def _every(accounts: pl.DataFrame, by: str, names: Mapping[str, str]) -> pl.DataFrame:
    """Figures for each name there is, in reading order, also where nobody is: a zero is said, not left out."""
    order = pl.DataFrame({by: [str(name) for name in names]})
    return order.join(_summed(accounts, by), on=by, how="left", maintain_order="left").fill_null(0)


def _by_owner(mine: pl.DataFrame, near: pl.DataFrame) -> pl.DataFrame:
    soon = near.group_by("owner").agg(
        near_at_risk_count=pl.col("is_at_risk").sum().cast(pl.Int64),
        near_at_risk_minor=pl.col("arr_at_risk_minor").sum(),
    )
    owners = _summed(mine, "owner").join(soon, on="owner", how="left", nulls_equal=True)
    filled = owners.with_columns(pl.col("near_at_risk_count", "near_at_risk_minor").fill_null(0))
    return filled.sort(
        "near_at_risk_minor",
        "arr_at_risk_minor",
        "arr_minor",
        "owner",
        descending=[True, True, True, False],
        nulls_last=True,
    )


def _unknowns(accounts: pl.DataFrame) -> pl.DataFrame:
    """One row per customer and thing unknown; within a kind the largest ARR of each currency first."""
    nothing = pl.lit(None, dtype=pl.String)
    kinds: dict[str, tuple[pl.Expr, pl.Expr]] = {
        "renewal_date": (pl.col("renewal_date").is_null(), nothing),
        "disputed": (pl.col("is_disputed"), pl.col("candidates").list.join("; ")),
        "arr": (pl.col("arr_minor").is_null(), nothing),
        "health": (pl.col("band") == str(Band.INSUFFICIENT), _coverage()),
        "owner": (pl.col("owner").is_null(), nothing),
        "inactive_owner": (~pl.col("owner_is_active").fill_null(True) & pl.col("owner").is_not_null(), nothing),
    }
    parts = [
        accounts.filter(holds).select(pl.lit(kind).alias("kind"), detail.alias("detail"), *ACCOUNT_COLUMNS)
        for kind, (holds, detail) in kinds.items()
    ]
    order = _place(pl.col("kind"), list(UNKNOWN_NAMES))
    return pl.concat(parts).sort([order, "currency", -pl.col("arr_minor"), "customer", "customer_id"], nulls_last=True)


def _coverage() -> pl.Expr:
    percent = pl.col("coverage_pct").fill_null(0.0).round(0).cast(pl.Int64).cast(pl.String)
    return pl.concat_str(percent, pl.lit(" % of the score's weight is covered by data"))


def _freshness(watermarks: pl.DataFrame, as_of: date, troubles: Sequence[Trouble]) -> pl.DataFrame:
    """Up to when each CRM's data is whole: its oldest watermark.

    Stale where the run could not pull it, where it lags the other CRM, or where not even the day before is whole.
    """
    ages = watermarks.group_by("crm").agg(pl.col("until").min()).sort("crm")
    day_before = datetime.combine(as_of - timedelta(days=1), time.min, tzinfo=UTC)
    missed = [trouble.part.removesuffix(" pull") for trouble in troubles if trouble.part.endswith(" pull")]
    lags = pl.col("until") < pl.col("until").max() - STALE_AFTER
    return ages.with_columns(is_stale=lags | (pl.col("until") < day_before) | pl.col("crm").is_in(missed))
