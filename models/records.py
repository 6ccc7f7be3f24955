"""Single things that travel between rooms: a write, its outcome, a finding."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from models.enums import Crm, WriteAction, WriteKind

Value = str | int | float | bool | date | None


@dataclass(frozen=True, slots=True)
class Write:
    """One effect on one CRM record.

    ``values`` uses plansync's own names; the vendor folder translates them:

    - ``FIELDS``: ``health_score`` (float, 0-100, or None), ``health_band`` (str), ``renewal_date`` (date or None); a
      create also carries ``customer_name`` (str), the name of the new plan.
    - ``SECTIONS``: ``section`` (a ``Section`` value), ``body`` (plain text, ``\\n`` line ends).
    - ``TASKS``: ``subject``, ``body`` (str), ``due_date`` (date), ``priority`` (a ``TaskPriority`` value),
      ``owner_crm_id`` (str or None: the CRM's default). A close carries only ``closed_reason`` (str).

    ``plan_key`` is the record key of the customer's plan, the parent of fields and sections.
    """

    effect_key: str
    record_key: str
    plan_key: str
    customer_id: str
    crm: Crm
    kind: WriteKind
    action: WriteAction
    account_crm_id: str
    crm_id: str | None
    values: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write. Exactly one of ``crm_id`` and ``error_code`` is set."""

    effect_key: str
    crm_id: str | None = None
    is_created: bool = False
    error_code: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``doctor``: what was checked, whether it holds, and what to do if not.

    ``is_warning`` marks what holds and should be better all the same.
    """

    check: str
    is_ok: bool
    detail: str
    fix: str = ""
    is_warning: bool = False
