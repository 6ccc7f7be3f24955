"""A small portfolio drawn as tables, and the report that follows from it."""

from datetime import date
from typing import Any

import polars as pl

from models import frames
from models.policy.load import load_policy
from models.policy.pack import Policy
from models.reports import RenewalRisk
from tests.tables import frame
from transforms.portfolio import renewal_risk

DAY = date(2026, 11, 20)

CUSTOMERS = """customer_id | name  | owner_name | owner_is_active
               late        | Late  | Ann        | yes
               soon        | Soon  | Ann        | yes
               notice      | Note  | Ben        | yes
               steady      | Stead | Ben        | yes
               blind       | Blind | Cyd        | no
               euro        | Euro  |            |
               bare        | Bare  | Ann        | yes"""

TERMS = """customer_id | window  | renewal_date | days_to_renewal | notice_date | is_disputed | has_review_scheduled
           late        | overdue | 2026-11-01   | -19             |             | no          | no
           soon        | d30     | 2026-12-20   | 30              | 2026-10-20  | yes         | no
           notice      | d60     | 2026-12-27   | 37              | 2026-11-27  | no          | no
           steady      | later   | 2027-05-01   | 162             |             | no          | no
           blind       | d90     | 2027-02-01   | 73              |             | no          | yes
           euro        | d90     | 2027-02-18   | 90              |             | no          | no
           bare        | unknown |              |                 |             | no          |"""

STAKES = """customer_id | risk    | arr_minor | arr_at_risk_minor | currency
            late        | high    | 100050    | 100050            | USD
            soon        | medium  | 200000    | 200000            | USD
            notice      | medium  | 300000    | 300000            | USD
            steady      | low     | 400001    | 0                 | USD
            blind       | unknown | 500000    |                   | USD
            euro        | medium  | 700000    | 700000            | EUR
            bare        | medium  |           |                   |"""

HEALTH = """customer_id | band         | score | coverage_pct
            late        | red          | 20    | 100
            soon        | yellow       | 55.5  | 90
            notice      | green        | 80    | 90
            steady      | green        | 95    | 100
            blind       | insufficient |       | 10
            euro        | yellow       | 60    | 80
            bare        | green        | 75    | 60"""

SIGNALS = """customer_id | signal  | status   | reason
             soon        | nps     | at_risk  | NPS answers are low
             soon        | tickets | critical | an escalation is open
             soon        | logins  | healthy  | logins are fine"""

TASKS = """customer_id | record_key | subject             | severity
           soon        | k1         | Call Soon           | 50
           soon        | k2         | Take over at Soon   | 90
           late        | k3         | Late is past its day | 80"""

WATERMARKS = """crm       | target   | until
                hubspot    | accounts | 2026-11-20T21:00:00Z
                hubspot    | tasks    | 2026-11-20T20:00:00Z
                salesforce | accounts | 2026-11-20T21:55:00Z"""

FIXED: dict[str, dict[str, Any]] = {
    "customers": {"home_crm": "salesforce", "home_crm_id": "001"},
    "health": {"profile": "all", "lower_bound": 0, "upper_bound": 100, "vetoes": [], "drivers": []},
    "renewals": {"candidates": ["2026-12-20: a", "2027-03-01: b"], "reasons": ["health is yellow"]},
    "lifecycle": {"stage": "adoption", "plan_type": "formal"},
}


def pictured(watermarks: str = WATERMARKS) -> dict[str, Any]:
    """The arguments of ``renewal_risk`` for the portfolio above."""
    until = pl.col("until").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    return {
        "customers": frame(CUSTOMERS, frames.Customers, **FIXED["customers"]),
        "signals": frame(SIGNALS, frames.Signals),
        "health": frame(HEALTH, frames.Health, **FIXED["health"]),
        "renewals": _renewals(),
        "lifecycle": frame("customer_id\nsoon\nlate", frames.Lifecycle, **FIXED["lifecycle"]),
        "tasks": frame(TASKS, frames.TasksDue),
        "freshness": frame(watermarks).with_columns(until),
        "as_of": DAY,
        "policy": load_policy(None),
        "policy_version": "default-1",
    }


def _renewals() -> pl.DataFrame:
    terms = frame(TERMS, frames.Renewals, **FIXED["renewals"], risk="low")
    stakes = frame(STAKES, frames.Renewals)
    return terms.update(stakes.select(frame(STAKES).columns), on="customer_id")


def drawn_report(**others: Any) -> RenewalRisk:
    """The report on the portfolio above, with ``others`` in place of what is drawn."""
    given = pictured() | others
    return renewal_risk(given.pop("customers"), **given)


def with_windows(first: int, second: int, third: int) -> Policy:
    """The default policy with other windows, that reach so many days."""
    policy = load_policy(None)
    days = {"d30_days": first, "d60_days": second, "d90_days": third}
    windows = policy.renewals.windows.model_copy(update=days)
    return policy.model_copy(update={"renewals": policy.renewals.model_copy(update={"windows": windows})})
