"""What one signal says about each customer, as expressions over the wide frame of facts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.enums import SignalStatus
from models.frames import Signals, dtypes
from models.policy.signal_rules import SignalRule

BAD = [str(SignalStatus.AT_RISK), str(SignalStatus.CRITICAL)]
"""The statuses that ask for something to be done."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One signal.

    ``bad_reason`` and ``bad_episode`` depend only on what lasts as long as the condition does (dates, ids, names),
    never on ``as_of``.
    """

    signal: str
    unit: str
    threshold: str
    source: str
    value: pl.Expr
    status: pl.Expr
    plain_reason: pl.Expr
    bad_reason: pl.Expr
    bad_episode: pl.Expr
    observed_at: pl.Expr

    def outcome(self, wide: pl.LazyFrame) -> pl.LazyFrame:
        """What one select tells of every row of ``wide``, beside its ``status``: all but the words for what is bad."""
        return wide.select(
            value=self.value.cast(pl.Float64).round(6),
            reason=self.plain_reason,
            observed_at=self.observed_at.cast(pl.Datetime("us", "UTC")),
        )


def interleaved(wide: pl.DataFrame, readings: Sequence[Reading], rules: Sequence[SignalRule]) -> pl.DataFrame:
    """Read every signal of every customer.

    Only bad rows have a stretch to trace back week by week and a reason to put in words, which is most of the work;
    they are read apart. Rows find their place by index, which costs a fraction of a sort.

    Args:
        wide: One row per customer: ``customer_id`` and what the readings need.
        readings: At least one.
        rules: Of each reading.

    Returns:
        ``frames.Signals``: the readings of the first customer in their order, then those of the next.
    """
    height, kinds = wide.height, len(readings)
    statuses = wide.select(reading.status.alias(reading.signal) for reading in readings)
    told = pl.collect_all([reading.outcome(wide.lazy()) for reading in readings])
    bad = pl.collect_all([_put_in_words(wide, statuses[reading.signal], reading) for reading in readings])
    plain = pl.concat(told).with_columns(status=pl.concat(statuses.get_columns()).rename("status"))
    order = np.arange(height * kinds).reshape(kinds, height)
    words = order.copy()
    end = height * kinds
    for kind, rows in enumerate(bad):
        words[kind, rows["place"].to_numpy()] = np.arange(end, end + rows.height)
        end += rows.height
    texts = pl.concat([plain.select("reason", episode="status"), *[rows.drop("place") for rows in bad]])
    constants = _constants(readings, rules)[np.tile(np.arange(kinds), height)]
    who = wide.select("customer_id")[np.repeat(np.arange(height), kinds)]
    parts = [who, constants, plain.drop("reason")[order.T.ravel()], texts[words.T.ravel()]]
    return pl.concat(parts, how="horizontal").select(list(dtypes(Signals)))


def _put_in_words(wide: pl.DataFrame, status: pl.Series, reading: Reading) -> pl.LazyFrame:
    bad = wide.lazy().filter(status.is_in(BAD))
    return bad.select("place", reason=reading.bad_reason, episode=reading.bad_episode)


def _constants(readings: Sequence[Reading], rules: Sequence[SignalRule]) -> pl.DataFrame:
    """What is the same for every customer, a row per reading."""
    return pl.DataFrame(
        {
            "signal": [reading.signal for reading in readings],
            "rule_id": [rule.rule_ids[0] for rule in rules],
            "unit": [reading.unit for reading in readings],
            "threshold": [reading.threshold for reading in readings],
            "source": [reading.source for reading in readings],
        }
    )


def reading(
    signal: str,
    *,
    unit: str,
    threshold: str,
    source: str,
    value: pl.Expr,
    unknown: list[tuple[pl.Expr, str]],
    critical: pl.Expr | None,
    at_risk: pl.Expr,
    healthy: str,
    bad: pl.Expr,
    episode: pl.Expr,
    observed_at: pl.Expr,
) -> Reading:
    """Classify a signal.

    Args:
        signal: Its name in the policy.
        unit: Of the value.
        threshold: The rule in words.
        source: The facts behind it.
        value: The measured value; dropped where the signal is not classifiable.
        unknown: Conditions under which it cannot be classified, each with its reason; the first that holds speaks.
        critical: When it is critical; None if the policy has no such step.
        at_risk: When it is at risk (critical wins).
        healthy: The reason in words where nothing is wrong.
        bad: The reason where something is.
        episode: The name of the stretch for which something is wrong.
        observed_at: The newest fact behind it.
    """
    is_critical = pl.lit(False) if critical is None else critical.fill_null(False)
    is_bad = is_critical | at_risk.fill_null(False)
    why_unknown = pl.coalesce(*[pl.when(holds.fill_null(True)).then(pl.lit(why)) for holds, why in unknown])
    is_known = why_unknown.is_null()
    status = (
        pl.when(~is_known)
        .then(pl.lit(str(SignalStatus.NOT_CLASSIFIABLE)))
        .when(is_critical)
        .then(pl.lit(str(SignalStatus.CRITICAL)))
        .when(is_bad)
        .then(pl.lit(str(SignalStatus.AT_RISK)))
        .otherwise(pl.lit(str(SignalStatus.HEALTHY)))
    )
    return Reading(
        signal=signal,
        unit=unit,
        threshold=threshold,
        source=source,
        value=pl.when(is_known).then(value.cast(pl.Float64)),
        status=status,
        plain_reason=why_unknown.fill_null(healthy),
        bad_reason=bad.fill_null(threshold),
        bad_episode=episode.fill_null("unknown"),
        observed_at=observed_at,
    )
