"""Singer taps, unmodified: they sync all that the sandbox serves, and count the rows that it counts itself."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.judges.conftest import World
from tests.judges.environments import Environment, environment
from tests.judges.results import Endpoint, keep

pytestmark = pytest.mark.judges

SYNCED = "all rows synced and counted"
LONG_AGO = "2000-01-01T00:00:00Z"
ASSOCIATIONS = {"contact": ["company"], "deal": ["company", "contact"], "ticket": ["company"]}


def records(output: str) -> list[tuple[str, dict[str, Any]]]:
    """Stream and row of each record that a tap gave."""
    messages = [json.loads(line) for line in output.splitlines()]
    return [(each["stream"], each["record"]) for each in messages if each["type"] == "RECORD"]


def counted(rows: Iterable[tuple[str, dict[str, Any]]]) -> Counter[str]:
    return Counter(stream for stream, _ in rows)


def confirmed(world: World, crm: str) -> dict[Endpoint, list[str]]:
    return {endpoint: [SYNCED] for endpoint in world.answered(crm)}


# -- Salesforce -------------------------------------------------------------------------------------------------------


def test_tap_salesforce_syncs_every_object(world: World, folder: Path) -> None:
    """By REST, which asks ``queryAll``: the rows in the recycle bin come too, and say so."""
    tap = environment("tap-salesforce")
    world.forget_requests()
    catalog = salesforce_catalog(tap, world, folder)
    output = tap.run(
        ["tap-salesforce", "--config", folder / "config.json", "--properties", catalog], world.proxy.environment()
    )
    rows = records(output)
    assert len({(stream, row["Id"]) for stream, row in rows}) == len(rows)
    living = counted((stream, row) for stream, row in rows if not row.get("IsDeleted"))
    assert living == +Counter(world.counts("salesforce"))
    assert living["Contact"] > 100
    assert world.proxy.refused == []
    keep("tap-salesforce", "tap-salesforce", tap.version("tap-salesforce"), confirmed(world, "salesforce"))


def salesforce_catalog(tap: Environment, world: World, folder: Path) -> Path:
    """Sign in by refresh token, let the tap discover, and choose every stream of what it found."""
    details = world.sandbox.salesforce
    config = {
        "refresh_token": world.admin("POST", "/salesforce/refresh-tokens", {})["refresh_token"],
        "client_id": details.consumer_key,
        "client_secret": details.consumer_secret,
        "start_date": LONG_AGO,
        "api_type": "REST",
        "select_fields_by_default": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    found = json.loads(
        tap.run(["tap-salesforce", "--config", folder / "config.json", "--discover"], world.proxy.environment())
    )
    for stream in found["streams"]:
        (whole,) = (each["metadata"] for each in stream["metadata"] if not each["breadcrumb"])
        keys = whole.get("valid-replication-keys")
        chosen = {"replication-method": "INCREMENTAL", "replication-key": keys[0]} if keys else {}
        whole |= {"selected": True, "replication-method": "FULL_TABLE", **chosen}
    assert {each["stream"] for each in found["streams"]} == set(world.counts("salesforce"))
    (folder / "catalog.json").write_text(json.dumps(found))
    return folder / "catalog.json"


# -- HubSpot ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [None, LONG_AGO], ids=["by lists", "by searches"])
def test_tap_hubspot_syncs_every_stream(world: World, folder: Path, start: str | None) -> None:
    """Without a start the tap lists; with one it searches from there on, for the objects that it knows to search."""
    tap = environment("tap-hubspot")
    world.forget_requests()
    config = {"access_token": world.sandbox.hubspot.access_token, "associations": ASSOCIATIONS}
    (folder / "config.json").write_text(json.dumps(config | ({"start_date": start} if start else {})))
    command = ["tap-hubspot", "--config", folder / "config.json"]
    with tap.trusting(world.proxy.ca_file):
        (folder / "catalog.json").write_text(tap.run([*command, "--discover"], world.proxy.environment()))
        output = tap.run([*command, "--catalog", folder / "catalog.json"], world.proxy.environment())
    found = counted(records(output))
    done = confirmed(world, "hubspot")
    assert found == expected(world)
    assert found["contacts"] > 100
    assert world.proxy.refused == []
    name = "tap-hubspot-search" if start else "tap-hubspot"
    keep(name, "meltano-tap-hubspot", tap.version("meltano-tap-hubspot"), done)


def expected(world: World) -> Counter[str]:
    """Rows by stream as the sandbox counts them; streams that the tap makes of several calls, counted as it asks."""
    counts = world.counts("hubspot")
    objects = ("companies", "contacts", "deals", "tickets", "calls", "emails", "meetings", "notes", "tasks")
    found = Counter({name: counts[name] for name in (*objects, "owners")})
    found["users"] = len(listed(world, "/settings/v3/users"))
    for kind in ("ticket", "deal"):
        found[f"{kind}_pipelines"] = len(listed(world, f"/crm/v3/pipelines/{kind}s"))
    for one, others in ASSOCIATIONS.items():
        for other in others:
            found[f"{one}_{other}_associations"] = links(world, one, other)
    found["properties"] = sum(len(listed(world, f"/crm/v3/properties/{kind}")) for kind in TYPES_WITH_PROPERTIES)
    return +found


TYPES_WITH_PROPERTIES = (
    *("notes", "tickets", "deals", "contacts", "company", "product", "line_item", "email", "postal_mail"),
    *("goal_targets", "call", "meeting", "task", "communication"),
)
"""The types whose properties the tap puts into its one stream of properties."""


def listed(world: World, path: str) -> list[Any]:
    details = world.sandbox.hubspot
    headers = {"Authorization": f"Bearer {details.access_token}"}
    rows: list[Any] = []
    after = "0"
    while after:
        query = {"limit": "100"} | ({"after": after} if after != "0" else {})
        answer = world.session.get(details.base_url + path, params=query, headers=headers, timeout=30)
        answer.raise_for_status()
        rows += answer.json()["results"]
        after = answer.json().get("paging", {}).get("next", {}).get("after", "")
    return rows


def links(world: World, one: str, other: str) -> int:
    """Associations from all records of one type to another, each label counted, as lists of records have them."""
    plural = {"company": "companies"}.get(other, f"{other}s")
    rows = listed(world, f"/crm/v3/objects/{one}?associations={plural}")
    return sum(len(row.get("associations", {}).get(plural, {}).get("results", ())) for row in rows)
