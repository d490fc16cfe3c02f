"""A record on its way to the journal: what is known of a request, and its canonical bytes.

It does not sequence, encrypt or write: see ``recorder.py``.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(slots=True)
class Pending:
    """A record to be, and what to call when it is durable (or cannot be)."""

    kind: str
    method: str
    path: str
    status: int
    done: Callable[[int, bytes], None]
    failed: Callable[[], None]
    deployment: str | None = None
    admission: str | None = None
    candidate: str | None = None
    caller: str | None = None
    subject: str = "gate"
    request_body: bytes | None = None
    response_body: bytes | None = None
    keep_bodies: bool = True
    request_more: dict[str, Any] | None = None
    response_more: dict[str, Any] | None = None
    reason: str | None = None
    latency_us: int = 0
    upstream: str | None = None
    trace: str | None = None


def record_bytes(pending: Pending, seq: int, at: str, salt: bytes) -> bytes:
    """Return the canonical bytes of a record (equal to ``GateRecord.to_bytes``)."""
    return orjson.dumps(
        {
            "admission": pending.admission,
            "at": at,
            "caller": pending.caller,
            "candidate": pending.candidate,
            "deployment": pending.deployment,
            "kind": pending.kind,
            "latency_us": pending.latency_us,
            "method": pending.method,
            "path": pending.path,
            "reason": pending.reason,
            "request": _body(pending.request_body, salt, pending.request_more),
            "response": _body(pending.response_body, salt, pending.response_more),
            "seq": seq,
            "status": pending.status,
            "trace": pending.trace,
            "upstream": pending.upstream,
            "v": 1,
        },
        option=orjson.OPT_SORT_KEYS,
    )


def _body(body: bytes | None, salt: bytes, more: dict[str, Any] | None) -> dict[str, Any]:
    if body is None:
        return {"bytes": 0, "commitment": None, **(more or {})}
    committed = b2a_base64(hashlib.sha256(salt + body).digest(), newline=False).decode()
    result = {"bytes": len(body), "commitment": committed}
    return {**result, **more} if more else result
