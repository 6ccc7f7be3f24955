"""The rules that say which accounts of two CRMs are the same firm. None of them guesses.

Every rule takes the accounts of one CRM that still lack a counterpart in the other and gives links, one to one.
``accounts`` is the frame that ``identity.resolve`` prepares: one row per living account, with ``node`` (its number),
``unit`` (the accounts that people joined) and what can be compared. Links name nodes: ``left``, ``right``,
``method``, ``confidence``, ``reason``.
"""

from collections.abc import Sequence

import polars as pl
from rapidfuzz import fuzz, process

from models.enums import IdentityMethod
from transforms import text

PAIR = {"left": pl.Int64(), "right": pl.Int64(), "score": pl.Float64(), "reason": pl.String()}
SHORTEST_NAME = 3
LARGEST_BLOCK = 2500
"""Pairs that one block may hold: a word that more accounts share says too little to be worth comparing."""

HEADCOUNT_TOLERANCE = 0.1
"""How far apart two counts of employees may lie and still agree."""


def links(pairs: pl.DataFrame, method: IdentityMethod, confidence: float, reason: pl.Expr | str) -> pl.DataFrame:
    """Pairs of nodes as links of one method."""
    why = pl.lit(reason) if isinstance(reason, str) else reason
    return pairs.select(
        pl.col("left").cast(pl.Int64),
        pl.col("right").cast(pl.Int64),
        method=pl.lit(str(method)),
        confidence=pl.lit(confidence, dtype=pl.Float64),
        reason=why,
    )


def one_to_one(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pairs of which neither side has another partner."""
    return pairs.filter(pl.len().over("left") == 1, pl.len().over("right") == 1)


def by_domain(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Link accounts whose web domain no other account of their CRM carries."""
    sides = [side.filter(pl.col("is_domain_unique"), ~pl.col("is_claimed")) for side in (left, right)]
    pairs = _joined(sides[0], sides[1], "domain").filter(~_branches_disagree())
    return links(pairs, IdentityMethod.DOMAIN, 0.97, text.said("both have the web domain {}", pl.col("domain")))


def by_name(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Link accounts whose name key no other account of their CRM has, unless their web domains disagree."""
    is_telling = (
        pl.col("is_name_unique") & ~pl.col("is_claimed") & (pl.col("name_key").str.len_chars() >= SHORTEST_NAME)
    )
    pairs = _joined(left.filter(is_telling), right.filter(is_telling), "name_key").filter(~_domains_disagree())
    reason = text.said("both are named '{}', apart from case, punctuation and legal form", pl.col("name_key"))
    return links(pairs, IdentityMethod.EXACT_NAME, 0.93, reason)


def by_memory(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Keep accounts together that a rule joined on an earlier day, while nothing contradicts it.

    It keeps method, confidence and reason of that day. Without this, a blanked web site would tear a customer apart.
    What a person joined is not remembered here: the decision itself is.
    """
    by_rule = [IdentityMethod.EXPLICIT_LINK, IdentityMethod.DOMAIN, IdentityMethod.EXACT_NAME, IdentityMethod.FUZZY]
    is_ruled = pl.col("known_method").is_in([str(method) for method in by_rule])
    pairs = _joined(left.filter(is_ruled), right.filter(is_ruled), "known_id").filter(~_domains_disagree())
    pairs = one_to_one(pairs)
    return pairs.select("left", "right", method="known_method", confidence="known_confidence", reason="known_reason")


def by_likeness(scored: pl.DataFrame, fuzzy_link_score: float) -> pl.DataFrame:
    """Link accounts whose names are nearly the same, if another fact agrees and no other account comes as near.

    Args:
        scored: ``scored_pairs`` of the two CRMs.
        fuzzy_link_score: The least likeness, 0-1, inclusive.
    """
    near = one_to_one(scored.filter(pl.col("score") >= fuzzy_link_score))
    sure = near.filter(pl.col("is_corroborated"), ~pl.col("is_contradicted"), ~pl.col("is_claimed"))
    reason = text.said("names are {} % alike and {}", _percent(pl.col("score")), pl.col("agreement"))
    found = links(sure, IdentityMethod.FUZZY, 0.0, reason)
    return found.with_columns(confidence=pl.Series(sure["score"] * 0.9, dtype=pl.Float64).round(4))


def doubtful(scored: pl.DataFrame, review_score: float) -> pl.DataFrame:
    """The pairs that a person should look at: for each account its likest counterpart, if it is like enough.

    Accounts that share a web domain with several others are shown however different their names are.
    """
    worth = scored.filter((pl.col("score") >= review_score) | pl.col("is_same_domain"))
    best = [
        worth.sort("score", "left", "right", descending=[True, False, False]).unique(
            side, keep="first", maintain_order=True
        )
        for side in ("left", "right")
    ]
    return pl.concat(best).unique(["left", "right"]).select("left", "right", "score", reason=_doubt())


def duplicates(accounts: pl.DataFrame) -> pl.DataFrame:
    """Pairs of accounts of one CRM that may be the same firm: each with the first of its name or web domain.

    Accounts of one family (a parent and its children) are not duplicates.
    """
    found = []
    for key, what in (("name_key", "name"), ("domain", "web domain")):
        first = accounts.drop_nulls(key).sort("node").unique(["crm", key], keep="first", maintain_order=True)
        pairs = (
            accounts.drop_nulls(key)
            .join(first, on=["crm", key], suffix="_right", coalesce=False)
            .filter(pl.col("node") > pl.col("node_right"), pl.col("unit") != pl.col("unit_right"), ~_same_family())
        )
        if key == "name_key":
            pairs = pairs.filter(~_domains_disagree())
        reason = text.said(f"two accounts of {{}} have the same {what}", pl.col("crm"))
        found.append(pairs.select("name_key", "name_key_right", left="node_right", right="node", reason=reason))
    return _with_score(pl.concat(found)).select(*PAIR)


def claims(accounts: pl.DataFrame) -> pl.DataFrame:
    """Pairs of accounts of which at least one names the other as its counterpart: ``left`` before ``right``."""
    targets = accounts.select("crm", linked_crm_id="crm_id", target="node")
    named = (
        accounts.drop_nulls("linked_crm_id")
        .join(targets, on="linked_crm_id")
        .filter(pl.col("crm") != pl.col("crm_right"))
    )
    pairs = named.select(left=pl.min_horizontal("node", "target"), right=pl.max_horizontal("node", "target"))
    return pairs.unique().sort("left", "right")


def scored_pairs(left: pl.DataFrame, right: pl.DataFrame, least: float) -> pl.DataFrame:
    """How alike the names of two CRMs' accounts are, for pairs that share a rare word, a beginning, an end or a domain.

    Args:
        left: Accounts of one CRM.
        right: Accounts of another.
        least: Pairs less alike than this, 0-1, are left out unless they have the same web domain.

    Returns:
        One row per pair: ``left``, ``right``, ``score`` (0-1), ``is_corroborated`` and ``agreement`` (which facts
        agree), ``is_contradicted`` (web domains or branches differ), ``is_same_domain``, ``is_claimed``.
    """
    names = [side.select("node", "name_key", "domain") for side in (left, right)]
    pairs = _blocked(left, right).join(names[0], left_on="left", right_on="node")
    pairs = _with_score(pairs.join(names[1], left_on="right", right_on="node", suffix="_right").sort("left", "right"))
    is_same_domain = (pl.col("domain") == pl.col("domain_right")).fill_null(False)
    near = pairs.filter((pl.col("score") >= least) | is_same_domain).select("left", "right", "score")
    facts = near.join(left, left_on="left", right_on="node").join(
        right, left_on="right", right_on="node", suffix="_right"
    )
    strong, weak = _strong_agreement(), _weak_agreements()
    enough = strong.is_not_null() | (weak.list.len() >= 2)
    return facts.select(
        "left",
        "right",
        "score",
        is_corroborated=enough,
        agreement=pl.coalesce(strong, weak.list.join(" and ")),
        is_contradicted=_domains_disagree() | _branches_disagree(),
        is_same_domain=is_same_domain,
        is_claimed=pl.col("is_claimed") | pl.col("is_claimed_right"),
    )


def _joined(left: pl.DataFrame, right: pl.DataFrame, key: str) -> pl.DataFrame:
    """Pairs of accounts with the same, known ``key``; one pair per two units."""
    pairs = left.drop_nulls(key).join(right.drop_nulls(key), on=key, suffix="_right")
    pairs = pairs.sort("node", "node_right").unique(["unit", "unit_right"], keep="first", maintain_order=True)
    return pairs.rename({"node": "left", "node_right": "right"})


def _domains_disagree() -> pl.Expr:
    return (pl.col("domain_root") != pl.col("domain_root_right")).fill_null(False)


def _branches_disagree() -> pl.Expr:
    """Whether the names say two plants or branches of one firm: both have numbers, and others, or regions differ."""
    mine, other = pl.col("digits"), pl.col("digits_right")
    return ((mine != "") & (other != "") & (mine != other)) | (pl.col("branch") != pl.col("branch_right"))


def _same_family() -> pl.Expr:
    parent, other = pl.col("parent_crm_id"), pl.col("parent_crm_id_right")
    kin = (parent == other) | (parent == pl.col("crm_id_right")) | (other == pl.col("crm_id"))
    return kin.fill_null(False)


def _blocked(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Pairs of nodes that share at least one block; blocks that would hold too many pairs are left out."""
    keyed = [_block_keys(side) for side in (left, right)]
    sizes = [side.group_by("block").len() for side in keyed]
    small = (
        sizes[0]
        .join(sizes[1], on="block")
        .filter(pl.col("len").cast(pl.Int64) * pl.col("len_right").cast(pl.Int64) <= LARGEST_BLOCK)
    )
    pairs = keyed[0].join(small, on="block", how="semi").join(keyed[1], on="block", suffix="_right")
    return pairs.select(left="node", right="node_right").unique()


def _block_keys(accounts: pl.DataFrame) -> pl.DataFrame:
    """One row per account and block: words, beginnings and ends of its name (with its numbers), and its web domain."""
    name, words = pl.col("squeezed"), pl.col("name_key").str.split(" ")
    telling = words.list.eval(pl.element().filter(pl.element().str.len_chars() >= SHORTEST_NAME))
    blocks = pl.concat_list(
        text.said("4{}", name.str.head(4)),
        text.said("8{}", name.str.head(8)),
        text.said("1{}5{}", name.str.head(1), name.str.tail(5)),
        telling.list.eval(text.said("w{}", pl.element())),
    )
    by_name = (
        accounts.filter(name.str.len_chars() >= SHORTEST_NAME).select("node", "digits", block=blocks).explode("block")
    )
    by_name = by_name.select("node", block=text.said("{}#{}", "block", "digits"))
    by_site = accounts.drop_nulls("domain_root").select("node", block=text.said("@{}", "domain_root"))
    return pl.concat([by_name, by_site]).drop_nulls().unique()


def _with_score(pairs: pl.DataFrame) -> pl.DataFrame:
    """Add ``score``: the likeness of the two name keys, 0-1, the better of in order and in any order."""
    names = [pairs[column].fill_null("").to_list() for column in ("name_key", "name_key_right")]
    if not names[0]:
        return pairs.with_columns(score=pl.lit(None, dtype=pl.Float64))
    found = [process.cpdist(*names, scorer=scorer) for scorer in (fuzz.ratio, fuzz.token_sort_ratio)]
    scores = pl.DataFrame({"a": found[0], "b": found[1]}).select(pl.max_horizontal("a", "b").cast(pl.Float64) / 100)
    return pairs.with_columns(score=scores.to_series().round(4))


def _strong_agreement() -> pl.Expr:
    same_root = pl.col("domain_root") == pl.col("domain_root_right")
    named_site = (pl.col("domain_root") == pl.col("squeezed_right")) | (
        pl.col("domain_root_right") == pl.col("squeezed")
    )
    return (
        pl.when(same_root)
        .then(pl.lit("their web domains begin alike"))
        .when(named_site)
        .then(pl.lit("one's web domain is the other's name"))
    )


def _weak_agreements() -> pl.Expr:
    """The lesser facts that agree: two of them are as good as a web domain."""
    counts = [pl.col("employees_count"), pl.col("employees_count_right")]
    spread = (counts[0] - counts[1]).abs() <= pl.max_horizontal(counts) * HEADCOUNT_TOLERANCE
    money = (pl.col("arr_minor") == pl.col("arr_minor_right")) & (pl.col("currency") == pl.col("currency_right"))
    agreements: Sequence[tuple[str, pl.Expr]] = (
        ("the industry agrees", pl.col("industry").str.to_lowercase() == pl.col("industry_right").str.to_lowercase()),
        ("the number of employees agrees", spread & (counts[0] > 0)),
        ("ARR agrees", money & (pl.col("arr_minor") > 0)),
        ("the renewal date agrees", pl.col("renewal_date") == pl.col("renewal_date_right")),
    )
    said = [pl.when(holds).then(pl.lit(fact)) for fact, holds in agreements]
    return pl.concat_list(said).list.drop_nulls()


def _percent(score: pl.Expr) -> pl.Expr:
    return (score * 100).round(0).cast(pl.Int64)


def _doubt() -> pl.Expr:
    """Why no rule links a pair."""
    return (
        pl.when("is_claimed")
        .then(pl.lit("names are alike, but one of them is claimed by several accounts"))
        .when("is_contradicted")
        .then(pl.lit("names are alike, but web domains differ or they are branches of one firm"))
        .when("is_same_domain")
        .then(pl.lit("the web domain is the same, but other accounts have it too"))
        .when(~pl.col("is_corroborated"))
        .then(pl.lit("names are alike, but no other fact agrees"))
        .otherwise(pl.lit("names are alike, but not enough, or another account comes as near"))
    )
