"""One score per customer from its signals, and what the score does not say: coverage, bounds, vetoes and drivers.

Sums are integers and the score is rounded before it meets a threshold, so that the same facts give the same colour on
every machine.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from models.enums import Band, SignalStatus
from models.policy.pack import Policy
from transforms.numbered import added_by_number
from transforms.readings import BAD
from transforms.text import said, those_that_hold


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
    people, rows = pl.collect_all(
        [
            customers.select("customer_id", profile=profile_of(policy))
            .sort("customer_id")
            .with_row_index("customer_no"),
            signals.select("customer_id", "signal", "status", "reason"),
        ]
    )
    weighted = _weighted(_numbered(rows, people), people, policy)
    joined = people.with_columns(_sums(weighted, people.height)).lazy()
    for part in (_vetoes(weighted, policy), _drivers(weighted, policy)):
        joined = joined.join(part, on="customer_no", how="left", maintain_order="left")
    scored = joined.pipe(_scored, policy).collect(engine="in-memory")
    return _banded(scored, policy).lazy()


def segment_of(policy: Policy) -> pl.Expr:
    """The segment that a customer's ``tier``, or else its ``segment``, spells; null if neither does."""
    return pl.coalesce([spelled_segment(policy, field) for field in ("tier", "segment")])


def spelled_segment(policy: Policy, field: str) -> pl.Expr:
    """The segment that one text of a customer spells; null if it spells none."""
    spelled = {name: segment for segment, names in policy.segments.names.items() for name in (segment, *names)}
    normal = pl.col(field).str.to_lowercase().str.replace_all(r"[^a-z0-9]+", "_")
    return normal.replace_strict(spelled, default=None, return_dtype=pl.String)


def profile_of(policy: Policy) -> pl.Expr:
    """The name of the weights that apply to a customer."""
    chosen = {str(segment): profile for segment, profile in policy.health.profile_by_segment.items()}
    default = policy.health.default_profile
    if not chosen:
        return pl.lit(default)
    return segment_of(policy).replace_strict(chosen, default=default, return_dtype=pl.String).fill_null(default)


def driver_text(policy: Policy) -> pl.Expr:
    """What a signal is called among the drivers: its title and its reason."""
    titles = {name: policy.signals.rule(name).title for name in policy.signals.enabled}
    return said("{}: {}", pl.col("signal").replace_strict(titles, default=pl.col("signal")), "reason")


def _numbered(rows: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """Signals of the customers known, with the ``customer_no`` that ``people`` gives them.

    The rows of one customer stand together: one look-up for each run of them, in place of one for each row, costs a
    third.
    """
    runs = rows["customer_id"].rle().struct.unnest().rename({"value": "customer_id"})
    numbers = people.select("customer_id", "customer_no")
    known = runs.join(numbers, on="customer_id", how="left", maintain_order="left")
    repeated = known["customer_no"][np.repeat(np.arange(known.height), runs["len"].to_numpy())]
    return rows.drop("customer_id").with_columns(repeated).drop_nulls("customer_no")


def _weighted(rows: pl.DataFrame, people: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    """Signals with their weight in the customer's profile (0: none) and their points (null: not classifiable)."""
    profiles = {name: profile.weights for name, profile in policy.health.profiles.items()}
    signals = sorted({signal for weights in profiles.values() for signal in weights})
    table = np.array([[*(weights.get(signal, 0) for signal in signals), 0] for weights in profiles.values()])
    profile_no = _places(people["profile"], list(profiles))[rows["customer_no"].to_numpy()]
    weight = table[profile_no, _places(rows["signal"], signals)]
    return rows.with_columns(_points(policy).alias("points"), weight=weight)


def _places(words: pl.Series, known: Sequence[str]) -> npt.NDArray[np.uint32]:
    """The place of each word among those known; one past the last for another word."""
    places = words.cast(pl.Enum(known), strict=False).to_physical()
    return places.cast(pl.UInt32).fill_null(len(known)).to_numpy()


def _points(policy: Policy) -> pl.Expr:
    points = policy.health.points
    table = {"healthy": points.healthy, "at_risk": points.at_risk, "critical": points.critical}
    return pl.coalesce(
        [pl.when(pl.col("status") == status).then(pl.lit(worth, dtype=pl.Int64)) for status, worth in table.items()]
    )


def _sums(weighted: pl.DataFrame, count: int) -> list[pl.Series]:
    """What each customer's signals weigh, what those that are known weigh, and what they earn, by ``customer_no``."""
    is_known = pl.col("points").is_not_null()
    terms = weighted.select(
        total_weight="weight",
        known_weight=pl.when(is_known).then("weight").otherwise(0),
        earned=pl.when(is_known).then(pl.col("weight") * pl.col("points")).otherwise(0),
    )
    return [added_by_number(weighted["customer_no"], term, count) for term in terms]


def _vetoes(weighted: pl.DataFrame, policy: Policy) -> pl.LazyFrame:
    vetoes = policy.health.vetoes
    statuses = sorted({str(status) for veto in vetoes.values() for status in veto.statuses})
    grave = weighted.lazy().filter(pl.col("status").is_in(statuses))
    return grave.group_by("customer_no").agg(_is_vetoed(policy, name).any().alias(f"veto_{name}") for name in vetoes)


def _is_vetoed(policy: Policy, name: str) -> pl.Expr:
    veto = policy.health.vetoes[name]
    return (pl.col("signal") == veto.signal) & pl.col("status").is_in([str(status) for status in veto.statuses])


def _drivers(weighted: pl.DataFrame, policy: Policy) -> pl.LazyFrame:
    bad = (
        weighted.lazy()
        .filter(pl.col("status").is_in(BAD))
        .select(
            "customer_no",
            "signal",
            lost=pl.col("weight") * (policy.health.points.healthy - pl.col("points")),
            is_milder=pl.col("status") == SignalStatus.AT_RISK,
            text=driver_text(policy),
        )
    )
    worst = bad.sort("customer_no", -pl.col("lost"), "is_milder", "signal")
    return worst.group_by("customer_no", maintain_order=True).agg(
        drivers=pl.col("text").head(policy.health.max_drivers)
    )


def _scored(sums: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    total, known, earned = pl.col("total_weight"), pl.col("known_weight"), pl.col("earned")
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


def _banded(scored: pl.DataFrame, policy: Policy) -> pl.DataFrame:
    vetoes = policy.health.vetoes
    named = [(pl.col(f"veto_{name}"), pl.lit(vetoes[name].title)) for name in sorted(vetoes)]
    return scored.select(
        "customer_id",
        "profile",
        "score",
        _rating(policy).alias("rating"),
        _band(policy).alias("band"),
        "coverage_pct",
        "lower_bound",
        "upper_bound",
        those_that_hold(scored, named).alias("vetoes"),
        pl.col("drivers").fill_null(pl.lit([], dtype=pl.List(pl.String))),
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
