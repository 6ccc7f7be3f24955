"""Real processes: killed in the middle, or at work side by side."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.store import Store
from tests.models.samples import NOW
from tests.models.test_ledger import plan, task

ROOT = Path(__file__).parents[2]


def started(module: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", f"tests.models.{module}", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def killed(url: str, segments: Path, work: str, fragment: str) -> None:
    assert started("dying", url, str(segments), work, fragment).wait(60) == -signal.SIGKILL


def test_a_crash_before_the_commit_leaves_neither_rows_nor_watermark(store_url: str, tmp_path: Path) -> None:
    killed(store_url, tmp_path, "land", "COMMIT")
    with Store.open(store_url, segments=tmp_path) as store:
        assert store.read("accounts").is_empty()
        assert store.watermarks().is_empty()


def test_a_crash_before_a_file_is_listed_leaves_a_file_that_nobody_reads(store_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "segments"
    killed(store_url, folder, "add_usage", "INSERT INTO segments")
    with Store.open(store_url, segments=folder) as store:
        assert not store.has_file("usage.csv", "v1")
        assert store.usage().collect().is_empty()
        assert len(store.clean_segments()) == 1


def test_a_crash_while_tables_are_made_is_made_good_by_the_next_start(bare_url: str, tmp_path: Path) -> None:
    killed(bare_url, tmp_path, "open", "CREATE TABLE ledger")
    with Store.open(bare_url, segments=tmp_path) as store:
        store.open_run("run", NOW.date(), NOW)
        assert store.runs(1).height == 1


@pytest.mark.parametrize("effects", [200])
def test_two_workers_at_once_send_each_effect_once(store: Store, store_url: str, tmp_path: Path, effects: int) -> None:
    rows = [task(f"r{number:03}") for number in range(effects)]
    plan(store, *rows)
    start_at = str(time.time() + 2)
    workers = [started("working", store_url, str(tmp_path / "segments"), name, start_at) for name in ("a", "b")]
    answers = [json.loads(worker.communicate(timeout=60)[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert [answer["has_lease"] for answer in answers].count(True) == 1
    claimed = [key for answer in answers for key in answer["claimed"]]
    assert sorted(claimed) == sorted(row["effect_key"] for row in rows)
    assert store.written().height == effects
    assert store.pending("hubspot") == store.unsettled("hubspot") == []
