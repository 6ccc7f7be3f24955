"""What the contract suite needs of a CRM beside its port: an emulated vendor, and hands to change things there."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import requests

from integrations.crm import CrmPort
from integrations.sandbox.process import Sandbox
from models.enums import Crm, WriteKind


class Side(Protocol):
    """One CRM in the sandbox, as its own users and its admin see it. A third CRM is one more of these.

    Arranging goes through the vendor's own API by plain requests, never through the code under test.
    """

    crm: Crm
    batch_size: int
    """Records per write call for tasks."""

    def port(self, *, token: str | None = None, base_url: str | None = None, **settings: Any) -> CrmPort:
        """The port under test: as configured, or with another token, address or settings."""
        ...

    def counts(self) -> Mapping[tuple[str, ...], int]:
        """How many living records the sandbox itself counts, by the frames among which they are spread."""
        ...

    def unmapped(self, column: str) -> Mapping[str, Any]:
        """Settings that leave a column of accounts without a field."""
        ...

    def mapped_wrongly(self) -> Mapping[str, Any]:
        """Settings that map ``arr_minor`` to a field that does not exist."""
        ...

    def create_account(self, name: str) -> str: ...

    def rename_account(self, crm_id: str, name: str) -> None: ...

    def delete_account(self, crm_id: str) -> None: ...

    def merge_accounts(self, winner: str, loser: str) -> str:
        """Merge as a person would; returns the id of the survivor."""
        ...

    def create_bad_ticket(self) -> str:
        """A ticket whose satisfaction is 170 %."""
        ...

    def reword_section(self, crm_id: str, text: str) -> None:
        """What a person does who edits one section of a plan; ``crm_id`` as in the frame ``plan_sections``."""
        ...

    def delete_task(self, crm_id: str) -> None: ...

    def least_calls(self, new: Mapping[WriteKind, int], known: Mapping[WriteKind, int]) -> int:
        """The fewest write calls in which so many records of each kind can be made and changed, each by itself."""
        ...


class Admin:
    """The sandbox's side door."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._url = sandbox.admin_url
        self._session = requests.Session()
        self._session.trust_env = False

    def _asked(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._session.request(method, self._url + path, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def now(self) -> datetime:
        return datetime.fromisoformat(self._asked("GET", "/clock")["now"]).astimezone(UTC)

    def tick(self, minutes: int = 10) -> datetime:
        """Move both CRMs' clock on; returns what it shows now."""
        later = self.now() + timedelta(minutes=minutes)
        self._asked("PUT", "/clock", {"now": later.isoformat()})
        return later

    def counts(self, crm: Crm) -> dict[str, int]:
        found: dict[str, int] = self._asked("GET", "/counts")["counts"][crm]
        return found

    def forget_requests(self) -> None:
        self._asked("DELETE", "/requests")

    def requests(self, crm: Crm) -> dict[str, int]:
        """Requests seen since they were last forgotten: ``read`` and ``write``."""
        counts = self._asked("GET", "/requests")["counts"].get(crm, {})
        return {"read": counts.get("read", 0), "write": counts.get("write", 0)}

    def fault(self, crm: Crm, kind: str, **details: Any) -> None:
        self._asked("POST", "/faults", {"crm": crm, "kind": kind, **details})

    def clear_faults(self) -> None:
        self._asked("DELETE", "/faults")

    def merge_salesforce_accounts(self, winner: str, loser: str) -> None:
        self._asked("POST", "/salesforce/merge", {"winner": winner, "loser": loser})

    def close(self) -> None:
        self._session.close()
