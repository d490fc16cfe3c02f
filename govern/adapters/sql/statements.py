"""Statements: stored as exact bytes, found by digest, subject and predicate type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, func
from sqlmodel import Session, col, select

from govern.adapters.sql.indexing import index_statement, void_admission
from govern.adapters.sql.sessions import Database
from govern.adapters.sql.tables import (
    AdmissionTable,
    ApprovalTable,
    CandidateTable,
    CandidateTermTable,
    StatementTable,
    SubjectTable,
)
from govern.domain.predicates import name_of
from govern.domain.voiding import counts
from govern.services.ports import StoredStatement
from govern.transparency.encoding import format_time
from govern.transparency.verify import VerifiedStatement

_REBUILT = (
    AdmissionTable,
    ApprovalTable,
    CandidateTermTable,
    CandidateTable,
    SubjectTable,
    StatementTable,
)


class StatementRecords(Database):
    """The ``StatementStore`` of ``govern.services.recording``, and what viewing needs."""

    def put_statement(self, statement: VerifiedStatement) -> None:
        """Store a statement and its index rows in one transaction; again changes nothing."""
        with self.writing() as session:
            if session.get(StatementTable, statement.digest) is None:
                _insert(session, statement)
                if counts(statement):
                    index_statement(session, statement)

    def reindex(self, statements: Iterable[VerifiedStatement], void: Iterable[str] = ()) -> int:
        """Rebuild the index tables from statements; return how many were read.

        Args:
            statements: all of them, verified; they are applied in log order. Requests, jobs
                and people are left alone.
            void: admissions that rest on a void statement; they serve no more.
        """
        ordered = sorted(statements, key=lambda item: item.log_index)
        with self.writing() as session:
            for table in _REBUILT:
                session.execute(delete(table))
            for item in ordered:
                if session.get(StatementTable, item.digest) is None:
                    _insert(session, item)
                if counts(item):
                    index_statement(session, item)
                session.flush()
            for digest in void:
                void_admission(session, digest)
        return len(ordered)

    def bundle(self, digest: str) -> bytes | None:
        """Return the exact bundle of a statement digest."""
        with self.reading() as session:
            query = select(StatementTable.bundle).where(StatementTable.digest == digest)
            return session.exec(query).first()

    def bundles(self, predicate_type: str | None = None) -> list[bytes]:
        """Return all bundles (of one predicate type), oldest first."""
        query = select(StatementTable.bundle).order_by(col(StatementTable.log_index))
        if predicate_type is not None:
            query = query.where(StatementTable.predicate_type == predicate_type)
        with self.reading() as session:
            return list(session.exec(query))

    def bundles_by_subject(self, digest: str) -> list[bytes]:
        """Return the bundles that have ``digest`` among their subjects, oldest first."""
        return [row.bundle for row in self.statements_for(digest)]

    def statements_for(self, subject: str, kind: str | None = None) -> list[StoredStatement]:
        """Return statement rows about a digest (of one short kind), oldest first."""
        query = (
            select(StatementTable)
            .join(SubjectTable, col(SubjectTable.statement) == StatementTable.digest)
            .where(SubjectTable.subject == subject)
            .order_by(col(StatementTable.log_index))
        )
        if kind is not None:
            query = query.where(StatementTable.kind == kind)
        with self.reading() as session:
            return [_stored(row) for row in session.exec(query)]

    def statement(self, digest: str) -> StoredStatement | None:
        """Return one statement row."""
        with self.reading() as session:
            row = session.get(StatementTable, digest)
            return None if row is None else _stored(row)

    def recent_statements(
        self, *, kind: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[StoredStatement]:
        """Return the newest statements, newest first.

        Args:
            kind: only this short kind.
            before: only those with a smaller log index.
            limit: at most so many.
        """
        query = select(StatementTable).order_by(col(StatementTable.log_index).desc()).limit(limit)
        if kind is not None:
            query = query.where(StatementTable.kind == kind)
        if before is not None:
            query = query.where(col(StatementTable.log_index) < before)
        with self.reading() as session:
            return [_stored(row) for row in session.exec(query)]

    def count_statements(self) -> int:
        """Return how many statements there are."""
        with self.reading() as session:
            return session.exec(select(func.count()).select_from(StatementTable)).one()

    def statements_end(self) -> int:
        """Return the log index after the newest statement; 0 if there is none."""
        with self.reading() as session:
            end = func.coalesce(func.max(StatementTable.log_index) + 1, 0)
            return int(session.exec(select(end)).one())

    def signers(self, digests: Sequence[str]) -> dict[str, str]:
        """Return who signed each of these statements."""
        query = select(StatementTable.digest, StatementTable.signer).where(
            col(StatementTable.digest).in_(list(digests))
        )
        with self.reading() as session:
            return {digest: signer for digest, signer in session.exec(query)}  # noqa: C416


def _insert(session: Session, item: VerifiedStatement) -> None:
    session.add(
        StatementTable(
            digest=item.digest,
            kind=name_of(item.kind)[:32],
            predicate_type=item.kind,
            subject=item.statement.subject,
            signer=item.signer,
            log_index=item.log_index,
            created_at=format_time(item.proven_at),
            bundle=item.bundle,
        )
    )
    session.flush()
    for subject in {digest for _, digest in item.statement.subjects}:
        session.add(SubjectTable(subject=subject, statement=item.digest))


def _stored(row: StatementTable) -> StoredStatement:
    return StoredStatement(
        digest=row.digest,
        kind=row.kind,
        predicate_type=row.predicate_type,
        subject=row.subject,
        signer=row.signer,
        log_index=row.log_index,
        created_at=row.created_at,
        bundle=row.bundle,
    )
