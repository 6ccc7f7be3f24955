"""What `benchmarks.bulk` measures: a full load of contacts, ours and the cheapest."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import urllib3
from pydantic import SecretStr

from benchmarks.measuring import measured, peak_mib
from benchmarks.recording import connections_opened, recorded
from integrations.crm import Window
from integrations.salesforce.client import Salesforce, SalesforceConfig
from integrations.sandbox.salesforce_store import INTEGRATION_USER_ID, load, prepare
from integrations.sandbox.state import State
from models.enums import PullObject

ACCOUNTS = 1_000
_ROWS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO salesforce__Contact (
    _row, Id, IsDeleted, AccountId, FirstName, LastName, Name, Email, Title, Stakeholder_Role__c, Left_Company__c,
    OwnerId, CreatedById, LastModifiedById, CreatedDate, LastModifiedDate, SystemModstamp)
SELECT i, printf('0035b0%09dAAA', i), i % 100 = 0, printf('0015b0%09dAAA', i % :accounts), 'Given' || (i % 977),
    'Family' || i, 'Given' || (i % 977) || ' Family' || i, 'given' || i || '@company' || (i % :accounts) || '.example',
    CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'Head of "Operations"' ELSE 'Manager, Region ' || i % 50 END,
    CASE i % 4 WHEN 0 THEN 'Champion' WHEN 1 THEN 'Technical Admin' END, i % 20 = 0, :owner, :owner, :owner, at, at, at
FROM (SELECT i, strftime('%Y-%m-%dT%H:%M:%S', 1735689600 + i * 13, 'unixepoch') || '.000+0000' AS at FROM n)
"""


def contacts(folder: Path, contacts: int) -> dict[str, Any]:
    """An org with as many contacts, put into the sandbox's database by one statement."""

    def fill() -> int:
        state = State(folder / "sandbox.db")
        prepare(state)
        load(state, "Account", [{"Name": f"Company {number}"} for number in range(ACCOUNTS)])
        given = {"count": contacts, "accounts": ACCOUNTS, "owner": INTEGRATION_USER_ID}
        count = state.execute(_ROWS, given)
        state.close()
        return count

    return measured(fill)


def bulk(folder: Path) -> dict[str, Any]:
    """Every contact as frames that fulfil their contract, a page at a time, nothing kept."""
    url, token = os.environ["BENCH_SALESFORCE_URL"], os.environ["BENCH_SALESFORCE_TOKEN"]
    port = Salesforce(SalesforceConfig(base_url=url, access_token=SecretStr(token), bulk_above=0, budget_pct=100))

    def fetch() -> int:
        pages = port.pull(PullObject.CONTACTS, Window(None, port.now()))
        return sum(frame.height for page in pages for frame in page.rows.values())

    with recorded(folder / "bulk.json"), connections_opened() as opened:
        told = measured(fetch)
    return told | {"peak_mib": peak_mib(), "connections": len(opened), "calls": port.calls.read}


def bulk_raw(folder: Path) -> dict[str, Any]:
    """The same pages by urllib3 and `polars.read_csv`; only their CPU counts, the job is made and waited for before."""
    asked = orjson.loads((folder / "bulk.json").read_bytes())
    made = next(each for each in asked if each["method"] == "POST" and each["url"].endswith("/jobs/query"))
    fields = next(each["url"] for each in asked if "/results" in each["url"]).partition("maxRecords=")[2]
    pool, headers = urllib3.PoolManager(), {**made["headers"], "accept-encoding": "gzip"}
    job = orjson.loads(pool.request("POST", made["url"], body=made["body"], headers=headers).data)["id"]
    while orjson.loads(pool.request("GET", f"{made['url']}/{job}", headers=headers).data)["state"] != "JobComplete":
        time.sleep(0.1)
    results = f"{made['url']}/{job}/results?maxRecords={fields.partition('&')[0]}"
    told = measured(lambda: sum(page.height for page in _pages(pool, results, headers)))
    pool.request("DELETE", f"{made['url']}/{job}", headers=headers)
    return told | {"peak_mib": peak_mib()}


def _pages(pool: urllib3.PoolManager, results: str, headers: dict[str, str]) -> Iterator[pl.DataFrame]:
    locator = ""
    while locator != "null":
        answer = pool.request("GET", results + (f"&locator={locator}" if locator else ""), headers=headers)
        locator = answer.headers["sforce-locator"]
        yield pl.read_csv(answer.data, infer_schema=False)
