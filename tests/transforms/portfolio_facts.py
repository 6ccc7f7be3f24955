"""A small portfolio to assess: tables drawn with the customer's name as its account id in Salesforce."""

from datetime import date, timedelta
from typing import Any

import dataframely as dy
import polars as pl

from models import frames
from models.policy.load import load_policy
from tests.tables import frame
from transforms.facts import Facts, facts
from transforms.health import health
from transforms.lifecycle import lifecycle
from transforms.playbooks import tasks_due
from transforms.renewals import renewals
from transforms.signals import signals

POLICY = load_policy()
TODAY = date(2026, 11, 21)  # a Saturday; the last full week is 2026-W46, Monday the 9th to Sunday the 15th
LAST_WEEK = date(2026, 11, 11)
RECORDS: dict[str, type[dy.Schema]] = {
    "contacts": frames.Contacts,
    "opportunities": frames.Opportunities,
    "tickets": frames.Tickets,
    "activities": frames.Activities,
    "plan_items": frames.PlanItems,
}


class Portfolio:
    """Customers by name and whatever is drawn of them; ``account_crm_id`` is drawn as ``of``."""

    def __init__(
        self, names: str = "a", *, accounts: str = "", customers: str = "", **drawn: str | pl.DataFrame
    ) -> None:
        self.names = names.split()
        ids = "customer_id | name\n" + "\n".join(f"{name} | Firm {name}" for name in self.names)
        self.customers = frame(
            customers or ids, frames.Customers, home_crm="salesforce", home_crm_id="x", **_named(customers)
        )
        plain = "crm_id | name\n" + "\n".join(f"{name} | Firm {name}" for name in self.names)
        self.accounts = frame(
            accounts or plain, frames.Accounts, **({"name": "Firm"} if "| name" not in (accounts or plain) else {})
        )
        self.records = {name: _records(name, drawn.pop(name, None)) for name in RECORDS}
        self.usage = _table(drawn.pop("usage", None), frames.Usage)
        self.surveys = _table(drawn.pop("surveys", None), frames.Surveys)
        assert not drawn, drawn

    def facts(self, as_of: date = TODAY, shuffled: int | None = None, policy: Any = POLICY) -> Facts:
        """Everything known on a day; ``shuffled`` is a seed by which all rows change places."""

        def lazy(table: pl.DataFrame) -> pl.LazyFrame:
            moved = table if shuffled is None else table.sample(fraction=1.0, shuffle=True, seed=shuffled)
            return moved.lazy()

        links = self.accounts.filter(~pl.col("is_deleted")).select(
            "crm", "crm_id", customer_id="crm_id", method=pl.lit("alone")
        )
        links = links.with_columns(pl.col("customer_id").str.split("@").list.first(), confidence=1.0, reason=pl.lit(""))
        mirror = {name: lazy(table) for name, table in self.records.items()} | {"accounts": lazy(self.accounts)}
        domains = lazy(self.customers.select("customer_id", "domain"))
        told = lazy(self.usage), lazy(self.surveys), lazy(links), domains
        return facts(mirror, *told, as_of=as_of, policy=policy)

    def signals(self, as_of: date = TODAY, policy: Any = POLICY, shuffled: int | None = None) -> pl.DataFrame:
        known = self.facts(as_of, shuffled, policy)
        return signals(self.customers.lazy(), known, as_of=as_of, policy=policy).collect()

    def signal(self, name: str, *columns: str, as_of: date = TODAY, policy: Any = POLICY) -> list[tuple[Any, ...]]:
        """One signal of every customer, sorted by customer; without ``columns`` its status and episode."""
        read = self.signals(as_of, policy).filter(pl.col("signal") == name)
        return read.select("customer_id", *(columns or ("status", "episode"))).rows()

    def assessed(
        self, as_of: date = TODAY, policy: Any = POLICY, shuffled: int | None = None
    ) -> dict[str, pl.DataFrame]:
        """All that follows, a frame per conclusion."""
        people, known = self.customers.lazy(), self.facts(as_of, shuffled, policy)
        read = self.signals(as_of, policy, shuffled).lazy()
        scores = health(people, read, policy=policy).collect().lazy()
        terms = renewals(people, known, scores, as_of=as_of, policy=policy).collect().lazy()
        stages = lifecycle(people, known, terms, as_of=as_of, policy=policy).collect().lazy()
        tasks = tasks_due(people, read, scores, terms, stages, as_of=as_of, policy=policy)
        found = {"signals": read, "health": scores, "renewals": terms, "lifecycle": stages, "tasks": tasks}
        return {name: table.collect() for name, table in found.items()}


def used(name: str, weeks: list[int], feature: str = "login", last: date = LAST_WEEK) -> str:
    """Usage rows of one customer: events a week, on Wednesdays up to the last full week, newest last."""
    days = [last - timedelta(weeks=back) for back in reversed(range(len(weeks)))]
    rows = zip(days, weeks, strict=True)
    return "\n".join(f"salesforce:{name} | {day} | {feature} | {count}" for day, count in rows if count)


def usage(*rows: str, feed_until: date = TODAY) -> pl.DataFrame:
    """Usage rows under one head, with a stranger's row every week that shows how far the feed has come."""
    head = "account_ref | usage_date | feature | event_count"
    days = [feed_until - timedelta(weeks=back) for back in range(40)]
    heartbeat = [f"salesforce:somebody_else | {day} | reports | 1" for day in days]
    return frame("\n".join([head, *heartbeat, *[row for row in rows if row]]), frames.Usage)


def _named(customers: str) -> dict[str, str]:
    return {} if not customers or "| name" in customers else {"name": "Firm"}


def _records(name: str, drawn: str | pl.DataFrame | None) -> pl.DataFrame:
    schema = RECORDS[name]
    if drawn is None or isinstance(drawn, pl.DataFrame):
        return frames.empty(schema) if drawn is None else drawn
    head, *lines = drawn.strip().splitlines()
    columns = ["account_crm_id" if column.strip() == "of" else column.strip() for column in head.split("|")]
    if "crm_id" in columns:
        return frame("\n".join([" | ".join(columns), *lines]), schema)
    numbered = [f"{line} | {name}{number}" for number, line in enumerate(lines)]
    return frame("\n".join([" | ".join([*columns, "crm_id"]), *numbered]), schema)


def _table(drawn: str | pl.DataFrame | None, schema: type[dy.Schema]) -> pl.DataFrame:
    if isinstance(drawn, pl.DataFrame):
        return drawn
    return frames.empty(schema) if drawn is None else frame(drawn, schema)
