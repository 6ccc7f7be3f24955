"""`provision`: what a CRM lacks before plansync can write there, made once by an admin.

It only adds. What is there and differs is named and left alone, so running it again is safe at any time.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows import runtime, settings
from flows.endings import Exit
from flows.settings import Settings, SettingsError
from integrations.crm import CrmPort
from integrations.provisioning import Made, Part, Standing, missing
from models.enums import Crm

FORMAT_VERSION = 1
Say = Callable[[str], None]


@dataclass(slots=True)
class Provisioning:
    """What was found, what was made of it, and how it stands at the end."""

    crm: Crm
    is_check: bool
    found: list[Part]
    made: list[Made] = field(default_factory=list)
    after: list[Part] = field(default_factory=list)
    assigned: str = ""

    @property
    def parts(self) -> list[Part]:
        """Everything needed, as it stands now."""
        return self.after or self.found

    @property
    def ending(self) -> Exit:
        """How the verb ends: pending where a check found something to make, held where only a person can go on."""
        if self.is_check and missing(self.parts):
            return Exit.PENDING
        if missing(self.parts) or any(made.problem for made in self.made):
            return Exit.DEGRADED
        if any(part.standing is Standing.DIFFERS for part in self.parts):
            return Exit.HELD
        return Exit.DONE

    def as_json(self) -> dict[str, Any]:
        """The verb's `--json`."""
        problems = {made.part.name: made for made in self.made}
        return {
            "format_version": FORMAT_VERSION,
            "crm": self.crm,
            "check": self.is_check,
            "status": {Exit.DONE: "complete", Exit.PENDING: "missing", Exit.HELD: "differs"}.get(self.ending, "failed"),
            "parts": [_part_as_json(part, problems.get(part.name)) for part in self.parts],
            "made": [made.part.name for made in self.made if made.is_new and not made.problem],
            "failed": [{"name": made.part.name, "problem": made.problem} for made in self.made if made.problem],
            "assigned": self.assigned or None,
        }


def _part_as_json(part: Part, made: Made | None) -> dict[str, Any]:
    return {
        "kind": part.kind,
        "name": part.name,
        "wanted": part.wanted,
        "standing": part.standing,
        "detail": part.detail,
        "todo": part.todo,
        "note": made.note if made else "",
    }


def provisioned(crm: Crm, config: Path | None, *, is_check: bool, assignee: str | None, say: Say) -> Provisioning:
    """Compare, make what is missing unless this is a check, and compare again.

    Args:
        assignee: Name of the user who gets Salesforce's permission set; None for nobody.
        say: Takes each line of talk, as things happen.

    Raises:
        SettingsError: The CRM is not set up.
        CrmError: It cannot be asked, or lets this user make nothing; what was made before stays made and has been said.
    """
    port = _port(crm, settings.load(config))
    try:
        done = Provisioning(crm, is_check, _parts(port, assignee))
        _say_standing(done.found, say)
        if is_check:
            return done
        _make(port, done, say)
        if assignee and not any(made.problem for made in done.made):
            done.assigned = _assigned(port, assignee)
            say(done.assigned)
        if done.made or done.assigned:
            done.after = _parts(port, assignee)
            _say_verified(done, say)
        return done
    finally:
        port.close()


def _port(crm: Crm, chosen: Settings) -> CrmPort:
    """The port of one CRM, whatever the other one's settings hold."""
    others = {str(each): None for each in Crm if each is not crm}
    if getattr(chosen, str(crm)) is None:
        raise SettingsError(
            f"{crm} is not set up: give [{crm}] in plansync.toml or PLANSYNC_{crm.upper()}__... variables"
        )
    return runtime.open_ports(chosen.model_copy(update=others))[crm]


def _parts(port: CrmPort, assignee: str | None) -> list[Part]:
    from integrations.salesforce.client import Salesforce

    if isinstance(port, Salesforce) and assignee:
        return port.parts_for_others()
    return port.parts()


def _assigned(port: CrmPort, assignee: str) -> str:
    from integrations.salesforce.client import Salesforce

    if not isinstance(port, Salesforce):
        raise SettingsError("--assign is for Salesforce; a HubSpot key has its scopes from HubSpot's own page")
    return port.assign(assignee)


def _make(port: CrmPort, done: Provisioning, say: Say) -> None:
    lacking = missing(done.found)
    if not lacking:
        say("nothing to make")
        return
    say(f"making {len(lacking)}:")
    for made in port.create(lacking):
        done.made.append(made)
        note = f" ({made.note})" if made.note else ""
        mark = "done" if made.is_new else "kept"
        say(f"  FAIL {made.part.name}: {made.problem}" if made.problem else f"  {mark} {made.part.name}{note}")


def _say_standing(parts: Sequence[Part], say: Say) -> None:
    width = max(len(part.standing) for part in parts)
    for part in parts:
        detail = f": {part.detail}" if part.detail else ""
        say(f"{part.standing:<{width}}  {part.kind} {part.name} ({part.wanted}){detail}")
    for todo in dict.fromkeys(part.todo for part in parts if part.todo):
        say(f"-> {todo}")


def _say_verified(done: Provisioning, say: Say) -> None:
    """What the CRM itself says afterwards of everything that is not as it should be."""
    wrong = [part for part in done.after if part.standing is not Standing.PRESENT]
    if not wrong:
        say(f"verified: {len(done.after)} of {len(done.after)} as needed")
        return
    say(f"verified: {len(done.after) - len(wrong)} of {len(done.after)} as needed; not yet:")
    _say_standing(wrong, say)


@dataclass(frozen=True, slots=True)
class Package:
    """A source project that was written: where, and its files by their paths in it."""

    folder: Path
    files: tuple[str, ...]

    @property
    def deploy(self) -> str:
        """The shell command that deploys it."""
        return f"cd {shlex.quote(str(self.folder))} && sf project deploy start --manifest manifest/package.xml"

    def printed(self) -> str:
        """What was written and how to deploy it, for people."""
        return f"wrote {len(self.files)} files to {self.folder}; deploy them: {self.deploy}"

    def as_json(self) -> dict[str, Any]:
        """The same, for `--json`."""
        return {
            "format_version": FORMAT_VERSION,
            "crm": Crm.SALESFORCE,
            "package": str(self.folder),
            "files": list(self.files),
            "deploy": self.deploy,
        }


def write_package(folder: Path) -> Package:
    """Write Salesforce's objects, fields and permission set as a source project for admins who deploy by hand.

    Args:
        folder: Made if need be; files of the same names are replaced, others stay.

    Raises:
        OSError: The folder cannot be written.
    """
    from integrations.salesforce.fields import SalesforceConfig
    from integrations.salesforce.metadata_files import project

    files = project(str(SalesforceConfig.model_fields["api_version"].default))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Package(folder, tuple(sorted(files)))
