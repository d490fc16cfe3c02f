"""Notices that wait, were sent, or were given up."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update
from sqlmodel import col, select

from govern.adapters.sql.rows import plain
from govern.adapters.sql.sessions import Database
from govern.adapters.sql.tables import NoticeTable
from govern.services.notifying import Notice


class NoticeRecords(Database):
    """Reads and writes notices."""

    def add_notices(self, notices: Sequence[Notice]) -> int:
        """Keep those that are not here yet; return how many."""
        added = 0
        with self.writing() as session:
            for notice in notices:
                if session.get(NoticeTable, notice.id) is None:
                    fields = {name: getattr(notice, name) for name in Notice.__dataclass_fields__}
                    session.add(NoticeTable(**fields))
                    added += 1
        return added

    def due_notices(self, now_us: int, limit: int = 50) -> list[Notice]:
        """Return waiting notices whose time has come, the longest waiting first."""
        query = (
            select(NoticeTable)
            .where(NoticeTable.state == "waiting", NoticeTable.next_us <= now_us)
            .order_by(col(NoticeTable.next_us))
            .limit(limit)
        )
        with self.reading() as session:
            return [plain(row, Notice) for row in session.exec(query)]

    def claim_notice(self, notice: Notice, next_us: int) -> bool:
        """Count an attempt; False where another process counted it already."""
        query = update(NoticeTable).where(
            col(NoticeTable.id) == notice.id, col(NoticeTable.attempts) == notice.attempts
        )
        changed = query.values(attempts=notice.attempts + 1, next_us=next_us)
        with self.writing() as session:
            return bool(session.execute(changed).rowcount)  # type: ignore[attr-defined]

    def settle_notice(self, notice_id: str, state: str, error: str | None) -> None:
        """Note how an attempt went."""
        query = update(NoticeTable).where(col(NoticeTable.id) == notice_id)
        with self.writing() as session:
            session.execute(query.values(state=state, error=error))

    def list_notices(self, limit: int = 100) -> list[Notice]:
        """Return the newest notices."""
        query = select(NoticeTable).order_by(col(NoticeTable.created_at).desc())
        with self.reading() as session:
            return [plain(row, Notice) for row in session.exec(query.limit(limit))]
