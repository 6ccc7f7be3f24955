"""P42: no answer leads a request or a token off the host that the settings name."""

import pytest
from pydantic import ValidationError

from integrations.errors import CrmRefusedError
from integrations.hosts import check_host, path_on
from integrations.hubspot.fields import DOMAINS as HUBSPOT
from integrations.hubspot.fields import HubSpotConfig
from integrations.salesforce.fields import DOMAINS as SALESFORCE
from integrations.salesforce.fields import SalesforceConfig
from integrations.tokens import InMemory
from tests.integrations.scripted import Reply, Seen, in_turn, scripted
from tests.integrations.test_salesforce_wire import org_on, page, rows
from tests.promises.clients import REFRESHED, TOKEN_PATHS, VENDORS, client_of, serving

ACME = "https://acme.my.salesforce.com"
NEXT = "/services/data/v66.0/query/01g-2"
BAD_LINKS = [
    "https://evil.example/services/data/steal",
    "http://acme.my.salesforce.com/services/data/x",
    "https://acme.my.salesforce.com.evil.example/services/data/x",
    "https://acme.my.salesforce.com:8443/services/data/x",
    "https://acme.my.salesforce.com@evil.example/services/data/x",
    "//evil.example/services/data",
    "/\\evil.example/services/data",
    "http://169.254.169.254/latest/meta-data",
    "http://127.0.0.1:9/services/data",
    "/services/data/../../admin",
    "services/data/x",
    "file:///etc/passwd",
    "/services/data/x\r\nHost: evil.example",
    "",
    17,
    None,
]


@pytest.mark.parametrize("link", BAD_LINKS, ids=str)
def test_a_link_off_the_host_is_refused(link: object) -> None:
    with pytest.raises(CrmRefusedError, match="nothing was sent there"):
        path_on(ACME, link, what="salesforce: next page")


@pytest.mark.parametrize("link", [NEXT, ACME + NEXT, NEXT + "?batch=2"])
def test_a_link_on_the_host_is_its_path(link: str) -> None:
    assert path_on(ACME, link, what="salesforce: next page") == link.removeprefix(ACME)


@pytest.mark.parametrize("link", [*BAD_LINKS[:-1], "/services/oauth2/token"], ids=str)
def test_no_next_page_of_salesforce_leads_astray(link: object) -> None:
    told = {**page("a", total=2), "done": False, "nextRecordsUrl": link}
    with org_on(in_turn(Reply(body=told))) as (org, server):
        with pytest.raises(CrmRefusedError, match="nextRecordsUrl"):
            rows(org)
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("base", "url", "is_allowed"),
    [
        (ACME, ACME, True),
        (ACME, "https://acme--uat.sandbox.my.salesforce.com", True),
        (ACME, "https://eu7.force.com", True),
        (ACME, "http://acme.my.salesforce.com", False),
        (ACME, "https://salesforce.com.evil.example", False),
        (ACME, "https://evilsalesforce.com", False),
        (ACME, "https://127.0.0.1", False),
        (ACME, "http://localhost:8080", False),
        (ACME, "https://10.0.0.7", False),
        (ACME, None, False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:9090", True),
        ("http://127.0.0.1:8080", "http://10.0.0.7:9090", False),
    ],
)
def test_an_instance_url_is_salesforces_or_on_loopback_with_us(base: str, url: object, is_allowed: bool) -> None:
    if is_allowed:
        check_host(base, url, SALESFORCE, what="instance_url")
    else:
        with pytest.raises(CrmRefusedError, match="not the vendor's"):
            check_host(base, url, SALESFORCE, what="instance_url")


@pytest.mark.parametrize("kind", ["client credentials", "refresh token"])
def test_a_sign_in_that_names_a_foreign_instance_is_refused_and_its_token_unused(kind: str) -> None:
    told = {"access_token": "token-2", "instance_url": "https://evil.example"}
    refresh = InMemory("r") if kind == "refresh token" else None
    with serving("salesforce", in_turn(Reply(body=told)), access_token=None, refresh_token=refresh,
                 **REFRESHED["salesforce"]) as (client, server):  # fmt: skip
        with pytest.raises(CrmRefusedError, match=r"instance_url names a host .*evil\.example"):
            client.read()
        assert [asked.path for asked in server.seen] == [TOKEN_PATHS["salesforce"]]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(vendor: str, status: int) -> None:
    with scripted(in_turn(Reply(body={}))) as elsewhere:
        away = Reply(status, b"", {"Location": elsewhere.url + "/services/data/x"})
        with serving(vendor, in_turn(away)) as (client, server):
            with pytest.raises(CrmRefusedError, match=r"a redirect to 127\.0\.0\.1, not followed"):
                client.read()
            with pytest.raises(CrmRefusedError, match="not followed"):
                client.post(is_repeatable=True)
            assert len(server.seen) == 2
        assert elsewhere.seen == []


def test_hubspots_paging_links_are_not_used_at_all() -> None:
    """The cursor is taken, the link that stands beside it is not."""

    def script(asked: Seen) -> Reply:
        link = {"after": "2", "link": "https://evil.example/crm/objects?after=2"}
        return Reply(body={"results": [], **({} if "after" in asked.path else {"paging": {"next": link}})})

    with scripted(script) as server:
        client = client_of("hubspot", server.url)
        client.read()
        client.close()
        assert all(asked.headers["host"] in server.url for asked in server.seen)


@pytest.mark.parametrize(
    ("config", "url"),
    [
        (SalesforceConfig, "https://evil.example"),
        (SalesforceConfig, "https://evilsalesforce.com"),
        (SalesforceConfig, "http://acme.my.salesforce.com"),
        (HubSpotConfig, "https://api.hubapi.com.evil.example"),
        (HubSpotConfig, "http://api.hubapi.com"),
    ],
)
def test_settings_may_not_name_a_strangers_host(config: type[SalesforceConfig | HubSpotConfig], url: str) -> None:
    with pytest.raises(ValidationError, match="base_url"):
        config(base_url=url)


def test_the_vendors_own_hosts_are_accepted() -> None:
    assert HubSpotConfig(base_url="https://api-eu1.hubapi.com").base_url == "https://api-eu1.hubapi.com"
    assert SalesforceConfig(base_url=ACME + "/").base_url == ACME
    assert {*HUBSPOT, *SALESFORCE} == {"hubapi.com", "hubspot.com", "salesforce.com", "force.com"}
