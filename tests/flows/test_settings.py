import os
from pathlib import Path

import pytest

from flows.runtime import open_ports
from flows.secret_file import SecretFile
from flows.settings import SettingsError, load
from integrations.hubspot.client import HubSpot
from models.enums import Crm


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("PLANSYNC_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "plansync.toml"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[hubspot]\nbase_ulr = "x"\n', "plansync.toml:2: no setting 'hubspot.base_ulr'; did you mean 'base_url'?"),
        ('[hubsopt]\nbase_url = "x"\n', "plansync.toml:1: no setting 'hubsopt'; did you mean 'hubspot'?"),
        ('[run]\n\ntime_zone = "Europe/Berln"\n', "plansync.toml:3: run.time_zone: Value error, no time zone"),
        ('[salesforce]\nbase_url = "x"\ncurrency = "dollars"\n', "plansync.toml:3: salesforce.currency"),
        ('[hubspot]\naccess_token = "pat-secret"\n', "set PLANSYNC_HUBSPOT__ACCESS_TOKEN or"),
        ("[hubspot\n", "plansync.toml:1: not valid TOML"),
        ('[usage]\nfiles = [\n  "a.csv",\n', "plansync.toml:3: not valid TOML"),
        ('[run]\n\ntime_zone = """UTC\n', "plansync.toml:3: not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_nearest_name(file: Path, content: str, message: str) -> None:
    file.write_text(content)
    with pytest.raises(SettingsError) as refused:
        load()
    assert message in str(refused.value)
    assert "pat-secret" not in str(refused.value)


def test_a_wrong_variable_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANSYNC_RUN__LEASE_S", "soon")
    with pytest.raises(SettingsError, match=r"PLANSYNC_RUN__LEASE_S: run\.lease_s"):
        load()


def test_a_variable_of_no_section_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANSYNC_HUBSPT__ACCESS_TOKEN", "canary")
    with pytest.raises(SettingsError, match="did you mean 'hubspot'") as refused:
        load()
    assert "canary" not in str(refused.value)


def test_the_environment_wins_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[salesforce]\nbase_url = "https://a.example"\n')
    monkeypatch.setenv("PLANSYNC_SALESFORCE__BASE_URL", "https://b.example")
    chosen = load()
    assert chosen.salesforce
    assert chosen.salesforce.base_url == "https://b.example"


def test_a_secret_comes_from_a_file_and_is_never_shown(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file.parent / "token").write_text("canary-token\n")
    monkeypatch.setenv("PLANSYNC_HUBSPOT__ACCESS_TOKEN_FILE", str(file.parent / "token"))
    chosen = load()
    assert chosen.hubspot
    assert chosen.hubspot.access_token
    assert chosen.hubspot.access_token.get_secret_value() == "canary-token"
    assert "canary" not in repr(chosen)


def test_the_file_of_a_refresh_token_stays_known(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written, too, when the token is replaced."""
    (file.parent / "token").write_text("canary-token\n")
    (file.parent / "token").chmod(0o600)
    file.write_text('[hubspot]\nclient_id = "c"\nrefresh_token_file = "token"\n')
    monkeypatch.setenv("PLANSYNC_HUBSPOT__CLIENT_SECRET", "canary-secret")
    chosen = load(file)
    assert chosen.hubspot
    assert chosen.hubspot.refresh_token_file == file.parent / "token"
    assert "canary" not in repr(chosen)
    port = open_ports(chosen)[Crm.HUBSPOT]
    assert isinstance(port, HubSpot)
    assert isinstance(port._portal.refresh_token, SecretFile)
    port.close()


SIGN_INS = {
    "token": {"ACCESS_TOKEN": "t"},
    "client credentials": {"CONSUMER_KEY": "k", "CONSUMER_SECRET": "s"},
    "jwt": {"CONSUMER_KEY": "k", "USERNAME": "ops@acme.example", "PRIVATE_KEY": "PEM"},
    "refresh token": {"CONSUMER_KEY": "k", "REFRESH_TOKEN": "r"},
}


@pytest.mark.parametrize("kind", SIGN_INS)
def test_salesforce_may_be_signed_in_to_in_four_ways(file: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("PLANSYNC_SALESFORCE__BASE_URL", "https://acme.my.salesforce.com")
    with pytest.raises(SettingsError, match="no credentials"):
        open_ports(load())
    for name, value in SIGN_INS[kind].items():
        monkeypatch.setenv(f"PLANSYNC_SALESFORCE__{name}", value)
    for port in open_ports(load()).values():
        port.close()


def test_half_of_an_oauth_app_is_no_credential(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANSYNC_HUBSPOT__REFRESH_TOKEN", "r")
    with pytest.raises(SettingsError, match=r"hubspot\.client_id"):
        open_ports(load())


def test_relative_paths_start_at_the_file(file: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    file.write_text('[store]\nurl = "sqlite:///here.db"\n[usage]\nfiles = ["usage"]\n[policy]\npath = "pack.yaml"\n')
    chosen = load(file)
    assert chosen.store.url == f"sqlite:///{file.parent}/here.db"
    assert chosen.usage.files == (str(file.parent / "usage"),)
    assert chosen.policy.path == file.parent / "pack.yaml"


def test_a_named_file_must_exist(file: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load(file)
