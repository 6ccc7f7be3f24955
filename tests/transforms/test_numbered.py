"""Contacts by number, and what is summed up by it."""

from datetime import UTC, datetime

import polars as pl

from tests.transforms.portfolio_facts import Portfolio
from transforms.numbered import added_by_number, latest_by_number

BOTH = "crm_id | crm | name\na | salesforce | A\na@hub | hubspot | A"


def test_contacts_are_numbered_by_id_and_an_activity_knows_the_one_of_its_own_crm() -> None:
    known = Portfolio(
        "a",
        accounts=BOTH,
        contacts="""of    | crm        | crm_id | created_at
                    a     | salesforce | 9      |
                    a     | salesforce | 10     |
                    a@hub | hubspot    | 10     |
                    a     | salesforce | 1      | 2026-12-01
                    b     | salesforce | 0      |""",
        activities="""of    | crm        | kind | crm_id   | contact_crm_id
                      a     | salesforce | call | ours     | 10
                      a@hub | hubspot    | call | theirs   | 10
                      a     | salesforce | call | unborn   | 1
                      a     | salesforce | call | stranger | 0
                      a     | salesforce | call | nobody   |""",
    ).facts()
    numbers = known.contacts.select("contact_no", "crm_id", "crm").collect()
    assert numbers.rows() == [(0, "10", "hubspot"), (1, "10", "salesforce"), (2, "9", "salesforce")]
    met = dict(known.activities.select("crm_id", "contact_no").collect().rows())
    assert met == {"ours": 1, "theirs": 0, "unborn": None, "stranger": None, "nobody": None}


def test_the_same_id_in_both_crms_is_two_contacts() -> None:
    portfolio = Portfolio(
        "a",
        accounts=BOTH,
        contacts="""of    | crm        | crm_id | name | email    | role
                    a     | salesforce | 10     | Sal  | s@a.ex   |
                    a@hub | hubspot    | 10     | Hub  | h@a.ex   | executive_sponsor
                    a     | salesforce | 9      | Sal  | S@A.ex   |""",
        activities="""of | crm        | kind  | contact_crm_id | is_inbound | occurred_at
                      a  | salesforce | email | 10             | yes        | 2026-11-01
                      a  | salesforce | email | 9              | yes        | 2026-11-02""",
    )
    assert portfolio.signal("single_threaded", "reason") == [("a", "Sal is the only engaged contact")]
    assert portfolio.signal("has_sponsor_engagement", "reason") == [("a", "no date for the executive sponsor")]


def test_what_is_summed_by_number_stands_in_the_order_of_numbers() -> None:
    number = pl.Series([2, 0, 2], dtype=pl.UInt32)
    days = [datetime(2026, 11, day, tzinfo=UTC) for day in (3, 1, 2)]
    at = pl.Series(days, dtype=pl.Datetime("us", "UTC"))
    assert latest_by_number(number, at, 4).to_list() == [days[1], None, days[0], None]
    assert latest_by_number(number, at, 4).dtype == at.dtype
    assert latest_by_number(number.clear(), at.clear(), 1).to_list() == [None]
    assert added_by_number(number, pl.Series("sum", [5, 7, -1]), 4).to_list() == [7, 0, 4, 0]
