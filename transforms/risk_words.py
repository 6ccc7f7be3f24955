"""What the policy means by a risk, in the words that a report shows beside its figures."""

from models.enums import RenewalRisk
from models.policy.pack import Policy, RiskReason
from models.reports import RiskMeaning, WindowDays, empty_windows, window_names


def risk_meanings(policy: Policy) -> tuple[RiskMeaning, ...]:
    """Say what makes a renewal a high and a medium risk, and whether that counts as at risk.

    Returns:
        High before medium; a risk that no reason leads to is left out.

    Source:
        Rulebook R-157, R-175, R-179.
    """
    rules = policy.renewals.risk
    words = _reasons(policy)
    return tuple(
        RiskMeaning(str(risk), risk in rules.arr_at_risk, reasons)
        for risk in (RenewalRisk.HIGH, RenewalRisk.MEDIUM)
        if (reasons := tuple(text for name, text in words.items() if rules.levels.get(name) == risk))
    )


def window_days(policy: Policy) -> WindowDays:
    """How many days to a renewal each window reaches by the policy."""
    windows = policy.renewals.windows
    return WindowDays(windows.d30_days, windows.d60_days, windows.d90_days)


def _reasons(policy: Policy) -> dict[RiskReason, str]:
    """What each reason means; those that the policy can never find are left out."""
    titles = dict.fromkeys(veto.title for veto in policy.health.vetoes.values())
    days = window_days(policy)
    names, empty = window_names(days), empty_windows(days)
    windows = [names[window].lower() for window in policy.renewals.risk.review_windows if window not in empty]
    told: dict[RiskReason, str] = {
        "overdue": "the renewal date has passed",
        "band_red": "health is red",
        "band_yellow": "health is yellow",
        "veto": f"a veto holds, whatever the score ({', '.join(titles)})",
        "disputed": "sources disagree on the renewal date",
        "no_review": f"no review is scheduled before a renewal ({', '.join(windows)})",
    }
    can_hold = {"veto": bool(titles), "no_review": bool(windows), "disputed": bool(policy.renewals.date.disputing)}
    return {name: text for name, text in told.items() if can_hold.get(name, True)}
