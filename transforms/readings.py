"""What one signal says about each customer, as expressions over the wide frame of facts."""

from dataclasses import dataclass

import polars as pl

from models.enums import SignalStatus
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

    def rows(self, wide: pl.DataFrame, rule: SignalRule) -> list[pl.LazyFrame]:
        """The rows of ``frames.Signals`` for this signal, those that are bad apart from the others.

        Args:
            wide: One row per customer: ``customer_id``, ``place`` and what the reading needs.
            rule: Of this signal.

        Returns:
            Two frames with the columns of ``frames.Signals`` after ``place``. Only bad rows have a stretch to trace
            back week by week and a reason to put in words, which is most of the work.
        """
        judged = wide.with_columns(status=self.status).lazy()
        is_bad = pl.col("status").is_in(BAD)
        bad = judged.filter(is_bad).select(self._columns(rule, self.bad_reason, self.bad_episode))
        return [judged.filter(~is_bad).select(self._columns(rule, self.plain_reason, pl.col("status"))), bad]

    def _columns(self, rule: SignalRule, reason: pl.Expr, episode: pl.Expr) -> list[pl.Expr]:
        return [
            pl.col("place"),
            pl.col("customer_id"),
            pl.lit(self.signal).alias("signal"),
            pl.lit(rule.rule_ids[0]).alias("rule_id"),
            self.value.cast(pl.Float64).round(6).alias("value"),
            pl.lit(self.unit).alias("unit"),
            pl.col("status"),
            pl.lit(self.threshold).alias("threshold"),
            reason.alias("reason"),
            episode.alias("episode"),
            pl.lit(self.source).alias("source"),
            self.observed_at.cast(pl.Datetime("us", "UTC")).alias("observed_at"),
        ]


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
