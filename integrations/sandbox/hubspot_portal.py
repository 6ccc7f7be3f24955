"""One HubSpot portal in the state: its tables, and the types, properties, pipelines and owners that it knows now."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from integrations.sandbox import hubspot_pipelines as pipelines
from integrations.sandbox.hubspot_answers import HubSpotError, canonical, invalid
from integrations.sandbox.hubspot_pipelines import PIPELINE_PROPERTIES, PIPELINES, Pipeline
from integrations.sandbox.hubspot_schema import DEMO_GROUPS, DEMO_PROPERTIES, Property, built_in
from integrations.sandbox.hubspot_types import PORTAL_ID, SIDE_TYPES, TYPES, ObjectType, custom_type, object_type
from integrations.sandbox.state import State, quoted, table_name

CRM = "hubspot"
LIVE, ARCHIVED, MERGED, GONE = 0, 1, 2, 3
"""What ``_archived`` says of a record; a merged one answers as its survivor, of a gone one only the id is left."""

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
    """CREATE TABLE IF NOT EXISTS hubspot__parted (
        from_type INTEGER, to_type INTEGER, from_id INTEGER, to_id INTEGER, type_id INTEGER, is_custom INTEGER,
        PRIMARY KEY (from_type, from_id, to_type, to_id, type_id, is_custom)) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS hubspot__pipelines (object TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS hubspot__schemas (
        place INTEGER PRIMARY KEY, name TEXT NOT NULL, definition TEXT NOT NULL, archived INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS hubspot__tokens (
        digest TEXT PRIMARY KEY, kind TEXT NOT NULL, scopes TEXT, expires_at TEXT) WITHOUT ROWID""",
)
"""``parted`` keeps what an archived record was associated with, for its return; no token is kept, only its digest."""


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
        self._pipelines: dict[str, tuple[Pipeline, ...]] = {}
        self._custom: dict[str, ObjectType] = {}
        self._owners: frozenset[str] = frozenset()
        if not state.columns(CRM, "tokens"):
            with state.transaction():
                self._make(has_demo_properties, is_fresh=not state.columns(CRM, "property_definitions"))

    def _make(self, has_demo_properties: bool, *, is_fresh: bool) -> None:
        for statement in _TABLES:
            self.state.execute(statement)
        if is_fresh:
            for kind in TYPES.values():
                self._furnish(kind, has_demo_properties)

    def _furnish(self, kind: ObjectType, has_demo_properties: bool) -> None:
        """Make a type's table, properties and groups."""
        self._make_table(kind)
        self.add_group(kind, kind.group, f"{kind.singular.title()} information")
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
        self.state.create_table(CRM, kind.stored, columns, indexes=(("_archived",), (kind.modified,)))
        for rule in rules:
            self._define(kind, rule)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or none of what happens inside; what was known of definitions is read anew when it fails."""
        try:
            with self.state.transaction():
                yield
        except BaseException:
            self._properties, self._pipelines, self._custom = {}, {}, {}
            raise

    # -- object types -------------------------------------------------------------------------------------------------

    def kind(self, spelling: str) -> ObjectType:
        """The type that a path or a body names: ``companies``, ``company``, ``0-2``; of a custom object its object type
        id, its fully qualified name, or its name with or without ``p_``.

        Raises:
            HubSpotError: 400, when there is none.
        """
        found = object_type(spelling) or self._custom_kind(spelling)
        if found is None:
            raise HubSpotError(400, "VALIDATION_ERROR", f"Unable to infer object type from: {spelling}")
        if not self.state.columns(CRM, found.stored):
            with self.state.transaction():
                self._furnish(found, has_demo_properties=False)
        return found

    def _custom_kind(self, spelling: str) -> ObjectType | None:
        name = spelling.casefold()
        if name not in self._custom:
            self._custom = {
                each: kind
                for place, schema, definition in self.schemas()
                for kind in (self.kind_at(place, schema, definition),)
                for each in (kind.type_id, kind.plural.casefold(), schema.casefold(), f"p_{schema}".casefold())
            }
        return self._custom.get(name)

    def kinds(self) -> list[ObjectType]:
        """Every type that has a table now."""
        custom = [self.kind_at(*each) for each in self.schemas()]
        return [kind for kind in (*TYPES.values(), *SIDE_TYPES.values(), *custom) if self._has_table(kind)]

    def _has_table(self, kind: ObjectType) -> bool:
        return bool(self.state.columns(CRM, kind.stored))

    def kind_numbered(self, number: int) -> ObjectType | None:
        """The type with a number: the part of an object type id behind the dash."""
        return next((kind for kind in self.kinds() if kind.number == number), None)

    def schemas(self, state: int = LIVE) -> list[tuple[int, str, Mapping[str, Any]]]:
        """Custom objects: place, name and what was said of them when they were made."""
        sql = "SELECT place, name, definition FROM hubspot__schemas WHERE archived = ? ORDER BY place"
        rows = self.state.query(sql, (state,))
        return [(place, name, orjson.loads(definition)) for place, name, definition in rows]

    def kind_at(self, place: int, name: str, definition: Mapping[str, Any]) -> ObjectType:
        """The type behind a schema, whether it has a table yet or not."""
        required, searched = (tuple(definition.get(f"{which}Properties") or ()) for which in ("required", "searchable"))
        return replace(custom_type(name, place), required=required, searched=searched)

    def save_schema(self, place: int, name: str, definition: Mapping[str, Any], state: int = LIVE) -> None:
        """Keep a custom object's schema: live, archived, or gone; making it a table is for ``kind``."""
        text = orjson.dumps(definition).decode()
        sql = "INSERT OR REPLACE INTO hubspot__schemas VALUES (?, ?, ?, ?)"
        self.state.execute(sql, (place, name, text, state))
        self._custom = {}

    def next_schema_place(self) -> int:
        """The first place that no schema has had."""
        found = self.state.query("SELECT MAX(place) FROM hubspot__schemas")[0][0]
        return 0 if found is None else int(found) + 1

    # -- properties ---------------------------------------------------------------------------------------------------

    def _define(self, kind: ObjectType, rule: Property) -> None:
        definition = orjson.dumps(rule).decode()
        self.state.execute(
            "INSERT OR REPLACE INTO hubspot__property_definitions VALUES (?, ?, ?)",
            (kind.stored, rule.name, definition),
        )
        if rule.has_unique_value:
            self._keep_unique(kind, rule)
        self._properties.pop(kind.stored, None)

    def _keep_unique(self, kind: ObjectType, rule: Property) -> None:
        try:
            self.state.create_index(CRM, kind.stored, (rule.name,), unique=True)
        except sqlite3.IntegrityError as error:
            raise invalid(f"Values of property {rule.name} are not unique") from error

    def add_property(self, kind: ObjectType, rule: Property) -> None:
        """Let records of a type have one more property; redefining one replaces its definition only."""
        with self.state.transaction():
            self.state.add_column(CRM, kind.stored, rule.name, "TEXT")
            self._define(kind, rule)

    def remove_property(self, kind: ObjectType, rule: Property) -> None:
        """Archive a property; its values stay, unseen, for its return."""
        self._define(kind, replace(rule, archived_at=self.now_text()))

    def properties(self, kind: ObjectType, *, is_archived: bool = False) -> dict[str, Property]:
        """The properties of a type, by name: the live ones, or the archived."""
        if is_archived:
            return {name: rule for name, rule in self._all_properties(kind).items() if rule.archived_at}
        if kind.stored not in self._properties:
            found = self._all_properties(kind).items()
            self._properties[kind.stored] = {name: rule for name, rule in found if not rule.archived_at}
        return self._properties[kind.stored]

    def _all_properties(self, kind: ObjectType) -> dict[str, Property]:
        rows = self.state.query(
            "SELECT definition FROM hubspot__property_definitions WHERE object = ? ORDER BY name", (kind.stored,)
        )
        return {rule.name: rule for rule in (_stored(row[0]) for row in rows)}

    def groups(self, kind: ObjectType) -> dict[str, str]:
        """The labels of a type's property groups, by name."""
        rows = self.state.query(
            "SELECT name, label FROM hubspot__property_groups WHERE object = ? ORDER BY name", (kind.stored,)
        )
        return dict(rows)

    def add_group(self, kind: ObjectType, name: str, label: str) -> None:
        """Make a property group, or give it another label."""
        self.state.execute(
            "INSERT OR REPLACE INTO hubspot__property_groups VALUES (?, ?, ?)", (kind.stored, name, label)
        )

    def remove_group(self, kind: ObjectType, name: str) -> None:
        """Forget an empty property group."""
        self.state.execute("DELETE FROM hubspot__property_groups WHERE object = ? AND name = ?", (kind.stored, name))

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

    # -- pipelines ----------------------------------------------------------------------------------------------------

    def pipelines(self, kind: ObjectType) -> tuple[Pipeline, ...]:
        """The pipelines of a type, in their order; none for types that have no stages."""
        if kind.plural not in PIPELINE_PROPERTIES:
            return ()
        if kind.plural not in self._pipelines:
            rows = self.state.query("SELECT definition FROM hubspot__pipelines WHERE object = ?", (kind.plural,))
            found = pipelines.from_text(rows[0][0]) if rows else PIPELINES[kind.plural]
            self._pipelines[kind.plural] = found
        return self._pipelines[kind.plural]

    def save_pipelines(self, kind: ObjectType, kept: Sequence[Pipeline]) -> None:
        """Replace a type's pipelines, and the options of the two properties that name them."""
        sql = "INSERT OR REPLACE INTO hubspot__pipelines VALUES (?, ?)"
        self.state.execute(sql, (kind.plural, pipelines.as_text(kept)))
        self._pipelines.pop(kind.plural, None)
        for name, labels in zip(PIPELINE_PROPERTIES[kind.plural], _options(kept), strict=True):
            rule = self.properties(kind)[name]
            self._define(kind, replace(rule, options=tuple(labels), option_labels=labels))

    # -- the rest -----------------------------------------------------------------------------------------------------

    def table(self, kind: ObjectType) -> str:
        """The quoted table of a type."""
        return quoted(table_name(CRM, kind.stored))

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


def _options(kept: Sequence[Pipeline]) -> tuple[dict[str, str], dict[str, str]]:
    """The labels of pipelines and of stages, by id."""
    stages = {stage.id: stage.label for pipeline in kept for stage in pipeline.stages}
    return {pipeline.id: pipeline.label for pipeline in kept}, stages
