"""Finding a customer by what a person calls it."""

import polars as pl

from flows.settings import Settings, SettingsError
from models.policy.load import load_policy
from models.store import Store
from transforms.customers import customers


def all_customers(store: Store, settings: Settings) -> pl.DataFrame:
    """Every customer as the store knows it now (``frames.Customers``)."""
    return customers(
        store.read("accounts").lazy(),
        store.read("owners").lazy(),
        store.crosswalk().lazy(),
        store.homes().lazy(),
        preferred_crm=settings.run.preferred_crm,
        shared_domains=load_policy(settings.policy.path).identity.shared_domains,
    ).collect()


def customer_named(store: Store, settings: Settings, name: str) -> dict[str, object]:
    """The one customer that ``name`` means: its id, ``crm:id`` of an account, web domain, or (part of) its name.

    Raises:
        SettingsError: Nobody is called so, or several are; the nearest names are given.
    """
    people = all_customers(store, settings)
    crm, _, crm_id = name.partition(":")
    linked = store.crosswalk().filter(pl.col("crm") == crm, pl.col("crm_id") == crm_id)["customer_id"]
    ids = [name, *linked.to_list()]
    lowered = pl.col("name").str.to_lowercase()
    for test in (
        pl.col("customer_id").is_in(ids) | (pl.col("domain") == name.lower()) | (lowered == name.lower()),
        lowered.str.contains(name.lower(), literal=True),
    ):
        found = people.filter(test)
        if found.height == 1:
            return found.row(0, named=True)
        if found.height > 1:
            raise SettingsError(
                f"{name!r} means {found.height} customers: {_some(found)}; say which by its customer id"
            )
    raise SettingsError(f"no customer {name!r}{_nearest(name, people)}")


def _some(found: pl.DataFrame) -> str:
    return ", ".join(f"{row['name']} ({row['customer_id']})" for row in found.head(5).iter_rows(named=True))


def _nearest(name: str, people: pl.DataFrame) -> str:
    import difflib

    close = difflib.get_close_matches(name, people["name"].to_list(), n=3, cutoff=0.4)
    return f"; did you mean {', '.join(repr(each) for each in close)}?" if close else ""
