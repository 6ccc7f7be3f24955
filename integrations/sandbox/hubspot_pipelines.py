"""The portal's pipelines: which stages deals and tickets go through, and which of them close a record."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a pipeline. ``is_won`` means something for deals only."""

    id: str
    label: str
    is_closed: bool = False
    is_won: bool = False
    probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in the order in which a record goes through them."""

    id: str
    label: str
    stages: tuple[Stage, ...]


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
PIPELINE_PROPERTIES = {"deals": ("pipeline", "dealstage"), "tickets": ("hs_pipeline", "hs_pipeline_stage")}


def stage_of(kind: str, stage_id: str) -> tuple[Pipeline, Stage] | None:
    """The pipeline and stage behind a stage id, which is unique in a portal."""
    found = ((pipeline, stage) for pipeline in PIPELINES[kind] for stage in pipeline.stages if stage.id == stage_id)
    return next(found, None)
