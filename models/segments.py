"""Usage, survey answers and assessed days: immutable Parquet files beside the database, listed in it.

A file is named after its content. It is there before the list names it, and the list changes with the transaction; so
a reader sees the old files or the new ones, whole, and a crash leaves at most a file that nobody lists.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import dataframely as dy
import polars as pl
import sqlalchemy as sa

from models import bulk, frames, tables
from models.database import Database, StoreError

_NAME_LENGTH = 32
ASSESSED: dict[str, type[dy.Schema]] = {
    "signals": frames.Signals,
    "health": frames.Health,
    "renewals": frames.Renewals,
    "lifecycle": frames.Lifecycle,
}
"""What an assessment consists of, by name."""


class Segments:
    """Rows kept in Parquet: input by the file that it came from, assessments by day and policy version."""

    _db: Database

    def add_usage(self, path_key: str, fingerprint: str, rows: pl.DataFrame, run_id: str) -> None:
        """Keep a usage file's rows (a ``frames.Usage``) in place of what the same file said before.

        Args:
            path_key: The file, by a name that stays when its content changes.
            fingerprint: Its content or its version, by any text that changes when the content does.
            rows: Its good rows.
            run_id: The run that read it.
        """
        _keep(self._db, "usage", frames.Usage, rows, _Origin(path_key, fingerprint, run_id))

    def usage(self) -> pl.LazyFrame:
        """The rows of all usage files, a ``frames.Usage``; a file listed later comes later.

        Two files may speak of the same account, day and feature: both rows are here, and the caller keeps the last.

        Raises:
            StoreError: A listed file is missing.
        """
        return _scan(self._db, "usage", frames.Usage)

    def add_surveys(self, path_key: str, fingerprint: str, rows: pl.DataFrame, run_id: str) -> None:
        """Keep a survey file's rows (a ``frames.Surveys``) as ``add_usage`` does."""
        _keep(self._db, "surveys", frames.Surveys, rows, _Origin(path_key, fingerprint, run_id))

    def surveys(self) -> pl.LazyFrame:
        """The rows of all survey files, a ``frames.Surveys``, in order and with errors as ``usage``."""
        return _scan(self._db, "surveys", frames.Surveys)

    def has_file(self, path_key: str, fingerprint: str) -> bool:
        """Whether this very version of a usage or survey file is in the store."""
        table = tables.segments
        query = sa.select(table.c.kind).where(table.c.path_key == path_key, table.c.fingerprint == fingerprint)
        with self._db.reading() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def save_assessment(
        self,
        run_id: str,
        as_of: date,
        policy_version: str,
        *,
        signals: pl.DataFrame,
        health: pl.DataFrame,
        renewals: pl.DataFrame,
        lifecycle: pl.DataFrame,
    ) -> None:
        """Keep what follows from the data as of a day under a policy version, in place of what was kept for both.

        Saving the same rows in any order gives the same files, byte for byte.
        """
        given = {"signals": signals, "health": health, "renewals": renewals, "lifecycle": lifecycle}
        packed = {name: _packed(_by_customer(ASSESSED[name], rows)) for name, rows in given.items()}
        origin, table = _Origin(_day_key(as_of, policy_version), policy_version, run_id), tables.assessments
        with self._db.writing() as connection:
            for name, content in packed.items():
                _list(self._db, connection, name, _File(content, given[name].height), origin)
            row = bulk.insert(connection, table).values(
                as_of=as_of, policy_version=policy_version, number=_next_number(connection, table), run_id=run_id
            )
            connection.execute(bulk.upserted(row, table))

    def assessment(self, as_of: date, policy_version: str | None = None) -> dict[str, pl.DataFrame]:
        """An assessed day: ``signals``, ``health``, ``renewals`` and ``lifecycle``, each sorted by customer.

        Args:
            as_of: The day.
            policy_version: The policy that was applied; the one that was saved last, when None.

        Raises:
            StoreError: That day was never assessed, or a listed file is missing.
        """
        table = tables.assessments
        query = sa.select(table.c.policy_version).where(table.c.as_of == as_of).order_by(table.c.number.desc()).limit(1)
        if policy_version is not None:
            query = query.where(table.c.policy_version == policy_version)
        with self._db.reading() as connection:
            version = connection.execute(query).scalar_one_or_none()
            if version is None:
                raise StoreError(f"there is no assessment as of {as_of}: run plansync with --as-of {as_of} first")
            key = _day_key(as_of, version)
            return {name: _scanned(self._db, connection, name, ASSESSED[name], key).collect() for name in ASSESSED}

    def assessment_days(self) -> pl.DataFrame:
        """The days that were assessed:

        ``as_of``, ``policy_version``, ``number`` (grows with every save), ``run_id``; sorted.
        """
        table = tables.assessments
        with self._db.reading() as connection:
            return bulk.read(connection, table, tables.schema_of(table)).sort("as_of", "number")

    def clean_segments(self) -> list[str]:
        """Delete the files that no list names: leftovers of crashes and of replaced versions. Returns their names.

        Readers that opened a file before keep it on POSIX systems; run this while no report is being made elsewhere.
        """
        with self._db.writing() as connection:
            named = set(connection.execute(sa.select(tables.segments.c.file_name)).scalars())
            found = sorted(self._db.segments.iterdir()) if self._db.segments.is_dir() else []
            orphans = [path for path in found if path.suffix in {".parquet", ".part"} and path.name not in named]
            for path in orphans:
                path.unlink()
        return [path.name for path in orphans]


@dataclass(frozen=True, slots=True)
class _Origin:
    """What a segment holds: the file or day, its version, and the run that brought it."""

    path_key: str
    fingerprint: str
    run_id: str


@dataclass(frozen=True, slots=True)
class _File:
    """A segment that is ready to be written."""

    content: bytes
    row_count: int


def _keep(db: Database, kind: str, schema: type[dy.Schema], rows: pl.DataFrame, origin: _Origin) -> None:
    file = _File(_packed(bulk.fitted(schema, rows)), rows.height)
    with db.writing() as connection:
        _list(db, connection, kind, file, origin)


def _list(db: Database, connection: sa.Connection, kind: str, file: _File, origin: _Origin) -> None:
    """Write a file and name it in the list; the caller's lock keeps ``clean_segments`` away in between."""
    row = bulk.insert(connection, tables.segments).values(
        kind=kind,
        path_key=origin.path_key,
        fingerprint=origin.fingerprint,
        file_name=_written(db.segments, file.content),
        row_count=file.row_count,
        number=_next_number(connection, tables.segments),
        run_id=origin.run_id,
    )
    connection.execute(bulk.upserted(row, tables.segments))


def _scan(db: Database, kind: str, schema: type[dy.Schema]) -> pl.LazyFrame:
    with db.reading() as connection:
        return _scanned(db, connection, kind, schema)


def _scanned(
    db: Database, connection: sa.Connection, kind: str, schema: type[dy.Schema], key: str | None = None
) -> pl.LazyFrame:
    table = tables.segments
    query = sa.select(table.c.path_key, table.c.file_name).where(table.c.kind == kind).order_by(table.c.number)
    if key is not None:
        query = query.where(table.c.path_key == key)
    paths = list(_present(db.segments, connection.execute(query)))
    return pl.scan_parquet(paths) if paths else frames.empty(schema).lazy()


def _day_key(as_of: date, policy_version: str) -> str:
    return f"{as_of.isoformat()}|{policy_version}"


def _by_customer(schema: type[dy.Schema], rows: pl.DataFrame) -> pl.DataFrame:
    keys = [name for name in ("customer_id", "signal") if name in schema.column_names()]
    return bulk.fitted(schema, rows).sort(keys)


def _packed(rows: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    rows.rechunk().write_parquet(buffer, compression="zstd")
    return buffer.getvalue()


def _next_number(connection: sa.Connection, table: sa.Table) -> int:
    newest = connection.execute(sa.select(sa.func.max(table.c.number))).scalar()
    return int(newest or 0) + 1


def _written(folder: Path, content: bytes) -> str:
    """Put a file into the folder under its content's name, whole and durable before it is seen; its name."""
    name = hashlib.sha256(content).hexdigest()[:_NAME_LENGTH] + ".parquet"
    if (folder / name).exists():
        return name
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.part"
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / name)
    _settle(folder)
    return name


def _settle(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _present(folder: Path, listed: Iterable[Any]) -> Iterable[Path]:
    """The listed files, each looked for: a scan would fail much later, and name no customer's file."""
    for path_key, name in listed:
        path = folder / name
        if not path.is_file():
            raise StoreError(f"{path}, which holds {path_key}, is missing: restore it from the backup of this store")
        yield path
