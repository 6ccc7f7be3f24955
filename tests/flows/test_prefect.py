"""What ops do, for real: a server, a worker, the deployments of `prefect.yaml`, and a run that the schedule starts."""

import json
import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.flows.conftest import House
from tests.prefect_server import PREFECT, PrefectServer, started, waited_for

ROOT = Path(__file__).parents[2]


def with_schedule_soon(folder: Path, in_s: float) -> Path:
    """`prefect.yaml` as it is, but for the nightly cron: a run is due in so many seconds, and each minute after.

    The minute is for a machine so slow that the first has passed before the scheduler knows of it.
    """
    content = yaml.safe_load((ROOT / "prefect.yaml").read_text())
    soon = (datetime.now(UTC) + timedelta(seconds=in_s)).isoformat()
    content["deployments"][0]["schedules"] = [{"slug": "nightly", "interval": 60, "anchor_date": soon}]
    file = folder / "prefect.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


@pytest.mark.prefect
def test_a_scheduled_run_finishes_on_a_worker_and_shows_its_artifacts(
    house: House, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    environment = (
        os.environ
        | prefect_server.variables
        | {"PREFECT_WORKER_QUERY_SECONDS": "2", "PLANSYNC_CONFIG": str(house.config)}
    )

    def prefect(*arguments: str) -> None:
        subprocess.run([PREFECT, "--no-prompt", *arguments], env=environment, check=True, cwd=ROOT, capture_output=True)

    ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}, "deployment_id": {"is_null_": False}}
    begun = time.monotonic()
    prefect("work-pool", "create", "plansync", "--type", "process")
    soon_s = 3 + 4 * (time.monotonic() - begun)  # by then the deployments are made, on a slow machine too
    with started([PREFECT, "worker", "start", "--pool", "plansync"], environment, tmp_path / "worker.log"):
        prefect("deploy", "--all", "--prefect-file", str(with_schedule_soon(tmp_path, soon_s)))
        finished = waited_for(lambda: prefect_server.ask("flow_runs/filter", flow_runs=ended))
    run = finished[0]
    artifacts = prefect_server.ask("artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    assert run["state_type"] == "COMPLETED", (tmp_path / "worker.log").read_text()[-3000:]
    assert run["auto_scheduled"] is True
    assert {"changes", "health", "renewals", "renewal-risk-report"} <= {each["key"] for each in artifacts}
    changes = json.loads(next(each["data"] for each in artifacts if each["key"] == "changes"))
    assert sum(row["create"] for row in changes) > 0
    with house.store() as store:
        assert store.runs(1)["status"].to_list() == ["ok"]
