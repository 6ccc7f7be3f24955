"""One request at a time: what is tried again, what is not, and what errors may say."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from integrations.crm import Window
from integrations.errors import CrmError, CrmRefusedError, CrmUnavailableError
from integrations.hubspot.client import HubSpot, HubSpotConfig
from integrations.hubspot.wire import SCOPES_PATH
from integrations.transport import Patience
from models.enums import PullObject
from tests.integrations.hubspot_portal import FULL, NOW, Portal, companies, instant, pulled, running_portal
from tests.integrations.scripted import Reply, scripted


@pytest.fixture
def portal() -> Iterator[Portal]:
    with running_portal() as running:
        yield running


def limited(policy: str) -> dict[str, Any]:
    """HubSpot's body of a 429."""
    return {"status": "error", "message": f"You have reached your {policy} limit.", "policyName": policy}


def client_of(url: str, waits: list[float] | None = None) -> HubSpot:
    """A client that notes its waits instead of waiting."""
    config = HubSpotConfig(base_url=url, access_token=SecretStr("pat-secret"), requests_per_10s=None)
    sleep = waits.append if waits is not None else lambda _: None
    return HubSpot(config, patience=Patience(sleep=sleep, draw=lambda: 0.0))


@pytest.mark.parametrize(
    ("status", "body", "headers", "wait_s"),
    [
        (429, limited("TEN_SECONDLY_ROLLING"), {}, 10.0),
        (429, limited("SECONDLY"), {}, 1.0),
        (429, limited("SECONDLY"), {"Retry-After": "3"}, 3.0),
        (423, {"category": "LOCKED"}, {}, 2.0),
        (477, {"category": "MIGRATION"}, {"Retry-After": "7"}, 7.0),
        (500, b"<html>", {}, 0.0),
        (502, b"", {}, 0.0),
        (503, {"message": "busy"}, {}, 0.0),
        (200, b'{"results": [', {}, 0.0),
        (200, b"[]", {}, 0.0),
    ],
)
def test_what_passes_is_waited_out(
    portal: Portal, status: int, body: Any, headers: dict[str, str], wait_s: float
) -> None:
    companies(portal, {})
    portal.faults.answer("/objects/2026-09/companies", status, body, headers)
    waits: list[float] = []
    client = HubSpot(portal.hubspot().config, patience=Patience(sleep=waits.append, draw=lambda: 0.0))
    assert pulled(client, PullObject.ACCOUNTS, FULL).height == 1
    assert waits == [wait_s]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (429, limited("DAILY"), "HTTP 429 DAILY"),
        (401, {"category": "INVALID_AUTHENTICATION", "message": "no"}, "check PLANSYNC_HUBSPOT__ACCESS_TOKEN"),
        (401, {"category": "INVALID_AUTHENTICATION"}, "HTTP 401 INVALID_AUTHENTICATION"),
        (401, b"<html>login</html>", "HTTP 401"),
        (403, {"category": "MISSING_SCOPES", "message": "no"}, "HTTP 403 MISSING_SCOPES"),
        (404, {"category": "OBJECT_NOT_FOUND"}, "HTTP 404 OBJECT_NOT_FOUND"),
        (414, b"", "HTTP 414"),
    ],
)
def test_what_cannot_pass_is_asked_once(status: int, body: Any, said: str) -> None:
    with scripted(lambda _: Reply(status, body)) as server:
        client = client_of(server.url)
        with pytest.raises(CrmRefusedError, match=said):
            client.now()
        assert client.calls.read == len(server.seen) == 1


def test_a_portal_that_stays_down_is_given_up(portal: Portal) -> None:
    with scripted(lambda _: Reply(None)) as server:
        client = client_of(server.url)
        with pytest.raises(CrmUnavailableError, match="gave up after 5 tries"):
            client.now()
        assert client.calls.read == 5


def test_a_cut_page_is_read_again(portal: Portal) -> None:
    companies(portal, *({} for _ in range(150)))
    portal.faults.lose("/objects/2026-09/companies", times=2)
    client = portal.hubspot()
    assert pulled(client, PullObject.ACCOUNTS, FULL).height == 150
    assert client.calls.read == 1 + 2 + 1 + 2


def test_errors_name_the_request_and_the_code_but_no_value_and_no_token() -> None:
    body = {
        "category": "VALIDATION_ERROR",
        "message": 'Property values were not valid: [{"error":"INVALID_OPTION","name":"tier","message":"ACME"}]',
        "correlationId": "c-1",
    }
    with scripted(lambda _: Reply(403, body)) as server, pytest.raises(CrmError) as caught:
        client_of(server.url).now()
    text = str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)
    assert "GET /crm/owners/2026-09: HTTP 403 VALIDATION_ERROR INVALID_OPTION (tier)" in text
    assert "ACME" not in text
    assert "pat-secret" not in text


def test_a_missing_token_is_said_without_asking() -> None:
    client = HubSpot(HubSpotConfig(base_url="http://127.0.0.1:1"))
    with pytest.raises(CrmRefusedError, match="no access token"):
        client.now()
    assert client.calls.read == 0


def test_one_connection_compressed_and_signed_carries_everything() -> None:
    with scripted(lambda _: Reply(200, {"results": []}, {"Date": "Sat, 21 Nov 2026 03:00:00 GMT"})) as server:
        client = client_of(server.url)
        assert client.now() == NOW
        list(client.pull(PullObject.CONTACTS, Window(None, NOW)))
        client.close()
    assert {seen.headers["authorization"] for seen in server.seen} == {"Bearer pat-secret"}
    assert {seen.headers["accept-encoding"] for seen in server.seen} == {"gzip"}


def test_a_redirect_does_not_carry_the_token_away() -> None:
    with scripted(lambda _: Reply(200, {"results": []})) as elsewhere:
        away = Reply(302, b"", {"Location": elsewhere.url + "/x"})
        with scripted(lambda _: away) as server, pytest.raises(CrmRefusedError, match="HTTP 302"):
            client_of(server.url).now()
        assert elsewhere.seen == []


@pytest.mark.parametrize("version", ["2026-09", "2026-03", "v3"])
def test_every_path_carries_the_version(portal: Portal, version: str) -> None:
    client = portal.hubspot(version=version)
    client.check()
    for target in PullObject:
        list(client.pull(target, Window(instant(0), NOW)))
    paths = [path for path, _ in portal.asked if path != SCOPES_PATH]  # which has no dated path
    roots = {path.split("/")[2] if version == "v3" else path.split("/")[3] for path in paths}
    assert roots == ({"v3"} if version == "v3" else {version})
