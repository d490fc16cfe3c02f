"""Candidates and admissions: the indexes the inventory and the gate's snapshot read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from govern.adapters.sql.indexing import add_candidate
from govern.adapters.sql.rows import plain
from govern.adapters.sql.searching import LAST, words_of
from govern.adapters.sql.sessions import Database
from govern.adapters.sql.tables import AdmissionTable, CandidateTable, CandidateTermTable
from govern.errors import InvalidRequestError
from govern.services.ports import AdmissionRow, CandidatePage, CandidateRow

PAGE_SIZE_MAX = 200
QUERY_CHARS_MAX = 200
_DIGEST = col(CandidateTable.digest)
_AT, _NAME = col(CandidateTable.registered_at), col(CandidateTable.name)
# Columns and whether the order falls. The digest settles ties in the same direction, so that
# an index gives the order.
SORTS: dict[str, tuple[tuple[Any, ...], bool]] = {
    "name": ((_NAME, _DIGEST), False),
    "-name": ((_NAME, _DIGEST), True),
    "registered_at": ((_AT, _DIGEST), False),
    "-registered_at": ((_AT, _DIGEST), True),
    "tier": ((col(CandidateTable.tier), _AT, _DIGEST), False),
    "status": ((col(CandidateTable.status), _AT, _DIGEST), False),
    "owner": ((col(CandidateTable.owner), _DIGEST), False),
}


class CandidateRecords(Database):
    """Reads and writes candidate and admission rows."""

    def put_candidate(self, row: CandidateRow) -> None:
        """Insert or replace an inventory line; ``put_statement`` does so by itself."""
        values = {name: getattr(row, name) for name in row.__dataclass_fields__}
        with self.writing() as session:
            add_candidate(session, CandidateTable(**values))

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
            query: beginnings of parts of a name, owner, author or digest; all must fit.
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
        where = _conditions(query, status, tier)
        count = select(func.count()).select_from(CandidateTable).where(*where)
        with self.reading() as session:
            total = session.exec(count).one()
            # Digests first, from the index alone: a late page reads no rows before it.
            digests = list(session.exec(_page_query(where, sort, page, size, total)))
            rows = session.exec(select(CandidateTable).where(_DIGEST.in_(digests)))
            by_digest = {row.digest: plain(row, CandidateRow) for row in rows}
        if _from_the_end(page, size, total):
            digests.reverse()
        return CandidatePage(tuple(by_digest[one] for one in digests), total, page, size)

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


def _from_the_end(page: int, size: int, total: int) -> bool:
    """Say whether a page lies nearer to the end, and is counted from there."""
    return (page - 1) * size > total // 2


def _page_query(
    where: list[ColumnElement[bool]], sort: str, page: int, size: int, total: int
) -> SelectOfScalar[str]:
    columns, falling = SORTS[sort]
    skipped, taken = (page - 1) * size, size
    if _from_the_end(page, size, total):
        falling, end = not falling, total - skipped
        skipped, taken = max(end - size, 0), max(min(size, end), 0)
    order = [column.desc() if falling else column.asc() for column in columns]
    found = select(CandidateTable.digest).where(*where).order_by(*order)
    return found.offset(skipped).limit(taken)


def _conditions(query: str, status: str | None, tier: str | None) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    for word in words_of(query):
        term = col(CandidateTermTable.term)
        fitting = select(CandidateTermTable.candidate).where(term >= word, term < word + LAST)
        where.append(_DIGEST.in_(fitting))
    if status:
        where.append(col(CandidateTable.status) == status)
    if tier:
        where.append(col(CandidateTable.tier) == tier)
    return where
