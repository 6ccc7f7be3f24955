"""Which CRM accounts are the same customer.

Accounts of two CRMs are linked by rules that go from the surest to the least sure; what no rule settles waits for a
person. Two accounts of one CRM are never linked by a rule. The same accounts in another order give the same answer.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import polars as pl

from models import frames, keys
from models.enums import Crm, IdentityMethod
from transforms import identity_rules as rules
from transforms import text

BUSIEST_DOMAIN = 50
"""Accounts of one CRM that may carry a web domain before it counts as a platform's domain, which says nothing."""

LONGEST_MERGE_CHAIN = 32
FOUNDERS = [str(crm) for crm in Crm]
"""Whose account founds a customer when several are new at once: the first of these CRMs."""


class Identity(NamedTuple):
    """Who is who.

    Attributes:
        crosswalk: ``frames.Crosswalk``, sorted by ``crm``, ``crm_id``.
        reviews: ``frames.IdentityReviews``, likest first.
        aliases: ``alias_id``, ``customer_id``: one row per id that stands for another customer from now on. An id
            that the crosswalk uses is never an alias, whatever was true before.
    """

    crosswalk: pl.DataFrame
    reviews: pl.DataFrame
    aliases: pl.DataFrame


def resolve(
    accounts: pl.DataFrame,
    *,
    known: pl.DataFrame,
    decisions: pl.DataFrame,
    fuzzy_link_score: float,
    review_score: float,
    shared_domains: Sequence[str],
) -> Identity:
    """Give every living account its customer.

    In this order: what a person decided; merges inside a CRM; an id of the other CRM, if exactly one account claims
    it; a web domain that is unique on both sides; a name key that is unique on both sides, if web domains do not
    disagree; what was linked before and is not contradicted; nearly equal names, if another fact agrees and no other
    account comes as near. A known customer keeps its id. When two known customers turn out to be one, a merge's
    survivor keeps its id, otherwise the lexicographically smaller one stays; the other becomes an alias. When one
    customer falls into two, the account that founded it keeps the id.

    Args:
        accounts: ``frames.Accounts`` of all CRMs, deleted and merged ones included.
        known: The ``frames.Crosswalk`` of the run before.
        decisions: What people decided, one row per pair: ``left_crm``, ``left_crm_id``, ``right_crm``,
            ``right_crm_id``, ``is_same``.
        fuzzy_link_score: Least likeness of names that links, 0-1, inclusive.
        review_score: Least likeness of names that a person is asked about, 0-1, inclusive.
        shared_domains: Web domains that say nothing, such as free mail.

    Returns:
        Crosswalk, reviews and aliases. Deleted accounts are in neither of them; a merged one only through its
        customer's alias.
    """
    survivors = _survivors(accounts)
    nodes = _nodes(accounts, survivors, known, shared_domains)
    decided = _decided(decisions, survivors, nodes)
    nodes = _with_units(nodes, decided)
    found, doubts = _linked(nodes, decided, fuzzy_link_score, review_score)
    nodes = nodes.with_columns(customer=_labels(nodes.height, found))
    named, aliases = _named(nodes, known, survivors)
    crosswalk = _crosswalk(named, found, survivors, known)
    return Identity(crosswalk, _reviews(nodes, doubts, decided), aliases)


def _survivors(accounts: pl.DataFrame) -> pl.DataFrame:
    """One row per account whose merges end at a living one: ``crm``, ``crm_id``, and that one as ``survivor``."""
    step = accounts.select("crm", "crm_id", survivor=pl.coalesce("merged_into", "crm_id"))
    length = 1
    while length < LONGEST_MERGE_CHAIN:
        beyond = step.select("crm", survivor="crm_id", next="survivor")
        step = step.join(beyond, on=["crm", "survivor"], how="left").select(
            "crm", "crm_id", survivor=pl.coalesce("next", "survivor")
        )
        length *= 2
    living = accounts.filter(~pl.col("is_deleted"), pl.col("merged_into").is_null()).select("crm", survivor="crm_id")
    return step.join(living, on=["crm", "survivor"], how="semi").sort("crm", "crm_id")


def _nodes(
    accounts: pl.DataFrame, survivors: pl.DataFrame, known: pl.DataFrame, shared_domains: Sequence[str]
) -> pl.DataFrame:
    """One row per living account, numbered in the order of ``crm``, ``crm_id``, with everything that rules compare."""
    living = survivors.filter(pl.col("crm_id") == pl.col("survivor")).select("crm", "crm_id")
    rows = accounts.join(living, on=["crm", "crm_id"], how="semi").sort("crm", "crm_id").with_row_index("node")
    rows = rows.with_columns(
        pl.col("node").cast(pl.Int64), name_key=text.name_key(pl.col("name")), host=text.host(pl.col("website"))
    )
    rows = rows.with_columns(
        squeezed=text.squeezed(pl.col("name_key")),
        digits=text.digits(pl.col("name_key")),
        branch=text.branch(pl.col("name_key")),
    )
    hosts = rows["host"].drop_nulls().unique(maintain_order=True)
    rows = rows.join(text.registrable_domains(hosts, shared_domains), on="host", how="left", maintain_order="left")
    rows = _without_busy_domains(rows)
    followed = survivors.rename({"crm_id": "linked_crm_id", "crm": "other_crm"})
    linked = (
        rows.drop_nulls("linked_crm_id")
        .join(followed, on="linked_crm_id")
        .filter(pl.col("crm") != pl.col("other_crm"))
        .select("node", linked_crm_id="survivor")
        .unique("node", keep="first", maintain_order=True)
    )
    rows = rows.drop("linked_crm_id").join(linked, on="node", how="left", maintain_order="left")
    before = known.select(
        "crm",
        "crm_id",
        known_id="customer_id",
        known_method="method",
        known_confidence="confidence",
        known_reason="reason",
    )
    return rows.join(before, on=["crm", "crm_id"], how="left", maintain_order="left")


def _without_busy_domains(rows: pl.DataFrame) -> pl.DataFrame:
    is_busy = pl.col("node").count().over("crm", "domain") > BUSIEST_DOMAIN
    return rows.with_columns(domain=pl.when(~is_busy).then("domain"), domain_root=pl.when(~is_busy).then("domain_root"))


def _decided(decisions: pl.DataFrame, survivors: pl.DataFrame, nodes: pl.DataFrame) -> pl.DataFrame:
    """People's decisions about living accounts: ``left``, ``right`` (nodes), ``is_same``; of a pair's rows the last."""
    places = survivors.join(nodes.select("crm", survivor="crm_id", node="node"), on=["crm", "survivor"])
    pairs = decisions
    for side in ("left", "right"):
        here = places.select(pl.col("node").alias(side), **{f"{side}_crm": "crm", f"{side}_crm_id": "crm_id"})
        pairs = pairs.join(here, on=[f"{side}_crm", f"{side}_crm_id"], maintain_order="left")
    ends = [pl.min_horizontal("left", "right"), pl.max_horizontal("left", "right")]
    pairs = pairs.select(left=ends[0], right=ends[1], is_same="is_same").filter(pl.col("left") != pl.col("right"))
    return pairs.unique(["left", "right"], keep="last", maintain_order=True).sort("left", "right")


def _with_units(nodes: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """Add ``unit`` (what people joined), and whether name key and web domain are unique to it in its CRM."""
    units = nodes.with_columns(unit=_labels(nodes.height, decided.filter("is_same")))
    return units.with_columns(
        is_domain_unique=pl.col("unit").n_unique().over("crm", "domain") == 1,
        is_name_unique=pl.col("unit").n_unique().over("crm", "name_key") == 1,
        is_claimed=pl.lit(False),
    )


def _linked(
    nodes: pl.DataFrame, decided: pl.DataFrame, fuzzy_link_score: float, review_score: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All links (those of people first), and the pairs that a person should look at."""
    by_person = rules.links(decided.filter("is_same"), IdentityMethod.PERSON, 1.0, "a person decided so")
    claimed = _allowed(rules.claims(nodes), nodes, decided)
    clear = rules.one_to_one(claimed)
    refused = claimed.join(clear, on=["left", "right"], how="anti")
    disputed = refused["left"].append(refused["right"])
    nodes = nodes.with_columns(is_claimed=pl.col("node").is_in(disputed.implode()))
    explicit = rules.links(clear, IdentityMethod.EXPLICIT_LINK, 1.0, "one account names the other's id")
    doubts = [_conflicts(nodes, refused), rules.duplicates(nodes)]
    found = pl.concat([by_person, explicit])
    for crms in combinations(sorted(FOUNDERS), 2):
        for rule in (rules.by_domain, rules.by_name, rules.by_memory):
            left, right = _open(nodes, found, crms)
            found = pl.concat([found, _allowed(rule(left, right), nodes, decided)])
        scored = _allowed(
            rules.scored_pairs(*_open(nodes, found, crms), min(fuzzy_link_score, review_score)), nodes, decided
        )
        alike = rules.by_likeness(scored, fuzzy_link_score)
        found = pl.concat([found, alike])
        undone = scored.join(alike, on="left", how="anti").join(alike, on="right", how="anti")
        doubts.append(rules.doubtful(undone, review_score))
    return found, pl.concat(doubts)


def _open(nodes: pl.DataFrame, found: pl.DataFrame, crms: tuple[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The accounts of two CRMs whose customer has no account in the other one of them yet."""
    grouped = nodes.with_columns(group=_labels(nodes.height, found))
    has_both = pl.col("crm").filter(pl.col("crm").is_in(crms)).n_unique().over("group") > 1
    free = grouped.filter(~has_both).drop("group")
    return free.filter(pl.col("crm") == crms[0]), free.filter(pl.col("crm") == crms[1])


def _allowed(pairs: pl.DataFrame, nodes: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """The pairs that no person decided to keep apart, nor their accounts' units."""
    unit = nodes.select("node", "unit")
    apart = decided.filter(~pl.col("is_same"))
    for side in ("left", "right"):
        apart = apart.join(unit.rename({"node": side, "unit": f"{side}_unit"}), on=side)
        pairs = pairs.join(unit.rename({"node": side, "unit": f"{side}_unit"}), on=side, maintain_order="left")
    turned = apart.select(left_unit="right_unit", right_unit="left_unit")
    banned = pl.concat([apart.select("left_unit", "right_unit"), turned])
    pairs = pairs.join(banned, on=["left_unit", "right_unit"], how="anti", maintain_order="left")
    return pairs.drop("left_unit", "right_unit")


def _conflicts(nodes: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    """Explicit links that contradict each other, as doubts."""
    return refused.select(
        "left",
        "right",
        score=pl.lit(1.0),
        reason=pl.lit("one account names the other's id, but several accounts claim the same one"),
    )


def _labels(height: int, pairs: pl.DataFrame) -> pl.Series:
    """The smallest node that each node is joined to, directly or over others."""
    ends = pairs.select(pl.col("left").cast(pl.Int64), pl.col("right").cast(pl.Int64))
    both = pl.concat([ends.select(node="left", other="right"), ends.select(node="right", other="left")])
    labels = pl.int_range(height, eager=True, dtype=pl.Int64).alias("label")
    while True:
        nearest = both.with_columns(label=labels.gather(both["other"])).group_by("node").agg(pl.col("label").min())
        table = pl.DataFrame({"node": pl.int_range(height, eager=True, dtype=pl.Int64), "label": labels})
        joined = table.join(nearest, on="node", how="left", maintain_order="left")
        smaller = joined.select(pl.min_horizontal("label", "label_right")).to_series().alias("label")
        if smaller.equals(labels):
            return labels
        labels = smaller


def _named(nodes: pl.DataFrame, known: pl.DataFrame, survivors: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The nodes with ``customer_id``, and the aliases: a known id goes to one group, a group takes one of its ids."""
    nodes = nodes.with_columns(own_id=_founded_id())
    granted = _granted(_id_claims(nodes, known, survivors))
    chosen = granted.sort("customer", "is_lost", "customer_id").unique("customer", keep="first", maintain_order=True)
    founder = pl.col("crm").replace_strict(FOUNDERS, range(len(FOUNDERS)), return_dtype=pl.Int64)
    fresh = nodes.with_columns(founder=founder).sort("customer", "founder", "crm_id")
    fresh = fresh.unique("customer", keep="first", maintain_order=True).select("customer", "own_id")
    ids = fresh.join(chosen.select("customer", "customer_id"), on="customer", how="left")
    ids = ids.select("customer", customer_id=pl.coalesce("customer_id", "own_id"))
    spare = granted.join(ids, on="customer", suffix="_new").filter(pl.col("customer_id") != pl.col("customer_id_new"))
    aliases = spare.select(alias_id="customer_id", customer_id="customer_id_new").sort("alias_id")
    return nodes.join(ids, on="customer", maintain_order="left"), aliases


def _founded_id() -> pl.Expr:
    """``keys.customer_id`` as an expression."""
    name = keys.hashed(pl.concat_str(["crm", "crm_id"], separator=":"))
    return pl.concat_str([pl.lit("cus_"), name.str.head(keys.CUSTOMER_ID_LENGTH)])


def _id_claims(nodes: pl.DataFrame, known: pl.DataFrame, survivors: pl.DataFrame) -> pl.DataFrame:
    """Who may keep a known id, by ``rank``: its founder, another living account, the survivor of a merged one."""
    places = survivors.join(nodes.select("crm", survivor="crm_id", node="node"), on=["crm", "survivor"])
    held = known.select("crm", "crm_id", "customer_id").join(places, on=["crm", "crm_id"])
    held = held.with_columns(is_lost=pl.col("crm_id") != pl.col("survivor")).select("node", "customer_id", "is_lost")
    returned = nodes.filter(pl.col("known_id").is_null(), pl.col("own_id").is_in(known["customer_id"].implode()))
    returned = returned.select("node", customer_id="own_id", is_lost=pl.lit(False))
    claims = pl.concat([held, returned]).join(nodes.select("node", "own_id", "customer"), on="node")
    is_founder = ~pl.col("is_lost") & (pl.col("own_id") == pl.col("customer_id"))
    return claims.with_columns(rank=pl.when(is_founder).then(0).when(~pl.col("is_lost")).then(1).otherwise(2))


def _granted(claims: pl.DataFrame) -> pl.DataFrame:
    """One row per known id: the group that keeps it."""
    return claims.sort("customer_id", "rank", "node").unique("customer_id", keep="first", maintain_order=True)


def _crosswalk(named: pl.DataFrame, found: pl.DataFrame, survivors: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The nodes as ``frames.Crosswalk``, each with the strongest link that touches it."""
    order = {str(method): rank for rank, method in enumerate(IdentityMethod)}
    ends = pl.concat(
        [found.select("method", "confidence", "reason", node=side) for side in ("left", "right")]
        + [_absorbed(named, survivors, known)]
    )
    ranked = ends.with_columns(rank=pl.col("method").replace_strict(order, return_dtype=pl.Int64))
    best = ranked.sort("node", "rank", "reason").unique("node", keep="first", maintain_order=True)
    rows = named.join(best, on="node", how="left", maintain_order="left")
    return rows.select(
        "crm",
        "crm_id",
        "customer_id",
        method=pl.col("method").fill_null(str(IdentityMethod.ALONE)),
        confidence=pl.col("confidence").fill_null(1.0),
        reason=pl.col("reason").fill_null("no account of another CRM is known to be the same firm"),
    ).select(frames.Crosswalk.column_names())


def _absorbed(named: pl.DataFrame, survivors: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """The living accounts into which a known account was merged, as ends of links."""
    lost = survivors.filter(pl.col("crm_id") != pl.col("survivor")).join(known, on=["crm", "crm_id"], how="semi")
    ends = named.join(lost.select("crm", crm_id="survivor").unique(), on=["crm", "crm_id"], how="semi")
    return ends.select(
        method=pl.lit(str(IdentityMethod.MERGED)),
        confidence=pl.lit(1.0),
        reason=pl.lit("the CRM merged a known account into this one"),
        node="node",
    )


def _reviews(nodes: pl.DataFrame, doubts: pl.DataFrame, decided: pl.DataFrame) -> pl.DataFrame:
    """Doubts as ``frames.IdentityReviews``: no pair twice, none that is settled or that a person decided."""
    pairs = doubts.select(
        pl.min_horizontal("left", "right"), pl.max_horizontal("left", "right").alias("right"), "score", "reason"
    )
    pairs = pairs.sort("score", "left", "right", "reason", descending=[True, False, False, False])
    pairs = pairs.unique(["left", "right"], keep="first", maintain_order=True)
    pairs = pairs.join(decided, on=["left", "right"], how="anti", maintain_order="left")
    for side in ("left", "right"):
        place = nodes.select(
            pl.col("node").alias(side),
            **{f"{side}_crm": "crm", f"{side}_crm_id": "crm_id", f"{side}_group": "customer"},
        )
        pairs = pairs.join(place, on=side, maintain_order="left")
    return pairs.filter(pl.col("left_group") != pl.col("right_group")).select(frames.IdentityReviews.column_names())
