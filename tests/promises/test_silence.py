"""P41: no secret and no person in any log, error or trace, whatever goes wrong, at the most talkative level."""

import logging
import traceback
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from integrations.crm import Window
from integrations.errors import CrmError
from integrations.hubspot.client import HubSpot, HubSpotConfig
from integrations.salesforce.client import Salesforce, SalesforceConfig
from integrations.sandbox.process import Sandbox, running_sandbox
from integrations.tokens import InMemory
from integrations.transport import Patience
from models.enums import Crm, PullObject, WriteAction, WriteKind
from models.records import Write
from tests.contract.sides import Admin
from tests.integrations.scripted import Reply, Seen, scripted
from tests.promises.clients import REFRESHED, TOKEN_PATHS, VENDORS, client_of

TOKEN = "canary-token-7f3a"
PERSON = "Canary Person is leaving"
ECHO = {"message": f"could not read {PERSON} with Bearer {TOKEN}", "errorCode": "JSON_PARSER_ERROR", "category": "X"}
CANARIES = (TOKEN, PERSON, "s3cret", "refresh-1")
TALKATIVE = ("urllib3", "requests", "simple_salesforce", "hubspot", "integrations", "flows")
NOW = {"first_wait_s": 0.0, "sleep": lambda _: None}
FAULTS: dict[str, dict[str, Any]] = {
    "down": {"kind": "down"},
    "drop": {"kind": "drop"},
    "commit then drop": {"kind": "commit_then_drop", "methods": ["POST", "PATCH"]},
    "truncate": {"kind": "truncate"},
    "latency": {"kind": "latency", "latency_ms": 30, "count": 8},
    **{f"status {each}": {"kind": "status", "status": each, "body": [ECHO]} for each in (400, 401, 403, 409, 500)},
    "rate limit": {"kind": "status", "status": 429, "body": {**ECHO, "policyName": "TEN_SECONDLY_ROLLING"}},
    "redirect": {"kind": "status", "status": 302, "headers": {"Location": f"http://x.example/?t={TOKEN}"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox(token=TOKEN) as running:
        yield running


class Listener(logging.Handler):
    """Keeps every record as it would be written, with its arguments and its trace."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.said: list[str] = []
        self.names: set[str] = set()

    def wake(self) -> None:
        """Let everybody talk; HubSpot's client silences urllib3 whenever one is made."""
        for each in (logging.getLogger(name) for name in ("", *TALKATIVE)):
            each.setLevel(logging.DEBUG)

    def emit(self, record: logging.LogRecord) -> None:
        self.names.add(record.name.partition(".")[0])
        self.said += [self.format(record), str(record.args)]


@pytest.fixture
def heard(capsys: pytest.CaptureFixture[str]) -> Iterator[Listener]:
    """Everything that is said meanwhile: all loggers at DEBUG, what is printed, and what the test adds."""
    listener, loggers = Listener(), [logging.getLogger(name) for name in ("", *TALKATIVE)]
    levels = [each.level for each in loggers]
    logging.getLogger().addHandler(listener)
    yield listener
    logging.getLogger().removeHandler(listener)
    for each, level in zip(loggers, levels, strict=True):
        each.setLevel(level)
    printed = capsys.readouterr()
    assert "urllib3" in listener.names, "nothing was listened to"
    said = "\n".join([*listener.said, printed.out, printed.err])
    assert [canary for canary in CANARIES if canary in said] == []


def told(error: BaseException) -> str:
    """An error with everything that it hangs on."""
    whole = [str(error), repr(error), str(vars(error)), "".join(traceback.format_exception(error))]
    for inner in (error.__cause__, error.__context__):
        whole += [told(inner)] if inner is not None else []
    return "\n".join(whole)


def port_of(vendor: str, sandbox: Sandbox) -> HubSpot | Salesforce:
    patience = Patience(**NOW)  # type: ignore[arg-type]
    if vendor == "hubspot":
        settings = {"base_url": sandbox.hubspot.base_url, "access_token": TOKEN, "timeout_s": 0.02}
        return HubSpot(HubSpotConfig.model_validate(settings | {"requests_per_10s": None}), patience=patience)
    settings = {"base_url": sandbox.salesforce.base_url, "access_token": TOKEN, "timeout_s": 0.02}
    return Salesforce(SalesforceConfig.model_validate(settings), patience=patience)


def a_write(crm: Crm) -> Write:
    values = {"subject": PERSON, "body": PERSON, "due_date": date(2026, 12, 1), "priority": "high", "is_closed": False}
    return Write(
        effect_key="e" * 32, record_key="r" * 32, plan_key="p" * 32, customer_id="c", crm=crm, kind=WriteKind.TASKS,
        action=WriteAction.CREATE, account_crm_id="1", crm_id=None, values=values,
    )  # fmt: skip


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_told_whatever_goes_wrong(vendor: str, fault: str, sandbox: Sandbox, heard: Listener) -> None:
    admin, port = Admin(sandbox), port_of(vendor, sandbox)
    heard.wake()
    admin.fault(Crm(vendor), **FAULTS[fault])
    try:
        for act in (
            port.now,
            lambda: list(port.pull(PullObject.ACCOUNTS, Window(None, admin.now()))),
            lambda: port.send([a_write(Crm(vendor))]),
        ):
            try:
                heard.said.append(str(act()))
            except CrmError as error:
                heard.said.append(told(error))
        heard.said.append(repr([finding.detail for finding in port.check()]))
    finally:
        admin.clear_faults()
        admin.close()
        port.close()
    heard.said.append(repr(vars(port)))


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("status", [200, 302, 400, 401, 500])
def test_nothing_is_told_when_sign_in_goes_wrong(vendor: str, status: int, heard: Listener) -> None:
    """The CRM itself repeats the secrets that it was shown."""

    def script(asked: Seen) -> Reply:
        echo = {
            "error": "invalid_grant",
            "error_description": asked.body.decode(),
            "instance_url": f"https://elsewhere.example/{TOKEN}",
        }
        return Reply(status, echo, {"Location": f"https://x.example/?{TOKEN}"}) if _is_sign_in(asked) else Reply(401)

    def _is_sign_in(asked: Seen) -> bool:
        return asked.path == TOKEN_PATHS[vendor]

    with scripted(script) as server:
        client = client_of(
            vendor, server.url, access_token=TOKEN, refresh_token=InMemory("refresh-1"), **REFRESHED[vendor]
        )
        heard.wake()
        with pytest.raises(CrmError) as raised:
            client.read()
        heard.said.append(told(raised.value))
        client.close()
