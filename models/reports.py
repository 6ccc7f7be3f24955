"""What a report says, before anyone decides how it looks: made by transforms, shown by integrations."""

from dataclasses import dataclass
from datetime import date

import polars as pl

from models.enums import Band, RenewalWindow
from models.enums import RenewalRisk as Risk

NEAR = (RenewalWindow.OVERDUE, RenewalWindow.D30, RenewalWindow.D60, RenewalWindow.D90)
"""The windows in which a renewal is near, and what should have been renewed before."""

WINDOWS = (*NEAR, RenewalWindow.LATER, RenewalWindow.UNKNOWN)
"""Every window, nearest first."""


@dataclass(frozen=True, slots=True)
class WindowDays:
    """Largest number of days to the renewal in each near window, as the policy has them."""

    d30_days: int
    d60_days: int
    d90_days: int


def window_names(windows: WindowDays) -> dict[str, str]:
    """Every window as readers call it, nearest first, by the days that the policy gives it.

    Also a window to which the policy leaves no day (``empty_windows``) has a name: a day judged under an earlier policy
    may have customers in it.

    Source:
        Rulebook R-175 to R-177.
    """
    first, second, third = windows.d30_days, windows.d60_days, windows.d90_days
    return {
        RenewalWindow.OVERDUE: "Overdue",
        RenewalWindow.D30: f"Within {first} day{'' if first == 1 else 's'}",
        RenewalWindow.D60: _span(RenewalWindow.D60, first + 1, second),
        RenewalWindow.D90: _span(RenewalWindow.D90, second + 1, third),
        RenewalWindow.LATER: "Later",
        RenewalWindow.UNKNOWN: "No renewal date",
    }


def empty_windows(windows: WindowDays) -> tuple[RenewalWindow, ...]:
    """The windows to which the policy leaves no day, since the one before them ends on the same."""
    ends = {RenewalWindow.D60: (windows.d30_days, windows.d60_days)}
    ends[RenewalWindow.D90] = (windows.d60_days, windows.d90_days)
    return tuple(window for window, (before, end) in ends.items() if before == end)


def _span(window: RenewalWindow, start: int, end: int) -> str:
    if start > end:
        return f"Past {end} days ({window})"
    return f"{start}–{end} days" if start < end else f"{end} days"


BAND_NAMES: dict[str, str] = {
    Band.RED: "Red",
    Band.YELLOW: "Yellow",
    Band.INSUFFICIENT: "Insufficient data",
    Band.GREEN: "Green",
}
"""Every health band as readers call it, in reading order: what is not known stands before what is well."""

RISK_NAMES: dict[str, str] = {
    Risk.HIGH: "High risk",
    Risk.MEDIUM: "Medium risk",
    Risk.UNKNOWN: "Not judged",
    Risk.LOW: "Low risk",
}
"""Every renewal risk as readers call it, in reading order."""

UNKNOWN_NAMES: dict[str, tuple[str, str]] = {
    "renewal_date": (
        "No renewal date",
        "No account, contract or opportunity says when they renew: no window counts them.",
    ),
    "disputed": (
        "Disputed renewal date",
        "Sources name dates that lie apart. The first by precedence is used until someone decides.",
    ),
    "arr": ("No ARR", "What is at stake is not on record: no sum in this report holds them."),
    "health": (
        "Too little data for a health score",
        "They are not green. Their ARR counts as at risk only where a plain fact says so.",
    ),
    "owner": ("No owner", "Nobody is named to act."),
    "inactive_owner": ("Owner has left", "The named owner is no longer active: tasks go to the fallback queue."),
}
"""What may be unknown about a customer: its name, and what that means for the figures."""

ACCOUNT_COLUMNS: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "customer": pl.String(),
    "owner": pl.String(),
    "owner_is_active": pl.Boolean(),
    "segment": pl.String(),
    "stage": pl.String(),
    "currency": pl.String(),
    "minor_digits": pl.Int64(),
    "arr_minor": pl.Int64(),
    "arr_at_risk_minor": pl.Int64(),
    "is_at_risk": pl.Boolean(),
    "is_urgent": pl.Boolean(),
    "window": pl.String(),
    "renewal_date": pl.Date(),
    "days_to_renewal": pl.Int64(),
    "renewal_source": pl.String(),
    "is_disputed": pl.Boolean(),
    "candidates": pl.List(pl.String()),
    "notice_date": pl.Date(),
    "has_review_scheduled": pl.Boolean(),
    "last_engagement_date": pl.Date(),
    "band": pl.String(),
    "score": pl.Float64(),
    "coverage_pct": pl.Float64(),
    "risk": pl.String(),
    "reasons": pl.List(pl.String()),
    "evidence": pl.List(pl.String()),
    "actions": pl.List(pl.String()),
    "action_reasons": pl.List(pl.String()),
}
"""One row per customer: nearest window first, in it the largest currency and the largest amount at risk first.

``arr_at_risk_minor`` is null where ARR or risk is unknown, and ``currency`` where ARR is. ``reasons`` say what stands
in the way of the renewal, ``evidence`` what the signals say, first those that drive the score, worst first, ``actions``
the subjects of the tasks that should be open, worst first, and ``action_reasons`` what called for each of them: one of
``evidence`` where a signal did.
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums over customers whose ARR is known, all in one currency.

    ``arr_unjudged_minor`` is the ARR of customers whose risk nobody can tell for lack of data.
    """

    customers_count: int
    at_risk_count: int
    arr_minor: int
    arr_at_risk_minor: int
    arr_unjudged_minor: int


@dataclass(frozen=True, slots=True)
class CurrencyBlock:
    """What is at risk in one currency. Amounts of two currencies are never added.

    Attributes:
        currency: ISO code, as the CRM has it.
        minor_digits: Decimals of its amounts.
        total: Every customer of this currency.
        near: Those that renew in the windows of ``NEAR``: soon, or overdue.
        near_by_band: ``near`` by health: one row per band of ``BAND_NAMES``, in this order: ``band`` and the fields of
            ``Figures``.
        near_by_risk: ``near`` by risk: one row per risk of ``RISK_NAMES``, likewise, with ``risk``.
        no_review: Those of ``near`` with no review scheduled before the renewal.
        urgent: Those that need somebody this week.
        by_window: One row per window and band that occurs: ``window``, ``band`` and the fields of ``Figures``; in
            reading order.
        by_owner: One row per owner (null: nobody): ``owner``, the fields of ``Figures`` over all windows, and
            ``near_at_risk_count`` and ``near_at_risk_minor``; the largest near amount first.
    """

    currency: str
    minor_digits: int
    total: Figures
    near: Figures
    near_by_band: pl.DataFrame
    near_by_risk: pl.DataFrame
    no_review: Figures
    urgent: Figures
    by_window: pl.DataFrame
    by_owner: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Trouble:
    """A part of the run that could not do its work, and why."""

    part: str
    message: str


@dataclass(frozen=True, slots=True)
class RiskMeaning:
    """What the policy calls a risk: any of ``reasons``, in words, makes it ``risk``.

    ``is_at_risk`` says whether the policy counts the ARR of such a renewal as at risk.
    """

    risk: str
    is_at_risk: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RenewalRisk:
    """The renewal-risk report.

    Attributes:
        as_of: The day that was assessed.
        policy_version: The policy that judged.
        windows: How many days to a renewal each window reaches, by the policy.
        meanings: What the policy calls a high risk, then a medium one; a risk that nothing leads to is left out.
        blocks: One per currency, the largest ARR first.
        accounts: ``ACCOUNT_COLUMNS``: the customers behind every figure.
        unknowns: One row per customer and thing unknown: ``kind`` (of ``UNKNOWN_NAMES``), ``detail`` and the account's
            columns.
        freshness: One row per CRM: ``crm``, ``until`` (its data is complete up to that instant, UTC) and ``is_stale``.
        troubles: What went wrong in the run behind the report.
    """

    as_of: date
    policy_version: str
    windows: WindowDays
    meanings: tuple[RiskMeaning, ...]
    blocks: tuple[CurrencyBlock, ...]
    accounts: pl.DataFrame
    unknowns: pl.DataFrame
    freshness: pl.DataFrame
    troubles: tuple[Trouble, ...]
