"""Sending a request so that it survives the real thing: when to try again, when to stop, and how to say so.

A vendor's client hands in how it sends one request and how it reads one answer; this module owns patience. It never
logs or raises a header, a token or a body.
"""

import random
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from integrations.errors import CrmRefusedError, CrmUnavailableError
from integrations.hosts import redirect_said


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
    """How long to keep trying: full jitter under an exponential ceiling, bounded in tries and in time.

    ``total_s`` covers tries and the waits between them, not the wait in line for a turn: no try after the first starts
    beyond it, or waits longer for its answer.
    """

    tries: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    total_s: float = 120.0
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = field(default=random.random)
    clock: Callable[[], float] = time.monotonic

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


SHORTEST_TRY_S = 1.0


def retry_after_s(answer: Answer) -> float | None:
    """The seconds in ``Retry-After``, or until the date in it by the answer's own clock; None if it names neither.

    Source: RFC 9110, 10.2.3.
    """
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isdigit():
        return float(asked)
    until = instant(asked)
    if until is None:
        return None
    now = instant(answer.headers.get("date")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def instant(text: str | None) -> datetime | None:
    """The instant in an HTTP date, UTC, whole seconds; None if it is none."""
    try:
        return parsedate_to_datetime(text or "").astimezone(UTC).replace(microsecond=0)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Way:
    """How one vendor's client sends one request and reads one answer.

    Attributes:
        crm: For messages.
        turn: Waits until the CRM's limits allow one more request, and gives the token to send it with.
        send: Sends once, with that token; raises ``ConnectionLostError`` when no answer arrives. Its third argument is
            the longest wait for the answer, seconds; None for the usual one.
        judge: Reads the status and, where needed, the body.
        describe: The CRM's own error code and text, without record values.
        refresh: Signs in anew, given the token that was refused; called at most once per request.
        asked_wait_s: Seconds that the answer asks to wait, or None.
        retried: Is told the wait before every further try.
        advise: What a person should do about a refusal; empty where the code says it all.
    """

    crm: str
    turn: Callable[[], AbstractContextManager[str | None]]
    send: Callable[[Request, str | None, float | None], Answer]
    judge: Callable[[Answer], Verdict]
    describe: Callable[[Answer], str]
    refresh: Callable[[str | None], object]
    asked_wait_s: Callable[[Answer], float | None]
    retried: Callable[[float], None] = lambda _: None
    advise: Callable[[Answer], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class _Try:
    """One try, answered or not."""

    answer: Answer | None
    lost: ConnectionLostError | None
    token: str | None
    seconds: float


def answered(request: Request, way: Way, patience: Patience) -> Answer:
    """Send ``request`` until it is answered for good.

    Raises:
        CrmUnavailableError: Patience ran out, or a request that may not be repeated lost its answer.
        CrmRefusedError: The CRM said no for good.
    """
    refreshed, spent, asked, about = False, 0.0, None, f"{way.crm}: {request}"
    for attempt in range(1, patience.tries + 1):
        tried = _tried(request, way, patience.clock, None if attempt == 1 else patience.total_s - spent)
        spent += tried.seconds
        verdict, trouble = _read(tried, way)
        if tried.answer is not None and verdict is Verdict.OK:
            return tried.answer
        if verdict is Verdict.REFRESH and not refreshed:
            refreshed = True
            way.refresh(tried.token)
            continue
        if verdict is Verdict.UNSURE and not request.is_repeatable:
            raise CrmUnavailableError(f"{about}: {trouble}; effect unknown, not repeated") from tried.lost
        if verdict not in (Verdict.RETRY, Verdict.UNSURE):
            advice = way.advise(tried.answer) if tried.answer else ""
            raise CrmRefusedError(f"{about}: {trouble}" + (f"; {advice}" if advice else ""))
        asked = way.asked_wait_s(tried.answer) if tried.answer else None
        wait = patience.wait_s(attempt, asked)
        if attempt == patience.tries or spent + wait > patience.total_s:
            break
        patience.sleep(wait)
        way.retried(wait)
        spent += wait
    raise CrmUnavailableError(f"{about}: {trouble}; gave up after {attempt} tries", retry_after_s=asked)


def _tried(request: Request, way: Way, clock: Callable[[], float], left_s: float | None) -> _Try:
    longest = None if left_s is None else max(left_s, SHORTEST_TRY_S)
    with way.turn() as token:
        started = clock()
        try:
            return _Try(way.send(request, token, longest), None, token, clock() - started)
        except ConnectionLostError as lost:
            return _Try(None, lost, token, clock() - started)


def _read(tried: _Try, way: Way) -> tuple[Verdict, str]:
    """What a try asks for, and what to say of it. An answer lost on its way leaves the effect unknown."""
    if tried.answer is None:
        is_ambiguous = tried.lost is None or tried.lost.was_sent
        return Verdict.UNSURE if is_ambiguous else Verdict.RETRY, f"answer lost ({tried.lost})"
    verdict = way.judge(tried.answer)
    if verdict is Verdict.OK:
        return verdict, ""
    is_redirect = 301 <= tried.answer.status < 400
    said = redirect_said(tried.answer.headers.get("location")) if is_redirect else way.describe(tried.answer)
    return verdict, f"HTTP {tried.answer.status} {said}"
