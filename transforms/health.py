"""One score per customer from its signals, and what the score does not say: coverage, bounds, vetoes and drivers.

Sums are integers and the score is rounded before it meets a threshold, so that the same facts give the same colour on
every machine.
"""

import numpy as np
import polars as pl

from models.enums import Band, SignalStatus
from models.policy.pack import Policy
from transforms.readings import BAD
from transforms.text import said


def health(customers: pl.LazyFrame, signals: pl.LazyFrame, *, policy: Policy) -> pl.LazyFrame:
    """Weigh the signals of each customer.

    Args:
        customers: ``frames.Customers``; reads ``customer_id``, ``tier`` and ``segment``.
        signals: ``frames.Signals`` of these customers.
        policy: Weights by profile, points, bands, floor and vetoes.

    Returns:
        ``frames.Health``, sorted by customer. The score is the weighted mean of the points of the classifiable
        signals; the bounds are the scores that it would have if every other signal were critical, or healthy. Below
        the coverage floor there is no score. Vetoes are named even then. Drivers are the worst contributions, worst
        first.

    Source:
        Rulebook R-151 to R-157, X4.

    The signals are collected here, once: as one lazy plan, each sum over them would weigh them all again.
    """
    profiled = customers.select("customer_id", profile=profile_of(policy)).sort("customer_id")
    profiled = profiled.with_row_index("customer_no").collect().lazy()
    # In memory, or each of the two sums would weigh every signal again.
    weighted = _weighted(profiled, signals, policy).collect().lazy()
    joined = profiled.join(_sums(weighted, policy), on="customer_no", how="left")
    joined = joined.join(_drivers(weighted, policy), on="customer_no", how="left")
    return joined.pipe(_scored, policy).pipe(_banded, policy).sort("customer_id")


def segment_of(policy: Policy) -> pl.Expr:
    """The segment that a customer's ``tier``, or else its ``segment``, spells; null if neither does."""
    spelled = {name: segment for segment, names in policy.segments.names.items() for name in (segment, *names)}
    normal = [pl.col(field).str.to_lowercase().str.replace_all(r"[^a-z0-9]+", "_") for field in ("tier", "segment")]
    return pl.coalesce([field.replace_strict(spelled, default=None, return_dtype=pl.String) for field in normal])


def profile_of(policy: Policy) -> pl.Expr:
    """The name of the weights that apply to a customer."""
    chosen = {str(segment): profile for segment, profile in policy.health.profile_by_segment.items()}
    default = policy.health.default_profile
    if not chosen:
        return pl.lit(default)
    return segment_of(policy).replace_strict(chosen, default=default, return_dtype=pl.String).fill_null(default)


def _weighted(profiled: pl.LazyFrame, signals: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    """Signals with their weight in the customer's profile (null: none) and their points (null: not classifiable).

    A signal without weight that is not bad says nothing here and is left out.
    """
    is_bad = pl.col("status").is_in(BAD)
    weighty = sorted({str(signal) for profile in policy.health.profiles.values() for signal in profile.weights})
    spoken = _numbered(profiled, signals).filter(is_bad | pl.col("signal").is_in(weighty))
    weight = pl.lit(None, dtype=pl.Int64)
    for name in policy.health.profiles:
        weight = pl.when(pl.col("profile") == name).then(f"weight_{name}").otherwise(weight)
    weighed = spoken.join(_weights(policy), on="signal", how="left")
    return weighed.select("customer_no", "signal", "status", "reason", weight=weight, points=_points(policy))


def _numbered(profiled: pl.LazyFrame, signals: pl.LazyFrame) -> pl.LazyFrame:
    """Signals of the customers known, with what ``profiled`` says of each.

    The rows of one customer stand together: one look-up for each run of them, in place of one for each row, costs a
    third.
    """
    rows = signals.select("customer_id", "signal", "status", "reason").collect()
    runs = rows["customer_id"].rle().struct.unnest().rename({"value": "customer_id"})
    known = runs.join(profiled.collect(), on="customer_id", how="left", maintain_order="left")
    repeated = known.drop("len", "customer_id")[np.repeat(np.arange(known.height), runs["len"].to_numpy())]
    joined = pl.concat([rows.drop("customer_id"), repeated], how="horizontal")
    return joined.lazy().filter(pl.col("customer_no").is_not_null())


def _weights(policy: Policy) -> pl.LazyFrame:
    """One row per signal that any profile weighs, a column per profile: one look-up instead of one per profile."""
    tables = {f"weight_{name}": profile.weights for name, profile in policy.health.profiles.items()}
    rows = [
        {"signal": str(signal)} | {name: weights.get(signal) for name, weights in tables.items()}
        for signal in sorted({signal for weights in tables.values() for signal in weights})
    ]
    return pl.LazyFrame(rows, schema={"signal": pl.String} | dict.fromkeys(tables, pl.Int64))


def _points(policy: Policy) -> pl.Expr:
    points = policy.health.points
    table = {"healthy": points.healthy, "at_risk": points.at_risk, "critical": points.critical}
    return pl.coalesce(
        [pl.when(pl.col("status") == status).then(pl.lit(worth, dtype=pl.Int64)) for status, worth in table.items()]
    )


def _sums(weighted: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    vetoes = [_is_vetoed(policy, name).any().alias(f"veto_{name}") for name in sorted(policy.health.vetoes)]
    return weighted.group_by("customer_no").agg(
        *vetoes,
        total_weight=pl.col("weight").sum(),
        known_weight=pl.col("weight").filter(pl.col("points").is_not_null()).sum(),
        earned=(pl.col("weight") * pl.col("points")).sum(),
    )


def _is_vetoed(policy: Policy, name: str) -> pl.Expr:
    veto = policy.health.vetoes[name]
    return (pl.col("signal") == veto.signal) & pl.col("status").is_in([str(status) for status in veto.statuses])


def _drivers(weighted: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    titles = {name: policy.signals.rule(name).title for name in policy.signals.enabled}
    lost = pl.col("weight").fill_null(0) * (policy.health.points.healthy - pl.col("points"))
    bad = weighted.filter(pl.col("status").is_in(BAD)).select(
        "customer_no",
        "signal",
        "status",
        lost=lost,
        text=said("{}: {}", pl.col("signal").replace_strict(titles, default=pl.col("signal")), "reason"),
    )
    order = [-pl.col("lost"), pl.col("status") == SignalStatus.AT_RISK, pl.col("signal")]
    return bad.group_by("customer_no").agg(drivers=pl.col("text").sort_by(order).head(policy.health.max_drivers))


def _scored(sums: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    total, known, earned = (
        pl.col("total_weight").fill_null(0),
        pl.col("known_weight").fill_null(0),
        pl.col("earned").fill_null(0),
    )
    points = policy.health.points
    lowest, highest = earned + (total - known) * points.critical, earned + (total - known) * points.healthy
    coverage = pl.when(total > 0).then(known * 100 / total).otherwise(0.0).round(6)
    is_covered = (known > 0) & (known * 100 >= total * policy.health.coverage_floor.min_pct)
    return sums.with_columns(
        score=pl.when(is_covered).then((earned / known).round(6)),
        coverage_pct=coverage,
        lower_bound=pl.when(total > 0).then(lowest / total).otherwise(float(points.critical)).round(6),
        upper_bound=pl.when(total > 0).then(highest / total).otherwise(float(points.healthy)).round(6),
    )


def _banded(scored: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    vetoes = policy.health.vetoes
    named = [
        pl.when(pl.col(f"veto_{name}").fill_null(False)).then(pl.lit(vetoes[name].title)) for name in sorted(vetoes)
    ]
    no_texts = pl.lit([], dtype=pl.List(pl.String))
    return scored.select(
        "customer_id",
        "profile",
        "score",
        _rating(policy).alias("rating"),
        _band(policy).alias("band"),
        "coverage_pct",
        "lower_bound",
        "upper_bound",
        (pl.concat_list(named).list.drop_nulls() if named else no_texts).alias("vetoes"),
        pl.col("drivers").fill_null(no_texts),
    )


def _rating(policy: Policy) -> pl.Expr:
    reached = [(pl.col("score") >= lowest).cast(pl.Int64) for lowest in policy.health.rating.lowest_scores]
    return pl.when(pl.col("score").is_not_null()).then(pl.sum_horizontal(reached) + 1)


def _band(policy: Policy) -> pl.Expr:
    def any_veto(band: Band) -> pl.Expr:
        names = [name for name, veto in policy.health.vetoes.items() if veto.at_most == band]
        return pl.any_horizontal([pl.lit(False), *[pl.col(f"veto_{name}").fill_null(False) for name in names]])

    bands, score = policy.health.bands, pl.col("score")
    return (
        pl.when(score.is_null())
        .then(pl.lit(str(Band.INSUFFICIENT)))
        .when((score < bands.yellow_min) | any_veto(Band.RED))
        .then(pl.lit(str(Band.RED)))
        .when((score < bands.green_min) | any_veto(Band.YELLOW))
        .then(pl.lit(str(Band.YELLOW)))
        .otherwise(pl.lit(str(Band.GREEN)))
    )
