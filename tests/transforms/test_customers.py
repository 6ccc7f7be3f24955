"""One customer from several accounts: whose word counts, where the plan lives, and how files may name it."""

import polars as pl
from polars.testing import assert_frame_equal

from models import frames
from tests.tables import frame
from transforms.customers import customers, domains

HOMES = pl.DataFrame(schema={"customer_id": pl.String, "crm": pl.String, "crm_id": pl.String})
ACCOUNTS = frame(
    """crm        | crm_id | name     | website           | industry | arr_minor | currency | seats_count | owner_crm_id
       salesforce | s1     | Acme Inc | www.acme.com      |          |           | USD      | 40  | u1
       hubspot    | h1     | Acme     | https://acme.de/x | Steel    | 700       | EUR      | 50  | o1
       hubspot    | h2     | Zeta     | gmail.com         |          |           |          |     | o2
       hubspot    | h3     | Zeta     | zeta.co.uk        |          | 900       | GBP      |     | o9
       salesforce | s4     | Twin     | twins.com         |          |           |          |     |
       salesforce | s5     | Twin     | twins.com         |          |           |          |     | """,
    frames.Accounts,
)
CROSSWALK = frame(
    """crm        | crm_id | customer_id
       salesforce | s1     | acme
       hubspot    | h1     | acme
       hubspot    | h2     | zeta
       hubspot    | h3     | zeta
       salesforce | s4     | twin4
       salesforce | s5     | twin5""",
    frames.Crosswalk,
    method="alone",
    confidence=1.0,
    reason="",
)
OWNERS = frame(
    """crm        | crm_id | name | is_active
       salesforce | u1     | Ann  | yes
       hubspot    | o1     | Bob  | yes
       hubspot    | o2     | Cid  | no
       hubspot    | u1     | Dan  | yes""",
    frames.Owners,
)


def joined(
    homes: pl.DataFrame = HOMES, preferred: str = "salesforce", accounts: pl.DataFrame = ACCOUNTS
) -> pl.DataFrame:
    found = customers(accounts.lazy(), OWNERS.lazy(), CROSSWALK.lazy(), homes.lazy(), preferred_crm=preferred).collect()
    frames.Customers.validate(found)
    return found


def test_the_home_account_is_heard_first_and_money_comes_with_its_own_currency() -> None:
    row = joined().row(0, named=True)
    wanted = {
        "customer_id": "acme", "name": "Acme Inc", "domain": "acme.com", "home_crm": "salesforce", "home_crm_id": "s1",
        "owner_crm_id": "u1", "owner_name": "Ann", "owner_is_active": True, "industry": "Steel", "seats_count": 40,
        "arr_minor": 700, "currency": "EUR",
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted


def test_an_owner_is_looked_up_in_the_home_crm_only() -> None:
    found = joined(preferred="hubspot").select("customer_id", "owner_name", "owner_is_active")
    assert found.rows() == [("acme", "Bob", True), ("twin4", None, None), ("twin5", None, None), ("zeta", "Cid", False)]


def test_a_fixed_home_stays_while_it_lives_and_then_its_crm_does() -> None:
    homes = frame("customer_id | crm | crm_id\n acme | hubspot | h1\n zeta | hubspot | h9")
    assert joined(homes).select("customer_id", "home_crm", "home_crm_id").rows() == [
        ("acme", "hubspot", "h1"),
        ("twin4", "salesforce", "s4"),
        ("twin5", "salesforce", "s5"),
        ("zeta", "hubspot", "h2"),
    ]


def test_the_order_of_rows_does_not_matter() -> None:
    for seed in range(5):
        assert_frame_equal(joined(accounts=ACCOUNTS.sample(fraction=1, shuffle=True, seed=seed)), joined())


def test_only_a_domain_of_one_customer_names_it() -> None:
    found = domains(ACCOUNTS.lazy(), CROSSWALK.lazy(), shared_domains=["Gmail.com"]).collect()
    assert found.rows() == [("acme", "acme.com"), ("acme", "acme.de"), ("zeta", "zeta.co.uk")]
