"""SOQL against drawn tables: what is found, in which order, and what is refused in which words."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.salesforce.soql import soql
from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_ids import record_id
from integrations.sandbox.salesforce_query import Queries
from integrations.sandbox.salesforce_store import load, prepare
from integrations.sandbox.soql_dates import literal_span
from integrations.sandbox.soql_parser import parsed, string_value
from integrations.sandbox.soql_tree import Comparison, Junction, Token
from integrations.sandbox.state import State

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)  # a Saturday

ACCOUNTS = """
    Name   | Customer_Tier__c | Seats__c | Strategic__c | Renewal_Date__c | CreatedDate                  | Products__c
    Acme   | Enterprise       | 100      | true         | 2026-11-21      | 2026-11-20T23:59:59.000+0000 | Core;Insights
    bravo  | SMB              | 5        | false        | 2026-11-22      | 2026-11-21T00:00:00.000+0000 | Core
    Citrus | SMB              |          | false        | 2026-12-31      | 2026-11-21T11:00:00.000+0000 | Connect
    delta  |                  | 20.5     | false        |                 | 2025-01-01T00:00:00.000+0000 | Corelli
    O'Hara | Mid-Market       | 7        | true         | 2027-02-19      | 2024-02-29T10:00:00.000+0000 |
    50%_up | Enterprise       | 0        | false        | 2025-11-21      | 2026-10-31T00:00:00.000+0000 |
"""


def drawn(text: str) -> list[dict[str, Any]]:
    """Rows of a drawn table; an empty cell is left out."""
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    words = {"true": True, "false": False}
    return [{name: words.get(cell, cell) for name, cell in zip(head, line, strict=True) if cell} for line in lines]


class Org:
    """An org in memory and its SOQL."""

    def __init__(self) -> None:
        self.state = State()
        self.state.clock.set(NOW)
        prepare(self.state)
        owner = load(self.state, "User", [{"LastName": "Ames", "FirstName": "Ann", "Email": "ann@vendor.example"}])[0]
        rows = [
            {"Id": record_id("001", number), "OwnerId": owner, **row, "Seats__c": float(row["Seats__c"])}
            if "Seats__c" in row
            else {"Id": record_id("001", number), "OwnerId": owner, **row}
            for number, row in enumerate(drawn(ACCOUNTS))
        ]
        self.accounts = load(self.state, "Account", rows)
        load(
            self.state,
            "Contact",
            [
                {"LastName": "Ash", "FirstName": "Al", "AccountId": self.accounts[0], "Email": "al@acme.example"},
                {"LastName": "Box", "AccountId": self.accounts[0], "Left_Company__c": True},
                {"LastName": "Cyr", "AccountId": self.accounts[1]},
                {"LastName": "Dee"},
            ],
        )
        box = self.state.query('SELECT "Id" FROM "salesforce__Contact" WHERE "LastName" = ?', ("Box",))[0][0]
        load(
            self.state, "Task", [{"Subject": "Call them", "WhatId": self.accounts[0], "WhoId": box}, {"Subject": "No"}]
        )
        self.queries = Queries(self.state)

    def find(self, soql: str, **more: Any) -> dict[str, Any]:
        options = {"version": "66.0", "sees_all": False, "batch_size": 2000, **more}
        return orjson.loads(orjson.dumps(self.queries.first(soql, **options).body))

    def names(self, where: str) -> str:
        found = self.find(f"SELECT Name FROM Account WHERE {where} ORDER BY CreatedDate")  # noqa: S608 - it is SOQL
        return " ".join(sorted((record["Name"] for record in found["records"]), key=str.lower))


@pytest.fixture(scope="module")
def org() -> Iterator[Org]:
    found = Org()
    yield found
    found.state.close()


CASES = """
    Name = 'ACME'                                                   | Acme
    Name != 'acme'                                                  | 50%_up bravo Citrus delta O'Hara
    Customer_Tier__c != 'SMB'                                       | 50%_up Acme delta O'Hara
    Customer_Tier__c = null                                         | delta
    Customer_Tier__c = ''                                           | delta
    Customer_Tier__c <> null                                        | 50%_up Acme bravo Citrus O'Hara
    Customer_Tier__c NOT IN ('SMB', 'Enterprise')                   | delta O'Hara
    Customer_Tier__c IN ('smb', null)                               | bravo Citrus delta
    NOT Customer_Tier__c = 'SMB'                                    | 50%_up Acme delta O'Hara
    NOT (Customer_Tier__c = 'SMB' OR Strategic__c = true)           | 50%_up delta
    Strategic__c = TRUE AND (Seats__c > 50 OR Seats__c < 8)         | Acme O'Hara
    Seats__c >= 20.5                                                | Acme delta
    Seats__c < 6                                                    | 50%_up bravo
    Seats__c != 5                                                   | 50%_up Acme Citrus delta O'Hara
    Seats__c = null                                                 | Citrus
    Seats__c IN (5, 7.0)                                            | bravo O'Hara
    Name LIKE '%A%'                                                 | Acme bravo delta O'Hara
    Products__c INCLUDES ('Core')                                   | Acme bravo
    Products__c INCLUDES ('Core;Insights', 'Connect')               | Acme Citrus
    Products__c EXCLUDES ('core')                                   | 50%_up Citrus delta O'Hara
    CALENDAR_YEAR(CreatedDate) < 2026                               | delta O'Hara
    DAY_ONLY(CreatedDate) = YESTERDAY                               | Acme
    Name LIKE '_itrus'                                              | Citrus
    Name LIKE '50\\%\\_%'                                           | 50%_up
    (NOT Name LIKE '%r%')                                           | 50%_up Acme delta
    Name = 'O\\'Hara'                                               | O'Hara
    Renewal_Date__c = TODAY                                         | Acme
    Renewal_Date__c > TODAY                                         | bravo Citrus O'Hara
    Renewal_Date__c <= TOMORROW                                     | 50%_up Acme bravo
    Renewal_Date__c != TODAY                                        | 50%_up bravo Citrus delta O'Hara
    Renewal_Date__c = NEXT_N_DAYS:90                                | bravo Citrus O'Hara
    Renewal_Date__c = THIS_MONTH                                    | Acme bravo
    Renewal_Date__c IN (TODAY, NEXT_YEAR)                           | Acme O'Hara
    Renewal_Date__c < 2026-01-01                                    | 50%_up
    CreatedDate = YESTERDAY                                         | Acme
    CreatedDate = LAST_N_DAYS:1                                     | Acme bravo Citrus
    CreatedDate = LAST_MONTH                                        | 50%_up
    CreatedDate > 2026-11-20T23:59:59Z AND CreatedDate <= 2026-11-21T12:00:00.000+01:00 | bravo Citrus
    CreatedDate < LAST_N_YEARS:1                                    | O'Hara
    Owner.Name = 'ann ames' AND Owner.Email LIKE '%vendor.example'  | 50%_up Acme bravo Citrus delta O'Hara
    Id IN (SELECT AccountId FROM Contact)                           | Acme bravo
    Id NOT IN (SELECT AccountId FROM Contact WHERE Left_Company__c = true) | 50%_up bravo Citrus delta O'Hara
    Account.Name = 'Acme'                                           | Acme
    name = 'acme' and STRATEGIC__C = true                           | Acme
"""


@pytest.mark.parametrize(
    ("where", "found"), [[cell.strip() for cell in line.rsplit("|", 1)] for line in CASES.strip().splitlines()]
)
def test_finds(org: Org, where: str, found: str) -> None:
    assert org.names(where) == found


def test_orders_nulls_first_unless_told_otherwise(org: Org) -> None:
    def order(clause: str) -> list[str]:
        soql = f"SELECT Name FROM Account ORDER BY {clause}"  # noqa: S608 - it is SOQL
        return [row["Name"] for row in org.find(soql)["records"]]

    assert order("Seats__c, Name") == ["Citrus", "50%_up", "bravo", "O'Hara", "delta", "Acme"]
    assert order("Seats__c DESC NULLS LAST") == ["Acme", "delta", "O'Hara", "bravo", "50%_up", "Citrus"]
    assert order("Customer_Tier__c ASC NULLS LAST, Name DESC LIMIT 3 OFFSET 1") == ["50%_up", "O'Hara", "Citrus"]


def test_shows_parents_children_and_polymorphic_names(org: Org) -> None:
    contacts = org.find("SELECT LastName, Account.Name, Account.Owner.Email FROM Contact c ORDER BY LastName")[
        "records"
    ]
    assert [row["LastName"] for row in contacts] == ["Ash", "Box", "Cyr", "Dee"]
    assert contacts[0]["Account"]["Name"] == "Acme"
    assert contacts[0]["Account"]["Owner"]["Email"] == "ann@vendor.example"
    assert contacts[0]["Account"]["attributes"]["type"] == "Account"
    assert contacts[3]["Account"] is None
    accounts = org.find("SELECT Name, (SELECT LastName FROM Contacts ORDER BY LastName DESC LIMIT 1) FROM Account")[
        "records"
    ]
    assert accounts[0]["Contacts"]["totalSize"] == 1
    assert accounts[0]["Contacts"]["records"][0]["LastName"] == "Box"
    assert accounts[2]["Contacts"] is None
    tasks = org.find("SELECT Subject, What.Name, What.Type, AccountId FROM Task ORDER BY Subject")["records"]
    assert [task["What"] and (task["What"]["Name"], task["What"]["Type"]) for task in tasks] == [
        ("Acme", "Account"),
        None,
    ]
    assert [task["AccountId"] for task in tasks] == [org.accounts[0], None]


def test_counts_and_aggregates(org: Org) -> None:
    assert org.find("SELECT COUNT() FROM Account WHERE Seats__c > 5") == {"totalSize": 3, "done": True, "records": []}
    assert org.find("SELECT COUNT() FROM Account LIMIT 2")["totalSize"] == 2
    soql = "SELECT Customer_Tier__c tier, COUNT(Id) n, MAX(Seats__c) FROM Account GROUP BY Customer_Tier__c"
    rows = org.find(soql)["records"]
    found = [(row["tier"], row["n"], row["expr0"]) for row in rows]
    assert found == [(None, 1, 20.5), ("Enterprise", 2, 100.0), ("Mid-Market", 1, 7.0), ("SMB", 2, 5.0)]
    with pytest.raises(SalesforceError, match="grouped or aggregated: Name"):
        org.find("SELECT Name, COUNT(Id) FROM Account")


TIER, YEAR, WEEKDAY = "Customer_Tier__c", "CALENDAR_YEAR(CreatedDate)", "DAY_IN_WEEK(Renewal_Date__c)"
GROUPED = [
    ("Strategic__c, COUNT_DISTINCT(Customer_Tier__c) n", "GROUP BY Strategic__c ORDER BY COUNT(Id)", "true 2, false 2"),
    (f"{TIER} t, COUNT(Id) n", f"GROUP BY {TIER} HAVING COUNT(Id) > 1 AND {TIER} LIKE 'S%'", "SMB 2"),
    (
        f"{TIER} t, SUM(Seats__c) n",
        f"GROUP BY {TIER} ORDER BY SUM(Seats__c) DESC NULLS LAST LIMIT 2",
        "Enterprise 100.0, None 20.5",
    ),
    (f"{YEAR} y, COUNT(Id) n", f"GROUP BY {YEAR} ORDER BY {YEAR}", "2024 1, 2025 1, 2026 4"),
    ("Owner.Name o, AVG(Seats__c) n", "WHERE Seats__c != null GROUP BY Owner.Name", "Ann Ames 26.5"),
    (f"{WEEKDAY} d, COUNT(Id) n", f"WHERE Renewal_Date__c = THIS_MONTH GROUP BY {WEEKDAY}", "7 1, 1 1"),
    ("Strategic__c, COUNT(Id) n", "GROUP BY ROLLUP(Strategic__c)", "false 4, true 2, None 6"),
    ("Strategic__c, GROUPING(Strategic__c) n", "GROUP BY ROLLUP(Strategic__c)", "false 0, true 0, None 1"),
    (
        "Strategic__c, COUNT(Id) n",
        f"WHERE Seats__c = 100 GROUP BY CUBE(Strategic__c, {TIER})",
        "true 1, true 1, None 1, None 1",
    ),
    (f"{TIER}, COUNT(Id) n", f"GROUP BY ROLLUP({TIER}) HAVING GROUPING({TIER}) = 1 OR {TIER} = 'SMB'", "SMB 2, None 6"),
    (f"{TIER}, COUNT(Id) n", f"WHERE Name LIKE '%a%' GROUP BY ROLLUP({TIER}) HAVING {TIER} = 'SMB'", "SMB 1"),
    ("Strategic__c, COUNT(Id) n", "WHERE Name = 'nobody' GROUP BY ROLLUP(Strategic__c)", ""),
]


@pytest.mark.parametrize(("fields", "rest", "found"), GROUPED)
def test_groups(org: Org, fields: str, rest: str, found: str) -> None:
    records = org.find(f"SELECT {fields} FROM Account {rest}")["records"]  # noqa: S608 - it is SOQL
    rows = [[str(value) for name, value in record.items() if name != "attributes"] for record in records]
    words = {"True": "true", "False": "false"}
    shown = [" ".join(words.get(value, value) for value in row) for row in rows]
    ordered = (list, list) if "ORDER BY" in rest else (sorted, sorted)
    assert ordered[0](shown) == ordered[1](found.split(", ") if found else [])


def test_shows_an_object_by_its_type(org: Org) -> None:
    soql = (
        "SELECT Subject, TYPEOF What WHEN Account THEN Name, Owner.Email WHEN Case THEN Subject ELSE Name END FROM Task"
    )
    call, nothing = sorted(org.find(soql)["records"], key=lambda record: str(record["Subject"]))
    assert (call["What"]["Name"], call["What"]["Owner"]["Email"]) == ("Acme", "ann@vendor.example")
    assert call["What"]["attributes"]["url"].startswith("/services/data/v66.0/sobjects/Account/001")
    assert nothing["What"] is None
    other = org.find(
        "SELECT TYPEOF What WHEN Case THEN Subject ELSE Name, Type END FROM Task WHERE What.Type = 'Account'"
    )
    assert (other["records"][0]["What"]["Name"], other["records"][0]["What"]["Type"]) == ("Acme", "Account")


def test_shows_children_of_children_from_version_58(org: Org) -> None:
    soql = "SELECT Name, (SELECT LastName, (SELECT Subject FROM Tasks) FROM Contacts ORDER BY LastName) FROM Account"
    acme = next(record for record in org.find(soql)["records"] if record["Name"] == "Acme")
    contacts = acme["Contacts"]["records"]
    assert [(each["LastName"], each["Tasks"] and each["Tasks"]["totalSize"]) for each in contacts] == [
        ("Ash", None),
        ("Box", 1),
    ]
    with pytest.raises(SalesforceError, match="more than 1 level away from the root entity object"):
        org.find(soql, version="57.0")


def test_converts_and_formats(org: Org) -> None:
    fields = "Name, toLabel(Customer_Tier__c), FORMAT(Seats__c) seats, Seats__c, FORMAT(Renewal_Date__c)"
    record = org.find(f"SELECT {fields} FROM Account WHERE Name = 'Acme' FOR VIEW")["records"][0]  # noqa: S608
    del record["attributes"]
    assert list(record.values()) == ["Acme", "Enterprise", "100.00", 100.0, "11/21/2026"]
    assert list(record)[1:3] == ["Customer_Tier__c", "seats"]
    with pytest.raises(SalesforceError, match="duplicate field selected"):
        org.find("SELECT Name, toLabel(Name) FROM Account")


def test_limits_by_scope(org: Org) -> None:
    assert org.find("SELECT Id FROM Account USING SCOPE mine")["totalSize"] == 0
    assert org.find("SELECT Id FROM Account USING SCOPE everything WHERE Name = 'Acme' FOR REFERENCE")["totalSize"] == 1


def test_more_groups_than_an_answer_holds_are_refused() -> None:
    org = Org()
    load(org.state, "Contact", [{"LastName": f"L{number}"} for number in range(2_000)])
    assert (
        org.find("SELECT LastName, COUNT(Id) FROM Contact WHERE LastName LIKE 'L%' GROUP BY LastName")["totalSize"]
        == 2_000
    )
    with pytest.raises(SalesforceError, match="does not support queryMore"):
        org.find("SELECT LastName, COUNT(Id) FROM Contact GROUP BY LastName")


def test_a_text_of_brackets_only_is_refused(org: Org) -> None:
    for text in ("(" * 50_000, "NOT " * 20_000, "(NOT " * 15_000):
        with pytest.raises(SalesforceError, match="QUERY_TOO_COMPLICATED"):
            org.find(f"SELECT Id FROM Account WHERE {text}")  # noqa: S608 - it is SOQL


def test_shows_all_fields_of_a_kind_within_the_limit(org: Org) -> None:
    assert "Name" in org.find("SELECT FIELDS(STANDARD) FROM Account")["records"][0]
    record = org.find("SELECT FIELDS(CUSTOM) FROM Account LIMIT 1")["records"][0]
    assert "Seats__c" in record
    assert "Name" not in record
    with pytest.raises(SalesforceError, match="LIMIT of at most 200"):
        org.find("SELECT FIELDS(ALL) FROM Account")


REFUSED = r"""
    SELECT Foo FROM Account | INVALID_FIELD | No such column 'Foo' on entity 'Account'.
    SELECT Name FROM Account WHERE Foo__c = 1 | INVALID_FIELD | No such column 'Foo__c' on entity
    SELECT Boss.Name FROM Account | INVALID_FIELD | relationship 'Boss' in field path.
    SELECT Name, name FROM Account | INVALID_FIELD | duplicate field selected: name
    SELECT Id FROM Acount | INVALID_TYPE | sObject type 'Acount' is not supported.
    SELECT Id, (SELECT Id FROM Contact) FROM Account | INVALID_TYPE | relationship 'Contact' in FROM part
    SELECT Id FORM Account | MALFORMED_QUERY | Row:1:Column:16\nunexpected token: 'Account'
    SELECT Id an_alias FROM Account | MALFORMED_QUERY | only aggregate expressions use field aliasing
    SELECT Id FROM Account WHERE | MALFORMED_QUERY | unexpected token: <EOF>
    SELECT Id FROM Account WHERE Name = 'a | MALFORMED_QUERY | line 1:39 mismatched character '<EOF>' expecting '''
    SELECT Id FROM Account WHERE Name = "a" | MALFORMED_QUERY | line 1:37 no viable alternative at character '"'
    SELECT Id FROM Account WHERE Name = :name | MALFORMED_QUERY | Column:37\nBind variables only allowed in Apex code
    SELECT Id FROM Account WHERE Name IN :names | MALFORMED_QUERY | Column:38\nBind variables only allowed in Apex code
    SELECT Id FROM Account WHERE Name IN 'a' | MALFORMED_QUERY | Column:38\nBind variables only allowed in Apex code
    SELECT Id FROM Account LIMIT :n | MALFORMED_QUERY | Bind variables only allowed in Apex code
    SELECT Id FROM Account ALL ROWS | MALFORMED_QUERY | ALL ROWS not allowed in this context
    SELECT Id FROM Account USING SCOPE ours | MALFORMED_QUERY | unexpected token: 'ours'
    SELECT Id FROM Account HAVING COUNT(Id) > 1 | MALFORMED_QUERY | unexpected token: 'HAVING'
    SELECT SUM(Name) FROM Account | INVALID_FIELD | field Name does not support aggregate operator SUM
    SELECT MAX(Seats__c) FROM Account LIMIT 1 | MALFORMED_QUERY | Non-grouped query that uses overall aggregate
    SELECT Name, COUNT(Id) FROM Account GROUP BY Name ORDER BY Seats__c | MALFORMED_QUERY | Ordered field must be
    SELECT Name FROM Account GROUP BY Name HAVING Seats__c > 1 | MALFORMED_QUERY | grouped or aggregated: Seats__c
    SELECT Name a, COUNT(Id) a FROM Account GROUP BY Name | MALFORMED_QUERY | duplicate alias: a
    SELECT CreatedDate FROM Account GROUP BY CreatedDate | INVALID_FIELD | 'CreatedDate' can not be grouped in a query
    SELECT Id FROM Account WHERE COUNT(Id) > 1 | MALFORMED_QUERY | unexpected token: 'count'
    SELECT CALENDAR_YEAR(Name) FROM Account GROUP BY CALENDAR_YEAR(Name) | INVALID_FIELD | not support date function
    SELECT FIELDS(CUSTOM) FROM Account LIMIT 201 | MALFORMED_QUERY | must have a LIMIT of at most 200
    SELECT Id, FIELDS(STANDARD) FROM Account | INVALID_FIELD | duplicate field selected: Id
    SELECT Name FROM Account WHERE Name INCLUDES ('a') | INVALID_QUERY_FILTER_OPERATOR | invalid operator on string
    SELECT Parent.Parent.Parent.Parent.Parent.Parent.Name FROM Account | MALFORMED_QUERY | longer than 5 levels
    SELECT TYPEOF Owner WHEN User THEN Name END FROM Account | INVALID_FIELD | relationship 'Owner' in field path
    SELECT TYPEOF What WHEN Contact THEN Name END FROM Task | INVALID_FIELD | Contact is no type of What
    SELECT Id FROM Account WHERE Id IN (SELECT Id FROM Account) | MALFORMED_QUERY | not be on the same object type
    SELECT Id FROM Account WHERE Name IN (SELECT AccountId FROM Contact) | MALFORMED_QUERY | cannot use: 'Name'
    SELECT Id FROM Account WHERE Id IN (SELECT LastName FROM Contact) | MALFORMED_QUERY | cannot use: 'LastName'
    SELECT Id FROM Account WHERE Name = 'a' OR Id IN (SELECT AccountId FROM Contact) | MALFORMED_QUERY | the 'OR'
    SELECT Id FROM Account WHERE NOT Id IN (SELECT AccountId FROM Contact) | MALFORMED_QUERY | only allowed at the top
    SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact LIMIT 1) | MALFORMED_QUERY | LIMIT, OFFSET and
    SELECT Id FROM Account WHERE CreatedDate > N_YEARS_AGO:90000 | INVALID_QUERY_FILTER_OPERATOR | Invalid date
    SELECT Id FROM Account WHERE Name IN () | MALFORMED_QUERY | unexpected token: ')'
    SELECT Id FROM Account WHERE Name = Acme | MALFORMED_QUERY | unexpected token: 'Acme'
    SELECT Id FROM Account WHERE Id = 'a' AND Id = 'b' OR Id = 'c' | MALFORMED_QUERY | unexpected token: 'OR'
    SELECT Id FROM Account WHERE CreatedDate > '2026-01-01' | INVALID_FIELD | of type dateTime and should not be
    SELECT Id FROM Account WHERE CreatedDate > 2026-01-01 | INVALID_FIELD | must be of type dateTime
    SELECT Id FROM Account WHERE Renewal_Date__c = '2026-01-01' | INVALID_FIELD | of type date and should not be
    SELECT Id FROM Account WHERE Name = 5 | INVALID_FIELD | of type string and should be enclosed in
    SELECT Id FROM Account WHERE Strategic__c = 'true' | INVALID_FIELD | of type boolean and should not
    SELECT Id FROM Account WHERE Seats__c = '5' | INVALID_FIELD | of type double and should not
    SELECT Id FROM Account WHERE Description = 'x' | INVALID_FIELD | 'Description' can not be filtered in
    SELECT Id FROM Account ORDER BY Description | INVALID_FIELD | 'Description' can not be sorted in
    SELECT Id FROM Account WHERE Id = 'abc' | INVALID_QUERY_FILTER_OPERATOR | invalid ID field: abc
    SELECT Id FROM Account WHERE OwnerId LIKE '005%' | INVALID_QUERY_FILTER_OPERATOR | invalid operator on reference
    SELECT Id FROM Account LIMIT 1 OFFSET 2001 | NUMBER_OUTSIDE_VALID_RANGE | Maximum SOQL offset allowed is 2000
    SELECT IsDeleted FROM User | INVALID_FIELD | No such column 'IsDeleted' on
"""


@pytest.mark.parametrize(
    ("soql", "code", "message"),
    [[cell.strip().replace("\\n", "\n") for cell in line.split("|")] for line in REFUSED.strip().splitlines()],
)
def test_refuses(org: Org, soql: str, code: str, message: str) -> None:
    with pytest.raises(SalesforceError) as refused:
        org.find(soql)
    assert (refused.value.code, refused.value.status) == (code, 400)
    assert message in refused.value.message


def test_an_error_shows_its_place(org: Org) -> None:
    with pytest.raises(SalesforceError) as refused:
        org.find("SELECT Foo FROM Account")
    place = "\nSELECT Foo FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Account'. "
    assert refused.value.message.startswith(place)


def test_a_cursor_keeps_its_rows_and_order_while_records_change() -> None:
    org = Org()
    load(org.state, "Contact", [{"LastName": f"L{number:04d}"} for number in range(1000)])
    page = org.find("SELECT LastName FROM Contact WHERE LastName LIKE 'L%' ORDER BY LastName DESC", batch_size=300)
    org.state.execute('UPDATE "salesforce__Contact" SET "LastName" = \'Z\' || "LastName" WHERE "LastName" < \'L0500\'')
    seen = page["records"]
    sizes = [len(seen)]
    while not page["done"]:
        cursor = page["nextRecordsUrl"].rpartition("/")[2]
        page = orjson.loads(orjson.dumps(org.queries.more(cursor, version="66.0", batch_size=300).body))
        sizes.append(len(page["records"]))
        seen += page["records"]
    assert sizes == [300, 300, 300, 100]
    assert page["totalSize"] == 1000
    assert [row["LastName"].removeprefix("Z") for row in seen] == [f"L{number:04d}" for number in range(999, -1, -1)]
    with pytest.raises(SalesforceError, match="INVALID_QUERY_LOCATOR"):
        org.queries.more("0r8xx-300", version="66.0", batch_size=300)


def test_two_long_texts_make_the_pages_smaller() -> None:
    org = Org()
    load(org.state, "Success_Plan_Item__c", [{"Title__c": str(number)} for number in range(201)])
    assert len(org.find("SELECT Id, Detail__c FROM Success_Plan_Item__c")["records"]) == 201
    assert len(org.find("SELECT Id, Detail__c, Mitigation__c FROM Success_Plan_Item__c")["records"]) == 200


SPANS = """
    TODAY             | 2026-11-21 | 2026-11-22
    LAST_N_DAYS:30    | 2026-10-22 | 2026-11-22
    NEXT_N_DAYS:1     | 2026-11-22 | 2026-11-23
    N_DAYS_AGO:7      | 2026-11-14 | 2026-11-15
    LAST_90_DAYS      | 2026-08-23 | 2026-11-22
    NEXT_90_DAYS      | 2026-11-22 | 2027-02-20
    THIS_WEEK         | 2026-11-15 | 2026-11-22
    LAST_WEEK         | 2026-11-08 | 2026-11-15
    LAST_N_WEEKS:2    | 2026-11-01 | 2026-11-15
    NEXT_MONTH        | 2026-12-01 | 2027-01-01
    LAST_N_MONTHS:11  | 2025-12-01 | 2026-11-01
    THIS_QUARTER      | 2026-10-01 | 2027-01-01
    N_QUARTERS_AGO:1  | 2026-07-01 | 2026-10-01
    LAST_YEAR         | 2025-01-01 | 2026-01-01
    THIS_FISCAL_YEAR  | 2026-01-01 | 2027-01-01
    N_WEEKS_AGO:1     | 2026-11-08 | 2026-11-15
    N_MONTHS_AGO:11   | 2025-12-01 | 2026-01-01
    N_YEARS_AGO:1     | 2025-01-01 | 2026-01-01
    NEXT_N_WEEKS:1    | 2026-11-22 | 2026-11-29
    NEXT_N_QUARTERS:2 | 2027-01-01 | 2027-07-01
    LAST_N_FISCAL_QUARTERS:1 | 2026-07-01 | 2026-10-01
    N_FISCAL_YEARS_AGO:2     | 2024-01-01 | 2025-01-01
    NEXT_N_YEARS:2    | 2027-01-01 | 2029-01-01
"""


@pytest.mark.parametrize(
    ("literal", "start", "end"), [[cell.strip() for cell in line.split("|")] for line in SPANS.strip().splitlines()]
)
def test_a_date_literal_means(literal: str, start: str, end: str) -> None:
    assert literal_span(literal.lower(), NOW.date()) == (date.fromisoformat(start), date.fromisoformat(end))


def test_no_date_literal() -> None:
    assert [literal_span(text, NOW.date()) for text in ("SOON", "THIS_DAY", "LAST_N_EONS:3", "null")] == [None] * 4


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parsed(text)
    except SalesforceError as refused:
        assert refused.code == "MALFORMED_QUERY"  # noqa: PT017 - whichever comes out is checked


@given(st.text(max_size=60) | st.text("'\\%_\n\r\t nN:()", max_size=30))
def test_a_text_quoted_by_our_own_client_comes_back_as_one_literal(text: str) -> None:
    """What ``soql`` writes, the sandbox's own grammar reads as one value that says exactly what went in."""
    query = parsed(
        soql("SELECT Id FROM Account WHERE Name = {name} AND Id IN {ids} LIMIT 3", name=text, ids=[text, "b"])
    )
    assert query.limit == 3
    assert isinstance(query.where, Junction)
    named, listed = query.where.inner
    assert isinstance(named, Comparison)
    assert isinstance(named.value, Token)
    assert isinstance(listed, Comparison)
    assert isinstance(listed.value, tuple)
    assert [string_value(each) for each in (named.value, *listed.value)] == [text, text, "b"]


@given(st.text(max_size=60))
def test_a_quoted_text_is_one_value(text: str) -> None:
    """Escaped as the client libraries do it, no text can say more than itself."""
    org = _shared()
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    where = f"Name = '{escaped}' OR (Name = 'Acme' AND Name != '{escaped}')"
    found = org.find(f"SELECT Id FROM Account WHERE {where}")  # noqa: S608 - it is SOQL
    assert found["totalSize"] == 1


_SHARED: list[Org] = []


def _shared() -> Org:
    if not _SHARED:
        _SHARED.append(Org())
    return _SHARED[0]
