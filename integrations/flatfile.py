"""Rows from CSV and Parquet files that somebody else wrote: nothing guessed, nothing lost.

A file that cannot be read as a table is refused with the reason. A row that breaks a promise is set aside with its
line and the rule it broke; the others count.
"""

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from glob import glob
from pathlib import Path

import dataframely as dy
import polars as pl

from models import frames

SEPARATORS = (",", ";", "\t")
SUFFIXES = (".csv", ".parquet")
MAX_LINES_A_RECORD = 200
"""A quoted cell may hold line breaks; one that never ends would swallow the file, so the search for its end stops."""
SHOWN_VALUE_LENGTH = 40


class FlatFileError(ValueError):
    """The file as a whole cannot be used; the text names it, what is wrong and what was found instead."""


@dataclass(frozen=True, slots=True)
class FileShape:
    """What a kind of file must hold.

    ``target`` names its rows in error lists; ``contract`` gives columns and dtypes; ``optional`` columns may be
    missing altogether.
    """

    target: str
    contract: type[dy.Schema]
    optional: frozenset[str]
    error: type[FlatFileError]

    @property
    def columns(self) -> list[str]:
        return list(frames.dtypes(self.contract))


def table_files(where: Path | str) -> list[Path]:
    """The CSV and Parquet files of a folder (sub-folders included), of a glob pattern, or the one file named, by path.

    A pattern that ends in a suffix of its own, as ``*.tsv`` does, means files of that suffix. Names that begin with a
    dot or an underscore belong to whoever is still writing them, and are left out.

    Raises:
        FlatFileError: There is neither such a folder or file, nor a wildcard in the name.
    """
    found = Path(where)
    if found.is_file():
        return [found]
    if found.is_dir():
        paths = [path for path in found.rglob("*") if not _is_unfinished(path.relative_to(found))]
    elif any(mark in str(where) for mark in "*?["):
        paths = [path for path in map(Path, glob(str(where), recursive=True)) if not _is_unfinished(Path(path.name))]
    else:
        raise FlatFileError(f"{where}: no such folder, file or pattern")
    wanted = {*SUFFIXES, found.suffix.lower()}
    return sorted(path for path in paths if path.is_file() and path.suffix.lower() in wanted)


def has_unfinished(pattern: str) -> bool:
    """Whether a glob pattern meets a file that somebody is still writing: what it names is on its way, not missing."""
    met = (Path(path) for path in glob(pattern, recursive=True, include_hidden=True))
    return any(_is_unfinished(Path(path.name)) and path.is_file() for path in met)


def _is_unfinished(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def content_hash(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal: the same content is the same file, whatever its name."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cells(path: Path, shape: FileShape) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read one file, not yet typed.

    Returns:
        The rows, with ``line`` (Int64: the line where a CSV record starts, or the row of a Parquet file, from 1) and
        the columns of ``shape`` (from CSV: trimmed text, empty cells null; from Parquet: as stored). And a
        ``RowErrors`` of the lines that are no records: ``not_utf8``, or ``torn`` for too many or too few cells or a
        quote that never ends. Blank lines are in neither.

    Raises:
        FlatFileError: The file is empty, unreadable, or lacks a column.
    """
    if path.suffix.lower() == ".parquet":
        return _parquet_cells(path, shape), frames.empty(frames.RowErrors)
    return _csv_cells(path, shape)


def _parquet_cells(path: Path, shape: FileShape) -> pl.DataFrame:
    try:
        stored = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise shape.error(f"{path}: cannot be read as Parquet ({type(error).__name__})") from error
    named = _named_columns(stored.columns, path, shape)
    rows = stored.select(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("line"),
        *(pl.col(header).alias(name) for name, header in named.items()),
    )
    return _with_optional(rows, shape)


def _csv_cells(path: Path, shape: FileShape) -> tuple[pl.DataFrame, pl.DataFrame]:
    lines = _decoded(path.read_bytes(), path, shape)
    header = lines[0].removesuffix("\r").lower() if lines else ""
    if not header.strip():
        raise shape.error(f"{path}: is empty: the first line must name the columns {', '.join(shape.columns)}")
    separator = max(SEPARATORS, key=header.count)
    headers = _parsed(header, separator) or []
    named = _named_columns(headers, path, shape)
    whole, torn = _records(lines, separator, len(headers))
    picked = whole.select(
        "line",
        *(pl.col(f"field_{headers.index(header)}").str.strip_chars().alias(name) for name, header in named.items()),
    )
    filled = picked.with_columns(pl.col(name).replace("", None) for name in named)
    return _with_optional(filled, shape), row_errors(torn, path, shape.target)


def _decoded(content: bytes, path: Path, shape: FileShape) -> list[str]:
    """The lines of a file. A byte that is not UTF-8 becomes U+FFFD, by which its line is known and set aside."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise shape.error(f"{path}: is UTF-16; save it as UTF-8")
    text = content.decode("utf-8-sig", errors="replace")
    return (text if "\n" in text else text.replace("\r", "\n")).split("\n")


def _named_columns(headers: Sequence[str], path: Path, shape: FileShape) -> dict[str, str]:
    """Which header is which column; headers are compared trimmed and without case."""
    known: dict[str, str] = {}
    for header in headers:
        known.setdefault(header.strip().lower(), header)
    for name in shape.columns:
        if name not in known and name not in shape.optional:
            nearest = get_close_matches(name, list(known), n=1, cutoff=0.6)
            hint = f"the nearest is '{nearest[0]}'" if nearest else f"there are: {', '.join(known)[:200]}"
            raise shape.error(f"{path}: column '{name}' is missing; {hint}")
    return {name: known[name] for name in shape.columns if name in known}


def _with_optional(rows: pl.DataFrame, shape: FileShape) -> pl.DataFrame:
    missing = [name for name in shape.columns if name not in rows.columns]
    return rows.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in missing)


def _records(lines: list[str], separator: str, width: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Cut lines into records: those without a quote all at once, the others one by one.

    Returns:
        ``line`` and ``field_0`` ... of the whole records, and ``line``, ``rule``, ``detail`` of the lines that are
        none.
    """
    numbered = pl.DataFrame({"text": lines}, schema={"text": pl.String}).with_row_index("line", offset=1)
    numbered = numbered.with_columns(pl.col("line").cast(pl.Int64), pl.col("text").str.strip_suffix("\r")).slice(1)
    is_quoted = pl.col("text").str.contains('"', literal=True)
    odd = numbered.filter(is_quoted & ~_is_quoted_throughout(separator, width))["line"].to_list()
    quoted, torn, used = _quoted_records(lines, odd, separator, width)
    easy = numbered.filter(~pl.col("line").is_in(used) & (pl.col("text").str.strip_chars() != ""))
    plain = easy.filter(~is_quoted)
    is_whole = pl.col("text").str.count_matches(separator, literal=True) == width - 1
    everything = pl.concat(
        [
            _split(plain.filter(is_whole), pl.col("text"), separator, width),
            _split(easy.filter(_is_quoted_throughout(separator, width)), _UNQUOTED, f'"{separator}"', width),
            pl.DataFrame(quoted, schema={"line": pl.Int64, **dict.fromkeys(_fields(width), pl.String)}, orient="row"),
        ]
    ).sort("line")
    torn_lines = pl.concat([plain.filter(~is_whole)["line"], pl.Series("line", torn, dtype=pl.Int64)])
    broken = pl.any_horizontal(pl.col(_fields(width)).str.contains("\ufffd", literal=True))
    aside = [
        _ruled(torn_lines, "torn", f"not {width} cells separated by '{separator}'"),
        _ruled(everything.filter(broken)["line"], "not_utf8", "bytes that are not UTF-8"),
    ]
    return everything.filter(~broken), pl.concat(aside).sort("line")


_UNQUOTED = pl.col("text").str.strip_prefix('"').str.strip_suffix('"')


def _fields(width: int) -> list[str]:
    return [f"field_{position}" for position in range(width)]


def _is_quoted_throughout(separator: str, width: int) -> pl.Expr:
    """Every cell is quoted and no cell holds a quote: the only marks are at both ends and between cells.

    Such a line never lies inside a longer record and never ends one, so that it needs no parser.
    """
    text = pl.col("text")
    return (
        text.str.starts_with('"')
        & text.str.ends_with('"')
        & (_UNQUOTED.str.count_matches('"', literal=True) == 2 * (width - 1))
        & (_UNQUOTED.str.count_matches(f'"{separator}"', literal=True) == width - 1)
    )


def _split(rows: pl.DataFrame, text: pl.Expr, separator: str, width: int) -> pl.DataFrame:
    cut = text.str.split_exact(separator, width - 1).struct.rename_fields(_fields(width)).alias("cut")
    return rows.select("line", cut).unnest("cut")


def _ruled(lines: pl.Series, rule: str, detail: str) -> pl.DataFrame:
    return pl.DataFrame({"line": lines}).with_columns(rule=pl.lit(rule), detail=pl.lit(detail))


def _quoted_records(
    lines: list[str], starts: list[int], separator: str, width: int
) -> tuple[list[tuple[int | str, ...]], list[int], list[int]]:
    """The records of lines with quotes (numbered from 1), the torn lines, and the further lines that records use up."""
    records: list[tuple[int | str, ...]] = []
    torn: list[int] = []
    used: list[int] = []
    last_used = 0
    for place, start in enumerate(starts):
        if start <= last_used:
            continue
        row, end = _quoted_record(lines, starts, place, separator)
        if row is None or len(row) != width:
            torn.append(start)
            continue
        records.append((start, *row))
        used.extend(range(start + 1, end + 1))
        last_used = end
    return records, torn, used


def _quoted_record(lines: list[str], starts: list[int], place: int, separator: str) -> tuple[list[str] | None, int]:
    """The record that begins at a line with a quote, and its last line: only another line with a quote can end it."""
    start = starts[place]
    for end in starts[place : place + MAX_LINES_A_RECORD]:
        if end >= start + MAX_LINES_A_RECORD:
            break
        row = _parsed("\n".join(lines[start - 1 : end]).removesuffix("\r"), separator)
        if row is not None:
            return row, end
    return None, start


def _parsed(text: str, separator: str) -> list[str] | None:
    """One CSV record, or None if the text is none."""
    try:
        rows = list(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


def row_errors(broken: pl.DataFrame, path: Path, target: str) -> pl.DataFrame:
    """``frames.RowErrors`` from ``line``, ``rule`` and ``detail``."""
    return broken.select(
        source=pl.lit(str(path)),
        target=pl.lit(target),
        record=pl.col("line").cast(pl.String),
        rule="rule",
        detail=pl.col("detail").cast(pl.String),
    )


def admitted(
    rows: pl.DataFrame, rules: Mapping[str, pl.Expr], key: Sequence[str], path: Path, shape: FileShape
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split typed rows into good ones and those that break a rule.

    Args:
        rows: ``line``, the columns of the shape, and beside a column that was converted its text as ``<column>_text``.
        rules: Rule name, ``<column>|<what it breaks>``, to an expression that is true for a row that breaks it.
        key: Of good rows that agree in these columns, the first one counts; the others are set aside as ``duplicate``.
        path: For the error list.
        shape: For the error list, and the order and dtypes of the good rows.

    Returns:
        The good rows as the contract wants them, and their ``RowErrors``, by line.
    """
    names = [pl.when(broken).then(pl.lit(rule)) for rule, broken in rules.items()]
    ruled = rows.with_columns(rule=pl.concat_str(names, separator=", ", ignore_nulls=True))
    fine = ruled.filter(pl.col("rule") == "")
    first = fine.select(pl.struct(key).is_first_distinct()).to_series()
    repeated = fine.filter(~first).with_columns(rule=pl.lit("duplicate"))
    bad = (
        pl.concat([ruled.filter(pl.col("rule") != ""), repeated])
        .with_columns(detail=_shown(ruled.columns))
        .sort("line")
    )
    dtypes = frames.dtypes(shape.contract)
    good = fine.filter(first).select(pl.col(name).cast(dtype) for name, dtype in dtypes.items())
    return good, row_errors(bad, path, shape.target)


def _shown(columns: Sequence[str]) -> pl.Expr:
    """The values that could not be converted, shortened, for whoever must correct the file."""
    shown = [
        pl.when(pl.col("rule").str.contains(f"{name}|", literal=True)).then(
            pl.concat_str(
                pl.lit(f"{name} is '"), pl.col(f"{name}_text").fill_null("").str.head(SHOWN_VALUE_LENGTH), pl.lit("'")
            )
        )
        for name in (column.removesuffix("_text") for column in columns if column.endswith("_text"))
    ]
    return pl.concat_str(shown, separator=", ", ignore_nulls=True) if shown else pl.lit(None, dtype=pl.String)
