"""One org over HTTP when the network or the org misbehaves: tokens, cursors, lost and strange answers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr, ValidationError

from integrations.crm import CallCounter, Window
from integrations.errors import CrmError, CrmRefusedError, CrmUnavailableError
from integrations.salesforce.fields import SalesforceConfig
from integrations.salesforce.org import Org
from integrations.salesforce.pull import pull
from integrations.salesforce.soql import select, soql
from integrations.transport import Patience
from models.enums import PullObject
from tests.integrations.scripted import Reply, Script, ScriptedServer, Seen, in_turn, scripted

ROOT = "/services/data/v66.0"
FAST = Patience(first_wait_s=0.0, sleep=lambda _: None)
EMPTY = {"totalSize": 0, "done": True, "records": []}
EXPIRED = [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]


@contextmanager
def org_on(script: Script, **settings: object) -> Iterator[tuple[Org, ScriptedServer]]:
    with scripted(script) as server:
        config = SalesforceConfig.model_validate(
            {"base_url": server.url, "access_token": "token-1", "currency": "USD"} | settings
        )
        org = Org(config, CallCounter(), FAST)
        yield org, server
        org.close()


def rows(org: Org) -> list[str]:
    return [record["Id"] for page in org.query_pages("SELECT Id FROM Account") for record in page]


def page(*ids: str, total: int, following: str | None = None) -> dict[str, object]:
    more = {"nextRecordsUrl": following} if following else {}
    return {"totalSize": total, "done": following is None, "records": [{"Id": each} for each in ids], **more}


def signing_in(accepted: set[str], answer: Callable[[Seen], Reply]) -> Script:
    """An org that hands out ``token-2`` and refuses every token that is not ``accepted``."""

    def script(asked: Seen) -> Reply:
        if asked.path == "/services/oauth2/token":
            accepted.add("token-2")
            return Reply(body={"access_token": "token-2", "instance_url": "https://acme.my.salesforce.com"})
        if asked.headers["authorization"].removeprefix("Bearer ") not in accepted:
            return Reply(401, EXPIRED)
        return answer(asked)

    return script


KEYS = {"consumer_key": "key", "consumer_secret": "secret"}


def test_the_first_request_signs_in_with_client_credentials_at_the_configured_host() -> None:
    with org_on(signing_in(set(), lambda _: Reply(body=EMPTY)), access_token=None, **KEYS) as (org, server):
        assert rows(org) == []
        assert [asked.path.partition("?")[0] for asked in server.seen] == ["/services/oauth2/token", f"{ROOT}/queryAll"]
        assert server.seen[0].body == b"grant_type=client_credentials"
        assert server.seen[0].headers["authorization"].startswith("Basic ")
        assert server.seen[1].headers["authorization"] == "Bearer token-2"
        assert (org.calls.read, org.calls.write) == (2, 0)


@pytest.mark.parametrize(
    "refusal",
    [
        Reply(401, EXPIRED),
        Reply(401, [{"errorCode": "INVALID_AUTH_HEADER", "message": "INVALID_HEADER_TYPE"}]),
        Reply(401, {"error": "invalid_token"}),
        Reply(401, b"<html>Unauthorized</html>"),
        Reply(401, b""),
    ],
    ids=["expired", "jwt", "dict", "html", "empty"],
)
def test_a_refused_token_is_renewed_once_whatever_the_body_says(refusal: Reply) -> None:
    def script(asked: Seen) -> Reply:
        if asked.path == "/services/oauth2/token":
            return Reply(body={"access_token": "token-2", "instance_url": "https://acme.my.salesforce.com"})
        return Reply(body=EMPTY) if asked.headers["authorization"] == "Bearer token-2" else refusal

    with org_on(script, **KEYS) as (org, server):
        assert rows(org) == []
        assert len(server.seen) == 3


def test_a_token_that_is_refused_again_ends_in_two_requests_not_in_a_thousand() -> None:
    def script(asked: Seen) -> Reply:
        is_token = asked.path == "/services/oauth2/token"
        return (
            Reply(body={"access_token": "token-2", "instance_url": "https://acme.my.salesforce.com"})
            if is_token
            else Reply(401, EXPIRED)
        )

    with org_on(script, **KEYS) as (org, server):
        with pytest.raises(CrmRefusedError, match="INVALID_SESSION_ID"):
            org.describe("Account")
        assert len(server.seen) == 3


def test_eight_threads_with_one_expired_token_sign_in_once() -> None:
    with org_on(signing_in(set(), lambda _: Reply(body=EMPTY)), **KEYS) as (org, server):
        barrier = threading.Barrier(8)

        def ask() -> None:
            barrier.wait()
            rows(org)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(asked.path == "/services/oauth2/token" for asked in server.seen) == 1
        assert org.calls.read == len(server.seen)


def test_a_lone_token_cannot_be_renewed_and_says_so() -> None:
    with org_on(in_turn(Reply(401, EXPIRED))) as (org, server):
        with pytest.raises(
            CrmRefusedError, match=r"was refused, and there are no credentials.*PLANSYNC_SALESFORCE__ACCESS_TOKEN"
        ):
            rows(org)
        assert len(server.seen) == 1


def test_wrong_credentials_are_refused_without_being_repeated() -> None:
    wrong = Reply(400, {"error": "invalid_client_id", "error_description": "client identifier invalid"})
    with org_on(in_turn(wrong), access_token=None, **KEYS) as (org, _):
        with pytest.raises(CrmRefusedError) as raised:
            rows(org)
        assert "invalid_client_id" in str(raised.value)
        assert "PLANSYNC_SALESFORCE__CONSUMER_KEY, PLANSYNC_SALESFORCE__CONSUMER_SECRET;" in str(raised.value)
        assert "secret" not in str(raised.value)


def test_pages_are_followed_until_done() -> None:
    pages = in_turn(
        Reply(body=page("a", "b", total=3, following=f"{ROOT}/query/01g-2")), Reply(body=page("c", total=3))
    )
    with org_on(pages) as (org, server):
        assert rows(org) == ["a", "b", "c"]
        assert [asked.path for asked in server.seen][1] == f"{ROOT}/query/01g-2"


NEXT = f"{ROOT}/query/01g-2"


@pytest.mark.parametrize(
    "replies",
    [
        [Reply(body=page("a", total=2))],
        [Reply(body=page("a", "b", total=1))],
        [Reply(body={**page("a", total=2), "done": False})],
        [Reply(body=page("a", total=9, following=NEXT))],
        [
            Reply(body=page("a", total=2, following=NEXT)),
            Reply(400, [{"errorCode": "INVALID_QUERY_LOCATOR", "message": "m"}]),
        ],
        [Reply(400, [{"errorCode": "QUERY_TIMEOUT", "message": "m"}])],
        [Reply(body=page("a", total=1), cut=5)],
        [Reply(body=b'{"totalSize": 1, "done": tr')],
        [Reply(body={"message": "welcome"})],
        [Reply(None)],
        [Reply(503, b"<html>maintenance</html>")],
        [Reply(500, [{"errorCode": "UNKNOWN_EXCEPTION", "message": "m"}])],
    ],
    ids=[
        "rows missing", "rows too many", "not done, no next", "same page for ever", "cursor expired", "query timeout",
        "cut", "broken JSON", "no page", "hung up", "maintenance", "broken",
    ],
)  # fmt: skip
def test_an_incomplete_window_is_unavailable_never_short(replies: list[Reply]) -> None:
    with org_on(in_turn(*replies)) as (org, server):
        with pytest.raises(CrmUnavailableError):
            rows(org)
        assert all(asked.path.startswith(ROOT) for asked in server.seen)


def test_a_passing_fault_in_a_page_is_invisible() -> None:
    whole = Reply(body=page("a", total=1))
    for fault in (Reply(503), Reply(500), Reply(None), Reply(body=page("a", total=1), cut=3), Reply(429)):
        with org_on(in_turn(fault, whole)) as (org, server):
            assert rows(org) == ["a"]
            assert org.calls.read == len(server.seen) == 2


@pytest.mark.parametrize(
    ("reply", "sent"),
    [
        (Reply(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}]), 1),
        (Reply(403, [{"errorCode": "API_DISABLED_FOR_ORG", "message": "no"}]), 1),
        (Reply(400, [{"errorCode": "INVALID_FIELD", "message": "No such column 'X__c'"}]), 1),
        (Reply(404, [{"errorCode": "NOT_FOUND", "message": "no"}]), 1),
        (Reply(431, b"<html>too long</html>"), 1),
        (Reply(302, b"", {"Location": "https://evil.example/"}), 1),
    ],
    ids=["quota spent", "no API", "no such field", "no such version", "address too long", "redirect"],
)
def test_what_trying_again_cannot_help_is_refused_at_once(reply: Reply, sent: int) -> None:
    with org_on(in_turn(reply)) as (org, server):
        with pytest.raises(CrmRefusedError):
            rows(org)
        assert len(server.seen) == sent


def test_too_many_requests_at_once_are_repeated() -> None:
    busy = [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentRequests (Concurrent API Requests) exceeded"}]
    with org_on(in_turn(Reply(403, busy), Reply(body=EMPTY))) as (org, _):
        assert rows(org) == []


def test_errors_never_carry_values_tokens_or_bodies() -> None:
    echo = [{"errorCode": "JSON_PARSER_ERROR", "message": "Cannot read value Acme Corp is bankrupt"}]
    with org_on(in_turn(Reply(400, echo))) as (org, _):
        with pytest.raises(CrmError) as raised:
            org.collected("/Task/Plansync_Key__c", [{"Subject": "Acme Corp is bankrupt"}])
        assert "JSON_PARSER_ERROR" in str(raised.value)
        assert "bankrupt" not in str(raised.value)
        assert "token-1" not in str(raised.value)


def test_headers_that_matter() -> None:
    written = in_turn(Reply(body=[{"id": "00T", "success": True, "created": True, "errors": []}]))
    with org_on(written) as (org, server):
        org.collected("/Task/Plansync_Key__c", [{"Subject": "s"}])
        sent = server.seen[0].headers
    assert sent["sforce-auto-assign"] == "FALSE"
    assert sent["sforce-duplicate-rule-header"] == "allowSave=true"
    assert "gzip" in sent["accept-encoding"]
    with org_on(in_turn(Reply(body={"fields": []}))) as (org, server):
        org.describe("Account")
        assert "x-prettyprint" not in server.seen[0].headers
        assert server.seen[0].headers["authorization"] == "Bearer token-1"


def test_proxies_and_netrc_of_the_environment_do_not_touch_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with org_on(in_turn(Reply(body=EMPTY))) as (org, _):
        assert rows(org) == []


def test_a_lost_answer_to_a_batch_is_unavailable_and_a_short_one_too() -> None:
    for reply in (Reply(None), Reply(body=[]), Reply(body={"oops": 1})):
        with org_on(in_turn(reply)) as (org, _), pytest.raises(CrmUnavailableError):
            org.collected("/Task/Plansync_Key__c", [{"Subject": "s"}])


def test_calls_count_what_left_the_house() -> None:
    with org_on(in_turn(Reply(503), Reply(body=EMPTY))) as (org, _):
        rows(org)
        assert (org.calls.read, org.calls.write) == (2, 0)
    with pytest.raises(CrmUnavailableError):
        rows(org)  # the server is gone: nothing left
    assert (org.calls.read, org.calls.write) == (2, 0)


def test_the_clock_is_the_orgs() -> None:
    with org_on(in_turn(Reply(body={"DailyApiRequests": {"Max": 100, "Remaining": 90}}))) as (org, _):
        now = org.now()
    assert now.utcoffset() == datetime.now(UTC).utcoffset()
    assert now.microsecond == 0


def test_a_missing_object_is_none_and_asked_once() -> None:
    with org_on(in_turn(Reply(404, [{"errorCode": "NOT_FOUND", "message": "no"}]))) as (org, server):
        assert org.describe("Success_Plan__c") is None
        assert org.describe("Success_Plan__c") is None
        assert len(server.seen) == 1


def test_a_describe_that_is_no_json_is_unavailable() -> None:
    with org_on(in_turn(Reply(200, b"<html>"))) as (org, _), pytest.raises(CrmUnavailableError):
        org.describe("Account")


def test_the_last_of_the_daily_calls_is_left_to_others() -> None:
    spent = {"Sforce-Limit-Info": "api-usage=90/100; per-app-api-usage=1/250(appName=x)"}
    with org_on(in_turn(Reply(body=EMPTY, headers=spent))) as (org, server):
        rows(org)
        with pytest.raises(CrmRefusedError, match="90 of 100"):
            rows(org)
        assert len(server.seen) == 1


FIELDS = {"Id": "id", "SystemModstamp": "datetime", "IsDeleted": "boolean"}


@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ({}, "SystemModstamp > 2026-11-20T00:00:00+00:00 AND SystemModstamp <= 2026-11-21T00:00:00+00:00"),
        ({"IsChild": "boolean"}, "SystemModstamp <= 2026-11-21T00:00:00+00:00 AND IsChild = false"),
        ({"Outcome__c": "formula"}, "WHERE SystemModstamp <= 2026-11-21T00:00:00+00:00"),
    ],
    ids=["plain", "invitee copies", "formula"],
)
def test_what_a_window_asks(more: dict[str, str], asked: str) -> None:
    def script(seen: Seen) -> Reply:
        described = [
            {"name": name, "type": kind.replace("formula", "string"), "calculated": kind == "formula"}
            for name, kind in (FIELDS | more).items()
        ]
        return Reply(body={"fields": described} if seen.path.endswith("/describe") else EMPTY)

    window = Window(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC))
    with org_on(script) as (org, server):
        assert list(pull(org, PullObject.ACTIVITIES, window)) == []
        query = next(parse_qs(seen.path.partition("?")[2])["q"][0] for seen in server.seen if "?" in seen.path)
    assert query.startswith("SELECT Id, SystemModstamp, IsDeleted")
    assert "FROM Event" in query
    assert asked in query


def test_an_org_without_plan_objects_has_no_plans() -> None:
    missing = Reply(404, [{"errorCode": "NOT_FOUND", "message": "no"}])
    with org_on(in_turn(missing)) as (org, server):
        assert list(pull(org, PullObject.PLANS, Window(None, datetime(2026, 11, 21, tzinfo=UTC)))) == []
        assert all(seen.path.endswith("/describe") for seen in server.seen)


def test_soql_quotes_values_and_refuses_what_would_slip_through() -> None:
    at = datetime(2026, 11, 20, 10, 11, 12, 999, UTC)
    assert soql("A > {at}", at=at) == "A > 2026-11-20T10:11:12+00:00"
    assert soql("A IN {k}", k=["x' OR Name != '", "b"]) == "A IN ('x\\' OR Name != \\'','b')"
    for query, value in (
        ("A > {v}", datetime(2026, 11, 20)),  # noqa: DTZ001  # what must be refused
        ("A IN {v}", []),
        ("A = {v:literal}", "x"),
        ("A = {v!s:literal}", "x"),
    ):
        with pytest.raises(ValueError, match=r"SOQL|quoted"):
            soql(query, v=value)
    with pytest.raises(ValueError, match="not a Salesforce name"):
        select("Account", ["Id", "Name FROM User"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("base_url", "http://acme.my.salesforce.com"),
        ("base_url", "https://acme.my.salesforce.com/services"),
        ("base_url", "acme"),
        ("fields", {"accounts": {"arr": "ARR__c"}}),
        ("fields", {"account": {"arr_minor": "ARR__c"}}),
        ("fields", {"accounts": {"arr_minor": "ARR__c FROM User"}}),
        ("api_version", "v66"),
        ("fallback", "x"),
    ],
)
def test_wrong_settings_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        SalesforceConfig.model_validate({"base_url": "https://acme.my.salesforce.com", field: value})
    assert field in str(raised.value)


def test_secrets_do_not_print() -> None:
    config = SalesforceConfig(base_url="https://acme.my.salesforce.com", access_token=SecretStr("top"))
    assert "top" not in repr(config)
