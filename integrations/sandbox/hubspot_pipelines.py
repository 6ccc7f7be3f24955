"""The pipelines that deals and tickets go through: those of a fresh portal, and how the state keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

_EPOCH = "2020-01-01T00:00:00.000Z"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a pipeline. ``is_won`` and ``probability`` mean something for deals only."""

    id: str
    label: str
    is_closed: bool = False
    is_won: bool = False
    probability: float = 0.0
    created_at: str = _EPOCH
    updated_at: str = _EPOCH


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in the order in which a record goes through them."""

    id: str
    label: str
    stages: tuple[Stage, ...]
    display_order: int = 0
    created_at: str = _EPOCH
    updated_at: str = _EPOCH


PIPELINES: Mapping[str, tuple[Pipeline, ...]] = {
    "deals": (
        Pipeline(
            "default",
            "Sales Pipeline",
            (
                Stage("appointmentscheduled", "Appointment Scheduled", probability=0.2),
                Stage("qualifiedtobuy", "Qualified To Buy", probability=0.4),
                Stage("presentationscheduled", "Presentation Scheduled", probability=0.6),
                Stage("decisionmakerboughtin", "Decision Maker Bought-In", probability=0.8),
                Stage("contractsent", "Contract Sent", probability=0.9),
                Stage("closedwon", "Closed Won", is_closed=True, is_won=True, probability=1.0),
                Stage("closedlost", "Closed Lost", is_closed=True),
            ),
        ),
        Pipeline(
            "renewal",
            "Renewal Pipeline",
            (
                Stage("renewal_upcoming", "Upcoming", probability=0.5),
                Stage("renewal_negotiation", "Negotiation", probability=0.7),
                Stage("renewal_won", "Renewed", is_closed=True, is_won=True, probability=1.0),
                Stage("renewal_lost", "Churned", is_closed=True),
            ),
            display_order=1,
        ),
    ),
    "tickets": (
        Pipeline(
            "0",
            "Support Pipeline",
            (
                Stage("1", "New"),
                Stage("2", "Waiting on contact"),
                Stage("3", "Waiting on us"),
                Stage("4", "Closed", is_closed=True),
            ),
        ),
    ),
}
"""The pipelines of a fresh portal, by object type."""
PIPELINE_PROPERTIES = {"deals": ("pipeline", "dealstage"), "tickets": ("hs_pipeline", "hs_pipeline_stage")}


def stage_of(pipelines: Sequence[Pipeline], stage_id: str) -> tuple[Pipeline, Stage] | None:
    """The pipeline and stage behind a stage id, which is unique among an object type's pipelines."""
    found = ((pipeline, stage) for pipeline in pipelines for stage in pipeline.stages if stage.id == stage_id)
    return next(found, None)


def as_text(pipelines: Sequence[Pipeline]) -> str:
    """Pipelines as the state keeps them."""
    return orjson.dumps(pipelines).decode()


def from_text(text: str) -> tuple[Pipeline, ...]:
    """Pipelines that the state kept."""
    return tuple(_pipeline(each) for each in orjson.loads(text))


def _pipeline(kept: dict[str, Any]) -> Pipeline:
    return Pipeline(**(kept | {"stages": tuple(Stage(**stage) for stage in kept["stages"])}))
