"""SQLite and PostgreSQL conclude the same, to the byte."""

from collections.abc import Callable
from pathlib import Path

from flows.demo import DAY
from flows.settings import StoreSettings
from models.segments import ASSESSED
from tests.flows.conftest import House


def assessed_bytes(house: House, folder: Path) -> dict[str, bytes]:
    """The assessment of the demo's day, each frame as the Parquet bytes that it makes."""
    with house.store() as store:
        found = store.assessment(DAY)
    content = {}
    for name in ASSESSED:
        found[name].write_parquet(folder / f"{name}.parquet")
        content[name] = (folder / f"{name}.parquet").read_bytes()
    return content


def test_both_databases_give_the_same_assessment(
    build: Callable[[], House], new_url: Callable[[str], str], tmp_path: Path
) -> None:
    content, told = [], []
    for database in ("sqlite", "postgresql"):
        house = build()
        folder = tmp_path / database
        folder.mkdir()
        house.overrides = {"store": StoreSettings(url=new_url(database), segments=folder / "segments")}
        first = house.run()
        assert first["status"] == "ok", first["troubles"]
        content.append(assessed_bytes(house, folder))
        told.append((first["changes_by_crm"], first["health"], first["renewals"], house.run()["changes"]))
    assert content[0] == content[1]
    assert told[0] == told[1]
