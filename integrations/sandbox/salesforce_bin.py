"""The recycle bin: what is deleted together comes back together, until the bin is emptied.

Follows "Data Loss Due to Record Deletion" in the object reference and "undelete()" and "emptyRecycleBin()" in the
SOAP developer guide: children that a deletion took along are restored with their parent, and not by themselves while
the parent is in the bin. Unverified: the words of ``UNDELETE_FAILED``.
"""

from collections.abc import Callable

from integrations.sandbox.salesforce_errors import SalesforceError
from integrations.sandbox.salesforce_objects import OBJECTS
from integrations.sandbox.salesforce_schema import SObject
from integrations.sandbox.salesforce_store import keep_numbers_used, set_columns, stamps
from integrations.sandbox.salesforce_tracking import histories, set_deleted
from integrations.sandbox.soql_sql import stored
from integrations.sandbox.state import State, WriteAction, quoted

_TABLE = """CREATE TABLE IF NOT EXISTS salesforce_bin (
    id TEXT PRIMARY KEY, object TEXT NOT NULL, root TEXT NOT NULL) WITHOUT ROWID"""

Note = Callable[[SObject, str, WriteAction], None]


def prepare_bin(state: State) -> None:
    """Make the bin's table. Doing it again changes nothing."""
    state.execute(_TABLE)
    state.execute("CREATE INDEX IF NOT EXISTS ix_salesforce_bin_root ON salesforce_bin (root)")


class RecycleBin:
    """The bin of the org in the state. Callers open the transaction and check what may be deleted."""

    def __init__(self, state: State) -> None:
        self.state = state

    def put(self, entity: SObject, record_id: str, note: Note, *, root: str | None = None) -> None:
        """Put a record in, and before it the children that go with it."""
        root = root or record_id
        for _, child, by, cascades in entity.children:
            if cascades and not OBJECTS[child.lower()].is_history:
                for child_id in self._living(OBJECTS[child.lower()], by, record_id):
                    self.put(OBJECTS[child.lower()], child_id, note, root=root)
        set_columns(self.state, entity, record_id, {"IsDeleted": 1, **stamps(self.state)})
        set_deleted(self.state, entity, record_id, is_deleted=True)
        self.state.execute("INSERT OR REPLACE INTO salesforce_bin VALUES (?, ?, ?)", (record_id, entity.name, root))
        note(entity, record_id, "delete")

    def take_out(self, entity: SObject, record_id: str, note: Note) -> None:
        """Restore a record and the children that were deleted with it.

        Raises:
            SalesforceError: UNDELETE_FAILED, when it is not in the bin, or its parent is.
        """
        if not self._is_deleted(entity, record_id):
            raise SalesforceError("UNDELETE_FAILED", "Entity is not in the recycle bin", fields=[])
        together = self.state.query("SELECT id, object FROM salesforce_bin WHERE root = ? AND id <> root", (record_id,))
        roots = self.state.query("SELECT root FROM salesforce_bin WHERE id = ?", (record_id,))
        if roots and roots[0][0] != record_id:
            raise SalesforceError("UNDELETE_FAILED", "The parent of the entity is in the recycle bin", fields=[])
        for each, name in ((record_id, entity.name), *together):
            self._restore(OBJECTS[name.lower()], each)
            note(OBJECTS[name.lower()], each, "update")

    def empty(self, entity: SObject, record_id: str) -> None:
        """Delete for good what is in the bin, with what was deleted with it.

        Raises:
            SalesforceError: INVALID_ID_FIELD, when it is not in the bin.
        """
        if not self._is_deleted(entity, record_id):
            raise SalesforceError("INVALID_ID_FIELD", "record is not in the recycle bin", fields=[])
        together = self.state.query("SELECT id, object FROM salesforce_bin WHERE root = ? AND id <> root", (record_id,))
        for each, name in ((record_id, entity.name), *together):
            self._forget(OBJECTS[name.lower()], each)

    def _living(self, entity: SObject, by: str, parent_id: str) -> list[str]:
        sql = f'SELECT "Id" FROM {stored(entity)} WHERE {quoted(by)} = ? AND "IsDeleted" = 0'  # noqa: S608
        return [str(row[0]) for row in self.state.query(sql, (parent_id,))]

    def _is_deleted(self, entity: SObject, record_id: str) -> bool:
        if not entity.can_be_deleted:
            return False
        sql = f'SELECT 1 FROM {stored(entity)} WHERE "Id" = ? AND "IsDeleted" = 1'  # noqa: S608 - names from the schema
        return bool(self.state.query(sql, (record_id,)))

    def _restore(self, entity: SObject, record_id: str) -> None:
        no_master = {"MasterRecordId": None} if "masterrecordid" in entity.by_name else {}
        set_columns(self.state, entity, record_id, {"IsDeleted": 0, **no_master, **stamps(self.state)})
        set_deleted(self.state, entity, record_id, is_deleted=False)
        self.state.execute("DELETE FROM salesforce_bin WHERE id = ?", (record_id,))

    def _forget(self, entity: SObject, record_id: str) -> None:
        for history, by in histories(entity):
            keep_numbers_used(self.state, history)
            self.state.execute(f"DELETE FROM {stored(history)} WHERE {quoted(by)} = ?", (record_id,))  # noqa: S608
        keep_numbers_used(self.state, entity)
        self.state.execute(f'DELETE FROM {stored(entity)} WHERE "Id" = ?', (record_id,))  # noqa: S608
        self.state.execute("DELETE FROM salesforce_bin WHERE id = ?", (record_id,))
