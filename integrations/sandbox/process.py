"""The sandbox as a process of its own, for whoever needs both CRMs for a while: tests, the demo, the benchmark."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from integrations.sandbox.serve import Details, HubSpotDetails, SalesforceDetails

_ROOT = Path(__file__).resolve().parents[2]
_LONGEST_STOP_S = 10.0


class SandboxError(RuntimeError):
    """The sandbox ended, or was not ready in time."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox."""

    details: Details
    process: subprocess.Popen[str]

    @property
    def salesforce(self) -> SalesforceDetails:
        return self.details.salesforce

    @property
    def hubspot(self) -> HubSpotDetails:
        return self.details.hubspot

    @property
    def admin_url(self) -> str:
        return self.details.admin_url

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> int:
        """Ask it to stop, wait, and return its exit code; stopping it again is no error."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(_LONGEST_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def running_sandbox(
    *,
    customers: int = 0,
    seed: int = 0,
    as_of: date | None = None,
    state: Path | None = None,
    files: Path | None = None,
    token: str | None = None,
    bare: bool = False,
    salesforce_port: int = 0,
    hubspot_port: int = 0,
    ready_within_s: float = 300.0,
) -> Iterator[Sandbox]:
    """Start the sandbox, yield it when it is ready, stop it afterwards. Arguments as in ``serve``.

    Raises:
        SandboxError: It ended before it was ready, or took longer than ``ready_within_s``.
    """
    ports = ["--salesforce-port", str(salesforce_port), "--hubspot-port", str(hubspot_port)]
    command = [sys.executable, "-m", "integrations.sandbox", *ports, "--customers", str(customers), "--seed", str(seed)]
    for option, value in (("--as-of", as_of), ("--state", state), ("--files", files), ("--token", token)):
        command += [] if value is None else [option, str(value)]
    command += ["--bare"] if bare else []
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))),
    }
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603 - our own module
    with process:
        try:
            sandbox = Sandbox(Details.from_line(_first_line(process, ready_within_s)), process)
        except BaseException:
            process.kill()
            raise
        try:
            yield sandbox
        finally:
            sandbox.stop()


def _first_line(process: subprocess.Popen[str], within_s: float) -> str:
    """The line that says that the sandbox is ready; the process is killed when it does not come."""
    timer = threading.Timer(within_s, process.kill)
    timer.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
    finally:
        timer.cancel()
    if not line:
        raise SandboxError(f"the sandbox was not ready within {within_s:.0f} s; exit code {process.wait()}")
    return line
