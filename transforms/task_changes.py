"""What to do about tasks: raise, change, close, or leave alone, because a person has dealt with them."""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from models import keys
from models.enums import ChangeStatus, WriteAction, WriteKind
from transforms import change_rows as rows
from transforms.text import said, task_text_hash

SAID = ("body", "owner_crm_id", "priority", "subject")
"""What a task says. The due date is not part of it: it is set once, and a person may move it."""

HALF = 16
"""Half of a payload hash: the first says which text was desired, the second which priority and owner.

So the text that we last wanted is known without keeping it, and a held text that differs was edited by a person.
"""

HELD = ("subject", "body", "priority", "owner_crm_id", "due_date", "is_closed")
IS_DONE = rows.IS_DELETED | pl.col("held_is_closed").fill_null(False) | pl.col("written_is_closed").fill_null(False)
IS_SAME_TEXT = (pl.col("held_text") == pl.col("payload_hash").str.head(HALF)).fill_null(False)
IS_OUR_TEXT = (pl.col("held_text") == pl.col("written_hash").str.head(HALF)).fill_null(False)
HAS_CHANGED = rows.WAS_WRITTEN & (pl.col("payload_hash") != pl.col("written_hash"))


def changes(
    homes: pl.DataFrame,
    tasks: pl.DataFrame,
    held: pl.DataFrame,
    written: pl.DataFrame,
    *,
    raised: pl.DataFrame,
    as_of: date,
    cap: int,
    fallback_owners: Mapping[str, str],
    aliases: pl.DataFrame,
) -> pl.DataFrame:
    """The change set of tasks; arguments as in ``changes.change_set``.

    - A task that was never written is raised, unless its owner has had ``cap`` new ones today.
    - A task that is closed or gone, whoever did it, is left so: its record key is not used again.
    - An open task whose subject, body, priority or owner is desired otherwise than at the last write is updated. Text
      that a person edited stays, and so does an owner whom a person chose.
    - An open task that is no longer desired is closed.
    """
    held = rows.held_rows(held, HELD)
    wanted = _wanted(homes, tasks, fallback_owners)
    table = _compared(wanted, held, written).with_columns(
        due_date=pl.coalesce("opened_as_of", pl.lit(as_of)) + rows.days(pl.col("due_days"))
    )
    kept = _updates(table.filter(rows.EXISTS | rows.IS_DELETED))
    new = _creates(table.filter(~(rows.EXISTS | rows.IS_DELETED)), raised, cap)
    gone = _closes(homes, wanted, held, written, aliases)
    return pl.concat([rows.rows_of(part, WriteKind.TASKS) for part in (kept, new, gone)])


def _wanted(homes: pl.DataFrame, tasks: pl.DataFrame, fallback_owners: Mapping[str, str]) -> pl.DataFrame:
    """Desired tasks with ``owner_crm_id`` and ``payload_hash``."""
    fallback = pl.col("home_crm").replace_strict(fallback_owners, default=None, return_dtype=pl.String)
    has_owner = pl.col("owner_is_active").fill_null(False)
    owned = tasks.join(homes, on="customer_id").with_columns(
        owner_crm_id=pl.when(has_owner).then("owner_crm_id").otherwise(fallback),
        is_queued=~has_owner & fallback.is_not_null(),
        plan_key=rows.plan_key(pl.col("customer_id")),
    )
    rest = keys.hashed(rows.json_of(("owner_crm_id", "priority"))).str.head(HALF)
    return owned.with_columns(payload_hash=_text_hash("subject", "body") + rest)


def _text_hash(subject: str, body: str) -> pl.Expr:
    return task_text_hash(pl.col(subject), pl.col(body)).str.head(HALF)


def _compared(wanted: pl.DataFrame, held: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
    """Desired tasks beside the written and the held ones. A task stays in the CRM in which it was written."""
    ours = written.filter(pl.col("kind") == str(WriteKind.TASKS)).select(
        "record_key",
        "opened_as_of",
        written_crm="crm",
        written_crm_id="crm_id",
        written_account="account_crm_id",
        written_owner="owner_crm_id",
        written_hash="payload_hash",
        written_is_closed="is_closed",
    )
    table = wanted.join(ours, on="record_key", how="left").with_columns(
        crm=pl.coalesce("written_crm", "home_crm"), account_crm_id=pl.coalesce("written_account", "home_crm_id")
    )
    table = table.join(held, on=["crm", "record_key"], how="left")
    return table.with_columns(held_text=_text_hash("held_subject", "held_body"))


def _updates(table: pl.DataFrame) -> pl.DataFrame:
    """Tasks that exist: what of them, if anything, is to be written."""
    chosen_by_person = rows.IS_HELD & (pl.col("held_owner_crm_id") != pl.col("written_owner")).fill_null(False)
    table = table.with_columns(
        owner_crm_id=pl.when(chosen_by_person).then("held_owner_crm_id").otherwise("owner_crm_id"),
        is_text_due=~rows.IS_HELD | (IS_OUR_TEXT & ~IS_SAME_TEXT),
        is_priority_due=~rows.IS_HELD | pl.col("priority").ne_missing(pl.col("held_priority")),
    )
    is_owner_due = (pl.col("owner_crm_id") != pl.col("held_owner_crm_id")).fill_null(
        pl.col("owner_crm_id").is_not_null()
    )
    is_due = HAS_CHANGED & ~IS_DONE & (pl.col("is_text_due") | pl.col("is_priority_due") | is_owner_due)
    is_contested = HAS_CHANGED & ~IS_DONE & ~is_due & ~IS_SAME_TEXT
    return table.with_columns(
        payload=_update_payload(),
        action=pl.lit(str(WriteAction.UPDATE)),
        crm_id=pl.coalesce("held_crm_id", "written_crm_id"),
        old=rows.old_json(HELD[:5]),
        status=_first([(is_due, ChangeStatus.PLANNED), (is_contested, ChangeStatus.CONTESTED)], ChangeStatus.UNCHANGED),
        reason=_first(
            [
                (IS_DONE, "it was closed or deleted, and is not raised again"),
                (is_due, pl.col("reason")),
                (is_contested, "a person edited the task's text since we wrote it"),
            ],
            "the task is open",
        ),
    )


def _update_payload() -> pl.Expr:
    """A JSON object of what an update writes; the owner always stands in it, since the ledger reads it there."""
    inner = [
        pl.when("is_text_due").then(_members("body", "subject")),
        _members("owner_crm_id"),
        pl.when("is_priority_due").then(_members("priority")),
    ]
    return pl.concat_str([pl.lit("{"), pl.concat_str(inner, separator=",", ignore_nulls=True), pl.lit("}")])


def _members(*names: str) -> pl.Expr:
    """Names and values of a JSON object, without its braces."""
    return rows.json_of(names).str.strip_prefix("{").str.strip_suffix("}")


def _creates(table: pl.DataFrame, raised: pl.DataFrame, cap: int) -> pl.DataFrame:
    """Tasks to raise, an owner's worst first; those over the owner's cap wait for a later day. A queue has no cap."""
    before = raised.select("crm", "owner_crm_id", "raised_count")
    order = ["crm", "owner_crm_id", "severity", "opened_on", "record_key"]
    ranked = table.sort(order, descending=[False, False, True, False, False], nulls_last=True)
    ranked = ranked.join(before, on=["crm", "owner_crm_id"], how="left", nulls_equal=True, maintain_order="left")
    place = pl.int_range(1, pl.len() + 1).over("crm", "owner_crm_id")
    fits = pl.col("is_queued") | (place + pl.col("raised_count").fill_null(0) <= cap)
    late = said("{} (waits: the owner has {} new tasks today)", pl.col("reason"), pl.lit(str(cap)))
    return ranked.with_columns(
        payload=rows.json_of((*SAID, "due_date")),
        action=pl.lit(str(WriteAction.CREATE)),
        crm_id=pl.lit(None, dtype=pl.String),
        old=pl.lit(None, dtype=pl.String),
        status=_first([(fits, ChangeStatus.PLANNED)], ChangeStatus.DEFERRED),
        reason=pl.when(fits).then("reason").otherwise(late),
    )


def _closes(
    homes: pl.DataFrame, wanted: pl.DataFrame, held: pl.DataFrame, written: pl.DataFrame, aliases: pl.DataFrame
) -> pl.DataFrame:
    """Open tasks that are no longer desired; those already closed are not spoken of again."""
    rest = rows.left_over(homes, wanted, written, WriteKind.TASKS).filter(~pl.col("is_closed"))
    rest = rest.join(held, on=["crm", "record_key"], how="left").filter(
        ~rows.IS_DELETED, ~pl.col("held_is_closed").fill_null(False)
    )
    rest = rest.join(aliases.select(customer_id="alias_id", joined_into="customer_id"), on="customer_id", how="left")
    is_joined = ~pl.col("is_known") & pl.col("joined_into").is_not_null()
    reason = _first(
        [
            ("is_known", "the condition behind the task has cleared"),
            (is_joined, said("the customer was joined into {}", pl.col("joined_into"))),
        ],
        pl.col("reason"),
    )
    is_due = pl.col("is_known") | is_joined
    rest = rest.with_columns(reason=reason)
    payload = pl.when(is_due).then(rows.json_object({"closed_reason": pl.col("reason")})).otherwise("payload")
    rest = rest.with_columns(
        action=_first([(is_due, WriteAction.CLOSE)], WriteAction.UPDATE),
        status=_first([(is_due, ChangeStatus.PLANNED)], ChangeStatus.UNCHANGED),
        payload=payload,
        old=rows.old_json(HELD[:5]),
        crm_id=pl.coalesce("held_crm_id", "crm_id"),
    )
    return rest.with_columns(
        payload_hash=pl.when(is_due).then(keys.hashed(pl.col("payload"))).otherwise("payload_hash")
    )


def _first(cases: Sequence[tuple[pl.Expr | str, pl.Expr | str]], otherwise: pl.Expr | str) -> pl.Expr:
    """The value of the first case that holds. A condition may name a column; a value that is text is literal."""
    found = _value(otherwise)
    for condition, value in reversed(cases):
        found = pl.when(condition).then(_value(value)).otherwise(found)
    return found


def _value(value: pl.Expr | str) -> pl.Expr:
    return value if isinstance(value, pl.Expr) else pl.lit(str(value))
