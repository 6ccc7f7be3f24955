"""Side by side with backlot, an emulator of HubSpot's reads that others wrote and measured against the real one.

Both hold the same records. The same reads go to both; statuses, kinds of answer, fields, types of values, ids and their
order must agree, or a waiver says why not.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.judges.conftest import World
from tests.judges.environments import environment
from tests.judges.exchanges import path_template
from tests.judges.results import Endpoint, keep
from tests.judges.test_taps import listed
from tests.judges.waivers import Finding, unwaived

pytestmark = pytest.mark.judges

JUDGE = "backlot"
TYPES = ("companies", "contacts", "deals", "tickets", "tasks", "meetings", "calls", "emails")
UNLABELLED_TO_COMPANY = 279
NAMES = {"companies": "name", "contacts": "lastname", "deals": "dealname", "tickets": "subject"}


@dataclass(frozen=True)
class Read:
    """One request that goes to both."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_signed: bool = True


@dataclass(frozen=True)
class Portal:
    base_url: str
    token: str
    session: requests.Session

    def answer(self, read: Read) -> requests.Response:
        headers = {"Accept": "*/*", **read.headers}
        if read.is_signed:
            headers["Authorization"] = f"Bearer {self.token}"
        return self.session.request(
            read.method, self.base_url + read.path, params=read.query, json=read.body, headers=headers, timeout=30
        )


def test_both_answer_alike(world: World, folder: Path) -> None:
    home = environment("backlot")
    ours = Portal(world.sandbox.hubspot.base_url, world.sandbox.hubspot.access_token, world.session)
    rows = {kind: everything(world, kind) for kind in TYPES}
    (folder / "records.json").write_text(json.dumps(corpus(rows)))
    found: list[Finding] = []
    confirmed: dict[Endpoint, set[str]] = {}
    with backlot(home.folder, folder / "records.json", world.session) as theirs:
        for name, read in reads(rows):
            differences = list(compared(read, theirs.answer(read), ours.answer(read)))
            found += differences
            if not unwaived(differences):
                endpoint = ("hubspot", read.method, path_template("hubspot", read.method, read.path))
                confirmed.setdefault(endpoint, set()).add(name)
    wrong = unwaived(found)
    assert not wrong, "\n".join(map(str, wrong))
    keep("backlot", JUDGE, home.version("backlot"), confirmed)


@contextmanager
def backlot(home: Path, records: Path, session: requests.Session) -> Iterator[Portal]:
    script = Path(__file__).with_name("serve_backlot.py")
    command = [home / "bin" / "python", script, records]
    plain = {"BACKLOT_TELEMETRY": "0", "DO_NOT_TRACK": "1", "PATH": "/usr/bin:/bin"}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=plain)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            told = json.loads(process.stdout.readline())
            yield Portal(told["base_url"], told["token"], session)
        finally:
            process.stdin.close()
            process.wait(30)


# -- the same records in both -----------------------------------------------------------------------------------------


def everything(world: World, kind: str) -> list[dict[str, Any]]:
    """All records of a type with all their properties that have a value, and what contacts are associated with."""
    names = ",".join(each["name"] for each in listed(world, f"/crm/v3/properties/{kind}"))
    to = "&associations=companies" if kind == "contacts" else ""
    return listed(world, f"/crm/v3/objects/{kind}?properties={names}{to}")


def corpus(rows: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The records in backlot's words."""
    return [
        {
            "source_type": "hubspot",
            "doc_id": f"{kind}-{row['id']}",
            "record_id": row["id"],
            "object_type": kind,
            "content": "-",
            "visibility": "public",
            "author_email": "someone@example.com",
            "created": row["createdAt"],
            "updated": row["updatedAt"],
            "properties": {name: value for name, value in row["properties"].items() if value is not None},
            "associations": [
                {"to": f"companies-{each['id']}", "to_type": "companies", "type_id": UNLABELLED_TO_COMPANY}
                for each in row.get("associations", {}).get("companies", {}).get("results", ())
                if each["type"].endswith("_unlabeled")
            ],
        }
        for kind, found in rows.items()
        for row in found
    ]


# -- the reads that plansync makes, and how they go wrong -------------------------------------------------------------


def reads(rows: Mapping[str, list[dict[str, Any]]]) -> Iterator[tuple[str, Read]]:
    for kind, found in rows.items():
        path = f"/crm/v3/objects/{kind}"
        name = NAMES.get(kind, "hs_timestamp")
        ids = [row["id"] for row in found]
        yield "list", Read("GET", path, {"limit": "5", "properties": name})
        yield "next page", Read("GET", path, {"limit": "5", "after": ids[4], "properties": name})
        yield "last page", Read("GET", path, {"limit": "100", "after": ids[-3], "properties": name})
        yield "one record", Read("GET", f"{path}/{ids[0]}", {"properties": name})
        yield "records by id", Read("POST", f"{path}/batch/read", body=batch(ids[:3], name))
        yield "records by id, one unknown", Read("POST", f"{path}/batch/read", body=batch([*ids[:2], "1"], name))
        yield "search by time", Read("POST", f"{path}/search", body=search(kind, name, found))
        yield "search, next page", Read("POST", f"{path}/search", body=search(kind, name, found) | {"limit": 2})
        yield "search that finds nothing", Read("POST", f"{path}/search", body=search(kind, name, found, later=True))
    yield from wrong_reads(rows["contacts"])
    for row in rows["contacts"][:3]:
        yield "associations", Read("GET", f"/crm/v4/objects/contacts/{row['id']}/associations/companies")
    yield "no associations", Read("GET", "/crm/v4/objects/contacts/1/associations/companies")


def wrong_reads(contacts: list[dict[str, Any]]) -> Iterator[tuple[str, Read]]:
    path = "/crm/v3/objects/contacts"
    first = contacts[0]["id"]
    yield "no token", Read("GET", path, is_signed=False)
    yield "unknown type", Read("GET", "/crm/v3/objects/nosuch")
    yield "unknown type, search", Read("POST", "/crm/v3/objects/nosuch/search", body={})
    yield "unknown record", Read("GET", f"{path}/1")
    yield "unknown record, JSON only", Read("GET", f"{path}/1", headers={"Accept": "application/json"})
    yield "id that is no number", Read("GET", f"{path}/abc")
    yield "id below one", Read("GET", f"{path}/0")
    yield "unknown type, one record", Read("GET", f"/crm/v3/objects/nosuch/{first}")
    yield "cursor that is no number", Read("GET", path, {"after": "abc"})
    yield "no archived meetings", Read("GET", "/crm/v3/objects/meetings", {"archived": "true"})
    yield "singular type", Read("GET", "/crm/v3/objects/contact", {"limit": "2", "properties": "lastname"})
    yield "type by number", Read("GET", "/crm/v3/objects/0-1", {"limit": "2", "properties": "lastname"})
    yield "unknown operator", Read("POST", f"{path}/search", body=filtered("lastname", "IS", "x"))
    yield (
        "inputs that are no list",
        Read("POST", f"{path}/batch/read", body={"inputs": {}, "properties": [], "propertiesWithHistory": []}),
    )
    yield "associations of an unknown type", Read("GET", f"/crm/v4/objects/contacts/{first}/associations/nosuch")


def batch(ids: list[str], name: str) -> dict[str, Any]:
    return {"inputs": [{"id": each} for each in ids], "properties": [name], "propertiesWithHistory": []}


def search(kind: str, name: str, found: list[dict[str, Any]], *, later: bool = False) -> dict[str, Any]:
    """Changed from the middle one on, oldest first, as windows are read."""
    modified = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
    instants = sorted(row["properties"][modified] for row in found)
    since = "2100-01-01T00:00:00Z" if later else instants[len(instants) // 2]
    sorts = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
    return filtered(modified, "GTE", since) | {"sorts": sorts, "properties": [name], "limit": 100}


def filtered(name: str, operator: str, value: str) -> dict[str, Any]:
    only = {"propertyName": name, "operator": operator, "value": value}
    return {"filterGroups": [{"filters": [only]}]}


# -- what differs -----------------------------------------------------------------------------------------------------


def compared(read: Read, theirs: requests.Response, ours: requests.Response) -> Iterator[Finding]:
    endpoint = f"{read.method} {path_template('hubspot', read.method, read.path)}"
    for place, says in differences(theirs, ours):
        yield Finding(JUDGE, endpoint, place, says, json.dumps([read.path, read.query, read.body])[:200])


def differences(theirs: requests.Response, ours: requests.Response) -> Iterator[tuple[str, str]]:
    if theirs.status_code != ours.status_code:
        yield "status", f"{theirs.status_code} there, {ours.status_code} here"
        return
    place = f"answer {ours.status_code}"
    kinds = [each.headers.get("content-type", "nothing").partition(";")[0] for each in (theirs, ours)]
    if kinds[0] != kinds[1]:
        yield place, f"{kinds[0]} there, {kinds[1]} here"
    elif kinds[0] == "application/json":
        yield from dict.fromkeys(_of_values(place, theirs.json(), ours.json()))
    elif theirs.text.split() != ours.text.split():
        yield place, "other text"


_BY_CHANCE = {"correlationId", "startedAt", "completedAt", "link", "message", "createdAt", "updatedAt"}
"""Fields whose values may differ; their types may not."""


def _of_values(place: str, theirs: Any, ours: Any) -> Iterator[tuple[str, str]]:
    if type(theirs) is not type(ours):
        yield place, f"{type(theirs).__name__} there, {type(ours).__name__} here"
    elif isinstance(theirs, dict):
        for name in sorted({*theirs, *ours}):
            inner = f"{place} {name}" if "." not in place and place.count(" ") < 2 else f"{place}.{name}"
            if name not in ours:
                yield inner, "missing here"
            elif name not in theirs:
                yield inner, "missing there"
            elif name not in _BY_CHANCE or type(theirs[name]) is not type(ours[name]):
                yield from _of_values(inner, theirs[name], ours[name])
    elif isinstance(theirs, list):
        if len(theirs) != len(ours):
            yield place, "other length"
        for one, other in zip(theirs, ours, strict=False):
            yield from _of_values(f"{place}.*", one, other)
    elif theirs != ours:
        yield place, "other value"
