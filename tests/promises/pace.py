"""Processes that ask one emulated portal together, and what the portal saw of them."""

import json
import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from integrations.sandbox.process import Sandbox

HOUSE = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Seen:
    """When requests arrived, in seconds from the first, as the portal's own log says; and how many it refused."""

    at: Sequence[float]
    refused: int

    def most_in(self, window_s: float) -> int:
        """The fullest window of that length, both ends counted."""
        return max(bisect_right(self.at, start + window_s) - place for place, start in enumerate(self.at))

    def used_share(self, limit: int, window_s: float, windows: int) -> float:
        """Part of what so many windows from the first request on would have allowed."""
        return bisect_left(self.at, windows * window_s) / (windows * limit)


def start(
    sandbox: Sandbox, shared: Path, *, limit: int, window_s: float, seconds: float, threads: int
) -> subprocess.Popen[str]:
    """A process that is ready to ask; a line on its stdin sets it going."""
    settings = {
        "url": sandbox.hubspot.base_url,
        "token": sandbox.hubspot.access_token,
        "shared": str(shared),
        "limit": limit,
        "window_s": window_s,
        "seconds": seconds,
        "threads": threads,
    }
    command = [sys.executable, "-m", "tests.promises.asker", json.dumps(settings)]
    return subprocess.Popen(command, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Set them going once all are ready."""
    for each in processes:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in processes:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()


def seen(sandbox: Sandbox) -> Seen:
    """What the portal logged, oldest first; then its log is empty."""
    session = requests.Session()
    session.trust_env = False
    log = session.get(f"{sandbox.admin_url}/requests", params={"list": "true", "crm": "hubspot"}, timeout=30).json()
    session.delete(f"{sandbox.admin_url}/requests", timeout=30)
    session.close()
    times = sorted(each["seen_s"] for each in log["requests"])
    refused = sum(each["status"] == 429 for each in log["requests"])
    return Seen([at - times[0] for at in times], refused)


def asked_together(
    sandbox: Sandbox, shared: Path, *, limit: int, window_s: float, windows: int, threads: int = 6
) -> Seen:
    """Two processes ask for so many windows; what the portal saw."""
    seconds = windows * window_s + 0.5
    both = [start(sandbox, shared, limit=limit, window_s=window_s, seconds=seconds, threads=threads) for _ in range(2)]
    try:
        go(both)
        for each in both:
            each.communicate(timeout=seconds + 60)
        assert [each.returncode for each in both] == [0, 0]
    finally:
        for each in both:
            each.kill()
            each.wait()
    return seen(sandbox)
