"""Times as text and as numbers. Pure; whoever calls brings the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=8)
def _second_text(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def micros_text(micros: int) -> str:
    """Return RFC 3339 UTC with microseconds for microseconds since 1970."""
    second, rest = divmod(micros, 1_000_000)
    return f"{_second_text(second)}.{rest:06d}Z"
