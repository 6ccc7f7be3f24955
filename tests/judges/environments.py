"""Strangers' programs, each in a virtual environment of its own, which ``make judges`` makes."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / ".venv"
MISSING: list[str] = []
"""The environments that were asked for and are not there."""
_LONGEST_RUN_S = 300
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Environment:
    """One virtual environment under ``.venv``."""

    folder: Path

    def run(self, command: Sequence[str | Path], variables: Mapping[str, str]) -> str:
        """Run one of its programs and return what it printed.

        Raises:
            AssertionError: It failed; the message ends with the last of what it said.
        """
        program = self.folder / "bin" / command[0]
        plain = {name: os.environ[name] for name in _KEPT if name in os.environ}
        done = subprocess.run(
            [program, *command[1:]],
            env=plain | dict(variables),
            capture_output=True,
            text=True,
            timeout=_LONGEST_RUN_S,
            check=False,
        )
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stderr[-3000:]}"
        return done.stdout

    def version(self, package: str) -> str:
        """Which version of a package it holds."""
        script = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
        return self.run(["python", "-c", script], {}).strip()

    @contextmanager
    def trusting(self, ca_file: Path) -> Iterator[None]:
        """Have ``certifi`` name one more authority meanwhile: not every client heeds ``REQUESTS_CA_BUNDLE``."""
        (bundle,) = self.folder.glob("lib/python3.*/site-packages/certifi/cacert.pem")
        before = bundle.read_bytes()
        bundle.write_bytes(before + ca_file.read_bytes())
        try:
            yield
        finally:
            bundle.write_bytes(before)


def environment(name: str) -> Environment:
    """The environment ``.venv/judges-<name>``; without it the test is skipped, and says what makes it."""
    folder = FOLDER / f"judges-{name}"
    if not (folder / ".done").exists():
        MISSING.append(name)
        pytest.skip(f"{folder.name} is not installed: `make judges` does it where the package registry can be reached")
    return Environment(folder)
