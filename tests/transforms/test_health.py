"""The composite: weights, coverage, bounds, bands, vetoes and drivers."""

import random

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from models import frames
from models.policy.pack import Policy
from tests.tables import frame
from tests.transforms.portfolio_facts import POLICY
from transforms.health import health

STATUSES = ["healthy", "at_risk", "critical", "not_classifiable"]
CUSTOMER = frame("customer_id | name\na | A", frames.Customers, home_crm="salesforce", home_crm_id="1")


def read(**statuses: str) -> pl.DataFrame:
    """Signals of customer a; what is not named is not classifiable."""
    rows = [f"a | {name} | {statuses.get(name, 'not_classifiable')} | why {name}" for name in POLICY.signals.enabled]
    return frame(
        "\n".join(["customer_id | signal | status | reason", *rows]),
        frames.Signals,
        rule_id="R-1", unit="x", threshold="t", episode="e", source="s",
    )  # fmt: skip


def scored(signals: pl.DataFrame, customers: pl.DataFrame = CUSTOMER, policy: Policy = POLICY) -> pl.DataFrame:
    found = health(customers.lazy(), signals.lazy(), policy=policy).collect()
    assert frames.Health.is_valid(found)
    return found


WEIGHTED = ("login_frequency", "usage_drop", "ticket_sentiment", "feature_breadth", "has_sponsor_engagement")


def test_the_score_is_the_weighted_mean_of_what_is_known() -> None:
    everything = dict.fromkeys(WEIGHTED, "healthy")
    assert scored(read(**everything)).row(0)[:8] == ("a", "weighted", 100.0, 5, "green", 100.0, 100.0, 100.0)
    # 30 at risk (15 points lost), 25 critical (25 lost), 10 unknown: (90 - 40) of 90
    known = everything | {
        "login_frequency": "at_risk",
        "usage_drop": "critical",
        "has_sponsor_engagement": "not_classifiable",
    }
    row = scored(read(**known)).row(0, named=True)
    assert (row["score"], row["rating"], row["coverage_pct"]) == (55.555556, 3, 90.0)
    assert (row["lower_bound"], row["upper_bound"]) == (50.0, 60.0)
    assert (row["band"], row["vetoes"]) == ("yellow", ["Usage collapsed"])
    assert row["drivers"] == ["Usage trend: why usage_drop", "Login frequency: why login_frequency"]


def test_below_the_floor_there_is_no_score_but_vetoes_are_named() -> None:
    row = scored(read(login_frequency="healthy", stakeholder_left="critical")).row(0, named=True)
    assert (row["score"], row["rating"], row["band"]) == (None, None, "insufficient")
    assert (row["coverage_pct"], row["lower_bound"], row["upper_bound"]) == (30.0, 30.0, 100.0)
    assert row["vetoes"] == ["Executive sponsor gone"]
    at_the_floor = scored(read(login_frequency="healthy", ticket_sentiment="healthy"))
    assert at_the_floor.select("coverage_pct", "band").row(0) == (50.0, "green")


def test_a_veto_caps_the_band_and_leaves_the_score() -> None:
    everything = dict.fromkeys(WEIGHTED, "healthy")
    silent = scored(read(**everything, engagement_silence="at_risk")).row(0, named=True)
    assert (silent["score"], silent["band"], silent["vetoes"]) == (100.0, "yellow", ["Customer silent"])
    gone = scored(read(**everything, stakeholder_left="critical", engagement_silence="critical")).row(0, named=True)
    assert (gone["band"], gone["vetoes"]) == ("red", ["Customer silent for long", "Executive sponsor gone"])


def test_bands_and_ratings_begin_at_their_lowest_score() -> None:
    policy = _reweighted(nps=25, login_recency=25, usage_drop=25, feature_breadth=25)
    cases = {
        ("healthy", "healthy", "healthy", "critical"): (75.0, "green", 4),
        ("healthy", "healthy", "at_risk", "critical"): (62.5, "yellow", 4),
        ("healthy", "at_risk", "at_risk", "critical"): (50.0, "yellow", 3),
        ("at_risk", "at_risk", "at_risk", "critical"): (37.5, "red", 2),
        ("critical", "critical", "at_risk", "critical"): (12.5, "red", 1),
    }
    for statuses, expected in cases.items():
        known = dict(zip(("feature_breadth", "login_recency", "usage_drop", "nps"), statuses, strict=True))
        known["login_recency"], known["nps"] = known["nps"], known["login_recency"]
        found = scored(read(**known), policy=_without_vetoes(policy))
        assert found.select("score", "band", "rating").row(0) == expected


def test_weights_follow_the_segment_that_tier_or_segment_spells() -> None:
    people = frame(
        """customer_id | name | tier       | segment
           a           | A    | Enterprise | SMB
           b           | B    | Gold       | Mid-Market
           c           | C    |            | small business
           d           | D    |            | """,
        frames.Customers, home_crm="salesforce", home_crm_id="1",
    )  # fmt: skip
    found = scored(read(), people)
    assert found["profile"].to_list() == ["high_touch", "weighted", "low_touch", "weighted"]
    assert found["band"].to_list() == ["insufficient"] * 4


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.sampled_from(STATUSES), min_size=17, max_size=17), min_size=1, max_size=12), st.integers())
def test_properties_of_any_portfolio(portfolio: list[list[str]], seed: int) -> None:
    names = [f"c{number:02}" for number in range(len(portfolio))]
    rows = [
        {"customer_id": name, "signal": signal, "status": status, "reason": f"{signal} is {status}"}
        for name, statuses in zip(names, portfolio, strict=True)
        for signal, status in zip(POLICY.signals.enabled, statuses, strict=True)
    ]
    people = pl.DataFrame({"customer_id": names, "tier": (["Enterprise", "SMB", None] * len(names))[: len(names)]})
    people = people.with_columns(segment=pl.lit(None, dtype=pl.String))
    signals = pl.DataFrame(rows)
    found = scored(signals, people)
    moved = rows.copy()
    random.Random(seed).shuffle(moved)
    assert scored(pl.DataFrame(moved), people.sample(fraction=1.0, shuffle=True, seed=7)).equals(found)
    assert found["customer_id"].to_list() == names
    score, known = pl.col("score"), found.filter(pl.col("score").is_not_null())
    assert known.filter((score < pl.col("lower_bound")) | (score > pl.col("upper_bound"))).is_empty()
    assert found.filter((pl.col("band") == "insufficient") != (pl.col("coverage_pct") < 50)).is_empty()
    assert found.filter((pl.col("vetoes").list.len() > 0) & (pl.col("band") == "green")).is_empty()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(STATUSES[:3]), min_size=5, max_size=5), st.sets(st.sampled_from(WEIGHTED), max_size=4))
def test_missing_data_renormalises_and_never_counts_as_neutral(statuses: list[str], missing: set[str]) -> None:
    known = {name: status for name, status in zip(WEIGHTED, statuses, strict=True) if name not in missing}
    row = scored(read(**known)).row(0, named=True)
    points = {"healthy": 100, "at_risk": 50, "critical": 0}
    weights = {str(signal): weight for signal, weight in POLICY.health.profiles["weighted"].weights.items()}
    weight = sum(weights[name] for name in known)
    earned = sum(weights[name] * points[status] for name, status in known.items())
    assert row["coverage_pct"] == weight
    assert row["score"] == (round(earned / weight, 6) if weight >= 50 else None)
    assert row["lower_bound"] == earned / 100
    assert row["upper_bound"] == (earned + (100 - weight) * 100) / 100


def _reweighted(**weights: int) -> Policy:
    profiles = {"weighted": POLICY.health.profiles["weighted"].model_copy(update={"weights": weights})}
    changed = POLICY.health.model_copy(update={"profiles": profiles, "profile_by_segment": {}})
    return POLICY.model_copy(update={"health": changed})


def _without_vetoes(policy: Policy) -> Policy:
    return policy.model_copy(update={"health": policy.health.model_copy(update={"vetoes": {}})})
