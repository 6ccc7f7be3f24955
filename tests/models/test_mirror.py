"""Mirrored rows and watermarks: what was landed last stands, exactly, in both databases."""

from datetime import UTC, datetime, timedelta
from io import BytesIO

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models import frames
from models.store import Store, StoreError, Watermark
from tests.models.samples import NOW, drawn, rows_of

EARLIER, LATER = NOW - timedelta(hours=1), NOW + timedelta(hours=1)


def land(store: Store, watermark: Watermark | None = None, **rows: pl.DataFrame) -> dict[str, int]:
    return store.land(rows, run_id="run", loaded_at=NOW, watermark=watermark)


def test_every_mirrored_frame_comes_back_as_it_went_in(store: Store) -> None:
    rows = {name: rows_of(schema) for name, schema in frames.MIRRORED.items()}
    assert land(store, **rows) == {name: frame.height for name, frame in rows.items()}
    for name, frame in rows.items():
        assert_frame_equal(store.read(name), frame.sort("crm", "crm_id"))


def test_an_empty_mirror_has_the_columns_of_its_contract(store: Store) -> None:
    for name, schema in frames.MIRRORED.items():
        assert store.read(name).schema == pl.Schema(frames.dtypes(schema))


def test_landing_the_same_rows_again_changes_nothing(store: Store) -> None:
    rows = rows_of(frames.Accounts)
    land(store, accounts=rows)
    assert land(store, accounts=rows.reverse()) == {"accounts": 0}
    assert land(store, accounts=rows.clear()) == {"accounts": 0}


def test_the_newest_version_of_a_record_stands(store: Store) -> None:
    def version(name: str, at: datetime) -> pl.DataFrame:
        return drawn(frames.Accounts, crm=["hubspot"], crm_id=["1"], name=[name], modified_at=[at])

    assert land(store, accounts=version("first", NOW)) == {"accounts": 1}
    assert land(store, accounts=version("late arrival", EARLIER)) == {"accounts": 0}
    assert store.read("accounts")["name"].to_list() == ["first"]
    assert land(store, accounts=version("same moment", NOW)) == {"accounts": 1}
    both = pl.concat([version("newest", LATER), version("older in the same page", EARLIER)])
    assert land(store, accounts=both) == {"accounts": 1}
    assert store.read("accounts")["name"].to_list() == ["newest"]


def test_a_record_that_was_only_touched_keeps_its_newer_moment(store: Store) -> None:
    """Otherwise a version between the two moments, arriving late, would win."""
    for name, at in (("A", EARLIER), ("A", LATER), ("B", NOW)):
        land(store, accounts=drawn(frames.Accounts, crm=["hubspot"], crm_id=["1"], name=[name], modified_at=[at]))
    assert store.read("accounts").select("name", "modified_at").rows() == [("A", LATER)]


def test_nul_and_negative_zero_are_kept_nowhere(store: Store) -> None:
    rows = drawn(frames.PlanFields, crm=["hubspot"], crm_id=["1"], health_band=["a\x00b"], health_score=[-0.0])
    land(store, plan_fields=rows)
    assert store.read("plan_fields").select("health_band", pl.col("health_score").cast(pl.String)).rows() == [
        ("a\ufffdb", "0.0")
    ]
    assert land(store, plan_fields=rows) == {"plan_fields": 0}


def test_rows_and_watermark_land_together_or_not_at_all(store: Store) -> None:
    good, bad = rows_of(frames.Owners), rows_of(frames.Accounts).with_columns(name=pl.lit(None, pl.String))
    mark = Watermark("hubspot", "accounts", NOW)
    with pytest.raises(StoreError, match="refused") as caught:
        land(store, mark, owners=good, accounts=bad)
    assert "id0000" not in str(caught.value)  # the driver's text quotes the row
    assert caught.value.__cause__ is None
    assert store.read("owners").is_empty()
    assert store.watermark("hubspot", "accounts") is None
    land(store, mark, owners=good)
    assert store.watermark("hubspot", "accounts") == NOW


def test_a_watermark_never_moves_back(store: Store) -> None:
    for until in (NOW, EARLIER):
        land(store, Watermark("hubspot", "accounts", until))
    assert store.watermark("hubspot", "accounts") == NOW
    assert store.watermarks().rows() == [("hubspot", "accounts", NOW, "run", NOW)]
    store.forget_watermark("hubspot", "accounts")
    assert store.watermark("hubspot", "accounts") is None


@pytest.mark.parametrize(
    "until",
    [datetime(2999, 12, 31, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC), datetime(2026, 11, 1)],  # noqa: DTZ001
)
def test_an_impossible_watermark_is_refused_with_its_rows(store: Store, until: datetime) -> None:
    with pytest.raises(StoreError, match=r"hubspot tickets is .*`plansync state reset --crm hubspot --object tickets"):
        land(store, Watermark("hubspot", "tickets", until), owners=rows_of(frames.Owners))
    assert store.read("owners").is_empty()


def test_a_watermark_that_was_changed_by_hand_is_noticed(store: Store) -> None:
    land(store, Watermark("hubspot", "tickets", NOW))
    assert store.watermark("hubspot", "tickets", at=NOW) == NOW
    with pytest.raises(StoreError, match="cannot be at"):
        store.watermark("hubspot", "tickets", at=NOW - timedelta(days=2))


def test_an_unknown_frame_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="deals is no mirrored frame: one of accounts"):
        land(store, deals=rows_of(frames.Opportunities))
    with pytest.raises(StoreError, match="deals"):
        store.read("deals")


def test_row_errors_of_a_page_read_twice_are_listed_once(store: Store) -> None:
    errors = pl.DataFrame(
        [("hubspot", "accounts", "", "name|min_length", None)] * 2  # two records without an id
        + [("hubspot", "accounts", "7", "crm|is_known_word", "a\nb")],
        schema=frames.dtypes(frames.RowErrors),
        orient="row",
    )
    for _ in range(2):
        store.add_row_errors(errors, "run 1")
    store.add_row_errors(errors.clear(), "run 1")
    store.add_row_errors(errors.head(1), "run 2")
    assert_frame_equal(store.row_errors("run 1"), errors)
    assert store.row_errors("run 2").height == 1
    assert store.row_errors("run 3").schema == errors.schema


def _bytes(rows: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    rows.write_parquet(buffer)
    return buffer.getvalue()


def test_both_databases_hand_back_the_same_bytes(both_stores: list[Store]) -> None:
    for turn, store in enumerate(both_stores):
        rows = {name: rows_of(schema, seed=3) for name, schema in frames.MIRRORED.items()}
        land(store, **{name: frame.sample(fraction=1, shuffle=True, seed=turn) for name, frame in rows.items()})
    for name in frames.MIRRORED:
        first, second = (_bytes(store.read(name)) for store in both_stores)
        assert first == second, name
