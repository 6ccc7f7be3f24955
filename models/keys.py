"""Names that last: the ids of our customers and of what we write into the CRMs.

They are opaque, lower-case ASCII, because CRMs trim and reformat text, and depend on nothing but their parts, so
that a schedule, a retry and a backfill give the same thing the same name.
"""

import hashlib

import polars as pl
import polars_hash  # noqa: F401  # registers the `chash` namespace

RECORD_KEY_LENGTH = 32
CUSTOMER_ID_LENGTH = 16


def record_key(*parts: str) -> str:
    """The name, for ever and in every CRM, of one thing that plansync writes: 32 hexadecimal characters."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:RECORD_KEY_LENGTH]


def customer_id(crm: str, crm_id: str) -> str:
    """The id of a customer, from the CRM account that founded it."""
    return "cus_" + hashlib.sha256(f"{crm}:{crm_id}".encode()).hexdigest()[:CUSTOMER_ID_LENGTH]


def hashed(*parts: str | pl.Expr) -> pl.Expr:
    """``record_key`` over columns.

    A string in ``parts`` is a literal, an expression a column; null if any column is.
    """
    columns = [pl.lit(part) if isinstance(part, str) else part for part in parts]
    return _sha256(pl.concat_str(columns, separator="|")).str.head(RECORD_KEY_LENGTH)


def _sha256(text: pl.Expr) -> pl.Expr:
    digest: pl.Expr = text.chash.sha2_256()  # type: ignore[attr-defined]  # polars_hash adds the namespace
    return digest
