"""Policy packs: what the default says, how a company's pack lies over it, and how a wrong one is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.policy.load import DEFAULT_PACK, SCHEMA_FILE, PolicyError, load_policy, schema_text
from models.policy.pack import TEMPLATE_FIELDS, Policy, template_parts

DEFAULT = load_policy()


def company(folder: Path, text: str) -> Path:
    file = folder / "company.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_default_pack_covers_the_rules_it_must() -> None:
    stated = set(re.findall(r"R-\d{3}", DEFAULT_PACK.read_text(encoding="utf-8")))
    wanted = [*range(120, 130), 132, *range(150, 156), 157, 175, 176, 177, 30, 31, 32, 34, 38, 39]
    assert {f"R-{rule:03}" for rule in wanted} <= stated
    assert set(DEFAULT.contradictions) == {f"X{number}" for number in range(1, 13)}


def test_the_numbers_are_the_rulebooks() -> None:
    signals = DEFAULT.signals
    assert (signals.login_frequency.min_per_week, signals.login_frequency.weeks) == (2, 3)
    assert (signals.login_recency.at_risk_days, signals.login_recency.critical_days) == (14, 30)
    assert (signals.usage_drop.at_risk_pct, signals.usage_drop.critical_pct) == (50, 80)
    assert (signals.usage_below_baseline.weeks, signals.missed_checkins.at_risk_count) == (2, 2)
    assert (signals.champion_unresponsive.at_risk_days, signals.engagement_silence.at_risk_days) == (18, 61)
    assert (signals.feature_breadth.healthy_min, signals.nps.healthy_min, signals.nps.at_risk_min) == (3, 9, 7)
    assert sorted(DEFAULT.health.profiles["weighted"].weights.values()) == [10, 15, 20, 25, 30]
    assert (DEFAULT.plan_types.formal_min_acv, DEFAULT.plan_types.one_page_above_acv) == (50_000, 15_000)
    windows = DEFAULT.renewals.windows
    assert (windows.d30_days, windows.d60_days, windows.d90_days) == (30, 60, 90)


def test_every_block_of_values_names_its_rules_and_sources() -> None:
    def bare(node: Any, above: str) -> list[str]:
        if not isinstance(node, dict):
            return [above] if isinstance(node, (int, float)) and not isinstance(node, bool) else []
        if {"rule_ids", "sources"} <= set(node):
            return []
        return [found for key, inner in node.items() for found in bare(inner, f"{above}.{key}")]

    content = yaml.safe_load(DEFAULT_PACK.read_text(encoding="utf-8"))
    assert bare(content, "") == [".health.max_drivers"]  # a choice of layout, no rule


def test_the_schema_file_is_generated() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


def test_a_company_says_only_what_differs(tmp_path: Path) -> None:
    text = """
        name: acme
        signals: {nps: {window_days: 90}}
        segments: {names: {smb: [tiny]}}
        playbooks: {single_threaded: null}
        """
    ours = load_policy(company(tmp_path, text))
    assert ours.signals.nps.window_days == 90
    assert ours.signals.nps.healthy_min == DEFAULT.signals.nps.healthy_min
    assert ours.segments.names["smb"] == ("tiny",)
    assert set(DEFAULT.playbooks) - set(ours.playbooks) == {"single_threaded"}
    assert ours.signals.login_frequency == DEFAULT.signals.login_frequency


def test_the_version_follows_the_content_and_nothing_else(tmp_path: Path) -> None:
    assert re.fullmatch(r"default-[0-9a-f]{10}", DEFAULT.version)
    assert load_policy(company(tmp_path, "# nothing\nfeeds: {usage_stale_days: 28}")).version == DEFAULT.version
    assert load_policy(company(tmp_path, "feeds: {usage_stale_days: 29}")).version != DEFAULT.version


@pytest.mark.parametrize(
    ("text", "line", "key", "nearest"),
    [
        ("name: x\nsignals:\n  login_freqency:\n    weeks: 3", 3, "signals.login_freqency", "login_frequency"),
        ("signals:\n  nps:\n    window_dayz: 3", 3, "signals.nps.window_dayz", "window_days"),
        ("signals:\n  nps:\n    window_days: soon", 3, "signals.nps.window_days", None),
        ("health:\n  bands:\n    green_min: 10", 2, "health.bands", None),
        ("health:\n  max_drivers: 3\n  default_profile: weigthed", 3, "health", "weighted"),
        ("health:\n  profiles:\n    weighted:\n      weights:\n        nsp: 3", 5, None, "nps"),
        ("plan_types:\n  strategic: formall", 2, "plan_types.strategic", "formal"),
        ("playbooks:\n  usage_drop:\n    trigger:\n      signal: usage_dorp", 4, None, "usage_drop"),
        ("playbooks:\n  usage_drop:\n    trigger:\n      kind: signl", 4, None, "signal"),
        ("playbooks:\n  usage_drop:\n    body: 'Call {custmer}'", 2, None, "customer"),
        ("playbooks:\n  usage_drop:\n    body: 'Call {customer.__class__}'", 2, None, None),
        ("playbooks:\n  usage_drop:\n    body: 'Call {customer'", 2, None, None),
        ("renewals:\n  risk:\n    arr_at_risk: [high, low]", 3, "renewals.risk.arr_at_risk", None),
        ("renewals:\n  risk:\n    arr_at_risk: [unknown]", 3, "renewals.risk.arr_at_risk", None),
        ("identity:\n  rule_ids: [R12]", 2, "identity.rule_ids.0", None),
        ("signals:\n  usage_drop:\n    is_enabled: no", 2, "", None),
        ("playbooks:\n  usage_drop:\n    owner: boss", 3, "playbooks.usage_drop.owner", None),
        ("name: a\nname: b", 2, "name", None),
        ("name: [", 1, "", None),
        ("- a", 1, "", None),
        ("", 1, "", None),
    ],
)
def test_a_wrong_pack_is_refused_by_line_and_nearest_name(
    tmp_path: Path, text: str, line: int, key: str | None, nearest: str | None
) -> None:
    file = company(tmp_path, text)
    with pytest.raises(PolicyError) as refused:
        load_policy(file)
    error = refused.value
    assert (error.file, error.line, error.nearest) == (file, line, nearest)
    assert key is None or error.key == key
    assert str(error).startswith(f"{file}:{line}:")
    assert nearest is None or f"did you mean '{nearest}'?" in str(error)


def test_a_missing_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"none\.yaml: cannot be read: FileNotFoundError; \[policy\] path"):
        load_policy(tmp_path / "none.yaml")


def test_texts_hold_names_only_and_no_counts_of_days() -> None:
    for name, playbook in DEFAULT.playbooks.items():
        for text in (playbook.subject, playbook.body):
            assert set(template_parts(text)[1::2]) <= set(TEMPLATE_FIELDS), name
            assert not re.search(r"\d", re.sub(r"\{\w+\}", "", text)), name
    assert template_parts("a {b} {{c}} d") == ["a ", "b", " {c} d"]


def test_a_pack_never_changes_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        DEFAULT.name = "other"
    assert isinstance(DEFAULT, Policy)
