"""The judges themselves: what they must find, so that their silence means something."""

from dataclasses import replace

import orjson
import pytest

from integrations.sandbox.hubspot_routes import ROUTER
from tests.judges import fidelity
from tests.judges.exchanges import Exchange, path_template
from tests.judges.hubspot_schema import checks, findings, judged_as
from tests.judges.vendor_schema import operation, operations, schema
from tests.judges.waivers import Finding, Waiver, unwaived, waivers

RECORD = {
    "id": "1",
    "properties": {"name": "Acme"},
    "createdAt": "2026-11-21T03:00:00.000Z",
    "updatedAt": "2026-11-21T03:00:00.000Z",
    "archived": False,
}
READ = {"inputs": [{"id": "1"}], "properties": ["name"], "propertiesWithHistory": []}
ANSWER = {
    "status": "COMPLETE",
    "results": [RECORD],
    "startedAt": "2026-11-21T03:00:00.000Z",
    "completedAt": "2026-11-21T03:00:00.000Z",
}


def batch_read(*, request: object = READ, answer: object = ANSWER, status: int = 200) -> Exchange:
    said = [orjson.dumps(each).decode() for each in (request, answer)]
    path = "/crm/v3/objects/companies/batch/read"
    return Exchange("hubspot", "", "POST", path, "", said[0], status, "application/json;charset=utf-8", said[1])


def found(exchange: Exchange) -> list[tuple[str, str]]:
    return [(each.place, each.says) for each in findings(exchange)]


def changed(**fields: object) -> Exchange:
    return batch_read(answer={**ANSWER, "results": [{**RECORD, **fields}]})


def test_a_right_exchange_is_passed() -> None:
    assert found(batch_read()) == []
    assert checks(batch_read()) == ["request", "answer 200"]


@pytest.mark.parametrize(
    ("exchange", "place", "says"),
    [
        (changed(id=1), "answer 200 results.*.id", "string_type"),
        (changed(archived="false"), "answer 200 results.*.archived", "bool_type"),
        (changed(createdAt="2026-11-21T03:00:00"), "answer 200 results.*.createdAt", "timezone_aware"),
        (changed(createdAt="yesterday"), "answer 200 results.*.createdAt", "datetime_parsing"),
        (changed(url="x"), "answer 200 results.*.url", "extra_forbidden"),
        (changed(properties={"name": 3}), "answer 200 results.*.properties.*", "string_type"),
        (batch_read(answer={**ANSWER, "status": "DONE"}), "answer 200 status", "literal_error"),
        (batch_read(answer={"status": "COMPLETE", "results": []}), "answer 200 completedAt", "missing"),
        (batch_read(status=202), "answer 202", "status_unknown_to_the_client"),
        (batch_read(request={**READ, "inputs": [{"id": 1}]}), "request inputs.*.id", "string_type"),
        (batch_read(request={"inputs": []}), "request properties", "missing"),
        (batch_read(answer={"message": "no"}, status=400), "answer 400 category", "missing"),
        (replace(batch_read(status=400), content_type="text/html"), "answer 400", "not_json"),
    ],
)  # fmt: skip
def test_the_models_find_what_is_wrong(exchange: Exchange, place: str, says: str) -> None:
    assert (place, says) in found(exchange)


def test_a_refused_request_need_not_be_well_formed() -> None:
    error = {"message": "no", "category": "VALIDATION_ERROR", "correlationId": "x"}
    assert found(batch_read(request={"inputs": 3}, answer=error, status=400)) == []


@pytest.mark.parametrize(
    ("path", "successor"),
    [
        ("/crm/objects/2026-09/companies/batch/read", "/crm/v3/objects/companies/batch/read"),
        ("/crm/objects/2026-03/contacts/1/associations/companies", "/crm/v4/objects/contacts/1/associations/companies"),
        ("/crm/associations/2026-09/tasks/companies/batch/read", "/crm/v4/associations/tasks/companies/batch/read"),
        ("/crm/v4/objects/contacts/1", "/crm/v3/objects/contacts/1"),
        ("/crm/v4/objects/contacts/1/associations/companies", "/crm/v4/objects/contacts/1/associations/companies"),
        ("/crm/owners/2026-09", "/crm/v3/owners"),
        ("/crm-object-schemas/2026-09/schemas/cars", "/crm-object-schemas/v3/schemas/cars"),
    ],
)
def test_dated_paths_are_judged_by_those_that_they_replace(path: str, successor: str) -> None:
    assert judged_as(path) == successor
    assert operation("GET", successor) or operation("POST", successor)


def test_the_clients_calls_are_all_understood() -> None:
    """Every type that the client names has a schema, and every call a body where it posts one."""
    assert len(operations()) > 150
    for each in operations():
        for kind in (each.takes, *each.gives.values()):
            assert kind is None or schema(each.package, kind)
        is_written = each.method in {"POST", "PATCH", "PUT"} and "high-usage" not in each.path
        assert bool(each.takes) == (is_written and "/associations/default/" not in each.path), each


def test_templates_are_those_of_the_route_tables() -> None:
    assert path_template("hubspot", "GET", "/crm/v3/objects/companies/7") == "/crm/v3/objects/{type}/{id}"
    assert ROUTER.route("POST", "/crm/v3/objects/0-2/search")[0].template == "/crm/v3/objects/{type}/search"
    asked = "/services/data/v66.0/sobjects/Task/Plansync_Key__c/a%2Fb"
    assert path_template("salesforce", "PATCH", asked) == "/services/data/v{version}/sobjects/{type}/{key}/{value}"
    assert path_template("salesforce", "GET", "/services/data/v66.0/nowhere/at/all") == "(no such path)"


def test_a_waiver_covers_what_it_names_and_nothing_else() -> None:
    finding = Finding("judge", "GET /crm/v3/objects/{type}", "answer 200 results.*.id", "string_type", "")
    waiver = Waiver("judge", "GET /crm/v3/*", "answer 20? results.*.id", "string_type", "why", "source")
    assert waiver.covers(finding)
    for other in ({"judge": "else"}, {"endpoint": "POST /crm/v3/x"}, {"place": "answer 200"}, {"says": "missing"}):
        assert not waiver.covers(replace(finding, **other))
    assert unwaived([finding, finding]) == [finding]


def test_every_waiver_says_why_and_from_where() -> None:
    assert len(set(waivers())) == len(waivers()) > 0
    assert all(each.why and each.source and each.judge for each in waivers())


def test_the_page_is_current() -> None:
    assert fidelity.PAGE.read_text(encoding="utf-8") == fidelity.rendered(), "run `make fidelity`"


def test_every_call_of_plansync_has_a_row_and_a_word() -> None:
    called = [row for row in fidelity.rows() if row.occasions]
    page = fidelity.rendered()
    assert len(called) > 25
    for row in called:
        (line,) = (each for each in page.splitlines() if each.startswith(f"| `{row.endpoint[1]} {row.endpoint[2]}` |"))
        assert ("**unverified**" in line) == (not row.judges)
