"""Settings: one file, `plansync.toml`, overridden by `PLANSYNC_SECTION__KEY`; secrets never stand in the file.

A secret comes from the environment (``PLANSYNC_HUBSPOT__ACCESS_TOKEN``) or from a file that the environment names
(``PLANSYNC_HUBSPOT__ACCESS_TOKEN_FILE``, as Docker and Kubernetes mount them).
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from models.enums import Crm, StakeholderRole

DEFAULT_FILE = Path("plansync.toml")
ENV_PREFIX = "PLANSYNC_"
SECRETS = {"access_token", "client_secret", "consumer_key", "consumer_secret", "private_key", "refresh_token"}
FieldMap = dict[str, dict[str, str]]
Section = TypeVar("Section", "SalesforceSettings | None", "HubSpotSettings | None")


class SettingsError(Exception):
    """Settings that cannot be used: names the file, the line where it is known, and the nearest valid name."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """Where plansync keeps what it knows."""

    url: str = "sqlite:///plansync.db"
    segments: Path | None = Field(
        default=None, description="Folder of Parquet segments; beside an SQLite file by default."
    )


class PolicySettings(_Section):
    """What the company believes."""

    path: Path | None = Field(default=None, description="A policy pack that overrides the built-in one.")


class CrmSettings(_Section):
    """What both CRMs have in common."""

    currency: str = Field(default="USD", pattern="^[A-Z]{3}$", description="Currency of amounts that carry none.")
    fallback_owner: str | None = Field(
        None, description="Owner id or queue of tasks whose owner is inactive or missing."
    )
    hold_back_s: int = Field(default=300, ge=0, description="Seconds before now that are left to the next run.")
    overlap_s: int = Field(default=600, ge=0, description="Seconds read again from the previous window.")
    role_words: dict[str, StakeholderRole] = Field(default_factory=dict)
    refresh_token: SecretStr | None = None
    refresh_token_file: Path | None = Field(
        default=None, description="File of the refresh token; a token that replaces it is written there."
    )
    budget_pct: int = Field(default=90, ge=1, le=100, description="Part of the day's API calls at which reading stops.")
    connections: int = Field(default=10, ge=1, le=100, description="Most connections open at a time.")
    timeout_s: float = Field(default=60, gt=0, description="Longest wait for an answer.")


class SalesforceSettings(CrmSettings):
    """One Salesforce org."""

    base_url: str
    api_version: str = Field("66.0", pattern=r"^\d{2}\.0$")
    access_token: SecretStr | None = None
    consumer_key: SecretStr | None = None
    consumer_secret: SecretStr | None = None
    username: str | None = Field(default=None, description="The API user, to sign in by JWT with the private key.")
    private_key: SecretStr | None = None
    is_test_org: bool = Field(default=False, description="A sandbox org: JWT sign-in at test.salesforce.com.")
    requests_at_once: int = Field(
        default=15, ge=1, le=25, description="Requests under way together, of all processes; 5 at most in a free org."
    )
    timeout_s: float = Field(default=120, gt=0, description="Longest wait for an answer.")
    fields: FieldMap = Field(default_factory=dict, description="Per object: plansync's name = the org's field.")
    bulk_above: int = Field(
        default=50_000, ge=0, description="Records of an object in a window above which Bulk API 2.0 reads; 0: never."
    )
    bulk_page_records: int = Field(default=50_000, ge=1, description="Records of one page of Bulk results.")
    bulk_wait_s: int = Field(default=3_600, ge=1, description="Seconds that the org has to carry out a Bulk job.")


class HubSpotSettings(CrmSettings):
    """One HubSpot portal."""

    base_url: str = "https://api.hubapi.com"
    api_version: str = Field(default="2026-09", pattern="^(2026-09|2026-03|v3)$")
    access_token: SecretStr | None = None
    client_id: str | None = Field(default=None, description="Of an OAuth app; its secret and refresh token beside it.")
    client_secret: SecretStr | None = None
    hold_back_s: int = Field(
        default=3600, ge=0, description="Seconds before now that are left to the next run: search lags."
    )
    requests_per_10s: int = Field(
        default=180, ge=0, description="Requests per ten seconds, of all processes; 0 lifts the limit."
    )
    searches_per_s: int = Field(default=5, ge=1, description="Searches per second; HubSpot allows an account 5.")
    properties: FieldMap = Field(
        default_factory=dict, description="Per object: plansync's name = the portal's property."
    )


class FileSettings(_Section):
    """Files that a product or survey tool delivers."""

    files: tuple[str, ...] = Field(default=(), description="Paths, folders or patterns of Parquet and CSV files.")


class ReportSettings(_Section):
    """Where reports go."""

    folder: Path = Path("reports")


class RunSettings(_Section):
    """How a run behaves."""

    time_zone: str = Field(default="UTC", description="The zone in which a day begins.")
    preferred_crm: Crm = Field(default=Crm.SALESFORCE, description="Home of a customer that both CRMs know.")
    lease_s: int = Field(default=900, ge=30, description="Seconds after which a silent run counts as dead.")

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"no time zone {zone!r}{_nearest(zone, available_timezones())}")
        return zone

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class _EnvWithSecretFiles(EnvSettingsSource):
    """The environment, where ``…__ACCESS_TOKEN_FILE`` stands for the content of that file."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        found = dict(super()._load_env_vars())
        for name in [name for name in found if name.endswith("_file")]:
            plain = name.removesuffix("_file")
            field = plain.rpartition("__")[2]
            if field in SECRETS and field != "refresh_token":  # that file is written, too: its path must stay known
                found[plain] = _secret_from(Path(str(found.pop(name))), name)
        return found


def _secret_from(path: Path, name: str) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"{name.upper()} names a file that cannot be read: {error}") from error


class Settings(BaseSettings):
    """Everything that a run needs to know before it starts."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)
    source: ClassVar[Path | None] = None

    store: StoreSettings = StoreSettings()
    policy: PolicySettings = PolicySettings()
    salesforce: SalesforceSettings | None = None
    hubspot: HubSpotSettings | None = None
    usage: FileSettings = FileSettings()
    surveys: FileSettings = FileSettings()
    report: ReportSettings = ReportSettings()
    run: RunSettings = RunSettings()

    def crm(self, crm: Crm) -> CrmSettings:
        """The settings of one CRM.

        Raises:
            SettingsError: That CRM is not set up.
        """
        chosen = self.salesforce if crm is Crm.SALESFORCE else self.hubspot
        if chosen is None:
            raise SettingsError(f"no [{crm}] in the settings")
        return chosen

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            _EnvWithSecretFiles(settings_cls),
            TomlConfigSettingsSource(settings_cls, toml_file=cls.source),
        )


def load(path: Path | None = None) -> Settings:
    """Read the settings.

    Args:
        path: The file; by default ``PLANSYNC_CONFIG`` or ``plansync.toml`` in this folder, which may be absent.

    Raises:
        SettingsError: The file is missing though named, is not TOML, holds a secret, or does not fit ``Settings``.
    """
    named = path or (Path(os.environ["PLANSYNC_CONFIG"]) if os.environ.get("PLANSYNC_CONFIG") else None)
    file = named or DEFAULT_FILE
    if named and not named.is_file():
        raise SettingsError(f"{named}: no such file; `plansync init` writes one")
    _refuse_bad_file(file)
    _refuse_unknown_variables()

    class FromFile(Settings):
        source = file if file.is_file() else None

    try:
        return _anchored(FromFile(), file.parent if file.is_file() else Path())
    except ValidationError as error:
        raise SettingsError("\n".join(_explained(error, file))) from None


def _anchored(chosen: Settings, folder: Path) -> Settings:
    """Relative paths start at the settings file's folder, so that a worker in any directory means the same files."""
    base = folder.resolve()
    url, prefix = chosen.store.url, "sqlite:///"
    if url.startswith(prefix) and not Path(url.removeprefix(prefix)).is_absolute():
        url = f"{prefix}{base / url.removeprefix(prefix)}"
    segments, pack = chosen.store.segments, chosen.policy.path
    return chosen.model_copy(
        update={
            "store": chosen.store.model_copy(update={"url": url, "segments": base / segments if segments else None}),
            "policy": chosen.policy.model_copy(update={"path": base / pack if pack else None}),
            "usage": FileSettings(files=tuple(str(base / each) for each in chosen.usage.files)),
            "surveys": FileSettings(files=tuple(str(base / each) for each in chosen.surveys.files)),
            "report": ReportSettings(folder=base / chosen.report.folder),
            "salesforce": _anchored_token(chosen.salesforce, base),
            "hubspot": _anchored_token(chosen.hubspot, base),
        }
    )


def _anchored_token(section: Section, base: Path) -> Section:
    if section is None or section.refresh_token_file is None:
        return section
    return section.model_copy(update={"refresh_token_file": base / section.refresh_token_file})


def _refuse_bad_file(file: Path) -> None:
    if not file.is_file():
        return
    try:
        content = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}:{_broken_line(file, error)}: not valid TOML: {error}") from None
    for section, values in content.items():
        for key in SECRETS & set(values if isinstance(values, dict) else ()):
            variable = f"{ENV_PREFIX}{section}__{key}".upper()
            line = _line_of(file, (section, key))
            raise SettingsError(
                f"{file}:{line}: {section}.{key} is a secret: set {variable} or {variable}_FILE instead"
            )


def _broken_line(file: Path, error: tomllib.TOMLDecodeError | UnicodeDecodeError) -> int:
    """The line at which reading stopped: the last one where something stands open until the end."""
    if isinstance(error, UnicodeDecodeError):
        return error.object.count(b"\n", 0, error.start) + 1
    named = re.search(r"\(at line (\d+)", str(error))
    return int(named[1]) if named else max(len(file.read_text().splitlines()), 1)


def _refuse_unknown_variables() -> None:
    """A variable of ours whose section does not exist would be passed over in silence."""
    for name in sorted(os.environ):
        section, found, _ = name.removeprefix(ENV_PREFIX).lower().partition("__")
        if name.startswith(ENV_PREFIX) and found and section not in Settings.model_fields:
            hint = _nearest(section, Settings.model_fields)
            raise SettingsError(f"{name}: no section {section!r} in the settings{hint}")


def _explained(error: ValidationError, file: Path) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        path = tuple(str(part) for part in problem["loc"])
        where = located(file, path)
        if problem["type"] == "extra_forbidden":
            yield f"{where}: no setting {'.'.join(path)!r}{_nearest(path[-1], _names_at(path[:-1]))}"
        else:
            yield f"{where}: {'.'.join(path)}: {problem['msg']}"


def located(file: Path | None, path: tuple[str, ...]) -> str:
    """Where a setting stands: file and line, or the variable that would set it."""
    line = _line_of(file, path) if file else None
    return f"{file}:{line}" if line else f"{ENV_PREFIX}{'__'.join(path).upper()}"


def _names_at(path: tuple[str, ...]) -> list[str]:
    model: Any = Settings
    for part in path:
        annotation = model.model_fields[part].annotation
        model = next((each for each in getattr(annotation, "__args__", ()) if isinstance(each, type)), annotation)
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return list(model.model_fields)


def _nearest(name: str, names: Any) -> str:
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _line_of(file: Path, path: tuple[str, ...]) -> int | None:
    """The line on which the key at the end of ``path`` stands, searched from its table's header on."""
    if not file.is_file():
        return None
    table: tuple[str, ...] = ()
    header_line = None
    for number, text in enumerate(file.read_text().splitlines(), start=1):
        stripped = text.strip()
        if stripped.startswith("["):
            table = tuple(part.strip().strip('"') for part in stripped.strip("[]").split("."))
            header_line = number if table == path else header_line
        elif "=" in stripped and (*table, stripped.split("=")[0].strip().strip('"')) == path:
            return number
    return header_line
