"""The ledger: one row per effect on the outside world, and where it stands.

A record key names a thing in a CRM for ever; an effect key is a record key with one payload. States::

    planned -> PENDING -> SENDING -> DONE        the CRM confirmed it
                  ^          |-----> REJECTED    the CRM refused it; planned again, it is PENDING again
                  |----------'                   read back: it is not there, or it is an update, which may be repeated
    PENDING, REJECTED -> SUPERSEDED              a later change set no longer asks for it; planned again, it is
    PENDING again

An effect that is DONE stays so while its payload is the last that the CRM confirmed for its record. When another
payload came after it, the same one may be planned again.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime
from typing import Any

import orjson
import polars as pl
import sqlalchemy as sa

from models import bulk, frames, tables
from models.database import Database, KeyConflictError, StoreError
from models.enums import ChangeStatus, Crm, LedgerState, WriteAction, WriteKind
from models.records import Outcome, Value, Write

_LEDGER = tables.ledger.c
_WRITE = ["effect_key", "record_key", "plan_key", "customer_id", "crm", "kind", "action", "account_crm_id", "crm_id"]
_COPIED = [*_WRITE, "payload", "payload_hash", "reason", "rule_ids"]
_PLANNED = [*_COPIED, "owner_crm_id", "state", "tries", "as_of", "run_id", "planned_at"]
_REARMED = [name for name in _PLANNED if name not in {"effect_key", "record_key", "payload", "tries"}]
_SCHEMA = tables.schema_of(tables.ledger)
_FAILED = [*_WRITE, "error_code", "message", "tries", "run_id", "settled_at"]


class Ledger:
    """Effects planned, claimed, settled; and what was written."""

    _db: Database

    def plan_effects(
        self, changes: pl.DataFrame, *, run_id: str, as_of: date, at: datetime, crms: Collection[str] | None = None
    ) -> int:
        """Take over a run's whole change set: what it plans becomes pending, what it no longer asks for is superseded.

        Not planned again are effects that a worker is sending, and those that are done and still the last of their
        record.

        Args:
            changes: A ``frames.Changes``; rows that are not ``planned`` only say that nothing is asked for.
            run_id: The run.
            as_of: The day for which it concluded; the day of the first write of a record is kept.
            at: When (UTC).
            crms: The CRMs of which the change set speaks; effects of the others are left as they are. None: of all.

        Returns:
            How many effects this change set made pending.

        Raises:
            KeyConflictError: Two payloads share an effect key, or two effects a record key; nothing was stored.
        """
        planned = changes.filter(pl.col("status") == ChangeStatus.PLANNED).unique(maintain_order=True)
        _no_shared_keys(planned)
        rows = _planned(planned, run_id, as_of, at)
        with self._db.writing() as connection, bulk.staged(connection, tables.ledger, rows) as incoming:
            _no_other_payload(connection, incoming)
            _supersede(connection, incoming, list(Crm) if crms is None else crms)
            return _arm(connection, incoming)

    def pending(self, crm: str) -> list[Write]:
        """What waits to be written to ``crm``: parents first, then by account and record key."""
        return self._writes(crm, LedgerState.PENDING)

    def unsettled(self, crm: str) -> list[Write]:
        """What was handed to ``crm`` by any run and has no recorded answer, in the order of ``pending``."""
        return self._writes(crm, LedgerState.SENDING)

    def mark_sending(self, effect_keys: Iterable[str], run_id: str, at: datetime) -> list[str]:
        """Claim pending effects just before they are handed to the CRM.

        Returns:
            Those claimed, in the given order. Send only these: the others are another worker's, or no longer asked for.
        """
        with self._db.writing() as connection:
            waiting = _in_state(connection, effect_keys, LedgerState.PENDING)
            _set(connection, waiting, state=LedgerState.SENDING, sent_run_id=run_id, sent_at=at)
        return waiting

    def release(self, effect_keys: Iterable[str]) -> None:
        """Make effects pending again that were being sent and are proven absent from the CRM."""
        with self._db.writing() as connection:
            _set(connection, _in_state(connection, effect_keys, LedgerState.SENDING), state=LedgerState.PENDING)

    def settle(self, outcomes: Sequence[Outcome], at: datetime) -> None:
        """Record what became of effects, and with it what is written; an effect that is done stays done.

        Raises:
            StoreError: An outcome names no effect of this ledger; nothing was stored.
        """
        with self._db.writing() as connection:
            _settle(connection, outcomes, at)

    def failures(self) -> pl.DataFrame:
        """Effects that a CRM refused and that are still asked for, one row each, most often refused first.

        ``effect_key``, ``record_key``, ``plan_key``, ``customer_id``, ``crm``, ``kind``, ``action``,
        ``account_crm_id``, ``crm_id``, ``error_code``, ``message``, ``tries``, ``run_id`` (that planned it),
        ``settled_at``.
        """
        with self._db.reading() as connection:
            rows = bulk.read(
                connection, tables.ledger, {name: _SCHEMA[name] for name in _FAILED}, state=LedgerState.REJECTED
            )
        return rows.sort(pl.col("tries").neg(), "crm", "effect_key")

    def written(self) -> pl.DataFrame:
        """What plansync wrote, a ``frames.Written`` sorted by record key."""
        with self._db.reading() as connection:
            return bulk.read(connection, tables.written, frames.dtypes(frames.Written)).sort("record_key")

    def record_readback(self, readback: pl.DataFrame) -> None:
        """Keep the hash of what the CRM holds after our write:

        ``record_key``, ``readback_hash``; unknown keys are passed over.
        """
        rows = bulk.stored(readback.select("record_key", "readback_hash")).unique("record_key", keep="last")
        table = tables.written
        with self._db.writing() as connection, bulk.staged(connection, table, rows) as seen:
            new = sa.select(seen.c.readback_hash).where(seen.c.record_key == table.c.record_key).scalar_subquery()
            change = sa.update(table).values(readback_hash=new)
            connection.execute(change.where(table.c.record_key.in_(sa.select(seen.c.record_key))))

    def raised(self, as_of: date) -> pl.DataFrame:
        """How many tasks were raised for a run date: ``owner_crm_id``, ``crm``, ``raised_count``; sorted.

        Tasks whose creation has no recorded answer count: they may be there. No owner is the CRM's default one.
        """
        done = sa.select(tables.written.c.owner_crm_id, tables.written.c.crm).where(
            tables.written.c.kind == WriteKind.TASKS, tables.written.c.opened_as_of == as_of
        )
        maybe = sa.select(_LEDGER.owner_crm_id, _LEDGER.crm).where(
            _LEDGER.kind == WriteKind.TASKS,
            _LEDGER.action == WriteAction.CREATE,
            _LEDGER.state == LedgerState.SENDING,
            _LEDGER.as_of == as_of,
        )
        with self._db.reading() as connection:
            schema = {"owner_crm_id": pl.String(), "crm": pl.String()}
            tasks = pl.DataFrame(
                [tuple(row) for row in connection.execute(done.union_all(maybe))], schema=schema, orient="row"
            )
        counted = tasks.group_by("owner_crm_id", "crm").agg(pl.len().cast(pl.Int64).alias("raised_count"))
        return counted.sort("crm", "owner_crm_id", nulls_last=True)

    def _writes(self, crm: str, state: LedgerState) -> list[Write]:
        wanted = {name: _SCHEMA[name] for name in [*_WRITE, "payload"]}
        with self._db.reading() as connection:
            rows = bulk.read(connection, tables.ledger, wanted, crm=crm, state=state)
        order = pl.col("kind").replace_strict(
            {str(kind): rank for rank, kind in enumerate(WriteKind)}, return_dtype=pl.Int8
        )
        return [
            _write(row) for row in rows.sort(order, "account_crm_id", "record_key", "effect_key").iter_rows(named=True)
        ]


def _write(row: dict[str, Any]) -> Write:
    values = {name: _value(name, value) for name, value in orjson.loads(row["payload"]).items()}
    return Write(
        effect_key=row["effect_key"],
        record_key=row["record_key"],
        plan_key=row["plan_key"],
        customer_id=row["customer_id"],
        crm=Crm(row["crm"]),
        kind=WriteKind(row["kind"]),
        action=WriteAction(row["action"]),
        account_crm_id=row["account_crm_id"],
        crm_id=row["crm_id"],
        values=values,
    )


def _value(name: str, value: Any) -> Value:
    """JSON has no days: a name that ends in ``_date`` says that its text is one."""
    if name.endswith("_date") and isinstance(value, str):
        return date.fromisoformat(value)
    known: Value = value
    return known


def _no_shared_keys(planned: pl.DataFrame) -> None:
    """One effect key, one payload; one record key, one effect."""
    for key in ("effect_key", "record_key"):
        doubled = planned.filter(pl.col(key).is_duplicated())
        if doubled.height:
            raise KeyConflictError(
                f"{doubled.height} planned changes share the {key} {doubled[key][0]} and differ: nothing was planned; "
                "this is a fault in plansync, report it with this key"
            )


def _planned(planned: pl.DataFrame, run_id: str, as_of: date, at: datetime) -> pl.DataFrame:
    rows = planned.select(_COPIED).with_columns(
        owner_crm_id=pl.col("payload").str.json_path_match("$.owner_crm_id"),
        state=pl.lit(str(LedgerState.PENDING)),
        tries=pl.lit(0, pl.Int64),
        as_of=pl.lit(as_of),
        run_id=pl.lit(run_id),
    )
    return bulk.stored(rows).with_columns(planned_at=bulk.moment(at)).select(_PLANNED)


def _no_other_payload(connection: sa.Connection, incoming: sa.Table) -> None:
    both = incoming.join(tables.ledger, incoming.c.effect_key == _LEDGER.effect_key)
    differs = sa.or_(incoming.c.payload != _LEDGER.payload, incoming.c.record_key != _LEDGER.record_key)
    query = sa.select(_LEDGER.effect_key).select_from(both).where(differs).order_by(_LEDGER.effect_key).limit(1)
    key = connection.execute(query).scalar()
    if key is not None:
        raise KeyConflictError(
            f"the effect key {key} is in the ledger with another payload: nothing was planned; "
            "this is a fault in plansync, report it with this key"
        )


def _supersede(connection: sa.Connection, incoming: sa.Table, crms: Collection[str]) -> None:
    """Effects of earlier runs that never came to pass, and that this change set does not ask for."""
    waiting = _LEDGER.state.in_([LedgerState.PENDING, LedgerState.REJECTED])
    spoken_of = _LEDGER.crm.in_(list(crms))
    unasked = ~sa.exists().where(incoming.c.effect_key == _LEDGER.effect_key)
    connection.execute(sa.update(tables.ledger).where(waiting, spoken_of, unasked).values(state=LedgerState.SUPERSEDED))


def _arm(connection: sa.Connection, incoming: sa.Table) -> int:
    newest = tables.written.c
    in_force = sa.exists().where(  # by column text: inside ON CONFLICT nothing else means the row that is there
        newest.record_key == sa.literal_column("ledger.record_key"),
        newest.effect_key == sa.literal_column("ledger.effect_key"),
    )
    may_wait = sa.or_(
        _LEDGER.state.in_([LedgerState.PENDING, LedgerState.REJECTED, LedgerState.SUPERSEDED]),
        sa.and_(_LEDGER.state == LedgerState.DONE, ~in_force),
    )
    rows = sa.select(*(incoming.c[name] for name in _PLANNED)).where(sa.true()).order_by(incoming.c.effect_key)
    statement = bulk.insert(connection, tables.ledger).from_select(_PLANNED, rows)
    changes = {name: statement.excluded[name] for name in _REARMED}
    armed = statement.on_conflict_do_update(index_elements=[_LEDGER.effect_key], set_=changes, where=may_wait)
    return bulk.affected(connection, armed)


def _states(connection: sa.Connection, effect_keys: Iterable[str]) -> dict[str, str]:
    """Where effects stand, in the given order; keys that the ledger does not know are left out."""
    keys = list(dict.fromkeys(effect_keys))
    found: dict[str, str] = {}
    for piece in bulk.in_pieces(keys):
        query = sa.select(_LEDGER.effect_key, _LEDGER.state).where(_LEDGER.effect_key.in_(piece))
        found.update((key, state) for key, state in connection.execute(query))
    return {key: found[key] for key in keys if key in found}


def _in_state(connection: sa.Connection, effect_keys: Iterable[str], wanted: LedgerState) -> list[str]:
    return [key for key, state in _states(connection, effect_keys).items() if state == wanted]


def _set(connection: sa.Connection, effect_keys: Sequence[str], **values: Any) -> None:
    for piece in bulk.in_pieces(effect_keys):
        connection.execute(sa.update(tables.ledger).where(_LEDGER.effect_key.in_(piece)).values(**values))


def _settle(connection: sa.Connection, outcomes: Sequence[Outcome], at: datetime) -> None:
    states = _states(connection, (outcome.effect_key for outcome in outcomes))
    if unknown := [outcome.effect_key for outcome in outcomes if outcome.effect_key not in states]:
        raise StoreError(
            f"{len(unknown)} outcomes, the first {unknown[0]}, name no effect of the ledger; nothing was settled"
        )
    fresh = [outcome for outcome in outcomes if states[outcome.effect_key] != LedgerState.DONE]
    _confirm(connection, [outcome for outcome in fresh if outcome.error_code is None], at)
    _refuse(connection, [outcome for outcome in fresh if outcome.error_code is not None], at)


def _confirm(connection: sa.Connection, outcomes: Sequence[Outcome], at: datetime) -> None:
    """Effects that happened: done, and the newest of their records."""
    if not outcomes:
        return
    confirmed = [{"key": o.effect_key, "id": o.crm_id, "new": o.is_created, "at": at} for o in outcomes]
    change = sa.update(tables.ledger).where(_LEDGER.effect_key == sa.bindparam("key"))
    change = change.values(
        state=LedgerState.DONE,
        crm_id=sa.bindparam("id"),
        is_created=sa.bindparam("new"),
        settled_at=sa.bindparam("at", type_=tables.Instant()),
        error_code=None,
        message=None,
    )
    connection.execute(change, confirmed)
    connection.execute(_newest_written(connection), [{"key": outcome.effect_key} for outcome in outcomes])


def _newest_written(connection: sa.Connection) -> bulk.Insert:
    """Copy an effect (bound as ``key``) to what is written; the first day stays, and a close carries no owner."""
    table = tables.written
    values = {
        "record_key": _LEDGER.record_key,
        "customer_id": _LEDGER.customer_id,
        "crm": _LEDGER.crm,
        "kind": _LEDGER.kind,
        "crm_id": _LEDGER.crm_id,
        "account_crm_id": _LEDGER.account_crm_id,
        "owner_crm_id": _LEDGER.owner_crm_id,
        "payload_hash": _LEDGER.payload_hash,
        "readback_hash": sa.null(),
        "is_closed": _LEDGER.action == WriteAction.CLOSE,
        "opened_as_of": _LEDGER.as_of,
        "effect_key": _LEDGER.effect_key,
    }
    source = sa.select(*(value.label(name) for name, value in values.items()))
    statement = bulk.insert(connection, table)
    statement = statement.from_select(list(values), source.where(_LEDGER.effect_key == sa.bindparam("key")))
    new = statement.excluded
    changes: dict[str, sa.ColumnElement[Any]] = {
        name: new[name] for name in values if name not in {"record_key", "opened_as_of"}
    }
    changes["owner_crm_id"] = sa.case((new.is_closed, table.c.owner_crm_id), else_=new.owner_crm_id)
    return statement.on_conflict_do_update(index_elements=[table.c.record_key], set_=changes)


def _refuse(connection: sa.Connection, outcomes: Sequence[Outcome], at: datetime) -> None:
    """Effects that the CRM turned down: each costs a try."""
    if not outcomes:
        return
    refused = [{"key": o.effect_key, "code": o.error_code, "text": o.message, "at": at} for o in outcomes]
    change = sa.update(tables.ledger).where(_LEDGER.effect_key == sa.bindparam("key"))
    change = change.values(
        state=LedgerState.REJECTED,
        tries=_LEDGER.tries + 1,
        error_code=sa.bindparam("code"),
        message=sa.bindparam("text"),
        settled_at=sa.bindparam("at", type_=tables.Instant()),
    )
    connection.execute(change, refused)
