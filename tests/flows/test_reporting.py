"""The report of a run, and the same report by hand."""

from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from flows.demo import DAY, EVENING
from flows.reporting import reports_by_hand
from flows.settings import SettingsError
from tests.flows.conftest import House


def test_a_run_reports_and_the_report_by_hand_is_the_same_to_the_byte(house: House, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no store yet"):
        reports_by_hand(None, tmp_path, house.config)
    house.run()
    house.set_clock(datetime.combine(DAY, EVENING) + timedelta(hours=20))
    house.fault("salesforce", "status", status=403, body=[{"errorCode": "API_DISABLED_FOR_ORG"}])
    of_run = [Path(path) for path in house.run()["reports"]]
    with pytest.raises(SettingsError, match="2020-01-01 was never assessed"):
        reports_by_hand(date(2020, 1, 1), tmp_path, house.config)
    by_hand = reports_by_hand(DAY, tmp_path, house.config)
    assert [path.name for path in by_hand] == [f"renewal-risk-{DAY}.html", f"renewal-risk-{DAY}.xlsx"]
    assert [path.read_bytes() for path in by_hand] == [path.read_bytes() for path in of_run]
    assert f"Salesforce data is as of <b>{DAY} 21:55 UTC</b>" in by_hand[0].read_text()


def test_a_folder_that_cannot_be_written_is_a_trouble_not_a_failure(house: House) -> None:
    (house.folder / "reports").write_text("a file where the folder should be")
    told = house.run()
    assert told["reports"] == []
    assert told["status"] == "degraded"
    assert [trouble["part"] for trouble in told["troubles"]] == ["change list", "report"]
    with pytest.raises(SettingsError, match="cannot write"):
        reports_by_hand(None, None, house.config)
