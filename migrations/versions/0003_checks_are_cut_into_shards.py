"""A check is cut into shards: jobs of their own, counted down on the job they belong to.

Revision: 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("parent", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("shards_left", sa.Integer(), nullable=True))
        batch_op.add_column(
            sa.Column("attempts_max", sa.Integer(), nullable=False, server_default="3")
        )
        batch_op.add_column(sa.Column("answer", sa.LargeBinary(), nullable=True))
        batch_op.create_index("ix_jobs_parent", ["parent"], unique=False)


def downgrade() -> None:
    """Undo; checks that are cut begin again."""
    op.execute("DELETE FROM jobs WHERE parent IS NOT NULL")
    op.execute("UPDATE jobs SET state = 'queued', attempt = 0 WHERE state = 'split'")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_parent")
        for name in ("answer", "attempts_max", "shards_left", "parent"):
            batch_op.drop_column(name)
