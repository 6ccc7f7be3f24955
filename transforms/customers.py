"""The accounts of a customer as one set of facts, by stated precedence."""

from collections.abc import Sequence

import polars as pl

from models import frames
from transforms import text

FACTS = [
    "industry", "segment", "tier", "employees_count", "seats_count", "is_strategic", "contract_start_date",
    "created_at",
]  # fmt: skip
"""What any account of a customer may tell; the home account's word counts first."""


def customers(
    accounts: pl.LazyFrame,
    owners: pl.LazyFrame,
    crosswalk: pl.LazyFrame,
    homes: pl.LazyFrame,
    *,
    preferred_crm: str,
    shared_domains: Sequence[str] = (),
) -> pl.LazyFrame:
    """Join the facts of each customer's accounts.

    A fixed home stays while its account lives. When the account is gone, another account of the same CRM takes over,
    then any other; a customer without a fixed home lives in the preferred CRM if it has an account there. Among
    equals the smallest id counts.

    For every fact the home account's value counts if there is one, then the next account's, in that order. ARR and its
    currency come from one account, so that amounts of one currency never stand beside another. Name and owner are the
    home account's.

    Args:
        accounts: ``frames.Accounts`` of all CRMs.
        owners: ``frames.Owners`` of all CRMs.
        crosswalk: ``frames.Crosswalk``.
        homes: The fixed homes: ``customer_id``, ``crm``, ``crm_id``.
        preferred_crm: The CRM for new customers.
        shared_domains: Domains that say nothing: no customer's ``domain`` is one of them.

    Returns:
        ``frames.Customers``, sorted by ``customer_id``. An owner who is not in ``owners`` has no name and is not
        known to be active.
    """
    rows = _ranked(accounts, crosswalk, homes, preferred_crm)
    rows = rows.with_columns(domain=_domain(text.host(pl.col("website")), shared_domains))
    first = [pl.col(fact).sort_by("place").drop_nulls().first() for fact in FACTS]
    has_arr = pl.col("arr_minor").is_not_null()
    joined = rows.group_by("customer_id").agg(
        pl.col("name").sort_by("place").first(),
        pl.col("domain").sort_by("place").drop_nulls().first(),
        pl.col("crm").sort_by("place").first().alias("home_crm"),
        pl.col("crm_id").sort_by("place").first().alias("home_crm_id"),
        pl.col("owner_crm_id").sort_by("place").first(),
        *first,
        pl.col("arr_minor").filter(has_arr).sort_by(pl.col("place").filter(has_arr)).first(),
        pl.col("currency").filter(has_arr).sort_by(pl.col("place").filter(has_arr)).first(),
    )
    people = owners.select(
        home_crm="crm",
        owner_crm_id="crm_id",
        owner_name="name",
        owner_is_active=pl.col("is_active") & ~pl.col("is_deleted"),
    )
    known = joined.join(people, on=["home_crm", "owner_crm_id"], how="left")
    return known.select(frames.Customers.column_names()).sort("customer_id")


def domains(accounts: pl.LazyFrame, crosswalk: pl.LazyFrame, *, shared_domains: Sequence[str]) -> pl.LazyFrame:
    """The web domains by which files may name a customer.

    Args:
        accounts: ``frames.Accounts``; reads ``crm``, ``crm_id``, ``website``.
        crosswalk: ``frames.Crosswalk``.
        shared_domains: Domains that say nothing.

    Returns:
        ``customer_id``, ``domain`` (registrable, lower case): one row per domain that exactly one customer carries;
        sorted by ``domain``.
    """
    rows = accounts.join(crosswalk.select("crm", "crm_id", "customer_id"), on=["crm", "crm_id"])
    carried = rows.select("customer_id", domain=_domain(text.host(pl.col("website")), shared_domains))
    return carried.drop_nulls().unique().filter(pl.len().over("domain") == 1).sort("domain")


def _ranked(accounts: pl.LazyFrame, crosswalk: pl.LazyFrame, homes: pl.LazyFrame, preferred_crm: str) -> pl.LazyFrame:
    """The accounts of every customer with ``place``: 0 for the home account, 1 for the next, and so on."""
    fixed = homes.select("customer_id", fixed_crm="crm", fixed_id="crm_id")
    rows = accounts.join(crosswalk.select("crm", "crm_id", "customer_id"), on=["crm", "crm_id"])
    rows = rows.join(fixed, on="customer_id", how="left")
    same_crm = (pl.col("crm") == pl.col("fixed_crm")).fill_null(False)
    same_account = same_crm & (pl.col("crm_id") == pl.col("fixed_id"))
    rank = (
        pl.when(same_account).then(0).when(same_crm).then(1).when(pl.col("crm") == preferred_crm).then(2).otherwise(3)
    )
    order = pl.struct(rank, "crm", "crm_id")
    return rows.with_columns(place=order.rank("ordinal").over("customer_id").cast(pl.Int64) - 1)


def _domain(hosts: pl.Expr, shared_domains: Sequence[str]) -> pl.Expr:
    """The registrable domain of a host; null where it has none or shares it."""

    def registrable(column: pl.Series) -> pl.Series:
        table = text.registrable_domains(column.drop_nulls().unique(), shared_domains)
        return column.replace_strict(table["host"], table["domain"], default=None, return_dtype=pl.String)

    return hosts.map_batches(registrable, return_dtype=pl.String)
