"""What a report says, before anyone decides how it looks: plain values and frames, made by transforms, shown by integrations."""

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

ACCOUNT_COLUMNS: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "customer": pl.String(),
    "owner": pl.String(),
    "segment": pl.String(),
    "stage": pl.String(),
    "currency": pl.String(),
    "minor_digits": pl.Int64(),
    "arr_minor": pl.Int64(),
    "arr_at_risk_minor": pl.Int64(),
    "renewal_date": pl.Date(),
    "renewal_source": pl.String(),
    "is_disputed": pl.Boolean(),
    "candidates": pl.List(pl.String()),
    "days_to_renewal": pl.Int64(),
    "window": pl.String(),
    "notice_date": pl.Date(),
    "last_engagement_date": pl.Date(),
    "band": pl.String(),
    "score": pl.Float64(),
    "coverage_pct": pl.Float64(),
    "risk": pl.String(),
    "reasons": pl.List(pl.String()),
    "evidence": pl.List(pl.String()),
    "actions": pl.List(pl.String()),
    "is_urgent": pl.Boolean(),
}
"""One row per customer, nearest window first, in it the largest amount at risk first.

``arr_at_risk_minor`` is null where ARR or risk is unknown. ``reasons`` say what stands in the way of the renewal, ``evidence`` which
signals say so, worst first, ``actions`` the subjects of the tasks that should be open, worst first. ``is_urgent``: at risk, and this
week matters.
"""

FIGURE_COLUMNS: dict[str, pl.DataType] = {
    "customers_count": pl.Int64(),
    "at_risk_count": pl.Int64(),
    "arr_minor": pl.Int64(),
    "arr_at_risk_minor": pl.Int64(),
    "arr_unjudged_minor": pl.Int64(),
}
"""Sums over accounts of one currency; ``arr_unjudged_minor`` is the ARR of customers whose risk is unknown."""
