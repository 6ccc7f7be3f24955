"""The RavenStack example on a small fixture of its shape: what the CRMs hold equals what DuckDB counts in the files."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from examples.ravenstack import load, recount, tables
from examples.ravenstack.tables import Tables
from integrations.sandbox.process import running_sandbox
from integrations.sandbox.state import State
from integrations.usage.files import read_usage
from tests.prefect_server import PrefectServer

FIXTURE = Path(__file__).parents[1] / "fixtures" / "ravenstack"
DAY = date(2024, 6, 30)


@dataclass(frozen=True)
class Loaded:
    state: State
    out: Path
    accounts: pl.DataFrame


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    out = tmp_path_factory.mktemp("ravenstack")
    with running_sandbox(as_of=date(2024, 1, 1), state=out / "sandbox.db") as sandbox:
        accounts = load.load(FIXTURE, load.Doors.of(asdict(sandbox.details)), out, DAY)
    state = State(out / "sandbox.db")
    yield Loaded(state, out, accounts)
    state.close()


def test_the_fixture_is_what_its_script_makes(tmp_path: Path) -> None:
    script = tmp_path / "make.py"
    script.write_text((FIXTURE / "make.py").read_text())
    subprocess.run([sys.executable, str(script)], check=True)
    for name in recount.TABLES:
        assert (tmp_path / f"{name}.csv").read_bytes() == (FIXTURE / f"{name}.csv").read_bytes()


def test_every_account_is_in_one_crm_by_its_row(loaded: Loaded) -> None:
    order = pl.read_csv(FIXTURE / "accounts.csv", infer_schema=False)["account_id"].to_list()
    crms = dict(loaded.accounts.select("account_id", "crm").rows())
    assert [crms[account] for account in order] == ["salesforce", "hubspot"] * (len(order) // 2)


def test_revenue_in_the_crms_equals_the_recount(loaded: Loaded) -> None:
    held = loaded.state.query("SELECT Id, CAST(Annual_Recurring_Revenue__c * 100 AS INTEGER) FROM salesforce__Account")
    held += loaded.state.query("SELECT CAST(_id AS TEXT), CAST(current_arr AS INTEGER) * 100 FROM hubspot__companies")
    ids = dict(loaded.accounts.select("crm_id", "account_id").rows())
    assert {ids[crm_id]: arr for crm_id, arr in held} == recount.recounted(FIXTURE, DAY).arr_minor


def test_tickets_in_the_crms_equal_the_recount(loaded: Loaded) -> None:
    cases = "SELECT AccountId, COUNT(*), SUM(1 - IsClosed), SUM(IsEscalated) FROM salesforce__Case GROUP BY 1"
    portal = """SELECT CAST(a.to_id AS TEXT), COUNT(*), SUM(t.hs_is_closed = 'false'), SUM(t.escalated = 'true')
                FROM hubspot__tickets t JOIN hubspot__associations a ON a.from_id = t._id AND a.type_id = 339
                GROUP BY 1"""
    ids = dict(loaded.accounts.select("crm_id", "account_id").rows())
    held = {ids[crm_id]: tuple(counts) for crm_id, *counts in loaded.state.query(cases) + loaded.state.query(portal)}
    expected = recount.recounted(FIXTURE, DAY).tickets
    assert {account: held.get(account, (0, 0, 0)) for account in expected} == expected


def test_tickets_keep_their_days(loaded: Loaded) -> None:
    wanted = tables.tickets_on(tables.read(FIXTURE), DAY)
    days = {
        f"RavenStack ticket {row['ticket_id']}": (row["opened_on"], row["closed_at"] and row["closed_at"].date())
        for row in wanted.to_dicts()
    }
    held = loaded.state.query(
        "SELECT Subject, substr(CreatedDate, 1, 10), substr(ClosedDate, 1, 10) FROM salesforce__Case"
    )
    held += loaded.state.query(
        "SELECT subject, substr(createdate, 1, 10), substr(closed_date, 1, 10) FROM hubspot__tickets"
    )
    assert {name: (opened, closed) for name, opened, closed in held} == {
        name: (str(opened), str(closed) if closed else None) for name, (opened, closed) in days.items()
    }


def test_usage_is_readable_and_complete(loaded: Loaded) -> None:
    good, bad = read_usage(loaded.out / "usage" / "ravenstack.parquet")
    raw = pl.read_csv(FIXTURE / "feature_usage.csv", infer_schema=False)
    known = raw.filter(pl.col("usage_date").str.to_date() <= DAY)
    assert bad.is_empty()
    assert good["event_count"].sum() == known["usage_count"].cast(pl.Int64).sum()
    assert set(good["account_ref"]) <= set(loaded.accounts["account_ref"])


def test_every_band_but_one_has_someone_in_it() -> None:
    bands = recount.recounted(FIXTURE, DAY).bands
    assert sum(bands.values()) == 30
    assert all(bands.values())


# -- an account on a day -----------------------------------------------------------------------------------------------


def drawn(subscriptions: str, tickets: str = "") -> Tables:
    """One account, A, that signed up on 2024-03-01."""

    def table(header: str, rows: str) -> pl.DataFrame:
        names = header.split()
        cells = [[cell if cell != "-" else None for cell in row.split()] for row in rows.strip().splitlines()]
        return pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String), orient="row")

    return Tables(
        accounts=table("account_id signup_date", "A 2024-03-01"),
        subscriptions=table("account_id start_date end_date is_trial billing_frequency arr_amount", subscriptions),
        support_tickets=table("account_id ticket_id submitted_at", tickets),
        feature_usage=table("subscription_id", ""),
    )


@pytest.mark.parametrize(
    ("day", "arr", "ends"),
    [
        ("2024-03-31", 0, None),  # nothing has begun
        ("2024-04-01", 1200, date(2025, 4, 1)),  # the first day of the first one
        ("2024-06-30", 7200, date(2025, 5, 1)),  # the larger one decides when the contract ends
        ("2024-07-01", 1200, date(2025, 4, 1)),  # its end is the first day without
        ("2025-03-31", 1200, date(2025, 4, 1)),
        ("2025-04-01", 1200, date(2026, 4, 1)),  # a year later the term begins anew
    ],
)
def test_revenue_and_term_follow_from_the_subscriptions_of_the_day(day: str, arr: int, ends: date | None) -> None:
    found = drawn("""A 2024-04-01 -          FALSE annual  1200
                     A 2024-05-01 2024-07-01 FALSE annual  6000
                     A 2024-03-01 -          TRUE  annual  9999""")
    account = tables.accounts_on(found, date.fromisoformat(day)).row(0, named=True)
    assert (account["arr"], account["contract_end"]) == (arr, ends)
    assert account["contract_start"] == (date(2024, 4, 1) if arr else None)


def test_monthly_subscriptions_have_no_term() -> None:
    account = tables.accounts_on(drawn("A 2024-04-01 - FALSE monthly 1200"), DAY).row(0, named=True)
    assert (account["arr"], account["contract_end"]) == (1200, None)


def test_an_account_exists_from_its_first_ticket() -> None:
    early = drawn("A 2024-04-01 - FALSE monthly 1200", "A T 2024-02-01")
    assert tables.accounts_on(early, date(2024, 1, 31)).is_empty()
    assert tables.accounts_on(early, date(2024, 2, 1))["entered_on"].to_list() == [date(2024, 2, 1)]


def test_the_recount_names_every_difference() -> None:
    figures = recount.recounted(FIXTURE, DAY)
    account = next(iter(figures.arr_minor))
    wrong = recount.Figures(29, {**figures.arr_minor, account: -1}, figures.tickets, figures.bands)
    assert recount.differences(figures, figures) == []
    assert [line.split(":")[0] for line in recount.differences(figures, wrong)] == [
        "customers",
        f"arr_minor of {account}",
    ]


@pytest.mark.prefect
def test_the_nightly_flow_agrees_with_the_recount(prefect_server: PrefectServer, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "examples.ravenstack.run",
        str(FIXTURE),
        "--out",
        str(tmp_path),
        "--as-of",
        str(DAY),
    ]
    ended = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env=os.environ | prefect_server.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["differences"] == []
    assert told["run"]["status"] == "ok"
    assert told["run"]["customers"] == 30
