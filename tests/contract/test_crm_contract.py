"""What every CRM's port must do, on an emulated CRM behind a socket."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from integrations.crm import CrmPort, Page, Window
from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.provisioning import Standing, missing
from models import frames
from models.enums import PullObject, Section, WriteAction, WriteKind
from models.keys import customer_id, record_key
from models.records import Outcome, Value, Write
from tests.contract.sides import Admin, Side

DUE = date(2026, 12, 1)


@pytest.fixture
def port(side: Side) -> Iterator[CrmPort]:
    opened = side.port()
    yield opened
    opened.close()


# -- pulling --


def pulled(port: CrmPort, target: PullObject, window: Window) -> dict[str, pl.DataFrame]:
    """All rows of a window by frame, each contract held."""
    return together(port.pull(target, window))


def together(pages: Iterable[Page]) -> dict[str, pl.DataFrame]:
    found: dict[str, list[pl.DataFrame]] = {}
    for page in pages:
        frames.RowErrors.validate(page.rejected)
        for name, rows in page.rows.items():
            frames.MIRRORED[name].validate(rows)
            found.setdefault(name, []).append(rows)
    return {name: pl.concat(parts) for name, parts in found.items()}


def living(rows: pl.DataFrame | None) -> pl.DataFrame:
    return pl.DataFrame() if rows is None else rows.filter(~pl.col("is_deleted"))


def test_a_full_pull_holds_what_the_crm_counts(side: Side, port: CrmPort, admin: Admin) -> None:
    found: dict[str, pl.DataFrame] = {}
    for target in PullObject:
        found |= pulled(port, target, Window(None, admin.now() + timedelta(days=1)))
    for names, count in side.counts().items():
        assert sum(living(found.get(name)).height for name in names) == count, names
    for name, rows in found.items():
        assert rows["crm_id"].is_unique().all(), name
        assert set(rows["crm"]) == {side.crm}
        assert port.calls.rows_read[name] >= rows.height


def test_the_clock_is_the_crms_own(port: CrmPort, admin: Admin) -> None:
    shown = admin.tick()
    assert port.now() == shown


def test_an_incremental_pull_sees_what_changed_and_nothing_else(side: Side, port: CrmPort, admin: Admin) -> None:
    changed, deleted, winner, loser = (side.create_account(name) for name in ("Changed", "Deleted", "Winner", "Loser"))
    before = admin.tick()
    admin.tick()
    created = side.create_account("Created")
    side.rename_account(changed, "Changed again")
    side.delete_account(deleted)
    survivor = side.merge_accounts(winner, loser)
    after = admin.tick()
    side.create_account("Too late")
    rows = pulled(port, PullObject.ACCOUNTS, Window(before, after - timedelta(minutes=5)))["accounts"]
    alive = {row["crm_id"]: row for row in living(rows).to_dicts()}
    assert {created, changed} <= alive.keys() <= {created, changed, survivor}
    assert (alive[created]["name"], alive[changed]["name"]) == ("Created", "Changed again")
    gone = {row["crm_id"]: row for row in rows.filter(pl.col("is_deleted")).to_dicts()}
    assert {deleted, loser} <= gone.keys()
    assert (gone[deleted]["merged_into"], gone[loser]["merged_into"]) == (None, survivor)


def test_windows_are_half_open(side: Side, port: CrmPort, admin: Admin) -> None:
    stamp = admin.tick()
    crm_id = side.create_account("On the edge")
    admin.tick()
    second = timedelta(seconds=1)
    for after, until, is_seen in ((stamp, stamp + second, False), (stamp - second, stamp, True)):
        rows = pulled(port, PullObject.ACCOUNTS, Window(after, until)).get("accounts")
        assert (crm_id in set(living(rows).to_dict().get("crm_id", []))) is is_seen


def test_an_empty_window_has_no_living_rows(port: CrmPort, admin: Admin) -> None:
    start = admin.tick()
    end = admin.tick()
    for target in set(PullObject) - {PullObject.OWNERS}:
        for name, rows in pulled(port, target, Window(start, end)).items():
            assert living(rows).is_empty(), name


def test_a_bad_record_is_set_aside_and_the_good_ones_arrive(side: Side, port: CrmPort, admin: Admin) -> None:
    start = admin.tick()
    admin.tick()
    bad = side.create_bad_ticket()
    end = admin.tick()
    pages = list(port.pull(PullObject.TICKETS, Window(start, end)))
    errors = pl.concat(page.rejected for page in pages)
    assert errors.select("source", "target", "record").rows() == [(side.crm, "tickets", bad)]
    assert "satisfaction_pct" in errors["rule"][0]
    whole = pulled(port, PullObject.TICKETS, Window(None, end))["tickets"]
    assert bad not in set(whole["crm_id"])
    assert whole.height > 0


def test_an_unmapped_field_is_null_not_an_error(side: Side, admin: Admin) -> None:
    port = side.port(**side.unmapped("arr_minor"))
    rows = pulled(port, PullObject.ACCOUNTS, Window(None, admin.now()))["accounts"]
    assert rows["arr_minor"].null_count() == rows.height
    port.close()


def test_a_wrong_mapping_is_refused_with_the_nearest_name(side: Side, admin: Admin) -> None:
    port = side.port(**side.mapped_wrongly())
    with pytest.raises(CrmRefusedError, match="did you mean"):
        list(port.pull(PullObject.ACCOUNTS, Window(None, admin.now())))
    assert any(not finding.is_ok and "did you mean" in finding.detail for finding in port.check())
    port.close()


# -- trouble --


def test_a_wrong_token_is_refused_and_reported(side: Side, admin: Admin) -> None:
    port = side.port(token="wrong")
    with pytest.raises(CrmRefusedError) as raised:
        list(port.pull(PullObject.ACCOUNTS, Window(None, admin.now())))
    assert "wrong" not in str(raised.value)
    assert [finding.is_ok for finding in port.check()] == [False]
    port.close()


def test_a_crm_that_is_down_is_unavailable(side: Side, port: CrmPort, admin: Admin) -> None:
    admin.fault(side.crm, "down")
    with pytest.raises(CrmUnavailableError):
        list(port.pull(PullObject.ACCOUNTS, Window(None, admin.now())))
    assert not all(finding.is_ok for finding in port.check())


def test_a_crm_that_does_not_listen_is_unavailable(side: Side, admin: Admin) -> None:
    port = side.port(base_url="http://127.0.0.1:9")
    with pytest.raises(CrmUnavailableError):
        list(port.pull(PullObject.ACCOUNTS, Window(None, admin.now())))
    assert (port.calls.read, port.calls.write) == (0, 0)
    port.close()


def test_a_passing_fault_changes_nothing(side: Side, port: CrmPort, admin: Admin) -> None:
    until = admin.now()
    calm = pulled(port, PullObject.CONTACTS, Window(None, until))["contacts"]
    for kind in ("down", "drop", "truncate"):
        admin.fault(side.crm, kind, count=1)
        assert pulled(port, PullObject.CONTACTS, Window(None, until))["contacts"].equals(calm), kind


def test_calls_are_counted_as_the_crm_counts_them(side: Side, port: CrmPort, admin: Admin) -> None:
    writes = tasks(port, side, 3, "counted")
    read_before = port.calls.read
    admin.forget_requests()
    pulled(port, PullObject.TICKETS, Window(None, admin.now()))
    push(port, writes)
    assert {"read": port.calls.read - read_before, "write": port.calls.write} == admin.requests(side.crm)


def test_a_sound_crm_lacks_nothing_and_is_asked_only(port: CrmPort) -> None:
    parts = port.parts()
    assert {part.standing for part in parts} == {Standing.PRESENT}
    assert all(part.wanted for part in parts)
    assert list(port.create(missing(parts))) == []
    assert port.calls.write == 0
    assert [each.detail[0] for each in port.check() if each.check.endswith("key mode")] == ["a"]


def test_a_sound_crm_passes_its_check_and_proposes_a_mapping_that_works(side: Side, port: CrmPort) -> None:
    findings = port.check()
    assert all(finding.is_ok for finding in findings), [each for each in findings if not each.is_ok]
    proposal = port.propose_mapping()
    assert {"arr_minor", "renewal_date", "owner_crm_id", "tier"} <= proposal["accounts"].keys()


# -- pushing --


def push(port: CrmPort, writes: Sequence[Write]) -> dict[str, Outcome]:
    outcomes = [outcome for batch in port.batches(writes) for outcome in port.send(batch)]
    assert Counter(outcome.effect_key for outcome in outcomes) == Counter(write.effect_key for write in writes)
    return {outcome.effect_key: outcome for outcome in outcomes}


def new(side: Side, account: str, kind: WriteKind, name: str, values: Mapping[str, Value]) -> Write:
    customer = customer_id(side.crm, account)
    plan = record_key("plan", customer)
    key = {
        WriteKind.FIELDS: plan,
        WriteKind.SECTIONS: record_key("section", customer, name),
        WriteKind.TASKS: record_key("task", name, customer, "1"),
    }[kind]
    effect = record_key(key, repr(sorted(values.items())))
    return Write(effect, key, plan, customer, side.crm, kind, WriteAction.CREATE, account, None, dict(values))


def plan_fields(side: Side, account: str, **changes: Value) -> Write:
    values: dict[str, Value] = {
        "customer_name": "Acme", "health_score": 71.5, "health_band": "yellow", "renewal_date": date(2027, 2, 19),
    }  # fmt: skip
    return new(side, account, WriteKind.FIELDS, "", values | changes)


def section(side: Side, account: str, name: Section, body: str) -> Write:
    return new(side, account, WriteKind.SECTIONS, name, {"section": str(name), "body": body})


def task(side: Side, account: str, name: str, owner: str | None = None) -> Write:
    values: dict[str, Value] = {
        "subject": f"Call {name}", "body": "Because <b>usage</b> fell.", "due_date": DUE, "priority": "high",
        "owner_crm_id": owner,
    }  # fmt: skip
    return new(side, account, WriteKind.TASKS, name, values)


def tasks(port: CrmPort, side: Side, count: int, name: str) -> list[Write]:
    """New tasks of one new account, for a CSM."""
    account, owner = side.create_account(f"Account of {name}"), owner_of(port)
    return [task(side, account, f"{name} {number}", owner) for number in range(count)]


def owner_of(port: CrmPort) -> str:
    """An active user."""
    rows = together(port.pull(PullObject.OWNERS, Window(None, datetime.fromisoformat("2027-01-01T00:00:00+00:00"))))
    return str(rows["owners"].filter("is_active")["crm_id"].sort()[-1])


def read_back(port: CrmPort, kind: WriteKind, ids: Sequence[str | None]) -> dict[str, dict[str, object]]:
    """The rows of one frame by record key, or by the CRM's own id where the CRM keeps no key of such a record."""
    rows = together(port.read_back(kind, [each for each in ids if each]))
    (frame,) = rows.values()
    return {row["record_key"] or row["crm_id"]: row for row in frame.to_dicts()}


def test_a_plan_is_created_read_back_found_and_changed(side: Side, port: CrmPort) -> None:
    account = side.create_account("Acme")
    fields = plan_fields(side, account)
    sections = [section(side, account, name, f"Text of {name}.\nSecond line.") for name in Section]
    outcomes = push(port, [*sections, fields])
    assert all(outcome.crm_id and not outcome.error_code for outcome in outcomes.values())
    held = read_back(port, WriteKind.FIELDS, [outcomes[fields.effect_key].crm_id])[fields.record_key]
    assert (held["account_crm_id"], held["health_score"], held["health_band"]) == (account, 71.5, "yellow")
    assert held["renewal_date"] == date(2027, 2, 19)
    texts = read_back(port, WriteKind.SECTIONS, [outcomes[each.effect_key].crm_id for each in sections])
    for each in sections:
        row = texts.get(each.record_key) or texts[str(outcomes[each.effect_key].crm_id)]
        assert (row["account_crm_id"], row["section"]) == (account, each.values["section"])
        assert row["body"] == each.values["body"]
    found = port.find([fields, *sections])
    assert found == {each.record_key: outcomes[each.effect_key].crm_id for each in (fields, *sections)}
    changed = replace(
        plan_fields(side, account, health_score=None, health_band="insufficient", renewal_date=None),
        action=WriteAction.UPDATE,
        crm_id=found[fields.record_key],
    )
    assert push(port, [changed])[changed.effect_key].crm_id == found[fields.record_key]
    held = read_back(port, WriteKind.FIELDS, [found[fields.record_key]])[fields.record_key]
    assert (held["health_score"], held["health_band"], held["renewal_date"]) == (None, "insufficient", None)


def test_plans_are_pulled_as_they_were_read_back(side: Side, port: CrmPort, admin: Admin) -> None:
    start = admin.tick()
    admin.tick()
    account = side.create_account("Pulled plan")
    made = [plan_fields(side, account), section(side, account, Section.BUSINESS_GOALS, "Not agreed yet.")]
    outcomes = push(port, made)
    back = {each.kind: together(port.read_back(each.kind, [str(outcomes[each.effect_key].crm_id)])) for each in made}
    rows = pulled(port, PullObject.PLANS, Window(start, admin.tick()))
    for name, kind in (("plan_fields", WriteKind.FIELDS), ("plan_sections", WriteKind.SECTIONS)):
        ours = rows[name].filter(pl.col("crm_id") == back[kind][name]["crm_id"][0])
        assert ours.equals(back[kind][name]), name


def test_what_a_person_writes_into_a_section_is_pulled(side: Side, port: CrmPort, admin: Admin) -> None:
    account = side.create_account("Edited plan")
    text = section(side, account, Section.BUSINESS_GOALS, "Not agreed yet.")
    crm_id = push(port, [plan_fields(side, account), text])[text.effect_key].crm_id
    start = admin.tick()
    admin.tick()
    side.reword_section(str(crm_id), "Win Europe")
    rows = pulled(port, PullObject.PLANS, Window(start, admin.tick()))["plan_sections"]
    assert rows.filter(pl.col("crm_id") == crm_id)["body"].to_list() == ["Win Europe"]


def test_a_task_is_created_changed_and_closed(side: Side, port: CrmPort, admin: Admin) -> None:
    start = admin.tick()
    admin.tick()
    (made,) = tasks(port, side, 1, "life")
    outcome = push(port, [made])[made.effect_key]
    assert outcome.is_created
    row = read_back(port, WriteKind.TASKS, [outcome.crm_id])[made.record_key]
    assert (row["subject"], row["body"]) == ("Call life 0", "Because <b>usage</b> fell.")
    assert (row["due_date"], row["priority"], row["is_closed"]) == (DUE, "high", False)
    assert (row["account_crm_id"], row["owner_crm_id"]) == (made.account_crm_id, made.values["owner_crm_id"])
    values = {**made.values, "subject": "Call today", "due_date": date(2026, 12, 24), "priority": "low"}
    changed = replace(made, effect_key="changed", action=WriteAction.UPDATE, crm_id=outcome.crm_id, values=values)
    assert not push(port, [changed])["changed"].is_created
    row = read_back(port, WriteKind.TASKS, [outcome.crm_id])[made.record_key]
    assert (row["subject"], row["due_date"], row["priority"]) == ("Call today", date(2026, 12, 24), "low")
    closed = replace(changed, effect_key="closed", action=WriteAction.CLOSE, values={"closed_reason": "cleared"})
    push(port, [closed])
    rows = pulled(port, PullObject.TASKS, Window(start, admin.tick()))["tasks"]
    ours = rows.filter(pl.col("record_key") == made.record_key)
    assert ours.select("crm_id", "is_closed", "subject").rows() == [(outcome.crm_id, True, "Call today")]


def test_the_same_push_again_creates_nothing(side: Side, port: CrmPort) -> None:
    writes = tasks(port, side, side.batch_size + 1, "twice")
    writes.append(plan_fields(side, writes[0].account_crm_id))
    writes.append(section(side, writes[0].account_crm_id, Section.BUSINESS_GOALS, "Same."))
    first = push(port, writes)
    counts = side.counts()
    second = push(port, writes)
    assert {key: outcome.crm_id for key, outcome in second.items()} == {
        key: outcome.crm_id for key, outcome in first.items()
    }
    assert not any(outcome.is_created for outcome in second.values())
    assert side.counts() == counts


def test_new_records_take_the_fewest_calls(side: Side, port: CrmPort, admin: Admin) -> None:
    count = side.batch_size + side.batch_size // 2
    accounts = [side.create_account(f"Many {number}") for number in range(12)]
    owner = owner_of(port)
    raised = [task(side, accounts[number % 12], f"many {number}", owner) for number in range(count)]
    kept = [plan_fields(side, account) for account in accounts]
    texts = [section(side, account, name, "Text.") for account in accounts for name in Section]
    admin.forget_requests()
    push(port, [*raised, *texts, *kept])
    new = {WriteKind.FIELDS: 12, WriteKind.SECTIONS: 12 * len(Section), WriteKind.TASKS: count}
    assert admin.requests(side.crm)["write"] == side.least_calls(new, {})


def change(write: Write, crm_id: str | None, **changes: Value) -> Write:
    """The same record with other values, as a later night writes it."""
    values = {name: value for name, value in write.values.items() if name != "customer_name"} | changes
    return replace(
        write, effect_key=f"{write.effect_key} again", action=WriteAction.UPDATE, crm_id=crm_id, values=values
    )


@pytest.mark.parametrize("share", [(0.02, 0.01, 0.01), (0.5, 0.25, 0.25), (0.6, 1.5, 0.1)], ids=str)
def test_new_and_known_records_together_take_the_fewest_calls(
    side: Side, port: CrmPort, admin: Admin, share: tuple[float, float, float]
) -> None:
    """New, changed and closed tasks, as shares of a batch; with them, plans."""
    new, old, done = (round(each * side.batch_size) for each in share)
    whole = tasks(port, side, new + old + done, f"together {new} {old} {done}")
    extra = [side.create_account(f"Together {number}") for number in range(4)]
    plans = [plan_fields(side, account) for account in extra]
    ids = {key: outcome.crm_id for key, outcome in push(port, [*whole[new:], *plans[:2]]).items()}
    updates = [change(each, ids[each.effect_key], subject="Changed") for each in whole[new : new + old]]
    closes = [
        replace(change(each, ids[each.effect_key]), action=WriteAction.CLOSE, values={"closed_reason": "cleared"})
        for each in whole[new + old :]
    ]
    replanned = [change(each, ids[each.effect_key], health_score=12.5) for each in plans[:2]]
    admin.forget_requests()
    outcomes = push(port, [*closes, *updates, *whole[:new], *plans[2:], *replanned])
    least = side.least_calls(
        {WriteKind.FIELDS: 2, WriteKind.TASKS: new}, {WriteKind.FIELDS: 2, WriteKind.TASKS: old + done}
    )
    assert admin.requests(side.crm)["write"] == least
    assert {key for key, outcome in outcomes.items() if not outcome.crm_id} == set()
    assert len(port.find(whole)) == len(whole)
    rows = read_back(port, WriteKind.TASKS, [outcomes[each.effect_key].crm_id for each in updates])
    assert {row["subject"] for row in rows.values()} == {"Changed"}
    rows = read_back(port, WriteKind.TASKS, [outcomes[each.effect_key].crm_id for each in closes])
    assert all(row["is_closed"] for row in rows.values())
    rows = read_back(port, WriteKind.FIELDS, [outcomes[each.effect_key].crm_id for each in replanned])
    assert {row["health_score"] for row in rows.values()} == {12.5}


def test_one_refused_row_among_new_and_one_among_known_records_spoil_nothing(side: Side, port: CrmPort) -> None:
    writes = tasks(port, side, 10, "two bad")
    ids = {key: outcome.crm_id for key, outcome in push(port, writes[5:]).items()}
    known = [change(each, ids[each.effect_key], subject="Changed") for each in writes[5:]]
    bad = [replace(each, values={**each.values, "owner_crm_id": "999999999999999"}) for each in (writes[1], known[3])]
    rest = [each for each in (*writes[:5], *known) if each.effect_key not in {wrong.effect_key for wrong in bad}]
    outcomes = push(port, [*rest, *bad])
    for wrong in bad:
        assert outcomes[wrong.effect_key].crm_id is None
        assert outcomes[wrong.effect_key].error_code
    assert [outcomes[each.effect_key].is_created for each in rest] == [each.action == "create" for each in rest]
    changed = {each.effect_key: outcomes[each.effect_key].crm_id for each in rest if each in known}
    assert changed == {each.effect_key: each.crm_id for each in known if each in rest}
    assert len(port.find(writes)) == 9


def test_one_refused_row_does_not_spoil_its_batch(side: Side, port: CrmPort) -> None:
    writes = tasks(port, side, 9, "mixed")
    bad = replace(writes[4], values={**writes[4].values, "owner_crm_id": "999999999999999"})
    outcomes = push(port, [*writes[:4], bad, *writes[5:]])
    assert outcomes[bad.effect_key].crm_id is None
    assert outcomes[bad.effect_key].error_code
    assert sum(outcome.is_created for outcome in outcomes.values()) == 8
    assert len(port.find(writes)) == 8


def test_a_deleted_task_is_not_found_and_not_revived_by_a_change(side: Side, port: CrmPort) -> None:
    (made,) = tasks(port, side, 1, "gone")
    crm_id = push(port, [made])[made.effect_key].crm_id
    side.delete_task(str(crm_id))
    assert port.find([made]) == {}
    before = side.counts()
    for number, known in enumerate((crm_id, None)):
        values: dict[str, Value] = {"closed_reason": "cleared"}
        close = replace(made, effect_key=f"close {number}", action=WriteAction.CLOSE, crm_id=known, values=values)
        assert push(port, [close])[close.effect_key].error_code
    assert side.counts() == before


@pytest.mark.parametrize("kind", ["drop", "commit_then_drop", "truncate"])
def test_a_lost_answer_never_makes_a_second_record(side: Side, port: CrmPort, admin: Admin, kind: str) -> None:
    writes = tasks(port, side, 5, f"lost by {kind}")
    before = sum(side.counts().values())
    admin.fault(side.crm, kind, count=1, methods=["POST", "PUT", "PATCH"])
    try:
        outcomes = push(port, writes)
    except CrmUnavailableError:
        landed = port.find(writes)
        outcomes = push(port, [each for each in writes if each.record_key not in landed])
    assert all(outcome.crm_id for outcome in outcomes.values())
    assert len(port.find(writes)) == 5
    assert sum(side.counts().values()) == before + 5


@pytest.mark.parametrize("kind", ["drop", "commit_then_drop", "truncate"])
def test_a_lost_answer_to_new_and_known_records_makes_none_twice(
    side: Side, port: CrmPort, admin: Admin, kind: str
) -> None:
    writes = tasks(port, side, 6, f"mixed and lost by {kind}")
    ids = {key: outcome.crm_id for key, outcome in push(port, writes[3:]).items()}
    known = [change(each, ids[each.effect_key], subject="Changed") for each in writes[3:]]
    admin.fault(side.crm, kind, count=1, methods=["POST", "PUT", "PATCH"])
    for batch in port.batches([*writes[:3], *known]):
        try:
            port.send(batch)
        except CrmUnavailableError:
            landed = port.find(batch)
            port.send([each for each in batch if each.action is WriteAction.UPDATE or each.record_key not in landed])
    found = port.find(writes)
    assert len(found) == 6
    rows = read_back(port, WriteKind.TASKS, list(found.values()))
    assert Counter(row["subject"] == "Changed" for row in rows.values()) == {True: 3, False: 3}


def test_a_push_to_a_crm_that_is_down_is_unavailable(side: Side, port: CrmPort, admin: Admin) -> None:
    writes = tasks(port, side, 2, "down")
    admin.fault(side.crm, "down")
    for batch in port.batches(writes):
        with pytest.raises(CrmUnavailableError):
            port.send(batch)
    admin.clear_faults()
    assert port.find(writes) == {}
