"""What is written, what is left alone, and that a second look plans nothing."""

import json
from datetime import date, timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import frames, keys
from tests.tables import frame
from tests.transforms.crm_world import START, World
from transforms.changes import normalised_text, plan_fields_desired

TODAY = date(2026, 11, 21)
NEXT = TODAY + timedelta(days=1)
CUSTOMERS = frame(
    """customer_id | name | home_crm   | home_crm_id | owner_crm_id | owner_is_active
       acme        | Acme | salesforce | s1          | ann          | yes
       zeta        | Zeta | hubspot    | h1          | bob          | yes""",
    frames.Customers,
)


def key(*parts: str) -> str:
    return keys.record_key(*parts)


def sections(*rows: tuple[str, str, str]) -> pl.DataFrame:
    made = [
        {"record_key": key("section", who, section), "plan_key": key("plan", who), "customer_id": who}
        | {"section": section, "body": body, "rule_ids": ["R-011"]}
        for who, section, body in rows
    ]
    return pl.DataFrame(made, schema=frames.dtypes(frames.SectionTexts))


def fields(*rows: tuple[str, float | None, str, date | None]) -> pl.DataFrame:
    names = ("customer_id", "customer_name", "health_score", "health_band", "renewal_date")
    types = dict(zip(names, (pl.String, pl.String, pl.Float64, pl.String, pl.Date), strict=True))
    made = [(who, who.title(), score, band, renewal) for who, score, band, renewal in rows]
    return pl.DataFrame(made, schema=types, orient="row")


def task(who: str, name: str, severity: int = 50, **other: Any) -> dict[str, Any]:
    plain = {"subject": f"Do {name}", "body": f"Because of {name}\n- at once", "priority": "normal", "due_days": 7}
    return {
        **plain, "record_key": key("task", name, who, "e1"), "customer_id": who, "playbook": name,
        "rule_ids": ["R-120"], "reason": f"{name} is bad", "opened_on": TODAY, "severity": severity, **other,
    }  # fmt: skip


def wanted(**given: Any) -> dict[str, Any]:
    tasks = pl.DataFrame(given.get("tasks", []), schema=frames.dtypes(frames.TasksDue))
    return {"customers": CUSTOMERS, "plan_fields": fields(), "sections": sections(), **given, "tasks": tasks}


def statuses(changes: pl.DataFrame) -> list[tuple[str, str, str]]:
    return changes.select("kind", "action", "status").rows()


FULL = wanted(
    plan_fields=fields(("acme", 71.6, "yellow", date(2027, 1, 31)), ("zeta", None, "insufficient", None)),
    sections=sections(
        ("acme", "business_goals", "- Grow & <b>win</b>\n- Last"), ("zeta", "business_goals", "Not yet.")
    ),
    tasks=[task("acme", "usage"), task("zeta", "silence")],
)
GOALS = key("section", "acme", "business_goals")
USAGE = key("task", "usage", "acme", "e1")


@cache
def after_one_night(kind: str) -> World:
    made = World(wraps=kind == "wraps text", reads_back=kind != "cannot be read back")
    created = [(kind, "create", "planned") for kind in ("fields", "sections", "tasks")]
    assert statuses(made.night(FULL, TODAY)) == created * 2
    return made


@pytest.fixture(params=["plain", "wraps text", "cannot be read back"])
def world(request: pytest.FixtureRequest) -> World:
    """A world after its first night."""
    return after_one_night(request.param).copy()


def test_the_first_night_writes_to_the_home_crm_in_full() -> None:
    changes = World().diff(FULL, TODAY)
    assert changes.select("crm", "account_crm_id").unique().sort("crm").rows() == [
        ("hubspot", "h1"), ("salesforce", "s1"),
    ]  # fmt: skip
    payloads = {(row["kind"], row["customer_id"]): row["payload"] for row in changes.iter_rows(named=True)}
    assert payloads["fields", "acme"] == (
        '{"customer_name":"Acme","health_band":"yellow","health_score":71.6,"renewal_date":"2027-01-31"}'
    )
    assert json.loads(payloads["tasks", "acme"]) == {
        "body": "Because of usage\n- at once", "due_date": "2026-11-28", "owner_crm_id": "ann", "priority": "normal",
        "subject": "Do usage",
    }  # fmt: skip
    assert json.loads(payloads["sections", "acme"])["body"] == "- Grow & <b>win</b>\n- Last"
    plans = changes.filter(pl.col("kind") == "sections")["plan_key"].to_list()
    assert sorted(plans) == sorted([key("plan", "acme"), key("plan", "zeta")])


def test_a_quiet_night_plans_nothing(world: World) -> None:
    changes = world.diff(FULL, NEXT)
    assert {status for _, _, status in statuses(changes)} == {"unchanged"}


def test_new_text_replaces_ours_and_never_a_person_s(world: World) -> None:
    newer = {**FULL, "sections": sections(("acme", "business_goals", "- Other"))}
    changes = world.copy().night(newer, NEXT).filter(pl.col("record_key") == GOALS)
    assert statuses(changes) == [("sections", "update", "planned")]
    for text in ("- Mine", ""):
        world.person("sections", GOALS, body=text)
        edited = world.night(newer, NEXT).filter(pl.col("record_key") == GOALS)
        assert statuses(edited) == [("sections", "update", "contested")]
        assert world.held["sections"][GOALS]["body"] == text
        assert json.loads(edited["old"][0]) == {"body": text}
    world.person("sections", GOALS, body="- Other\r\n")
    assert statuses(world.night(newer, NEXT).filter(pl.col("record_key") == GOALS)) == [
        ("sections", "update", "unchanged")
    ]


def test_text_that_a_person_wrote_before_us_is_contested_with_or_without_a_key() -> None:
    made = World()
    row = {"crm": "hubspot", "crm_id": "h1:business_goals", "account_crm_id": "h1", "section": "business_goals"}
    made.held["sections"]["x"] = {**row, "is_deleted": False, "record_key": None, "body": "A person's"}
    found = made.diff(wanted(sections=sections(("zeta", "business_goals", "Ours"))), TODAY)
    assert found.select("status", "crm_id").rows() == [("contested", "h1:business_goals")]
    for nothing in (" ", None):
        made.held["sections"]["x"]["body"] = nothing
        found = made.diff(wanted(sections=sections(("zeta", "business_goals", "Ours"))), TODAY)
        assert found["status"].to_list() == ["planned"]


def test_typed_fields_are_ours(world: World) -> None:
    plan = key("plan", "acme")
    for score in (12.0, 13.0, 12.0):
        world.person("fields", plan, health_score=score)
        changes = world.night(FULL, NEXT).filter(pl.col("record_key") == plan)
        assert statuses(changes) == [("fields", "update", "planned")]
        assert world.held["fields"][plan]["health_score"] == 71.6
    world.person("fields", plan, health_score=71.6000001)
    assert world.night(FULL, NEXT).filter(pl.col("status") == "planned").is_empty()


def test_a_plan_that_a_person_deleted_is_not_made_again(world: World) -> None:
    world.person("fields", key("plan", "acme"), is_deleted=True)
    world.person("sections", GOALS, is_deleted=True)
    changes = world.night({**FULL, "sections": sections(("acme", "business_goals", "- New"))}, NEXT)
    assert changes.filter(pl.col("status") == "contested")["record_key"].sort().to_list() == sorted(
        [key("plan", "acme"), GOALS]
    )


PLAN = key("plan", "acme")
PLAN_DUE = wanted(plan_fields=fields(("acme", 71.6, "yellow", None)))


def made_by_people(plans: str) -> World:
    """A world whose Salesforce holds these plans; ``ours`` in ``record_key`` is the key of acme's."""
    rows = frame(plans, frames.PlanFields, crm="salesforce", modified_at=START).to_dicts()
    made = World()
    made.held["fields"] = {
        row["crm_id"]: row | {"record_key": PLAN if row["record_key"] == "ours" else row["record_key"]} for row in rows
    }
    return made


@pytest.mark.parametrize(
    ("plans", "expected"),
    [
        ("crm_id | account_crm_id | is_deleted | record_key\n p1 | s1 | no  |", ("update", "planned", "p1")),
        ("crm_id | account_crm_id | is_deleted | record_key\n p1 | s1 | yes |", ("create", "planned", None)),
        ("crm_id | account_crm_id | is_deleted | record_key\n p1 | s2 | no  |", ("create", "planned", None)),
        ("crm_id | account_crm_id | is_deleted | record_key\n p1 | s1 | no  | else", ("create", "planned", None)),
        (
            """crm_id | account_crm_id | is_deleted | record_key
               p9     | s1             | no         |
               p1     | s1             | yes        |
               p3     | s1             | no         |
               p2     | s2             | no         |""",
            ("update", "planned", "p3"),
        ),
        (
            """crm_id | account_crm_id | is_deleted | record_key
               p1     | s1             | no         |
               p2     | s1             | no         | ours""",
            ("update", "planned", "p2"),
        ),
        (
            """crm_id | account_crm_id | is_deleted | record_key
               p1     | s1             | no         |
               p2     | s1             | yes        | ours""",
            ("update", "contested", "p2"),
        ),
    ],
    ids=["one", "deleted", "of another account", "of another customer", "the first of two", "beside ours", "ours gone"],
)
def test_a_plan_that_a_person_made_is_taken_over(plans: str, expected: tuple[str, str, str | None]) -> None:
    found = made_by_people(plans).diff(PLAN_DUE, TODAY)
    assert found.select("action", "status", "crm_id").rows() == [expected]
    assert ("customer_name" in json.loads(found["payload"][0])) == (expected[0] == "create")


def test_a_plan_is_taken_over_once_and_the_others_stay_as_they_are() -> None:
    made = made_by_people("""crm_id | account_crm_id | is_deleted | health_score | health_band
                             p1     | s1             | no         | 71.6         | yellow
                             p2     | s1             | no         | 12           | red""")
    changes = made.night(PLAN_DUE, TODAY)
    assert changes["reason"].to_list() == ["the account has a plan that a person made: it is kept from now on"]
    assert json.loads(changes["old"][0]) == {"health_band": "yellow", "health_score": 71.6, "renewal_date": None}
    assert {row["crm_id"]: row["record_key"] for row in made.held["fields"].values()} == {"p1": PLAN, "p2": None}
    assert statuses(made.night(PLAN_DUE, NEXT)) == [("fields", "update", "unchanged")]
    assert made.held["fields"]["p2"]["health_score"] == 12


def test_a_plan_not_seen_since_we_made_it_is_not_traded_for_a_person_s() -> None:
    made = World()
    made.night(PLAN_DUE, TODAY)
    ours = made.held["fields"].pop(PLAN)
    made.held["fields"]["p0"] = ours | {"crm_id": "p0", "record_key": None}
    assert made.diff(PLAN_DUE, NEXT).select("status", "crm_id").rows() == [("unchanged", ours["crm_id"])]


def test_a_plan_that_lost_its_key_gets_it_again(world: World) -> None:
    for _ in range(2):
        world.person("fields", PLAN, record_key=None)
        changes = world.night(FULL, NEXT).filter(pl.col("record_key") == PLAN)
        assert changes.select("status", "reason").rows() == [("planned", "the plan lost its key")]
        assert world.held["fields"][PLAN]["record_key"] == PLAN


def test_a_customer_s_new_name_changes_nothing(world: World) -> None:
    renamed = FULL["plan_fields"].with_columns(customer_name=pl.lit("Other"))
    assert world.diff({**FULL, "plan_fields": renamed}, NEXT).filter(pl.col("status") != "unchanged").is_empty()


@pytest.mark.parametrize("edit", [{"is_closed": True}, {"is_deleted": True}])
def test_a_task_that_a_person_closed_or_deleted_is_never_raised_again(world: World, edit: dict[str, bool]) -> None:
    world.person("tasks", USAGE, **edit)
    for tasks in ([task("acme", "usage", priority="high")], [], [task("acme", "usage")]):
        changes = world.night({**FULL, "tasks": pl.DataFrame(tasks, schema=FULL["tasks"].schema)}, NEXT)
        assert changes.filter(pl.col("record_key") == USAGE, pl.col("status") != "unchanged").is_empty()


def test_a_task_closes_when_its_condition_clears_and_stays_closed(world: World) -> None:
    none = {**FULL, "tasks": FULL["tasks"].clear()}
    closed = world.night(none, NEXT).filter(pl.col("record_key") == USAGE)
    assert statuses(closed) == [("tasks", "close", "planned")]
    assert json.loads(closed["payload"][0]) == {"closed_reason": "the condition behind the task has cleared"}
    assert world.held["tasks"][USAGE]["is_closed"]
    assert world.night(none, NEXT).filter(pl.col("record_key") == USAGE).is_empty()
    assert statuses(world.night(FULL, NEXT).filter(pl.col("record_key") == USAGE)) == [("tasks", "update", "unchanged")]


def changed_task(**other: Any) -> dict[str, Any]:
    return {**FULL, "tasks": pl.DataFrame([task("acme", "usage", **other)], schema=FULL["tasks"].schema)}


def test_a_changed_task_is_updated_without_its_due_date_and_without_a_person_s_text(world: World) -> None:
    world.person("tasks", USAGE, due_date=date(2027, 5, 5), body="I know why")
    changes = world.night(changed_task(priority="high", body="New"), NEXT).filter(pl.col("record_key") == USAGE)
    assert json.loads(changes["payload"][0]) == {"owner_crm_id": "ann", "priority": "high"}
    held = world.held["tasks"][USAGE]
    assert (held["body"], held["priority"], held["due_date"]) == ("I know why", "high", date(2027, 5, 5))
    contested = world.night(changed_task(priority="high", body="Newer"), NEXT).filter(pl.col("record_key") == USAGE)
    assert statuses(contested) == [("tasks", "update", "contested")]


def test_new_words_of_a_task_replace_ours() -> None:
    made = World(wraps=True)
    made.night(FULL, TODAY)
    changes = made.night(changed_task(subject="Do it & now"), NEXT).filter(pl.col("record_key") == USAGE)
    assert json.loads(changes["payload"][0]) == {
        "body": "Because of usage\n- at once", "owner_crm_id": "ann", "subject": "Do it & now",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("owner", "active", "held", "expected"),
    [
        ("cid", True, "ann", "cid"),
        ("ann", False, "ann", "queue"),
        (None, None, "ann", "queue"),
        ("cid", True, "dan", "dan"),
    ],
)
def test_an_open_task_follows_its_owner_unless_a_person_chose_one(
    world: World, owner: str | None, active: bool | None, held: str, expected: str
) -> None:
    if held != "ann":
        world.person("tasks", USAGE, owner_crm_id=held)
    people = CUSTOMERS.with_columns(
        owner_crm_id=pl.lit(owner, dtype=pl.String), owner_is_active=pl.lit(active, dtype=pl.Boolean)
    )
    world.night({**FULL, "customers": people}, NEXT, fallback_owners={"salesforce": "queue"})
    assert world.held["tasks"][USAGE]["owner_crm_id"] == expected


def test_a_busy_owner_gets_the_worst_tasks_first_and_the_rest_later() -> None:
    many = wanted(
        tasks=[task("acme", name, severity) for name, severity in (("a", 10), ("b", 90), ("c", 50), ("d", 90))]
    )
    raised = pl.DataFrame({"owner_crm_id": ["ann"], "crm": ["salesforce"], "raised_count": [1]})
    made = World()
    first = made.night(many, TODAY, cap_per_owner_and_day=3, raised=raised)
    names = {row["record_key"]: row["status"] for row in first.iter_rows(named=True)}
    assert {name: names[key("task", name, "acme", "e1")] for name in "abcd"} == {
        "a": "deferred", "b": "planned", "c": "deferred", "d": "planned",
    }  # fmt: skip
    second = made.night(many, NEXT, cap_per_owner_and_day=3)
    assert sorted(second["status"].to_list()) == ["planned", "planned", "unchanged", "unchanged"]


def test_the_cap_counts_tasks_of_nobody_together() -> None:
    people = CUSTOMERS.with_columns(owner_is_active=pl.lit(False))
    raised = pl.DataFrame(
        {"owner_crm_id": [None], "crm": ["salesforce"], "raised_count": [2]},
        schema_overrides={"owner_crm_id": pl.String},
    )
    many = wanted(customers=people, tasks=[task("acme", name) for name in "abc"])
    found = World().diff(many, TODAY, cap_per_owner_and_day=3, raised=raised)
    assert sorted(found["status"].to_list()) == ["deferred", "deferred", "planned"]


def test_a_fallback_queue_has_no_cap() -> None:
    people = CUSTOMERS.with_columns(owner_is_active=pl.lit(False))
    many = wanted(customers=people, tasks=[task("acme", name) for name in "abc"])
    found = World().diff(many, TODAY, cap_per_owner_and_day=1, fallback_owners={"salesforce": "queue"})
    assert set(found["status"]) == {"planned"}


def test_what_belongs_to_a_vanished_customer_is_left_and_to_a_joined_one_closed(world: World) -> None:
    nobody = wanted(customers=CUSTOMERS.filter(pl.col("customer_id") == "zeta"))
    left = world.copy().night(nobody, NEXT).filter(pl.col("customer_id") == "acme")
    assert set(left["status"]) == {"unchanged"}
    assert left.height == 3
    aliases = pl.DataFrame({"alias_id": ["acme"], "customer_id": ["zeta"]})
    joined = world.night(nobody, NEXT, aliases=aliases).filter(pl.col("customer_id") == "acme")
    assert joined.filter(pl.col("status") == "planned").select("kind", "action", "reason").rows() == [
        ("tasks", "close", "the customer was joined into zeta")
    ]


def test_only_customers_with_a_plan_have_fields_and_scores_keep_one_decimal() -> None:
    life = frame(
        "customer_id | is_plan_due\n acme | yes\n zeta | no", frames.Lifecycle, stage="adoption", plan_type="formal",
        has_agreed_plan=False,
    )  # fmt: skip
    health = frame(
        "customer_id | score | band\n acme | 71.64999 | yellow", frames.Health, profile="x", coverage_pct=1.0,
        lower_bound=0.0, upper_bound=1.0, vetoes=[], drivers=[],
    )  # fmt: skip
    found = plan_fields_desired(CUSTOMERS, health, frames.empty(frames.Renewals), life)
    assert found.rows() == [("acme", "Acme", 71.6, "yellow", None)]


@pytest.mark.parametrize(
    "text", ["a\r\nb  \n", "<p>a</p><p>b</p>", "a<br>b", "\n a\nb", "<div>a</div>\r\n<div>b</div>"]
)
def test_texts_that_crms_reformat_compare_equal(text: str) -> None:
    both = pl.DataFrame({"text": [text, "a\nb"]}).select(normalised_text(pl.col("text")))["text"]
    assert both[0] == both[1]


bodies = st.sampled_from(["", "one", "two & <three>", "- a\n- b  \n", "é ✓"])
some_tasks = st.lists(
    st.tuples(st.sampled_from(["acme", "zeta"]), st.sampled_from("abc"), st.sampled_from(["low", "high"]), bodies),
    max_size=4, unique_by=lambda row: row[:2],
)  # fmt: skip
nights = st.tuples(
    st.sampled_from([None, 10.0, 10.04, 55.5]),
    bodies,
    some_tasks,
    st.sampled_from(["ann", "cid"]),
    st.booleans(),
    st.integers(0, 3),
)
edits = st.sampled_from(["section", "task text", "task owner", "close", "delete", "score", "nothing"])


@settings(max_examples=15, deadline=None)
@given(
    story=st.lists(st.tuples(nights, edits, bodies), min_size=1, max_size=3), wraps=st.booleans(), reads=st.booleans()
)
def test_any_story_settles_every_night_and_people_keep_their_words(story: list[Any], wraps: bool, reads: bool) -> None:
    world, mine = World(wraps=wraps, reads_back=reads), {}
    for day, ((score, body, tasks, owner, active, cap), edit, words) in enumerate(story):
        people = CUSTOMERS.with_columns(owner_crm_id=pl.lit(owner), owner_is_active=pl.lit(active))
        desired = wanted(
            customers=people,
            plan_fields=fields(("acme", score, "green", None)),
            sections=sections(("acme", "business_goals", body), ("zeta", "business_goals", body)),
            tasks=[task(who, name, priority=priority, body=text) for who, name, priority, text in tasks],
        )
        world.night(
            desired, TODAY + timedelta(days=day), cap_per_owner_and_day=cap, fallback_owners={"hubspot": "queue"}
        )
        for record, text in mine.items():
            assert world.held[record[0]][record[1]]["body"] == text
        _edit(world, edit, words, mine)


def _edit(world: World, edit: str, words: str, mine: dict[tuple[str, str], str]) -> None:
    """A person does something; text that nobody could take for ours is noted in ``mine``."""
    text = f"person: {words}"
    open_tasks = [key for key, row in world.held["tasks"].items() if not row["is_closed"] and not row["is_deleted"]]
    if edit == "section":
        world.person("sections", GOALS, body=text)
        mine["sections", GOALS] = text
    elif edit == "score":
        world.person("fields", key("plan", "acme"), health_score=1.0)
    elif open_tasks and edit != "nothing":
        record = open_tasks[0]
        change = {"task owner": {"owner_crm_id": "dan"}, "close": {"is_closed": True}, "delete": {"is_deleted": True}}
        world.person("tasks", record, **change.get(edit, {"body": text}))
        if edit == "task text":
            mine["tasks", record] = text
