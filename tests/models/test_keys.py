"""Names that last: one value, whether computed alone or over a column."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from models import keys

TEXT = st.text(max_size=8)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(parts=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5))
def test_a_column_of_keys_equals_the_keys_one_by_one(parts: list[tuple[str, str]]) -> None:
    frame = pl.DataFrame(parts, schema=["left", "right"], orient="row")
    found = frame.select(keys.hashed("task", pl.col("left"), pl.col("right"))).to_series().to_list()
    assert found == [keys.record_key("task", left, right) for left, right in parts]


def test_keys_are_what_they_were_in_every_release() -> None:
    """They are the external ids of what stands in the CRMs: another value would raise every task again."""
    assert keys.record_key("plan", "cus_1") == "03193a3d130f007980f6690b45fbe734"
    assert keys.customer_id("hubspot", "77") == "cus_3c808648b876be9f"


def test_a_missing_part_gives_no_key() -> None:
    frame = pl.DataFrame({"left": ["a", None]})
    assert frame.select(keys.hashed("task", pl.col("left"))).to_series().to_list() == [
        keys.record_key("task", "a"),
        None,
    ]


def test_keys_survive_crms_that_trim_and_change_case() -> None:
    key = keys.record_key("section", "cus_1", "business_goals")
    assert key == key.strip().lower()
    assert len(key) == keys.RECORD_KEY_LENGTH
    assert keys.customer_id("hubspot", "1").startswith("cus_")
