"""Trouble on request: which faults stand, and which of them strike a request. ``fault_gate`` makes them happen."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from integrations.sandbox.fault_kinds import KINDS, WRITES

BREAKING = frozenset({"refusal", "line"})
"""Groups of which one fault at most strikes a request; those of other groups add up."""


FIELDS: Mapping[str, str] = {
    "crm": "`salesforce` or `hubspot`",
    "kind": "one of the kinds below",
    "count": "how many requests it strikes; without it, as long as it stands",
    "probability": "the chance that it strikes a request it applies to",
    "seed": "of that chance, and of the choice of rows",
    "after": "how many requests it applies to are let through first",
    "methods": "HTTP methods it applies to; none for the kind's own",
    "path": "what the request's path must contain",
    "status": "of the answer",
    "body": "of the answer, instead of the CRM's usual words",
    "headers": "of the answer, beside the usual ones",
    "latency_ms": "milliseconds to wait first, whatever the kind",
    "variant": "which of several refusals",
    "retry_after_s": "seconds in `Retry-After`",
    "share": "of the rows, 0 to 1",
    "code": "of a refused row; without it a usual one",
    "message": "of a refused row",
    "object": "`Account`, `companies`, ...: the CRM's name",
    "field": "the CRM's name of a field or property",
    "to": "the new name or type",
    "value": "the new value",
    "size": "rows",
    "by": "rows too many (below 0: too few), or milliseconds",
    "late_s": "seconds",
    "ids": "record ids",
    "requests": "each `method`, `path` and maybe `body`",
}
"""What each field of an order means."""


@dataclass
class Fault:
    """One fault of one CRM, as ordered by ``POST /faults``: ``FIELDS`` explains, ``fault_kinds`` says who reads what.

    Raises:
        ValueError: The CRM has no such fault, or a share or probability is none.
    """

    crm: str
    kind: str
    count: int | None = None
    probability: float = 1.0
    seed: int = 0
    after: int = 0
    methods: tuple[str, ...] = ()
    path: str = ""
    status: int = 503
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    latency_ms: int = 0
    variant: str = ""
    retry_after_s: int | None = None
    share: float = 1.0
    code: str = ""
    message: str = "refused on request"
    object: str = ""
    field: str = ""
    to: str = ""
    value: Any = None
    size: int = 0
    by: int = 0
    late_s: int = 0
    ids: tuple[str, ...] = ()
    requests: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None or self.crm not in kind.on:
            have = sorted(name for name, each in KINDS.items() if self.crm in each.on)
            raise ValueError(f"{self.crm} has no fault {self.kind!r}; kinds: {', '.join(have) or 'none, no such CRM'}")
        if not 0 <= self.probability <= 1 or not 0 <= self.share <= 1:
            raise ValueError("probability and share are between 0 and 1")
        self.group = kind.group
        usual = WRITES if self.kind == "commit_then_drop" else ()
        self.methods, self.ids, self.requests = tuple(self.methods) or usual, tuple(self.ids), tuple(self.requests)
        self._on = re.compile(kind.on[self.crm])
        self._draw = random.Random(self.seed)
        self._passed = 0
        self.struck = 0
        self.statuses: list[int] = []

    def strikes(self, method: str, path: str) -> bool:
        """Whether this request is struck; counts it if so."""
        if self.count == 0 or (self.methods and method not in self.methods) or self.path not in path:
            return False
        if not self._on.search(f"{method} {path}"):
            return False
        self._passed += 1
        if self._passed <= self.after or self._draw.random() >= self.probability:
            return False
        self.count = None if self.count is None else self.count - 1
        self.struck += 1
        return True

    def chosen(self, count: int) -> set[int]:
        """Places of the rows of a page that are struck: ``share`` of them, at least one, other ones each time."""
        return set(self._draw.sample(range(count), min(count, max(1, round(self.share * count)))))

    def draws(self) -> bool:
        """Whether one row is struck, drawn anew for each."""
        return self._draw.random() < self.share

    def described(self) -> dict[str, Any]:
        """The fault as the side door shows it, with how often it struck and what its own requests were answered."""
        told = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**told, "struck": self.struck, "statuses": self.statuses}


class Faults:
    """The faults that were ordered, first come first."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Order one more fault."""
        self._ordered.append(fault)

    def clear(self) -> None:
        """Let everything work again."""
        self._ordered.clear()

    def ordered(self) -> Sequence[Fault]:
        """All faults since they were last cleared, spent ones included."""
        return tuple(self._ordered)

    def standing(self) -> Sequence[Fault]:
        """The faults that can still strike."""
        return tuple(each for each in self._ordered if each.count != 0)

    def struck(self, crm: str, method: str, path: str) -> list[Fault]:
        """The faults that strike this request: of those that break it off, the first only."""
        found: list[Fault] = []
        is_broken = False
        for each in self._ordered:
            if each.crm != crm or (is_broken and each.group in BREAKING):
                continue
            if each.strikes(method, path):
                found.append(each)
                is_broken = is_broken or each.group in BREAKING
        return found
