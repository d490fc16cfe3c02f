"""Candidates and admissions: the indexes the inventory and the gate's snapshot read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, or_
from sqlmodel import col, select

from govern.adapters.sql.rows import plain
from govern.adapters.sql.sessions import Database
from govern.adapters.sql.tables import AdmissionTable, CandidateTable
from govern.errors import InvalidRequestError
from govern.services.ports import AdmissionRow, CandidatePage, CandidateRow

PAGE_SIZE_MAX = 200
QUERY_CHARS_MAX = 200
SORTS: dict[str, ColumnElement[Any]] = {
    "name": col(CandidateTable.name).asc(),
    "-name": col(CandidateTable.name).desc(),
    "registered_at": col(CandidateTable.registered_at).asc(),
    "-registered_at": col(CandidateTable.registered_at).desc(),
    "tier": col(CandidateTable.tier).asc(),
    "status": col(CandidateTable.status).asc(),
    "owner": col(CandidateTable.owner).asc(),
}


class CandidateRecords(Database):
    """Reads and writes candidate and admission rows."""

    def put_candidate(self, row: CandidateRow) -> None:
        """Insert or replace an inventory line; ``put_statement`` does so by itself."""
        values = {name: getattr(row, name) for name in row.__dataclass_fields__}
        with self.writing() as session:
            session.merge(CandidateTable(**values))

    def candidate(self, digest: str) -> CandidateRow | None:
        """Return one inventory line."""
        with self.reading() as session:
            row = session.get(CandidateTable, digest)
            return None if row is None else plain(row, CandidateRow)

    def candidate_by_prefix(self, prefix: str) -> list[CandidateRow]:
        """Return candidates whose digest starts with ``prefix``, two at most."""
        query = (
            select(CandidateTable)
            .where(col(CandidateTable.digest).startswith(prefix, autoescape=True))
            .limit(2)
        )
        with self.reading() as session:
            return [plain(row, CandidateRow) for row in session.exec(query)]

    def list_candidates(
        self,
        query: str = "",
        status: str | None = None,
        tier: str | None = None,
        sort: str = "-registered_at",
        page: int = 1,
        size: int = 50,
    ) -> CandidatePage:
        """Search the inventory.

        Args:
            query: part of a name, owner, author or digest.
            status: only this status.
            tier: only this risk tier.
            sort: a key of ``SORTS``.
            page: from 1.
            size: lines per page.

        Raises:
            InvalidRequestError: an unknown sort, or a number outside its limits.
        """
        if sort not in SORTS:
            raise InvalidRequestError(f"sort by one of {', '.join(SORTS)}")
        if page < 1 or not 1 <= size <= PAGE_SIZE_MAX or len(query) > QUERY_CHARS_MAX:
            raise InvalidRequestError(
                f"pages start at 1, hold 1 to {PAGE_SIZE_MAX} lines; a query has at most "
                f"{QUERY_CHARS_MAX} characters"
            )
        where = _conditions(query.strip(), status, tier)
        found = select(CandidateTable).where(*where)
        found = found.order_by(SORTS[sort], col(CandidateTable.digest))
        count = select(func.count()).select_from(CandidateTable).where(*where)
        with self.reading() as session:
            total = session.exec(count).one()
            rows = session.exec(found.offset((page - 1) * size).limit(size))
            plain_rows = tuple(plain(row, CandidateRow) for row in rows)
        return CandidatePage(plain_rows, total, page, size)

    def admission(self, digest: str) -> AdmissionRow | None:
        """Return one admission."""
        with self.reading() as session:
            row = session.get(AdmissionTable, digest)
            return None if row is None else plain(row, AdmissionRow)

    def list_admissions(
        self,
        *,
        candidate: str | None = None,
        deployment: str | None = None,
        status: str | None = None,
        limit: int = 500,
    ) -> list[AdmissionRow]:
        """Return admissions, newest first."""
        query = select(AdmissionTable).order_by(col(AdmissionTable.admitted_at).desc())
        if candidate is not None:
            query = query.where(AdmissionTable.candidate == candidate)
        if deployment is not None:
            query = query.where(AdmissionTable.deployment == deployment)
        if status is not None:
            query = query.where(AdmissionTable.status == status)
        with self.reading() as session:
            return [plain(row, AdmissionRow) for row in session.exec(query.limit(limit))]

    def current_admissions(self) -> list[AdmissionRow]:
        """Return the newest admission of every deployment, by deployment: a snapshot's entries."""
        newest: dict[str, AdmissionRow] = {}
        for row in self.list_admissions(limit=10_000):
            newest.setdefault(row.deployment, row)
        return [newest[name] for name in sorted(newest)]


def _conditions(query: str, status: str | None, tier: str | None) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if query:
        columns = (CandidateTable.name, CandidateTable.owner, CandidateTable.author)
        parts = [func.lower(col(item)).contains(query.lower(), autoescape=True) for item in columns]
        parts.append(col(CandidateTable.digest).startswith(query, autoescape=True))
        where.append(or_(*parts))
    if status:
        where.append(col(CandidateTable.status) == status)
    if tier:
        where.append(col(CandidateTable.tier) == tier)
    return where
