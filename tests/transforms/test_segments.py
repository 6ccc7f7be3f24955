"""One name for a segment, however the CRMs spell it."""

from models import frames
from models.policy.load import load_policy
from tests.tables import frame
from transforms.segments import LABELS, segment_label, tier_beside

CUSTOMERS = """customer_id | tier        | segment       | shown
               a           | Enterprise  |               | Enterprise
               b           | enterprise  | public_sector | Enterprise
               c           | Mid-Market  | startup       | Mid-market
               d           |             | mid_market    | Mid-market
               e           |             | Startup       | SMB
               f           | Gold        | public_sector | Public sector
               g           |             | Public Sector | Public sector
               h           | gold_plus   |               | Gold plus
               i           |             | Öffentlich    | Öffentlich
               l           |             | EMEA          | EMEA
               m           |             | B2B SaaS      | B2B SaaS
               o           |             | US Federal    | US Federal
               n           |             | asia-pacific  | Asia pacific
               j           |             | _             |
               k           |             |               | """


def test_every_spelling_of_a_segment_has_one_name() -> None:
    drawn = frame(CUSTOMERS)
    rows = frame(CUSTOMERS.replace("| shown", "| industry"), frames.Customers)
    found = rows.select(segment_label(load_policy(None)))
    assert found.to_series().to_list() == drawn["shown"].to_list()


def test_a_tier_that_the_segment_does_not_say_is_told_beside_it() -> None:
    drawn = """customer_id | tier       | segment
               a           | Gold       | Enterprise
               b           | Enterprise | public_sector
               c           | gold       |
               d           | Tier 1     | smb
               e           |            | smb"""
    found = frame(drawn, frames.Customers).select(tier_beside(load_policy(None))).to_series().to_list()
    assert found == ["Gold tier", None, None, "Tier 1", None]


def test_every_segment_of_the_policy_has_a_name() -> None:
    assert set(load_policy(None).segments.names) == set(LABELS)
