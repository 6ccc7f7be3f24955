"""The walls between the rooms, and the habits that no other tool checks."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

HOUSE = Path(__file__).parent.parent
ROOMS = ("flows", "integrations", "models", "transforms")
SOURCES = sorted(path for room in ROOMS for path in (HOUSE / room).rglob("*.py"))


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def copied_house(folder: Path) -> Path:
    for room in ROOMS:
        shutil.copytree(HOUSE / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HOUSE / "pyproject.toml", folder)
    return folder


def test_import_contracts_hold() -> None:
    assert lint_imports(HOUSE).returncode == 0


@pytest.mark.parametrize(
    ("file", "breach"),
    [
        ("transforms/health.py", "import prefect"),
        ("transforms/health.py", "import models.store"),
        ("models/keys.py", "import transforms.health"),
        ("integrations/hubspot/client.py", "import integrations.salesforce.client"),
        ("integrations/sandbox/state.py", "import integrations.hubspot.client"),
        ("integrations/crm.py", "import models.store"),
    ],
)
def test_a_breach_of_a_wall_fails(tmp_path: Path, file: str, breach: str) -> None:
    house = copied_house(tmp_path)
    with (house / file).open("a") as source:
        source.write(f"\n{breach}\n")
    assert lint_imports(house).returncode == 1


def calls_in(path: Path) -> set[str]:
    names = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return {ast.unparse(name) for name in names}


@pytest.mark.parametrize("path", [p for p in SOURCES if p.parent.name in ("transforms", "models")], ids=str)
def test_only_flows_read_the_clock_and_the_environment(path: Path) -> None:
    forbidden = {
        "datetime.now",
        "date.today",
        "datetime.utcnow",
        "time.time",
        "os.getenv",
        "os.environ.get",
        "random.random",
    }
    assert not calls_in(path) & forbidden


def test_nothing_uses_the_format_that_ends_the_process() -> None:
    """``pl.format`` panics on columns of several chunks in polars 2.1; ``transforms.text.said`` does not."""
    assert not [str(path) for path in SOURCES if "pl.format" in calls_in(path)]


def test_every_public_function_says_what_it_does() -> None:
    silent = [
        f"{path.relative_to(HOUSE)}:{node.lineno} {node.name}"
        for path in SOURCES
        if "migrations" not in path.parts
        for node in ast.parse(path.read_text()).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
        if not ast.get_docstring(node)
    ]
    assert not silent


def test_locks_name_no_host_and_pin_every_file() -> None:
    for lock in HOUSE.glob("requirements*.lock"):
        text = lock.read_text()
        assert "://" not in text
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert pins
        assert all("==" in pin for pin in pins)
        assert text.count("--hash=") >= len(pins)


def test_deployments_name_flows_that_exist() -> None:
    deployments = yaml.safe_load((HOUSE / "prefect.yaml").read_text())["deployments"]
    assert {each["name"] for each in deployments} == {"nightly-sync", "renewal-risk-report"}
    known = {
        "name", "description", "entrypoint", "parameters", "enforce_parameter_schema", "schedules", "concurrency_limit",
        "work_pool", "tags",
    }  # fmt: skip
    for each in deployments:
        assert set(each) <= known, "Prefect ignores keys that it does not know"
        module, function = each["entrypoint"].split(":")
        tree = ast.parse((HOUSE / Path(*module.split("."))).with_suffix(".py").read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert all({"cron", "timezone", "slug"} == set(schedule) for schedule in each["schedules"])


def test_the_package_ships_the_four_rooms() -> None:
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == sorted(ROOMS)
