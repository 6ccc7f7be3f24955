"""Processes that ask one emulated portal together, and what the portal saw of them."""

import json
import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from integrations.sandbox.process import Sandbox, running_sandbox

HOUSE = Path(__file__).parent.parent
LIMIT, WINDOW_S = 190, 10.0


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
    command = [sys.executable, "-m", "benchmarks.asking", json.dumps(settings)]
    return subprocess.Popen(command, cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def go(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Set them going once all are ready."""
    for each in processes:
        if each.stdout is None or each.stdout.readline() != "ready\n":
            raise RuntimeError("a process that should ask did not start; its error is printed above")
    for each in processes:
        if each.stdin is not None:
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
        if any(each.returncode for each in both):
            raise RuntimeError("a process that asked ended with an error; it is printed above")
    finally:
        for each in both:
            each.kill()
            each.wait()
    return seen(sandbox)


def pace(folder: Path) -> dict[str, float]:
    """Two processes at HubSpot's usual limit for half a minute: the fullest window, and the part that they used."""
    with running_sandbox() as sandbox:
        told = asked_together(sandbox, folder / "limits", limit=LIMIT, window_s=WINDOW_S, windows=3)
    return {"limit": LIMIT, "most": told.most_in(WINDOW_S), "used_share": told.used_share(LIMIT, WINDOW_S, 3)}
