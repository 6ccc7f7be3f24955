"""What ops do, for real: a server, a worker, the deployments of `prefect.yaml`, and a run that the schedule starts."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.flows.conftest import House

ROOT = Path(__file__).parents[2]
PREFECT = str(Path(sys.executable).parent / "prefect")
LONGEST_S = 120


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def started(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def waited_for(ask: Any, within_s: float = LONGEST_S) -> Any:
    """What ``ask`` answers once it is true."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if found := ask():
                return found
        except requests.RequestException:
            pass
        time.sleep(0.3)
    raise AssertionError(f"waited {within_s} s in vain")


def with_schedule_soon(folder: Path) -> Path:
    """`prefect.yaml` as it is, but for the nightly cron: the first run is due in a few seconds."""
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    soon = (datetime.now(UTC) + timedelta(seconds=15)).isoformat()
    content["deployments"][0]["schedules"] = [{"slug": "nightly", "interval": 86_400, "anchor_date": soon}]
    file = folder / "prefect.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


@pytest.mark.prefect
def test_a_scheduled_run_finishes_on_a_worker_and_shows_its_artifacts(house: House, tmp_path: Path) -> None:
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = os.environ | {
        "PREFECT_HOME": str(tmp_path / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "DO_NOT_TRACK": "1",
        "PLANSYNC_CONFIG": str(house.config),
    }

    def ask(path: str, **body: Any) -> Any:
        answer = requests.post(f"{api}/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def prefect(*arguments: str) -> None:
        subprocess.run([PREFECT, "--no-prompt", *arguments], env=environment, check=True, cwd=ROOT, capture_output=True)

    server = [PREFECT, "server", "start", "--port", str(port), "--host", "127.0.0.1"]
    with started(server, environment, tmp_path / "server.log"):
        waited_for(lambda: requests.get(f"{api}/health", timeout=2).ok)
        prefect("work-pool", "create", "plansync", "--type", "process")
        prefect("deploy", "--all", "--prefect-file", str(with_schedule_soon(tmp_path)))
        with started([PREFECT, "worker", "start", "--pool", "plansync"], environment, tmp_path / "worker.log"):
            finished = waited_for(
                lambda: ask(
                    "flow_runs/filter", flow_runs={"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}
                )
            )
        run = finished[0]
        artifacts = ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    assert run["state_type"] == "COMPLETED", (tmp_path / "worker.log").read_text()[-3000:]
    assert run["auto_scheduled"] is True
    assert {"changes", "health", "renewals", "renewal-risk-report"} <= {each["key"] for each in artifacts}
    changes = json.loads(next(each["data"] for each in artifacts if each["key"] == "changes"))
    assert sum(row["create"] for row in changes) > 0
    with house.store() as store:
        assert store.runs(1)["status"].to_list() == ["ok"]
