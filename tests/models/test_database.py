"""Opening a store: made, upgraded, refused in plain words."""

import threading
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from polars.testing import assert_frame_equal

from models import database, frames, tables, upgrade
from models.store import Store, StoreError, StoreUnavailableError, Watermark
from tests.models.samples import NOW, rows_of


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(store: Store) -> None:
    with store._db.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_up_down_and_up_again(bare_url: str, tmp_path: Path) -> None:
    rows = rows_of(frames.Accounts)
    for _ in range(2):
        with Store.open(bare_url, segments=tmp_path) as store:
            store.land({"accounts": rows}, run_id="run", loaded_at=NOW)
            engine = store._db.engine
            upgrade.to_newest(engine)
            assert_frame_equal(store.read("accounts"), rows.sort("crm", "crm_id"))
            upgrade.to_version(engine, "base")
            with engine.connect() as connection:
                assert set(sa.inspect(connection).get_table_names()) <= {"alembic_version"}


def test_a_store_opened_again_still_knows(store_url: str, tmp_path: Path) -> None:
    rows = rows_of(frames.Contacts)
    with Store.open(store_url, segments=tmp_path) as store:
        store.land({"contacts": rows}, run_id="run", loaded_at=NOW)
    with Store.open(store_url, segments=tmp_path) as store:
        assert_frame_equal(store.read("contacts"), rows.sort("crm", "crm_id"))


def test_a_database_of_a_newer_version_is_refused(store_url: str, tmp_path: Path) -> None:
    with Store.open(store_url, segments=tmp_path) as store, store._db.writing() as connection:
        before = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        connection.execute(sa.text("UPDATE alembic_version SET version_num = 'r9999'"))
    with pytest.raises(
        StoreError, match="its version r9999 is newer than this plansync; install a newer one or restore"
    ):
        Store.open(store_url, segments=tmp_path)
    engine = sa.create_engine(store_url)
    with engine.begin() as connection:  # the PostgreSQL store serves other tests, too
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": before})
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("plansync.db", "cannot be read: write sqlite:///FILE or postgresql"),
        ("sqlite://", "names no file"),
        ("mysql://u:secret@h/db", "SQLite or PostgreSQL, not in mysql"),
        ("postgresql://u:secret@localhost/db", "has no folder for segments"),
    ],
)
def test_a_url_that_cannot_work_is_refused_without_its_password(url: str, text: str) -> None:
    with pytest.raises(StoreError, match=text) as caught:
        Store.open(url)
    assert "secret" not in str(caught.value)


def test_a_database_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="OperationalError") as caught:
        Store.open("postgresql://u:secret@127.0.0.1:1/db", segments=tmp_path)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a database " * 1000)
    with pytest.raises(StoreError, match="file is not a database"):
        Store.open(f"sqlite:///{tmp_path / 'notes.txt'}")


def test_sqlite_is_opened_durable_in_a_new_folder_with_segments_beside_it(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path / 'new' / 'plansync.db'}") as store:
        assert store._db.segments == tmp_path / "new" / "plansync.db.segments"
        with store._db.reading() as connection:
            found = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
    assert found == ["wal", 2, 1]


def test_a_moment_without_zone_is_refused(store: Store) -> None:
    with pytest.raises(sa.exc.StatementError, match="without time zone"):
        store.open_run("run", NOW.date(), NOW.replace(tzinfo=None))


def test_two_threads_land_side_by_side(store: Store) -> None:
    """As the flow does: one thread a CRM, reading while the other writes."""
    problems: list[BaseException] = []

    def pull(crm: str) -> None:
        try:
            for page in range(8):
                rows = rows_of(frames.Accounts, seed=page).with_columns(
                    crm=pl.lit(crm), crm_id=pl.format("{}-{}", "crm_id", pl.lit(page))
                )
                store.land({"accounts": rows}, run_id="run", loaded_at=NOW, watermark=Watermark(crm, "accounts", NOW))
                store.add_row_errors(rows_of(frames.RowErrors, 3, seed=page), "run")
                store.read("accounts")
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=pull, args=(crm,)) for crm in ("hubspot", "salesforce")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert store.read("accounts").height == 2 * 8 * 40


def test_every_store_error_can_be_caught_as_one() -> None:
    assert issubclass(StoreUnavailableError, StoreError)
    assert issubclass(database.KeyConflictError, StoreError)
