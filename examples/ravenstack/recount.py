"""Count RavenStack again, straight from the CSV files with DuckDB, and compare with what plansync concluded.

    python -m examples.ravenstack.recount FOLDER --out out --store sqlite:///out/plansync.db --as-of 2024-12-31

Nothing here uses plansync's transforms or the loader: the signals that RavenStack's columns can feed are written down a
second time, in SQL, from their definitions in the policy pack. Exit code 1 if any figure differs.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from models.store import Store

TABLES = ("accounts", "subscriptions", "support_tickets", "feature_usage")
BANDS = ("green", "yellow", "red", "insufficient")

CUSTOMERS = """
CREATE TABLE customers AS
SELECT a.account_id, a.plan_tier FROM accounts a
LEFT JOIN (SELECT account_id, min(submitted_at::DATE) AS first_ticket FROM support_tickets GROUP BY ALL) t USING
(account_id) WHERE least(a.signup_date::DATE, coalesce(first_ticket, a.signup_date::DATE)) <= getvariable('day')
"""

ARR = """
SELECT c.account_id, coalesce(sum(s.arr_amount::BIGINT) FILTER (
           s.is_trial = 'FALSE' AND s.start_date::DATE <= getvariable('day')
           AND (s.end_date IS NULL OR s.end_date::DATE > getvariable('day'))), 0) * 100 AS arr_minor
FROM customers c LEFT JOIN subscriptions s USING (account_id) GROUP BY ALL
"""

# A ticket is open until the minute in which it closes; its rating is known from then on.
TICKETS = """
CREATE TABLE tickets AS
SELECT t.account_id, t.ticket_id, t.priority, t.escalation_flag = 'TRUE' AS is_escalated, t.submitted_at::DATE AS
opened_on,
       closed.day AS closed_on, CASE WHEN closed.day IS NOT NULL THEN t.satisfaction_score::DOUBLE * 20 END AS pct
FROM support_tickets t JOIN customers USING (account_id),
LATERAL (SELECT CASE WHEN t.closed_at[:10]::DATE <= getvariable('day') THEN t.closed_at[:10]::DATE END AS day) closed
WHERE t.submitted_at::DATE <= getvariable('day')
"""

TICKET_COUNTS = """
SELECT c.account_id, count(t.ticket_id) AS tickets, count(t.ticket_id) FILTER (t.closed_on IS NULL) AS open_tickets,
       count(t.ticket_id) FILTER (t.is_escalated) AS escalated
FROM customers c LEFT JOIN tickets t USING (account_id) GROUP BY ALL
"""

# Weeks run from Monday to Sunday. Usage counts to the last Sunday that the newest row of all reaches: in no full week
# of these files do fewer than half of the usual number of accounts report. Tickets count to the week of the day.
USAGE = """
CREATE TABLE used AS
WITH known AS (
    SELECT s.account_id, u.usage_date::DATE AS day, u.feature_name, sum(u.usage_count::BIGINT) AS events
    FROM feature_usage u JOIN subscriptions s USING (subscription_id) JOIN customers USING (account_id)
    WHERE u.usage_date::DATE <= getvariable('day') GROUP BY ALL),
newest AS (SELECT date_trunc('week', max(day) + 1)::DATE - 7 AS monday, max(day) AS until FROM known)
SELECT k.*, datediff('day', date_trunc('week', k.day)::DATE, n.monday) // 7 AS lag, n.until FROM known k, newest n
"""

# four weeks against the four before, if three of those saw any use; half is at risk, a fifth critical. R-150:
# three features in
# four weeks are healthy, one or two at risk, once four weeks are on record. R-136: the mean of two or more ratings in
# 13 weeks.
SIGNALS = """
CREATE TABLE signals AS
WITH weeks AS (SELECT account_id, lag, sum(events) AS events FROM used GROUP BY ALL),
usage AS (
    SELECT account_id, coalesce(sum(events) FILTER (lag BETWEEN 0 AND 3), 0) AS recent,
           coalesce(sum(events) FILTER (lag BETWEEN 4 AND 7), 0) AS before,
           count(*) FILTER (lag BETWEEN 4 AND 7 AND events > 0) AS used_before, max(lag) + 1 AS weeks_on_record
    FROM weeks GROUP BY ALL),
breadth AS (
    SELECT account_id, count(DISTINCT feature_name) FILTER (lag BETWEEN 0 AND 3 AND events > 0) AS features
    FROM used GROUP BY ALL),
ratings AS (
    SELECT account_id, avg(pct) AS pct, count(pct) AS answers FROM tickets
    WHERE datediff('day', date_trunc('week', coalesce(closed_on, opened_on)), date_trunc('week', getvariable('day')))
    // 7
          BETWEEN 0 AND 12
    GROUP BY ALL),
open_escalations AS (SELECT DISTINCT account_id FROM tickets WHERE is_escalated AND closed_on IS NULL),
pressing AS (SELECT DISTINCT account_id FROM tickets WHERE priority = 'urgent' AND closed_on IS NULL)
SELECT c.account_id, c.plan_tier,
       CASE WHEN used_before < 3 OR used_before IS NULL THEN NULL
            WHEN recent * 100 <= before * 20 THEN 0 WHEN recent * 100 <= before * 50 THEN 50 ELSE 100 END AS usage_drop,
       CASE WHEN weeks_on_record IS NULL OR weeks_on_record < 4 THEN NULL
            WHEN features < 1 THEN 0 WHEN features < 3 THEN 50 ELSE 100 END AS feature_breadth,
       CASE WHEN answers IS NULL OR answers < 2 THEN NULL
            WHEN pct < 60 THEN 0 WHEN pct < 80 THEN 50 ELSE 100 END AS ticket_sentiment,
       CASE WHEN o.account_id IS NOT NULL THEN 0 WHEN p.account_id IS NOT NULL THEN 50 ELSE 100 END AS ticket_escalation
FROM customers c
LEFT JOIN usage USING (account_id) LEFT JOIN breadth USING (account_id) LEFT JOIN ratings USING (account_id)
LEFT JOIN open_escalations o USING (account_id) LEFT JOIN pressing p USING (account_id)
"""

# The weights of the three profiles, as far as RavenStack can feed them: no contacts, no meetings, no logins, no NPS.
# Of 100 points of
# weight at least 50 must be known. A collapse of usage or an open escalation allows yellow at best.
BAND_SIZES = """
WITH weights (plan_tier, d, b, s, e) AS (
    VALUES ('Basic', 0, 25, 25, 0), ('Pro', 25, 15, 20, 0), ('Enterprise', 15, 10, 10, 10)),
sums AS (
    SELECT *, if(usage_drop IS NULL, 0, d) + if(feature_breadth IS NULL, 0, b) + if(ticket_sentiment IS NULL, 0, s) + e
    AS known,
           coalesce(usage_drop, 0) * d + coalesce(feature_breadth, 0) * b + coalesce(ticket_sentiment, 0) * s
           + ticket_escalation * e AS earned
    FROM signals JOIN weights USING (plan_tier))
SELECT CASE WHEN known < 50 THEN 'insufficient' WHEN earned / known < 50 THEN 'red'
            WHEN earned / known < 75 OR usage_drop = 0 OR ticket_escalation = 0 THEN 'yellow' ELSE 'green' END AS band,
       count(*) AS customers
FROM sums GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What both sides must agree on. By RavenStack's account id: ARR in cents; tickets, open ones, escalated ones."""

    customers: int
    arr_minor: Mapping[str, int]
    tickets: Mapping[str, tuple[int, ...]]
    bands: Mapping[str, int]


def recounted(folder: Path, day: date) -> Figures:
    """The figures as the CSV files give them."""
    with duckdb.connect() as db:
        db.execute("SET VARIABLE day = ?::DATE", [day])
        for name in TABLES:
            files = [str(folder / f"{name}.csv")]
            db.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv(?, all_varchar = true)", files)  # noqa: S608 - our own names
        for statement in (CUSTOMERS, TICKETS, USAGE, SIGNALS):
            db.execute(statement)
        return Figures(
            customers=len(db.execute("SELECT account_id FROM customers").fetchall()),
            arr_minor=dict(db.execute(ARR).fetchall()),
            tickets={account: tuple(counts) for account, *counts in db.execute(TICKET_COUNTS).fetchall()},
            bands=dict.fromkeys(BANDS, 0) | dict(db.execute(BAND_SIZES).fetchall()),
        )


def concluded(store: Store, accounts: pl.DataFrame, day: date) -> Figures:
    """The figures as plansync holds them.

    Args:
        accounts: ``account_id``, ``crm`` and ``crm_id``, as the loader wrote them.
    """
    known = accounts.join(store.crosswalk().select("crm", "crm_id", "customer_id"), on=["crm", "crm_id"])
    found = store.assessment(day)
    arr = known.join(found["renewals"], on="customer_id").select("account_id", "arr_minor")
    tickets = (
        store.read("tickets").filter(~pl.col("is_deleted")).rename({"account_crm_id": "crm_id", "crm_id": "ticket"})
    )
    counts = (
        known.join(tickets, on=["crm", "crm_id"], how="left")
        .group_by("account_id")
        .agg(
            pl.col("ticket").count(),
            (~pl.col("is_closed")).sum().alias("open_tickets"),
            pl.col("is_escalated").sum().alias("escalated"),
        )
    )
    bands = found["health"]["band"].value_counts()
    return Figures(
        customers=known["customer_id"].n_unique(),
        arr_minor=dict(arr.rows()),
        tickets={account: tuple(each) for account, *each in counts.rows()},
        bands=dict.fromkeys(BANDS, 0) | dict(bands.rows()),
    )


def differences(files: Figures, plansync: Figures) -> list[str]:
    """Every figure on which the two sides differ, in words; none is the aim."""
    found = []
    for what in ("customers", "bands"):
        if getattr(files, what) != getattr(plansync, what):
            found.append(f"{what}: the files say {getattr(files, what)}, plansync says {getattr(plansync, what)}")
    for what in ("arr_minor", "tickets"):
        theirs, ours = getattr(files, what), getattr(plansync, what)
        for account in sorted(theirs.keys() | ours.keys()):
            if theirs.get(account) != ours.get(account):
                found.append(
                    f"{what} of {account}: the files say {theirs.get(account)}, plansync says {ours.get(account)}"
                )
    return found


def told(figures: Figures) -> str:
    """The figures in three lines."""
    arr = sum(figures.arr_minor.values()) / 100
    tickets, still_open, escalated = (sum(each) for each in zip(*figures.tickets.values(), strict=True))
    bands = ", ".join(f"{band} {figures.bands[band]}" for band in BANDS)
    return (
        f"{figures.customers} customers with an ARR of {arr:,.0f}\n"
        f"{tickets} tickets, {still_open} of them open, {escalated} escalated\n{bands}"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder with RavenStack's CSV files")
    parser.add_argument("--out", type=Path, required=True, help="folder that the loader wrote")
    parser.add_argument("--store", required=True, help="URL of plansync's store")
    parser.add_argument("--as-of", type=date.fromisoformat, required=True)
    given = parser.parse_args()
    files = recounted(given.folder, given.as_of)
    store = Store.open(given.store)
    plansync = concluded(store, pl.read_csv(given.out / "accounts.csv", infer_schema=False), given.as_of)
    store.close()
    sys.stdout.write(f"From the CSV files:\n{told(files)}\n\nFrom plansync:\n{told(plansync)}\n\n")
    found = differences(files, plansync)
    sys.stdout.write("\n".join(found or ["Everything agrees."]) + "\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
