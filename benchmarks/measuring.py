"""CPU seconds, wall seconds and peak memory of a piece of work, in a process of its own."""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def cpu_s() -> float:
    """User and system seconds of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(work: Callable[[], Any]) -> dict[str, Any]:
    """Run ``work`` once: its CPU and wall seconds, and its result under ``result``."""
    wall, cpu = time.perf_counter(), cpu_s()
    result = work()
    return {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu, "result": result}


def peak_mib() -> float:
    """The most memory that this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_child(step: str, folder: Path, **arguments: Any) -> dict[str, Any]:
    """Run one step of ``benchmarks.steps`` in a fresh interpreter; its memory and warm-up touch no other step."""
    command = [sys.executable, "-m", "benchmarks.steps", step, str(folder), json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ, text=True, check=True)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def median_of(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The round whose CPU seconds are the median."""
    return sorted(rounds, key=lambda each: float(each["cpu_s"]))[len(rounds) // 2]
