"""Search of the emulated HubSpot: filters, sorts, pages and their caps."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.sandbox.hubspot_load import load
from integrations.sandbox.hubspot_settings import change_settings
from tests.sandbox.hubspot_server import FAMILIES, NOW, Portal, Reply

FIRMS = """name          | seats | next_renewal | is_strategic | domain         | hs_lastmodifieddate
           Acme          | 5     | 2026-12-01   | true         | acme.example   | 2026-11-20T10:00:00Z
           Brightwater   | 10    | 2027-01-31   | false        | bright.example | 2026-11-20T10:00:00.001Z
           Acme Labs     | 100   |              | true         |                | 2026-11-20T10:00:00.002Z
           50% & _Under_ |       | 2027-06-30   |              |                | 2026-11-21T00:00:00Z"""


def table(text: str) -> list[dict[str, str]]:
    """Rows of a drawn table; blanks are left out."""
    head, *rows = ([cell.strip() for cell in line.split("|")] for line in text.splitlines())
    return [{name: cell for name, cell in zip(head, row, strict=True) if cell} for row in rows]


def search(hs: Portal, *filters: dict[str, Any], **body: Any) -> Reply:
    groups = [{"filters": list(filters)}] if filters else []
    return hs.post("/crm/objects/2026-09/companies/search", {"filterGroups": groups, "properties": ["name"]} | body)


def where(name: str, operator: str, **values: Any) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, **values}


def found(reply: Reply) -> list[str]:
    return [
        record["properties"]["name"].split()[0][0] + record["properties"]["name"][-1]
        for record in reply.body["results"]
    ]


A, B, L, U = "Ae", "Br", "As", "5_"
FILTERS = [
    (where("name", "EQ", value="acme"), [A]),
    (where("name", "NEQ", value="Acme"), [B, L, U]),
    (where("seats", "GT", value="5"), [B, L]),
    (where("seats", "GTE", value=5), [A, B, L]),
    (where("seats", "LT", value="10.5"), [A, B]),
    (where("seats", "LTE", value="100"), [A, B, L]),
    (where("seats", "NEQ", value="10"), [A, L]),
    (where("seats", "BETWEEN", value="6", highValue="100"), [B, L]),
    (where("seats", "IN", values=["5", "100"]), [A, L]),
    (where("seats", "NOT_IN", values=["5", "100"]), [B]),
    (where("next_renewal", "HAS_PROPERTY"), [A, B, U]),
    (where("next_renewal", "NOT_HAS_PROPERTY"), [L]),
    (where("next_renewal", "LTE", value="1801353600000"), [A, B]),
    (where("next_renewal", "GT", value="2026-12-01"), [B, U]),
    (where("is_strategic", "EQ", value="true"), [A, L]),
    (where("name", "CONTAINS_TOKEN", value="acme"), [A, L]),
    (where("name", "CONTAINS_TOKEN", value="*water"), [B]),
    (where("name", "CONTAINS_TOKEN", value="50%"), [U]),
    (where("name", "CONTAINS_TOKEN", value="_nder_"), []),
    (where("name", "NOT_CONTAINS_TOKEN", value="acme"), [B, U]),
    (where("hs_lastmodifieddate", "GTE", value="1795168800001"), [B, L, U]),
    (where("hs_lastmodifieddate", "GT", value="2026-11-20T10:00:00.001Z"), [L, U]),
    (where("hs_lastmodifieddate", "BETWEEN", value="1795168800000", highValue="1795168800001"), [A, B]),
    (where("hs_object_id", "GT", value="201000000003"), [U]),
    (where("name", "EQ", value="' OR 1=1 --"), []),
]


@pytest.mark.parametrize(
    ("wanted", "names"), FILTERS, ids=[f"{one[0]['propertyName']}-{one[0]['operator']}" for one in FILTERS]
)
def test_filters(hs: Portal, wanted: dict[str, Any], names: list[str]) -> None:
    load(hs.state, "companies", table(FIRMS))
    reply = search(hs, wanted)
    assert (found(reply), reply.body["total"]) == (names, len(names))


def test_filters_join_by_and_groups_by_or_and_the_archived_never_appear(hs: Portal) -> None:
    load(hs.state, "companies", [*table(FIRMS), {"name": "Acme", "archived": "true"}])
    strategic, small = where("is_strategic", "EQ", value="true"), where("seats", "LT", value="50")
    assert found(search(hs, strategic, small)) == [A]
    groups = [{"filters": [strategic]}, {"filters": [small]}]
    assert found(search(hs, filterGroups=groups)) == [A, B, L]
    assert found(search(hs, filterGroups=[], filters=[small])) == [A, B]
    assert found(search(hs)) == [A, B, L, U]
    assert found(search(hs, query="acme lab")) == [L]


@pytest.mark.parametrize("family", FAMILIES)
def test_sorts_pages_and_defaults(hs: Portal, family: str) -> None:
    load(hs.state, "companies", table(FIRMS))
    body = {"sorts": [{"propertyName": "seats", "direction": "DESCENDING"}], "limit": 2}
    first = hs.post(f"{family}/companies/search", body)
    assert found(first) == [L, B]
    assert (first.body["total"], first.body["paging"]) == (4, {"next": {"after": "2"}})
    second = hs.post(f"{family}/companies/search", body | {"after": "2"})
    assert found(second) == [A, U]
    assert "paging" not in second.body
    assert set(first.body["results"][0]["properties"]) == {
        "name",
        "domain",
        "createdate",
        "hs_lastmodifieddate",
        "hs_object_id",
    }
    by_text = hs.post(f"{family}/companies/search", {"sorts": ["-hs_lastmodifieddate"]})
    assert found(by_text) == [U, L, B, A]


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("page too long", {"limit": 201}),
    ("beyond the cap", {"limit": 100, "after": "9901"}),
    ("not a cursor", {"after": "next"}),
    ("unknown property", {"filterGroups": [{"filters": [where("nope", "EQ", value="1")]}]}),
    ("unknown operator", {"filterGroups": [{"filters": [where("name", "LIKE", value="1")]}]}),
    ("no operator", {"filterGroups": [{"filters": [{"propertyName": "name"}]}]}),
    ("no value", {"filterGroups": [{"filters": [where("name", "EQ")]}]}),
    ("no values", {"filterGroups": [{"filters": [where("name", "IN", values=[])]}]}),
    ("six groups", {"filterGroups": [{"filters": []}] * 6}),
    ("seven filters", {"filterGroups": [{"filters": [where("name", "HAS_PROPERTY")] * 7}]}),
    ("nineteen filters", {"filterGroups": [{"filters": [where("name", "HAS_PROPERTY")] * 5}] * 4}),
    ("unknown sort", {"sorts": ["nope"]}),
    ("two sorts", {"sorts": ["name", "seats"]}),
    ("query too long", {"query": "x" * 3_001}),
]


@pytest.mark.parametrize("body", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused_searches(hs: Portal, body: dict[str, Any]) -> None:
    reply = hs.post("/crm/objects/2026-09/companies/search", body)
    assert (reply.status, reply.body["category"]) == (400, "VALIDATION_ERROR")


def test_the_cap_lies_at_10_000(hs: Portal) -> None:
    load(hs.state, "companies", [{"name": str(n)} for n in range(10_050)])
    last = search(hs, limit=200, after="9800")
    assert (last.status, last.body["total"], len(last.body["results"])) == (200, 10_050, 200)
    assert search(hs, limit=200, after=last.body["paging"]["next"]["after"]).status == 400


def test_the_vendors_client_searches(hs: Portal) -> None:
    load(hs.state, "companies", table(FIRMS))
    body = {
        "filterGroups": [{"filters": [where("seats", "GT", value="5")]}],
        "limit": 200,
        "sorts": [],
        "properties": [],
    }
    answer = hs.client().crm.companies.search_api.do_search(body)
    assert (answer.total, [record.properties["name"] for record in answer.results]) == (2, ["Brightwater", "Acme Labs"])


def test_contacts_have_their_own_modification_stamp(hs: Portal) -> None:
    load(hs.state, "contacts", [{"email": "ada@example.com", "lastmodifieddate": "2026-11-01T00:00:00Z"}])
    group = {"filters": [where("lastmodifieddate", "LT", value="2026-11-02")]}
    reply = hs.post("/crm/objects/2026-09/contacts/search", {"filterGroups": [group]})
    assert reply.body["results"][0]["updatedAt"] == "2026-11-01T00:00:00Z"
    group = {"filters": [where("hs_lastmodifieddate", "LT", value="2026-11-02")]}
    assert hs.post("/crm/objects/2026-09/contacts/search", {"filterGroups": [group]}).status == 400


ONE_SEARCH = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ONE_SEARCH
@given(
    seats=st.lists(st.none() | st.integers(-50, 50), max_size=12), low=st.integers(-60, 60), width=st.integers(0, 60)
)
def test_windows_hold_what_python_says(hs: Portal, seats: list[int | None], low: int, width: int) -> None:
    hs.state.execute("DELETE FROM hubspot__companies")
    load(hs.state, "companies", [{"name": "x", "seats": None if one is None else str(one)} for one in seats])
    reply = search(hs, where("seats", "BETWEEN", value=str(low), highValue=str(low + width)), limit=200)
    assert reply.body["total"] == sum(one is not None and low <= one <= low + width for one in seats)


def test_records_are_found_some_seconds_after_they_are_written(hs: Portal) -> None:
    change_settings(hs.state, search_lag_s=30)
    load(hs.state, "companies", table(FIRMS))
    fresh = hs.make("companies", name="Fresh")
    assert search(hs).body["total"] == 4
    hs.state.clock.set(NOW + timedelta(seconds=29))
    assert search(hs).body["total"] == 4
    hs.state.clock.set(NOW + timedelta(seconds=30))
    assert search(hs).body["total"] == 5
    hs.call("PATCH", f"/crm/v3/objects/companies/{fresh}", {"properties": {"seats": "1"}})
    assert search(hs).body["total"] == 4
    assert len(hs.get("/crm/v3/objects/companies").body["results"]) == 5


@pytest.mark.parametrize("direction", ["ASCENDING", "DESCENDING"])
def test_sorted_results_stand_out_of_their_place(hs: Portal, direction: str) -> None:
    instants = [f"2026-11-20T{minute // 60:02d}:{minute % 60:02d}:00Z" for minute in range(600)]
    ids = load(hs.state, "companies", [{"name": "A", "hs_lastmodifieddate": one} for one in instants])
    wanted = ids if direction == "ASCENDING" else ids[::-1]
    sorts = [{"propertyName": "hs_lastmodifieddate", "direction": direction}]

    def listed() -> list[str]:
        pages = [search(hs, sorts=sorts, limit=200, after=str(after)).body["results"] for after in (0, 200, 400)]
        return [record["id"] for page in pages for record in page]

    assert listed() == wanted
    change_settings(hs.state, search_disorder_s=1_800)
    seen = listed()
    assert sorted(seen) == sorted(ids)
    shifts = [abs(seen.index(one) - place) for place, one in enumerate(wanted)]
    assert 1 < max(shifts) <= 30


def test_records_by_what_they_are_associated_with(hs: Portal) -> None:
    contact, first, second = hs.make("contacts"), hs.make("companies", name="A"), hs.make("companies", name="B")
    hs.call("PUT", f"/crm/v4/objects/contacts/{contact}/associations/default/companies/{second}")
    reply = search(hs, where("associations.contact", "EQ", value=contact))
    assert [record["id"] for record in reply.body["results"]] == [second]
    assert search(hs, where("associations.contact", "IN", values=[contact, "9"])).body["total"] == 1
    assert search(hs, where("associations.contact", "GT", value=contact)).status == 400
    assert first != second
