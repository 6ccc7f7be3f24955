"""The nightly run on Prefect: scheduled by `prefect.yaml`, started by hand by `plansync run`."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from flows import runtime, settings
from flows.night import night
from flows.summary import Summary

Result = TypeVar("Result")


class AsTasks:
    """Steps as Prefect tasks: seen in its pages, never cached, their results kept out of its storage."""

    def one(self, name: str, step: Callable[[], Result]) -> Result:
        result: Result = _task(name, step)()
        return result

    def together(self, steps: Mapping[str, Callable[[], Any]]) -> None:
        for future in [_task(name, step).submit() for name, step in steps.items()]:
            future.result()


def _task(name: str, step: Callable[[], Result]) -> Any:
    def carry_out() -> Result:
        return step()

    return task(name=name, cache_policy=NO_CACHE, persist_result=False)(carry_out)


@flow(name="nightly-sync", log_prints=False, persist_result=False)
def nightly_sync(as_of: date | None = None, dry_run: bool = False, config: str | None = None) -> Summary:
    """Make the CRMs agree with the success plans.

    Args:
        as_of: The day to assess; today by default.
        dry_run: Say what would be written, and write nothing to a CRM.
        config: Path of the settings file; ``PLANSYNC_CONFIG`` or ``plansync.toml`` by default.

    Returns:
        The run summary, as ``plansync run --json`` prints it.
    """
    chosen = settings.load(Path(config) if config else None)
    with runtime.open_run(chosen, as_of=as_of, is_dry=dry_run) as run:
        told = night(run, AsTasks())
    publish(told)
    return told


def publish(told: Summary) -> None:
    """Show a run's end in Prefect: what changed, how healthy the customers are, and where the report lies."""
    day = told["as_of"]
    create_table_artifact(
        key="changes",
        table=[
            {"crm": crm, "kind": kind, **counts}
            for crm, kinds in told["changes_by_crm"].items()
            for kind, counts in kinds.items()
        ],
        description=f"Writes that the CRMs confirmed, as of {day}",
    )
    create_table_artifact(key="health", table=[told["health"]], description=f"Customers by health band, as of {day}")
    create_table_artifact(
        key="renewals", table=[told["renewals"]], description=f"Customers by renewal window, as of {day}"
    )
    for path in told["reports"]:
        if path.endswith(".html"):
            create_link_artifact(
                key="renewal-risk-report", link=Path(path).resolve().as_uri(), link_text=f"Renewal risk, {day}"
            )
    if told["troubles"]:
        create_markdown_artifact(
            key="troubles", markdown="\n".join(f"- **{each['part']}**: {each['message']}" for each in told["troubles"])
        )
