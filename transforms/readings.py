"""What one signal says about each customer, as expressions over the wide frame of facts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from models.enums import SignalStatus
from models.frames import Signals, dtypes
from models.policy.signal_rules import SignalRule

BAD = [str(SignalStatus.AT_RISK), str(SignalStatus.CRITICAL)]
"""The statuses that ask for something to be done."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One signal.

    ``verdict`` (UInt8) is a place in ``verdicts``, each a status and its reason; those that are bad have none there.
    ``bad_reason`` and ``bad_episode`` depend only on what lasts as long as the condition does (dates, ids, names),
    never on ``as_of``.
    """

    signal: str
    unit: str
    threshold: str
    source: str
    value: pl.Expr
    verdict: pl.Expr
    verdicts: tuple[tuple[SignalStatus, str | None], ...]
    bad_reason: pl.Expr
    bad_episode: pl.Expr
    observed_at: pl.Expr

    def outcome(self, wide: pl.LazyFrame) -> pl.LazyFrame:
        """What one select tells of every row of ``wide``: all but words."""
        return wide.select(
            verdict=self.verdict,
            value=self.value.cast(pl.Float64).round(6),
            observed_at=self.observed_at.cast(pl.Datetime("us", "UTC")),
        )


def interleaved(
    wide: pl.DataFrame, people: pl.DataFrame, readings: Sequence[Reading], rules: Sequence[SignalRule]
) -> pl.DataFrame:
    """Read every signal of every customer.

    Every row gets a number for its verdict; only bad rows have a reason of their own to put in words. Rows find their
    place by index, which costs a fraction of a sort.

    Args:
        wide: What the readings need, a row per customer in any order.
        people: ``customer_id`` and ``row``, its row in ``wide``.
        readings: At least one.
        rules: Of each reading.

    Returns:
        ``frames.Signals``: the readings of the first of ``people`` in their order, then those of the next.
    """
    told = pl.collect_all([reading.outcome(wide.lazy()) for reading in readings])
    verdicts = pl.concat([_verdicts(reading) for reading in readings])
    first = np.cumsum([0, *[len(reading.verdicts) for reading in readings[:-1]]])
    verdict = np.stack([outcome["verdict"].to_numpy() for outcome in told]) + first[:, np.newaxis]
    is_bad = verdicts["status"].is_in(BAD).to_numpy()[verdict]
    words = pl.collect_all([_in_words(wide, is_bad[kind], reading) for kind, reading in enumerate(readings)])
    texts = pl.concat([verdicts.select("reason", episode="status"), *words], rechunk=True)
    text = verdict.copy()
    text[is_bad] = np.arange(verdicts.height, texts.height)
    rows, kinds = np.repeat(people["row"].to_numpy(), len(readings)), np.tile(np.arange(len(readings)), people.height)
    parts: list[pl.DataFrame] = [
        people.select("customer_id")[np.repeat(np.arange(people.height), len(readings))],
        _constants(readings, rules)[kinds],
        pl.concat(told, rechunk=True).drop("verdict")[kinds * wide.height + rows],
        verdicts.select("status")[verdict[kinds, rows]],
        texts[text[kinds, rows]],
    ]
    return pl.concat(parts, how="horizontal").select(list(dtypes(Signals)))


def _verdicts(reading: Reading) -> pl.DataFrame:
    return pl.DataFrame(
        [(str(status), reason) for status, reason in reading.verdicts],
        schema={"status": pl.String, "reason": pl.String},
        orient="row",
    )


def _in_words(wide: pl.DataFrame, is_bad: npt.NDArray[np.bool_], reading: Reading) -> pl.LazyFrame:
    bad = wide.lazy().filter(pl.Series(is_bad)).with_columns(reason=reading.bad_reason, episode=reading.bad_episode)
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
    steps = [
        *[(holds.fill_null(True), (SignalStatus.NOT_CLASSIFIABLE, why)) for holds, why in unknown],
        (pl.lit(False) if critical is None else critical.fill_null(False), (SignalStatus.CRITICAL, None)),
        (at_risk.fill_null(False), (SignalStatus.AT_RISK, None)),
        (pl.lit(True), (SignalStatus.HEALTHY, healthy)),
    ]
    verdict = pl.coalesce([pl.when(holds).then(pl.lit(place, pl.UInt8)) for place, (holds, _) in enumerate(steps)])
    return Reading(
        signal=signal,
        unit=unit,
        threshold=threshold,
        source=source,
        value=pl.when(verdict >= len(unknown)).then(value.cast(pl.Float64)),
        verdict=verdict,
        verdicts=tuple(told for _, told in steps),
        bad_reason=bad.fill_null(threshold),
        bad_episode=episode.fill_null("unknown"),
        observed_at=observed_at,
    )
