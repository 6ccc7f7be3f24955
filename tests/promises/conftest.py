"""Worlds for the promises: a sandbox each, on either database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from integrations.sandbox.process import running_sandbox
from integrations.sandbox.state import State
from models.enums import Crm
from tests.conftest import UrlMaker
from tests.promises.world import Build, World

EVENING = datetime(2026, 11, 21, 22, tzinfo=UTC)


@pytest.fixture
def build(tmp_path: Path, new_url: UrlMaker) -> Iterator[Build]:
    """Builds worlds; ``fill`` puts records into the sandbox's state before it starts."""
    with ExitStack() as open_:

        def one(database: str = "sqlite", fill: Callable[[State], None] = lambda state: None) -> World:
            file = tmp_path / "sandbox.db"
            state = State(file)
            state.clock.set(EVENING)
            fill(state)
            state.close()
            sandbox = open_.enter_context(running_sandbox(state=file))
            return World(sandbox, new_url(database), tmp_path / "segments")

        yield one


@pytest.fixture
def world(build: Build) -> World:
    """An empty world on SQLite."""
    return build()


@pytest.fixture(params=list(Crm), ids=str)
def crm(request: pytest.FixtureRequest) -> Crm:
    found: Crm = request.param
    return found
