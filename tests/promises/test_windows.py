"""What a window must not lose: late records (P13), ties (P14), and records that change while they are read (P15)."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.settings import HubSpotSettings, SalesforceSettings
from integrations.sandbox import hubspot_load, salesforce_store
from integrations.sandbox.state import State
from models.enums import Crm
from models.tables import MIRRORS
from tests.promises.conftest import EVENING
from tests.promises.world import NAMES, SF, Build, World

OVERLAP_S = SalesforceSettings.model_fields["overlap_s"].default
HOLD_BACK_S = {
    Crm.SALESFORCE: SalesforceSettings.model_fields["hold_back_s"].default,
    Crm.HUBSPOT: HubSpotSettings.model_fields["hold_back_s"].default,
}
LABELS = {Crm.SALESFORCE: "Name", Crm.HUBSPOT: "name"}


def accounts_at(crm: Crm, stamps: list[datetime]) -> Callable[[State], None]:
    """Fills the CRM with an account for each stamp."""

    def fill(state: State) -> None:
        if crm is Crm.SALESFORCE:
            salesforce_store.prepare(state)
            rows = [{"Name": f"Account {place}", "SystemModstamp": stamp} for place, stamp in enumerate(stamps)]
            salesforce_store.load(state, "Account", rows)
        else:
            companies = [
                {"name": f"Account {place}", "hs_lastmodifieddate": stamp.isoformat()}
                for place, stamp in enumerate(stamps)
            ]
            hubspot_load.load(state, "companies", companies)

    return fill


def loaded_since(world: World, moment: datetime) -> int:
    """Accounts that the store took in as new or changed since then."""
    engine = sa.create_engine(world.store_url)
    with engine.connect() as connection:
        found = connection.execute(sa.select(MIRRORS["accounts"].c.loaded_at)).scalars().all()
    engine.dispose()
    return sum(each > moment for each in found)


@pytest.mark.parametrize(
    ("database", "count"),
    [("sqlite", 400), *(pytest.param(each, 5_000, marks=pytest.mark.soak) for each in ("sqlite", "postgresql"))],
)
def test_records_that_show_late_are_still_found(build: Build, crm: Crm, database: str, count: int) -> None:
    """P13: 4 % of the records show up to 14 minutes after their stamp; the next run has them, and touches no other."""
    spread = [EVENING - timedelta(seconds=1500 * place / count) for place in range(count)]
    world = build(database, accounts_at(crm, [each.replace(microsecond=0) for each in spread]))
    for target in ("accounts", "plans"):
        world.set_watermark(crm, target, EVENING - timedelta(hours=1))
    world.fault(crm, "late_visibility", object=NAMES[crm]["accounts"], late_s=840, share=0.08, seed=11)
    world.pull(crm)
    late = count - len(world.mirrored(crm, "accounts"))
    assert count * 0.02 < late < count * 0.08
    seen = world.now()
    world.tick(minutes=15)
    run = world.pull(crm)
    assert run.troubles == []
    assert world.mirrored(crm, "accounts") == world.living(crm, "accounts")
    assert loaded_since(world, seen) == late
    again = timedelta(seconds=OVERLAP_S + HOLD_BACK_S[crm])
    assert run.ports[crm].calls.rows_read["accounts"] <= sum(each > EVENING - again for each in spread)


@pytest.mark.parametrize(
    ("count", "page"),
    [(250, 90), pytest.param(2_500, 100, marks=pytest.mark.soak), pytest.param(2_500, 2_000, marks=pytest.mark.soak)],
)
@pytest.mark.parametrize("is_full", [True, False])
def test_ties_on_a_page_boundary_are_all_there_once(
    build: Build, crm: Crm, count: int, page: int, is_full: bool
) -> None:
    """P14: a mass update gives every record one stamp, which many pages share."""
    world = build(fill=accounts_at(crm, [EVENING - timedelta(hours=2)] * count))
    world.fault(crm, "ties", object=NAMES[crm]["accounts"], value=(EVENING - timedelta(minutes=90)).isoformat())
    world.fault(crm, "page_shrink", size=page)
    if not is_full:
        for target in ("accounts", "plans"):  # HubSpot keeps plans on companies
            world.set_watermark(crm, target, EVENING - timedelta(hours=2))
    run = world.pull(crm)
    assert run.troubles == []
    mirrored = world.mirrored(crm, "accounts")
    assert mirrored == world.living(crm, "accounts")
    assert (len(mirrored), run.ports[crm].calls.rows_read["accounts"]) == (count, count)
    struck = world.admin("GET", "/faults?all=true")["faults"][0]["struck"]
    assert struck >= count / page


# -- changes while we read --------------------------------------------------------------------------------------------

ACTIONS = st.tuples(
    st.integers(0, 12), st.sampled_from(["rename", "create", "delete", "delete", "rename twice"]), st.integers(0, 99)
)


def script(world: World, crm: Crm, case: int, planned: tuple[int, str, int]) -> None:
    """Order that somebody does something between two answers of the pull: at which, what, to which account."""
    at, act, place = planned
    ids = sorted(world.living(crm, "accounts"))
    name, key = NAMES[crm]["accounts"], LABELS[crm]
    root = f"{SF}/sobjects/{name}" if crm is Crm.SALESFORCE else f"/crm/objects/2026-09/{name}"
    one = f"{root}/{ids[place % len(ids)]}"

    def said(text: str) -> dict:
        return {key: text} if crm is Crm.SALESFORCE else {"properties": {key: text}}

    renamed = [{"method": "PATCH", "path": one, "body": said(f"Renamed {case} {turn}")} for turn in range(2)]
    requests = {
        "rename": renamed[:1],
        "rename twice": renamed,
        "create": [{"method": "POST", "path": root, "body": said(f"Between {case}")}],
        "delete": [{"method": "DELETE", "path": one}],
    }[act]
    path = "/query" if crm is Crm.SALESFORCE else "/companies"
    world.fault(crm, "mutate", path=path, after=at, count=1, requests=requests)


@pytest.mark.parametrize(
    ("crm", "is_full", "cases"),
    [(Crm.SALESFORCE, True, 4), (Crm.HUBSPOT, False, 4)]
    + [pytest.param(crm, is_full, 50, marks=pytest.mark.soak) for crm in Crm for is_full in (True, False)],
)
def test_records_that_change_while_we_page_are_neither_lost_nor_doubled(
    world: World, crm: Crm, cases: int, is_full: bool
) -> None:
    """P15: whatever others do between our requests, the store has the CRM's final state after two runs at most."""
    numbers = iter(range(100_000))

    @settings(max_examples=cases, deadline=None, derandomize=True, database=None,
              suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
    @given(st.lists(ACTIONS, min_size=1, max_size=4))
    def tried(acts: list[tuple[int, str, int]]) -> None:
        world.mend()
        case = next(numbers)
        missing = max(0, 14 - len(world.living(crm, "accounts")))
        for account in world.accounts(crm, missing, f"Made {case}") + sorted(world.living(crm, "accounts"))[:6]:
            world.rename(crm, account, f"Case {case} {account}")
        world.tick(hours=2)
        if is_full:
            with world.store() as store:
                store.forget_watermark(crm, "accounts")
        world.fault(crm, "page_shrink", size=3)
        for planned in acts:
            script(world, crm, case, planned)
        world.pull(crm)
        world.mend()
        world.tick(hours=2)
        assert world.pull(crm).troubles == []
        assert world.mirrored(crm, "accounts") == world.living(crm, "accounts")

    tried()
    assert next(numbers) >= 3
