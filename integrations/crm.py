"""The port: what every CRM does for the flows, whatever its vendor.

A third CRM is one more folder that satisfies ``CrmPort``; the suite in ``tests/contract`` says whether it does.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

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
    """Requests that left the house, by what they do. A retry counts again; sign-in counts as a read."""

    read: int = 0
    write: int = 0
    rows_read: dict[str, int] = field(default_factory=dict)


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
