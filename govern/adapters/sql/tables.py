"""The tables. ``statements`` holds the truth; the index tables below it can be rebuilt.

Times are RFC 3339 text as they stand in statements; leases, lock-outs and expiries that
are compared in SQL are unix microseconds.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from govern.adapters.sql.searching import TERM_TYPE


def _text(**options: object) -> Column[str]:
    return Column(Text, **options)  # type: ignore[arg-type]


class StatementTable(SQLModel, table=True):
    """Exact signed bytes plus index columns."""

    __tablename__ = "statements"

    digest: str = Field(primary_key=True, max_length=71)
    kind: str = Field(max_length=32)
    predicate_type: str = Field(max_length=200)
    subject: str = Field(index=True, max_length=71)
    signer: str = Field(index=True, max_length=320)
    log_index: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    created_at: str = Field(max_length=32)
    bundle: bytes = Field(sa_column=Column(LargeBinary, nullable=False))

    __table_args__ = (Index("ix_statements_type_log", "predicate_type", "log_index"),)


class SubjectTable(SQLModel, table=True):
    """Every subject of every statement."""

    __tablename__ = "statement_subjects"

    subject: str = Field(primary_key=True, max_length=71)
    statement: str = Field(
        primary_key=True, max_length=71, foreign_key="statements.digest", index=True
    )


class CandidateTable(SQLModel, table=True):
    """The inventory (index)."""

    __tablename__ = "candidates"

    digest: str = Field(primary_key=True, max_length=71)
    name: str = Field(max_length=200)
    version: str = Field(max_length=100)
    owner: str = Field(max_length=320)
    author: str = Field(max_length=320)
    tier: str = Field(max_length=32)
    domain: str = Field(max_length=64)
    intended_use: str = Field(sa_column=_text(nullable=False))
    status: str = Field(max_length=16)
    registered_at: str = Field(max_length=32)
    statement: str = Field(max_length=71)
    outcome: str | None = Field(default=None, max_length=16)
    decided_at: str | None = Field(default=None, max_length=32)

    __table_args__ = tuple(
        Index(f"ix_candidates_{'_'.join(columns)}", *columns)
        for columns in (
            ("name", "digest"),
            ("owner", "digest"),
            ("registered_at", "digest"),
            ("tier", "registered_at", "digest"),
            ("status", "registered_at", "digest"),
            ("status", "tier", "registered_at", "digest"),
        )
    )


class CandidateTermTable(SQLModel, table=True):
    """What the inventory's search finds candidates by (index)."""

    __tablename__ = "candidate_terms"

    term: str = Field(sa_column=Column(TERM_TYPE, primary_key=True))
    candidate: str = Field(primary_key=True, index=True, max_length=71)


class JobTable(SQLModel, table=True):
    """Work to do, with leases; messages are only nudges."""

    __tablename__ = "jobs"

    id: str = Field(primary_key=True, max_length=32)
    kind: str = Field(max_length=64)
    payload: str = Field(sa_column=_text(nullable=False))
    state: str = Field(max_length=16)
    candidate: str | None = Field(default=None, index=True, max_length=71)
    requested_by: str | None = Field(default=None, max_length=320)
    created_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    started_us: int | None = Field(default=None, sa_column=Column(BigInteger))
    finished_us: int | None = Field(default=None, sa_column=Column(BigInteger))
    lease_owner: str | None = Field(default=None, max_length=200)
    lease_until: int | None = Field(default=None, sa_column=Column(BigInteger))
    attempt: int = 0
    progress_done: int = 0
    progress_total: int = 0
    error: str | None = Field(default=None, sa_column=_text())
    result: str | None = Field(default=None, sa_column=_text())
    parent: str | None = Field(default=None, index=True, max_length=32)
    shards_left: int | None = None
    attempts_max: int = Field(default=3, sa_column_kwargs={"server_default": "3"})
    answer: bytes | None = Field(default=None, sa_column=Column(LargeBinary))

    __table_args__ = (Index("ix_jobs_state_kind_created", "state", "kind", "created_us"),)


class ApprovalRequestTable(SQLModel, table=True):
    """Questions put to reviewers."""

    __tablename__ = "approval_requests"

    id: str = Field(primary_key=True, max_length=32)
    candidate: str = Field(index=True, max_length=71)
    decision: str = Field(index=True, max_length=71)
    decision_digest: str = Field(max_length=71)
    requested_by: str = Field(max_length=320)
    requested_at: str = Field(index=True, max_length=32)
    tier: str = Field(max_length=32)
    state: str = Field(index=True, max_length=16)
    expires_at: str | None = Field(default=None, max_length=32)


class RequestMessageTable(SQLModel, table=True):
    """What was asked and answered about a request."""

    __tablename__ = "request_messages"

    id: str = Field(primary_key=True, max_length=32)
    request: str = Field(foreign_key="approval_requests.id", index=True, max_length=32)
    author: str = Field(max_length=320)
    kind: str = Field(max_length=16)
    text: str = Field(sa_column=_text(nullable=False))
    at: str = Field(max_length=32)
    addressee: str | None = Field(default=None, max_length=320)


class EvidenceOpenedTable(SQLModel, table=True):
    """Which evidence a reviewer opened; kept with the vote, and the page says so."""

    __tablename__ = "evidence_opened"

    request: str = Field(primary_key=True, foreign_key="approval_requests.id", max_length=32)
    email: str = Field(primary_key=True, max_length=320)
    statement: str = Field(primary_key=True, max_length=71)
    at: str = Field(max_length=32)


class ApprovalTable(SQLModel, table=True):
    """Votes (index)."""

    __tablename__ = "approvals"

    digest: str = Field(primary_key=True, max_length=71)
    candidate: str = Field(index=True, max_length=71)
    decision: str = Field(index=True, max_length=71)
    approver: str = Field(index=True, max_length=320)
    vote: str = Field(max_length=16)
    comment: str = Field(sa_column=_text(nullable=False))
    approved_at: str = Field(max_length=32)


class AdmissionTable(SQLModel, table=True):
    """Admissions and their present status (index)."""

    __tablename__ = "admissions"

    digest: str = Field(primary_key=True, max_length=71)
    deployment: str = Field(index=True, max_length=200)
    environment: str = Field(max_length=64)
    candidate: str = Field(index=True, max_length=71)
    decision: str = Field(max_length=71)
    status: str = Field(index=True, max_length=16)
    admitted_by: str = Field(max_length=320)
    admitted_at: str = Field(max_length=32)
    not_before: str = Field(max_length=32)
    expires_at: str = Field(index=True, max_length=32)


class PersonTable(SQLModel, table=True):
    """Who may sign in; passwords as argon2 hashes only."""

    __tablename__ = "people"

    email: str = Field(primary_key=True, max_length=320)
    name: str = Field(max_length=200)
    roles: str = Field(sa_column=_text(nullable=False))
    password_hash: str | None = Field(default=None, max_length=256)
    disabled: bool = False
    failed_attempts: int = 0
    locked_until: int = Field(default=0, sa_column=Column(BigInteger, nullable=False))
    created_at: str = Field(max_length=32)


class ApiTokenTable(SQLModel, table=True):
    """Bearer tokens; only their SHA-256."""

    __tablename__ = "api_tokens"

    id: str = Field(primary_key=True, max_length=32)
    email: str = Field(foreign_key="people.email", index=True, max_length=320)
    name: str = Field(max_length=200)
    token_hash: str = Field(unique=True, max_length=64)
    scopes: str = Field(sa_column=_text(nullable=False))
    created_at: str = Field(max_length=32)
    expires_at: int = Field(sa_column=Column(BigInteger, nullable=False))
    revoked: bool = False


class PasskeyTable(SQLModel, table=True):
    """Passkeys made in the portal; which of them count the trust file says."""

    __tablename__ = "passkeys"

    key_id: str = Field(primary_key=True, max_length=71)
    email: str = Field(foreign_key="people.email", index=True, max_length=320)
    name: str = Field(max_length=200)
    credential: str = Field(max_length=1024)
    public_key: str = Field(max_length=256)
    rp_id: str = Field(max_length=253)
    origin: str = Field(max_length=300)
    device_bound: bool
    aaguid: str = Field(max_length=36)
    attestation: str = Field(max_length=32)
    created_at: str = Field(max_length=32)


class NoticeTable(SQLModel, table=True):
    """Notices to people and systems, until delivered."""

    __tablename__ = "notices"

    id: str = Field(primary_key=True, max_length=64)
    event: str = Field(max_length=32)
    channel: str = Field(max_length=16)
    target: str = Field(max_length=2000)
    subject: str = Field(max_length=300)
    body: str = Field(sa_column=_text(nullable=False))
    state: str = Field(max_length=16)
    attempts: int = 0
    next_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: str = Field(max_length=32)
    error: str | None = Field(default=None, max_length=500)

    __table_args__ = (Index("ix_notices_state_next", "state", "next_us"),)


class SnapshotVersionTable(SQLModel, table=True):
    """Snapshot versions given out, so that they only move forward."""

    __tablename__ = "snapshot_versions"

    version: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    entries_digest: str = Field(max_length=71)
    issued_at: str = Field(max_length=32)
