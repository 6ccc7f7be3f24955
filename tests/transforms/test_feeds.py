"""How far the usage feed reaches: a stray row or a load in part says nothing of those who are missing."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import frames
from tests.tables import frame
from tests.transforms.portfolio_facts import LAST_WEEK, POLICY, TODAY, Portfolio, used
from transforms.facts import covered_weeks, feeds_known

NAMES = [f"c{number}" for number in range(10)]
VERDICT = ("customer_id", "signal", "status", "reason", "episode")
USAGE_SIGNALS = ("login_frequency", "login_recency", "usage_drop", "usage_below_baseline", "feature_breadth")
NOT_COVERED = "the usage feed covers no week that ended in the last 28 days"


@pytest.mark.parametrize(
    ("accounts", "covered"),
    [
        ([], []),
        ([1], [True]),  # the first week ever
        ([1, 40, 100], [True, True, True]),  # a start with a few
        ([10, 10, 5], [True, True, True]),
        ([10, 10, 4], [True, True, False]),
        ([10, 10, 3, 10], [True, True, False, True]),
        ([10, 8, 6, 5, 4, 3, 2], [True] * 6 + [False]),  # a slow decline is believed while it is slow
        ([10, *[1] * 12, 9], [True, *[False] * 12, True]),  # thin weeks never become the usual
        ([2, 30, 9, 20, 20], [True, True, True, True, True]),  # one full week raises the usual little
        ([4] * 9 + [100] * 8 + [49], [True] * 17 + [False]),  # eight weeks tell
        ([4] * 9 + [100] * 3 + [2], [True] * 13),
        ([190, 158, 211, 167, 59], [True, True, True, True, False]),
    ],
)
def test_a_week_counts_by_the_accounts_that_usually_report(accounts: list[int], covered: list[bool]) -> None:
    assert covered_weeks(accounts, 50) == covered


def test_the_share_is_the_policy_s_and_none_lets_a_single_row_count() -> None:
    assert [covered_weeks([10, 10, 3], pct)[-1] for pct in (0, 30, 31, 100)] == [True, True, False, False]


# Rows are Wednesdays of 2026-W44 to W47; the day is Saturday of W47.
@pytest.mark.parametrize(
    ("counts", "week", "until"),
    [
        ("10 10 10 0", "2026-W45", "2026-11-11"),  # W46 is not known to be over
        ("10 10 10 1", "2026-W46", "2026-11-15"),
        ("10 10 10 9", "2026-W46", "2026-11-18"),
        ("10 10  3 1", "2026-W45", "2026-11-08"),
        ("10 10  3 9", "2026-W45", "2026-11-18"),  # one week later the hole is the past
        ("10 10  0 1", "2026-W45", "2026-11-08"),
        (" 0  0  0 9", "2026-W46", "2026-11-18"),  # the empty week before the first
        (" 0  0  9 1", "2026-W46", "2026-11-15"),
        (" 0  0  0 0", None, None),
    ],
)
def test_a_feed_reaches_the_last_week_that_enough_accounts_fill(
    counts: str, week: str | None, until: str | None
) -> None:
    numbers = [int(count) for count in counts.split()]
    last = TODAY - timedelta(days=3)
    days = [last - timedelta(weeks=3 - place) for place in range(len(numbers))]
    rows = [f"{name} | {day} | x | 1" for day, count in zip(days, numbers, strict=True) for name in NAMES[:count]]
    assert reach("\n".join(["account_ref | usage_date | feature | event_count", *rows])) == (week, until)


def reach(drawn: str) -> tuple[str | None, str | None]:
    tickets = frames.empty(frames.Tickets).lazy()
    feeds = feeds_known(frame(drawn, frames.Usage).lazy(), tickets, min_reporting_pct=50).collect()
    week, until = feeds.select("usage_week", "usage_until").row(0)
    return week and f"{date(1969, 12, 29) + timedelta(weeks=week):%G-W%V}", until and str(until)


def fed(*extra: str, until: date, weeks: int = 16) -> Portfolio:
    """Ten customers who log in and use two features every week, the last time in the week of ``until``."""
    lines = [used(name, [5] * weeks, each, last=until) for name in NAMES for each in ("login", "x")]
    head = "account_ref | usage_date | feature | event_count"
    return Portfolio(" ".join(NAMES), usage=frame("\n".join([head, *lines, *extra]), frames.Usage))


def loaded(count: int, day: date) -> list[str]:
    return [f"salesforce:{name} | {day} | login | 5" for name in NAMES[:count]]


def verdicts(portfolio: Portfolio, without: int = 0) -> list[tuple[object, ...]]:
    """Signals of all but the first customers."""
    read = portfolio.signals().filter(~pl.col("customer_id").is_in(NAMES[:without]))
    return read.select(VERDICT).rows()


@settings(max_examples=8, deadline=None)
@given(st.integers(3, 70), st.integers(0, 70))
def test_one_stray_row_changes_nobody_else_s_status(silent_days: int, age: int) -> None:
    """The feed ended on some Sunday; then one row of one customer arrives, of some later day."""
    sunday = TODAY - timedelta(days=TODAY.isoweekday()) - timedelta(weeks=silent_days // 7)
    stray = max(sunday + timedelta(days=1), TODAY - timedelta(days=age))
    quiet = fed(until=sunday)
    assert verdicts(fed(*loaded(1, stray), until=sunday), 1) == verdicts(quiet, 1)


def test_a_stale_feed_stays_stale_when_few_accounts_report_again() -> None:
    stopped = LAST_WEEK - timedelta(weeks=5)
    for count in (0, 1, 3):
        found = fed(*loaded(count, TODAY - timedelta(days=1)), until=stopped)
        concluded = found.assessed()
        read = concluded["signals"].filter(pl.col("signal").is_in(USAGE_SIGNALS))
        assert set(read.select("status", "reason").rows()) == {("not_classifiable", NOT_COVERED)}
        assert set(concluded["health"]["band"]) == {"insufficient"}


def test_a_load_in_part_ages_nobody_and_a_whole_one_counts() -> None:
    before = LAST_WEEK - timedelta(weeks=3)
    rows = [row for week in (1, 2, 3) for row in loaded(3, before + timedelta(weeks=week))]
    part = fed(*rows, until=before)
    assert {row[2] for row in verdicts(part, 3) if row[1] in ("login_frequency", "usage_drop")} == {"healthy"}
    whole = fed(*rows, *loaded(8, LAST_WEEK), *loaded(8, TODAY), until=before)
    statuses = dict(whole.signal("login_frequency", "status"))
    assert statuses == {name: "at_risk" if name in NAMES[8:] else "healthy" for name in NAMES}


def test_a_customer_of_a_thin_week_is_seen_to_have_logged_in() -> None:
    found = fed(*loaded(1, TODAY), until=LAST_WEEK).signal("login_recency", "status", "value")
    assert found[:2] == [("c0", "healthy", 0.0), ("c1", "healthy", 4.0)]


def test_few_accounts_a_week_are_enough_when_it_is_always_few() -> None:
    days = [LAST_WEEK - timedelta(weeks=back) for back in range(20)]
    rows = [
        f"salesforce:{NAMES[(3 * place + each) % 10]} | {day} | login | 5"
        for place, day in enumerate(days)
        for each in range(2 + place % 2)
    ]
    known = reach("\n".join(["account_ref | usage_date | feature | event_count", *rows, f"x | {TODAY} | x | 1"]))
    assert known == ("2026-W46", "2026-11-15")


def test_with_no_share_asked_the_newest_row_of_anybody_counts() -> None:
    lax = POLICY.model_copy(update={"feeds": POLICY.feeds.model_copy(update={"min_reporting_pct": 0})})
    found = fed(*loaded(1, LAST_WEEK), *loaded(1, TODAY), until=LAST_WEEK - timedelta(weeks=6))
    assert {row[1] for row in found.signal("login_recency", "status", policy=lax)[1:]} == {"critical"}
    assert {row[1] for row in found.signal("login_recency", "status")} == {"not_classifiable"}
