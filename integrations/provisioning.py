"""What a CRM must have before plansync can write there: each thing, how it stands, and what became of making it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """How a needed thing stands in a CRM."""

    PRESENT = "present"
    MISSING = "missing"
    """Nobody has made it: ``create`` does."""
    DIFFERS = "differs"
    """Something of that name is there and cannot do what plansync needs; only a person may change or remove it."""
    HIDDEN = "hidden"
    """It is there, and the signed-in user may not see or write it."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that plansync needs in a CRM.

    Attributes:
        kind: What it is there: ``object``, ``field``, ``property``, ``property group``, ``permission``, ...
        name: Its full name there, ``Task.Plansync_Key__c`` or ``tasks.plansync_key``.
        wanted: What it must be, in a few words.
        standing: How it stands.
        detail: What is wrong, if anything is.
        todo: What a person has to do, if anything.
    """

    kind: str
    name: str
    wanted: str
    standing: Standing
    detail: str = ""
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """What became of making one missing part: done, unless ``problem`` says why not. ``note`` is worth knowing.

    ``is_new`` is False where it turned out to be there already, hidden from the signed-in user: it was left as it is.
    """

    part: Part
    problem: str = ""
    note: str = ""
    is_new: bool = True


def missing(parts: Iterable[Part]) -> list[Part]:
    """The parts that ``create`` can make, in their order."""
    return [part for part in parts if part.standing is Standing.MISSING]
