"""A message about a request may name whom the review is handed to.

Revision: 0005, after 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("request_messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("addressee", sa.String(length=320), nullable=True))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("request_messages", schema=None) as batch_op:
        batch_op.drop_column("addressee")
