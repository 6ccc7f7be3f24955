"""The renewal-risk report on Prefect, from what the last nightly run concluded."""

from datetime import date
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_link_artifact

from flows.reporting import reports_by_hand


@flow(name="renewal-risk-report", log_prints=False, persist_result=False)
def renewal_risk_report(as_of: date | None = None, config: str | None = None) -> list[str]:
    """Write the report as HTML and XLSX.

    Args:
        as_of: A day that was assessed; the newest by default.
        config: Path of the settings file; ``PLANSYNC_CONFIG`` or ``plansync.toml`` by default.

    Returns:
        Paths of the files written.
    """
    paths = reports_by_hand(as_of, None, Path(config) if config else None)
    for path in paths:
        if path.suffix == ".html":
            create_link_artifact(key="renewal-risk-report", link=path.as_uri(), link_text=path.name)
    return [str(path) for path in paths]
