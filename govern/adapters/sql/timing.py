"""How long queries take, by request: how many, how long in all, and which was the slowest."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, event

STATEMENT_CHARS_MAX = 500


@dataclass(slots=True)
class Queries:
    """The queries of one request; times in seconds."""

    count: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    slowest: str = ""

    def add(self, statement: str, seconds: float) -> None:
        """Count a query; its text holds placeholders, never values."""
        self.count += 1
        self.seconds += seconds
        if seconds >= self.slowest_seconds:
            self.slowest_seconds = seconds
            self.slowest = " ".join(statement.split())[:STATEMENT_CHARS_MAX]


_present: ContextVar[Queries | None] = ContextVar("queries", default=None)


def count_queries() -> Queries:
    """Begin to count this request's queries."""
    queries = Queries()
    _present.set(queries)
    return queries


def watch(engine: Engine) -> None:
    """Time every query of an engine."""
    event.listen(engine, "before_cursor_execute", _before)
    event.listen(engine, "after_cursor_execute", _after)


def _before(connection: Any, *_: Any) -> None:
    connection.info["govern_began"] = time.perf_counter()


def _after(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    queries = _present.get()
    if queries is not None:
        queries.add(statement, time.perf_counter() - connection.info["govern_began"])
