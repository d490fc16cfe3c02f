"""Open a database: embedded SQLite (write-ahead log), or PostgreSQL by URL.

SQLite here is durable (``synchronous=FULL``), keeps foreign keys, waits instead of failing
when busy, and takes the write lock at the start of a write, never in its middle.
Source: sqlite.org/pragma.html, sqlite.org/lang_transaction.html.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from govern.adapters.sql.timing import watch
from govern.errors import InvalidRequestError

BUSY_TIMEOUT_MS = 15_000
POOL_RECYCLE_SECONDS = 1_800
WRITE = "govern_write"


def sqlite_url(path: Path) -> str:
    """Return the database URL of a SQLite file."""
    return f"sqlite:///{path}"


def open_engine(url: str) -> Engine:
    """Return an engine for ``sqlite:///path`` or ``postgresql://…``.

    Raises:
        InvalidRequestError: another kind of database, or no URL at all.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidRequestError("the database URL cannot be read") from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        server = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_recycle=POOL_RECYCLE_SECONDS,
        )
        watch(server)
        return server
    if backend != "sqlite":
        raise InvalidRequestError(f"expected a sqlite or postgresql URL, got {backend}")
    engine = create_engine(parsed)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    watch(engine)
    return engine


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # This module begins transactions, not the driver.
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    write = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
