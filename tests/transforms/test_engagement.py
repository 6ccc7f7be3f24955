"""Signals of meetings, calls and mail, and of the people behind them."""

from tests.transforms.portfolio_facts import Portfolio


def test_silence_counts_from_the_customers_last_part() -> None:
    portfolio = Portfolio(
        "a b c d e",
        activities="""of | kind    | outcome   | is_inbound | occurred_at
                      a  | email   | unknown   | yes        | 2026-09-22
                      a  | email   | unknown   | no         | 2026-11-20
                      b  | meeting | completed |            | 2026-09-21
                      b  | meeting | no_show   |            | 2026-11-20
                      b  | meeting | scheduled |            | 2026-12-20
                      c  | call    | completed |            | 2026-08-22 23:59
                      d  | email   | unknown   | no         | 2026-09-01""",
    )
    assert portfolio.signal("engagement_silence", "status", "episode", "value") == [
        ("a", "healthy", "healthy", 60.0),
        ("b", "at_risk", "2026-09-21", 61.0),
        ("c", "critical", "2026-08-22", 91.0),
        ("d", "at_risk", "2026-09-01", 81.0),
        ("e", "not_classifiable", "not_classifiable", None),
    ]
    reasons = portfolio.signal("engagement_silence", "reason")
    assert reasons[3] == ("d", "the customer has never responded; first outreach on 2026-09-01")
    assert reasons[4] == ("e", "no activity on record")


def test_two_meetings_missed_in_a_row_are_named_by_the_first() -> None:
    portfolio = Portfolio(
        "a b c d",
        activities="""of | kind    | outcome   | occurred_at
                      a  | meeting | no_show   | 2026-10-01
                      a  | meeting | no_show   | 2026-10-08
                      a  | meeting | no_show   | 2026-10-15
                      b  | meeting | no_show   | 2026-10-01
                      b  | meeting | completed | 2026-10-05
                      b  | meeting | no_show   | 2026-10-08
                      c  | meeting | no_show   | 2026-01-01
                      c  | meeting | no_show   | 2026-01-08
                      d  | call    | completed | 2026-10-08""",
    )
    assert portfolio.signal("missed_checkins", "status", "episode", "value") == [
        ("a", "at_risk", "2026-10-01", 3.0),
        ("b", "healthy", "healthy", 1.0),
        ("c", "healthy", "healthy", 0.0),
        ("d", "not_classifiable", "not_classifiable", None),
    ]


PEOPLE = """of | crm_id | name | email       | role              | has_left | left_date  | created_at
            a  | s1     | Sue  | sue@a.ex    | executive_sponsor | no       |            | 2026-01-01
            a  | c1     | Cam  | cam@a.ex    | champion          | no       |            | 2026-01-01
            b  | s2     | Sam  |             | executive_sponsor | no       |            | 2026-01-01
            b  | c2     | Cy   | cy@b.ex     | champion          | no       |            | 2026-01-01
            b  | c3     | Cy   | CY@b.ex     | champion          | no       |            | 2026-01-01
            c  | x1     | Xan  |             |                   |          |            | 2026-01-01"""


def test_a_champion_is_unresponsive_once_our_outreach_waits() -> None:
    portfolio = Portfolio(
        "a b c",
        contacts=PEOPLE,
        activities="""of | contact_crm_id | kind  | is_inbound | occurred_at
                      a  | c1             | email | yes        | 2026-11-03
                      a  | c1             | email | no         | 2026-11-10
                      b  | c2             | email | yes        | 2026-11-03
                      b  | c2             | email | no         | 2026-11-02""",
    )
    found = ("status", "episode", "reason")
    assert portfolio.signal("champion_unresponsive", *found) == [
        ("a", "at_risk", "2026-11-03", "the champion has not answered since 2026-11-03"),
        ("b", "healthy", "healthy", "the champion answers"),
        ("c", "not_classifiable", "not_classifiable", "no champion is named"),
    ]


def test_sponsors_are_engaged_within_a_quarter() -> None:
    portfolio = Portfolio(
        "a b c",
        contacts=PEOPLE,
        activities="""of | contact_crm_id | kind    | outcome   | occurred_at
                      a  | s1             | meeting | completed | 2026-08-21""",
    )
    found = portfolio.signal("has_sponsor_engagement", "status", "episode", "reason")
    assert found == [
        ("a", "at_risk", "2026-08-21", "the executive sponsor last took part on 2026-08-21"),
        ("b", "critical", "2026-01-01", "the executive sponsor, known since 2026-01-01, has never taken part"),
        ("c", "not_classifiable", "not_classifiable", "no executive sponsor among the contacts"),
    ]


def test_one_person_with_two_records_is_one_thread() -> None:
    portfolio = Portfolio(
        "a b c",
        contacts=PEOPLE,
        activities="""of | contact_crm_id | kind  | is_inbound | occurred_at
                      a  | s1             | email | yes        | 2026-11-01
                      a  | c1             | email | yes        | 2026-11-01
                      b  | c2             | email | yes        | 2026-11-01
                      b  | c3             | email | yes        | 2026-11-02""",
    )
    assert portfolio.signal("single_threaded", "status", "episode", "value", "reason") == [
        ("a", "healthy", "healthy", 2.0, "2 or more people are engaged"),
        ("b", "at_risk", "c2", 1.0, "Cy is the only engaged contact"),
        ("c", "not_classifiable", "not_classifiable", None, "no contact engaged in the last 90 days"),
    ]


def test_a_sponsor_is_named_in_the_crm_or_in_the_plan() -> None:
    portfolio = Portfolio(
        "a b c d",
        contacts="""of | role              | has_left
                    a  | executive_sponsor | no
                    b  | executive_sponsor | yes
                    c  | champion          | no""",
        plan_items="of | kind | title | role\nc | stakeholder | Pat | Executive Sponsor",
    )
    assert portfolio.signal("sponsor_named", "status", "episode") == [
        ("a", "healthy", "healthy"),
        ("b", "at_risk", "unnamed"),
        ("c", "healthy", "healthy"),
        ("d", "not_classifiable", "not_classifiable"),
    ]


def test_a_departure_is_graver_for_a_sponsor_whom_nobody_follows() -> None:
    portfolio = Portfolio(
        "a b c d e f",
        contacts="""of | crm_id | name | role              | has_left | left_date
                    a  | a1     | Ann  | executive_sponsor | yes      | 2026-01-01
                    a  | a2     | Abe  | champion          | yes      | 2026-11-01
                    b  | b1     | Bea  | executive_sponsor | yes      | 2026-11-01
                    b  | b2     | Bo   | executive_sponsor | no       |
                    c  | c1     | Cal  | executive_sponsor | yes      | 2026-01-01
                    c  | c2     | Cat  | executive_sponsor | no       |
                    d  | d1     | Dee  | day_to_day        | yes      | 2026-11-01
                    e  | e1     | Eve  | champion          |          |
                    f  | f1     | Flo  | champion          | yes      | 2026-11-22""",
    )
    assert portfolio.signal("stakeholder_left", "status", "episode", "reason") == [
        ("a", "critical", "a1", "Ann (executive sponsor) left on 2026-01-01, nobody follows in that role"),
        ("b", "at_risk", "b1", "Bea (executive sponsor) left on 2026-11-01"),
        ("c", "healthy", "healthy", "no key stakeholder left"),
        ("d", "healthy", "healthy", "no key stakeholder left"),
        ("e", "not_classifiable", "not_classifiable", "no contact says whether it left"),
        ("f", "healthy", "healthy", "no key stakeholder left"),
    ]


def test_nps_reads_the_newest_answer_and_names_the_run_of_low_ones() -> None:
    portfolio = Portfolio(
        "a b c d",
        surveys="""account_ref  | kind | answered_at | score
                   salesforce:a | nps  | 2026-06-01  | 9
                   salesforce:a | nps  | 2026-07-01  | 8
                   salesforce:a | nps  | 2026-10-01  | 6
                   salesforce:b | nps  | 2026-10-01  | 10
                   salesforce:b | nps  | 2026-10-01  | 7
                   salesforce:c | nps  | 2026-05-21  | 3
                   salesforce:d | nps  | 2026-11-22  | 3""",
    )
    assert portfolio.signal("nps", "status", "episode", "value") == [
        ("a", "critical", "2026-07-01", 6.0),
        ("b", "at_risk", "2026-10-01", 7.0),
        ("c", "not_classifiable", "not_classifiable", None),
        ("d", "not_classifiable", "not_classifiable", None),
    ]


def test_an_overdue_milestone_is_named_by_its_day() -> None:
    portfolio = Portfolio(
        "a b c",
        plan_items="""of | kind      | title | due_date   | is_done
                      a  | milestone | late  | 2026-11-20 | no
                      a  | milestone | later | 2026-11-20 | no
                      a  | milestone | done  | 2026-10-01 | yes
                      b  | milestone | today | 2026-11-21 | no
                      c  | action    | other | 2026-10-01 | no""",
    )
    assert portfolio.signal("milestone_overdue", "status", "episode", "value", "reason") == [
        ("a", "at_risk", "2026-11-20", 2.0, "milestone due on 2026-11-20 is not done: late"),
        ("b", "healthy", "healthy", 0.0, "no milestone is overdue"),
        ("c", "not_classifiable", "not_classifiable", None, "no milestone with a date in the plan"),
    ]
