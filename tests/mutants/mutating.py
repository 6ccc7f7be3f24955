"""A deliberate bug of one line, in a copy of the house, and the test that must turn red over it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).parent.parent.parent
ROOMS = ("benchmarks", "flows", "integrations", "models", "transforms", "tests")


@dataclass(frozen=True)
class Mutant:
    """``old``, found once in ``file``, becomes ``new``; ``test`` (file::name, as pytest takes it) must then fail."""

    promise: str
    file: str
    old: str
    new: str
    test: str

    def __str__(self) -> str:
        return f"{self.promise} {self.new.strip()[:60]}"

    def fits(self) -> bool:
        """Whether the line is still there, once."""
        return (HOUSE / self.file).read_text().count(self.old) == 1 and self.old != self.new

    def survives(self, folder: Path) -> bool:
        """Whether the test passes all the same, in a copy of the house under ``folder``.

        Raises:
            RuntimeError: The test did not run.
        """
        for room in ROOMS:
            shutil.copytree(HOUSE / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(HOUSE / "pyproject.toml", folder)
        mutated = folder / self.file
        mutated.write_text(mutated.read_text().replace(self.old, self.new))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", self.test]
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        if ran.returncode not in (0, 1):
            raise RuntimeError(f"{self.test} did not run: {ran.stdout[-2000:]}{ran.stderr[-2000:]}")
        return ran.returncode == 0
