"""Reading a portal: every record once, whatever the caps, ties, deletions and merges."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.crm import Window
from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.hubspot.fields import ACCOUNTS, PROVISION
from integrations.hubspot.search import changed_ids
from models.enums import PullObject, WriteKind
from tests.integrations.hubspot_portal import (
    FULL,
    NOW,
    TOKEN,
    Portal,
    at,
    companies,
    instant,
    load,
    load_associations,
    load_owners,
    pulled,
    rows_of,
    running_portal,
)

VERSIONS = ["2026-09", "2026-03", "v3"]


@pytest.fixture
def portal() -> Iterator[Portal]:
    with running_portal() as running:
        yield running


@pytest.mark.parametrize("version", VERSIONS)
def test_full_and_incremental_loads_agree(portal: Portal, version: str) -> None:
    ids = companies(portal, *({"hs_lastmodifieddate": at(place)} for place in range(120)))
    people = load(
        portal.state,
        "contacts",
        [{"email": f"p{place}@x.example", "lastmodifieddate": at(place)} for place in range(230)],
    )
    load_associations(portal.state, "contacts", "companies", zip(people, ids * 2, strict=False))
    client = portal.hubspot(version=version)
    for target in (PullObject.ACCOUNTS, PullObject.CONTACTS):
        full = pulled(client, target, FULL)
        assert full.height == {"accounts": 120, "contacts": 230}[target]
        assert full.equals(pulled(client, target, Window(instant(0) - timedelta(minutes=1), NOW)))
    assert full["account_crm_id"].to_list() == (ids * 2)[:230]
    assert client.calls.rows_read == {"accounts": 240, "contacts": 460}
    assert client.calls.read == len(portal.asked)


def test_a_full_load_reads_a_hundred_a_call(portal: Portal) -> None:
    companies(portal, *({} for _ in range(230)))
    client = portal.hubspot()
    pulled(client, PullObject.ACCOUNTS, FULL)
    assert client.calls.read == 1 + 3 + 1  # properties, pages, the archived list


def test_an_incremental_load_reads_only_what_changed(portal: Portal) -> None:
    companies(portal, *({"hs_lastmodifieddate": at(place)} for place in range(230)))
    client = portal.hubspot()
    assert pulled(client, PullObject.ACCOUNTS, Window(instant(9), NOW)).height == 220
    assert client.calls.read == 1 + 2 + 3 + 1 + 1  # properties, searches of 200, bodies of 100, merges, archived list
    quiet = portal.hubspot()
    assert pulled(quiet, PullObject.ACCOUNTS, Window(instant(300), NOW)).height == 0
    assert quiet.calls.read == 1 + 1 + 1 + 1


def test_a_window_excludes_its_start_and_includes_its_end(portal: Portal) -> None:
    names = ["before", "start", "just after", "end", "just too late"]
    stamps = [at(9), at(10), at(10, 1), at(20), at(20, 1)]
    companies(portal, *({"name": n, "hs_lastmodifieddate": s} for n, s in zip(names, stamps, strict=True)))
    found = pulled(portal.hubspot(), PullObject.ACCOUNTS, Window(instant(10), instant(20)))
    assert found["name"].to_list() == ["just after", "end"]


def test_rows_from_outside_the_window_are_left_out(portal: Portal) -> None:
    inside, outside = companies(portal, {"hs_lastmodifieddate": at(15)}, {"hs_lastmodifieddate": at(30)})
    portal.faults.change(
        "/search", lambda answer: answer | {"total": 2, "results": [{"id": inside}, {"id": outside}], "paging": {}}
    )
    found = pulled(portal.hubspot(), PullObject.ACCOUNTS, Window(instant(10), instant(20)))
    assert found["crm_id"].to_list() == [inside]


# -- caps, ties, order ------------------------------------------------------------------------------------------------


def test_one_instant_over_the_cap_is_drained_by_id(portal: Portal) -> None:
    tied = companies(portal, *({"hs_lastmodifieddate": at(10, 7)} for _ in range(450)))
    companies(portal, *({"hs_lastmodifieddate": at(10, 8)} for _ in range(3)))
    client = portal.hubspot(search_cap=100)
    found = pulled(client, PullObject.ACCOUNTS, Window(instant(10, 6), instant(10, 7)))
    assert found["crm_id"].to_list() == tied
    assert portal.count("/search") == 3 + 1  # and one for merges


@pytest.fixture(scope="module")
def crowded() -> Iterator[tuple[Portal, list[tuple[int, str]]]]:
    """60 companies on 12 instants, five of them on each."""
    with running_portal() as running:
        minutes = [place // 5 for place in range(60)]
        ids = companies(running, *({"hs_lastmodifieddate": at(minute, 500)} for minute in minutes))
        yield running, list(zip(minutes, ids, strict=True))


@given(cap=st.integers(1, 70), low=st.integers(-1, 12), length=st.integers(0, 14))
@settings(max_examples=25, deadline=None)
def test_any_cap_and_window_yield_every_record_once(
    crowded: tuple[Portal, list[tuple[int, str]]], cap: int, low: int, length: int
) -> None:
    portal, population = crowded
    client = portal.hubspot(search_cap=cap)
    after = instant(0) + timedelta(minutes=low)
    window = Window(after, after + timedelta(minutes=length))
    expected = [one for minute, one in population if window.after < instant(minute, 500) <= window.until]  # type: ignore[operator]
    assert changed_ids(client._portal, ACCOUNTS, window) == expected


def test_unordered_search_pages_are_read_by_number(portal: Portal) -> None:
    ids = companies(portal, *({"hs_lastmodifieddate": at(10)} for _ in range(250)))
    unordered = [{"id": one} for one in reversed(ids[50:])]
    portal.faults.change("/search", lambda answer: answer | {"results": unordered})
    found = pulled(portal.hubspot(), PullObject.ACCOUNTS, Window(instant(9), instant(11)))
    assert found["crm_id"].to_list() == ids


def test_a_window_that_never_adds_up_is_no_window(portal: Portal) -> None:
    companies(portal, {"hs_lastmodifieddate": at(10)})
    for _ in range(3):
        portal.faults.change("/search", lambda answer: answer | {"total": 2})
    with pytest.raises(CrmUnavailableError, match="incomplete"):
        pulled(portal.hubspot(), PullObject.ACCOUNTS, Window(instant(9), instant(11)))


def test_an_id_that_batch_read_swallows_makes_the_window_incomplete(portal: Portal) -> None:
    companies(portal, *({"hs_lastmodifieddate": at(10)} for _ in range(3)))
    portal.faults.change("/batch/read", lambda answer: answer | {"results": answer["results"][1:]})
    with pytest.raises(CrmUnavailableError, match="1 of 3 ids unanswered"):
        pulled(portal.hubspot(), PullObject.ACCOUNTS, Window(instant(9), instant(11)))


def test_a_list_that_repeats_a_page_is_an_error(portal: Portal) -> None:
    companies(portal, *({} for _ in range(101)))
    for _ in range(3):
        portal.faults.change("/companies", lambda answer: answer | {"paging": {"next": {"after": "7"}}})
    with pytest.raises(CrmUnavailableError, match="repeats a page"):
        pulled(portal.hubspot(), PullObject.ACCOUNTS, FULL)


# -- deletions, merges, links -----------------------------------------------------------------------------------------


def test_archived_records_are_deleted_rows_of_the_window_in_which_they_went(portal: Portal) -> None:
    stamp = {"hs_lastmodifieddate": at(1)}
    live, early, late = companies(
        portal,
        stamp,
        stamp | {"archived": "true", "archivedAt": at(10)},
        stamp | {"archived": "true", "archivedAt": at(20)},
    )
    client = portal.hubspot()
    full = pulled(client, PullObject.ACCOUNTS, FULL)
    assert full.select("crm_id", "is_deleted").rows() == [(live, False), (early, True), (late, True)]
    since = pulled(client, PullObject.ACCOUNTS, Window(instant(10), instant(20)))
    assert since.select("crm_id", "is_deleted", "modified_at").rows() == [(late, True, instant(20))]


def _merge(portal: Portal, survivor: str, loser: str) -> str:
    """Merge two companies; answers the id of the new one that both become."""
    body = {"primaryObjectId": survivor, "objectIdToMerge": loser}
    answer = requests.post(
        f"{portal.url}/crm/v3/objects/companies/merge",
        json=body,
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=5,
    )
    assert answer.ok
    return str(answer.json()["id"])


@pytest.mark.parametrize("version", VERSIONS)
def test_merged_records_point_to_the_survivor(portal: Portal, version: str) -> None:
    first, second, third, other = companies(
        portal, *({"current_arr": "5", "hs_lastmodifieddate": at(1)} for _ in range(4))
    )
    portal.state.clock.set(instant(10))
    between = _merge(portal, second, first)
    portal.state.clock.set(instant(20))
    last = _merge(portal, third, between)
    client = portal.hubspot(version=version)
    columns = ["crm_id", "is_deleted", "merged_into", "arr_minor", "modified_at"]
    gone = [(one, True, last, None, instant(20)) for one in (first, second, third, between)]
    alive = [(last, False, None, 500, instant(1)), (other, False, None, 500, instant(1))]
    full = pulled(client, PullObject.ACCOUNTS, FULL).select(columns).rows()
    assert sorted(full) == sorted(gone + alive)
    since = pulled(client, PullObject.ACCOUNTS, Window(instant(10), instant(20)))
    assert sorted(since.select(columns).rows()) == sorted(
        gone + alive[:1]
    )  # the survivor, too: a merge fills its blanks unstamped
    assert pulled(client, PullObject.ACCOUNTS, Window(instant(20), instant(30))).is_empty()


def test_the_primary_company_is_found_behind_a_hundred_others(portal: Portal) -> None:
    ids = companies(portal, *({} for _ in range(130)))
    (person,) = load(portal.state, "contacts", [{"email": "a@x.example", "lastmodifieddate": at(1)}])
    load_associations(portal.state, "contacts", "companies", [(person, one) for one in (ids[-1], *ids[:-1])])
    client = portal.hubspot()
    for window in (FULL, Window(instant(0), NOW)):
        assert pulled(client, PullObject.CONTACTS, window)["account_crm_id"].to_list() == [ids[-1]]


def test_activities_carry_their_company_contact_and_direction(portal: Portal) -> None:
    (firm,) = companies(portal, {})
    (person,) = load(portal.state, "contacts", [{"email": "a@x.example"}])
    when = {"hs_timestamp": at(5), "hs_lastmodifieddate": at(6)}
    (meeting,) = load(
        portal.state,
        "meetings",
        [when | {"hs_meeting_outcome": "NO_SHOW", "hs_meeting_start_time": at(7), "hs_meeting_title": "QBR"}],
    )
    (call,) = load(portal.state, "calls", [when | {"hs_call_status": "COMPLETED", "hs_call_direction": "INBOUND"}])
    (email,) = load(portal.state, "emails", [when | {"hs_email_direction": "EMAIL", "hs_email_subject": "Hi"}])
    for kind, one in (("meetings", meeting), ("calls", call), ("emails", email)):
        load_associations(portal.state, kind, "companies", [(one, firm)])
        load_associations(portal.state, kind, "contacts", [(one, person)])
    columns = ["crm_id", "kind", "outcome", "is_inbound", "account_crm_id", "contact_crm_id", "occurred_at"]
    for window in (FULL, Window(instant(0), NOW)):
        found = pulled(portal.hubspot(), PullObject.ACTIVITIES, window)
        assert found.select(columns).rows() == [
            (meeting, "meeting", "no_show", None, firm, person, instant(7)),
            (call, "call", "completed", True, firm, person, instant(5)),
            (email, "email", "unknown", False, firm, person, instant(5)),
        ]


def test_deals_tickets_tasks_and_owners_are_read(portal: Portal) -> None:
    (firm,) = companies(portal, {})
    load_owners(
        portal.state,
        [
            {"id": "7", "email": "ann@us.example", "firstName": "Ann", "lastName": "Ray", "updatedAt": at(1)},
            {"id": "8", "email": "bob@us.example", "archived": "true", "updatedAt": at(1)},
        ],
    )
    (deal,) = load(
        portal.state,
        "deals",
        [
            {
                "dealname": "Renewal 27",
                "dealtype": "renewal",
                "dealstage": "closedwon",
                "amount": "1000",
                "deal_currency_code": "JPY",
                "closedate": at(5),
                "hubspot_owner_id": "7",
            }
        ],
    )
    (ticket,) = load(
        portal.state,
        "tickets",
        [
            {
                "subject": "Down",
                "hs_pipeline_stage": "1",
                "hs_ticket_priority": "URGENT",
                "csat_score": "80",
                "createdate": at(2),
            }
        ],
    )
    (task,) = load(
        portal.state,
        "tasks",
        [
            {
                "hs_task_subject": "Call",
                "hs_task_body": "<p>Ask &amp; listen</p>",
                "hs_task_priority": "MEDIUM",
                "hs_timestamp": "2026-12-01T12:00:00Z",
                "plansync_key": "k1",
            }
        ],
    )
    for kind, one in (("deals", deal), ("tickets", ticket), ("tasks", task)):
        load_associations(portal.state, kind, "companies", [(one, firm)])
    client = portal.hubspot()
    owners = pulled(client, PullObject.OWNERS, FULL)
    assert owners.select("crm_id", "name", "is_active").rows() == [
        ("7", "Ann Ray", True),
        ("8", "bob@us.example", False),
    ]
    deals = pulled(client, PullObject.OPPORTUNITIES, FULL)
    assert deals.select(
        "kind", "is_closed", "is_won", "amount_minor", "currency", "close_date", "account_crm_id"
    ).rows() == [("renewal", True, True, 1000, "JPY", date(2026, 11, 20), firm)]
    tickets = pulled(client, PullObject.TICKETS, FULL)
    assert tickets.select("priority", "is_closed", "is_escalated", "satisfaction_pct", "opened_at").rows() == [
        ("urgent", False, False, 80.0, instant(2))
    ]
    tasks = pulled(client, PullObject.TASKS, FULL)
    assert tasks.select("record_key", "body", "priority", "is_closed", "due_date", "account_crm_id").rows() == [
        ("k1", "Ask & listen", "normal", False, date(2026, 12, 1), firm)
    ]


# -- plans ------------------------------------------------------------------------------------------------------------


def test_plans_ride_on_their_companies(portal: Portal) -> None:
    planned, _ = companies(
        portal,
        {
            "plansync_key": "plan1",
            "plansync_health_score": "72.5",
            "plansync_health_band": "yellow",
            "plansync_renewal_date": "2027-01-31",
            "plansync_section_health_and_risk": "Two tickets.",
        },
        {},
    )
    client = portal.hubspot()
    pages = list(client.pull(PullObject.ACCOUNTS, FULL))
    read = client.calls.read
    assert list(client.pull(PullObject.PLANS, FULL)) == []
    assert client.calls.read == read
    alone = list(portal.hubspot().pull(PullObject.PLANS, FULL))
    for frame in ("plan_fields", "plan_sections"):
        assert rows_of(alone, frame).equals(rows_of(pages, frame))
    assert "accounts" not in alone[0].rows
    plan = rows_of(pages, "plan_fields")
    assert plan.select("crm_id", "record_key", "health_score", "health_band", "renewal_date").rows() == [
        (planned, "plan1", 72.5, "yellow", date(2027, 1, 31))
    ]
    sections = rows_of(pages, "plan_sections")
    assert sections.height == 6
    written = sections.filter(sections["body"].is_not_null())
    assert written.select("crm_id", "section", "body", "account_crm_id").rows() == [
        (f"{planned}:health_and_risk", "health_and_risk", "Two tickets.", planned)
    ]
    back = rows_of(list(client.read_back(WriteKind.SECTIONS, [f"{planned}:health_and_risk"])), "plan_sections")
    assert back.equals(written)


def test_text_in_a_section_comes_along_before_there_is_a_plan(portal: Portal) -> None:
    written, _ = companies(portal, {"plansync_section_business_goals": "A person's words."}, {})
    client = portal.hubspot()
    full = list(client.pull(PullObject.ACCOUNTS, FULL))
    changed = list(client.pull(PullObject.ACCOUNTS, Window(instant(0) - timedelta(days=1), NOW)))
    for pages in (full, changed):
        assert not any("plan_fields" in page.rows for page in pages)
        sections = rows_of(pages, "plan_sections")
        assert sections["account_crm_id"].unique().to_list() == [written]
        assert sections["record_key"].null_count() == sections.height == 6
        assert sections.drop_nulls("body").select("crm_id", "body").rows() == [
            (f"{written}:business_goals", "A person's words.")
        ]


# -- mapping ----------------------------------------------------------------------------------------------------------


def test_a_mapped_property_that_is_gone_stops_with_the_nearest_name(portal: Portal) -> None:
    client = portal.hubspot(properties={"accounts": {"arr_minor": "curent_arr"}})
    with pytest.raises(
        CrmRefusedError, match=r'no property "curent_arr".*accounts\.arr_minor; did you mean "current_arr"'
    ):
        pulled(client, PullObject.ACCOUNTS, FULL)
    assert pulled(client, PullObject.CONTACTS, FULL).height == 0


def test_an_optional_property_can_be_missing_or_switched_off(portal: Portal) -> None:
    companies(portal, {"seats": "5", "current_arr": "10", "domain": "x.example"})
    portal.state.execute("DELETE FROM hubspot__property_definitions WHERE name = 'seats'")
    client = portal.hubspot(properties={"accounts": {"arr_minor": ""}})
    found = pulled(client, PullObject.ACCOUNTS, FULL)
    assert found.select("seats_count", "arr_minor", "website").rows() == [(None, None, "x.example")]


def test_a_bad_record_is_set_aside_with_its_reason(portal: Portal) -> None:
    good, vague = companies(portal, {"current_arr": "1200"}, {"current_arr": "about 5k"})
    (nameless,) = companies(portal, {"name": None})
    pages = list(portal.hubspot().pull(PullObject.ACCOUNTS, FULL))
    assert rows_of(pages, "accounts")["crm_id"].to_list() == [good]
    errors = [row for page in pages for row in page.rejected.select("source", "target", "record", "rule").rows()]
    assert sorted(errors) == [
        ("hubspot", "accounts", vague, "arr_minor: current_arr is no money"),
        ("hubspot", "accounts", nameless, "name|nullability"),
    ]


def test_the_portals_own_role_words_are_understood(portal: Portal) -> None:
    load(
        portal.state,
        "contacts",
        [{"email": f"{place}@x.example", "jobtitle": word} for place, word in enumerate(("Boss", "?"))],
    )
    client = portal.hubspot(properties={"contacts": {"role": "jobtitle"}}, role_words={"BOSS": "executive_sponsor"})
    assert pulled(client, PullObject.CONTACTS, FULL)["role"].to_list() == ["executive_sponsor", None]


# -- doctor and init --------------------------------------------------------------------------------------------------


def test_a_sound_portal_passes_every_check(portal: Portal) -> None:
    load_owners(portal.state, [{"id": "7", "email": "ann@us.example"}])
    assert [finding for finding in portal.hubspot(fallback_owner="7").check() if not finding.is_ok] == []


def test_doctor_names_what_is_wrong_and_what_to_do(portal: Portal) -> None:
    portal.state.execute("DELETE FROM hubspot__property_definitions WHERE name = 'plansync_key' AND object = 'tasks'")
    client = portal.hubspot(
        fallback_owner="99", properties={"accounts": {"arr_minor": "arr", "renewal_date": "current_arr"}}
    )
    wrong = {(finding.check, finding.detail, finding.fix) for finding in client.check() if not finding.is_ok}
    settings = "correct [hubspot.properties] in plansync.toml"
    assert wrong == {
        (
            "hubspot companies properties",
            'accounts.arr_minor is mapped to "arr", which the portal lacks; did you mean "current_arr"?',
            settings,
        ),
        (
            "hubspot companies properties",
            'accounts.renewal_date is mapped to "current_arr", a number, and needs a date',
            settings,
        ),
        ("hubspot tasks key", "tasks.plansync_key is not there", PROVISION),
        ("hubspot key mode", "none: no task can be written", PROVISION),
        (
            "hubspot fallback owner",
            "owner 99 is not among the active owners",
            "set hubspot.fallback_owner to an active owner's id",
        ),
    }


def test_doctor_reports_a_refused_token_instead_of_raising(portal: Portal) -> None:
    (finding,) = portal.hubspot(access_token="pat-wrong").check()
    assert (finding.check, finding.is_ok) == ("hubspot access", False)
    assert "401" in finding.detail
    assert "pat-wrong" not in finding.detail


def test_init_guesses_the_demo_mapping(portal: Portal) -> None:
    guessed = portal.hubspot().propose_mapping()
    expected = {
        "arr_minor": "current_arr",
        "renewal_date": "next_renewal",
        "tier": "customer_class",
        "segment": "market_segment",
        "owner_crm_id": "csm_owner",
        "seats_count": "seats",
    }
    assert guessed["accounts"].items() >= expected.items()
    assert guessed["contacts"]["role"] == "stakeholder_role"
