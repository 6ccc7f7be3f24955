"""The border: good rows pass, bad ones are kept with the rules that they broke."""

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models import frames
from tests.models.samples import rows_of


def owners(**columns: list[object]) -> pl.DataFrame:
    types = frames.dtypes(frames.Owners)
    rows = rows_of(frames.Owners, len(next(iter(columns.values()))))
    return rows.with_columns(pl.Series(name, values, dtype=types[name]) for name, values in columns.items())


def admitted(rows: pl.DataFrame) -> tuple[list[str], list[tuple[str, ...]]]:
    good, errors = frames.admitted(frames.Owners, rows, source="hubspot", target="owners")
    assert errors.schema == pl.Schema(frames.dtypes(frames.RowErrors))
    return good["crm_id"].to_list(), errors.select("source", "target", "record", "rule").rows()


def test_good_rows_pass_as_they_are_whatever_the_order_of_columns() -> None:
    rows = rows_of(frames.Owners)
    good, errors = frames.admitted(
        frames.Owners, rows.select(reversed(rows.columns)), source="hubspot", target="owners"
    )
    assert_frame_equal(good, rows)
    assert errors.is_empty()


def test_a_bad_row_is_set_aside_with_every_rule_that_it_broke() -> None:
    rows = owners(crm_id=["1", "2", ""], crm=["hubspot", "pipedrive", "hubspot"], is_active=[True, None, True])
    good, errors = admitted(rows)
    assert good == ["1"]
    assert [error[:3] for error in errors] == [("hubspot", "owners", "2"), ("hubspot", "owners", "")]
    assert errors[0][3] == "crm|check__is_known_word, is_active|nullability"
    assert errors[1][3] == "crm_id|min_length"


def test_a_row_without_an_id_is_listed_too() -> None:
    assert admitted(owners(crm_id=[None])) == ([], [("hubspot", "owners", "", "crm_id|nullability")])


def test_nothing_in_is_nothing_out() -> None:
    assert admitted(frames.empty(frames.Owners)) == ([], [])


@pytest.mark.parametrize("name", frames.MIRRORED)
def test_every_mirrored_frame_is_keyed_by_crm_and_id(name: str) -> None:
    assert list(frames.dtypes(frames.MIRRORED[name]))[:5] == [
        "crm",
        "crm_id",
        "modified_at",
        "is_deleted",
        "merged_into",
    ]
    assert frames.empty(frames.MIRRORED[name]).is_empty()
