"""A cursor moves only with its rows (P12), and one that cannot be is refused (P18)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from flows.endings import told_plainly
from flows.night import Plainly, night
from flows.pulling import pull_crm
from models.enums import Crm, PullObject
from tests.conftest import DATABASES
from tests.promises.world import NAMES, Build, World

CHANGES = ("INSERT", "UPDATE", "DELETE")


class DiedError(BaseException):
    """The process ended here."""


class Points:
    """Counts the statements that change the store, commits included, and ends everything at one of them."""

    def __init__(self, last: int | None = None) -> None:
        self.last, self.seen, self.is_dead = last, 0, False

    def reached(self) -> None:
        self.seen += 1
        if self.seen == self.last and not self.is_dead:
            self.is_dead = True
            raise DiedError

    @contextmanager
    def watched(self) -> Iterator[None]:
        def before(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
            if statement.lstrip().upper().startswith(CHANGES):
                self.reached()

        def commit(_connection: object) -> None:
            self.reached()

        hooks = (("before_cursor_execute", before), ("commit", commit))
        for name, hook in hooks:
            sa.event.listen(sa.Engine, name, hook)
        try:
            yield
        finally:
            for name, hook in hooks:
                sa.event.remove(sa.Engine, name, hook)


def pulled_until(world: World, crm: Crm, last: int | None) -> int:
    """Pull, die at the ``last`` change of the store if it comes to that; answers how many there were."""
    points = Points(last)
    with world.run(crm) as run:
        try:
            with points.watched():
                pull_crm(run, crm)
        except DiedError:
            pass
        assert not run.troubles, run.troubles
    return points.seen


def fill(world: World, crm: Crm) -> None:
    """Some records of every object that is pulled, activities of two kinds among them."""
    if crm is Crm.SALESFORCE:
        account, *_ = world.accounts(crm, 3)
        rows: dict[str, dict] = {
            "contacts": {"LastName": "One"},
            "opportunities": {"Name": "One", "StageName": "Prospecting", "CloseDate": "2027-01-01"},
            "tickets": {"Subject": "One"},
            "tasks": {"Subject": "One", "TaskSubtype": "Task"},
        }
        world.create(crm, "Task", [{"Subject": "Call", "TaskSubtype": "Call", "WhatId": account}])
        world.create(crm, "Event", [{"Subject": "Met", "StartDateTime": "2026-11-20T10:00:00Z",
                                     "DurationInMinutes": 30, "WhatId": account}])  # fmt: skip
    else:
        world.accounts(crm, 3)
        rows = {
            "contacts": {"lastname": "One"},
            "opportunities": {"dealname": "One", "dealstage": "appointmentscheduled", "pipeline": "default"},
            "tickets": {"subject": "One", "hs_pipeline_stage": "1"},
            "tasks": {"hs_task_subject": "One", "hs_timestamp": "2026-11-20T10:00:00Z"},
        }
        for kind in ("calls", "meetings"):
            world.create(crm, kind, [{"hs_timestamp": "2026-11-20T10:00:00Z"}])
    for target, row in rows.items():
        world.create(crm, target, [row, row])


def change_everything(world: World, crm: Crm, number: int) -> None:
    """One record of each object, changed."""
    labels = (
        {"accounts": "Name", "contacts": "LastName", "opportunities": "Name", "tickets": "Subject", "tasks": "Subject"}
        if crm is Crm.SALESFORCE
        else {"accounts": "name", "contacts": "lastname", "opportunities": "dealname", "tickets": "subject",
              "tasks": "hs_task_subject"}
    )  # fmt: skip
    for target, label in labels.items():
        world.change(crm, target, min(world.living(crm, target)), **{label: f"Change {number}"})


def demand_rows_below_watermarks(world: World, crm: Crm) -> None:
    """Everything that a watermark claims to be in the store is there, as the CRM has it."""
    for target in NAMES[crm]:
        until = world.watermark(crm, target)
        truth, mirrored = world.living(crm, target), world.mirrored(crm, target)
        claimed = {one: stamp for one, (_, stamp) in truth.items() if until is not None and stamp <= until}
        held = {one: stamp for one, (_, stamp) in mirrored.items()}
        assert {one: held.get(one) for one in claimed} == claimed, f"{target} up to {until}"


@pytest.mark.parametrize(
    ("crm", "database", "first", "step"),
    [(Crm.SALESFORCE, "sqlite", 20, 1000), (Crm.HUBSPOT, "postgresql", 20, 1000)]
    + [pytest.param(crm, database, 1, 1, marks=pytest.mark.soak) for crm in Crm for database in DATABASES],
)
def test_a_cursor_moves_only_with_the_rows_it_covers(
    build: Build, crm: Crm, database: str, first: int, step: int
) -> None:
    """P12: ``step`` 1 dies at every change of the store in a full and in an incremental window, else at some."""
    world = build(database)
    fill(world, crm)
    world.tick(hours=3)
    last = first
    while pulled_until(world, crm, last) >= last:  # a full load, from where it died
        demand_rows_below_watermarks(world, crm)
        last += step
    assert {world.watermark(crm, target) is None for target in PullObject} == {False}
    points = 1
    for last in range(first, 1000, step):
        change_everything(world, crm, last)
        world.tick(hours=3)
        points = pulled_until(world, crm, last)
        demand_rows_below_watermarks(world, crm)
        assert pulled_until(world, crm, None) > 0
        assert all(world.mirrored(crm, target) == world.living(crm, target) for target in ("accounts", "tickets"))
        if points < last:
            break
    assert points > 10
    assert step > 1 or last > points


@pytest.mark.parametrize("database", DATABASES)
@pytest.mark.parametrize("until", [datetime(2999, 12, 31, tzinfo=UTC), datetime(1890, 1, 1, tzinfo=UTC)], ids=str)
def test_an_impossible_cursor_is_refused_with_the_fix(
    build: Build, database: str, until: datetime, capsys: pytest.CaptureFixture[str]
) -> None:
    """P18: a cursor of the far future or before there were CRMs ends the run with 4, names the fix, writes nothing."""
    world = build(database)
    world.set_watermark(Crm.HUBSPOT, "tickets", world.now())
    engine = sa.create_engine(world.store_url)
    with engine.begin() as connection:
        given = until if database == "postgresql" else until.isoformat(sep=" ")
        table = sa.table("watermarks", sa.column("until"))
        assert connection.execute(sa.update(table).values(until=given)).rowcount == 1
    engine.dispose()
    with pytest.raises(SystemExit) as ended, told_plainly(), world.run() as run:
        night(run, Plainly())
    assert ended.value.code == 4
    said = capsys.readouterr().err
    assert str(until.year) in said
    assert "plansync state reset --crm hubspot --object tickets" in said
    assert world.admin("GET", "/writes")["writes"] == []
