"""Tasks from triggers: which, for whom, in what words, and that a quiet night changes none of them."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from models import frames
from models.keys import record_key
from tests.tables import frame
from tests.transforms.portfolio_facts import POLICY, TODAY, Portfolio, usage, used

NAMES = "a b c d e f"
TIERS = "\n".join(
    ["customer_id | name | arr_minor | currency", *[f"{name} | Firm {name} | 6000000 | USD" for name in "abcdef"]]
)


def raised(portfolio: Portfolio, as_of: date = TODAY) -> list[tuple[Any, ...]]:
    return portfolio.assessed(as_of)["tasks"].select("customer_id", "playbook").rows()


def test_renewal_windows_call_for_their_tasks() -> None:
    accounts = """crm_id | renewal_date | contract_end_date
                  a      | 2027-02-10   |
                  b      | 2027-01-10   |
                  c      | 2026-12-10   |
                  d      | 2026-11-01   |
                  e      |              |
                  f      | 2027-06-01   | 2027-09-01"""
    portfolio = Portfolio(
        NAMES,
        customers=TIERS,
        accounts=accounts,
        activities="""of | kind    | outcome   | is_inbound | occurred_at
                      c  | email   | unknown   | yes        | 2026-08-01
                      b  | meeting | scheduled |            | 2027-01-05""",
        plan_items="\n".join(["of | kind | title", *[f"{name} | goal | Grow" for name in "abcdef"]]),
    )
    assert raised(portfolio) == [
        ("a", "renewal_90_review"),
        ("b", "renewal_60"),
        ("c", "renewal_30_silent"),
        ("c", "customer_silent"),
        ("c", "renewal_60"),
        ("c", "renewal_90_review"),
        ("d", "renewal_overdue"),
        ("e", "renewal_undated"),
        ("f", "renewal_disputed"),
    ]


def test_a_plan_that_nobody_agreed_raises_one_task() -> None:
    portfolio = Portfolio(
        "a b",
        customers=TIERS[: TIERS.index("c |")],
        accounts="crm_id | renewal_date\na | 2028-01-01\nb | 2028-01-01",
        plan_items="of | kind | title\nb | outcome | Halve it\na | risk | Budget",
    )
    task = portfolio.assessed()["tasks"].row(0, named=True)
    assert raised(portfolio) == [("a", "plan_not_agreed")]
    assert task["record_key"] == record_key("task", "plan_not_agreed", "a", "not_agreed")
    assert (task["opened_on"], task["due_days"], task["rule_ids"]) == (TODAY, 14, ["R-007", "R-050", "R-100", "R-104"])


def test_customer_text_is_never_read_as_a_template() -> None:
    odd = "{reason} {0} {{x}} %s $1 \\n <b>"
    portfolio = Portfolio("a", customers=f"customer_id | name | arr_minor | currency\na | {odd} | 6000000 | USD")
    bodies = portfolio.assessed()["tasks"].filter(pl.col("playbook") == "renewal_undated")
    assert bodies["subject"].item() == f"Record the renewal date of {odd}"


def test_the_reason_opens_the_text_and_the_limit_is_by_engagement_model() -> None:
    contacts = "of | name | role | has_left\na | Jo | champion | no\nb | Al | champion | no"
    people = "customer_id | name | arr_minor | currency\na | Firm a | 6000000 | USD\nb | Firm b | 100 | USD"
    portfolio = Portfolio("a b", customers=people, contacts=contacts)
    tasks = portfolio.assessed()["tasks"].filter(pl.col("playbook") == "sponsor_unnamed")
    assert tasks["customer_id"].to_list() == ["a"]
    assert tasks["body"].item().startswith("Nobody is named as executive sponsor.\nAsk the champion")


def test_every_signal_trigger_that_fires_is_answered() -> None:
    answered = {book.trigger.signal for book in POLICY.playbooks.values() if book.trigger.kind == "signal"}
    unanswered = set(POLICY.signals.enabled) - answered
    assert unanswered == {"feature_breadth", "has_sponsor_engagement", "login_recency"}


class Dice:
    """Draws rows of any kind for any customer; nothing happens on the days that are compared."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.one = self.random.choice

    def day(self, least: int = 0, most: int = 200) -> str:
        return str(TODAY - timedelta(days=self.random.randint(least, most)))

    def ahead(self) -> str:
        return str(TODAY + timedelta(days=self.random.randint(7, 150))) if self.random.random() < 0.7 else ""

    def table(self, head: str, row: Callable[[], tuple[object, ...]], prefix: str = "") -> str:
        """Up to six rows a customer."""
        names = [f"{prefix}{name}" for name in "abcdef" for _ in range(self.random.randint(0, 6))]
        return "\n".join([head, *[" | ".join(map(str, (name, *row()))) for name in names]])

    def answer(self) -> str:
        return self.one(["yes", "no"])

    def accounts(self) -> str:
        rows = [f"{name} | {self.ahead()} | {self.ahead()}" for name in "abcdef"]
        return "\n".join(["crm_id | renewal_date | contract_end_date", *rows])

    def contacts(self) -> str:
        rows = ["of | crm_id | name | email | role | has_left | created_at"]
        for name in "abcdef":
            for number in range(3):
                role = self.one(["executive_sponsor", "champion", "day_to_day", ""])
                left = self.one(["yes", "no", ""])
                rows.append(f"{name} | p{name}{number} | P | {number}@{name}.ex | {role} | {left} | {self.day()}")
        return "\n".join(rows)

    def activity(self) -> tuple[object, ...]:
        contact = f"p{self.one('abcdef')}{self.one('012')}"
        outcome = self.one(["completed", "no_show", "unknown"])
        return contact, self.one(["meeting", "call", "email"]), outcome, self.one(["yes", "no", ""]), self.day()

    def usage(self) -> pl.DataFrame:
        features = ("login", "x", "y", "z")
        weeks = [(name, [self.one([0, 1, 2, 9]) for _ in range(30)], each) for name in "abcdef" for each in features]
        return usage(*[used(*drawn) for drawn in weeks])


def drawn_portfolio(seed: int) -> Portfolio:
    """Six customers of which anything may be known."""
    dice = Dice(seed)
    ticket = "of | opened_at | is_closed | is_escalated | priority | satisfaction_pct"
    return Portfolio(
        NAMES,
        customers=TIERS,
        accounts=dice.accounts(),
        contacts=dice.contacts(),
        activities=dice.table("of | contact_crm_id | kind | outcome | is_inbound | occurred_at", dice.activity),
        tickets=dice.table(
            ticket, lambda: (dice.day(), dice.answer(), dice.answer(), "high", dice.one(["", "20", "70", "95"]))
        ),
        opportunities=dice.table(
            "of | kind | is_closed | is_won | close_date", lambda: ("renewal", dice.answer(), "no", dice.day(0, 60))
        ),
        surveys=dice.table(
            "account_ref | kind | answered_at | score",
            lambda: ("nps", dice.day(), dice.random.randint(0, 10)),
            prefix="salesforce:",
        ),
        usage=dice.usage(),
        plan_items=dice.table(
            "of | kind | title | due_date | is_done", lambda: ("milestone", "M", dice.day(), dice.answer())
        ),
    )


STABLE = ("customer_id", "signal", "status", "reason", "episode")


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 6))
def test_a_quiet_night_changes_nothing_that_crosses_no_threshold(seed: int, start: int) -> None:
    portfolio = drawn_portfolio(seed)
    today = TODAY + timedelta(days=start)
    before, after = portfolio.assessed(today), portfolio.assessed(today + timedelta(days=1))
    both = before["signals"].join(after["signals"], on=["customer_id", "signal", "status"], suffix="_next")
    moved = both.filter((pl.col("episode") != pl.col("episode_next")) | (pl.col("reason") != pl.col("reason_next")))
    assert moved.select(STABLE).rows() == []
    changed = _changed(before["signals"], after["signals"], ["signal", "status"])
    changed |= _changed(before["renewals"], after["renewals"], ["window", "has_review_scheduled"])
    quiet = ~pl.col("customer_id").is_in(sorted(changed))
    for name, columns in {"tasks": pl.all().exclude("opened_on"), "health": pl.all()}.items():
        assert before[name].filter(quiet).select(columns).equals(after[name].filter(quiet).select(columns)), name


def _changed(before: pl.DataFrame, after: pl.DataFrame, columns: list[str]) -> set[str]:
    key = ["customer_id", *columns]
    return set(before.join(after, on=key, how="anti")["customer_id"]) | set(
        after.join(before, on=key, how="anti")["customer_id"]
    )


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 1_000))
def test_the_order_of_rows_does_not_matter(seed: int, shuffle: int) -> None:
    portfolio = drawn_portfolio(seed)
    plain, mixed = portfolio.assessed(), portfolio.assessed(shuffled=shuffle)
    for name, table in plain.items():
        assert table.equals(mixed[name]), name


def test_what_happens_later_changes_no_earlier_day() -> None:
    portfolio = drawn_portfolio(11)
    past = TODAY - timedelta(days=60)
    known = portfolio.signals(past)
    for name in ("activities", "tickets"):
        column = {"activities": "occurred_at", "tickets": "opened_at"}[name]
        portfolio.records[name] = portfolio.records[name].filter(pl.col(column).dt.date() <= past)
    portfolio.usage = portfolio.usage.filter(pl.col("usage_date") <= past)
    assert portfolio.signals(past).equals(known)
    assert frames.Signals.is_valid(known)
    assert frame("a | b\n1 |").row(0) == ("1", None)
