"""A bad line between a plain client and the sandbox: what is done, what is answered, what is counted."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import requests

from integrations.sandbox.chaos import LineFault, bad_line
from integrations.sandbox.process import Sandbox, running_sandbox

COMPANIES = "/crm/objects/2026-09/companies"
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, requests.ReadTimeout)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Accept-Encoding"] = "identity"
        session.headers["Authorization"] = f"Bearer {sandbox.hubspot.access_token}"
        yield session


def companies(sandbox: Sandbox, client: requests.Session) -> int:
    """How many there are, by the straight way."""
    asked = {"limit": 1}
    return int(client.post(f"{sandbox.hubspot.base_url}{COMPANIES}/search", json=asked, timeout=5).json()["total"])


@pytest.mark.parametrize(("kind", "made"), [("reset", 0), ("commit_then_drop", 1), ("cut", 1), ("hang", 1)])
def test_a_lost_answer_leaves_the_work_done_or_not(
    sandbox: Sandbox, client: requests.Session, kind: str, made: int
) -> None:
    before = companies(sandbox, client)
    fault = LineFault(kind, after=1, count=1, size=1_500)  # type: ignore[arg-type]
    with bad_line(sandbox.hubspot.base_url, fault) as line:
        body = {"properties": {"name": kind, "description": "long enough to be cut " * 100}}
        assert client.get(line.url + COMPANIES, timeout=5).status_code == 200
        with pytest.raises(BROKEN):
            client.post(line.url + COMPANIES, json=body, timeout=0.5)
        assert companies(sandbox, client) - before == made
        assert client.post(line.url + COMPANIES, json=body, timeout=5).status_code == 201
        assert (line.seen, dict(line.struck)) == (3, {kind: 1})
    assert companies(sandbox, client) - before == made + 1


def test_lines_are_slow_and_dripping(sandbox: Sandbox, client: requests.Session) -> None:
    latency = LineFault("latency", latency_ms=150, holding="GET /crm/owners")
    with bad_line(sandbox.hubspot.base_url, latency, LineFault("drip", size=2_000, holding=COMPANIES)) as line:
        spent = []
        for path in ("/crm/owners/2026-09", f"{COMPANIES}?limit=1", "/crm/pipelines/2026-09/deals"):
            began = time.monotonic()
            assert client.get(line.url + path, timeout=5).status_code == 200
            spent.append(time.monotonic() - began)
        assert spent[0] >= 0.15
        assert spent[1] >= 0.1
        assert dict(line.struck) == {"latency": 1, "drip": 1}


def test_connections_are_refused_and_accepted_again(sandbox: Sandbox) -> None:
    with bad_line(sandbox.hubspot.base_url) as line:
        line.refuse()
        with pytest.raises(requests.ConnectionError):
            requests.get(line.url + COMPANIES, timeout=5)
        line.accept()
        assert requests.get(line.url + COMPANIES, timeout=5).status_code == 401


def test_the_same_seed_strikes_the_same_requests(sandbox: Sandbox, client: requests.Session) -> None:
    def answered() -> list[bool]:
        found = []
        with bad_line(sandbox.hubspot.base_url, LineFault("reset", probability=0.4, seed=3)) as line:
            for _ in range(20):
                try:
                    found.append(client.get(line.url + COMPANIES, timeout=5).ok)
                except requests.ConnectionError:
                    found.append(False)
            assert line.struck["reset"] == found.count(False) > 0
        return found

    assert answered() == answered()


def test_it_runs_by_itself(sandbox: Sandbox) -> None:
    fault = '{"kind": "reset", "count": 1}'
    command = [sys.executable, "-m", "integrations.sandbox.chaos", sandbox.hubspot.base_url, "--fault", fault]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        url = json.loads(running.stdout.readline())["base_url"]
        with pytest.raises(requests.ConnectionError):
            requests.get(url + COMPANIES, timeout=5)
        assert requests.get(url + COMPANIES, timeout=5).status_code == 401
        running.terminate()
        assert json.loads(running.stdout.readline()) == {"seen": 2, "struck": {"reset": 1}}


def test_a_fault_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="commit_then_drop"):
        LineFault("flood")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="size"):
        LineFault("drip")
