"""The whole thing in two minutes: two emulated CRMs, a sample portfolio, and the nightly flow twice."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl

from flows import settings
from flows.customers import all_customers
from flows.running import by_hand, printed
from flows.runtime import open_store
from flows.settings import SettingsError
from integrations.sandbox.portfolio import populate
from integrations.sandbox.portfolio_truth import write_surveys, write_usage
from integrations.sandbox.process import Sandbox, running_sandbox
from integrations.sandbox.state import State
from models.enums import PlanType

DAY = date(2026, 11, 20)
"""The sample portfolio's own today, so that the demo tells the same stories whenever it runs."""

EVENING = time(22, tzinfo=UTC)
"""When the CRMs' clocks stand: after the day's last record, and long enough for the windows to hold back."""

MARK = ".plansync-demo"

SETTINGS = """\
# The demo's settings. The two CRMs name ARR, renewal date, tier and owner differently on purpose.
[store]
url = "sqlite:///{folder}/plansync.db"

[report]
folder = "{folder}/reports"

[usage]
files = ["{folder}/usage"]

[surveys]
files = ["{folder}/surveys"]

[salesforce]
base_url = "{salesforce}"
fallback_owner = "0055g0000000001AAA"

[salesforce.fields.accounts]
arr_minor = "Annual_Recurring_Revenue__c"
renewal_date = "Renewal_Date__c"
tier = "Customer_Tier__c"
segment = "Segment__c"
owner_crm_id = "CSM__c"
seats_count = "Seats__c"
is_strategic = "Strategic__c"
contract_start_date = "Contract_Start__c"
contract_end_date = "Contract_End__c"
notice_days = "Notice_Period_Days__c"
linked_crm_id = "HubSpot_Company_Id__c"

[salesforce.fields.contacts]
role = "Stakeholder_Role__c"
has_left = "Left_Company__c"
left_date = "Left_Company_On__c"

[salesforce.fields.tickets]
satisfaction_pct = "CSAT_Score__c"

[salesforce.fields.activities]
outcome = "Outcome__c"
is_inbound = "Direction__c"

[hubspot]
base_url = "{hubspot}"
fallback_owner = "70000001"
requests_per_10s = 0  # no limit on loopback

[hubspot.properties.accounts]
arr_minor = "current_arr"
currency = "arr_currency"
renewal_date = "next_renewal"
tier = "customer_class"
segment = "market_segment"
owner_crm_id = "csm_owner"
seats_count = "seats"
is_strategic = "is_strategic"
contract_start_date = "contract_start"
contract_end_date = "contract_end"
notice_days = "notice_days"
linked_crm_id = "salesforceaccountid"

[hubspot.properties.contacts]
role = "stakeholder_role"
has_left = "left_company"
left_date = "left_company_on"

[hubspot.properties.tickets]
is_escalated = "escalated"
satisfaction_pct = "csat_score"
"""


def demonstrate(folder: Path, *, customers: int, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the demo in ``folder``, which is made anew.

    Returns:
        ``first`` and ``second``: the two run summaries; ``report``: path of the renewal-risk page.
    """
    folder = _fresh(folder).resolve()
    say(f"making {customers} sample customers, whose stories unfold over two years before {DAY} ...")
    state = prepare(folder, customers=customers, seed=seed, day=DAY)
    with running_sandbox(state=state) as sandbox, environment(sandbox, folder):
        config = write_settings(folder, sandbox)
        say("first run of the nightly flow (Prefect starts a server of its own, which takes a moment) ...")
        first = by_hand(DAY, is_dry=False, config=config)
        say(printed(first) + "\nsecond run, nothing having changed ...")
        second = by_hand(DAY, is_dry=False, config=config)
        say(printed(second))
    report = next(path for path in second["reports"] if path.endswith(".html"))
    say(_where_to_look(folder, report, _worst_customer(config)))
    return {"first": first, "second": second, "report": report}


def prepare(folder: Path, *, customers: int, seed: int, day: date) -> Path:
    """Fill a sandbox state file with a portfolio and write its usage and survey files. Returns the state file."""
    path = folder / "sandbox.db"
    state = State(path)
    state.clock.set(datetime.combine(day, EVENING))
    truth = populate(state, customers=customers, seed=seed, as_of=day)
    state.close()
    write_usage(folder / "usage", truth)
    write_surveys(folder / "surveys", truth)
    return path


def write_settings(folder: Path, sandbox: Sandbox) -> Path:
    """Write the demo's `plansync.toml`: the field mapping of both sandbox CRMs, without secrets."""
    config = folder / "plansync.toml"
    config.write_text(
        SETTINGS.format(
            folder=folder,
            salesforce=sandbox.salesforce.base_url,
            hubspot=sandbox.hubspot.base_url,
        )
    )
    return config


@contextmanager
def environment(sandbox: Sandbox, folder: Path) -> Iterator[None]:
    """Credentials for the sandbox, a Prefect home of the demo's own, and no limit on calls to loopback."""
    wanted: Mapping[str, str] = {
        "PLANSYNC_SALESFORCE__CONSUMER_KEY": sandbox.salesforce.consumer_key,
        "PLANSYNC_SALESFORCE__CONSUMER_SECRET": sandbox.salesforce.consumer_secret,
        "PLANSYNC_HUBSPOT__ACCESS_TOKEN": sandbox.hubspot.access_token,
        "PREFECT_HOME": str(folder / "prefect"),
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


def _fresh(folder: Path) -> Path:
    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARK).exists():
            raise SettingsError(f"{folder}: not a folder that the demo made; name another with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    return folder


def _worst_customer(config: Path) -> str:
    """Somebody worth looking at: the lowest score that is due a plan of six sections."""
    chosen = settings.load(config)
    with open_store(chosen) as store:
        found, people = store.assessment(DAY), all_customers(store, chosen)
    due = found["lifecycle"].filter(pl.col("plan_type").is_in([str(PlanType.FORMAL), str(PlanType.ONE_PAGE)]))
    worst = found["health"].join(due, on="customer_id", how="semi").sort("score", nulls_last=True).head(1)
    return str(worst.join(people, on="customer_id")["name"][0])


def _where_to_look(folder: Path, report: str, customer: str) -> str:
    config = f"--config {folder / 'plansync.toml'}"
    return (
        "\nDone: plan sections, fields and tasks stand in both CRMs; the second run had nothing to write.\n"
        f"Look at\n  {report}\n      the renewal-risk report for leaders (and its .xlsx beside it)\n"
        f"  .venv/bin/plansync explain {customer!r} {config}\n      why a customer stands where it stands\n"
        f"  .venv/bin/plansync plans show {customer!r} {config}\n      its plan sections as the CRM holds them\n"
        f"  .venv/bin/plansync runs list {config}\n      both runs"
    )
