"""Transactions: reads share a snapshot, writes take the lock at their start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import Session

from govern.adapters.sql.engine import WRITE
from govern.errors import ConflictError, StorageError


class Database:
    """Opens sessions and turns the driver's errors into ours."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writer = engine.execution_options(**{WRITE: True})

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that only reads."""
        with _our_errors(), Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Yield a session that commits at the end, or leaves nothing behind."""
        with _our_errors(), Session(self._writer) as session, session.begin():
            yield session


@contextmanager
def _our_errors() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(
            f"the database refused a duplicate or dangling row: {error.orig}"
        ) from None
    except DBAPIError as error:
        raise StorageError(f"the database failed: {error.orig}") from None


def now_us() -> int:
    """Return the present as unix microseconds."""
    return time.time_ns() // 1000


def text_of_us(microseconds: int | None) -> str | None:
    """Return RFC 3339 text (seconds) for unix microseconds."""
    if microseconds is None:
        return None
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
