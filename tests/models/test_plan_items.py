"""Imported plan items: revisions, never deletions, beside the CRMs' own."""

from datetime import timedelta

import polars as pl
import sqlalchemy as sa
from polars.testing import assert_frame_equal

from models import frames, tables
from models.store import Store
from tests.models.samples import NOW, drawn, rows_of


def items(**titles: str) -> pl.DataFrame:
    names = {"crm": ["hubspot"] * len(titles), "crm_id": list(titles), "title": list(titles.values())}
    return drawn(frames.PlanItems, **names, is_deleted=[False] * len(titles))


def save(store: Store, rows: pl.DataFrame, source: str = "acme.yaml", minutes: int = 0) -> int:
    at = NOW + timedelta(minutes=minutes)
    return store.save_plan_items("acme", rows.with_columns(modified_at=at), source=source, author="ann", at=at)


def standing(store: Store) -> list[tuple[str, str, bool]]:
    return store.plan_items().select("crm_id", "title", "is_deleted").rows()


def test_every_kind_of_item_comes_back_as_it_went_in(store: Store) -> None:
    rows = rows_of(frames.PlanItems).unique("crm_id")
    assert save(store, rows) == rows.height
    name = pl.format("import:acme:{}", "crm_id")
    expected = rows.with_columns(crm_id=name, modified_at=NOW).sort("crm", "crm_id")
    assert_frame_equal(store.plan_items(), expected, check_dtypes=False)
    assert store.plan_items().schema == pl.Schema(frames.dtypes(frames.PlanItems))


def test_only_what_changed_becomes_a_new_revision(store: Store) -> None:
    assert save(store, items(goal_1="Grow", goal_2="Save time")) == 2
    assert save(store, items(goal_1="Grow", goal_2="Save time"), minutes=1) == 0
    assert save(store, items(goal_1="Grow fast", goal_2="Save time"), minutes=2) == 1
    assert standing(store) == [
        ("import:acme:goal_1", "Grow fast", False),
        ("import:acme:goal_2", "Save time", False),
    ]
    with store._db.reading() as connection:
        said = sa.select(tables.plan_item_revisions.c.title, tables.plan_item_revisions.c.revision)
        assert sorted(tuple(row) for row in connection.execute(said)) == [
            ("Grow", 1),
            ("Grow fast", 2),
            ("Save time", 1),
        ]


def test_an_item_that_its_source_no_longer_names_is_deleted_and_may_return(store: Store) -> None:
    save(store, items(goal_1="Grow"))
    save(store, items(risk_1="Budget"), source="risks.yaml")
    save(store, items(goal_2="Save time"), minutes=1)
    assert [(name, gone) for name, _, gone in standing(store)] == [
        ("import:acme:goal_1", True),
        ("import:acme:goal_2", False),
        ("import:acme:risk_1", False),
    ]
    assert save(store, items(goal_2="Save time"), minutes=2) == 0
    assert save(store, items(goal_1="Grow", goal_2="Save time"), minutes=3) == 1
    assert all(not gone for _, _, gone in standing(store))


def test_imported_items_stand_beside_those_of_the_crms(store: Store) -> None:
    save(store, items(goal_1="From a file"))
    store.land({"plan_items": items(goal_1="From the CRM")}, run_id="run", loaded_at=NOW)
    assert [name for name, _, _ in standing(store)] == ["goal_1", "import:acme:goal_1"]
