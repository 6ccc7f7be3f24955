"""`init` and `doctor`: from a CRM's own description to settings, and from settings to what is wrong with them."""

from pathlib import Path
from typing import Any

from flows import runtime, settings
from flows.settings import Settings, SettingsError
from integrations.errors import CrmError
from models.enums import Crm
from models.policy.load import PolicyError, load_policy
from models.records import Finding
from models.store import StoreError

TABLES = {Crm.SALESFORCE: "fields", Crm.HUBSPOT: "properties"}


def write_settings(path: Path, *, force: bool) -> str:
    """Write a settings file with the field mapping that describe suggests for every CRM whose credentials are given.

    Returns:
        What was written and what to do next.

    Raises:
        SettingsError: The file is there already, or no CRM's credentials are in the environment.
    """
    if path.exists() and not force:
        raise SettingsError(f"{path}: is there already; --force replaces it")
    chosen = _from_environment()
    parts = ["# Settings of plansync. Secrets come from the environment: PLANSYNC_HUBSPOT__ACCESS_TOKEN and so on.\n"]
    parts.append(f'[store]\nurl = "{_beside(path, chosen.store.url)}"\n')
    for crm, port in runtime.open_ports(chosen).items():
        parts.append(f'[{crm}]\nbase_url = "{_base_url(chosen, crm)}"\n')
        parts += [_mapping_table(crm, name, fields) for name, fields in port.propose_mapping().items() if fields]
        port.close()
    path.write_text("\n".join(parts))
    return f"wrote {path}; read the proposed fields over, then run: plansync doctor --config {path}"


def _beside(path: Path, url: str) -> str:
    """A store in the folder of the settings file, named relative to it."""
    return url.replace(f"sqlite:///{path.parent.resolve()}/", "sqlite:///")


def _from_environment() -> Settings:
    chosen = settings.load()
    if not (chosen.salesforce or chosen.hubspot):
        raise SettingsError(
            "no CRM in the environment: set PLANSYNC_SALESFORCE__BASE_URL, …__CONSUMER_KEY and …__CONSUMER_SECRET, or "
            "PLANSYNC_HUBSPOT__ACCESS_TOKEN, then run init again"
        )
    return chosen


def _base_url(chosen: Settings, crm: Crm) -> str:
    return chosen.salesforce.base_url if crm is Crm.SALESFORCE and chosen.salesforce else chosen.hubspot.base_url  # type: ignore[union-attr]


def _mapping_table(crm: Crm, name: str, fields: dict[str, str]) -> str:
    lines = [f'{ours} = "{theirs}"' for ours, theirs in sorted(fields.items())]
    return "\n".join([f"[{crm}.{TABLES[crm]}.{name}]", *lines, ""])


def findings(config: Path | None) -> list[Finding]:
    """Everything that `doctor` checks, good and bad, in the order in which a run would meet it."""
    chosen = settings.load(config)
    found = [_policy(chosen), _store(chosen)]
    try:
        ports = runtime.open_ports(chosen)
    except SettingsError as error:
        return [*found, Finding("CRMs", False, str(error), "set the missing values, then run doctor again")]
    for crm, port in ports.items():
        try:
            found += port.check()
        except CrmError as error:
            found.append(
                Finding(f"{crm} access", False, str(error), "check the base URL, the credentials and the network")
            )
        found.append(_fallback_owner(chosen, crm))
        port.close()
    return [*found, *_files(chosen)]


def as_json(finding: Finding) -> dict[str, Any]:
    """One finding, for `--json`."""
    return {
        "check": finding.check,
        "ok": finding.is_ok,
        "warning": finding.is_warning,
        "detail": finding.detail,
        "fix": finding.fix,
    }


def printed(finding: Finding) -> str:
    """One finding, for people."""
    mark = "FAIL" if not finding.is_ok else "warn" if finding.is_warning else "ok  "
    return f"{mark} {finding.check}: {finding.detail}" + (f"\n     -> {finding.fix}" if finding.fix else "")


def _policy(chosen: Settings) -> Finding:
    try:
        return Finding("policy", True, f"version {load_policy(chosen.policy.path).version}")
    except PolicyError as error:
        return Finding("policy", False, str(error), "mend that line" if error.line else "correct [policy] path")


def _store(chosen: Settings) -> Finding:
    try:
        with runtime.open_store(chosen):
            return Finding("store", True, "open, at the newest schema")
    except (StoreError, OSError) as error:
        return Finding("store", False, str(error), "check [store] url and that its folder can be written")


def _fallback_owner(chosen: Settings, crm: Crm) -> Finding:
    owner = chosen.crm(crm).fallback_owner
    detail = "set" if owner else "none: tasks of inactive owners get the CRM's default owner"
    return Finding(f"{crm} fallback owner", True, detail, "" if owner else f"set [{crm}] fallback_owner")


def _files(chosen: Settings) -> list[Finding]:
    found = []
    for kind, part in (("usage", chosen.usage), ("surveys", chosen.surveys)):
        paths = runtime.files_named(part.files)
        missing = [str(path) for path in paths if not path.is_file()]
        detail = f"missing: {', '.join(missing)}" if missing else f"{len(paths)} files"
        found.append(Finding(f"{kind} files", not missing, detail, f"mend [{kind}] files" if missing else ""))
    return found
