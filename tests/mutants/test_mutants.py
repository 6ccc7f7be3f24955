"""Every deliberate bug of ``table`` turns its test red, in a copy of the house."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.table import MUTANTS, Mutant

HOUSE = Path(__file__).parents[2]
PARTS = ("flows", "integrations", "models", "transforms", "tests", "docs", "examples", "pyproject.toml", "prefect.yaml")
FAILED = 1
"""pytest's own exit code for tests that ran and failed; others say that nothing ran."""


def copied(folder: Path) -> Path:
    for name in PARTS:
        part = HOUSE / name
        if part.is_dir():
            shutil.copytree(part, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(part, folder / name)
    return folder


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: f"{each.promise} {each.file} {each.after.strip()[:40]}")
def test_a_mutant_finds_its_place(mutant: Mutant) -> None:
    """Cheap, so that a table that fell behind the code is seen at once."""
    assert (HOUSE / mutant.file).read_text().count(mutant.before) == 1
    assert (HOUSE / mutant.test.split()[0].split("::")[0]).is_file()


@pytest.mark.soak
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: f"{each.promise} {each.file} {each.after.strip()[:40]}")
def test_a_mutant_turns_its_test_red(tmp_path: Path, mutant: Mutant) -> None:
    house = copied(tmp_path / "house")
    file = house / mutant.file
    file.write_text(file.read_text().replace(mutant.before, mutant.after))
    test, _, words = mutant.test.partition(" -k ")
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", test, *(["-k", words] if words else [])]
    done = subprocess.run(
        command, cwd=house, env={**os.environ, "PYTHONPATH": str(house)}, capture_output=True, text=True, check=False,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == FAILED, done.stdout[-2000:]
