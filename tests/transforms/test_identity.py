"""Who is who: what links, what waits for a person, and which id stays."""

import random
import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import frames, keys
from tests.tables import frame
from transforms.identity import Identity, resolve

SHARED = ["gmail.com", "outlook.com"]
NOBODY = frames.empty(frames.Crosswalk)
PAIR = ["left_crm", "left_crm_id", "right_crm", "right_crm_id"]
UNDECIDED = pl.DataFrame(schema={**dict.fromkeys(PAIR, pl.String()), "is_same": pl.Boolean})


def accounts(picture: str) -> pl.DataFrame:
    rows = frame(picture, frames.Accounts)
    crm = pl.when(pl.col("crm_id").str.starts_with("h")).then(pl.lit("hubspot")).otherwise(pl.lit("salesforce"))
    return rows.with_columns(crm=crm, is_deleted=pl.col("is_deleted") | pl.col("merged_into").is_not_null())


def resolved(
    rows: pl.DataFrame, known: pl.DataFrame = NOBODY, decisions: pl.DataFrame = UNDECIDED, score: float = 0.92
) -> Identity:
    identity = resolve(
        rows, known=known, decisions=decisions, fuzzy_link_score=score, review_score=0.8, shared_domains=SHARED
    )
    frames.Crosswalk.validate(identity.crosswalk)
    frames.IdentityReviews.validate(identity.reviews)
    return identity


def groups(identity: Identity) -> set[frozenset[str]]:
    grouped = identity.crosswalk.group_by("customer_id").agg("crm_id")
    return {frozenset(ids) for ids in grouped["crm_id"].to_list()}


def asked(identity: Identity) -> set[tuple[str, str]]:
    return set(identity.reviews.select("left_crm_id", "right_crm_id").rows())


def method(identity: Identity, crm_id: str) -> str:
    return str(identity.crosswalk.row(by_predicate=pl.col("crm_id") == crm_id, named=True)["method"])


def decided(left: str, right: str, *, is_same: bool) -> pl.DataFrame:
    crms = ["hubspot" if crm_id.startswith("h") else "salesforce" for crm_id in (left, right)]
    row = dict(zip(PAIR, [crms[0], left, crms[1], right], strict=True)) | {"is_same": is_same}
    return pl.DataFrame([row], schema=UNDECIDED.schema)


@pytest.mark.parametrize(
    ("picture", "how"),
    [
        ("crm_id | name | linked_crm_id\n s1 | Acme | \n h1 | Something else | s1", "explicit_link"),
        ("crm_id | name | linked_crm_id\n s1 | Acme | h1\n h1 | Something else | s1", "explicit_link"),
        ("crm_id | name | website\n s1 | Acme | https://www.acme.co.uk/en\n h1 | Zeta | shop.acme.co.uk", "domain"),
        ("crm_id | name\n s1 | Acme Robotics, Inc.\n h1 | ACME ROBOTICS", "exact_name"),
        ("crm_id | name | website\n s1 | Acme Robotics | acme.com\n h1 | Acme Robtics | acme.de", "fuzzy"),
        ("crm_id | name | website\n s1 | Acme Robotics | acmerobotics.com\n h1 | AcmeRobotics | ", "fuzzy"),
    ],
)
def test_links_accounts_by_the_surest_rule_that_holds(picture: str, how: str) -> None:
    identity = resolved(accounts(picture))
    assert groups(identity) == {frozenset({"s1", "h1"})}
    assert {method(identity, "s1"), method(identity, "h1")} == {how}
    assert identity.crosswalk["customer_id"][0] == keys.customer_id("salesforce", "s1")
    assert identity.reviews.is_empty()


@pytest.mark.parametrize(
    "picture",
    [
        "crm_id | name | website\n s1 | Acme | a@gmail.com\n h1 | Zeta | gmail.com",
        "crm_id | name | website\n s1 | Acme | \n h1 | Zeta | ",
        "crm_id | name\n s1 | Plant 12\n h1 | Plant 13",
        "crm_id | name\n s1 | AB\n h1 | AB",
        "crm_id | name | website\n s1 | Acme | localhost\n h1 | Zeta | localhost",
        "crm_id | name | website\n s1 | Acme | http://10.0.0.1/crm\n h1 | Zeta | 10.0.0.1",
        "crm_id | name | website\n s1 | Acme | acme.github.io\n h1 | Zeta | zeta.github.io",
    ],
)
def test_links_nothing_on_facts_that_say_nothing(picture: str) -> None:
    assert groups(resolved(accounts(picture))) == {frozenset({"s1"}), frozenset({"h1"})}


@pytest.mark.parametrize(
    ("picture", "pairs"),
    [
        ("crm_id | name | website\n s1 | Acme Robotics | acme.com\n h1 | Acme Robotics | zeta.com", {("h1", "s1")}),
        ("crm_id | name\n s1 | Acme Robotics\n h1 | Acme Robotica", {("h1", "s1")}),
        ("crm_id | name | linked_crm_id\n s1 | Acme |\n h1 | Acme | s1\n h2 | Zeta | s1", {("h1", "s1"), ("h2", "s1")}),
        ("crm_id | name\n s1 | Acme Robotics\n s2 | Acme Robotics Ltd", {("s1", "s2")}),
        (
            "crm_id | name | website\n s1 | North | acme.com\n h1 | South | acme.com\n h2 | West | acme.com",
            {("h1", "s1"), ("h2", "s1"), ("h1", "h2")},
        ),
    ],
)
def test_asks_a_person_instead_of_guessing(picture: str, pairs: set[tuple[str, str]]) -> None:
    identity = resolved(accounts(picture))
    assert identity.crosswalk["customer_id"].n_unique() == identity.crosswalk.height
    assert asked(identity) == pairs


def test_a_family_of_accounts_of_one_crm_is_no_duplicate() -> None:
    rows = accounts("""crm_id | name | website  | parent_crm_id
                       s1     | Acme | acme.com |
                       s2     | Acme | acme.com | s1""")
    assert resolved(rows).reviews.is_empty()


def test_a_decision_by_a_person_beats_every_rule_in_both_directions() -> None:
    rows = accounts("""crm_id | name | website
                       s1     | Acme | acme.com
                       h1     | Acme | acme.com
                       h2     | Zeta | zeta.com""")
    apart = resolved(rows, decisions=decided("h1", "s1", is_same=False))
    assert groups(apart) == {frozenset({"s1"}), frozenset({"h1"}), frozenset({"h2"})}
    assert apart.reviews.is_empty()
    other = resolved(rows, decisions=decided("s1", "h2", is_same=True))
    assert groups(other) == {frozenset({"s1", "h2"}), frozenset({"h1"})}
    assert method(other, "h2") == "person"


def test_people_may_join_accounts_of_one_crm() -> None:
    rows = accounts("crm_id | name | website\n s1 | Acme | acme.com\n s2 | Acme Ltd | acme.com\n h1 | Zeta | acme.com")
    identity = resolved(rows, decisions=decided("s2", "s1", is_same=True))
    assert groups(identity) == {frozenset({"s1", "s2", "h1"})}


def test_follows_merges_to_the_account_that_lives_on() -> None:
    before = accounts("crm_id | name\n s1 | Acme\n s2 | Zeta\n s3 | Omega\n s4 | Gone")
    known = resolved(before).crosswalk
    after = accounts("""crm_id | name  | merged_into | is_deleted | linked_crm_id
                        s1     | Acme  | s2          | yes        |
                        s2     | Zeta  | s3          | yes        |
                        s3     | Omega |             | no         |
                        s4     | Gone  |             | yes        |
                        h1     | Else  |             | no         | s1""")
    identity = resolved(after, known)
    survivor = keys.customer_id("salesforce", "s3")
    assert groups(identity) == {frozenset({"s3", "h1"})}
    assert identity.crosswalk["customer_id"].unique().to_list() == [survivor]
    assert set(identity.aliases.rows()) == {
        (keys.customer_id("salesforce", crm_id), survivor) for crm_id in ("s1", "s2")
    }


def test_a_new_account_that_swallows_a_known_one_takes_over_its_customer() -> None:
    known = resolved(accounts("crm_id | name\n s1 | Acme")).crosswalk
    after = accounts("crm_id | name | merged_into | is_deleted\n s1 | Acme | s9 | yes\n s9 | Acme | | no")
    identity = resolved(after, known)
    assert identity.crosswalk.select("crm_id", "customer_id", "method").rows() == [
        ("s9", keys.customer_id("salesforce", "s1"), "merged")
    ]
    assert identity.aliases.is_empty()


def test_two_known_customers_that_turn_out_to_be_one_keep_the_smaller_id() -> None:
    rows = "crm_id | name | linked_crm_id\n s1 | Acme | {}\n h1 | Zeta |"
    known = resolved(accounts(rows.format(""))).crosswalk
    identity = resolved(accounts(rows.format("h1")), known)
    smaller, larger = sorted(known["customer_id"])
    assert identity.crosswalk["customer_id"].to_list() == [smaller, smaller]
    assert identity.aliases.rows() == [(larger, smaller)]
    again = resolved(accounts(rows.format("h1")), identity.crosswalk)
    assert again.crosswalk.equals(identity.crosswalk)
    assert again.aliases.is_empty()


def test_a_blanked_web_site_does_not_tear_a_customer_apart_but_another_one_does() -> None:
    rows = "crm_id | name | website\n s1 | Acme | {}\n h1 | Zeta | acme.com"
    known = resolved(accounts(rows.format("acme.com"))).crosswalk
    blanked = resolved(accounts(rows.format("")), known)
    assert blanked.crosswalk["customer_id"].equals(known["customer_id"])
    assert method(blanked, "s1") == "domain"
    moved = resolved(accounts(rows.format("omega.com")), known)
    assert moved.crosswalk.select("crm_id", "customer_id").rows() == [
        ("h1", keys.customer_id("hubspot", "h1")),
        ("s1", keys.customer_id("salesforce", "s1")),
    ]


def test_an_account_that_returns_from_the_bin_is_the_same_customer_again() -> None:
    rows = "crm_id | name | is_deleted\n s1 | Acme | {}\n h1 | Acme | no"
    first = resolved(accounts(rows.format("no")))
    binned = resolved(accounts(rows.format("yes")), first.crosswalk)
    assert groups(binned) == {frozenset({"h1"})}
    back = resolved(accounts(rows.format("no")), binned.crosswalk)
    assert set(back.crosswalk["customer_id"]) == set(first.crosswalk["customer_id"])


names = st.sampled_from(["Acme", "Acme Ltd", "Acmee Robotics", "Acme Robotics", "Zeta 1", "Zeta 2", "Omega", "Group"])
sites = st.sampled_from([None, "acme.com", "www.acme.com", "acme.de", "zeta.io", "gmail.com"])
firms = st.lists(st.tuples(names, sites, st.integers(0, 9), st.booleans()), max_size=7)


@settings(max_examples=12, deadline=None)
@given(left=firms, right=firms, seed=st.integers(0, 9))
def test_any_order_gives_the_same_answer_and_no_rule_joins_one_crm(
    left: list[tuple[str, str | None, int, bool]], right: list[tuple[str, str | None, int, bool]], seed: int
) -> None:
    rows = [
        {"crm_id": f"{side}{n}", "name": name, "website": site, "is_deleted": is_deleted}
        | {"linked_crm_id": f"{other}{link}" if link < len(firm) else None}
        for side, other, firm in (("s", "h", left), ("h", "s", right))
        for n, (name, site, link, is_deleted) in enumerate(firm)
    ]
    table = frames.empty(frames.Accounts)
    plain = pl.DataFrame(
        [{"crm": "hubspot" if row["crm_id"][0] == "h" else "salesforce", **row} for row in rows],
        schema_overrides=dict(table.schema),
        schema={
            name: table.schema[name] for name in ("crm", "crm_id", "name", "website", "is_deleted", "linked_crm_id")
        },
    )
    table = pl.concat([table, plain], how="diagonal")
    first = resolved(table)
    second = resolved(table.sample(fraction=1, shuffle=True, seed=seed))
    assert first.crosswalk.equals(second.crosswalk)
    assert first.reviews.equals(second.reviews)
    assert first.crosswalk.height == table.filter(~pl.col("is_deleted")).height
    assert first.crosswalk.select("customer_id", "crm").is_unique().all()
    again = resolved(table, first.crosswalk)
    assert again.crosswalk.equals(first.crosswalk)
    assert again.aliases.is_empty()


SYLLABLES = [
    "ka",
    "ro",
    "min",
    "tel",
    "ve",
    "sor",
    "lu",
    "dan",
    "bri",
    "xo",
    "pe",
    "ga",
    "nor",
    "fi",
    "hal",
    "zu",
    "wem",
    "qui",
]
TRADES = ["Robotics", "Foods", "Logistics", "Software", "Energy", "Health", "Media", "Textiles", "Steel", "Partners"]
FORMS = ["", " Inc", " GmbH", ", Inc.", " Ltd.", " LLC", " S.A.", " AG"]


def labelled(count: int, seed: int) -> tuple[pl.DataFrame, set[tuple[str, str]]]:
    """Accounts of two CRMs, and the pairs that truly are one firm: typos, shared domains, subsidiaries, name twins."""
    draw = random.Random(seed)
    rows: list[dict[str, object]] = []
    truth: set[tuple[str, str]] = set()
    for n in range(count):
        word = "".join(draw.choices(SYLLABLES, k=3)).title()
        name = f"{word} {draw.choice(TRADES)}"
        site = draw.choice([f"{word.lower()}{n}.com"] * 6 + ["gmail.com", None])
        facts = {
            "industry": draw.choice(TRADES),
            "employees_count": draw.randint(5, 5000),
            "arr_minor": draw.randint(1, 10**7),
        }
        here = draw.random()
        if here < 0.8:
            rows.append({"crm_id": f"s{n}", "name": name + draw.choice(FORMS), "website": site, **facts})
        if here > 0.2:
            there = name if draw.random() < 0.7 else _misspelt(name, draw)
            lost = draw.random()
            website = None if lost < 0.2 else (site.replace(".com", ".de") if site and lost < 0.25 else site)
            rows.append({"crm_id": f"h{n}", "name": there + draw.choice(FORMS), "website": website, **facts})
        if 0.2 < here < 0.8:
            truth.add((f"h{n}", f"s{n}"))
        if draw.random() < 0.03:
            side = draw.choice("sh")
            rows.append(
                {"crm_id": f"{side}x{n}", "name": f"{name} {draw.choice(['France', 'Iberia'])}", "website": site}
            )
    table = pl.DataFrame(rows, infer_schema_length=None).with_columns(is_deleted=pl.lit(False), currency=pl.lit("EUR"))
    crm = pl.when(pl.col("crm_id").str.starts_with("h")).then(pl.lit("hubspot")).otherwise(pl.lit("salesforce"))
    return pl.concat([frames.empty(frames.Accounts), table.with_columns(crm=crm)], how="diagonal_relaxed"), truth


def _misspelt(name: str, draw: random.Random) -> str:
    at = draw.randrange(1, len(name) - 1)
    return draw.choice(
        [
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
            name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :],
        ]
    )


def test_a_labelled_portfolio_is_linked_precisely_and_almost_completely() -> None:
    rows, truth = labelled(5000, seed=7)
    start = time.process_time()
    identity = resolved(rows)
    seconds = time.process_time() - start
    pairs = identity.crosswalk.join(identity.crosswalk, on="customer_id", suffix="_right")
    found = set(pairs.filter(pl.col("crm") < pl.col("crm_right")).select("crm_id", "crm_id_right").rows())
    precision, recall = len(found & truth) / len(found), len(found & truth) / len(truth)
    print(f"precision {precision:.4f}, recall {recall:.4f}, {identity.reviews.height} to review, {seconds:.2f} CPU s")
    assert precision >= 0.995
    assert recall >= 0.90
    assert seconds < 10
