"""Load RavenStack into a running, empty sandbox, and write the usage files that plansync reads.

    plansync sandbox serve --empty --as-of 2023-01-01 > sandbox.json &
    python -m examples.ravenstack.load FOLDER --sandbox sandbox.json --out out

Accounts in even rows of the file (the first row is row 0) become Salesforce Accounts, those in odd rows HubSpot
companies. Salesforce stamps a case with the time at which it is made, so the sandbox's clock walks through the two
years, day by day, and each case is opened and closed on its own day.
"""

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

import polars as pl
import requests

from examples.ravenstack import tables
from examples.ravenstack.crms import HubSpotPortal, Row, SalesforceOrg

LAST_DAY = date(2024, 12, 31)
MORNING, NIGHT, EVENING = time(0, 0, 1), time(23, 30), time(23, 45)


@dataclass(frozen=True, slots=True)
class Doors:
    """Both CRMs, and the sandbox's clock."""

    salesforce: SalesforceOrg
    hubspot: HubSpotPortal
    admin_url: str

    @classmethod
    def of(cls, details: dict[str, dict[str, str] | str]) -> "Doors":
        """From the line that the sandbox prints when it is ready."""
        crms = {name: details[name] for name in ("salesforce", "hubspot")}
        tokens = {
            name: (each["base_url"], each["access_token"]) for name, each in crms.items() if isinstance(each, dict)
        }
        return cls(SalesforceOrg(*tokens["salesforce"]), HubSpotPortal(*tokens["hubspot"]), str(details["admin_url"]))

    def set_clock(self, day: date, at: time) -> None:
        instant = datetime.combine(day, at, UTC).isoformat()
        with requests.Session() as session:
            session.trust_env = False
            session.put(f"{self.admin_url}/clock", json={"now": instant}, timeout=10).raise_for_status()


def load(folder: Path, doors: Doors, out: Path, day: date = LAST_DAY) -> pl.DataFrame:
    """Load what had happened by the end of ``day``.

    Returns:
        One row per account: ``account_id`` (RavenStack's), ``crm``, ``crm_id`` and ``account_ref``; also written to
        ``out/accounts.csv``, beside ``out/usage/ravenstack.parquet``.

    Raises:
        SystemExit: The sandbox is not empty.
    """
    if not doors.salesforce.is_empty():
        sys.exit("the sandbox holds accounts already: start one with --empty")
    found = tables.read(folder)
    accounts = tables.accounts_on(found, day).to_dicts()
    ids = _live(doors, accounts, tables.tickets_on(found, day).to_dicts())
    _describe(doors, accounts, ids, day)
    rows = [
        (account_id, crm, crm_id, f"{crm}:{crm_id}")
        for crm, known in ids.items()
        for account_id, crm_id in known.items()
    ]
    refs = pl.DataFrame(rows, schema=["account_id", "crm", "crm_id", "account_ref"], orient="row")
    (out / "usage").mkdir(parents=True, exist_ok=True)
    refs.write_csv(out / "accounts.csv")
    tables.usage_on(found, day, refs).write_parquet(out / "usage" / "ravenstack.parquet")
    return refs


def crm_of(account: Row) -> str:
    """Even rows go to Salesforce, odd ones to HubSpot."""
    return "hubspot" if account["place"] % 2 else "salesforce"


def _live(doors: Doors, accounts: list[Row], all_tickets: list[Row]) -> dict[str, dict[str, str]]:
    """Walk through the days; returns the ids in each CRM by RavenStack's."""
    ids: dict[str, dict[str, str]] = {"salesforce": {}, "hubspot": {}}
    cases: dict[str, str] = {}
    homes = {account["account_id"]: crm_of(account) for account in accounts}
    entered, opened, closed = (defaultdict[date, list[Row]](list) for _ in range(3))
    for account in accounts:
        entered[account["entered_on"]].append(account)
    for ticket in all_tickets:
        if homes.get(ticket["account_id"]) == "salesforce":
            opened[ticket["opened_on"]].append(ticket)
            if ticket["closed_at"]:
                closed[ticket["closed_at"].date()].append(ticket)
    for day in sorted({*entered, *opened, *closed}):
        doors.set_clock(day, MORNING)
        new = {crm: [row for row in entered[day] if crm_of(row) == crm] for crm in ids}
        ids["salesforce"] |= doors.salesforce.create_accounts(new["salesforce"])
        ids["hubspot"] |= doors.hubspot.create_companies(new["hubspot"])
        cases |= doors.salesforce.open_cases(opened[day], ids["salesforce"])
        if closed[day]:
            doors.set_clock(day, NIGHT)
            doors.salesforce.close_cases(closed[day], cases)
    doors.hubspot.create_tickets([t for t in all_tickets if homes.get(t["account_id"]) == "hubspot"], ids["hubspot"])
    return ids


def _describe(doors: Doors, accounts: list[Row], ids: dict[str, dict[str, str]], day: date) -> None:
    """Write what is known of the accounts in the evening of ``day``, then end the day."""
    doors.set_clock(day, time(20))
    doors.salesforce.describe_accounts([row for row in accounts if crm_of(row) == "salesforce"], ids["salesforce"])
    doors.hubspot.describe_companies([row for row in accounts if crm_of(row) == "hubspot"], ids["hubspot"])
    doors.set_clock(day, EVENING)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder with RavenStack's CSV files")
    parser.add_argument("--sandbox", type=Path, required=True, help="file with the line that the sandbox printed")
    parser.add_argument("--out", type=Path, required=True, help="folder for usage files and the list of accounts")
    parser.add_argument("--as-of", type=date.fromisoformat, default=LAST_DAY, help=f"default: {LAST_DAY}")
    given = parser.parse_args()
    refs = load(given.folder, Doors.of(json.loads(given.sandbox.read_text())), given.out, given.as_of)
    sys.stderr.write(f"{len(refs)} accounts loaded; usage files in {given.out / 'usage'}\n")


if __name__ == "__main__":
    main()
