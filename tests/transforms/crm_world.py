"""Two CRMs and a ledger, as simple as they can be: applies a change set, and lets people edit."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from models import frames
from transforms.changes import change_set, text_hash

START = datetime(2026, 11, 1, tzinfo=UTC)
NO_RAISED = pl.DataFrame(schema={"owner_crm_id": pl.String, "crm": pl.String, "raised_count": pl.Int64})
KEPT = {"fields": "plan_fields", "sections": "plan_sections", "tasks": "tasks"}
VALUES = {
    "fields": ("health_score", "health_band", "renewal_date"),
    "sections": ("section", "body"),
    "tasks": ("subject", "body", "priority", "owner_crm_id", "due_date"),
}


def wrapped(text: str) -> str:
    """What a rich-text field makes of plain text."""
    return "<p>" + text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br/>") + "</p> "


@dataclass
class World:
    """``held``: kind -> record key -> the CRM's row. ``written``: record key -> the ledger's row."""

    held: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {kind: {} for kind in KEPT})
    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    wraps: bool = False
    reads_back: bool = True
    ticks: int = 0

    def frame(self, kind: str) -> pl.DataFrame:
        schema = frames.dtypes(frames.MIRRORED[KEPT[kind]])
        return pl.DataFrame(list(self.held[kind].values()), schema=schema)

    def written_frame(self) -> pl.DataFrame:
        return pl.DataFrame(list(self.written.values()), schema=frames.dtypes(frames.Written))

    def diff(self, wanted: dict[str, Any], as_of: date, **options: Any) -> pl.DataFrame:
        given = {"cap_per_owner_and_day": 99, "fallback_owners": {}, "raised": NO_RAISED, **wanted, **options}
        changes = change_set(
            held_fields=self.frame("fields"),
            held_sections=self.frame("sections"),
            held_tasks=self.frame("tasks"),
            written=self.written_frame(),
            as_of=as_of,
            **given,
        )
        frames.Changes.validate(changes)
        assert changes["record_key"].is_unique().all()
        return changes

    def apply(self, changes: pl.DataFrame, as_of: date) -> int:
        """Make the planned rows happen. Returns how many there were."""
        planned = changes.filter(pl.col("status") == "planned")
        for row in planned.iter_rows(named=True):
            self._write(row, json.loads(row["payload"]), as_of)
        return planned.height

    def person(self, kind: str, record_key: str, /, **edits: Any) -> None:
        """A person edits a record."""
        self.ticks += 1
        self.held[kind][record_key] |= {**edits, "modified_at": START + timedelta(minutes=self.ticks)}

    def night(self, wanted: dict[str, Any], as_of: date, **options: Any) -> pl.DataFrame:
        """Compare, write, and compare again: the second time nothing is planned."""
        changes = self.diff(wanted, as_of, **options)
        self.apply(changes, as_of)
        again = self.diff(wanted, as_of, **{**options, "cap_per_owner_and_day": 0})
        assert again.filter(pl.col("status") == "planned").is_empty()
        return changes

    def _write(self, row: dict[str, Any], values: dict[str, Any], as_of: date) -> None:
        key, kind = row["record_key"], row["kind"]
        values = {name: date.fromisoformat(v) if name.endswith("_date") and v else v for name, v in values.items()}
        before = self.written.get(key)
        assert before is None or before["effect_key"] != row["effect_key"], "the ledger would not write this again"
        self.ticks += 1
        crm_id = row["crm_id"] or f"{kind}-{len(self.held[kind])}"
        known = next((name for name, record in self.held[kind].items() if record["crm_id"] == crm_id), None)
        blank = {"crm": row["crm"], "crm_id": crm_id, "account_crm_id": row["account_crm_id"], "record_key": key}
        held = blank | {"is_deleted": False, "is_closed": False} | (self.held[kind].pop(known) if known else {})
        self.held[kind][key] = held
        if kind == "fields":
            held["record_key"] = key
        if row["action"] == "create":
            assert before is None
        held |= {name: value for name, value in values.items() if name in VALUES[kind] and not _unset(name, value)}
        held |= {"modified_at": START + timedelta(minutes=self.ticks)}
        held["is_closed"] = held.get("is_closed", False) or row["action"] == "close"
        if self.wraps and "body" in values:
            held["body"] = wrapped(values["body"])
        self.written[key] = {
            **{
                name: row[name]
                for name in ("record_key", "customer_id", "crm", "kind", "account_crm_id", "payload_hash")
            },
            "effect_key": row["effect_key"],
            "crm_id": crm_id,
            "owner_crm_id": (before or {}).get("owner_crm_id")
            if row["action"] == "close"
            else values.get("owner_crm_id"),
            "readback_hash": _readback(kind, held) if self.reads_back else None,
            "is_closed": row["action"] == "close",
            "opened_as_of": (before or {}).get("opened_as_of", as_of),
        }

    def copy(self) -> "World":
        held = {kind: {key: dict(row) for key, row in rows.items()} for kind, rows in self.held.items()}
        return replace(self, held=held, written={key: dict(row) for key, row in self.written.items()})


def _unset(name: str, value: Any) -> bool:
    return name == "owner_crm_id" and value is None


def _readback(kind: str, held: dict[str, Any]) -> str | None:
    if kind != "sections":
        return None
    return str(pl.DataFrame({"body": [held["body"]]}).select(text_hash(pl.col("body"))).item())
