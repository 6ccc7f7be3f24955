"""Plans as people handle them: YAML in, the CRM's own text out."""

import getpass
from pathlib import Path

import polars as pl

from flows import runtime, settings
from flows.customers import customer_named
from flows.settings import SettingsError
from models.enums import Section
from models.plan_file import plan_items, plans_in
from models.store import Store


def import_files(files: list[Path], config: Path | None) -> str:
    """Take the plans of YAML files into the store; what a file no longer says about its customer is marked deleted.

    Returns:
        What was taken.

    Raises:
        PlanFileError, SettingsError: A file or a customer's name is wrong; nothing of any file was taken.
    """
    chosen = settings.load(config)
    with runtime.existing_store(chosen) as store:
        plans = [(path, plan) for path in files for plan in plans_in(path)]
        named = [(path, plan, _customer(store, chosen, path, plan.customer)) for path, plan in plans]
        now, revisions = runtime.utc_now(), 0
        for path, plan, customer in named:
            rows = plan_items(plan, crm=str(customer["home_crm"]), account_crm_id=str(customer["home_crm_id"]), at=now)
            revisions += store.save_plan_items(
                str(customer["customer_id"]), rows, source=path.name, author=getpass.getuser(), at=now
            )
    return f"{len(named)} plans read, {revisions} lines new or changed; the next run writes them into the CRM"


def _customer(store: Store, chosen: settings.Settings, path: Path, name: str) -> dict[str, object]:
    try:
        return customer_named(store, chosen, name)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


def shown(name: str, config: Path | None) -> str:
    """A customer's plan sections as the CRM held them at the last pull or write."""
    chosen = settings.load(config)
    with runtime.existing_store(chosen) as store:
        customer = customer_named(store, chosen, name)
        held = store.read("plan_sections").filter(
            pl.col("crm") == customer["home_crm"],
            pl.col("account_crm_id") == customer["home_crm_id"],
            ~pl.col("is_deleted"),
        )
    texts = dict(held.select("section", "body").iter_rows())
    if not texts:
        return (
            f"{customer['name']} has no plan in {customer['home_crm']}: it is not due one, or no run has written it yet"
        )
    parts = [f"# {customer['name']}"]
    parts += [
        f"## {section.replace('_', ' ').capitalize()}\n\n{texts[section]}" for section in Section if section in texts
    ]
    return "\n\n".join(parts)
