"""What a plan says: facts, what people agreed, and plainly what nobody did."""

from datetime import date
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models import frames, keys
from models.enums import Section
from models.policy.load import load_policy
from tests.tables import frame
from transforms.facts import Facts
from transforms.sections import section_texts

POLICY = load_policy(None)
TODAY = date(2026, 11, 21)
CUSTOMERS = frame(
    """customer_id | name     | domain   | tier       | industry | employees_count | arr_minor | currency | owner_name
       acme        | Acme Inc | acme.com | Enterprise | Steel    | 1200            | 8500000   | EUR      | Ann
       bare        | Bare     |          |            |          |                 |           |          |
       small       | Small    |          |            |          |                 | 50000     | JPY      | Bob
       none        | None due |          |            |          |                 |           |          | Bob""",
    frames.Customers,
    home_crm="salesforce",
    home_crm_id="s",
    contract_start_date="2024-03-01",
)
LIFECYCLE = frame(
    """customer_id | stage    | engagement_model | plan_type   | is_plan_due | last_engagement_date | next_review_date
       acme        | adoption | high_touch       | formal      | yes         | 2026-10-03           | 2026-12-01
       bare        | unknown  |                  | one_page    | yes         |                      |
       small       | adoption | low_touch        | lightweight | yes         |                      |
       none        | adoption | low_touch        | none        | no          |                      | """,
    frames.Lifecycle,
    has_agreed_plan=False,
)
HEALTH = frame(
    """customer_id | score | rating | band         | coverage_pct | vetoes
       acme        | 71.6  | 4      | yellow       | 83.3         | Executive sponsor gone
       bare        |       |        | insufficient | 20           | """,
    frames.Health,
    profile="default",
    lower_bound=0.0,
    upper_bound=100.0,
    drivers=[],
).with_columns(pl.col("vetoes").fill_null([]))
RENEWALS = frame(
    """customer_id | renewal_date | renewal_source | is_disputed | notice_date | candidates
       acme        | 2027-01-31   | account_field  | yes         | 2026-12-31  | 2027-01-31 here; 2027-03-31 there
       small       | 2027-06-30   | contract_end   | no          |             | """,
    frames.Renewals,
    window="later",
    risk="unknown",
    has_review_scheduled=False,
    reasons=[],
).with_columns(pl.col("candidates").fill_null([]))
SIGNALS = frame(
    """customer_id | signal                 | status   | reason
       acme        | stakeholder_left       | critical | Sarah Chen (champion) left on 2026-09-12.
       acme        | login_frequency        | at_risk  | fewer than 2 a week since week 2026-W40
       acme        | nps                    | healthy  | fine
       small       | usage_drop             | critical | fell since week 2026-W40""",
    frames.Signals,
    rule_id="R-120",
    unit="",
    threshold="",
    episode="",
    source="",
)
TASKS = frame(
    """customer_id | playbook         | subject                          | severity
       acme        | stakeholder_left | Update the plan: Sarah Chen left | 90""",
    frames.TasksDue,
    record_key="k",
    body="",
    reason="",
    priority="high",
    due_days=7,
    opened_on="2026-09-12",
    rule_ids=[],
)
WORK = frame(
    """kind        | title            | owner_name | owner_side | due_date   | is_done
       goal        | Report in a day  |            |            |            | no
       action      | Send the data    | Sarah Chen | customer   | 2026-11-20 | no
       action      | Build the report | Ann        | vendor     | 2026-11-21 | no
       action      | Kick off         | Ann        | vendor     | 2026-10-05 | yes
       action      | Long ago         | Ann        | vendor     | 2026-09-30 | yes
       action      | No one's         |            |            |            | no
       milestone   | First report     | Ann        | vendor     | 2026-12-15 | no
       stakeholder | Sarah Chen       |            |            |            | no
       risk        | Budget cut       |            |            |            | no""",
    frames.PlanItems,
    crm="salesforce",
    crm_id="i",
)
OUTCOMES = frame(
    """title          | metric | unit | baseline | target | current | due_date
       Faster reports | time   | days | 18       | 8.5    | 12      | 2027-03-31
       Retention      | NRR    | %    |          | 105    |         | """,
    frames.PlanItems,
    crm="salesforce",
    crm_id="i",
    kind="outcome",
    is_done=False,
)
ITEMS = pl.concat([WORK, OUTCOMES]).with_columns(
    customer_id=pl.lit("acme"),
    role=pl.when(pl.col("kind") == "stakeholder").then(pl.lit("champion")),
    influence=pl.when(pl.col("kind") == "stakeholder").then(pl.lit("Champion")),
    mitigation=pl.when(pl.col("kind") == "risk").then(pl.lit("Show the savings to the CFO")),
    detail=pl.when(pl.col("kind") == "goal").then(pl.lit("Three people spent a week a month on it")),
)
CONTACTS = frame(
    """crm_id | name       | title | role              | has_left | left_date
       c1     | Sarah Chen | VP    | champion          | yes      | 2026-09-12
       c2     | Li Wei     | CFO   | executive_sponsor | no       |
       c3     | Old Hand   | CTO   | champion          | yes      | 2026-01-01
       c4     | No Role    | Clerk |                   | no       | """,
    frames.Contacts,
    crm="salesforce",
).with_columns(customer_id=pl.lit("acme"))
DEALS = frame(
    """crm_id | name     | kind      | stage       | is_closed | amount_minor | currency | close_date
       o1     | More     | expansion | Proposal    | no        | 1250050      | EUR      | 2027-02-01
       o2     | Won      | expansion | Closed won  | yes       | 100          | EUR      | 2026-02-01
       o3     | Renewal  | renewal   | Negotiation | no        | 100          | EUR      | 2027-02-01""",
    frames.Opportunities,
    crm="salesforce",
    is_won=False,
).with_columns(customer_id=pl.lit("acme"))


def facts(**other: pl.DataFrame) -> Facts:
    given = {"contacts": CONTACTS, "opportunities": DEALS, "plan_items": ITEMS, **other}
    nothing = pl.LazyFrame()
    rest = {name: nothing for name in Facts.__dataclass_fields__ if name not in given}
    return Facts(**{name: rows.lazy() for name, rows in given.items()}, **rest)


def written(as_of: date = TODAY, **other: Any) -> pl.DataFrame:
    frames_in = {"signals": SIGNALS, "health": HEALTH, "renewals": RENEWALS, "lifecycle": LIFECYCLE, "tasks": TASKS}
    given = {name: other.pop(name, rows).lazy() for name, rows in frames_in.items()}
    customers = other.pop("customers", CUSTOMERS)
    texts = section_texts(customers.lazy(), facts(**other), **given, as_of=as_of, policy=POLICY).collect()
    frames.SectionTexts.validate(texts)
    return texts


def body(texts: pl.DataFrame, section: Section, customer: str = "acme") -> str:
    row = texts.row(by_predicate=(pl.col("customer_id") == customer) & (pl.col("section") == str(section)), named=True)
    return str(row["body"])


EXPECTED = {
    Section.CUSTOMER_OVERVIEW: """\
Acme Inc (acme.com): Enterprise, Steel, 1,200 employees. Customer since 2024-03-01. CSM: Ann. Stage: adoption. \
Engagement: high touch. Why they bought: Three people spent a week a month on it.

Key people: Sarah Chen (champion, left on 2026-09-12); Li Wei (CFO, executive sponsor).""",
    Section.BUSINESS_GOALS: "- Report in a day",
    Section.SUCCESS_OUTCOMES: """\
- Faster reports: time, baseline 18 days, target 8.5 days, due 2027-03-31, now 12 days.
- Retention: NRR, baseline not agreed, target 105 %, date not agreed.""",
    Section.CURRENT_QUARTER: """\
Actions for Q4 2026:
- Kick off: Ann (vendor), done
- Send the data: Sarah Chen (customer), missed, was due 2026-11-20
- Build the report: Ann (vendor), due 2026-11-21
- No one's: owner not named, date not agreed
The customer owns 1 of 4.

Milestones:
- First report: Ann (vendor), due 2026-12-15

Next review: 2026-12-01.""",
    Section.HEALTH_AND_RISK: """\
Health: 72 of 100 (yellow), rating 4 of 5, known for 83 % of the weight.
Veto, whatever the score: Executive sponsor gone.
Last meaningful contact: 2026-10-03.

Active risks:
- Key stakeholders (critical): Sarah Chen (champion) left on 2026-09-12; response: Update the plan: Sarah Chen left.
- Login frequency (at risk): fewer than 2 a week since week 2026-W40; no mitigation agreed yet.
- Budget cut; mitigation: Show the savings to the CFO.""",
    Section.RENEWAL_AND_EXPANSION: """\
Renewal: 2027-01-31 (account field).
Sources disagree on the renewal date: 2027-01-31 here; 2027-03-31 there.
Notice is due by 2026-12-31.
Current ARR: 85,000 EUR.
Target NRR: 105 %.

Open expansion opportunities:
- More: Proposal, 12,500.50 EUR, expected 2027-02-01""",
}


@pytest.mark.parametrize("section", list(Section))
def test_a_full_plan_reads_like_this(section: Section) -> None:
    assert body(written(), section) == EXPECTED[section]


def test_who_is_due_a_plan_gets_the_sections_of_its_plan_and_nobody_else_gets_any() -> None:
    texts = written()
    counts = dict(texts.group_by("customer_id").len().rows())
    assert counts == {"acme": 6, "bare": 6, "small": 1}
    assert texts.filter(pl.col("customer_id") == "acme")["section"].to_list() == [str(section) for section in Section]
    first = texts.row(0, named=True)
    assert first["record_key"] == keys.record_key("section", "acme", "customer_overview")
    assert first["plan_key"] == keys.record_key("plan", "acme")


def test_a_small_account_gets_three_sentences() -> None:
    text = body(written(), Section.SUCCESS_OUTCOMES, "small")
    assert text == (
        "Success for Small: Not agreed yet. At risk: Usage trend. Next: the annual check-in; renewal on 2027-06-30."
    )


def test_what_nobody_agreed_is_said_and_nothing_is_invented() -> None:
    texts = written()
    bare = {section: body(texts, section, "bare") for section in Section}
    assert bare[Section.CUSTOMER_OVERVIEW] == (
        "Bare. Customer since 2024-03-01. CSM: not known. Stage: unknown. Why they bought: Not agreed yet.\n\n"
        "Key people: Not agreed yet."
    )
    assert bare[Section.BUSINESS_GOALS] == bare[Section.SUCCESS_OUTCOMES] == "Not agreed yet."
    assert bare[Section.CURRENT_QUARTER] == (
        "Actions for Q4 2026: Not agreed yet.\n\nMilestones: Not agreed yet.\n\nNext review: not planned yet."
    )
    assert bare[Section.HEALTH_AND_RISK] == (
        "Health: insufficient data, known for 20 % of the weight; there is no score.\n"
        "Last meaningful contact: none on record.\n\nActive risks: none known."
    )
    assert bare[Section.RENEWAL_AND_EXPANSION] == (
        "Renewal: date not known.\nCurrent ARR: not known.\nTarget NRR: Not agreed yet.\n\n"
        "Open expansion opportunities: none."
    )


def test_a_quiet_night_changes_nothing() -> None:
    quiet = ITEMS.filter(pl.col("title") != "Build the report")
    assert_frame_equal(written(plan_items=quiet), written(date(2026, 11, 22), plan_items=quiet))
    nudged = HEALTH.with_columns(score=pl.col("score") + 0.3, coverage_pct=pl.col("coverage_pct") + 0.1)
    assert_frame_equal(written(), written(health=nudged))


def test_the_order_of_rows_does_not_matter() -> None:
    mixed = {
        name: rows.sample(fraction=1, shuffle=True, seed=3)
        for name, rows in {
            "plan_items": ITEMS,
            "contacts": CONTACTS,
            "signals": SIGNALS,
            "customers": CUSTOMERS,
        }.items()
    }
    assert_frame_equal(written(**mixed), written())


def test_text_from_outside_stays_one_visible_line_and_long_lists_are_cut() -> None:
    nasty = ITEMS.filter(pl.col("kind") == "goal").with_columns(
        title=pl.lit("a\x00\u202e{{7*7}}\r\n- forged\u200b " + "x" * 5000)
    )
    text = body(written(plan_items=nasty), Section.BUSINESS_GOALS)
    assert text.startswith("- a{{7*7}} - forged xxx")
    assert len(text) <= 402
    assert "\n" not in text
    many = pl.concat(
        [ITEMS.filter(pl.col("title") == "Send the data").with_columns(crm_id=pl.lit(f"i{n}")) for n in range(99)]
    )
    assert "\nand 69 more\n" in body(written(plan_items=many), Section.CURRENT_QUARTER)
