"""Every number that steers a gate: one table, each with its unit and its environment name.

A setting ``upstream_timeout_seconds`` is read from ``GOVERN_GATE_UPSTREAM_TIMEOUT_SECONDS``.
Command-line options for homes, names and ports are in ``__main__.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from govern.errors import InvalidRequestError

PREFIX = "GOVERN_GATE_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits, times and sizes."""

    snapshot_poll_seconds: float = 1.0
    snapshot_stale_seconds: float = 300.0
    callers_refresh_seconds: float = 10.0
    publish_seconds: float = 1.0
    record_timeout_seconds: float = 5.0
    request_body_bytes_max: int = 16 << 20
    response_body_bytes_max: int = 64 << 20
    stream_record_bytes_max: int = 8 << 20
    request_timeout_seconds: float = 30.0
    send_timeout_seconds: float = 30.0
    keep_alive_seconds: float = 75.0
    upstream_timeout_seconds: float = 60.0
    upstream_connect_seconds: float = 5.0
    upstream_idle_seconds: float = 4.0
    upstream_connections_max: int = 128
    upstream_waiting_max: int = 4096
    breaker_failures: int = 8
    breaker_open_seconds: float = 2.0
    client_connections_max: int = 4096
    probe_seconds: float = 60.0
    segment_bytes_max: int = 64 << 20
    drain_seconds: float = 30.0
    keep_bodies: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read settings.

        Raises:
            InvalidRequestError: a value is not a positive number.
        """
        values: dict[str, float | int | bool] = {}
        for item in fields(cls):
            text = environment.get(PREFIX + item.name.upper())
            if text is not None:
                values[item.name] = _number(item.name, text, str(item.type))
        return cls(**values)  # type: ignore[arg-type]


def _number(name: str, text: str, kind: str) -> float | int | bool:
    if kind == "bool":
        if text.lower() not in ("true", "false", "1", "0"):
            raise InvalidRequestError(f"{PREFIX}{name.upper()} is true or false, got {text[:40]!r}")
        return text.lower() in ("true", "1")
    try:
        value = int(text) if kind == "int" else float(text)
    except ValueError:
        raise InvalidRequestError(
            f"{PREFIX}{name.upper()} is a number, got {text[:40]!r}"
        ) from None
    if not 0 < value < 1e15:
        raise InvalidRequestError(f"{PREFIX}{name.upper()} must be positive, got {text[:40]!r}")
    return value
