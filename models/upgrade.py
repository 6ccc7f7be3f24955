"""The store's tables brought to a version, from code: no ini file, no command."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 0x6D696772  # any number that all workers share
READS = "plansync_reads"
"""The execution option of a connection that will only read, so that it waits for no writer."""


class NewerVersionError(Exception):
    """The database was made by a newer plansync than this one."""


def to_newest(engine: sa.Engine) -> None:
    """Bring the tables to the newest version; nothing happens when they are there.

    Raises:
        NewerVersionError: The database knows a version that this plansync does not.
    """
    to_version(engine, "head")


def to_version(engine: sa.Engine, wanted: str) -> None:
    """Bring the tables up or down to a version, in one transaction: a crash leaves the version that was there.

    Args:
        engine: The database.
        wanted: A revision's name, ``head`` for the newest, ``base`` for no tables at all.

    Raises:
        NewerVersionError: The database knows a version that this plansync does not.
    """
    from alembic import command, script  # noqa: PLC0415  # slow to import, and only needed here

    config = _config()
    revisions = script.ScriptDirectory.from_config(config).walk_revisions()
    order = ["base", *reversed([step.revision for step in revisions])]
    goal = order[-1] if wanted == "head" else wanted
    if _version(engine) == goal:
        return
    with engine.begin() as connection:
        _wait_for_others(connection)
        found = _version(connection)
        if found not in order:
            raise NewerVersionError(
                f"its version {found} is newer than this plansync; install a newer one or restore a backup"
            )
        config.attributes["connection"] = connection
        if order.index(found) < order.index(goal):
            command.upgrade(config, goal)
        elif found != goal:
            command.downgrade(config, goal)


def _version(database: sa.Engine | sa.Connection) -> str:
    """The version in the database, ``base`` for an empty one."""
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  # see above

    if isinstance(database, sa.Engine):
        with database.connect() as connection:
            return _version(connection.execution_options(**{READS: True}))
    return MigrationContext.configure(database).get_current_revision() or "base"


def _config() -> Any:
    from alembic.config import Config  # noqa: PLC0415  # see above

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


def _wait_for_others(connection: sa.Connection) -> None:
    """Two workers that start at once:

    the second waits, then finds nothing left to do. SQLite's own lock does it there.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
