"""What workers on several machines agree on: the pace of requests to a CRM."""

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "shared", sa.Column("key", sa.Text(), primary_key=True), sa.Column("state", sa.Text(), nullable=False)
    )


def downgrade() -> None:
    """Drop the table; it holds nothing that outlives a few minutes."""
    op.drop_table("shared")
