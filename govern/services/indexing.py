"""Rebuild the database's index from the lineage log: files are the truth.

Each entry's bundle is read from beside the log, verified against the trust file, and
compared with the entry it claims to be. What is in no statement (people, tokens, jobs,
questions to reviewers) is not rebuilt; back the database up for those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from govern.domain import predicates
from govern.domain.assembling import StatementIndex, load_admission
from govern.errors import CompletenessError, EvidenceError, RevokedKeyError, VerificationError
from govern.transparency.bundle import entry_body, parse_bundle
from govern.transparency.checkpoint import Checkpoint
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement, examine_bundle

Progress = Callable[[int, int], None]


class BundledLog(Protocol):
    """A lineage log with a bundle beside each entry."""

    def checkpoint(self) -> Checkpoint:
        """Return the published checkpoint, verified."""

    def entries(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield the entries ``start`` to ``end``."""

    def bundle(self, index: int) -> bytes:
        """Return the bundle of an entry."""


class Index(Protocol):
    """The database, as far as statements index it."""

    def statements_end(self) -> int:
        """Return the log index after the newest indexed statement."""

    def put_statement(self, statement: VerifiedStatement) -> None:
        """Index a statement; again changes nothing."""

    def reindex(self, statements: Iterable[VerifiedStatement], void: Iterable[str] = ()) -> int:
        """Throw the index away and rebuild it; return how many were read.

        Args:
            statements: all of them.
            void: admissions that rest on a void statement.
        """


def read_statements(
    log: BundledLog, trust: TrustRoot, start: int = 0, progress: Progress | None = None
) -> Iterator[VerifiedStatement]:
    """Yield the statement of every published entry from ``start`` on, verified; void ones say so.

    Args:
        log: the lineage log.
        trust: the trust root.
        start: first log index.
        progress: called with how many were read, and of how many.

    Raises:
        VerificationError: a bundle is missing, does not verify, or is another entry's.
    """
    size = log.checkpoint().size
    for index, entry in enumerate(log.entries(start, size), start):
        statement = examine_bundle(log.bundle(index), trust)
        bundle = parse_bundle(statement.bundle)
        if statement.log_index != index or entry_body(bundle.envelope, bundle.certificate) != entry:
            raise EvidenceError(f"the bundle beside log entry {index} is another statement")
        yield statement
        if progress is not None:
            progress(index + 1 - start, size - start)


def rebuild(
    log: BundledLog, index: Index, trust: TrustRoot, progress: Progress | None = None
) -> int:
    """Rebuild the whole index; nothing is thrown away before every bundle has verified.

    Returns:
        how many statements were indexed.

    Raises:
        VerificationError: see ``read_statements``.
    """
    statements = list(read_statements(log, trust, progress=progress))
    return index.reindex(statements, resting_on_void(statements, trust))


def resting_on_void(statements: Sequence[VerifiedStatement], trust: TrustRoot) -> list[str]:
    """Return the digests of admissions that count themselves and rest on what is void."""
    if not any(item.void for item in statements):
        return []
    index = StatementIndex(statements)
    return [
        item.digest
        for item in index.of_kind(predicates.ADMISSION)
        if _rests_on_void(index, item.digest, trust)
    ]


def _rests_on_void(index: StatementIndex, admission: str, trust: TrustRoot) -> bool:
    try:
        load_admission(index, admission, trust)
    except RevokedKeyError:
        return True
    except VerificationError:
        return False  # Whoever loads it is told why; the index only follows revoked keys.
    return False


def catch_up(log: BundledLog, index: Index, trust: TrustRoot) -> int:
    """Index what was published and not indexed (a stop between the two); return how many.

    Raises:
        CompletenessError: the database knows more than the log: the log was rolled back.
        VerificationError: see ``read_statements``.
    """
    start, size = index.statements_end(), log.checkpoint().size
    if start > size:
        raise CompletenessError(
            f"the database knows {start} statements, the lineage log holds {size}: rolled back"
        )
    found = list(read_statements(log, trust, start)) if start < size else []
    for statement in found:
        index.put_statement(statement)
    return len(found)
