"""The sample portfolio: always the same, served by both CRMs, its stories told by the records, its nights quiet."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson
import polars as pl
import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from rapidfuzz import fuzz, process

from integrations.sandbox import hubspot_app, salesforce_app
from integrations.sandbox.portfolio import Truth, casting, populate, write_surveys, write_usage
from integrations.sandbox.portfolio_names import Names
from integrations.sandbox.quiet_days import EDGES, Calendar, is_quiet, quiet_distances
from integrations.sandbox.state import State
from integrations.sandbox.stories import SCRIPTS
from integrations.surveys.files import read_surveys
from integrations.usage.files import read_usage
from tests.sandbox.hubspot_server import Switchboard, plug

TODAY = date(2026, 11, 21)
SIZE = 400
SEED = 7


@dataclass(frozen=True)
class Portfolio:
    state: State
    truth: Truth

    def frame(self, sql: str) -> pl.DataFrame:
        return pl.DataFrame(self.state.records(sql), infer_schema_length=None)

    def accounts(self, crm: str, story: str) -> set[str]:
        """Ids of the live accounts of all firms with a story."""
        firms = self.truth.customers.filter(pl.col("story") == story).select("number")
        told = self.truth.accounts.filter(pl.col("crm") == crm, pl.col("state") == "live").join(firms, on="number")
        return set(told["crm_id"])


@pytest.fixture(scope="module")
def portfolio() -> Iterator[Portfolio]:
    state = State()
    yield Portfolio(state, populate(state, customers=SIZE, seed=SEED, as_of=TODAY))
    state.close()


def held(portfolio: Portfolio, table: str) -> int:
    """How many records a table has, deleted ones included."""
    return int(portfolio.state.query(f'SELECT COUNT(*) FROM "{table}"')[0][0])  # noqa: S608 - our own names


def days(portfolio: Portfolio, table: str, column: str) -> list[date]:
    """The days that a column names."""
    sql = f'SELECT DISTINCT substr("{column}", 1, 10) FROM "{table}" WHERE "{column}" IS NOT NULL'  # noqa: S608 - our own names
    return [date.fromisoformat(row[0]) for row in portfolio.state.query(sql)]


def everything(state: State) -> dict[str, list[tuple[Any, ...]]]:
    tables = [row[0] for row in state.query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {table: state.query(f'SELECT * FROM "{table}" ORDER BY 1, 2') for table in tables}  # noqa: S608 - our own names


# -- the same again ----------------------------------------------------------------------------------------------------


def test_the_same_arguments_make_the_same_records_whatever_the_time() -> None:
    states = [State(), State(), State()]
    states[1].clock.set(datetime(2031, 1, 1, tzinfo=UTC))
    truths = [
        populate(state, customers=60, seed=seed, as_of=TODAY) for state, seed in zip(states, (1, 1, 2), strict=True)
    ]
    states[1].clock.set(None)
    first, again, other = map(everything, states)
    assert first == again != other
    assert_frame_equal(truths[0].customers, truths[1].customers)
    assert_frame_equal(truths[0].accounts, truths[1].accounts)


def test_a_sample_leaves_no_trace_of_being_written_and_gives_the_clock_back() -> None:
    state, noon = State(), datetime(2026, 11, 21, 12, tzinfo=UTC)
    state.clock.set(noon)
    populate(state, customers=40, seed=1, as_of=TODAY)
    assert state.clock.now() == noon
    assert state.writes() == []
    assert state.requests() == []


def test_the_truth_stays_out_of_the_records(portfolio: Portfolio) -> None:
    cells = {cell for rows in everything(portfolio.state).values() for row in rows for cell in row}
    assert not cells & (set(SCRIPTS) - {"silent"})


# -- who is in it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("customers", [1, 5, 20, 100, 2_000])
def test_every_firm_has_a_story_and_no_story_is_forgotten(customers: int) -> None:
    cast = casting(customers, SEED)
    assert len(cast) == customers
    assert set(cast) == set(list(SCRIPTS)[:customers])
    if customers >= 100:
        tones = pl.Series([SCRIPTS[story].tone for story in cast]).value_counts(normalize=True)
        share = dict(tones.rows())
        assert share["healthy"] == pytest.approx(0.63, abs=0.03)
        assert share["middling"] == pytest.approx(0.21, abs=0.03)
        assert share["trouble"] == pytest.approx(0.14, abs=0.03)


def test_nine_firms_of_ten_are_in_one_crm(portfolio: Portfolio) -> None:
    share = dict(portfolio.truth.customers["placement"].value_counts(normalize=True).rows())
    assert share["both"] == pytest.approx(0.10, abs=0.02)
    assert share["salesforce"] == pytest.approx(0.45, abs=0.02)
    links = portfolio.truth.customers.filter(pl.col("placement") == "both")["link"]
    assert set(links) == {"explicit", "domain", "exact_name", "fuzzy_name"}


def test_revenue_is_spread_over_all_tiers(portfolio: Portfolio) -> None:
    arr = portfolio.truth.customers["arr_minor"].drop_nulls()
    assert 300_000 <= int(arr.min()) < 600_000  # type: ignore[arg-type]  # a number
    assert 15_000_000 < int(arr.max()) <= 25_000_000  # type: ignore[arg-type]  # a number
    tiers = portfolio.frame(
        "SELECT Customer_Tier__c AS tier FROM salesforce__Account WHERE Customer_Tier__c IS NOT NULL"
    )
    assert set(tiers["tier"]) == {"Enterprise", "Mid-Market", "SMB"}
    classes = portfolio.frame("SELECT customer_class AS tier FROM hubspot__companies WHERE customer_class IS NOT NULL")
    assert set(classes["tier"]) == {"enterprise", "mid_market", "smb"}


def test_more_firms_than_names_are_refused() -> None:
    with pytest.raises(ValueError, match="distinct names"):
        populate(State(), customers=100_000, seed=1, as_of=TODAY)


@given(one=st.integers(0, 40_000), other=st.integers(0, 40_000))
def test_two_firms_share_at_most_one_word(one: int, other: int) -> None:
    first, second = NAMES.firm(one), NAMES.firm(other)
    if one == other:
        assert first == second
    else:
        assert len(set(first.full.split()) & set(second.full.split())) <= 1
        assert first.domain != second.domain


NAMES = Names(SEED)


def test_no_two_firms_look_alike(portfolio: Portfolio) -> None:
    names = sorted(portfolio.truth.customers["name"])
    for place, name in enumerate(names):
        rest = names[:place] + names[place + 1 :]
        assert process.extractOne(name, rest, scorer=fuzz.token_sort_ratio)[1] < 90


# -- served back -------------------------------------------------------------------------------------------------------


def fetched(url: str, **query: str) -> dict[str, Any]:
    answer = urllib3.request("GET", url, fields=query, headers={"Authorization": "Bearer token"})
    assert answer.status == 200, answer.data
    found: dict[str, Any] = orjson.loads(answer.data)
    return found


def test_salesforce_serves_what_was_loaded(portfolio: Portfolio, hubspot_socket: tuple[Switchboard, str]) -> None:
    credentials = salesforce_app.Credentials("token", "key", "secret")
    plug(hubspot_socket, salesforce_app.create_app(portfolio.state, credentials))
    expected = portfolio.truth.accounts.filter(pl.col("crm") == "salesforce")

    def count(name: str, *, where: str = "", resource: str = "query") -> int:
        soql = f"SELECT Id FROM {name} {where}"  # noqa: S608 - our own names
        return int(fetched(f"{hubspot_socket[1]}/services/data/v66.0/{resource}", q=soql)["totalSize"])

    assert count("Account") == len(expected.filter(pl.col("state") == "live"))
    assert count("Account", resource="queryAll") == len(expected)
    merged = expected.filter(pl.col("state") == "merged")
    assert count("Account", where="WHERE MasterRecordId != null", resource="queryAll") == len(merged) > 0
    for name in ("Contact", "Opportunity", "Case", "Success_Plan__c", "Success_Plan_Item__c"):
        assert count(name) == held(portfolio, f"salesforce__{name}") > 0
    for name in ("Event", "Task"):
        assert count(name, resource="queryAll") == held(portfolio, f"salesforce__{name}") > 0


def test_hubspot_serves_what_was_loaded(portfolio: Portfolio, hubspot_socket: tuple[Switchboard, str]) -> None:
    plug(hubspot_socket, hubspot_app.create_app(portfolio.state, token="token"))
    expected = portfolio.truth.accounts.filter(pl.col("crm") == "hubspot")
    objects = f"{hubspot_socket[1]}/crm/objects/2026-09"

    def ids(kind: str, **query: str) -> list[str]:
        answer = fetched(f"{objects}/{kind}", limit="100", **query)
        found = [record["id"] for record in answer["results"]]
        following = answer.get("paging", {}).get("next")
        return found + (ids(kind, **{**query, "after": following["after"]}) if following else [])

    assert sorted(ids("companies")) == sorted(expected.filter(pl.col("state") == "live")["crm_id"])
    assert ids("companies", archived="true") == list(expected.filter(pl.col("state") == "deleted")["crm_id"])
    for kind in ("contacts", "deals", "tickets", "meetings", "calls", "emails", "tasks"):
        assert len(ids(kind)) == held(portfolio, f"hubspot__{kind}") > 0
    loser = expected.filter(pl.col("state") == "merged").row(0, named=True)
    assert fetched(f"{objects}/companies/{loser['crm_id']}")["id"] == loser["merged_into"]


# -- the stories -------------------------------------------------------------------------------------------------------

EVENTS = """SELECT AccountId AS account, WhoId AS contact, Outcome__c AS outcome, NULL AS direction, 'Meeting' AS kind,
                   substr(StartDateTime, 1, 10) AS day FROM salesforce__Event
            UNION ALL SELECT AccountId, WhoId, Outcome__c, Direction__c, TaskSubtype, substr(CompletedDateTime, 1, 10)
            FROM salesforce__Task WHERE TaskSubtype != 'Task'"""


def only_salesforce(portfolio: Portfolio, story: str) -> set[str]:
    firms = portfolio.truth.customers.filter(pl.col("placement") == "salesforce", pl.col("story") == story)
    found = portfolio.accounts("salesforce", story)
    return found & set(portfolio.truth.accounts.join(firms, on="number", how="semi")["crm_id"])


def activities(portfolio: Portfolio, story: str) -> pl.DataFrame:
    found = portfolio.frame(EVENTS).with_columns(ago=pl.lit(TODAY) - pl.col("day").str.to_date())
    return found.with_columns(pl.col("ago").dt.total_days()).filter(
        pl.col("account").is_in(only_salesforce(portfolio, story))
    )


TOOK_PART = (
    (pl.col("outcome") == "Completed") | ((pl.col("kind") == "Email") & (pl.col("direction") == "Inbound"))
).fill_null(value=False)


def test_a_silent_customer_has_not_answered_for_sixty_days(portfolio: Portfolio) -> None:
    told = activities(portfolio, "silent")
    assert told.filter(TOOK_PART)["ago"].min() > 60  # type: ignore[operator]  # a number
    assert told.filter(~TOOK_PART)["ago"].min() < 60  # type: ignore[operator]  # a number


def test_a_healthy_customer_was_in_contact_lately_with_several_people(portfolio: Portfolio) -> None:
    told = activities(portfolio, "steady").filter(TOOK_PART, pl.col("ago") <= 90).group_by("account")
    summed = told.agg(people=pl.col("contact").n_unique(), last=pl.col("ago").min())
    assert summed["people"].min() >= 2  # type: ignore[operator]  # a number
    assert summed["last"].max() <= 14  # type: ignore[operator]  # a number
    ahead = activities(portfolio, "steady").filter(pl.col("ago") < 0)
    assert set(ahead["outcome"]) == {"Scheduled"}
    assert ahead["account"].n_unique() == len(only_salesforce(portfolio, "steady"))


def test_single_threaded_means_one_contact(portfolio: Portfolio) -> None:
    told = activities(portfolio, "single_threaded").group_by("account").agg(pl.col("contact").n_unique())
    assert set(told["contact"]) == {1}


def test_missed_checkins_are_two_and_nothing_was_held_since(portfolio: Portfolio) -> None:
    told = activities(portfolio, "missed_checkins")
    missed = told.filter(pl.col("outcome") == "No Show")
    assert set(missed.group_by("account").len()["len"]) == {2}
    assert told.filter(pl.col("outcome") == "Completed")["ago"].min() > missed["ago"].max()  # type: ignore[operator]


def test_the_champion_who_left_is_marked_and_nobody_else(portfolio: Portfolio) -> None:
    left = portfolio.frame(
        """SELECT AccountId, Stakeholder_Role__c AS role, Left_Company_On__c AS day
           FROM salesforce__Contact WHERE Left_Company__c = 1"""
    )
    assert set(left["AccountId"]) == portfolio.accounts("salesforce", "champion_left")
    assert set(left["role"]) == {"Champion"}
    assert left["day"].null_count() == 0


def test_only_stories_of_a_missing_sponsor_lack_one(portfolio: Portfolio) -> None:
    sponsors = "SELECT AccountId AS id FROM salesforce__Contact WHERE Stakeholder_Role__c = 'Executive Sponsor'"
    with_sponsor = set(portfolio.frame(sponsors)["id"])
    live = portfolio.truth.accounts.filter(pl.col("crm") == "salesforce", pl.col("state") == "live")["crm_id"]
    bare = portfolio.accounts("salesforce", "name_only")
    assert set(live) - with_sponsor - bare == portfolio.accounts("salesforce", "sponsor_unnamed")


def test_burning_tickets_are_urgent_escalated_and_badly_rated(portfolio: Portfolio) -> None:
    cases = portfolio.frame(
        "SELECT AccountId AS id, Priority, IsClosed, IsEscalated, CSAT_Score__c AS csat FROM salesforce__Case"
    )
    escalated = cases.filter(pl.col("IsEscalated") == 1)
    assert set(escalated["id"]) == portfolio.accounts("salesforce", "tickets_burning")
    assert set(escalated["Priority"]) == {"Critical"}
    assert set(escalated["IsClosed"]) == {0}
    assert set(cases.filter(pl.col("csat") < 40)["id"]) == set(escalated["id"])


def test_disputed_renewals_have_sources_that_disagree(portfolio: Portfolio) -> None:
    sql = """SELECT a.Id AS id, a.Renewal_Date__c AS field, a.Contract_End__c AS ends, o.CloseDate AS closes
             FROM salesforce__Account a
             LEFT JOIN salesforce__Opportunity o ON o.AccountId = a.Id AND o.Type = 'Renewal' WHERE a.IsDeleted = 0"""
    dates = portfolio.frame(sql).filter(
        (pl.col("field") != pl.col("ends")) | (pl.col("closes").is_not_null() & (pl.col("field") != pl.col("closes")))
    )
    assert set(dates["id"]) == only_salesforce(portfolio, "disputed_renewal")
    disputes = portfolio.truth.customers.filter(pl.col("story") == "disputed_renewal")["dispute"]
    assert set(disputes) == {"contract_end", "opportunity", "other_crm"}
    assert portfolio.truth.customers.filter(pl.col("story") != "disputed_renewal")["dispute"].null_count() > 0


def test_the_former_owner_has_just_the_customers_of_that_story(portfolio: Portfolio) -> None:
    owned = portfolio.frame(
        "SELECT a.Id AS id FROM salesforce__Account a JOIN salesforce__User u ON u.Id = a.CSM__c WHERE u.IsActive = 0"
    )
    assert set(owned["id"]) == portfolio.accounts("salesforce", "inactive_owner")
    hubspot = portfolio.frame(
        """SELECT CAST(c._id AS TEXT) AS id
           FROM hubspot__companies c JOIN hubspot__owners o ON o.id = c.csm_owner WHERE o.archived = 1"""
    )
    assert set(hubspot["id"]) == portfolio.accounts("hubspot", "inactive_owner")


def test_a_firm_with_nothing_but_a_name_has_nothing_else(portfolio: Portfolio) -> None:
    bare = portfolio.accounts("hubspot", "name_only") | portfolio.accounts("salesforce", "name_only")
    told = portfolio.truth.customers.filter(pl.col("story") == "name_only")
    assert len(bare) == len(told) > 0
    assert told["account_ref"].null_count() == told["renewal_date"].null_count() == len(told)


def test_firms_in_both_crms_carry_only_the_link_that_the_truth_names(portfolio: Portfolio) -> None:
    pairs = portfolio.frame(
        """SELECT a.Id AS left_id, CAST(c._id AS TEXT) AS right_id, c.domain AS domain, a.Name AS one, c.name AS other
           FROM salesforce__Account a JOIN hubspot__companies c
           ON a.HubSpot_Company_Id__c = CAST(c._id AS TEXT) OR c.salesforceaccountid = a.Id"""
    )
    explicit = portfolio.truth.customers.filter(pl.col("link") == "explicit")
    assert len(pairs) == len(explicit) > 0
    assert pairs["domain"].null_count() == len(pairs)
    by_domain = portfolio.frame(
        "SELECT c.domain FROM hubspot__companies c JOIN salesforce__Account a ON a.Website = 'https://www.' || c.domain"
    )
    assert set(by_domain["domain"]) == set(portfolio.truth.customers.filter(pl.col("link") == "domain")["domain"])


# -- quiet nights ------------------------------------------------------------------------------------------------------

DATES = {
    "salesforce__Account": ("Renewal_Date__c", "Contract_End__c", "Contract_Start__c"),
    "salesforce__Contact": ("Left_Company_On__c", "CreatedDate"),
    "salesforce__Opportunity": ("CloseDate", "CreatedDate"),
    "salesforce__Case": ("CreatedDate", "ClosedDate"),
    "salesforce__Event": ("StartDateTime",),
    "salesforce__Task": ("ActivityDate", "CompletedDateTime"),
    "salesforce__Success_Plan_Item__c": ("Due_Date__c",),
    "hubspot__companies": ("next_renewal", "contract_end", "contract_start"),
    "hubspot__contacts": ("left_company_on", "createdate"),
    "hubspot__deals": ("closedate", "createdate"),
    "hubspot__tickets": ("createdate", "closed_date"),
    "hubspot__meetings": ("hs_timestamp",),
    "hubspot__calls": ("hs_timestamp",),
    "hubspot__emails": ("hs_timestamp",),
    "hubspot__tasks": ("hs_timestamp",),
}


@pytest.mark.parametrize("table", DATES)
def test_no_date_crosses_an_edge_in_the_night_after(portfolio: Portfolio, table: str) -> None:
    for column in DATES[table]:
        distances = [(day - TODAY).days for day in days(portfolio, table, column)]
        assert distances
        for edge in EDGES:
            night = {edge, edge + 1, -edge, 1 - edge, -edge - 1, edge - 1}
            assert not [each for each in distances if each in night and each != 0 and abs(each) < 731], (column, edge)


@given(low=st.integers(-800, 800), width=st.integers(20, 300), seed=st.integers(0, 9))
def test_drawn_distances_are_quiet_and_inside(low: int, width: int, seed: int) -> None:
    distance = Calendar(TODAY).distance(Random(seed), low, low + width)
    assert low <= distance <= low + width
    assert is_quiet(distance)


def test_a_span_without_a_quiet_day_is_refused() -> None:
    with pytest.raises(ValueError, match="no quiet day between 59 and 61"):
        quiet_distances(59, 61)


def test_no_record_is_newer_than_the_day(portfolio: Portfolio) -> None:
    stamps = {"salesforce": "SystemModstamp", "hubspot": "hs_lastmodifieddate"}
    for table in DATES:
        column = "lastmodifieddate" if table == "hubspot__contacts" else stamps[table.split("__")[0]]
        assert max(days(portfolio, table, column)) < TODAY


# -- files beside the CRMs ---------------------------------------------------------------------------------------------


def test_the_truth_is_kept_apart_and_read_back(portfolio: Portfolio, tmp_path: Path) -> None:
    portfolio.truth.write(tmp_path / "truth")
    again = Truth.read(tmp_path / "truth")
    assert (again.seed, again.as_of) == (SEED, TODAY)
    assert_frame_equal(again.customers, portfolio.truth.customers)
    assert_frame_equal(again.accounts, portfolio.truth.accounts)


def test_usage_tells_the_same_stories(portfolio: Portfolio, tmp_path: Path) -> None:
    good, bad = read_usage(write_usage(tmp_path, portfolio.truth))
    assert bad.is_empty()
    told = good.join(portfolio.truth.customers, on="account_ref")
    assert set(told["account_ref"]) == set(portfolio.truth.customers["account_ref"].drop_nulls())
    ago = (pl.lit(TODAY) - pl.col("usage_date")).dt.total_days()
    recent, before = (
        told.filter(ago.is_between(first, first + 27)).group_by("number", "story").agg(pl.col("event_count").sum())
        for first in (0, 28)
    )
    change = recent.join(before, on=["number", "story"]).with_columns(
        ratio=pl.col("event_count") / pl.col("event_count_right")
    )
    by_usage = (
        change.join(portfolio.truth.customers, on="number")
        .group_by("usage")
        .agg(least=pl.col("ratio").min(), most=pl.col("ratio").max())
    )
    spans = {usage: (least, most) for usage, least, most in by_usage.rows()}
    assert spans["decaying"][1] < 0.2
    assert 0.2 < spans["halved"][0] < spans["halved"][1] < 0.5
    assert 0.8 < spans["steady"][0] < spans["steady"][1] < 1.2
    assert spans["growing"][0] > 0.95
    logins = told.filter(pl.col("story") == "usage_decaying", pl.col("feature") == "login", ago < 28)
    assert logins["event_count"].max() < 2  # type: ignore[operator]
    assert good["usage_date"].max() < TODAY  # type: ignore[operator]
    assert good["usage_date"].min() > TODAY - timedelta(weeks=27)  # type: ignore[operator]


def test_surveys_tell_the_same_stories(portfolio: Portfolio, tmp_path: Path) -> None:
    good, bad = read_surveys(write_surveys(tmp_path, portfolio.truth))
    assert bad.is_empty()
    latest = good.filter(pl.col("kind") == "nps").sort("answered_at").group_by("account_ref").last()
    mean = latest.join(portfolio.truth.customers, on="account_ref").group_by("tone").agg(pl.col("score").mean())
    score = dict(mean.rows())
    assert score["healthy"] > score["middling"] > score["trouble"]


def test_usage_and_surveys_are_the_same_bytes_again(portfolio: Portfolio, tmp_path: Path) -> None:
    for write in (write_usage, write_surveys):
        first, again = (write(tmp_path / name, portfolio.truth).read_bytes() for name in ("a", "b"))
        assert first == again
