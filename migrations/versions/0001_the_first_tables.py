"""The first tables: statements, their indexes, jobs, reviews, people, tokens.

Revision: 0001, after None.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "admissions",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("environment", sa.String(length=64), nullable=False),
        sa.Column("candidate", sa.String(length=71), nullable=False),
        sa.Column("decision", sa.String(length=71), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("admitted_by", sa.String(length=320), nullable=False),
        sa.Column("admitted_at", sa.String(length=32), nullable=False),
        sa.Column("not_before", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("admissions", schema=None) as batch_op:
        batch_op.create_index("ix_admissions_candidate", ["candidate"], unique=False)
        batch_op.create_index("ix_admissions_deployment", ["deployment"], unique=False)
        batch_op.create_index("ix_admissions_expires_at", ["expires_at"], unique=False)
        batch_op.create_index("ix_admissions_status", ["status"], unique=False)

    op.create_table(
        "approval_requests",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("candidate", sa.String(length=71), nullable=False),
        sa.Column("decision", sa.String(length=71), nullable=False),
        sa.Column("decision_digest", sa.String(length=71), nullable=False),
        sa.Column("requested_by", sa.String(length=320), nullable=False),
        sa.Column("requested_at", sa.String(length=32), nullable=False),
        sa.Column("tier", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("expires_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("approval_requests", schema=None) as batch_op:
        batch_op.create_index("ix_approval_requests_candidate", ["candidate"], unique=False)
        batch_op.create_index("ix_approval_requests_decision", ["decision"], unique=False)
        batch_op.create_index("ix_approval_requests_requested_at", ["requested_at"], unique=False)
        batch_op.create_index("ix_approval_requests_state", ["state"], unique=False)

    op.create_table(
        "approvals",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("candidate", sa.String(length=71), nullable=False),
        sa.Column("decision", sa.String(length=71), nullable=False),
        sa.Column("approver", sa.String(length=320), nullable=False),
        sa.Column("vote", sa.String(length=16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.create_index("ix_approvals_approver", ["approver"], unique=False)
        batch_op.create_index("ix_approvals_candidate", ["candidate"], unique=False)
        batch_op.create_index("ix_approvals_decision", ["decision"], unique=False)

    op.create_table(
        "candidates",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("owner", sa.String(length=320), nullable=False),
        sa.Column("author", sa.String(length=320), nullable=False),
        sa.Column("tier", sa.String(length=32), nullable=False),
        sa.Column("domain", sa.String(length=64), nullable=False),
        sa.Column("intended_use", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("registered_at", sa.String(length=32), nullable=False),
        sa.Column("statement", sa.String(length=71), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("decided_at", sa.String(length=32), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("candidates", schema=None) as batch_op:
        batch_op.create_index("ix_candidates_name", ["name"], unique=False)
        batch_op.create_index("ix_candidates_owner", ["owner"], unique=False)
        batch_op.create_index("ix_candidates_registered_at", ["registered_at"], unique=False)
        batch_op.create_index("ix_candidates_status", ["status"], unique=False)
        batch_op.create_index("ix_candidates_tier", ["tier"], unique=False)

    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("candidate", sa.String(length=71), nullable=True),
        sa.Column("requested_by", sa.String(length=320), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("finished_us", sa.BigInteger(), nullable=True),
        sa.Column("lease_owner", sa.String(length=200), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("progress_done", sa.Integer(), nullable=False),
        sa.Column("progress_total", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("ix_jobs_candidate", ["candidate"], unique=False)
        batch_op.create_index(
            "ix_jobs_state_kind_created", ["state", "kind", "created_us"], unique=False
        )

    op.create_table(
        "people",
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.String(length=256), nullable=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("failed_attempts", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("email"),
    )
    op.create_table(
        "snapshot_versions",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entries_digest", sa.String(length=71), nullable=False),
        sa.Column("issued_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("version"),
    )
    op.create_table(
        "statements",
        sa.Column("digest", sa.String(length=71), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("predicate_type", sa.String(length=200), nullable=False),
        sa.Column("subject", sa.String(length=71), nullable=False),
        sa.Column("signer", sa.String(length=320), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    with op.batch_alter_table("statements", schema=None) as batch_op:
        batch_op.create_index("ix_statements_log_index", ["log_index"], unique=False)
        batch_op.create_index("ix_statements_signer", ["signer"], unique=False)
        batch_op.create_index("ix_statements_subject", ["subject"], unique=False)
        batch_op.create_index(
            "ix_statements_type_log", ["predicate_type", "log_index"], unique=False
        )

    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["email"],
            ["people.email"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_hash"),
    )
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.create_index("ix_api_tokens_email", ["email"], unique=False)

    op.create_table(
        "evidence_opened",
        sa.Column("request", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("statement", sa.String(length=71), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"],
            ["approval_requests.id"],
        ),
        sa.PrimaryKeyConstraint("request", "email", "statement"),
    )
    op.create_table(
        "request_messages",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("request", sa.String(length=32), nullable=False),
        sa.Column("author", sa.String(length=320), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"],
            ["approval_requests.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("request_messages", schema=None) as batch_op:
        batch_op.create_index("ix_request_messages_request", ["request"], unique=False)

    op.create_table(
        "statement_subjects",
        sa.Column("subject", sa.String(length=71), nullable=False),
        sa.Column("statement", sa.String(length=71), nullable=False),
        sa.ForeignKeyConstraint(
            ["statement"],
            ["statements.digest"],
        ),
        sa.PrimaryKeyConstraint("subject", "statement"),
    )
    with op.batch_alter_table("statement_subjects", schema=None) as batch_op:
        batch_op.create_index("ix_statement_subjects_statement", ["statement"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("statement_subjects", schema=None) as batch_op:
        batch_op.drop_index("ix_statement_subjects_statement")

    op.drop_table("statement_subjects")
    with op.batch_alter_table("request_messages", schema=None) as batch_op:
        batch_op.drop_index("ix_request_messages_request")

    op.drop_table("request_messages")
    op.drop_table("evidence_opened")
    with op.batch_alter_table("api_tokens", schema=None) as batch_op:
        batch_op.drop_index("ix_api_tokens_email")

    op.drop_table("api_tokens")
    with op.batch_alter_table("statements", schema=None) as batch_op:
        batch_op.drop_index("ix_statements_type_log")
        batch_op.drop_index("ix_statements_subject")
        batch_op.drop_index("ix_statements_signer")
        batch_op.drop_index("ix_statements_log_index")

    op.drop_table("statements")
    op.drop_table("snapshot_versions")
    op.drop_table("people")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_state_kind_created")
        batch_op.drop_index("ix_jobs_candidate")

    op.drop_table("jobs")
    with op.batch_alter_table("candidates", schema=None) as batch_op:
        batch_op.drop_index("ix_candidates_tier")
        batch_op.drop_index("ix_candidates_status")
        batch_op.drop_index("ix_candidates_registered_at")
        batch_op.drop_index("ix_candidates_owner")
        batch_op.drop_index("ix_candidates_name")

    op.drop_table("candidates")
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.drop_index("ix_approvals_decision")
        batch_op.drop_index("ix_approvals_candidate")
        batch_op.drop_index("ix_approvals_approver")

    op.drop_table("approvals")
    with op.batch_alter_table("approval_requests", schema=None) as batch_op:
        batch_op.drop_index("ix_approval_requests_state")
        batch_op.drop_index("ix_approval_requests_requested_at")
        batch_op.drop_index("ix_approval_requests_decision")
        batch_op.drop_index("ix_approval_requests_candidate")

    op.drop_table("approval_requests")
    with op.batch_alter_table("admissions", schema=None) as batch_op:
        batch_op.drop_index("ix_admissions_status")
        batch_op.drop_index("ix_admissions_expires_at")
        batch_op.drop_index("ix_admissions_deployment")
        batch_op.drop_index("ix_admissions_candidate")

    op.drop_table("admissions")
