"""Indexes that sort and filter the inventory by themselves, and its search terms.

Revision: 0007, after 0006. The terms of candidates that are here already are added.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from govern.adapters.sql.searching import TERM_TYPE, terms_of

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SINGLE = ("name", "owner", "registered_at", "status", "tier")
COMPOSITE = (
    ("name", "digest"),
    ("owner", "digest"),
    ("registered_at", "digest"),
    ("tier", "registered_at", "digest"),
    ("status", "registered_at", "digest"),
    ("status", "tier", "registered_at", "digest"),
)


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("candidates", schema=None) as batch_op:
        for column in SINGLE:
            batch_op.drop_index(f"ix_candidates_{column}")
        for columns in COMPOSITE:
            batch_op.create_index(f"ix_candidates_{'_'.join(columns)}", list(columns), unique=False)
    terms = op.create_table(
        "candidate_terms",
        sa.Column("term", TERM_TYPE, nullable=False),
        sa.Column("candidate", sa.String(length=71), nullable=False),
        sa.PrimaryKeyConstraint("term", "candidate"),
    )
    op.create_index("ix_candidate_terms_candidate", "candidate_terms", ["candidate"])
    known = sa.text("SELECT digest, name, owner, author FROM candidates")
    for digest, *texts in op.get_bind().execute(known).fetchall():
        rows = [{"term": term, "candidate": digest} for term in sorted(terms_of(digest, *texts))]
        op.bulk_insert(terms, rows)


def downgrade() -> None:
    """Undo."""
    op.drop_table("candidate_terms")
    with op.batch_alter_table("candidates", schema=None) as batch_op:
        for columns in COMPOSITE:
            batch_op.drop_index(f"ix_candidates_{'_'.join(columns)}")
        for column in SINGLE:
            batch_op.create_index(f"ix_candidates_{column}", [column], unique=False)
