"""Salesforce records as frames: types, words, money, and rows that are set aside."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.crm import Page
from integrations.salesforce import fields
from integrations.salesforce.fields import SalesforceConfig, Source
from integrations.salesforce.rows import Reading, page_of
from models import frames

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)
CONFIG = SalesforceConfig(base_url="https://acme.my.salesforce.com")
SYSTEM = {"Id": "001000000000001AAA", "SystemModstamp": "2026-11-20T10:11:12.000+0000", "IsDeleted": False}


def page(source: Source, *records: Mapping[str, Any], config: SalesforceConfig = CONFIG) -> Page:
    mapping = {column.name: column.candidates[0] for column in source.columns if column.candidates}
    return page_of([SYSTEM | dict(record) for record in records], Reading(source, mapping, config, NOW))


def rows(source: Source, *records: Mapping[str, Any], config: SalesforceConfig = CONFIG) -> pl.DataFrame:
    answer = page(source, *records, config=config)
    assert answer.rejected.is_empty(), answer.rejected.to_dicts()
    return answer.rows[source.frame]


def test_an_account_keeps_its_types() -> None:
    found = rows(
        fields.ACCOUNTS,
        {
            "Name": "Acme",
            "CSM__c": "005000000000001AAA",
            "OwnerId": "005000000000009AAA",
            "Seats__c": 25.0,
            "Annual_Recurring_Revenue__c": 120000.55,
            "Renewal_Date__c": "2027-02-19",
            "Strategic__c": True,
            "MasterRecordId": None,
        },
    )
    row = found.row(0, named=True)
    assert row["crm"] == "salesforce"
    assert row["modified_at"] == datetime(2026, 11, 20, 10, 11, 12, tzinfo=UTC)
    assert row["owner_crm_id"] == "005000000000001AAA"
    assert (row["seats_count"], row["arr_minor"], row["currency"]) == (25, 12000055, "USD")
    assert (row["renewal_date"], row["is_strategic"], row["segment"]) == (date(2027, 2, 19), True, None)
    assert dict(found.schema) == frames.dtypes(frames.Accounts)


def _named(source: Source) -> str:
    return f"{source.sobject}-{source.frame}"


@pytest.mark.parametrize("source", [each for group in fields.SOURCES.values() for each in group], ids=_named)
def test_every_source_fulfils_its_contract_with_the_least_that_an_org_gives(source: Source) -> None:
    least = {"Name": "n", "CreatedDate": SYSTEM["SystemModstamp"], "IsActive": True, "IsClosed": False, "IsWon": False}
    least |= {"StartDateTime": SYSTEM["SystemModstamp"], "TaskSubtype": "Call", "Section__c": "business_goals"}
    least |= {"Kind__c": "risk", "Title__c": "t"}
    found = rows(source, least)
    assert found.height == 1
    assert dict(found.schema) == frames.dtypes(frames.MIRRORED[source.frame])


def test_an_account_without_a_csm_falls_to_its_owner() -> None:
    assert rows(fields.ACCOUNTS, {"Name": "a", "CSM__c": None, "OwnerId": "005X"})["owner_crm_id"][0] == "005X"


def test_a_deleted_and_merged_account_says_so() -> None:
    found = rows(fields.ACCOUNTS, {"Name": "a", "IsDeleted": True, "MasterRecordId": "001W"})
    assert found.select("is_deleted", "merged_into").row(0) == (True, "001W")


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        # amount              currency  smallest units
        (10.005, "USD", 1001),
        (-2.675, "EUR", -268),
        (0.1 + 0.2, "USD", 30),
        (9999999999999.99, "USD", 999999999999999),
        (1234, "JPY", 1234),
        (1234.5, "JPY", 1235),
        (1.2345, "KWD", 1235),
        (None, "USD", None),
    ],
)
def test_money_is_exact(amount: float | None, currency: str, minor: int | None) -> None:
    found = rows(fields.OPPORTUNITIES, _deal(Amount=amount, CurrencyIsoCode=currency))
    assert found["amount_minor"][0] == minor


@settings(max_examples=30, deadline=None)
@given(st.lists(st.decimals(-(10**12), 10**12, places=3, allow_nan=False), min_size=1, max_size=50))
def test_money_equals_decimal_arithmetic(amounts: list[Decimal]) -> None:
    wire = [orjson.loads(str(amount)) for amount in amounts]
    found = rows(fields.OPPORTUNITIES, *(_deal(Amount=amount) for amount in wire))
    expected = [int((amount * 100).to_integral_value(ROUND_HALF_UP)) for amount in amounts]
    assert found["amount_minor"].to_list() == expected


def _deal(**more: Any) -> dict[str, Any]:
    return {"IsClosed": False, "IsWon": False, "Type": "Renewal", **more}


def test_words_of_the_org_become_ours() -> None:
    kinds = ["New Business", "renewal", "Existing Customer - Upgrade", "Services", None]
    found = rows(fields.OPPORTUNITIES, *(_deal(Type=kind) for kind in kinds))
    assert found["kind"].to_list() == ["new", "renewal", "expansion", "other", "other"]
    priorities = ["Low", "Medium", "High", "Critical", "Whenever", None]
    cases = [{"Priority": word, "IsClosed": False, "CreatedDate": SYSTEM["SystemModstamp"]} for word in priorities]
    assert rows(fields.TICKETS, *cases)["priority"].to_list() == ["low", "normal", "high", "urgent", "normal", "normal"]
    roles = ["Executive Sponsor", "IT / Procurement", "Day-to-day", "Economic Owner", "Mascot", None]
    config = CONFIG.model_copy(update={"role_words": {"Economic Owner": "executive_sponsor"}})
    found = rows(fields.CONTACTS, *({"Stakeholder_Role__c": role} for role in roles), config=config)
    assert found["role"].to_list() == [
        "executive_sponsor", "it_procurement", "day_to_day", "executive_sponsor", None, None,
    ]  # fmt: skip


def test_meetings() -> None:
    drawn = [
        # start                          day           outcome      -> occurred                 outcome
        ("2026-11-20T09:00:00.000+0000", "2026-11-20", "No Show", "2026-11-20 09:00", "no_show"),
        ("2026-11-20T09:00:00.000+0000", "2026-11-20", None, "2026-11-20 09:00", "unknown"),
        ("2026-11-22T09:00:00.000+0000", "2026-11-22", None, "2026-11-22 09:00", "scheduled"),
        (None, "2026-11-19", "Cancelled", "2026-11-19 00:00", "cancelled"),
        (None, "2026-11-19", "Moved", "2026-11-19 00:00", "unknown"),
    ]
    found = rows(
        fields.MEETINGS,
        *({"StartDateTime": start, "ActivityDate": day, "Outcome__c": outcome} for start, day, outcome, *_ in drawn),
    )
    occurred = found["occurred_at"].dt.strftime("%Y-%m-%d %H:%M").to_list()
    assert list(zip(occurred, found["outcome"].to_list(), strict=True)) == [(at, outcome) for *_, at, outcome in drawn]
    assert found["kind"].unique().to_list() == ["meeting"]


def test_a_person_of_a_meeting_is_a_contact_and_an_account_is_found_from_what_it_is_about() -> None:
    start = {"StartDateTime": SYSTEM["SystemModstamp"]}
    found = rows(
        fields.MEETINGS,
        start | {"WhoId": "003C", "WhatId": "001A", "AccountId": None},
        start | {"WhoId": "00QL", "WhatId": "006O", "AccountId": "001B"},
        start | {"WhoId": None, "WhatId": "006O", "AccountId": None},
    )
    assert found.select("contact_crm_id", "account_crm_id").rows() == [("003C", "001A"), (None, "001B"), (None, None)]


def test_calls_and_emails() -> None:
    stamp = SYSTEM["SystemModstamp"]
    base = {"IsClosed": True, "CreatedDate": stamp}
    found = rows(
        fields.CALLS_AND_EMAILS,
        base | {"TaskSubtype": "Call", "Direction__c": "Inbound", "CompletedDateTime": "2026-11-01T08:00:00.000+0000"},
        base | {"TaskSubtype": "Email", "Direction__c": "Outbound", "ActivityDate": "2026-11-02"},
        base | {"TaskSubtype": "Call", "IsClosed": False, "Outcome__c": "No Show"},
        base | {"TaskSubtype": "Call", "IsClosed": False},
    )
    assert found.select("kind", "is_inbound", "outcome").rows() == [
        ("call", True, "completed"),
        ("email", False, "completed"),
        ("call", None, "no_show"),
        ("call", None, "unknown"),
    ]
    assert [at.day for at in found["occurred_at"]] == [1, 2, 20, 20]


def test_bad_rows_are_set_aside_with_the_rule_and_the_good_ones_stay() -> None:
    case = {"IsClosed": False, "CreatedDate": SYSTEM["SystemModstamp"]}
    answer = page(
        fields.TICKETS,
        case | {"Id": "500good"},
        case | {"Id": "500pct", "CSAT_Score__c": 170.0},
        case | {"Id": "500type", "CSAT_Score__c": {"value": 3}},
        case | {"Id": "500date", "CreatedDate": "yesterday"},
        case | {"Id": "500null", "CreatedDate": None},
        case | {"Id": None},
    )
    assert answer.rows["tickets"]["crm_id"].to_list() == ["500good"]
    assert {(row["record"], row["rule"]) for row in answer.rejected.to_dicts()} == {
        ("500pct", "satisfaction_pct|max"),
        ("500type", "satisfaction_pct|type"),
        ("500date", "opened_at|readable"),
        ("500null", "opened_at|nullability"),
        ("", "crm_id|nullability"),
    }


def test_a_section_reads_its_account_through_its_plan() -> None:
    section = {"Section__c": "business_goals", "Body__c": "text", "Plansync_Key__c": "k"}
    found = rows(
        fields.PLAN_SECTIONS,
        section | {"Success_Plan__r": {"attributes": {}, "Account__c": "001A"}},
        section | {"Success_Plan__r": None},
    )
    assert found["account_crm_id"].to_list() == ["001A", None]


def test_row_order_does_not_matter() -> None:
    records = [{"Id": f"001{number}", "Name": str(number)} for number in range(20)]
    assert rows(fields.ACCOUNTS, *records).equals(rows(fields.ACCOUNTS, *records[::-1]).reverse())
