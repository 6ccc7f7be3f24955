"""A success plan as people write it down: YAML in, plan items out. Its parts follow R-016, R-093 and R-110 to R-115."""

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

import polars as pl
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models import frames
from models.enums import PlanItemKind

Level = Literal["low", "medium", "high"]


class PlanFileError(Exception):
    """A plan that cannot be taken over: names the file, the line and what is wrong."""


class _Item(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: ClassVar[PlanItemKind]

    title: str = Field(min_length=1)
    detail: str | None = None


class Goal(_Item):
    """A strategic priority in the customer's own words (R-020, R-090)."""

    kind = PlanItemKind.GOAL


class Outcome(_Item):
    """A measurable result: metric, baseline, target and date (R-093)."""

    kind = PlanItemKind.OUTCOME
    metric: str | None = None
    unit: str | None = None
    baseline: float | None = None
    target: float | None = None
    current: float | None = None
    due_date: date | None = None


class Milestone(_Item):
    """Something that both sides can agree was reached (R-097), owned by a named person (R-110)."""

    kind = PlanItemKind.MILESTONE
    owner_name: str | None = None
    owner_side: Literal["vendor", "customer"] | None = None
    due_date: date | None = None
    is_done: bool = False


class Action(Milestone):
    """One of the quarter's three to five commitments (R-115)."""

    kind = PlanItemKind.ACTION


class Stakeholder(_Item):
    """A named person, ``title`` the name; role and influence are apart (R-191, X9)."""

    kind = PlanItemKind.STAKEHOLDER
    role: str | None = None
    influence: str | None = None


class Risk(_Item):
    """A risk with what is done about it (R-139)."""

    kind = PlanItemKind.RISK
    likelihood: Level | None = None
    impact: Level | None = None
    mitigation: str | None = None
    owner_name: str | None = None


class PlanFile(BaseModel):
    """One customer's plan. ``customer`` is a name, a web domain, ``crm:id`` or plansync's own id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    customer: str = Field(min_length=1)
    goals: tuple[Goal, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    stakeholders: tuple[Stakeholder, ...] = ()
    risks: tuple[Risk, ...] = ()
    actions: tuple[Action, ...] = ()

    def items(self) -> Iterator[_Item]:
        """Every line of the plan, in the order of its parts."""
        for part in ("goals", "outcomes", "milestones", "stakeholders", "risks", "actions"):
            yield from getattr(self, part)


def plans_in(path: Path) -> list[PlanFile]:
    """The plans of a YAML file, one document each.

    Raises:
        PlanFileError: The file cannot be read, is not YAML, or a document is not a plan.
    """
    try:
        text = path.read_text(encoding="utf-8")
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except (OSError, UnicodeDecodeError) as error:
        raise PlanFileError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise PlanFileError(f"{path}: not YAML: {error}") from None
    plans = [_plan(path, node, document) for node, document in zip(nodes, documents, strict=True)]
    _refuse_twins(path, plans)
    return plans


def plan_items(plan: PlanFile, *, crm: str, account_crm_id: str, at: datetime) -> pl.DataFrame:
    """A plan as ``frames.PlanItems`` of the account in which its customer lives, one row per line of the plan.

    ``crm_id`` is made of kind and title, so that a line keeps its name when its other values change.
    """
    rows = [
        {
            "crm": crm,
            "crm_id": hashlib.sha256(f"{item.kind}|{item.title}".encode()).hexdigest()[:16],
            "account_crm_id": account_crm_id,
            "modified_at": at,
            "is_deleted": False,
            "kind": str(item.kind),
            "is_done": False,
            **item.model_dump(),
        }
        for item in plan.items()
    ]
    return pl.DataFrame(rows, schema=frames.dtypes(frames.PlanItems))


def _refuse_twins(path: Path, plans: list[PlanFile]) -> None:
    """A line is known by kind and title, and a file speaks once of a customer: a second would replace the first."""
    customers = Counter(plan.customer for plan in plans)
    lines = Counter(f"{item.kind} {item.title!r} of {plan.customer}" for plan in plans for item in plan.items())
    for each, count in (customers + lines).items():
        if count > 1:
            raise PlanFileError(f"{path}: {each} stands twice; give each one place or title")


def _plan(path: Path, node: yaml.Node, document: Any) -> PlanFile:
    try:
        return PlanFile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        line = _line_of(node, list(first["loc"]))
        raise PlanFileError(f"{path}:{line}: {place}: {first['msg']}{_nearest(first)}") from None


def _nearest(problem: Any) -> str:
    if problem["type"] != "extra_forbidden":
        return ""
    kinds = (PlanFile, Goal, Outcome, Milestone, Action, Stakeholder, Risk)
    names = {name for kind in kinds for name in kind.model_fields}
    close = difflib.get_close_matches(str(problem["loc"][-1]), sorted(names), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _line_of(node: yaml.Node, place: list[Any]) -> int:
    """The line of the deepest part of ``place`` that stands in the file."""
    line = node.start_mark.line
    for part in place:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        elif isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == part]
            if not pairs:
                break
            line, node = pairs[0][0].start_mark.line, pairs[0][1]
    return line + 1
