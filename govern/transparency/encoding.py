"""Strict base64 and RFC 3339 times: one text for one value."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

from govern.errors import MalformedError


def b64(data: bytes) -> str:
    """Return standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode()


def unb64(text: object, what: str = "value") -> bytes:
    """Decode base64, refusing any text that is not the one canonical encoding.

    Raises:
        MalformedError: not text, not base64, or with non-zero padding bits.
    """
    if not isinstance(text, str):
        raise MalformedError(f"{what} is not base64 text")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError(f"{what} is not base64") from None
    if b64(data) != text:
        raise MalformedError(f"{what} is not canonical base64")
    return data


def is_decimal(text: str) -> bool:
    """Say whether text is a number of at most 19 digits, written in the only way."""
    return text.isascii() and text.isdigit() and len(text) < 20 and str(int(text)) == text


def format_time(moment: datetime) -> str:
    """Return ``2026-11-24T02:00:00Z`` (seconds) or with microseconds where there are any."""
    moment = moment.astimezone(UTC)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{moment.microsecond:06d}Z" if moment.microsecond else "Z")


def parse_time(text: object) -> datetime:
    """Read an RFC 3339 time in UTC (``Z``).

    Raises:
        MalformedError: another zone, another form, or no such moment.
    """
    if not isinstance(text, str) or not text.endswith("Z") or len(text) > 30:
        raise MalformedError(f"expected a UTC time like 2026-11-24T02:00:00Z, got {text!r:.60}")
    try:
        moment = datetime.fromisoformat(text[:-1])
    except ValueError:
        raise MalformedError(f"no such time: {text[:40]!r}") from None
    if moment.tzinfo is not None:
        raise MalformedError(f"two zones in {text[:40]!r}")
    return moment.replace(tzinfo=UTC)
