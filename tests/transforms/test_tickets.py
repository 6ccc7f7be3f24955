"""Ticket signals: volume, escalations, satisfaction, and what a day does not know yet."""

from datetime import date, timedelta

from tests.transforms.portfolio_facts import POLICY, TODAY, Portfolio

FEED = "of | opened_at\nb | 2026-01-01"


def test_no_ticket_is_healthy_only_where_the_crm_delivers_tickets() -> None:
    with_feed = Portfolio("a b", tickets=FEED)
    assert with_feed.signal("ticket_load", "status", "value")[0] == ("a", "healthy", 0.0)
    without = Portfolio("a")
    assert without.signal("ticket_load", "status", "reason") == [
        ("a", "not_classifiable", "no tickets from any CRM of this customer")
    ]


def test_ticket_load_rises_when_volume_doubles() -> None:
    cases = {
        (3, 0): ("healthy", "healthy"),
        (4, 0): ("at_risk", "2026-W47"),
        (4, 6): ("at_risk", "2026-W47"),  # 4 in 4 weeks is twice 6 in 12
        (4, 7): ("healthy", "healthy"),
    }
    rows = ["of | opened_at"]
    for number, (recent, before) in enumerate(cases):
        rows += [f"c{number} | 2026-11-17"] * recent + [f"c{number} | 2026-09-01"] * before
    found = Portfolio("c0 c1 c2 c3", tickets="\n".join(rows)).signal("ticket_load")
    assert found == [(f"c{number}", *verdict) for number, verdict in enumerate(cases.values())]


def test_a_baseline_longer_than_the_trace_is_compared_too() -> None:
    rule = POLICY.signals.ticket_load.model_copy(update={"weeks": 8, "baseline_weeks": 26})
    policy = POLICY.model_copy(update={"signals": POLICY.signals.model_copy(update={"ticket_load": rule})})
    old = TODAY - timedelta(weeks=33)  # the oldest week of the baseline; 4 in 8 weeks is twice 6 in 26, and more
    for count, status in ((6, "at_risk"), (7, "healthy")):
        rows = "\n".join(["of | opened_at", *["a | 2026-11-17"] * 4, *[f"a | {old}"] * count])
        assert Portfolio("a", tickets=rows).signal("ticket_load", "status", policy=policy) == [("a", status)]


def test_an_open_escalation_is_critical_and_named_after_the_oldest_ticket() -> None:
    portfolio = Portfolio(
        "a b c",
        tickets="""of | crm_id | opened_at  | is_escalated | priority | is_closed | closed_at
                   a  | t2     | 2026-11-03 | yes          | high     | no        |
                   a  | t1     | 2026-11-02 | yes          | low      | no        |
                   a  | t0     | 2026-11-01 | yes          | urgent   | yes       | 2026-11-02
                   b  | t3     | 2026-11-02 | no           | urgent   | no        |
                   c  | t4     | 2026-11-02 | no           | high     | no        |""",
    )
    assert portfolio.signal("ticket_escalation", "status", "episode", "value") == [
        ("a", "critical", "t1", 2.0),
        ("b", "at_risk", "t3", 0.0),
        ("c", "healthy", "healthy", 0.0),
    ]
    assert portfolio.signal("ticket_escalation", "reason")[0] == ("a", "ticket t1 of 2026-11-02 is open and escalated")


def test_ticket_sentiment_is_the_mean_rating() -> None:
    cases: dict[tuple[int, ...], tuple[object, ...]] = {
        (80, 80): ("healthy", "healthy", 80.0),
        (79, 80): ("at_risk", "2026-W46", 79.5),
        (60, 60): ("at_risk", "2026-W46", 60.0),
        (59, 60): ("critical", "2026-W46", 59.5),
        (10,): ("not_classifiable", "not_classifiable", None),
    }
    rows = ["of | opened_at | is_closed | closed_at | satisfaction_pct"]
    for number, ratings in enumerate(cases):
        rows += [f"c{number} | 2026-11-01 | yes | 2026-11-10 | {rating}" for rating in ratings]
    portfolio = Portfolio("c0 c1 c2 c3 c4", tickets="\n".join(rows))
    found = portfolio.signal("ticket_sentiment", "status", "episode", "value")
    assert found == [(f"c{number}", *verdict) for number, verdict in enumerate(cases.values())]


def test_csat_answers_count_beside_ticket_ratings() -> None:
    portfolio = Portfolio(
        "a",
        tickets="of | opened_at | is_closed | closed_at | satisfaction_pct\na | 2026-11-01 | yes | 2026-11-10 | 100",
        surveys="""account_ref  | answered_at | kind | score
                   salesforce:a | 2026-11-12  | csat | 40
                   salesforce:a | 2026-11-12  | ces  | 0""",
    )
    assert portfolio.signal("ticket_sentiment", "status", "value") == [("a", "at_risk", 70.0)]


def test_a_ticket_closed_later_is_open_and_not_rated_yet() -> None:
    portfolio = Portfolio(
        "a",
        tickets="""of | crm_id | opened_at  | is_closed | closed_at        | is_escalated | satisfaction_pct
                   a  | same   | 2026-11-01 | yes       | 2026-11-21 23:59 | yes          | 10
                   a  | later  | 2026-11-01 | yes       | 2026-11-22       | yes          | 20
                   a  | unborn | 2026-11-22 | no        |                  | yes          |""",
    )
    known = portfolio.facts().tickets.sort("crm_id").collect()
    assert known.select("crm_id", "is_closed", "satisfaction_pct").rows() == [
        ("later", False, None),
        ("same", True, 10.0),
    ]
    assert portfolio.signal("ticket_escalation", "episode") == [("a", "later")]


def test_a_rise_keeps_its_name_while_it_lasts() -> None:
    rows = ["of | opened_at"] + ["a | 2026-11-02"] * 5 + ["a | 2026-11-17"] * 2
    portfolio = Portfolio("a", tickets="\n".join(rows))
    days = [date(2026, 11, 2) + timedelta(days=day) for day in (0, 6, 7, 13, 14, 19)]
    names = {portfolio.signal("ticket_load", as_of=day)[0] for day in days}
    assert names == {("a", "at_risk", "2026-W45")}
    assert days[-1] == TODAY
