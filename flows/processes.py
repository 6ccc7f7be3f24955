"""Which process this is, and whether another one of this machine is still there."""

import os
import socket
from pathlib import Path


def holder(purpose: str) -> str:
    """A name for this process: machine, number, start, and what it does (a run's id)."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}:{purpose}"


def is_gone(name: str) -> bool:
    """Whether the process that ``holder`` named has surely ended; one of another machine never has."""
    host, pid, started, _ = (*name.split(":", 3), "", "", "")[:4]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _started(int(pid)) != started


def _started(pid: int) -> str:
    """When a process of this machine began, in its own ticks; empty if unknown. A number used again has another."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
