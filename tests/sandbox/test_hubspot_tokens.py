"""Signing in to the emulated HubSpot: OAuth at every path, static tokens, scopes, and each kind of 401."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette

from integrations.sandbox import hubspot_side_door
from integrations.sandbox.hubspot_scopes import ALL
from integrations.sandbox.hubspot_tokens import OAuthClient
from tests.sandbox.hubspot_server import NOW, TOKEN, Portal, Reply, Switchboard, plug

APP = OAuthClient.of(TOKEN)
PATHS = ("/oauth/2026-03/token", "/oauth/v1/token", "/oauth/v3/token")


def form(hs: Portal, path: str, **fields: str) -> Reply:
    named = {"client_id": APP.client_id, "client_secret": APP.client_secret} | fields
    answer = hs.pool.request("POST", hs.url + path, fields=named, encode_multipart=False, retries=False)
    return Reply(answer.status, answer.headers, answer.json() if answer.data else None)


def refreshed(hs: Portal, path: str = PATHS[0]) -> dict[str, Any]:
    reply = form(hs, path, grant_type="refresh_token", refresh_token=APP.refresh_token)
    assert reply.status == 200, reply.body
    return dict(reply.body)


@pytest.fixture
def door(hs: Portal, hubspot_socket: tuple[Switchboard, str]) -> Portal:
    """The side door in place of the portal, until ``plug`` puts that back."""
    portal_app = hubspot_socket[0].app
    assert portal_app is not None
    side = Starlette(routes=hubspot_side_door.routes(hs.state, TOKEN))

    async def both(scope: Any, receive: Any, send: Any) -> None:
        is_side = scope["type"] == "http" and scope["path"].startswith("/hubspot/")
        await (side if is_side else portal_app)(scope, receive, send)

    plug(hubspot_socket, both)
    return hs


def scoped(hs: Portal, *scopes: str) -> str:
    return str(hs.post("/hubspot/tokens", {"scopes": list(scopes)}).body["token"])


@pytest.mark.parametrize("path", PATHS)
def test_a_refresh_token_gets_an_access_token_for_half_an_hour(hs: Portal, path: str) -> None:
    signed_in = refreshed(hs, path)
    assert (signed_in["token_type"], signed_in["expires_in"], signed_in["scopes"]) == ("bearer", 1800, list(ALL))
    assert signed_in["refresh_token"] == APP.refresh_token
    access = signed_in["access_token"]
    answered = hs.call("GET", "/crm/v3/objects/companies", token=access)
    assert answered.status == 200
    limits = {name.lower() for name in answered.headers if "ratelimit" in name.lower()}
    assert "x-hubspot-ratelimit-max" in limits
    assert not [name for name in limits if "daily" in name]
    hs.state.clock.set(NOW + timedelta(seconds=1_805))
    expired = hs.call("GET", "/crm/v3/objects/companies", token=access)
    assert (expired.status, expired.body["category"]) == (401, "EXPIRED_AUTHENTICATION")
    assert expired.body["message"] == "The OAuth token used to make this call expired 5 second(s) ago."
    assert expired.body["context"] == {"expire time": ["2026-11-21T03:30:00Z"]}
    assert hs.call("GET", "/crm/v3/objects/companies", token=refreshed(hs, path)["access_token"]).status == 200


WRONG = [
    ({"refresh_token": "na1-wrong"}, "invalid_grant", "BAD_REFRESH_TOKEN"),
    ({"client_secret": "wrong"}, "invalid_client", "BAD_CLIENT_SECRET"),
    ({"client_id": "wrong"}, "invalid_client", "BAD_CLIENT_ID"),
    ({"grant_type": "password"}, "unsupported_grant_type", "BAD_GRANT_TYPE"),
    ({"grant_type": "authorization_code", "code": "code-wrong"}, "invalid_grant", "BAD_AUTH_CODE"),
]


@pytest.mark.parametrize(("change", "error", "status"), WRONG)
def test_refusals_of_sign_in_are_worded_as_the_standard_and_as_before(
    hs: Portal, change: dict[str, str], error: str, status: str
) -> None:
    given = {"grant_type": "refresh_token", "refresh_token": APP.refresh_token} | change
    reply = form(hs, PATHS[0], **given)
    assert (reply.status, reply.body["error"], reply.body["status"]) == (400, error, status)
    assert reply.body["error_description"] == reply.body["message"]


def test_parameters_in_the_query_count_at_the_deprecated_path_only(hs: Portal) -> None:
    query = {"grant_type": "refresh_token", "refresh_token": APP.refresh_token}
    query |= {"client_id": APP.client_id, "client_secret": APP.client_secret}
    assert [hs.call("POST", path, **query).status for path in ("/oauth/v1/token", PATHS[0])] == [200, 400]


def test_an_app_is_installed_with_the_scopes_it_asks_for(hs: Portal) -> None:
    query = {"client_id": APP.client_id, "redirect_uri": "http://127.0.0.1:1/back?x=1", "state": "s"}
    sent = hs.pool.request(
        "GET",
        f"{hs.url}/oauth/authorize",
        fields=query | {"scope": "crm.objects.contacts.read tickets"},
        redirect=False,
        retries=False,
    )
    back = parse_qs(urlsplit(sent.headers["Location"]).query)
    assert (sent.status, back["x"], back["state"]) == (302, ["1"], ["s"])
    given = {"grant_type": "authorization_code", "code": back["code"][0], "redirect_uri": query["redirect_uri"]}
    signed_in = form(hs, PATHS[0], **given).body
    assert signed_in["scopes"] == ["crm.objects.contacts.read", "oauth", "tickets"]
    assert form(hs, PATHS[0], **given).body["status"] == "BAD_AUTH_CODE"
    token = signed_in["access_token"]
    statuses = [hs.call("GET", f"/crm/v3/objects/{kind}", token=token).status for kind in ("contacts", "companies")]
    assert statuses == [200, 403]
    again = form(hs, PATHS[0], grant_type="refresh_token", refresh_token=signed_in["refresh_token"]).body
    assert again["scopes"] == signed_in["scopes"]


def test_what_a_token_is_can_be_asked(hs: Portal) -> None:
    access = refreshed(hs)["access_token"]
    about = form(hs, "/oauth/2026-03/token/introspect", token=access).body
    assert (about["active"], about["token_use"], about["expires_in"]) == (True, "access_token", 1800)
    assert form(hs, "/oauth/2026-03/token/introspect", token="none").body == {"active": False}
    tokens = hs.client().oauth.access_tokens_api.get(access)
    assert (tokens.hub_id, tokens.token_type) == (about["hub_id"], "access")
    assert hs.client().oauth.refresh_tokens_api.get(APP.refresh_token).client_id == APP.client_id
    private = hs.post("/oauth/v2/private-apps/get/access-token-info", {"tokenKey": TOKEN}).body
    assert private["scopes"] == list(ALL)
    form(hs, "/oauth/2026-03/token/revoke", token=access)
    assert hs.call("GET", "/crm/v3/owners", token=access).status == 401
    assert not [seen for seen in hs.state.requests("hubspot") if access in seen.path or APP.refresh_token in seen.path]


def test_the_vendors_client_signs_in(hs: Portal) -> None:
    signed_in = hs.client().oauth.tokens_api.create(
        grant_type="refresh_token",
        refresh_token=APP.refresh_token,
        client_id=APP.client_id,
        client_secret=APP.client_secret,
    )
    assert hs.call("GET", "/crm/v3/owners", token=signed_in.access_token).status == 200
    assert hs.call("GET", "/crm/v3/owners", token=APP.refresh_token).status == 401


SCOPES = """method | path                                           | scope
            GET    | /crm/objects/2026-09/companies                 | crm.objects.companies.read
            POST   | /crm/objects/2026-09/companies                 | crm.objects.companies.write
            POST   | /crm/v3/objects/companies/search               | crm.objects.companies.read
            POST   | /crm/v3/objects/0-2/batch/upsert               | crm.objects.companies.write
            GET    | /crm/v3/objects/tasks                          | crm.objects.contacts.read
            PATCH  | /crm/v3/objects/notes/1                        | crm.objects.contacts.write
            GET    | /crm/v3/objects/tickets                        | tickets
            GET    | /crm/v3/properties/deals                       | crm.schemas.deals.read
            GET    | /crm/v3/properties/deals                       | crm.objects.deals.read
            POST   | /crm/v3/properties/deals                       | crm.schemas.deals.write
            GET    | /crm/v3/owners                                 | crm.objects.owners.read
            GET    | /crm/v3/schemas                                | crm.schemas.custom.read
            POST   | /crm-object-schemas/2026-09/schemas            | crm.schemas.custom.write
            POST   | /crm/v4/associations/deals/companies/batch/read | crm.objects.deals.read
            GET    | /crm/associations/2026-09/deals/companies/labels | crm.schemas.deals.read
            GET    | /settings/v3/users                             | settings.users.read"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in SCOPES.splitlines()[1:]]


@pytest.mark.parametrize(("method", "path", "scope"), ROWS)
def test_a_call_needs_its_scope(door: Portal, method: str, path: str, scope: str) -> None:
    body = {} if method in {"POST", "PATCH"} else None
    with_scope = door.call(method, path, body, token=scoped(door, scope))
    assert with_scope.status != 403
    without = door.call(method, path, body, token=scoped(door, "crm.lists.read"))
    assert (without.status, without.body["category"]) == (403, "MISSING_SCOPES")
    assert without.body["message"].startswith("This app hasn't been granted all required scopes to make this call.")
    (error,) = without.body["errors"]
    assert scope in error["context"]["requiredGranularScopes"]
    assert without.body["links"] == {"scopes": "https://developers.hubspot.com/scopes"}


def test_the_side_door_expires_tokens_and_refuses_nonsense(door: Portal) -> None:
    access = refreshed(door)["access_token"]
    assert door.post("/hubspot/expire-tokens", {}).body == {"expired": 1}
    assert door.call("GET", "/crm/v3/owners", token=access).body["category"] == "EXPIRED_AUTHENTICATION"
    assert door.call("GET", "/crm/v3/owners").status == 200
    assert door.get("/hubspot/settings").body["search_lag_s"] == 0
    assert door.call("PUT", "/hubspot/settings", {"search_lag_s": 30}).body["search_lag_s"] == 30
    for wrong in ({"speed": 1}, {"rate_limit": -1}, {"search_lag_s": "soon"}, {"merges_keep_id": 1}):
        assert door.call("PUT", "/hubspot/settings", wrong).status == 400
    assert door.post("/hubspot/tokens", {"scopes": "all"}).status == 400
    assert door.post("/hubspot/restore", {"object": "spaceships", "ids": []}).status == 400
    assert door.get("/hubspot/settings").body["search_lag_s"] == 30


def test_restored_records_come_back_with_what_they_were_associated_with(door: Portal) -> None:
    contact, company, other = door.make("contacts"), door.make("companies", name="A"), door.make("companies", name="B")
    for one in (company, other):
        door.call("PUT", f"/crm/v4/objects/contacts/{contact}/associations/default/companies/{one}")
    for kind, one in (("contacts", contact), ("companies", other)):
        door.call("DELETE", f"/crm/v3/objects/{kind}/{one}")
    restored = door.post("/hubspot/restore", {"object": "contacts", "ids": [contact, "999"]}).body
    assert restored == {"restored": [contact]}
    shown = door.get(f"/crm/v3/objects/contacts/{contact}").body
    assert (shown["archived"], "archivedAt" in shown) == (False, False)
    held = door.get(f"/crm/v4/objects/contacts/{contact}/associations/companies").body["results"]
    assert [str(each["toObjectId"]) for each in held] == [company]
    assert {kind["typeId"] for kind in held[0]["associationTypes"]} == {1, 279}
    back = door.get(f"/crm/v4/objects/companies/{company}/associations/contacts").body["results"]
    assert [str(each["toObjectId"]) for each in back] == [contact]
