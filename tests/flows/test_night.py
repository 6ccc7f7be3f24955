"""The nightly run against both CRMs over HTTP: what it writes, and above all what it leaves alone."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import pytest

from flows.demo import DAY
from tests.flows.conftest import House

EVENING = datetime.combine(DAY, time(22), UTC)
QUIET = {"create": 0, "update": 0, "close": 0, "contested": 0, "failed": 0}


def written(told: dict) -> dict:
    return {name: told["changes"][name] for name in QUIET}


def test_the_first_run_writes_into_both_crms_and_the_second_writes_nothing(house: House) -> None:
    first = house.run()
    assert first["status"] == "ok", first["troubles"]
    for crm in ("salesforce", "hubspot"):
        kinds = first["changes_by_crm"][crm]
        assert min(kinds["tasks"]["create"], kinds["sections"]["create"], kinds["fields"]["create"]) > 0
        calls, traffic = first["api_calls"][crm], first["traffic"][crm]
        assert sum(traffic["kinds"].values()) == calls["read"] + calls["write"]
        assert min(traffic["bytes_sent"], traffic["bytes_received"]) > 10_000
    assert sum(first["health"].values()) == sum(first["renewals"].values()) == first["customers"]
    house.forget_requests()
    second = house.run()
    assert written(second) == QUIET
    assert house.write_calls() == 0
    assert second["health"] == first["health"]
    assert second["renewals"] == first["renewals"]


@pytest.mark.lived_in
def test_the_quiet_night_writes_nothing(house: House) -> None:
    house.set_clock(EVENING + timedelta(days=1))
    house.forget_requests()
    next_day = house.run(DAY + timedelta(days=1))
    assert written(next_day) == QUIET
    assert house.write_calls() == 0


def test_a_dry_run_says_what_the_run_then_does(house: House) -> None:
    dry = house.run(is_dry=True)
    assert house.write_calls() == 0
    wet = house.run()
    assert dry["changes_by_crm"] == wet["changes_by_crm"]


@pytest.mark.parametrize(("down", "up"), [("salesforce", "hubspot"), ("hubspot", "salesforce")])
def test_one_crm_down_does_not_stop_the_other(house: House, down: str, up: str) -> None:
    house.fault(down, "status", status=401 if down == "hubspot" else 403, body=[{"errorCode": "API_DISABLED_FOR_ORG"}])
    told = house.run()
    assert told["status"] == "degraded"
    assert [trouble["part"] for trouble in told["troubles"]] == [f"{down} pull"]
    assert told["changes_by_crm"][up]["tasks"]["create"] > 0
    assert not any(told["changes_by_crm"][down]["tasks"].values())
    house.admin("DELETE", "/faults")
    after = house.run()
    assert after["status"] == "ok"
    assert after["changes_by_crm"][down]["tasks"]["create"] > 0


@pytest.mark.lived_in
def test_a_section_that_a_person_edited_is_listed_and_left_alone(house: House) -> None:
    section = house.salesforce("GET", "/query", q="SELECT Id, Body__c FROM Success_Plan_Section__c LIMIT 1")["records"][
        0
    ]
    house.set_clock(EVENING + timedelta(hours=3))
    house.salesforce("PATCH", f"/sobjects/Success_Plan_Section__c/{section['Id']}", {"Body__c": "In our own words."})
    house.set_clock(EVENING + timedelta(hours=6))
    house.forget_requests()
    told = house.run()
    assert written(told) == QUIET | {"contested": 1}
    assert house.write_calls() == 0
    held = house.salesforce("GET", f"/sobjects/Success_Plan_Section__c/{section['Id']}")
    assert held["Body__c"] == "In our own words."


def salesforce_rows(house: House, query: str) -> list[dict]:
    return house.salesforce("GET", "/query", q=query)["records"]


def test_a_plan_that_a_person_made_is_taken_over_with_what_hangs_below_it(house: House) -> None:
    plans = "SELECT Id, Name, Account__c, Plansync_Key__c FROM Success_Plan__c"
    items = "SELECT Id, Success_Plan__c FROM Success_Plan_Item__c ORDER BY Id"
    made = {row["Account__c"]: row for row in salesforce_rows(house, plans)}
    hanging = salesforce_rows(house, items)
    assert made
    assert hanging
    assert {row["Plansync_Key__c"] for row in made.values()} == {None}
    told = house.run()
    held = salesforce_rows(house, plans)
    accounts = [row["Account__c"] for row in held]
    assert len(accounts) == len(set(accounts)) > len(made)
    kept = {row["Account__c"]: row for row in held if row["Account__c"] in made}
    assert {account: (row["Id"], row["Name"]) for account, row in kept.items()} == {
        account: (row["Id"], row["Name"]) for account, row in made.items()
    }
    taken = {row["Id"] for row in kept.values() if row["Plansync_Key__c"]}
    assert len(taken) == told["changes_by_crm"]["salesforce"]["fields"]["update"] > 0
    assert salesforce_rows(house, items) == hanging
    sections = salesforce_rows(house, "SELECT Success_Plan__c FROM Success_Plan_Section__c")
    assert taken <= {row["Success_Plan__c"] for row in sections}
    house.forget_requests()
    assert written(house.run()) == QUIET
    assert house.write_calls() == 0


def test_text_that_stood_in_a_section_before_the_first_run_is_listed_and_left_alone(house: House) -> None:
    section, other = "plansync_section_business_goals", "plansync_section_customer_overview"  # full plans have both
    companies = "/crm/objects/2026-09/companies"
    known = house.hubspot("GET", companies, limit="100", properties="salesforceaccountid")["results"]
    alone = [row["id"] for row in known if not row["properties"]["salesforceaccountid"]]
    inputs = [{"id": one, "properties": {section: f"What {one} wants."}} for one in alone]
    house.hubspot("POST", f"{companies}/batch/update", {"inputs": inputs})
    for _ in range(2):
        told = house.run()
        held = house.hubspot("GET", companies, limit="100", properties=f"{section},{other}")["results"]
        mine = {row["id"]: row["properties"] for row in held if row["id"] in alone}
        assert {one: row[section] for one, row in mine.items()} == {one: f"What {one} wants." for one in alone}
        assert told["changes"]["contested"] == sum(bool(row[other]) for row in mine.values()) > 0
    assert written(told) == QUIET | {"contested": told["changes"]["contested"]}


def open_tasks(house: House, crm: str) -> pl.DataFrame:
    return house.read("tasks").filter(
        pl.col("crm") == crm, pl.col("record_key").is_not_null(), ~pl.col("is_closed"), ~pl.col("is_deleted")
    )


@pytest.mark.lived_in
def test_a_task_that_a_person_closed_or_deleted_is_not_raised_again(house: House) -> None:
    closed, deleted = open_tasks(house, "salesforce")["crm_id"].to_list()[:2]
    house.set_clock(EVENING + timedelta(hours=3))
    house.salesforce("PATCH", f"/sobjects/Task/{closed}", {"Status": "Completed"})
    house.salesforce("DELETE", f"/sobjects/Task/{deleted}")
    archived = open_tasks(house, "hubspot")["crm_id"][0]
    house.hubspot("DELETE", f"/crm/objects/2026-09/tasks/{archived}")
    house.set_clock(EVENING + timedelta(hours=9))
    house.forget_requests()
    assert written(house.run()) == QUIET
    assert house.write_calls() == 0


@pytest.mark.lived_in
def test_a_task_closes_when_its_condition_clears(house: House) -> None:
    asked = "SELECT Id, AccountId FROM Task WHERE Plansync_Key__c != null AND Subject LIKE 'Agree on goals%' LIMIT 1"
    task = house.salesforce("GET", "/query", q=asked)["records"][0]
    plans = {row["Account__c"]: row for row in salesforce_rows(house, "SELECT Id, Account__c FROM Success_Plan__c")}
    plan = plans[task["AccountId"]]["Id"]
    house.set_clock(EVENING + timedelta(hours=1))
    agreed = {"Success_Plan__c": plan, "Kind__c": "outcome", "Title__c": "Close the books in three days"}
    house.salesforce("POST", "/sobjects/Success_Plan_Item__c", agreed)
    house.set_clock(EVENING + timedelta(hours=2))
    told = house.run()
    salesforce = told["changes_by_crm"]["salesforce"]
    assert salesforce["tasks"] == {"create": 0, "update": 0, "close": 1}
    assert salesforce["sections"]["update"] >= 1, told["changes"]
    assert house.salesforce("GET", f"/sobjects/Task/{task['Id']}")["IsClosed"] is True
    again = house.run()
    assert written(again) == QUIET


def test_bad_usage_rows_unknown_accounts_and_a_thin_week_are_listed_and_the_rest_counts(house: House) -> None:
    (path,) = (house.folder / "usage").glob("*.parquet")
    pl.read_parquet(path).filter(pl.col("usage_date") != date(2026, 11, 8)).write_parquet(path)  # the Sunday of W45
    (house.folder / "usage" / "extra.csv").write_text(
        "account_ref,usage_date,feature,event_count,user_count\n"
        "salesforce:001000000000000AAA,2026-11-02,login,4,1\n"
        "nobody.example,2026-11-02,login,4,1\n"
        "nobody.example,2026-11-32,login,4,1\n"
        "nobody.example,2026-11-03,login,-4,1\n"
    )
    told = house.run()
    assert told["status"] == "degraded"
    (trouble,) = told["troubles"]
    assert (trouble["part"], "in 2026-W45:" in trouble["message"]) == ("usage feed", True)
    assert "2026-W45" in next(Path(page) for page in told["reports"] if page.endswith(".html")).read_text()
    with house.store() as store:
        errors = store.row_errors(told["run_id"])
    assert {"nobody.example", "salesforce:001000000000000AAA"} <= set(errors["record"])
    assert errors.height >= 4
    assert told["changes"]["create"] > 0


@pytest.mark.lived_in
def test_tasks_never_go_to_an_owner_who_has_left(house: House) -> None:
    owners = house.read("owners").filter(~pl.col("is_active"))
    assert owners.height > 0
    ours = house.read("tasks").filter(pl.col("record_key").is_not_null())
    assert ours.join(owners, left_on=["crm", "owner_crm_id"], right_on=["crm", "crm_id"]).is_empty()


def test_a_lost_answer_makes_no_duplicate(house: House) -> None:
    house.fault("hubspot", "commit_then_drop", path="/tasks/batch/create", count=1)
    house.fault("salesforce", "commit_then_drop", path="/composite/sobjects/Task", count=1)
    told = house.run()
    house.set_clock(EVENING + timedelta(hours=6))
    house.run()
    again = house.run()
    assert written(again) == QUIET
    created = [write for write in house.admin("GET", "/writes")["writes"] if write["object"] == "tasks"]
    keys = house.read("tasks").filter(pl.col("record_key").is_not_null())
    assert keys["record_key"].is_duplicated().sum() == 0
    assert told["customers"] > 0
    assert created


@pytest.mark.lived_in
def test_a_lost_update_is_settled_by_what_the_crm_holds_even_after_the_facts_changed(house: House) -> None:
    """Our own text that landed unheard is never taken for a person's, however the next night differs."""
    later = DAY + timedelta(days=45)
    for crm in ("salesforce", "hubspot"):
        house.fault(crm, "commit_then_drop", path="batch/update" if crm == "hubspot" else "composite/sobjects")
    lost = house.run(later)
    assert lost["status"] == "degraded"
    house.admin("DELETE", "/faults")
    much_later = later + timedelta(days=50)
    told = house.run(much_later)
    assert told["changes"]["contested"] == 0
    assert told["changes"]["update"] > 0
    assert written(house.run(much_later)) == QUIET


def test_bad_rows_stay_listed_until_the_file_is_mended(house: House) -> None:
    bad = house.folder / "usage" / "bad.csv"
    bad.write_text("account_ref,usage_date,feature,event_count\nnobody.example,2026-11-32,login,4\n")
    for is_dry in (True, False, False):
        told = house.run(is_dry=is_dry)
        with house.store() as store:
            listed = store.row_errors(told["run_id"])
        assert str(bad) in set(listed["source"])
    bad.unlink()
    assert house.run()["status"] == "ok"
