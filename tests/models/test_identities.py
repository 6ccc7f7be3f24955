"""Who is who: whole replacements, a person's word, homes that stay, aliases that move."""

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models import frames
from models.store import Store
from tests.models.samples import NOW, rows_of


def test_a_saved_crosswalk_is_the_whole_one(store: Store) -> None:
    rows = rows_of(frames.Crosswalk)
    store.save_crosswalk(rows)
    store.save_crosswalk(rows.head(7).reverse())
    assert_frame_equal(store.crosswalk(), rows.head(7).sort("crm", "crm_id"))
    store.save_crosswalk(rows.clear())
    assert_frame_equal(store.crosswalk(), rows.clear())


def test_saved_reviews_are_the_whole_queue_likeliest_first(store: Store) -> None:
    rows = rows_of(frames.IdentityReviews)
    store.save_identity_reviews(rows)
    found = store.identity_reviews()
    assert_frame_equal(found, rows, check_row_order=False)
    assert found["score"].is_sorted(descending=True)


def test_the_latest_word_on_a_pair_stands_in_whichever_order_it_is_named(store: Store) -> None:
    ours, theirs = ("salesforce", "001"), ("hubspot", "77")
    store.decide(ours, theirs, is_same=True, decided_by="ann", decided_at=NOW)
    store.decide(theirs, ours, is_same=False, decided_by="bob", decided_at=NOW + timedelta(minutes=1))
    store.decide(ours, theirs, is_same=True, decided_by="late", decided_at=NOW - timedelta(minutes=1))
    assert store.identity_decisions().rows() == [
        ("hubspot", "77", "salesforce", "001", False, "bob", NOW + timedelta(minutes=1))
    ]
    with pytest.raises(ValueError, match="name two accounts"):
        store.decide(ours, ours, is_same=True, decided_by="ann", decided_at=NOW)


def test_a_home_stays_where_it_was_fixed(store: Store) -> None:
    def home(customer: str, crm_id: str) -> pl.DataFrame:
        return pl.DataFrame({"customer_id": [customer], "crm": ["hubspot"], "crm_id": [crm_id]})

    assert store.fix_homes(home("cus_1", "7")) == 1
    assert store.fix_homes(pl.concat([home("cus_1", "8"), home("cus_2", "9")])) == 1
    assert store.homes().rows() == [("cus_1", "hubspot", "7"), ("cus_2", "hubspot", "9")]


def test_an_alias_moves_to_the_customer_that_survives(store: Store) -> None:
    for customer, changed in (("cus_2", 1), ("cus_3", 1), ("cus_3", 0)):
        assert store.add_aliases(pl.DataFrame({"alias_id": ["cus_1"], "customer_id": [customer]})) == changed
    assert store.aliases().rows() == [("cus_1", "cus_3")]
