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
        """What one select tells of every row of ``wide``: all but the words for what is bad."""
        return wide.select(
            status=self.status,
            value=self.value.cast(pl.Float64).round(6),
            reason=self.plain_reason,
            observed_at=self.observed_at.cast(pl.Datetime("us", "UTC")),
        )


def interleaved(
    wide: pl.DataFrame, people: pl.DataFrame, readings: Sequence[Reading], rules: Sequence[SignalRule]
) -> pl.DataFrame:
    """Read every signal of every customer.

    Only bad rows have a reason to put in words, which is much of the work; they are read apart. Rows find their place
    by index, which costs a fraction of a sort.

    Args:
        wide: What the readings need, a row per customer in any order.
        people: ``customer_id`` and ``row``, its row in ``wide``.
        readings: At least one.
        rules: Of each reading.

    Returns:
        ``frames.Signals``: the readings of the first of ``people`` in their order, then those of the next.
    """
    height, kinds = wide.height, len(readings)
    told = pl.collect_all([reading.outcome(wide.lazy()) for reading in readings])
    is_bad = [outcome["status"].is_in(BAD) for outcome in told]
    words = pl.collect_all([_in_words(wide, is_bad[kind], reading) for kind, reading in enumerate(readings)])
    plain = pl.concat(told)
    texts = pl.concat([plain.select("reason", episode="status"), *words])
    text_of = np.arange(height * kinds)
    text_of[pl.concat(is_bad).to_numpy()] = np.arange(height * kinds, texts.height)
    rows = (people["row"].to_numpy()[:, np.newaxis] + np.arange(kinds) * height).ravel()
    parts = [
        people.select("customer_id")[np.repeat(np.arange(people.height), kinds)],
        _constants(readings, rules)[np.tile(np.arange(kinds), people.height)],
        plain.drop("reason")[rows],
        texts[text_of[rows]],
    ]
    return pl.concat(parts, how="horizontal").select(list(dtypes(Signals)))


def _in_words(wide: pl.DataFrame, is_bad: pl.Series, reading: Reading) -> pl.LazyFrame:
    bad = wide.lazy().filter(is_bad).with_columns(reason=reading.bad_reason, episode=reading.bad_episode)
    return bad.select("reason", "episode")  # in a select alone, words without a column would be one row


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
