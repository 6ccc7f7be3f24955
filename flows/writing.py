"""Steps 5 to 7: what differs from the CRMs, and the writes that settle it, through the ledger."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import polars as pl

from flows.assessing import Assessed
from flows.runtime import Run
from integrations.crm import CrmPort
from integrations.errors import CrmError, CrmRefusedError
from models.enums import ChangeStatus, Crm, WriteAction, WriteKind
from models.records import Outcome, Write
from transforms.changes import change_set, task_text_hash, text_hash
from transforms.landed import SAID, UNSURE, landed

MIRROR_OF = {WriteKind.FIELDS: "plan_fields", WriteKind.SECTIONS: "plan_sections", WriteKind.TASKS: "tasks"}
TEXT_HASH = {
    WriteKind.SECTIONS: text_hash(pl.col("body")),
    WriteKind.TASKS: task_text_hash(pl.col("subject"), pl.col("body")),
}
"""What a person may edit, kind by kind: hashed as the CRM holds it after our write."""


def settle_leftovers(run: Run) -> int:
    """Find out what became of writes whose answers an earlier run never recorded. Returns how many there were.

    What the CRM holds just as we said it has landed, and is done. The rest goes back to pending; repeating it does no
    harm, since a create that exists is found by its key. What was written but never read back is read now; since a
    person may have edited it meanwhile, that reading does not count as our own words.
    """
    count = 0
    for crm, port in run.ports.items():
        if not run.is_healthy(crm):
            continue
        try:
            count += _settle(run, crm, port)
            _read_back(run, port, _unread(run, crm), is_ours=False)
        except CrmError as error:
            run.note(f"{crm} settle", error)
    return count


def _settle(run: Run, crm: Crm, port: CrmPort) -> int:
    unsure = run.store.unsettled(crm)
    if not unsure:
        return 0
    creates = [write for write in unsure if write.action is WriteAction.CREATE]
    found = {**port.find(creates)} if creates else {}
    known = {write.effect_key: write.crm_id or found.get(write.record_key) for write in unsure}
    _read_back(run, port, _by_kind(unsure, known), is_ours=False)
    rows = [_told(write, known[write.effect_key]) for write in unsure]
    held = {name: run.store.read(name).filter(pl.col("crm") == str(crm)) for name in MIRROR_OF.values()}
    done = landed(pl.DataFrame(rows, schema=UNSURE, orient="row"), held)
    run.store.settle([Outcome(key, crm_id=known[key]) for key in done], run.clock())
    run.store.release([write.effect_key for write in unsure if write.effect_key not in set(done)])
    return len(unsure)


def _by_kind(writes: Sequence[Write], ids: Mapping[str, str | None]) -> dict[WriteKind, list[str]]:
    known: dict[WriteKind, list[str]] = defaultdict(list)
    for write in writes:
        if crm_id := ids[write.effect_key]:
            known[write.kind].append(crm_id)
    return known


def _told(write: Write, crm_id: str | None) -> tuple[object, ...]:
    values = {name: str(value) for name, value in write.values.items() if value is not None}
    return write.effect_key, str(write.kind), str(write.action), crm_id, *(values.get(name) for name in SAID)


def _unread(run: Run, crm: Crm) -> Mapping[WriteKind, Sequence[str]]:
    written = run.store.written().filter(pl.col("crm") == str(crm))
    ids: dict[WriteKind, Sequence[str]] = {}
    for kind, mirror in MIRROR_OF.items():
        ours = written.filter(pl.col("kind") == str(kind))
        ids[kind] = ours.join(run.store.read(mirror), on=["crm", "crm_id"], how="anti")["crm_id"].to_list()
    return ids


def desired_changes(run: Run, assessed: Assessed) -> pl.DataFrame:
    """The change set (``frames.Changes``): desired against what the CRMs hold and what we last wrote.

    Customers of a CRM that failed today are left as they are: what it holds is not known well enough to overwrite.
    """
    store = run.store
    changes = change_set(
        customers=assessed.customers,
        plan_fields=assessed.plan_fields,
        sections=assessed.sections,
        tasks=assessed.tasks,
        held_fields=store.read("plan_fields"),
        held_sections=store.read("plan_sections"),
        held_tasks=store.read("tasks"),
        written=store.written(),
        raised=store.raised(run.as_of),
        as_of=run.as_of,
        cap_per_owner_and_day=run.policy.tasks.cap_per_owner_and_day,
        fallback_owners=_fallback_owners(run),
        aliases=store.aliases(),
    )
    reachable = [str(crm) for crm in run.ports if run.is_healthy(crm)]
    changes = changes.filter(pl.col("crm").is_in(reachable))
    if not run.is_dry:
        store.plan_effects(changes, run_id=run.run_id, as_of=run.as_of, at=run.clock(), crms=reachable)
        store.fix_homes(_homes(changes))
    return changes


def _fallback_owners(run: Run) -> dict[str, str]:
    owners = {str(crm): run.settings.crm(crm).fallback_owner for crm in run.ports}
    return {crm: owner for crm, owner in owners.items() if owner}


def _homes(changes: pl.DataFrame) -> pl.DataFrame:
    planned = changes.filter(pl.col("status") == str(ChangeStatus.PLANNED))
    return planned.select("customer_id", "crm", crm_id="account_crm_id").unique().sort("customer_id")


def push(run: Run, crm: Crm) -> int:
    """Write one CRM's pending effects, a batch at a time, then read them back. Returns how many were settled.

    Every batch is marked before it leaves, so that whatever a crash leaves unknown, reading back can settle.
    """
    port, settled = run.ports[crm], 0
    done: dict[WriteKind, list[str]] = defaultdict(list)
    try:
        for batch in port.batches(run.store.pending(crm)):
            run.keep_lease()
            outcomes = _send(run, port, batch)
            kinds = {write.effect_key: write.kind for write in batch}
            for outcome in outcomes:
                if outcome.crm_id:
                    done[kinds[outcome.effect_key]].append(outcome.crm_id)
            settled += len(outcomes)
    except CrmError as error:
        run.note(f"{crm} push", error)
    try:
        _read_back(run, port, done)
    except CrmError as error:
        run.note(f"{crm} read-back", error)
    return settled


def _send(run: Run, port: CrmPort, batch: Sequence[Write]) -> list[Outcome]:
    crm, keys = port.crm, set(run.store.mark_sending([write.effect_key for write in batch], run.run_id, run.clock()))
    batch = [write for write in batch if write.effect_key in keys]
    try:
        outcomes = port.send(batch) if batch else []
    except CrmRefusedError:
        run.store.release(keys)
        raise
    run.store.settle(outcomes, run.clock())
    verbs = {write.effect_key: (crm, write.kind, write.action) for write in batch}
    run.settled.update((*verbs[outcome.effect_key], outcome.crm_id is not None) for outcome in outcomes)
    return outcomes


def _read_back(run: Run, port: CrmPort, ids: Mapping[WriteKind, Sequence[str]], *, is_ours: bool = True) -> None:
    """Land what the CRM made of our writes: CRMs reformat, and only their own words tell our text from a person's.

    ``is_ours`` says that nobody can have edited them since.
    """
    hashes: list[pl.DataFrame] = []
    for kind, crm_ids in ids.items():
        for page in port.read_back(kind, crm_ids) if crm_ids else ():
            run.store.land(page.rows, run_id=run.run_id, loaded_at=run.clock())
            hashes += [_hashed(kind, page.rows[MIRROR_OF[kind]])] if is_ours and kind in TEXT_HASH else []
    if hashes:
        ours = run.store.written().select("crm", "crm_id", "kind", "record_key")
        run.store.record_readback(
            pl.concat(hashes).join(ours, on=["crm", "crm_id", "kind"]).select("record_key", "readback_hash")
        )


def _hashed(kind: WriteKind, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("crm", "crm_id", kind=pl.lit(str(kind)), readback_hash=TEXT_HASH[kind])
