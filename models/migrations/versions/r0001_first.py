"""The tables of the first release.

Spelled out here, not taken from ``models.tables``, which goes on changing. A column is ``name:type``; ``*`` marks the
primary key, ``?`` a column that may be null.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None
branch_labels = None
depends_on = None

_MIRRORED = "crm:text* crm_id:text* modified_at:moment is_deleted:flag merged_into:text?"
_LANDED = "content_hash:count loaded_at:moment"

_MIRRORS = {
    "owners": "name:text? email:text? is_active:flag",
    "accounts": """
        name:text website:text? parent_crm_id:text? linked_crm_id:text? owner_crm_id:text? industry:text?
        segment:text? tier:text? employees_count:count? seats_count:count? arr_minor:count? currency:text?
        is_strategic:flag? contract_start_date:day? contract_end_date:day? renewal_date:day? notice_days:count?
        created_at:moment?
    """,
    "contacts": """
        account_crm_id:text? name:text? email:text? title:text? role:text? has_left:flag? left_date:day?
        created_at:moment?
    """,
    "opportunities": """
        account_crm_id:text? owner_crm_id:text? name:text? kind:text stage:text? is_closed:flag is_won:flag
        amount_minor:count? currency:text? close_date:day? created_at:moment?
    """,
    "tickets": """
        account_crm_id:text? subject:text? priority:text status:text? is_closed:flag is_escalated:flag
        opened_at:moment closed_at:moment? satisfaction_pct:number?
    """,
    "activities": """
        account_crm_id:text? contact_crm_id:text? owner_crm_id:text? kind:text outcome:text is_inbound:flag?
        subject:text? occurred_at:moment
    """,
    "tasks": """
        account_crm_id:text? owner_crm_id:text? record_key:text? subject:text? body:text? priority:text?
        is_closed:flag due_date:day?
    """,
    "plan_fields": "account_crm_id:text? record_key:text? health_score:number? health_band:text? renewal_date:day?",
    "plan_sections": "account_crm_id:text? record_key:text? section:text body:text?",
    "plan_items": """
        account_crm_id:text? kind:text title:text detail:text? owner_name:text? owner_side:text? due_date:day?
        is_done:flag metric:text? unit:text? baseline:number? target:number? current:number? role:text?
        influence:text? likelihood:text? impact:text? mitigation:text?
    """,
}

_TABLES = {
    "watermarks": "crm:text* target:text* until:moment run_id:text loaded_at:moment",
    "row_errors": "run_id:text* row_hash:count* source:text target:text record:text rule:text detail:text?",
    "crosswalk": "crm:text* crm_id:text* customer_id:text method:text confidence:number reason:text",
    "identity_reviews": "left_crm:text* left_crm_id:text* right_crm:text* right_crm_id:text* score:number reason:text",
    "identity_decisions": """
        left_crm:text* left_crm_id:text* right_crm:text* right_crm_id:text* is_same:flag decided_by:text
        decided_at:moment
    """,
    "homes": "customer_id:text* crm:text crm_id:text",
    "aliases": "alias_id:text* customer_id:text",
    "plan_item_revisions": """
        customer_key:text* crm:text* crm_id:text* modified_at:moment is_deleted:flag merged_into:text?
        account_crm_id:text? kind:text title:text detail:text? owner_name:text? owner_side:text? due_date:day?
        is_done:flag metric:text? unit:text? baseline:number? target:number? current:number? role:text?
        influence:text? likelihood:text? impact:text? mitigation:text? revision:count* source:text author:text
        saved_at:moment content_hash:count
    """,
    "segments": "kind:text* path_key:text* fingerprint:text file_name:text row_count:count number:count run_id:text",
    "assessments": "as_of:day* policy_version:text* number:count run_id:text",
    "ledger": """
        effect_key:text* record_key:text plan_key:text customer_id:text crm:text kind:text action:text
        account_crm_id:text crm_id:text? owner_crm_id:text? payload:text payload_hash:text reason:text rule_ids:text
        state:text tries:count as_of:day run_id:text planned_at:moment sent_run_id:text? sent_at:moment?
        settled_at:moment? is_created:flag? error_code:text? message:text?
    """,
    "written": """
        record_key:text* customer_id:text crm:text kind:text crm_id:text account_crm_id:text owner_crm_id:text?
        payload_hash:text readback_hash:text? is_closed:flag opened_as_of:day effect_key:text
    """,
    "runs": "run_id:text* as_of:day status:text started_at:moment finished_at:moment? summary:text",
    "api_calls": "run_id:text* crm:text* read_count:count write_count:count",
    "leases": "name:text* holder:text token:count expires_at:moment",
}

_INDEXES = {"ledger_by_state": ["state", "crm"], "ledger_by_record": ["record_key"]}

_TYPES: "dict[str, sa.types.TypeEngine[Any]]" = {
    "text": sa.Text(),
    "count": sa.BigInteger(),
    "number": sa.Double(),
    "flag": sa.Boolean(),
    "day": sa.Date(),
    "moment": sa.DateTime(timezone=True),
}


def upgrade() -> None:
    """Make every table."""
    for name, columns in _layouts().items():
        op.create_table(name, *(_column(spec) for spec in columns.split()))
    for name, index in _INDEXES.items():
        op.create_index(name, "ledger", index)


def downgrade() -> None:
    """Drop every table with its rows."""
    for name in _INDEXES:
        op.drop_index(name, "ledger")
    for name in _layouts():
        op.drop_table(name)


def _layouts() -> dict[str, str]:
    mirrors = {f"mirror_{name}": f"{_MIRRORED} {columns} {_LANDED}" for name, columns in _MIRRORS.items()}
    return mirrors | _TABLES


def _column(spec: str) -> "sa.Column[Any]":
    name, kind = spec.rstrip("*?").split(":")
    return sa.Column(
        name, _TYPES[kind], primary_key=spec.endswith("*"), nullable=spec.endswith("?"), autoincrement=False
    )
