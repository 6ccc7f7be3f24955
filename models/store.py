"""The store: everything that plansync knows, in one database and a folder of segments beside it."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from models import database
from models.database import Database, KeyConflictError, StoreError, StoreUnavailableError
from models.identities import Identities
from models.ledger import Ledger
from models.mirror import Mirror, Watermark
from models.plan_items import PlanItemRevisions
from models.run_log import RunLog
from models.segments import Segments
from models.shared import SharedFile, SharedTable

__all__ = ["KeyConflictError", "Store", "StoreError", "StoreUnavailableError", "Watermark"]


class Store(Mirror, Identities, PlanItemRevisions, Segments, Ledger, RunLog):
    """One opened store. Each part is a file of its own and touches no other part's tables but by name.

    Safe for several threads and several processes. On SQLite all writers are on one host and take turns.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    def open(cls, url: str, *, segments: Path | None = None) -> Self:
        """Open the store at ``url`` and bring its tables to the newest version.

        Args:
            url: ``sqlite:///FILE`` (made if missing) or ``postgresql://USER@HOST/NAME`` (an existing database).
            segments: The folder of the Parquet segments; for SQLite the file's name with ``.segments`` after it, by
                default.

        Raises:
            StoreError: The URL is neither, the database is of a newer plansync or no database, or PostgreSQL has no
                segments.
            StoreUnavailableError: The database cannot be reached.
        """
        return cls(database.opened(url, segments))

    def shared(
        self, *, holder: str, is_gone: Callable[[str], bool], clock: Callable[[], float]
    ) -> SharedFile | SharedTable:
        """Where processes agree while they run: a file beside a SQLite store, a table of a PostgreSQL one.

        Arguments as in ``models.shared.SharedFile``; ``clock`` counts for the file only.
        """
        address = self._db.engine.url
        if address.get_backend_name() == "sqlite":
            return SharedFile(Path(f"{address.database}.limits"), holder=holder, is_gone=is_gone, clock=clock)
        return SharedTable(self._db, holder=holder, is_gone=is_gone)

    def close(self) -> None:
        """Close every connection; the store can be opened again."""
        self._db.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
