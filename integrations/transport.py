"""Sending a request so that it survives the real thing: when to try again, when to stop, and how to say so.

A vendor's client hands in how it sends one request and how it reads one answer; this module owns patience. It never
logs or raises a header, a token or a body.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from integrations.errors import CrmRefusedError, CrmUnavailableError


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, undecoded. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Verdict(StrEnum):
    """What an answer asks of the caller."""

    OK = "ok"
    """Use it. Per-record refusals inside are the caller's business."""
    RETRY = "retry"
    """The CRM was busy or broken and did nothing, or repeating does no harm."""
    UNSURE = "unsure"
    """The CRM broke and may have done it or not: repeat only what is repeatable."""
    REFRESH = "refresh"
    """The token was refused: sign in once, then try again once."""
    REFUSED = "refused"
    """Trying again cannot help."""


class ConnectionLostError(Exception):
    """No answer arrived. ``was_sent`` is False only when the request surely never left."""

    def __init__(self, message: str, *, was_sent: bool) -> None:
        super().__init__(message)
        self.was_sent = was_sent


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to keep trying: full jitter under an exponential ceiling, bounded in tries and in total waiting."""

    tries: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    total_wait_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = field(default=random.random)

    def wait_s(self, attempt: int, asked_s: float | None) -> float:
        """Seconds to wait after failed try ``attempt`` (from 1); never less than the CRM asked for."""
        ceiling: float = min(self.longest_wait_s, self.first_wait_s * 2 ** (attempt - 1))
        return max(asked_s or 0.0, self.draw() * ceiling)


@dataclass(frozen=True, slots=True)
class Request:
    """One request in plansync's own words; ``is_repeatable``: sending it twice does what sending it once does."""

    method: str
    path: str
    is_repeatable: bool
    body: bytes | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def answered(
    request: Request,
    *,
    crm: str,
    send: Callable[[Request], Answer],
    judge: Callable[[Answer], Verdict],
    describe: Callable[[Answer], str],
    refresh: Callable[[], None],
    asked_wait_s: Callable[[Answer], float | None],
    patience: Patience,
) -> Answer:
    """Send ``request`` until it is answered for good.

    Args:
        send: Sends once; raises ``ConnectionLostError`` when no answer arrives.
        judge: Reads the status and, where needed, the body.
        describe: The CRM's own error code and text, without record values.
        refresh: Signs in anew; called at most once per request.
        asked_wait_s: Seconds that the answer asks to wait, or None.
        patience: Tries and waits.

    Raises:
        CrmUnavailableError: Patience ran out, or a request that may not be repeated lost its answer.
        CrmRefusedError: The CRM said no for good.
    """
    waited, refreshed, trouble, asked = 0.0, False, "", None
    for attempt in range(1, patience.tries + 1):
        try:
            answer = send(request)
        except ConnectionLostError as lost:
            trouble, asked = str(lost), None
            if lost.was_sent and not request.is_repeatable:
                raise CrmUnavailableError(f"{crm}: {request}: answer lost ({lost}); not repeated") from lost
        else:
            verdict = judge(answer)
            if verdict is Verdict.OK:
                return answer
            trouble, asked = f"HTTP {answer.status} {describe(answer)}", asked_wait_s(answer)
            if verdict is Verdict.REFRESH and not refreshed:
                refreshed = True
                refresh()
                continue
            if verdict is Verdict.UNSURE and not request.is_repeatable:
                raise CrmUnavailableError(f"{crm}: {request}: {trouble}; effect unknown, not repeated")
            if verdict not in (Verdict.RETRY, Verdict.UNSURE):
                raise CrmRefusedError(f"{crm}: {request}: {trouble}")
        wait = patience.wait_s(attempt, asked)
        if attempt == patience.tries or waited + wait > patience.total_wait_s:
            break
        patience.sleep(wait)
        waited += wait
    raise CrmUnavailableError(f"{crm}: {request}: {trouble}; gave up after {attempt} tries", retry_after_s=asked)
