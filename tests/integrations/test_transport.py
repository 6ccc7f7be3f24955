"""Patience: what is sent again, how long it waits, and what it raises in the end."""

from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import CrmError, CrmRefusedError, CrmUnavailableError
from integrations.transport import Answer, ConnectionLostError, Patience, Request, Verdict, Way, answered

OK, BUSY, BROKEN, STALE, NO = 200, 503, 500, 401, 400
LOST, NEVER_SENT = "lost", "never sent"
VERDICTS = {
    OK: Verdict.OK,
    BUSY: Verdict.RETRY,
    BROKEN: Verdict.UNSURE,
    STALE: Verdict.REFRESH,
    NO: Verdict.REFUSED,
}
Event = int | str


@dataclass
class Line:
    """A CRM that answers ``events`` in turn, the last for ever."""

    events: list[Event]
    asks_s: float | None = None
    sent: int = 0
    refreshed: int = 0
    waits: list[float] = field(default_factory=list)

    def send(self, _: Request, token: str | None, longest_s: float | None) -> Answer:
        assert token == f"token-{self.refreshed}"
        event = self.events[min(self.sent, len(self.events) - 1)]
        self.sent += 1
        if isinstance(event, str):
            raise ConnectionLostError(event, was_sent=event == LOST)
        return Answer(event, {"authorization": "top secret"}, b"customer text")

    def refresh(self, refused: str | None) -> None:
        assert refused == f"token-{self.refreshed}"
        self.refreshed += 1

    def ask(self, *, is_repeatable: bool = True, tries: int = 5, total_s: float = 120.0) -> Answer:
        way = Way(
            crm="somecrm",
            turn=lambda: nullcontext(f"token-{self.refreshed}"),
            send=self.send,
            judge=lambda answer: VERDICTS[answer.status],
            describe=lambda answer: f"CODE_{answer.status}",
            refresh=self.refresh,
            asked_wait_s=lambda _: self.asks_s,
        )
        request = Request("PATCH", "/path", is_repeatable=is_repeatable, body=b"customer text")
        patience = Patience(tries=tries, total_s=total_s, sleep=self.waits.append, draw=lambda: 1.0)
        return answered(request, way, patience)


@pytest.mark.parametrize(
    ("events", "is_repeatable", "ends", "sent"),
    [
        # events              repeatable  ends in               requests
        ([OK], True, OK, 1),
        ([BUSY, OK], False, OK, 2),
        ([BUSY, BUSY, BUSY, OK], True, OK, 4),
        ([BUSY], True, CrmUnavailableError, 5),
        ([BROKEN, OK], True, OK, 2),
        ([BROKEN, OK], False, CrmUnavailableError, 1),
        ([BROKEN], True, CrmUnavailableError, 5),
        ([LOST, OK], True, OK, 2),
        ([LOST, OK], False, CrmUnavailableError, 1),
        ([NEVER_SENT, OK], False, OK, 2),
        ([NEVER_SENT], False, CrmUnavailableError, 5),
        ([STALE, OK], True, OK, 2),
        ([STALE, OK], False, OK, 2),
        ([STALE], True, CrmRefusedError, 2),
        ([STALE, STALE, OK], True, CrmRefusedError, 2),
        ([NO, OK], True, CrmRefusedError, 1),
        ([BUSY, NO], True, CrmRefusedError, 2),
    ],
)
def test_only_what_can_help_is_sent_again(
    events: list[Event], is_repeatable: bool, ends: int | type[CrmError], sent: int
) -> None:
    line = Line(events)
    if isinstance(ends, int):
        assert line.ask(is_repeatable=is_repeatable).status == ends
    else:
        with pytest.raises(ends):
            line.ask(is_repeatable=is_repeatable)
    assert line.sent == sent
    assert line.refreshed == int(STALE in events)


def test_waits_double_and_never_undercut_what_the_crm_asks() -> None:
    patient, told = Line([BUSY]), Line([BUSY], asks_s=5.0)
    for line in (patient, told):
        with pytest.raises(CrmUnavailableError):
            line.ask()
    assert patient.waits == [1.0, 2.0, 4.0, 8.0]
    assert told.waits == [5.0, 5.0, 5.0, 8.0]


def test_a_wait_longer_than_the_budget_is_left_to_the_caller() -> None:
    line = Line([BUSY], asks_s=600.0)
    with pytest.raises(CrmUnavailableError) as raised:
        line.ask()
    assert (line.sent, line.waits, raised.value.retry_after_s) == (1, [], 600.0)


def test_signing_in_anew_costs_no_wait() -> None:
    line = Line([STALE, OK])
    line.ask()
    assert line.waits == []


def test_errors_name_the_request_and_the_code_but_no_secret_and_no_customer() -> None:
    for event in (NO, BUSY, BROKEN, LOST):
        with pytest.raises(CrmError) as raised:
            Line([event]).ask(is_repeatable=False)
        said = str(raised.value)
        assert "somecrm: PATCH /path" in said
        assert "secret" not in said
        assert "customer" not in said


@given(
    events=st.lists(st.sampled_from([OK, BUSY, BROKEN, STALE, NO, LOST, NEVER_SENT]), min_size=1, max_size=9),
    is_repeatable=st.booleans(),
    tries=st.integers(1, 6),
)
def test_patience_is_bounded(events: list[Event], is_repeatable: bool, tries: int) -> None:
    line = Line(events)
    with suppress(CrmError):
        assert line.ask(is_repeatable=is_repeatable, tries=tries, total_s=10.0).status == OK
    assert line.sent <= tries
    assert line.refreshed <= 1
    assert sum(line.waits) <= 10.0
    if not is_repeatable:
        assert not {LOST, BROKEN} & set(events[: line.sent - 1])
