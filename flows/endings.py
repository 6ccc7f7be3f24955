"""How a command ends: every known trouble as one plain message on stderr and the exit code that promises say."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType
from typing import NoReturn


class Exit(IntEnum):
    """Exit codes of the `plansync` command."""

    DONE = 0
    BUG = 1
    USAGE = 2
    DEGRADED = 3
    INVALID = 4
    ENVIRONMENT = 5
    HELD = 6
    PENDING = 10
    INTERRUPTED = 130
    TERMINATED = 143


class Terminated(SystemExit):
    """SIGTERM arrived: finish the statement, then stop."""


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated(int(Exit.TERMINATED))


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn what can go wrong in a verb into a message and an exit code; a bug keeps its traceback and ends with 1."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt:
        _stop("stopped; what was done is kept, and the next run continues", Exit.INTERRUPTED)
    except Exception as error:
        if (code := _code(error)) is None:
            raise
        _stop(str(error), code)


def _code(error: Exception) -> Exit | None:
    from flows.runtime import RunHeldError
    from flows.settings import SettingsError
    from integrations.errors import CrmError
    from models.plan_file import PlanFileError
    from models.policy.load import PolicyError
    from models.store import StoreError, StoreUnavailableError

    if isinstance(error, (CrmError, RunHeldError, StoreUnavailableError, OSError)):
        return Exit.ENVIRONMENT
    if isinstance(error, (SettingsError, PolicyError, StoreError, PlanFileError)):
        return Exit.INVALID
    return None


def _stop(message: str, code: Exit) -> NoReturn:
    sys.stderr.write(f"plansync: {message}\n")
    raise SystemExit(int(code))
