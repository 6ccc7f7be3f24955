"""What a customer's segment is called, the same everywhere, however its CRM spells it."""

import polars as pl

from models.policy.pack import Policy, SegmentName
from transforms.health import segment_of, spelled_segment
from transforms.text import one_line

LABELS: dict[SegmentName, str] = {"enterprise": "Enterprise", "mid_market": "Mid-market", "smb": "SMB"}
"""The policy's segments as readers call them."""
_PLAIN_WORDS = r"^[\s_-]*\p{Lu}?\p{Ll}+([\s_-]+\p{Lu}?\p{Ll}+)*[\s_-]*$"


def segment_label(policy: Policy) -> pl.Expr:
    """The segment by which the policy treats a customer, as readers call it.

    Reads ``tier`` and ``segment``. What the policy does not know is shown in plain words, the segment before the tier:
    ``public_sector`` is "Public sector", and ``B2B SaaS`` stays as it is. Null where neither says anything.
    """
    known = segment_of(policy).replace_strict(LABELS, default=None, return_dtype=pl.String)
    return pl.coalesce(known, *(_plainly(pl.col(field)) for field in ("segment", "tier")))


def tier_beside(policy: Policy) -> pl.Expr:
    """The CRM's tier in plain words where ``segment_label`` does not say it: "Gold tier" of an enterprise customer."""
    tier = _plainly(pl.col("tier"))
    is_told = spelled_segment(policy, "tier").is_not_null() | (tier == segment_label(policy)) | (tier == "")
    named = pl.when(tier.str.contains(r"(?i)\btier\b")).then(tier).otherwise(pl.concat_str(tier, pl.lit(" tier")))
    return pl.when(~is_told.fill_null(False)).then(named)


def _plainly(name: pl.Expr) -> pl.Expr:
    """Plain words as a sentence begins, one way for ``public_sector`` and ``Public Sector``; others stay."""
    is_plain = name.str.contains(_PLAIN_WORDS)
    words = pl.when(is_plain).then(name.str.replace_all("-", " ").str.to_lowercase()).otherwise(name)
    told = one_line(words.str.replace_all("_", " "))
    return pl.when(is_plain).then(told.str.head(1).str.to_uppercase() + told.str.slice(1)).otherwise(told)
