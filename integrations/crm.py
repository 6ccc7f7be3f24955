"""The port: what every CRM does for the flows, whatever its vendor.

A third CRM is one more folder that satisfies ``CrmPort``; the suite in ``tests/contract`` says whether it does.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from integrations.provisioning import Made, Part
from models.enums import Crm, PullObject, WriteKind
from models.records import Finding, Outcome, Write


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of modification time, half-open: ``after < modified_at <= until``, both UTC.

    ``after`` is None for a full load.
    """

    after: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a CRM as frames, bad rows set aside.

    ``rows`` maps a frame's name (``accounts``, ``plan_sections``, ...) to rows that fulfil its contract in
    ``models.frames``;
    ``rejected`` is a ``frames.RowErrors``: one row per record that broke the contract, with the rule it broke.
    """

    rows: Mapping[str, pl.DataFrame]
    rejected: pl.DataFrame


@dataclass(slots=True)
class CallCounter:
    """Requests that left the house and what they cost. A retry counts again; sign-in counts as a read.

    Attributes:
        kinds: Requests by kind, as the vendor's folder names them (``query``, ``search``, ``sign-in``, ...).
        retries: Tries beyond the first of a request, sign-in on a refused token not counted.
        retry_wait_s: Seconds waited before them.
        limit_wait_s: Seconds waited for a turn under the CRM's limits; threads that wait together count each.
        bytes_sent: Of bodies, before the wire.
        bytes_received: Of bodies, as they came over the wire, compressed.
        rows_read: Rows by frame, kept by the pull.
    """

    read: int = 0
    write: int = 0
    retries: int = 0
    retry_wait_s: float = 0.0
    limit_wait_s: float = 0.0
    bytes_sent: int = 0
    bytes_received: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    rows_read: dict[str, int] = field(default_factory=dict)
    _counting: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, kind: str, *, is_write: bool, sent: int, received: int) -> None:
        """Count one request that left, with the bytes of its body and of its answer's. Safe for several threads."""
        with self._counting:
            self.write += is_write
            self.read += not is_write
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
            self.bytes_sent += sent
            self.bytes_received += received

    def retried(self, wait_s: float) -> None:
        """Count a try beyond the first and the wait before it."""
        with self._counting:
            self.retries += 1
            self.retry_wait_s += wait_s

    def queued(self, wait_s: float) -> None:
        """Count a wait for a turn."""
        with self._counting:
            self.limit_wait_s += wait_s

    def told(self) -> dict[str, Any]:
        """What a run says of its traffic with one CRM."""
        with self._counting:
            return {
                "kinds": dict(sorted(self.kinds.items())),
                "retries": self.retries,
                "retry_wait_s": round(self.retry_wait_s, 3),
                "limit_wait_s": round(self.limit_wait_s, 3),
                "bytes_sent": self.bytes_sent,
                "bytes_received": self.bytes_received,
            }


class CrmPort(Protocol):
    """One CRM, signed in, with its field mapping."""

    crm: Crm
    calls: CallCounter

    def now(self) -> datetime:
        """The CRM's own clock, UTC, whole seconds: the upper end of windows before the hold-back."""
        ...

    def check(self) -> list[Finding]:
        """Access, field mapping against describe, key mode, rights. Never raises for what it can report."""
        ...

    def propose_mapping(self) -> dict[str, dict[str, str]]:
        """Per object, plansync's names and the CRM's fields that most likely hold them, guessed from describe."""
        ...

    def parts(self) -> list[Part]:
        """What plansync needs in this CRM, parents first, and how it stands. Asks only.

        Raises:
            CrmUnavailableError, CrmRefusedError: The CRM cannot be asked.
        """
        ...

    def create(self, missing: Sequence[Part]) -> Iterator[Made]:
        """Make those of ``parts`` that are missing, and say of each what became of it; nothing that is there changes.

        A part that the CRM refuses is no error but told. What is done stays done, and a second try goes on from there.

        Raises:
            CrmUnavailableError, CrmRefusedError: The CRM cannot be asked, or lets this user make nothing.
        """
        ...

    def pull(self, target: PullObject, window: Window) -> Iterator[Page]:
        """Yield the records changed in ``window``, a page at a time, deletions and merges included.

        Raises:
            CrmUnavailableError, CrmRefusedError: The window is incomplete; its watermark must not move.
        """
        ...

    def batches(self, writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
        """Group writes into the fewest calls that the CRM allows, parents first; each group is one ``send``."""
        ...

    def send(self, batch: Sequence[Write]) -> list[Outcome]:
        """Make one batch happen and say what became of each write, in any order.

        Raises:
            CrmUnavailableError: The effect of the whole batch is unknown; settle it with ``find``.
            CrmRefusedError: Nothing of the batch happened.
        """
        ...

    def find(self, writes: Sequence[Write]) -> Mapping[str, str]:
        """Which of these records exist in the CRM, by ``record_key``, with their ids; for settling lost answers."""
        ...

    def read_back(self, kind: WriteKind, crm_ids: Sequence[str]) -> Iterator[Page]:
        """The records just written, as the CRM now holds them, under the frame names that ``pull`` uses."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...
