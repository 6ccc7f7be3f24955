"""What judges found, kept as one JSON file per judge in ``docs/reference/judges``, from which the page is made.

``{"judge": "...", "version": "...", "endpoints": [{"crm", "method", "path_template", "checks": [...]}]}``: an endpoint
that a judge confirmed, and what of it. Path templates are those of the sandbox's own table of routes.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

KEEPING = "PLANSYNC_KEEP_JUDGEMENTS"
"""Names the environment variable by which ``make fidelity`` and ``make judges`` have results written, not compared."""
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference" / "judges"
Endpoint = tuple[str, str, str]
"""CRM, method, path template."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one judge confirmed."""

    judge: str
    version: str
    checks: Mapping[Endpoint, tuple[str, ...]]


def keep(name: str, judge: str, version: str, checks: Mapping[Endpoint, Iterable[str]]) -> None:
    """Write what a judge confirmed just now, or, on other days, hold it against what was written.

    Raises:
        AssertionError: It confirmed something that the committed file does not have.
    """
    if os.environ.get(KEEPING):
        write(name, judge, version, checks)
        return
    (known,) = read(FOLDER / f"{name}.json")
    new = {
        endpoint: set(found) - set(known.checks.get(endpoint, ()))
        for endpoint, found in checks.items()
        if not set(found) <= set(known.checks.get(endpoint, ()))
    }
    assert not new, f"{judge} confirms what the fidelity page does not have; run `make fidelity`: {new}"


def write(name: str, judge: str, version: str, checks: Mapping[Endpoint, Iterable[str]]) -> Path:
    """Keep what a judge confirmed as ``FOLDER/name.json``, in an order that does not change."""
    endpoints = [
        {"crm": crm, "method": method, "path_template": template, "checks": sorted(set(found))}
        for (crm, method, template), found in sorted(checks.items())
    ]
    file = FOLDER / f"{name}.json"
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("  " + json.dumps(each) for each in endpoints)
    file.write_text(
        f'{{"judge": {json.dumps(judge)}, "version": {json.dumps(version)}, "endpoints": [\n{lines}\n]}}\n',
        encoding="utf-8",
    )
    return file


def read(file: Path) -> list[Result]:
    """The results in a file, which holds those of one judge or a list of several."""
    found = json.loads(file.read_text(encoding="utf-8"))
    return [_result(each) for each in (found if isinstance(found, list) else [found])]


def _result(found: Mapping[str, object]) -> Result:
    endpoints = found["endpoints"]
    if not isinstance(endpoints, list):
        raise TypeError("endpoints is a list")
    checks = {(each["crm"], each["method"], each["path_template"]): tuple(each["checks"]) for each in endpoints}
    return Result(str(found["judge"]), str(found["version"]), checks)
