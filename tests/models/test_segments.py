"""Parquet segments: listed ones count, whole; unlisted ones do no harm."""

from datetime import date
from pathlib import Path

import dataframely as dy
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models import frames
from models.segments import ASSESSED
from models.store import Store, StoreError
from tests.models.samples import TODAY, drawn, rows_of


def files(store: Store) -> list[str]:
    return sorted(path.name for path in store._db.segments.glob("*"))


def usage(count: int) -> pl.DataFrame:
    return drawn(frames.Usage, account_ref=[f"hubspot:{number}" for number in range(count)])


def assessed(seed: int = 0) -> dict[str, pl.DataFrame]:
    return {name: _unique(schema, rows_of(schema, seed=seed)) for name, schema in ASSESSED.items()}


def _unique(schema: type[dy.Schema], rows: pl.DataFrame) -> pl.DataFrame:
    return rows.unique([name for name in ("customer_id", "signal") if name in schema.column_names()])


def save(store: Store, rows: dict[str, pl.DataFrame], policy: str = "1", as_of: date = TODAY) -> None:
    store.save_assessment("run", as_of, policy, **rows)


def test_usage_and_surveys_come_back_as_they_went_in(store: Store) -> None:
    assert_frame_equal(store.usage().collect(), frames.empty(frames.Usage))
    rows, answers = rows_of(frames.Usage), rows_of(frames.Surveys)
    store.add_usage("usage.csv", "v1", rows, "run")
    store.add_surveys("nps.csv", "v1", answers, "run")
    assert_frame_equal(store.usage().collect(), rows)
    assert_frame_equal(store.surveys().collect(), answers)


def test_a_file_read_again_replaces_what_it_said_before_and_comes_last(store: Store) -> None:
    for path, fingerprint, count in (("a", "v1", 1), ("b", "v1", 2), ("a", "v2", 3)):
        store.add_usage(path, fingerprint, usage(count), "run")
    assert store.usage().collect().height == 5
    assert_frame_equal(store.usage().collect().tail(3), usage(3))
    assert [store.has_file(path, version) for path, version in (("a", "v1"), ("a", "v2"), ("b", "v1"))] == [
        False, True, True,
    ]  # fmt: skip


def test_an_empty_file_is_known_and_says_nothing(store: Store) -> None:
    store.add_usage("a", "v1", frames.empty(frames.Usage), "run")
    assert store.has_file("a", "v1")
    assert store.usage().collect().is_empty()


def test_only_unlisted_files_are_cleaned(store: Store) -> None:
    assert store.clean_segments() == []
    store.add_usage("a", "v1", usage(1), "run")
    replaced = files(store)
    store.add_usage("a", "v2", usage(2), "run")
    (store._db.segments / "half.parquet.part").write_bytes(b"PAR1")
    assert store.clean_segments() == sorted([*replaced, "half.parquet.part"])
    assert store.usage().collect().height == 2


def test_a_crash_between_file_and_list_changes_nothing(store: Store) -> None:
    store.add_usage("a", "v1", usage(1), "run")
    (store._db.segments / "00000000000000000000000000000000.parquet").write_bytes(b"written, never listed")
    assert store.usage().collect().height == 1
    store.add_usage("a", "v2", usage(2), "run")
    assert store.usage().collect().height == 2


def test_a_missing_segment_is_named(store: Store) -> None:
    store.add_usage("usage.csv", "v1", usage(1), "run")
    lost = Path(store._db.segments / files(store)[0])
    lost.unlink()
    with pytest.raises(StoreError, match=f"{lost}, which holds usage.csv, is missing: restore"):
        store.usage()


def test_an_assessment_comes_back_sorted_by_customer(store: Store) -> None:
    rows = assessed()
    save(store, rows)
    found = store.assessment(TODAY)
    for name, frame in rows.items():
        assert_frame_equal(found[name], frame, check_row_order=False)
        assert found[name]["customer_id"].is_sorted()


def test_saving_the_same_assessment_in_another_order_makes_no_other_file(store: Store) -> None:
    save(store, assessed())
    before = files(store)
    save(store, {name: frame.reverse() for name, frame in assessed().items()})
    assert files(store) == before


def test_the_policy_saved_last_is_meant_unless_one_is_named(store: Store) -> None:
    for policy, seed in (("2", 2), ("10", 10), ("2", 3)):
        save(store, assessed(seed), policy)
    save(store, assessed(5), "2", date(2026, 1, 1))
    for wanted, seed in ((None, 3), ("2", 3), ("10", 10)):
        assert_frame_equal(store.assessment(TODAY, wanted)["health"], assessed(seed)["health"].sort("customer_id"))
    assert store.assessment_days().select("as_of", "policy_version").rows() == [
        (date(2026, 1, 1), "2"), (TODAY, "10"), (TODAY, "2"),
    ]  # fmt: skip


def test_a_day_without_assessment_says_what_to_do(store: Store) -> None:
    with pytest.raises(StoreError, match="no assessment as of 2026-11-21: run plansync with --as-of 2026-11-21"):
        store.assessment(TODAY)


def test_both_databases_keep_the_same_files(both_stores: list[Store]) -> None:
    for store in both_stores:
        save(store, assessed())
        store.add_usage("a", "v1", usage(9), "run")
    first, second = both_stores
    assert files(first) == files(second)
    assert len(files(first)) == 5
