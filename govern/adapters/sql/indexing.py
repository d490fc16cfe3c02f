"""Index rows made from statements: what a statement changes in the tables below it.

Everything here can be thrown away and rebuilt by feeding all statements again in log order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import delete
from sqlmodel import Session, col, select

from govern.adapters.sql.searching import terms_of
from govern.adapters.sql.tables import (
    AdmissionTable,
    ApprovalRequestTable,
    ApprovalTable,
    CandidateTable,
    CandidateTermTable,
)
from govern.domain import predicates
from govern.transparency.encoding import format_time
from govern.transparency.verify import VerifiedStatement


def index_statement(session: Session, item: VerifiedStatement) -> None:
    """Apply one statement to the index tables."""
    handler = _HANDLERS.get(item.kind)
    if handler is not None:
        handler(session, item, item.statement.predicate)


def _candidate(session: Session, item: VerifiedStatement, card: Mapping[str, Any]) -> None:
    if session.get(CandidateTable, item.statement.subject) is not None:
        return
    add_candidate(
        session,
        CandidateTable(
            digest=item.statement.subject,
            name=_text(card, "name", 200),
            version=_text(card, "version", 100),
            owner=_text(card, "owner", 320),
            author=_text(card, "author", 320),
            tier=_text(card, "risk_tier", 32),
            domain=_text(card, "domain", 64),
            intended_use=_text(card, "intended_use", 10_000),
            status="registered",
            registered_at=_text(card, "registered_at", 32) or format_time(item.proven_at),
            statement=item.digest,
        ),
    )


def add_candidate(session: Session, row: CandidateTable) -> None:
    """Insert or replace an inventory line, with what it is found by."""
    session.merge(row)
    session.execute(
        delete(CandidateTermTable).where(col(CandidateTermTable.candidate) == row.digest)
    )
    terms = sorted(terms_of(row.digest, row.name, row.owner, row.author))
    session.add_all(CandidateTermTable(term=term, candidate=row.digest) for term in terms)


def _text(card: Mapping[str, Any], key: str, characters_max: int) -> str:
    value = card.get(key)
    return "" if value is None else str(value)[:characters_max]


def _check(session: Session, item: VerifiedStatement, _: Mapping[str, Any]) -> None:
    row = session.get(CandidateTable, item.statement.subject)
    if row is not None and row.status == "registered":
        row.status = "checked"
        session.add(row)


def _decision(session: Session, item: VerifiedStatement, predicate: Mapping[str, Any]) -> None:
    row = session.get(CandidateTable, item.statement.subject)
    value = predicate.get("govern")
    if row is None or not isinstance(value, dict):
        return
    row.outcome = str(value.get("outcome", "deny"))[:16]
    row.decided_at = format_time(item.proven_at)
    if row.status not in ("admitted", "suspended"):
        row.status = row.outcome
    session.add(row)
    older = select(ApprovalRequestTable).where(
        ApprovalRequestTable.candidate == row.digest,
        ApprovalRequestTable.decision != item.digest,
        col(ApprovalRequestTable.state).in_(["open", "approved"]),
    )
    for request in session.exec(older):
        request.state = "void"  # An approval is bound to what was reviewed.
        session.add(request)


def _approval(session: Session, item: VerifiedStatement, vote: Mapping[str, Any]) -> None:
    session.merge(
        ApprovalTable(
            digest=item.digest,
            candidate=item.statement.subject,
            decision=_text(vote, "decision", 71),
            approver=_text(vote, "approver", 320),
            vote=_text(vote, "vote", 16),
            comment=_text(vote, "comment", 10_000),
            approved_at=_text(vote, "approved_at", 32),
        )
    )


def _admission(session: Session, item: VerifiedStatement, value: Mapping[str, Any]) -> None:
    if session.get(AdmissionTable, item.digest) is not None:
        return
    fields = {
        key: _text(value, key, size)
        for key, size in (
            ("deployment", 200),
            ("environment", 64),
            ("decision", 71),
            ("admitted_by", 320),
            ("admitted_at", 32),
            ("not_before", 32),
            ("expires_at", 32),
        )
    }
    candidate = item.statement.subject
    session.add(AdmissionTable(digest=item.digest, candidate=candidate, status="active", **fields))
    _set_candidate(session, candidate, "admitted")


def _change(status: str) -> Callable[[Session, VerifiedStatement, Mapping[str, Any]], None]:
    def apply(session: Session, _: VerifiedStatement, value: Mapping[str, Any]) -> None:
        _set_admission(session, str(value.get("admission")), status)

    return apply


def void_admission(session: Session, digest: str) -> None:
    """Mark an admission that rests on a void statement."""
    _set_admission(session, digest, "void")


def _set_admission(session: Session, digest: str, status: str) -> None:
    row = session.get(AdmissionTable, digest)
    if row is None or row.status == "revoked":  # A revocation is final.
        return
    row.status = status
    session.add(row)
    session.flush()
    others = select(AdmissionTable.status).where(AdmissionTable.candidate == row.candidate)
    states = set(session.exec(others))
    if "active" in states:
        _set_candidate(session, row.candidate, "admitted")
    elif "suspended" in states:
        _set_candidate(session, row.candidate, "suspended")
    else:
        _set_candidate(session, row.candidate, None)


def _waiver_revocation(session: Session, _: VerifiedStatement, value: Mapping[str, Any]) -> None:
    """Revoke in the index the admissions that rested on the waiver."""
    resting = value.get("admissions")
    for admission in resting if isinstance(resting, list) else []:
        _set_admission(session, str(admission), "revoked")


def _set_candidate(session: Session, digest: str, status: str | None) -> None:
    row = session.get(CandidateTable, digest)
    if row is not None:
        row.status = status or row.outcome or "registered"
        session.add(row)


_HANDLERS: dict[str, Callable[[Session, VerifiedStatement, Mapping[str, Any]], None]] = {
    predicates.CANDIDATE: _candidate,
    predicates.TEST_RESULT: _check,
    predicates.SVR: _decision,
    predicates.APPROVAL: _approval,
    predicates.ADMISSION: _admission,
    predicates.SUSPENSION: _change("suspended"),
    predicates.REINSTATEMENT: _change("active"),
    predicates.REVOCATION: _change("revoked"),
    predicates.WAIVER_REVOCATION: _waiver_revocation,
}
