"""Text as data: names, web domains and what people write, brought to a form in which they can be compared."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import polars as pl
from publicsuffixlist import PublicSuffixList

from models import keys
from models.money import minor_digits_of

LEGAL_FORMS = (
    "inc|incorporated|corp|corporation|co|company|llc|llp|lp|plc|ltd|limited|pty|pte|pvt|gmbh|ag|kg|ohg|ug|mbh|se|sa|sas"
    "|sarl|sl|srl|spa|nv|bv|bvba|ab|oy|oyj|as|asa|aps|kk|kgaa"
)
"""Words at the end of a firm's name that say what kind of firm it is, not which one."""

BRANCH_WORDS = (
    "africa|america|americas|apac|argentina|asia|australia|austria|belgium|benelux|brasil|brazil|canada|chile|china"
    "|colombia|dach|denmark|deutschland|east|emea|espana|europe|finland|france|germany|global|group|holding"
    "|holdings|iberia|india|international|ireland|israel|italia|italy|japan|korea|latam|mexico|netherlands|nordics|north"
    "|norway|osterreich|poland|portugal|schweiz|singapore|south|spain|suisse|sweden|switzerland|turkey|uk|us|usa|west"
)
"""Words that tell a branch from its parent: ``Acme`` and ``Acme France`` may share a web domain, yet are two."""

_LEGAL_TAIL = rf"(?:\s+(?:{LEGAL_FORMS}))+$"
_INVISIBLE = (
    r"[\p{Cc}--[\n\t]]|[\x{061C}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2069}\x{FEFF}"
    r"\x{E0000}-\x{E007F}]"
)
_BREAKS = r"(?i)<\s*br\s*/?\s*>|</\s*(?:p|div)\s*>\s*<\s*(?:p|div)(?:\s[^<>]*)?>"
_WRAPPERS = r"(?i)</?\s*(?:p|div|span)(?:\s[^<>]*)?>"
_ENTITIES = {"&nbsp;": " ", "&quot;": '"', "&#39;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&"}


def name_key(name: pl.Expr) -> pl.Expr:
    """The part of a firm's name that tells it from others: no case, accents kept, punctuation and legal forms dropped.

    ``Acme Robotics, Inc.`` and ``ACME ROBOTICS GmbH`` have the same key. A name that is nothing but legal forms is
    kept whole.
    """
    folded = name.str.normalize("NFKC").str.to_lowercase().str.replace_all("ß", "ss", literal=True)
    joined = folded.str.replace_all("&", " and ", literal=True).str.replace_all(r"\b(\p{L})\.", "$1")
    words = joined.str.replace_all(r"['’`]", "").str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
    bare = words.str.replace(r"^the\s+", "").str.replace(_LEGAL_TAIL, "")
    return pl.when(bare == "").then(words).otherwise(bare)


def squeezed(key: pl.Expr) -> pl.Expr:
    """A name key as it would look in a web address: ASCII letters and digits only."""
    return key.str.normalize("NFKD").str.replace_all(r"[^a-z0-9]", "")


def digits(key: pl.Expr) -> pl.Expr:
    """The numbers in a name, which no typing error changes: ``Plant 12`` is never ``Plant 13``."""
    return key.str.replace_all(r"[^0-9]+", " ").str.strip_chars()


def branch(key: pl.Expr) -> pl.Expr:
    """The words in a name key that say which branch of a firm it is, sorted."""
    words = key.str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.extract_all(rf"\b(?:{BRANCH_WORDS})\b")
    return words.list.unique().list.sort().list.join(" ")


def host(website: pl.Expr) -> pl.Expr:
    """The host in a web address, with or without a scheme; null where there is none."""
    address = website.str.normalize("NFKC").str.strip_chars().str.to_lowercase()
    return address.str.extract(r"^(?:[a-z][a-z0-9+.\-]*:)?(?://)?(?:[^/?#@]*@)?([^/?#:@\s]+)").str.strip_chars(".")


SAMPLE_ENDINGS = frozenset({"example", "test"})
"""Reserved by RFC 2606 for samples and tests, so no public suffix list knows them."""


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_unknown=False)


def _registrable(name: str) -> str | None:
    """The domain that a firm registers. Unknown endings give none: ``n.a`` in a website field names nobody."""
    labels = name.split(".")
    if labels[-1] in SAMPLE_ENDINGS and len(labels) > 1:
        return ".".join(labels[-2:])
    domain: str | None = _suffixes().privatesuffix(name)
    return domain


def registrable_domains(hosts: Iterable[str], shared_domains: Sequence[str]) -> pl.DataFrame:
    """What a host says about whose it is.

    Args:
        hosts: Distinct hosts, lower case.
        shared_domains: Domains that many firms use, such as free mail and page builders; they say nothing.

    Returns:
        One row per host that names a firm: ``host``, ``domain`` (``acme.co.uk``) and ``domain_root`` (``acme``).
    """
    shared = {domain.lower() for domain in shared_domains}
    found = ((name, _registrable(name)) for name in hosts)
    rows = [(name, domain, domain.split(".")[0]) for name, domain in found if domain and domain not in shared]
    schema = {"host": pl.String, "domain": pl.String, "domain_root": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def visible(text: pl.Expr) -> pl.Expr:
    """Text without characters that nobody sees: controls, bidirectional overrides, zero-width marks. Line ends stay."""
    return text.str.replace_all("\r\n?", "\n").str.replace_all(_INVISIBLE, "")


def one_line(text: pl.Expr) -> pl.Expr:
    """Text from outside as one line of ours: visible characters, blanks collapsed; null where nothing is left."""
    line = visible(text).str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(line != "").then(line)


def said(template: str, *parts: str | pl.Expr) -> pl.Expr:
    """``template`` with each ``{}`` filled by a column or an expression; null if one of them is null.

    In place of ``pl.format``, which ends the process on columns of several chunks (polars 1.35 to 2.1).
    """
    literals = template.split("{}")
    pieces: list[pl.Expr] = []
    for place, literal in enumerate(literals):
        if literal:
            pieces.append(pl.lit(literal))
        if place < len(parts):
            part = parts[place]
            pieces.append(pl.col(part) if isinstance(part, str) else part)
    return pl.concat_str(pieces)


def those_that_hold(rows: pl.DataFrame, texts: Sequence[tuple[pl.Expr, pl.Expr]]) -> pl.Series:
    """Of texts with their conditions, those that hold of each row, in their order (List of String, never null).

    A list of the few texts that hold costs a tenth of a list of every text, cleared of nulls.
    """
    numbered = rows.lazy().with_row_index("row")
    found = pl.collect_all([numbered.filter(holds).select("row", text=text) for holds, text in texts])
    empty = pl.DataFrame(schema={"row": pl.UInt32, "text": pl.String})
    said_of = pl.concat([empty, *found]).drop_nulls().sort("row", maintain_order=True)
    lists = said_of.group_by("row", maintain_order=True).agg("text")
    every = pl.select(row=pl.int_range(rows.height, dtype=pl.UInt32))
    joined = every.join(lists, on="row", how="left", maintain_order="left")
    return joined.select(pl.col("text").fill_null(pl.lit([], dtype=pl.List(pl.String)))).to_series()


def clipped(text: pl.Expr, length: int) -> pl.Expr:
    """Text of at most ``length`` characters, the cut marked."""
    return pl.when(text.str.len_chars() > length).then(text.str.head(length - 1) + "…").otherwise(text)


def words(name: pl.Expr) -> pl.Expr:
    """One of our names as people write it: ``high_touch`` is high touch."""
    return name.str.replace_all("_", " ", literal=True)


def number(value: pl.Expr) -> pl.Expr:
    """A measure as people write it: whole where it is whole, else to four decimals."""
    return value.round(4).cast(pl.String).str.strip_suffix(".0")


def grouped(value: pl.Expr) -> pl.Expr:
    """A whole number with its thousands set apart: ``1,234,567``."""
    size = value.abs()
    groups = [(size // 10**power % 1000).cast(pl.String).str.zfill(3) for power in (15, 12, 9, 6, 3, 0)]
    digits = pl.concat_str(groups, separator=",").str.strip_chars_start("0,")
    sign = pl.when(value < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return sign + pl.when(digits == "").then(pl.lit("0")).otherwise(digits)


def money(minor: pl.Expr, currency: pl.Expr) -> pl.Expr:
    """An amount as ``85,000 EUR`` or ``99.95 EUR``; null where the amount or its currency is."""
    places = minor_digits_of(currency)
    unit = pl.lit(10, dtype=pl.Int64).pow(places)
    rest = (minor.abs() % unit).cast(pl.String)
    padded = pl.lit("000") + rest
    decimals = pl.when(rest == "0").then(pl.lit("")).otherwise(pl.lit(".") + padded.str.tail(places))
    sign = pl.when(minor < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str([sign, grouped(minor.abs() // unit), decimals, pl.lit(" "), currency])


def normalised_text(text: pl.Expr) -> pl.Expr:
    """Text as it is compared, since CRMs reformat what they store.

    Line ends, HTML line breaks, paragraph wrappers and the five basic entities, trailing blanks and the blank lines
    around are brought to one form. Null counts as empty.
    """
    plain = visible(text.fill_null("")).str.replace_all(_BREAKS, "\n").str.replace_all(_WRAPPERS, "")
    for entity, character in _ENTITIES.items():
        plain = plain.str.replace_all(entity, character, literal=True)
    return plain.str.replace_all("\u00a0", " ").str.replace_all(r"[ \t]+(\n|$)", "$1").str.strip_chars()


def text_hash(text: pl.Expr) -> pl.Expr:
    """The hash of ``normalised_text``: what ``Written.readback_hash`` holds."""
    return keys.hashed(normalised_text(text))


def task_text_hash(subject: pl.Expr, body: pl.Expr) -> pl.Expr:
    """The hash of what a task says, as it is compared."""
    return keys.hashed(normalised_text(subject), normalised_text(body))
