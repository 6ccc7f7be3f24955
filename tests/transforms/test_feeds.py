"""How far the usage feed reaches: a stray row or a load in part says nothing of those who are missing."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import frames
from tests.tables import frame
from tests.transforms.portfolio_facts import LAST_WEEK, POLICY, TODAY, Portfolio, used
from transforms.facts import covered_weeks, feeds_known, weeks_not_covered

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
        ([10, *[1] * 7, 1, 9], [True, *[False] * 7, True, True]),  # at the start, eight weeks must have come
        ([100] * 10 + [30] * 6, [True] * 10 + [False] * 4 + [False, True]),  # a lasting drop becomes the usual
        ([100] * 10 + [40] * 30, [True] * 10 + [False] * 4 + [True] * 26),
        ([100] * 10 + [3] * 4 + [100] * 3 + [3], [True] * 10 + [False] * 4 + [True] * 3 + [False]),  # some are faults
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


def test_a_load_in_part_ages_nobody_and_whole_ones_count() -> None:
    before = LAST_WEEK - timedelta(weeks=3)
    rows = [row for week in (1, 2, 3) for row in loaded(3, before + timedelta(weeks=week))]
    part = fed(*rows, until=before)
    assert {row[2] for row in verdicts(part, 3) if row[1] in ("login_frequency", "usage_drop")} == {"healthy"}
    for whole_weeks, status in ((1, "healthy"), (2, "healthy"), (3, "at_risk")):  # three weeks in a row are asked
        weeks = [before + timedelta(weeks=4 - whole_weeks + each) for each in range(whole_weeks)]
        whole = fed(*rows, *[row for day in weeks for row in loaded(8, day)], *loaded(8, TODAY), until=before)
        statuses = dict(whole.signal("login_frequency", "status"))
        assert statuses == {name: status if name in NAMES[8:] else "healthy" for name in NAMES}, whole_weeks


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
    assert {row[1] for row in found.signal("login_recency", "status", policy=lax)[1:]} == {"at_risk"}
    assert {row[1] for row in found.signal("login_recency", "status")} == {"not_classifiable"}


@pytest.mark.parametrize("resumed", [1, 2, 5])
@pytest.mark.parametrize("gap", [1, 5, 12])
def test_a_gap_of_the_feed_is_no_fall_of_usage(gap: int, resumed: int) -> None:
    """Ten customers use the same week by week, but for some weeks nothing is delivered at all."""
    stopped = LAST_WEEK - timedelta(weeks=gap + resumed)
    back = [LAST_WEEK - timedelta(weeks=each) for each in range(resumed)]
    rows = [row for day in (*back, TODAY) for row in (*loaded(10, day), *used_too(day))]
    read = fed(*rows, until=stopped).signals().filter(pl.col("signal").is_in(USAGE_SIGNALS))
    found = {signal: status for _, signal, status in read.select("customer_id", "signal", "status").rows()}
    assert found == dict.fromkeys(USAGE_SIGNALS, "healthy") | {"feature_breadth": "at_risk"}  # one feature, always


def used_too(day: date) -> list[str]:
    return [f"salesforce:{name} | {day} | x | 5" for name in NAMES]


# Weeks of usage with a hole of seven between them, the last one W46; c0 stops or falls as drawn, the others go on.
@pytest.mark.parametrize(
    ("before", "after", "signal", "expected"),
    [
        ("5 5 5 5 5 5", "1 1 1 5 5 5 5 5", "login_frequency", ("healthy", "healthy")),
        ("5 5 5 5 5 5", "1 1", "login_frequency", ("healthy", "healthy")),  # two weeks, whatever lies before
        ("5 5 5 5 5 1", "1 1", "login_frequency", ("at_risk", "2026-W37")),  # the run spans the hole
        ("5 5 5 5 5 5", "2 2", "usage_below_baseline", ("at_risk", "2026-W46")),
        ("5 5 5 5 5 2", "2", "usage_below_baseline", ("at_risk", "2026-W46")),
        ("9 9 9 9 9 9", "4 4 4 4", "usage_drop", ("at_risk", "2026-W46")),
        ("9 9 9 9 9 9", "9 9 9 9", "usage_drop", ("healthy", "healthy")),
        ("5 5 5 5 5 5", "0 0", "login_recency", ("at_risk", "2026-09-09")),  # 73 days, of which the hole has 49
        ("5 5 5 5 5 5", "0 0 0", "login_recency", ("critical", "2026-09-02")),
    ],
)
def test_only_weeks_that_the_feed_covered_are_compared(
    before: str, after: str, signal: str, expected: tuple[str, str]
) -> None:
    old, new = [int(each) for each in before.split()], [int(each) for each in after.split()]
    hole_ends = LAST_WEEK - timedelta(weeks=len(new))
    stopped = hole_ends - timedelta(weeks=7)
    lines = [used("c0", [5] * 6 + old, last=stopped), used("c0", new)]
    lines += [used(name, [5] * (6 + len(old)), last=stopped) for name in NAMES[1:]]
    lines += [used(name, [5] * len(new)) for name in NAMES[1:]] + loaded(10, TODAY)[1:]
    rows = "\n".join(["account_ref | usage_date | feature | event_count", *[line for line in lines if line]])
    assert Portfolio(" ".join(NAMES), usage=frame(rows, frames.Usage)).signal(signal)[0] == ("c0", *expected)


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        ("10 10 10 10 10 10", []),
        ("10 10 10 10 10  0", []),  # the newest full week may be late
        ("10 10 10 10  4 10", ["2026-W45"]),
        ("10 10 10  0  0  0", ["2026-W44", "2026-W45"]),
        ("10  0 10 10 10 10", []),  # longer ago than is asked
        (" 0  0  0 10 10 10", []),  # before the first
        (" 0  0  0  0  0  0", []),
    ],
)
def test_recent_weeks_that_too_few_accounts_reported_are_named(counts: str, missing: list[str]) -> None:
    rows = [
        row
        for back, count in enumerate(reversed(counts.split()))
        for row in loaded(int(count), LAST_WEEK - timedelta(weeks=back))
    ]
    usage = frame("\n".join(["account_ref | usage_date | feature | event_count", *rows]), frames.Usage)
    feeds = Portfolio(" ".join(NAMES), usage=usage).facts().feeds.collect()
    assert weeks_not_covered(feeds, as_of=TODAY, within_days=28) == missing


def test_counts_of_zero_tell_a_mass_silence_from_a_feed_that_failed() -> None:
    """Seven of ten stop at once: by missing rows nobody can tell, by zeros everybody can."""
    stopped, weeks = LAST_WEEK - timedelta(weeks=4), range(1, 6)
    alive = [row for week in weeks for row in loaded(3, stopped + timedelta(weeks=week))]
    zeros = [row.replace("| 5", "| 0") for week in weeks for row in loaded(10, stopped + timedelta(weeks=week))[3:]]
    untold = dict(fed(*alive, until=stopped).signal("login_frequency", "status"))
    told = dict(fed(*alive, *zeros, until=stopped).signal("login_frequency", "status"))
    assert {untold[name] for name in NAMES[3:]} == {"not_classifiable"}
    assert {told[name] for name in NAMES[3:]} == {"critical"}
