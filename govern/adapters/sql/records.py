"""All records behind one door: statements, candidates, jobs, reviews, people.

It stores and finds; it decides nothing. The statement tables hold signed bytes, and their
index rows can be rebuilt with ``reindex``.
"""

from __future__ import annotations

from pathlib import Path

from govern.adapters.sql.candidates import CandidateRecords
from govern.adapters.sql.engine import open_engine, sqlite_url
from govern.adapters.sql.jobs import JobRecords
from govern.adapters.sql.migrate import current_revision, head_revision, upgrade_engine
from govern.adapters.sql.notices import NoticeRecords
from govern.adapters.sql.passkeys import PasskeyRecords
from govern.adapters.sql.people import PeopleRecords
from govern.adapters.sql.reviews import ReviewRecords
from govern.adapters.sql.statements import StatementRecords
from govern.errors import StorageError


class Records(
    StatementRecords,
    CandidateRecords,
    JobRecords,
    ReviewRecords,
    PeopleRecords,
    PasskeyRecords,
    NoticeRecords,
):
    """Data access for services, web and worker; safe to share between threads."""

    @classmethod
    def open(cls, where: str | Path, *, migrate: bool = False) -> Records:
        """Open a database by URL, or a SQLite file by path.

        Args:
            where: ``sqlite:///…``, ``postgresql://…`` or a path.
            migrate: create or upgrade the schema; else it must be current.

        Raises:
            StorageError: the schema is not current, or the database cannot be opened.
        """
        url = where if isinstance(where, str) else sqlite_url(where)
        engine = open_engine(url)
        if migrate:
            upgrade_engine(engine)
        elif current_revision(engine) != head_revision():
            engine.dispose()
            raise StorageError(
                "the database is not at the newest schema; `govern log reindex` brings it there"
            )
        return cls(engine)

    def ready(self) -> bool:
        """Say whether the database answers."""
        try:
            with self.reading() as session:
                session.connection().exec_driver_sql("SELECT 1")
        except StorageError:
            return False
        return True

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
