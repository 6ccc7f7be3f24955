"""``python -m tests.judges.fidelity``: write ``docs/reference/fidelity.md`` from what judges found.

Endpoint by endpoint: who outside this project confirms that the sandbox behaves so, and where a vendor says it. Nothing
here is kept by hand but the addresses of vendors' pages: what plansync calls and what judges confirmed are recorded.
"""

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from tests.judges import hubspot_schema
from tests.judges.calls import FILE as CALLS
from tests.judges.exchanges import served
from tests.judges.results import FOLDER, Endpoint, Result, read
from tests.judges.waivers import waivers

PAGE = FOLDER.parent / "fidelity.md"
RECORDINGS = FOLDER / "recordings.json"
"""Answers of the real CRMs that others recorded: ``[{"crm", "method", "path_template", "source", "note"}]``."""
PAGES = Path(__file__).with_name("pages.toml")

_HEAD = """\
# How true the sandbox is

Made by `make fidelity` from [recorded judgements](judges/) and checked by the tests: do not edit. An endpoint is
**confirmed** where a program that nobody here wrote asked it, understood the answer and found what it should. It is
**unverified** where no such program did: then only our reading of the vendor's pages stands behind it. Of HubSpot's
dated paths no outside program knows anything yet; they are judged by the models of the `v3` and `v4` paths that they
replace, with what their specifications change waived by name.
"""
_NAMES = {"salesforce": "Salesforce", "hubspot": "HubSpot"}


@dataclass(frozen=True, slots=True)
class Row:
    """One endpoint and what is known of it."""

    endpoint: Endpoint
    occasions: Sequence[str]
    """When plansync calls it; empty where it does not."""
    judges: Mapping[str, Sequence[str]]
    page: str
    recordings: Sequence[str]
    """Where answers of the real CRM to it are kept, which the sandbox was held against."""

    @property
    def is_confirmed(self) -> bool:
        return bool(self.judges)

    @property
    def is_by_stand_in(self) -> bool:
        """Whether nothing but the models of another path speaks for it."""
        template = self.endpoint[2]
        return set(self.judges) == {hubspot_schema.JUDGE} and hubspot_schema.judged_as(template) != template


def results() -> list[Result]:
    """What every judge found, by name; the recording of what plansync calls is none."""
    files = sorted({*FOLDER.glob("*.json")} - {CALLS, RECORDINGS})
    found = [each for file in files for each in read(file)]
    return sorted(found, key=lambda each: (each.judge, each.version))


def rows() -> list[Row]:
    """All that plansync calls or the sandbox serves, by CRM and path."""
    (calls,) = read(CALLS)
    judged = results()
    kept = recordings()
    endpoints = {*calls.checks, *served(), *kept, *(endpoint for each in judged for endpoint in each.checks)}
    return [
        _row(endpoint, calls.checks.get(endpoint, ()), judged, kept.get(endpoint, ()))
        for endpoint in sorted(endpoints, key=lambda each: (each[0], each[2], each[1]))
    ]


def rendered() -> str:
    """The page."""
    found = rows()
    parts = [_HEAD, *_of_judges(), *_summary(found)]
    for crm in ("salesforce", "hubspot"):
        called = [row for row in found if row.endpoint[0] == crm and row.occasions]
        parts += [f"\n## {_NAMES[crm]}: what plansync calls\n", *_table(called, with_occasions=True)]
    for crm in ("salesforce", "hubspot"):
        further = [row for row in found if row.endpoint[0] == crm and not row.occasions]
        parts += [f"\n## {_NAMES[crm]}: what else the sandbox serves\n", *_table(further, with_occasions=False)]
    return "\n".join([*parts, *_of_waivers()]) + "\n"


def recordings() -> dict[Endpoint, list[str]]:
    """Sources of recorded answers by endpoint; none where nobody keeps any."""
    if not RECORDINGS.exists():
        return {}
    found: dict[Endpoint, list[str]] = {}
    for each in json.loads(RECORDINGS.read_text(encoding="utf-8")):
        sources = found.setdefault((each["crm"], each["method"], each["path_template"]), [])
        sources += [] if each["source"] in sources else [each["source"]]
    return found


def _row(endpoint: Endpoint, occasions: Sequence[str], judged: Sequence[Result], recorded: Sequence[str]) -> Row:
    by_judge: dict[str, set[str]] = {}
    for each in judged:
        if endpoint in each.checks:
            by_judge.setdefault(each.judge, set()).update(each.checks[endpoint])
    judges = {judge: sorted(checks) for judge, checks in sorted(by_judge.items())}
    return Row(endpoint, occasions, judges, _page_of(endpoint), recorded)


def _page_of(endpoint: Endpoint) -> str:
    asked = f"{endpoint[1]} {endpoint[2]}"
    return next((page for pattern, page in _pages() if fnmatchcase(asked, pattern.replace("[", "[[]"))), "")


@cache
def _pages() -> list[tuple[str, str]]:
    found = tomllib.loads(PAGES.read_text(encoding="utf-8"))["pages"]
    return [(each["endpoint"], each["page"]) for each in found]


def _of_judges() -> Iterator[str]:
    yield "| judge | version | endpoints confirmed |\n|---|---|---|"
    counted: dict[tuple[str, str], set[Endpoint]] = {}
    for each in results():
        counted.setdefault((each.judge, each.version), set()).update(each.checks)
    for (judge, version), endpoints in counted.items():
        yield f"| {judge} | {version} | {len(endpoints)} |"


def _summary(found: Sequence[Row]) -> Iterator[str]:
    called = [row for row in found if row.occasions]
    confirmed = sum(row.is_confirmed for row in called)
    further = len(found) - len(called)
    extra = sum(row.is_confirmed for row in found) - confirmed
    stand_ins = sum(row.is_confirmed and row.is_by_stand_in for row in called)
    yield (
        f"\nOf {len(called)} endpoints that plansync calls, {confirmed} are confirmed, {stand_ins} of them at dated"
        f" paths by the models of the path that they replace; of {further} others, {extra}."
    )


def _table(found: Sequence[Row], *, with_occasions: bool) -> Iterator[str]:
    called_by = " called by |" if with_occasions else ""
    yield f"| endpoint |{called_by} confirmed by | recorded | documented |"
    yield "|---|---|---|---|---|" if with_occasions else "|---|---|---|---|"
    for row in found:
        _, method, template = row.endpoint
        cells = [f"`{method} {template}`"]
        if with_occasions:
            cells.append(", ".join(row.occasions))
        cells += [_confirmed_by(row), "; ".join(row.recordings), f"[page]({row.page})" if row.page else "no page noted"]
        yield f"| {' | '.join(cells)} |"


def _confirmed_by(row: Row) -> str:
    if not row.judges:
        return "**unverified**"
    return "; ".join(_judgement(row, judge, checks) for judge, checks in row.judges.items())


def _judgement(row: Row, judge: str, checks: Sequence[str]) -> str:
    template = row.endpoint[2]
    stand_in = hubspot_schema.judged_as(template) if judge == hubspot_schema.JUDGE else template
    by = f"{judge} (as `{stand_in}`)" if stand_in != template else judge
    return f"{by}: {', '.join(checks)}"


def _of_waivers() -> Iterator[str]:
    yield "\n## Where a judge differs and the sandbox stands\n"
    yield "| judge | endpoint | what | why | source |\n|---|---|---|---|---|"
    for each in waivers():
        what = f"{each.place}: {each.says}"
        yield f"| {each.judge} | `{each.endpoint}` | `{what}` | {each.why} | {each.source} |"


def main() -> None:
    """Write the page, and say what it says."""
    PAGE.write_text(rendered(), encoding="utf-8")
    unverified = [row.endpoint for row in rows() if row.occasions and not row.is_confirmed]
    print(f"{PAGE}: {len(unverified)} endpoints that plansync calls are unverified", file=sys.stderr)
    for _, method, template in unverified:
        print(f"  {method} {template}", file=sys.stderr)


if __name__ == "__main__":
    main()
