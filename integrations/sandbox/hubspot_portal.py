"""One HubSpot portal in the state: its tables, and the properties and owners that it knows now."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson

from integrations.sandbox.hubspot_answers import HubSpotError, canonical, invalid
from integrations.sandbox.hubspot_schema import (
    DEMO_GROUPS,
    DEMO_PROPERTIES,
    PORTAL_ID,
    TYPES,
    ObjectType,
    Property,
    built_in,
    object_type,
)
from integrations.sandbox.state import State, quoted, table_name

CRM = "hubspot"
LIVE, ARCHIVED, MERGED = 0, 1, 2
"""What ``_archived`` says of a record; a merged one is listed nowhere and answers as its survivor."""

_PARAMETERS = 500
_TABLES = (
    """CREATE TABLE IF NOT EXISTS hubspot__property_definitions (
        object TEXT, name TEXT, definition TEXT NOT NULL, PRIMARY KEY (object, name)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS hubspot__property_groups (
        object TEXT, name TEXT, label TEXT NOT NULL, PRIMARY KEY (object, name)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS hubspot__history (
        object TEXT NOT NULL, id INTEGER NOT NULL, property TEXT NOT NULL, value TEXT, at TEXT NOT NULL,
        source TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS ix__hubspot__history ON hubspot__history (object, id, property)",
    """CREATE TABLE IF NOT EXISTS hubspot__owners (
        id INTEGER PRIMARY KEY, user_id INTEGER, email TEXT, first_name TEXT, last_name TEXT, archived INTEGER NOT NULL,
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS hubspot__associations (
        from_type INTEGER, to_type INTEGER, from_id INTEGER, to_id INTEGER, type_id INTEGER, is_custom INTEGER,
        PRIMARY KEY (from_type, to_type, from_id, to_id, type_id, is_custom)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS hubspot__association_labels (
        type_id INTEGER PRIMARY KEY, from_type INTEGER, to_type INTEGER, name TEXT, label TEXT, inverse_id INTEGER)""",
)


def chunks(values: Sequence[Any], size: int = _PARAMETERS) -> Iterator[Sequence[Any]]:
    """``values`` in pieces that one SQL statement can bind."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def marks(values: Sequence[Any]) -> str:
    """As many SQL parameter marks as there are values."""
    return ", ".join("?" * len(values))


def _stored(definition: str) -> Property:
    values = orjson.loads(definition)
    return Property(**(values | {"options": tuple(values["options"])}))


class Portal:
    """The portal kept in ``state``; made when the state has none.

    Args:
        state: Shared with the other CRM.
        has_demo_properties: Whether a new portal starts with the demo's own properties and the ``success_plan`` group.
    """

    def __init__(self, state: State, *, has_demo_properties: bool = True) -> None:
        self.state = state
        self._properties: dict[str, dict[str, Property]] = {}
        self._owners: frozenset[str] = frozenset()
        if not state.columns(CRM, "property_definitions"):
            with state.transaction():
                self._make(has_demo_properties)

    def _make(self, has_demo_properties: bool) -> None:
        for statement in _TABLES:
            self.state.execute(statement)
        for kind in TYPES.values():
            self._make_table(kind)
            self.add_group(kind, f"{kind.singular}information", f"{kind.singular.title()} information")
            if has_demo_properties:
                for name, label in DEMO_GROUPS.get(kind.plural, {}).items():
                    self.add_group(kind, name, label)
                for rule in DEMO_PROPERTIES.get(kind.plural, ()):
                    self.add_property(kind, rule)

    def _make_table(self, kind: ObjectType) -> None:
        system = {
            "_id": "INTEGER PRIMARY KEY",
            "_archived": "INTEGER NOT NULL DEFAULT 0",
            "_archived_at": "TEXT",
            "_merged_into": "INTEGER",
        }
        rules = built_in(kind)
        columns = system | {rule.name: "TEXT" for rule in rules if rule.name != "hs_object_id"}
        self.state.create_table(CRM, kind.plural, columns, indexes=(("_archived",), (kind.modified,)))
        for rule in rules:
            self._define(kind, rule)

    # -- properties ---------------------------------------------------------------------------------------------------

    def _define(self, kind: ObjectType, rule: Property) -> None:
        definition = orjson.dumps(rule).decode()
        self.state.execute(
            "INSERT OR REPLACE INTO hubspot__property_definitions VALUES (?, ?, ?)",
            (kind.plural, rule.name, definition),
        )
        if rule.has_unique_value:
            self.state.create_index(CRM, kind.plural, (rule.name,), unique=True)
        self._properties.pop(kind.plural, None)

    def add_property(self, kind: ObjectType, rule: Property) -> None:
        """Let records of a type have one more property; redefining one replaces its definition only."""
        with self.state.transaction():
            self.state.add_column(CRM, kind.plural, rule.name, "TEXT")
            self._define(kind, rule)

    def remove_property(self, kind: ObjectType, name: str) -> None:
        """Forget a property; its column stays, unseen."""
        self.state.execute(
            "DELETE FROM hubspot__property_definitions WHERE object = ? AND name = ?", (kind.plural, name)
        )
        self._properties.pop(kind.plural, None)

    def properties(self, kind: ObjectType) -> dict[str, Property]:
        """The properties of a type, by name."""
        if kind.plural not in self._properties:
            rows = self.state.query(
                "SELECT definition FROM hubspot__property_definitions WHERE object = ? ORDER BY name", (kind.plural,)
            )
            self._properties[kind.plural] = {rule.name: rule for rule in (_stored(row[0]) for row in rows)}
        return self._properties[kind.plural]

    def groups(self, kind: ObjectType) -> dict[str, str]:
        """The labels of a type's property groups, by name."""
        rows = self.state.query(
            "SELECT name, label FROM hubspot__property_groups WHERE object = ? ORDER BY name", (kind.plural,)
        )
        return dict(rows)

    def add_group(self, kind: ObjectType, name: str, label: str) -> None:
        self.state.execute("INSERT INTO hubspot__property_groups VALUES (?, ?, ?)", (kind.plural, name, label))

    def unique_property(self, kind: ObjectType, name: str) -> Property:
        """A property by which records can be found.

        Raises:
            HubSpotError: 400, when it is unknown or its values may repeat; ``hs_object_id`` is refused too.
        """
        rule = self.properties(kind).get(name)
        if rule is None or not rule.has_unique_value:
            where = f"{kind.type_id} property {name} in portal ID {PORTAL_ID}"
            raise invalid(f"Unable to perform update/upsert by non-unique {where}")
        return rule

    # -- the rest -----------------------------------------------------------------------------------------------------

    def table(self, kind: ObjectType) -> str:
        """The quoted table of a type."""
        return quoted(table_name(CRM, kind.plural))

    def owners(self) -> frozenset[str]:
        """Ids of all owners, former ones included; read anew when their number changes."""
        count = self.state.query("SELECT COUNT(*) FROM hubspot__owners")[0][0]
        if count != len(self._owners):
            self._owners = frozenset(str(row[0]) for row in self.state.query("SELECT id FROM hubspot__owners"))
        return self._owners

    def next_id(self, kind: ObjectType) -> int:
        """The first id that no record of a type has had."""
        found = self.state.query(f"SELECT MAX(_id) FROM {self.table(kind)}")[0][0]  # noqa: S608 - quoted name
        return max(kind.first_id, (found or 0) + 1)

    def now(self) -> datetime:
        return self.state.clock.now()

    def now_text(self) -> str:
        """The clock as the state keeps instants."""
        return canonical(self.now())

    def write_log(self, object_name: str, ids: Iterable[int], action: Any) -> None:
        """Enter written records in the write ledger."""
        self.state.record_writes(CRM, object_name, [str(record_id) for record_id in ids], action)


def known_type(spelling: str) -> ObjectType:
    """The type that a path or a body names.

    Raises:
        HubSpotError: 400, when there is none.
    """
    kind = object_type(spelling)
    if kind is None:
        raise HubSpotError(400, "VALIDATION_ERROR", f"Unable to infer object type from: {spelling}")
    return kind
