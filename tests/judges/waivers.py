"""Where a judge and the sandbox may differ: one line each in ``waivers.toml``, with why and from where we know."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("waivers.toml")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a judge says is wrong.

    Args:
        endpoint: Method and path template, as ``POST /crm/v3/objects/{type}/search``.
        place: Where in the exchange, as ``answer 200 results.*.properties.*``; list places and property names as ``*``.
        says: What is wrong there, in the judge's word.
        example: The path asked for, for whoever looks into it.
    """

    judge: str
    endpoint: str
    place: str
    says: str
    example: str

    def __str__(self) -> str:
        return f"{self.judge}: {self.endpoint} | {self.place} | {self.says} (as in {self.example})"


@dataclass(frozen=True, slots=True)
class Waiver:
    """One difference that stands; ``endpoint``, ``place`` and ``says`` may hold ``*`` for anything."""

    judge: str
    endpoint: str
    place: str
    says: str
    why: str
    source: str

    def covers(self, finding: Finding) -> bool:
        """Whether this is the difference that was found."""
        pairs = ((finding.endpoint, self.endpoint), (finding.place, self.place), (finding.says, self.says))
        return finding.judge == self.judge and all(fnmatchcase(found, _literal(given)) for found, given in pairs)


def _literal(pattern: str) -> str:
    return pattern.replace("[", "[[]")


@cache
def waivers() -> tuple[Waiver, ...]:
    """All that stand."""
    return tuple(Waiver(**each) for each in tomllib.loads(FILE.read_text(encoding="utf-8"))["waivers"])


def unwaived(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that no line covers, each once by endpoint, place and word; ``NEEDED`` keeps what covers others."""
    found = {(each.judge, each.endpoint, each.place, each.says): each for each in findings}
    left: list[Finding] = []
    for each in found.values():
        covering = [waiver for waiver in waivers() if waiver.covers(each)]
        NEEDED.update(covering)
        left += [] if covering else [each]
    return left


NEEDED: set[Waiver] = set()
"""The lines that some finding of this process needed."""
