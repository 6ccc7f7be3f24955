"""The `plansync` command as people and scripts meet it: output, errors and exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.demo import DAY
from flows.runtime import LEASE, utc_now
from tests.flows.conftest import House
from tests.prefect_server import PrefectServer

PLANSYNC = str(Path(sys.executable).parent / "plansync")


def called(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PLANSYNC, *arguments], cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_help_imports_neither_prefect_nor_polars() -> None:
    script = "import sys, flows.cli; sys.exit(bool({'prefect', 'polars', 'sqlalchemy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('[hubspot]\nbase_ulr = "x"\n', "plansync.toml:2: no setting 'hubspot.base_ulr'; did you mean 'base_url'?"),
        ('[salesforce]\nbase_url = "http://127.0.0.1:9"\n', "salesforce: no credentials"),
        ('[hubspot.properties.accounts]\narr_minr = "x"\n', "plansync.toml:2: no column 'arr_minr' of accounts to map"),
        ('[hubspot.properties.acounts]\narr_minor = "x"\n', 'did you mean "accounts"?'),
        ('[store]\nurl = "mysql://x/y"\n', "SQLite or PostgreSQL"),
    ],
)
def test_wrong_settings_end_with_4_and_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, message: str
) -> None:
    (tmp_path / "plansync.toml").write_text(settings)
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(app, ["run", "--json"], env={"PLANSYNC_HUBSPOT__ACCESS_TOKEN": "none"})
    signal.signal(signal.SIGTERM, handler)
    assert done.exit_code == 4, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (["provision", "hubspott"], "hubspot"),
        (["state", "reset", "--crm", "salesfrce", "--object", "tickets"], "salesforce"),
        (["state", "reset", "--crm", "hubspot", "--object", "tikets"], "tickets"),
    ],
)
def test_a_wrong_name_is_wrong_usage_and_gets_the_nearest(arguments: list[str], nearest: str) -> None:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert f"did you mean '{nearest}'?" in done.stderr


def test_looking_makes_no_store(tmp_path: Path) -> None:
    done = called("runs", "list", cwd=tmp_path)
    assert done.returncode == 4
    assert "no store yet" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_wrong_policy_ends_with_4_naming_line_and_nearest_name(house: House) -> None:
    pack = house.folder / "pack.yaml"
    pack.write_text("name: acme\nhealth:\n  bands:\n    gren_min: 80\n")
    with house.config.open("a") as file:
        file.write('\n[policy]\npath = "pack.yaml"\n')
    done = called("run", "--config", str(house.config), cwd=house.folder)
    assert done.returncode == 4, done.stderr
    assert "pack.yaml:4" in done.stderr
    assert "green_min" in done.stderr


def test_doctor_and_init_read_the_crms_own_description(house: House, tmp_path: Path) -> None:
    doctor = called("doctor", "--config", str(house.config), "--json", cwd=house.folder)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert {"salesforce access", "store", "policy"} <= {finding["check"] for finding in json.loads(doctor.stdout)}
    urls = {
        "PLANSYNC_SALESFORCE__BASE_URL": house.sandbox.salesforce.base_url,
        "PLANSYNC_HUBSPOT__BASE_URL": house.sandbox.hubspot.base_url,
    }
    made = called("init", cwd=tmp_path, **urls)
    assert made.returncode == 0, made.stderr
    proposed = (tmp_path / "plansync.toml").read_text()
    for line in (
        'arr_minor = "Annual_Recurring_Revenue__c"', 'renewal_date = "Renewal_Date__c"', 'owner_crm_id = "CSM__c"',
        'arr_minor = "current_arr"', 'renewal_date = "next_renewal"', 'owner_crm_id = "csm_owner"',
    ):  # fmt: skip
        assert line in proposed


def test_doctor_names_a_field_that_is_not_there(house: House) -> None:
    text = house.config.read_text().replace('"Renewal_Date__c"', '"Renewal_Dat__c"')
    house.config.write_text(text)
    doctor = called("doctor", "--config", str(house.config), cwd=house.folder)
    assert doctor.returncode == 5
    assert "Renewal_Dat__c" in doctor.stderr
    assert "Renewal_Date__c" in doctor.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.soak)]
)
def test_a_stopped_run_ends_cleanly_and_the_next_continues(
    house: House, prefect_server: PrefectServer, prefect_home: Path, number: int, code: int
) -> None:
    prefect_server.copy_database(prefect_home)  # the run starts a server of its own, as on a newcomer's machine
    for crm in ("salesforce", "hubspot"):
        house.fault(crm, "latency", latency_ms=150)
    run = subprocess.Popen(
        [PLANSYNC, "run", "--as-of", "2026-11-20", "--config", str(house.config)], stderr=subprocess.DEVNULL
    )
    while not house.admin("GET", "/requests")["counts"].get("salesforce", {}).get("read", 0) > 5:
        time.sleep(0.05)
        assert run.poll() is None
    run.send_signal(number)
    assert run.wait(60) == code
    house.admin("DELETE", "/faults")
    with house.store() as store:
        assert store.runs(1)["status"].to_list() == ["interrupted"]
    assert house.run()["status"] == "ok"


def test_two_runs_at_once_behave_as_one(house: House) -> None:
    with house.store() as store:
        assert store.acquire_lease(LEASE, "elsewhere:1:20261120-other", utc_now(), 900)
    done = called("run", "--config", str(house.config), cwd=house.folder)
    assert done.returncode == 5, done.stderr
    assert "20261120-other is at work" in done.stderr
    assert house.write_calls() == 0


@pytest.mark.lived_in
def test_plans_come_in_from_yaml_and_stand_in_the_crm_after_the_run(house: House) -> None:
    with house.store() as store:
        due = store.assessment(DAY)["lifecycle"].filter(plan_type="formal")
    name = due["customer_id"][0]
    plan = house.folder / "plan.yaml"
    plan.write_text(f"customer: {name}\ngoals:\n  - title: Halve the time spent on manual reporting\n")
    taken = called("plans", "import", str(plan), "--config", str(house.config), cwd=house.folder)
    assert taken.returncode == 0, taken.stderr
    house.run()
    shown = called("plans", "show", name, "--config", str(house.config), cwd=house.folder)
    assert "Halve the time spent on manual reporting" in shown.stdout
    plan.write_text("customer: Nobody At All\ngaols: []\n")
    refused = called("plans", "import", str(plan), "--config", str(house.config), cwd=house.folder)
    assert refused.returncode == 4
    assert "plan.yaml:2: gaols" in refused.stderr


@pytest.mark.lived_in
def test_explain_names_rule_source_and_accounts(house: House) -> None:
    with house.store() as store:
        customer = store.crosswalk()["customer_id"][0]
    told = json.loads(called("explain", customer, "--config", str(house.config), "--json", cwd=house.folder).stdout)
    assert told["customer"]["customer_id"] == customer
    assert all({"rule_id", "threshold", "reason", "source"} <= set(signal) for signal in told["signals"])
    text = called("explain", customer, "--config", str(house.config), cwd=house.folder).stdout
    assert "Signals:" in text
    assert "R-124" in text
