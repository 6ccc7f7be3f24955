"""A changed CRM schema stops that object only, and blanks nothing (P20)."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from flows import settings
from flows.cli import _ending
from flows.demo import environment, write_settings
from flows.night import Plainly, night
from flows.pulling import pull_crm
from flows.runtime import Run, open_run, open_store
from models.enums import Crm, PullObject
from tests.promises.world import NAMES, World

FIELDS = {
    (Crm.SALESFORCE, "accounts"): ("Annual_Recurring_Revenue__c", "arr_minor", {"Name": "One"}),
    (Crm.SALESFORCE, "tickets"): ("CSAT_Score__c", "satisfaction_pct", {"Subject": "One"}),
    (Crm.HUBSPOT, "accounts"): ("current_arr", "arr_minor", {"name": "One"}),
    (Crm.HUBSPOT, "tickets"): ("csat_score", "satisfaction_pct", {"subject": "One", "hs_pipeline_stage": "1"}),
}
"""What the settings map to which column, and a record's other values."""


def pulled(world: World, config: Path, crm: Crm) -> Run:
    """Pulled with the demo's settings, as the night does."""
    with open_run(settings.load(config), as_of=world.now().date()) as run:
        pull_crm(run, crm)
    return run


def column(config: Path, frame: str, name: str) -> list[object]:
    with open_store(settings.load(config)) as store:
        return store.read(frame)[name].to_list()


@pytest.fixture
def config(world: World, tmp_path: Path) -> Iterator[Path]:
    for folder in ("usage", "surveys"):
        (tmp_path / folder).mkdir()
    with environment(world.sandbox, tmp_path):
        yield write_settings(tmp_path, world.sandbox)


CASES = list(product(Crm, ("accounts", "tickets"), ("field_removed", "field_renamed", "field_retyped")))
SMALL = {
    (Crm.SALESFORCE, "accounts", "field_renamed"),
    (Crm.HUBSPOT, "tickets", "field_retyped"),
}


@pytest.mark.parametrize(
    ("crm", "target", "kind"),
    [pytest.param(*case, marks=[] if case in SMALL else pytest.mark.soak) for case in CASES],
)
def test_a_changed_schema_stops_its_object_only_and_blanks_nothing(
    world: World, config: Path, crm: Crm, target: str, kind: str
) -> None:
    """P20: removed, renamed, retyped, of two objects in both CRMs; a new choice is tried below."""
    field, name, values = FIELDS[crm, target]
    label = next(iter(values))
    (record,) = world.create(crm, target, [{**values, field: "12" if crm is Crm.HUBSPOT else 12}])
    world.create(crm, "contacts", [{"LastName" if crm is Crm.SALESFORCE else "lastname": "One"}])
    world.tick(hours=3)
    assert pulled(world, config, crm).troubles == []
    before = column(config, target, name)
    assert None not in before
    world.change(crm, target, record, **{label: "Two"})
    world.create(crm, "contacts", [{"LastName" if crm is Crm.SALESFORCE else "lastname": "Two"}])
    now = world.tick(hours=3)
    more = {"to": "Somewhere__c" if crm is Crm.SALESFORCE else "somewhere"} if kind == "field_renamed" else {}
    more = {"to": "string"} if kind == "field_retyped" else more
    world.fault(crm, kind, object=NAMES[crm][target], field=field, **more)
    troubles = {trouble.part: trouble.message for trouble in pulled(world, config, crm).troubles}
    assert f"{crm} {target}" in troubles
    assert set(troubles) <= {f"{crm} {target}", f"{crm} plans"}, "HubSpot keeps plans on companies"
    said = troubles[f"{crm} {target}"]
    line = int(said.removeprefix(f"{config}:").split(":")[0])
    assert config.read_text().splitlines()[line - 1] == f'{name} = "{field}"'
    assert field in said
    assert column(config, target, name) == before
    with open_store(settings.load(config)) as store:
        marks = {each: store.watermark(crm, each) for each in PullObject}
        assert sorted(store.read("contacts").filter(crm=str(crm))["name"]) == ["One", "Two"]
    stopped = {part.split()[1] for part in troubles}
    newest = max(mark for mark in marks.values() if mark)
    assert {each for each, mark in marks.items() if mark != newest} == stopped
    assert now > newest
    world.mend()
    assert pulled(world, config, crm).troubles == []
    assert column(config, target, label.lower()) == ["Two"]


@pytest.mark.soak
def test_a_run_with_a_changed_schema_ends_degraded(world: World, config: Path) -> None:
    """As ``run`` ends it: with exit code 3."""
    world.fault(Crm.HUBSPOT, "field_removed", object="tickets", field="csat_score")
    with open_run(settings.load(config), as_of=world.now().date()) as run:
        told = night(run, Plainly())
    assert told["status"] == "degraded"
    assert [trouble["part"] for trouble in told["troubles"]] == ["hubspot tickets"]
    assert _ending(told, is_detailed=False) == 3


def test_a_new_choice_blanks_nothing(world: World, config: Path, crm: Crm) -> None:
    """A tier that nobody knew comes as it is; a priority that nobody knew counts as a usual one."""
    tier, priority, object_name = (
        ("Customer_Tier__c", "Priority", "Case") if crm is Crm.SALESFORCE
        else ("customer_class", "hs_ticket_priority", "tickets")
    )  # fmt: skip
    values = FIELDS[crm, "tickets"][2]
    world.accounts(crm, 1)
    world.create(crm, "tickets", [{**values, priority: "HIGH" if crm is Crm.HUBSPOT else "High"}])
    world.fault(crm, "new_value", object=NAMES[crm]["accounts"], field=tier, value="Platinum")
    world.fault(crm, "new_value", object=object_name, field=priority, value="Blocker")
    world.tick(hours=3)
    assert pulled(world, config, crm).troubles == []
    assert column(config, "accounts", "tier") == ["Platinum"]
    assert column(config, "tickets", "priority") == ["normal"]
