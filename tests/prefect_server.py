"""One Prefect server for every test that needs one: to start it and make its database takes longer than most tests."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

PREFECT = str(Path(sys.executable).parent / "prefect")
LONGEST_S = 120
QUIET = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True, slots=True)
class PrefectServer:
    """A running server; ``variables`` make a process use it."""

    api: str
    home: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.home)} | QUIET

    def ask(self, path: str, **body: Any) -> Any:
        answer = requests.post(f"{self.api}/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def copy_database(self, home: Path) -> None:
        """Give another Prefect home a database of its own that need not be made from nothing."""
        source, copy = sqlite3.connect(self.home / "prefect.db"), sqlite3.connect(home / "prefect.db")
        source.backup(copy)
        source.close()
        copy.close()


@contextmanager
def running_server(home: Path) -> Iterator[PrefectServer]:
    """`prefect server start` on a free port, until it is no longer needed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = PrefectServer(f"http://127.0.0.1:{port}/api", home)
    command = [PREFECT, "server", "start", "--port", str(port), "--host", "127.0.0.1"]
    with started(command, os.environ | server.variables, home / "server.log"):
        waited_for(lambda: requests.get(f"{server.api}/health", timeout=2).ok)
        yield server


@contextmanager
def started(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block; what it says goes to ``log``."""
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def waited_for(ask: Callable[[], Any], within_s: float = LONGEST_S) -> Any:
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
