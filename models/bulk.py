"""Many rows at once, between polars and a database, by each driver's fastest safe way.

SQLite: ``executemany`` of the driver that is already connected; a second SQLite library in this process would corrupt
    the file.
PostgreSQL: COPY into a table of this transaction, then one statement. Both drivers get the same values in the same
    form, so
that both databases hand back the same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import dataframely as dy
import orjson
import polars as pl
import polars_hash  # noqa: F401  # registers the `nchash` namespace
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models import frames, tables

_FETCHED_ROWS = 50_000
_POSTGRES_EPOCH_US = 946_684_800_000_000  # PostgreSQL counts from 2000-01-01
_POSTGRES_EPOCH_DAYS = 10_957
_DAY = "%Y-%m-%d"
_MOMENT = "%Y-%m-%d %H:%M:%S%.6f"

Insert = sqlite.Insert | postgresql.Insert


def fitted(schema: type[dy.Schema], rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with exactly the columns and dtypes of a contract; their values are trusted."""
    contract = frames.dtypes(schema)
    return rows.select(list(contract)).cast(pl.Schema(contract))


def stored(rows: pl.DataFrame) -> pl.DataFrame:
    """The values as both databases keep them: moments and days as text, lists as JSON, no NUL, no negative zero.

    PostgreSQL cannot keep NUL and SQLite drops the sign of zero; so neither is kept anywhere.
    """
    return rows.select(_stored(pl.col(name), dtype).alias(name) for name, dtype in rows.schema.items())


def _stored(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return column.dt.convert_time_zone("UTC").dt.strftime(_MOMENT)
    if isinstance(dtype, pl.Date):
        return column.dt.strftime(_DAY)
    if isinstance(dtype, pl.String):
        return column.str.replace_all("\x00", "\ufffd", literal=True)
    if isinstance(dtype, pl.Float64):
        return pl.when(column == 0).then(pl.lit(0.0)).otherwise(column)
    if isinstance(dtype, pl.List):
        return column.map_batches(_as_json, return_dtype=pl.String)
    return column


def moment(at: datetime) -> pl.Expr:
    """One moment for every row, as ``stored`` keeps it."""
    if at.tzinfo is None:
        raise ValueError("a moment without time zone cannot be stored; give it in UTC")
    return pl.lit(at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds"))


def _as_json(lists: pl.Series) -> pl.Series:
    """A list a row as a JSON array; a loop, because polars writes JSON of structs only."""
    texts = [None if values is None else orjson.dumps(values).decode() for values in lists.to_list()]
    return pl.Series(lists.name, texts, dtype=pl.String)


def content_hash(rows: pl.DataFrame) -> pl.Series:
    """One Int64 a row of ``stored`` rows: xxh3 over every column in order, the same in every polars release.

    Values are written with their length before them, so that no two rows share a text; fractions as the shortest digits
    that mean them.
    """
    texts = [pl.col(name).cast(pl.String) for name in rows.columns]
    parts = [pl.concat_str(text.str.len_bytes(), pl.lit(":"), text).fill_null("-") for text in texts]
    digest: pl.Expr = pl.concat_str(parts, separator=",").nchash.xxh3_64()  # type: ignore[attr-defined]
    return rows.select(content_hash=digest.reinterpret(signed=True)).to_series()


def insert(connection: sa.Connection, table: sa.Table) -> Insert:
    """An INSERT that can say what happens when the key is there."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def upserted(statement: Insert, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> Insert:
    """``statement``, taking the new values of every column where the key is there and all ``conditions`` hold."""
    changes = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    where = sa.and_(*conditions) if conditions else None
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes, where=where)


def write(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame, statement: Insert) -> int:
    """Run an INSERT for every row of ``stored`` rows.

    Args:
        connection: Inside a transaction.
        table: Where the rows go.
        rows: The columns of ``table``, in its order; no key twice.
        statement: ``insert`` of ``table``, with what should happen when the key is there.

    Returns:
        How many rows were inserted or changed.
    """
    if rows.is_empty():
        return 0
    if connection.dialect.name == "sqlite":
        return _executemany(connection, rows, statement)
    with staged(connection, table, rows) as staging:
        ordered = sa.select(*staging.columns).order_by(*(staging.c[key.name] for key in table.primary_key))
        return affected(connection, statement.from_select(rows.columns, ordered))


def affected(connection: sa.Connection, statement: sa.Executable) -> int:
    """Run one statement; how many rows it inserted or changed."""
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def _executemany(connection: sa.Connection, rows: pl.DataFrame, statement: Insert) -> int:
    """The driver's own loop; a row whose condition does not hold is not counted."""
    compiled = statement.compile(dialect=connection.dialect, column_keys=rows.columns)
    driver = _driver(connection)
    before: int = driver.total_changes
    driver.executemany(str(compiled), rows.iter_rows())
    return int(driver.total_changes) - before


@contextmanager
def staged(connection: sa.Connection, like: sa.Table, rows: pl.DataFrame) -> Iterator[sa.Table]:
    """``stored`` rows as a temporary table with columns of ``like``, for statements over many rows; gone afterwards."""
    columns = [sa.Column(name, like.c[name].type, primary_key=like.c[name].primary_key) for name in rows.columns]
    staging = sa.Table(f"incoming_{like.name}", sa.MetaData(), *columns, prefixes=["TEMPORARY"])
    connection.execute(sa.schema.CreateTable(staging))
    if connection.dialect.name == "sqlite":
        _executemany(connection, rows, sqlite.insert(staging))
    else:
        _copy(connection, staging.name, rows)
    yield staging
    connection.execute(sa.schema.DropTable(staging))


def _copy(connection: sa.Connection, name: str, rows: pl.DataFrame) -> None:
    """COPY: an empty CSV field is null, a quoted one an empty text, which is also how polars writes them."""
    from psycopg import sql  # noqa: PLC0415  # the driver is there only where PostgreSQL is used

    buffer = BytesIO()
    rows.write_csv(buffer, include_header=False)
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in rows.columns)
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(name), columns)
    with _driver(connection).cursor() as cursor, cursor.copy(command) as copy:
        copy.write(buffer.getbuffer())


def read(connection: sa.Connection, table: sa.Table, schema: Mapping[str, pl.DataType], **where: str) -> pl.DataFrame:
    """Rows of ``table`` as a frame of ``schema``, whose columns are columns of the table; in no order.

    Args:
        connection: Inside a transaction.
        table: What to read.
        schema: The columns wanted, with their polars types.
        where: Texts that columns must equal.
    """
    query = sa.select(*(table.c[name] for name in schema)).where(
        *(table.c[name] == text for name, text in where.items())
    )
    compiled = query.compile(dialect=connection.dialect)
    if connection.dialect.name == "sqlite":
        found = _driver(connection).execute(
            str(compiled), [compiled.params[name] for name in compiled.positiontup or ()]
        )
        return _framed(found, schema, _TEXTUAL).select(_from_text(pl.col(name), t) for name, t in schema.items())
    with _binary_cursor(connection) as cursor:
        found = cursor.execute(str(compiled), compiled.params)
        return _framed(found, schema, _COUNTED).select(_from_counts(pl.col(name), t) for name, t in schema.items())


def _framed(cursor: Any, wanted: Mapping[str, pl.DataType], raw_types: Mapping[type, Any]) -> pl.DataFrame:
    """The cursor's rows as the driver gives them, a slice at a time:

    Python's objects of one are gone before the next.
    """
    schema = {name: raw_types.get(type(dtype), dtype) for name, dtype in wanted.items()}
    slices = [pl.DataFrame(schema=schema)]
    while rows := cursor.fetchmany(_FETCHED_ROWS):
        columns = zip(schema.items(), zip(*rows, strict=True), strict=True)
        slices.append(pl.DataFrame([pl.Series(name, values, dtype=dtype) for (name, dtype), values in columns]))
    return pl.concat(slices)


_TEXTUAL: dict[type, Any] = {pl.Datetime: pl.String, pl.Date: pl.String, pl.List: pl.String, pl.Boolean: pl.Int64}
_COUNTED: dict[type, Any] = {pl.Datetime: pl.Int64, pl.Date: pl.Int32, pl.List: pl.String}


def _from_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return column.str.to_datetime(_MOMENT, time_unit="us", time_zone="UTC")
    if isinstance(dtype, pl.Date):
        return column.str.to_date(_DAY)
    if isinstance(dtype, pl.List):
        return column.str.json_decode(dtype)
    return column.cast(dtype)


def _from_counts(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        return (column + _POSTGRES_EPOCH_US).cast(dtype)
    if isinstance(dtype, pl.Date):
        return (column + _POSTGRES_EPOCH_DAYS).cast(dtype)
    return _from_text(column, dtype)


def _binary_cursor(connection: sa.Connection) -> Any:
    """A cursor that streams, and leaves moments and days as the counts that PostgreSQL sends:

    no Python object for each.
    """
    from psycopg.types import numeric  # noqa: PLC0415  # see _copy

    cursor = _driver(connection).cursor("plansync_read", binary=True)
    cursor.itersize = _FETCHED_ROWS
    cursor.adapters.register_loader("timestamptz", numeric.Int8BinaryLoader)
    cursor.adapters.register_loader("date", numeric.Int4BinaryLoader)
    return cursor


def _driver(connection: sa.Connection) -> Any:
    """The driver's connection, inside SQLAlchemy's transaction."""
    return connection.connection.driver_connection


def listed(connection: sa.Connection, query: sa.Select[Any], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows of a query that answers little, as a frame of ``schema`` in the query's order."""
    return pl.DataFrame([tuple(row) for row in connection.execute(query)], schema=dict(schema), orient="row")


def replace(connection: sa.Connection, table: sa.Table, rows: pl.DataFrame) -> None:
    """Make ``rows`` the whole content of ``table``."""
    connection.execute(sa.delete(table))
    schema = tables.schema_of(table)
    write(connection, table, stored(rows.select(list(schema))), insert(connection, table))


def in_pieces(keys: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    """``keys`` in pieces that fit into one IN (...)."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
