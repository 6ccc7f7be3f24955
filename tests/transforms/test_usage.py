"""Usage signals, with the weeks drawn as numbers of events, newest last."""

from datetime import date, timedelta

import polars as pl

from models import frames
from tests.tables import frame
from tests.transforms.portfolio_facts import TODAY, Portfolio, usage, used
from transforms.facts import unique_usage, unmatched_usage

GOOD = [5] * 8


def named(count: int) -> list[str]:
    return [f"c{number}" for number in range(count)]


def by_case(
    cases: list[tuple[list[int], tuple[object, ...]]], feature: str = "login"
) -> tuple[Portfolio, list[object]]:
    """A customer a case, and what is expected of each."""
    names = named(len(cases))
    rows = [used(name, weeks, feature) for name, (weeks, _) in zip(names, cases, strict=True)]
    expected: list[object] = [(name, *verdict) for name, (_, verdict) in zip(names, cases, strict=True)]
    return Portfolio(" ".join(names), usage=usage(*rows)), expected


def test_login_frequency_needs_two_a_week_in_one_of_three_weeks() -> None:
    portfolio, expected = by_case(
        [
            ([*GOOD, 5, 5, 5], ("healthy", "healthy")),
            ([*GOOD, 1, 1, 2], ("healthy", "healthy")),
            ([*GOOD, 9, 1, 1], ("healthy", "healthy")),
            ([*GOOD, 1, 1, 1], ("at_risk", "2026-W44")),
            ([*GOOD, 1, 0, 0, 0], ("at_risk", "2026-W43")),
            ([*GOOD, 0, 0, 0, 0], ("critical", "2026-W43")),
            ([1, 1, 1, 1], ("at_risk", "always")),
            ([1, 1, 1], ("healthy", "healthy")),
        ]
    )
    assert portfolio.signal("login_frequency") == expected


def test_a_run_of_thin_weeks_keeps_its_name_however_long_it_lasts() -> None:
    portfolio, expected = by_case(
        [
            ([5, *[1] * 38], ("at_risk", "2026-W09")),
            ([5, *[1] * 39], ("at_risk", "2026-W08")),
            ([5, *[1] * 60], ("at_risk", "2025-W39")),
        ]
    )
    weekly = [f"salesforce:somebody_else | {TODAY - timedelta(weeks=back)} | reports | 1" for back in range(70)]
    portfolio.usage = pl.concat([portfolio.usage, usage(*weekly)]).unique()
    assert portfolio.signal("login_frequency") == expected


def test_login_recency_climbs_the_ladder_of_days() -> None:
    ladder = {
        "2026-11-21": ("healthy", "healthy"),
        "2026-11-08": ("healthy", "healthy"),  # 13 days
        "2026-11-07": ("at_risk", "2026-11-07"),  # 14 days
        "2026-10-23": ("at_risk", "2026-10-23"),  # 29 days
        "2026-10-22": ("critical", "2026-10-22"),  # 30 days
    }
    names = named(len(ladder))
    rows = [f"salesforce:{name} | {day} | login | 1" for name, day in zip(names, ladder, strict=True)]
    found = Portfolio(" ".join(names), usage=usage(*rows)).signal("login_recency")
    assert found == [(name, *verdict) for name, verdict in zip(names, ladder.values(), strict=True)]


def test_usage_drop_compares_four_weeks_with_the_four_before() -> None:
    portfolio, expected = by_case(
        [
            ([10, 10, 10, 10, 6, 5, 5, 5], ("healthy", "healthy", 47.5)),
            ([10, 10, 10, 10, 5, 5, 5, 5], ("at_risk", "2026-W46", 50.0)),
            ([10, 10, 10, 10, 0, 0, 4, 4], ("critical", "2026-W45", 80.0)),
            ([10, 10, 10, 10, 0, 0, 5, 4], ("at_risk", "2026-W45", 77.5)),
            ([10, 0, 10, 10, 0, 0, 0, 0], ("critical", "2026-W46", 100.0)),
            ([10, 0, 0, 10, 0, 0, 0, 0], ("not_classifiable", "not_classifiable", None)),
            ([5, 5, 5, 5, 9, 9, 9, 9], ("healthy", "healthy", -80.0)),
        ],
        feature="reports",
    )
    assert portfolio.signal("usage_drop", "status", "episode", "value") == expected


def test_usage_below_baseline_needs_two_weeks_in_a_row() -> None:
    portfolio, expected = by_case(
        [
            ([10] * 8 + [4, 4], ("at_risk", "2026-W46")),
            ([10] * 8 + [4, 5], ("healthy", "healthy")),
            ([10] * 8 + [4, 4, 4], ("at_risk", "2026-W45")),
            ([0, 0, 0] + [10] * 5 + [4, 4], ("not_classifiable", "not_classifiable")),
        ]
    )
    assert portfolio.signal("usage_below_baseline") == expected


def test_feature_breadth_counts_features_beyond_the_core() -> None:
    cases: list[tuple[dict[str, list[int]], tuple[object, ...]]] = [
        ({"login": [1] * 6, "x": [1] * 6, "y": [1] * 6, "z": [0, 0, 1, 0, 0, 0]}, ("healthy", "healthy", 3.0)),
        ({"login": [1] * 6, "x": [1] * 6, "y": [1] * 6, "z": [0, 1, 0, 0, 0, 0]}, ("at_risk", "2026-W46", 2.0)),
        ({"login": [1] * 6, "x": [1] * 6}, ("at_risk", "2026-W44", 1.0)),
        ({"login": [1] * 6}, ("critical", "2026-W44", 0.0)),
        ({"login": [1] * 3}, ("not_classifiable", "not_classifiable", None)),
    ]
    names = named(len(cases))
    rows = [
        used(name, weeks, feature)
        for name, (features, _) in zip(names, cases, strict=True)
        for feature, weeks in features.items()
    ]
    found = Portfolio(" ".join(names), usage=usage(*rows)).signal("feature_breadth", "status", "episode", "value")
    assert found == [(name, *verdict) for name, (_, verdict) in zip(names, cases, strict=True)]


def test_a_feature_that_lapses_and_another_that_starts_do_not_rename_the_episode() -> None:
    weeks = {
        "x": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
        "y": [1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        "z": [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    }
    before = Portfolio("a", usage=usage(*[used("a", events, name) for name, events in weeks.items()]))
    weeks["new"] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    after = Portfolio("a", usage=usage(*[used("a", events, name) for name, events in weeks.items()]))
    assert before.signal("feature_breadth") == after.signal("feature_breadth") == [("a", "at_risk", "2026-W41")]


def test_what_usage_cannot_tell_is_not_classifiable_and_says_why() -> None:
    silent = Portfolio("a", usage=usage())
    assert silent.signal("login_recency", "status", "reason") == [("a", "not_classifiable", "no usage rows")]
    no_logins = Portfolio("a", usage=usage(used("a", GOOD, "reports")))
    assert no_logins.signal("login_frequency", "status", "reason") == [("a", "not_classifiable", "no login rows")]
    stopped = Portfolio(
        "a",
        usage=usage(
            used("a", GOOD),
            feed_until=TODAY - timedelta(days=29),
        ).filter(pl.col("usage_date") <= TODAY - timedelta(days=29)),
    )
    assert stopped.signal("usage_drop", "status", "reason") == [
        ("a", "not_classifiable", "the usage feed covers no week that ended in the last 28 days")
    ]


def test_a_feed_that_is_a_few_days_late_ages_nobody() -> None:
    late = date(2026, 11, 15)
    rows = usage(used("a", GOOD), feed_until=late)
    found = Portfolio("a", usage=rows)
    assert found.signals(TODAY).equals(found.signals(TODAY + timedelta(days=5)))


def test_rows_of_two_references_add_up_and_a_row_stated_twice_counts_once() -> None:
    rows = frame(
        """account_ref  | usage_date | event_count
           salesforce:a | 2026-11-11 | 9
           salesforce:a | 2026-11-11 | 1
           a.example    | 2026-11-11 | 1
           twice.example| 2026-11-11 | 50""",
        frames.Usage,
    )
    people = """customer_id | domain
                a           | A.example
                b           | twice.example
                c           | twice.example"""
    portfolio = Portfolio("a b c", customers=people, usage=pl.concat([usage(), rows]))
    known = portfolio.facts().usage.group_by("customer_id").agg(pl.col("event_count").sum()).collect()
    assert known.rows() == [("a", 2)]
    assert unique_usage(rows.lazy()).collect().height == 3


def test_references_of_nobody_or_of_several_are_listed() -> None:
    people = frame("customer_id | domain\na | a.example\nb | shared.example\nc | shared.example")
    links = frame("crm | crm_id | customer_id\nsalesforce | a | a", frames.Crosswalk, method="alone", reason="")
    rows = usage(
        "salesforce:a | 2026-11-11 | login | 1",
        "a.example | 2026-11-11 | login | 1",
        "shared.example | 2026-11-11 | login | 1",
        "shared.example | 2026-11-12 | login | 1",
    )
    found = unmatched_usage(rows.lazy(), links.lazy(), people.lazy()).collect()
    assert frames.RowErrors.is_valid(found)
    assert found.select("record", "rule").rows() == [
        ("salesforce:somebody_else", "unknown_account"),
        ("shared.example", "unknown_account"),
    ]


def test_usage_after_the_day_is_not_known() -> None:
    portfolio = Portfolio("a", usage=usage(used("a", GOOD), "salesforce:a | 2026-11-22 | login | 7"))
    assert portfolio.facts().usage.select(pl.col("usage_date").max()).collect().item() == date(2026, 11, 11)
