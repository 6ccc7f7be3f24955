"""`plansync provision`: from CRMs that nobody prepared to a night that writes to both, and nothing to do afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.demo import DAY, environment, write_settings
from flows.night import Plainly, night
from flows.permissions_page import page
from flows.runtime import open_run
from flows.settings import load
from integrations.sandbox.process import running_sandbox
from integrations.sandbox.salesforce_store import INTEGRATION_USERNAME
from tests.flows.conftest import House
from tests.judges.bench import Bench
from tests.judges.calls import calls_logged, keep_calls

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "transcript.jsonl")


@pytest.fixture
def bare(tmp_path: Path, bench: Bench) -> Iterator[House]:
    """A house whose CRMs lack everything that provisioning makes; HubSpot's own models judge what HubSpot is asked."""
    running = running_sandbox(customers=6, seed=3, as_of=DAY, bare=True, files=tmp_path, transcript=bench.file)
    with running as sandbox, environment(sandbox, tmp_path):
        yield House(tmp_path, sandbox, write_settings(tmp_path, sandbox))
        bench.judge()


def called(house: House, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--config", str(house.config)])


def told(done: Result) -> Any:
    return json.loads(done.stdout.splitlines()[-1])


def run_night(house: House) -> dict[str, Any]:
    with open_run(load(house.config), as_of=DAY) as run:
        return night(run, Plainly())


def test_bare_crms_are_provisioned_written_to_and_then_need_nothing_more(bare: House, bench: Bench) -> None:
    assert called(bare, "doctor").exit_code == 5
    bare.forget_requests()
    for crm in ("salesforce", "hubspot"):
        checked = called(bare, "provision", crm, "--check", "--json")
        assert (checked.exit_code, told(checked)["status"]) == (10, "missing")
    assert bare.write_calls() == 0
    made = called(bare, "provision", "salesforce", "--assign", INTEGRATION_USERNAME, "--json")
    assert (made.exit_code, told(made)["status"], told(made)["failed"]) == (0, "complete", [])
    assert {"Success_Plan__c", "Activity.Plansync_Key__c", "Plansync"} <= set(told(made)["made"])
    made = called(bare, "provision", "hubspot", "--json")
    assert (made.exit_code, told(made)["status"]) == (0, "complete")
    keep_calls("provision", calls_logged(bare.log()))
    bench.judge()
    bench.keep("hubspot-models-provision")
    sound = called(bare, "doctor", "--json")
    assert sound.exit_code == 0, sound.output
    assert {each["detail"][0] for each in told(sound) if each["check"].endswith("key mode")} == {"a"}
    strict = called(bare, "doctor", "--strict")
    assert strict.exit_code == 5
    assert {"warn hubspot excess scopes", "warn salesforce excess rights"} <= {
        line.partition(":")[0] for line in strict.output.splitlines()
    }
    summary = run_night(bare)
    assert summary["status"] == "ok"
    for changes in summary["changes_by_crm"].values():
        assert changes["sections"]["create"] > 0
        assert changes["tasks"]["create"] > 0
    bare.forget_requests()
    for crm in ("salesforce", "hubspot"):
        again = called(bare, "provision", crm)
        assert (again.exit_code, "nothing to make" in again.output) == (0, True)
        assert called(bare, "provision", crm, "--check").exit_code == 0
    assert bare.write_calls() == 0


def test_a_user_who_may_not_deploy_ends_with_5_and_what_to_do(bare: House) -> None:
    bare.admin("PUT", "/salesforce/rights", {"ModifyMetadata": False})
    done = called(bare, "provision", "salesforce")
    assert done.exit_code == 5
    assert "sign in as an admin" in done.output


def test_what_differs_ends_with_6_and_is_named(bare: House) -> None:
    wrong = {"name": "plansync_renewal_date", "label": "Mine", "groupName": "companyinformation"}
    bare.hubspot("POST", "/crm/v3/properties/companies", wrong | {"type": "string", "fieldType": "text"})
    done = called(bare, "provision", "hubspot", "--json")
    assert (done.exit_code, told(done)["status"]) == (6, "differs")
    part = next(each for each in told(done)["parts"] if each["standing"] == "differs")
    assert (part["name"], part["detail"]) == ("companies.plansync_renewal_date", "is of type string, not date")


def test_the_package_needs_no_crm(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["provision", "salesforce", "--package", str(tmp_path / "package")])
    assert done.exit_code == 0
    assert "sf project deploy start" in done.output
    assert json.loads((tmp_path / "package" / "sfdx-project.json").read_text())["sourceApiVersion"] == "66.0"
    assert CliRunner().invoke(app, ["provision", "hubspot", "--package", str(tmp_path)]).exit_code == 2


def test_the_package_is_told_as_json(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["provision", "salesforce", "--package", str(tmp_path / "package"), "--json"])
    told = json.loads(done.stdout)
    there = {
        str(each.relative_to(tmp_path / "package")) for each in (tmp_path / "package").rglob("*") if each.is_file()
    }
    assert (done.exit_code, told["crm"], set(told["files"])) == (0, "salesforce", there)


@pytest.mark.parametrize("other", [["--check"], ["--assign", "foo"], ["--config", "plansync.toml"]])
def test_the_package_goes_with_nothing_that_asks_an_org(tmp_path: Path, other: list[str]) -> None:
    folder = tmp_path / "package"
    done = CliRunner().invoke(app, ["provision", "salesforce", "--package", str(folder), "--json", *other])
    assert (done.exit_code, done.stdout, folder.exists()) == (2, "", False)


def test_the_page_of_permissions_is_what_provision_makes() -> None:
    assert (DOCS / "reference" / "permissions.md").read_text() == page()
