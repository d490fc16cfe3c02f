"""Approval requests, the talk about them, votes, and which evidence was opened."""

from __future__ import annotations

import secrets

from sqlalchemy import update
from sqlmodel import Session, col, select

from govern.adapters.sql.rows import plain
from govern.adapters.sql.sessions import Database
from govern.adapters.sql.tables import (
    ApprovalRequestTable,
    ApprovalTable,
    EvidenceOpenedTable,
    RequestMessageTable,
    SnapshotVersionTable,
)
from govern.errors import ConflictError, InvalidRequestError
from govern.services.ports import REQUEST_STATES, ApprovalRequest, ApprovalRow, RequestMessage
from govern.services.reviewing import MESSAGE_KINDS

MESSAGE_CHARS_MAX = 10_000


class ReviewRecords(Database):
    """Reads and writes what belongs to a review."""

    def add_request(
        self,
        *,
        candidate: str,
        decision: str,
        decision_digest: str,
        requested_by: str,
        requested_at: str,
        tier: str,
        expires_at: str | None = None,
    ) -> str:
        """Open a request; return its id.

        Raises:
            ConflictError: one is open for this decision already.
        """
        same = select(ApprovalRequestTable).where(
            ApprovalRequestTable.decision == decision, ApprovalRequestTable.state == "open"
        )
        with self.writing() as session:
            if session.exec(same).first() is not None:
                raise ConflictError("an approval request for this decision is open already")
            row = ApprovalRequestTable(
                id=secrets.token_hex(6),
                candidate=candidate,
                decision=decision,
                decision_digest=decision_digest,
                requested_by=requested_by,
                requested_at=requested_at,
                tier=tier,
                state="open",
                expires_at=expires_at,
            )
            session.add(row)
            return row.id

    def request(self, request_id: str) -> ApprovalRequest | None:
        """Return one request."""
        with self.reading() as session:
            row = session.get(ApprovalRequestTable, request_id)
            return None if row is None else plain(row, ApprovalRequest)

    def list_requests(
        self, *, state: str | None = None, candidate: str | None = None, limit: int = 200
    ) -> list[ApprovalRequest]:
        """Return requests, the longest waiting first."""
        query = select(ApprovalRequestTable).order_by(col(ApprovalRequestTable.requested_at))
        if state is not None:
            query = query.where(ApprovalRequestTable.state == state)
        if candidate is not None:
            query = query.where(ApprovalRequestTable.candidate == candidate)
        with self.reading() as session:
            return [plain(row, ApprovalRequest) for row in session.exec(query.limit(limit))]

    def set_request_state(self, request_id: str, state: str, *, expected: str = "open") -> bool:
        """Move a request from ``expected`` to ``state``; False where it stood elsewhere."""
        if state not in REQUEST_STATES:
            raise InvalidRequestError(f"unknown request state {state!r:.40}")
        query = update(ApprovalRequestTable).where(
            col(ApprovalRequestTable.id) == request_id,
            col(ApprovalRequestTable.state) == expected,
        )
        with self.writing() as session:
            done = session.execute(query.values(state=state))
            return bool(done.rowcount)  # type: ignore[attr-defined]

    def approvals_for(self, decision: str) -> list[ApprovalRow]:
        """Return the votes on one decision, oldest first."""
        query = (
            select(ApprovalTable)
            .where(ApprovalTable.decision == decision)
            .order_by(col(ApprovalTable.approved_at))
        )
        with self.reading() as session:
            return [plain(row, ApprovalRow) for row in session.exec(query)]

    def add_message(
        self,
        request_id: str,
        *,
        author: str,
        kind: str,
        text: str,
        at: str,
        addressee: str | None = None,
    ) -> str:
        """Keep what was said about a request; ``addressee`` is whom a review is handed to."""
        if kind not in MESSAGE_KINDS or not text.strip() or len(text) > MESSAGE_CHARS_MAX:
            raise InvalidRequestError(
                f"write 1 to {MESSAGE_CHARS_MAX} characters as {', '.join(MESSAGE_KINDS)}"
            )
        row = RequestMessageTable(
            id=secrets.token_hex(8),
            request=request_id,
            author=author,
            kind=kind,
            text=text.strip(),
            at=at,
            addressee=addressee,
        )
        with self.writing() as session:
            session.add(row)
            return row.id

    def messages_for(self, request_id: str) -> list[RequestMessage]:
        """Return what was said about a request, oldest first."""
        query = (
            select(RequestMessageTable)
            .where(RequestMessageTable.request == request_id)
            .order_by(col(RequestMessageTable.at), col(RequestMessageTable.id))
        )
        with self.reading() as session:
            return [plain(row, RequestMessage) for row in session.exec(query)]

    def note_evidence_opened(self, request_id: str, *, email: str, statement: str, at: str) -> None:
        """Note that a reviewer opened a piece of evidence; the first time counts."""
        with self.writing() as session:
            key = (request_id, email, statement)
            if session.get(EvidenceOpenedTable, key) is None:
                session.add(
                    EvidenceOpenedTable(request=request_id, email=email, statement=statement, at=at)
                )

    def evidence_opened(self, request_id: str, email: str) -> dict[str, str]:
        """Return statement digest -> when this reviewer opened it."""
        query = select(EvidenceOpenedTable).where(
            EvidenceOpenedTable.request == request_id, EvidenceOpenedTable.email == email
        )
        with self.reading() as session:
            return {row.statement: row.at for row in session.exec(query)}

    def next_snapshot_version(self, entries_digest: str, issued_at: str) -> int:
        """Return the version for these entries: the present one, or one more where they changed."""
        with self.writing() as session:
            last = _last_snapshot(session)
            if last is not None and last.entries_digest == entries_digest:
                return last.version
            version = 1 if last is None else last.version + 1
            session.add(
                SnapshotVersionTable(
                    version=version, entries_digest=entries_digest, issued_at=issued_at
                )
            )
            return version


def _last_snapshot(session: Session) -> SnapshotVersionTable | None:
    newest = select(SnapshotVersionTable).order_by(col(SnapshotVersionTable.version).desc())
    return session.exec(newest.limit(1)).first()
